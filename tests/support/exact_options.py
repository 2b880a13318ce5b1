"""What options and volatilities are worth in 50 digits: the yardstick of the error bounds."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath

DIGITS = 50
# mpmath has no types
Real = Any


def real(x: int, one: int) -> Real:
    """Return x / one in 50 digits."""
    with mpmath.workdps(DIGITS):
        return mpmath.mpf(x) / one


def cdf(x: Real) -> Real:
    """Return N(x)."""
    with mpmath.workdps(DIGITS):
        return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def call(forward: Real, strike: Real, deviation: Real) -> Real:
    """Return the undiscounted call."""
    with mpmath.workdps(DIGITS):
        if deviation == 0:
            return max(forward - strike, mpmath.mpf(0))
        d1 = mpmath.log(forward / strike) / deviation + deviation / 2
        return forward * cdf(d1) - strike * cdf(d1 - deviation)


def deviation(volatility: Fraction, seconds: int, year: int) -> Real:
    """Return sigma sqrt(T)."""
    with mpmath.workdps(DIGITS):
        years = mpmath.mpf(seconds) / year
        return mpmath.mpf(volatility.numerator) / volatility.denominator * mpmath.sqrt(years)


def delta(forward: Real, strike: Real, deviation: Real) -> Real:
    """Return N(d1), for a deviation that is not zero."""
    with mpmath.workdps(DIGITS):
        return cdf(mpmath.log(forward / strike) / deviation + deviation / 2)


def total_variance(a: Real, b: Real, rho: Real, m: Real, sigma: Real, k: Real) -> Real:
    """Return Gatheral's raw SVI."""
    with mpmath.workdps(DIGITS):
        return a + b * (rho * (k - m) + mpmath.sqrt((k - m) ** 2 + sigma**2))
