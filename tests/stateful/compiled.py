"""Bytecode, ABI and layout of any contract, out of the store that everything shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.support import sources


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a test needs of one contract."""

    name: str
    initcode: str
    abi: list[dict[str, Any]]
    layout: dict[str, Any]


@cache
def compiled(name: str) -> Compiled:
    """Return `contracts/<name>.vy` (or any .vy path under the repository), compiled."""
    made = sources.of(name if name.endswith(".vy") else f"contracts/{name}.vy")
    return Compiled(made.name, made.initcode, made.abi, {"storage_layout": made.layout})
