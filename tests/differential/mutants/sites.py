"""Every division of the contracts, found in the compiler's own tree: what it rounds, and how.

A division is a `//`, an `unsafe_div`, an `isqrt` or a call of a directed function of fixed_point.
Left out are fields read from a word (`word // packing.P_AT`), halves of a position (`legs[i // 2]`)
and divisions of constants, which must be exact.
"""

from __future__ import annotations

import re
import site as python_site
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vyper.ast import nodes as vy
from vyper.compiler import CompilerData
from vyper.compiler.input_bundle import FilesystemInputBundle

DEPLOYABLES = (
    "Markets",
    "LiquidityPool",
    "Clearinghouse",
    "Liquidator",
    "InsuranceFund",
    "Orders",
    "Lens",
    "RiskConfigurator",
)
# reaches the definitions of fixed_point themselves
HARNESS = "mocks/FixedPointHarness"

DIRECTED = ("_mul_up", "_mul_down", "_ceil_div", "_floor_div")
FIELD = re.compile(r"(\w+_AT|NEXT_ID)$")
CEIL = re.compile(r"_(up|ceil_div)$")
ZERO = "toward zero"
DOWN = "down"
UP = "up"


@dataclass(frozen=True, slots=True)
class Site:
    """One division: where it stands, how it rounds, and the span that a mutant replaces."""

    path: str
    function: str
    line: int
    text: str
    # "//", "unsafe_div", "isqrt" or the directed function's name
    kind: str
    signed: bool
    rounds: str
    # offsets in the file: of the whole expression, and of each operand
    span: tuple[int, int]
    operands: tuple[tuple[int, int], ...]
    # of the divisions of a function with this text
    nth: int = 1

    @property
    def key(self) -> str:
        """Return a name that survives moved lines."""
        again = f" [{self.nth}]" if self.nth > 1 else ""
        return f"{self.path}:{self.function}: {self.text}{again}"


class Inexact(AssertionError):
    """A division of constants that leaves a remainder."""


def bundle(contracts: Path) -> FilesystemInputBundle:
    return FilesystemInputBundle([*map(Path, python_site.getsitepackages()), contracts])


def modules(contracts: Path) -> dict[str, Any]:
    """Return the annotated tree of every file that a deployable consists of, by its path."""
    found: dict[str, Any] = {}
    for name in (*DEPLOYABLES, HARNESS):
        files = bundle(contracts)
        data = CompilerData(files.load_file(contracts / f"{name}.vy"), input_bundle=files)
        waiting = [data.annotated_vyper_module]
        while waiting:
            module = waiting.pop()
            path = Path(str(module.resolved_path))
            if not path.is_relative_to(contracts) or str(path.relative_to(contracts)) in found:
                continue
            found[str(path.relative_to(contracts))] = module
            imported = module._metadata["type"].imported_modules.values()
            waiting += [info.module_node for info in imported]
    return found


def all_sites(contracts: Path) -> list[Site]:
    """Return the divisions of every file, in the order of files and places."""
    sites: list[Site] = []
    seen: Counter[str] = Counter()
    for path, module in sorted(modules(contracts).items()):
        if path.endswith(".vy") and not path.startswith("mocks/"):
            for site in _of_file(path, module):
                seen[site.key] += 1
                sites.append(replace(site, nth=seen[site.key]))
    return sites


def _of_file(path: str, module: Any) -> Iterator[Site]:
    source: str = module.full_source_code
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    reader = _Reader(path, source, starts)
    for constant in module.get_children(vy.VariableDecl):
        for node in constant.get_descendants(vy.BinOp):
            # raises where a constant is not what it says
            _ = list(reader.site(module, node))
    for function in module.get_children(vy.FunctionDef):
        nodes = function.get_descendants((vy.BinOp, vy.AugAssign, vy.Call))
        for node in sorted(nodes, key=lambda n: (n.lineno, n.col_offset)):
            yield from reader.site(function, node)


