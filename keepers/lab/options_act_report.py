"""What the options act says: its tables, the figures as JSON, and its page."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Group as Lines
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from keepers.domain.units import TICKS_PER_USD, WAD
from keepers.lab.options_act_books import Book
from keepers.lab.options_act_record import Act
from keepers.lab.report import duration

TITLE: Final = "Options under two margins: 31 January to 5 February 2026"
BOOKS: Final = (
    *("structure", "margin", "IM", "MM", "equity", "least", "after fall", "takes", "reward"),
    *("bad debt", "settled", "at the end"),
)
EXPIRED: Final = ("expiry", "market", "price written", "legs settled", "paid on options")
SPLIT: Final = 7  # columns of books in the first table of a narrow screen
WIDE: Final = 140  # characters that all of them need
MARGINS: Final = ("standard", "portfolio")
GOOD, BAD = "#1a7f4b", "#c8374f"
PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Plimsoll: {title}</title><style>
body {{ margin: 0 auto; max-width: 1240px; padding: 36px 24px 64px; color: #1d2733;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }}
h1 {{ margin: 0 0 4px; font-size: 30px; }} h2 {{ margin: 30px 0 6px; font-size: 17px; }}
p.verdict {{ font-weight: 600; color: {colour}; }} p {{ max-width: 60em; }}
svg {{ width: 100%; height: auto; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th {{ color: #5d6b7a; font-weight: 500; text-align: right; padding: 5px 10px; }}
td {{ padding: 5px 10px; text-align: right; }} tr.last td {{ border-bottom: 1px solid #dde3ea; }}
th:first-child, td:first-child, .w {{ text-align: left; }}
tr.portfolio td {{ color: #2f5d9b; }}
</style></head><body><h1>{title}</h1><p class="verdict">{verdict}</p>
<p>{story}</p>{chart}{tables}</body></html>
"""


def verdict(act: Act) -> Text:
    """Return the result in one sentence."""
    if act.failures:
        return Text("FAILED: " + "; ".join(act.failures) + ".", style="bold red")
    return Text(
        "PASSED: no bad debt, nobody left below maintenance, every expiry settled, and the books"
        " balance to the wei.",
        style="bold green",
    )


def story(act: Act) -> str:
    """Return what was played."""
    first, last = act.frames[0].prices, act.frames[-1].prices
    falls = ", ".join(
        f"{symbol} {first[symbol]:,.0f} to {last[symbol]:,.0f} USD"
        f" ({100 * (last[symbol] / first[symbol] - 1):+.1f} %, volatility"
        f" {100 * act.frames[0].volatility[symbol]:.0f} to"
        f" {100 * act.frames[-1].volatility[symbol]:.0f} %)"
        for symbol in first
    )
    return (
        f"Each structure is held twice with the same collateral, {MARGINS[0]} and {MARGINS[1]}"
        f" margin; then the real fall within one hour of chain time: {falls}."
        f" Jumps that waited for their confirmation: {act.waited['prices']} of prices,"
        f" {act.waited['surfaces']} of surfaces."
    )


# ---- tables --------------------------------------------------------------------------------------


def book_row(book: Book) -> list[str]:
    """Return a row of the large table."""
    takes = str(book.takes) if book.takes else ""
    return [
        "" if book.portfolio else f"{book.structure.name}, {book.structure.symbol}",
        MARGINS[book.portfolio],
        *map(usd, (book.im, book.mm, book.equity, book.low, book.end)),
        takes,
        usd(book.reward) if book.takes else "",
        usd(book.deficit),
        usd(book.settled),
        usd(book.final),
    ]


def expired_rows(act: Act) -> Iterator[list[str]]:
    """Yield a row for each market of each expiry."""
    for each in act.expired:
        when = datetime.fromtimestamp(each.expiry, UTC)
        price = f"{each.price / TICKS_PER_USD:,.4f}"
        yield [f"{when:%d %b %Y %H:%M}", each.symbol, price, str(each.legs), usd(each.paid)]


def facts(act: Act) -> Iterator[tuple[str, str]]:
    """Yield what else there is to say."""
    yield "smiles", f"{act.source}: {residuals(act)}"
    yield "takes", f"{len(act.takes)} by two liquidators; expiries by one keeper; all are processes"
    released = sum(each.released for each in act.closes)
    yield (
        "closes",
        f"{len(act.closes)} of legs against makers' bids, which cost the accounts"
        f" {usd(sum(each.cost for each in act.closes))} USD and freed {usd(released)} USD of MM",
    )
    yield "fills", f"{act.fills} packages quoted by two makers, signed by both sides"
    yield "played", f"{act.blocks:,} blocks in {duration(act.seconds)}, seed {act.seed}"
    change = act.insurance[1] - act.insurance[0]
    yield "insurance fund", f"{usd(change)} USD paid in"
    for proof in act.proofs:
        yield proof.when, f"{proof.said} at block {proof.block:,}"


