"""A fresh anvil for one run of the bench."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from scripts.deployment.artifacts import ROOT
from scripts.deployment.errors import DeploymentError
from scripts.deployment.web3_executor import Web3Executor

GENESIS = 1_700_000_000
START_SECONDS = 20
STEP_SECONDS = 0.05
GAS_LIMIT = 100_000_000
RICH_WEI = 10**24


def key_of(actor: str) -> bytes:
    """Return the key of an actor."""
    return bytes(Web3.keccak(text=f"bench {actor}"))


class Anvil:
    """A running anvil whose clock and actors are ours: a `Chain` of tests/support/scene.py."""

    def __init__(self, web3: Web3) -> None:
        """Take a connection to a fresh node."""
        self.web3 = web3
        self._actors: dict[str, Web3Executor] = {}

    def actor(self, name: str) -> Web3Executor:
        """Return the executor of a funded account, one for each name; the node sends for it."""
        if name not in self._actors:
            address = Account.from_key(key_of(name)).address
            rpc(self.web3, "anvil_setBalance", address, hex(RICH_WEI))
            rpc(self.web3, "anvil_impersonateAccount", address)
            self._actors[name] = Web3Executor(self.web3, address)
        return self._actors[name]

    def now(self) -> int:
        """Return the time of the latest block [s]."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def wait(self, seconds: int) -> None:
        """Let time pass in an empty block."""
        rpc(self.web3, "evm_setNextBlockTimestamp", self.now() + seconds)
        rpc(self.web3, "evm_mine")


@contextmanager
def fresh_chain(traced: bool = False) -> Iterator[Anvil]:
    """Start anvil, yield it, stop it; `traced` keeps the steps of transactions."""
    chosen = _free_port()
    command = [
        str(find_anvil()),
        *("--port", str(chosen), "--silent", "--timestamp", str(GENESIS)),
        *("--gas-limit", str(GAS_LIMIT), "--hardfork", "prague", "--base-fee", "1000000000"),
        *("--accounts", "10", "--balance", "1000000"),
        *(["--steps-tracing"] if traced else []),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        web3 = Web3(HTTPProvider(f"http://127.0.0.1:{chosen}"))
        _wait(web3, process)
        # Time is counted in blocks here, so that a run measures the same on every machine.
        rpc(web3, "anvil_setBlockTimestampInterval", 1)
        yield Anvil(web3)
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def find_anvil() -> Path:
    """Return the pinned anvil, or one on PATH.

    Raises:
        DeploymentError: there is none.
    """
    pinned = sorted(ROOT.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"))
    found = str(pinned[0]) if pinned else which("anvil")
    if found is None:
        raise DeploymentError("anvil was not found; `make setup` installs the pinned one with npm")
    return Path(found)


def rpc(web3: Web3, method: str, *params: object) -> object:
    """Call one of anvil's own methods."""
    response = web3.provider.make_request(RPCEndpoint(method), list(params))
    if "error" in response:
        raise DeploymentError(f"the node refused {method}: {response['error']}")
    return response.get("result")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(web3: Web3, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not web3.is_connected():
        if process.poll() is not None or time.monotonic() > deadline:
            raise DeploymentError("anvil did not start")
        time.sleep(STEP_SECONDS)
