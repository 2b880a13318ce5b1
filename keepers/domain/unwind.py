"""Getting rid of what was taken over: reduce-only orders at the pool, one per leg at a time.

Collateral is kept as margin, or leaves for the owner's wallet as far as the margin allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from keepers.domain.liquidation import has_headroom
from keepers.domain.margin import Snapshot, health
from keepers.domain.planning import Pool
from keepers.domain.units import LOT, TICK, WAD, ceil_div
from keepers.domain.words import Account, Leg

LIFETIME_S: Final = 120  # of an order; after it the leg is offered again


@dataclass(frozen=True, slots=True)
class Closing:
    """An order that closes a leg, as `IOrders.Order` takes it apart from venue, reserve, salt."""

    account: int
    instrument: int
    size: int  # WAD
    limit_price: int  # WAD
    deadline: int


def closings(
    account: Account, at: Snapshot, waiting: Mapping[int, int], slip: int, pool: Pool | None = None
) -> list[Closing]:
    """Return the orders that close every leg which none is waiting for.

    Args:
        account: the keeper's own.
        at: prices now.
        waiting: deadline by instrument of the orders that are committed already.
        slip: how far the limit stands from the price [WAD].
        pool: whose quote bounds the size; without it the whole leg is offered.
    """
    made = []
    for leg in account.legs:
        feed = at.feeds[leg.market]
        if waiting.get(leg.instrument, 0) >= at.now or not feed.valid:
            continue
        lots = abs(leg.size) if pool is None else within(leg, feed.price, pool, slip)
        if not lots:
            continue
        away = ceil_div(feed.price * slip, WAD)
        limit = feed.price - away if leg.size > 0 else feed.price + away
        size = -lots if leg.size > 0 else lots
        deadline = at.now + LIFETIME_S
        made.append(Closing(account.id, leg.instrument, size * LOT, limit * TICK, deadline))
    return made


def within(leg: Leg, price: int, pool: Pool, slip: int) -> int:
    """Return how many lots of a leg the pool closes within so much slippage, fee apart.

    The quote is P * (1 + (u + q / 2) / scale + spread), u the traders' skew: docs/spec/pool.md.
    """
    terms = pool.terms.get(leg.market)
    if terms is None:
        return abs(leg.size)
    skew = -pool.size(leg.instrument)
    against = skew if leg.size < 0 else -skew  # what stands on the side that the order adds to
    room = (slip - terms.spread_min) * terms.scale // WAD // price
    return max(0, min(abs(leg.size), 2 * (room - against)))


def spare(account: Account, collateral: int, amount: int, at: Snapshot, headroom: int) -> bool:
    """Return whether an account without so many atoms keeps E above IM by the headroom [WAD]."""
    rest = tuple(
        replace(held, amount=held.amount - amount) if held.collateral == collateral else held
        for held in account.holdings
    )
    left = replace(account, holdings=tuple(held for held in rest if held.amount))
    return has_headroom(health(left, at), headroom)
