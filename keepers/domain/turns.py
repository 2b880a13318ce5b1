"""Whose turn it is among keepers that never speak to each other.

Who acts is seen on the chain. Among those seen lately each subject has an order that nobody chose:
by a hash of keeper and subject. The first acts at once; each place behind waits a moment, looks at
what waits to be mined, and acts if nobody has: in the same block, so that nothing is later for a
keeper that has died. Who let its turn pass, and has acted on nothing since it came, is forgotten
until it is seen again.

Before anything has been seen nobody has a turn: who does not mind waiting for a block begins with a
few subjects, in an order of its own, and knows after some blocks whether it is alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Final, TypeVar

MEMORY: Final = 1_000  # blocks after which who has not acted is forgotten
MOST_PLACES: Final = 3  # nobody waits longer than this many
FIRST: Final = 8  # subjects of a block to begin with
BEGINNING: Final = 3  # blocks with somebody acting in them

T = TypeVar("T")


class Turns:
    """The keepers seen to act, and their order for a subject."""

    def __init__(self, own: str) -> None:
        """Know nobody but oneself."""
        self._own = own.lower()
        self._seen: dict[str, int] = {}
        self._block = 0
        self._blocks = 0  # in which anybody acted
        self._began = -1  # the last block in which one began with a few
        # subject -> since when one would act on it, and in which block
        self._due: dict[int, tuple[float, int]] = {}

    def acted(self, keeper: str, block: int) -> None:
        """Note who acted in a block."""
        self._blocks += block > self._block
        self._block = max(self._block, block)
        if keeper.lower() != self._own:
            self._seen[keeper.lower()] = block

    def passed(self, subject: int) -> None:
        """Forget those who were to act on this subject first and have not acted at all since."""
        _, block = self._due.get(subject, (0.0, 0))
        for each in self._ahead(subject):
            if self._seen[each] < block:
                del self._seen[each]

    def place(self, subject: int) -> int:
        """Return how many are to act on this subject first."""
        return min(MOST_PLACES, len(self._ahead(subject)))

    def ready(
        self,
        subjects: Iterable[int],
        now: float,
        stagger: float,
        block: int,
        most: int | None = None,
    ) -> tuple[set[int], float | None]:
        """Return on which of these to act now, and when the next one is due.

        Args:
            subjects: everything that one would act on; what is left out is forgotten.
            now: a clock that only goes forward [s].
            stagger: what each place behind waits [s].
            block: the latest one.
            most: how many out of turn at once.
        """
        found: set[int] = set()
        late: dict[int, tuple[float, int]] = {}
        times: list[float] = []
        for subject in subjects:
            since, first = self._due.get(subject, (now, block))
            due = since + self.place(subject) * stagger
            full = most is not None and len(found & late.keys()) >= most
            if due > since:
                late[subject] = since, first
            if due > now or (due > since and full):
                times.append(due if due > now else now + stagger)
            else:
                found.add(subject)
        self._due = late
        return found, min(times, default=None)

    def begun(self, items: Iterable[T], subject: Callable[[T], int], block: int) -> list[T]:
        """Return what to act on now: everything, a few as long as hardly anybody was seen."""
        chosen = list(items)
        if self._blocks >= BEGINNING:
            return chosen
        if not chosen or block == self._began:
            return []
        self._began = block
        return sorted(chosen, key=lambda each: _rank(self._own, subject(each)))[:FIRST]

    def _lately(self) -> list[str]:
        return [each for each, block in self._seen.items() if self._block - block <= MEMORY]

    def _ahead(self, subject: int) -> list[str]:
        mine = _rank(self._own, subject)
        return [each for each in self._lately() if _rank(each, subject) < mine]


def _rank(keeper: str, subject: int) -> bytes:
    return blake2b(f"{keeper} {subject:x}".encode(), digest_size=16).digest()
