"""Make a deployment's code again from source: what the chain must have, immutables and all.

Every constructor runs again on an empty chain inside this process, with the parameters and the
neighbours of the record and at the same addresses, so that the code it leaves is the code that
stands on the chain, byte for byte, or one of the two is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from scripts.deployment import artifacts
from scripts.deployment.artifacts import Artifact
from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import initcode
from scripts.deployment.models import TokenParams
from scripts.deployment.plan import (
    ARGUMENTS,
    CIRCLE,
    CONTRACTS,
    MOCK,
    token_arguments,
    token_kind,
    token_name,
)
from scripts.deployment.runner import Site

WORD = 32


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A contract's code as its source and parameters make it; or why they do not."""

    artifact: Artifact
    code: bytes
    reason: str = ""


def rebuild(site: Site) -> Mapping[str, Rebuilt]:
    """Return the code of every contract of the record, and of its test tokens, by name."""
    # titanoboa takes two seconds to import
    import boa

    from scripts.deployment.boa_executor import BoaExecutor

    record = deepcopy(site.record)
    noted = record.contracts
    record.predicted |= {name: noted[name]["address"] for name in CIRCLE if name in noted}
    found: dict[str, Rebuilt] = {}
    with boa.swap_env(boa.Env()):
        executor = BoaExecutor(record.deployer, record.chain_id)
        scratch = replace(site, executor=executor, record=record, path=None)
        for token in site.parameters.all_tokens:
            found |= _token(scratch, token)
        for name in (name for name in CONTRACTS if name in noted):
            found[name] = _contract(scratch, name)
    return found


def _token(scratch: Site, token: TokenParams) -> Mapping[str, Rebuilt]:
    """Make a test token again; a real one is stood in for, since constructors ask its decimals."""
    name = token_name(scratch, token)
    if name in scratch.record.contracts:
        made = scratch.artifacts[token_kind(scratch)]
        where = scratch.record.address(name)
        return {name: _made(scratch, made, where, token_arguments(scratch, token))}
    if token.symbol in scratch.record.tokens:
        stand_in = artifacts.load(MOCK)[MOCK]
        said = (token.symbol, token.symbol, token.decimals)
        _made(scratch, stand_in, scratch.record.token(token.symbol), said)
    return {}


def _contract(scratch: Site, name: str) -> Rebuilt:
    made = scratch.artifacts[name]
    try:
        return _made(scratch, made, scratch.record.address(name), ARGUMENTS[name](scratch))
    except (DeploymentError, KeyError) as error:
        return Rebuilt(made, b"", f"cannot be made from source and parameters: {error}")


def _made(scratch: Site, made: Artifact, address: str, arguments: tuple[object, ...]) -> Rebuilt:
    code = initcode(made.abi, made.initcode, arguments)
    executor: Any = scratch.executor
    executor.create_at(address, code)
    return Rebuilt(made, executor.code(address))


def difference(deployed: bytes, wanted: Rebuilt) -> str:
    """Return in what deployed code differs from what source and parameters make, if in anything."""
    if wanted.reason or deployed == wanted.code:
        return wanted.reason
    if not deployed:
        return "there is no code"
    start = len(wanted.artifact.runtime) // 2
    if len(deployed) != len(wanted.code):
        return f"{len(deployed):,} bytes differ from the source's {len(wanted.code):,}"
    if deployed[:start] != wanted.code[:start]:
        return f"differs from the source, first at byte {_first(deployed, wanted.code):,}"
    return "the source's, but for " + ", ".join(_fixed(deployed[start:], wanted, start))


def _fixed(tail: bytes, wanted: Rebuilt, start: int) -> Iterator[str]:
    """Name the immutables that differ, with both values."""
    for name, place, length in _places(wanted.artifact.immutables):
        ours = wanted.code[start + place : start + place + length]
        theirs = tail[place : place + length]
        if ours != theirs:
            yield f"{name}, fixed at {_word(theirs)} and {_word(ours)} in the parameters"


def _places(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, int, int]]:
    for name, inner in node.items():
        if "offset" in inner:
            yield f"{path}{name}", int(inner["offset"]), int(inner["length"])
        else:
            yield from _places(inner, f"{path}{name}.")


def _word(raw: bytes) -> str:
    number = int.from_bytes(raw, "big")
    return str(number) if len(raw) <= WORD and number < 10**24 else f"0x{number:x}"


def _first(one: bytes, other: bytes) -> int:
    return next(
        place for place, pair in enumerate(zip(one, other, strict=True)) if len({*pair}) > 1
    )
