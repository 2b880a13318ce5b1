"""What a plan needs of a chain, and contracts addressed by name through it."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from dataclasses import astuple, dataclass, is_dataclass
from typing import Any, Protocol

from eth_abi.exceptions import DecodingError
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from keepers.chain.codec import decode, encode
from scripts.deployment.artifacts import Abi
from scripts.deployment.errors import DeploymentError


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction."""

    tx: str
    block: int
    gas_used: int
    address: str | None = None  # of the contract that it created


class Executor(Protocol):
    """One sender on one chain. Every method raises SendError when the chain reverts."""

    @property
    def sender(self) -> str:
        """Checksummed address that pays and signs."""

    def chain_id(self) -> int:
        """Return the chain's id."""

    def block(self) -> int:
        """Return the latest block's number."""

    def balance(self) -> int:
        """Return the sender's wei."""

    def nonce(self) -> int:
        """Return the sender's next nonce."""

    def in_flight(self) -> int:
        """Return how many of the sender's transactions wait to be mined."""

    def fee(self) -> int:
        """Return the wei per gas that a transaction costs now, tip included."""

    def estimate(self, to: str | None, data: bytes, value: int = 0) -> int:
        """Return the gas of a transaction, of a creation where `to` is None; send nothing."""

    def code(self, address: str) -> bytes:
        """Return the code at an address."""

    def storage(self, address: str, slot: int) -> int:
        """Return a storage word."""

    def create(self, initcode: bytes) -> Receipt:
        """Create a contract."""

    def send(self, to: str, data: bytes, value: int = 0) -> Receipt:
        """Send a transaction."""

    def call(self, to: str, data: bytes) -> bytes:
        """Read."""


def created_address(sender: str, nonce: int) -> str:
    """Return the address at which the sender's `nonce`-th transaction creates a contract."""
    encoded = bytes.fromhex(sender.removeprefix("0x"))
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    tail = number if nonce < 0x80 and nonce > 0 else bytes([0x80 + len(number)]) + number
    body = bytes([0x80 + 20]) + encoded + tail
    return to_checksum_address(keccak(bytes([0xC0 + len(body)]) + body)[12:])


class Contract:
    """A deployed contract: encodes calls by its ABI and passes them to the executor."""

    def __init__(self, executor: Executor, address: str, abi: Abi) -> None:
        """Bind an address to an ABI."""
        self.executor = executor
        self.address = address
        self._abi = abi

    def read(self, function: str, *args: object) -> Any:
        """Return the result of a view: one value, or a tuple of several; structs have names.

        Raises:
            DeploymentError: what stands at the address is another contract, or nothing.
        """
        entry = find(self._abi, function, len(args))
        data = self.executor.call(self.address, calldata(entry, args))
        outputs = entry["outputs"]
        try:
            decoded = decode([abi_type(output) for output in outputs], data)
        except DecodingError as error:
            raise DeploymentError(f"what is at {self.address} does not know {function}") from error
        values = tuple(named(*pair) for pair in zip(outputs, decoded, strict=True))
        return values[0] if len(values) == 1 else values

    def send(self, function: str, *args: object, value: int = 0) -> Receipt:
        """Send a transaction."""
        return self.executor.send(self.address, self.encode(function, *args), value)

    def encode(self, function: str, *args: object) -> bytes:
        """Return the calldata of a call."""
        return calldata(find(self._abi, function, len(args)), args)

    def by(self, executor: Executor) -> Contract:
        """Return the same contract for another sender."""
        return Contract(executor, self.address, self._abi)


def initcode(abi: Abi, bytecode: str, args: Sequence[object]) -> bytes:
    """Return the code that creates a contract with these constructor arguments."""
    inputs: list[dict[str, Any]] = next(
        (e["inputs"] for e in abi if e["type"] == "constructor"), []
    )
    if len(inputs) != len(args):
        names = ", ".join(str(entry["name"]) for entry in inputs)
        raise DeploymentError(
            f"the constructor takes {len(inputs)} values ({names}), not {len(args)}"
        )
    types = [abi_type(entry) for entry in inputs]
    return bytes.fromhex(bytecode) + encode(types, [plain(arg) for arg in args])


def find(abi: Abi, function: str, count: int) -> dict[str, Any]:
    """Return the ABI entry of a function; default arguments make several entries of one name."""
    for entry in abi:
        same = entry["type"] == "function" and entry["name"] == function
        if same and len(entry["inputs"]) == count:
            return entry
    raise DeploymentError(f"the contract has no function {function} with {count} arguments")


def calldata(entry: dict[str, Any], args: Sequence[object]) -> bytes:
    """Encode a call."""
    types = [abi_type(item) for item in entry["inputs"]]
    selector = function_signature_to_4byte_selector(f"{entry['name']}({','.join(types)})")
    return bytes(selector) + encode(types, [plain(arg) for arg in args])


def abi_type(item: dict[str, Any]) -> str:
    """Return the canonical type of an ABI input or output."""
    kind = str(item["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(abi_type(part) for part in item["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


def named(item: dict[str, Any], value: Any) -> Any:
    """Return a decoded struct as a named tuple, anything else as it is."""
    if item["type"] != "tuple":
        return value
    parts = item["components"]
    kind = namedtuple("Struct", [part["name"] for part in parts], rename=True)  # type: ignore[misc]
    return kind(*(named(part, each) for part, each in zip(parts, value, strict=True)))


def plain(value: object) -> object:
    """Turn dataclasses into the tuples that the encoder takes."""
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(plain(part) for part in astuple(value))
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value
