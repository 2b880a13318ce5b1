"""What options and futures are worth, as the engine values them: Surfaces, or what expired pays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from keepers.chain.reading import Reader
from keepers.domain.instruments import payoff, series_of
from keepers.domain.margin import Market
from keepers.domain.units import HOUR

MOST: Final = 64  # legs of one question


async def marks(
    reader: Reader, instruments: Iterable[int], markets: Mapping[int, Market], now: int
) -> dict[int, int]:
    """Return the worth of one unit of each [ticks]: docs/spec/surfaces.md#marks.

    What has expired is worth its payoff at the settlement price, at the market's until that is
    written, as in docs/spec/engine.md#check.
    """
    wanted = sorted(set(instruments))
    over = [each for each in wanted if series_of(each)[1] * HOUR <= now]
    prices = await reader.settlement_prices({series_of(each) for each in over})
    found = {
        each: payoff(each, prices.get(series_of(each), markets[each >> 56].price.price))
        for each in over
    }
    asked = _questions([each for each in wanted if each not in found])
    calls: list[tuple[str, str, tuple[Any, ...]]] = [
        ("Surfaces", "marks", (market, markets[market].price.price, _words(ids)))
        for market, ids in asked
    ]
    for (_, ids), (answer,) in zip(asked, await reader.many(calls), strict=True):
        found |= dict(zip(ids, (int(each) for each in answer), strict=False))
    return found


def _questions(instruments: Iterable[int]) -> list[tuple[int, list[int]]]:
    """Return the instruments of each market, as many as one call takes."""
    by_market: dict[int, list[int]] = {}
    for each in instruments:
        by_market.setdefault(each >> 56, []).append(each)
    return [
        (market, ids[first : first + MOST])
        for market, ids in by_market.items()
        for first in range(0, len(ids), MOST)
    ]


def _words(instruments: list[int]) -> list[int]:
    """Return legs of one lot as the contracts keep them, two a word."""
    entries = [each << 64 | 1 for each in instruments] + [0]
    return [entries[at] | entries[at + 1] << 128 for at in range(0, len(instruments), 2)]
