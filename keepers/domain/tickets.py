"""A user's orders: the worst price to accept, why one would not fill, and how one stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from keepers.domain.amounts import SHARE_ONE, written_ticks, written_wad
from keepers.domain.orders import Fate, Order, fate
from keepers.domain.units import DAY, ceil_div
from keepers.domain.words import PriceWord
from keepers.reasons import meaning

LONGEST: Final = DAY  # what Orders accepts

# docs/spec/lens.md#codes: what is wrong, and what to do about it
FILLS, NO_MARKET, NOT_TRUSTED, TOO_SMALL, NO_ROOM, MARGIN, POOL, ODD_LOT = range(8)
WHY: Final = {
    NO_MARKET: ("there is no such market, or the pool does not trade it", "trade another one"),
    NOT_TRUSTED: ("the stored price is too old or not trusted", "wait for the next price"),
    TOO_SMALL: (
        "the position would be worth less than its market's minimum",
        "trade more, or close it whole",
    ),
    NO_ROOM: (
        "the market's open interest is at its cap, or the account has no room for another position",
        "trade less, or close another position first",
    ),
    MARGIN: ("the account's margin does not carry it", "trade less, or deposit more first"),
    POOL: ("the pool has no room for it", "trade less, or the other side"),
    ODD_LOT: ("the size is no whole number of lots, or none", "round it to 8 decimals"),
}


class State(Enum):
    """How an order stands."""

    OPEN = "open"
    DEAD = "dead"  # still committed, and nothing can fill it any more
    EXECUTED = "executed"
    REFUSED = "refused"  # at its price the trade was refused: its reserve went to the executor
    CLOSED = "closed"  # cancelled or refunded: its reserve went back


@dataclass(frozen=True, slots=True)
class Ticket:
    """An order and what became of it."""

    order: Order
    state: State
    said: str  # one sentence without a full stop
    price: int = 0  # ticks, of the fill
    fee: int = 0  # WAD
    tx: str = ""  # that executed or closed it


def limit_price(price: int, size: int, slippage: int) -> int:
    """Return the worst price to accept [ticks], rounded in favour of the order's owner.

    Args:
        price: expected [ticks].
        size: lots, above 0 buys.
        slippage: how much worse [millionths].
    """
    if size > 0:
        return price * (SHARE_ONE + slippage) // SHARE_ONE
    return ceil_div(price * max(0, SHARE_ONE - slippage), SHARE_ONE)


def beyond(price: int, size: int, limit: int) -> bool:
    """Return whether a price is worse than a limit."""
    return price > limit if size > 0 else price < limit


def shrinks(before: int, size: int) -> bool:
    """Return whether a fill makes a leg smaller without turning it round."""
    after = before + size
    return abs(after) < abs(before) and after * before >= 0


def executed(order: Order, price: int, fee: int, tx: str) -> Ticket:
    """Return the ticket of an order that was filled."""
    said = f"filled at {written_ticks(price)} USD for a fee of {written_wad(fee)} USD"
    return Ticket(order, State.EXECUTED, said, price, fee, tx)


def closed(order: Order, reason: str, tx: str) -> Ticket:
    """Return the ticket of an order that was not filled; `reason` as in the event."""
    return Ticket(order, State.CLOSED, f"closed without a fill ({reason})", tx=tx)


def refused(order: Order, reason: str, tx: str) -> Ticket:
    """Return the ticket of an order whose trade was refused; `reason` as in the event."""
    what, do = meaning(reason)
    said = f"dead, its price refused it: {what}" + (f"; to do better, {do}" if do else "")
    return Ticket(order, State.REFUSED, said, tx=tx)


def waiting(order: Order, price: PriceWord, delay: int, now: int) -> Ticket:
    """Return the ticket of an open order: what it waits for, by the stored price."""
    verdict = fate(order, price, delay, now)
    left = order.deadline - now
    if verdict is Fate.REFUND:
        return Ticket(
            order, State.DEAD, "can no longer be filled: its reserve waits to be taken back"
        )
    if verdict is Fate.EXECUTE:
        said = f"open: its price is there, but nobody has filled it yet; {left} s left"
    else:
        said = f"open: no price was published {delay} s or more after it yet; {left} s left"
    return Ticket(order, State.OPEN, said)
