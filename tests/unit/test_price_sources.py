"""Where prices come from: naming sources, polling them, and what a cross-check does to a price.

Numbers in the names of tests are rows of docs/invariants.md.
"""

from __future__ import annotations

from dataclasses import astuple
from random import Random
from typing import Any

import boa
import pytest
from eth_abi.abi import decode
from eth_utils.crypto import keccak

from tests.reference import feeds as reference_feeds
from tests.reference import oracle
from tests.reference.facts import Market, listed_market
from tests.reference.units import ACTIVE, CHECKED, PENDING, POLLED, UNTRUSTED, WAD
from tests.support.reports import Quote, blob
from tests.unit.feeds_support import BAD, NOBODY, Mode, Terms, aggregator, answer, chainlink, fixed
from tests.unit.markets_support import (
    BTC,
    ETH,
    GENESIS,
    LINK,
    MARGIN,
    PERCENT,
    Desk,
    feed_params,
    feed_tuple,
    usd,
)

P = usd(3_000)
BAND = 2 * PERCENT
NONE = (NOBODY, NOBODY, 0)
# listed here, at what ETH costs; market 1 is the clock of reports
STETH = LINK + 1
NEXT = STETH + 1
# what one source may use, and what has to be left to ask it
SOURCE_GAS = 231_875
PRICES_ACCEPTED = keccak(b"PricesAccepted(uint256,uint256[4])")


@pytest.fixture(scope="module")
def markets_alone(markets_alone: Desk) -> Desk:
    list_at(markets_alone, STETH, 3_000 * WAD)
    return markets_alone


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.wait(10)
    return desk


class Source:
    """An adapter that says what a test tells it."""

    def __init__(self, desk: Desk, price: int = P) -> None:
        self.desk = desk
        self.mock = aggregator()
        self.address = str(self.mock.address)
        self.say(price)

    def say(self, price: int, conf: int = 0, publish: int | None = None, valid: int = 1) -> None:
        """Let it say a price [ticks], of now."""
        time = self.desk.now if publish is None else publish
        self.mock.set_quote((price, conf, time, valid))

    def turn(self, mode: Mode) -> None:
        """Let it misbehave."""
        self.mock.set_modes(0, 0, mode)


@pytest.fixture
def first(desk: Desk) -> Source:
    return Source(desk)


@pytest.fixture
def second(desk: Desk) -> Source:
    return Source(desk)


def name(desk: Desk, sources: tuple[Any, ...], market: int = STETH) -> None:
    """Name the sources of a market."""
    desk.configurator.set_sources(market, sources, sender=desk.owner)


def poll(desk: Desk, market: int = STETH, **kwargs: Any) -> bool:
    """Poll a market as anyone may."""
    return bool(desk.configurator.poll(market, sender=desk.anyone, **kwargs))


def list_at(desk: Desk, market: int, price: int) -> None:
    """List the next market at a price [USD WAD]."""
    margin, feed = tuple(astuple(MARGIN)), feed_tuple(feed_params(3_000))
    desk.configurator.list_market(market, "NEXT", margin, feed, price, sender=desk.owner)


def list_next(desk: Desk, price: int) -> None:
    """List a market after those that stand."""
    list_at(desk, NEXT, price)


def digest(desk: Desk) -> list[Any]:
    """Return everything that an update or a poll may change."""
    markets = desk.markets
    words = markets.market_words(STETH)[:2], markets.pending(STETH), markets.sampler(STETH)
    return [desk.digest(), words]


# ---- naming --------------------------------------------------------------------------------------


def test_set_sources__both__are_told_stored_and_flagged(
    desk: Desk, first: Source, second: Source
) -> None:
    named = (first.address, second.address, BAND)
    name(desk, named)
    (event,) = desk.configurator.get_logs()
    assert (event.market, tuple(event.old), tuple(event.new)) == (STETH, NONE, named)
    assert tuple(desk.configurator.sources(STETH)) == named
    assert desk.price(STETH).flags == ACTIVE | POLLED | CHECKED
    assert desk.price(BTC).flags == ACTIVE


def test_set_sources__changed_and_taken_back__flags_follow(
    desk: Desk, first: Source, second: Source
) -> None:
    for sources, flags in (
        ((NOBODY, second.address, BAND), CHECKED),
        ((first.address, second.address, BAND), CHECKED | POLLED),
        ((first.address, NOBODY, 0), POLLED),
        ((second.address, NOBODY, 0), POLLED),
        (NONE, 0),
    ):
        name(desk, sources)
        assert desk.price(STETH).flags == ACTIVE | flags
        assert tuple(desk.configurator.sources(STETH)) == sources


