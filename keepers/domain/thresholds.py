"""The prices at which an account meets a requirement, one market moved at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from keepers.domain.margin import Health, Snapshot, at_price, health
from keepers.domain.words import Account

STEPS: Final = 400
RATIO: Final = (102, 100)  # each step of the search is 2 % of the price before it


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Ticks at which E falls below MM; None where no price in reach does that."""

    market: int
    below: int | None  # the nearest under the present price
    above: int | None  # the nearest over it


def surplus_mm(of: Health) -> int:
    """Return E - MM."""
    return of.equity - of.mm


def surplus_im(of: Health) -> int:
    """Return E - IM."""
    return of.equity - of.im


def thresholds(
    account: Account, at: Snapshot, market: int, surplus: Callable[[Health], int] = surplus_mm
) -> Thresholds:
    """Return the nearest prices on both sides at which the surplus turns negative."""
    return Thresholds(
        market,
        _nearest(account, at, market, surplus, up=False),
        _nearest(account, at, market, surplus, up=True),
    )


def _nearest(
    account: Account,
    at: Snapshot,
    market: int,
    surplus: Callable[[Health], int],
    *,
    up: bool,
) -> int | None:
    """Walk away from the price until the surplus is negative, then halve the last step."""

    def short(price: int) -> bool:
        return surplus(health(account, at_price(at, market, price))) < 0

    inside = at.feeds[market].price
    if short(inside):
        return inside
    for _ in range(STEPS):
        outside = inside * RATIO[0] // RATIO[1] + 1 if up else inside * RATIO[1] // RATIO[0]
        if outside < 1 or outside >= 2**63:
            return None
        if short(outside):
            return _halve(short, inside, outside)
        inside = outside
    return None


def _halve(short: Callable[[int], bool], inside: int, outside: int) -> int:
    """Return the first price, from `inside` on, that is short."""
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        inside, outside = (inside, middle) if short(middle) else (middle, outside)
    return outside
