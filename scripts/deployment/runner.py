"""Run the steps of a plan: check first, skip what is done, write the record after every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from pathlib import Path

from eth_utils.crypto import keccak

from scripts.deployment import record as records
from scripts.deployment.artifacts import Artifact
from scripts.deployment.errors import DeploymentError, SendError
from scripts.deployment.executor import (
    Contract,
    Executor,
    Receipt,
    created_address,
    initcode,
)
from scripts.deployment.models import DEPLOYER, Parameters
from scripts.deployment.record import Record

# what snekmate's ownable says to anybody else
NOT_OWNER = "ownable: "


@dataclass(slots=True)
class Site:
    """A deployment under way."""

    executor: Executor
    parameters: Parameters
    artifacts: Mapping[str, Artifact]
    record: Record
    path: Path | None = None  # of the record; None keeps it in memory
    mocks: bool = False  # tokens with a faucet where the parameters name none
    gas_used: int = 0

    def contract(self, name: str, artifact: str | None = None) -> Contract:
        """Return a deployed contract; `artifact` names its code where that is shared."""
        abi = self.artifacts[artifact or name].abi
        return Contract(self.executor, self.record.address(name), abi)

    def at(self, address: str, artifact: str) -> Contract:
        """Return the contract at any address."""
        return Contract(self.executor, address, self.artifacts[artifact].abi)

    def deploy(self, name: str, *args: object, artifact: str | None = None) -> str:
        """Create a contract and note it; where it will stand is noted before it is sent."""
        made = self.artifacts[artifact or name]
        code = initcode(made.abi, made.initcode, args)
        self.record.begun = {
            "name": name,
            "artifact": artifact or name,
            "address": self.next_address(),
            "block": self.executor.block(),
        }
        self.save()
        receipt = self.executor.create(code)
        self.spend(receipt)
        self.record.add(name, receipt)
        self.record.begun = {}
        return self.record.address(name)

    def next_address(self, offset: int = 0) -> str:
        """Return where the sender's next contract will stand, or the one `offset` later."""
        return created_address(self.executor.sender, self.executor.nonce() + offset)

    def send(self, contract: Contract, function: str, *args: object) -> None:
        """Send a transaction and count its gas."""
        self.spend(contract.send(function, *args))

    def spend(self, receipt: Receipt) -> None:
        """Count the gas of a transaction."""
        self.gas_used += receipt.gas_used

    def stored(self, name: str, module: str, variable: str, key: str) -> int:
        """Return the word of an address in a mapping that has no getter (Vyper's slot rule)."""
        slot = int(self.artifacts[name].layout[module][variable]["slot"])
        place = keccak(slot.to_bytes(32, "big") + int(key, 16).to_bytes(32, "big"))
        return self.executor.storage(self.record.address(name), int.from_bytes(place, "big"))

    def immutable(self, name: str, *path: str) -> int:
        """Return a word that has no getter, by module and name, out of the code of a contract."""
        made = self.artifacts[name]
        place = reduce(getitem, path, made.immutables)
        start = len(made.runtime) // 2 + int(place["offset"])
        code = self.executor.code(self.record.address(name))
        return int.from_bytes(code[start : start + 32], "big")

    def deployed(self, name: str) -> bool:
        """Return whether a contract is noted and has code."""
        noted = self.record.contracts.get(name)
        return noted is not None and len(self.executor.code(noted["address"])) > 0

    def resolve(self, who: str) -> str:
        """Return an address; `deployer` stands for the account that began the deployment."""
        return self.record.deployer if who == DEPLOYER else who

    def save(self) -> None:
        """Write the record, if it has a file."""
        if self.path is not None:
            records.save(self.record, self.path)


@dataclass(frozen=True, slots=True)
class Step:
    """One resumable step; `done` reads the chain, so that a repeated run changes nothing."""

    name: str
    done: Callable[[Site], bool]
    run: Callable[[Site], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step."""

    step: str
    already: bool
    gas_used: int


def run(
    site: Site, steps: Sequence[Step], tell: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Run what is left of the steps, in order.

    Raises:
        DeploymentError: a step failed; the record holds everything before it.
    """
    outcomes = []
    for step in steps:
        before = site.gas_used
        already = step.done(site)
        if not already:
            _run_one(site, step)
        outcome = Outcome(step.name, already, site.gas_used - before)
        outcomes.append(outcome)
        if tell is not None:
            tell(outcome)
    site.save()
    return outcomes


def _run_one(site: Site, step: Step) -> None:
    try:
        step.run(site)
    except SendError as error:
        if str(error).startswith(NOT_OWNER):
            sender = site.executor.sender
            error = SendError(f"{sender} is not the owner; send it from the owner's account")
        raise DeploymentError(f"{step.name}: {error}") from error
    except DeploymentError as error:
        raise DeploymentError(f"{step.name}: {error}") from error
    site.save()


def resume(executor: Executor, path: Path | None) -> Record:
    """Return the record to go on with: the chain's file, or a new one.

    Raises:
        DeploymentError: the file belongs to another chain.
    """
    chain_id = executor.chain_id()
    if path is None or not path.exists():
        return Record(chain_id=chain_id, deployer=executor.sender)
    kept = records.load(path)
    if kept.chain_id != chain_id:
        raise DeploymentError(f"{path.name} is of chain {kept.chain_id}, not {chain_id}")
    return kept
