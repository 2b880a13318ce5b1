"""Rows 55 to 63 of the fault list, and a table of what every odd token may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boa
import pytest

from scripts.deployment.errors import DeploymentError
from scripts.deployment.params import load as load_parameters
from tests.support.attack import (
    DAY,
    NOW_OR_LATER,
    attempt,
    deploy,
    equity,
    fresh_env,
    no_gain,
    pass_time,
    sink,
)
from tests.support.world import LOTS, WAD, World, perp
from tests.support.zoo import BOMB, NO, NOTHING, WORDS, Actor, upgrade

USDC = 10**6
ETHER = 10**18


def deposit(world: World, account: int, symbol: str, atoms: int, role: str = "trader") -> None:
    """Deposit atoms that the role has."""
    token = world.tokens[symbol]
    world.clearinghouse.deposit(account, token.address, atoms, sender=world.role(role))


def list_collateral(world: World, token: Any, hard_cap: int = 10_000) -> None:
    """List a token under ETH's price."""
    terms = (1, WAD * 15 // 100, WAD // 10, hard_cap, hard_cap)
    owner = world.role("owner")
    world.clearinghouse.list_collateral(token.address, *terms, sender=owner)


# ---- the table ---------------------------------------------------------------------------------

INEXACT, PAUSED, BLOCKED = "custody: inexact transfer", "token: paused", "token: blocked"
Habit = Callable[[Any, World], None]
# what the token does, how it is told to, and what deposit, withdraw and a deposit into the pool say
# then; None goes through. Inside the ledger no token is called, so transfers and takes of it go
# through whatever it is like.
ZOO: dict[str, tuple[Habit, str | None, str | None, str | None]] = {
    "exact": (lambda token, world: None, None, None, None),
    "answers nothing": (lambda token, world: token.set_answer(NOTHING), None, None, None),
    "answers false": (lambda token, world: token.set_answer(NO), INEXACT, INEXACT, INEXACT),
    "answers two words": (lambda token, world: token.set_answer(WORDS), None, None, None),
    "answers a bomb": (lambda token, world: token.set_answer(BOMB), None, None, None),
    # out of what arrives: who withdraws bears it
    "keeps a fee": (lambda token, world: token.set_fee(10, 0), INEXACT, None, INEXACT),
    # on top of what is sent: who deposits bears it; the pool has no more than the deposit
    "charges the sender": (lambda token, world: token.set_fee(0, 10), None, INEXACT, ""),
    "moves nothing": (lambda token, world: token.set_idle(True), INEXACT, INEXACT, INEXACT),
    "pauses": (lambda token, world: token.set_paused(True), PAUSED, PAUSED, PAUSED),
    "blocks the user": (
        lambda token, world: token.set_blocked(world.role("trader"), True),
        BLOCKED,
        BLOCKED,
        BLOCKED,
    ),
    "blocks the core": (
        lambda token, world: token.set_blocked(world.clearinghouse.address, True),
        BLOCKED,
        BLOCKED,
        BLOCKED,
    ),
    # what is there is paid out; what is missing is missing of this token alone
    "rebases down": (lambda token, world: halve(world, token), None, None, None),
    "boasts": (
        lambda token, world: token.set_boast(world.clearinghouse.address, 10**30),
        None,
        None,
        None,
    ),
}


def halve(world: World, token: Any) -> None:
    """Rebase what the core holds to half of it."""
    core = world.clearinghouse.address
    token.set_balance(core, token.balanceOf(core) // 2)


@pytest.mark.parametrize("name", ZOO)
def test_token_zoo__each_operation__ends_as_the_table_says(world: World, name: str) -> None:
    habit, *expected = ZOO[name]
    trader, core, pool = world.role("trader"), world.clearinghouse, world.liquidity_pool
    account = world.open_account("trader", USDC=1_000 * USDC, WETH=10 * ETHER, WBTC=10**7)
    world.open_account("trader", 1, WETH=10 * ETHER)
    weak = world.open_account("counterparty", WETH=8 * ETHER)
    world.open_position(weak, "ETH", 100 * LOTS)
    buyer = world.open_account("liquidator", USDC=200_000 * USDC, WETH=ETHER)
    sink(world, weak, "ETH", 0.9)
    for symbol in ("WETH", "USDC"):
        world.mint(symbol, trader, 2 * ETHER)
        world.tokens[symbol].approve(pool.address, 2**255, sender=trader)
        habit(upgrade(world, symbol), world)
    weth = world.tokens["WETH"]
    fraction = world.liquidator.plan_take(weak).fraction
    take = (weak, buyer, fraction, NOW_OR_LATER, 0, NOW_OR_LATER)

    outcomes = [
        attempt(core.deposit, account, weth.address, ETHER, sender=trader),
        attempt(world.withdraw, account, "WETH", ETHER),
        attempt(pool.request_deposit, 1_000 * USDC, trader, sender=trader),
        attempt(core.transfer, account, account + 1, weth.address, ETHER, sender=trader),
        attempt(world.liquidator.take, *take, sender=world.role("liquidator")),
    ]
    assert outcomes == [*expected, None, None]
    # the exits of other tokens stay open, and the books are exact
    world.withdraw(account, "WBTC", 10**7)
    world.assert_books_balance()
    # invariant A1, which raises the alarm for a token that lost what is owed
    whole = weth.balanceOf(core.address) >= core.token_info(weth.address)[2]
    assert whole == (name != "rebases down")


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_list_collateral__decimals_in_range__are_taken(world: World, decimals: int) -> None:
    token = deploy("mocks/ZooToken", decimals)
    list_collateral(world, token)
    assert world.clearinghouse.token_info(token.address)[1] == decimals


# ---- 55, 56: what a transfer answers, and what arrives -----------------------------------------


@pytest.mark.parametrize("answer", [NOTHING, WORDS, BOMB])
def test_fault_055_token__answers_nothing_or_too_much__is_moved_exactly(
    world: World, answer: int
) -> None:
    token = upgrade(world, "WETH")
    token.set_answer(answer)
    account = world.account("trader")
    world.fund(account, "WETH", 3 * ETHER)
    world.withdraw(account, "WETH", ETHER)
    assert world.amounts(account) == {1: 2 * ETHER}
    assert token.balanceOf(world.role("trader")) == ETHER
    world.assert_books_balance()


def test_fault_055_token__answers_false_and_moves__is_refused(world: World) -> None:
    token = upgrade(world, "WETH")
    token.set_answer(NO)
    account = world.account("attacker")
    assert attempt(world.fund, account, "WETH", ETHER) == INEXACT
    assert world.amounts(account) == {}
    world.assert_books_balance()


@pytest.mark.parametrize(("fee", "sender_fee"), [(10, 0), (1_000, 0), (0, 10), (10_000, 0)])
def test_fault_056_fee__switched_on_later__is_borne_by_nobody_else(
    world: World, fee: int, sender_fee: int
) -> None:
    # Balancer, 2020: STA credits more than arrives, over and over
    token, attacker = upgrade(world, "WETH"), world.role("attacker")
    world.fund(world.account("trader"), "WETH", 100 * ETHER)
    account = world.open_account("attacker", WETH=10 * ETHER)
    world.mint("WETH", attacker, 10 * ETHER)
    token.set_fee(fee, sender_fee)
    with no_gain(world, 56, "attacker"):
        for _ in range(5):
            attempt(deposit, world, account, "WETH", ETHER, "attacker")
            attempt(world.withdraw, account, "WETH", ETHER)
        attempt(deposit, world, account, "WETH", 2 * ETHER, "attacker")
    core = world.clearinghouse
    assert token.balanceOf(core.address) >= core.token_info(token.address)[2]
    world.assert_books_balance()


# ---- 57: balances that change by themselves ------------------------------------------------------


def test_fault_057_rebase__down__is_missing_of_that_token_alone_and_the_guardian_freezes_it(
    world: World,
) -> None:
    configurator, core = world.risk_configurator, world.clearinghouse
    configurator.set_guardian(world.role("guardian"), sender=world.role("owner"))
    account = world.open_account("trader", USDC=1_000 * USDC, WETH=10 * ETHER, WBTC=10**7)
    other = world.open_account("depositor", USDC=5_000 * USDC)
    token = upgrade(world, "WETH")
    before = world.health(other)
    halve(world, token)
    # invariant A1 raises the alarm: `plimsoll prove` compares these two
    assert token.balanceOf(core.address) < core.token_info(token.address)[2]

    configurator.lower_token_caps(token.address, 0, 0, sender=world.role("guardian"))
    world.mint("WETH", world.role("trader"), ETHER)
    put = attempt(deposit, world, account, "WETH", ETHER)
    opened = attempt(world.open_position, account, "ETH", 100 * LOTS)
    assert (put, opened) == ("custody: hard cap", "ledger: margin")
    # what is there is paid out, and what is missing is missing of this token alone
    world.withdraw(account, "WETH", 5 * ETHER)
    assert attempt(world.withdraw, account, "WETH", 5 * ETHER) is not None
    world.withdraw(account, "WBTC", 10**7)
    world.withdraw(account, "USDC", 1_000 * USDC)
    assert world.health(other) == before
    world.withdraw(other, "USDC", 5_000 * USDC)
    world.assert_books_balance()


def test_fault_057_rebase__up__belongs_to_nobody(world: World) -> None:
    # what rebases is worth no more to him who deposited it, and nobody can draw the rest
    attacker = world.open_account("attacker", WETH=10 * ETHER)
    world.open_account("depositor", WETH=10 * ETHER)
    token, core = upgrade(world, "WETH"), world.clearinghouse
    before = world.health(attacker)
    token.set_balance(core.address, 10 * token.balanceOf(core.address))
    assert world.health(attacker) == before
    refused = attempt(world.withdraw, attacker, "WETH", 10 * ETHER + 1)
    assert refused == "ledger: not enough collateral"
    world.withdraw(attacker, "WETH", 10 * ETHER)
    assert token.balanceOf(world.role("attacker")) == 10 * ETHER
    world.assert_books_balance()


# ---- 58: hooks ---------------------------------------------------------------------------------


def test_fault_058_hooks__wherever_a_token_moves__find_nothing_to_enter(world: World) -> None:
    actor, pool, core = Actor(world), world.liquidity_pool, world.clearinghouse
    fund, token = world.insurance_fund, world.tokens["USDC"]
    account, shares = actor.fund("USDC", 5_000 * USDC), actor.shares(5_000 * USDC)
    actor.act(pool, "request_redeem", shares // 2)
    redemption = pool.request_count()
    world.wait(DAY)
    pass_time(world, 700)
    # its first price has passed
    pool.retime(redemption, sender=world.role("keeper"))
    waiting = actor.request(1_000 * USDC)
    world.next_price(3)
    world.mint("USDC", actor.address, 5_000 * USDC)
    for spender in (core, pool, fund):
        actor.act(token, "approve", spender.address, 2**200)
    upgrade(world, "USDC").set_hook(actor.address)

    amount = (token.address, 100 * USDC)
    entries = {
        "core": (core, "withdraw", account, *amount, actor.address),
        "core's ledger": (core, "settle", account),
        "core's getters": (core, "account_words", account),
        "pool": (pool, "execute_deposit", waiting),
        "pool's price": (pool, "nav"),
        "fund": (fund, "fund", 100 * USDC),
    }
    # who moves a token is locked, and with the core everybody who keeps money there
    locked = {
        "deposit": ((core, "deposit", account, *amount), set(entries)),
        "withdraw": ((core, "withdraw", account, *amount, actor.address), set(entries)),
        "redeem": ((pool, "execute_redeem", redemption), set(entries)),
        "request": ((pool, "request_deposit", 100 * USDC, actor.address), {"pool", "pool's price"}),
        "fund": ((fund, "fund", 100 * USDC), {"fund"}),
    }
    for name, (outer, shut) in locked.items():
        with boa.env.anchor():
            actor.probe(*entries.values())
            assert all(actor.outside())
            contract, function, *args = outer
            actor.act(contract, function, *args)
            passed = dict(zip(entries, actor.outcomes(), strict=True))
        assert not [entry for entry in shut if passed[entry]], name


@pytest.mark.parametrize("outer", ["core", "pool"])
def test_fault_100_order__executed_from_a_tokens_hook__stays(world: World, outer: str) -> None:
    # the trade meets the core's lock, or the pool's: that is no verdict on a stranger's order
    actor, pool, core = Actor(world), world.liquidity_pool, world.clearinghouse
    account = actor.fund("USDC", 5_000 * USDC)
    victim = world.open_account("trader", USDC=100_000 * USDC)
    order = world.order(victim, "ETH", 10 * LOTS)
    world.commit(order)
    world.next_price(3)
    world.mint("USDC", actor.address, 5_000 * USDC)
    for spender in (core, pool):
        actor.act(world.tokens["USDC"], "approve", spender.address, 2**200)
    upgrade(world, "USDC").set_hook(actor.address)
    actor.probe((world.orders, "execute", tuple(order)))
    if outer == "core":
        actor.act(core, "deposit", account, world.tokens["USDC"].address, USDC)
    else:
        actor.act(pool, "request_deposit", USDC, actor.address)
    assert not any(actor.outcomes())
    world.execute(order)
    assert world.size(victim, "ETH") == 10 * LOTS


# ---- 59: decimals ------------------------------------------------------------------------------


def economics(settlement: int, collateral: int) -> list[Any]:
    """Return what an account is worth and requires, through trade, loss and liquidation."""
    parameters = load_parameters("local")
    weth = replace(parameters.collaterals["WETH"], decimals=collateral)
    parameters = replace(
        parameters,
        settlement=replace(parameters.settlement, decimals=settlement),
        collaterals={**parameters.collaterals, "WETH": weth},
    )
    with boa.swap_env(fresh_env()):
        world = World.build(parameters)
        world.seed_pool(10_000_000 * 10**settlement)
        account = world.open_account(
            "trader", USDC=9_000 * 10**settlement, WETH=25 * 10**collateral // 10
        )
        world.open_position(account, "ETH", 100 * LOTS)
        seen = [world.health(account)]
        sink(world, account, "ETH", 0.9)
        plan = world.liquidator.plan_reduce(account, perp(1))
        call = (account, perp(1), plan.size, 0, world.account("keeper"), NOW_OR_LATER)
        world.liquidator.reduce(*call, sender=world.role("keeper"))
        world.assert_books_balance()
        return [*seen, tuple(plan), world.health(account), world.cash(account)]


def test_fault_059_decimals__six_eight_or_eighteen__same_economics() -> None:
    expected = economics(6, 18)
    assert economics(8, 8) == expected
    assert economics(18, 6) == expected


@pytest.mark.parametrize("decimals", [0, 2, 5, 19, 24])
def test_fault_059_decimals__out_of_range__are_refused(world: World, decimals: int) -> None:
    parameters = load_parameters("local")
    settlement = replace(parameters.settlement, decimals=decimals)
    with boa.swap_env(fresh_env()), pytest.raises(DeploymentError):
        World.build(replace(parameters, settlement=settlement))
    token = deploy("mocks/ZooToken", decimals)
    assert attempt(list_collateral, world, token) == "custody: decimals"


# ---- 60 to 63: tokens that turn against somebody -----------------------------------------------


def test_fault_060_blacklist__hits_a_user__he_pulls_elsewhere_and_is_liquidated_all_the_same(
    world: World,
) -> None:
    usdc, weth = upgrade(world, "USDC"), upgrade(world, "WETH")
    account = world.open_account("trader", USDC=1_000 * USDC, WETH=8 * ETHER)
    other = world.open_account("depositor", USDC=1_000 * USDC, WETH=ETHER)
    world.open_position(account, "ETH", 100 * LOTS)
    buyer = world.open_account("liquidator", USDC=200_000 * USDC)
    for token in (usdc, weth):
        token.set_blocked(world.role("trader"), True)
        token.set_blocked(world.role("liquidator"), True)
    assert attempt(world.withdraw, account, "USDC", 100 * USDC) == BLOCKED
    world.withdraw(account, "USDC", 100 * USDC, to=world.role("cold wallet"))
    assert usdc.balanceOf(world.role("cold wallet")) == 100 * USDC
    world.withdraw(other, "USDC", 1_000 * USDC)
    world.withdraw(other, "WETH", ETHER)

    sink(world, account, "ETH", 0.9)
    fraction = world.liquidator.plan_take(account).fraction
    take = (account, buyer, fraction, NOW_OR_LATER, 0, NOW_OR_LATER)
    world.liquidator.take(*take, sender=world.role("liquidator"))
    assert world.amounts(buyer)[1] > 0
    assert equity(world, account) >= world.health(account).le
    world.assert_books_balance()


def test_fault_062_token__upgraded_to_mint_without_end__is_capped_then_frozen(
    world: World,
) -> None:
    honest = world.open_account("trader", USDC=50_000 * USDC, WETH=10 * ETHER, WBTC=10**8)
    attacker, core, weth = world.role("attacker"), world.clearinghouse, world.tokens["WETH"]
    account, info = world.account("attacker"), core.token_info(weth.address)
    token = upgrade(world, "WETH")
    token.mint(attacker, 10**9 * ETHER)
    token.approve(core.address, 2**255, sender=attacker)
    refused = attempt(deposit, world, account, "WETH", info.hard_cap * ETHER, "attacker")
    deposit(world, account, "WETH", info.hard_cap * ETHER - info.tracked, "attacker")
    # what opens positions is at most the soft cap, after its haircut
    world.open_position(account, "ETH", LOTS)
    health = world.health(account)
    free = health.equity - health.im
    assert free <= info.soft_cap * 3_000 * WAD * 85 // 100
    assert refused == "custody: hard cap"

    # one call of the owner, and the token counts for nothing; whoever is owed it gets what is there
    core.set_caps(weth.address, 0, 0, sender=world.role("owner"))
    assert attempt(world.open_position, account, "ETH", LOTS) == "ledger: margin"
    assert attempt(deposit, world, account, "WETH", ETHER, "attacker") == "custody: hard cap"
    for symbol, atoms in (("USDC", 50_000 * USDC), ("WBTC", 10**8), ("WETH", 10 * ETHER)):
        world.withdraw(honest, symbol, atoms)
    assert world.tokens["USDC"].balanceOf(attacker) == 0
    world.assert_books_balance()


def test_fault_063_second_entry__of_a_listed_token__credits_nothing_twice(world: World) -> None:
    # TUSD, 2022: the same balances under another address
    token, attacker, core = upgrade(world, "WETH"), world.role("attacker"), world.clearinghouse
    second = deploy("mocks/SecondEntry", token.address)
    token.set_entry(second.address)
    world.fund(world.account("trader"), "WETH", 100 * ETHER)
    account = world.open_account("attacker", WETH=10 * ETHER)
    world.mint("WETH", attacker, 10 * ETHER)
    second.approve(core.address, 2**255, sender=attacker)
    entry = (second.address, 10 * ETHER)
    with no_gain(world, 63, "attacker"):
        # a millionth of an ETH, were it atoms of the settlement token
        refused = attempt(core.deposit, account, second.address, 10**12, sender=attacker)
        attempt(world.withdraw, account, "USDC", 1_000_000 * USDC)
    assert refused == "custody: unlisted token"

    # even listed by mistake: what came in by one entry is not there for the other
    list_collateral(world, second)
    with no_gain(world, 63, "attacker"):
        refused = attempt(core.withdraw, account, *entry, attacker, sender=attacker)
        assert attempt(core.deposit, account, *entry, sender=attacker) is None
        assert attempt(core.withdraw, account, *entry, attacker, sender=attacker) is None
        assert attempt(world.withdraw, account, "WETH", 10 * ETHER) is None
    assert refused == "custody: not on hand"
    owed = core.token_info(token.address)[2] + core.token_info(second.address)[2]
    assert token.balanceOf(core.address) >= owed
    world.assert_books_balance()
