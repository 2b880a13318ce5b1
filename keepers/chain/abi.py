"""Contract interfaces from abi/<Contract>.json: bytes in, bytes out, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from keepers.chain.codec import decode, encode
from keepers.errors import BadInput

# in a checkout a link to abi/, in a wheel its files
FOLDER = Path(__file__).resolve().parents[1] / "abi"

ERC20 = (
    ("balanceOf", ("address",), ("uint256",)),
    ("allowance", ("address", "address"), ("uint256",)),
    ("approve", ("address", "uint256"), ("bool",)),
    ("transfer", ("address", "uint256"), ("bool",)),
    ("decimals", (), ("uint8",)),
    ("nonces", ("address",), ("uint256",)),  # ERC-2612, where the token has it
    ("DOMAIN_SEPARATOR", (), ("bytes32",)),
    # test tokens alone; those of contracts/testnet have a limit
    ("mint", ("address", "uint256"), ()),
    ("left", ("address",), ("uint256",)),
    ("refills_at", ("address",), ("uint256",)),
)


def type_of(entry: Mapping[str, Any]) -> str:
    """Return the canonical ABI type of a parameter, tuples written out."""
    kind = str(entry["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(type_of(each) for each in entry["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


def named(entry: Mapping[str, Any], value: Any) -> Any:
    """Return a decoded tuple as a mapping by field name, recursively."""
    kind = str(entry["type"])
    if kind == "tuple":
        fields = entry["components"]
        return {each["name"]: named(each, part) for each, part in zip(fields, value, strict=True)}
    if kind.startswith("tuple"):
        one = {**entry, "type": kind[: kind.rindex("[")]}
        return [named(one, part) for part in value]
    return value


@dataclass(frozen=True, slots=True)
class Function:
    """One entry point with its selector and types."""

    name: str
    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    fields: tuple[Mapping[str, Any], ...] = ()
    flat: bool = False  # unsigned integers alone

    def encode(self, *arguments: Any) -> bytes:
        """Return the calldata."""
        if self.flat:  # what is sent in a hurry has only such arguments
            return self.selector + b"".join(int(each).to_bytes(32, "big") for each in arguments)
        return self.selector + encode(self.inputs, arguments)

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """Return the outputs as plain tuples."""
        return decode(self.outputs, data)

    def decode_named(self, data: bytes) -> Any:
        """Return the output, structs as mappings; a single output stands alone."""
        values = self.decode(data)
        parts = [named(field, value) for field, value in zip(self.fields, values, strict=True)]
        return parts[0] if len(parts) == 1 else tuple(parts)


@dataclass(frozen=True, slots=True)
class Event:
    """One event with its topic."""

    name: str
    topic: str
    indexed: tuple[tuple[str, str], ...]
    data: tuple[tuple[str, str], ...]
    fields: Mapping[str, Mapping[str, Any]]
    flat: bool = False  # unsigned integers alone, topics apart

    def decode(self, topics: Sequence[str], data: bytes) -> dict[str, Any]:
        """Return the arguments by name, structs as mappings."""
        values: dict[str, Any] = {}
        for (name, kind), topic in zip(self.indexed, topics[1:], strict=True):
            plain = kind == "uint256"
            values[name] = int(topic, 16) if plain else decode([kind], bytes.fromhex(topic[2:]))[0]
        if self.flat:  # prices come this way, in a hurry
            for place, (name, _) in enumerate(self.data):
                values[name] = int.from_bytes(data[32 * place : 32 * place + 32], "big")
            return values
        body = decode([kind for _, kind in self.data], data)
        for (name, _), value in zip(self.data, body, strict=True):
            values[name] = named(self.fields[name], value)
        return values


class Interface:
    """The functions and events of one contract."""

    def __init__(self, name: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Index the ABI's entries; functions with default arguments stand once per length."""
        self.name = name
        self.entries = entries
        self._functions: dict[tuple[str, int], Function] = {}
        self.events: dict[str, Event] = {}
        self.topics: dict[str, Event] = {}
        for entry in entries:
            if entry["type"] == "function":
                function = _function(entry)
                self._functions[function.name, len(function.inputs)] = function
            elif entry["type"] == "event":
                event = _event(entry)
                self.events[event.name] = event
                self.topics[event.topic] = event

    def function(self, name: str, arguments: int | None = None) -> Function:
        """Return the function, the longest form unless the number of arguments is given."""
        if arguments is not None and (name, arguments) in self._functions:
            return self._functions[name, arguments]
        forms = [each for (known, _), each in self._functions.items() if known == name]
        if not forms or arguments is not None:
            raise BadInput(
                f"{self.name} has no function {name} of that form",
                "rebuild abi/ with `make record`, or use the release that was deployed",
            )
        return max(forms, key=lambda each: len(each.inputs))

    def encode(self, name: str, *arguments: Any) -> bytes:
        """Return the calldata of the form with that many arguments."""
        return self.function(name, len(arguments)).encode(*arguments)

    def has(self, name: str) -> bool:
        """Return whether a function of this name exists."""
        return any(known == name for known, _ in self._functions)


def _function(entry: Mapping[str, Any]) -> Function:
    inputs = tuple(type_of(each) for each in entry["inputs"])
    outputs = tuple(entry["outputs"])
    selector = keccak(text=f"{entry['name']}({','.join(inputs)})")[:4]
    kinds = tuple(type_of(each) for each in outputs)
    flat = all(kind == "uint256" for kind in inputs)
    return Function(entry["name"], selector, inputs, kinds, outputs, flat)


def _event(entry: Mapping[str, Any]) -> Event:
    kinds = [(str(each["name"]), type_of(each)) for each in entry["inputs"]]
    flags = [bool(each["indexed"]) for each in entry["inputs"]]
    topic = keccak(text=f"{entry['name']}({','.join(kind for _, kind in kinds)})")
    data = tuple(kind for kind, flag in zip(kinds, flags, strict=True) if not flag)
    return Event(
        name=entry["name"],
        topic="0x" + topic.hex(),
        indexed=tuple(kind for kind, flag in zip(kinds, flags, strict=True) if flag),
        data=data,
        flat=all(kind == "uint256" for _, kind in data),
        fields={str(each["name"]): each for each in entry["inputs"]},
    )


@cache
def interface(name: str) -> Interface:
    """Load one contract's interface."""
    if name == "ERC20":
        return _erc20()
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise BadInput(f"there is no abi/{name}.json", "write the ABIs with `make record`")
    return Interface(name, json.loads(path.read_text(encoding="utf-8")))


def _erc20() -> Interface:
    def side(kinds: Sequence[str]) -> list[dict[str, str]]:
        return [{"name": "", "type": kind} for kind in kinds]

    entries = [
        {"type": "function", "name": name, "inputs": side(inputs), "outputs": side(outputs)}
        for name, inputs, outputs in ERC20
    ]
    return Interface("ERC20", entries)
