"""All mutants in one compilation: a switch stands at every division, and a block chooses.

Bit i of prevrandao turns the rounding of site i round: down becomes up, up becomes down, toward
zero becomes away from it. With no bit set the contracts are what they are, so one deployment
answers for the original and for every mutant. Files are rewritten in a temporary copy and compiled
without the optimiser, which halves the time; the results are kept under .cache while the sources
stand.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from vyper.compiler import CompilerData
from vyper.compiler.output import build_abi_output, build_layout_output
from vyper.compiler.settings import anchor_settings

from scripts.deployment.artifacts import uncollected
from tests.differential.mutants.sites import (
    DEPLOYABLES,
    DIRECTED,
    DOWN,
    HARNESS,
    UP,
    Site,
    all_sites,
    bundle,
)
from tests.stateful.compiled import Compiled

ROOT = Path(__file__).resolve().parents[3]
CONTRACTS = ROOT / "contracts"
STORE = ROOT / ".cache" / "mutants.json"
IMPORTS = re.compile(r"^from [a-z_.]+ import \w[\w ]*$", re.MULTILINE)
OPTIMISER = re.compile(r"^# pragma optimize \w+$", re.MULTILINE)
# the switch is one word
MOST_SITES = 256
SWITCH = '''# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Mutants: divisions that a bit of the block turns round
@custom:kill not deployable; a test's own
"""


@internal
@view
def _on(i: uint256) -> bool:
    return (convert(block.prevrandao, uint256) >> i) & 1 == 1


@internal
@view
def _floor(i: uint256, a: uint256, b: uint256) -> uint256:
    quotient: uint256 = a // b
    if self._on(i) and quotient * b != a:
        quotient += 1
    return quotient


@internal
@view
def _ceil(i: uint256, a: uint256, b: uint256) -> uint256:
    # a is x + b - 1: the quotient is ceil(x / b), and x = 0 mod b leaves b - 1
    if b == 0:
        # a median price of zero: unsafe_div says 0
        return 0
    quotient: uint256 = a // b
    if self._on(i) and a % b != b - 1:
        quotient -= 1
    return quotient


@internal
@view
def _zero(i: uint256, a: int256, b: int256) -> int256:
    quotient: int256 = a // b
    if self._on(i) and quotient * b != a:
        quotient += 1 if (a < 0) == (b < 0) else -1
    return quotient


@internal
@view
def _floored(i: uint256, a: int256, b: int256) -> int256:
    # a is x, or x - (b - 1) where x < 0: the quotient is floor(x / b)
    quotient: int256 = a // b
    exact: bool = quotient * b == a
    if a < 0:
        exact = quotient * b - a == b - 1
    if self._on(i) and not exact:
        quotient += 1
    return quotient


@internal
@view
def _root(i: uint256, a: uint256) -> uint256:
    root: uint256 = isqrt(a)
    if self._on(i) and root * root != a:
        root += 1
    return root


@internal
@view
def _mul_down(i: uint256, a: uint256, b: uint256) -> uint256:
    return self._floor(i, a * b, 10**18)


@internal
@view
def _mul_up(i: uint256, a: uint256, b: uint256) -> uint256:
    return self._ceil(i, a * b + 10**18 - 1, 10**18)


@internal
@view
def _ceil_div(i: uint256, a: uint256, b: uint256) -> uint256:
    return self._ceil(i, a + b - 1, b)


@internal
@view
def _floor_div(i: uint256, a: int256, b: int256) -> int256:
    # b > 0
    quotient: int256 = a // b
    exact: bool = quotient * b == a
    if a < 0 and not exact:
        quotient -= 1
    if self._on(i) and not exact:
        quotient += 1
    return quotient
