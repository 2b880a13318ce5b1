"""The stream: every event once per branch, in order, through cuts, gaps, losses and reorgs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import pytest

from keepers.chain import stream
from keepers.chain.rpc import Head, Log
from keepers.chain.stream import Message, Rewound, Stream
from keepers.errors import BadInput, ChainError
from keepers.web.metrics import Metrics
from tests.keepers.fake_node import ADDRESS, FakeNode

PATIENCE_S = 5.0


class Listener:
    """Collects what a stream says."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.heard: list[Message] = []
        self._more = asyncio.Event()

    async def listen(self, start: Head) -> None:
        async for message in self.stream.messages(start):
            self.heard.append(message)
            self._more.set()

    async def until(self, done: Callable[[list[Message]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not done(self.heard):
                self._more.clear()
                await self._more.wait()

    @property
    def heads(self) -> list[int]:
        return [each.number for each in self.heard if isinstance(each, Head)]

    @property
    def logs(self) -> list[tuple[str, int]]:
        return [(each.tx, each.index) for each in self.heard if isinstance(each, Log)]

    @property
    def rewinds(self) -> list[int]:
        return [each.block for each in self.heard if isinstance(each, Rewound)]


@asynccontextmanager
async def listening(node: FakeNode, watchdog_s: float = 30.0) -> AsyncIterator[Listener]:
    async with node.socket() as address:
        listener = Listener(Stream(node, address, [ADDRESS], Metrics(), watchdog_s))
        task = asyncio.create_task(listener.listen(node.blocks[-1]))
        async with asyncio.timeout(PATIENCE_S):
            while not node.asked:  # the socket is open, and the stream has looked once
                await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        try:
            yield listener
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def run(
    scenario: Callable[[FakeNode, Listener], Awaitable[None]], watchdog_s: float = 30.0
) -> None:
    async def whole() -> None:
        node = FakeNode()
        async with listening(node, watchdog_s) as listener:
            await scenario(node, listener)

    asyncio.run(whole())


def test_stream__heads_and_logs__come_once_in_order() -> None:
    async def scenario(node: FakeNode, listener: Listener) -> None:
        for _ in range(3):
            head = node.extend(logs=2)
            for log in node.events[head.hash]:
                await node.tell(log)
                await node.tell(log)
            await node.tell(head)
            await node.tell(head)
        await listener.until(lambda _: listener.heads[-1:] == [3] and len(listener.logs) == 6)
        assert listener.logs == [(f"0xmain{n}", i) for n in (1, 2, 3) for i in (0, 1)]
        assert listener.rewinds == []

    run(scenario)


def test_stream__log_never_sent__is_found_by_the_hash() -> None:
    async def scenario(node: FakeNode, listener: Listener) -> None:
        await node.tell(node.extend(logs=2))
        await listener.until(lambda _: len(listener.logs) == 2)
        assert listener.heads[-1:] == [1]

    run(scenario)


def test_stream__socket_cut__fills_the_gap() -> None:
    async def scenario(node: FakeNode, listener: Listener) -> None:
        await node.tell(node.extend(logs=1))
        await listener.until(lambda _: len(listener.logs) == 1)
        await node.cut()
        for _ in range(5):
            node.extend(logs=1)
        await listener.until(lambda _: len(listener.logs) == 6 and listener.heads[-1:] == [6])
        assert listener.logs == [(f"0xmain{n}", 0) for n in range(1, 7)]
        assert listener.rewinds == []

    run(scenario)


def test_stream__silent_socket__is_noticed_over_http() -> None:
    async def scenario(node: FakeNode, listener: Listener) -> None:
        node.extend(logs=1)
        node.extend(logs=1)
        await listener.until(lambda _: len(listener.logs) == 2)
        assert listener.heads[-1] == 2

    run(scenario, watchdog_s=0.2)


def test_stream__reorg__rewinds_to_the_common_block_and_replays() -> None:
    async def scenario(node: FakeNode, listener: Listener) -> None:
        for _ in range(4):
            await node.tell(node.extend(logs=1))
        await listener.until(lambda _: len(listener.logs) == 4)
        node.rewind(2)
        for _ in range(3):
            node.extend("other", logs=1)
        await node.tell(node.blocks[-1])
        await listener.until(lambda _: listener.heads[-1:] == [5] and len(listener.logs) == 7)
        assert listener.rewinds == [2]
        assert listener.logs[4:] == [("0xother3", 0), ("0xother4", 0), ("0xother5", 0)]

    run(scenario)


def test_stream__shorter_branch__rewinds_as_well() -> None:
    async def scenario(node: FakeNode, listener: Listener) -> None:
        for _ in range(5):
            await node.tell(node.extend())
        await listener.until(lambda _: listener.heads[-1:] == [5])
        node.rewind(1)
        await node.tell(node.extend("other", logs=1))
        await listener.until(lambda _: listener.heads[-1] == 2 and len(listener.logs) == 1)
        assert listener.rewinds == [1]

    run(scenario)


def test_stream__reorg_during_a_cut__is_found_after_it() -> None:
    async def scenario(node: FakeNode, listener: Listener) -> None:
        for _ in range(3):
            await node.tell(node.extend())
        await listener.until(lambda _: listener.heads[-1:] == [3])
        await node.cut()
        node.rewind(1)
        for _ in range(4):
            node.extend("other", logs=1)
        await listener.until(lambda _: len(listener.logs) == 4)
        assert listener.rewinds == [1]

    run(scenario)


def test_stream__check_of_a_block_fails__is_said_and_made_up_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    told = SimpleNamespace(warning=lambda what, **_: said.append(what))
    monkeypatch.setattr(stream, "log", told)

    async def scenario(node: FakeNode, listener: Listener) -> None:
        asked, failing = node.logs_of, [ChainError("the node does not answer")]

        async def logs_of(block_hash: str, addresses: Sequence[str]) -> list[Log]:
            if failing:
                raise failing.pop()
            return await asked(block_hash, addresses)

        node.logs_of = logs_of  # type: ignore[method-assign]
        await node.tell(node.extend(logs=1))  # the socket loses the log
        await listener.until(lambda _: len(listener.logs) == 1)
        assert said == ["block not checked"]
        failures = listener.stream.metrics.failures.labels("check")
        assert failures._value.get() == 1

    run(scenario)


def test_stream__removed_log__is_not_an_event() -> None:
    async def scenario(node: FakeNode, listener: Listener) -> None:
        head = node.extend(logs=1)
        stale = Log(ADDRESS, ("0x" + "02" * 32,), b"", 1, "0xgone", "0xgone", 0, True)
        await node.tell(stale)
        await node.tell(head)
        await listener.until(lambda _: len(listener.logs) == 1)
        assert listener.logs == [("0xmain1", 0)]

    run(scenario)


def test_stream__http_address__is_refused() -> None:
    with pytest.raises(BadInput, match="no WebSocket address"):
        Stream(FakeNode(), "http://x", [ADDRESS], Metrics())
