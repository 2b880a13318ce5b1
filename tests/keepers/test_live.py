"""Live prices: what an exchange says, made into quotes or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from keepers.chain.live import live_quotes, open_exchange, quote_of
from keepers.domain.reports import Quote
from keepers.domain.units import TICKS_PER_USD
from keepers.errors import BadInput, KeeperError


class FakeExchange:
    """Answers from a table."""

    def __init__(self, tickers: Mapping[str, Mapping[str, Any]]) -> None:
        self._tickers = tickers

    async def fetch_ticker(self, symbol: str) -> Mapping[str, Any]:
        return self._tickers[symbol]

    async def close(self) -> None:
        return None


def test_quote_of__bid_and_ask__is_the_middle_with_half_the_spread() -> None:
    # spread 0.4 of 2,000: half of it is 1e-4, ten in 1e-5
    assert quote_of(1, {"bid": 1_999.8, "ask": 2_000.2}, 3) == Quote(1, 2_000 * TICKS_PER_USD, 10)
    assert quote_of(1, {"bid": 2_000, "ask": 2_000}, 3) == Quote(1, 2_000 * TICKS_PER_USD, 3)


def test_quote_of__no_book__is_the_last_trade() -> None:
    said = {"bid": None, "ask": 5, "last": "1e-3"}
    assert quote_of(2, said, 7) == Quote(2, TICKS_PER_USD // 1_000, 7)


@pytest.mark.parametrize(
    "said", [{}, {"last": None}, {"last": -1}, {"bid": 3, "ask": 2}, {"last": "x"}]
)
def test_quote_of__nonsense__is_refused(said: Mapping[str, Any]) -> None:
    with pytest.raises(KeeperError, match="no usable price"):
        quote_of(1, said, 0)


def test_live_quotes__every_market__or_nothing() -> None:
    exchange = FakeExchange({"ETH/USDT": {"last": 1}, "BTC/USDT": {"last": 2}})
    found = asyncio.run(live_quotes(exchange, {1: "ETH/USDT", 2: "BTC/USDT"}, 5))
    assert [quote.feed for quote in found] == [1, 2]
    broken = FakeExchange({"ETH/USDT": {"last": 1}, "BTC/USDT": {}})
    with pytest.raises(KeeperError):
        asyncio.run(live_quotes(broken, {1: "ETH/USDT", 2: "BTC/USDT"}, 5))


def test_open_exchange__unknown__says_so() -> None:
    with pytest.raises(BadInput, match="no exchange that ccxt knows"):
        open_exchange("nowhere")
