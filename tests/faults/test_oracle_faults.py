"""Rows 31 to 43 of the fault list: what a price source can do wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boa
import pytest

from tests.support.attack import (
    NOW_OR_LATER,
    attempt,
    equity,
    hedged,
    no_gain,
    weak_long,
)
from tests.support.reports import Quote, Signer
from tests.support.world import LOTS, TICKS, WAD, World, perp

USDC = 10**6
COALITION = ("attacker", "accomplice")


def stored(world: World, symbol: str = "ETH") -> int:
    """Return the stored price word of a market."""
    return int(world.markets.market_words(world.market(symbol).id)[0])


def price(world: World, symbol: str = "ETH") -> int:
    """Return the stored price [ticks]."""
    return stored(world, symbol) >> 192


def submit(world: World, reports: bytes) -> str | None:
    """Bring reports to the chain as the attacker."""
    return attempt(world.markets.update, reports, sender=world.role("attacker"))


# ---- 31: a feed that stops at its bound --------------------------------------------------------


def test_fault_031_price__falls_through_its_lower_bound__backs_nothing_and_traps_nobody(
    floor_world: World,
) -> None:
    # Venus and Blizz, 2022: LUNA went on counting at the feed's minimum while the market sold it
    world = floor_world
    long, _ = hedged(world, "ETH", 50 * LOTS, 12_000)
    world.next_price(3)
    world.wait(2)
    world.markets.update(world.report_blob({"LINK": TICKS // 1_000}))
    assert price(world, "LINK") == TICKS * 102 // 1_000

    # bought for 400 USD, worth 40,800 USD at the price that stands
    world.fund(long, "LINK", 400_000 * 10**18)
    refused = attempt(world.withdraw, long, "USDC", 11_500 * USDC)
    assert world.tokens["USDC"].balanceOf(world.role("attacker")) == 0
    assert refused == "ledger: margin"
    assert attempt(trade_without_link, world, long, 100) == "ledger: margin"

    # who holds it gets out: the leg of another market closes, cash and token leave
    trade_without_link(world, long, -50)
    world.withdraw(long, "LINK", 400_000 * 10**18)
    world.withdraw(long, "USDC", world.cash(long) // 10**12)
    world.assert_books_balance()


def trade_without_link(world: World, account: int, size: int) -> None:
    """Trade ETH at a price that comes without one of LINK."""
    world.commit(order := world.order(account, "ETH", size * LOTS))
    world.wait(3)
    world.execute(order, world.report_blob({"ETH": world.prices["ETH"]}))


# ---- 32: silence -------------------------------------------------------------------------------

# action: oldest price it takes [s], what it says then; nothing: it reads no price
LIMITS: dict[str, tuple[int, str] | None] = {
    "open": (15, "trading: price not trusted"),
    "share price": (15, "pool: stale price"),
    "withdraw under a leg": (60, "ledger: invalid feed"),
    "reduce by order": (120, "trading: price not trusted"),
    "flag": (120, "liquidator: closed"),
    "reduce": (120, "liquidator: closed"),
    "take": (120, "liquidator: closed"),
    "deposit": None,
    "settle": None,
    "withdraw without legs": None,
}
T_DEAD = 3_600


@pytest.mark.parametrize("age", [0, 15, 16, 60, 61, 120, 121, 600, 3_500, 3_601, 86_400])
def test_fault_032_price__of_any_age__is_used_as_long_as_the_matrix_says(
    world: World, age: int
) -> None:
    # Levana, 2023: prices two hours old
    weak = weak_long(world)
    trader = world.open_account("counterparty", USDC=50_000 * USDC)
    saver = world.open_account("depositor", USDC=1_000 * USDC, WETH=10**18)
    buyer = world.open_account("liquidator", USDC=500_000 * USDC)
    world.open_position(trader, "ETH", 10 * LOTS)
    opening, closing = (world.order(trader, "ETH", sign * 5 * LOTS) for sign in (1, -1))
    for order in (opening, closing):
        world.commit(order)
    world.next_price(3)
    world.wait(age)
    liquidator, core = world.liquidator, world.clearinghouse
    keeper, caller = world.account("keeper"), {"sender": world.role("keeper")}
    take = (weak, buyer, WAD // 2, NOW_OR_LATER, 0, NOW_OR_LATER)
    actions: dict[str, Callable[[], Any]] = {
        "open": lambda: world.execute(opening),
        "share price": lambda: world.liquidity_pool.nav(),
        "withdraw under a leg": lambda: world.withdraw(trader, "USDC", USDC),
        "reduce by order": lambda: world.execute(closing),
        "flag": lambda: liquidator.flag(weak, **caller),
        "reduce": lambda: liquidator.reduce(weak, perp(1), 0, 0, keeper, NOW_OR_LATER, **caller),
        "take": lambda: liquidator.take(*take, sender=world.role("liquidator")),
        "deposit": lambda: world.fund(trader, "USDC", USDC),
        "settle": lambda: core.settle(trader, **caller),
        "withdraw without legs": lambda: world.withdraw(saver, "WETH", 10**18),
    }
    for name, limit in LIMITS.items():
        with boa.env.anchor():
            outcome = attempt(actions[name])
        assert outcome in expected(name, limit, age), name


def expected(name: str, limit: tuple[int, str] | None, age: int) -> tuple[str | None, ...]:
    """Return what an action may say at this age of the price."""
    if limit is None:
        return (None,)
    if name == "take" and (age <= limit[0] or age > T_DEAD):
        # half of it may be more than is due
        return (None, "liquidator: overshoot", "liquidator: too small")
    if age <= limit[0] or (name == "flag" and age > T_DEAD):
        return (None,)
    if name == "reduce" and age > T_DEAD:
        return ("liquidator: stale price",)
    if name in ("open", "reduce by order") and age > T_DEAD:
        return ("orders: expired",)
    return (limit[1],)


# ---- 34: absurd prices -------------------------------------------------------------------------

ETH = 3_000 * TICKS
ABSURD = [0, 1, ETH // 1_000, ETH // 10, ETH * 10, ETH * 1_000, 2**63 - 1, 2**64 - 1]


@pytest.mark.parametrize("absurd", ABSURD)
def test_fault_034_price__absurd_and_signed_by_all__fills_and_liquidates_nothing(
    world: World, absurd: int
) -> None:
    # sKRW 2019, wrsETH 2025: a quorum that is wrong together
    victim = weak_long(world, 1.2)
    long, short = hedged(world, "ETH", 50 * LOTS, 25_000)
    order = world.order(long, "ETH", 10 * LOTS)
    world.commit(order)
    before = price(world)
    world.wait(3)
    with no_gain(world, 34, *COALITION):
        world.markets.update(world.report_blob({"ETH": absurd}))
        outcomes = [
            attempt(world.execute, order),
            attempt(world.liquidator.flag, victim, sender=world.role("attacker")),
            attempt(world.liquidator.flag, short, sender=world.role("attacker")),
        ]
        if not in_bounds(world, absurd):
            world.wait(6)
            world.markets.update(world.report_blob({"ETH": absurd}))
        assert price(world) == before
    assert None not in outcomes
    world.assert_books_balance()


def in_bounds(world: World, ticks: int) -> bool:
    """Return whether a price lies within the market's bounds, where a second report confirms it."""
    feed = world.market("ETH").feed
    return feed.min_price <= ticks * 10**8 <= feed.max_price


