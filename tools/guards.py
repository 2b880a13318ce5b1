"""Show that every fault test fails once the guard that it stands for is gone.

tests/faults.toml names, for each row of the fault list (docs/faults.md), the lines that stop it.
Each guard is taken out of a copy of the contracts in a temporary folder, and the tests of its row
run against that copy: one of them must fail, and every test of a row must fail for some guard of
it.

    python -m tools.guards            all rows
    python -m tools.guards 56 92      these rows
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.deployment import artifacts
from scripts.deployment.errors import DeploymentError
from tools.findings import ROOT, fail

LIST = "tests/faults.toml"
TESTS = "tests/faults"
FAULTS = "docs/faults.md"
HELD = "held"  # what the page says of a row that has tests and guards
CHANGED = "PLIMSOLL_CONTRACTS"
WORKERS = 2

_TEST = re.compile(r"^def (test_fault_(\d{3})_\w+)\(", re.M)
_ROW = re.compile(r"^\| (\d+) \|.*\| ([^|]+) \|$", re.M)
_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


class GuardError(Exception):
    """The list of guards does not fit the contracts or the tests; says how in one sentence."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A line of a contract, and what stands there without the guard."""

    contract: str  # the deployable that loses the guard; all others keep theirs
    file: str  # below contracts/
    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class Guard:
    """What stops a row of the fault list."""

    row: int
    stops: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the tests of a row ended without a guard."""

    failed: Mapping[str, str]  # test -> what it said
    broken: str  # why they could not run, or nothing


# ---- the list ----------------------------------------------------------------------------------


def read(root: Path) -> list[Guard]:
    """Return the guards of the list.

    Raises:
        GuardError: the list is not as its head says.
    """
    text = (root / LIST).read_text(encoding="utf-8")
    try:
        entries = tomllib.loads(text)["guard"]
        return [_guard(entry) for entry in entries]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise GuardError(f"{LIST} cannot be read: {error}.") from error


def _guard(entry: Mapping[str, Any]) -> Guard:
    edits = tuple(
        Edit(edit["contract"], edit["file"], edit["find"].strip("\n"), edit["replace"].strip("\n"))
        for edit in entry["edit"]
    )
    return Guard(entry["row"], entry["stops"], edits)


def tests(root: Path) -> dict[int, list[str]]:
    """Return the tests of each row as pytest names them."""
    found: dict[int, list[str]] = {}
    for path in sorted((root / TESTS).glob("test_*.py")):
        for name, row in _TEST.findall(path.read_text(encoding="utf-8")):
            found.setdefault(int(row), []).append(f"{TESTS}/{path.name}::{name}")
    return found


def listed(root: Path) -> dict[int, str]:
    """Return where each row of the page is held, in its words."""
    text = (root / FAULTS).read_text(encoding="utf-8")
    return {int(row): where for row, where in _ROW.findall(text)}


def check_page(rows: Mapping[int, str], held: Iterable[int], root: Path) -> None:
    """Hold the page of faults against the rows that have tests and guards.

    Raises:
        GuardError: a row is called held and is not, or is and is not called so, or a test that it
            names is not there.
    """
    called = {row for row, where in rows.items() if where == HELD}
    for row in sorted(called ^ set(held)):
        wrong = "has no test" if row in called else "has a test"
        raise GuardError(f"row {row} {wrong} in {TESTS}, and {FAULTS} says otherwise.")
    for row, where in rows.items():
        for file, name in _NAMED.findall(where):
            path = root / file
            if not path.is_file() or f"def {name}" not in path.read_text(encoding="utf-8"):
                raise GuardError(f"row {row} of {FAULTS}: there is no {file}::{name}.")


def check(guards: Sequence[Guard], named: Mapping[int, Sequence[str]], root: Path) -> None:
    """Hold the list against contracts and tests.

    Raises:
        GuardError: a snippet does not occur exactly once, or a row lacks guards or tests.
    """
    for guard in guards:
        if guard.row not in named:
            raise GuardError(f"row {guard.row} has a guard in {LIST} and no test in {TESTS}.")
        for edit in guard.edits:
            _changed_text(guard, edit, root)
    bare = sorted(set(named) - {guard.row for guard in guards})
    if bare:
        raise GuardError(f"row {bare[0]} has a test in {TESTS} and no guard in {LIST}.")


def _changed_text(guard: Guard, edit: Edit, root: Path) -> str:
    path = root / "contracts" / edit.file
    if not path.is_file():
        raise GuardError(f"row {guard.row}: there is no contracts/{edit.file}.")
    text = path.read_text(encoding="utf-8")
    count = text.count(edit.find)
    if count != 1:
        raise GuardError(
            f"row {guard.row}: contracts/{edit.file} holds {edit.find.strip()!r} {count} times, "
            "and a guard must be found exactly once."
        )
    return text.replace(edit.find, edit.replace)


# ---- without a guard ---------------------------------------------------------------------------


@contextmanager
def without(guard: Guard, root: Path) -> Iterator[Path]:
    """Lay out the contracts that the guard is taken out of, compiled, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="guards-") as name:
        folder = Path(name)
        for contract in {edit.contract for edit in guard.edits}:
            source = root / "contracts" / f"{contract}.vy"
            for path in artifacts.closure(source, root / "contracts"):
                copy = folder / path.relative_to(root)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
        for edit in guard.edits:
            path = folder / "contracts" / edit.file
            if not path.is_file():
                raise GuardError(f"row {guard.row}: {edit.contract} does not use {edit.file}.")
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(edit.find, edit.replace), encoding="utf-8")
        for contract in {edit.contract for edit in guard.edits}:
            artifacts.of(folder / "contracts" / f"{contract}.vy", folder)
        yield folder


