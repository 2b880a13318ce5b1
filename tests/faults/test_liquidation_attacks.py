"""Rows of the fault list in which somebody is liquidated, or nobody can be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boa
import pytest

from tests.support.attack import (
    NOW_OR_LATER,
    USD,
    attempt,
    call_data,
    equity,
    fund_account,
    hedged,
    no_gain,
    pass_time,
    pool_account,
    same_block,
    sink,
    take_all,
    walk,
    weak_long,
    wealth,
)
from tests.support.world import LOTS, TICKS, WAD, World, perp

USDC = 10**6
COALITION = ("attacker", "accomplice")


def reduce(world: World, account: int, symbol: str, size: int, keeper: str = "keeper") -> None:
    """Close part of a leg against the pool, as a keeper who is paid into his first account."""
    instrument = perp(world.market(symbol).id)
    call = (account, instrument, size, 0, world.account(keeper), NOW_OR_LATER)
    world.liquidator.reduce(*call, sender=world.role(keeper))


def planned(world: World, account: int, symbol: str) -> Any:
    """Return the plan of a close."""
    return world.liquidator.plan_reduce(account, perp(world.market(symbol).id))


# ---- liquidating oneself -----------------------------------------------------------------------


def test_fault_012_self_liquidation__solvent_account_before_t_slow__earns_no_bonus(
    world: World,
) -> None:
    # Euler, 2023: whoever takes an account over is paid more than it is worth
    long, short = hedged(world, "ETH", 50 * LOTS, 8_600)
    sink(world, long, "ETH", 0.1)
    fund = equity(world, fund_account(world))
    own = world.open_account("attacker", 1, USDC=20_000 * USDC)
    with no_gain(world, 12, *COALITION):
        world.liquidator.flag(long, sender=world.role("attacker"))
        for _ in range(5):
            world.next_price(60)
            world.liquidator.flag(long, sender=world.role("attacker"))
        refused = attempt(take_all, world, long, own)
        # half of MM is offered by now, and a tenth of it is there
        assert world.liquidator.plan_take(long).reward > 4 * equity(world, long)
        assert attempt(take_all, world, long, short) is None
    assert refused == "liquidator: buyer"
    assert equity(world, fund_account(world)) == fund
    world.assert_books_balance()


# ---- pumping -----------------------------------------------------------------------------------


def test_fault_014_pump__winner_withdraws_and_loser_is_bankrupt__pays_nothing(
    world: World,
) -> None:
    # Mango, 2022: two own accounts, a thin market pumped, the winner's profit withdrawn at its top
    honest = world.open_account("trader", USDC=40_000 * USDC)
    world.open_position(honest, "BTC", 5 * LOTS)
    walk(world, "BTC", 58_500 * TICKS)
    world.clearinghouse.settle(honest, sender=world.role("keeper"))
    long, short = hedged(world, "LINK", 60_000 * LOTS, 120_000)
    with no_gain(world, 14, *COALITION):
        for price in range(16, 21):
            walk(world, "LINK", price * TICKS)
            attempt(world.clearinghouse.settle, short, sender=world.role("attacker"))
        world.clearinghouse.settle(long, sender=world.role("attacker"))
        assert world.cash(long) > 120_000 * WAD
        for dollars in (*range(240_000, 0, -10_000), 1):
            attempt(world.withdraw, long, "USDC", dollars * USDC)
        walk(world, "LINK", 15 * TICKS)
    world.assert_books_balance()


def test_fault_092_winner__loser_never_settles__is_paid_out_of_the_pot_alone(
    world: World,
) -> None:
    long, short = hedged(world, "ETH", 50 * LOTS, 12_000)
    walk(world, "ETH", 3_150 * TICKS)
    world.open_position(long, "ETH", -50 * LOTS)
    gained = equity(world, long) - 12_000 * WAD
    assert gained > 7_000 * WAD
    core, attacker = world.clearinghouse, world.role("attacker")
    assert core.pot() == 0
    settled = core.settle(long, sender=attacker)
    assert attempt(world.withdraw, long, "USDC", 12_000 * USDC) is None
    refused = attempt(world.withdraw, long, "USDC", gained // 10**12)
    wallets = world.tokens["USDC"].balanceOf(attacker)
    assert wallets <= 12_000 * USDC, f"92: the winner has {wallets / USDC:,.2f} USDC of 12,000"
    assert (settled, refused) == (0, "custody: not enough cash")
    # once the loss is collected the rest comes
    core.settle_pair([short, pool_account(world)], long, sender=attacker)
    assert world.cash(long) == gained
    world.assert_books_balance()


# ---- sizes -------------------------------------------------------------------------------------


def test_fault_018_dust__in_every_form__is_refused(world: World) -> None:
    account = world.open_account("attacker", USDC=2_000 * USDC, WETH=10**18)
    dollar = TICKS * LOTS // world.prices["ETH"]
    assert attempt(world.open_position, account, "ETH", 990 * dollar) == "trading: leg too small"
    world.open_position(account, "ETH", 1_010 * dollar)
    rest = attempt(world.open_position, account, "ETH", -1_001 * dollar)
    assert rest == "trading: leg too small"
    assert attempt(world.withdraw, account, "WETH", 10**18 - 10**13) == "custody: dust"
    assert attempt(world.fund, account, "WBTC", 10**3) == "custody: dust"
    assert world.amounts(account) == {1: 10**18}


def test_fault_018_smallest_leg__liquidated__pays_its_keeper(world: World) -> None:
    account = world.open_account("attacker", USDC=2_000 * USDC)
    world.open_position(account, "ETH", 1_010 * TICKS * LOTS // world.prices["ETH"])
    free = equity(world, account) - world.health(account).im
    world.withdraw(account, "USDC", free // 10**12)
    sink(world, account, "ETH", 0.95)
    before = wealth(world, "keeper")
    reduce(world, account, "ETH", planned(world, account, "ETH").size)
    pay = wealth(world, "keeper") - before
    print(f"18: closing a part of 1,000 USD pays {pay / USD:.2f} USD")
    assert pay >= USD


# ---- marks -------------------------------------------------------------------------------------


def test_fault_020_mark__pushed_by_trades_or_forged_reports__liquidates_nobody(
    world: World,
) -> None:
    # bZx, 2020: move the mark, have somebody liquidated at it, move it back
    victim = weak_long(world, 1.05)
    attacker = world.open_account("attacker", USDC=1_000_000 * USDC)
    keeper = world.open_account("accomplice", USDC=USDC)
    health = world.health(victim)
    world.open_position(attacker, "ETH", -1_500 * LOTS)
    # 4 M USD of skew, and nothing but seconds of funding has changed
    assert abs(equity(world, victim) - health.equity) < USD
    lower = world.prices["ETH"] * 975 // 1_000
    with no_gain(world, 20, "accomplice"):
        world.wait(10)
        forged = forged_blob(world, {"ETH": lower})
        refused = attempt(world.markets.update, forged, sender=world.role("attacker"))
        flagged = attempt(world.liquidator.flag, victim, sender=world.role("attacker"))
        attempt(reduce, world, victim, "ETH", 0, "accomplice")
    assert refused == "oracle: bad signature"
    assert flagged == "liquidator: not below mm"
    assert world.cash(keeper) == USD
    assert world.size(victim, "ETH") == 20 * LOTS


def forged_blob(world: World, prices: dict[str, int]) -> bytes:
    """Return reports in the names of a quorum, all signed by the last source."""
    key = world.signers[-1].key
    names = world.signers[: world.parameters.quorum]
    return world.report_blob(prices, signers=[replace(name, key=key) for name in names])


def test_fault_021_flash_loan__collateral_in_and_out_in_one_block__leaves_no_bare_position(
    world: World,
) -> None:
    # Cream, Beanstalk: money that is there for one transaction
    short = world.open_account("accomplice", USDC=40_000 * USDC)
    long, attacker = world.account("attacker"), world.role("attacker")
    order = world.order(long, "ETH", 200 * LOTS)
    world.commit(order)
    world.next_price(3)
    lent, usdc = 1_000_000 * USDC, world.tokens["USDC"]
    with no_gain(world, 21, *COALITION):
        before = boa.env.evm.snapshot()
        world.mint("USDC", attacker, lent)
        outcomes = same_block(
            world,
            lambda: world.clearinghouse.deposit(long, usdc.address, lent, sender=attacker),
            lambda: world.execute(order),
            lambda: world.withdraw(long, "USDC", lent),
            lambda: usdc.transfer(world.role("lender"), lent, sender=attacker),
        )
        if outcomes[-1] is not None:
            # the lender was not paid back, so nothing of it happened
            boa.env.evm.revert(before)
        if world.legs(long):
            # whichever way the price goes, he walks away from one half
            world.open_position(short, "ETH", -200 * LOTS)
            walk(world, "ETH", 2_916 * TICKS)
    assert outcomes[:3] == [None, None, "ledger: margin"]
    assert world.legs(long) == {}
    world.assert_books_balance()


# ---- clock -------------------------------------------------------------------------------------


def test_fault_023_auction__cured_and_flagged_again__keeps_its_clock(world: World) -> None:
    # the owner, or a friend of his, restarts the auction before its reward is worth anything
    account = weak_long(world)
    liquidator, friend = world.liquidator, world.role("accomplice")
    liquidator.flag(account, sender=friend)
    for _ in range(5):
        world.next_price(60)
        assert [attempt(liquidator.flag, account, sender=friend) for _ in range(2)] == [None] * 2
    live = liquidator.clock(account)[0]
    assert live == 300
    offered = liquidator.plan_take(account).reward
    # cured for the moment, by just enough
    health = world.health(account)
    world.fund(account, "USDC", (health.le - health.equity) // 10**12 + 1)
    assert attempt(liquidator.flag, account, sender=friend) == "liquidator: not below mm"
    sink(world, account, "ETH", 0.9)
    liquidator.flag(account, sender=friend)
    assert liquidator.clock(account)[0] == live
    assert liquidator.plan_take(account).reward * 10 > offered * 9


def test_fault_023_clock__wound_by_dips_and_cures_of_its_owner__does_not_run_in_between(
    world: World,
) -> None:
    # he flags at each dip, and cures to just above MM at once: nobody else ever finds him below it
    attacker = world.role("attacker")
    account = world.open_account("attacker", USDC=300_000 * USDC)
    world.open_position(account, "ETH", 1_000 * LOTS)
    sink(world, account, "ETH", 1.02)
    world.open_account("accomplice", USDC=1_500_000 * USDC)
    for _ in range(7):
        dip(world, account)
        world.liquidator.flag(account, sender=attacker)
        cure_to(world, account, 1.01)
        assert not in_auction(world, account)
        pass_time(world, 290, 29)
        assert attempt(world.liquidator.flag, account) == "liquidator: not below mm"
    dip(world, account)
    assert world.liquidator.clock(account)[0] == 0
    with no_gain(world, 23, *COALITION):
        plan, buyer = world.liquidator.plan_take(account), world.account("accomplice")
        assert plan.reward == 0 and plan.fraction < WAD
        deal = (account, buyer, plan.fraction, NOW_OR_LATER, 0, NOW_OR_LATER)
        world.liquidator.take(*deal, sender=world.role("accomplice"))


def test_fault_023_auction_bit__forgotten_for_days__is_no_running_auction(world: World) -> None:
    account = weak_long(world, 0.98)
    world.liquidator.flag(account)
    walk(world, "ETH", world.prices["ETH"] * 12 // 10)
    pass_time(world, 3_700)
    # nobody is paid to clear the bit of who recovered
    assert in_auction(world, account)
    sink(world, account, "ETH", 0.98)
    plan = world.liquidator.plan_take(account)
    assert plan.reward == 0
    world.wait(60)
    world.next_price(10)
    assert world.liquidator.flag(account) == 0


def in_auction(world: World, account: int) -> bool:
    """Return whether the account's auction bit is set."""
    return bool(world.clearinghouse.account_words(account)[0] >> 48 & 1)


