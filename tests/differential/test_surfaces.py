"""Surfaces equals its reference to the wei, whatever is signed and asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import portfolio as pm
from tests.reference import surfaces as reference
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, FUTURE, MAX_MANTISSA, PUT, Instrument
from tests.reference.portfolio import MONEY_ONE, RATIO_ONE, RHO_ONE, VARIANCE_ONE, Surface
from tests.reference.units import (
    DAY,
    HOUR,
    LOTS_PER_UNIT,
    MAX_PRICE,
    TICKS_PER_USD,
    YEAR,
)
from tests.support import books as b
from tests.support.examples import part
from tests.support.portfolio_engine import leg_words
from tests.unit.markets_support import BTC, ETH
from tests.unit.surfaces_support import House, built, put_back

EXPIRIES = (1, 2, 24, 25, 48, 7 * 24, 8 * 24, 30 * 24, 31 * 24, 365 * 24, 730 * 24)
USD = TICKS_PER_USD

# near enough to each other that most are stored, and some wait or contradict each other
likely = st.fixed_dictionaries(
    {
        "volatility": st.integers(50, 110),
        "ratio": st.integers(RATIO_ONE * 98 // 100, RATIO_ONE * 102 // 100),
        "rho": st.integers(-RHO_ONE // 2, RHO_ONE // 2),
        "m": st.integers(-MONEY_ONE // 20, MONEY_ONE // 20),
        "sigma": st.integers(MONEY_ONE // 20, MONEY_ONE // 2),
    }
)
anything = st.fixed_dictionaries(
    {
        "a": st.integers(-(2**31), 2**31 - 1),
        "b": st.integers(0, 2**32 - 1),
        "rho": st.integers(-(2**31), 2**31 - 1),
        "m": st.integers(-(2**31), 2**31 - 1),
        "sigma": st.integers(0, 2**32 - 1),
        "ratio": st.integers(0, 2**32 - 1),
    }
)
wild = st.fixed_dictionaries(
    {
        "a": st.integers(-VARIANCE_ONE // 4, VARIANCE_ONE),
        "b": st.integers(0, 4 * VARIANCE_ONE),
        "rho": st.integers(-RHO_ONE, RHO_ONE),
        "m": st.integers(-MONEY_ONE, MONEY_ONE),
        "sigma": st.integers(0, MONEY_ONE),
        "ratio": st.integers(RATIO_ONE * 7 // 10, RATIO_ONE * 13 // 10),
    }
)
words = st.dictionaries(
    st.tuples(st.sampled_from([ETH, BTC]), st.sampled_from(EXPIRIES)),
    st.tuples(likely | likely | likely | wild | anything, st.integers(-2, 10)),
    min_size=1,
    max_size=8,
)
# how long before an update, and what it says
updates = st.lists(
    st.tuples(st.sampled_from([1, 4, 5, 30, 300, 3_500, 26 * HOUR]), words), min_size=1, max_size=5
)


@pytest.fixture(scope="module")
def deployment() -> Iterator[House]:
    with built() as house:
        yield house


def made(house: House, said: object) -> list[Surface]:
    """Return the surfaces of a drawn report."""
    assert isinstance(said, dict)
    return [
        house.surface(hours, market=market, publish=house.now - age, **facts)
        for (market, hours), (facts, age) in sorted(said.items())
    ]


def repeated(report: list[Surface], store: reference.Store) -> list[Surface]:
    """Let every surface of an even ratio have the smile that is stored, as between two fits."""
    found = []
    for surface in report:
        stored = store.words.get(reference.key_of(surface))
        if stored is not None and surface.ratio % 2 == 0:
            surface = replace(stored, publish=surface.publish, ratio=surface.ratio)
        found.append(surface)
    return found


@part(2)
@given(updates)
def test_update__any_reports__is_the_reference(
    deployment: House, steps: list[tuple[int, dict[tuple[int, int], object]]]
) -> None:
    with put_back(deployment) as house:
        store = reference.Store()
        for seconds, said in steps:
            house.desk.wait(seconds)
            report = repeated(made(house, said), store)
            assert house.send(*report) == store.update(report, house.now)
            for market in (ETH, BTC):
                want = [store.words[market, hours] for hours in store.live(market, house.now)]
                assert house.live(market) == want
            for surface in report:
                key = reference.key_of(surface)
                waiting = store.pending(key)
                assert house.surfaces.pending(*key) == (waiting.word if waiting else 0)
                assert house.surfaces.surface_trusted(*key) == store.trusted(key, house.now)


# ---- marks ---------------------------------------------------------------------------------------


def instrument(house: House, kind: int, hours: int, mantissa: int, exponent: int) -> int:
    """Return an id of ETH."""
    if kind == FUTURE:
        mantissa = exponent = 0
    elif mantissa % 10 == 0:
        mantissa += 1
    said = Instrument(ETH, kind, house.now // HOUR + hours, mantissa, exponent)
    return said.id if said.strike <= MAX_PRICE else said.id & ~31


prices = st.integers(1, MAX_PRICE) | st.integers(USD // 100, 10**5 * USD) | st.just(2_000 * USD)
entries = st.lists(
    st.tuples(
        st.sampled_from([FUTURE, CALL, PUT, CALL, PUT]),
        st.sampled_from(EXPIRIES),
        st.integers(1, MAX_MANTISSA - 1),
        st.integers(0, 18),
    ),
    max_size=12,
)
near_the_money = st.lists(
    st.tuples(
        st.sampled_from([CALL, PUT]),
        st.sampled_from(EXPIRIES),
        st.integers(2_000, 200_000),
        st.just(9),
    ),
    max_size=12,
)


@given(
    words,
    prices,
    entries | near_the_money,
    st.sampled_from([0, 60, 121, 3_599, 3_600, 3_601, HOUR + 5, DAY]),
)
def test_marks__any_legs__are_the_reference(
    deployment: House,
    said: dict[tuple[int, int], object],
    price: int,
    drawn: list[tuple[int, int, int, int]],
    later: int,
) -> None:
    with put_back(deployment) as house:
        house.desk.wait(10)
        store = reference.Store()
        report = made(house, said)
        assert house.send(*report) == store.update(report, house.now)
        ids = [instrument(house, *each) for each in drawn]
        legs = [Leg(id_, 1 - 2 * (i % 2)) for i, id_ in enumerate(ids)]
        house.desk.wait(later)
        want = reference.marks(store.words.values(), ETH, price, ids, house.now)
        got = house.surfaces.marks(ETH, price, leg_words(legs))
        assert got == want + [0] * (len(want) % 2)


def test_marks__sixty_four_legs_of_more_expiries_than_are_kept__are_the_reference(
    deployment: House,
) -> None:
    with put_back(deployment) as house:
        report = [house.surface(hours * 24) for hours in range(1, 17)]
        house.send(*report)
        price = 2_000 * USD
        ids = [
            instrument(house, CALL + i % 2, 24 * (1 + i % 20), 1_500 + 13 * i, 10)
            for i in range(64)
        ]
        want = reference.marks(report, ETH, price, ids, house.now)
        assert house.surfaces.marks(ETH, price, leg_words([Leg(id_, 1) for id_ in ids])) == want


@given(
    b.terms,
    st.integers(20, 200),
    st.integers(200, 20_000),
    st.sampled_from([CALL, PUT]),
    st.sampled_from([60, 121, 3_600, 3_601]),
)
def test_mark__beside_the_scans__is_within_the_error_of_both(
    hours: int, volatility: int, strike: int, kind: int, age: int
) -> None:
    surface = b.surface(b.ETH, hours, volatility, publish=b.NOW - age)
    leg = b.option(b.ETH, kind, hours, strike, 1)
    price = b.market().price
    found = reference.mark(surface, price, leg.instrument, b.NOW)
    facts = ([b.market()], [surface], [leg], 0, 0, b.NOW)
    scanned = pm.check(b.SIXTEEN, b.RHOS, *facts).equity
    # and a tick for each that is cut to one
    error = 8 * (price + strike * USD) // 10**9 + 2
    assert abs(scanned - found * LOTS_PER_UNIT) <= error * LOTS_PER_UNIT


def test_marks__perps_other_markets_and_empty_entries__are_nothing(deployment: House) -> None:
    with put_back(deployment) as house:
        surface = house.surface(24, market=BTC)
        house.send(surface)
        perp = Instrument(ETH, 0, 0, 0, 0).id
        other = Instrument(BTC, CALL, surface.hours, 3, 14).id
        legs = leg_words([Leg(perp, 1), Leg(other, 1), Leg(0, 0)])
        assert house.surfaces.marks(ETH, 2_000 * USD, legs) == [0, 0, 0, 0]


@pytest.mark.parametrize("seconds", [1, 60])
def test_marks__seconds_before_the_expiry__are_the_reference(
    deployment: House, seconds: int
) -> None:
    with put_back(deployment) as house:
        first = house.surface(1)
        house.desk.wait(first.hours * HOUR - house.now - seconds)
        last = replace(first, publish=house.now, ratio=RATIO_ONE)
        house.send(last)
        ids = [
            Instrument(ETH, kind, last.hours, strike, 10).id
            for kind in (CALL, PUT)
            for strike in (1_999, 2_001)
        ]
        price = 2_000 * USD
        want = reference.marks([last], ETH, price, ids, house.now)
        assert house.surfaces.marks(ETH, price, leg_words([Leg(i, 1) for i in ids])) == want
        # a dollar out of the money is worth less than a dollar in it
        assert 0 <= want[1] < want[0] and 0 <= want[2] < want[3]


def test_marks__dead_or_over__are_intrinsic(deployment: House) -> None:
    with put_back(deployment) as house:
        surface = house.surface(48, ratio=RATIO_ONE)
        house.send(surface)
        call = Instrument(ETH, CALL, surface.hours, 1_501, 10).id
        put = Instrument(ETH, PUT, surface.hours, 2_501, 10).id
        legs = leg_words([Leg(call, 1), Leg(put, 1)])
        price = 2_000 * USD
        house.desk.wait(pm.SURFACE_DEAD)
        alive = house.surfaces.marks(ETH, price, legs)
        assert alive[0] > 499 * USD and alive[1] > 501 * USD
        for wait in (1, YEAR):
            house.desk.wait(wait)
            assert house.surfaces.marks(ETH, price, legs) == [499 * USD, 501 * USD]
