"""The deployment file `deployments/<chain>.json`: which contracts, tokens and markets there are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keepers.errors import BadInput

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
REDEPLOY = "write it again with the deploy script"


@dataclass(frozen=True, slots=True)
class Contract:
    """Where one contract stands and how it came there."""

    address: str
    tx: str = ""
    block: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A listed token; the settlement token has id 0."""

    symbol: str
    address: str
    decimals: int
    id: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment, as the deploy script wrote it."""

    chain_id: int
    block: int
    commit: str
    compiler: str
    contracts: Mapping[str, Contract]
    tokens: Mapping[str, Token]
    markets: Mapping[str, int]
    signers: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def address(self, contract: str) -> str:
        """Return a contract's address."""
        if contract not in self.contracts:
            raise BadInput(f"the deployment file names no {contract}", REDEPLOY)
        return self.contracts[contract].address

    def market(self, symbol: str) -> int:
        """Return the id of a market by its symbol."""
        if symbol.upper() not in self.markets:
            raise BadInput(
                f"there is no market {symbol}", f"choose one of {', '.join(sorted(self.markets))}"
            )
        return self.markets[symbol.upper()]

    def symbol(self, market: int) -> str:
        """Return a market's symbol, its number when the file does not name it."""
        return next((name for name, id_ in self.markets.items() if id_ == market), f"#{market}")

    @property
    def symbols(self) -> dict[int, str]:
        """Return the symbols of the markets by their ids."""
        return {id_: name for name, id_ in self.markets.items()}

    def token(self, symbol: str) -> Token:
        """Return a listed token by symbol or address."""
        for token in self.tokens.values():
            if symbol.lower() in (token.symbol.lower(), token.address.lower()):
                return token
        raise BadInput(
            f"{symbol} is not a listed token", f"choose one of {', '.join(sorted(self.tokens))}"
        )

    def token_by_id(self, id_: int) -> Token | None:
        """Return the token that the ledger knows by this id."""
        return next((token for token in self.tokens.values() if token.id == id_), None)

    @property
    def settlement(self) -> Token:
        """Return the settlement token."""
        token = self.token_by_id(0)
        if token is None:
            raise BadInput("the deployment file names no settlement token", REDEPLOY)
        return token


def load(path: Path) -> Deployment:
    """Read and check a deployment file."""
    if not path.is_file():
        raise BadInput(
            f"there is no deployment file {path}",
            "deploy first, or give its path with --deployment",
        )
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return parse(raw)
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(
            f"the deployment file {path} is damaged ({error!s:.60})", REDEPLOY
        ) from error


def for_chain(folder: Path, chain_id: int) -> Deployment:
    """Read `<folder>/<chain id>.json` and check that it is about this chain."""
    deployment = load(folder / f"{chain_id}.json")
    if deployment.chain_id != chain_id:
        raise BadInput(
            f"the deployment file {chain_id}.json is about chain {deployment.chain_id}", REDEPLOY
        )
    return deployment


def parse(raw: Mapping[str, Any]) -> Deployment:
    """Build the facts from the file's JSON."""
    return Deployment(
        chain_id=int(raw["chain_id"]),
        block=int(raw["block"]),
        commit=str(raw.get("commit", "")),
        compiler=str(raw.get("compiler", "")),
        contracts={name: _contract(each) for name, each in raw["contracts"].items()},
        tokens={
            symbol: Token(symbol, _address(each["address"]), int(each["decimals"]), int(each["id"]))
            for symbol, each in raw["tokens"].items()
        },
        markets={
            symbol.upper(): int(each["id"] if isinstance(each, Mapping) else each)
            for symbol, each in raw["markets"].items()
        },
        signers=tuple(_address(each) for each in raw.get("signers", ())),
        parameters=raw.get("parameters", {}),
    )


def _contract(raw: Mapping[str, Any]) -> Contract:
    return Contract(_address(raw["address"]), str(raw.get("tx", "")), int(raw.get("block") or 0))


def _address(text: object) -> str:
    if not isinstance(text, str) or not ADDRESS.fullmatch(text):
        raise ValueError(f"{text!s:.50} is no address")
    return text
