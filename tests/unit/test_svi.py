"""Raw SVI: the contract is the reference; what is called sound, and in order, is."""

from __future__ import annotations

import math
from dataclasses import astuple, replace
from typing import Any

import mpmath
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.reference import svi
from tests.reference.svi import LEAST, MAX_A, MAX_B, MAX_M, MAX_SIGMA, ONE, SAMPLES, Smile
from tests.reference.units import WAD
from tests.support import exact_options as exact
from tests.support.chains import own_chain
from tests.unit.markets_support import deploy

# a month of BTC: 55 % at the money, more below
MONTH = Smile(WAD // 100, WAD // 20, -ONE * 3 // 10, ONE // 50, ONE // 5)
STEEPEST = Smile(WAD, WAD, ONE - 1, 0, ONE)

moneyness = st.integers(-3 * ONE, 3 * ONE) | st.integers(-(2**72), 2**72)
rhos = st.integers(-ONE + 1, ONE - 1) | st.sampled_from([0, ONE - 1, 1 - ONE])
ms = st.integers(-ONE // 2, ONE // 2) | st.sampled_from([-MAX_M, MAX_M])
sigmas = st.integers(1, ONE) | st.sampled_from([1, MAX_SIGMA])
anything = st.integers(-(2**255), 2**255 - 1)
unsigned = st.integers(0, 2**256 - 1)


@st.composite
def sound(draw: st.DrawFn) -> Smile:
    """Draw a smile that the checks accept, at their edges too."""
    rho, m, sigma = draw(rhos), draw(ms), draw(sigmas)
    b = draw(st.integers(0, MAX_B * ONE // (ONE + abs(rho))))
    lowest = svi.LEAST - ((b * sigma >> 64) * math.isqrt(ONE * ONE - rho * rho) >> 64)
    a = lowest + draw(st.sampled_from([0, 1]) | st.integers(0, WAD))
    return Smile(a, b, rho, m, sigma)


harness = own_chain(lambda: deploy("contracts/mocks/SviHarness.vy", [], []))


# ---- contract and reference --------------------------------------------------------------------


@given(smile=sound(), k=moneyness)
@example(smile=STEEPEST, k=2**72)
@example(smile=STEEPEST, k=-(2**72))
def test_b7_total_variance__sound_smile__equals_the_reference_and_50_digits(
    harness: Any, smile: Smile, k: int
) -> None:
    got = harness.total_variance(astuple(smile), k)
    assert got == svi.total_variance(smile, k)
    reals = [exact.real(smile.a, WAD), exact.real(smile.b, WAD)]
    reals += [exact.real(x, ONE) for x in (smile.rho, smile.m, smile.sigma, k)]
    with mpmath.workdps(50):
        # what 50 digits leave of an exact 0
        assert -1e-12 < exact.total_variance(*reals) * WAD - got < 2


@given(
    smile=st.builds(Smile, anything, unsigned, anything, anything, unsigned)
    | st.builds(
        Smile,
        st.integers(-2 * WAD, 2 * WAD),
        st.integers(0, 2 * MAX_B),
        st.integers(-ONE - 1, ONE + 1),
        st.integers(-2 * MAX_M, 2 * MAX_M),
        st.integers(0, 2 * MAX_SIGMA),
    )
)
def test_b7_is_sound__any_parameters__equals_the_reference(harness: Any, smile: Smile) -> None:
    assert harness.is_sound(astuple(smile)) == svi.is_sound(smile)


@given(smile=sound())
def test_b7_is_sound__built_to_be__is(harness: Any, smile: Smile) -> None:
    assert svi.is_sound(smile)
    assert harness.is_sound(astuple(smile))


@given(later=sound(), earlier=sound())
@example(later=MONTH, earlier=MONTH)
def test_b7_is_after__any_two__equals_the_reference(
    harness: Any, later: Smile, earlier: Smile
) -> None:
    got = harness.is_after(astuple(later), astuple(earlier))
    assert got == svi.is_after(later, earlier)


# ---- what sound means ----------------------------------------------------------------------------


@given(smile=sound(), k=moneyness)
def test_total_variance__sound_smile__is_above_zero(smile: Smile, k: int) -> None:
    assert svi.total_variance(smile, k) > 0


@given(smile=sound())
def test_total_variance__at_its_bottom__is_above_zero(smile: Smile) -> None:
    # dw/dk = 0 where k - m = -rho sigma / sqrt(1 - rho^2)
    flat = math.isqrt(ONE * ONE - smile.rho * smile.rho)
    bottom = smile.m - smile.rho * smile.sigma // flat
    assume(abs(bottom) < 2**72)
    for k in (bottom - 1, bottom, bottom + 1):
        assert svi.total_variance(smile, k) > 0


@given(smile=sound(), k=moneyness, step=st.integers(1, ONE))
def test_total_variance__along_k__is_no_steeper_than_lee_and_convex(
    smile: Smile, k: int, step: int
) -> None:
    low, middle, high = (svi.total_variance(smile, k + i * step) for i in (-1, 0, 1))
    # each is within 2
    assert abs(high - middle) <= 2 * WAD * step // ONE + 3
    assert 2 * middle <= low + high + 4


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, True),
        ({"b": 0, "a": LEAST}, True),
        ({"b": 0, "a": LEAST - 1}, False),
        ({"b": 0, "a": MAX_A}, True),
        ({"b": 0, "a": MAX_A + 1}, False),
        ({"a": -MAX_A - 1}, False),
        ({"rho": 0, "b": MAX_B}, True),
        ({"rho": 0, "b": MAX_B + 1}, False),
        ({"rho": ONE // 2, "b": MAX_B * 2 // 3}, True),
        ({"rho": ONE // 2, "b": MAX_B * 2 // 3 + 1}, False),
        ({"rho": -ONE // 2, "b": MAX_B * 2 // 3 + 1}, False),
        ({"rho": ONE - 1}, True),
        ({"rho": ONE}, False),
        ({"rho": 1 - ONE}, True),
        ({"rho": -ONE}, False),
        ({"m": MAX_M}, True),
        ({"m": MAX_M + 1}, False),
        ({"m": -MAX_M}, True),
        ({"m": -MAX_M - 1}, False),
        ({"sigma": 1}, True),
        ({"sigma": 0}, False),
        ({"sigma": MAX_SIGMA}, True),
        ({"sigma": MAX_SIGMA + 1}, False),
    ],
)
def test_is_sound__each_bound__stands_where_it_is_said_to(
    harness: Any, change: dict[str, int], accepted: bool
) -> None:
    assert harness.is_sound(astuple(replace(MONTH, **change))) is accepted


def test_is_sound__least_variance__is_held_from_below(harness: Any) -> None:
    # rho 0.6: sqrt(1 - rho^2) = 0.8; b sigma = 0.05 x 0.2; the least of w is a + 0.008
    bent = replace(MONTH, rho=ONE * 6 // 10)
    lowest = next(a for a in range(-WAD // 125 - 5, 0) if svi.is_sound(replace(bent, a=a)))
    assert abs(lowest + WAD // 125) <= 5
    assert harness.is_sound(astuple(replace(bent, a=lowest)))
    assert not harness.is_sound(astuple(replace(bent, a=lowest - 1)))


# ---- density -------------------------------------------------------------------------------------

# A. Vogt's smile, in J. Gatheral and A. Jacquier, "Arbitrage-free SVI volatility surfaces" (2014),
# section 5: sound by every other rule
VOGT = Smile(
    -41 * WAD // 1_000,
    1_331 * WAD // 10_000,
    306 * ONE // 1_000,
    3_586 * ONE // 10_000,
    4_153 * ONE // 10_000,
)


def exact_g(smile: Smile, k: int) -> mpmath.mpf:
    """Return Gatheral's g in 50 digits."""
    a, b = exact.real(smile.a, WAD), exact.real(smile.b, WAD)
    rho, m, sigma, at = (exact.real(x, ONE) for x in (smile.rho, smile.m, smile.sigma, k))
    root = mpmath.sqrt((at - m) ** 2 + sigma**2)
    w = a + b * (rho * (at - m) + root)
    first, second = b * (rho + (at - m) / root), b * sigma**2 / root**3
    return (1 - at * first / (2 * w)) ** 2 - first**2 / 4 * (1 / w + mpmath.mpf(1) / 4) + second / 2


@given(smile=sound(), k=moneyness)
@example(smile=STEEPEST, k=2**72 - 1)
def test_b7_is_dense__sound_smile__equals_the_reference(harness: Any, smile: Smile, k: int) -> None:
    assert harness.is_dense(astuple(smile), k) == svi.is_dense(smile, k)


@given(smile=sound())
@example(smile=MONTH)
@example(smile=VOGT)
def test_b7_has_density__sound_smile__equals_the_reference(harness: Any, smile: Smile) -> None:
    assert harness.has_density(astuple(smile)) == svi.has_density(smile)


@given(
    a=st.integers(WAD // 1_000, WAD),
    b=st.integers(0, WAD // 2),
    rho=st.integers(-ONE * 9 // 10, ONE * 9 // 10),
    m=st.integers(-ONE // 2, ONE // 2),
    sigma=st.integers(ONE // 100, ONE),
    k=st.integers(-3 * ONE, 3 * ONE),
)
def test_is_dense__ordinary_smile__is_the_sign_of_g(
    a: int, b: int, rho: int, m: int, sigma: int, k: int
) -> None:
    smile = Smile(a, b, rho, m, sigma)
    with mpmath.workdps(50):
        g = exact_g(smile, k)
        assume(abs(g) > 1e-9)
        assert svi.is_dense(smile, k) == (g > 0)


def test_has_density__vogts_smile__has_none_though_it_is_sound(harness: Any) -> None:
    assert harness.is_sound(astuple(VOGT))
    assert not harness.has_density(astuple(VOGT))
    assert harness.has_density(astuple(MONTH))
    # at the money and at m there is one: a step beyond sees it
    assert harness.is_dense(astuple(VOGT), 0) and harness.is_dense(astuple(VOGT), VOGT.m)


# ---- expiries in order ---------------------------------------------------------------------------


@given(earlier=sound(), percent=st.integers(100, 300))
def test_is_after__every_variance_scaled_up__is(earlier: Smile, percent: int) -> None:
    later = replace(earlier, b=-(-earlier.b * percent // 100), a=earlier.a + 5)
    assume(svi.is_sound(later))
    assert svi.is_after(later, earlier)


@pytest.mark.parametrize("k", [0, *SAMPLES, *(-k for k in SAMPLES)])
def test_is_after__variance_falls_at_a_sample__is_not(harness: Any, k: int) -> None:
    # a narrow bump of the earlier expiry that only this sample sees: V around it, both wings flat
    earlier = Smile(WAD // 100, WAD // 50, 0, 0, ONE // 5)
    at = svi.total_variance(earlier, k)
    # a V with its bottom at the sample, just lower there, and steeper than the earlier one
    later = Smile(at - WAD // 10**6, WAD, 0, k, 1)
    assert svi.is_sound(later)
    assert svi.total_variance(later, k) < at
    assert not harness.is_after(astuple(later), astuple(earlier))
    assert harness.is_after(astuple(replace(later, a=later.a + WAD)), astuple(earlier))


@pytest.mark.parametrize("side", [1, -1])
def test_is_after__a_flatter_wing__is_not(harness: Any, side: int) -> None:
    earlier = Smile(WAD // 100, WAD // 20, side * ONE // 2, 0, ONE // 5)
    # higher at every sample: the wings cross at k = 100
    later = replace(earlier, a=earlier.a + WAD, rho=side * ONE * 2 // 5)
    assert not harness.is_after(astuple(later), astuple(earlier))
    assert harness.is_after(astuple(replace(earlier, a=earlier.a + WAD)), astuple(earlier))


def test_is_after__bottom_between_the_samples__is_seen(harness: Any) -> None:
    earlier = Smile(WAD // 100, WAD // 50, 0, 0, ONE // 5)
    # the bottom at 0.55 is 0.001 under the earlier smile, the samples 0.35 and 0.75 are above it
    m = ONE * 55 // 100
    dipped = Smile(svi.total_variance(earlier, m) - WAD // 1_000, WAD // 10, 0, m, 1)
    assert all(
        svi.total_variance(dipped, k) > svi.total_variance(earlier, k)
        for k in (0, *SAMPLES, *(-k for k in SAMPLES))
    )
    assert not harness.is_after(astuple(dipped), astuple(earlier))
