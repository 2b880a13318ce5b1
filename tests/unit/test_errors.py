"""Every revert has a string, the list of docs/errors.md has each of them, and a test expects it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stateful.evm import Reverted
from tests.stateful.house import OWNER, House
from tests.stateful.terms import DEPLOYMENTS
from tests.support.signing import source_address
from tools.findings import ROOT
from tools.vyper_lint import LISTING, check_listing, load, reasons

# how a test says that it expects a refusal
EXPECTING = ("reverts", "refused", "raises", "reason_of", "parametrize")
# what the list calls a guard cannot be provoked
GUARD = re.compile(r"^\| `([^`]+)` \|[^|]*\ba guard, no call leads there\b", re.MULTILINE)


def raised() -> set[str]:
    """Return the reasons of every contract that goes on chain."""
    return {reason for source in load(ROOT) if not source.is_mock for reason in reasons(source)}


def expected_in(path: Path) -> Iterator[str]:
    """Yield the strings of a file's assertions: of expected refusals, comparisons and tables."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            yield from _strings(node)
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) or _name(node) in EXPECTING:
            yield from _strings(node)


def _name(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return str(getattr(node.func, "id", "") or getattr(node.func, "attr", ""))


def _strings(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def test_errors__contracts_and_list__name_the_same_reasons() -> None:
    listing = (ROOT / LISTING).read_text(encoding="utf-8")
    assert [str(finding) for finding in check_listing(load(ROOT), listing, LISTING)] == []


def test_errors__every_reason__is_expected_by_a_test() -> None:
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    told = {text for path in files for text in expected_in(path)}
    guards = set(GUARD.findall((ROOT / LISTING).read_text(encoding="utf-8")))
    assert guards <= raised()
    silent = sorted(raised() - told - guards)
    assert not silent, f"no test expects: {silent}"


@pytest.mark.parametrize("index", [0, 7])
def test_set_signer__sits_already__is_refused(index: int) -> None:
    configurator = House(DEPLOYMENTS[0]).configurator
    seats = [configurator.view("signers", place) for place in (index, 1)]
    with pytest.raises(Reverted, match="oracle: signer listed twice"):
        configurator.send(OWNER, "set_signer", index, source_address(1))
    assert seats[1] == source_address(1)
    assert [configurator.view("signers", place) for place in (index, 1)] == seats
