"""Bots inside a test's event loop, and a TCP proxy in front of the node that can cut them off."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from keepers.bots.runtime import Bot, Runtime
from keepers.chain.proving import prove, require
from keepers.chain.rpc import Rpc
from keepers.settings import Settings
from tests.keepers.anvil_world import Node, World

PATIENCE_S = 20.0


@contextlib.asynccontextmanager
async def world(node: Node) -> AsyncIterator[World]:
    """Open the moves on a node."""
    async with Rpc(node.http) as rpc:
        yield World(node, rpc)


async def books_hold(on: World) -> list[str]:
    """Prove the books out of the chain and its events; return what was proved."""
    _, lines = await prove(on.rpc, on.deployment)
    require(lines)
    return [line.name for line in lines]


async def until(done: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_S) -> None:
    """Wait for the chain to say so."""
    async with asyncio.timeout(seconds):
        while not await done():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(settings: Settings, make: Callable[[Runtime], Bot]) -> AsyncIterator[Bot]:
    """Run a bot beside the test; a failure of it fails the test."""
    runtime = await Runtime.open(settings)
    bot = make(runtime)
    task = asyncio.create_task(bot.run())

    async def following() -> bool:
        if task.done():
            task.result()
        return bot.ready and bot.stream.alive

    try:
        await until(following)
        yield bot
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])
        await runtime.close()


def options(node: Node, number: int, **given: Any) -> dict[str, Any]:
    """Return the settings that every bot of the tests has."""
    return {
        "rpc": node.http,
        "ws": node.ws,
        "deployment": node.path,
        "key": f"test:{number}",
        "watchdog_s": 0.5,
        "stuck_s": 0.5,
        **given,
    }


class Proxy:
    """Passes bytes to the node until told to drop every connection, or to refuse new ones."""

    def __init__(self, target: str) -> None:
        """Stand in front of `host:port`."""
        self._host, port = target.removeprefix("ws://").split(":")
        self._port = int(port)
        self._open: set[asyncio.StreamWriter] = set()
        self.refusing = False
        self.connections = 0

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Listen on a free port; yields the address."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"ws://127.0.0.1:{port}"
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Drop every connection without a word."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            for each in (writer, far_writer):
                self._open.discard(each)
                each.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
