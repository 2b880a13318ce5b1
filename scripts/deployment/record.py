"""The deployment file: what stands where on a chain; keepers read it, re-runs resume from it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address

from scripts.deployment.artifacts import ROOT
from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import Receipt
from scripts.deployment.models import Parameters

FOLDER = ROOT / "deployments"
FOLDER_VARIABLE = "PLIMSOLL_DEPLOYMENTS"


@dataclass(slots=True)
class Record:
    """The content of deployments/<chain>.json, kept up to date after every step."""

    chain_id: int
    deployer: str
    block: int = 0
    commit: str = ""
    compiler: str = ""
    contracts: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    markets: dict[str, dict[str, Any]] = field(default_factory=dict)
    signers: list[str] = field(default_factory=list)
    predicted: dict[str, str] = field(default_factory=dict)
    begun: dict[str, Any] = field(default_factory=dict)  # the contract under way, if any
    parameters: dict[str, Any] = field(default_factory=dict)

    def address(self, name: str) -> str:
        """Return where a contract stands.

        Raises:
            DeploymentError: it has not been deployed.
        """
        if name not in self.contracts:
            raise DeploymentError(
                f"{name} is not deployed on chain {self.chain_id}; run `ape run deploy`"
            )
        return str(self.contracts[name]["address"])

    def token(self, symbol: str) -> str:
        """Return where a token stands.

        Raises:
            DeploymentError: it has not been noted.
        """
        if symbol not in self.tokens:
            raise DeploymentError(
                f"token {symbol} is not deployed on chain {self.chain_id}; run `ape run deploy`"
            )
        return str(self.tokens[symbol]["address"])

    def add(self, name: str, receipt: Receipt) -> None:
        """Note a new contract; the first one's block is where its history starts."""
        self.contracts[name] = {
            "address": receipt.address,
            "tx": receipt.tx,
            "block": receipt.block,
        }
        self.block = min(entry["block"] for entry in self.contracts.values())

    def describe(self, parameters: Parameters) -> None:
        """Note what the parameters say about markets and signers."""
        self.signers = list(parameters.signers)
        self.markets = {
            symbol: {"id": market.id, "traded": market.pool is not None}
            for symbol, market in parameters.markets.items()
        }
        self.parameters = asdict(parameters)


def path_of(chain_id: int) -> Path:
    """Return the deployment file of a chain, where keepers look for it as well."""
    return Path(os.environ.get(FOLDER_VARIABLE) or FOLDER) / f"{chain_id}.json"


def load(path: Path) -> Record:
    """Read a deployment file.

    Raises:
        DeploymentError: it is missing or is not one.
    """
    if not path.is_file():
        raise DeploymentError(
            f"there is no deployment file {path.name}; run `ape run deploy` first"
        )
    try:
        record = Record(**json.loads(path.read_text(encoding="utf-8")))
        for entry in (*record.contracts.values(), *record.tokens.values()):
            to_checksum_address(entry["address"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DeploymentError(
            f"{path.name} is not a whole deployment file ({error!s:.60}); put back a copy of "
            "it, or move it away and deploy anew"
        ) from error
    return record


def save(record: Record, path: Path) -> None:
    """Write a deployment file in one move, so that an interruption leaves the last whole one.

    Raises:
        DeploymentError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise DeploymentError(
            f"the deployment file {path} cannot be written ({error.strerror}); make room for it, "
            "or name another by --file, and run this again"
        ) from error


def commit(root: Path = ROOT) -> str:
    """Return the checked-out commit, or nothing where there is no repository."""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
