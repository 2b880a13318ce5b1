"""Hold contracts/ to the rules of STYLE.md that a machine can check (V1-V18).

Parses each file with the compiler's own parser, so nothing has to compile; run with
`python -m tools.vyper_lint`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vyper.ast import nodes as vy
from vyper.ast.parse import parse_to_ast
from vyper.exceptions import VyperException

from tools.findings import ROOT, Finding, report

VERSION_PRAGMA = "# pragma version 0.4.3"
LOCK_PRAGMA = "# pragma nonreentrancy on"
MAX_COLUMNS = 100
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 45
MAX_REASON_BYTES = 31
LISTING = "docs/errors.md"
REASON = re.compile(r"[a-z][a-z0-9_ ]*: \S.*")

DEPLOYABLE_ROOMS = ("", "feeds", "testnet")
UNIT_FILES = ("units.vy",)
SHIFT_FILES = (
    "packing.vy",
    "market_packing.vy",
    "surface_packing.vy",
    "ledger_packing.vy",
    "fixed_point.vy",
    "binary_math.vy",
    "normal_cdf.vy",
    "normal_pdf.vy",
    "black76.vy",
    "svi.vy",
    "scan_cdf.vy",
    "scenarios.vy",
    "option_book.vy",
    "risk_array.vy",
    "BatchLens.vy",
    "PortfolioMargin.vy",
    "PortfolioRows.vy",
)
# written out for gas, with what it stands for beside it: the portfolio scan
WRITTEN_OUT = {
    ("BatchLens.vy", "health_many"),
    ("PortfolioMargin.vy", "check"),
    ("PortfolioRows.vy", "units"),
}
BALANCE_FILES = ("tokens.vy",)
CALL_FILES = ("bounded_calls.vy",)
MOCKS = "mocks"

PASCAL = re.compile(r"[A-Z][A-Za-z0-9]*")
SNAKE = re.compile(r"[a-z][a-z0-9_]*")
INTERFACE = re.compile(r"I[A-Z][A-Za-z0-9]*")

SECTIONS = (
    "imports",
    "exports",
    "constants",
    "immutables",
    "flags",
    "structs",
    "storage",
    "__init__",
    "external functions",
    "view functions",
    "internal functions",
)


@dataclass(frozen=True)
class Source:
    """One Vyper file and where it stands in the house."""

    path: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return self.text.splitlines()

    @cached_property
    def file(self) -> str:
        """The file's own name."""
        return Path(self.path).name

    @cached_property
    def room(self) -> str:
        """The folder below contracts/ ("" for the deployables at its top)."""
        parts = Path(self.path).parts[1:-1]
        return parts[0] if parts else ""

    @cached_property
    def is_interface(self) -> bool:
        """Whether this is a .vyi file."""
        return self.path.endswith(".vyi")

    @cached_property
    def is_mock(self) -> bool:
        """Whether this serves tests only."""
        return self.room == MOCKS

    @cached_property
    def is_deployable(self) -> bool:
        """Whether this is a contract that goes on chain for good."""
        return not self.is_interface and self.room in DEPLOYABLE_ROOMS

    @cached_property
    def tree(self) -> Any:
        """The compiler's untyped syntax tree."""
        return parse_to_ast(self.text, is_interface=self.is_interface)

    def at(self, line: int, rule: str, text: str) -> Finding:
        """Make a finding in this file."""
        return Finding(self.path, line, rule, text)

    def nodes(self, kind: Any) -> list[Any]:
        """Return every node of one kind, in source order."""
        found = self.tree.get_descendants(kind)
        return sorted(found, key=lambda node: (node.lineno, node.col_offset))


Check = Callable[[Source], Iterator[Finding]]


# ---- text --------------------------------------------------------------------


def check_name(source: Source) -> Iterator[Finding]:
    """V1: the case of a file's name tells deployable, module and interface apart."""
    stem = Path(source.path).stem
    if source.is_interface:
        wanted, pattern = "IPascal.vyi for an interface", INTERFACE
    elif source.is_deployable:
        wanted, pattern = "PascalCase.vy for a deployable", PASCAL
    elif source.is_mock:
        return
    else:
        wanted, pattern = "snake_case.vy for a module", SNAKE
    if not pattern.fullmatch(stem):
        yield source.at(1, "V1", f"file name should be {wanted}")


