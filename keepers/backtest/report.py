"""What a backtest found: table, csv and a page with a chart, drawn without a library."""

from __future__ import annotations

import csv
import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Group as Lines
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from keepers.backtest.run import Options, Outcome, deals
from keepers.domain.profits import REDUCE, TAKE
from keepers.domain.times import clock
from keepers.domain.units import WAD

COLUMNS: Final = (
    *("time", "block", "what", "account", "pay", "reward", "fee", "slippage", "drift", "held"),
    *("profit", "cost", "net"),
)
WIDTH, HEIGHT, EDGE = 1_060, 260, 54
INK, GOOD, BAD, FAINT, HOLD = "#1d2733", "#1a7f4b", "#c8374f", "#8b97a5", "#3f7fbf"
MOST_POINTS: Final = 1_200
PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Plimsoll backtest</title><style>
body {{ margin: 0 auto; max-width: 1120px; padding: 36px 24px 64px; color: #1d2733;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }}
h1 {{ margin: 0 0 4px; font-size: 28px; }} h2 {{ margin: 26px 0 4px; font-size: 17px; }}
svg {{ width: 100%; height: auto; }} text {{ font-size: 12px; fill: #5d6b7a; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
td {{ padding: 5px 12px 5px 0; border-bottom: 1px solid #eceff3; vertical-align: top; }}
td:first-child {{ color: #5d6b7a; width: 19em; }}
</style></head><body><h1>{title}</h1>{body}</body></html>
"""


def usd(wad: int) -> str:
    """Return dollars with cents."""
    return f"{wad / WAD:,.2f} USD"


def ranks(values: Sequence[int]) -> str:
    """Return least, quartiles and most of some amounts, by nearest rank."""
    if not values:
        return "none"
    ordered = sorted(values)
    last = len(ordered) - 1
    return " / ".join(f"{ordered[last * part // 4] / WAD:,.2f}" for part in range(5))


def drawdown(out: Outcome) -> int:
    """Return the deepest fall of the keeper's result from a high, marked at every price."""
    high, worst = 0, 0
    for point in out.points:
        high = max(high, point.net)
        worst = max(worst, high - point.net)
    return worst


def rows(title: str, out: Outcome, options: Options) -> Iterator[tuple[str, str]]:
    """Yield what the table says."""
    yield from _played(title, out, options)
    yield from _earned(out)
    yield "worst drawdown", usd(drawdown(out))
    yield "bad debt booked", usd(out.deficit)
    yield "insurance fund", f"{usd(out.fund_start)} to {usd(out.fund_end)}"
    yield "under maintenance at the end", str(out.points[-1].under)
    if out.skipped:
        yield "prices not stored", f"{out.skipped:,} (outages, jumps that nothing confirmed)"
    yield "books", "; ".join(out.off) if out.off else "exact to the wei"


def _played(title: str, out: Outcome, options: Options) -> Iterator[tuple[str, str]]:
    kinds = [each.deal.kind for each, _ in deals(out)]
    most = max(point.inventory for point in out.points)
    yield "path", f"{title}, {len(out.points):,} prices"
    yield (
        "accounts",
        f"{options.accounts} from seed {options.seed}, {len(out.liquidated)} liquidated",
    )
    counts = f"{kinds.count(REDUCE)} reduces, {kinds.count(TAKE)} takes"
    yield "liquidations", f"{len(kinds)}: {counts}"
    counted = {**out.counts, **{f"refused ({why})": count for why, count in out.refused.items()}}
    yield "calls", ", ".join(f"{count} {name}" for name, count in sorted(counted.items())) or "none"
    yield "capital", usd(options.capital)
    share = out.most_im * 100 / options.capital if options.capital else 0.0
    yield "most of it used", f"{usd(out.most_im)} of margin ({share:.1f} %), {usd(most)} held"


def _earned(out: Outcome) -> Iterator[tuple[str, str]]:
    made = deals(out)
    yield "result after all costs", usd(out.points[-1].net)
    for name, kind in (("profit of a reduce", REDUCE), ("profit of a take", TAKE)):
        nets = [each.profit - cost for each, cost in made if each.deal.kind == kind]
        yield name, f"{ranks(nets)}  (least / quartiles / most, USD after gas)"
    for part in ("pay", "reward", "fee", "slippage"):
        total = sum(getattr(each.deal, part) for each, _ in made)
        yield f"all {part}", usd(total)
    yield "prices while holding", usd(sum(each.drift for each, _ in made))
    yield "gas and reserves", f"{out.spent_wei / 10**18:.6f} of the native coin"


def table(title: str, out: Outcome, options: Options) -> Panel:
    """Return everything about a backtest."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for name, value in rows(title, out, options):
        grid.add_row(name, value)
    word = Text("FAILED: the books do not balance.", style="bold red") if out.off else Text("")
    return Panel(Lines(grid, word), title="Backtest", title_align="left")


def as_dict(title: str, out: Outcome, options: Options) -> dict[str, object]:
    """Return the figures with exact integers, USD WAD."""
    made = deals(out)
    last = out.points[-1]
    return {
        "title": title,
        "exact": not out.off,
        "accounts": options.accounts,
        "liquidated": len(out.liquidated),
        "reduces": sum(each.deal.kind == REDUCE for each, _ in made),
        "takes": sum(each.deal.kind == TAKE for each, _ in made),
        "calls": out.counts,
        "refused": out.refused,
        "capital": options.capital,
        "most_margin": out.most_im,
        "most_held": max(point.inventory for point in out.points),
        "net": last.net,
        "profits": [each.profit - cost for each, cost in made],
        "spent_wei": out.spent_wei,
        "drawdown": drawdown(out),
        "bad_debt": out.deficit,
        "fund": [out.fund_start, out.fund_end],
        "under": last.under,
    }


# ---- files -----------------------------------------------------------------------------------


def write_csv(path: Path, out: Outcome) -> None:
    """Write one row a liquidation, dollars."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        lines = csv.writer(stream)
        lines.writerow(COLUMNS)
        for each, cost in deals(out):
            deal = each.deal
            amounts = (deal.pay, deal.reward, deal.fee, deal.slippage, each.drift, each.open)
            sums = (each.profit, cost, each.profit - cost)
            place = (out.times[deal.block], deal.block, deal.kind, hex(deal.account))
            lines.writerow([*place, *(f"{wad / WAD:.6f}" for wad in (*amounts, *sums))])


def write_page(path: Path, title: str, out: Outcome, options: Options) -> None:
    """Write the page: two charts and the table."""
    stride = max(1, -(-len(out.points) // MOST_POINTS))
    points = [*out.points[::stride], out.points[-1]]
    times = [point.time for point in points]
    body = "<h2>Result after all costs, USD</h2>"
    body += _chart(times, [point.net / WAD for point in points], GOOD)
    body += "<h2>Gross value held, USD</h2>"
    body += _chart(times, [point.inventory / WAD for point in points], HOLD)
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
        for name, value in rows(title, out, options)
    )
    body += f"<h2>All figures</h2><table>{cells}</table>"
    made = PAGE.format(title=html.escape(f"Backtest: {title}"), body=body)
    path.write_text(made, encoding="utf-8")


def _chart(times: Sequence[int], values: Sequence[float], colour: str) -> str:
    """Return a line with its least and most beside it."""
    low, high = min(0.0, *values), max(0.0, *values)
    high = high if high > low else low + 1.0
    span = max(1, times[-1] - times[0])

    def x(time: int) -> float:
        return EDGE + (WIDTH - EDGE) * (time - times[0]) / span

    def y(value: float) -> float:
        return 14 + (HEIGHT - 40) * (high - value) / (high - low)

    line = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in zip(times, values, strict=True))
    marks = "".join(
        f'<text x="{EDGE - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.0f}</text>'
        f'<line x1="{EDGE}" x2="{WIDTH}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#e6eaee"/>'
        for value in sorted({low, 0.0, high})
    )
    ends = "".join(
        f'<text x="{x(time):.0f}" y="{HEIGHT - 4}" text-anchor="{anchor}">{clock(time)}</text>'
        for time, anchor in ((times[0], "start"), (times[-1], "end"))
    )
    drawn = f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}">{marks}{drawn}{ends}</svg>'
