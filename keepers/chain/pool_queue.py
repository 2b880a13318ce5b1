"""The pool's queue as an executor sees it: requests that a price has made ready, or has passed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment
from keepers.chain.reading import Reader
from keepers.chain.rpc import Log, Rpc
from keepers.chain.transactions import Draft
from keepers.domain.units import WAD
from keepers.errors import Reverted

NEWEST: Final = 1_000  # requests looked through at the start
GAS: Final = 1_000_000  # of the dearest, with a pool of 16 legs
REST_S: Final = 3_600  # before a redemption that nothing can be paid of is timed again
PASSED: Final = "pool: price passed"
UNPAYABLE: Final = "pool: nothing payable"


@dataclass(frozen=True, slots=True)
class Queued:
    """An open request."""

    id: int
    time: int  # chain time of the request
    is_redemption: bool


class PoolQueue:
    """The open requests that are worth serving, and what to send for those that are due."""

    def __init__(self, rpc: Rpc, reader: Reader, deployment: Deployment, least: int) -> None:
        """Serve requests of `least` USD or shares and more."""
        self._rpc = rpc
        self._reader = reader
        self._pool = deployment.address("LiquidityPool")
        self.address = self._pool.lower()
        self._abi = interface("LiquidityPool")
        # of a share, of an atom of the settlement token
        self._least = {
            True: least * WAD,
            False: least * 10**deployment.settlement.decimals,
        }
        self._delays = {False: 0, True: 0}
        self._resting: dict[int, int] = {}  # until when a request is not timed again
        self.open: dict[int, Queued] = {}

    async def load(self, block: int) -> None:
        """Read the terms and the newest open requests."""
        names = ("DELAY", "COOLDOWN", "request_count")
        calls: list[tuple[str, str, tuple[Any, ...]]]
        calls = [("LiquidityPool", name, ()) for name in names]
        (delay,), (cooldown,), (count,) = await self._reader.many(calls, block)
        self._delays = {False: int(delay), True: int(cooldown)}
        ids = range(max(1, int(count) - NEWEST + 1), int(count) + 1)
        calls = [("LiquidityPool", "request", (each,)) for each in ids]
        answers = await self._reader.many(calls, block) if calls else []
        self.open.clear()
        for id_, (_, time, amount, is_redemption) in zip(ids, answers, strict=True):
            if time:
                self._add(id_, int(time), int(amount), bool(is_redemption))

    def _add(self, id_: int, time: int, amount: int, is_redemption: bool) -> None:
        if amount >= self._least[is_redemption]:
            self.open[id_] = Queued(id_, time, is_redemption)

    def take(self, message: Log) -> None:
        """Follow the pool's events."""
        event = self._abi.topics.get(message.topics[0])
        if event is None:
            return
        said = event.decode(message.topics, message.data)
        if event.name == "DepositRequested":
            self._add(said["request_id"], said["time"], said["assets"], False)
        elif event.name == "RedeemRequested":
            self._add(said["request_id"], said["time"], said["shares"], True)
        elif event.name == "RequestRetimed" and said["request_id"] in self.open:
            id_ = said["request_id"]
            self.open[id_] = replace(self.open[id_], time=said["time"])
        elif event.name == "RequestExecuted" and not said["remaining"]:
            self.open.pop(said["request_id"], None)
            self._resting.pop(said["request_id"], None)

    def due(self, publish: int) -> list[Queued]:
        """Return the requests whose first price is stored, or has passed.

        Args:
            publish: time of the stored price of market 1.
        """
        return [
            each
            for each in self.open.values()
            if each.time + self._delays[each.is_redemption] <= publish
        ]

    async def draft(self, each: Queued, now: int, sender: str) -> tuple[Draft | None, str]:
        """Return what serves a request now, or why nothing does.

        It is executed, or timed again where its price has passed; a redemption that nothing can be
        paid of is not timed again for an hour, since the next price would not pay it either.
        """
        name = "execute_redeem" if each.is_redemption else "execute_deposit"
        made, reason = await self._tried(name, each.id, sender)
        if made is None and reason == PASSED and now >= self._resting.get(each.id, 0):
            return await self._tried("retime", each.id, sender)
        if reason == UNPAYABLE:
            self._resting[each.id] = now + REST_S
        return made, reason

    async def _tried(self, name: str, id_: int, sender: str) -> tuple[Draft | None, str]:
        data = self._abi.encode(name, id_)
        (answer,) = await self._rpc.calls([(self._pool, data)], sender=sender)
        if isinstance(answer, Exception):
            return None, answer.reason if isinstance(answer, Reverted) else "node"
        return Draft(f"{name} {id_}", self._pool, data, GAS), ""