'''


@dataclass(frozen=True, slots=True)
class Schema:
    """The sites, numbered by their place in the list, and the contracts that hold the switches."""

    sites: list[Site]
    contracts: dict[str, Compiled]

    def code(self, name: str) -> Compiled:
        """Return a contract with switches, where there is one."""
        return self.contracts[name]


def _key() -> str:
    digest = hashlib.sha256(version("vyper").encode() + version("snekmate").encode())
    own = [Path(__file__), Path(__file__).with_name("sites.py")]
    for file in sorted([*CONTRACTS.rglob("*.vy*"), *own]):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def schema() -> Schema:
    """Return the contracts with a switch at every division."""
    key = _key()
    if STORE.exists():
        stored = json.loads(STORE.read_text(encoding="utf-8"))
        if stored["key"] == key:
            return _loaded(stored)
    made = _made()
    STORE.parent.mkdir(parents=True, exist_ok=True)
    text = {
        "key": key,
        "sites": [asdict(site) for site in made.sites],
        "contracts": {name: asdict(code) for name, code in made.contracts.items()},
    }
    STORE.write_text(json.dumps(text), encoding="utf-8")
    return made


def _loaded(stored: dict) -> Schema:
    sites = [Site(**site) for site in stored["sites"]]
    return Schema(sites, {name: Compiled(**code) for name, code in stored["contracts"].items()})


def _made() -> Schema:
    sites = all_sites(CONTRACTS)
    assert len(sites) <= MOST_SITES
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve() / "contracts"
        shutil.copytree(CONTRACTS, copy)
        (copy / "libs" / "mutants.vy").write_text(SWITCH, encoding="utf-8")
        for file in copy.rglob("*.vy*"):
            # a switch reads the block
            text = file.read_text(encoding="utf-8").replace("@pure", "@view")
            path = str(file.relative_to(copy))
            numbered = [(i, site) for i, site in enumerate(sites) if site.path == path]
            text = OPTIMISER.sub("# pragma optimize none", _switched(text, numbered))
            file.write_text(text, encoding="utf-8")
        names = (*DEPLOYABLES, HARNESS)
        return Schema(sites, {name: _compiled(copy, name) for name in names})


def _compiled(contracts: Path, name: str) -> Compiled:
    files = bundle(contracts)
    compiled = CompilerData(files.load_file(contracts / f"{name}.vy"), input_bundle=files)
    with uncollected(), anchor_settings(compiled.settings):
        return Compiled(
            name=name.split("/")[-1],
            initcode=compiled.bytecode.hex(),
            abi=json.loads(json.dumps(build_abi_output(compiled))),
            layout=json.loads(json.dumps(build_layout_output(compiled))),
        )


def _switched(text: str, numbered: Sequence[tuple[int, Site]]) -> str:
    """Return a file with a switch at each of its sites, inner ones first."""
    if not numbered:
        return text
    edits: list[tuple[int, int, str]] = []
    # an inner division is put into the text before the outer one that begins at the same place
    for i, site in sorted(numbered, key=lambda pair: pair[1].span[1] - pair[1].span[0]):
        (first, last), left, right = site.span, site.operands[0], site.operands[-1]
        name = f"mutants.{_switch(site)}({i}, "
        if text[left[1] : right[0]].strip() == "//=":
            target = text[left[0] : left[1]]
            edits += [(left[1], right[0], f" = {name}{target}, "), (last, last, ")")]
        elif site.kind == "//":
            # both sides stay where they are, the sign between them becomes a comma
            edits += [(first, first, name), (left[1], right[0], ", "), (last, last, ")")]
        else:
            edits += [(first, left[0], name)]
    for first, last, put in sorted(edits, key=lambda edit: edit[:2], reverse=True):
        text = text[:first] + put + text[last:]
    end = [found.end() for found in IMPORTS.finditer(text)][-1]
    return f"{text[:end]}\nfrom libs import mutants{text[end:]}"


def _switch(site: Site) -> str:
    """Return the function that stands in for a division."""
    if site.kind in DIRECTED:
        return site.kind
    if site.kind == "isqrt":
        return "_root"
    if site.signed:
        return "_floored" if site.rounds == DOWN else "_zero"
    return "_ceil" if site.rounds == UP else "_floor"
