"""Runs of the machine over one deployment, and what every run must have seen.

A file a deployment, so that the workers of `make test` share them; a run hands its tally on as a
property of its test, and tests/conftest.py prints them all at the end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from tests.stateful.machine import Tally, run
from tests.stateful.rules import RULES

RUN = 1_000
# of each of the three deployments; `make campaign` takes more
STEPS = int(os.environ.get("PLIMSOLL_STEPS", "14000"))
SEED = int(os.environ.get("PLIMSOLL_SEED", "0"))
# fewer would not be what `make test` promises: 40,000 in all
LEAST_STEPS = 14_000
REFUSED = ("invalid",)
LEAST_PER_RULE = 0.15
LEAST_OVERALL = 0.60
# what every deployment must have seen
EVENTS = """
    AccountOpened AuctionSet CapsSet Cleared CollateralMoved Committed Deposited DepositRequested
    Drawn Executed FeedParamsSet Filled Flagged FundingAccrued Funded Granted LegMoved LimitsSet
    MarginParamsSet PoolParamsSet Posting PriceAccepted PricePending RedeemRequested Reduced
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
Record = Callable[[str, object], None]


def play(number: int, steps: int, record: Record) -> Tally:
    """Run seeds on a deployment, hand on what was counted, and require that rules succeed."""
    tally = Tally()
    for part in range(-(-steps // RUN)):
        tally += run(SEED + 100 * part + number, number, min(RUN, steps))
    record("machine", json.dumps(told(number, tally)))
    require_success(tally)
    return tally


def told(number: int, tally: Tally) -> dict[str, object]:
    """Return what the terminal is to say of a run."""
    return {
        "deployment": number,
        "tried": dict(tally.tried),
        "passed": dict(tally.passed),
        "windows": tally.windows,
    }


def require_success(tally: Tally) -> None:
    """Assert that every rule was tried and succeeds often enough, and the forbidden ones never."""
    tried, passed = sum(tally.tried.values()), sum(tally.passed.values())
    assert set(tally.tried) == {*RULES, "opening"}
    assert not any(tally.passed[rule] for rule in REFUSED)
    poor = [
        rule
        for rule in tally.tried
        if rule not in REFUSED and tally.passed[rule] < LEAST_PER_RULE * tally.tried[rule]
    ]
    assert not poor, f"rules that hardly succeed: {poor}"
    # what is refused by intent counts too
    assert passed >= LEAST_OVERALL * tried


def require_seen(tally: Tally) -> None:
    """Assert that everything happened that can happen."""
    missed = [kind for kind in (*EVENTS.split(), *KINDS) if not tally.seen[kind]]
    assert not missed, f"never happened: {missed}"
    assert tally.windows > 0
