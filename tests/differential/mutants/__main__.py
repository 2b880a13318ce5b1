"""Print every division: how it rounds, and what killed its mutant or why none can."""

from __future__ import annotations

from tests.differential.mutants.battery import hunt_all
from tests.differential.mutants.exempt import REASONS
from tests.differential.mutants.schema import schema


def main() -> None:
    switches = schema()
    exempt = {i for i, site in enumerate(switches.sites) if site.key in REASONS}
    hunt = hunt_all(switches, exempt)
    for i, site in enumerate(switches.sites):
        told = hunt.killed.get(i) or REASONS.get(site.key, "ALIVE")
        print(f"{site.rounds:12} {site.key}\n             {told}")


if __name__ == "__main__":
    main()
