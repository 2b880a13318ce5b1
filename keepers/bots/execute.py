"""The executor: committed orders at the first price that may fill them, for their reserve.

Where the trade is refused there the order is over, and the reserve is earned all the same. Requests
to the pool are served beside them, for nothing: else their owners could choose a price.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any

import structlog

from keepers.bots.leads import Leads
from keepers.bots.runtime import Bot, Runtime
from keepers.chain.abi import interface
from keepers.chain.mirror import Mirror
from keepers.chain.pool_queue import PoolQueue
from keepers.chain.rpc import Head, Log
from keepers.chain.stream import Rewound
from keepers.chain.transactions import Draft
from keepers.domain import orders
from keepers.domain.backoff import Backoff
from keepers.domain.economics import GAS_EXECUTE, GAS_REFUND, GAS_UPDATE
from keepers.domain.orders import Fate, Order, fate, led, ranked
from keepers.domain.times import when
from keepers.domain.turns import FIRST, Turns
from keepers.errors import Reverted
from keepers.settings import ExecuteSettings, usd
from keepers.store.ledger import FAILED

log = structlog.get_logger()

NOT_TRUSTED = "trading: price not trusted"
STRUCT_END = 4 + 9 * 32  # of an order's fields in the calldata of what closes it
HISTORY = 50_000  # blocks: an order lives for a day at most
FIRST_MARKET = 1  # whose price every request to the pool waits for
PAID = ("Executed", "Refused")  # who made these has the reserve


class Execute(Bot):
    """Fills or ends what a price decides, refunds what none can, serves the pool's queue."""

    name = "execute"

    def __init__(self, runtime: Runtime, settings: ExecuteSettings) -> None:
        """Watch orders and prices."""
        super().__init__(runtime, "Orders", "Markets", "RiskConfigurator", "LiquidityPool")
        self.settings = settings
        self.mirror = Mirror(runtime.reader, runtime.deployment)
        self.orders: dict[bytes, Order] = {}
        self.calldata: dict[bytes, bytes] = {}  # execute without reports, ready to send
        self.delay = 0
        self.backoff = Backoff(1)
        self.turns = Turns(runtime.signer.address)
        self.queue = PoolQueue(runtime.rpc, runtime.reader, runtime.deployment, settings.serve_from)
        self.shifts = Turns(runtime.signer.address)  # at the queue
        self.flights: list[tuple[Any, bytes]] = []
        self.died: list[tuple[bytes, Order | None, str]] = []  # at our hand, not told yet
        self.address = runtime.deployment.address("Orders")
        self._abi = interface("Orders")
        self.leads = Leads(runtime, settings.peers)

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """Follow the publishers whose reports may lead an execution."""
        return self.leads.tasks()

    async def load(self, head: Head) -> None:
        """Read prices, and the open orders out of the last day's events."""
        reader = self.runtime.reader
        (self.delay,) = await reader.one("Orders", "commit_delay", block=head.number)
        self.mirror.terms = await reader.terms(head.number)
        self.mirror.markets = {each.id: each for each in await reader.markets(head.number)}
        self.mirror.on_head(head)
        await self.leads.load(head)
        await self.queue.load(head.number)
        self.orders.clear()
        self.calldata.clear()
        first = max(self.runtime.deployment.block, head.number - HISTORY)
        for found in await self.runtime.rpc.logs([self.address], first, head.number):
            self._order_event(found)

    def take(self, message: Log | Rewound | Head) -> None:
        """Keep orders and prices; wake for both."""
        if isinstance(message, Rewound):
            self.runtime.store.rewind(message.block)
            self.reload = True
        elif isinstance(message, Head):
            self.mirror.on_head(message)
            self.wake.set()
        elif message.address == self.address.lower():
            self._order_event(message)
        elif message.address == self.queue.address:
            self.queue.take(message)
        else:
            self.leads.take(message)
            if self.mirror.on_log(message):
                self.seen_at = time.perf_counter()
                self.wake.set()

    def _order_event(self, message: Log) -> None:
        event = self._abi.topics.get(message.topics[0])
        if event is None:
            return
        said = event.decode(message.topics, message.data)
        if event.name == "Committed":
            order = orders.from_event(said)
            self.orders[order.id] = order
            self.calldata[order.id] = self._abi.encode("execute", order.struct)
            return
        closed = self.orders.pop(bytes(said["order_id"]), None)
        self.calldata.pop(bytes(said["order_id"]), None)
        mine = event.name in PAID and said["executor"].lower() == self._own
        if event.name in PAID:
            self.turns.acted(said["executor"], message.block)
            self.shifts.acted(said["executor"], message.block)
        if event.name == "Refused" and mine:
            # a pause may be the reason, of which the mirror has not read yet
            self.died.append((bytes(said["order_id"]), closed, said["reason"]))
            self.wake.set()
        if closed is not None and mine:
            paid = self.runtime.gas_market(self._native()).value(closed.reserve)
            place = (message.tx, message.index, event.name, closed.account, message.block)
            if self.runtime.store.earned(*place, paid):
                self.runtime.metrics.income_usd.inc(paid / 10**18)

    @property
    def _own(self) -> str:
        return self.runtime.signer.address.lower()

    async def work(self) -> None:
        """Execute, refund, or lead an execution with reports of one's own."""
        await self.settle_doubt()
        self._learn()
        drafts = self._drafts()
        if drafts:
            await self._send(drafts)
        await self._serve()
        await self.mirror.refresh_markets()
        while self.died:
            self._say_why(*self.died.pop(0))

    def _drafts(self) -> list[tuple[Order, Draft]]:
        """Return what is worth sending now."""
        number = self.head.number if self.head else 0
        made = []
        for order in ranked(self.orders.values()):
            draft = self._draft(order) if self.backoff.allows(subject_of(order), number) else None
            if draft is not None and not self.runtime.sender.busy(draft.key):
                made.append((order, draft))
        now = time.perf_counter()
        wanted = [subject_of(order) for order, _ in made]
        ready, later = self.turns.ready(wanted, now, self.settings.stagger_s, number, FIRST)
        self.wake_in(later, now)
        return self.turns.begun(
            [each for each in made if subject_of(each[0]) in ready],
            lambda each: subject_of(each[0]),
            number,
        )

    def _draft(self, order: Order) -> Draft | None:
        market = self.mirror.markets.get(order.market)
        if market is None:
            return None
        gas = self.runtime.gas_market(self._native())
        now = self.mirror.now
        least = usd(self.settings.min_profit_usd)
        reward = gas.value(order.reserve)
        name = order.id.hex()[:16]
        verdict = fate(order, market.price, self.delay, now)
        if verdict is Fate.EXECUTE and reward - gas.usd(GAS_EXECUTE) >= least:
            limit = self.settings.gas_execute
            return Draft(f"execute {name}", self.address, self.calldata[order.id], limit)
        if verdict is Fate.REFUND and self.settings.refund:
            data = self._abi.encode("refund", order.struct)
            return Draft(f"refund {name}", self.address, data, 2 * GAS_REFUND)
        if verdict is Fate.WAIT and reward - gas.usd(GAS_EXECUTE + GAS_UPDATE) >= least:
            return self._leading(order, now, name)
        return None

    def _leading(self, order: Order, now: int, name: str) -> Draft | None:
        """Return an execution that brings the price itself, when a quorum is at hand."""
        lead = self.leads.newest(self.mirror.markets)
        market = self.mirror.markets[order.market]
        if lead is None or order.market not in lead.feeds:
            return None
        if lead.publish > now + 1 or not led(order, market.price, lead.publish, self.delay, now):
            return None
        data = self._abi.encode("execute", order.struct, lead.blob)
        limit = self.settings.gas_execute + lead.gas
        return Draft(f"execute {name}", self.address, data, limit)

    async def _send(self, drafts: list[tuple[Order, Draft]]) -> None:
        """Simulate all, send what passes."""
        seen = self.seen_at
        sender = self.runtime.signer.address
        if any(self.turns.place(subject_of(order)) for order, _ in drafts):
            # Out of turn: whose turn it is may have sent already.
            waiting = await self.runtime.rpc.pending_calls(self.address)
            taken = {data[4:STRUCT_END] for other, data in waiting if other != self._own}
            drafts = [each for each in drafts if each[1].data[4:STRUCT_END] not in taken]
        answers = await self.runtime.rpc.calls(
            [(draft.to, draft.data) for _, draft in drafts], sender=sender
        )
        for (order, draft), answer in zip(drafts, answers, strict=True):
            if isinstance(answer, Exception):
                self._refused(draft.key, answer)
                continue
            self.turns.passed(subject_of(order))
            flight = await self.runtime.sender.send(draft)
            self.runtime.acknowledged(seen, flight)
            self.flights.append((flight, order.id))
            log.info("sent", what=draft.key, tx=flight.versions[0].hash)

    async def _serve(self) -> None:
        """Execute requests to the pool that are due, or time them again; nobody pays for it."""
        market = self.mirror.markets.get(FIRST_MARKET)
        if market is None:
            return
        number, now = self.head.number if self.head else 0, time.perf_counter()
        due = {each.id: each for each in self.queue.due(market.price.publish_time)}
        ready, later = self.shifts.ready(due, now, self.settings.stagger_s, number, FIRST)
        self.wake_in(later, now)
        for id_ in sorted(ready):
            draft, why = await self.queue.draft(due[id_], self.mirror.now, self._own)
            if draft is None:
                log.info("request waits", request=id_, why=why)
            elif not self.runtime.sender.busy(draft.key):
                flight = await self.runtime.sender.send(draft)
                log.info("sent", what=draft.key, tx=flight.versions[0].hash)

    def _refused(self, what: str, answer: Exception) -> None:
        """Say why an order cannot be executed."""
        reason = answer.reason if isinstance(answer, Reverted) else "node"
        self.runtime.metrics.refused.labels(reason).inc()
        log.info("refused", what=what, why=reason)

    def _say_why(self, id_: bytes, order: Order | None, reason: str) -> None:
        """Say why an order died at its price; a pause is no fault of anybody's."""
        market = self.mirror.markets.get(order.market) if order else None
        paused = market is not None and self.mirror.now < market.opening_until
        paused = paused and reason == NOT_TRUSTED
        self.runtime.metrics.refused.labels("paused" if paused else reason).inc()
        log.info("died", order=id_.hex()[:16], why=reason)
        if paused and market is not None:
            log.info("opening is paused", until=when(market.opening_until))

    def _learn(self) -> None:
        """Back off from orders that another executor was faster with."""
        number = self.head.number if self.head else 0
        for flight, id_ in [each for each in self.flights if each[0].outcome.done()]:
            if flight.outcome.result().state == FAILED:
                self.backoff.failed(int.from_bytes(id_, "big"), number)
        self.flights = [each for each in self.flights if not each[0].outcome.done()]

    def _native(self) -> int:
        market = self.mirror.markets.get(self.runtime.native_market or 0)
        return market.price.price if market else 0


def subject_of(order: Order) -> int:
    """Return an order's id as a number."""
    return int.from_bytes(order.id, "big")
