"""Rows 31 to 43 of the fault list, for prices that are polled or held against a second feed."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.attack import (
    NOW_OR_LATER,
    attempt,
    deploy,
    hedged,
    no_gain,
    pass_time,
    sink,
    weak_long,
)
from tests.support.world import LOTS, TICKS, WAD, World, perp

USDC = 10**6
HOUR = 3_600
# the oldest that may price a market
QUICK = 120
NOBODY = "0x" + "00" * 20
# market 1 is the clock of reports and has no adapter
BTC = 60_000 * TICKS
ETH = 3_000 * TICKS
LINK = 15 * TICKS
BAND = 2 * WAD // 100
UNTRUSTED = 4
NOT_TRUSTED = "trading: price not trusted"
CLOSED = "liquidator: closed"
# enough for a report and for what a source may eat; a source that ate all but a 64th of it would
# leave too little for the rest
REPORT_GAS = 350_000
# contracts/mocks/Aggregator.vy
MISCHIEF = {"reverts": 1, "silent": 2, "short": 3, "long": 4, "garbage": 5, "bomb": 6, "hungry": 7}


class Feed:
    """An aggregator under the terms of a ChainlinkFeed."""

    def __init__(
        self,
        world: World,
        ticks: int,
        low: int = 10 * WAD,
        uptime: str = NOBODY,
        heartbeat: int = QUICK,
    ) -> None:
        self.world = world
        self.aggregator = deploy("mocks/Aggregator", 8)
        self.say(ticks)
        grace = 0 if uptime == NOBODY else 600
        terms = (self.aggregator.address, heartbeat, low, 1_000_000 * WAD, 100, uptime, grace)
        self.adapter = deploy("feeds/ChainlinkFeed", terms)

    def say(self, ticks: int) -> None:
        """Finish a round now, with this answer."""
        self.answer(ticks // 100)

    def answer(self, value: int) -> None:
        """Finish a round now, with any answer."""
        now = self.world.now
        self.aggregator.set_round((now, value % 2**256, now, now, now))


def name(
    world: World, symbol: str, primary: Any = None, cross: Any = None, band: int = BAND
) -> str | None:
    """Name the sources of a market as the owner."""
    addresses = [NOBODY if each is None else each.address for each in (primary, cross)]
    sources = (*addresses, 0 if cross is None else band)
    configurator, market = world.risk_configurator, world.market(symbol).id
    return attempt(configurator.set_sources, market, sources, sender=world.role("owner"))


def polled(world: World, symbol: str = "BTC", **terms: Any) -> Feed:
    """Let a market be priced by an aggregator that says what stands."""
    feed = Feed(world, world.prices[symbol], **terms)
    assert name(world, symbol, feed.adapter) is None
    return feed


def poll(world: World, symbol: str = "BTC") -> str | None:
    """Poll a market as the attacker."""
    market = world.market(symbol).id
    return attempt(world.risk_configurator.poll, market, sender=world.role("attacker"))


def say(world: World, feed: Feed, ticks: int, symbol: str = "BTC") -> None:
    """Finish a round and poll it."""
    feed.say(ticks)
    poll(world, symbol)


def word(world: World, symbol: str = "BTC") -> int:
    """Return the price word of a market."""
    return int(world.markets.market_words(world.market(symbol).id)[0])


def price(world: World, symbol: str = "BTC") -> int:
    """Return the price of a market [ticks]."""
    return word(world, symbol) >> 192


def flags(world: World, symbol: str = "BTC") -> int:
    """Return the flags of a market's price."""
    return word(world, symbol) >> 32 & 0xFF


def committed(world: World, account: int, size: int, symbol: str = "BTC") -> Any:
    """Commit an order and let its delay pass."""
    order = world.order(account, symbol, size)
    world.commit(order)
    world.wait(3)
    return order


def weak(world: World, share: float) -> int:
    """Return a trader's long BTC account with E at `share` of MM."""
    account = world.open_account("trader", USDC=5_000 * USDC)
    world.open_position(account, "BTC", LOTS)
    sink(world, account, "BTC", share)
    return account


# ---- 31: an aggregator that stops at its bound -------------------------------------------------


