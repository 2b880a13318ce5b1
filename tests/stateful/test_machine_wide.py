"""The machine where accounts are as full as they may be: sixteen markets, nine collaterals."""

from __future__ import annotations

import os

from tests.stateful.runs import Record, play
from tests.stateful.terms import WIDE

# its steps take twice as long; `make campaign` takes more
STEPS = int(os.environ.get("PLIMSOLL_WIDE_STEPS", "3000"))


def test_machine__full_accounts__chain_equals_reference(record_property: Record) -> None:
    tally = play(WIDE, STEPS, record_property)

    assert tally.seen["Full account"]
    assert "ledger: no room" in {reason for _, reason in tally.reasons}
    assert tally.seen["Taken whole"] and tally.seen["Reduced"]
