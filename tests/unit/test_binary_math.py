"""Normal distribution, logarithm and root: the reference to the bit, 50 digits within the bound."""

from __future__ import annotations

import re
from typing import Any

import mpmath
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scripts.deployment.artifacts import ROOT
from tests.reference import binary
from tests.reference.binary import ONE
from tests.reference.normal_cdf import END, cdf
from tests.reference.option_lens import SCALE, density
from tests.reference.units import WAD
from tests.support import exact_options as exact
from tests.support import sources
from tests.support.chains import own_chain
from tests.unit.markets_support import deploy
from tools.normal_table import PIECES, cdf_words, ln_2, ln_coefficients

PIECE = ONE // 8

# every scale from 2^-64 to 2^64, and the thresholds between them
positives = st.integers(0, 127).flatmap(lambda bits: st.integers(2**bits, 2 ** (bits + 1) - 1))
thresholds = st.builds(
    lambda base, off: max(1, base + off),
    st.sampled_from([*binary.HALFWAY, ONE // 16, ONE, 11 * ONE, *(2**k for k in range(127))]),
    st.integers(-1, 1),
)
scales = st.integers(0, 127).flatmap(lambda bits: st.integers(0, 2 ** (bits + 1) - 1))

harness = own_chain(lambda: deploy("contracts/mocks/Black76Harness.vy", [], []))


def text_of(name: str) -> str:
    return (ROOT / "contracts" / "libs" / f"{name}.vy").read_text(encoding="utf-8")


# ---- the constants in the sources ----------------------------------------------------------------


def test_normal_table__source__is_what_the_tool_makes() -> None:
    listed = re.search(r"WORDS: [^=]*= \[([^\]]*)\]", text_of("normal_cdf"))
    assert listed is not None
    assert tuple(int(word) for word in listed[1].split(",") if word.strip()) == cdf_words()


def test_ln_coefficients__source__are_what_the_tool_makes() -> None:
    text = text_of("binary_math")
    found = dict(re.findall(r"^(A\d|LN_2): constant\(int256\) = ([\d_]+)", text, re.M))
    wanted = {f"A{k}": value for k, value in enumerate(ln_coefficients())} | {"LN_2": ln_2()}
    assert {name: int(value) for name, value in found.items()} == wanted


# ---- the normal distribution ---------------------------------------------------------------------


@given(d=st.integers(-8 * ONE, 8 * ONE) | st.integers(-(2**140), 2**140))
@example(d=0)
@example(d=END)
@example(d=END - 1)
@example(d=-END)
@example(d=-END - 1)
def test_cdf__any_number__equals_the_reference(harness: Any, d: int) -> None:
    assert harness.cdf(d) == cdf(d)


def test_cdf__a_fine_walk__is_within_its_bound_of_50_digits() -> None:
    worst = mpmath.mpf(0)
    for step in range(-7 * 256, 7 * 256 + 1):
        d = step * ONE // 256 + step
        x = exact.real(d, ONE)
        off = abs(exact.real(cdf(d), ONE) - exact.cdf(x))
        assert off <= 1.2e-9 * (mpmath.exp(-x * x / 2) + 0.1)
        worst = max(worst, off)
    # the figure of docs/spec/options.md
    assert 7.0e-10 < worst < 7.6e-10


def test_cdf__ends_of_the_pieces__meet() -> None:
    for piece in range(PIECES + 1):
        d = piece * PIECE - END
        # the table's last place is 2^-60 and four coefficients are rounded to 2^-57
        assert abs(cdf(d) - cdf(d - 1)) < ONE >> 54 or piece in (0, PIECES)
        within = ONE * 5 // 10**11 if piece in (0, PIECES) else ONE >> 54
        assert abs(exact.real(cdf(d), 1) - exact.cdf(exact.real(d, ONE)) * ONE) <= within


@given(d=st.integers(-11 * ONE, 11 * ONE) | st.integers(-(2**254), 2**254))
@example(d=0)
@example(d=10 * ONE)
@example(d=10 * ONE - 1)
@example(d=-10 * ONE)
def test_density__any_number__equals_the_reference(harness: Any, d: int) -> None:
    assert harness.density(d) == density(d)


def test_density__constants_of_the_source__are_those_of_50_digits() -> None:
    found = dict(re.findall(r"^(LN_2|SCALE): [^=]*= ([\d_]+)", text_of("normal_pdf"), re.M))
    with mpmath.workdps(exact.DIGITS):
        scale = int(ONE / mpmath.sqrt(2 * mpmath.pi))
    assert {name: int(value) for name, value in found.items()} == {"LN_2": ln_2(), "SCALE": scale}
    assert scale == SCALE


@given(d=st.integers(-7 * ONE, 7 * ONE), step=st.integers(2**34, ONE))
def test_cdf__further_right__is_no_less(d: int, step: int) -> None:
    # below steps of 1e-9 the roundings show, 2^-54 at the most
    assert cdf(d + step) >= cdf(d) - (ONE >> 54)


def test_cdf__zero__is_a_half() -> None:
    assert cdf(0) == ONE // 2


# ---- logarithm and root --------------------------------------------------------------------------


@given(x=positives | thresholds)
@example(x=1)
@example(x=2**128 - 1)
# between the roots of 1/2 and 2 no scale is looked for: both ends, and one past each
@example(x=binary.HALFWAY[3])
@example(x=binary.HALFWAY[3] + 1)
@example(x=binary.HALFWAY[4])
@example(x=binary.HALFWAY[4] + 1)
def test_ln__any_number__equals_the_reference_and_50_digits(harness: Any, x: int) -> None:
    got = harness.ln(x)
    assert got == binary.ln(x)
    with mpmath.workdps(50):
        true = mpmath.log(exact.real(x, ONE)) * ONE
        assert abs(got - true) <= abs(true) * 7 / 10**10 + 2


@given(x=positives, step=st.fractions(1, 2))
def test_ln__larger_number__is_no_less(x: int, step: Any) -> None:
    higher = min(2**128 - 1, int(x * step))
    # the roundings of w and z are below 2^-60 apart
    assert binary.ln(higher) >= binary.ln(x) - 16


def test_ln__one__is_zero(harness: Any) -> None:
    assert harness.ln(ONE) == 0


@given(x=scales)
@example(x=0)
@example(x=2**24 - 1)
@example(x=2**24)
@example(x=2**72 - 1)
@example(x=2**72)
@example(x=2**128 - 1)
def test_sqrt_wad__any_number__equals_the_reference_and_50_digits(harness: Any, x: int) -> None:
    got = harness.sqrt_wad(x)
    assert got == binary.sqrt_wad(x)
    with mpmath.workdps(50):
        true = mpmath.sqrt(exact.real(x, WAD)) * ONE
        assert abs(got - true) <= true * 5 / 10**12 + 1


@pytest.mark.parametrize("window", range(24, 72, 8))
def test_sqrt_wad__edges_of_a_window__are_as_good_as_its_middle(window: int) -> None:
    for x in (2**window, 2 ** (window + 4), 2 ** (window + 8) - 1):
        assert binary.sqrt_wad(x) / ONE == pytest.approx((x / WAD) ** 0.5, rel=5e-12)


# ---- size ----------------------------------------------------------------------------------------


def test_normal_table__deployed__takes_3328_bytes() -> None:
    assert sources.of("contracts/mocks/Black76Harness.vy").immutable_bytes == 32 * PIECES == 3_328
