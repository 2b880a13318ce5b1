"""R7: the pool's quote, its own margin rules and its shares, as docs/spec/pool.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.reference.facts import Account, Health, Market, PoolParams
from tests.reference.fixed import ceil_div, clamp, mul_up, trunc_div
from tests.reference.refused import require
from tests.reference.units import CONF_ONE, MAX_PRICE, TILT_ONE, VIRTUAL, WAD
from tests.reference.words import market_of


@dataclass(frozen=True, slots=True)
class Fill:
    """What the pool answers: price in ticks, fee in WAD, tilt in 1/30,000."""

    price: int
    fee: int
    tilt: int


# ---- quote ---------------------------------------------------------------------------------------


def price_of(m: Market, p: PoolParams, skew: int, size: int, half_spread: int) -> int:
    """Return the fill price for the taker's `size` lots against the pool [ticks]."""
    twice = (2 * skew + size) * m.price * WAD
    if size > 0:
        adjustment = ceil_div(twice, 2 * p.scale)
        return ceil_div(m.price * (WAD + adjustment + half_spread), WAD)
    adjustment = twice // (2 * p.scale)
    return m.price * (WAD + adjustment - half_spread) // WAD


def tilt_of(m: Market, p: PoolParams, skew: int) -> int:
    """Return clamp(skew / skew_cap, -1, 1) [1/30,000]."""
    raw = trunc_div(skew * m.price * TILT_ONE, p.max_skew)
    return clamp(raw, -TILT_ONE, TILT_ONE)


def quote(m: Market, p: PoolParams, venue_size: int, size: int, liquidation: bool) -> Fill:
    """Return the pool's answer to an ask."""
    skew = -venue_size
    half_spread = p.spread_min if liquidation else max(p.spread_min, m.conf * WAD // CONF_ONE)
    price = price_of(m, p, skew, size, half_spread)
    require(0 < price <= MAX_PRICE, "pool: no price")
    fee = mul_up(p.fee, abs(size) * price)
    return Fill(price=price, fee=fee, tilt=tilt_of(m, p, skew + size))


# ---- the pool's own margin -----------------------------------------------------------------------


def nav(
    equity: int, account: Account, markets: Mapping[int, Market], params: Mapping[int, PoolParams]
) -> int:
    """Return equity without the skew premium, not below zero [WAD]."""
    premium = 0
    for leg in account.legs:
        market = market_of(leg.instrument)
        notional = leg.size * markets[market].price
        premium += ceil_div(notional * notional, 2 * params[market].scale)
    return max(0, equity - premium)


def gross_notional(account: Account, markets: Mapping[int, Market]) -> int:
    """Return the sum of |N| P over the legs [WAD]."""
    return sum(abs(leg.size) * markets[market_of(leg.instrument)].price for leg in account.legs)


@dataclass(frozen=True, slots=True)
class Ask:
    """A fill that the pool is asked to stand by: legs of both sides before it, in lots."""

    instrument: int
    size: int
    account_size: int
    venue_size: int
    liquidation: bool

    @property
    def venue_after(self) -> int:
        """Return the pool's leg after the fill."""
        return self.venue_size - self.size

    @property
    def grew(self) -> bool:
        """Return whether the pool's leg grew."""
        return abs(self.venue_after) > abs(self.venue_size)

    @property
    def opens(self) -> bool:
        """Return whether the taker's leg does not merely fall; a forced fill never opens."""
        after = self.account_size + self.size
        closes = abs(after) < abs(self.account_size) and after * self.account_size >= 0
        return not self.liquidation and not closes


def required(ask: Ask, health: Health) -> int:
    """Return the equity that the pool must keep after a fill [WAD]."""
    if ask.liquidation:
        return health.mm
    return health.im if ask.opens and ask.grew else health.le


def confirm(
    ask: Ask,
    account: Account,
    health: Health,
    markets: Mapping[int, Market],
    params: Mapping[int, PoolParams],
) -> None:
    """Refuse a fill that the pool does not stand by, seen after it."""
    require(health.equity >= required(ask, health), "pool: margin")
    if not ask.grew:
        return
    market = market_of(ask.instrument)
    notional = abs(ask.venue_after) * markets[market].price
    worth = nav(health.equity, account, markets, params)
    room = params[market].lambda_ * worth
    if not ask.opens:
        require(notional * WAD <= room, "pool: market cap")
        return
    require(notional <= params[market].max_skew, "pool: max skew")
    require(2 * notional * WAD <= room, "pool: market cap")
    require(2 * gross_notional(account, markets) <= 3 * worth, "pool: total cap")


# ---- shares --------------------------------------------------------------------------------------


def to_shares_down(assets_wad: int, supply: int, worth: int) -> int:
    """Return the shares minted for assets, in favour of the holders."""
    return assets_wad * (supply + VIRTUAL) // (worth + VIRTUAL)


def to_shares_up(assets_wad: int, supply: int, worth: int) -> int:
    """Return the shares burnt for assets, in favour of the remaining holders."""
    return ceil_div(assets_wad * (supply + VIRTUAL), worth + VIRTUAL)


def to_assets_down(shares: int, supply: int, worth: int) -> int:
    """Return the assets paid for shares, in favour of the holders [WAD]."""
    return shares * (worth + VIRTUAL) // (supply + VIRTUAL)