def test_fault_031_aggregator__stops_at_its_minimum__backs_nothing_and_traps_nobody(
    world: World,
) -> None:
    # Venus and Blizz, 2022: the aggregator's minimum was above what LUNA was worth
    long, _ = hedged(world, "ETH", 50 * LOTS, 12_000)
    world.next_price(3)
    minimum = 147 * TICKS // 10
    feed = polled(world, "LINK", low=minimum * WAD // TICKS)
    world.wait(20)
    say(world, feed, minimum, "LINK")
    assert price(world, "LINK") == 15 * TICKS

    # bought for nothing, worth 42,000 USD at the price that stands
    world.fund(long, "LINK", 3_000 * 10**18)
    world.publish(ETH=world.prices["ETH"])
    assert attempt(world.withdraw, long, "USDC", 11_500 * USDC) == "ledger: margin"
    world.withdraw(long, "LINK", 3_000 * 10**18)
    world.assert_books_balance()


# ---- 32: a cross-check that stands still -------------------------------------------------------


@pytest.mark.parametrize(("age", "refusal"), [(HOUR, None), (HOUR + 1, NOT_TRUSTED)])
def test_fault_032_cross_check__older_than_its_heartbeat__opens_nothing(
    world: World, age: int, refusal: str | None
) -> None:
    account = world.open_account("trader", USDC=50_000 * USDC)
    feed = Feed(world, ETH, heartbeat=HOUR)
    assert name(world, "ETH", cross=feed.adapter) is None
    for _ in range((age - 13) // 60):
        world.next_price(60)
    world.wait((age - 13) % 60 + 10)
    order = committed(world, account, LOTS, "ETH")
    world.publish(ETH=ETH)
    assert attempt(world.execute, order) == refusal


# ---- 34: absurd answers ------------------------------------------------------------------------

ANSWER = BTC // 100
ABSURD = [0, 1, -1, -(2**255), 2**255 - 1, 2**63]
ABSURD += [ANSWER // 1_000, ANSWER // 10, ANSWER * 10, ANSWER * 1_000]


@pytest.mark.parametrize("answer", ABSURD)
def test_fault_034_aggregator__absurd_answer__fills_and_liquidates_nothing(
    world: World, answer: int
) -> None:
    victim = weak(world, 1.2)
    long, short = hedged(world, "BTC", 2 * LOTS, 25_000)
    feed = polled(world)
    before = price(world)
    order = committed(world, long, LOTS // 2)
    with no_gain(world, 34, "attacker", "accomplice"):
        feed.answer(answer)
        assert poll(world) is None
        outcomes = [
            attempt(world.execute, order),
            attempt(world.liquidator.flag, victim, sender=world.role("attacker")),
            attempt(world.liquidator.flag, short, sender=world.role("attacker")),
        ]
        assert price(world) == before
    assert None not in outcomes
    world.assert_books_balance()


# ---- 35: a missing leg -------------------------------------------------------------------------


def test_fault_035_source__a_rate_without_its_base__is_never_named(world: World) -> None:
    # Moonwell, 2026: cbETH at its rate to ETH, 1.12, as if it were dollars
    rate = Feed(world, 112 * TICKS // 100, low=WAD).adapter
    second = Feed(world, world.prices["WSTETH"]).adapter
    assert name(world, "WSTETH", second) is None
    outcomes = [
        name(world, "WSTETH", rate),
        name(world, "WSTETH", rate, second, WAD // 5),
        name(world, "WSTETH", second, rate, WAD // 5),
        name(world, "WSTETH", cross=rate, band=WAD // 5),
    ]
    assert outcomes == ["sources: disagree"] * 4
    poll(world, "WSTETH")
    assert price(world, "WSTETH") == world.prices["WSTETH"]


@pytest.mark.parametrize("listing", [1, 2_390, 3_630])
def test_fault_035_listing__away_from_its_second_source__is_refused(
    world: World, listing: int
) -> None:
    configurator, owner = world.risk_configurator, world.role("owner")
    second, market = Feed(world, ETH).adapter, world.markets.market_count() + 1
    params = configurator.margin_params(1), configurator.feed_params(1)
    sources = (NOBODY, second.address, WAD // 5)
    assert attempt(configurator.set_sources, market, sources, sender=owner) is None

    def list_at(dollars: int) -> str | None:
        listed = (market, "NEW", *params, dollars * WAD)
        return attempt(configurator.list_market, *listed, sender=owner)

    assert list_at(max(10, listing)) == "sources: disagree"
    assert list_at(3_000) is None


# ---- 36: other decimals ------------------------------------------------------------------------


@pytest.mark.parametrize("decimals", [7, 9, 18])
def test_fault_036_aggregator__changes_its_decimals__moves_no_price(
    world: World, decimals: int
) -> None:
    # Ribbon and Aevo: 8 decimals became 18
    victim = weak(world, 1.2)
    feed = polled(world)
    before = price(world)
    feed.aggregator.set_decimals(decimals)
    for _ in range(2):  # the second would confirm the first
        world.wait(60)
        feed.answer(before * 10**decimals // TICKS)
        assert poll(world) is None
    assert price(world) == before
    assert flags(world) & UNTRUSTED
    assert attempt(world.liquidator.flag, victim, sender=world.role("keeper")) is not None


# ---- 37: two feeds, one of which lies ----------------------------------------------------------


@pytest.mark.parametrize("lie", [6, 15])
def test_fault_037_two_feeds__one_lies__nothing_between_them_is_ever_a_price(
    world: World, lie: int
) -> None:
    # sKRW, 2019: the mean of two feeds, one of them wrong
    account = world.open_account("attacker", USDC=50_000 * USDC)
    world.open_position(account, "BTC", LOTS // 2)
    feed, second = Feed(world, BTC), Feed(world, BTC)
    assert name(world, "BTC", feed.adapter, second.adapter) is None
    wrong = BTC * (100 + lie) // 100
    for _ in range(2):
        world.wait(6)
        second.say(BTC)
        say(world, feed, wrong)
        assert price(world) in (BTC, wrong)
    # confirmed, so it counts; but the second feed keeps everybody from leaving with it
    assert price(world) == wrong
    assert attempt(world.withdraw, account, "USDC", USDC) == "ledger: invalid feed"
    order = committed(world, account, LOTS // 10)
    say(world, feed, wrong)
    assert attempt(world.execute, order) == NOT_TRUSTED
    # until both agree again
    world.wait(30)
    second.say(wrong)
    say(world, feed, wrong)
    world.withdraw(account, "USDC", USDC)


# ---- 39: an upgrade that answers nothing -------------------------------------------------------


@pytest.mark.parametrize("mischief", MISCHIEF)
@pytest.mark.parametrize("upgraded", ["aggregator", "adapter"])
def test_fault_039_feed__upgraded_to_nonsense__its_market_only_closes_all_else_goes_on(
    world: World, mischief: str, upgraded: str
) -> None:
    # Compound, 2022: the cETH feed reverted, and with it everything that touched it
    holder = world.open_account("trader", USDC=50_000 * USDC)
    other = world.open_account("counterparty", USDC=50_000 * USDC)
    saver = world.open_account("depositor", WETH=10**18)
    world.open_position(holder, "BTC", LOTS // 2)
    feed = Feed(world, BTC)
    bare = deploy("mocks/Aggregator", 8)
    bare.set_quote((BTC, 0, world.now, 1))
    primary = feed.adapter if upgraded == "aggregator" else bare
    assert name(world, "BTC", primary) is None
    opening, closing = (world.order(holder, "BTC", sign * LOTS // 5) for sign in (1, -1))
    elsewhere = world.order(other, "ETH", LOTS)
    for order in (opening, closing, elsewhere):
        world.commit(order)
    world.wait(3)
    feed.say(BTC)
    bare.set_quote((BTC, 0, world.now, 1))
    assert poll(world) is None

    mode = MISCHIEF[mischief]
    (feed.aggregator if upgraded == "aggregator" else bare).set_modes(0, mode, mode)
    world.wait(1)
    assert poll(world) is None
    assert price(world) == BTC
    assert attempt(world.execute, opening) == NOT_TRUSTED
    assert attempt(world.execute, closing) is None
    # reports of other markets pass, and who holds nothing else leaves
    report = world.report_blob({"ETH": world.prices["ETH"]})
    assert attempt(world.execute, elsewhere, report) is None
    world.withdraw(saver, "WETH", 10**18)
    world.fund(holder, "USDC", USDC)
    world.assert_books_balance()


@pytest.mark.parametrize("mischief", MISCHIEF)
def test_fault_039_cross_check__upgraded_to_nonsense__stops_no_report_and_no_liquidation(
    world: World, mischief: str
) -> None:
    victim = weak_long(world, 0.9)
    bare = deploy("mocks/Aggregator", 8)
    bare.set_quote((price(world, "ETH"), 0, world.now, 1))
    assert name(world, "ETH", cross=bare) is None
    bare.set_modes(0, 0, MISCHIEF[mischief])
    world.wait(10)
    caller = {"sender": world.role("keeper"), "gas": REPORT_GAS}
    assert attempt(world.markets.update, world.report_blob(world.prices), **caller) is None
    assert flags(world, "ETH") & UNTRUSTED
    keeper = world.account("keeper")
    reduce = (victim, perp(1), 0, 0, keeper, NOW_OR_LATER)
    assert attempt(world.liquidator.reduce, *reduce, sender=world.role("keeper")) is None


# ---- 99: dust of a feed that keeps falling silent ------------------------------------------------


def test_fault_099_slow_adapter__each_round_an_outage__prices_no_market(world: World) -> None:
    # a dust of its collateral would bar the liquidation of an account in nearly every second
    slow = Feed(world, LINK, low=WAD, heartbeat=QUICK + 1)
    silent = deploy("mocks/SecondEntry", slow.aggregator.address)
    for adapter in (slow.adapter, silent):
        assert name(world, "LINK", adapter) == "sources: too slow"
    # on the seat of the cross-check its age bars nothing but openings
    assert name(world, "LINK", cross=slow.adapter) is None
    account = world.open_account("attacker", USDC=6_000 * USDC, LINK=10**16)
    world.open_position(account, "ETH", 20 * LOTS)
    sink(world, account, "ETH", 0.9)
    pass_time(world, 600)
    assert attempt(world.liquidator.flag, account) is None


# ---- 43: a sequencer that was down -------------------------------------------------------------


def test_fault_043_sequencer__down_then_up__nothing_happens_before_everybody_could_act(
    world: World,
) -> None:
    victim = weak(world, 0.9)
    long, _ = hedged(world, "BTC", LOTS, 25_000)
    uptime = deploy("mocks/Aggregator", 0)
    uptime.set_round((1, 0, world.now - HOUR, world.now, 1))
    feed = polled(world, uptime=str(uptime.address))
    world.wait(1)
    say(world, feed, price(world))
    before, caller = price(world), {"sender": world.role("keeper")}
    world.liquidator.flag(victim, **caller)
    ran = world.liquidator.clock(victim)[0]

    world.wait(1_800)
    uptime.set_round((2, 0, world.now, world.now, 2))
    up = world.now
    order = world.order(long, "BTC", LOTS // 5)
    world.commit(order)
    lower = before * 98 // 10_000 * 100
    while world.now < up + 590:
        world.wait(10)
        say(world, feed, lower)
        assert price(world) == before
        assert attempt(world.execute, order) == "orders: price too early"
        assert attempt(world.liquidator.flag, victim, **caller) == CLOSED
    world.wait(20)
    say(world, feed, lower)
    assert price(world) == lower
    # after the feed's grace Markets gives its own
    back = world.now
    while world.now < back + 590:
        assert attempt(world.liquidator.flag, victim, **caller) == CLOSED
        world.wait(50)
        say(world, feed, lower)
    world.wait(back + 610 - world.now)
    say(world, feed, lower)
    # the auction's clock has not counted any of it
    assert world.liquidator.flag(victim, **caller) - ran <= 10


# ---- 27: a caller who keeps the gas back ---------------------------------------------------------


def test_fault_027_poll__with_gas_that_starves_the_source__never_makes_it_look_silent(
    world: World,
) -> None:
    # a call passes on 63/64 of what is left: what fails for want of it looks like a dead feed
    feed = polled(world)
    world.wait(1)
    feed.say(BTC + TICKS)
    configurator, market = world.risk_configurator, world.market("BTC").id
    outcomes = []
    for gas in range(40_000, 300_000, 10_000):
        with boa.env.anchor():
            call = {"gas": gas, "sender": world.role("attacker")}
            outcomes.append(attempt(configurator.poll, market, **call))
            assert not flags(world) & UNTRUSTED, f"starved with {gas:,} gas"
    assert set(outcomes) == {"feed: too little gas", None}
    # who brings enough has the price
    assert poll(world) is None
    assert price(world) == BTC + TICKS
