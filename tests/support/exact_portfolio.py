"""What books are worth in real numbers: the yardstick of the portfolio scan.

Nothing but the stored facts is shared with tests/reference/portfolio.py. Scalars are computed in 50
digits; a whole grid of prices in double precision, whose error is far below the table's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from scipy.special import ndtr

from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, FUTURE, PERP, Instrument, parts
from tests.reference.units import DAY, HOUR, LOTS_PER_UNIT, TICKS_PER_USD, WAD, YEAR
from tests.support.exact_options import DIGITS, cdf

# numpy's arrays and mpmath's numbers
Real = Any


@dataclass(frozen=True, slots=True)
class Term:
    """A leg in units and USD."""

    kind: int
    size: Real
    strike: Real
    ratio: Real
    deviation: Real
    days: Real
    wider: Real


def time_factor(days: Real) -> Real:
    """Return (30 / max(days, 1))^p."""
    with mpmath.workdps(DIGITS):
        power = mpmath.mpf(3) / 10 if days < 30 else mpmath.mpf(13) / 100
        return (30 / mpmath.mpf(max(days, 1))) ** power


def term_of(leg: Leg, market: pm.Underlying, surface: pm.Surface | None, now: int) -> Term:
    """Return what a leg says, with its strike's deviation from the surface as it stands."""
    with mpmath.workdps(DIGITS):
        said = parts(leg.instrument)
        size = mpmath.mpf(leg.size) / LOTS_PER_UNIT
        if said.kind == PERP or surface is None:
            return Term(said.kind, size, 0, mpmath.mpf(1), 0, 0, 1)
        left = max(0, said.expiry - now)
        life = said.expiry - surface.publish
        ahead = mpmath.mpf(surface.ratio) / pm.RATIO_ONE - 1
        ratio = 1 + max(min(ahead, 0.25), -0.25) * min(1, mpmath.mpf(left) / life)
        strike = mpmath.mpf(said.strike) / TICKS_PER_USD
        age = max(0, now - surface.publish - pm.SURFACE_FRESH)
        return Term(
            said.kind,
            size,
            strike,
            ratio,
            _deviation(said, market, surface, ratio, left) if said.kind != FUTURE else 0,
            mpmath.mpf(left) / DAY,
            1 + mpmath.mpf(age) / pm.SURFACE_DEAD,
        )


def _deviation(
    said: Instrument, market: pm.Underlying, surface: pm.Surface, ratio: Real, left: int
) -> Real:
    k = mpmath.log(mpmath.mpf(said.strike) / (market.price * ratio))
    y = k - mpmath.mpf(surface.m) / pm.MONEY_ONE
    root = mpmath.sqrt(y * y + (mpmath.mpf(surface.sigma) / pm.MONEY_ONE) ** 2)
    wing = mpmath.mpf(surface.rho) / pm.RHO_ONE * y + root
    annual = (surface.a + surface.b * wing) / pm.VARIANCE_ONE
    return mpmath.sqrt(max(annual, mpmath.mpf(1) / 10_000) * left / YEAR)


def terms_of(
    market: pm.Underlying, surfaces: Iterable[pm.Surface], legs: Iterable[Leg], now: int
) -> list[Term]:
    """Return the terms of the legs of one market."""
    found = {s.hours * HOUR: s for s in surfaces if s.market == market.market}
    return [
        term_of(leg, market, found.get(parts(leg.instrument).expiry), now)
        for leg in legs
        if parts(leg.instrument).market == market.market
    ]


def factor(array: pm.RiskArray, term: Term, shock: int) -> Real:
    """Return what a shock [WAD, signed] makes of the term's volatility."""
    with mpmath.workdps(DIGITS):
        shift = mpmath.mpf(shock) / WAD * time_factor(term.days) * term.wider
        return max(1 + shift, mpmath.mpf(1) / 16)


def value(price: Real, term: Term, times: Real = 1) -> Real:
    """Return what a leg is worth at a price, with its deviation `times` as large."""
    with mpmath.workdps(DIGITS):
        forward = price * term.ratio
        if term.kind in (PERP, FUTURE):
            return term.size * forward
        s = term.deviation * times
        d1 = mpmath.log(forward / term.strike) / s + s / 2
        call = forward * cdf(d1) - term.strike * cdf(d1 - s)
        return term.size * (call if term.kind == CALL else call + term.strike - forward)


def values(prices: Real, term: Term, times: Real = 1) -> Real:
    """Return the same for an array of prices, in double precision."""
    forward = prices * float(term.ratio)
    size, strike = float(term.size), float(term.strike)
    if term.kind in (PERP, FUTURE):
        return size * forward
    s = float(term.deviation * times)
    d1 = np.log(forward / strike) / s + s / 2
    call = forward * ndtr(d1) - strike * ndtr(d1 - s)
    return size * (call if term.kind == CALL else call + strike - forward)


def losses(
    array: pm.RiskArray, market: pm.Underlying, terms: list[Term], moves: Real, shock: int
) -> Real:
    """Return what the book and the spot lose when the price moves so, under a shock [USD]."""
    price = market.price / TICKS_PER_USD
    shocked = price * (1 + moves)
    lost = -market.spot / LOTS_PER_UNIT * price * moves
    for term in terms:
        before = float(value(mpmath.mpf(market.price) / TICKS_PER_USD, term))
        lost = lost + before - values(shocked, term, factor(array, term, shock))
    return lost


def gross(market: pm.Underlying, terms: list[Term]) -> float:
    """Return what the errors of the table are relative to [USD]."""
    price = market.price / TICKS_PER_USD
    return sum(abs(float(t.size)) * (price + float(t.strike)) for t in terms) + 1
