"""A deployment on an anvil of the test's own, and the few moves that the tests share.

Actors are test keys by role; the node unlocks them, so that only keepers sign. Every transaction
is mined at once, at the next second of chain time.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account as Key
from web3 import HTTPProvider, Web3

from keepers.chain import deployment as deployments
from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment
from keepers.chain.reading import Reader
from keepers.chain.rpc import Rpc
from keepers.chain.signer import Signer
from keepers.chain.signer import test_secret as known_secret
from keepers.domain.margin import Health, health, snapshot
from keepers.domain.reports import (
    Quote,
    SignedReport,
    domain_separator,
    encode_blob,
    make_report,
)
from keepers.domain.units import DAY, LOT, LOTS_PER_UNIT, TICK, TICKS_PER_USD
from keepers.domain.words import Account, account_id, perp
from keepers.errors import ChainError
from keepers.lab.chain import find_anvil, free_port
from scripts.deployment import params
from scripts.deployment.command import open_site
from scripts.deployment.plan import full_plan
from scripts.deployment.runner import run
from scripts.deployment.web3_executor import Web3Executor

CHAIN_ID = 31337
START = 1_700_000_000
DEPLOYER, TRADER, OTHER_TRADER, LENDER = 0, 1, 2, 3
SIGNERS = (6, 7, 8, 9)
EXECUTOR, LIQUIDATOR, RIVAL = 10, 11, 12
FOREVER = 2**256 - 1
GAS = hex(3_000_000)
PRICES = {"ETH": 3_000, "BTC": 60_000, "LINK": 15, "WSTETH": 3_500}
MINT = bytes.fromhex("40c10f19")  # mint(address,uint256) of the test token


def key(number: int) -> Signer:
    """Return a test key."""
    return Signer(known_secret(number))


@dataclass(frozen=True, slots=True)
class Node:
    """A running anvil with a deployment on it."""

    http: str
    ws: str
    path: Path
    deployment: Deployment


@contextmanager
def deployed_node() -> Iterator[Node]:
    """Start anvil on a free port, deploy everything with the shipped parameters, end it by id."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        command = [str(find_anvil()), "--quiet", "--port", str(port), "--accounts", "20"]
        command += [
            "--chain-id",
            str(CHAIN_ID),
            "--timestamp",
            str(START),
            "--gas-limit",
            "60000000",
        ]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=folder)
        try:
            http = f"http://127.0.0.1:{port}"
            _wait(http, process)
            path = folder / f"{CHAIN_ID}.json"
            _deploy(http, path)
            yield Node(http, http.replace("http", "ws"), path, deployments.load(path))
        finally:
            process.terminate()
            process.wait(5)


def _wait(http: str, process: subprocess.Popen[bytes]) -> None:
    async def answers() -> None:
        async with Rpc(http, timeout_s=1.0) as rpc:
            await rpc.request("eth_chainId", retries=0)

    for _ in range(400):
        assert process.poll() is None, "anvil ended while it started"
        try:
            return asyncio.run(answers())
        except ChainError:
            time.sleep(0.05)
    raise AssertionError("anvil does not answer")


def _deploy(http: str, path: Path) -> None:
    parameters = params.load("local")
    executor = Web3Executor(Web3(HTTPProvider(http)), Key.from_key(known_secret(DEPLOYER)))
    run(open_site(executor, parameters, path), full_plan(parameters))


