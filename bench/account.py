"""The account of a figure: where the gas of one transaction goes, slot by slot.

Read from the node's trace of the measured transaction. Storage slots are named by the compiler's
layout; a mapping's slots by the keccak that the contract itself computed for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_utils.address import to_checksum_address
from web3 import Web3

from bench.node import rpc

TX_GAS = 21_000
COLD_SLOT = 2_100
# a slot that is read, then changed, or filled where it was empty
CHANGED = COLD_SLOT + 2_900
NEW = COLD_SLOT + 20_000
ECRECOVER = 1

STORE = ("SLOAD", "SSTORE")
CALLS = ("CALL", "STATICCALL", "DELEGATECALL")


@dataclass(slots=True)
class Account:
    """Gas of one transaction by what it was spent on."""

    slots: list[tuple[str, str, str, int]] = field(default_factory=list)
    calls: list[tuple[str, int]] = field(default_factory=list)
    logs: int = 0
    other: Counter[str] = field(default_factory=Counter)

    @property
    def storage(self) -> int:
        """Gas of storage."""
        return sum(entry[3] for entry in self.slots)


class Names:
    """Names of contracts, of their storage, and of who sends."""

    def __init__(self, contracts: Mapping[str, str], layouts: Mapping[str, Any]) -> None:
        """Take addresses and storage layouts by contract name."""
        self._contracts = {address.lower(): name for name, address in contracts.items()}
        self._bases = {name: dict(_flatten(layout)) for name, layout in layouts.items()}
        self._hashed: dict[int, str] = {}

    def meet(self, address: str, actor: str) -> None:
        """Take the address of somebody who is no contract, and may be paid."""
        self._contracts.setdefault(address.lower(), f"the {actor}")

    def contract(self, address: str) -> str:
        """Return the name of a contract, or of an actor."""
        if int(address, 16) == ECRECOVER:
            return "ecrecover"
        return self._contracts.get(address.lower(), address[:10])

    def learn(self, contract: str, preimage: bytes, digest: int) -> None:
        """Remember that a slot was computed from a base slot and a key."""
        if len(preimage) != 64:
            return
        base = int.from_bytes(preimage[:32], "big")
        name = self._base(contract, base) or self._hashed.get(base)
        if name is not None:
            self._hashed[digest] = name.removesuffix("[]") + "[]"

    def slot(self, contract: str, slot: int) -> str:
        """Return the name of a slot."""
        name = self._base(contract, slot)
        if name is not None:
            return name
        for offset in range(16):
            if slot - offset in self._hashed:
                found = self._hashed[slot - offset]
                return f"{found}+{offset}" if offset else found
        return hex(slot)[:12]

    def _base(self, contract: str, slot: int) -> str | None:
        bases = self._bases.get(contract, {})
        below = [start for start in bases if start <= slot < start + bases[start][1]]
        return bases[below[0]][0] if below else None


def _flatten(layout: Mapping[str, Any], prefix: str = "") -> list[tuple[int, tuple[str, int]]]:
    found: list[tuple[int, tuple[str, int]]] = []
    for name, entry in layout.items():
        if "slot" in entry:
            found.append((int(entry["slot"]), (prefix + name, int(entry["n_slots"]))))
        else:
            found += _flatten(entry, f"{name}.")
    return found


def trace(web3: Web3, tx: str, names: Names) -> Account:
    """Return the account of a transaction."""
    options = {"enableMemory": True, "disableStorage": True}
    answer: Any = rpc(web3, "debug_traceTransaction", tx, options)
    receipt = web3.eth.get_transaction(tx)  # type: ignore[arg-type]
    account = Account()
    stack = [names.contract(str(receipt["to"]))]
    steps = answer["structLogs"]
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        del stack[step["depth"] :]
        _book(account, names, stack, step, following)
    return account


def outline(web3: Web3, tx: str, names: Names) -> Account:
    """Return the account of a long transaction: its slots by contract alone, the rest as work.

    The steps of a scan and of what is around it are some hundred megabytes.
    """
    slots = _touched(web3, tx, names)
    account, paid = Account(slots=slots), Counter[str]()
    for contract, _, _, cost in slots:
        paid[contract] += cost
    frames: Any = rpc(web3, "debug_traceTransaction", tx, {"tracer": "callTracer"})
    for contract, gas in _frames(frames, names):
        account.other[f"{contract} work"] += gas
    account.other.subtract({f"{contract} work": gas for contract, gas in paid.items()})
    data = bytes.fromhex(frames["input"].removeprefix("0x"))
    whole = f"{names.contract(frames['to'])} work"
    account.other[whole] -= TX_GAS + calldata_gas(data)
    return account


def calldata_gas(data: bytes) -> int:
    """Return what a transaction pays for its data: 4 a zero byte, 16 any other."""
    return 4 * data.count(0) + 16 * (len(data) - data.count(0))


def _frames(frame: Mapping[str, Any], names: Names) -> Iterator[tuple[str, int]]:
    """Return the gas of each call without that of the calls inside it."""
    inner = frame.get("calls", ())
    within = sum(int(call["gasUsed"], 16) for call in inner)
    yield names.contract(frame["to"]), int(frame["gasUsed"], 16) - within
    for call in inner:
        yield from _frames(call, names)


def _touched(web3: Web3, tx: str, names: Names) -> list[tuple[str, str, str, int]]:
    """Return every slot once: what it costs to read, and to change where it changed."""
    options = {"tracer": "prestateTracer"}
    before: Any = rpc(web3, "debug_traceTransaction", tx, options)
    change: Any = rpc(
        web3, "debug_traceTransaction", tx, options | {"tracerConfig": {"diffMode": True}}
    )
    found = []
    for address, state in before.items():
        changed = change["post"].get(address, {}).get("storage", {})
        was = change["pre"].get(address, {}).get("storage", {})
        gone = was.keys() - changed.keys()
        for slot in state.get("storage", {}):
            access, cost = "reads", COLD_SLOT
            if slot in changed or slot in gone:
                new = not int(was.get(slot, "0x0"), 16)
                access, cost = ("writes new", NEW) if new else ("writes", CHANGED)
            found.append((names.contract(address), "slots", access, cost))
    return found


def _book(
    account: Account,
    names: Names,
    stack: list[str],
    step: Mapping[str, Any],
    following: Mapping[str, Any] | None,
) -> None:
    op, cost, here = step["op"], int(step["gasCost"]), stack[-1]
    words = step.get("stack") or []
    if op in STORE:
        slot = int(words[-1], 16)
        account.slots.append((here, names.slot(here, slot), _access(op, cost), cost))
    elif op in CALLS:
        target = to_checksum_address(int(words[-2], 16).to_bytes(20, "big"))
        account.calls.append((f"{here} -> {names.contract(target)}", _call_cost(step, following)))
        stack.append(names.contract(target))
    elif op.startswith("LOG"):
        account.logs += cost
    else:
        if op in ("KECCAK256", "SHA3") and following is not None:
            _learn(names, here, step, following)
        account.other[f"{here} {_group(op)}"] += cost


def _call_cost(step: Mapping[str, Any], following: Mapping[str, Any] | None) -> int:
    """Return what a call costs by itself, without the gas that it hands on."""
    if following is None:
        return int(step["gasCost"])
    if following["depth"] > step["depth"]:
        return int(step["gasCost"]) - int(following["gas"])
    return int(step["gas"]) - int(following["gas"])


def _learn(names: Names, here: str, step: Mapping[str, Any], following: Mapping[str, Any]) -> None:
    words = step["stack"]
    start, size = int(words[-1], 16), int(words[-2], 16)
    memory = "".join(part.removeprefix("0x") for part in step.get("memory") or [])
    preimage = bytes.fromhex(memory[start * 2 : (start + size) * 2].ljust(size * 2, "0"))
    names.learn(here, preimage, int(following["stack"][-1], 16))


def _access(op: str, cost: int) -> str:
    if op == "SLOAD":
        return "read" if cost >= COLD_SLOT else "read again"
    if cost >= 20_000:
        return "write new"
    return "write" if cost >= 2_900 else "write again"


def _group(op: str) -> str:
    if op.startswith(("PUSH", "DUP", "SWAP", "POP")):
        return "stack"
    if op in ("MLOAD", "MSTORE", "MSTORE8", "MCOPY", "CALLDATACOPY", "CALLDATALOAD"):
        return "memory"
    if op in ("JUMP", "JUMPI", "JUMPDEST"):
        return "jumps"
    if op in ("TLOAD", "TSTORE"):
        return "lock"
    if op in ("KECCAK256", "SHA3"):
        return "keccak"
    return "arithmetic"
