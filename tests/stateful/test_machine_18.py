"""The machine on the deployment whose settlement token has 18 decimals."""

from __future__ import annotations

from tests.stateful.runs import LEAST_STEPS, STEPS, Record, play, require_seen


def test_machine__random_actions__chain_equals_reference(record_property: Record) -> None:
    tally = play(2, STEPS, record_property)

    assert sum(tally.tried.values()) >= LEAST_STEPS
    require_seen(tally)
