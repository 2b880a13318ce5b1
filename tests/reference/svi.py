"""Raw SVI in integers: equal to contracts/libs/svi.vy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tests.reference.fixed import trunc_div
from tests.reference.units import WAD

ONE = 2**64
MAX_A = 100 * WAD
MAX_B = 2 * WAD
MAX_M = 8 * ONE
MAX_SIGMA = 8 * ONE
LEAST = 2
STEPS = (1, 2, 4, 6, 8, 12, 16)
MAX_CURVATURE = 2**90
SAMPLES = tuple(ONE * percent // 100 for percent in (5, 15, 35, 75, 150, 300))


@dataclass(frozen=True, slots=True)
class Smile:
    """One expiry: a [WAD], b [WAD for one of k], rho, m and sigma [2^-64]."""

    a: int
    b: int
    rho: int
    m: int
    sigma: int


def total_variance(smile: Smile, k: int) -> int:
    """Return w(k) for k = ln(strike / forward) [2^-64], rounded down three times [WAD]."""
    x = k - smile.m
    along = (smile.rho * x >> 64) + math.isqrt(x * x + smile.sigma * smile.sigma)
    return max(smile.a + (smile.b * along >> 64), 0)


def is_sound(smile: Smile) -> bool:
    """Return whether parameters are in range, wings obey Lee's bound, and w is above zero."""
    in_range = (
        0 <= smile.b <= MAX_B
        and abs(smile.rho) < ONE
        and 0 < smile.sigma <= MAX_SIGMA
        and abs(smile.m) <= MAX_M
        and abs(smile.a) <= MAX_A
    )
    if not in_range or smile.b * (ONE + abs(smile.rho)) > MAX_B * ONE:
        return False
    flat = math.isqrt(ONE * ONE - smile.rho * smile.rho)
    return smile.a + ((smile.b * smile.sigma >> 64) * flat >> 64) >= LEAST


def is_dense(smile: Smile, k: int) -> bool:
    """Return whether 16 w^2 g(k) is not negative: Gatheral's density but for a positive factor."""
    x = k - smile.m
    root = math.isqrt(x * x + smile.sigma * smile.sigma)
    w = total_variance(smile, k)
    first = smile.b * (smile.rho + trunc_div(x << 64, root)) >> 64
    part = (smile.sigma << 64) // root
    second = min((smile.b * part >> 64) * part // root, MAX_CURVATURE)
    away = 2 * w - (k * first >> 64)
    across = trunc_div(w * first, WAD)
    gain = 4 * away * away + 8 * (w * w * second // WAD)
    return gain >= 4 * across * first + across * across


def has_density(smile: Smile) -> bool:
    """Return whether the density is not negative wherever it is looked at."""
    half = math.isqrt((total_variance(smile, 0) << 128) // WAD) >> 1
    looked_at = (0, smile.m, *(side * half * step for step in STEPS for side in (1, -1)))
    return all(is_dense(smile, k) for k in looked_at)


def is_after(later: Smile, earlier: Smile) -> bool:
    """Return whether the later expiry's variance is never the smaller one where it is looked at."""
    for side in (1, -1):
        if later.b * (ONE + side * later.rho) < earlier.b * (ONE + side * earlier.rho):
            return False
    looked_at = (0, later.m, earlier.m, *SAMPLES, *(-k for k in SAMPLES))
    return all(total_variance(later, k) >= total_variance(earlier, k) for k in looked_at)
