"""Every revert has a string, the list of docs/errors.md has each of them, and a test expects it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import pytest

from keepers.reasons import meaning
from tests.stateful.evm import Reverted
from tests.stateful.house import OWNER, PROVIDERS, House
from tests.stateful.terms import DEPLOYMENTS
from tests.support.signing import source_address
from tools.findings import ROOT
from tools.vyper_lint import LISTING, check_listing, load, reasons

# how a test says that it expects a refusal
EXPECTING = ("reverts", "refused", "raises", "reason_of", "parametrize")
# what the list calls a guard cannot be provoked
_LISTED = re.compile(r"^\| (`+)(.+?)\1 \|", re.MULTILINE)
# a word of a signature, and one whose s is in the upper half
_ONE, _HIGH = (1).to_bytes(32, "big"), b"\xff" * 32
# of snekmate's files: functions, what they assert, what they call
SNEKMATE = Path(str(distribution("snekmate").locate_file("snekmate")))
_FUNCTION = re.compile(r"^def (\w+)\(.*?(?=^@|\Z)", re.MULTILINE | re.DOTALL)
_ASSERTED = re.compile(r'assert .*, "([^"]+)"')
_CALLED = re.compile(r"\b(\w+)\.(\w+)\b")
GUARD = re.compile(r"^\| `([^`]+)` \|[^|]*\ba guard, no call leads there\b", re.MULTILINE)


def raised() -> set[str]:
    """Return the reasons of every contract that goes on chain."""
    return {reason for source in load(ROOT) if not source.is_mock for reason in reasons(source)}


def borrowed() -> set[str]:
    """Return the reasons of snekmate's functions that ours export or call, at any depth."""
    named = [
        (module, function)
        for source in load(ROOT)
        if not source.is_mock
        for module, function in _CALLED.findall(source.text)
    ]
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    while named:
        module, function = named.pop()
        body = _functions(module).get(function)
        if body is None or (module, function) in seen:
            continue
        seen.add((module, function))
        found |= set(_ASSERTED.findall(body))
        named += [(module if to == "self" else to, name) for to, name in _CALLED.findall(body)]
    return found


@cache
def _functions(module: str) -> dict[str, str]:
    """Return the text of each function of a module of snekmate, of none where it is no such."""
    files = [path for path in SNEKMATE.rglob(f"{module}.vy") if "mocks" not in path.parts]
    if not files:
        return {}
    text = files[0].read_text(encoding="utf-8")
    return {made[1]: made[0] for made in _FUNCTION.finditer(text)}


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


def test_errors__borrowed_code_and_list__name_the_same_reasons() -> None:
    text = (ROOT / LISTING).read_text(encoding="utf-8")
    listed = {reason for _, reason in _LISTED.findall(text)}
    assert {"erc20: insufficient allowance", "ecdsa: invalid signature"} <= borrowed()
    prefixes = {reason.split(":")[0] for reason in borrowed()}
    assert {reason for reason in listed if reason.split(":")[0] in prefixes} == borrowed()


def test_errors__every_reason__is_expected_by_a_test() -> None:
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    told = {text for path in files for text in expected_in(path)}
    guards = set(GUARD.findall((ROOT / LISTING).read_text(encoding="utf-8")))
    every = raised() | borrowed()
    assert guards <= every
    silent = sorted(every - told - guards)
    assert not silent, f"no test expects: {silent}"


@pytest.mark.parametrize("index", [0, 7])
def test_set_signer__sits_already__is_refused(index: int) -> None:
    configurator = House(DEPLOYMENTS[0]).configurator
    seats = [configurator.view("signers", place) for place in (index, 1)]
    with pytest.raises(Reverted, match="oracle: signer listed twice"):
        configurator.send(OWNER, "set_signer", index, source_address(1))
    assert seats[1] == source_address(1)
    assert [configurator.view("signers", place) for place in (index, 1)] == seats


@pytest.mark.parametrize(
    ("function", "args", "said"),
    [
        ("transfer", (0, 1), "erc20: transfer to the zero address"),
        ("transfer", (OWNER, 1), "erc20: transfer amount exceeds balance"),
        ("transferFrom", (PROVIDERS[0], OWNER, 1), "erc20: insufficient allowance"),
        ("transferFrom", (0, OWNER, 0), "erc20: approve from the zero address"),
        ("approve", (0, 1), "erc20: approve to the zero address"),
        ("permit", (OWNER, 1, 1, 0, 27, _ONE, _ONE), "erc20: expired deadline"),
        ("permit", (OWNER, 1, 1, 2**200, 27, _ONE, _ONE), "erc20: invalid signature"),
        ("permit", (OWNER, 1, 1, 2**200, 27, _ONE, _HIGH), "ecdsa: invalid signature `s` value"),
        ("accept_ownership", (), "ownable_2step: caller is not the new owner"),
        ("set_params", (1, (0,) * 8), "ownable: caller is not the owner"),
    ],
)
def test_shares_and_owners__what_snekmate_refuses__has_a_sentence(
    function: str, args: tuple[object, ...], said: str
) -> None:
    pool = House(DEPLOYMENTS[0]).pool
    with pytest.raises(Reverted, match=re.escape(said)):
        pool.send(PROVIDERS[1], function, *args)
    what, do = meaning(said)
    assert what.endswith(f"({said})") and "refused the call" not in what
    assert do
