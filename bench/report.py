"""The table, the two JSON files, and the check that CI runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.targets import GROWTH_PERCENT, SIZE_CEILING, SIZE_CEILINGS, TARGETS
from scripts.deployment.artifacts import ROOT

GAS = ROOT / "bench" / "gas.json"
SIZES = ROOT / "bench" / "sizes.json"
ACCOUNT = "docs/spec/gas.md"

Gas = Mapping[str, Mapping[str, int]]


def read(path: Path) -> dict[str, dict[str, int]]:
    """Return the recorded figures, none before the first run."""
    if not path.exists():
        return {}
    stored: dict[str, dict[str, int]] = json.loads(path.read_text(encoding="utf-8"))
    return stored


def write(path: Path, figures: Mapping[str, object]) -> None:
    """Record figures."""
    path.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def show(gas: Gas, recorded: Gas, sizes: Mapping[str, int], console: Console) -> None:
    """Print the figures beside targets, floors, peers and the recorded run."""
    table = Table(title="gas", title_justify="left")
    for heading in ("operation", "execution", "whole", "reach", "floor", "peer", "change"):
        table.add_column(heading, justify="left" if heading == "operation" else "right")
    for key, figures in gas.items():
        table.add_row(key, *_row(key, figures, recorded.get(key)))
    console.print(table)
    bytes_table = Table("contract", "bytes", "ceiling", title="deployed size", title_justify="left")
    for name, size in sizes.items():
        ceiling = SIZE_CEILINGS.get(name, SIZE_CEILING)
        color = "green" if size <= ceiling else "red"
        bytes_table.add_row(name, f"[{color}]{size:,}[/]", f"{ceiling:,}")
    console.print(bytes_table)


def _row(key: str, figures: Mapping[str, int], before: Mapping[str, int] | None) -> list[str]:
    target = TARGETS[key]
    cells = [f"{figures['execution']:,}", f"{figures['whole']:,}"]
    column = 0 if target.of == "execution" else 1
    if target.reach is not None:
        color = "green" if figures[target.of] <= target.reach else "red"
        cells[column] = f"[{color}]{cells[column]}[/]"
    limits = [f"≤ {limit:,}" if limit else "-" for limit in (target.reach,)]
    limits += [f"{target.floor:,}" if target.floor else "-", target.peer or "-"]
    change = "new" if before is None else f"{figures['whole'] - before['whole']:+,}"
    return [*cells, *limits, change]


def grown(gas: Gas, recorded: Gas) -> list[str]:
    """Return one sentence for each figure that grew by more than may pass unexplained."""
    sentences = []
    for key, figures in gas.items():
        for kind, now in figures.items():
            then = recorded.get(key, {}).get(kind, now)
            if now * 100 > then * (100 + GROWTH_PERCENT):
                sentences.append(f"{key} {kind}: {now:,} gas, {then:,} stand recorded")
    return sentences


def oversized(sizes: Mapping[str, int]) -> list[str]:
    """Return one sentence for each contract above its ceiling."""
    return [
        f"{name}: {size:,} bytes, the ceiling is {SIZE_CEILINGS.get(name, SIZE_CEILING):,}"
        for name, size in sizes.items()
        if size > SIZE_CEILINGS.get(name, SIZE_CEILING)
    ]


def explained(root: Path = ROOT) -> bool:
    """Return whether the account of the figures changed together with what is measured.

    Compares with the last commit while there are changes, and otherwise the last commit with the
    one before it, so that it holds in a working tree and on a fresh checkout alike.
    """
    dirty = _git(root, "diff", "--name-only", "HEAD")
    names = dirty or _git(root, "diff", "--name-only", "HEAD~1", "HEAD")
    return ACCOUNT in names.splitlines()


def _git(root: Path, *arguments: str) -> str:
    asked = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    return asked.stdout