def residuals(act: Act) -> str:
    """Return how well the smiles fit."""
    fits = [fit for pair in act.fits.values() for chain in pair for fit in chain]
    worst = max(fit.rms for fit in fits)
    return f"{len(fits)} fits, the worst off by {100 * worst:.2f} points (rms)"


def usd(wad: int) -> str:
    """Return whole dollars."""
    whole = round(wad / WAD)
    return f"{whole:,}"


def table(act: Act, width: int = WIDE) -> Panel:
    """Return everything about the act; on a narrow screen the columns of books stand in two."""
    every = range(len(BOOKS))
    parts = (every,) if width >= WIDE else (every[:SPLIT], (0, 1, *every[SPLIT:]))
    shown: list[Table | Text | str] = [Text(story(act)), ""]
    for columns in parts:
        shown += [_books(act, columns), ""]
    small = Table(box=None, padding=(0, 1), header_style="dim")
    for number, name in enumerate(EXPIRED):
        small.add_column(name, justify="left" if number < 2 else "right", no_wrap=True)
    for row in expired_rows(act):
        small.add_row(*row)
    grid = Table.grid(padding=(0, 2))
    for name, value in facts(act):
        grid.add_row(Text(name, style="dim"), value)
    shown += [small, "", grid, "", verdict(act)]
    return Panel(Lines(*shown), title=TITLE, title_align="left")


def _books(act: Act, columns: Sequence[int]) -> Table:
    found = Table(box=None, padding=(0, 1), header_style="dim")
    for number in columns:
        side = "left" if number < 2 else "right"
        found.add_column(BOOKS[number], justify=side, no_wrap=True)  # type: ignore[arg-type]
    for book in act.books:
        cells = book_row(book)
        style = "" if book.portfolio else "bold"
        found.add_row(*(cells[number] for number in columns), style=style)
    return found


def as_dict(act: Act) -> dict[str, object]:
    """Return plain data for JSON; amounts are exact integers, USD WAD."""
    names = (
        "im",
        "mm",
        "equity",
        "low",
        "end",
        "takes",
        "reward",
        "closes",
        "conceded",
        "deficit",
        "settled",
        "cash",
        "final",
    )
    return {
        "passed": not act.failures,
        "failures": act.failures,
        "seed": act.seed,
        "source": act.source,
        "seconds": round(act.seconds, 1),
        "blocks": act.blocks,
        "fills": act.fills,
        "waited": act.waited,
        "deficit": act.deficit,
        "books": [
            {
                "structure": book.structure.name,
                "margin": MARGINS[book.portfolio],
                "account": hex(book.account),
                **{name: getattr(book, name) for name in names},
            }
            for book in act.books
        ],
        "expired": [
            {
                "market": each.symbol,
                "expiry": each.expiry,
                "price": each.price,
                "legs": each.legs,
                "paid": each.paid,
            }
            for each in act.expired
        ],
        "proofs": [[each.when, each.block, each.ok, each.said] for each in act.proofs],
    }


# ---- page ----------------------------------------------------------------------------------------


def write_page(act: Act, path: Path, svg: str) -> None:
    """Write the page: verdict, picture and tables, in one file."""
    rows = [(book_row(book), "portfolio last" if book.portfolio else "") for book in act.books]
    tables = [
        _table("Books, USD", BOOKS, rows),
        _table("Expiries, USD", EXPIRED, [(row, "last") for row in expired_rows(act)]),
        _table(
            "How it was played", ("", ""), [([name, value], "last") for name, value in facts(act)]
        ),
    ]
    page = PAGE.format(
        title=html.escape(TITLE),
        verdict=html.escape(verdict(act).plain),
        colour=BAD if act.failures else GOOD,
        story=html.escape(story(act)),
        chart=svg,
        tables="".join(tables),
    )
    path.write_text(page, encoding="utf-8")


def _table(heading: str, names: Sequence[str], rows: Sequence[tuple[list[str], str]]) -> str:
    head = "".join(
        f"<th{_side(place)}>{html.escape(name)}</th>" for place, name in enumerate(names)
    )
    body = ""
    for cells, kind in rows:
        drawn = (f"<td{_side(place)}>{html.escape(cell)}</td>" for place, cell in enumerate(cells))
        body += f'<tr class="{kind}">{"".join(drawn)}</tr>'
    return f"<h2>{html.escape(heading)}</h2><table><tr>{head}</tr>{body}</table>"


def _side(place: int) -> str:
    return ' class="w"' if place == 1 else ""
