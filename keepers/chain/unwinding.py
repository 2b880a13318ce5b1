"""Brings a liquidator's account back to flat: orders that close legs, withdrawals of collateral."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Offer:
    """A transaction, the leg or collateral that it is about, and until when it may work."""

    draft: Draft
    subject: int
    until: int


class Unwinder:
    """Remembers which legs have an order; the chain would refuse a second one only by its salt."""

    def __init__(self, reader: Reader, deployment: Deployment, settings: LiquidateSettings) -> None:
        """Close against the pool, within the settings' slippage and headroom."""
        self._slip = share(settings.max_slippage_percent)
        self._headroom = share(settings.headroom_percent)
        self._house = deployment.address("Clearinghouse")
        self._deployed = deployment
        self._reader = reader
        self._venue = deployment.address("LiquidityPool")
        self._orders = deployment.address("Orders")
        # leg or collateral -> until when nothing more is sent for it; their ids never meet
        self._waiting: dict[int, int] = {}
        self._reserve = 0

    async def load(self) -> None:
        """Read what an executor must be paid; what was sent may have left the chain: offer anew."""
        self._waiting.clear()
        (self._reserve,) = await self._reader.one("Orders", "MIN_RESERVE")

    def withdrawals(
        self, account: Account, taken: Mapping[int, int], at: Snapshot, owner: str
    ) -> list[Offer]:
        """Return what sends taken collateral to the owner, one at a time, where margin allows.

        Args:
            account: the keeper's own.
            taken: atoms by collateral that liquidations brought.
            at: prices now.
            owner: the key's address.
        """
        for collateral, amount in taken.items():
            if self._waiting.get(collateral, 0) >= at.now:
                continue
            token = self._deployed.token_by_id(collateral)
            if token is None or not spare(account, collateral, amount, at, self._headroom):
                continue
            arguments = (account.id, token.address, amount, owner)
            data = interface("Clearinghouse").encode("withdraw", *arguments)
            draft = Draft(f"withdraw {token.symbol}", self._house, data, GAS_WITHDRAW)
            return [Offer(draft, collateral, at.now + LIFETIME_S)]
        return []

    def closing(self, account: Account, at: Snapshot, pool: Pool | None) -> list[Offer]:
        """Return the commitments to send now."""
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
            draft = Draft(key, self._orders, data, GAS, self._reserve)
            made.append(Offer(draft, closing.instrument, closing.deadline))
        return made

    def sent(self, offer: Offer) -> None:
        """Note that nothing more is to be sent for this leg or collateral for a while."""
        self._waiting[offer.subject] = offer.until
