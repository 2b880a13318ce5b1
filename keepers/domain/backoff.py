"""Who lost a race stays away for a while, twice as long each time."""

from __future__ import annotations

from typing import Final

# Blocks. A plan holds for about six of 2 s, and an account that another keeper has only helped on
# its way is due again: who stays away longer leaves its loss to grow.
LONGEST: Final = 4


class Backoff:
    """Counts failures by subject; plain block numbers, no clock."""

    def __init__(self, blocks: int) -> None:
        """Stay away for this many blocks after the first failure."""
        self._blocks = blocks
        self._failures: dict[int, int] = {}
        self._until: dict[int, int] = {}

    def failed(self, subject: int, block: int) -> None:
        """Note a failure at a block."""
        failures = self._failures.get(subject, 0)
        self._failures[subject] = failures + 1
        self._until[subject] = block + min(LONGEST, self._blocks << failures)

    def worked(self, subject: int) -> None:
        """Forget the failures of a subject."""
        self._failures.pop(subject, None)
        self._until.pop(subject, None)

    def allows(self, subject: int, block: int) -> bool:
        """Return whether the subject may be tried at a block."""
        return block >= self._until.get(subject, 0)
