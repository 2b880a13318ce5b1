"""R6, stage 1: how many lots of a leg to close against the pool, as docs/spec/liquidation.md.

The search is the contract's, integer by integer: prices move in ticks, so that near the root h
jumps by more than a lot, and two honest searches may end a few lots apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from tests.reference import margin, pool
from tests.reference.facts import Account, Health, Leg, Market, PoolParams
from tests.reference.fixed import ceil_div, mul_down, mul_up, trunc_div
from tests.reference.markets import funding_now
from tests.reference.state import World, with_leg
from tests.reference.units import AGE_MM, DUST, KAPPA_FLAT, KAPPA_LEG, MAX_SIZE, WAD
from tests.reference.words import market_of

MAX_STEPS = 24
ROOM_STEPS = 24
# how far over its size, 1 / DRIFT, a call may follow c*
DRIFT = 1_000

# docs/spec/liquidation.md, plan-status
NOT_BELOW_MM, CLOSED, NO_LEG, NO_CAPACITY, NO_ROOM, TOO_COSTLY = range(1, 7)


# ---- the pool's room -----------------------------------------------------------------------------


def _pool_stands(world: World, instrument: int, size: int) -> bool:
    """Return whether the pool keeps E >= MM after a forced fill; a closed leg stays, of size 0."""
    market = world.markets[market_of(instrument)]
    account = world.account(world.setup.pool_account)
    before = account.size(instrument)
    params = world.pool_params[market_of(instrument)]
    price = pool.price_of(market, params, -before, size, params.spread_min)
    gained = size * (price - funding_now(market, world.now))
    legs = tuple(
        Leg(leg.instrument, before - size) if leg.instrument == instrument else leg
        for leg in account.legs
    )
    if all(leg.instrument != instrument for leg in legs):
        legs = (*legs, Leg(instrument, -size))
    after = replace(account, legs=legs, quote=account.quote + gained)
    health = margin.check(after, world.markets, world.collaterals, world.now)
    return health.equity >= health.mm


def liquidation_room(world: World, instrument: int, size: int) -> int:
    """Return how many lots of a forced fill of `size` (taker's side) the pool stands by."""
    market_id = market_of(instrument)
    venue = world.setup.pool_account
    account = world.account(venue)
    worth = pool.nav(world.health(venue).equity, account, world.markets, world.pool_params)
    lambda_ = world.pool_params[market_id].lambda_
    cap = lambda_ * worth // (world.markets[market_id].price * WAD)
    sign = 1 if size > 0 else -1
    along = -sign * account.size(instrument)
    high = min(abs(size), max(0, cap - along, -2 * along), MAX_SIZE - along)
    low, middle = 0, high
    for _ in range(ROOM_STEPS):
        if low == high:
            break
        if _pool_stands(world, instrument, sign * middle):
            low = middle
        else:
            high = middle - 1
        middle = (low + high + 1) // 2
    return low


# ---- a close on paper ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Desk:
    """The account under MM, its leg, and everything that prices a close of it."""

    world: World
    account: Account
    before: Health
    instrument: int
    held: int
    venue_size: int
    market: Market
    params: PoolParams


@dataclass(frozen=True, slots=True)
class Close:
    """A close of some lots; equity, gap (h) and MM are those after it and the whole pay."""

    lots: int
    taker: int
    price: int
    fee: int
    liquidation_fee: int
    keeper_part: int
    tilt: int
    quote: int
    equity: int
    gap: int
    mm: int


def desk_of(world: World, account_id: int, instrument: int, before: Health) -> Desk:
    """Return what a search begins with."""
    market = market_of(instrument)
    return Desk(
        world=world,
        account=world.account(account_id),
        before=before,
        instrument=instrument,
        held=world.account(account_id).size(instrument),
        venue_size=world.account(world.setup.pool_account).size(instrument),
        market=world.markets[market],
        params=world.pool_params[market],
    )


def _margins(d: Desk, lots: int) -> tuple[int, int]:
    """Return MM and IMs of `lots` of the leg, whose price is too young to have decayed."""
    notional = lots * d.market.price
    rates = margin.leg_rates(d.market, notional, False, 0)
    return mul_up(rates.mm, notional), mul_up(rates.ims, notional)


def _required(d: Desk, lots: int) -> tuple[int, int]:
    """Return MM and LE after a close in debt: those before with the leg's replaced.

    LE is at most 1 wei up.
    """
    held = abs(d.held)
    mm_old, ims_old = _margins(d, held)
    mm_new, ims_new = _margins(d, held - lots)
    kappa = KAPPA_LEG if lots == held else 0
    doubled = 2 * (d.before.le - d.before.mm) + 1 + mm_old - ims_old + ims_new - mm_new
    mm = d.before.mm - mm_old + mm_new - kappa
    return mm, mm + trunc_div(doubled, 2)


def close_of(d: Desk, lots: int) -> Close:
    """Close `lots` of a leg against the pool, on paper."""
    taker = -lots if d.held > 0 else lots
    price = pool.price_of(d.market, d.params, -d.venue_size, taker, d.params.spread_min)
    fee = mul_up(d.params.fee, lots * price)
    liquidation_fee = mul_up(d.params.liquidation_fee, lots * price)
    keeper_part = mul_down(d.params.keeper_rate, lots * d.market.price)
    quote = taker * (price - funding_now(d.market, d.world.now))
    paid = fee + liquidation_fee + KAPPA_FLAT + keeper_part
    equity = d.before.equity - taker * (price - d.market.price) - paid
    mm, le = _required(d, lots)
    left = with_leg(d.account, d.instrument, taker)
    if not left.legs and min(left.cash, left.quote - quote - paid) >= 0:
        mm = le = 0
    tilt = pool.tilt_of(d.market, d.params, taker - d.venue_size)
    return Close(
        lots, taker, price, fee, liquidation_fee, keeper_part, tilt, quote, equity, equity - le, mm
    )


def gap_slope(d: Desk, lots: int) -> int:
    """Return h' at `lots`, rounded up [WAD per lot]; beyond the cap of 1 a bound."""
    mark = d.market.price
    along = -d.venue_size if d.held > 0 else d.venue_size
    left = (abs(d.held) - lots) * mark
    rates = margin.leg_rates(d.market, left, False, 0)
    slope = rates.mm + rates.ims
    if left > d.market.margin.tier_start:
        slope = slope * 3 // 2
    p = d.params
    gain = trunc_div((along - lots) * mark * WAD, p.scale) - p.spread_min
    # the fees are taken on the fill price: a seller's gain raises it, a buyer's lowers it
    price = WAD + gain if d.held > 0 else WAD - gain
    fees = trunc_div((p.fee + p.liquidation_fee) * price, WAD)
    total = gain + slope // 2 + 1 - fees - p.keeper_rate
    return max(1, trunc_div(total * mark, WAD) + 1)


# ---- search --------------------------------------------------------------------------------------


def limit_of(size: int, most: int) -> int:
    """Return how far a call may follow c* beyond its size [lots]."""
    return min(most, size + size // DRIFT + 1)


def search(d: Desk, start: int, limit: int) -> Close:
    """Return the close that Newton in whole lots finds up to `limit`."""
    found = close_of(d, start)
    was_short = False
    for _ in range(MAX_STEPS):
        if was_short and found.gap >= 0:
            break
        slope = gap_slope(d, found.lots)
        lots = found.lots
        if found.gap < 0:
            was_short = True
            lots = min(limit, lots + ceil_div(-found.gap, slope))
        else:
            lots -= min(lots, found.gap // slope)
        if lots == found.lots:
            break
        found = close_of(d, lots)
    return found


def bounded(d: Desk, size: int, most: int) -> Close:
    """Return c* where it lies near `size` (0: anywhere), else `size`; no dust of it remains."""
    found = search(d, size, limit_of(size, most) if size else most)
    lots = found.lots if found.gap >= 0 or size == 0 else size
    held = abs(d.held)
    rest = (held - lots) * d.market.price
    if 0 < rest < DUST:
        lots = held
        if most != held:
            lots = max(0, held - ceil_div(DUST, d.market.price))
    return found if lots == found.lots else close_of(d, lots)


# ---- plan ----------------------------------------------------------------------------------------


class ReducePlan(NamedTuple):
    """As ILiquidator.ReducePlan."""

    status: int
    position: int
    instrument: int
    size: int = 0
    target: int = 0
    limit: int = 0
    price: int = 0
    fee: int = 0
    liquidation_fee: int = 0
    pay: int = 0


def plan_reduce(world: World, account_id: int, instrument: int) -> ReducePlan:
    """Return what the view plans for a leg in this block."""
    account = world.account(account_id)
    instruments = [leg.instrument for leg in account.legs]
    if instrument not in instruments:
        return ReducePlan(NO_LEG, len(instruments), instrument)
    position = instruments.index(instrument)
    before = world.health(account_id)
    if before.equity >= before.mm:
        return ReducePlan(NOT_BELOW_MM, position, instrument)
    stale = world.now > world.markets[market_of(instrument)].publish + AGE_MM
    barred = account.house or account.engaged or stale
    if barred or not margin.liquidation_open(before):
        return ReducePlan(CLOSED, position, instrument)
    return _sized(desk_of(world, account_id, instrument, before), position)


def _sized(d: Desk, position: int) -> ReducePlan:
    """Find c*, then what capacity and room leave of it."""
    held = abs(d.held)
    found = bounded(d, 0, held)
    target = found.lots
    limit = limit_of(target, held)
    known = ReducePlan(0, position, d.instrument, target=target, limit=limit)
    bound = min(held, capacity_left(d.world, market_of(d.instrument)))
    if bound == 0:
        return known._replace(status=NO_CAPACITY)
    bound = liquidation_room(d.world, d.instrument, -bound if d.held > 0 else bound)
    if bound < target:
        if bound:
            found = bounded(d, bound, bound)
            bound = found.lots
        known = known._replace(limit=bound)
    if bound == 0:
        return known._replace(status=NO_ROOM)
    pay = pay_of(d.before, found)
    equity = found.equity + KAPPA_FLAT + found.keeper_part - pay
    cheap = 2 * (d.before.equity - equity) <= d.before.mm - found.mm
    held_up = equity * d.before.mm >= d.before.equity * found.mm
    return known._replace(
        status=0 if cheap and held_up else TOO_COSTLY,
        size=found.lots,
        price=found.price,
        fee=found.fee,
        liquidation_fee=found.liquidation_fee,
        pay=pay,
    )


# ---- pay and capacity ----------------------------------------------------------------------------


def need(health: Health) -> int:
    """Return what is missing to LE [WAD]."""
    return max(0, health.le - health.equity)


def pay_of(before: Health, found: Close) -> int:
    """Return what the keeper has earned with a close [WAD]."""
    if found.gap >= 0:
        return KAPPA_FLAT + found.keeper_part
    missing = need(before)
    left = max(0, -found.gap - KAPPA_FLAT - found.keeper_part)
    return KAPPA_FLAT * (missing - min(missing, left)) // missing + found.keeper_part


def _used(world: World, market: int) -> int:
    block, used = world.capacity_used.get(market, (0, 0))
    return used if block == world.block else 0


def capacity_left(world: World, market: int) -> int:
    """Return the lots that this block may still close of a market."""
    p = world.pool_params[market]
    whole = p.mu * (2 * p.spread_min + p.fee) // WAD * p.scale // WAD
    return max(0, whole - _used(world, market)) // world.markets[market].price


def use_capacity(world: World, market: int, lots: int) -> None:
    """Count a close against the block's capacity."""
    used = _used(world, market) + lots * world.markets[market].price
    world.capacity_used[market] = (world.block, used)