def test_set_sources__by_anyone_else__is_refused(desk: Desk) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        desk.configurator.set_sources(STETH, NONE, sender=desk.anyone)


@pytest.mark.parametrize("market", [0, NEXT + 1, 2**255])
def test_set_sources__unknown_market__is_refused(desk: Desk, market: int) -> None:
    with boa.reverts("markets: unknown market"):
        name(desk, NONE, market)


@pytest.mark.parametrize("band", [WAD // 1_000, 20 * PERCENT])
def test_set_sources__band_at_a_bound__is_taken(desk: Desk, second: Source, band: int) -> None:
    name(desk, (NOBODY, second.address, band))
    assert desk.configurator.sources(STETH)[2] == band


@pytest.mark.parametrize("band", [0, WAD // 1_000 - 1, 20 * PERCENT + 1, 2**255])
def test_set_sources__band_beyond_a_bound__is_refused(
    desk: Desk, second: Source, band: int
) -> None:
    with boa.reverts("sources: out of range"):
        name(desk, (NOBODY, second.address, band))


def test_set_sources__adapter_for_the_clock_of_reports__is_refused_a_cross_check_is_not(
    desk: Desk, first: Source, second: Source
) -> None:
    for sources in ((first.address, NOBODY, 0), (first.address, second.address, BAND)):
        with boa.reverts("sources: out of range"):
            name(desk, sources, ETH)
    name(desk, (NOBODY, second.address, BAND), ETH)
    assert desk.price(ETH).flags == ACTIVE | CHECKED


def test_set_sources__while_openings_are_paused__leaves_the_pause_as_it_is(
    desk: Desk, first: Source
) -> None:
    desk.configurator.pause(1, 1 << STETH, 3_600, sender=desk.owner)
    pause, paused = desk.configurator.pause_of(1, STETH), desk.price(STETH)
    name(desk, (first.address, NOBODY, 0))
    assert desk.price(STETH) == paused._replace(flags=paused.flags | POLLED)
    assert desk.configurator.pause_of(1, STETH) == pause
    first.say(usd(3_001))
    assert poll(desk)
    assert desk.price(STETH).flags == paused.flags | POLLED


def test_set_sources__that_check_nothing__are_refused(desk: Desk, first: Source) -> None:
    with boa.reverts("sources: out of range"):
        name(desk, (first.address, NOBODY, BAND))
    with boa.reverts("sources: out of range"):
        name(desk, (first.address, first.address, BAND))


# ---- 35: a missing leg ---------------------------------------------------------------------------


@pytest.mark.parametrize("off", [-1, 1])
@pytest.mark.parametrize("beyond", [0, 1])
def test_35_set_sources__cross_check_at_the_band__is_taken_a_tick_beyond_is_not(
    desk: Desk, second: Source, off: int, beyond: int
) -> None:
    # of the price of the cross-check: 2,500 x 1.2 = 3,000 = 3,750 x 0.8
    band = 20 * PERCENT
    edge = usd(2_500) - beyond if off < 0 else usd(3_750) + beyond
    second.say(edge)
    if not beyond:
        name(desk, (NOBODY, second.address, band))
        return
    with boa.reverts("sources: disagree"):
        name(desk, (NOBODY, second.address, band))


@pytest.mark.parametrize(
    ("price", "taken"), [(3_600, True), (2_400, True), (3_601, False), (2_399, False)]
)
def test_35_set_sources__adapter_alone__is_held_against_the_price_that_stands(
    desk: Desk, first: Source, price: int, taken: bool
) -> None:
    first.say(usd(price))
    if taken:
        name(desk, (first.address, NOBODY, 0))
        return
    with boa.reverts("sources: disagree"):
        name(desk, (first.address, NOBODY, 0))


def test_35_set_sources__with_a_cross_check__may_bring_a_market_back_from_far_away(
    desk: Desk, first: Source, second: Source
) -> None:
    first.say(usd(1_500))
    with boa.reverts("sources: disagree"):
        name(desk, (first.address, second.address, BAND))
    second.say(usd(1_500))
    name(desk, (first.address, second.address, BAND))
    assert desk.price(STETH).price == P


def test_35_set_sources__rate_without_its_base__is_refused(
    desk: Desk, first: Source, second: Source
) -> None:
    # Moonwell, 2026: cbETH at its rate to ETH, 1.12, as if it were dollars
    first.say(usd(1.12))
    for sources in ((first.address, NOBODY, 0), (first.address, second.address, 20 * PERCENT)):
        with boa.reverts("sources: disagree"):
            name(desk, sources)


@pytest.mark.parametrize("mode", BAD)
@pytest.mark.parametrize("place", [0, 1])
def test_39_set_sources__one_without_a_price__is_refused(
    desk: Desk, first: Source, second: Source, mode: Mode, place: int
) -> None:
    (first, second)[place].turn(mode)
    with boa.reverts("sources: no price"):
        name(desk, (first.address, second.address, BAND))


def test_35_list_market__named_sources_agree__is_listed_with_their_flags(
    desk: Desk, first: Source, second: Source
) -> None:
    name(desk, (first.address, second.address, BAND), NEXT)
    list_next(desk, 3_000 * WAD)
    assert desk.price(NEXT).flags == ACTIVE | POLLED | CHECKED


@pytest.mark.parametrize(
    ("listing", "cross", "reason"),
    [
        (2_900, 3_000, "sources: disagree"),  # the owner's price is off
        (3_000, 2_900, "sources: disagree"),  # the cross-check is
        (3_000, 0, "sources: no price"),
    ],
)
def test_35_list_market__named_sources_disagree__is_refused(
    desk: Desk, first: Source, second: Source, listing: int, cross: int, reason: str
) -> None:
    name(desk, (first.address, second.address, BAND), NEXT)
    second.say(usd(cross))
    with boa.reverts(reason):
        list_next(desk, listing * WAD)


def test_35_list_market__adapter_differs_from_its_cross_check__is_refused(
    desk: Desk, first: Source, second: Source
) -> None:
    name(desk, (first.address, second.address, BAND), NEXT)
    first.say(usd(3_100))
    with boa.reverts("sources: disagree"):
        list_next(desk, 3_000 * WAD)


@pytest.mark.parametrize(("listing", "listed"), [(2_500, True), (3_600, True), (2_499, False)])
def test_35_list_market__adapter_alone__is_held_against_the_listing(
    desk: Desk, first: Source, listing: int, listed: bool
) -> None:
    name(desk, (first.address, NOBODY, 0), NEXT)
    if listed:
        list_next(desk, listing * WAD)
        assert desk.price(NEXT).flags == ACTIVE | POLLED
        return
    with boa.reverts("sources: disagree"):
        list_next(desk, listing * WAD)


# ---- polling -------------------------------------------------------------------------------------


def accepted(desk: Desk) -> tuple[Any, ...]:
    """Return what Markets told of the prices that the last poll brought."""
    (entry,) = desk.configurator._computation.get_raw_log_entries()
    assert entry[1].hex() == str(desk.markets.address)[2:].lower()
    assert list(entry[2]) == [int.from_bytes(PRICES_ACCEPTED, "big")]
    return tuple(decode(["uint256", "uint256[4]"], entry[3]))


@pytest.fixture
def polled(desk: Desk, first: Source) -> Source:
    name(desk, (first.address, NOBODY, 0))
    return first


def test_poll__new_price__is_stored_and_told_as_a_report_is(desk: Desk, polled: Source) -> None:
    polled.say(usd(3_010), conf=77)
    assert poll(desk)
    event = accepted(desk)
    stored = desk.price(STETH)
    assert (stored.price, stored.conf, stored.publish) == (usd(3_010), 77, desk.now)
    assert stored.flags == ACTIVE | POLLED
    assert event == (STETH << 24, (desk.markets.market_words(STETH)[0], 0, 0, 0))


def test_poll__same_round_again__changes_nothing(desk: Desk, polled: Source) -> None:
    assert poll(desk)
    before = digest(desk)
    desk.wait(30)
    assert not poll(desk)
    assert digest(desk) == before


def test_40_poll__older_round__changes_nothing(desk: Desk, polled: Source) -> None:
    poll(desk)
    before = digest(desk)
    polled.say(usd(3_010), publish=desk.now - 1)
    assert not poll(desk)
    assert digest(desk) == before


def test_34_poll__jump__waits_for_a_later_round_that_confirms(desk: Desk, polled: Source) -> None:
    polled.say(P * 110 // 100)
    assert not poll(desk)
    assert desk.price(STETH).flags == ACTIVE | POLLED | PENDING
    desk.wait(30)
    assert not poll(desk)
    polled.say(P * 110 // 100)
    assert poll(desk)
    assert desk.price(STETH).price == P * 110 // 100


@pytest.mark.parametrize("price", [1, P // 1_000, P * 1_000, 2**63 - 1])
def test_34_poll__outside_the_bounds__marks_the_feed(
    desk: Desk, polled: Source, price: int
) -> None:
    polled.say(price)
    assert not poll(desk)
    assert (desk.price(STETH).price, desk.price(STETH).flags) == (P, ACTIVE | POLLED | UNTRUSTED)


@pytest.mark.parametrize(
    ("price", "conf", "valid", "ahead"),
    [
        (0, 0, 1, 0),
        (2**63, 0, 1, 0),
        (2**255, 0, 1, 0),
        (P, 2**16, 1, 0),
        (P, 0, 0, 0),
        (P, 0, 2, 0),
        (P, 0, 1, 1),
        (P, 0, 1, 2**200),
    ],
)
def test_34_poll__answer_out_of_its_fields__is_no_price(
    desk: Desk, polled: Source, price: int, conf: int, valid: int, ahead: int
) -> None:
    polled.say(price, conf, desk.now + ahead, valid)
    assert not poll(desk)
    assert (desk.price(STETH).price, desk.price(STETH).flags) == (P, ACTIVE | POLLED | UNTRUSTED)


@pytest.mark.parametrize("mode", BAD)
def test_39_poll__adapter_misbehaves__marks_the_feed_until_it_is_sound(
    desk: Desk, polled: Source, mode: Mode
) -> None:
    polled.turn(mode)
    assert not poll(desk)
    assert not desk.markets.price_trusted(STETH, 60)
    assert desk.price(STETH).price == P
    polled.turn(Mode.HONEST)
    polled.say(usd(3_001))
    assert poll(desk)
    assert desk.markets.price_trusted(STETH, 0)


def test_poll__too_little_gas__is_refused_and_marks_nothing(desk: Desk, polled: Source) -> None:
    before = digest(desk)
    with boa.reverts("feed: too little gas"):
        poll(desk, gas=SOURCE_GAS - 10_000)
    assert digest(desk) == before


def test_poll__market_with_signed_reports__is_refused(desk: Desk, polled: Source) -> None:
    with boa.reverts("sources: not polled"):
        poll(desk, BTC)
    name(desk, NONE)
    with boa.reverts("sources: not polled"):
        poll(desk)


def test_update__market_with_an_adapter__takes_no_reports(desk: Desk, polled: Source) -> None:
    before = desk.price(STETH)
    quotes = {STETH: Quote(usd(3_001), 0), BTC: Quote(usd(60_001), 0)}
    assert desk.send([desk.report(source, desk.now, quotes) for source in (0, 1, 2)]) == 1
    assert desk.price(STETH) == before
    assert desk.price(BTC).price == usd(60_001)


def test_offer__by_anyone_else__is_refused(desk: Desk) -> None:
    for function, args in (("offer", (STETH, P << 192, desk.now)), ("mark", (STETH, 1 << 38, 0))):
        with boa.reverts("markets: not the configurator"):
            getattr(desk.markets, function)(*args, sender=desk.anyone)


def test_poll__fixed_feed__is_new_in_every_second(desk: Desk) -> None:
    peg = fixed(3_000 * WAD, 1_000 * WAD, 9_000 * WAD, desk.owner)
    name(desk, (peg.address, NOBODY, 0))
    assert poll(desk)
    assert not poll(desk)
    desk.wait(1)
    assert poll(desk)


def test_set_sources__older_than_liquidations_take__only_as_cross_check(
    desk: Desk, first: Source
) -> None:
    for age in (121, 3_600, 2**256 - 1):
        first.mock.set_max_age(age)
        with boa.reverts("sources: too slow"):
            name(desk, (first.address, NOBODY, 0))
    name(desk, (NOBODY, first.address, BAND))
    first.mock.set_max_age(120)
    name(desk, (first.address, NOBODY, 0))


def test_43_poll__sequencer_was_down__waits_for_both_graces(desk: Desk) -> None:
    source, uptime = aggregator(), aggregator(0)
    answer(source, 3_000 * 10**8)
    answer(uptime, 0, age=86_400)
    terms = Terms(source.address, 120, uptime=str(uptime.address), grace=600)
    name(desk, (chainlink(terms).address, NOBODY, 0))
    assert poll(desk)
    desk.wait(1_800)
    answer(uptime, 0)  # it was down until now
    answer(source, 2_700 * 10**8)
    assert not poll(desk)
    assert desk.price(STETH).price == P
    desk.wait(601)
    answer(source, 2_700 * 10**8)
    assert poll(desk)
    # and Markets gives those who held a position time of its own
    assert desk.markets.pending(STETH)[2] == desk.now + 600


# ---- cross-checks --------------------------------------------------------------------------------


@pytest.fixture
def checked(desk: Desk, second: Source) -> Source:
    name(desk, (NOBODY, second.address, BAND))
    return second


def test_update__cross_check_agrees__is_trusted(desk: Desk, checked: Source) -> None:
    assert desk.offer(usd(3_010), market=STETH) == 1
    assert desk.price(STETH).flags == ACTIVE | CHECKED
    assert desk.markets.price_trusted(STETH, 0)


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("beyond", [0, 1])
def test_37_update__cross_check_disagrees__price_stands_alone_and_is_in_doubt(
    desk: Desk, checked: Source, side: int, beyond: int
) -> None:
    price = P + side * (P * 2 // 100 + beyond)
    assert desk.offer(price, market=STETH) == 1
    stored = desk.price(STETH)
    # sKRW, 2019: the average of a right price and a wrong one is wrong
    assert stored.price == price
    assert stored.flags == ACTIVE | CHECKED | (UNTRUSTED if beyond else 0)
    assert desk.markets.price_trusted(STETH, 60) != beyond


@pytest.mark.parametrize("mode", BAD)
def test_39_update__cross_check_misbehaves__doubt_and_no_revert(
    desk: Desk, checked: Source, mode: Mode
) -> None:
    checked.turn(mode)
    quotes = {STETH: Quote(usd(3_001), 0), BTC: Quote(usd(60_001), 0)}
    assert desk.send([desk.report(source, desk.now, quotes) for source in (0, 1, 2)]) == 2
    assert desk.price(STETH).flags == ACTIVE | CHECKED | UNTRUSTED
    assert desk.price(BTC).flags == ACTIVE
    checked.turn(Mode.HONEST)
    desk.wait(1)
    assert desk.offer(usd(3_002), market=STETH) == 1
    assert desk.markets.price_trusted(STETH, 0)


def test_update__too_little_gas_for_the_cross_check__is_refused(
    desk: Desk, checked: Source
) -> None:
    # else who brings a report could starve the cross-check, and the market would be in doubt
    before = digest(desk)
    reports = desk.blob(usd(3_001), market=STETH)
    with boa.reverts("feed: too little gas"), boa.env.anchor():
        desk.markets.update(blob(reports, desk.seats()), sender=desk.anyone, gas=SOURCE_GAS)
    assert digest(desk) == before
    assert desk.send(reports) == 1


def test_37_poll__cross_check_disagrees__price_is_the_adapters_alone(
    desk: Desk, first: Source, second: Source
) -> None:
    name(desk, (first.address, second.address, BAND))
    first.say(usd(3_090))
    assert poll(desk)
    assert desk.price(STETH).price == usd(3_090)
    assert desk.price(STETH).flags == ACTIVE | POLLED | CHECKED | UNTRUSTED


def test_doubts__of_a_market_without_a_cross_check__is_never_sure(desk: Desk) -> None:
    assert desk.configurator.doubts(STETH, P) == 1 << 34


# ---- against the reference -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_poll__any_prices_of_both__are_what_the_reference_says(
    desk: Desk, first: Source, second: Source, seed: int
) -> None:
    rng = Random(seed)
    name(desk, (first.address, second.address, BAND))
    model: Market = listed_market(P, MARGIN, feed_params(3_000), GENESIS, ACTIVE | POLLED | CHECKED)
    for _ in range(40):
        desk.wait(rng.choice((1, 3, 10, 60, 130, 301, 700)))
        price = model.price * rng.randint(940, 1_060) // 1_000
        cross = price * rng.randint(970, 1_030) // 1_000
        conf = rng.choice((0, 100, 1_000, 1_001))
        first.say(price, conf)
        valid = rng.random() > 0.1
        second.say(cross, valid=int(valid))
        model, verdict = oracle.offer(
            model,
            price,
            conf,
            desk.now,
            desk.now,
            polled=True,
            confirmed=reference_feeds.agrees(price, cross if valid else None, BAND),
        )
        assert poll(desk) == (verdict is oracle.Verdict.STORED)
        stored = desk.price(STETH)
        assert (stored.price, stored.stable, stored.conf) == (model.price, model.stable, model.conf)
        assert (stored.publish, stored.gap, stored.flags) == (model.publish, model.gap, model.flags)
        assert (stored.v, stored.v_slow) == (model.v, model.v_slow)
