"""Measure everything on fresh chains, print it beside the targets, record or check it."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from bench import (
    charges,
    efficiency,
    latency,
    option_prices,
    options,
    page,
    portfolio,
    report,
    surfaces,
    worst,
)
from bench.node import fresh_chain
from bench.operations import measure
from bench.scene import MeasuredScene, build
from scripts.deployment import artifacts
from scripts.deployment.errors import DeploymentError


def main(argv: list[str] | None = None) -> int:
    """Run the bench and return its exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on growth")
    parser.add_argument("--no-latency", action="store_true", help="leave the keeper's speed out")
    options = parser.parse_args(argv)
    console = Console()
    try:
        return _check(console) if options.check else _record(console, not options.no_latency)
    except DeploymentError as error:
        console.print(f"bench: {error}")
        return 1


def _scene(traced: bool) -> MeasuredScene:
    with fresh_chain(traced) as chain:
        scene = build(chain, traced)
        measure(scene)
    with fresh_chain() as chain:
        traded = build(chain, traced)
        options.measure(traded)
    scene.figures |= traded.figures
    scene.accounts |= traded.accounts
    option_prices.measure(scene)
    portfolio.measure(scene)
    worst.measure(scene)
    surfaces.measure(scene)
    return scene


def _sizes() -> dict[str, int]:
    return {name: made.deployed_bytes for name, made in artifacts.load().items()}


def _record(console: Console, timed: bool) -> int:
    """Measure, print and write all figures; only a contract above its ceiling fails."""
    sizes, scene = _sizes(), _scene(traced=True)
    report.show(scene.figures, report.read(report.GAS), sizes, console)
    worst.show(scene, console)
    efficiency.show(console)
    charges.show(console)
    report.write(report.GAS, scene.figures)
    report.write(report.SIZES, sizes)
    page.write(scene.figures, scene.accounts, scene.calls)
    if timed:
        with fresh_chain() as chain:
            found = latency.measure(chain).figures()
        report.show_latency(found, console)
        report.write(report.LATENCY, found)
    return report.complain(report.oversized(sizes), console)


def _check(console: Console) -> int:
    """Measure and compare with the records: what CI runs."""
    sizes, scene = _sizes(), _scene(traced=False)
    report.show(scene.figures, report.read(report.GAS), sizes, console)
    growth = report.grown(scene.figures, report.baseline())
    problems = report.oversized(sizes) + ([] if report.explained() else growth)
    problems += report.out_of_date(scene.figures, report.read(report.GAS))
    return report.complain(problems, console)


if __name__ == "__main__":
    sys.exit(main())
