"""What every bot stands on: node, deployment, key, store, metrics, and one way to run and stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import structlog

from keepers.chain import deployment as deployments
from keepers.chain.deployment import Deployment
from keepers.chain.reading import Reader
from keepers.chain.rpc import Head, Log, Rpc
from keepers.chain.sender import Flight, Policy, Sender
from keepers.chain.signer import Signer, load_signer
from keepers.chain.stream import Rewound, Stream
from keepers.domain.economics import GasMarket
from keepers.domain.units import TICKS_PER_USD
from keepers.errors import ChainError, KeeperError
from keepers.settings import Settings
from keepers.store.ledger import Store
from keepers.web.metrics import Metrics

log = structlog.get_logger()


@dataclass(slots=True)
class Runtime:
    """One keeper's connections."""

    settings: Settings
    rpc: Rpc
    deployment: Deployment
    reader: Reader
    metrics: Metrics
    signer: Signer
    store: Store
    sender: Sender
    native_market: int | None = None
    # of the last transactions, from an event to the node's answer, and what the node took of it
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=1_000))
    answers_ms: deque[float] = field(default_factory=lambda: deque(maxlen=1_000))

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Connect, check that node and deployment fit, load the key, settle old transactions."""
        rpc, deployed = await connect(settings)
        async with contextlib.AsyncExitStack() as failing:
            failing.push_async_callback(rpc.close)
            signer = load_signer(settings.key, deployed.chain_id, settings.password_file)
            metrics, store = Metrics(), Store(settings.store)
            failing.callback(store.close)
            policy = Policy(
                settings.tip, settings.fee_cap, settings.stuck_s, settings.confirmations
            )
            sender = Sender(rpc, signer, deployed.chain_id, policy, store, metrics)
            await sender.start()
            failing.pop_all()  # nothing failed: it is the caller's to close
        reader = Reader(rpc, deployed)
        native = deployed.markets.get("ETH")
        return cls(settings, rpc, deployed, reader, metrics, signer, store, sender, native)

    async def close(self) -> None:
        """Close node and store."""
        try:
            self.sender.save()
        finally:
            self.store.close()
            await self.rpc.close()

    def stream(self, *contracts: str) -> Stream:
        """Return a stream of the events of these contracts."""
        addresses = [self.deployment.address(name) for name in contracts]
        settings = self.settings
        return Stream(self.rpc, settings.ws_url, addresses, self.metrics, settings.watchdog_s)

    def gas_market(self, native_ticks: int) -> GasMarket:
        """Return the price of gas; the configured price of the native coin goes first."""
        configured = round(self.settings.native_usd * TICKS_PER_USD)
        return GasMarket(self.sender.gas_price(), configured or native_ticks)

    def acknowledged(self, since: float, flight: Flight) -> None:
        """Note how long it took from an event to the node's acknowledgement."""
        elapsed = (flight.acknowledged - since) * 1_000
        self.latencies_ms.append(round(elapsed, 3))
        self.answers_ms.append(round((flight.acknowledged - flight.handed) * 1_000, 3))
        self.metrics.event_to_ack.observe(elapsed)


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Runtime]:
    """Open a runtime for as long as it is used."""
    runtime = await Runtime.open(settings)
    try:
        yield runtime
    finally:
        await runtime.close()


async def connect(settings: Settings) -> tuple[Rpc, Deployment]:
    """Return a node and the deployment on its chain, checked against each other."""
    fallback = [each for each in settings.rpc_fallback.split(",") if each]
    rpc = Rpc(settings.rpc, *fallback)
    try:
        deployed = await find_deployment(rpc, settings.deployment, settings.deployments)
        await Reader(rpc, deployed).check()
    except BaseException:
        await rpc.close()
        raise
    return rpc, deployed


async def find_deployment(rpc: Rpc, path: Path | None, folder: Path) -> Deployment:
    """Return the deployment of the given file, or of the node's chain."""
    if path is not None:
        return deployments.load(path)
    return deployments.for_chain(folder, await rpc.chain_id())


