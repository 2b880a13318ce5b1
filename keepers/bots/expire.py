"""The keeper of expiries: prices noted in the last half hour, legs paid once a price is written.

Nothing is remembered: what has been noted and who has expired legs is on the chain. Nobody pays
for it either, so whoever has legs open, or an interest in the place, runs one.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any

import structlog

from keepers.bots.leads import Leads
from keepers.bots.runtime import Bot, Runtime
from keepers.chain.expirations import Expirations, State
from keepers.chain.mirror import Mirror, watched
from keepers.chain.rpc import Head, Log
from keepers.chain.stream import Rewound
from keepers.chain.transactions import Draft
from keepers.domain.expiring import Series, Window, observes
from keepers.domain.words import ACTIVE, PriceWord
from keepers.settings import ExpireSettings

log = structlog.get_logger()


class Expire(Bot):
    """Observes what expires, and settles whose legs have expired at a written price."""

    name = "expire"

    def __init__(self, runtime: Runtime, settings: ExpireSettings) -> None:
        """Watch accounts, prices and what is noted of them."""
        super().__init__(runtime, *watched(runtime.deployment), "Expiries")
        self.settings = settings
        self.mirror = Mirror(runtime.reader, runtime.deployment)
        self.expirations = Expirations(runtime.reader, runtime.deployment, settings.observe_s)
        self.leads = Leads(runtime, settings.peers)

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """Follow the publishers, whose reports are brought where nobody else brings any."""
        return self.leads.tasks()

    async def load(self, head: Head) -> None:
        """Read accounts, prices and who signs."""
        await self.mirror.load(head)
        await self.leads.load(head)

    def take(self, message: Log | Rewound | Head) -> None:
        """Keep the mirror; there may be work after every head and price."""
        if isinstance(message, Rewound):
            self.reload = True
        elif isinstance(message, Head):
            self.mirror.on_head(message)
            self.seen_at = time.perf_counter()
            self.wake.set()
        else:
            self.leads.take(message)
            if self.mirror.on_log(message):
                self.seen_at = time.perf_counter()
                self.wake.set()

    async def work(self) -> None:
        """Observe, close dead series, settle accounts; a part of them a round."""
        await self.settle_doubt()
        await self.mirror.refresh()
        book, now = self.mirror.book, self.mirror.now
        held = [book.accounts[id_] for id_ in sorted(book.engaged)]
        state = await self.expirations.state(held, now)
        self._count(state)
        drafts = self.expirations.steps(state, self.mirror.markets, now)
        led = self._led(state, now)
        wanted = [led, *drafts] if led else drafts
        sender = self.runtime.sender
        idle = [each for each in wanted if not sender.busy(each.key)][: self.settings.batch]
        for draft in await self.expirations.passing(idle, self.runtime.signer.address):
            flight = await sender.send(draft)
            self.runtime.acknowledged(self.seen_at, flight)
            log.info("sent", what=draft.key, tx=flight.versions[0].hash)

    def _count(self, state: State) -> None:
        metrics = self.runtime.metrics
        metrics.expiring.set(sum(not each.settled for each in state.windows.values()))
        metrics.expired_accounts.set(len(state.waiting))

    def _led(self, state: State, now: int) -> Draft | None:
        """Return a price of the publishers with its observations, where the stored one is old."""
        lead = self.leads.newest(self.mirror.markets)
        if lead is None:
            return None
        series = [
            each
            for each, window in state.windows.items()
            if each[0] in lead.feeds and self._is_due(each, window, lead.publish, now)
        ]
        if not series:
            return None
        return self.expirations.led(lead.blob, lead.gas, series, lead.publish)

    def _is_due(self, series: Series, window: Window, published: int, now: int) -> bool:
        market = self.mirror.markets.get(series[0])
        if market is None or published > now + 1:
            return False
        # whoever submits prices anyway is let to do it: then an observation is enough
        late = published >= market.price.publish_time + self.settings.observe_s
        price = PriceWord(0, 0, 0, 0, published, 0, 0, ACTIVE, 0)
        return late and observes(series, window, price, now, self.settings.observe_s)
