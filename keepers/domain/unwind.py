"""Getting rid of what was taken over: reduce-only orders at the pool, one per leg at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from keepers.domain.margin import Snapshot
from keepers.domain.units import LOT, TICK, ceil_div
from keepers.domain.words import Account

SLIP_PERCENT: Final = 2  # how far the limit stands from the price
LIFETIME_S: Final = 120  # of an order; after it the leg is offered again


@dataclass(frozen=True, slots=True)
class Closing:
    """An order that closes a leg, as `IOrders.Order` takes it apart from venue, reserve, salt."""

    account: int
    instrument: int
    size: int  # WAD
    limit_price: int  # WAD
    deadline: int


def closings(account: Account, at: Snapshot, waiting: Mapping[int, int]) -> list[Closing]:
    """Return the orders that close every leg which none is waiting for.

    Args:
        account: the keeper's own.
        at: prices now.
        waiting: deadline by instrument of the orders that are committed already.
    """
    made = []
    for leg in account.legs:
        feed = at.feeds[leg.market]
        if waiting.get(leg.instrument, 0) >= at.now or not feed.valid:
            continue
        slip = ceil_div(feed.price * SLIP_PERCENT, 100)
        limit = feed.price - slip if leg.size > 0 else feed.price + slip
        deadline = at.now + LIFETIME_S
        made.append(Closing(account.id, leg.instrument, -leg.size * LOT, limit * TICK, deadline))
    return made
