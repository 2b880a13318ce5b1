"""The whole protocol on pyrevm, compared with the reference after every step.

`make test` runs 21,000 steps over three deployments (6, 8 and 18 decimals); `make campaign` with
PLIMSOLL_STEPS=n runs n steps from the seed PLIMSOLL_SEED. A broken run prints its seed and its
shrunk ops; `replay(number, ops)` of tests.stateful.machine runs them again.
"""

from __future__ import annotations

import os

import pytest

from tests.stateful.invariants import INVARIANTS
from tests.stateful.machine import Tally, run
from tests.stateful.terms import DEPLOYMENTS

RUN = 1_000
STEPS = int(os.environ.get("PLIMSOLL_STEPS", "21000"))
SEED = int(os.environ.get("PLIMSOLL_SEED", "0"))
# refused by intent; or seen so rarely that a rate says nothing (test_scenarios.py shows them)
UNRATED = ("invalid", "write_off", "crash", "outage")
LEAST_PER_RULE = 0.15
LEAST_OVERALL = 0.60


def table(tally: Tally) -> str:
    """Return the success rate of every rule."""
    lines = [
        f"  {rule:16} {tally.passed[rule]:6} of {tally.tried[rule]:6}"
        f"  {tally.passed[rule] / tally.tried[rule]:6.1%}"
        for rule in sorted(tally.tried)
    ]
    return "\n".join(lines)


def rated(tally: Tally) -> list[str]:
    return [rule for rule in tally.tried if rule not in UNRATED]


@pytest.mark.parametrize("number", range(len(DEPLOYMENTS)))
def test_machine__random_actions__chain_equals_reference(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally()
    for part in range(-(-STEPS // len(DEPLOYMENTS) // RUN)):
        tally += run(SEED + 100 * part + number, number, RUN)
    with capsys.disabled():
        print(f"\ndeployment {number}, {sum(tally.tried.values())} steps\n{table(tally)}")

    rules = rated(tally)
    poor = [r for r in rules if tally.passed[r] < LEAST_PER_RULE * tally.tried[r]]
    assert not poor, f"rules that hardly succeed: {poor}"
    passed = sum(tally.passed[rule] for rule in rules)
    assert passed >= LEAST_OVERALL * sum(tally.tried[rule] for rule in rules)
    assert tally.passed["invalid"] == 0
    for rule in ("reduce", "take", "flag", "execute_redeem", "crash", "outage"):
        assert tally.passed[rule] > 0, f"{rule} never happened"


def test_machine__its_invariants__are_those_of_the_scope() -> None:
    scope = "A1 A2 A3 A4 A5 A8 A12 B1 B3 B4 B5 B9 B10 C1 C2 C3 C4 C6 C8 C10 D1 D2 D3 D4 E1 E2 E3"
    # B7 and F7 are the comparison itself and the mirror
    assert set(INVARIANTS) == set(scope.split())
