"""Live prices of one exchange through ccxt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from keepers.domain.prices import to_ticks
from keepers.domain.reports import Quote
from keepers.domain.units import CONF_ONE, ceil_div
from keepers.errors import BadInput, KeeperError

log = structlog.get_logger()


class Exchange(Protocol):
    """What is asked of a ccxt exchange."""

    async def fetch_ticker(self, symbol: str) -> Mapping[str, Any]:
        """Return bid, ask and last of a pair."""

    async def close(self) -> None:
        """Close the connection."""


def open_exchange(name: str) -> Exchange:
    """Return the ccxt exchange of this name."""
    import ccxt.async_support as ccxt

    if name not in ccxt.exchanges:
        raise BadInput(f"{name} is no exchange that ccxt knows", "choose another --live")
    made: Exchange = getattr(ccxt, name)({"enableRateLimit": True})
    return made


async def live_quotes(exchange: Exchange, pairs: Mapping[int, str], conf: int) -> list[Quote]:
    """Return a quote for every market, or fail: half a report helps nobody.

    Args:
        exchange: the source.
        pairs: the exchange's pair by market.
        conf: least confidence [1e-5]; half the spread where that is wider.
    """
    answers = await asyncio.gather(*(exchange.fetch_ticker(pair) for pair in pairs.values()))
    return [quote_of(market, said, conf) for market, said in zip(pairs, answers, strict=True)]


def quote_of(market: int, said: Mapping[str, Any], conf: int) -> Quote:
    """Return the middle of bid and ask, the last trade where one of them is missing."""
    try:
        if said.get("bid") and said.get("ask"):
            bid, ask = to_ticks(str(said["bid"])), to_ticks(str(said["ask"]))
            if bid > ask:
                raise ValueError
            middle = (bid + ask) // 2
            return Quote(market, middle, max(conf, ceil_div((ask - bid) * CONF_ONE, 2 * middle)))
        return Quote(market, to_ticks(str(said["last"])), conf)
    except (ValueError, KeyError, ArithmeticError) as error:
        raise KeeperError(f"the exchange gave no usable price for market {market}") from error