def check_length(source: Source) -> Iterator[Finding]:
    """V1: one idea per file, lines of 100 columns."""
    if len(source.lines) > MAX_FILE_LINES:
        yield source.at(1, "V1", f"{len(source.lines)} lines; {MAX_FILE_LINES} is the stop")
    for number, line in enumerate(source.lines, 1):
        if len(line) > MAX_COLUMNS:
            yield source.at(number, "V1", f"{len(line)} columns; {MAX_COLUMNS} is the limit")
        if line != line.rstrip() or "\t" in line:
            yield source.at(number, "V1", "trailing blank or tab")


def check_header(source: Source) -> Iterator[Finding]:
    """V2: version, lock, further pragmas, then the docstring, before anything else."""
    lines = source.lines
    if lines[:1] != [VERSION_PRAGMA]:
        yield source.at(1, "V2", f'first line should be "{VERSION_PRAGMA}"')
    if source.is_interface:
        return
    if lines[1:2] != [LOCK_PRAGMA]:
        yield source.at(2, "V2", f'second line should be "{LOCK_PRAGMA}"')
    body = next((i for i, line in enumerate(lines) if not line.startswith("# pragma")), 0)
    if not lines[body : body + 1] or not lines[body].startswith('"""'):
        yield source.at(body + 1, "V2", "the docstring should follow the pragmas")
    for number, line in enumerate(lines, 1):
        if line.startswith("# pragma") and number > body:
            yield source.at(number, "V2", "pragmas belong to the head of the file")
        if line.startswith("# pragma optimize") and not (source.is_deployable or source.is_mock):
            yield source.at(number, "V2", "only a deployable chooses its optimiser")
        if line.startswith("# pragma") and "experimental" in line:
            yield source.at(number, "V2", "experimental code generation is not for production")


# ---- layout ------------------------------------------------------------------


def _decorators(function: Any) -> set[str]:
    return {decorator.id for decorator in function.decorator_list if hasattr(decorator, "id")}


def _function_section(function: Any) -> str:
    decorators = _decorators(function)
    if "deploy" in decorators:
        return "__init__"
    if "external" not in decorators:
        return "internal functions"
    return "view functions" if decorators & {"view", "pure"} else "external functions"


def _section(node: Any) -> str | None:
    if isinstance(node, vy.FunctionDef):
        return _function_section(node)
    if isinstance(node, vy.VariableDecl):
        if node.is_constant:
            return "constants"
        return "immutables" if node.is_immutable else "storage"
    by_type = {
        vy.Import: "imports",
        vy.ImportFrom: "imports",
        vy.InitializesDecl: "imports",
        vy.UsesDecl: "imports",
        vy.ImplementsDecl: "imports",
        vy.ExportsDecl: "exports",
        vy.FlagDef: "flags",
        vy.StructDef: "structs",
    }
    return by_type.get(type(node))


def check_order(source: Source) -> Iterator[Finding]:
    """V3: the written order of a file."""
    if source.is_interface or source.is_mock:
        return
    furthest = 0
    for node in source.tree.body:
        section = _section(node)
        if section is None:
            continue
        rank = SECTIONS.index(section)
        if rank < furthest:
            yield source.at(node.lineno, "V3", f"{section} come before {SECTIONS[furthest]}")
        furthest = max(furthest, rank)


def check_exports(source: Source) -> Iterator[Finding]:
    """V4: exports name functions; events live in interfaces."""
    if source.is_mock or source.is_interface:
        return
    for export in source.nodes(vy.ExportsDecl):
        if "__interface__" in export.node_source_code:
            yield source.at(export.lineno, "V4", "name each exported function")
    for event in source.nodes(vy.EventDef):
        yield source.at(event.lineno, "V4", "events live in the .vyi")
    for log in source.nodes(vy.Log):
        if log.value.args:
            yield source.at(log.lineno, "V4", "log with keyword arguments")


def check_functions(source: Source) -> Iterator[Finding]:
    """V6: short functions, and an underscore before every internal."""
    if source.is_interface:
        return
    for function in source.nodes(vy.FunctionDef):
        internal = _function_section(function) == "internal functions"
        if internal and not function.name.startswith("_") and not source.is_mock:
            yield source.at(function.lineno, "V6", f"internal {function.name} needs a leading _")
        length = _code_lines(source, function)
        if length > MAX_FUNCTION_LINES and (source.file, function.name) not in WRITTEN_OUT:
            message = (
                f"{function.name} has {length} lines of code; {MAX_FUNCTION_LINES} is the stop"
            )
            yield source.at(function.lineno, "V6", message)


