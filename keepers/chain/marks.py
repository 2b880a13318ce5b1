"""What options and futures are worth, as the engine values them: Surfaces, or what expired pays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from keepers.chain.reading import Reader
from keepers.chain.rpc import Block
from keepers.domain.exchange_fills import Mark
from keepers.domain.instruments import Kind, kind_of, payoff, series_of
from keepers.domain.units import HOUR, WAD
from keepers.domain.words import Leg, decode_price, encode_legs

MOST: Final = 64  # legs of one question
LEAST_BAND: Final = WAD // 1_000  # docs/spec/exchange.md#fill, where nothing opens


async def worths(
    reader: Reader,
    instruments: Iterable[int],
    prices: Mapping[int, int],
    now: int,
    block: Block = "latest",
) -> dict[int, int]:
    """Return the worth of one unit of each [ticks]: docs/spec/surfaces.md#marks.

    What has expired is worth its payoff at the settlement price, at the market's until that is
    written, as in docs/spec/engine.md#check.

    Args:
        reader: of the deployment.
        instruments: options and futures.
        prices: of their markets [ticks].
        now: chain time of the block.
        block: whose surfaces and settlement prices count.
    """
    wanted = sorted(set(instruments))
    over = [each for each in wanted if series_of(each)[1] * HOUR <= now]
    settled = await reader.settlement_prices({series_of(each) for each in over}, block)
    found = {each: payoff(each, settled.get(series_of(each), prices[each >> 56])) for each in over}
    asked = _questions([each for each in wanted if each not in found])
    calls: list[tuple[str, str, tuple[Any, ...]]] = [
        ("Surfaces", "marks", (market, prices[market], encode_legs([Leg(each, 1) for each in ids])))
        for market, ids in asked
    ]
    for (_, ids), (answer,) in zip(asked, await reader.many(calls, block), strict=True):
        # an odd one has an empty neighbour
        found |= dict(zip(ids, (int(each) for each in answer), strict=False))
    return found


async def marks_and_bands(
    reader: Reader, instruments: Iterable[int], now: int, block: Block
) -> dict[int, Mark]:
    """Return prices, marks and bands of perps, futures and options.

    Args:
        reader: of the deployment.
        instruments: of any markets.
        now: chain time of the block.
        block: whose prices count.
    """
    wanted = sorted(set(instruments))
    markets = sorted({each >> 56 for each in wanted})
    calls: list[tuple[str, str, tuple[Any, ...]]] = []
    for id_ in markets:
        calls += [("Markets", "market_words", (id_,)), ("Surfaces", "bounds", (id_,))]
    answers = await reader.many(calls, block)
    prices = {
        id_: decode_price(words[0]).price for id_, words in zip(markets, answers[::2], strict=True)
    }
    bands = {
        id_: prices[id_] * max(bounds[2], LEAST_BAND) // WAD
        for id_, bounds in zip(markets, answers[1::2], strict=True)
    }
    dated = [each for each in wanted if kind_of(each) != Kind.PERP]
    found = await worths(reader, dated, prices, now, block)
    return {
        each: Mark(prices[each >> 56], found.get(each, prices[each >> 56]), bands[each >> 56])
        for each in wanted
    }


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
