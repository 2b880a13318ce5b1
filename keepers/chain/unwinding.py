"""Brings a liquidator's account back to flat: orders that close legs, withdrawals of collateral."""

from __future__ import annotations

from collections.abc import Mapping

from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment
from keepers.chain.reading import Reader
from keepers.chain.transactions import Draft
from keepers.domain.margin import Snapshot
from keepers.domain.planning import Pool
from keepers.domain.unwind import LIFETIME_S, closings, spare
from keepers.domain.words import Account
from keepers.settings import LiquidateSettings, share

GAS = 250_000
GAS_WITHDRAW = 400_000


class Unwinder:
    """Remembers which legs have an order; the chain would refuse a second one only by its salt."""

    def __init__(self, reader: Reader, deployment: Deployment, settings: LiquidateSettings) -> None:
        """Close against the pool, within the settings' slippage and headroom."""
        self._slip = share(settings.max_slippage_percent)
        self._headroom = share(settings.headroom_percent)
        self._leaving: dict[int, int] = {}  # collateral -> when a withdrawal may be tried again
        self._house = deployment.address("Clearinghouse")
        self._deployed = deployment
        self._reader = reader
        self._venue = deployment.address("LiquidityPool")
        self._orders = deployment.address("Orders")
        self._waiting: dict[int, int] = {}
        self._reserve = 0

    async def load(self) -> None:
        """Read what an executor must be paid."""
        (self._reserve,) = await self._reader.one("Orders", "MIN_RESERVE")

    def withdrawals(
        self, account: Account, taken: Mapping[int, int], at: Snapshot, owner: str
    ) -> list[Draft]:
        """Return what sends taken collateral to the owner, one at a time, where margin allows.

        Args:
            account: the keeper's own.
            taken: atoms by collateral that liquidations brought.
            at: prices now.
            owner: the key's address.
        """
        for collateral, amount in taken.items():
            if self._leaving.get(collateral, 0) >= at.now:
                continue
            token = self._deployed.token_by_id(collateral)
            if token is None or not spare(account, collateral, amount, at, self._headroom):
                continue
            self._leaving[collateral] = at.now + LIFETIME_S
            arguments = (account.id, token.address, amount, owner)
            data = interface("Clearinghouse").encode("withdraw", *arguments)
            return [Draft(f"withdraw {token.symbol}", self._house, data, GAS_WITHDRAW)]
        return []

    def drafts(self, account: Account, at: Snapshot, pool: Pool | None) -> list[Draft]:
        """Return the commitments to send now, each noted as waiting until its deadline."""
        made = []
        for closing in closings(account, at, self._waiting, self._slip, pool):
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