def _code_lines(source: Source, function: Any) -> int:
    first, last = function.body[0].lineno, function.end_lineno
    body = (line.strip() for line in source.lines[first - 1 : last])
    return sum(1 for line in body if line and not line.startswith("#"))


# ---- words that are not used here ----------------------------------------------


def check_unsafe(source: Source) -> Iterator[Finding]:
    """V10: unsafe arithmetic stands under a one-line proof in its own paragraph."""
    for call in source.nodes(vy.Call):
        name = getattr(call.func, "id", "")
        if name.startswith("unsafe_") and not _has_comment_above(source, call.lineno):
            yield source.at(call.lineno, "V10", f"{name} needs its proof in a comment above")


def _has_comment_above(source: Source, line: int) -> bool:
    for text in reversed(source.lines[: line - 1]):
        stripped = text.strip()
        if stripped.startswith("#"):
            return True
        if not stripped or stripped.endswith('"""') or stripped.startswith(("def ", "@")):
            return False
    return False


def check_numbers(source: Source) -> Iterator[Finding]:
    """V11: the WAD is written once."""
    if source.file in UNIT_FILES or source.is_mock:
        return
    for power in source.nodes(vy.BinOp):
        both = (getattr(power.left, "value", None), getattr(power.right, "value", None))
        if isinstance(power.op, vy.Pow) and both == (10, 18):
            yield source.at(power.lineno, "V11", "10**18 stands in units.vy only")
    for number in source.nodes(vy.Int):
        if number.value == 10**18:
            yield source.at(number.lineno, "V11", "10**18 stands in units.vy only")


def check_calls(source: Source) -> Iterator[Finding]:
    """V14: no raw calls but bounded ones, no delegatecall, no tx.origin, no balance as a ledger."""
    for call in source.nodes(vy.Call):
        name = getattr(call.func, "id", "") or getattr(call.func, "attr", "")
        if name == "raw_call" and source.file not in CALL_FILES and not source.is_mock:
            yield source.at(call.lineno, "V14", "raw_call belongs to libs/bounded_calls.vy")
        if any(word.arg in ("is_delegate_call", "delegate_call") for word in call.keywords):
            yield source.at(call.lineno, "V14", "no delegatecall")
        own_balance = name == "balanceOf" and getattr(call.args[0], "id", "") == "self"
        if own_balance and source.file not in BALANCE_FILES and not source.is_mock:
            yield source.at(call.lineno, "V14", "a balance is not a ledger")
        if name == "print":
            yield source.at(call.lineno, "V14", "print is for the workbench")
    for attribute in source.nodes(vy.Attribute):
        if attribute.attr == "origin" and getattr(attribute.value, "id", "") == "tx":
            yield source.at(attribute.lineno, "V14", "no tx.origin")


def check_shifts(source: Source) -> Iterator[Finding]:
    """V16: words are packed and unpacked in one place."""
    if source.file in SHIFT_FILES or source.is_mock:
        return
    for shift in source.nodes((vy.LShift, vy.RShift)):
        yield source.at(shift.lineno, "V16", "shifts belong to libs/packing.vy")


def check_kill(source: Source) -> Iterator[Finding]:
    """V18: every deployable says who can stop it."""
    if source.is_deployable and "@custom:kill" not in source.text:
        yield source.at(1, "V18", "a deployable's docstring has @custom:kill")


# ---- reasons -----------------------------------------------------------------


def _reason_nodes(source: Source) -> Iterator[tuple[int, Any]]:
    """Yield the line and the reason of everything that can revert (None where there is none)."""
    for node in source.nodes(vy.Assert):
        yield node.lineno, node.msg
    for node in source.nodes(vy.Raise):
        yield node.lineno, node.exc
    for call in source.nodes(vy.Call):
        name = getattr(call.func, "id", "") or getattr(call.func, "attr", "")
        if name == "_fail" and call.args:
            yield call.lineno, call.args[0]


