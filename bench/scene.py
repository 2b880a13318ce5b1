"""The chain on which the bench measures: a deployment, actors, and the moves that set it up.

Every move is its own transaction, and so is every measured call: storage is cold, as it is for a
user. Prices are ticks, sizes lots, ledger amounts WAD: docs/spec/words.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from eth_account import Account as Key
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.types import TxParams

from bench.account import Account, Names, trace
from bench.node import rpc
from scripts.deployment import params
from scripts.deployment.command import carry_out, open_site
from scripts.deployment.errors import SendError
from scripts.deployment.executor import Contract
from scripts.deployment.plan import MOCK, full_plan
from scripts.deployment.runner import Site
from scripts.deployment.web3_executor import Web3Executor
from tests.support.reports import (
    Quote,
    blob,
    domain_separator,
    local_signers,
    packed_quotes,
    signed_report,
)

WAD = 10**18
LOT = 10**10
LOTS = 10**8
TICK = 10**8
TICKS = 10**10
FOREVER = 2**256 - 1
ANY_PRICE = (2**63 - 1) * TICK
TX_GAS = 21_000
GAS_LIMIT = 10_000_000
STEADY_SECONDS = 60
POOL_ATOMS = 10_000_000 * 10**6
INSURANCE_ATOMS = 1_000_000 * 10**6


@dataclass(slots=True)
class Scene:
    """A deployment on a fresh node."""

    web3: Web3
    site: Site
    prices: dict[str, int]
    owner: str
    salt: int = 0
    actors: dict[str, str] = field(default_factory=dict)
    names: Names | None = None  # given, every measured transaction is traced
    figures: dict[str, dict[str, int]] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)

    # ---- actors and contracts ----------------------------------------------------------------

    def actor(self, name: str) -> str:
        """Return the address of a role; the node sends for it."""
        if name not in self.actors:
            address = Key.from_key(Web3.keccak(text=f"bench {name}")).address
            rpc(self.web3, "anvil_setBalance", address, hex(10**24))
            rpc(self.web3, "anvil_impersonateAccount", address)
            self.actors[name] = address
        return self.actors[name]

    def account(self, name: str) -> int:
        """Return the first account of a role."""
        return int(self.actor(name), 16) << 96

    def contract(self, name: str) -> Contract:
        """Return a contract, read and sent to by the owner."""
        return self.site.contract(name)

    def by(self, actor: str, contract: Contract) -> Contract:
        """Return a contract for another sender."""
        return contract.by(Web3Executor(self.web3, self.actor(actor)))

    def token(self, symbol: str) -> Contract:
        """Return a test token."""
        return self.site.at(self.site.record.tokens[symbol]["address"], MOCK)

    def market(self, symbol: str) -> int:
        """Return a market's id."""
        return self.site.parameters.markets[symbol].id

    # ---- time and prices ---------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The time of the latest block [s]."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def wait(self, seconds: int) -> None:
        """Let time pass in an empty block."""
        rpc(self.web3, "evm_setNextBlockTimestamp", self.now + seconds)
        rpc(self.web3, "evm_mine")

    def reports(self, prices: Mapping[str, int]) -> bytes:
        """Return reports of a quorum, signed for the latest block's time."""
        parameters = self.site.parameters
        quotes = packed_quotes({self.market(s): Quote(price, 10) for s, price in prices.items()})
        markets = self.site.record.address("Markets")
        domain = domain_separator(parameters.chain_id, markets)
        signed = [
            signed_report(signer, domain, self.now, quotes)
            for signer in local_signers()[: parameters.quorum]
        ]
        return blob(signed, len(prices))

    def publish(self, seconds: int = 10, **prices: int) -> None:
        """Wait, then publish the named prices and the last ones of all other markets."""
        self.wait(seconds)
        self.prices.update(prices)
        self.contract("Markets").send("update", self.reports(self.prices))

    def pass_time(self, seconds: int) -> None:
        """Let time pass with prices coming in, so that nothing looks like an outage."""
        for _ in range(seconds // STEADY_SECONDS + 1):
            self.publish(STEADY_SECONDS)

    # ---- money and trades --------------------------------------------------------------------

    def fund(self, actor: str, **amounts: int) -> int:
        """Deposit new atoms of tokens into an actor's account."""
        account, ledger = self.account(actor), self.contract("Clearinghouse")
        for symbol, amount in amounts.items():
            token = self.token(symbol)
            token.send("mint", self.actor(actor), amount)
            self.by(actor, token).send("approve", ledger.address, FOREVER)
            self.by(actor, ledger).send("deposit", account, token.address, amount)
        return account

    def order(self, actor: str, symbol: str, lots: int, reduce_only: bool = False) -> list[Any]:
        """Return an order at any price, valid for half an hour."""
        self.salt += 1
        return [
            self.account(actor),
            self.site.record.address("LiquidityPool"),
            self.market(symbol) << 56,
            lots * LOT,
            ANY_PRICE if lots > 0 else 0,
            self.now + 1_800,
            reduce_only,
            self.site.parameters.min_reserve,
            self.salt,
        ]

    def commit(self, order: list[Any]) -> None:
        """Commit an order and publish the price that executes it."""
        orders = self.contract("Orders")
        sender = to_checksum_address((order[0] >> 96).to_bytes(20, "big"))
        orders.by(Web3Executor(self.web3, sender)).send("commit", order, value=order[7])
        self.publish(3)

    def trade(self, actor: str, symbol: str, lots: int) -> None:
        """Trade against the pool through a committed order."""
        order = self.order(actor, symbol, lots)
        self.commit(order)
        self.by("keeper", self.contract("Orders")).send("execute", order)

    # ---- measuring ---------------------------------------------------------------------------

    def measure(
        self, key: str, actor: str, call: tuple[Contract, str, tuple[object, ...]], value: int = 0
    ) -> None:
        """Send a call in a transaction of its own and note its two gas figures under `key`."""
        contract, function, arguments = call
        data = contract.encode(function, *arguments)
        request = cast(
            "TxParams",
            {
                "from": self.actor(actor),
                "to": contract.address,
                "data": "0x" + data.hex(),
                "value": value,
                "gas": GAS_LIMIT,
            },
        )
        tx = self.web3.eth.send_transaction(request)
        receipt = self.web3.eth.wait_for_transaction_receipt(tx, poll_latency=0.01)
        if receipt["status"] != 1:
            self.by(actor, contract).executor.call(contract.address, data)
            raise SendError(f"{function} reverted")
        whole, fixed = receipt["gasUsed"], TX_GAS + calldata_gas(data)
        self.figures[key] = {"execution": whole - fixed, "whole": whole}
        if self.names is not None:
            self.accounts[key] = trace(self.web3, "0x" + tx.hex(), self.names)


def calldata_gas(data: bytes) -> int:
    """Return what a transaction pays for its data: 4 a zero byte, 16 any other."""
    return 4 * data.count(0) + 16 * (len(data) - data.count(0))


def build(web3: Web3, traced: bool = False) -> Scene:
    """Deploy with the bench parameters, fund the pool and the insurance fund."""
    owner = web3.eth.accounts[0]
    parameters = params.load("bench")
    site = open_site(Web3Executor(web3, owner), parameters, None)
    carry_out(site, full_plan(parameters), lambda _: None)
    scene = Scene(web3, site, dict(parameters.prices), owner)
    if traced:
        contracts = {name: str(entry["address"]) for name, entry in site.record.contracts.items()}
        layouts = {name: made.layout for name, made in site.artifacts.items()}
        scene.names = Names(contracts, layouts)
    scene.publish(1)
    _seed_pool(scene)
    _seed_insurance(scene)
    return scene


def _seed_pool(scene: Scene) -> None:
    pool, token = scene.contract("LiquidityPool"), scene.token("USDC")
    provider = scene.actor("provider")
    token.send("mint", provider, POOL_ATOMS)
    scene.by("provider", token).send("approve", pool.address, FOREVER)
    scene.by("provider", pool).send("request_deposit", POOL_ATOMS, provider)
    scene.publish(5)
    pool.send("execute_deposit", pool.read("request_count"))


def _seed_insurance(scene: Scene) -> None:
    fund, token = scene.contract("InsuranceFund"), scene.token("USDC")
    token.send("mint", scene.owner, INSURANCE_ATOMS)
    token.send("approve", fund.address, FOREVER)
    fund.send("fund", INSURANCE_ATOMS)
