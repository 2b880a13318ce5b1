"""The whole protocol on pyrevm, compared with the reference after every step.

`make test` runs 21,000 steps over three deployments (6, 8 and 18 decimals); `make campaign` with
PLIMSOLL_STEPS=n runs n steps from the seed PLIMSOLL_SEED. A broken run prints its seed and its
shrunk ops; `replay(number, ops)` of tests.stateful.machine runs them again.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.stateful.invariants import INVARIANTS
from tests.stateful.machine import Tally, run
from tests.stateful.rules import RULES
from tests.stateful.terms import DEPLOYMENTS

RUN = 1_000
STEPS = int(os.environ.get("PLIMSOLL_STEPS", "21000"))
SEED = int(os.environ.get("PLIMSOLL_SEED", "0"))
# fewer would not be what `make test` promises
LEAST_STEPS = 20_000
REFUSED = "invalid"
LEAST_PER_RULE = 0.15
LEAST_OVERALL = 0.60
# what every deployment must have seen
EVENTS = """
    AccountOpened AuctionSet CapsSet Cleared CollateralMoved Committed Deposited DepositRequested
    Drawn Executed FeedParamsSet Filled Flagged FundingAccrued Funded Granted LegMoved LimitsSet
    MarginParamsSet Paused PoolParamsSet Posting PricePending PricesAccepted RedeemRequested Reduced
    RequestExecuted Settled SettlerPaid SignerSet SoftFactorSet SurplusWithdrawn TradeRecorded
    Transferred Used Withdrawn WrittenOff
"""
KINDS = (
    "Taken part",
    "Taken whole",
    "Closed cancelled",
    "Closed expired",
    "Closed price passed",
)


def table(tally: Tally) -> str:
    """Return the success rate of every rule."""
    lines = [
        f"  {rule:16} {tally.passed[rule]:6} of {tally.tried[rule]:6}"
        f"  {tally.passed[rule] / tally.tried[rule]:6.1%}"
        for rule in sorted(tally.tried)
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("number", range(len(DEPLOYMENTS)))
def test_machine__random_actions__chain_equals_reference(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally()
    for part in range(-(-STEPS // len(DEPLOYMENTS) // RUN)):
        tally += run(SEED + 100 * part + number, number, RUN)
    tried, passed = sum(tally.tried.values()), sum(tally.passed.values())
    with capsys.disabled():
        print(f"\ndeployment {number}, {tried} steps, {passed / tried:.1%} succeeded, ", end="")
        print(f"{tally.windows} windows of a coalition\n{table(tally)}")

    assert tried * len(DEPLOYMENTS) >= LEAST_STEPS
    assert set(tally.tried) == {*RULES, "opening"}
    assert tally.passed[REFUSED] == 0
    poor = [
        rule
        for rule in tally.tried
        if rule != REFUSED and tally.passed[rule] < LEAST_PER_RULE * tally.tried[rule]
    ]
    assert not poor, f"rules that hardly succeed: {poor}"
    # what is refused by intent counts too
    assert passed >= LEAST_OVERALL * tried
    missed = [kind for kind in (*EVENTS.split(), *KINDS) if not tally.seen[kind]]
    assert not missed, f"never happened: {missed}"
    assert tally.windows > 0


def test_machine__its_invariants__are_those_of_the_scope() -> None:
    scope = "A1 A2 A3 A4 A5 A8 A12 B1 B3 B4 B5 B9 B10 C1 C2 C3 C4 C6 C8 C10 D1 D2 D3 D4 E1 E2 E3"
    assert set(INVARIANTS) == {*scope.split(), "B11", "C11", "F2", "F3", "F4"}


def test_machine__its_invariants__are_those_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "invariants.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| ([A-F]\d+) \|", page, re.MULTILINE))
    # two are comparisons of the machine: with the chain's checks, and with the logs
    assert told == {*INVARIANTS, "B7", "F7"}
