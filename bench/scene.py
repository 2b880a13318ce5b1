"""A scene whose transactions are measured, each in storage that is cold as for a user."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from web3 import Web3
from web3.types import TxParams

from bench.account import TX_GAS, Account, Names, calldata_gas, outline, trace
from bench.node import Anvil
from scripts.deployment.errors import SendError
from scripts.deployment.executor import Contract
from tests.support.scene import Scene, deploy

GAS_LIMIT = 10_000_000
POOL_ATOMS = 10_000_000 * 10**6
INSURANCE_ATOMS = 1_000_000 * 10**6


@dataclass
class MeasuredScene(Scene):
    """A scene that notes the gas of what it is asked to measure."""

    figures: dict[str, dict[str, int]] = field(default_factory=dict)
    calls: dict[str, list[int]] = field(default_factory=dict)  # gas of each, by way of liquidating
    accounts: dict[str, Account] = field(default_factory=dict)
    names: Names | None = None  # given, every measured transaction is traced
    brief: bool = False  # its account is an outline

    @property
    def web3(self) -> Web3:
        """The node."""
        return cast("Anvil", self.chain).web3

    def measure(
        self,
        key: str,
        actor: str,
        call: tuple[Contract, str, tuple[object, ...]],
        value: int = 0,
        limit: int = GAS_LIMIT,
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
                "gas": limit,
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
            self.names.meet(self.actor(actor), actor)
            account = outline if self.brief else trace
            self.accounts[key] = account(self.web3, "0x" + tx.hex(), self.names)


def build(chain: Anvil, traced: bool = False) -> MeasuredScene:
    """Deploy with the bench parameters, fund the pool and the insurance fund."""
    site = deploy(chain, "bench")
    scene = MeasuredScene(chain, site, dict(site.parameters.prices))
    if traced:
        contracts = {name: str(entry["address"]) for name, entry in site.record.contracts.items()}
        layouts = {name: made.layout for name, made in site.artifacts.items()}
        scene.names = Names(contracts, layouts)
    scene.publish(1)
    scene.seed_pool(POOL_ATOMS)
    scene.seed_insurance(INSURANCE_ATOMS)
    return scene
