"""A local node of one's own: found, started on a free port, ended by whoever started it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keepers.chain.rpc import Rpc
from keepers.errors import BadInput, ChainError

ROOT: Final = Path(__file__).resolve().parents[2]
OLDEST: Final = (1, 5)
CHAIN_ID: Final = 31337
ACCOUNTS: Final = 20
GAS_LIMIT: Final = 60_000_000  # of a block: what main net has
# States of older blocks are dropped: keeping each costs a copy of everything.
HISTORY: Final = 64
START_S: Final = 20.0
STOP_S: Final = 5.0
ATTEMPTS: Final = 3
HOW: Final = (
    "run `make setup`, which installs the pinned one, or install Foundry (https://getfoundry.sh)"
)


@dataclass(frozen=True, slots=True)
class Node:
    """A running node."""

    http: str
    ws: str
    pid: int
    folder: Path


def find_anvil(root: Path = ROOT) -> Path:
    """Return an anvil of at least 1.5: the one on PATH, else the pinned one of the checkout."""
    on_path = shutil.which("anvil")
    found = [Path(on_path)] if on_path else []
    found += sorted(root.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"))
    versions = [(path, version_of(path)) for path in found]
    for path, version in versions:
        if version >= OLDEST:
            return path
    known = ", ".join(f"{path} is {'.'.join(map(str, v))}" for path, v in versions if v)
    wanted = ".".join(map(str, OLDEST))
    raise BadInput(f"there is no anvil of version {wanted} or later{known and f' ({known})'}", HOW)


def version_of(path: Path) -> tuple[int, ...]:
    """Return what an anvil says of itself, nothing when it does not run."""
    try:
        said = subprocess.run(
            [str(path), "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    numbers = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    return tuple(int(part) for part in numbers.groups()) if numbers else ()


def free_port() -> int:
    """Return a port that the system says is free right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def running(start: int, anvil: Path, keep: bool = False) -> AsyncIterator[Node]:
    """Run a node whose first block has this time; ended however the body ends, unless kept."""
    folder = Path(tempfile.mkdtemp(prefix="plimsoll-"))
    process, node = await _start(anvil, start, folder)
    try:
        yield node
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            stop(process)
            shutil.rmtree(folder, ignore_errors=True)


async def _start(anvil: Path, start: int, folder: Path) -> tuple[subprocess.Popen[bytes], Node]:
    """Start the node; another program may have taken the port meanwhile, so try again."""
    for _ in range(ATTEMPTS):
        port = free_port()
        process = _spawn(anvil, start, folder, port)
        node = Node(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}", process.pid, folder)
        try:
            await _answers(node, process)
        except ChainError:
            stop(process)
            continue
        except BaseException:
            stop(process)
            raise
        return process, node
    said = (folder / "anvil.log").read_text(encoding="utf-8", errors="replace").strip()
    shutil.rmtree(folder, ignore_errors=True)
    raise BadInput(f"the node {anvil} does not start ({said[-200:]})", HOW)


def _spawn(anvil: Path, start: int, folder: Path, port: int) -> subprocess.Popen[bytes]:
    options = {
        "port": port,
        "chain-id": CHAIN_ID,
        "timestamp": start,
        "accounts": ACCOUNTS,
        "gas-limit": GAS_LIMIT,
        "order": "fifo",
        "prune-history": HISTORY,
        "cache-path": folder,
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    with (folder / "anvil.log").open("ab") as log:
        # A session of its own: Ctrl-C reaches us alone, and we end it in order.
        return subprocess.Popen(
            [str(anvil), "--quiet", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
            env={**os.environ, "NO_COLOR": "1"},
        )


async def _answers(node: Node, process: subprocess.Popen[bytes]) -> None:
    """Wait until the node answers; raise when it ends or stays silent."""
    deadline = asyncio.get_running_loop().time() + START_S
    async with Rpc(node.http, timeout_s=2.0) as rpc:
        while True:
            if process.poll() is not None:
                raise ChainError("the node ended while it started")
            with contextlib.suppress(ChainError):
                await rpc.request("eth_chainId", retries=0)
                return
            if asyncio.get_running_loop().time() > deadline:
                raise ChainError("the node does not answer")
            await asyncio.sleep(0.02)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End one process by its id: asked first, then made to."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
