"""Directed rounding, the exponential and the median against Python's integers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import boa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.reference import fixed, oracle
from tests.reference.units import WAD
from tests.unit.markets_support import deploy

unsigned = st.integers(0, 2**127) | st.sampled_from([0, 1, WAD - 1, WAD, WAD + 1])
signed = st.integers(-(2**254), 2**254) | st.sampled_from([-1, 0, 1, -WAD, -WAD - 1])


@pytest.fixture(scope="module")
def harness() -> Iterator[Any]:
    with boa.swap_env(boa.Env()):
        yield deploy("contracts/mocks/FixedPointHarness.vy", [], [])


@given(a=unsigned, b=unsigned)
def test_e2_mul__any_factors__round_as_they_are_named(harness: Any, a: int, b: int) -> None:
    assert harness.mul_up(a, b) == -(-a * b // WAD)
    assert harness.mul_down(a, b) == a * b // WAD


@given(a=unsigned, b=unsigned.filter(bool))
def test_e2_ceil_div__any_numbers__rounds_up(harness: Any, a: int, b: int) -> None:
    assert harness.ceil_div(a, b) == -(-a // b)


@given(a=signed, b=st.integers(1, 2**200))
@example(a=-(2**255), b=1)
@example(a=-(2**255), b=2)
@example(a=-7, b=2)
@example(a=-8, b=2)
def test_e2_floor_div__any_sign__rounds_down(harness: Any, a: int, b: int) -> None:
    assert harness.floor_div(a, b) == a // b


@given(x=signed, low=st.integers(-(2**100), 0), high=st.integers(0, 2**100))
def test_clamp__any_number__is_the_nearest_inside(
    harness: Any, x: int, low: int, high: int
) -> None:
    assert harness.clamp(x, low, high) == min(max(x, low), high)


@given(tau=st.integers(300, 30 * 86_400), share=st.integers(0, 1_000))
def test_one_minus_exp__up_to_a_fifth__is_within_3e6_and_equals_the_reference(
    harness: Any, tau: int, share: int
) -> None:
    dt = tau * share // 5_000
    got = harness.one_minus_exp(dt, tau)
    assert got == fixed.expm(dt, tau)
    assert abs(got / WAD - -math.expm1(-dt / tau)) < 3e-6


@given(instrument=st.integers(0, 2**256 - 1) | st.integers(0, 300).map(lambda m: m << 56))
def test_is_perp__any_number__only_a_bare_market(harness: Any, instrument: int) -> None:
    bare = instrument % 2**56 == 0 and 0 < instrument >> 56 < 256
    assert harness.is_perp(instrument) == bare
    assert harness.market(instrument) == instrument >> 56


prices = st.integers(1, 2**64 - 1) | st.integers(10**13, 10**13 + 50)
quotes = st.tuples(prices, st.integers(0, 2**16 - 1))


def raw(quote: tuple[int, int], noise: int) -> int:
    """Return 32 bytes of a blob that begin with this quote of feed 5."""
    return (5 << 80 | quote[0] << 16 | quote[1]) << 168 | noise


@given(given_quotes=st.lists(quotes, min_size=3, max_size=8), noise=st.integers(0, 2**168 - 1))
def test_37_median__any_count__equals_the_reference(
    harness: Any, given_quotes: list[tuple[int, int]], noise: int
) -> None:
    price, conf = oracle.median([oracle.Quote(5, p, c) for p, c in given_quotes])
    expected = 5 << 80 | price << 16 | conf
    raws = [raw(quote, noise) for quote in given_quotes]
    assert harness.median(raws + [0] * (8 - len(raws)), len(raws)) == expected
    if len(raws) == 3:
        assert harness.median_of_three(*raws) == expected


@given(three=st.permutations([(10, 1), (11, 2), (12, 3)]))
def test_37_median_of_three__any_order__is_the_same(
    harness: Any, three: list[tuple[int, int]]
) -> None:
    # price 11, confidence max(2, ceil(2 x 100,000 / 22)) = 9,091
    assert harness.median_of_three(*(raw(q, 0) for q in three)) == 5 << 80 | 11 << 16 | 9_091
