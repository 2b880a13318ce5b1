"""A user of the test's node: clients, the command line, and keepers who answer orders meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from keepers import cli
from keepers.bots.execute import Execute
from keepers.chain.plans import Change
from keepers.chain.rpc import Rpc
from keepers.client import Client
from keepers.domain.margin import Health
from keepers.domain.words import Account
from keepers.settings import ClientSettings, ExecuteSettings, make
from tests.keepers.anvil_world import EXECUTOR, PRICES, TRADER, Node, World, key
from tests.keepers.bot_runs import PATIENCE_S, options, running, world

POLL_S = 0.02
OWNER = key(TRADER).address


def settings(node: Node, actor: int = TRADER, **given: Any) -> ClientSettings:
    """Return the settings of an actor's client."""
    base = {"rpc": node.http, "deployment": node.path, "key": f"test:{actor}", "poll_s": POLL_S}
    return make(ClientSettings, **{**base, "wait_s": PATIENCE_S, **given})


@contextlib.asynccontextmanager
async def user(node: Node, actor: int = TRADER, **given: Any) -> AsyncIterator[Client]:
    """Open an actor's client."""
    async with await Client.open(settings(node, actor, **given)) as client:
        yield client


# ---- the same second: what a preview says is compared with what happened at its own time


@contextlib.asynccontextmanager
async def still(on: World) -> AsyncIterator[None]:
    """Let every block have the time of the one before."""
    await on.rpc.request("anvil_setBlockTimestampInterval", 0)
    try:
        yield
    finally:
        await on.rpc.request("anvil_removeBlockTimestampInterval")


async def assert_happened(on: World, *changes: Change) -> None:
    """Hold what a plan promised against the chain: words and health, to the wei."""
    for change in changes:
        account, found = await on.health(change.after.id)
        assert _sorted(account) == _sorted(change.after)
        assert (await on.stored_health(account.id))[0] == change.health_after.equity
        assert _sums(found) == _sums(change.health_after)


def _sums(found: Health) -> tuple[int, ...]:
    return found.equity, found.unsettled, found.im, found.le, found.mm, found.kappa


def _sorted(account: Account) -> tuple[object, ...]:
    legs = sorted((leg.instrument, leg.size) for leg in account.legs)
    held = sorted((each.collateral, each.amount) for each in account.holdings)
    return account.id, account.cash, account.quote, legs, held, account.in_auction


# ---- keepers beside the test


@contextlib.contextmanager
def keepers_at_work(node: Node) -> Iterator[dict[str, float]]:
    """Run an executor in a thread, with a price three seconds after each commitment.

    Yields:
        the prices that it publishes: a world that moves them shares them.
    """
    prices: dict[str, float] = dict(PRICES)
    stop, failed = threading.Event(), list[BaseException]()

    async def work() -> None:
        chosen = make(ExecuteSettings, **options(node, EXECUTOR, min_profit_usd=-1_000.0))
        async with (
            world(node) as on,
            running(chosen, lambda runtime: Execute(runtime, chosen)) as bot,
        ):
            on.prices = prices
            ready.set()
            priced: set[bytes] = set()
            while not stop.is_set():
                waiting = set(bot.orders) - priced  # type: ignore[attr-defined]
                if waiting or await _request_waits(on):
                    await on.pass_time(3)
                    await on.publish()
                    priced |= waiting
                await asyncio.sleep(POLL_S)

    def body() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:
            failed.append(error)
            ready.set()

    ready = threading.Event()
    thread = threading.Thread(target=body)
    thread.start()
    try:
        assert ready.wait(PATIENCE_S)
        yield prices
    finally:
        stop.set()
        thread.join()
    for error in failed:
        raise error


async def _request_waits(on: World) -> bool:
    """Return whether the pool's newest request is a deposit that no price has reached."""
    (count,) = await on.reader.one("LiquidityPool", "request_count")
    _, time, _, is_redemption = await on.reader.one("LiquidityPool", "request", count)
    (market,) = await on.reader.markets_of([1])
    return bool(time) and not is_redemption and market.price.publish_time < time + 2


# ---- the command line


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return the one object that was printed."""
        (line,) = self.out.strip().splitlines()
        return json.loads(line)


class Terminal:
    """Runs `plimsoll` inside the test, for one actor on one node."""

    def __init__(
        self, node: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Name node, deployment and key by the environment, as a user would."""
        self._capsys = capsys
        self._patch = monkeypatch
        names = {"RPC": node.http, "DEPLOYMENT": str(node.path), "POLL_S": str(POLL_S)}
        for name, value in {**names, "LOG": "error", "KEY": f"test:{TRADER}"}.items():
            monkeypatch.setenv(f"PLIMSOLL_{name}", value)
        monkeypatch.setenv("COLUMNS", "200")

    def run(self, *arguments: str) -> Said:
        """Run one command."""
        return self.ran(arguments)

    def ran(self, arguments: Sequence[str]) -> Said:
        """Run one command given as a list."""
        self._patch.setattr(sys, "argv", ["plimsoll", *arguments])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        read = self._capsys.readouterr()
        assert "Traceback" not in read.err
        return Said(int(stopped.value.code or 0), read.out, read.err.strip())


def prepare(node: Node, usd: int = 6_000, ether: int = 1, units: float = 2) -> None:
    """Give the trader money and a position in ETH, and publish a fresh price."""

    async def act() -> None:
        async with world(node) as on:
            await on.deposit(TRADER, usd, ether=ether)
            if units:
                await on.open(TRADER, "ETH", units)
            await on.publish()

    asyncio.run(act())


def sent_so_far(node: Node) -> tuple[int, int]:
    """Return the number of blocks, and of the trader's transactions."""

    async def ask() -> tuple[int, int]:
        async with Rpc(node.http) as rpc:
            return (await rpc.head()).number, await rpc.nonce(OWNER)

    return asyncio.run(ask())


def outcome(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    level: str = "error",
) -> tuple[int, str]:
    """Run `plimsoll` and return its exit code and what it said on stderr last."""
    monkeypatch.setattr(sys, "argv", ["plimsoll", *arguments])
    monkeypatch.setenv("PLIMSOLL_LOG", level)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr().err.strip()
    assert "Traceback" not in said
    return int(stopped.value.code or 0), said
