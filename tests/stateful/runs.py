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
from tools.findings import ROOT

RUN = 1_000
# of each of the three deployments; `make campaign` takes more
STEPS = int(os.environ.get("PLIMSOLL_STEPS", "14000"))
SEED = int(os.environ.get("PLIMSOLL_SEED", "0"))
# fewer would not be what `make test` promises: 40,000 in all
LEAST_STEPS = 14_000
REFUSED = ("invalid", "trespass")
LEAST_PER_RULE = 0.15
LEAST_OVERALL = 0.60
# tries that tell nothing of a rate
FEW = 8
# what every deployment must have seen
EVENTS = """
    AccountOpened AuctionSet CapsSet Cleared CollateralMoved Committed Deposited DepositRequested
    Drawn Executed FeedParamsSet Filled Flagged FundingAccrued Funded Granted LegMoved LimitsSet
    MarginParamsSet Paused PoolParamsSet Posting PricePending PricesAccepted RedeemRequested Reduced
    Refused RequestExecuted RequestRetimed Settled SettlerPaid SignerSet SoftFactorSet
    SurplusWithdrawn TradeRecorded Transferred Used Withdrawn WrittenOff
"""
KINDS = (
    "Taken part",
    "Taken whole",
    "Closed cancelled",
    "Closed expired",
    "Closed price passed",
    # an account below MM that a stranger could close (C7), what a token called in the middle of a
    # transfer, what was taken while its token was hostile, a reward that the fund's limits cut
    "Rescued",
    "Probed",
    "Taken hostile",
    "Taken limited",
)
# what a hostile token says, and the ledger of it
HABITS = ("token: paused", "token: blocked", "custody: inexact transfer")
# functions that no action of a machine reaches; the rest of the ABIs goes through in every run
HANDS = "asked for by a listed hand, as actions of its own; everybody else trespasses"
SET_UP = "once, when a deployment is set up"
OWNERS = "two owner slots; tests/faults hold them"
SHARES = "snekmate's allowances of shares, which move no money"
SOURCES = "prices of the machines are signed; adapters: tests/unit/test_price_sources.py"
CONFIGURED = "asked for by RiskConfigurator and Clearinghouse, as actions of their own"
OPTIONS = (
    "asked for by the engine: the machine with options, tests/stateful/test_machine_options.py"
)
EXCUSED = {
    "transfer_ownership": OWNERS,
    "accept_ownership": OWNERS,
    "trade": HANDS,
    "post": HANDS,
    "deal": OPTIONS,
    "set_auction": HANDS,
    "draw": HANDS,
    "record_trade": HANDS,
    "list_collateral": SET_UP,
    "list_market": SET_UP,
    "set_hand": SET_UP,
    "set_venue": SET_UP,
    "set_pool": SET_UP,
    "set_liquidator": SET_UP,
    "approve": SHARES,
    "transferFrom": SHARES,
    "set_soft_factor": CONFIGURED,
    "set_collateral": CONFIGURED,
    "open_market": CONFIGURED,
    "set_margin": CONFIGURED,
    "set_tuning": CONFIGURED,
}
# of a name that another contract has too
EXCUSED_OF = {
    ("Clearinghouse", "write_off"): HANDS,
    ("LiquidityPool", "permit"): SHARES,
    ("Markets", "set_signers"): CONFIGURED,
    ("Markets", "mark"): CONFIGURED,
    ("Markets", "offer"): CONFIGURED,
    ("LiquidityPool", "pause_deposits"): CONFIGURED,
    ("RiskConfigurator", "set_guardian"): SET_UP,
    ("RiskConfigurator", "set_sources"): SOURCES,
    ("RiskConfigurator", "poll"): SOURCES,
    ("FixedFeed", "set_price"): SOURCES,
}
# contracts that deployments without options do not ask
ENGINE = ("Exchange", "Expiries", "Options", "OptionsMargin", "Surfaces")
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
    """Assert that every rule succeeds often enough, and the forbidden ones never."""
    tried, passed = sum(tally.tried.values()), sum(tally.passed.values())
    assert not any(tally.passed[rule] for rule in REFUSED)
    poor = [
        rule
        for rule in tally.tried
        if rule not in REFUSED
        and tally.tried[rule] >= FEW
        and tally.passed[rule] < LEAST_PER_RULE * tally.tried[rule]
    ]
    assert not poor, f"rules that hardly succeed: {poor}"
    # what is refused by intent counts too
    assert passed >= LEAST_OVERALL * tried


def require_seen(tally: Tally) -> None:
    """Assert that everything was tried and happened that can happen."""
    assert set(tally.tried) == {*RULES, "opening"}
    missed = [kind for kind in (*EVENTS.split(), *KINDS) if not tally.seen[kind]]
    assert not missed, f"never happened: {missed}"
    heard = {reason for _, reason in tally.reasons}
    assert heard.issuperset(HABITS)
    silent = [call for call in functions() if not tally.calls[call]]
    assert not silent, f"never went through: {silent}"
    assert tally.windows > 0


def functions() -> list[tuple[str, str, int]]:
    """Return every function that changes something, by contract, name and number of arguments.

    B2 holds of whatever is called: so everything that anybody may call is.
    """
    found = []
    paths = sorted((ROOT / "abi").glob("*.json"))
    for path in (path for path in paths if path.stem not in ENGINE):
        for item in json.loads(path.read_text(encoding="utf-8")):
            if item["type"] != "function" or item["stateMutability"] in ("view", "pure"):
                continue
            name = item["name"]
            if name not in EXCUSED and (path.stem, name) not in EXCUSED_OF:
                found.append((path.stem, name, len(item["inputs"])))
    return found
