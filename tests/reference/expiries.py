"""Settlement prices of expiries, as docs/spec/expiries.md.

Nothing is accumulated: every observation that counted is kept, and each answer is computed anew
from the whole list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.reference.refused import require
from tests.reference.units import DAY, HOUR

WINDOW = 1_800
MIN_COUNT = 15
MAX_GAP = 300
MAX_LAG = 60


class Stored(NamedTuple):
    """What Markets has stored."""

    price: int  # ticks
    publish: int  # unix s
    trusted: bool = True


@dataclass
class Series:
    """A market and an expiry."""

    expiry: int  # unix s
    seen: list[Stored] = field(default_factory=list)
    settled: int = 0  # ticks

    @property
    def run(self) -> list[Stored]:
        """Return the observations since the last gap."""
        gaps = [
            i
            for i in range(1, len(self.seen))
            if self.seen[i].publish - self.seen[i - 1].publish > MAX_GAP
        ]
        return self.seen[gaps[-1] if gaps else 0 :]

    @property
    def start(self) -> int:
        """Return from when on prices count."""
        return max(self.run[0].publish, self.expiry - WINDOW)

    @property
    def count(self) -> int:
        """Return how many observations lie in the window."""
        start = self.start
        return sum(each.publish >= start for each in self.run)

    def area(self, end: int) -> int:
        """Return the price in force, added up over the seconds from start to end."""
        run, start = self.run, self.start
        changes = [*(each.publish for each in run[1:]), end]
        return sum(
            each.price * max(0, min(until, end) - max(each.publish, start))
            for each, until in zip(run, changes, strict=True)
        )

    def average(self) -> tuple[int, int]:
        """Return the observed seconds of the window and the average over them."""
        if self.settled:
            return WINDOW, self.settled
        if not self.seen or self.seen[-1].publish <= self.start:
            return 0, 0
        last = self.seen[-1].publish
        return min(WINDOW, last - self.start), self.area(last) // (last - self.start)

    def complete(self, reached: int) -> bool:
        """Return whether only the end is missing, or was passed."""
        if not self.seen or self.count < MIN_COUNT:
            return False
        end = self.start + WINDOW
        return end <= reached and end - self.seen[-1].publish <= MAX_GAP

    def observe(self, stored: Stored, now: int) -> bool:
        """Note a stored price; return whether that changed anything."""
        if self.settled:
            return False
        if self.complete(stored.publish):
            self.settled = self.area(self.start + WINDOW) // WINDOW
            return True
        known = bool(self.seen) and stored.publish <= self.seen[-1].publish
        early = stored.publish < self.expiry - WINDOW - MAX_GAP
        if known or early or not stored.trusted or now - stored.publish > MAX_LAG:
            return False
        self.seen.append(stored)
        if self.count >= MIN_COUNT and stored.publish >= self.start + WINDOW:
            self.settled = self.area(stored.publish) // (stored.publish - self.start)
        return True

    def settle_dead(self, stored: Stored, now: int) -> None:
        """Settle after a day of which the last hour brought no price."""
        require(not self.settled, "expiries: settled")
        dead = now >= self.expiry + DAY and now > stored.publish + HOUR
        require(dead, "expiries: not dead")
        if self.complete(now):
            self.settled = self.area(self.start + WINDOW) // WINDOW
        else:
            self.settled = stored.price
