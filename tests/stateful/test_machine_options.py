"""The machine on a deployment with options, all of the engine's contracts real.

`make test` compares 3,000 steps; PLIMSOLL_OPTION_STEPS=n compares n, from the seed PLIMSOLL_SEED.
"""

from __future__ import annotations

import json
import os

from tests.stateful.machine import Tally
from tests.stateful.machine_options import NUMBER, run
from tests.stateful.rules_options import RULES
from tests.stateful.runs import SEED, Record, require_success, told

RUN = 1_000
STEPS = int(os.environ.get("PLIMSOLL_OPTION_STEPS", "3000"))
# what happened in every run
SEEN = """
    AuctionSet CapSet CollateralMoved Deposited ExpiryPriceSet FillTraded Filled Flagged LegCarried
    LegMoved LegSettled LegTraded ModeSet Observed Posting PricePending Settled SurfacePending
    SurfaceRefused SurfaceStored Transferred Withdrawn
"""
KINDS = ("Fill of 1", "Fill of 2", "Fill of 3", "Taken part", "Taken whole", "Rescued")
REASONS = """
    options: not a venue|options: parties|options: leg order|options: instrument|options: fee|
    options: not open|options: cap|options: margin|options: price not trusted|
    options: leg too small|options: not the owner|options: nothing expired|
    custody: not enough cash
"""
# told to be refused, most of the time
REFUSED = ("odd", "reduce")


def test_machine__accounts_with_options__chain_equals_reference(record_property: Record) -> None:
    tally = Tally()
    for part in range(-(-STEPS // RUN)):
        tally += run(SEED + 100 * part, min(RUN, STEPS))
    record_property("machine", json.dumps(told(NUMBER, tally)))

    for rule in REFUSED:
        del tally.tried[rule], tally.passed[rule]
    require_success(tally)
    require_seen(tally)


def require_seen(tally: Tally) -> None:
    """Assert that everything was tried and happened that can happen."""
    # these wait for what not every run brings
    rare = {"settle_dead", "write_off", *REFUSED}
    # a move of a price is an update, a story begins with one
    assert {*tally.tried, *rare} >= set(RULES) - {"walk", "steer", "crash", "expire"}
    missed = [kind for kind in (*SEEN.split(), *KINDS) if not tally.seen[kind]]
    assert not missed, f"never happened: {missed}"
    heard = {reason for _, reason in tally.reasons}
    silent = {" ".join(reason.split()) for reason in REASONS.split("|")} - heard
    assert not silent, f"never refused: {silent}"
