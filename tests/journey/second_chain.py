"""The README's words about a test chain, as blocks that a test runs, and what it runs them on."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from web3 import HTTPProvider, Web3

from bench.node import find_anvil, rpc
from scripts.deployment.artifacts import ROOT

CHAIN_ID = 763_373
GENESIS = 1_700_000_000
COIN = 10**18
TITLE = "### Deploy to a test chain"
# what the test names otherwise than the README: a node's port, and those of the publishers
NODE_PORT, PUBLISHERS = "8545", "900"
PATIENCE_S = 120.0
# the chain's time runs ahead of the clock by a second each so often
TICK_S = 0.35
ROOMS = ("scripts", "contracts", "ape-config.yaml")


def section() -> str:
    """Return the README's section."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split(TITLE)[1].split("\n## ")[0]


def blocks() -> list[str]:
    """Return its blocks of commands: keys, deployment, keepers, use."""
    return re.findall(r"^```sh\n(.*?)^```", section(), re.MULTILINE | re.DOTALL)


def words(block: str) -> list[list[str]]:
    """Return the words of each line."""
    return [shlex.split(line) for line in block.splitlines()]


@dataclass(slots=True)
class Town:
    """A folder to work in, a node, and the keepers that the README starts."""

    folder: Path
    web3: Web3
    port: int
    ticking: threading.Event
    publishers: str = field(default_factory=lambda: free_prefix())
    exports: list[str] = field(default_factory=list)
    groups: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def http(self) -> str:
        """Return the node's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def deployment(self) -> Path:
        """Return where the deployment file is written."""
        return self.folder / "deployments" / f"{CHAIN_ID}.json"

    def shell(self, block: str) -> str:
        """Run a block by a shell, as written but for the ports; return what it printed."""
        self.exports += [line for line in block.splitlines() if line.startswith("export ")]
        done = subprocess.run(
            self._bash(block),
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, block: str) -> subprocess.Popen[bytes]:
        """Run a block that leaves keepers running, and wait until they are ready."""
        before, wanted = self.ready(), block.count("plimsoll")
        wanted *= 4 if "for n in 1 2 3 4" in block else 1
        with (self.folder / "keepers.log").open("ab") as log:
            group = subprocess.Popen(
                self._bash(block + "\nwait"),
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.groups.append(group)
        until("readiness", lambda: self.ready() - before >= wanted, self)
        return group

    def ready(self) -> int:
        """Return how many keepers have said that they are ready."""
        path = self.folder / "keepers.log"
        return path.read_text(encoding="utf-8").count('"event": "ready"') if path.is_file() else 0

    def end(self, group: subprocess.Popen[bytes]) -> None:
        """End the keepers of a block."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group.pid, signal.SIGTERM)
        group.wait(PATIENCE_S)

    def log(self) -> str:
        """Return what the keepers said last."""
        path = self.folder / "keepers.log"
        return path.read_text(encoding="utf-8")[-3_000:] if path.is_file() else ""

    def _bash(self, block: str) -> list[str]:
        text = "\n".join([*self.exports, block])
        text = text.replace(NODE_PORT, str(self.port))
        return ["bash", "-euc", text.replace(PUBLISHERS, self.publishers)]

    def _environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        folder = str(self.folder / "deployments")
        kept = {name: text for name, text in os.environ.items() if "PLIMSOLL" not in name}
        return {**kept, "PATH": path, "PLIMSOLL_DEPLOYMENTS": folder, "PLIMSOLL_HEARTBEAT_S": "4"}


def free_prefix() -> str:
    """Return four digits such that ports of these and 1 to 4 are free."""
    while True:
        prefix = str(random.randint(2_000, 3_200))
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for number in range(1, 5):
                probe = stack.enter_context(socket.socket())
                probe.bind(("127.0.0.1", int(f"{prefix}{number}")))
            return prefix


@contextlib.contextmanager
def town() -> Iterator[Town]:
    """Start a node of the second chain id without known keys; end it and everybody by id."""
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        folder = Path(name)
        for room in ROOMS:
            (folder / room).symlink_to(ROOT / room)
        node = subprocess.Popen(_anvil(port), stdin=subprocess.DEVNULL, cwd=folder)
        ticking, ended = threading.Event(), threading.Event()
        made = Town(folder, Web3(HTTPProvider(f"http://127.0.0.1:{port}")), port, ticking)
        thread = threading.Thread(target=_tick, args=(made, ended))
        try:
            _wait(made, node)
            thread.start()
            yield made
        finally:
            ended.set()
            for group in made.groups:
                made.end(group)
            if thread.ident is not None:
                thread.join()
            node.terminate()
            node.wait(PATIENCE_S)


def _anvil(port: int) -> list[str]:
    fixed = {"--chain-id": CHAIN_ID, "--timestamp": GENESIS, "--gas-limit": 60_000_000}
    options = [str(part) for pair in fixed.items() for part in pair]
    return [str(find_anvil()), "--quiet", "--port", str(port), "--accounts", "0", *options]


def _wait(made: Town, node: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not made.web3.is_connected():
        assert node.poll() is None, "anvil ended while it started"
        assert time.monotonic() < until, "anvil does not answer"
        time.sleep(0.05)


def _tick(made: Town, ended: threading.Event) -> None:
    """Let the chain's time run fast while it shall."""
    web3 = Web3(HTTPProvider(made.http))
    while not ended.wait(TICK_S):
        if made.ticking.is_set():
            rpc(web3, "evm_increaseTime", 1)
            rpc(web3, "evm_mine")


def fund(made: Town, addresses: list[str]) -> None:
    """Send each address some of the chain's coin."""
    for address in addresses:
        rpc(made.web3, "anvil_setBalance", address, hex(10 * COIN))


def pass_time(made: Town, seconds: int) -> None:
    """Let time pass at once."""
    rpc(made.web3, "evm_increaseTime", seconds)
    rpc(made.web3, "evm_mine")


def until(what: str, done: Any, made: Town) -> Any:
    """Return what `done` returns once that is something."""
    stop = time.monotonic() + PATIENCE_S
    while not (found := done()):
        assert time.monotonic() < stop, f"{what} did not happen:\n{made.log()}"
        time.sleep(0.1)
    return found
