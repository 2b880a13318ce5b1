"""A thin driver of pyrevm: deploy, call, advance time, read logs; a revert is an exception."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from pyrevm import EVM, BlockEnv, CfgEnv, Env

from tests.stateful.compiled import Compiled, compiled

CHAIN_ID = 31_337
GENESIS_TIME = 1_700_000_000
ERROR = bytes.fromhex("08c379a0")
PANIC = bytes.fromhex("4e487b71")
GAS = 30_000_000


TOUCHED = re.compile(r"StorageChange { address: (0x[0-9a-f]{40}), key: (\d+)")


class Reverted(Exception):
    """A call that the chain refused; the argument is the reason."""

    @property
    def reason(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Log:
    """An event as the chain stores it."""

    address: int
    topics: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class State:
    """Accounts (balance, nonce, code) by address, values by address and slot."""

    accounts: dict[str, tuple[int, int, bytes]]
    slots: dict[tuple[str, int], int]


def created(sender: int, nonce: int) -> int:
    """Return the address of the contract that `sender` creates with `nonce` < 128."""
    body = b"\x94" + sender.to_bytes(20, "big") + (bytes([nonce]) if nonce else b"\x80")
    return int.from_bytes(keccak(bytes([0xC0 + len(body)]) + body)[12:], "big")


def address_text(address: int) -> str:
    return f"0x{address:040x}"


class Evm:
    """One chain in memory."""

    def __init__(self, spec: str = "PRAGUE") -> None:
        # tools.sizes holds the contracts to the real limit
        cfg = CfgEnv(chain_id=CHAIN_ID, limit_contract_code_size=2 * 24_576)
        self._evm = EVM(Env(cfg=cfg), gas_limit=GAS, spec_id=spec)
        self.time = GENESIS_TIME
        self.block = 1
        self._random = 0
        self._set_block()

    def _set_block(self) -> None:
        self._evm.set_block_env(
            BlockEnv(
                number=self.block,
                timestamp=self.time,
                gas_limit=GAS,
                basefee=0,
                prevrandao=self._random.to_bytes(32, "big"),
            )
        )

    def set_random(self, word: int) -> None:
        """Choose prevrandao, which no contract of ours reads but a mutant's switch."""
        self._random = word
        self._set_block()

    def advance(self, seconds: int, blocks: int = 1) -> None:
        self.time += seconds
        self.block += blocks
        self._set_block()

    def give_ether(self, address: int, wei: int) -> None:
        self._evm.set_balance(address_text(address), wei)

    def ether(self, address: int) -> int:
        return int(self._evm.get_balance(address_text(address)))

    def storage(self, address: int, slot: int) -> int:
        return int(self._evm.storage(address_text(address), slot))

    def store(self, address: int, slot: int, value: int) -> None:
        """Write a storage slot: only for tests of pure functions of stored words."""
        self._evm.insert_account_storage(address_text(address), slot, value)

    def deploy(self, sender: int, initcode: bytes) -> int:
        created = self._evm.deploy(address_text(sender), initcode)
        return int(created, 16)

    def code_size(self, address: int) -> int:
        return len(self._evm.get_code(address_text(address)) or b"")

    def send(self, sender: int, to: int, data: bytes, value: int = 0) -> bytes:
        self._evm.reset_transient_storage()
        return self._run(sender, to, data, value, static=False)

    def view(self, to: int, data: bytes) -> bytes:
        self._evm.reset_transient_storage()
        return self._run(1, to, data, 0, static=True)

    def _run(self, sender: int, to: int, data: bytes, value: int, static: bool) -> bytes:
        try:
            answer = self._evm.message_call(
                address_text(sender), address_text(to), data, value, GAS, 0, static
            )
        except RuntimeError as error:
            raise Reverted(reason_of(error)) from None
        return bytes(answer)

    def gas_used(self) -> int:
        return int(self._evm.result.gas_used)

    def logs(self) -> list[Log]:
        """Return the events of the last successful call."""
        return [
            Log(
                int(log.address, 16),
                tuple(int(topic, 16) for topic in log.topics),
                bytes(log.data[1]),
            )
            for log in self._evm.result.logs
        ]

    def dump(self) -> State:
        """Return everything that this chain holds, to be loaded into another."""
        accounts = {}
        for address in self._evm.journal_state:
            info = self._evm.basic(address)
            code = self._evm.get_code(address) or b""
            accounts[address.lower()] = (int(info.balance), int(info.nonce), bytes(code))
        slots = {
            (address, int(slot)): int(self._evm.storage(address, int(slot)))
            for address, slot in set(TOUCHED.findall(self._evm.journal_str))
        }
        return State(accounts, slots)

    def snapshot(self) -> tuple[Any, int, int]:
        """Remember state, time and block; a restore spends what it returns to."""
        return self._evm.snapshot(), self.time, self.block

    def restore(self, checkpoint: tuple[Any, int, int]) -> None:
        state, self.time, self.block = checkpoint
        self._evm.revert(state)
        self._set_block()


