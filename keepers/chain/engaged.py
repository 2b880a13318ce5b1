"""Accounts with options: what the contracts themselves say of their health, asked when it moved.

A price moves an option by no formula that a mirror of perpetuals has, so nothing is computed here:
each accepted price and each stored surface has every such account asked about, in pages.
Between them only those that were under maintenance are asked again, since time moves little.
"""

from __future__ import annotations

import structlog

from keepers.chain.mirror import Mirror
from keepers.chain.reading import Reader
from keepers.domain.margin import Health
from keepers.domain.scan import Candidate
from keepers.web.metrics import Metrics

log = structlog.get_logger()


class Engaged:
    """The last answer about every account of a mirror that the engine answers for."""

    def __init__(self, reader: Reader, mirror: Mirror, metrics: Metrics) -> None:
        """Know nothing yet."""
        self._reader = reader
        self._mirror = mirror
        self._metrics = metrics
        self._silent: set[int] = set()  # whose health nobody can tell, said once
        self.health: dict[int, Health] = {}

    async def look(self) -> list[Candidate]:
        """Ask about all after anything has moved, else about those under maintenance."""
        book = self._mirror.book
        moved, self._mirror.moved = self._mirror.moved, False
        self._metrics.engaged.set(len(book.engaged))
        if moved:
            self.health = {id_: told for id_, told in self.health.items() if id_ in book.engaged}
        asked = book.engaged if moved else {each.account.id for each in self.under()}
        if asked:
            try:
                self._take(await self._reader.healths(sorted(asked)))
            except BaseException:
                self._mirror.moved |= moved
                raise
        return self.under()

    def under(self) -> list[Candidate]:
        """Return who was under maintenance when last asked, the largest shortfall first."""
        book = self._mirror.book
        found = [
            Candidate(book.accounts[id_], told)
            for id_, told in self.health.items()
            if told.under_mm and id_ in book.engaged
        ]
        return sorted(found, key=lambda each: -each.shortfall)

    def _take(self, answers: dict[int, Health | None]) -> None:
        for id_, told in answers.items():
            if told is not None:
                self.health[id_] = told
                self._silent.discard(id_)
            elif self.health.pop(id_, None) is not None or id_ not in self._silent:
                self._metrics.failures.labels("engine").inc()
                self._silent.add(id_)
                log.warning("the engine does not answer", account=hex(id_))