def reasons(source: Source) -> dict[str, int]:
    """Return the reason strings of a file with the first line of each."""
    found: dict[str, int] = {}
    for text in source.nodes(vy.Str):
        if REASON.fullmatch(text.value):
            found.setdefault(text.value, text.lineno)
    for line, node in _reason_nodes(source):
        if isinstance(node, vy.Str):
            found.setdefault(node.value, line)
    return found


def check_reasons(source: Source) -> Iterator[Finding]:
    """V12: no failure without "module: reason" in lower case, at most 31 bytes."""
    if source.is_interface or source.is_mock:
        return
    for line, node in _reason_nodes(source):
        if node is None:
            yield source.at(line, "V12", "a failure gives its reason")
        elif isinstance(node, vy.Name) and node.id == "UNREACHABLE":
            yield source.at(line, "V12", "a failure gives its reason, not UNREACHABLE")
    for reason, line in reasons(source).items():
        if not REASON.fullmatch(reason) or reason != reason.lower():
            yield source.at(line, "V12", f'"{reason}" is not a lower-case "module: reason"')
        if len(reason.encode()) > MAX_REASON_BYTES:
            yield source.at(line, "V12", f'"{reason}" is over {MAX_REASON_BYTES} bytes')


def check_listing(sources: list[Source], listing: str, path: str) -> Iterator[Finding]:
    """V12: every reason is in the list, and the list has none that is no longer raised."""
    listed = {text: line for line, text in _listed(listing)}
    raised: set[str] = set()
    for source in (source for source in sources if not source.is_mock):
        for reason, line in reasons(source).items():
            raised.add(reason)
            if reason not in listed:
                yield source.at(line, "V12", f'"{reason}" is not listed in {path}')
    ours = {reason.split(":")[0] for reason in raised}
    for reason, line in listed.items():
        if reason not in raised and reason.split(":")[0] in ours:
            yield Finding(path, line, "V12", f'"{reason}" is raised nowhere')


def _listed(listing: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(listing.splitlines(), 1):
        for text in re.findall(r"`([^`]+)`", line):
            if REASON.fullmatch(text):
                yield number, text


# ---- all together --------------------------------------------------------------

TEXT_CHECKS: tuple[Check, ...] = (check_name, check_length, check_header, check_kill)
TREE_CHECKS: tuple[Check, ...] = (
    check_order,
    check_exports,
    check_functions,
    check_unsafe,
    check_numbers,
    check_calls,
    check_shifts,
    check_reasons,
)


def lint(source: Source) -> list[Finding]:
    """Return what one file breaks."""
    findings = [finding for check in TEXT_CHECKS for finding in check(source)]
    try:
        _ = source.tree
    except (VyperException, SyntaxError) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        return [*findings, source.at(1, "V0", f"does not parse: {message}")]
    return findings + [finding for check in TREE_CHECKS for finding in check(source)]


def load(root: Path) -> list[Source]:
    """Read every Vyper file below root/contracts."""
    files = sorted((root / "contracts").rglob("*.vy*"))
    return [
        Source(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8"))
        for file in files
        if file.suffix in (".vy", ".vyi")
    ]


def lint_all(root: Path) -> tuple[list[Finding], int]:
    """Return the findings of a whole checkout and the number of files read."""
    sources = load(root)
    findings = [finding for source in sources for finding in lint(source)]
    broken = {finding.path for finding in findings if finding.rule == "V0"}
    readable = [source for source in sources if source.path not in broken]
    listing = root / LISTING
    text = listing.read_text(encoding="utf-8") if listing.exists() else ""
    findings += check_listing(readable, text, LISTING)
    return findings, len(sources)


def print_reasons(root: Path) -> int:
    """Print every reason with the place of its first use, as a start for the list."""
    for source in (source for source in load(root) if not source.is_mock):
        for reason, line in reasons(source).items():
            print(f"{reason:<{MAX_REASON_BYTES}}  {source.path}:{line}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Lint the checkout, or print its reasons."""
    parser = argparse.ArgumentParser(prog="vyper_lint", description=__doc__)
    parser.add_argument("--reasons", action="store_true", help="print every reason string")
    if parser.parse_args(argv).reasons:
        return print_reasons(ROOT)
    findings, files = lint_all(ROOT)
    return report(findings, f"vyper lint: {files} files, no findings")


if __name__ == "__main__":
    sys.exit(main())
