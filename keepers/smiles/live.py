"""Option chains of an exchange through ccxt, fitted now and then: what a live source signs."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog
from scipy.special import ndtr

from keepers.domain.instruments import MONTHS, USUAL_HOUR
from keepers.domain.surfaces import MAX_EXPIRIES, Surface
from keepers.domain.units import HOUR, YEAR
from keepers.errors import BadInput, KeeperError
from keepers.smiles.chains import Row, chain_of
from keepers.smiles.fit import fit_chain
from keepers.smiles.source import surface_of_fit

log = structlog.get_logger()

REFRESH_S: Final = 60  # between two questions
STALE_S: Final = 600  # without an answer for so long, nothing is said any more
NAME: Final = re.compile(r"[A-Z0-9_]+-(\d{1,2})([A-Z]{3})(\d{2})-([0-9d]+)-([CP])")


class OptionExchange(Protocol):
    """What is asked of a ccxt exchange."""

    async def fetch_option_chain(self, code: str) -> Mapping[str, Mapping[str, Any]]:
        """Return every option on a currency, by symbol."""

    async def close(self) -> None:
        """Close the connection."""


def open_options(name: str) -> OptionExchange:
    """Return the ccxt exchange of this name, which must know option chains."""
    import ccxt.async_support as ccxt

    if name not in ccxt.exchanges:
        raise BadInput(f"{name} is no exchange that ccxt knows", "choose another --live-chains")
    made = getattr(ccxt, name)({"enableRateLimit": True})
    if not made.has.get("fetchOptionChain"):
        raise BadInput(f"{name} gives ccxt no option chains", "choose deribit")
    found: OptionExchange = made
    return found


@dataclass(slots=True)
class Live:
    """Surfaces of the chains as they are, refreshed each minute of chain time."""

    exchange: OptionExchange
    currencies: Mapping[int, str]  # by market
    asked: int = 0
    _fitted: dict[int, list[Surface]] = field(default_factory=dict)

    async def surfaces(self, now: int) -> dict[int, list[Surface]]:
        """Return what there is to say at a chain time, by market, expiries ascending.

        Raises:
            KeeperError: the exchange has not answered for too long.
        """
        if now >= self.asked + REFRESH_S:
            try:
                await self.refresh(now)
            except KeeperError:
                if now >= self.asked + STALE_S:
                    raise
                log.warning("the chains are old", seconds=now - self.asked)
        return {
            market: [replace(each, publish=now) for each in fitted if each.expiry > now][
                :MAX_EXPIRIES
            ]
            for market, fitted in self._fitted.items()
        }

    async def refresh(self, now: int) -> None:
        """Ask for every chain and fit it; all or nothing."""
        fitted = {}
        for market, currency in self.currencies.items():
            rows = rows_of(await self._ask(currency), now)
            fits = await asyncio.to_thread(fit_chain, chain_of(rows, now))
            fitted[market] = [surface_of_fit(fit, market, 0) for fit in fits if not fit.fault]
        self._fitted, self.asked = fitted, now

    async def _ask(self, currency: str) -> Mapping[str, Mapping[str, Any]]:
        import ccxt

        try:
            return await self.exchange.fetch_option_chain(currency)
        except (ccxt.BaseError, OSError, TimeoutError) as error:
            raise KeeperError(
                f"the exchange gives no options on {currency} ({type(error).__name__})",
                "check the network, or give recorded ones with --chains",
            ) from error


def rows_of(chain: Mapping[str, Mapping[str, Any]], now: int) -> list[Row]:
    """Return what an exchange says of each option as a recorded chain has it.

    What has no volatility, no forward or another kind of name is left out.
    """
    made = [_row(said.get("info") or {}, now) for said in chain.values()]
    return [row for row in made if row is not None]


def _row(info: Mapping[str, Any], now: int) -> Row | None:
    named = NAME.fullmatch(str(info.get("instrument_name", "")))
    if named is None:
        return None
    try:
        expiry = _expiry(*named.groups()[:3])
        strike = float(named[4].replace("d", "."))
        forward, volatility = float(info["underlying_price"]), float(info["mark_iv"]) / 100
        years = (expiry - now) / YEAR
        if min(strike, forward, volatility, years) <= 0:
            return None
    except (KeyError, TypeError, ValueError):
        return None
    deviation = volatility * math.sqrt(years)
    delta = float(ndtr(math.log(forward / strike) / deviation + deviation / 2))
    return {
        "option_type": "call" if named[5] == "C" else "put",
        "strike": str(strike),
        "expiry": str(expiry),
        "underlying": str(forward),
        "implied_volatility": str(volatility),
        "delta": str(delta if named[5] == "C" else delta - 1),
        "index_price": str(info.get("estimated_delivery_price", "nan")),
    }


def _expiry(day: str, month: str, year: str) -> int:
    """Return when an option of this date expires [unix s]."""
    date = datetime(2000 + int(year), MONTHS.index(month) + 1, int(day), USUAL_HOUR, tzinfo=UTC)
    return int(date.timestamp()) // HOUR * HOUR
