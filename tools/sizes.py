"""Measure the deployed size of every contract and hold it under its ceiling.

`python -m tools.sizes` checks the ceilings and that bench/sizes.json is up to date;
`--write` brings bench/sizes.json up to date.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts.deployment.artifacts import Artifact, load
from scripts.deployment.errors import DeploymentError
from tools.findings import ROOT, Finding, fail, report

RECORD = "bench/sizes.json"
# EIP-170 stops at 24,576 bytes of code, EIP-3860 at 49,152 of init code; ours leave room for a fix.
CEILING = 22_000
CEILINGS = {"Clearinghouse": 21_000}
INITCODE_CEILING = 49_152


def measure(root: Path) -> dict[str, int]:
    """Return the deployed bytes of every contract, immutables included, by name."""
    return {name: made.deployed_bytes for name, made in load(root=root).items()}


def over_ceiling(made: Mapping[str, Artifact]) -> Iterator[Finding]:
    """Find the contracts that are too large."""
    for name, artifact in made.items():
        ceiling = CEILINGS.get(name, CEILING)
        if artifact.deployed_bytes > ceiling:
            text = f"{artifact.deployed_bytes:,} bytes deployed; the ceiling is {ceiling:,}"
            yield Finding(f"contracts/{name}.vy", 1, "SIZE", text)
        if artifact.initcode_bytes > INITCODE_CEILING:
            text = f"{artifact.initcode_bytes:,} bytes of init code; the chain takes 49,152"
            yield Finding(f"contracts/{name}.vy", 1, "SIZE", text)


def out_of_date(sizes: Mapping[str, int], recorded: Mapping[str, int]) -> Iterator[Finding]:
    """Find the contracts whose recorded size is not the measured one."""
    for name in sorted({*sizes, *recorded}):
        now, then = sizes.get(name), recorded.get(name)
        if now != then:
            text = f"{name} has {now} bytes and {then} stand recorded; explain it and `make record`"
            yield Finding(RECORD, 1, "SIZE", text)


def table(sizes: Mapping[str, int], recorded: Mapping[str, int]) -> str:
    """Return the sizes beside their ceilings and the change since the record."""
    rows = [f"{'contract':<22}{'bytes':>8}{'ceiling':>9}{'change':>8}"]
    for name, size in sizes.items():
        change = f"{size - recorded[name]:+,}" if name in recorded else "new"
        rows.append(f"{name:<22}{size:>8,}{CEILINGS.get(name, CEILING):>9,}{change:>8}")
    return "\n".join(rows)


def _recorded(root: Path) -> dict[str, int] | None:
    path = root / RECORD
    if not path.exists():
        return None
    sizes: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    return sizes


def write(root: Path, sizes: Mapping[str, int]) -> None:
    """Record the sizes."""
    path = root / RECORD
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(dict(sizes), indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Check the sizes, or record them."""
    parser = argparse.ArgumentParser(prog="sizes", description=__doc__)
    parser.add_argument("--write", action="store_true", help="record what is measured")
    options = parser.parse_args(argv)
    try:
        made = load(root=ROOT)
    except DeploymentError as error:
        return fail(error)
    sizes = {name: artifact.deployed_bytes for name, artifact in made.items()}
    recorded = _recorded(ROOT)
    if sizes:
        print(table(sizes, recorded or {}))
    if options.write:
        write(ROOT, sizes)
        recorded = sizes
    findings = list(over_ceiling(made))
    if recorded is not None:
        findings += out_of_date(sizes, recorded)
    return report(findings, f"sizes: {len(sizes)} contracts under their ceilings")


if __name__ == "__main__":
    sys.exit(main())
