"""Fit raw SVI to the implied volatilities of a chain, expiry after expiry, without arbitrage.

Floats suggest, integers decide: a fit is rounded to what the chain stores, and it counts only if
`keepers.domain.svi` finds it sound and after the expiry before it. The constraints of the fit are
Lee's bound, a positive variance, a density that is nowhere negative (butterflies), and no less
variance than the expiry before has (calendars), the last two on a grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from keepers.domain.svi import ONE, SAMPLES, STEPS, Smile, fault, is_after
from keepers.domain.units import WAD

Floats = NDArray[np.float64]

# margins that survive the rounding to integers
SLOPE_MARGIN: Final = 1e-7
VARIANCE_MARGIN: Final = 1e-4
CALENDAR_MARGIN: Final = 1e-6
DENSITY_MARGIN: Final = 1e-7
# k in standard deviations at the money: where the density is looked at, and starting points
STEPPED: Final = [side * step / 2 for step in STEPS for side in (1, -1)]
STRETCH: Final = np.union1d(np.linspace(-8, 8, 49), STEPPED)
STARTS: Final = ((0.3, 0.0), (1.0, -0.3), (3.0, -0.3))
# k itself: where two expiries are compared
SIDE: Final = np.union1d(np.geomspace(0.01, 3, 20), [k / ONE for k in SAMPLES])
CALENDAR: Final = np.concatenate([-SIDE[::-1], [0], SIDE])
# what steepness costs beside squared points of volatility: quotes end before the wings do, and
# wings steeper than they ask for leave later expiries no room under Lee's bound
STEEP: Final = 1e-3
LIGHTEST: Final = 0.05  # share of the heaviest quote's weight


@dataclass(frozen=True, slots=True)
class Quotes:
    """The volatilities of one expiry: k = ln(strike / forward), volatility a year, years left."""

    expiry: int
    years: float
    forward: float
    k: Floats
    volatility: Floats
    index: float = math.nan  # the underlying's price beside the forward

    @property
    def weight(self) -> Floats:
        """What a point of volatility is worth in price, as a share of the most."""
        root = self.volatility * math.sqrt(self.years)
        vega = np.exp(-((self.k / root - root / 2) ** 2) / 2)
        return np.asarray(np.maximum(vega / vega.max(), LIGHTEST), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Fit:
    """One expiry's smile, as it would be signed, beside what it was fitted to."""

    quotes: Quotes
    smile: Smile
    fault: str  # why it would be refused, nothing if it would not

    def volatility(self, k: Floats) -> Floats:
        """Return the smile's volatility a year, from the integers."""
        variance = [self.smile.total_variance(round(float(x) * ONE)) / WAD for x in k]
        found: Floats = np.sqrt(np.asarray(variance, dtype=np.float64) / self.quotes.years)
        return found

    @property
    def residuals(self) -> Floats:
        """Fitted less quoted volatility (0.01 is a point)."""
        return self.volatility(self.quotes.k) - self.quotes.volatility

    @property
    def rms(self) -> float:
        """Root mean square of the residuals, weighted by what they are worth."""
        weight = self.quotes.weight**2
        return math.sqrt(float((weight * self.residuals**2).sum() / weight.sum()))


def variance(p: Floats, k: Floats) -> Floats:
    """Return raw SVI of (a, b, rho, m, sigma)."""
    a, b, rho, m, sigma = p
    x = k - m
    return np.asarray(a + b * (rho * x + np.sqrt(x * x + sigma * sigma)), dtype=np.float64)


def density(p: Floats, k: Floats) -> Floats:
    """Return Gatheral's g: the density but for a positive factor, negative at a butterfly."""
    _, b, rho, m, sigma = p
    x = k - m
    root = np.sqrt(x * x + sigma * sigma)
    w, first, second = variance(p, k), b * (rho + x / root), b * sigma**2 / root**3
    g = (1 - k * first / (2 * w)) ** 2 - first**2 / 4 * (1 / w + 0.25) + second / 2
    return np.asarray(g, dtype=np.float64)


def fit_chain(chain: Sequence[Quotes]) -> list[Fit]:
    """Fit every expiry, the nearest first, each above the one before."""
    fits: list[Fit] = []
    for quotes in sorted(chain, key=lambda each: each.expiry):
        before = fits[-1].smile if fits else None
        fits.append(fit(quotes, before))
    return fits


