"""The keeper's speed: from an event to the node's acknowledgement of the transaction it asks for.

One run, one node, three ways: the liquidator as it is shipped; a poller that asks the lens every
quarter of a second, which is what simple bots do; and bare signing and sending, the floor. Each
round a price falls far enough for one more account.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import structlog

from bench.node import Anvil, rpc
from keepers.bots.liquidate import Liquidate
from keepers.bots.runtime import Runtime
from keepers.chain.rpc import Rpc
from keepers.chain.signer import Signer, load_signer
from keepers.chain.transactions import Draft, Fees, sign
from keepers.settings import LiquidateSettings, make
from scripts.deployment.errors import DeploymentError
from tests.support.scene import LOTS, TICKS, Scene, deploy

USD = 10**6
ROUNDS = 12
SIZE = 20  # ETH a leg
FIRST_PRICE = 2_915  # USD at which the first account is at its maintenance margin
STEP = 6  # USD between two accounts
MARGIN_BP = 250  # MM rate of a major market
COST_USD = 70  # spread, fee and skew of opening, kappa
POLL_SECONDS = 0.25
PATIENCE_SECONDS = 15
BARE_SENDS = 40
KEEPER, RIVAL, SENDER = "test:11", "test:12", "test:13"
GAS = 1_500_000
FEES = Fees(max_fee=10 * 10**9, tip=10**9)
CHAIN_ID = 31337
RICH_WEI = hex(10**21)


@dataclass(frozen=True, slots=True)
class Latency:
    """Medians [ms]."""

    event_to_tx: float
    own: float  # of it the keeper's own, until the transaction is signed; the rest is the node's
    poller: float
    poller_send: float  # of it the bare signing and sending of the same call
    bare: float

    def figures(self) -> dict[str, float]:
        """Return the rows of bench/latency.json."""
        return {
            "event_to_tx_p50_ms": round(self.event_to_tx, 2),
            "event_to_signed_p50_ms": round(self.own, 2),
            "poller_250ms_p50_ms": round(self.poller, 2),
            "bare_send_of_a_reduce_p50_ms": round(self.poller_send, 2),
            "bare_sign_and_send_p50_ms": round(self.bare, 2),
        }


def measure(chain: Anvil) -> Latency:
    """Deploy on a fresh node and measure the three ways."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{CHAIN_ID}.json"
        scene = _prepare(chain, path)
        return asyncio.run(_measure(scene, chain, path))


def _prepare(chain: Anvil, path: Path) -> Scene:
    """Open the accounts, each a little safer than the one before it."""
    site = deploy(chain, "local", path)
    scene = Scene(chain, site, dict(site.parameters.prices))
    scene.publish(1)
    scene.seed_pool(10_000_000 * USD)
    for round_number in range(2 * ROUNDS):
        scene.fund(_name(round_number), USDC=_deposit(round_number))
        scene.trade(_name(round_number), "ETH", SIZE * LOTS)
    for source in (KEEPER, RIVAL, SENDER):
        address = load_signer(source, CHAIN_ID).address
        rpc(chain.web3, "anvil_setBalance", address, RICH_WEI)
    scene.publish(20, ETH=2_950 * TICKS)
    return scene


def _name(round_number: int) -> str:
    return f"weak {round_number}"


def _price(round_number: int) -> int:
    return FIRST_PRICE - STEP * round_number


