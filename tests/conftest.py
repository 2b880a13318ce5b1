"""Hypothesis profiles for every test, and the machines' success rates at the end of a run."""

import json
import os
from collections import Counter
from typing import Any

from hypothesis import settings

from tests.support.tracers import keep_apart

keep_apart()

settings.register_profile("quick", max_examples=25, deadline=None, print_blob=True)
# whether a change lands must not hang on a seed: new ground is explored at night
settings.register_profile("ci", max_examples=200, deadline=None, print_blob=True, derandomize=True)
settings.register_profile("night", max_examples=5_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# the files whose tests take longest: begun first, so that the workers of `make test` end together
LONGEST = (
    "tests/differential/mutants/test_rounding.py",
    "tests/journey/test_second_chain.py",
    "tests/journey/test_ape.py",
    "tests/stateful/test_machine_",
    "tests/stateful/test_first_depositor.py",
    "tests/faults/test_abi_tables.py",
    "tests/differential/",
    "tests/unit/deployment/test_plan.py",
)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Begin with the longest files."""

    def place(item: Any) -> int:
        found = (i for i, start in enumerate(LONGEST) if item.nodeid.startswith(start))
        return next(found, len(LONGEST))

    items.sort(key=place)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many steps the machines compared, and how often each rule succeeded."""
    reports = (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed"))
    tallies = [
        json.loads(value)
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "machine" and report.when == "call"
    ]
    if not tallies:
        return
    tried: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for tally in tallies:
        tried.update(tally["tried"])
        passed.update(tally["passed"])
    steps, good = tried.total(), passed.total()
    windows = sum(tally["windows"] for tally in tallies)
    terminalreporter.section("state machines")
    terminalreporter.write_line(
        f"{steps:,} steps compared on {len(tallies)} deployments, {good / steps:.1%} succeeded, "
        f"{windows} windows of a coalition"
    )
    for rule in sorted(tried):
        share = passed[rule] / tried[rule]
        terminalreporter.write_line(
            f"  {rule:16} {passed[rule]:7,} of {tried[rule]:7,} {share:6.1%}"
        )
