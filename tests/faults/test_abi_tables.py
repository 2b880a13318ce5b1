"""Access and locks of every function of every ABI, against the table in `abi_table.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boa
import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector

from scripts.deployment.artifacts import load
from scripts.deployment.boa_executor import reason
from tests.faults.abi_table import (
    ACCESS,
    ANYONE,
    CALLS,
    HOLDER,
    LOCKED,
    SHUT,
    TABLES,
    TOLD,
    VIEWS,
    WRITES,
    Entry,
)
from tests.faults.stage import Stage, digest, staged
from tests.support import sources
from tests.support.zoo import upgrade
from tools.findings import ROOT

# stateless, and asked by nobody of a deployment yet
STATELESS = {"PortfolioMargin", "PortfolioRows"}
# what calling a lock costs that is taken: reading the arguments and the lock, and of the rows of a
# scan (MarginLens) the place in memory
LOCK_GAS = 16_000
IDS = [f"{name}.{signature.split('(')[0]}-{i}" for i, (name, signature) in enumerate(CALLS)]


def _id(key: tuple[str, str]) -> str:
    return f"{key[0]}.{key[1]}"[:70]


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as ready:
        yield ready


def entry(key: tuple[str, str]) -> Entry:
    """Return the table's entry of a function."""
    return TABLES[key[0]][CALLS[key]["name"]]


def calldata(stage: Stage, key: tuple[str, str]) -> bytes:
    """Return a call as the table makes it; an overload's last argument is a price update or 0."""
    inputs = CALLS[key]["inputs"]
    args = list(entry(key).call(stage))
    if len(args) < len(inputs):
        args.append(stage.report if inputs[-1]["type"] == "bytes" else 0)
    types = [_type(each) for each in inputs]
    return bytes(function_signature_to_4byte_selector(key[1])) + encode(types, args)


def _type(item: dict[str, Any]) -> str:
    if not item["type"].startswith("tuple"):
        return str(item["type"])
    return f"({','.join(_type(part) for part in item['components'])}){item['type'][5:]}"


def call(stage: Stage, key: tuple[str, str], sender: str, data: bytes = b"") -> Any:
    """Make a call and return what the EVM says of it."""
    value = entry(key).value(stage)
    boa.env.set_balance(sender, 10**24)
    return boa.env.execute_code(
        to_address=stage.contract(key[0]).address,
        sender=sender,
        data=data or calldata(stage, key),
        value=value,
    )


def said(computation: Any) -> str | None:
    """Return the reason of a revert, None where there was none."""
    return reason(bytes(computation.output)) if computation.is_error else None


# ---- the table is whole ------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_table__of_a_contract__has_every_function_of_its_abi_and_no_other(name: str) -> None:
    functions = {item["name"] for (owner, _), item in CALLS.items() if owner == name}
    assert set(TABLES[name]) == functions


def test_tables__of_all_contracts__are_of_the_abis_that_exist() -> None:
    assert set(TABLES) | STATELESS == {path.stem for path in (ROOT / "abi").glob("*.json")}


def test_tables__what_has_no_state__is_a_view_of_what_is_passed_in() -> None:
    for name in STATELESS:
        made = load(name)[name]
        functions = [item for item in made.abi if item["type"] == "function"]
        assert functions and all(item["stateMutability"] in VIEWS for item in functions)
        assert made.layout == {}


# ---- access ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", WRITES, ids=_id)
def test_access__every_role__calls_what_is_its_own_and_nothing_else(
    stage: Stage, key: tuple[str, str]
) -> None:
    row = entry(key)
    allowed = stage.roles[row.who if row.who != ANYONE else "account owner"]
    with boa.env.anchor():
        assert said(call(stage, key, allowed)) == row.says
    if row.who == ANYONE:
        return
    before = digest(stage)
    others = {
        role: who
        for role, who in stage.roles.items()
        # the pool holds the shares that wait, and calls nobody with them
        if who != allowed and role not in row.also and not (row.who == HOLDER and role == "pool")
    }
    outcomes = {role: said(call(stage, key, who)) for role, who in others.items()}
    assert outcomes == dict.fromkeys(others, row.refusal)
    assert digest(stage) == before


# ---- locks -------------------------------------------------------------------------------------