def fit(quotes: Quotes, before: Smile | None = None) -> Fit:
    """Fit one expiry; `before` is the smile of the expiry before it."""
    scale = _scale(quotes)
    solved = [_solve(quotes, scale, before, first) for first in _starts(scale, before)]
    best = min(solved, key=lambda each: (each[0] > CALENDAR_MARGIN, each[1]))
    smile = _rounded(best[2])
    found = fault(smile)
    if not found and before is not None and not is_after(smile, before):
        found = "the expiry before has more variance"
    return Fit(quotes, smile, found)


def _starts(scale: Floats, before: Smile | None) -> list[Floats]:
    """Return where the search begins; the smile before, a little higher, breaks no rule."""
    found = [np.array([1 - 0.5 * sigma, 0.5, rho, 0.0, sigma]) for sigma, rho in STARTS]
    if before is not None:
        higher = _floats(before) / scale
        found.append(higher + np.array([0.01, 0.001 * higher[1], 0, 0, 0]))
    return found


def _scale(quotes: Quotes) -> Floats:
    """Return the units of the parameters, of an expiry whose variance at the money is one."""
    order = np.argsort(quotes.k)
    at_the_money = float(np.interp(0, quotes.k[order], quotes.volatility[order]))
    w = at_the_money**2 * quotes.years
    return np.array([w, math.sqrt(w), 1, math.sqrt(w), math.sqrt(w)])


def _solve(
    quotes: Quotes, scale: Floats, before: Smile | None, first: Floats
) -> tuple[float, float, Floats]:
    """Return the worst violation of a constraint, the cost and the parameters."""
    from scipy.optimize import minimize

    weight, years = quotes.weight, quotes.years
    rules = _rules(quotes, scale, before)

    def cost(x: Floats) -> float:
        w = np.maximum(variance(x * scale, quotes.k), 1e-12)
        off = np.mean((100 * weight * (np.sqrt(w / years) - quotes.volatility)) ** 2)
        return float(off + STEEP * x[1] ** 2 * (1 + x[2] ** 2))

    bounds = [(-50, 50), (1e-6, 50), (-0.999, 0.999), (-20, 20), (0.01, 50)]
    constraints: list[dict[str, Any]] = [{"type": "ineq", "fun": rules}]
    options = {"maxiter": 300, "ftol": 1e-12}
    done = minimize(
        cost, first, method="SLSQP", bounds=bounds, constraints=constraints, options=options
    )
    x = np.asarray(done.x, dtype=np.float64)
    return float(max(0.0, -rules(x).min())), cost(x), x * scale


def _rules(quotes: Quotes, scale: Floats, before: Smile | None) -> Callable[[Floats], Floats]:
    """Return the function whose values must not be negative."""
    stretch = STRETCH * scale[1]
    floor, w = None if before is None else _floats(before), scale[0]

    def rules(x: Floats) -> Floats:
        p = x * scale
        a, b, rho, _, sigma = p
        wings = np.array([b * (1 + rho), b * (1 - rho)])
        least = (a + b * sigma * math.sqrt(max(0.0, 1 - rho * rho))) / w
        least_left = np.array([least - VARIANCE_MARGIN])
        # where the chain looks, its own deviation at the money counts, and m
        root = math.sqrt(max(0.0, float(variance(p, np.array([0.0]))[0])))
        dense = density(p, np.concatenate([stretch, root * np.array(STEPPED), [p[3]]]))
        parts = [2 - SLOPE_MARGIN - wings, least_left, dense - DENSITY_MARGIN]
        if floor is not None:
            above = np.array([floor[1] * (1 + floor[2]), floor[1] * (1 - floor[2])])
            parts += [(wings - above) / scale[1] - CALENDAR_MARGIN]
            bottoms = np.array([p[3], floor[3]])
            parts += [(variance(p, CALENDAR) - variance(floor, CALENDAR)) / w - CALENDAR_MARGIN]
            parts += [(variance(p, bottoms) - variance(floor, bottoms)) / w - CALENDAR_MARGIN]
        return np.concatenate(parts)

    return rules


def _floats(smile: Smile) -> Floats:
    """Return the parameters of a smile."""
    return np.array(
        [smile.a / WAD, smile.b / WAD, smile.rho / ONE, smile.m / ONE, smile.sigma / ONE]
    )


def _rounded(p: Floats) -> Smile:
    a, b, rho, m, sigma = (float(x) for x in p)
    return Smile(
        round(a * WAD), round(b * WAD), round(rho * ONE), round(m * ONE), round(sigma * ONE)
    )
