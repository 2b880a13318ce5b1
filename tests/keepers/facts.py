"""Facts that several tests of the keepers stand on: markets, collateral, accounts."""

from __future__ import annotations

from dataclasses import replace

from keepers.domain.margin import Collateral, Market, Snapshot, snapshot
from keepers.domain.terms import Terms
from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.domain.words import (
    ACTIVE,
    Account,
    Holding,
    Leg,
    MarginWord,
    PriceWord,
    StateWord,
    perp,
)

NOW = 1_700_000_000
ETH, BTC = 1, 2
MAJOR = MarginWord(
    base=WAD // 20,
    mm_ratio=WAD // 2,
    tier_start=10**6 * WAD,
    spread_rate=WAD // 100,
    oi_max=3 * WAD,
    oi_lo=8,
    oi_cap=30 * 10**6 * WAD,
)


def market(id_: int = ETH, usd: int = 2_000, publish: int = NOW, **word: int) -> Market:
    """Return a calm market at a whole price."""
    price = usd * TICKS_PER_USD
    words = PriceWord(price, price, 10, 10, publish, 10_000, 10_000, ACTIVE, publish)
    state = StateWord(funding=0, rate=0, tilt=0, time=publish, open_interest=0, margin=MAJOR)
    return Market(id_, replace(words, **word), state)


def weth(haircut_im: int = 15, haircut_mm: int = 10) -> Collateral:
    """Return WETH with haircuts in percent."""
    return Collateral(1, ETH, 18, haircut_im * WAD // 100, haircut_mm * WAD // 100, 10_000)


def at(*markets: Market, now: int = NOW) -> Snapshot:
    """Return a snapshot of these markets, of one ETH market when none is given."""
    return snapshot(now, markets or (market(),), (weth(),), Terms())


def trader(
    id_: int = 7 << 96,
    cash: int = 0,
    units: int | None = None,
    entry_usd: int = 2_000,
    ether: int = 0,
    flags: int = 0,
) -> Account:
    """Return an account with `units` whole ETH long bought at a price, and ether as collateral."""
    legs: tuple[Leg, ...] = ()
    quote = 0
    if units:
        legs = (Leg(perp(ETH), units * LOTS_PER_UNIT),)
        quote = -units * entry_usd * WAD
    held = (Holding(1, ether * 10**18),) if ether else ()
    return Account(id_, cash * WAD, quote, legs, held, flags)
