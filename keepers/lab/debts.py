"""Losses beyond an account's equity, and whether a margin of this size has to prevent them.

Inside the scan range are losses on whose way no held market moved by more than the account's MM
rate between two accepted prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from keepers.domain.margin import Snapshot, rates
from keepers.domain.units import WAD
from keepers.domain.words import Account
from keepers.lab.records import BadDebt, Breach

Step = tuple[int, int, float]  # block, market, size of the step between two accepted prices


class Way(NamedTuple):
    """A step of a market while the account held it, and the rate that it had for that market."""

    market: str
    size: float
    rate: float


def last_breach(breaches: Sequence[Breach], account: int) -> Breach | None:
    """Return the breach that began the account's last time under maintenance."""
    found: Breach | None = None
    for each in reversed(breaches):
        if each.account == account:
            if found is not None and each.end_block < found.block:
                break
            found = each
    return found


def on_the_way(
    moves: Iterable[Step], breach: Breach | None, since: int, symbols: Mapping[int, str]
) -> list[Way]:
    """Return the steps of held markets from a block on.

    Args:
        moves: of all markets.
        breach: says what the account held; it may begin later than the account fell below
            maintenance, since liquidations wait after an outage.
        since: the block in which it fell.
        symbols: of the markets.
    """
    held = breach.rates if breach else {}
    found = ((symbols.get(market, ""), at, size) for at, market, size in moves)
    return [
        Way(name, size, held[name]) for name, at, size in found if at >= since and held.get(name)
    ]


def owed(account: int, amount: int, time: int, moves: Iterable[Way]) -> BadDebt:
    """Return the loss with the step that was the largest against its rate."""
    worst = max(moves, key=lambda way: way.size / way.rate, default=Way("", 0.0, 1.0))
    return BadDebt(account, time, amount, worst.size, worst.rate, worst.market)


def mm_rates(account: Account, at: Snapshot, symbols: Mapping[int, str]) -> dict[str, float]:
    """Return, by market held, the share of value that maintenance sets aside."""
    found: dict[str, float] = {}
    for holding in account.holdings:
        collateral = at.collaterals[holding.collateral]
        found[symbols[collateral.feed]] = collateral.haircut_mm / WAD
    for leg in account.legs:
        feed = at.feeds[leg.market]
        rate = rates(feed, abs(leg.size) * feed.price, account.house)[0] / WAD
        symbol = symbols[leg.market]
        found[symbol] = min(rate, found.get(symbol, rate))
    return found
