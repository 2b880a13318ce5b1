"""How long an auction may run before its account counts as missed.

A flag answers a breach where nobody may reduce: from then on the reward of a take grows out of
nothing, and until it covers what the legs cost to close, no keeper is late by leaving it alone. At
half of MM it does, since closing a leg with the pool costs no more (docs/spec/pool.md, listing).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from keepers.domain.scan import Candidate
from keepers.lab.records import MISSED_BLOCKS, Breach

LATE_S: Final = 300  # after which the reward is half of MM (R13)


@dataclass(slots=True)
class Auction:
    """One account in auction, since when, and how often somebody could have acted too late."""

    began: int
    breach: Breach | None  # None: it was in auction before anybody measured
    seen_time: int = 0
    late_blocks: int = 0


class Auctions:
    """The auctions that are open, and for how long they were at the longest."""

    def __init__(self) -> None:
        """Know of none."""
        self.open: dict[int, Auction] = {}
        self.longest_s = 0

    def begin(self, account: int, now: int, breach: Breach | None = None) -> None:
        """Note that an account is in auction, unless it is already."""
        self.open.setdefault(account, Auction(now, breach))

    def acted(self, account: int, now: int, block: int, wall_ms: float) -> None:
        """Note that somebody reduced or took: whoever goes on has time again."""
        auction = self.open.get(account)
        if auction is None:
            return
        if auction.breach is not None:
            auction.breach.liquidated(block, wall_ms)
        auction.began, auction.late_blocks = now, 0

    def follow(self, under: Mapping[int, Candidate], now: int) -> list[tuple[int, Auction]]:
        """Bring them to a block; whose auction just became one block too many too old.

        Args:
            under: who is under maintenance, by account.
            now: the time of the block.
        """
        missed = []
        for account, auction in list(self.open.items()):
            if account not in under:
                del self.open[account]
                continue
            lasted = now - auction.began
            self.longest_s = max(self.longest_s, lasted)
            late = lasted > LATE_S and under[account].health.open and now > auction.seen_time
            auction.seen_time = now
            auction.late_blocks += late
            if late and auction.late_blocks == MISSED_BLOCKS + 1:
                missed.append((account, auction))
        return missed

    def late(self) -> set[int]:
        """Return whose auctions pay whoever ends them."""
        return {account for account, auction in self.open.items() if auction.late_blocks}
