"""Black-76 on a forward, undiscounted, in integers: equal to contracts/libs/black76.vy."""

from __future__ import annotations

from dataclasses import dataclass

from tests.reference.binary import ONE, ln, sqrt_wad
from tests.reference.fixed import trunc_div
from tests.reference.normal_cdf import cdf
from tests.reference.units import WAD, YEAR


@dataclass(frozen=True, slots=True)
class Prices:
    """Call and put in the unit of the forward, the call's delta in 2^-64."""

    call: int
    put: int
    delta: int


def variance(volatility: int, seconds: int) -> int:
    """Return the total variance of an annual volatility, rounded down [WAD]."""
    return volatility * volatility * seconds // (YEAR * WAD)


def log_moneyness(forward: int, strike: int) -> int:
    """Return ln(forward / strike) [2^-64]."""
    return ln((forward << 64) // strike)


def prices(forward: int, strike: int, moneyness: int, deviation: int) -> Prices:
    """Return call, put and delta from ln(forward / strike) and the total deviation [2^-64]."""
    if deviation == 0:
        call, delta = max(forward - strike, 0), ONE if forward > strike else 0
    else:
        d1 = trunc_div(moneyness << 64, deviation) + (deviation >> 1)
        delta = cdf(d1)
        gain, cost = forward * delta, strike * cdf(d1 - deviation)
        call = max(gain - cost >> 64, forward - strike, 0)
    return Prices(call, call + strike - forward, delta)


def prices_of_terms(forward: int, strike: int, volatility: int, seconds: int) -> Prices:
    """Return the same from the annual volatility [WAD] and the seconds left."""
    deviation = sqrt_wad(variance(volatility, seconds))
    return prices(forward, strike, log_moneyness(forward, strike), deviation)
