"""Option chains of an exchange: what ccxt makes of an answer, fitted, refreshed, or refused."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import ccxt
import numpy as np
import pytest

from keepers.domain.surfaces import RATIO_ONE
from keepers.domain.units import DAY, HOUR, YEAR
from keepers.errors import BadInput, KeeperError
from keepers.smiles.fit import variance
from keepers.smiles.live import REFRESH_S, STALE_S, Live, open_options, rows_of
from tests.keepers.lab.chains import TRUE

NOW = 1_770_393_600 - 1_770_393_600 % DAY + 8 * HOUR
FORWARD, INDEX = 60_600.0, 60_000.0
MARKET = 2


def answer(currency: str = "BTC", shift: float = 0.0) -> list[dict[str, Any]]:
    """Return Deribit's `get_book_summary_by_currency` about two expiries of a known smile."""
    made = []
    for days in (30, 60):
        date = f"{datetime.fromtimestamp(NOW + days * DAY, UTC):%-d%b%y}".upper()
        for step in range(-12, 13):
            strike = round(FORWARD * math.exp(0.035 * step), -2)
            k = np.array([math.log(strike / FORWARD)])
            volatility = math.sqrt(variance(TRUE * days / 30, k)[0] / (days * DAY / YEAR))
            made += [
                {
                    "instrument_name": f"{currency}-{date}-{strike:.0f}-{side}",
                    "base_currency": currency,
                    "underlying_price": FORWARD,
                    "estimated_delivery_price": INDEX,
                    "mark_iv": round(100 * volatility + shift, 4),
                    "mark_price": 0.04,
                    "bid_price": None,
                    "open_interest": 1.0,
                }
                for side in "CP"
            ]
    return made


class Recorded:
    """An exchange that answers what was recorded, through ccxt's own parser."""

    def __init__(self) -> None:
        self.said = answer()
        self.fault: Exception | None = None
        self.asked = 0
        self._parser = ccxt.deribit()

    async def fetch_option_chain(self, code: str) -> Mapping[str, Mapping[str, Any]]:
        self.asked += 1
        if self.fault:
            raise self.fault
        parsed: Mapping[str, Mapping[str, Any]] = self._parser.parse_option_chain(
            self.said, "base_currency", "instrument_name"
        )
        return parsed

    async def close(self) -> None:
        return None


def test_surfaces__recorded_answer__has_the_smile_it_was_made_of() -> None:
    live = Live(Recorded(), {MARKET: "BTC"})
    near, far = asyncio.run(live.surfaces(NOW))[MARKET]
    assert [each.expiry for each in (near, far)] == [NOW + 30 * DAY, NOW + 60 * DAY]
    assert (near.market, near.publish) == (MARKET, NOW)
    assert near.ratio == pytest.approx(FORWARD / INDEX * RATIO_ONE, rel=1e-6)
    true = math.sqrt(variance(TRUE, np.array([0.0]))[0] / (30 * DAY / YEAR))
    assert near.volatility(0) / 1e18 == pytest.approx(true, rel=0.01)


def test_surfaces__within_a_minute__are_those_of_before_with_a_new_time() -> None:
    exchange = Recorded()
    live = Live(exchange, {MARKET: "BTC"})
    (before, _), (after, _) = (
        asyncio.run(live.surfaces(now))[MARKET] for now in (NOW, NOW + REFRESH_S - 1)
    )
    assert (exchange.asked, after.publish, after.a) == (1, NOW + REFRESH_S - 1, before.a)
    exchange.said = answer(shift=6.0)
    (moved, _) = asyncio.run(live.surfaces(NOW + REFRESH_S))[MARKET]
    assert exchange.asked == 2
    assert moved.volatility(0) > before.volatility(0)


def test_surfaces__no_network__goes_on_for_a_while_and_then_is_one_sentence() -> None:
    exchange = Recorded()
    live = Live(exchange, {MARKET: "BTC"})
    asyncio.run(live.refresh(NOW))
    exchange.fault = ccxt.NetworkError("no route")
    assert len(asyncio.run(live.surfaces(NOW + STALE_S - 1))[MARKET]) == 2
    with pytest.raises(KeeperError, match=r"no options on BTC \(NetworkError\); check the network"):
        asyncio.run(live.surfaces(NOW + STALE_S))
    fresh = Live(exchange, {MARKET: "BTC"})
    with pytest.raises(KeeperError, match="check the network"):
        asyncio.run(fresh.refresh(NOW))


@pytest.mark.parametrize(
    "changed",
    [
        {"mark_iv": None},
        {"mark_iv": 0},
        {"underlying_price": None},
        {"instrument_name": "BTC-PERPETUAL"},
        {"instrument_name": "BTC-1XXX26-60000-C"},
        {"instrument_name": "BTC-31FEB26-60000-C"},
        {"instrument_name": "BTC-1JAN20-60000-C"},
        {"instrument_name": "BTC-7MAR26-0-C"},
    ],
)
def test_rows_of__what_says_nothing__is_left_out(changed: Mapping[str, Any]) -> None:
    said = {str(at): {"info": {**each, **changed}} for at, each in enumerate(answer()[:3])}
    assert rows_of(said, NOW) == []


def test_rows_of__strike_below_a_dollar__is_read() -> None:
    info = {**answer()[0], "instrument_name": "XRP_USDC-7MAR26-0d65-P", "underlying_price": 0.6}
    (row,) = rows_of({"": {"info": info}}, NOW)
    assert (row["strike"], row["option_type"]) == ("0.65", "put")
    assert -1 < float(row["delta"]) < -0.5


@pytest.mark.parametrize(("name", "why"), [("nowhere", "ccxt knows"), ("kraken", "no option")])
def test_open_options__exchange_without_chains__says_so(name: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        open_options(name)
