"""Raw SVI smiles in integers: what the chain will make of the parameters before they are signed.

The formula, the bounds and their reasons are docs/spec/options.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Final

from keepers.domain.units import WAD

ONE: Final = 2**64
MAX_A: Final = 100 * WAD
MAX_SLOPE: Final = 2 * WAD
MAX_M: Final = 8 * ONE
MAX_SIGMA: Final = 8 * ONE
LEAST: Final = 2
# halves of the deviation at the money where the density is looked at
STEPS: Final = (1, 2, 4, 6, 8, 12, 16)
MAX_CURVATURE: Final = 2**90
SAMPLES: Final = tuple(ONE * percent // 100 for percent in (5, 15, 35, 75, 150, 300))


@dataclass(frozen=True, slots=True)
class Smile:
    """One expiry: a [WAD], b [WAD for one of k], rho, m and sigma [2^-64]."""

    a: int
    b: int
    rho: int
    m: int
    sigma: int

    def total_variance(self, k: int) -> int:
        """Return the total variance at k = ln(strike / forward) [2^-64], rounded down [WAD]."""
        x = k - self.m
        along = (self.rho * x >> 64) + isqrt(x * x + self.sigma * self.sigma)
        return max(self.a + (self.b * along >> 64), 0)

    def wing(self, side: int) -> int:
        """Return the slope of the right (1) or left (-1) wing, in WAD of 2^-64."""
        return self.b * (ONE + side * self.rho)


def fault(smile: Smile) -> str:
    """Return why the chain would refuse a smile, nothing if it would not."""
    if not 0 <= smile.b <= MAX_SLOPE or abs(smile.a) > MAX_A:
        return "a or b is out of range"
    if abs(smile.rho) >= ONE or abs(smile.m) > MAX_M or not 0 < smile.sigma <= MAX_SIGMA:
        return "rho, m or sigma is out of range"
    if max(smile.wing(1), smile.wing(-1)) > MAX_SLOPE * ONE:
        return "a wing is steeper than 2"
    flat = isqrt(ONE * ONE - smile.rho * smile.rho)
    if smile.a + ((smile.b * smile.sigma >> 64) * flat >> 64) < LEAST:
        return "the least variance is not above zero"
    half = isqrt((smile.total_variance(0) << 128) // WAD) >> 1
    looked_at = (0, smile.m, *(side * half * step for step in STEPS for side in (1, -1)))
    if not all(is_dense(smile, k) for k in looked_at):
        return "the density is negative"
    return ""


def is_dense(smile: Smile, k: int) -> bool:
    """Return whether the density is not negative at k: Gatheral's g, times 16 w^2."""
    x = k - smile.m
    root = isqrt(x * x + smile.sigma * smile.sigma)
    w = smile.total_variance(k)
    first = smile.b * (smile.rho + _cut(x << 64, root)) >> 64
    part = (smile.sigma << 64) // root
    second = min((smile.b * part >> 64) * part // root, MAX_CURVATURE)
    across = _cut(w * first, WAD)
    gain = 4 * (2 * w - (k * first >> 64)) ** 2 + 8 * (w * w * second // WAD)
    return gain >= 4 * across * first + across * across


def _cut(a: int, b: int) -> int:
    """Return a / b toward zero, as the EVM divides; b is above 0."""
    return a // b if a >= 0 else -(-a // b)


def is_after(later: Smile, earlier: Smile) -> bool:
    """Return whether the later expiry has no less variance, in the wings and at the samples."""
    if any(later.wing(side) < earlier.wing(side) for side in (1, -1)):
        return False
    looked_at = (0, later.m, earlier.m, *SAMPLES, *(-k for k in SAMPLES))
    return all(later.total_variance(k) >= earlier.total_variance(k) for k in looked_at)
