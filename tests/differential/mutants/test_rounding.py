"""E2: turn any rounding of the contracts round, and the reference tells.

Each division is found in the sources, so a new one without a vector that kills its mutant fails
here; `python -m tests.differential.mutants` prints what killed which.
"""

from __future__ import annotations

import pytest

from tests.differential.mutants.battery import hunt_all
from tests.differential.mutants.exempt import REASONS
from tests.differential.mutants.hunt import Hunt
from tests.differential.mutants.schema import Schema, schema


@pytest.fixture(scope="module")
def switches() -> Schema:
    return schema()


@pytest.fixture(scope="module")
def exempt(switches: Schema) -> set[int]:
    return {i for i, site in enumerate(switches.sites) if site.key in REASONS}


@pytest.fixture(scope="module")
def hunted(switches: Schema, exempt: set[int]) -> Hunt:
    return hunt_all(switches, exempt)


def test_e2_divisions__each_turned_round__the_reference_tells(
    switches: Schema, exempt: set[int], hunted: Hunt
) -> None:
    alive = [switches.sites[i] for i in sorted(hunted.alive - exempt)]
    told = "\n".join(f"{s.key} (line {s.line}, rounds {s.rounds})" for s in alive)
    assert not alive, f"no vector kills the mutant of:\n{told}"
    assert len(hunted.killed) + len(exempt) == len(switches.sites)


def test_e2_exemptions__all_of_them__still_stand(
    switches: Schema, exempt: set[int], hunted: Hunt
) -> None:
    keys = {site.key for site in switches.sites}
    assert set(REASONS) <= keys, f"no such division: {sorted(set(REASONS) - keys)}"
    killed = [switches.sites[i].key for i in sorted(exempt & set(hunted.killed))]
    assert not killed, f"exempt, but a vector kills the mutant of: {killed}"


def test_e2_sites__texts__name_each_one_apart(switches: Schema) -> None:
    keys = [site.key for site in switches.sites]
    assert len(keys) == len(set(keys))
