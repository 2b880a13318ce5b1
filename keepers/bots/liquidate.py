"""The liquidator: price event, scan, plan, simulate, send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from keepers.bots.bidding import Bidder
from keepers.bots.runtime import Bot, Runtime
from keepers.chain.abi import interface
from keepers.chain.audit import unhealthy
from keepers.chain.earnings import Earnings
from keepers.chain.engaged import Engaged
from keepers.chain.liquidations import Planner
from keepers.chain.mirror import UNKNOWN, Mirror, watched
from keepers.chain.rpc import Head, Log
from keepers.chain.sender import Flight
from keepers.chain.stream import Rewound
from keepers.chain.unwinding import Unwinder
from keepers.domain.backoff import Backoff
from keepers.domain.caution import Caution
from keepers.domain.instruments import name
from keepers.domain.liquidation import (
    Action,
    Close,
    Flag,
    Limits,
    Take,
    decide,
    gross,
    one_take,
    within_capacity,
)
from keepers.domain.margin import STATUS_GRACE, Snapshot
from keepers.domain.planning import quick_reduce
from keepers.domain.scan import Candidate
from keepers.domain.times import when
from keepers.domain.turns import Turns
from keepers.domain.words import Leg, account_id
from keepers.errors import BadInput
from keepers.settings import LiquidateSettings, share, usd
from keepers.store.ledger import FAILED, INCLUDED
from keepers.web.bids import require

log = structlog.get_logger()

ROUNDS = 8  # batches of accounts on one price


@dataclass(slots=True)
class Block:
    """What this keeper has asked of one block."""

    number: int = 0
    used: dict[int, int] = field(default_factory=dict)  # capacity by market, USD WAD


class Liquidate(Bot):
    """Reduces and takes whoever is under maintenance."""

    name = "liquidate"

    def __init__(self, runtime: Runtime, settings: LiquidateSettings) -> None:
        """Work for one account of the key's owner."""
        contracts = watched(runtime.deployment)
        contracts += ("Exchange",) if settings.bids else ()
        super().__init__(runtime, *contracts, "Liquidator", "LiquidityPool", "Orders")
        self.settings = settings
        self.account = account_id(runtime.signer.address, settings.account)
        self.mirror = Mirror(runtime.reader, runtime.deployment)
        self.engaged = Engaged(runtime.reader, self.mirror, runtime.metrics)
        self.planner = Planner(runtime.reader, runtime.deployment, self.account, settings)
        bidder = Bidder(runtime, settings, self.mirror, self.wake.set) if settings.bids else None
        self.bidder, self.bids = bidder, bidder.book if bidder else None
        self.unwinder = Unwinder(runtime.reader, runtime.deployment, settings)
        self.earnings = Earnings(
            runtime.reader, runtime.deployment, self.account, runtime.store, runtime.metrics
        )
        self.limits = Limits(
            take=settings.take,
            max_take=usd(settings.max_take_usd),
            max_inventory=usd(settings.max_inventory_usd),
            min_profit=usd(settings.min_profit_usd),
            headroom=share(settings.headroom_percent),
        )
        self.backoff = Backoff(settings.backoff_blocks)
        self.caution = Caution()
        self.turns = Turns(runtime.signer.address)
        self.dashes: set[int] = set()  # accounts with a transaction sent on the mirror's word
        self.block = Block()
        self.holding: tuple[Leg, ...] = ()  # options and futures, as said last
        self.waiting = 0  # until when, as said last
        self.new_price = False
        self.flights: list[tuple[Flight, int]] = []
        self._liquidator = runtime.deployment.address("Liquidator").lower()
        self._events = interface("Liquidator").topics
        self._pool_changed = interface("LiquidityPool").events["PoolParamsSet"].topic

    async def load(self, head: Head) -> None:
        """Read all accounts and markets."""
        await self.mirror.load(head)
        await self.planner.load(sorted(self.mirror.markets))
        await self.unwinder.load()
        await self.earnings.load(head, self.mirror.snapshot(), self._native_ticks())
        self.runtime.metrics.accounts.set(len(self.mirror.book))

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """Hold the mirror against the lens now and then; read bids."""
        return [self._audit(), *(self.bidder.tasks() if self.bidder else ())]

    async def _audit(self) -> None:
        """Read again whom the lens finds under maintenance and the mirror does not."""
        while True:
            await asyncio.sleep(self.settings.audit_s)
            with self.survived("audit"):
                said = await unhealthy(self.runtime.reader)
                known = self.mirror.book.scan(self.mirror.snapshot())
                known += self.engaged.under()
                missed = said - {each.account.id for each in known}
                missed -= {each.id for each in self.mirror.book.accounts.values() if each.house}
                if missed:
                    log.warning("the mirror missed accounts", accounts=len(missed))
                    self.runtime.metrics.failures.labels("mirror").inc(len(missed))
                    self.mirror.dirty |= missed
                    self.mirror.changed |= set(self.mirror.markets)
                    self.mirror.moved = True
                    self.wake.set()

    def take(self, message: Log | Rewound | Head) -> None:
        """Keep the mirror; wake for prices at once, for everything else with the head."""
        if isinstance(message, Rewound):
            self.runtime.store.rewind(message.block)
            self.earnings.fold()
            self.reload = True
            return
        if isinstance(message, Log):
            self.earnings.on_log(message, self.mirror.snapshot, self._native_ticks())
            self._closed(message)
        if isinstance(message, Head):
            self.mirror.on_head(message)
            self.seen_at = self.seen_at if self.wake.is_set() else time.perf_counter()
            self.wake.set()
        elif message.address == self._liquidator:
            self._book(message)
        elif message.topics[0] == self._pool_changed:
            self.reload = True
        elif self.mirror.on_log(message):
            self.seen_at = self.seen_at if self.new_price else time.perf_counter()
            self.new_price = True
            self.wake.set()

    async def work(self) -> None:
        """Act on the mirror as it is, then on what the chain says meanwhile."""
        await self.settle_doubt()
        self._learn()
        await self._dash()
        await self.mirror.refresh()
        await self._dash()  # a price may have come meanwhile
        self.runtime.metrics.accounts.set(len(self.mirror.book))
        await self._act_on_all()
        await self._act_on_engaged()
        await self._unwind()
        await self._hold()
        self.earnings.write(self.mirror.snapshot())

    async def _dash(self) -> None:
        """Send at once what the mirror alone can answer for: the first try after a price.

        The mirror holds the contracts' own integers, and the call verifies all of them again. What
        it is not sure of, and everything after a failure, is planned and simulated by the chain.
        """
        if not self.new_price:
            return
        self.new_price = False
        pool = self.planner.pool(self.mirror.book)
        if not self.settings.dash or pool is None or not self.caution.trusts(self._number):
            return
        seen, at = self.seen_at, self.mirror.snapshot()
        gas = self.runtime.gas_market(self._native_ticks())
        planned = [
            quick_reduce(each.account, each.health, at, pool, gas)
            for each in self._candidates(at)
            if each.account.id not in self.mirror.dirty and not self.turns.place(each.account.id)
        ]
        worth = [each for each in planned if each and each.profit >= self.limits.min_profit]
        for action in within_capacity(worth, self.planner.capacity, self._this_block()):
            self.dashes.add(action.account)
            await self._send(action, seen)

    async def _act_on_all(self) -> None:
        """Go on with the next batch of accounts as long as a full one led to anything."""
        for _ in range(ROUNDS):
            if not await self._act():
                return

    async def _act_on_engaged(self) -> None:
        """Treat accounts with options, of which the chain alone can tell how they stand."""
        if not self.mirror.book.engaged and not self.engaged.health:
            return
        seen = self.seen_at
        found = self._usable(await self.engaged.look())
        if found:
            await self._treat(found, self.mirror.snapshot(), seen)

    async def _unwind(self) -> None:
        """Offer the pool the legs that were taken over; collateral leaves when they are closed."""
        own = self.mirror.book.accounts.get(self.account)
        if not self.settings.unwind or own is None or own.id in self.mirror.dirty:
            return  # what a take has just brought is not read yet
        at, owner = self.mirror.snapshot(), self.runtime.signer.address
        offers = self.unwinder.closing(own, at, self.planner.pool(self.mirror.book))
        if self.settings.withdraw and not own.legs and not own.engaged:
            offers += self.unwinder.withdrawals(own, self.earnings.journal.taken, at, owner)
        for offer in offers:
            if self.runtime.sender.busy(offer.draft.key):
                continue
            with self.survived("unwind"):
                await self.runtime.sender.send(offer.draft)
                self.unwinder.sent(offer)
                log.info("unwinding", what=offer.draft.key)

    async def _hold(self) -> None:
        """Say what stays with the keeper's account: nobody buys options and futures from it."""
        own = self.mirror.book.accounts.get(self.account)
        if own is None:
            return
        await self.mirror.mark(own)
        at, metrics = self.mirror.snapshot(), self.runtime.metrics.inventory
        parts = {
            "perps": replace(own, options=(), holdings=()),
            "options": replace(own, legs=(), holdings=()),
            "collateral": replace(own, legs=(), options=()),
        }
        for kind, part in parts.items():
            metrics.labels(kind).set(gross(part, at) / 10**18)
        if own.options != self.holding:
            self.holding = own.options
            names = {id_: symbol for symbol, id_ in self.runtime.deployment.markets.items()}
            held = {name(leg.instrument, names): leg.size / 10**8 for leg in own.options}
            log.info("options and futures held", legs=held)

    async def _act(self) -> bool:
        """Scan, plan, decide, simulate, send; whether there may be more to do in this block."""
        seen = self.seen_at
        at = self.mirror.snapshot()
        candidates = self._candidates(at)
        self._say_waiting(at)
        if not candidates:
            return False
        return await self._treat(candidates, at, seen) and len(candidates) == self.settings.batch

    async def _treat(self, candidates: list[Candidate], at: Snapshot, seen: float) -> bool:
        """Plan, decide, simulate and send; return whether anything was sent."""
        cases = await self.planner.cases(candidates)
        buyer = await self.planner.buyer() if any(case.take for case in cases) else None
        gas = self.runtime.gas_market(self._native_ticks())
        decided = [decide(case, buyer, at, self.limits, gas) for case in cases]
        if self.bidder is not None:
            decided = await self.bidder.instead(cases, decided, at, gas)
        actions = self._in_turn(one_take([action for action in decided if action is not None]))
        actions = within_capacity(actions, self.planner.capacity, self._this_block())
        passing = await self._passing(actions)
        for action in passing:
            await self._send(action, seen)
        return bool(passing)

    def _candidates(self, at: Snapshot) -> list[Candidate]:
        """Return who is under maintenance by the mirror and may be treated now."""
        started = time.perf_counter()
        found = self.mirror.book.scan(at)
        self.runtime.metrics.scan_ms.observe((time.perf_counter() - started) * 1_000)
        self.runtime.metrics.unhealthy.set(len(found) + len(self.engaged.under()))
        return self._usable(found)

    def _usable(self, found: list[Candidate]) -> list[Candidate]:
        """Return the first of those at usable prices, not on their way and not backed off."""
        number = self._number
        in_flight = {account for flight, account in self.flights if flight.included is None}
        usable = [
            each
            for each in found
            if each.health.open
            and each.account.id not in in_flight
            and each.account.owner != self.runtime.signer.address.lower()
            and self.backoff.allows(each.account.id, number)
        ]
        return usable[: self.settings.batch]

    def _say_waiting(self, at: Snapshot) -> None:
        """Say once until when liquidations wait, after an outage or in a pause."""
        if not any(feed.status & STATUS_GRACE for feed in at.feeds.values()):
            return
        under = (*self.mirror.book.scan(at), *self.engaged.under())
        found = (each.health for each in under)
        shut = [each for each in found if each.status & STATUS_GRACE]
        if any(each.resume == UNKNOWN for each in shut):
            return  # its end is read with the next head
        until = max((each.resume for each in shut), default=0)
        if until > self.waiting:
            log.info("liquidations wait", accounts=len(shut), until=when(until))
        self.waiting = until

    def _in_turn(self, actions: list[Action]) -> list[Action]:
        """Return what is ours to do now; wake when the next one is."""
        now = time.perf_counter()
        wanted = [action.account for action in actions]
        ready, later = self.turns.ready(wanted, now, self.settings.stagger_s, self._number)
        self.wake_in(later, now)
        return [action for action in actions if action.account in ready]

    async def _passing(self, actions: list[Action]) -> list[Action]:
        """Return the actions that a simulation lets pass."""
        sender = self.runtime.signer.address
        if any(self.turns.place(action.account) for action in actions):
            # Out of turn: whose turn it is may have sent already.
            taken = await self.planner.underway(sender)
            actions = [each for each in actions if each.account not in taken]
        answers = await self.planner.simulate(actions, self.mirror.now, sender)
        passing = []
        for action, refusal in zip(actions, answers, strict=True):
            if refusal is None:
                passing.append(action)
                if not isinstance(action, Flag):  # a second flag passes too
                    self.turns.passed(action.account)
                continue
            self.runtime.metrics.refused.labels(refusal).inc()
            if self.bidder is not None and isinstance(action, Close):
                self.bidder.refused(action)
            log.info(
                "refused", what=type(action).__name__, account=hex(action.account), why=refusal
            )
        return passing

    async def _send(self, action: Action, seen: float) -> None:
        draft = self.planner.draft(action, self.mirror.now)
        if self.runtime.sender.busy(draft.key):
            return
        flight = await self.runtime.sender.send(draft)
        self.runtime.acknowledged(seen, flight)
        self.flights.append((flight, action.account))
        log.info(
            "sent", what=draft.key, tx=flight.versions[0].hash, ms=self.runtime.latencies_ms[-1]
        )
        if isinstance(action, Take):
            self.planner.forget_buyer()
        if self.bidder is not None and isinstance(action, Close):
            self.bidder.sent(draft.key, action)

    def _learn(self) -> None:
        """Back off from accounts whose transaction failed, forget the ones that are done."""
        number = self._number
        going: list[tuple[Flight, int]] = []
        for flight, account in self.flights:
            if not flight.outcome.done():
                going.append((flight, account))
                continue
            state = flight.outcome.result().state
            if self.bidder is not None:
                self.bidder.ended(flight.draft.key, state == FAILED)
            if state == FAILED and account in self.dashes:
                self.caution.failed(number)  # the chain is asked before the next try
            elif state == FAILED:  # somebody was faster
                self.backoff.failed(account, number)
            elif state == INCLUDED:
                self.backoff.worked(account)
            self.dashes.discard(account)
        self.flights = going

    @property
    def _number(self) -> int:
        return self.head.number if self.head else 0

    def _this_block(self) -> dict[int, int]:
        if self._number != self.block.number:
            self.block = Block(self._number)
        return self.block.used

    def _native_ticks(self) -> int:
        market = self.mirror.markets.get(self.runtime.native_market or 0)
        return market.price.price if market else 0

    def _closed(self, message: Log) -> None:
        """Book a close against a bid: who brought it, and what one of our own bids earned."""
        found = self.bidder.on_log(message) if self.bidder else None
        if found is None:
            return
        self.turns.acted(found.caller, message.block)
        if found.profit:
            place = (message.tx, message.index, "Closed", found.account, message.block)
            self._earned(place, found.profit)

    def _earned(self, place: tuple[str, int, str, int, int], profit: int) -> None:
        if self.runtime.store.earned(*place, profit):
            self.runtime.metrics.income_usd.inc(max(0, profit) / 10**18)

    def _book(self, message: Log) -> None:
        """Book what a liquidation of ours paid."""
        event = self._events.get(message.topics[0])
        if event is None:
            return
        said = event.decode(message.topics, message.data)
        actor = self.planner.actor(event.name, said)
        if actor is not None:
            self.turns.acted(actor, message.block)
        earned = self.planner.income(event.name, said)
        if earned is None:
            return
        account, profit = earned
        self._earned((message.tx, message.index, event.name, account, message.block), profit)


def settings_or_refuse(settings: LiquidateSettings) -> LiquidateSettings:
    """Refuse limits that contradict each other."""
    if settings.take and settings.max_take_usd > settings.max_inventory_usd:
        raise BadInput("one take may be larger than the whole inventory", "lower --max-take-usd")
    for source in settings.bids:
        require(source)
    return settings
