"""Standard margin, the keepers' own mirror of docs/spec/margin.md, in exact integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isqrt

from keepers.domain import funding
from keepers.domain.terms import Terms
from keepers.domain.units import (
    CONF_ONE,
    DAY,
    SOFT_ONE,
    TICKS_PER_USD,
    V_ONE,
    WAD,
    ceil_div,
    clamp,
    mul_up,
)
from keepers.domain.words import (
    GRACE,
    OPTIONS,
    PENDING,
    UNTRUSTED,
    Account,
    Holding,
    Leg,
    PriceWord,
    StateWord,
)

LEG_INVALID, COLLATERAL_INVALID, STATUS_PENDING, STATUS_GRACE, FRESH, ALL_DEAD = 1, 2, 4, 8, 16, 32


@dataclass(frozen=True, slots=True)
class Market:
    """The words of one market."""

    id: int
    price: PriceWord
    state: StateWord
    pending_publish: int = 0
    grace_until: int = 0  # after an outage, or a pause of liquidations
    opening_until: int = 0  # a pause; a price accepted after it takes the flag away


@dataclass(frozen=True, slots=True)
class Collateral:
    """How one collateral is valued."""

    id: int
    feed: int
    decimals: int
    haircut_im: int  # WAD
    haircut_mm: int  # WAD
    soft: int  # 1e-4


@dataclass(frozen=True, slots=True)
class Health:
    """What a health check answers, as `IMarkets.Health`."""

    equity: int
    unsettled: int
    im: int
    le: int
    mm: int
    kappa: int
    status: int
    resume: int

    @property
    def open(self) -> bool:
        """Return whether liquidation may look at these prices."""
        shut = self.status & (STATUS_PENDING | STATUS_GRACE)
        return not shut and bool(self.status & (FRESH | ALL_DEAD))

    @property
    def under_mm(self) -> bool:
        """Return whether equity is below maintenance."""
        return self.equity < self.mm


@dataclass(frozen=True, slots=True)
class Feed:
    """One market at one instant: everything that legs and collateral need of it."""

    price: int
    stable: int
    funding: int
    decay: int  # WAD
    valid: bool
    conf_ticks: int
    status: int  # PENDING, GRACE, FRESH bits
    dead: bool
    resume: int
    v: int
    v_slow: int
    oi_scale: int
    state: StateWord


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All prices and parameters at one instant."""

    now: int
    feeds: Mapping[int, Feed]
    collaterals: Mapping[int, Collateral]
    terms: Terms
    marks: Mapping[int, int] = field(default_factory=dict)  # ticks, of options and futures asked


def snapshot(
    now: int, markets: Iterable[Market], collaterals: Iterable[Collateral], terms: Terms
) -> Snapshot:
    """Bring every market to an instant, once for all accounts."""
    feeds = {market.id: feed_at(now, market, terms) for market in markets}
    return Snapshot(now, feeds, {each.id: each for each in collaterals}, terms)


