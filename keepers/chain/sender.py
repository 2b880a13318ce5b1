"""One key's transactions: nonces, fees, replacement, receipts, gas; survives reorgs and drops.

A transaction is "in flight" from the moment a node takes it until it is `confirmations` deep. What
a reorg or a full pool drops is handed back to the bot, which looks at the chain again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from keepers.chain.rpc import Head, Rpc, number
from keepers.chain.signer import Signer
from keepers.chain.transactions import Draft, Signed, bumped, fees_for, sign
from keepers.errors import ChainError, KeeperError, NodeRefused
from keepers.store.ledger import DROPPED, FAILED, INCLUDED, Store
from keepers.web.metrics import Metrics

log = structlog.get_logger()

KNOWN = ("already known", "already imported", "known transaction")
LOW_NONCE = ("nonce too low", "nonce is too low")
NO_MONEY = ("insufficient funds", "insufficient balance")


@dataclass(frozen=True, slots=True)
class Policy:
    """How much a key may pay and how long it waits."""

    tip: int  # wei
    fee_cap: int  # wei
    stuck_s: float
    confirmations: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a transaction ended for now; a reorg may undo an inclusion."""

    state: str
    hash: str
    block: int = 0
    block_hash: str = ""
    gas_used: int = 0
    gas_wei: int = 0


@dataclass(slots=True)
class Flight:
    """A transaction on its way, with every version sent under its nonce."""

    draft: Draft
    nonce: int
    versions: list[Signed]
    sent_at: float
    outcome: asyncio.Future[Outcome]
    included: Outcome | None = None
    handed: float = 0.0  # perf_counter when the first version was signed
    acknowledged: float = 0.0  # perf_counter when a node took it


