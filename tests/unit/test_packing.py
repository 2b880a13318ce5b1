"""Every word: what goes in comes out, nothing leaks into a neighbour, signs survive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.reference import words
from tests.support.chains import own_chain
from tests.unit.markets_support import deploy

PRICE = ((64, 192), (64, 128), (16, 112), (8, 104), (32, 72), (16, 56), (16, 40), (8, 32), (32, 0))
MARGIN = ((12, 44), (7, 37), (14, 23), (6, 17), (5, 12), (4, 8), (4, 4), (4, 0))
SAMPLER = ((64, 192), (48, 144), (64, 80), (48, 32), (32, 0))
PENDING = ((32, 128), (64, 64), (32, 32), (32, 0))
GUARDS = ((6, 58), (5, 53), (5, 48), (5, 43), (4, 14), (5, 9), (4, 5), (5, 0))
TUNING = (*GUARDS, (6, 37), (6, 31), (5, 26), (3, 23), (5, 18))
COLLATERAL = ((8, 0), (5, 8), (10, 13), (10, 23), (14, 33))
SIGNED = ((64, 192), (32, 160), (16, 144))
STATE_REST = ((32, 112), (56, 56), (56, 0))
PLAIN = {
    "price_word": PRICE,
    "margin_bits": MARGIN,
    "sampler_word": SAMPLER,
    "pending_word": PENDING,
    "tuning": TUNING,
    "collateral": COLLATERAL,
}
Shape = tuple[tuple[int, int], ...]

harness = own_chain(lambda: deploy("contracts/mocks/PackingHarness.vy", [], []))


def fields_of(shape: Shape) -> st.SearchStrategy[list[int]]:
    """Fields at their ends or anywhere between."""
    edges = [
        st.sampled_from([0, 1, 2**bits - 1]) | st.integers(0, 2**bits - 1) for bits, _ in shape
    ]
    return st.tuples(*edges).map(list)


def put(fields: Sequence[int], shape: Shape) -> int:
    return sum((f % 2**bits) << at for f, (bits, at) in zip(fields, shape, strict=True))


def extremes(bits: int) -> st.SearchStrategy[int]:
    top = 2 ** (bits - 1)
    return st.sampled_from([-top, -top + 1, -1, 0, 1, top - 1]) | st.integers(-top, top - 1)


@pytest.mark.parametrize("name", PLAIN)
def test_word__each_field_alone_at_its_maximum__stands_in_its_place(
    harness: Any, name: str
) -> None:
    shape = PLAIN[name]
    for index, (bits, at) in enumerate(shape):
        fields = [0] * len(shape)
        fields[index] = 2**bits - 1
        assert getattr(harness, name)(fields) == ((2**bits - 1) << at, fields)


@pytest.mark.parametrize("name", PLAIN)
@given(data=st.data())
def test_word__any_fields__round_trip(harness: Any, name: str, data: st.DataObject) -> None:
    fields = data.draw(fields_of(PLAIN[name]))
    assert getattr(harness, name)(fields) == (put(fields, PLAIN[name]), fields)


@given(word=st.integers(0, 2**256 - 1))
def test_price_word__read_in_place__equals_the_decoders(harness: Any, word: int) -> None:
    assert harness.price_word_in_place(word) == [words.field(word, *at) for at in PRICE[:8]]


@given(fields=fields_of(PRICE))
def test_kept_bits__any_fields__are_the_low_end_of_a_price_word(
    harness: Any, fields: list[int]
) -> None:
    kept = harness.kept_bits(*fields[5:])
    assert kept == put([0] * 5 + fields[5:], PRICE) < 2**72


@given(
    signed=st.tuples(extremes(64), extremes(32), extremes(16)).map(list),
    rest=fields_of(STATE_REST),
)
@example(signed=[-1, -1, -1], rest=[0, 0, 0])
@example(signed=[-(2**63), -(2**31), -(2**15)], rest=[2**32 - 1, 2**56 - 1, 2**56 - 1])
def test_state_word__any_fields__round_trip_with_their_signs(
    harness: Any, signed: list[int], rest: list[int]
) -> None:
    word = put(signed, SIGNED) | put(rest, STATE_REST)
    assert harness.state_word(signed, *rest) == (word, signed, rest)
    assert harness.state_word_in_place(word) == signed


@given(size=extremes(64), instrument=st.integers(0, 2**64 - 1))
def test_leg__any_size__round_trips_with_its_sign(harness: Any, size: int, instrument: int) -> None:
    entry = instrument << 64 | size % 2**64
    assert harness.leg(instrument, size) == (entry, instrument, size)


@given(cash=extremes(96), quote=extremes(96), meta=st.integers(0, 2**64 - 1))
def test_account_word__any_fields__round_trip_with_their_signs(
    harness: Any, cash: int, quote: int, meta: int
) -> None:
    assert harness.account_word(cash, quote, meta) == (cash, quote, meta)


@pytest.mark.parametrize(("name", "bits", "count"), [("quarter", 64, 4), ("half", 128, 2)])
@given(data=st.data())
def test_part__changed__leaves_its_neighbours(
    harness: Any, name: str, bits: int, count: int, data: st.DataObject
) -> None:
    word = data.draw(st.integers(0, 2**256 - 1))
    index = data.draw(st.integers(0, count - 1))
    entry = data.draw(st.integers(0, 2**bits - 1))
    at = index * bits
    expected = word - (words.field(word, bits, at) << at) + (entry << at)
    assert getattr(harness, name)(word, index, entry) == (expected, entry)


@given(fields=fields_of(COLLATERAL), soft=st.integers(0, 2**14 - 1))
def test_with_soft__changed__leaves_the_other_parameters(
    harness: Any, fields: list[int], soft: int
) -> None:
    entry = put(fields, COLLATERAL)
    assert harness.with_soft(entry, soft) == put([*fields[:4], soft], COLLATERAL)


@given(seat=st.integers(0, 7), behind=st.integers(0, 15), top=st.integers(0, 2**32 - 1))
def test_lane__any_seat__stands_in_its_place(
    harness: Any, seat: int, behind: int, top: int
) -> None:
    word, read = harness.lane(seat, behind)
    assert read == behind
    assert words.signer_time(top << 32 | word, seat) == top - behind
