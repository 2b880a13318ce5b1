"""When a price is worth an observation, when a feed is dead, and who has legs to be paid."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keepers.domain.expiring import (
    DEAD,
    LENGTH,
    MIN_COUNT,
    OBSERVE,
    Window,
    expired,
    near,
    observes,
    series_held,
    step,
)
from keepers.domain.instruments import Instrument, Kind, encode, payoff
from keepers.domain.units import DAY, HOUR, TICKS_PER_USD
from keepers.domain.words import ACTIVE, PENDING, UNTRUSTED, Leg, PriceWord
from tests.keepers.facts import ETH, trader

HOURS = 472_300
EXPIRY = HOURS * HOUR
FIRST = EXPIRY - LENGTH
SERIES = (ETH, HOURS)
NOTHING = Window(0, 0, 0, 0, 0, False)
EVERY = 30


def price(publish: int, flags: int = ACTIVE) -> PriceWord:
    return PriceWord(3_000 * TICKS_PER_USD, 0, 0, 0, publish, 0, 0, flags, 0)


def window(last: int, count: int = 3, start: int = FIRST) -> Window:
    return Window(3_000 * TICKS_PER_USD, 0, start, last, count, False)


@pytest.mark.parametrize(
    ("noted", "publish", "late", "due"),
    [
        # from five minutes before the window on, the first at once
        (NOTHING, FIRST - 301, 0, False),
        (NOTHING, FIRST - 300, 0, True),
        (NOTHING, FIRST + 700, 60, True),
        # a price that is older than a minute does not count
        (NOTHING, FIRST + 700, 61, False),
        # before the window one stands for two minutes, in it for `every`
        (window(FIRST - 200, 0), FIRST - 81, 0, False),
        (window(FIRST - 200, 0), FIRST - 80, 0, True),
        (window(FIRST - 50, 0), FIRST - 1, 0, False),
        (window(FIRST - 50, 0), FIRST, 0, True),
        (window(FIRST + 100), FIRST + 129, 0, False),
        (window(FIRST + 100), FIRST + 130, 0, True),
        (window(FIRST + 100), FIRST + 100, 0, False),
        # after a gap everything begins anew, at once
        (window(FIRST + 100), FIRST + 401, 0, True),
        # whole with a price at its end, however old that is
        (window(EXPIRY - 10, MIN_COUNT), EXPIRY, 5_000, True),
        (window(EXPIRY - 300, MIN_COUNT), EXPIRY + 5_000, 0, True),
        # too few: the window is longer
        (window(EXPIRY - 10, MIN_COUNT - 1), EXPIRY + 19, 0, False),
        (window(EXPIRY - 10, MIN_COUNT - 1), EXPIRY + 20, 0, True),
        (replace(window(EXPIRY, MIN_COUNT), settled=True), EXPIRY + 40, 0, False),
    ],
)
def test_observes__price_and_window__says_whether_it_counts(
    noted: Window, publish: int, late: int, due: bool
) -> None:
    assert observes(SERIES, noted, price(publish), publish + late, EVERY) is due


@pytest.mark.parametrize("flags", [0, ACTIVE | PENDING, ACTIVE | UNTRUSTED])
def test_observes__doubtful_price__is_left_out(flags: int) -> None:
    assert not observes(SERIES, NOTHING, price(FIRST, flags), FIRST, EVERY)


@pytest.mark.parametrize(
    ("now", "publish", "called"),
    [
        (EXPIRY + DAY, EXPIRY + DAY - HOUR - 1, DEAD),
        (EXPIRY + DAY, EXPIRY + DAY - HOUR, ""),
        (EXPIRY + DAY - 1, EXPIRY, ""),
        (EXPIRY + DAY, EXPIRY + DAY, OBSERVE),
    ],
)
def test_step__a_day_after_the_expiry__closes_what_has_died(
    now: int, publish: int, called: str
) -> None:
    assert step(SERIES, NOTHING, price(publish), now, EVERY) == called


def test_step__price_is_written__leaves_it_alone() -> None:
    settled = replace(window(EXPIRY, MIN_COUNT), settled=True)
    assert step(SERIES, settled, price(EXPIRY), EXPIRY + 2 * DAY, EVERY) == ""


def test_near__series_of_many_hours__keeps_those_that_may_count_the_earliest_first() -> None:
    now = EXPIRY - LENGTH - 300
    later, other = (ETH, HOURS + 1), (ETH + 1, HOURS)
    assert near([later, other, SERIES], now) == [SERIES, other]
    assert near([SERIES], now - 1) == []


def test_expired__legs_of_several_series__counts_those_with_a_price() -> None:
    ids = [
        encode(Instrument(ETH, kind, hours * HOUR, strike))
        for kind, hours, strike in (
            (Kind.CALL, HOURS, 3_000 * TICKS_PER_USD),
            (Kind.FUTURE, HOURS, 0),
            (Kind.FUTURE, HOURS + 1, 0),
        )
    ]
    legs = tuple(Leg(id_, 5) for id_ in ids)
    many, one, none = (
        replace(trader(owner << 96), options=held)
        for owner, held in ((7, legs), (8, legs[:1]), (9, legs[2:]))
    )
    held = [none, one, many]
    assert series_held(held) == {SERIES, (ETH, HOURS + 1)}
    assert expired(held, {SERIES: 1}) == [(many, 2), (one, 1)]


@pytest.mark.parametrize(
    ("kind", "usd", "pays"),
    [
        (Kind.CALL, 3_100, 100),
        (Kind.CALL, 2_900, 0),
        (Kind.PUT, 2_900, 100),
        (Kind.PUT, 3_100, 0),
        (Kind.FUTURE, 2_900, 2_900),
    ],
)
def test_payoff__at_a_price__is_what_the_contract_pays(kind: Kind, usd: int, pays: int) -> None:
    strike = 0 if kind == Kind.FUTURE else 3_000 * TICKS_PER_USD
    id_ = encode(Instrument(ETH, kind, EXPIRY, strike))
    assert payoff(id_, usd * TICKS_PER_USD) == pays * TICKS_PER_USD
