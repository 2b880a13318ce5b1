"""A close planned without asking anyone: the mirror's exact integers, good enough to be sent.

The Liquidator finds the fewest lots itself and refuses what is not due, so this plan only has to
start its search near the root, leave room for what else is in the block, and know what it earns.
docs/spec/liquidation.md#reduce, docs/spec/pool.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from keepers.domain.economics import GAS_REDUCE, GasMarket
from keepers.domain.liquidation import SIZE_ROOM_PERCENT, Reduce
from keepers.domain.margin import Feed, Health, Snapshot, health
from keepers.domain.units import WAD, ceil_div, mul_up
from keepers.domain.words import Account, Leg

STEPS: Final = 8  # of the search; it converges in three or four
CLOSE_ENOUGH: Final = 500  # stop when a step moves less than 1 / 500 of the size
ROOM_PERCENT: Final = 90  # of what the pool would stand by, as far as the mirror knows it
# A remnant as small as this may be dust, which the call closes with the rest.
SMALL_USD: Final = 100


@dataclass(frozen=True, slots=True)
class Terms:
    """What the pool asks in one market, WAD, as `ILiquidityPool.PoolParams`."""

    scale: int
    spread_min: int
    fee: int
    liquidation_fee: int
    keeper_rate: int
    lambda_: int


@dataclass(frozen=True, slots=True)
class Pool:
    """The pool as the mirror sees it."""

    account: Account
    terms: Mapping[int, Terms]  # by market

    def size(self, instrument: int) -> int:
        """Return the pool's leg in lots."""
        return next((leg.size for leg in self.account.legs if leg.instrument == instrument), 0)


def fill_price(mark: int, skew: int, size: int, terms: Terms) -> int:
    """Return the price of a forced fill of the taker's `size` lots [ticks]."""
    sign = -1 if size > 0 else 1
    ratio = (2 * skew + size) * mark * sign * WAD // (2 * terms.scale)
    return max(0, sign * (mark * (sign * WAD + ratio - terms.spread_min) // WAD))


def closed(account: Account, leg: Leg, lots: int, skew: int, feed: Feed, terms: Terms) -> Account:
    """Return the account after closing `lots` of a leg: fill, fees and the keeper's pay booked."""
    size = lots if leg.size < 0 else -lots
    price = fill_price(feed.price, skew, size, terms)
    fees = mul_up(terms.fee, lots * price) + mul_up(terms.liquidation_fee, lots * price)
    quote = account.quote - size * (price - feed.funding) - fees
    quote -= terms.keeper_rate * (lots * feed.price) // WAD
    legs = tuple(
        replace(each, size=each.size + size) if each == leg else each
        for each in account.legs
        if each != leg or each.size + size
    )
    return replace(account, quote=quote, legs=legs)


def quick_reduce(
    account: Account, exact: Health, at: Snapshot, pool: Pool, gas: GasMarket
) -> Reduce | None:
    """Return a close of the largest leg, None where the views have to be asked."""
    if not account.legs:
        return None
    leg = max(account.legs, key=lambda each: abs(each.size) * at.feeds[each.market].price)
    feed, terms = at.feeds[leg.market], pool.terms.get(leg.market)
    if terms is None or not feed.valid:
        return None
    skew = -pool.size(leg.instrument)
    lots = fewest(account, leg, skew, at, terms)
    after = health(closed(account, leg, lots, skew, feed, terms), at)
    cost = exact.equity - after.equity + at.terms.kappa_flat
    if 2 * cost > exact.mm - after.mm:
        return None  # too dear: for a take
    if 0 < (abs(leg.size) - lots) * feed.price < SMALL_USD * WAD:
        return None
    if not _room(leg, lots, at, pool, terms):
        return None
    notional = lots * feed.price
    pay = at.terms.kappa_flat + terms.keeper_rate * notional // WAD
    return Reduce(
        account=account.id,
        instrument=leg.instrument,
        size=min(abs(leg.size), lots * (100 + SIZE_ROOM_PERCENT) // 100 + 1),
        notional=notional,
        min_pay=0,
        profit=pay - gas.usd(GAS_REDUCE),
    )


def fewest(account: Account, leg: Leg, skew: int, at: Snapshot, terms: Terms) -> int:
    """Return about the fewest lots that bring equity to LE, the whole leg if none do."""
    feed, whole = at.feeds[leg.market], abs(leg.size)

    def surplus(lots: int) -> int:
        found = health(closed(account, leg, lots, skew, feed, terms), at)
        return found.equity - at.terms.kappa_flat - found.le

    high, best = whole, surplus(whole)
    if best <= 0:
        return whole
    low, worst = 0, surplus(0)
    for _ in range(STEPS):
        # the surplus rises with the lots, nearly straight: false position from both sides
        middle = low + ceil_div((high - low) * -worst, best - worst)
        if not low < middle < high:
            break
        found = surplus(middle)
        moved = high - middle if found >= 0 else middle - low
        if found >= 0:
            high, best = middle, found
        else:
            low, worst = middle, found
        if moved * CLOSE_ENOUGH < middle:
            # From below, the root is at most another such step away.
            return min(whole, middle if found >= 0 else middle + moved + 1)
    return high


def _room(leg: Leg, lots: int, at: Snapshot, pool: Pool, terms: Terms) -> bool:
    """Return whether the pool stands by the fill for certain, as far as the mirror knows."""
    before = pool.size(leg.instrument)
    after = before + (lots if leg.size > 0 else -lots)
    if abs(after) <= abs(before):
        return True
    worth = health(pool.account, at)
    cap = terms.lambda_ * worth.equity // WAD * ROOM_PERCENT // 100
    return worth.equity > worth.mm and abs(after) * at.feeds[leg.market].price <= cap