def lock(contract: Any, taken: bool) -> None:
    """Take or free a contract's lock: Vyper keeps it in the transient slot 0."""
    address = bytes.fromhex(str(contract.address)[2:])
    boa.env.evm.vm.state.set_transient_storage(address, 0, int(taken).to_bytes(32, "big"))


def first_write(contract: Any, act: Callable[[], Any]) -> tuple[Any, int]:
    """Make a call; return how it ended, and what it wrote first where the contract's lock is."""
    address, state = bytes.fromhex(str(contract.address)[2:]), type(boa.env.evm.vm.state)
    found, store = [], state.set_transient_storage

    def noted(self: Any, owner: bytes, slot: int, value: bytes) -> None:
        if (owner, slot) == (address, 0):
            found.append(int.from_bytes(value, "big"))
        store(self, owner, slot, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "set_transient_storage", noted)
        made = act()
    return made, found[0] if found else 0


def test_fault_007_lock__of_every_function__stands_in_the_bytecode(stage: Stage) -> None:
    # Vyper 0.2.15, 2023: each function had a lock of its own, so a pair of them had none. Here each
    # that changes something takes the one slot, and each, views too, stops where it is taken: that
    # shuts every pair of a contract's selectors
    wrong = []
    for key in CALLS:
        row, contract = entry(key), stage.contract(key[0])
        caller = stage.roles[row.who if row.who != ANYONE else "account owner"]
        data = calldata(stage, key)
        with boa.env.anchor():
            lock(contract, True)
            shut = call(stage, key, caller, data)
            lock(contract, False)
        with boa.env.anchor():
            free, took = first_write(contract, lambda k=key, c=caller, d=data: call(stage, k, c, d))
        stopped = shut.is_error and not shut.output and shut.get_gas_used() < LOCK_GAS
        locked = row.lock == LOCKED
        takes = locked and CALLS[key]["stateMutability"] not in VIEWS
        if (stopped, bool(took), said(free)) != (locked, takes, row.says):
            wrong.append((*key, stopped, took, said(free)))
    assert wrong == []


@pytest.mark.parametrize("name", TABLES)
def test_compiler__of_every_contract__is_the_pinned_one(name: str) -> None:
    assert sources.load(name)[name].compiler == "vyper 0.4.3"


def test_compiler__of_every_source__generates_code_as_in_production() -> None:
    for path in (ROOT / "contracts").rglob("*.vy"):
        text = path.read_text(encoding="utf-8")
        assert "experimental-codegen" not in text and "venom" not in text, path.name


# ---- in the middle of a transfer ---------------------------------------------------------------


@pytest.mark.parametrize("outer", ["withdraw", "deposit"])
def test_reentrancy__every_function_from_a_tokens_hook__is_as_the_table_says(
    stage: Stage, outer: str
) -> None:
    actor, core = stage.actor, stage.world.clearinghouse
    keys = list(CALLS)
    upgrade(stage.world, "USDC").set_hook(actor.address)
    passed, answers = [], []
    # in three goes: one hook has the gas of one transaction
    for start in range(0, len(keys), 60):
        with boa.env.anchor():
            actor.contract.forget()
            for key in keys[start : start + 60]:
                data, value = calldata(stage, key), entry(key).value(stage)
                actor.contract.aim(stage.contract(key[0]).address, data, value)
            to = (actor.address,) if outer == "withdraw" else ()
            actor.act(core, outer, stage.account, stage.usdc, 10**6, *to)
            passed += actor.outcomes()
            answers += [actor.contract.answer(i) for i in range(len(actor.outcomes()))]
    assert len(passed) == len(keys)
    wrong = [
        (*key, ok, reason(bytes(answer)))
        for key, ok, answer in zip(keys, passed, answers, strict=True)
        if not as_said(entry(key), ok, bytes(answer))
    ]
    assert wrong == []


def as_said(row: Entry, passed: bool, answer: bytes) -> bool:
    """Return whether a call in the middle ended as the table says."""
    if row.mid == SHUT:
        return not passed and not answer
    if row.mid == TOLD:
        return not passed and reason(answer) == TOLD
    if row.mid == ACCESS:
        return not passed and reason(answer) == row.refusal
    return passed