def _deposit(round_number: int) -> int:
    """Return the atoms with which equity meets maintenance at the round's price."""
    price = _price(round_number)
    return (SIZE * (3_000 - price) + SIZE * price * MARGIN_BP // 10_000 + COST_USD) * USD


async def _measure(scene: Scene, chain: Anvil, path: Path) -> Latency:
    url = str(chain.web3.provider.endpoint_uri)  # type: ignore[attr-defined]
    bare = await _bare(url)
    event, own = await _bot(scene, url, path)
    poller, send = await _poller(scene, url)
    return Latency(event_to_tx=event, own=own, poller=poller, poller_send=send, bare=bare)


# ---- bare --------------------------------------------------------------------------------------


async def _bare(url: str) -> float:
    """Sign and send transactions that do nothing, one after the other."""
    signer = load_signer(SENDER, CHAIN_ID)
    taken = []
    async with Rpc(url) as node:
        for nonce in range(BARE_SENDS):
            started = time.perf_counter()
            await _send(node, signer, nonce, signer.address, b"")
            taken.append((time.perf_counter() - started) * 1_000)
    return median(taken)


async def _send(node: Rpc, signer: Signer, nonce: int, to: str, data: bytes) -> None:
    draft = Draft(key=str(nonce), to=to, data=data, gas=GAS)
    await node.send_raw(sign(draft, nonce, FEES, CHAIN_ID, signer).raw)


# ---- the keeper --------------------------------------------------------------------------------


async def _bot(scene: Scene, url: str, path: Path) -> tuple[float, float]:
    """Return what passes from an event to the node's answer, and to a signed transaction [ms]."""
    settings = make(LiquidateSettings, rpc=url, deployment=path, key=KEEPER, take=False)
    runtime = await Runtime.open(settings)
    bot = Liquidate(runtime, settings)
    task = asyncio.create_task(bot.run())
    try:
        await _until(lambda: bot.ready and bot.stream.alive)
        for round_number in range(ROUNDS):
            await _fall(scene, round_number)
            known = round_number + 1
            await _until(lambda known=known: len(runtime.latencies_ms) >= known)
            await asyncio.to_thread(_rescue, scene, round_number)
        both = zip(runtime.latencies_ms, runtime.answers_ms, strict=True)
        return median(runtime.latencies_ms), median(whole - node for whole, node in both)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await runtime.close()


async def _fall(scene: Scene, round_number: int) -> None:
    """Publish the price at which the round's account is just under maintenance."""
    price = (_price(round_number) - 1) * TICKS
    await asyncio.to_thread(scene.publish, 10, ETH=price)


def _rescue(scene: Scene, round_number: int) -> None:
    """Make an account that was dealt with safe, so that it does not ask for more."""
    scene.fund(_name(round_number), USDC=5_000 * USD)


async def _until(done: object) -> None:
    assert callable(done)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not done():
            await asyncio.sleep(0.005)


# ---- the poller --------------------------------------------------------------------------------


async def _poller(scene: Scene, url: str) -> tuple[float, float]:
    """Poll the lens at a fixed beat while prices fall at moments that do not follow the beat.

    Returns what passes from a fall to the node's answer, and of it from the signing [ms].
    """
    signer, nonce, taken, sends = load_signer(RIVAL, CHAIN_ID), 0, [], []
    async with Rpc(url) as node:
        beat = time.perf_counter()
        for round_number in range(ROUNDS, 2 * ROUNDS):
            # the beats' phase moves on by a bit less than half of the interval each round
            await _sleep_until(beat + POLL_SECONDS * (round_number * 0.41 % 1))
            await _fall(scene, round_number)
            event = time.perf_counter()
            found: list[int] = []
            while not found:
                beat = _next_beat(beat)
                await _sleep_until(beat)
                found = await asyncio.to_thread(_unhealthy, scene)
            to, data = await asyncio.to_thread(_reduction, scene, found[0])
            started = time.perf_counter()
            await _send(node, signer, nonce, to, data)
            nonce += 1
            sends.append((time.perf_counter() - started) * 1_000)
            taken.append((time.perf_counter() - event) * 1_000)
            await asyncio.to_thread(_rescue, scene, round_number)
    return median(taken), median(sends)


def _next_beat(beat: float) -> float:
    behind = time.perf_counter() - beat
    return beat + POLL_SECONDS * (max(0, int(behind / POLL_SECONDS)) + 1)


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.perf_counter()))


def _unhealthy(scene: Scene) -> list[int]:
    found = scene.contract("Lens").read("unhealthy", 0, 500)[0]
    return [account for account in found if account in _accounts(scene)]


def _accounts(scene: Scene) -> set[int]:
    return {scene.account(_name(number)) for number in range(2 * ROUNDS)}


def _reduction(scene: Scene, account: int) -> tuple[str, bytes]:
    """Plan a reduce and return the call."""
    liquidator, eth = scene.contract("Liquidator"), scene.market("ETH") << 56
    plan = liquidator.read("plan_reduce", account, eth)
    if plan.status != 0:
        raise DeploymentError(f"the poller's plan has status {plan.status}")
    keeper = int(load_signer(RIVAL, CHAIN_ID).address, 16) << 96
    deadline = scene.now + 600
    arguments = (account, eth, plan.size, 0, keeper, deadline)
    return liquidator.address, liquidator.encode("reduce", *arguments)