@dataclass(slots=True)
class Sender:
    """Sends for one key; `tend` is called once per head, outside the subscription."""

    rpc: Rpc
    signer: Signer
    chain_id: int
    policy: Policy
    store: Store
    metrics: Metrics
    clock: Callable[[], float] = time.monotonic
    next_nonce: int = 0
    base_fee: int = 0
    flights: dict[int, Flight] = field(default_factory=dict)
    _unsaved: list[tuple[str, str, int]] = field(default_factory=list)
    _earlier: list[tuple[str, int]] = field(default_factory=list)  # hash and nonce, of another run
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Read nonce and base fee; settle what an earlier run left in flight."""
        head = await self.rpc.head()
        self.base_fee = head.base_fee
        self.next_nonce = await self.rpc.nonce(self.signer.address)
        own = {signed.hash for flight in self.flights.values() for signed in flight.versions}
        pending = self.store.pending()
        self._earlier = [(hash_, nonce) for hash_, _, nonce in pending if hash_ not in own]
        await self._settle()

    async def _settle(self) -> None:
        """Settle what an earlier run left in flight; it may land as long as its nonce is unused."""
        if not self._earlier:
            return
        used = await self.rpc.nonce(self.signer.address, "latest")
        left = []
        for hash_, nonce in self._earlier:
            receipt = await self.rpc.receipt(hash_)
            if receipt is not None:
                self._book(outcome_of(receipt))
            elif nonce < used:
                self._book(Outcome(DROPPED, hash_))
            else:
                left.append((hash_, nonce))
        self._earlier = left

    def on_head(self, head: Head) -> None:
        """Take the base fee of the newest block."""
        self.base_fee = head.base_fee

    def busy(self, key: str) -> bool:
        """Return whether a transaction that does this is on its way."""
        return any(
            flight.draft.key == key and flight.included is None for flight in self.flights.values()
        )

    def gas_price(self) -> int:
        """Return what a unit of gas costs right now, in wei."""
        return self.base_fee + self.policy.tip

    async def send(self, draft: Draft) -> Flight:
        """Sign with the next nonce and return when a node has taken it, or has not answered.

        What got no answer may have been taken: it keeps its nonce, and `tend` finds out.
        """
        async with self._lock:
            if self.busy(draft.key):
                raise KeeperError(f"{draft.key} is already on its way")
            fees = fees_for(self.base_fee, self.policy.tip, self.policy.fee_cap)
            if fees.max_fee < self.base_fee:
                raise KeeperError(
                    f"gas costs {self.base_fee} wei, more than the cap", "raise --fee-cap-gwei"
                )
            signed = sign(draft, self.next_nonce, fees, self.chain_id, self.signer)
            handed = time.perf_counter()
            await self._hand_over(signed)
            future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            flight = Flight(draft, self.next_nonce, [signed], self.clock(), future)
            flight.handed, flight.acknowledged = handed, time.perf_counter()
            self.flights[self.next_nonce] = flight
            self.next_nonce += 1
        self.metrics.sent.labels(draft.key.split(" ", 1)[0]).inc()
        self._unsaved.append((signed.hash, draft.key, signed.nonce))
        return flight

    def save(self) -> None:
        """Write what was sent to the store; not while something waits to be sent."""
        for hash_, key, nonce in self._unsaved:
            self.store.sent(hash_, key, nonce)
        self._unsaved.clear()

    async def _hand_over(self, signed: Signed) -> None:
        try:
            await self.rpc.send_raw(signed.raw)
        except NodeRefused as error:
            text = error.message.lower()
            if any(each in text for each in KNOWN):
                return
            if any(each in text for each in LOW_NONCE):
                self.next_nonce = await self.rpc.nonce(self.signer.address)
            if any(each in text for each in NO_MONEY):
                raise KeeperError(
                    f"{self.signer.address} cannot pay for gas", "send it native coin"
                ) from error
            raise
        except ChainError as error:
            log.warning("no answer to a transaction", tx=signed.hash, error=str(error))

    async def tend(self, head: Head) -> bool:
        """Look after everything in flight: receipts, reorgs, drops, replacements.

        Returns:
            whether something landed, left the chain or was dropped.
        """
        self.on_head(head)
        self.save()
        await self._settle()
        if not self.flights:
            return False
        before = [flight for flight in self.flights.values() if flight.included is None]
        flights = sorted(self.flights.values(), key=lambda each: each.nonce)
        found = await self._receipts(flights)
        lost = False
        for flight in flights:
            outcome = found.get(flight.nonce)
            if outcome is not None:
                self._land(flight, outcome, head)
            elif flight.included is not None:
                log.warning("transaction left the chain", key=flight.draft.key)
                flight.included, lost = None, True
        waiting = [each for each in flights if each.included is None]
        late = [each for each in waiting if self.clock() - each.sent_at > self.policy.stuck_s]
        if lost or late:
            await self._resync(waiting, head)
        for flight in late:
            if flight.nonce in self.flights and flight.included is None:
                await self._replace(flight)
        return lost or any(flight.outcome.done() for flight in before)

    async def _receipts(self, flights: list[Flight]) -> dict[int, Outcome]:
        """Return the outcome by nonce, whichever version was included."""
        asked = [(flight.nonce, signed.hash) for flight in flights for signed in flight.versions]
        answers = await self.rpc.batch(
            [("eth_getTransactionReceipt", (hash_,)) for _, hash_ in asked]
        )
        return {
            nonce: outcome_of(answer)
            for (nonce, _), answer in zip(asked, answers, strict=True)
            if isinstance(answer, dict)
        }

    def _land(self, flight: Flight, outcome: Outcome, head: Head) -> None:
        if flight.included is None or flight.included.block_hash != outcome.block_hash:
            flight.included = outcome
            self._book(outcome)
        if not flight.outcome.done():
            flight.outcome.set_result(outcome)
        if head.number - outcome.block >= self.policy.confirmations:
            del self.flights[flight.nonce]

    def _book(self, outcome: Outcome) -> None:
        self.metrics.outcome.labels(outcome.state).inc()
        self.metrics.gas_wei.inc(outcome.gas_wei)
        self.store.resolved(
            outcome.hash, outcome.state, outcome.block, outcome.gas_used, outcome.gas_wei
        )

    async def _resync(self, waiting: list[Flight], head: Head) -> None:
        """Give up what neither the chain nor the pool knows any more."""
        async with self._lock:
            pending = await self.rpc.nonce(self.signer.address, "pending")
            latest = await self.rpc.nonce(self.signer.address, "latest")
            gone = [each for each in waiting if not latest <= each.nonce < pending]
            # A block may have come since the receipts were asked for.
            found = await self._receipts(gone)
            for flight in gone:
                if flight.nonce in found:
                    self._land(flight, found[flight.nonce], head)
                else:
                    self._drop(flight)
            self.next_nonce = max([pending, *(nonce + 1 for nonce in self.flights)])

    def _drop(self, flight: Flight) -> None:
        log.warning("transaction dropped", key=flight.draft.key, nonce=flight.nonce)
        del self.flights[flight.nonce]
        hash_ = flight.versions[-1].hash
        self._book(Outcome(DROPPED, hash_))
        if not flight.outcome.done():
            flight.outcome.set_result(Outcome(DROPPED, hash_))

    async def _replace(self, flight: Flight) -> None:
        """Send the same nonce again with at least 10 % more of both fees."""
        fresh = fees_for(self.base_fee, self.policy.tip, self.policy.fee_cap)
        fees = bumped(flight.versions[-1].fees, fresh)
        if fees.max_fee > self.policy.fee_cap:
            log.warning("transaction stuck at the fee cap", key=flight.draft.key)
            return
        signed = sign(flight.draft, flight.nonce, fees, self.chain_id, self.signer)
        try:
            await self._hand_over(signed)
        except ChainError as error:
            log.warning("replacement refused", key=flight.draft.key, error=str(error))
            return
        flight.versions.append(signed)
        flight.sent_at = self.clock()
        self.metrics.replaced.inc()
        self.store.sent(signed.hash, flight.draft.key, signed.nonce)


def outcome_of(raw: Mapping[str, Any]) -> Outcome:
    """Read a receipt."""
    used = number(raw.get("gasUsed"))
    return Outcome(
        state=INCLUDED if number(raw.get("status")) == 1 else FAILED,
        hash=str(raw.get("transactionHash")),
        block=number(raw.get("blockNumber")),
        block_hash=str(raw.get("blockHash")),
        gas_used=used,
        gas_wei=used * number(raw.get("effectiveGasPrice")),
    )
