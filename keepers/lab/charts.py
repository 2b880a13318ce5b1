"""What the charts of a replay show, and the page that draws them without a network."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from keepers.domain.units import WAD
from keepers.lab.records import TAKE, Frame, Person, Record
from keepers.lab.report import duration, sections, verdict
from keepers.lab.summary import Summary, answered

EVENT_COLUMNS: Final = (
    *("block", "time", "account", "what", "equity_before", "equity_after", "mm_before"),
    *("mm_after", "pay", "how", "market"),
)
TEMPLATE: Final = Path(__file__).with_name("page.html")
SLOT: Final = "/*DATA*/ null"
COLOURS: Final = {"ETH": "#5566d6", "BTC": "#e08214", "LINK": "#12908a"}
OTHERS: Final = ("#8e5ea2", "#6b8e23", "#a0522d")
LEVELS: Final = (0.05, 0.25, 0.50, 0.75)
MINUTE: Final = 60
MOST_POINTS: Final = 1_400
HIDDEN: Final = ("WSTETH",)  # follows another line exactly
STORIES: Final = 3


@dataclass(frozen=True, slots=True)
class Story:
    """One cross account beside the isolated twins of its legs, as E / MM over time."""

    name: str
    cross: list[float | None]
    twins: list[list[float | None]]
    fallen: list[bool]


# ---- data ---------------------------------------------------------------------------------------


def chart_data(record: Record, found: Summary) -> dict[str, object]:
    """Return everything that the page draws, as plain rounded numbers."""
    frames = sampled(record.frames)
    return {
        "title": found.title,
        "passed": found.passed,
        "verdict": verdict(found).plain,
        "tiles": tiles(found),
        "times": [frame.time for frame in frames],
        "prices": indexed(frames),
        "colours": colours(frames),
        "bars": per_minute(record),
        "fan": [[digits(value) for value in row] for row in fan(frames).T.tolist()],
        "under": [frame.under for frame in frames],
        "nav": [round(frame.nav - found.pool_start, 2) for frame in frames],
        "insurance": [round(frame.insurance - found.insurance_start, 2) for frame in frames],
        "blocks": blocks_histogram(record),
        "killed": [{"time": time, "name": name} for time, name in found.killed],
        "stories": [
            {"name": each.name, "cross": each.cross, "twins": each.twins, "fallen": each.fallen}
            for each in stories(record, frames)
        ],
        "people": fallen_people(record),
        "table": [[heading, [list(row) for row in rows]] for heading, rows in sections(found)],
        "foot": f"seed {found.seed}, {found.accounts} accounts, {found.steps:,} price steps,"
        f" {duration(found.replay_s)} on the machine that ran it",
    }


def sampled(frames: Sequence[Frame]) -> Sequence[Frame]:
    """Return few enough frames to draw, the last one among them."""
    stride = max(1, math.ceil(len(frames) / MOST_POINTS))
    kept = list(frames[::stride])
    return kept if kept[-1] is frames[-1] else [*kept, frames[-1]]


def tiles(found: Summary) -> list[dict[str, str]]:
    """Return the headline figures."""
    blocks = found.response_blocks
    good = all(proof[2] for proof in found.proofs)
    return [
        {
            "value": f"{found.liquidated}",
            "of": f"of {found.accounts}",
            "name": "accounts liquidated",
        },
        {"value": f"{found.missed}", "of": f"of {found.breaches}", "name": "breaches missed"},
        {
            "value": f"{blocks.p50:.0f}",
            "of": f"max {blocks.most:.0f}",
            "name": "blocks from breach to inclusion",
        },
        {"value": f"{100 * found.kept_share:.1f} %", "of": "", "name": "equity kept by owners"},
        {
            "value": f"{found.avoided}",
            "of": f"of {found.families}",
            "name": "saved by one margin",
        },
        {"value": "0" if good else "?", "of": "wei", "name": "lost by the books"},
    ]


def visible(frames: Sequence[Frame]) -> list[str]:
    """Return the markets to draw: those that moved, shipped ones first."""
    first = frames[0].prices
    moved = [
        name
        for name in first
        if name not in HIDDEN and any(frame.prices[name] != first[name] for frame in frames)
    ]
    return sorted(moved, key=lambda name: (name not in COLOURS, list(first).index(name)))


def colours(frames: Sequence[Frame]) -> dict[str, str]:
    """Return a colour for every market that is drawn."""
    spare = iter(OTHERS * len(frames[0].prices))
    return {name: COLOURS.get(name) or next(spare) for name in visible(frames)}


def indexed(frames: Sequence[Frame]) -> dict[str, list[float]]:
    """Return prices with the first one at 100."""
    first = frames[0].prices
    return {
        name: [round(100 * frame.prices[name] / first[name], 3) for frame in frames]
        for name in visible(frames)
    }


def per_minute(record: Record) -> list[dict[str, int]]:
    """Return how many reduces and takes each minute saw, minutes without any left out."""
    found: dict[int, dict[str, int]] = {}
    for each in record.liquidations:
        minute = each.time - each.time % MINUTE
        bar = found.setdefault(minute, {"time": minute, "reduces": 0, "takes": 0})
        bar["takes" if each.kind == TAKE else "reduces"] += 1
    return [found[minute] for minute in sorted(found)]


def fan(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """Return quantiles of E / MM over the accounts that need margin, one row a frame."""
    rows = np.full((len(frames), len(LEVELS)), np.nan)
    for row, frame in enumerate(frames):
        ratios = np.asarray(frame.ratios, dtype=np.float64)
        known = ratios[np.isfinite(ratios)]
        if known.size:
            rows[row] = np.quantile(known, LEVELS)
    return rows


def digits(value: float) -> float | None:
    """Return a number that JSON has, rounded."""
    return round(value, 3) if math.isfinite(value) else None


def blocks_histogram(record: Record) -> list[dict[str, int]]:
    """Return how many breaches were answered after how many blocks."""
    counts: dict[int, int] = {}
    for each in answered(record.breaches):
        counts[each.blocks] = counts.get(each.blocks, 0) + 1
    return [{"blocks": blocks, "count": counts[blocks]} for blocks in sorted(counts)]


def stories(record: Record, frames: Sequence[Frame]) -> list[Story]:
    """Return the families in which one margin saved most: the cross account stood, twins fell."""
    fallen = {each.account for each in record.liquidations}
    members: dict[int, list[int]] = {}
    for position, person in enumerate(record.people):
        if person.family is not None:
            members.setdefault(person.family, []).append(position)
    saved = [
        (cross, twins)
        for cross, twins in members.items()
        if record.people[cross].id not in fallen
        and any(record.people[twin].id in fallen for twin in twins)
    ]
    saved.sort(key=lambda each: -record.people[each[0]].start_equity)
    return [_story(record, frames, cross, twins, fallen) for cross, twins in saved[:STORIES]]


def _story(
    record: Record, frames: Sequence[Frame], cross: int, twins: Sequence[int], fallen: set[int]
) -> Story:
    def line(position: int) -> list[float | None]:
        return [digits(min(frame.ratios[position], 1e6)) for frame in frames]

    person = record.people[cross]
    return Story(
        name=f"{person.kind} account {short(person)}",
        cross=line(cross),
        twins=[line(twin) for twin in twins],
        fallen=[record.people[twin].id in fallen for twin in twins],
    )


def short(person: Person) -> str:
    """Return an account as people can tell it from others."""
    owner, index = person.id >> 96, person.id & (2**96 - 1)
    text = f"0x{owner:040x}"
    return f"{text[:6]}…{text[-4:]}" + (f":{index}" if index else "")


def fallen_people(record: Record) -> list[list[object]]:
    """Return one row for each liquidated account, the largest first."""
    rows = []
    for person in record.people:
        done = [each for each in record.liquidations if each.account == person.id]
        if not done:
            continue
        when = datetime.fromtimestamp(done[0].time, UTC).strftime("%H:%M:%S")
        takes = sum(each.kind == TAKE for each in done)
        rows.append(
            [
                short(person),
                "isolated twin" if person.isolated else person.kind,
                round(person.start_ratio, 2),
                when,
                len(done) - takes,
                takes,
                round(person.start_equity / WAD),
                round(max(0, done[0].equity_before) / WAD),
                round(sum(max(0, e.equity_before) - max(0, e.equity_after) for e in done) / WAD),
            ]
        )
    return sorted(rows, key=lambda row: -float(str(row[6])))


# ---- every event -------------------------------------------------------------------------------


def write_events(path: Path, record: Record) -> None:
    """Write every breach and every liquidation as csv, in the order of their blocks."""
    rows: list[tuple[int, int, list[object]]] = []
    for breach in record.breaches:
        held = " ".join(f"{name}:{rate:.4f}" for name, rate in breach.rates.items())
        cells = [breach.equity / WAD, "", breach.mm / WAD, "", "", breach.outcome, held]
        rows.append((breach.block, 0, [breach.time, hex(breach.account), "breach", *cells]))
    for each in record.liquidations:
        money = (each.equity_before, each.equity_after, each.mm_before, each.mm_after, each.pay)
        end = ["whole" if each.full else "part", each.market]
        facts = [each.time, hex(each.account), each.kind, *(wei / WAD for wei in money), *end]
        rows.append((each.block, 1, facts))
    with path.open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(EVENT_COLUMNS)
        for block, _, cells in sorted(rows, key=lambda row: row[:2]):
            out.writerow([block, *cells])


# ---- the page -----------------------------------------------------------------------------------


def write_page(path: Path, data: Mapping[str, object]) -> None:
    """Write the page: the template with the data in its one slot, nothing loaded from anywhere."""
    text = TEMPLATE.read_text(encoding="utf-8")
    packed = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    path.write_text(text.replace(SLOT, packed), encoding="utf-8")