def feed_at(now: int, market: Market, terms: Terms) -> Feed:
    """Return a market's feed at an instant."""
    word, state = market.price, market.state
    age = max(0, now - word.publish_time)
    late = age - terms.dead_after
    pending = bool(word.flags & PENDING) and now - market.pending_publish <= terms.pending_for
    grace = bool(word.flags & GRACE)
    status = STATUS_PENDING if pending else 0
    status |= STATUS_GRACE if grace and now < market.grace_until else 0
    status |= FRESH if age <= terms.age_mm else 0
    return Feed(
        price=word.price,
        stable=word.stable,
        funding=funding.brought_to(now, word, state, terms)[0],
        decay=0 if late <= 0 else min(WAD, late * WAD // DAY),
        valid=age <= terms.age_im and not pending and not word.flags & UNTRUSTED,
        conf_ticks=ceil_div(word.price * word.conf, CONF_ONE),
        status=status,
        dead=late > 0,
        resume=market.grace_until if grace else 0,
        v=word.v,
        v_slow=word.v_slow,
        oi_scale=oi_scale(word.price, state),
        state=state,
    )


def oi_scale(price: int, state: StateWord) -> int:
    """Return the open-interest multiplier of IM [WAD]."""
    margin = state.margin
    interest = state.open_interest * price
    if interest >= margin.oi_cap:
        return margin.oi_max
    low = margin.oi_cap * margin.oi_lo // 16
    share = clamp((interest - low) * WAD // (margin.oi_cap - low), 0, WAD)
    return WAD + (margin.oi_max - WAD) * share // WAD


def rates(feed: Feed, notional: int, house: bool) -> tuple[int, int, int]:
    """Return the margin rates of MM, IMs and IM for a leg of this notional [WAD]."""
    margin = feed.state.margin
    f = margin.base
    if notional > margin.tier_start and not house:
        f = min(WAD, f * isqrt(notional * WAD * WAD // margin.tier_start) // WAD)
    dead = 2 * margin.base * feed.decay // WAD
    mm = min(WAD, f * margin.mm_ratio // WAD * feed.v_slow // V_ONE + dead)
    ims = max(mm, min(WAD, f * feed.v_slow // V_ONE + dead))
    im0 = max(ims, min(WAD, f * feed.v // V_ONE + dead))
    scale = WAD if house else feed.oi_scale
    return mm, ims, max(im0, min(WAD, f * feed.v // V_ONE * scale // WAD + dead))


def leg_terms(feed: Feed, size: int, house: bool) -> tuple[int, int, int, int]:
    """Return U, MM, IMs and IM of one leg, kappa apart [WAD]."""
    lots = abs(size)
    notional = lots * feed.price
    mm, ims, im = rates(feed, notional, house)
    charge = lots * feed.conf_ticks
    if not house:
        charge += max(0, size * (feed.price - feed.stable))
    return (
        size * (feed.price - feed.funding),
        mul_up(mm, notional),
        mul_up(ims, notional),
        mul_up(im, notional) + charge,
    )


def value_of(collateral: Collateral, amount: int, price: int) -> int:
    """Return what an amount of atoms is worth, rounded down [USD WAD]."""
    return amount * int(10 ** (18 - collateral.decimals)) * price // TICKS_PER_USD


def collateral_terms(
    feed: Feed, collateral: Collateral, amount: int, kappa: int
) -> tuple[int, int, int, int, int]:
    """Return value, MM, IMs, IM and the part of MM that is kappa [USD WAD]."""
    amount_wad = amount * int(10 ** (18 - collateral.decimals))
    value = amount_wad * feed.price // TICKS_PER_USD
    haircut_mm = collateral.haircut_mm + (WAD - collateral.haircut_mm) * feed.decay // WAD
    haircut_im = collateral.haircut_im + (WAD - collateral.haircut_im) * feed.decay // WAD
    loss = mul_up(haircut_mm, value)
    mm = min(value, loss + kappa)
    ims = min(value, mul_up(haircut_im, value) + kappa)
    im = value
    if feed.valid:
        kept = (WAD - haircut_im) * collateral.soft // SOFT_ONE
        charge = mul_up(WAD - kept, value) + kappa
        charge += ceil_div(amount_wad * max(0, feed.price - feed.stable), TICKS_PER_USD)
        charge += ceil_div(amount_wad * feed.conf_ticks, TICKS_PER_USD)
        im = min(value, charge)
    return value, mm, ims, im, mm - loss


def health(account: Account, at: Snapshot) -> Health:
    """Return equity and requirements of an account."""
    terms = at.terms
    unsettled, value = account.quote, 0
    kappa = terms.kappa_flat + len(account.legs) * terms.kappa_leg
    mm = ims = im = kappa
    for leg in account.legs:
        u, leg_mm, leg_ims, leg_im = leg_terms(at.feeds[leg.market], leg.size, account.house)
        unsettled += u
        mm, ims, im = mm + leg_mm, ims + leg_ims, im + leg_im
    for holding in account.holdings:
        collateral = at.collaterals[holding.collateral]
        worth, c_mm, c_ims, c_im, c_kappa = collateral_terms(
            at.feeds[collateral.feed], collateral, holding.amount, terms.kappa_collateral
        )
        value += worth
        mm, ims, im, kappa = mm + c_mm, ims + c_ims, im + c_im, kappa + c_kappa
    le = mm + (ims - mm) // 2
    if not account.legs and account.cash >= 0 and account.quote >= 0:
        im = le = mm = kappa = 0
    status, resume = held_status(account, at)
    equity = account.cash + unsettled + value
    return Health(equity, unsettled, im, le, mm, kappa, status, resume)


def held_status(account: Account, at: Snapshot) -> tuple[int, int]:
    """Return the status bits of the feeds that an account holds, and the latest end of a grace."""
    status, resume, alive = 0, 0, False
    for leg in account.legs:
        feed = at.feeds[leg.market]
        status |= feed.status | (0 if feed.valid else LEG_INVALID)
        resume, alive = max(resume, feed.resume), alive or not feed.dead
    for holding in account.holdings:
        feed = at.feeds[at.collaterals[holding.collateral].feed]
        status |= feed.status | (0 if feed.valid else COLLATERAL_INVALID)
        resume, alive = max(resume, feed.resume), alive or not feed.dead
    return status if alive else status | ALL_DEAD, resume


def at_price(at: Snapshot, market: int, price: int) -> Snapshot:
    """Return the snapshot with another price in one market, everything else as it is."""
    feed = replace(at.feeds[market], price=price)
    return replace(at, feeds={**at.feeds, market: feed})


def merged(first: Account, second: Account) -> Account:
    """Return one account that holds what two hold: what a buyer looks like after a take."""
    amounts: dict[int, int] = {}
    for holding in (*first.holdings, *second.holdings):
        amounts[holding.collateral] = amounts.get(holding.collateral, 0) + holding.amount
    return replace(
        first,
        cash=first.cash + second.cash,
        quote=first.quote + second.quote,
        legs=_netted((*first.legs, *second.legs)),
        holdings=tuple(Holding(id_, amount) for id_, amount in amounts.items()),
        flags=first.flags | second.flags & OPTIONS,
        options=_netted((*first.options, *second.options)),
    )


def _netted(legs: Iterable[Leg]) -> tuple[Leg, ...]:
    """Return one leg an instrument, those that cancel left out."""
    sizes: dict[int, int] = {}
    for leg in legs:
        sizes[leg.instrument] = sizes.get(leg.instrument, 0) + leg.size
    return tuple(Leg(instrument, size) for instrument, size in sizes.items() if size)