@dataclass(frozen=True)
class _Reader:
    path: str
    source: str
    starts: list[int]

    def _span(self, node: Any) -> tuple[int, int]:
        first = self.starts[node.lineno - 1] + node.col_offset
        return first, self.starts[node.end_lineno - 1] + node.end_col_offset

    def site(self, function: Any, node: Any) -> Iterator[Site]:
        """Yield the node as a division, if it is one that rounds."""
        kind = _kind(node)
        if not kind or _is_position(function, node):
            return
        if isinstance(node, vy.Call):
            operands = tuple(self._span(arg) for arg in node.args)
            parts = list(node.args)
        else:
            operands = self._sides(node)
            parts = [node.left, node.right] if isinstance(node, vy.BinOp) else []
        if kind in ("//", "unsafe_div") and self._is_field_or_constant(node, parts):
            return
        text = " ".join(node.node_source_code.split())
        yield Site(
            path=self.path,
            function=function.name,
            line=node.lineno,
            text=text.replace("( ", "(").replace(" )", ")"),
            kind=kind,
            signed=str(_type(node)) == "int256",
            rounds=_direction(function, node, kind, parts),
            span=self._span(node),
            operands=operands,
        )

    def _sides(self, node: Any) -> tuple[tuple[int, int], ...]:
        """Return the spans of both sides of a `//`, parentheses included."""
        if isinstance(node, vy.AugAssign):
            return self._span(node.target), self._span(node.value)
        first, last = self._span(node)
        after_left = self._span(node.left)[1]
        before_right = self._span(node.right)[0]
        at = after_left + self.source[after_left:before_right].index("//")
        return (first, at), (at + 2, last)

    def _is_field_or_constant(self, node: Any, parts: list[Any]) -> bool:
        if not parts:
            return False
        left, right = (part.reduced() for part in parts)
        if FIELD.search(parts[1].node_source_code):
            return True
        if isinstance(left, vy.Int) and isinstance(right, vy.Int):
            if left.value % right.value:
                raise Inexact(f"{self.path}:{node.lineno}: {node.node_source_code}")
            return True
        return False


def _type(node: Any) -> Any:
    return (node.target if isinstance(node, vy.AugAssign) else node)._metadata["type"]


def _kind(node: Any) -> str:
    if isinstance(node, (vy.BinOp, vy.AugAssign)):
        return "//" if isinstance(node.op, vy.FloorDiv) else ""
    name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
    return name if name in (*DIRECTED, "unsafe_div", "isqrt") else ""


def _is_position(function: Any, node: Any) -> bool:
    """Return whether a node stands in the index of a subscript."""
    while node is not function:
        parent = node._parent
        if isinstance(parent, vy.Subscript) and node is parent.slice:
            return True
        node = parent
    return False


# ---- direction -----------------------------------------------------------------------------------


def _direction(function: Any, node: Any, kind: str, parts: list[Any]) -> str:
    if kind in DIRECTED:
        return UP if CEIL.search(kind) else DOWN
    if kind == "isqrt" or not parts:
        return DOWN
    divisor = parts[1]
    numerators = [parts[0], *_values_of(function, node, parts[0])]
    if str(_type(node)) == "int256":
        floored = any(_is_call(n, "unsafe_sub") and _adds(n, divisor) for n in numerators)
        return DOWN if floored else ZERO
    return UP if any(_adds(n, divisor) for n in numerators) else DOWN


def _values_of(function: Any, node: Any, numerator: Any) -> Iterator[Any]:
    """Yield what was last assigned to a numerator that is a name."""
    if isinstance(numerator, vy.Name):
        for statement in function.get_descendants((vy.Assign, vy.AnnAssign)):
            own = getattr(statement.target, "id", None) == numerator.id
            if own and statement.lineno < node.lineno:
                yield statement.value


def _is_call(node: Any, name: str) -> bool:
    return isinstance(node, vy.Call) and getattr(node.func, "id", "") == name


def _adds(numerator: Any, divisor: Any) -> bool:
    """Return whether a numerator is `x + (divisor - 1)` (or `x - …`, to floor a negative one)."""
    if isinstance(numerator, vy.Call) and len(numerator.args) == 2:
        return _is_one_less(numerator.args[1], divisor)
    if not isinstance(numerator, vy.BinOp):
        return False
    if isinstance(numerator.op, vy.Add):
        return _is_one_less(numerator.right, divisor)
    if isinstance(numerator.op, vy.Sub) and _value(numerator.right) == 1:
        inner = numerator.left
        last = inner.right if isinstance(inner, vy.BinOp) else inner
        same = last.node_source_code == divisor.node_source_code
        return same or _value(last) == _value(divisor) is not None
    return False


def _is_one_less(node: Any, divisor: Any) -> bool:
    value, bound = _value(node), _value(divisor)
    if value is not None and bound is not None:
        return bound > 1 and value == bound - 1
    return node.node_source_code == f"unsafe_sub({divisor.node_source_code}, 1)"


def _value(node: Any) -> int | None:
    reduced = node.reduced()
    return int(reduced.value) if isinstance(reduced, vy.Int) else None
