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
LATENCY = ROOT / "bench" / "latency.json"
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


def show_latency(figures: Mapping[str, float], console: Console) -> None:
    """Print the keeper's speed beside a poller's and the floor, all of the same run."""
    event, bare = figures["event_to_tx_p50_ms"], figures["bare_sign_and_send_p50_ms"]
    table = Table("from an event to the node's answer", "p50 ms", title="keeper")
    color = "green" if event <= 2 * bare else "red"
    table.add_row("event_to_tx_p50_ms", f"[{color}]{event:.1f}[/]")
    table.add_row(
        "of it until the transaction is signed", f"{figures['event_to_signed_p50_ms']:.1f}"
    )
    table.add_row("the same, polling every 0.25 s", f"{figures['poller_250ms_p50_ms']:.1f}")
    table.add_row(
        "bare sign-and-send of a reduce", f"{figures['bare_send_of_a_reduce_p50_ms']:.1f}"
    )
    table.add_row("bare sign-and-send; reach: twice this", f"{bare:.1f}")
    console.print(table)


def complain(problems: list[str], console: Console) -> int:
    """Print each problem in its sentence and return the exit code."""
    for problem in problems:
        console.print(f"bench: {problem}", style="red")
    return 1 if problems else 0


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


def baseline(root: Path = ROOT) -> dict[str, dict[str, int]]:
    """Return the figures that the last commit but the present change had."""
    text = _git(root, "show", f"{_before(root)}:bench/gas.json")
    stored: dict[str, dict[str, int]] = json.loads(text) if text else {}
    return stored


def grown(gas: Gas, before: Gas, percent: int = GROWTH_PERCENT) -> list[str]:
    """Return one sentence for each figure that grew by more than may pass unexplained."""
    sentences = []
    for key, figures in gas.items():
        for kind, now in figures.items():
            then = before.get(key, {}).get(kind, now)
            if now * 100 > then * (100 + percent):
                text = f"{key} {kind} grew from {then:,} to {now:,} gas without a word in {ACCOUNT}"
                sentences.append(text)
    return sentences


def out_of_date(gas: Gas, recorded: Gas) -> list[str]:
    """Return one sentence for each figure that is recorded lower than it is now."""
    return [
        f"{key} is recorded with {recorded.get(key, {}).get('whole', 0):,} gas; run make bench"
        for key in {name.split()[0] for name in grown(gas, recorded)}
    ]


def oversized(sizes: Mapping[str, int]) -> list[str]:
    """Return one sentence for each contract above its ceiling."""
    return [
        f"{name}: {size:,} bytes, the ceiling is {SIZE_CEILINGS.get(name, SIZE_CEILING):,}"
        for name, size in sizes.items()
        if size > SIZE_CEILINGS.get(name, SIZE_CEILING)
    ]


def explained(root: Path = ROOT) -> bool:
    """Return whether the account of the figures changed together with what is measured."""
    return ACCOUNT in _git(root, "diff", "--name-only", _before(root)).splitlines()


def _before(root: Path) -> str:
    """Return the commit to compare with: the last, or its parent where no file differs from it."""
    return "HEAD" if _git(root, "diff", "--name-only", "HEAD") else "HEAD~1"


def _git(root: Path, *arguments: str) -> str:
    asked = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    return asked.stdout
