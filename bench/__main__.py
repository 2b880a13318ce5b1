"""Measure everything on a fresh chain, print it beside the targets, record or check it."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from bench import report
from bench.node import fresh_chain
from bench.operations import measure
from bench.scene import build
from scripts.deployment import artifacts
from scripts.deployment.errors import DeploymentError


def main(argv: list[str] | None = None) -> int:
    """Run the bench and return its exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on growth")
    options = parser.parse_args(argv)
    console = Console()
    try:
        sizes = {name: made.deployed_bytes for name, made in artifacts.load().items()}
        with fresh_chain() as chain:
            scene = build(chain)
            measure(scene)
    except DeploymentError as error:
        console.print(f"bench: {error}")
        return 1
    gas = scene.figures
    recorded = report.read(report.GAS)
    report.show(gas, recorded, sizes, console)
    problems = report.oversized(sizes)
    if options.check:
        growth = report.grown(gas, recorded)
        problems += [] if report.explained() else growth
    else:
        report.write(report.GAS, gas)
        report.write(report.SIZES, sizes)
    for problem in problems:
        console.print(f"bench: {problem}", style="red")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
