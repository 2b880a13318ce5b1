"""R4: standard margin of one account, exactly as docs/spec/margin.md writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tests.reference.facts import Account, Collateral, Health, Leg, Market
from tests.reference.fixed import ceil_div, clamp, isqrt, mul_up
from tests.reference.markets import age, funding_now, grace_live, pending_live
from tests.reference.refused import require
from tests.reference.units import (
    AGE_IM,
    AGE_MM,
    ALL_DEAD,
    COLLATERAL_INVALID,
    CONF_ONE,
    DAY,
    FRESH,
    GRACE,
    KAPPA_COLLATERAL,
    KAPPA_FLAT,
    KAPPA_LEG,
    LEG_INVALID,
    SOFT_ONE,
    STATUS_GRACE,
    STATUS_PENDING,
    T_DEAD,
    TICKS_PER_USD,
    UNTRUSTED,
    V_ONE,
    WAD,
)
from tests.reference.words import market_of

# of one collateral [WAD], far above every cap
MAX_VALUE = 2**128 - 1


class Charge(NamedTuple):
    """Requirements of one leg or collateral, WAD."""

    mm: int
    ims: int
    im0: int
    im: int
    kappa: int = 0


def dead_share(m: Market, now: int) -> int:
    """Return d: 0 up to T_DEAD, then a ramp of a day to 1 [WAD]."""
    seconds = age(m, now)
    return 0 if seconds <= T_DEAD else min(WAD, (seconds - T_DEAD) * WAD // DAY)


def valid(m: Market, now: int) -> bool:
    """Return whether the feed may back a withdrawal or an opening."""
    return age(m, now) <= AGE_IM and not pending_live(m, now) and m.flags & UNTRUSTED == 0


def conf_ticks(m: Market) -> int:
    """Return the confidence in ticks, rounded up."""
    return ceil_div(m.price * m.conf, CONF_ONE)


# ---- legs ----------------------------------------------------------------------------------------


def margin_rate(m: Market, x: int, house: bool) -> int:
    """Return f for a leg of x USD: base, then growing with the square root [WAD]."""
    p = m.margin
    if house or x <= p.tier_start:
        return p.base
    return min(WAD, p.base * isqrt(x * WAD**2 // p.tier_start) // WAD)


def oi_scale(m: Market) -> int:
    """Return the open-interest multiplier of IM [WAD]."""
    p = m.margin
    open_interest = m.open_interest * m.price
    low = p.oi_cap * (p.oi_lo * 16 // WAD) // 16
    if open_interest >= p.oi_cap:
        return p.oi_max
    share = clamp((open_interest - low) * WAD // (p.oi_cap - low), 0, WAD)
    return WAD + (p.oi_max - WAD) * share // WAD


class Rates(NamedTuple):
    """Margin rates of a leg, WAD; each is at least the one before."""

    mm: int
    ims: int
    im0: int
    im: int


def leg_rates(m: Market, x: int, house: bool, dead: int) -> Rates:
    """Return the rates of a leg of x USD; `dead` is what a dead feed adds [WAD]."""
    f = margin_rate(m, x, house)
    oi = WAD if house else oi_scale(m)
    mm = min(WAD, f * m.margin.mm_ratio // WAD * m.v_slow // V_ONE + dead)
    ims = max(mm, min(WAD, f * m.v_slow // V_ONE + dead))
    im0 = max(ims, min(WAD, f * m.v // V_ONE + dead))
    im = max(im0, min(WAD, f * m.v // V_ONE * oi // WAD + dead))
    return Rates(mm, ims, im0, im)


def leg_charge(m: Market, size: int, house: bool, now: int) -> Charge:
    """Return what a leg of `size` lots requires."""
    x = abs(size) * m.price
    rates = leg_rates(m, x, house, 2 * m.margin.base * dead_share(m, now) // WAD)
    stable = 0 if house else max(0, size * (m.price - m.stable))
    return Charge(
        mm=mul_up(rates.mm, x),
        ims=mul_up(rates.ims, x),
        im0=mul_up(rates.im0, x),
        im=mul_up(rates.im, x) + abs(size) * conf_ticks(m) + stable,
    )


# ---- collateral ----------------------------------------------------------------------------------


def amount_wad(c: Collateral, amount: int) -> int:
    """Return an amount of atoms in WAD."""
    return amount * int(10 ** (18 - c.decimals))


def value_of(c: Collateral, m: Market, amount: int) -> int:
    """Return the raw value of a collateral, rounded down [WAD]."""
    value = amount_wad(c, amount) * m.price // TICKS_PER_USD
    require(value <= MAX_VALUE, "margin: value too large")
    return value


def collateral_charge(c: Collateral, m: Market, amount: int, now: int) -> Charge:
    """Return what holding `amount` atoms requires: never more than its value."""
    value = value_of(c, m, amount)
    wad = amount_wad(c, amount)
    d = dead_share(m, now)
    h_mm = c.haircut_mm + (WAD - c.haircut_mm) * d // WAD
    h_im = c.haircut_im + (WAD - c.haircut_im) * d // WAD
    mm = min(value, mul_up(h_mm, value) + KAPPA_COLLATERAL)
    im0 = min(value, mul_up(h_im, value) + KAPPA_COLLATERAL)
    if valid(m, now):
        soft = mul_up(WAD - (WAD - h_im) * c.soft // SOFT_ONE, value)
        stable = ceil_div(wad * max(0, m.price - m.stable), TICKS_PER_USD)
        doubt = ceil_div(wad * conf_ticks(m), TICKS_PER_USD)
        im = min(value, soft + KAPPA_COLLATERAL + stable + doubt)
    else:
        im = value
    return Charge(mm=mm, ims=im0, im0=im0, im=im, kappa=mm - mul_up(h_mm, value))


# ---- totals --------------------------------------------------------------------------------------


def unsettled(account: Account, markets: Mapping[int, Market], now: int) -> int:
    """Return U = quote + sum size (P - F), exact [WAD]."""
    return account.quote + sum(
        leg.size * (market.price - funding_now(market, now))
        for leg, market in _legs(account, markets)
    )


def gross_value(
    account: Account, markets: Mapping[int, Market], collaterals: Mapping[int, Collateral]
) -> int:
    """Return the collateral's value, floored one by one [WAD]."""
    return sum(
        value_of(collaterals[held.id], markets[collaterals[held.id].feed], held.amount)
        for held in account.collateral
    )


