"""The publisher: sign reports, swap them with peers, submit the first quorum."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from keepers.bots.cosign import CoSigner, Smiles
from keepers.bots.polling import Polling
from keepers.bots.runtime import Bot, Runtime
from keepers.chain.abi import interface
from keepers.chain.rpc import Head, Log
from keepers.chain.stream import Rewound
from keepers.chain.transactions import Draft
from keepers.domain.economics import update_limit
from keepers.domain.publishing import Claim, Rhythm, Standing, due, submits, turn
from keepers.domain.reports import (
    Quote,
    SignedReport,
    domain_separator,
    encode_blob,
    make_report,
    publish_time,
    quorum,
)
from keepers.domain.words import POLLED, accepted
from keepers.errors import BadInput, KeeperError
from keepers.settings import PublishSettings
from keepers.web import cosigned, peers
from keepers.web.board import Board
from keepers.web.cosigned import Proposals
from keepers.web.seats import follow_seats, load_seats

log = structlog.get_logger()

Source = Callable[[int], Awaitable[list[Quote]]]


class Publish(Bot):
    """Speaks for one listed signer."""

    name = "publish"

    def __init__(
        self,
        runtime: Runtime,
        settings: PublishSettings,
        source: Source,
        *,
        wall_clock: bool,
        smiles: Smiles | None = None,
    ) -> None:
        """Publish what `source` says about a chain time.

        Args:
            runtime: node, key and store.
            settings: heartbeat, peers, patience.
            source: returns the quotes at a chain time, empty during an outage.
            wall_clock: let time run on between two heads (live); else the heads are the clock.
            smiles: returns the surfaces at a chain time; without it none are signed.
        """
        super().__init__(runtime, "Markets", "RiskConfigurator")
        self.settings = settings
        self.source = source
        self.wall_clock = wall_clock
        deployed = runtime.deployment
        self.index = signer_index(deployed.signers, runtime.signer.address)
        self.separator = domain_separator(deployed.chain_id, deployed.address("Markets"))
        self.board = Board(
            self.separator, deployed.signers, settings.keep, self.index, lambda: self.now()
        )
        self.rhythm = Rhythm(settings.heartbeat_s, settings.deviation_bp, settings.confirm_delay_s)
        self.last = 0
        self.last_prices: dict[int, int] = {}
        self.pending: dict[int, int] = {}  # publish time of a jump that waits, by market
        self.stored = 0
        self.submitted = 0
        self.held: tuple[int, float, int] = (0, 0.0, 0)  # publish time, since, block
        self.head_seen = 0.0
        self.polling = Polling(runtime, self.survived)
        self._markets = interface("Markets")
        self._address = deployed.address("Markets")
        self.proposals: Proposals | None = None
        self.cosigner: CoSigner | None = None
        if smiles is not None:
            separator = domain_separator(deployed.chain_id, deployed.address("Surfaces"))
            self.proposals = Proposals(separator, lambda: self.board.seats)
            self.cosigner = CoSigner(runtime, settings, smiles, self.proposals, self.index)

    async def load(self, head: Head) -> None:
        """Read what is stored already, who signs and who is polled."""
        self.head_seen = self.head_seen or time.monotonic()
        views = await self.runtime.reader.markets(head.number)
        await self.polling.load(views, head.number)
        # what adapters say is of their own time
        signed = (each.price for each in views if not each.price.flags & POLLED)
        self.stored = max((price.publish_time for price in signed), default=0)
        await load_seats(self.board, self.runtime.reader, head.number)

    def take(self, message: Log | Rewound | Head) -> None:
        """Follow the clock and what is stored."""
        if isinstance(message, Head):
            self.head_seen = time.monotonic()
            self.wake.set()
        elif isinstance(message, Rewound):
            self.stored = self.submitted = 0
            self.pending.clear()
            self.reload = True
        else:
            follow_seats(self.board, message)
            self.polling.take(message)
            self._stored(message)

    def _stored(self, message: Log) -> None:
        event = self._markets.topics.get(message.topics[0])
        if event is None:
            return
        said = event.decode(message.topics, message.data)
        if event.name == "PricesAccepted":
            for market, word in accepted(said):
                if word.flags & POLLED:
                    continue
                self.stored = max(self.stored, word.publish_time)
                self.pending.pop(market, None)
        elif event.name == "PricePending" and said["market"] not in self.polling.adapters:
            self.stored = max(self.stored, said["publish_time"])
            self.pending[said["market"]] = said["publish_time"]

    def now(self) -> int:
        """Return chain time."""
        assert self.head is not None
        passed = time.monotonic() - self.head_seen if self.wall_clock else 0.0
        return self.head.time + int(passed)

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """Follow every peer, submit when the board changes, keep the heartbeat."""
        followers = [
            peers.follow(peer, self.board, self.runtime.metrics, own=True)
            for peer in self.settings.peers
        ]
        jobs = [*followers, self._submit_loop(), self._beat()]
        if self.cosigner is not None and self.proposals is not None:
            jobs += [
                cosigned.follow(
                    peer, self.proposals, self.runtime.metrics, self.settings.surface_poll_s
                )
                for peer in self.settings.peers
            ]
            jobs.append(self._cosign(self.cosigner))
        return jobs

    async def _cosign(self, cosigner: CoSigner) -> None:
        """Propose, sign and submit surfaces for as long as the bot runs."""
        while True:
            with self.survived("surfaces"):
                await cosigner.step(self.now(), self.board.seats, self.board.signers)
            await cosigner.pause()

    async def _beat(self) -> None:
        """Wake now and then between heads, when time runs on between them."""
        while self.wall_clock:
            await asyncio.sleep(self.settings.poll_s)
            self.wake.set()

    async def work(self) -> None:
        """Sign the report that is due."""
        await self.settle_doubt()
        now = self.now()
        if now <= self.last:
            return
        quotes = await self.source(now)
        prices = {quote.feed: quote.price for quote in quotes}
        jump = max(self.pending.values(), default=0)
        when = due(self.rhythm, now, self.last, jump, prices, self.last_prices)
        if when is None or not quotes:
            return
        if when != now:
            quotes = await self.source(when)
        if not quotes:
            return
        self.last = when
        self.last_prices = {quote.feed: quote.price for quote in quotes}
        report = make_report(when, quotes)
        self.board.add(self.runtime.signer.sign_report(self.index, report, self.separator))
        self.runtime.metrics.reports.labels("own").inc()
        if turn(self.index, when, self.settings.heartbeat_s, self.board.signers) == 0:
            await self.polling.bring()

    async def _submit_loop(self) -> None:
        version = -1
        while True:
            await self.board.changed(version, self.settings.poll_s)
            version = self.board.version
            with self.survived("submit"):
                await self._consider()

    async def _consider(self) -> None:
        """Submit the freshest quorum if it is this publisher's turn."""
        chosen = quorum(self.board.reports(), self.settings.quorum)
        if chosen is None or self.head is None:
            return
        when = publish_time(chosen)
        if when != self.held[0]:
            self.held = (when, time.monotonic(), self.head.number)
        standing = Standing(
            publish_time=when,
            stored=self.stored,
            submitted=self.submitted,
            held_for=time.monotonic() - self.held[1],
            blocks=self.head.number - self.held[2],
            claimed=self.board.claimed(when, self.index),
        )
        place = turn(self.index, when, self.settings.heartbeat_s, self.board.signers)
        if submits(standing, place, self.settings.stagger_s, self.settings.patience_s):
            await self._submit(chosen, when)

    async def _submit(self, chosen: list[SignedReport], when: int) -> None:
        self.submitted = when
        self.board.claim(Claim(self.index, when))
        data = self._markets.encode("update", encode_blob(chosen, self.board.seats))
        feeds = chosen[0].report.feeds
        gas = update_limit(len(feeds), len(self.polling.checked & set(feeds)))
        draft = Draft(f"update {when}", self._address, data, gas)
        try:
            await self.runtime.sender.send(draft)
        except KeeperError:
            self.submitted = 0
            raise
        log.info("submitted", publish_time=when, reports=len(chosen))


def signer_index(signers: tuple[str, ...], address: str) -> int:
    """Return the place of an address among the listed signers."""
    lowered = [signer.lower() for signer in signers]
    if address.lower() not in lowered:
        raise BadInput(
            f"{address} is no listed signer of this deployment", "give the key of a listed signer"
        )
    return lowered.index(address.lower())
