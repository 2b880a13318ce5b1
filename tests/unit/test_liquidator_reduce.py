"""R6 stage 1: a close brings an account under MM up to LE, and no further."""

from __future__ import annotations

from fractions import Fraction

import boa
import pytest

from tests.support.world import LOTS, TICKS, World, account_of, owner_of, perp
from tests.unit import liquidator_support as desk
from tests.unit.liquidator_support import USD, USDC

# lots and market of one leg: below and above the size tier of 1M USD, both sides, a cheap coin
LEGS = [
    ("ETH", 20 * LOTS),
    ("ETH", -20 * LOTS),
    ("ETH", 600 * LOTS),
    ("BTC", -25 * LOTS),
    ("LINK", 20_000 * LOTS),
]


def slack(world: World, symbol: str, lots: int) -> int:
    """Return the effect of one lot, and of the ticks to which prices were rounded."""
    return world.prices[symbol] + 2 * lots


# ---- how much ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("symbol", "lots"), LEGS)
def test_plan_reduce__below_mm__is_the_fewest_lots_that_reach_le(
    world: World, symbol: str, lots: int
) -> None:
    account = desk.weak_account(world, lots, symbol)

    plan = desk.plan_reduce(world, account, symbol)

    assert plan.status == desk.OK
    assert 0 < plan.target < abs(lots)
    assert desk.close_on_paper(world, account, symbol, plan.target).gap >= 0
    # a tick on every lot is what the price's rounding hides
    fewer = plan.target - 1 - 2 * plan.target // world.prices[symbol]
    noise = desk.close_on_paper(world, account, symbol, fewer).gap - plan.target
    assert noise < 0


@pytest.mark.parametrize(("symbol", "lots"), LEGS)
def test_reduce__below_mm__brings_equity_to_le_and_cures(
    world: World, symbol: str, lots: int
) -> None:
    account = desk.weak_account(world, lots, symbol)
    plan = desk.plan_reduce(world, account, symbol)
    with boa.env.anchor():
        event = desk.reduce(world, account, symbol, plan.size)
        after = world.health(account)
        left = abs(world.size(account, symbol))
        earned = world.quote(desk.keeper_account(world))
        world.assert_books_balance()

    paper = desk.close_on_paper(world, account, symbol, abs(event.size))
    assert after == paper.paid
    assert after.le <= after.equity <= after.le + slack(world, symbol, plan.size)
    assert left == abs(lots) - abs(event.size)
    assert event.pay == earned == desk.KAPPA_FLAT + paper.keeper_part
    # a cheap coin's tick on every lot is worth some lots, and the search begins elsewhere
    assert abs(abs(event.size) - plan.target) <= 1 + 200 * plan.size // world.prices[symbol]


def test_reduce__planned__is_the_plan_to_the_wei(world: World) -> None:
    account = desk.weak_account(world)
    plan = desk.plan_reduce(world, account, "ETH")
    before = world.health(account)

    event = desk.reduce(world, account, "ETH", plan.size, min_pay=plan.pay)

    assert event.instrument == plan.instrument == perp(1)
    assert (event.size, event.price) == (plan.size, plan.price)
    assert (event.fee, event.liquidation_fee) == (plan.fee, plan.liquidation_fee)
    assert event.pay == plan.pay
    assert (event.equity_before, event.mm_before) == (before.equity, before.mm)
    after = world.health(account)
    assert (event.equity_after, event.mm_after) == (after.equity, after.mm)


@pytest.mark.parametrize(
    "share", [Fraction(0), Fraction(1, 2), Fraction(1), Fraction(1_001, 1_000)]
)
def test_reduce__any_size_to_start_from__closes_the_same(world: World, share: Fraction) -> None:
    # 0 lets the call search from 0; the whole leg lets it search from the right
    account = desk.weak_account(world)
    plan = desk.plan_reduce(world, account, "ETH")
    start = {Fraction(0): 0, Fraction(1, 2): abs(world.size(account, "ETH"))}
    size = start.get(share, int(plan.target * share))

    event = desk.reduce(world, account, "ETH", size)

    assert event.size == plan.target


def test_reduce__seconds_of_funding_since_the_plan__still_cures(world: World) -> None:
    # a one-sided market pays funding: the size planned now is wrong by many lots 12 s later
    account = desk.weak_account(world, 600 * LOTS)
    planned = desk.plan_reduce(world, account, "ETH")
    world.wait(12)
    due = desk.plan_reduce(world, account, "ETH")
    assert abs(due.target - planned.target) > 1

    event = desk.reduce(world, account, "ETH", planned.size)

    assert event.size == due.target
    assert world.health(account).equity >= world.health(account).le


