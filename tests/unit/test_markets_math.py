"""Directed rounding, the exponential and the median against Python's integers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.reference import fixed, margin, oracle
from tests.reference.facts import MarginParams, Market, listed_market
from tests.reference.units import ACTIVE, WAD
from tests.reference.words import price_word, state_word
from tests.support.chains import own_chain
from tests.unit.markets_support import GENESIS, MARGIN, deploy, feed_params, usd

unsigned = st.integers(0, 2**127) | st.sampled_from([0, 1, WAD - 1, WAD, WAD + 1])
signed = st.integers(-(2**254), 2**254) | st.sampled_from([-1, 0, 1, -WAD, -WAD - 1])

harness = own_chain(lambda: deploy("contracts/mocks/FixedPointHarness.vy", [], []))


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
def test_one_minus_exp__up_to_a_fifth__is_within_5e7_and_equals_the_reference(
    harness: Any, tau: int, share: int
) -> None:
    dt = tau * share // 5_000
    got = harness.one_minus_exp(dt, tau)
    assert got == fixed.expm(dt, tau)
    assert abs(got / WAD - -math.expm1(-dt / tau)) < 5e-7


@given(instrument=st.integers(0, 2**256 - 1) | st.integers(0, 300).map(lambda m: m << 56))
def test_is_perp__any_number__only_a_bare_market(harness: Any, instrument: int) -> None:
    bare = instrument % 2**56 == 0 and 0 < instrument >> 56 < 256
    assert harness.is_perp(instrument) == bare
    assert harness.market(instrument) == instrument >> 56


prices = st.integers(1, 2**64 - 1) | st.integers(10**13, 10**13 + 50)
quotes = st.tuples(prices, st.integers(0, 2**16 - 1))


def raw(quote: tuple[int, int], noise: int) -> int:
    """Return 32 bytes of a blob that begin with this quote."""
    return (quote[0] << 16 | quote[1]) << 176 | noise


@given(given_quotes=st.lists(quotes, min_size=3, max_size=8), noise=st.integers(0, 2**176 - 1))
def test_37_median__any_count__equals_the_reference(
    harness: Any, given_quotes: list[tuple[int, int]], noise: int
) -> None:
    price, conf = oracle.median([oracle.Quote(5, p, c) for p, c in given_quotes])
    expected = price << 192 | conf
    # what follows a quote differs from blob to blob and decides nothing
    raws = [raw(quote, noise >> 3 * place) for place, quote in enumerate(given_quotes)]
    assert harness.median(raws + [0] * (8 - len(raws)), len(raws)) == expected
    if len(raws) == 3:
        assert harness.median_of_three(*raws) == expected


@given(three=st.permutations([(10, 1), (11, 2), (12, 3)]))
def test_37_median_of_three__any_order__is_the_same(
    harness: Any, three: list[tuple[int, int]]
) -> None:
    # price 11, confidence max(2, ceil(2 x 100,000 / 22)) = 9,091
    assert harness.median_of_three(*(raw(q, 0) for q in three)) == 11 << 192 | 9_091


# ---- rates of a leg: the root is exact ---------------------------------------------------------

P = usd(3_000)
STEP = 10_000 * WAD  # of the tier's start


def strained(margin_params: MarginParams, open_interest: int = 0) -> Market:
    """Return a market at 3,000 USD with these parameters."""
    listed = listed_market(P, margin_params, feed_params(3_000), GENESIS, ACTIVE)
    return replace(listed, open_interest=open_interest)


def rates(harness: Any, market: Market, x: int, dead: int = 0, house: bool = False) -> Any:
    return tuple(harness.rates(price_word(market), state_word(market), x, dead, house))


def expected_rates(market: Market, x: int, dead: int = 0, house: bool = False) -> Any:
    of = margin.leg_rates(market, x, house, dead)
    return of.mm, of.ims, of.im


# (root 1e7)^2 = x WAD^2 / start where x = start root^2 / 1e22, so offsets 0 and -1 stand at a whole
# root and just below; a rate of 99.95 % shows a root that is off by one at every second step
@given(
    base=st.integers(1, 2_000),
    steps=st.integers(1, 10_000),
    root=st.integers(10**11, 25 * 10**10) | st.integers(10**11, 10**15),
    offset=st.integers(-2, 2),
)
@example(base=1_999, steps=1, root=10**11, offset=0)
@example(base=1_999, steps=1, root=10**11, offset=1)
@example(base=1_999, steps=1, root=10**11 + 4 * 10**7, offset=-1)
@example(base=1_000, steps=1, root=2 * 10**11, offset=-1)
@example(base=1_000, steps=1, root=2 * 10**11, offset=0)
@example(base=999, steps=1, root=2 * 10**11, offset=1)
@example(base=1, steps=1, root=10**15, offset=0)
def test_rates__size_at_and_around_a_whole_root__equal_the_reference(
    harness: Any, base: int, steps: int, root: int, offset: int
) -> None:
    params = replace(MARGIN, base=base * 5 * 10**14, tier_start=steps * STEP)
    market, x = strained(params), steps * root**2 + offset
    assert rates(harness, market, x) == expected_rates(market, x)


@given(
    x=st.integers(0, 2**127 - 1),
    open_interest=st.integers(0, 2**56 - 1),
    dead=st.integers(0, 2 * WAD),
)
@example(x=2**127 - 1, open_interest=2**56 - 1, dead=2 * WAD)
@example(x=0, open_interest=0, dead=0)
@example(x=0, open_interest=0, dead=1)
def test_rates__any_size_and_open_interest__equal_the_reference(
    harness: Any, x: int, open_interest: int, dead: int
) -> None:
    market = strained(MARGIN, open_interest)
    assert rates(harness, market, x, dead) == expected_rates(market, x, dead)


def test_rates__house_above_every_mark__are_the_base(harness: Any) -> None:
    market = strained(MARGIN, 2**56 - 1)
    base, of_mm = MARGIN.base, MARGIN.base * MARGIN.mm_ratio // WAD
    assert rates(harness, market, 2**127 - 1, house=True) == (of_mm, base, base)


def test_rates__cap_of_zero__reaches_the_highest_multiplier_at_once(harness: Any) -> None:
    market = strained(replace(MARGIN, oi_cap=0))
    assert rates(harness, market, WAD) == expected_rates(market, WAD)
    assert rates(harness, market, WAD)[2] == MARGIN.base * MARGIN.oi_max // WAD
