"""The keepers of a replay as processes of their own: started, listened to, killed, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from keepers.errors import ChainError

READY_S: Final = 60.0
STOP_S: Final = 5.0
TAIL: Final = 12  # last lines kept, to say why a process ended
ENVIRONMENT: Final = {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
COMMAND: Final = (sys.executable, "-c", "from keepers.cli import main; main()")


@dataclass(slots=True)
class Child:
    """One keeper process."""

    role: str
    name: str
    address: str
    process: asyncio.subprocess.Process
    log: Path
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    ack_ms: list[float] = field(default_factory=list)
    killed: bool = False
    reader: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Return whether it still runs."""
        return self.process.returncode is None


class Crew:
    """All keepers of a replay; whoever is left is ended on exit."""

    def __init__(self, folder: Path) -> None:
        """Keep the processes' logs in a folder."""
        self.folder = folder
        self.children: list[Child] = []

    async def __aenter__(self) -> Self:
        """Start with nobody."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everybody."""
        await self.end()

    async def start(
        self,
        role: str,
        name: str,
        address: str,
        arguments: Sequence[str],
        settings: Mapping[str, str],
    ) -> Child:
        """Start `plimsoll <arguments>` with further settings in its environment."""
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=2**20,
            env={**os.environ, **ENVIRONMENT, **settings},
            start_new_session=True,
        )
        child = Child(role, name, address.lower(), process, self.folder / f"{name}.log")
        child.reader = asyncio.create_task(_listen(child))
        self.children.append(child)
        return child

    async def ready(self) -> None:
        """Wait until every keeper says that it is ready."""
        try:
            async with asyncio.timeout(READY_S):
                await asyncio.gather(*(self._ready(child) for child in self.children))
        except TimeoutError as error:
            late = [child.name for child in self.children if not child.ready.is_set()]
            raise ChainError(f"{', '.join(late)} did not become ready") from error

    async def _ready(self, child: Child) -> None:
        waits = [asyncio.create_task(child.ready.wait()), asyncio.create_task(child.process.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        if not child.ready.is_set():
            raise ChainError(f"{child.name} ended while it started ({last_words(child)})")

    def named(self, name: str) -> Child:
        """Return a keeper by name."""
        return next(child for child in self.children if child.name == name)

    async def kill(self, name: str) -> None:
        """End one keeper without warning, as a power cut would."""
        child = self.named(name)
        if child.running:
            child.killed = True
            child.process.kill()
            await child.process.wait()

    def dead(self) -> list[str]:
        """Return who ended by itself, and its last words."""
        return [
            f"{child.name} ended by itself ({last_words(child)})"
            for child in self.children
            if not child.running and not child.killed
        ]

    def ack_ms(self) -> Mapping[str, list[float]]:
        """Return, by role, how long each took from an event to the node's acknowledgement."""
        found: dict[str, list[float]] = {}
        for child in self.children:
            found.setdefault(child.role, []).extend(child.ack_ms)
        return found

    async def end(self) -> None:
        """Ask everybody to end, and make those that do not."""
        for child in self.children:
            if child.running:
                child.killed = True
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGTERM)
        for child in self.children:
            try:
                await asyncio.wait_for(child.process.wait(), STOP_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    child.process.kill()
                await child.process.wait()
            if child.reader is not None:
                await asyncio.wait([child.reader], timeout=1.0)


async def _listen(child: Child) -> None:
    """Keep what a keeper says, and learn from it when it is ready and how fast it acts."""
    assert child.process.stdout is not None
    with child.log.open("wb") as log:
        async for line in child.process.stdout:
            log.write(line)
            log.flush()
            _understand(child, line.decode(errors="replace").strip())


def _understand(child: Child, line: str) -> None:
    if not line:
        return
    child.tail.append(line)
    if not line.startswith("{"):
        return
    try:
        said = json.loads(line)
    except ValueError:
        return
    if said.get("event") == "ready":
        child.ready.set()
    elif said.get("event") in ("sent", "submitted") and isinstance(said.get("ms"), int | float):
        child.ack_ms.append(float(said["ms"]))


def last_words(child: Child) -> str:
    """Return the last thing that a keeper said."""
    return child.tail[-1][:300] if child.tail else "without a word"