class World:
    """Moves on one node; open it inside the event loop of a test."""

    def __init__(self, node: Node, rpc: Rpc) -> None:
        self.node = node
        self.rpc = rpc
        self.deployment = node.deployment
        self.reader = Reader(rpc, node.deployment)
        self.prices = dict(PRICES)
        self.salt = 0

    async def send(
        self, actor: int, to: str, data: bytes, value: int = 0, wait: bool = True
    ) -> str:
        """Send as an unlocked test account; a revert fails the test."""
        tx = {
            "from": key(actor).address,
            "to": to,
            "data": "0x" + data.hex(),
            "value": hex(value),
            "gas": GAS,
        }
        hash_ = str(await self.rpc.request("eth_sendTransaction", tx))
        if wait:
            receipt = await self.landed(hash_)
            if receipt["status"] != "0x1":
                await self.rpc.call(to, data, sender=key(actor).address)
                raise AssertionError("a transaction of the test's own failed")
        return hash_

    async def landed(self, hash_: str) -> Mapping[str, Any]:
        """Return the receipt as soon as there is one."""
        async with asyncio.timeout(5):
            while True:
                receipt = await self.rpc.receipt(hash_)
                if receipt is not None:
                    return receipt
                await asyncio.sleep(0.005)

    async def act(
        self, actor: int, contract: str, name: str, *arguments: Any, value: int = 0
    ) -> str:
        """Call an entry point as an actor."""
        data = interface(contract).encode(name, *arguments)
        return await self.send(actor, self.deployment.address(contract), data, value)

    async def pass_time(self, seconds: int) -> None:
        """Let the next block be this much later."""
        await self.rpc.request("evm_increaseTime", seconds)
        await self.rpc.request("evm_mine")

    async def now(self) -> int:
        return (await self.rpc.head()).time

    # ---- money

    async def give(self, actor: int, token: str, amount: int, spender: str) -> None:
        """Mint tokens for an actor and let a contract pull them."""
        address = self.deployment.token(token).address
        receiver = int(key(actor).address, 16).to_bytes(32, "big")
        await self.send(actor, address, MINT + receiver + amount.to_bytes(32, "big"))
        approval = interface("ERC20").encode("approve", self.deployment.address(spender), FOREVER)
        await self.send(actor, address, approval)

    async def deposit(self, actor: int, usd: int, index: int = 0, ether: int = 0) -> int:
        """Deposit dollars and ether into an actor's account; returns its id."""
        account = account_id(key(actor).address, index)
        for token, amount in (("USDC", usd * 10**6), ("WETH", ether * 10**18)):
            if amount:
                await self.give(actor, token, amount, "Clearinghouse")
                address = self.deployment.token(token).address
                await self.act(actor, "Clearinghouse", "deposit", account, address, amount)
        return account

    async def fund_house(self, pool_usd: int = 10_000_000, fund_usd: int = 500_000) -> None:
        """Fund pool and insurance."""
        await self.give(LENDER, "USDC", fund_usd * 10**6, "InsuranceFund")
        await self.act(LENDER, "InsuranceFund", "fund", fund_usd * 10**6)
        await self.give(LENDER, "USDC", pool_usd * 10**6, "LiquidityPool")
        receiver = key(LENDER).address
        await self.act(LENDER, "LiquidityPool", "request_deposit", pool_usd * 10**6, receiver)
        await self.pass_time(3)
        await self.publish()
        await self.act(LENDER, "LiquidityPool", "execute_deposit", 1)

    # ---- prices

    def reports(self, publish: int, signers: int = 3) -> list[SignedReport]:
        """Return signed reports of the present prices."""
        separator = domain_separator(CHAIN_ID, self.deployment.address("Markets"))
        quotes = [
            Quote(self.deployment.market(symbol), round(usd * TICKS_PER_USD), 10)
            for symbol, usd in self.prices.items()
        ]
        report = make_report(publish, quotes)
        ordered = [self.deployment.signers.index(key(each).address) for each in SIGNERS]
        return [
            key(number).sign_report(index, report, separator)
            for number, index in list(zip(SIGNERS, ordered, strict=True))[:signers]
        ]

    async def blob(self) -> bytes:
        """Return an update of the present prices at the latest block's time."""
        return encode_blob(self.reports(await self.now()), self.deployment.signers)

    async def publish(self, **usd: float) -> None:
        """Bring prices of the latest block's time on the chain."""
        self.prices |= usd
        await self.act(DEPLOYER, "Markets", "update", await self.blob())

    async def publish_next(self, **usd: float) -> None:
        """Bring prices in a block, and leave it to the test to mine the ones after it."""
        self.prices |= usd
        data = interface("Markets").encode("update", await self.blob())
        await self.rpc.request("evm_setAutomine", False)
        hash_ = await self.send(DEPLOYER, self.deployment.address("Markets"), data, wait=False)
        await self.rpc.request("evm_mine")
        await self.landed(hash_)

    async def move(self, symbol: str, usd: float, steps_percent: float = 2.0) -> None:
        """Walk a price to where it shall be, in steps that no guard holds up."""
        while self.prices[symbol] != usd:
            last = self.prices[symbol]
            most = last * steps_percent / 100
            near = abs(usd - last) <= most
            target = usd if near else last + (most if usd > last else -most)
            await self.pass_time(10)
            await self.publish(**{symbol: target})

    # ---- positions

    def order(
        self, account: int, symbol: str, units: float, now: int, **changed: Any
    ) -> tuple[Any, ...]:
        """Return an order at any price."""
        self.salt += 1
        size = round(units * LOTS_PER_UNIT)
        limit = 2**62 if size > 0 else 0
        return (
            account,
            self.deployment.address("LiquidityPool"),
            perp(self.deployment.market(symbol)),
            size * LOT,
            changed.get("limit", limit) * TICK,
            now + changed.get("lifetime", DAY // 2),
            changed.get("reduce_only", False),
            changed.get("reserve", 10**16),
            self.salt,
        )

    async def commit(
        self, actor: int, symbol: str, units: float, index: int = 0, **changed: Any
    ) -> tuple[Any, ...]:
        """Commit an order; returns its struct."""
        account = account_id(key(actor).address, index)
        order = self.order(account, symbol, units, await self.now(), **changed)
        await self.act(actor, "Orders", "commit", order, value=order[7])
        return order

    async def open(self, actor: int, symbol: str, units: float, index: int = 0) -> None:
        """Open a position at the next price."""
        order = await self.commit(actor, symbol, units, index)
        await self.pass_time(3)
        await self.publish()
        await self.act(DEPLOYER, "Orders", "execute", order)

    # ---- looking

    async def health(self, account: int) -> tuple[Account, Health]:
        """Return an account and its health at the latest block, by the keepers' own mirror."""
        head = await self.rpc.head()
        prices = snapshot(
            head.time,
            await self.reader.markets(),
            await self.reader.collaterals(),
            await self.reader.terms(),
        )
        found = (await self.reader.accounts([account]))[0]
        return found, health(found, prices)

    async def stored_health(self, account: int) -> tuple[int, ...]:
        """Return the health that the contracts answer."""
        answer = await self.reader.one("Clearinghouse", "health", account)
        return tuple(answer[0])