def dip(world: World, account: int) -> None:
    """Let ETH fall to where the account is just below MM."""
    world.wait(10)
    health = world.health(account)
    size = world.size(account, "ETH")
    world.prices["ETH"] -= (health.equity - health.mm * 994 // 1_000) // size
    world.publish()


def cure_to(world: World, account: int, ratio: float) -> None:
    """Deposit what takes the account to a multiple of its MM."""
    health = world.health(account)
    lack = int(ratio * health.mm) - health.equity
    world.fund(account, "USDC", lack // (WAD // USDC) + 1)


# ---- gas and extremes --------------------------------------------------------------------------

# JUMPDEST PUSH1 0 JUMP: burns whatever it is given; PUSH3 0xffffff PUSH1 0 REVERT: 16 MB of reason
BURNER, BOMBER = "5b600056", "62ffffff6000fd"


@pytest.mark.parametrize("code", [BURNER, BOMBER], ids=["burner", "bomber"])
def test_fault_027_refund__to_an_owner_who_burns_gas__costs_the_caller_little(
    world: World, code: str
) -> None:
    owner = world.role("attacker")
    order = world.order(world.account("attacker"), "ETH", LOTS)
    world.commit(order)
    boa.env.set_code(owner, bytes.fromhex(code))
    world.wait(4_000)
    data = call_data(world.orders, "refund", tuple(order))
    call = {"to_address": world.orders.address, "sender": world.role("keeper"), "data": data}
    used = boa.env.execute_code(gas=10_000_000, **call).get_gas_used()
    print(f"27: the refund that he refuses costs {used:,} gas")
    assert used < 100_000
    # nobody else's order is held up by it
    other = world.order(world.account("trader"), "ETH", LOTS)
    world.commit(other)
    world.wait(4_000)
    world.orders.refund(tuple(other), sender=world.role("keeper"))


@pytest.mark.parametrize("size", [2**63, 2**64 + LOTS, 2**128, 2**200, (2**255 - 1) // 10**10])
@pytest.mark.parametrize("sign", [1, -1])
def test_fault_028_order__of_a_size_that_would_wrap__is_refused(
    world: World, size: int, sign: int
) -> None:
    account = world.open_account("attacker", USDC=10_000 * USDC)
    with no_gain(world, 28, "attacker"):
        outcome = attempt(world.open_position, account, "ETH", sign * size)
    assert outcome == "trading: bad order"
    assert world.legs(account) == {}


def test_fault_028_amounts_and_fractions__at_their_extremes__are_refused(world: World) -> None:
    account, victim = world.open_account("attacker", USDC=10_000 * USDC), weak_long(world)
    core, attacker, usdc = world.clearinghouse, world.role("attacker"), world.tokens["USDC"].address
    other = world.account("attacker", 1)
    for extreme in (2**112, 2**128 + 1, 2**255, 2**256 - 1):
        outcomes = (
            attempt(core.deposit, account, usdc, extreme, sender=attacker),
            attempt(core.withdraw, account, usdc, extreme, attacker, sender=attacker),
            attempt(core.transfer, account, other, usdc, extreme, sender=attacker),
            attempt(take, world, victim, account, extreme),
        )
        assert outcomes == ("custody: amount",) * 3 + ("liquidator: fraction",)
    world.assert_books_balance()


def take(world: World, account: int, buyer: int, fraction: int) -> None:
    """Take a fraction as the attacker."""
    deal = (account, buyer, fraction, NOW_OR_LATER, 0, NOW_OR_LATER)
    world.liquidator.take(*deal, sender=world.role("attacker"))
