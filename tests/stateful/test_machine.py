"""What the machines promise: every invariant of the page is checked.

The machines themselves run in the files beside this one, the whole protocol on pyrevm, compared
with the reference after every step: 14,000 steps on each of three deployments in `make test`.
`make campaign` runs 84,000 on each; PLIMSOLL_STEPS=n runs n from the seed PLIMSOLL_SEED. A broken
run prints its seed and its shrunk ops; `replay(number, ops)` of tests.stateful.machine runs them
again.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.stateful import invariants_options
from tests.stateful.invariants import INVARIANTS


def test_machine__its_invariants__are_those_of_the_scope() -> None:
    scope = "A1 A2 A3 A4 A5 A8 A12 B1 B3 B4 B5 B9 B10 C1 C2 C3 C4 C6 C8 C10 D1 D2 D3 D4 E1 E2 E3"
    later = "B2 B11 C5 C11 F1 F2 F3 F4 F5 F8"
    assert set(INVARIANTS) == {*scope.split(), *later.split()}


def test_machine__its_invariants__are_those_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "invariants.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| ([A-F]\d+) \|", page, re.MULTILINE))
    # comparisons with the chain, with the logs and of three machines, and a look ahead
    assert told == {*INVARIANTS, *invariants_options.OF_OPTIONS, "B7", "F7", "E4", "C7"}


def test_machine__with_options__checks_what_only_options_bring() -> None:
    checked = set(invariants_options.INVARIANTS)
    assert checked >= set(invariants_options.OF_OPTIONS)
    assert checked <= {*INVARIANTS, *invariants_options.OF_OPTIONS}
