"""The publishers' reports, for a bot that may have to bring a price with what it does."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keepers.bots.runtime import Runtime
from keepers.chain.rpc import Head, Log
from keepers.domain.economics import update_limit
from keepers.domain.margin import Market
from keepers.domain.reports import (
    SignedReport,
    domain_separator,
    encode_blob,
    publish_time,
    quorum,
)
from keepers.domain.words import CHECKED
from keepers.web import peers
from keepers.web.board import Board
from keepers.web.seats import follow_seats, load_seats


@dataclass(frozen=True, slots=True)
class Lead:
    """Reports of a quorum that an update would be taken with."""

    reports: Sequence[SignedReport]
    seats: tuple[str, ...]
    gas: int  # limit of the update

    @property
    def publish(self) -> int:
        """Return the time of their prices [unix s]."""
        return publish_time(self.reports)

    @property
    def feeds(self) -> set[int]:
        """Return the markets that they price."""
        return set(self.reports[0].report.feeds)

    @property
    def blob(self) -> bytes:
        """Return them as the contracts take them."""
        return encode_blob(self.reports, self.seats)


class Leads:
    """What the publishers at these addresses have signed."""

    def __init__(self, runtime: Runtime, followed: Sequence[str]) -> None:
        """Know nothing yet; without a publisher to follow there is never a quorum."""
        self._runtime = runtime
        self._followed = followed
        deployed = runtime.deployment
        separator = domain_separator(deployed.chain_id, deployed.address("Markets"))
        self.board = Board(separator, deployed.signers)

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """Return what follows the publishers, beside the bot's stream."""
        metrics = self._runtime.metrics
        return [peers.follow(each, self.board, metrics) for each in self._followed]

    async def load(self, head: Head) -> None:
        """Read who signs."""
        await load_seats(self.board, self._runtime.reader, head.number)

    def take(self, message: Log) -> None:
        """Follow who signs."""
        follow_seats(self.board, message)

    def newest(self, markets: Mapping[int, Market]) -> Lead | None:
        """Return the newest prices of a quorum; `markets` tell which have a cross-check."""
        chosen = quorum(self.board.reports())
        if chosen is None:
            return None
        feeds = chosen[0].report.feeds
        known = [markets[feed] for feed in feeds if feed in markets]
        checked = sum(bool(each.price.flags & CHECKED) for each in known)
        return Lead(chosen, self.board.seats, update_limit(len(feeds), checked))