def reason_of(error: RuntimeError) -> str:
    """Return the reason string of pyrevm's error."""
    text = str(error)
    start = text.find("0x")
    if start < 0:
        return text
    end = start + 2
    while end < len(text) and text[end] in "0123456789abcdefABCDEF":
        end += 1
    return decode_reason(bytes.fromhex(text[start + 2 : end]), text)


def decode_reason(data: bytes, otherwise: str) -> str:
    if data[:4] == ERROR:
        length = int.from_bytes(data[36:68], "big")
        return data[68 : 68 + length].decode()
    if data[:4] == PANIC:
        return f"panic {int.from_bytes(data[4:36], 'big')}"
    return f"empty revert: {otherwise}" if not data else data.hex()


# ---- ABI -----------------------------------------------------------------------------------------


def type_of(item: dict[str, Any]) -> str:
    if not item["type"].startswith("tuple"):
        return str(item["type"])
    inner = ",".join(type_of(part) for part in item["components"])
    return f"({inner}){item['type'][5:]}"


def coded(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return the types with which values travel: addresses are ints here."""
    return tuple(kind.replace("address", "uint160") for kind in kinds)


def blank(kind: str) -> Any:
    """Return the least value of an ABI type."""
    if kind.endswith("[]"):
        return []
    if kind.endswith("]"):
        base, _, count = kind[:-1].rpartition("[")
        return [blank(base)] * int(count)
    if kind.startswith("("):
        return tuple(blank(part) for part in split(kind[1:-1]))
    if kind == "bytes32":
        return bytes(32)
    return {"bytes": b"", "string": "", "bool": False}.get(kind, 0)


def split(kinds: str) -> list[str]:
    """Return the types of a tuple's parts."""
    parts, depth, last = [], 0, 0
    for i, letter in enumerate(kinds + ","):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(kinds[last:i])
            last = i + 1
    return [part for part in parts if part]


# lists of kinds that take one word each
WORDS = re.compile(r"((uint256|int256|address|bool)(,|$))+")


def word(kind: str, data: bytes) -> int | bool:
    """Return one word as its kind."""
    if kind == "bool":
        return data[31] == 1
    return int.from_bytes(data, "big", signed=kind == "int256")


@dataclass(frozen=True)
class Method:
    """One function of an ABI with a fixed number of arguments."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @cached_property
    def selector(self) -> bytes:
        return bytes(keccak(text=f"{self.name}({','.join(self.inputs)})")[:4])

    @cached_property
    def _coded(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return coded(self.inputs), coded(self.outputs)

    @cached_property
    def _flat(self) -> tuple[bool, tuple[str, ...] | None]:
        """Return whether the inputs are words, and the kinds of the outputs when those are."""
        outputs = ",".join(self.outputs)
        single = outputs[1:-1] if len(self.outputs) == 1 and outputs[0:1] == "(" else outputs
        kinds = tuple(single.split(",")) if single and WORDS.fullmatch(single) else None
        return all(WORDS.fullmatch(kind) for kind in self.inputs), kinds

    def data(self, *args: Any) -> bytes:
        if self._flat[0]:
            return self.selector + b"".join((arg % 2**256).to_bytes(32, "big") for arg in args)
        return self.selector + bytes(encode(self._coded[0], args))

    def answer(self, data: bytes) -> Any:
        kinds = self._flat[1]
        if kinds is not None:
            values = tuple(word(kind, data[32 * i : 32 * i + 32]) for i, kind in enumerate(kinds))
            return values[0] if len(kinds) == 1 else values
        values = decode(self._coded[1], data)
        return values[0] if len(values) == 1 else values


@dataclass(frozen=True)
class Event:
    """One event of an ABI."""

    name: str
    indexed: tuple[tuple[str, str], ...]
    plain: tuple[tuple[str, str], ...]

    @cached_property
    def plain_types(self) -> tuple[str, ...]:
        return coded([kind for _, kind in self.plain])

    def read(self, log: Log) -> dict[str, Any]:
        """Return the arguments by name; signed indexed ones are converted."""
        values: dict[str, Any] = {}
        for (name, kind), topic in zip(self.indexed, log.topics[1:], strict=True):
            is_negative = kind.startswith("int") and topic >> 255
            values[name] = topic - (1 << 256) if is_negative else topic
        plain = decode(self.plain_types, log.data)
        values.update(zip((name for name, _ in self.plain), plain, strict=True))
        return values


class Contract:
    """A deployed contract by its ABI: send() changes state, view() does not."""

    def __init__(self, evm: Evm, name: str, address: int, abi: Sequence[dict[str, Any]]) -> None:
        self.evm = evm
        self.name = name
        self.address = address
        self.methods: dict[tuple[str, int], Method] = {}
        self.events: dict[int, Event] = {}
        # how often each function, by name and number of arguments, went through
        self.calls: Counter[tuple[str, int]] = Counter()
        for item in abi:
            self._add(item)

    def _add(self, item: dict[str, Any]) -> None:
        if item["type"] == "function":
            inputs = tuple(type_of(part) for part in item["inputs"])
            outputs = tuple(type_of(part) for part in item["outputs"])
            self.methods[item["name"], len(inputs)] = Method(item["name"], inputs, outputs)
        elif item["type"] == "event":
            kinds = ",".join(type_of(part) for part in item["inputs"])
            topic = int.from_bytes(keccak(text=f"{item['name']}({kinds})"), "big")
            parts = [(part["name"], type_of(part), part["indexed"]) for part in item["inputs"]]
            self.events[topic] = Event(
                item["name"],
                tuple((name, kind) for name, kind, indexed in parts if indexed),
                tuple((name, kind) for name, kind, indexed in parts if not indexed),
            )

    def method(self, name: str, count: int) -> Method:
        return self.methods[name, count]

    def send(self, sender: int, name: str, *args: Any, value: int = 0) -> Any:
        method = self.methods[name, len(args)]
        data = self.evm.send(sender, self.address, method.data(*args), value)
        self.calls[name, len(args)] += 1
        return method.answer(data) if method.outputs else None

    def view(self, name: str, *args: Any) -> Any:
        method = self.methods[name, len(args)]
        return method.answer(self.evm.view(self.address, method.data(*args)))

    def read(self, log: Log) -> tuple[str, dict[str, Any]] | None:
        """Return the name and arguments of an event of this contract."""
        if log.address != self.address or log.topics[0] not in self.events:
            return None
        event = self.events[log.topics[0]]
        return event.name, event.read(log)


def deploy(
    evm: Evm, sender: int, name: str, *args: Any, code: Callable[[str], Compiled] = compiled
) -> Contract:
    """Deploy a contract of this repository with constructor arguments."""
    made = code(name)
    inputs = next((item["inputs"] for item in made.abi if item["type"] == "constructor"), [])
    arguments = encode(coded([type_of(item) for item in inputs]), args)
    address = evm.deploy(sender, bytes.fromhex(made.initcode) + arguments)
    return Contract(evm, made.name, address, made.abi)
