"""Rows 33 and 90 to 100 of the fault list: attacks found on the drawing board."""

from __future__ import annotations

import boa
import pytest

from tests.support.attack import (
    DAY,
    NOW_OR_LATER,
    USD,
    attempt,
    buy_shares,
    equity,
    fund_account,
    no_gain,
    pass_time,
    redeem,
    same_block,
    sink,
    weak_long,
    wealth,
)
from tests.support.reports import Quote
from tests.support.world import LOTS, TICKS, WAD, World, perp

USDC = 10**6
COALITION = ("attacker", "accomplice")


# ---- 33: entering and leaving the pool on a known price ----------------------------------------


def after_a_move(world: World, percent: int) -> dict[str, int]:
    """Return the prices that the reports of now say, a move of ETH that nobody has pushed yet."""
    world.wait(10)
    return {**world.prices, "ETH": world.prices["ETH"] * (1_000 + percent) // 1_000}


def test_fault_033_redemption__kept_back_until_a_loss_is_known__is_paid_after_it(
    world: World,
) -> None:
    # half of a pool that is short 3.9 M USD; ETH rises by 2.5 %
    shares, pool = buy_shares(world, "attacker", 10_000_000 * USDC), world.liquidity_pool
    attacker = world.role("attacker")
    trader = world.open_account("trader", USDC=1_000_000 * USDC)
    world.open_position(trader, "ETH", 1_300 * LOTS)
    request = pool.request_redeem(shares, sender=attacker)
    world.wait(DAY)
    world.publish()
    pass_time(world, 600)
    newer = after_a_move(world, 25)
    with boa.env.anchor():
        world.publish(**newer)
        world.next_price(3)
        worth = pool.previewRedeem(shares)
    before = world.tokens["USDC"].balanceOf(attacker)
    outcomes = same_block(
        world,
        lambda: pool.execute_redeem(request, sender=attacker),
        lambda: pool.retime(request, sender=attacker),
        lambda: pool.execute_redeem(request, sender=attacker),
        lambda: world.publish(**newer),
    )
    world.next_price(3)
    attempt(pool.execute_redeem, request, sender=world.role("keeper"))
    paid = world.tokens["USDC"].balanceOf(attacker) - before
    print(f"33: leaving before the loss pays {(paid - worth) / USDC:,.6f} USD more than after it")
    assert 0 < paid <= worth
    assert outcomes == ["pool: price passed", None, "pool: cooldown", None]


def test_fault_033_deposit__kept_back_until_a_gain_is_known__buys_after_it(world: World) -> None:
    pool, attacker = world.liquidity_pool, world.role("attacker")
    trader = world.open_account("trader", USDC=1_000_000 * USDC)
    world.open_position(trader, "ETH", 1_300 * LOTS)
    world.mint("USDC", attacker, 10_000_000 * USDC)
    world.tokens["USDC"].approve(pool.address, 10_000_000 * USDC, sender=attacker)
    with no_gain(world, 33, "attacker"):
        request = pool.request_deposit(10_000_000 * USDC, attacker, sender=attacker)
        pass_time(world, 600)
        newer = after_a_move(world, -25)
        outcomes = same_block(
            world,
            lambda: pool.execute_deposit(request, sender=attacker),
            lambda: pool.retime(request, sender=attacker),
            lambda: pool.execute_deposit(request, sender=attacker),
            lambda: world.publish(**newer),
        )
        world.next_price(3)
        attempt(pool.execute_deposit, request, sender=world.role("keeper"))
    assert pool.balanceOf(attacker) > 0
    assert outcomes == ["pool: price passed", None, "pool: price too early", None]


@pytest.mark.parametrize("redeem", [False, True], ids=["deposit", "redeem"])
def test_fault_033_request__passed_by_two_pushes_in_one_block__still_runs(
    world: World, redeem: bool
) -> None:
    pool, holder = world.liquidity_pool, world.role("depositor")
    if redeem:
        request = pool.request_redeem(pool.balanceOf(holder) // 2, sender=holder)
        world.wait(DAY - 2)
        pass_time(world, 0)
    else:
        world.mint("USDC", holder, 1_000 * USDC)
        world.tokens["USDC"].approve(pool.address, 1_000 * USDC, sender=holder)
        request = pool.request_deposit(1_000 * USDC, holder, sender=holder)
    began = world.now
    world.wait(4)
    for second in (2, 3, 4, 5):
        blob = world.report_blob(world.prices, times=began + second)
        world.markets.update(blob, sender=world.role("attacker"))
    assert attempt(pool.retime, request, sender=world.role("attacker")) == "pool: still open"
    world.wait(2)
    run = pool.execute_redeem if redeem else pool.execute_deposit
    assert attempt(run, request, sender=world.role("keeper")) is None
    assert int(pool.request(request)[0], 16) == 0


# ---- 90: closing at a bad price ----------------------------------------------------------------


def push_down(world: World) -> int:
    """Open a short of 4.5 M USD by the accomplice: whoever sells to the pool now sells low."""
    short = world.open_account("accomplice", USDC=800_000 * USDC)
    world.open_position(short, "ETH", -1_500 * LOTS)
    return short


def fund_pays(world: World, account: int) -> int:
    """Return what the insurance fund loses when somebody takes the account over."""
    before = equity(world, fund_account(world))
    buyer = world.open_account("liquidator", USDC=1_000_000 * USDC)
    if equity(world, account) < world.health(account).mm:
        fraction = world.liquidator.plan_take(account).fraction
        deal = (account, buyer, fraction, NOW_OR_LATER, 0, NOW_OR_LATER)
        world.liquidator.take(*deal, sender=world.role("liquidator"))
    return before - equity(world, fund_account(world))


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_fault_090_insolvent_owner__closes_at_the_worst_price__cannot_deepen_the_hole(
    world: World, parts: int
) -> None:
    account = world.open_account("attacker", USDC=8_600 * USDC)
    world.open_position(account, "ETH", 50 * LOTS)
    push_down(world)
    orders = [world.order(account, "ETH", -50 * LOTS // parts) for _ in range(parts)]
    for order in orders:
        world.commit(order)
    # the update of the same transaction leads the first of them
    world.next_price(6, ETH=2_780 * TICKS)
    world.wait(6)
    refused = [attempt(world.execute, orders[0], world.report_blob({"ETH": 2_780 * TICKS}))]
    world.publish(**{**world.prices, "ETH": 2_780 * TICKS})
    hole = -equity(world, account)
    health = world.health(account)
    assert 0 < hole < health.mm
    refused += [attempt(world.execute, order) for order in orders]
    assert -equity(world, account) == hole
    assert fund_pays(world, account) == hole
    assert "ledger: margin" in refused and None not in refused
    world.assert_books_balance()


def test_fault_090_nearly_insolvent_owner__closes_at_the_worst_price__leaves_no_hole(
    world: World,
) -> None:
    account = world.open_account("attacker", USDC=8_600 * USDC)
    world.open_position(account, "ETH", 50 * LOTS)
    push_down(world)
    sink(world, account, "ETH", 0.01)
    assert 0 < equity(world, account) < 100 * USD
    refused = [
        attempt(world.open_position, account, "ETH", -size * LOTS) for size in (50, 25, 10, 1)
    ]
    assert equity(world, account) >= 0
    assert fund_pays(world, account) <= 0
    assert refused == ["ledger: margin"] * 4
    world.assert_books_balance()


# ---- 93: the pool's share price ----------------------------------------------------------------


def test_fault_093_share_holder__pumps_the_skew_and_redeems__gains_nothing(world: World) -> None:
    # he holds five sixths of a pool whose leg he moves from another account
    shares = buy_shares(world, "attacker", 50_000_000 * USDC)
    account = world.open_account("accomplice", USDC=5_000_000 * USDC)
    pool, mark = world.liquidity_pool, world.prices["ETH"]
    before = pool.nav()
    with no_gain(world, 93, *COALITION):
        world.open_position(account, "ETH", 3_000 * LOTS)
        # 9 M of skew is worth 20,250 USD on the curve; only half a spread has come in
        spread = 3_000 * LOTS * mark * 4 // 10_000
        assert pool.nav() - before <= spread + 3_000 * LOTS
        redeem(world, "attacker", shares // 2)
        world.open_position(account, "ETH", -3_000 * LOTS)
    world.assert_books_balance()


# ---- 94, 95: around a liquidation --------------------------------------------------------------


@pytest.mark.parametrize("size", [200, 500, 900])
def test_fault_094_reduce__sandwiched_by_orders_of_the_same_price__loses_money(
    world: World, size: int
) -> None:
    victim = world.open_account("trader", USDC=700_000 * USDC)
    world.open_position(victim, "ETH", 1_600 * LOTS)
    attacker = world.open_account("attacker", USDC=1_500_000 * USDC)
    sink(world, victim, "ETH", 0.1)
    first, last = (world.order(attacker, "ETH", sign * size * LOTS) for sign in (-1, 1))
    world.commit(first)
    world.commit(last)
    world.next_price(3)
    closed = world.size(victim, "ETH")
    with no_gain(world, 94, "attacker"):
        world.execute(first)
        # as much as the block takes, in as many calls as it takes
        while attempt(reduce_as_planned, world, victim) is None:
            pass
        world.execute(last)
    closed -= world.size(victim, "ETH")
    capacity = world.liquidity_pool.liquidation_capacity(1)
    assert 0 < closed * world.prices["ETH"] <= capacity
    world.assert_books_balance()


def reduce_as_planned(world: World, account: int) -> None:
    """Close what is planned, as a keeper."""
    size = world.liquidator.plan_reduce(account, perp(1)).size
    reduce(world, account, size)


def reduce(world: World, account: int, size: int) -> None:
    """Close lots of an ETH leg, as a keeper who is paid into his first account."""
    call = (account, perp(1), size, 0, world.account("keeper"), NOW_OR_LATER)
    world.liquidator.reduce(*call, sender=world.role("keeper"))


def flat_pay(world: World, account: int, before: int, held: int) -> int:
    """Return what the keeper got beyond the rate on what he closed."""
    notional = (held - world.size(account, "ETH")) * world.prices["ETH"]
    rate = world.liquidity_pool.params(1)[5]
    return wealth(world, "keeper") - before - rate * notional // WAD


def test_fault_095_keeper__closes_lot_by_lot__is_not_paid_for_each_call(world: World) -> None:
    account = weak_long(world)
    held, before = world.size(account, "ETH"), wealth(world, "keeper")
    refused = {attempt(reduce, world, account, lots) for lots in (1, 10, LOTS // 1_000, LOTS)}
    attempt(reduce_as_planned, world, account)
    assert flat_pay(world, account, before, held) <= USD
    assert refused == {"liquidator: too small"}
    world.assert_books_balance()


def test_fault_095_keeper__closes_what_each_block_takes__earns_a_share_of_the_flat_pay(
    world: World,
) -> None:
    account = world.open_account("trader", USDC=700_000 * USDC)
    world.open_position(account, "ETH", 1_600 * LOTS)
    sink(world, account, "ETH", 0.25)
    held, before, calls = world.size(account, "ETH"), wealth(world, "keeper"), 0
    while attempt(reduce_as_planned, world, account) is None:
        calls += 1
        world.next_price(2)
    assert calls >= 2
    flat = flat_pay(world, account, before, held)
    print(f"95: {calls} calls earn {flat / USD:.6f} USD of flat pay")
    # each call earns the share of the need that it found which it removed
    assert flat < calls * USD
    world.assert_books_balance()


# ---- 97, 98: what reports do -------------------------------------------------------------------


def reports_at(world: World, **stamped: tuple[int, int]) -> bytes:
    """Return reports of ETH by the first sources: name=(price, seconds from now)."""
    return world.packed(
        [
            world.signed(signer, world.now + seconds, {1: Quote(price)})
            for signer, (price, seconds) in zip(world.signers, stamped.values(), strict=False)
        ]
    )


def test_fault_097_submitter__mixes_reports_of_other_instants__is_bounded_by_the_window(
    world: World,
) -> None:
    price = world.prices["ETH"]
    world.wait(10)
    mixed = reports_at(world, a=(price, -5), b=(price * 102 // 100, -5), c=(price, 0))
    assert attempt(world.markets.update, mixed, sender=world.role("attacker")) == "oracle: window"
    edge = reports_at(world, a=(price, -3), b=(price, -3), c=(price, 0))
    assert attempt(world.markets.update, edge, sender=world.role("attacker")) is None


def test_fault_097_submitter__adds_one_young_report__the_price_stays_as_old_as_the_oldest(
    world: World,
) -> None:
    # two reports of before the order could be seen when it was made
    account = world.open_account("attacker", USDC=10_000 * USDC)
    price = world.prices["ETH"]
    order = world.order(account, "ETH", 10 * LOTS)
    world.commit(order)
    world.wait(3)
    picked = reports_at(world, a=(price * 98 // 100, -2), b=(price * 98 // 100, -2), c=(price, 0))
    assert attempt(world.execute, order, picked) == "orders: price too early"
    assert world.legs(account) == {}


def test_fault_097_submitter__picks_reports_that_disagree__opens_nothing_on_them(
    world: World,
) -> None:
    account = world.open_account("attacker", USDC=10_000 * USDC)
    price = world.prices["ETH"]
    order = world.order(account, "ETH", 10 * LOTS)
    world.commit(order)
    world.wait(3)
    picked = reports_at(world, a=(price * 985 // 1_000, 0), b=(price, 0), c=(price * 101 // 100, 0))
    assert attempt(world.execute, order, picked) == "trading: price not trusted"


def volatility(world: World) -> tuple[int, int]:
    """Return v and v_slow of ETH."""
    word = world.markets.market_words(1)[0]
    return word >> 56 & 0xFFFF, word >> 40 & 0xFFFF


def test_fault_098_variance__one_big_update_or_many_zigzags__is_the_same(world: World) -> None:
    start, samples = world.prices["ETH"], []
    world.next_price(300)
    for count, swing in ((1, 0), (20, 0), (20, 2)):
        with boa.env.anchor():
            for step in range(1, count + 1):
                target = start + start * 2 * step // (100 * count)
                wobble = start * swing * (-1) ** step // 100 if step < count else 0
                world.next_price(300 // count, ETH=target + wobble)
            samples.append((world.markets.sampler(1), volatility(world)))
    assert samples[0] == samples[1] == samples[2]


# ---- 99: what others put into an account -------------------------------------------------------


def test_fault_099_slots__stuffed_by_strangers__stay_the_owners(world: World) -> None:
    victim = world.open_account("trader", USDC=10_000 * USDC, WETH=10**18)
    stuffer, core = world.open_account("attacker", WBTC=10**8, LINK=10**20), world.clearinghouse
    attacker = world.role("attacker")
    refused, ids = [], {"WBTC": 2, "LINK": 3}
    for symbol, atoms in (("WBTC", 10**6), ("LINK", 10**18), ("wstETH", 10**18)):
        token = world.tokens[symbol].address
        world.mint(symbol, attacker, atoms)
        refused.append(attempt(core.deposit, victim, token, atoms, sender=attacker))
    for symbol in ("WBTC", "LINK"):
        gift = (stuffer, victim, world.tokens[symbol].address, world.amounts(stuffer)[ids[symbol]])
        refused.append(attempt(core.transfer, *gift, sender=attacker))
    assert refused == ["custody: not held"] * 5
    assert world.amounts(victim) == {1: 10**18}


@pytest.mark.parametrize("silence", [200, 3_800], ids=["stale", "dead"])
def test_fault_099_dust_of_a_dead_feed__in_an_account_under_mm__shields_it_from_nothing(
    world: World, silence: int
) -> None:
    # the attacker keeps a crumb of a token whose feed he expects to stop
    account = world.open_account("attacker", USDC=8_600 * USDC, wstETH=10**15)
    world.open_position(account, "ETH", 50 * LOTS)
    buyer = world.open_account("liquidator", USDC=100_000 * USDC)
    sink(world, account, "ETH", 0.9)
    alive = {symbol: world.prices[symbol] for symbol in ("ETH", "BTC", "LINK")}
    for _ in range(silence // 100):
        world.wait(100)
        world.publish(**alive)
    assert equity(world, account) < world.health(account).mm
    outcomes = [
        attempt(world.liquidator.flag, account, sender=world.role("keeper")),
        attempt(reduce_as_planned, world, account),
    ]
    sink_further(world, account, alive)
    fraction = world.liquidator.plan_take(account).fraction
    deal = (account, buyer, fraction, NOW_OR_LATER, 0, NOW_OR_LATER)
    outcomes.append(attempt(world.liquidator.take, *deal, sender=world.role("liquidator")))
    assert outcomes == [None] * 3


def sink_further(world: World, account: int, alive: dict[str, int]) -> None:
    """Let ETH fall, in prices without the dead feed, until the account is under MM again."""
    while equity(world, account) >= world.health(account).mm:
        alive["ETH"] = alive["ETH"] * 985 // 1_000
        world.wait(20)
        world.publish(**alive)


# ---- 100: trading on a known price -------------------------------------------------------------


def test_fault_100_order__opened_at_the_stored_price_closed_at_the_newer__never_fills(
    world: World,
) -> None:
    # the next report is known off chain: 2 % up
    account = world.open_account("attacker", USDC=200_000 * USDC)
    newer = world.prices["ETH"] * 102 // 100
    world.wait(5)
    report = world.report_blob({"ETH": newer})
    order = world.order(account, "ETH", 500 * LOTS)
    with no_gain(world, 100, "attacker"):
        world.commit(order)
        refused = [attempt(world.execute, order), attempt(world.execute, order, report)]
        world.markets.update(report, sender=world.role("attacker"))
        refused.append(attempt(world.execute, order))
        if world.legs(account):
            world.commit_and_execute(world.order(account, "ETH", -500 * LOTS), ETH=newer)
    assert refused == ["orders: price too early"] * 3
    assert world.legs(account) == {}


def test_fault_100_order__left_for_a_better_price_than_the_first__is_refunded(
    world: World,
) -> None:
    account = world.open_account("attacker", USDC=200_000 * USDC)
    order = world.order(account, "ETH", 500 * LOTS)
    world.commit(order)
    world.next_price(3, ETH=world.prices["ETH"] * 102 // 100)
    world.next_price(5, ETH=world.prices["ETH"] * 98 // 100)
    assert attempt(world.execute, order) == "orders: price passed"
    assert attempt(world.orders.refund, tuple(order), sender=world.role("keeper")) is None
    assert world.legs(account) == {}


@pytest.mark.parametrize("move", [50, -50], ids=["up", "down"])
def test_fault_100_order_of_an_empty_account__funded_once_the_next_price_is_known__is_dead(
    world: World, move: int
) -> None:
    # a long and a short of 1.8 M USD, to be filled or left by what the reports of 10 s later say
    sides = {sign: world.account("attacker", number) for number, sign in enumerate((1, -1))}
    world.mint("USDC", world.role("attacker"), 300_000 * USDC)
    usdc, core = world.tokens["USDC"], world.clearinghouse
    usdc.approve(core.address, 300_000 * USDC, sender=world.role("attacker"))
    orders = {sign: world.order(sides[sign], "ETH", sign * 600 * LOTS) for sign in sides}
    for order in orders.values():
        world.commit(order)
    world.next_price(4)
    refused = {attempt(world.execute, order) for order in orders.values()}
    world.wait(10)
    newer = world.prices["ETH"] * (10_000 + move) // 10_000
    sign = 1 if move > 0 else -1
    good, account = orders[sign], sides[sign]
    with no_gain(world, 100, "attacker"):
        core.deposit(account, usdc.address, 300_000 * USDC, sender=world.role("attacker"))
        again = attempt(world.execute, good, by="attacker")
        world.publish(**{**world.prices, "ETH": newer})
    assert refused == {"ledger: margin"}
    assert again == "orders: unknown order"


def test_fault_100_closing_orders__two_prices_pushed_before_the_executor__still_fill(
    world: World,
) -> None:
    # what a griefer gains is that nobody closes: five of five died before
    account = world.open_account("trader", USDC=100_000 * USDC)
    world.open_position(account, "ETH", 10 * LOTS)
    outcomes, attacker = [], world.role("attacker")
    for _ in range(5):
        order = world.order(account, "ETH", -2 * LOTS, reduce_only=True)
        world.commit(order)
        began = world.now
        world.wait(4)
        for second in (2, 3, 4, 5):
            blob = world.report_blob(world.prices, times=began + second)
            world.markets.update(blob, sender=attacker)
        refund = attempt(world.orders.refund, tuple(order), sender=attacker)
        world.wait(2)
        outcomes.append((refund, attempt(world.execute, order)))
        world.next_price(10)
    assert outcomes == [("orders: still open", None)] * 5
    assert world.legs(account) == {}


def test_fault_100_order__left_within_the_window__is_filled_at_most_five_seconds_later(
    world: World,
) -> None:
    # what the window leaves to whoever submits: the prices of five seconds, no more
    account = world.open_account("attacker", USDC=200_000 * USDC)
    order = world.order(account, "ETH", 100 * LOTS)
    world.commit(order)
    began = world.now
    world.wait(8)
    for second in (2, 7, 8):
        with boa.env.anchor():
            world.markets.update(
                world.report_blob(world.prices, times=began + 2), sender=world.role("keeper")
            )
            blob = world.report_blob(world.prices, times=began + second)
            outcome = attempt(world.execute, order, blob, by="attacker")
            assert outcome == (None if second <= 7 else "orders: price passed")


@pytest.mark.parametrize("gas", [200_000, 400_000, 1_000_000, 2_500_000])
def test_fault_100_order_of_somebody_else__executed_with_too_little_gas__stays(
    world: World, gas: int
) -> None:
    account = world.open_account("trader", USDC=100_000 * USDC)
    order = world.order(account, "ETH", 10 * LOTS)
    world.commit(order)
    world.next_price(3)
    with pytest.raises(boa.BoaError):
        world.orders.execute(tuple(order), sender=world.role("attacker"), gas=gas)
    world.execute(order)
    assert world.size(account, "ETH") == 10 * LOTS
