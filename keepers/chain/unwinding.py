"""Commits the orders that close what a liquidator has taken over."""

from __future__ import annotations

from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment
from keepers.chain.reading import Reader
from keepers.chain.transactions import Draft
from keepers.domain.margin import Snapshot
from keepers.domain.unwind import closings
from keepers.domain.words import Account

GAS = 250_000


class Unwinder:
    """Remembers which legs have an order; the chain would refuse a second one only by its salt."""

    def __init__(self, reader: Reader, deployment: Deployment) -> None:
        """Close against the pool."""
        self._reader = reader
        self._venue = deployment.address("LiquidityPool")
        self._orders = deployment.address("Orders")
        self._waiting: dict[int, int] = {}
        self._reserve = 0

    async def load(self) -> None:
        """Read what an executor must be paid."""
        (self._reserve,) = await self._reader.one("Orders", "MIN_RESERVE")

    def drafts(self, account: Account, at: Snapshot) -> list[Draft]:
        """Return the commitments to send now, each noted as waiting until its deadline."""
        made = []
        for closing in closings(account, at, self._waiting):
            order = (
                closing.account,
                self._venue,
                closing.instrument,
                closing.size,
                closing.limit_price,
                closing.deadline,
                True,
                self._reserve,
                at.now,
            )
            data = interface("Orders").encode("commit", order)
            key = f"unwind {closing.instrument:#x}"
            made.append(Draft(key, self._orders, data, GAS, self._reserve))
            self._waiting[closing.instrument] = closing.deadline
        return made
