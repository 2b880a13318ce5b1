"""Committed orders: which of them a price executes, and which of them are dead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from keepers.domain.words import PriceWord

# of docs/spec/orders.md: a price of so many seconds after the first one [s] still executes
PUSH_WINDOW: Final = 5


@dataclass(frozen=True, slots=True)
class Order:
    """An open commitment, as `IOrders.Order` and its Committed event."""

    id: bytes
    account: int
    venue: str
    instrument: int
    size: int  # WAD
    limit_price: int  # WAD
    deadline: int
    reduce_only: bool
    reserve: int  # wei
    salt: int
    commit_time: int

    @property
    def market(self) -> int:
        """Return the market of the instrument."""
        return self.instrument >> 56

    @property
    def struct(self) -> tuple[int, str, int, int, int, int, bool, int, int]:
        """Return the order as the ABI takes it."""
        return (
            self.account,
            self.venue,
            self.instrument,
            self.size,
            self.limit_price,
            self.deadline,
            self.reduce_only,
            self.reserve,
            self.salt,
        )


def from_event(arguments: Mapping[str, Any]) -> Order:
    """Return the order that a Committed event tells of."""
    return Order(
        id=bytes(arguments["order_id"]),
        commit_time=int(arguments["commit_time"]),
        **arguments["order"],
    )


class Fate(Enum):
    """What can be done with an order now."""

    WAIT = "wait"
    EXECUTE = "execute"
    REFUND = "refund"


def fate(order: Order, price: PriceWord, delay: int, now: int) -> Fate:
    """Return what the stored price makes of an order.

    Args:
        order: an open one.
        price: the word of its market.
        delay: from commitment to the first price that may execute it [s].
        now: chain time of the block that the transaction can be in.
    """
    if now > order.deadline:
        return Fate.REFUND
    earliest = order.commit_time + delay
    if passed(price, earliest):
        return Fate.REFUND
    return Fate.EXECUTE if price.publish_time >= earliest else Fate.WAIT


def passed(price: PriceWord, earliest: int) -> bool:
    """Return whether a stored price comes after those that serve what waits for `earliest`."""
    previous = price.publish_time - min(price.publish_time, price.gap)
    return previous >= earliest and price.publish_time > earliest + PUSH_WINDOW


def led(order: Order, price: PriceWord, publish_time: int, delay: int, now: int) -> bool:
    """Return whether an update of this publish time, led by the call, executes the order."""
    earliest = order.commit_time + delay
    first = price.publish_time < earliest <= publish_time
    gap = min(255, publish_time - price.publish_time)
    return first and publish_time - gap < earliest and now <= order.deadline


def ranked(orders: Iterable[Order]) -> list[Order]:
    """Return orders as executors take them: reduce-only first, then the better paid, the older."""
    return sorted(orders, key=lambda each: (not each.reduce_only, -each.reserve, each.commit_time))
