"""Who signs a user's transactions: a key of one's own, or whatever else can send a draft."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Protocol, runtime_checkable

from keepers.chain.rpc import Rpc
from keepers.chain.sender import Outcome, Policy, Sender
from keepers.chain.signer import Signer
from keepers.chain.simulate import estimate, said, why
from keepers.chain.transactions import Draft
from keepers.errors import KeeperError, NodeRefused
from keepers.settings import ClientSettings
from keepers.store.ledger import DROPPED, FAILED, Store
from keepers.web.metrics import Metrics

GAS_PERCENT: Final = 125  # of the estimate: prices and positions move until the block


class Wallet(Protocol):
    """Sends transactions of one address, one after the other."""

    @property
    def address(self) -> str:
        """Return the address that sends."""

    async def send(self, draft: Draft) -> Outcome:
        """Send and return when a block holds it; raise the contract's reason if it failed."""

    async def close(self) -> None:
        """Let go of whatever is held."""


@runtime_checkable
class TypedSigner(Wallet, Protocol):
    """A wallet that signs what it can read, and no bare digest."""

    def sign_typed(self, data: Mapping[str, Any]) -> bytes:
        """Return r, s and v of a signature of EIP-712 data, as eth_signTypedData_v4 takes it."""


class KeyWallet:
    """A key through the keepers' own sender: fees, replacement, drops."""

    def __init__(self, rpc: Rpc, signer: Signer, chain_id: int, settings: ClientSettings) -> None:
        """Sign for one chain within the settings' limits."""
        self.rpc = rpc
        self.address = signer.address
        self._signer = signer
        self.patience_s = settings.patience_s
        self.poll_s = settings.poll_s
        # Not the settings' store: that is the book of a keeper, which may be running.
        self._store = Store()
        # A user waits for each transaction: nothing is watched beyond its first block.
        policy = Policy(settings.tip, settings.fee_cap, settings.stuck_s, confirmations=0)
        self._sender = Sender(rpc, signer, chain_id, policy, self._store, Metrics())

    def sign(self, digest: bytes) -> bytes:
        """Return r, s and v of a signature of 32 bytes."""
        r, s, parity = self._signer.sign(digest)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((27 + parity,))

    async def send(self, draft: Draft) -> Outcome:
        """Estimate, sign, send, and wait for a block."""
        gas = await estimate(self.rpc, draft, self.address)
        # A user waits between two transactions, so the nonce may have been used elsewhere.
        await self._sender.start()
        try:
            flight = await self._sender.send(replace(draft, gas=gas * GAS_PERCENT // 100))
        except NodeRefused as error:
            raise said(error, self.address) from error
        try:
            async with asyncio.timeout(self.patience_s):
                while not flight.outcome.done():
                    await self._sender.tend(await self.rpc.head())
                    if not flight.outcome.done():
                        await asyncio.sleep(self.poll_s)
        except TimeoutError as error:
            raise KeeperError(
                f"{draft.key} is in no block after {self.patience_s:g} s "
                f"(transaction {flight.versions[-1].hash})",
                "look it up before you send it again, or raise --tip-gwei and --fee-cap-gwei",
            ) from error
        outcome = flight.outcome.result()
        if outcome.state == FAILED:
            raise await why(self.rpc, draft, self.address, outcome.block)
        if outcome.state == DROPPED:
            raise KeeperError(f"the node dropped {draft.key} before a block held it", "try again")
        return outcome

    async def close(self) -> None:
        """Write what was sent to the store."""
        self._sender.save()
        self._store.close()
