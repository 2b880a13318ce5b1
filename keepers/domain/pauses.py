"""What the guardian has paused: how long it lasts and rests, and how that is said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from keepers.domain.times import when
from keepers.domain.units import DAY

# IRiskConfigurator.Action
OPENING, LIQUIDATION, POOL_DEPOSITS, DEPOSITS = 1, 2, 4, 8
ACTIONS: Final = {
    "opening": OPENING,
    "liquidation": LIQUIDATION,
    "pool-deposits": POOL_DEPOSITS,
    "deposits": DEPOSITS,
}
OF_MARKETS: Final = (OPENING, LIQUIDATION)
# docs/spec/pauses.md#pause
MAX_PAUSE_S: Final = 7 * DAY


@dataclass(frozen=True, slots=True)
class Pause:
    """The last pause of a scope: an action, and its market or 0 [unix s]."""

    action: int
    market: int
    start: int
    until: int
    rested: int  # from when on the guardian may begin another

    def runs(self, now: int) -> bool:
        """Return whether it is paused."""
        return now < self.until


def named(action: int) -> str:
    """Return an action as the command line calls it."""
    return next(name for name, value in ACTIONS.items() if value == action)


def said(pause: Pause, symbol: str, token: str) -> str:
    """Return a running pause as a sentence without a full stop.

    Args:
        pause: that runs.
        symbol: of its market.
        token: symbol of the settlement token.
    """
    until = when(pause.until)
    if pause.action == OPENING:
        return f"opening in {symbol} is paused until {until}"
    if pause.action == LIQUIDATION:
        return f"liquidations of what holds {symbol} are paused until {until}, and a grace longer"
    if pause.action == POOL_DEPOSITS:
        return f"deposits into the pool are paused until {until}"
    return f"deposits of {token} are paused until {until}, and all liquidations a grace longer"


def doubt(pause: Pause, duration: int, now: int, *, owner: bool) -> str | None:
    """Return why a scope cannot be paused for so long from now on, None when it can."""
    if duration == 0:
        return None
    if duration > MAX_PAUSE_S:
        return "a pause lasts 7 days at most"
    if owner:
        return None
    if pause.runs(now):
        if now + duration > pause.start + MAX_PAUSE_S:
            left = pause.start + MAX_PAUSE_S - now
            return f"it began at {when(pause.start)} and can go on for {left} s at most"
        return None
    if now < pause.rested:
        return f"it rests until {when(pause.rested)}"
    return None


def bitmap(markets: Iterable[int]) -> int:
    """Return markets as the contract takes them: bit m for market m."""
    return sum(1 << market for market in set(markets))