class _Watch:
    """Notes how each test ended; a fixture that fails is no failed test."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}
        self.ran = 0
        self.broken = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of one phase of a test."""
        name = report.nodeid.split("::")[-1].split("[")[0]
        if report.when == "call":
            self.ran += 1
            if report.failed:
                self.failed.setdefault(name, _last_line(report))
        elif report.failed:
            self.broken = f"{name} could not be set up: {_last_line(report)}"


def _last_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:160]


def run(guard: Guard, named: Sequence[str], root: Path) -> Outcome:
    """Run the tests of a row without a guard of it, in this process."""
    watch = _Watch()
    try:
        with without(guard, root) as folder:
            os.environ[CHANGED] = str(folder)
            kept = ["-o", f"cache_dir={folder / 'pytest'}"]
            code = pytest.main(["-q", "--tb=line", *kept, *named], plugins=[watch])
    except (GuardError, DeploymentError) as error:
        return Outcome({}, str(error))
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not watch.ran:
        watch.broken = watch.broken or f"pytest ended with {code!r}"
    return Outcome(watch.failed, watch.broken)


def _in_child(job: tuple[Guard, Sequence[str], Path]) -> Outcome:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    return run(*job)


# ---- verdict -----------------------------------------------------------------------------------


def unguarded(
    guards: Sequence[Guard], outcomes: Sequence[Outcome], named: Mapping[int, Sequence[str]]
) -> Iterator[str]:
    """Say what is wrong, in one sentence each."""
    for guard, outcome in zip(guards, outcomes, strict=True):
        if outcome.broken:
            yield f"row {guard.row}: without {guard.stops!r}, {outcome.broken}."
        elif not outcome.failed:
            yield f"row {guard.row}: its tests pass without {guard.stops!r}."
    for row in sorted({guard.row for guard in guards}):
        pairs = zip(guards, outcomes, strict=True)
        fallen = {test for guard, out in pairs if guard.row == row for test in out.failed}
        for test in named[row]:
            if test.split("::")[-1] not in fallen:
                yield f"row {row}: {test} passes without any of its guards."


def _show(guard: Guard, outcome: Outcome) -> None:
    print(f"{guard.row:>3}  without: {guard.stops}")
    for test, text in outcome.failed.items():
        print(f"     {test} fails: {text}")


def main(argv: list[str] | None = None) -> int:
    """Take out every guard, one after the other."""
    parser = argparse.ArgumentParser(prog="guards", description=__doc__)
    parser.add_argument("rows", nargs="*", type=int, help="rows of the fault list; all without")
    parser.add_argument("--workers", type=int, default=WORKERS)
    options = parser.parse_args(argv)
    try:
        guards, named = read(ROOT), tests(ROOT)
        check(guards, named, ROOT)
        check_page(listed(ROOT), named, ROOT)
        unknown = sorted(set(options.rows) - set(named))
        if unknown:
            raise GuardError(f"row {unknown[0]} has neither a test nor a guard.")
        # what keeps its guards is compiled before the workers start, and so is what they import
        artifacts.load()
        __import__("tests.support.world")
    except (GuardError, DeploymentError) as error:
        return fail(error)
    chosen = [guard for guard in guards if not options.rows or guard.row in options.rows]
    jobs = [(guard, named[guard.row], ROOT) for guard in chosen]
    outcomes = []
    # each job has a process of its own, so that nothing that a test keeps is carried over
    with multiprocessing.get_context("fork").Pool(options.workers, maxtasksperchild=1) as pool:
        for guard, outcome in zip(chosen, pool.imap(_in_child, jobs), strict=True):
            _show(guard, outcome)
            outcomes.append(outcome)
    problems = list(unguarded(chosen, outcomes, named))
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    rows = len({guard.row for guard in chosen})
    print(f"guards: {len(chosen)} guards of {rows} rows taken out, each broke its test")
    return 0


if __name__ == "__main__":
    sys.exit(main())