def _legs(account: Account, markets: Mapping[int, Market]) -> list[tuple[Leg, Market]]:
    return [(leg, markets[market_of(leg.instrument)]) for leg in account.legs]


def status_of(legs: list[Market], collateral: list[Market], now: int) -> tuple[int, int]:
    """Return the status bits and the end of the longest grace of the held feeds."""
    held = legs + collateral
    status = LEG_INVALID if any(not valid(m, now) for m in legs) else 0
    status |= COLLATERAL_INVALID if any(not valid(m, now) for m in collateral) else 0
    status |= STATUS_PENDING if any(pending_live(m, now) for m in held) else 0
    status |= STATUS_GRACE if any(grace_live(m, now) for m in held) else 0
    status |= FRESH if any(age(m, now) <= AGE_MM for m in held) else 0
    status |= ALL_DEAD if all(age(m, now) > T_DEAD for m in held) else 0
    return status, max((m.grace_until for m in held if m.flags & GRACE), default=0)


def check(
    account: Account,
    markets: Mapping[int, Market],
    collaterals: Mapping[int, Collateral],
    now: int,
) -> Health:
    """Return equity and requirements of an account, as `Markets.check`."""
    legs = _legs(account, markets)
    backing = [(collaterals[held.id], held.amount) for held in account.collateral]
    profit = unsettled(account, markets, now)
    status, resume = status_of(
        [market for _, market in legs], [markets[terms.feed] for terms, _ in backing], now
    )
    equity = account.cash + profit + gross_value(account, markets, collaterals)
    if not legs and account.cash >= 0 and account.quote >= 0:
        return Health(equity, profit, 0, 0, 0, 0, status, resume)

    charges = [leg_charge(market, leg.size, account.house, now) for leg, market in legs]
    charges += [collateral_charge(c, markets[c.feed], amount, now) for c, amount in backing]
    flat = KAPPA_FLAT + len(legs) * KAPPA_LEG
    charges.append(Charge(flat, flat, flat, flat, flat))
    mm, ims, im0, im, kappa = map(sum, zip(*charges, strict=True))
    le = mm + (ims - mm) // 2
    return Health(equity, profit, im, le, mm, kappa, status, resume, im0, ims)


def liquidation_open(health: Health) -> bool:
    """Return whether prices allow a liquidation now (margin.md, status)."""
    blocked = health.status & (STATUS_PENDING | STATUS_GRACE)
    return blocked == 0 and health.status & (FRESH | ALL_DEAD) != 0
