"""Heads and events of a few contracts, in order, across cuts, silences and reorgs.

A reader task only moves messages from the socket into a queue; whoever consumes `messages` may
take its time. Each head is compared with its parent: a jump is filled by range, a different parent
is a reorg and is announced as `Rewound`, and each block's events are compared with what the node
says the block of that hash holds, so that lost, doubled or late messages do not matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from keepers.chain.rpc import Head, Log, Rpc, parse_head, parse_log
from keepers.errors import BadInput, ChainError
from keepers.web.metrics import Metrics

log = structlog.get_logger()

MEMORY: Final = 256  # heads remembered: the deepest reorg that is followed exactly
RANGE: Final = 2_000  # blocks asked for at once
RECONNECT_S: Final = 0.2
RECONNECT_MAX_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Rewound:
    """Everything above this block left the chain; look again."""

    block: int


CONNECTED: Final[Mapping[str, Any]] = {}  # in the inbox: a new socket is open

Message: TypeAlias = Head | Log | Rewound


class Stream:
    """One subscription that heals itself; start it once, iterate `messages`."""

    def __init__(
        self,
        rpc: Rpc,
        ws: str,
        addresses: Sequence[str],
        metrics: Metrics,
        watchdog_s: float = 15.0,
    ) -> None:
        """Watch these contracts; nothing is opened before `messages` is iterated."""
        if not ws.startswith(("ws://", "wss://")):
            raise BadInput(f"{ws} is no WebSocket address of a node", "give --ws ws://HOST:PORT")
        self.rpc = rpc
        self.ws = ws
        self.addresses = [address.lower() for address in addresses]
        self.metrics = metrics
        self.watchdog_s = watchdog_s
        self.alive = False
        self.head: Head | None = None
        self._heads: OrderedDict[int, Head] = OrderedDict()
        self._seen: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._socket: ClientConnection | None = None
        self._checks: set[asyncio.Task[None]] = set()
        self._inbox: asyncio.Queue[Mapping[str, Any] | Log | None] = asyncio.Queue()

    async def messages(self, start: Head) -> AsyncIterator[Message]:
        """Yield everything above `start`, whose state the caller has read already."""
        self._remember(start)
        reader = asyncio.create_task(self._read())
        try:
            while True:
                raw = None
                with contextlib.suppress(TimeoutError):
                    # Not wait_for: on 3.11 it can swallow a cancellation.
                    async with asyncio.timeout(self.watchdog_s):
                        raw = await self._inbox.get()
                try:
                    before = self.head
                    async for message in self._handle(raw):
                        yield message
                    if raw is None and self.head != before:
                        # The node went on and the socket did not say so.
                        self._cut()
                except ChainError as error:
                    self.metrics.failures.labels("stream").inc()
                    log.warning("stream could not ask the node", error=str(error))
                    await asyncio.sleep(RECONNECT_S)
        finally:
            reader.cancel()
            for check in self._checks:
                check.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    # ---- the socket

    async def _read(self) -> None:
        """Keep a socket open and move what it says into the queue; None after a reconnection."""
        delay = RECONNECT_S
        while True:
            try:
                async with connect(self.ws, max_size=2**24, ping_interval=10, open_timeout=5) as ws:
                    await self._subscribe(ws.send)
                    self._socket = ws
                    self.alive, delay = True, RECONNECT_S
                    # What was missed meanwhile is fetched before anything new is taken.
                    self._inbox.put_nowait(CONNECTED)
                    while True:
                        self._take(json.loads(await ws.recv()))
            except (OSError, TimeoutError, WebSocketException, ValueError) as error:
                log.warning("websocket cut", error=type(error).__name__)
            self.alive, self._socket = False, None
            self.metrics.reconnects.inc()
            await asyncio.sleep(delay)
            delay = min(RECONNECT_MAX_S, 2 * delay)

    def _cut(self) -> None:
        """Drop a socket that has gone silent; the reader opens another."""
        if self._socket is not None:
            log.warning("websocket is silent")
            self._socket.transport.abort()

    async def _subscribe(self, send: Callable[[str], Any]) -> None:
        for id_, params in enumerate((["logs", {"address": self.addresses}], ["newHeads"])):
            body = {"jsonrpc": "2.0", "id": id_, "method": "eth_subscribe", "params": params}
            await send(json.dumps(body))

    def _take(self, message: Mapping[str, Any]) -> None:
        params = message.get("params")
        if isinstance(params, dict) and isinstance(params.get("result"), dict):
            self._inbox.put_nowait(params["result"])

    # ---- the order of things

    async def _handle(self, raw: Mapping[str, Any] | Log | None) -> AsyncIterator[Message]:
        if raw is None or raw is CONNECTED:
            async for message in self._advance(await self.rpc.head()):
                yield message
        elif isinstance(raw, Log) or "topics" in raw:
            parsed = raw if isinstance(raw, Log) else parse_log(raw)
            # A log of a branch that is not known yet waits for its head.
            if not parsed.removed and self._extends(parsed) and self._first(parsed):
                yield parsed
        elif "parentHash" in raw:
            async for message in self._advance(parse_head(raw)):
                yield message

    def _extends(self, item: Log) -> bool:
        """Return whether a log belongs to a known block or to the very next one."""
        known = self._heads.get(item.block)
        if known is not None:
            return known.hash == item.block_hash
        return self.head is not None and item.block == self.head.number + 1

    def _first(self, item: Log) -> bool:
        """Return whether this log is new, and remember it."""
        if item.key in self._seen:
            return False
        self._seen[item.key] = item.block
        while len(self._seen) > 64 * MEMORY:
            self._seen.popitem(last=False)
        return True

    async def _advance(self, head: Head) -> AsyncIterator[Message]:
        """Follow the chain to this head: rewind to the common block, fill, announce."""
        known = self._heads.get(head.number)
        if known is not None and known.hash == head.hash:
            return
        ancestor = await self._common(head)
        if self.head is not None and ancestor < self.head.number:
            self._forget(ancestor)
            self.metrics.rewinds.inc()
            log.warning("reorg", back_to=ancestor)
            yield Rewound(ancestor)
        if head.number > ancestor + 1:
            self.metrics.backfills.inc()
        for first in range(ancestor + 1, head.number, RANGE):
            last = min(head.number - 1, first + RANGE - 1)
            for found in await self.rpc.logs(self.addresses, first, last):
                if self._first(found):
                    yield found
        self._remember(head)
        self.metrics.heads.inc()
        self.metrics.head_number.set(head.number)
        yield head
        if head.quiet:
            return
        check = asyncio.create_task(self._check(head))
        self._checks.add(check)
        check.add_done_callback(self._checks.discard)

    async def _check(self, head: Head) -> None:
        """Ask what the block of this hash holds; what the socket has lost is queued."""
        delay = RECONNECT_S
        while self._heads.get(head.number) == head:
            try:
                found = await self.rpc.logs_of(head.hash, self.addresses)
            except ChainError as error:
                self.metrics.failures.labels("check").inc()
                log.warning("block not checked", block=head.number, error=str(error))
                await asyncio.sleep(delay)
                delay = min(RECONNECT_MAX_S, 2 * delay)
                continue
            for each in found:
                if each.key not in self._seen:
                    self._inbox.put_nowait(each)
            return

    async def _common(self, head: Head) -> int:
        """Return the highest block that this head's branch shares with what is known."""
        assert self.head is not None
        parent_number, parent_hash = head.number - 1, head.parent
        while True:
            known = self._heads.get(parent_number)
            if known is not None and known.hash == parent_hash:
                return parent_number
            if parent_number > self.head.number:
                # A gap: step down to the last known height in one go.
                raw = await self.rpc.head(self.head.number)
                parent_number, parent_hash = raw.number, raw.hash
                continue
            oldest = next(iter(self._heads))
            if parent_number <= oldest:
                return min(parent_number, oldest)
            raw = await self.rpc.head(parent_number)
            parent_number, parent_hash = raw.number - 1, raw.parent

    def _remember(self, head: Head) -> None:
        self.head = head
        self._heads[head.number] = head
        while len(self._heads) > MEMORY:
            self._heads.popitem(last=False)

    def _forget(self, above: int) -> None:
        for block in [each for each in self._heads if each > above]:
            del self._heads[block]
        for key in [key for key, block in self._seen.items() if block > above]:
            del self._seen[key]
        self.head = self._heads.get(above) or self.head
