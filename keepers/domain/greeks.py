"""Greeks of options, futures and perps, for people: in floats, and so for no decision.

Black-76 in closed form at the terms of docs/spec/surfaces.md#marks: the volatility of a strike
stands still while the price moves, and a forward runs to the price with time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import erfc, exp, log, pi, sqrt
from types import MappingProxyType
from typing import Final

from keepers.domain import instruments
from keepers.domain.instruments import Instrument, Kind
from keepers.domain.margin import Collateral
from keepers.domain.surfaces import RATIO_ONE, Surface
from keepers.domain.units import DAY, HOUR, LOTS_PER_UNIT, TICKS_PER_USD, WAD, YEAR
from keepers.domain.words import Account, Leg

DEAD_AFTER: Final = HOUR  # of a surface
LEAST_VARIANCE: Final = 1e-4  # a year
K_ONE: Final = 2**64


@dataclass(frozen=True, slots=True)
class Greeks:
    """What a position gains when something moves a little."""

    delta: float = 0.0  # units of the underlying
    gamma: float = 0.0  # units that delta gains when the price rises by 1 %
    vega: float = 0.0  # USD for a point of annual volatility
    theta: float = 0.0  # USD a day

    def __add__(self, other: Greeks) -> Greeks:
        """Return both together."""
        return Greeks(
            self.delta + other.delta,
            self.gamma + other.gamma,
            self.vega + other.vega,
            self.theta + other.theta,
        )


NOTHING: Final[Mapping[int, Greeks]] = MappingProxyType({})


def of_legs(
    legs: Iterable[Leg], prices: Mapping[int, int], surfaces: Mapping[int, Surface], now: int
) -> dict[int, Greeks]:
    """Return the Greeks of legs by instrument.

    Args:
        legs: perps, futures and options.
        prices: by market [ticks].
        surfaces: by instrument, where there is one.
        now: chain time.
    """
    return {
        leg.instrument: of(leg, prices[leg.market], surfaces.get(leg.instrument), now)
        for leg in legs
    }


def of_collateral(account: Account, collaterals: Mapping[int, Collateral]) -> dict[int, Greeks]:
    """Return what collateral has of the Greeks, by the market that prices it: its delta."""
    sums: dict[int, Greeks] = {}
    for held in account.holdings:
        terms = collaterals[held.collateral]
        found = Greeks(delta=held.amount / 10**terms.decimals)
        sums[terms.feed] = sums.get(terms.feed, Greeks()) + found
    return sums


def by_market(
    legs: Mapping[int, Greeks], collateral: Mapping[int, Greeks] = NOTHING
) -> dict[int, Greeks]:
    """Return sums by market.

    Args:
        legs: by instrument.
        collateral: by market.
    """
    sums = dict(collateral)
    for instrument, found in legs.items():
        market = instrument >> 56
        sums[market] = sums.get(market, Greeks()) + found
    return dict(sorted(sums.items()))


def of(leg: Leg, price: int, surface: Surface | None, now: int) -> Greeks:
    """Return the Greeks of a leg at a market's price [ticks]; none once it has expired."""
    said, size = instruments.decode(leg.instrument), leg.size / LOTS_PER_UNIT
    if said.kind == Kind.PERP:
        return Greeks(delta=size)
    seconds = said.expiry - now
    if seconds <= 0:
        return Greeks()
    spot = price / TICKS_PER_USD
    forward = spot * _ratio(surface, seconds)
    slope, density, deviation = _shape(said, forward, surface, seconds, now)
    # the forward runs to the price
    roll = size * slope * (spot - forward) * DAY / seconds
    delta = size * slope * forward / spot
    if not deviation:
        return Greeks(delta=delta, theta=roll)
    weight = size * forward * density
    return Greeks(
        delta=delta,
        gamma=weight / (spot * deviation * 100),
        vega=weight * sqrt(seconds / YEAR) / 100,
        theta=roll - weight * deviation * DAY / (2 * seconds),
    )


def _ratio(surface: Surface | None, seconds: int) -> float:
    """Return forward over price."""
    if surface is None:
        return 1.0
    life = max(1, surface.expiry - surface.publish)
    return 1 + (surface.ratio - RATIO_ONE) / RATIO_ONE * min(seconds, life) / life


def _shape(
    said: Instrument, forward: float, surface: Surface | None, seconds: int, now: int
) -> tuple[float, float, float]:
    """Return the slope in the forward, the density at d1 and the deviation."""
    if said.kind == Kind.FUTURE:
        return 1.0, 0.0, 0.0
    is_put = said.kind == Kind.PUT
    moneyness = log(forward / (said.strike / TICKS_PER_USD))
    if surface is None or now > surface.publish + DEAD_AFTER:
        return float(moneyness > 0) - is_put, 0.0, 0.0
    k = -round(moneyness * K_ONE)
    least = LEAST_VARIANCE * seconds / YEAR
    deviation = sqrt(max(surface.smile(seconds).total_variance(k) / WAD, least))
    d1 = moneyness / deviation + deviation / 2
    return _normal(d1) - is_put, exp(-d1 * d1 / 2) / sqrt(2 * pi), deviation


def _normal(x: float) -> float:
    return erfc(-x / sqrt(2)) / 2
