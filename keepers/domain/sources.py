"""Where a publisher's prices come from: files at a speed, or nothing but a constant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from keepers.domain.prices import Series
from keepers.domain.reports import Quote


@dataclass(frozen=True, slots=True)
class Replay:
    """Price files played against chain time.

    At chain time `chain_from + t` the files stand at `file_from + t x speed`. Markets without a
    file stand still at `still`. A market whose file has a gap is left out: an outage.
    """

    series: Mapping[int, Series]  # by market
    still: Mapping[int, int]  # ticks by market
    file_from: int
    chain_from: int
    speed: Fraction
    conf: int

    def file_time(self, chain_time: int) -> int:
        """Return the second of the files that plays at a chain time."""
        return self.file_from + int((chain_time - self.chain_from) * self.speed)

    def over(self, chain_time: int) -> bool:
        """Return whether every file has ended."""
        at = self.file_time(chain_time)
        return bool(self.series) and all(at >= each.end for each in self.series.values())

    def prices(self, chain_time: int) -> dict[int, int]:
        """Return ticks by market; empty while every file has a gap, and when they have ended."""
        at = self.file_time(chain_time)
        found = {market: series.at(at) for market, series in self.series.items()}
        known = {market: price for market, price in found.items() if price is not None}
        if not known and self.series:
            return {}
        return {**self.still, **known}

    def quotes(self, chain_time: int) -> list[Quote]:
        """Return the quotes of a report at a chain time."""
        prices = self.prices(chain_time)
        return [Quote(market, price, self.conf) for market, price in sorted(prices.items())]


def by_market(series: Sequence[Series], markets: Mapping[str, int]) -> dict[int, Series]:
    """Return the series by market id; symbols that are no market are left out."""
    return {markets[each.symbol]: each for each in series if each.symbol in markets}
