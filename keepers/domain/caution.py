"""When not to trust one's own mirror: after failures, the chain is asked first again."""

from __future__ import annotations

from collections import deque
from typing import Final

FAILURES: Final = 3
WITHIN: Final = 50  # blocks


class Caution:
    """Counts transactions that were sent on the mirror's word alone and failed."""

    def __init__(self) -> None:
        """Start trusting."""
        self._failed: deque[int] = deque(maxlen=FAILURES)

    def failed(self, block: int) -> None:
        """Note a failure."""
        self._failed.append(block)

    def trusts(self, block: int) -> bool:
        """Return whether fewer than three have failed within the last fifty blocks."""
        return len(self._failed) < FAILURES or block - self._failed[0] > WITHIN