class Bot(ABC):
    """A loop that follows a stream and works outside of it.

    `take` is called for every message and must not wait; `work` is called after `take` has set
    `wake`, and may. Both see the same state in the same thread.
    """

    name = "bot"

    def __init__(self, runtime: Runtime, *contracts: str) -> None:
        """Watch these contracts."""
        self.runtime = runtime
        self.stream = runtime.stream(*contracts)
        self.head: Head | None = None
        self.seen_at = 0.0  # when the last message that wants work arrived
        self.wake = asyncio.Event()
        self._tend = asyncio.Event()
        self.ready = False
        self.reload = False  # a doubt: read the state again before the next work
        self._meanwhile: list[Log | Rewound | Head] | None = None  # what came during a reload

    @abstractmethod
    async def load(self, head: Head) -> None:
        """Read the state at a block; called before the stream and after a doubt."""

    @abstractmethod
    def take(self, message: Log | Rewound | Head) -> None:
        """Take one message; set `wake` when there is work."""

    @abstractmethod
    async def work(self) -> None:
        """Look at the state and act."""

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """Return what else runs beside the stream."""
        return []

    async def run(self) -> None:
        """Run until stopped; a broken invariant or a defect ends it, a failed request does not."""
        head = await self.runtime.rpc.head()
        self.head = head
        await self.load(head)
        self.ready = True
        log.info("ready", bot=self.name, block=head.number, address=self.runtime.signer.address)
        self.wake.set()
        async with asyncio.TaskGroup() as group:
            for each in (self._follow(head), self._work(), self._look_after(), *self.tasks()):
                group.create_task(each)

    async def _follow(self, start: Head) -> None:
        async for message in self.stream.messages(start):
            if isinstance(message, Head):
                self.head = message
                self._tend.set()
            self.hear(message)

    def hear(self, message: Log | Rewound | Head) -> None:
        """Take a message; one that comes while the state is read is kept to be taken again."""
        if self._meanwhile is not None:
            self._meanwhile.append(message)
        self.take(message)

    async def settle_doubt(self) -> None:
        """Load again after a doubt; what comes meanwhile is taken again on what was read."""
        if not self.reload:
            return
        self.reload, self._meanwhile = False, []
        try:
            await self.load(await self.runtime.rpc.head())
        except BaseException:
            self.reload, self._meanwhile = True, None
            raise
        missed, self._meanwhile = self._meanwhile, None
        for message in missed:
            self.take(message)

    def wake_in(self, later: float | None, now: float) -> None:
        """Wake at a time on the clock that `now` was read from."""
        if later is not None:
            asyncio.get_running_loop().call_later(max(0.0, later - now), self.wake.set)

    async def _work(self) -> None:
        while True:
            await self.wake.wait()
            self.wake.clear()
            with self.survived("work"):
                await self.work()

    async def _look_after(self) -> None:
        """Tend the transactions once per head, and now and then without one."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.runtime.settings.stuck_s):
                    await self._tend.wait()
            self._tend.clear()
            if self.head is None:
                continue
            with self.survived("transactions"):
                if await self.runtime.sender.tend(self.head):
                    self.wake.set()

    @contextlib.contextmanager
    def survived(self, where: str) -> Iterator[None]:
        """Count a failure that the next message repairs, and go on."""
        try:
            yield
        except (ChainError, KeeperError) as error:
            if not error.survivable:
                raise
            self.runtime.metrics.failures.labels(where).inc()
            log.warning("failed", bot=self.name, where=where, error=str(error))


async def run_until_stopped(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run jobs side by side; SIGINT and SIGTERM end them quietly, the first failure loudly."""
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(job) for job in jobs]
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    tasks.append(asyncio.create_task(stop.wait()))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def first_failure(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first failure inside a group, however deep."""
    inner = group.exceptions[0]
    return first_failure(inner) if isinstance(inner, BaseExceptionGroup) else inner
