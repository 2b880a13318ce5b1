"""What a gap cost and who paid: the table of the second act, its chart and its page."""

from __future__ import annotations

import html
import io
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Group as Lines
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from keepers.domain.units import WAD
from keepers.lab.beyond import TAKEN, WRITTEN, Act, Loss, dollars
from keepers.lab.report import Rows, duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OWED: Final = "#1d2733"
FUND: Final = "#8e5ea2"
BOOKED: Final = "#c8374f"
EARNED: Final = "#12908a"
FAINT: Final = "#8b97a5"
PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Plimsoll: {title}</title><style>
body {{ margin: 0 auto; max-width: 1120px; padding: 36px 24px 64px; color: #1d2733;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }}
h1 {{ margin: 0 0 4px; font-size: 30px; }} h2 {{ margin: 26px 0 4px; font-size: 17px; }}
p {{ font-weight: 600; color: {colour}; }} svg {{ width: 100%; height: auto; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
td {{ padding: 5px 12px 5px 0; border-bottom: 1px solid #eceff3; vertical-align: top; }}
td:first-child {{ color: #5d6b7a; width: 19em; }} td.n {{ text-align: right; width: 19em; }}
</style></head><body><h1>{title}</h1><p>{verdict}</p>{chart}{tables}</body></html>
"""


def title(act: Act) -> str:
    """Return what was played."""
    return f"Beyond any margin: every price falls by {act.gap} % at once"


def verdict(act: Act) -> Text:
    """Return the result in one sentence."""
    if act.failures:
        return Text("FAILED: " + "; ".join(act.failures) + ".", style="bold red")
    said = "PASSED: every wei that was owed is paid by the fund or booked, and the books balance."
    return Text(said, style="bold green")


def sections(act: Act) -> Iterator[tuple[str, Rows]]:
    """Yield the parts of the table: (heading, rows); amounts to the wei."""
    yield "the gap", _gap(act)
    yield "who paid, USD to the wei", _paid(act)
    yield "the fund, USD to the wei", _fund(act)
    yield "the ledger's deficit, USD to the wei", _deficit(act)
    yield "books", [(f"{each.when}, block {each.block:,}", each.said) for each in act.proofs]


def _gap(act: Act) -> Rows:
    for symbol, before, after in act.prices:
        yield symbol, f"{before:,.2f} to {after:,.2f} USD"
    yield "insolvent by it", f"{act.insolvent} of {act.accounts} accounts"
    yield "they owe", f"{act.owed / WAD:,.2f} USD beyond all that they have"
    for how in (TAKEN, WRITTEN):
        yield how, f"{sum(each.how == how for each in act.losses)} accounts"
    yield "insolvent at the end", f"{act.left}, after {duration(act.seconds)} of chain time"


def _paid(act: Act) -> Rows:
    yield "owed when they were closed", dollars(act.hole)
    yield "paid by the fund", dollars(act.paid)
    yield "written off and booked", dollars(act.deficit)
    yield "owed - paid - booked", dollars(act.hole - act.paid - act.deficit)


def _fund(act: Act) -> Rows:
    flows = act.flows
    if act.withdrawn:
        yield "withdrawn by its owner", dollars(act.withdrawn)
    yield "before the gap", dollars(act.fund_start)
    yield "+ liquidation fees", dollars(flows.fees)
    yield "- debts paid", dollars(act.paid)
    yield "- rewards to buyers", dollars(act.rewards)
    yield "- pay of its settler", dollars(flows.settling)
    yield "= at the end", dollars(act.fund_end)
    yield "of it fees that nobody has paid yet", dollars(act.unsettled)


def _deficit(act: Act) -> Rows:
    yield "before the gap", dollars(act.deficit_start)
    yield "+ booked", dollars(act.flows.deficit)
    yield "= at the end", dollars(act.deficit_end)


def table(act: Act) -> Panel:
    """Return everything about the gap."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(justify="left")
    for number, (heading, rows) in enumerate(sections(act)):
        if number:
            grid.add_row("", "")
        grid.add_row(Text(heading, style="bold not dim"), "")
        for name, value in rows:
            exact = "wei" in heading
            grid.add_row(f"  {name}", f"{value:>32}" if exact else value)
    return Panel(Lines(grid, Text(""), verdict(act)), title=title(act), title_align="left")


def as_dict(act: Act) -> dict[str, object]:
    """Return plain data for JSON; amounts are exact integers, USD WAD."""
    names = ("fund_start", "fund_end", "deficit_start", "deficit_end", "hole", "paid", "deficit")
    return {
        "gap_percent": act.gap,
        "passed": not act.failures,
        "failures": act.failures,
        "accounts": act.accounts,
        "insolvent": act.insolvent,
        "owed": act.owed,
        "left": act.left,
        "seconds": act.seconds,
        **{name: getattr(act, name) for name in names},
        "withdrawn": act.withdrawn,
        "rewards": act.rewards,
        "fees": act.flows.fees,
        "settling": act.flows.settling,
        "losses": [_loss(each) for each in act.losses],
    }


def _loss(loss: Loss) -> dict[str, object]:
    return {
        "account": hex(loss.account),
        "block": loss.block,
        "how": loss.how,
        "owed": loss.hole,
        "fund": loss.fund,
        "booked": loss.deficit,
        "reward": loss.reward,
    }


# ---- chart -----------------------------------------------------------------------------------


def write(act: Act, picture: Path, page: Path) -> None:
    """Draw the chart as PNG, and a page that holds it and the table."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = _figure(act, titled=True)
    figure.savefig(picture, dpi=110)
    plt.close(figure)
    drawn, figure = io.StringIO(), _figure(act, titled=False)
    figure.savefig(drawn, format="svg")
    plt.close(figure)
    svg = drawn.getvalue()
    page.write_text(_page(act, svg[svg.index("<svg") :]), encoding="utf-8")


def _page(act: Act, svg: str) -> str:
    tables = []
    for heading, rows in sections(act):
        place = ' class="n"' if "wei" in heading else ""
        body = "".join(
            f"<tr><td>{html.escape(name)}</td><td{place}>{html.escape(value)}</td><td></td></tr>"
            for name, value in rows
        )
        tables.append(f"<h2>{html.escape(heading)}</h2><table>{body}</table>")
    return PAGE.format(
        title=html.escape(title(act)),
        verdict=html.escape(verdict(act).plain),
        colour=BOOKED if act.failures else "#1a7f4b",
        chart=svg,
        tables="".join(tables),
    )


def _figure(act: Act, *, titled: bool) -> Figure:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(15, 6), constrained_layout=True)
    if titled:
        figure.suptitle(f"{title(act)}\n\n", fontsize=15, fontweight="bold", x=0.01, ha="left")
        colour = BOOKED if act.failures else "#1a7f4b"
        figure.text(0.01, 0.918, verdict(act).plain[:150], fontsize=11, color=colour)
    _draw_waterfall(axes[0], act)
    _draw_course(axes[1], act)
    for axis in axes:
        axis.grid(visible=True, axis="y", color="#e6eaee", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_waterfall(axis: Axes, act: Act) -> None:
    """Draw what was owed and who paid, then the fund from its start to its end."""
    spent = act.paid + act.rewards + act.flows.settling
    bars = [  # label, bottom, height
        ("owed", 0, act.hole, OWED),
        ("paid by\nthe fund", act.deficit, act.paid, FUND),
        ("booked as\ndeficit", 0, act.deficit, BOOKED),
        ("fund\nbefore", 0, act.fund_start, FUND),
        ("liquidation\nfees", act.fund_start, act.flows.fees, EARNED),
        ("debts and\nrewards paid", act.fund_end, spent, BOOKED),
        ("fund\nafter", 0, act.fund_end, FUND),
    ]
    for place, (_, bottom, height, colour) in enumerate(bars):
        low, high = bottom / WAD / 1_000, height / WAD / 1_000
        axis.bar(place, high, bottom=low, color=colour, width=0.66)
        axis.text(place, low + high, f"{high:,.1f}", ha="center", va="bottom", fontsize=9)
    axis.margins(y=0.08)
    axis.axvline(2.5, color=FAINT, linewidth=0.8, linestyle=":")
    axis.set_xticks(range(len(bars)), [name for name, *_ in bars])
    axis.set_title("Who paid, and what the fund had; thousand USD", loc="left")


def _draw_course(axis: Axes, act: Act) -> None:
    """Draw how it went, account by account in the order of their blocks."""
    places = range(len(act.losses) + 1)
    sums = {
        "paid by the fund": ([each.fund for each in act.losses], FUND),
        "booked as deficit": ([each.deficit for each in act.losses], BOOKED),
    }
    layers = [
        [0.0, *(total / WAD / 1_000 for total in accumulate(parts))] for parts, _ in sums.values()
    ]
    colours = [colour for _, colour in sums.values()]
    axis.stackplot(places, *layers, labels=list(sums), colors=colours, alpha=0.85, step="pre")
    axis.set_xlim(0, max(1, len(act.losses)))
    axis.set_xlabel("insolvent accounts, in the order in which they were closed")
    axis.set_title("Debts closed so far, thousand USD", loc="left")
    axis.legend(frameon=False, loc="upper left")
