"""Which series expire, when their prices are to be observed, and whose legs settle then.

docs/spec/expiries.md; a series is a market and the hour since 1970 on which it expires.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from keepers.domain.instruments import series_of
from keepers.domain.units import DAY, HOUR
from keepers.domain.words import ACTIVE, PENDING, UNTRUSTED, Account, PriceWord

Series = tuple[int, int]

LENGTH: Final = 1_800  # of the window [s]
MAX_GAP: Final = 300
MIN_COUNT: Final = 15
MAX_LAG: Final = 60
PATIENCE: Final = DAY
SILENCE: Final = HOUR
EARLY_S: Final = 120  # between two observations that only have to stand when the window begins
TRUST: Final = ACTIVE | PENDING | UNTRUSTED

OBSERVE, DEAD = "observe", "settle_dead"


@dataclass(frozen=True, slots=True)
class Window:
    """What has been noted of a series, as `IExpiries.Window`; zeros before the first price."""

    price: int  # ticks: last observed, or the settlement price once settled
    total: int  # ticks x seconds
    start: int  # unix s
    last: int  # publish time of the last observation
    count: int
    settled: bool

    @property
    def end(self) -> int:
        """Return when the thirty minutes are over [unix s]."""
        return self.start + LENGTH

    def complete(self, reached: int) -> bool:
        """Return whether a price of this time shows that the window is whole."""
        return self.count >= MIN_COUNT and reached >= self.end and self.last + MAX_GAP >= self.end


def series_held(accounts: Iterable[Account]) -> set[Series]:
    """Return the series of everything dated that these accounts hold."""
    return {series_of(leg.instrument) for account in accounts for leg in account.options}


def near(series: Iterable[Series], now: int) -> list[Series]:
    """Return the series whose prices may count by now, the earliest first."""
    early = LENGTH + MAX_GAP
    due = [each for each in series if now + early >= each[1] * HOUR]
    return sorted(due, key=lambda each: (each[1], each[0]))


def step(series: Series, window: Window, price: PriceWord, now: int, every: int) -> str:
    """Return what to call for a series at the stored price, nothing while there is nothing to do.

    Args:
        series: whose price is not written yet.
        window: what has been noted.
        price: the market's.
        now: chain time.
        every: seconds between two observations [at most 240, so that none is missed].
    """
    if observes(series, window, price, now, every):
        return OBSERVE
    expired = now >= series[1] * HOUR + PATIENCE
    silent = now > price.publish_time + SILENCE
    return DEAD if expired and silent and not window.settled else ""


def observes(series: Series, window: Window, price: PriceWord, now: int, every: int) -> bool:
    """Return whether an observation of this price counts, and comes late enough after the last."""
    publish, first = price.publish_time, series[1] * HOUR - LENGTH
    if window.settled:
        return False
    if window.complete(publish):
        return True
    if publish <= window.last or publish + MAX_GAP < first or now > publish + MAX_LAG:
        return False
    if price.flags & TRUST != ACTIVE:
        return False
    if window.last == 0 or publish > window.last + MAX_GAP:
        return True
    return publish >= window.last + (every if publish >= first else max(every, EARLY_S))


def expired(
    accounts: Iterable[Account], settled: Mapping[Series, int]
) -> list[tuple[Account, int]]:
    """Return who has legs to settle, with how many; most legs first.

    Args:
        accounts: with options.
        settled: price [ticks] by series, of those that have one.
    """
    found = []
    for account in accounts:
        legs = sum(series_of(leg.instrument) in settled for leg in account.options)
        if legs:
            found.append((account, legs))
    return sorted(found, key=lambda each: (-each[1], each[0].id))