def test_reduce__led_by_a_price__closes_at_that_price(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(101, 100))
    assert desk.plan_reduce(world, account, "ETH").status == desk.NOT_BELOW_MM
    world.wait(10)
    lower = world.prices["ETH"] * 998 // 1_000
    reports = world.report_blob({**world.prices, "ETH": lower})

    event = desk.reduce(world, account, "ETH", 0, reports=reports)

    assert event.price < lower
    assert world.health(account).equity >= world.health(account).le


def test_reduce__hedged_in_another_market__closes_the_leg_asked_for(world: World) -> None:
    account = world.open_account("trader", USDC=9_000 * USDC, WETH=10**18)
    world.open_position(account, "ETH", 20 * LOTS)
    world.open_position(account, "BTC", -LOTS)
    desk.sink(world, account, "ETH", Fraction(9, 10))
    plan = desk.plan_reduce(world, account, "BTC")
    assert plan.position == 1

    desk.reduce(world, account, "BTC", plan.size)

    after = world.health(account)
    assert after.le <= after.equity <= after.le + slack(world, "BTC", plan.size)
    assert world.size(account, "ETH") == 20 * LOTS
    world.assert_books_balance()


# ---- the leg closed whole ----------------------------------------------------------------------


def test_reduce__leg_too_small_to_reach_le__closes_it_whole(world: World) -> None:
    account = world.open_account("trader", USDC=7_000 * USDC)
    world.open_position(account, "ETH", 20 * LOTS)
    world.open_position(account, "BTC", LOTS // 20)
    desk.sink(world, account, "ETH", Fraction(9, 10))
    before = world.health(account)
    plan = desk.plan_reduce(world, account, "BTC")
    assert plan.target == LOTS // 20

    event = desk.reduce(world, account, "BTC", plan.size)

    after = world.health(account)
    assert world.size(account, "BTC") == 0
    assert before.mm > after.mm
    assert after.equity < after.le
    assert desk.in_auction(world, account)
    # pay in proportion to the need removed: before against after fill and fees, before pay
    unpaid = after.equity + event.pay
    need = (before.le - before.equity, after.le - unpaid)
    flat = desk.KAPPA_FLAT * (need[0] - need[1]) // need[0]
    keeper_rate = world.liquidity_pool.params(2)[5]
    assert event.pay == flat + keeper_rate * (plan.size * world.prices["BTC"]) // 10**18


def test_reduce__remnant_under_dust__closes_the_leg_whole(world: World) -> None:
    # with E just above half of the need, c* leaves a few dollars of a leg of 1,000 USD
    account = world.open_account("trader", USDC=7_000 * USDC)
    world.open_position(account, "ETH", 20 * LOTS)
    world.open_position(account, "BTC", LOTS // 50)
    desk.sink(world, account, "ETH", Fraction(9_995, 10_000))
    held, mark = LOTS // 50, world.prices["BTC"]
    for _ in range(60):
        plan = desk.plan_reduce(world, account, "BTC")
        left = (held - plan.target) * mark
        if plan.status == desk.OK and left == 0:
            break
        assert left >= 10 * USD
        world.next_price(10, ETH=world.prices["ETH"] - TICKS // 10)

    desk.reduce(world, account, "BTC", plan.size)

    assert world.size(account, "BTC") == 0


# ---- capacity and room -------------------------------------------------------------------------


def whale(world: World) -> int:
    """Return an account whose close needs more than a block's capacity, 2.08M USD."""
    lots = 2_500 * LOTS
    account = world.open_account("trader", USDC=1_500_000 * USDC)
    other = world.open_account("counterparty", USDC=3_000_000 * USDC)
    for _ in range(2):
        world.open_position(account, "ETH", lots // 2)
        world.open_position(other, "ETH", -lots // 2)
    desk.sink(world, account, "ETH", Fraction(7, 10))
    return account


def test_reduce__capacity_binds__closes_what_the_block_allows_and_pays_its_share(
    world: World,
) -> None:
    account = whale(world)
    before, mark = world.health(account), world.prices["ETH"]
    scale, _, spread_min, fee, _, keeper_rate, _, mu = world.liquidity_pool.params(1)
    capacity = mu * (2 * spread_min + fee) // 10**18 * scale // 10**18
    plan = desk.plan_reduce(world, account, "ETH")
    assert plan.target > plan.size == capacity // mark
    assert world.liquidity_pool.liquidation_capacity(1) == capacity

    event = desk.reduce(world, account, "ETH", plan.size, min_pay=plan.pay)

    after = world.health(account)
    need = (before.le - before.equity, after.le - after.equity - event.pay)
    flat = desk.KAPPA_FLAT * (need[0] - need[1]) // need[0]
    assert event.pay == plan.pay == flat + keeper_rate * (plan.size * mark) // 10**18
    assert after.equity < after.le
    assert desk.in_auction(world, account)
    assert world.liquidator.clock(account) == (0, world.now)
    world.assert_books_balance()


def test_reduce__capacity_used_up__waits_for_the_next_block(world: World) -> None:
    small = world.open_account("trader", 1, USDC=5_000 * USDC)
    world.open_position(small, "ETH", 20 * LOTS)
    account = whale(world)
    health = world.health(small)
    world.fund(small, "USDC", (health.mm * 9 // 10 - health.equity) // 10**12)
    desk.reduce(world, account, "ETH", 0)
    assert desk.plan_reduce(world, small, "ETH").status == desk.NO_CAPACITY

    with boa.reverts("liquidator: no capacity"):
        desk.reduce(world, small, "ETH", 0)

    world.wait(2)
    plan = desk.plan_reduce(world, small, "ETH")
    assert desk.reduce(world, small, "ETH", plan.size).size == plan.target


def test_reduce__less_than_is_due__reverts(world: World) -> None:
    account = desk.weak_account(world)
    plan = desk.plan_reduce(world, account, "ETH")

    with boa.reverts("liquidator: too small"):
        desk.reduce(world, account, "ETH", plan.target * 99 // 100)


def test_plan_reduce__pool_without_room__says_so(world: World) -> None:
    account = desk.weak_account(world, 600 * LOTS)
    # the pool carries the other side already; a lambda that allows nothing leaves no room to grow
    params = list(world.liquidity_pool.params(1))
    params[6] = 10**14
    other = world.open_account("counterparty", USDC=3_000_000 * USDC)
    world.open_position(other, "ETH", -700 * LOTS)
    desk.sink(world, account, "ETH", Fraction(9, 10))
    world.liquidity_pool.set_params(1, tuple(params), sender=world.role("owner"))

    plan = desk.plan_reduce(world, account, "ETH")

    assert plan.status in (desk.NO_ROOM, desk.OK)
    if plan.status == desk.OK:
        assert plan.size < plan.target
    with boa.reverts():
        desk.reduce(world, account, "ETH", 0)


# ---- refused -----------------------------------------------------------------------------------


def test_reduce__at_or_above_mm__reverts(world: World) -> None:
    # between MM and LE nothing may be done, C1
    account = desk.weak_account(world, share=Fraction(11, 10))
    health = world.health(account)
    assert health.mm <= health.equity < health.le

    with boa.reverts("liquidator: not below mm"):
        desk.reduce(world, account, "ETH", LOTS)
    assert desk.plan_reduce(world, account, "ETH").status == desk.NOT_BELOW_MM


def test_reduce__equity_near_zero__is_left_to_take(world: World) -> None:
    # the 54 bp of a close, spread among them, are more than the 12.5 bp of E
    account = desk.weak_account(world, share=Fraction(1, 20))
    plan = desk.plan_reduce(world, account, "ETH")
    assert plan.status == desk.TOO_COSTLY

    with boa.reverts("seizure: made insolvent"):
        desk.reduce(world, account, "ETH", plan.size)


def test_reduce__cost_above_half_of_the_mm_released__is_left_to_take(world: World) -> None:
    # of a leg of 210 USD the keeper's dollar is more than the close saves
    account = world.open_account("trader", USDC=200 * USDC)
    world.open_position(account, "ETH", 40 * LOTS // 100)
    world.open_position(account, "ETH", -33 * LOTS // 100)
    world.withdraw(account, "USDC", 185 * USDC)
    desk.sink(world, account, "ETH", Fraction(99, 100))
    plan = desk.plan_reduce(world, account, "ETH")
    assert plan.status == desk.TOO_COSTLY

    with boa.reverts("liquidator: cost"):
        desk.reduce(world, account, "ETH", plan.size)


def test_reduce__pay_below_what_the_keeper_asks__reverts(world: World) -> None:
    account = desk.weak_account(world)
    plan = desk.plan_reduce(world, account, "ETH")

    with boa.reverts("liquidator: pay too low"):
        desk.reduce(world, account, "ETH", plan.size, min_pay=plan.pay + 1)


def test_reduce__after_the_deadline__reverts(world: World) -> None:
    account = desk.weak_account(world)

    with boa.reverts("liquidator: expired"):
        desk.reduce(world, account, "ETH", 0, deadline=world.now - 1)


@pytest.mark.parametrize("payee", ["trader", "pool"])
def test_reduce__pay_to_the_owner_or_the_pool__reverts(world: World, payee: str) -> None:
    account = desk.weak_account(world)
    own = {"trader": world.account("trader", 7), "pool": desk.pool_account(world)}

    with boa.reverts("liquidator: keeper"):
        desk.reduce(world, account, "ETH", 0, keeper=own[payee])


def test_reduce__leg_not_held__reverts(world: World) -> None:
    account = desk.weak_account(world)
    assert desk.plan_reduce(world, account, "BTC").status == desk.NO_LEG

    with boa.reverts("liquidator: no such leg"):
        desk.reduce(world, account, "BTC", 0)


def test_reduce__price_of_the_leg_too_old__reverts(world: World) -> None:
    # R9: the closed market's own price counts, a fresh one of another feed does not help
    account = world.open_account("trader", USDC=9_000 * USDC)
    world.open_position(account, "ETH", 20 * LOTS)
    world.open_position(account, "BTC", LOTS // 20)
    desk.sink(world, account, "ETH", Fraction(9, 10))
    world.wait(121)
    world.publish(BTC=world.prices["BTC"])
    world.wait(601)
    world.publish(BTC=world.prices["BTC"])
    world.wait(30)
    world.publish(BTC=world.prices["BTC"])

    for _ in range(40):
        health = world.health(account)
        if health.status & 8 == 0:
            break
        world.wait(30)
        world.publish(BTC=world.prices["BTC"])
    assert desk.plan_reduce(world, account, "ETH").status == desk.CLOSED
    with boa.reverts("liquidator: stale price"):
        desk.reduce(world, account, "ETH", 0)


def test_reduce__jump_pending__reverts(world: World) -> None:
    account = desk.weak_account(world)
    world.next_price(10, ETH=world.prices["ETH"] * 9 // 10)
    assert desk.plan_reduce(world, account, "ETH").status == desk.CLOSED

    with boa.reverts("liquidator: closed"):
        desk.reduce(world, account, "ETH", 0)


# ---- cures -------------------------------------------------------------------------------------


def test_reduce__first_call_cures__leaves_no_auction_behind(world: World) -> None:
    account = desk.weak_account(world)

    desk.reduce(world, account, "ETH", 0)

    assert not desk.in_auction(world, account)
    assert world.liquidator.clock(account) == (0, 0)


def test_reduce__cures_a_flagged_account__ends_the_auction(world: World) -> None:
    account = desk.weak_account(world)
    world.liquidator.flag(account, sender=world.role("keeper"))
    world.wait(7)
    world.publish()

    desk.reduce(world, account, "ETH", 0)

    assert not desk.in_auction(world, account)
    assert world.liquidator.clock(account) == (7, world.now)


def test_deposit__of_the_owner_restores_le__ends_the_auction(world: World) -> None:
    # C10: in the same transaction, no keeper needed
    account = desk.weak_account(world)
    world.liquidator.flag(account, sender=world.role("keeper"))
    assert desk.in_auction(world, account)

    world.fund(account, "USDC", 3_000 * USDC)

    assert world.health(account).equity >= world.health(account).le
    assert not desk.in_auction(world, account)
    with boa.reverts("liquidator: not below mm"):
        desk.reduce(world, account, "ETH", 0)


def test_reduce__of_the_pool__is_refused(world: World) -> None:
    pool = account_of(str(world.liquidity_pool.address))
    other = world.open_account("counterparty", USDC=900_000 * USDC)
    world.open_position(other, "ETH", 100 * LOTS)
    assert owner_of(pool) == str(world.liquidity_pool.address)

    with boa.reverts("liquidator: not below mm"):
        desk.reduce(world, pool, "ETH", 0)