# ---- 37: sources that lie or are silent --------------------------------------------------------


def by(world: World, **prices: int) -> bytes:
    """Return reports of ETH by sources, named s0 to s3, in that order."""
    signers = {f"s{signer.index}": signer for signer in world.signers}
    return mixed(world, [(signers[name[:2]], ticks) for name, ticks in prices.items()])


def mixed(world: World, quotes: list[tuple[Signer, int]]) -> bytes:
    """Return reports of ETH, each source with a price of its own."""
    market = world.market("ETH").id
    return world.packed(
        [world.signed(signer, world.now, {market: Quote(ticks)}) for signer, ticks in quotes]
    )


@pytest.mark.parametrize("lie", [ETH * 12 // 10, ETH * 8 // 10, 1, 2**64 - 1])
def test_fault_037_one_source_of_three__lies__the_median_stays_honest(
    world: World, lie: int
) -> None:
    # sKRW, 2019: the mean of two feeds, one of them wrong by a thousand
    honest = price(world)
    for liar in ("s0", "s1", "s2"):
        for _ in range(2):  # the second would confirm the first
            world.wait(6)
            prices = {"s0": honest, "s1": honest, "s2": honest} | {liar: lie}
            submit(world, by(world, **prices))
    assert price(world) == honest


@pytest.mark.parametrize("lie", [ETH * 12 // 10, ETH * 8 // 10])
def test_fault_037_fewer_than_a_quorum__even_the_same_one_thrice__changes_nothing(
    world: World, lie: int
) -> None:
    word = stored(world)
    outcomes = []
    for names in (("s0",), ("s0", "s1"), ("s0", "s0_", "s0__"), ("s2", "s1", "s0")):
        world.wait(6)
        outcomes.append(submit(world, by(world, **dict.fromkeys(names, lie))))
    assert stored(world) == word
    assert outcomes == ["oracle: no quorum"] * 2 + ["oracle: signer order"] * 2


def test_fault_037_one_source_dead__the_fourth_takes_its_place(world: World) -> None:
    moved = price(world) * 99 // 100
    world.wait(6)
    assert submit(world, by(world, s0=moved, s1=moved, s3=moved)) is None
    assert price(world) == moved


# ---- 40, 41: time ------------------------------------------------------------------------------


@pytest.mark.parametrize(("held_back", "brought"), [("BTC", "ETH"), ("ETH", "BTC")])
def test_fault_040_report__withheld_until_its_signers_went_on__is_ignored(
    world: World, held_back: str, brought: str
) -> None:
    # a wick in one market was signed and held back; later only another one's price was brought
    wick = world.prices[held_back] * 975 // 1_000
    world.wait(5)
    withheld = world.report_blob({held_back: wick})
    world.wait(5)
    world.publish(**{brought: world.prices[brought]})
    before = stored(world, held_back)
    assert submit(world, withheld) is None
    assert stored(world, held_back) == before


def test_fault_040_reports__in_a_burst_and_out_of_order__only_go_forward(world: World) -> None:
    prices = [ETH + step * 10 * TICKS for step in range(5)]
    blobs = []
    for ticks in prices:
        world.wait(10)
        blobs.append(world.report_blob({"ETH": ticks}))
    for index, expected_price in ((2, prices[2]), (0, prices[2]), (4, prices[4]), (3, prices[4])):
        assert submit(world, blobs[index]) is None
        assert price(world) == expected_price


def test_fault_040_report__brought_again__leaves_every_order_its_price(world: World) -> None:
    # a replay that moved the word would make the order's first price its second
    account = world.open_account("trader", USDC=10_000 * USDC)
    order = world.order(account, "ETH", LOTS)
    world.commit(order)
    world.wait(3)
    report = world.report_blob(world.prices)
    world.markets.update(report)
    word = stored(world)
    world.wait(1)
    assert submit(world, report) is None
    assert stored(world) == word
    world.execute(order)
    assert world.size(account, "ETH") == LOTS


def test_fault_041_report__from_the_future__is_refused(world: World) -> None:
    word = stored(world)
    world.wait(5)
    ahead = [world.report_blob({"ETH": ETH}, times=world.now + seconds) for seconds in (2, 3_600)]
    assert [submit(world, each) for each in ahead] == ["oracle: from the future"] * 2
    assert stored(world) == word


def test_fault_041_report__of_the_same_second_with_another_price__is_ignored(
    world: World,
) -> None:
    world.wait(5)
    world.publish(ETH=ETH)
    word = stored(world)
    other = world.report_blob({"ETH": ETH * 102 // 100}, signers=world.signers[1:])
    assert submit(world, other) is None
    assert stored(world) == word


# ---- 42: confidence ----------------------------------------------------------------------------


def test_fault_042_confidence__ten_percent__opens_nothing_and_holds_withdrawals(
    world: World,
) -> None:
    account = world.open_account("attacker", USDC=50_000 * USDC)
    world.open_position(account, "ETH", 10 * LOTS)
    order = world.order(account, "ETH", LOTS)
    world.commit(order)
    world.wait(3)
    world.publish(ETH=Quote(ETH, 10_000))
    assert attempt(world.execute, order) == "trading: price not trusted"
    assert attempt(world.withdraw, account, "USDC", USDC) == "ledger: invalid feed"


def test_fault_042_confidence__within_the_cap__is_paid_by_whoever_opens(world: World) -> None:
    # 0.9 % uncertain, and the attacker knows that the truth lies at the upper end
    account = world.open_account("attacker", USDC=50_000 * USDC)
    with no_gain(world, 42, "attacker"):
        world.open_position(account, "ETH", 50 * LOTS, ETH=Quote(ETH, 900))
        world.next_price(6, ETH=ETH * 1_009 // 1_000)


def test_fault_042_confidence__within_the_cap__widens_im(world: World) -> None:
    account = world.open_account("attacker", USDC=50_000 * USDC, WETH=10**19)
    world.open_position(account, "ETH", 10 * LOTS)
    im = world.health(account).im
    world.next_price(6, ETH=Quote(ETH, 900))
    # ten ETH in the leg and ten as collateral
    assert world.health(account).im - im == 20 * LOTS * ETH * 900 // 100_000


# ---- 43: outages -------------------------------------------------------------------------------


def test_fault_043_outage__prices_come_back_lower__owners_have_as_long_to_react(
    world: World,
) -> None:
    account = weak_long(world, 1.1)
    buyer = world.open_account("liquidator", USDC=500_000 * USDC)
    keeper, caller = world.account("keeper"), {"sender": world.role("keeper")}
    world.wait(400)
    world.publish(ETH=price(world) * 98 // 100)
    back = world.now
    take = (account, buyer, WAD // 2, NOW_OR_LATER, 0, NOW_OR_LATER)
    assert equity(world, account) < world.health(account).mm
    while world.now < back + 380:
        outcomes = (
            attempt(world.liquidator.flag, account, **caller),
            attempt(
                world.liquidator.reduce, account, perp(1), 0, 0, keeper, NOW_OR_LATER, **caller
            ),
            attempt(world.liquidator.take, *take, sender=world.role("liquidator")),
        )
        assert outcomes == ("liquidator: closed",) * 3
        world.next_price(60)
    world.next_price(40)
    assert attempt(world.liquidator.flag, account, **caller) is None
    # and in that time the owner could have cured it
    world.fund(account, "USDC", 10_000 * USDC)
    assert equity(world, account) > world.health(account).le


def test_fault_043_outage__in_an_auction__is_no_live_time(world: World) -> None:
    account = weak_long(world, 0.8)
    caller = {"sender": world.role("keeper")}
    world.liquidator.flag(account, **caller)
    for _ in range(2):
        world.next_price(60)
        world.liquidator.flag(account, **caller)
    assert world.liquidator.clock(account)[0] == 120
    world.wait(400)
    world.publish(ETH=price(world))
    back = world.now
    while world.now < back + 400:
        world.next_price(50)
    assert world.liquidator.flag(account, **caller) == 120 + world.now - back - 400
    assert world.liquidator.plan_take(account).live_time == world.liquidator.clock(account)[0]
