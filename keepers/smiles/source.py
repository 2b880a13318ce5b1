"""What a source says of volatility: recorded chains, played against chain time, and their fits."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from keepers.domain.surfaces import MAX_EXPIRIES, RATIO_ONE, Surface, annual
from keepers.domain.units import HOUR, YEAR
from keepers.smiles.fit import Fit, Quotes, fit_chain

log = structlog.get_logger()


@dataclass(slots=True)
class Recorded:
    """Chains by market and snapshot, whose times are shifted to those of the chain.

    Every snapshot is fitted once, beside the event loop. Between two of them what is annual stays.
    """

    chains: Mapping[int, Mapping[int, Sequence[Quotes]]]
    shift: int  # seconds from the file's time to the chain's
    _fitted: dict[tuple[int, int], list[Surface]] = field(default_factory=dict)

    async def surfaces(self, now: int) -> dict[int, list[Surface]]:
        """Return what there is to say at a chain time, by market, expiries ascending."""
        found = {}
        for market, snapshots in self.chains.items():
            times = sorted(snapshots)
            place = bisect_right(times, now - self.shift)
            if place:
                found[market] = await self._at(market, times[place - 1], now)
        return found

    async def _at(self, market: int, time: int, now: int) -> list[Surface]:
        key = market, time
        if key not in self._fitted:
            fits = await asyncio.to_thread(fit_chain, self.chains[market][time])
            for fit in fits:
                if fit.fault:
                    log.warning("a smile does not fit", market=market, why=fit.fault)
            self._fitted[key] = [
                surface_of_fit(fit, market, self.shift) for fit in fits if not fit.fault
            ]
        live = [each for each in self._fitted[key] if each.expiry > now]
        return [replace(each, publish=now) for each in live[:MAX_EXPIRIES]]


def surface_of_fit(fit: Fit, market: int, shift: int) -> Surface:
    """Return a fitted smile as a surface whose expiry is shifted to the nearest full hour."""
    quotes = fit.quotes
    hours = (quotes.expiry + shift + HOUR // 2) // HOUR
    ratio = RATIO_ONE if math.isnan(quotes.index) else round(quotes.forward / quotes.index * 2**30)
    return annual(fit.smile, round(quotes.years * YEAR), market, hours, 0, ratio)
