"""Ids of futures and options: one for each, and only what a market's bounds allow is opened."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.reference import instruments
from tests.reference.instruments import CALL, FUTURE, PERP, PUT, Instrument
from tests.reference.units import HOUR, MAX_PRICE, TICKS_PER_USD
from tests.support.chains import own_chain
from tests.unit.markets_support import deploy

# 2026-03-27 08:00 UTC
EXPIRY = 1_774_598_400
HOURS = EXPIRY // HOUR
MONTH = 30 * 24 * HOUR
STRIKE = 3_000 * TICKS_PER_USD
# 3,000 USD are 3 x 10^13 ticks
ETH_CALL = Instrument(1, CALL, HOURS, 3, 13)

kinds = st.integers(PERP, PUT)
mantissas = st.integers(0, 2**25 - 1) | st.integers(1, 99) | st.sampled_from([0, 9, 10, 2**25 - 1])
exponents = st.integers(0, 31) | st.integers(10, 15)
written = st.builds(
    Instrument,
    st.integers(0, 255),
    kinds,
    st.sampled_from([0, 1, HOURS, 2**24 - 1]) | st.integers(0, 2**24 - 1),
    mantissas | st.just(0),
    exponents | st.just(0),
)


def canonical(draw_strike: tuple[int, int], market: int, kind: int, hours: int) -> Instrument:
    strike = instruments.lowest_terms(draw_strike[0] * 10 ** draw_strike[1])
    if kind == PERP:
        return Instrument(market, PERP, 0, 0, 0)
    return Instrument(market, kind, hours, *(strike if kind in (CALL, PUT) else (0, 0)))


instruments_of_any_kind = st.builds(
    canonical,
    st.tuples(st.integers(1, 2**25 - 1), st.integers(0, 11)),
    st.integers(1, 255),
    kinds,
    st.integers(1, 2**24 - 1),
)

harness = own_chain(lambda: deploy("contracts/mocks/InstrumentsHarness.vy", [], []))


def test_parts__an_eth_call__say_market_kind_expiry_and_strike(harness: Any) -> None:
    word = harness.encode(1, CALL, HOURS, 3, 13)
    # 1 << 56 | 2 << 54 | hours << 30 | 3 << 5 | 13
    assert word == ETH_CALL.id == (1 << 56) + (2 << 54) + (HOURS << 30) + 96 + 13
    assert tuple(harness.parts(word)) == (1, CALL, EXPIRY, STRIKE)
    assert harness.is_canonical(word)


@given(said=written)
@example(said=Instrument(1, CALL, HOURS, 1, 18))
@example(said=Instrument(1, CALL, HOURS, 9, 18))
@example(said=Instrument(1, CALL, HOURS, 10, 18))
@example(said=Instrument(1, CALL, HOURS, 1, 19))
@example(said=Instrument(1, PUT, HOURS, 0, 5))
@example(said=Instrument(1, FUTURE, HOURS, 0, 1))
@example(said=Instrument(1, FUTURE, 0, 0, 0))
@example(said=Instrument(0, CALL, HOURS, 3, 13))
@example(said=Instrument(1, PERP, 0, 0, 1))
@example(said=Instrument(1, PERP, 1, 0, 0))
def test_b7_ids__any_fields__equal_the_reference(harness: Any, said: Instrument) -> None:
    word = harness.encode(said.market, said.kind, said.hours, said.mantissa, said.exponent)
    assert word == said.id
    assert tuple(harness.parts(word)) == (said.market, said.kind, said.expiry, said.strike)
    assert harness.is_canonical(word) == instruments.is_canonical(word)


@given(word=st.integers(0, 2**256 - 1) | st.integers(0, 2**64 - 1))
def test_is_canonical__any_word__equals_the_reference(harness: Any, word: int) -> None:
    assert harness.is_canonical(word) == instruments.is_canonical(word)


@given(said=instruments_of_any_kind)
def test_is_canonical__what_the_reference_writes__is(harness: Any, said: Instrument) -> None:
    assert harness.is_canonical(said.id)
    assert instruments.parts(said.id) == said


@given(one=instruments_of_any_kind, other=written)
def test_is_canonical__two_ids_of_one_instrument__are_the_same_id(
    one: Instrument, other: Instrument
) -> None:
    # market, kind, expiry and strike are all that an instrument is
    twin = Instrument(one.market, one.kind, one.hours, other.mantissa, other.exponent)
    if instruments.is_canonical(twin.id) and twin.strike == one.strike:
        assert twin == one


@pytest.mark.parametrize("shift", range(1, 6))
def test_is_canonical__the_same_strike_with_zeros_in_it__is_not(harness: Any, shift: int) -> None:
    longer = Instrument(1, CALL, HOURS, 3 * 10**shift, 13 - shift)
    assert longer.strike == STRIKE
    assert not harness.is_canonical(longer.id)


@pytest.mark.parametrize("market", [0, 256])
def test_is_canonical__no_market__is_not(harness: Any, market: int) -> None:
    assert not harness.is_canonical((market << 56) | (ETH_CALL.id % 2**56))


def test_is_canonical__largest_price__is_the_last_strike(harness: Any) -> None:
    # 2^63 - 1 ticks are 922,337,203.6854775807 USD; seven digits of it
    last = Instrument(1, CALL, HOURS, 9_223_372, 12)
    above = Instrument(1, CALL, HOURS, 9_223_373, 12)
    assert last.strike <= MAX_PRICE < above.strike
    assert harness.is_canonical(last.id)
    assert not harness.is_canonical(above.id)


# ---- bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "opens"),
    [(EXPIRY, False), (EXPIRY - 1, True), (EXPIRY - MONTH, True), (EXPIRY - MONTH - 1, False)],
)
@pytest.mark.parametrize("said", [ETH_CALL, Instrument(1, FUTURE, HOURS, 0, 0)])
def test_may_open__expiry_at_its_bounds__only_inside(
    harness: Any, said: Instrument, now: int, opens: bool
) -> None:
    assert harness.may_open(said.id, now, STRIKE, MONTH, 10) is opens


@pytest.mark.parametrize(
    ("price", "opens"),
    [
        (STRIKE // 10, True),
        (STRIKE // 10 - 1, False),
        (10 * STRIKE, True),
        (10 * STRIKE + 1, False),
    ],
)
@pytest.mark.parametrize("kind", [CALL, PUT])
def test_may_open__strike_at_its_bounds__only_inside(
    harness: Any, kind: int, price: int, opens: bool
) -> None:
    said = Instrument(1, kind, HOURS, 3, 13)
    assert harness.may_open(said.id, EXPIRY - 1, price, MONTH, 10) is opens


def test_may_open__a_perp__has_neither_expiry_nor_strike(harness: Any) -> None:
    assert harness.may_open(1 << 56, 2**40, 1, 0, 1)


@given(
    said=instruments_of_any_kind,
    now=st.integers(0, 2**36),
    price=st.integers(1, MAX_PRICE),
    furthest=st.integers(0, 2**64 - 1),
    widest=st.integers(1, 2**64 - 1) | st.integers(1, 20),
)
def test_may_open__any_bounds__equals_the_reference(
    harness: Any, said: Instrument, now: int, price: int, furthest: int, widest: int
) -> None:
    got = harness.may_open(said.id, now, price, furthest, widest)
    assert got == instruments.may_open(said.id, now, price, furthest, widest)
