"""One page about an account's margin: where equity stands, what MM and IM are made of, the scan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from keepers.chain.account_sheet import Sheet
from keepers.chain.deployment import Deployment
from keepers.chain.option_reading import MOVE_ONE, Part, PartKind, ScenarioMarket
from keepers.commands import show
from keepers.commands.show_options import SHOCKS, greeks_cells, leg_name, part_name, sums_by_market
from keepers.domain.amounts import written_lots
from keepers.domain.times import when
from keepers.domain.units import WAD
from keepers.errors import BadInput

WIDTH: Final = 1000  # of a drawing, in its own units
LABELS: Final = 290
FIGURES: Final = 120
BAR: Final = 15
ROW: Final = 44
MOST_PARTS: Final = 24  # drawn one by one, the rest together
CELL: Final = 46

STYLE: Final = """
:root { --paper:#fff; --wash:#f4f6f8; --ink:#1d2733; --soft:#5d6b7a; --line:#dde3e9;
  --good:#1a7f4b; --bad:#c8374f; --mm:#c8374f; --im:#3f7fbf; --le:#c98a1b; }
@media (prefers-color-scheme: dark) { :root { --paper:#12181f; --wash:#1a222b; --ink:#e8edf2;
  --soft:#9aa8b6; --line:#2c3743; --good:#4cc38a; --bad:#f06a80; --mm:#f06a80; --im:#6aa7e0;
  --le:#e0b25a; } }
* { box-sizing: border-box; }
body { margin:0; background:var(--paper); color:var(--ink);
  font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif; }
main { max-width:1080px; margin:0 auto; padding:36px 24px 64px; }
h1 { margin:0 0 2px; font-size:22px; overflow-wrap:anywhere; }
h2 { margin:36px 0 2px; font-size:18px; }
p { margin:0 0 12px; color:var(--soft); }
.tiles { display:grid; grid-template-columns:repeat(auto-fit,minmax(170px,1fr)); gap:12px;
  margin:22px 0; }
.tile { background:var(--wash); border-radius:10px; padding:12px 16px; }
.tile b { font-size:23px; font-variant-numeric:tabular-nums; } .tile span { display:block;
  color:var(--soft); font-size:13px; }
svg { display:block; width:100%; height:auto; font-size:13px; font-variant-numeric:tabular-nums; }
svg text { fill:var(--ink); } svg .soft { fill:var(--soft); }
.wide { overflow-x:auto; }
table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums; }
th,td { padding:5px 12px 5px 0; border-bottom:1px solid var(--line); text-align:right; }
th { color:var(--soft); font-weight:500; font-size:13px; }
th:first-child,td:first-child { text-align:left; } tr.sum td { font-weight:600; }
"""


def write(path: Path, sheet: Sheet, deployed: Deployment) -> None:
    """Write the page; it needs no other file and runs no script."""
    try:
        path.write_text(page(sheet, deployed), encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written ({error.strerror})", "name a file in a folder of yours"
        ) from error


def page(sheet: Sheet, deployed: Deployment) -> str:
    """Return the page."""
    account, found = sheet.account, sheet.health
    name = f"{account.owner}:{account.index}"
    state = show.state(found, account).plain
    parts = [
        f"<h1>Account {name}</h1>",
        f"<p>{show.mode(account)} margin, {escape(state)}; block {sheet.head.number}, "
        f"{when(sheet.head.time)}; USD</p>",
        _tiles(sheet),
        _scale(sheet),
    ]
    if sheet.why is not None:
        parts.append(_parts(sheet.why.decomposition.parts, deployed))
        parts += [_heat_map(each, deployed) for each in sheet.why.scenarios.markets]
    parts.append(_legs(sheet, deployed))
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Margin of {name}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body><main>\n{body}\n</main></body>\n</html>\n"
    )


def _tiles(sheet: Sheet) -> str:
    found = sheet.health
    said = (
        ("equity E", found.equity),
        ("initial margin IM", found.im),
        ("liquidation end LE", found.le),
        ("maintenance margin MM", found.mm),
    )
    tiles = (
        f'<div class="tile"><b>{show.usd(value)}</b><span>{name}</span></div>'
        for name, value in said
    )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _scale(sheet: Sheet) -> str:
    """Return equity as a bar with MM, LE and IM on it."""
    found = sheet.health
    full = max(found.equity, found.im, 1)
    filled = WIDTH * max(0, found.equity) // full
    colour = "--good" if found.equity >= found.im else "--le"
    if found.equity < found.mm:
        colour = "--bad"
    drawn = [
        _rect(0, 26, WIDTH, 26, "--wash"),
        _rect(0, 26, filled, 26, colour),
    ]
    for place, (name, value) in enumerate((("MM", found.mm), ("LE", found.le), ("IM", found.im))):
        x = WIDTH * value // full
        y = 16 if place != 1 else 70
        drawn.append(_rect(x - 1, 20, 2, 38, f"--{name.lower()}"))
        anchor = "end" if x > WIDTH - 40 else "start" if x < 40 else "middle"
        drawn.append(_text(x, y, name, anchor))
    note = "Below MM the account may be liquidated; to open and to withdraw it needs IM."
    return _section("Where equity stands", note, _svg(78, drawn))


# ---- what it is made of


def _parts(parts: Sequence[Part], deployed: Deployment) -> str:
    """Return bars of MM and IM, part by part, the largest first."""
    ranked = sorted((each for each in parts if each.mm or each.im), key=lambda each: -each.im)
    shown = [(part_name(each, deployed), each.mm, each.im) for each in ranked[:MOST_PARTS]]
    if rest := ranked[MOST_PARTS:]:
        sums = (sum(each.mm for each in rest), sum(each.im for each in rest))
        shown.append((f"{len(rest)} smaller ones", *sums))
    most = max((max(mm, im) for _, mm, im in shown), default=1) or 1
    drawn: list[str] = []
    for place, (name, mm, im) in enumerate(shown):
        y = place * ROW
        drawn.append(_text(LABELS - 12, y + 21, name, "end"))
        for offset, value, colour in ((2, mm, "--mm"), (2 + BAR, im, "--im")):
            width = (WIDTH - LABELS - FIGURES) * value // most
            drawn.append(_rect(LABELS, y + offset, max(width, 1 if value else 0), BAR - 2, colour))
            drawn.append(_text(LABELS + width + 7, y + offset + 11, show.usd(value), "start"))
    total = ", ".join(f"{kind.text} {show.usd(im)}" for kind, im in _largest(ranked))
    note = "Red is what MM has of it, blue what IM has."
    if total:
        note += f" The most of IM: {total}."
    return _section("What the margin is made of", note, _svg(len(shown) * ROW, drawn))


def _largest(parts: Sequence[Part]) -> list[tuple[PartKind, int]]:
    """Return the three kinds that IM has most of."""
    sums: dict[PartKind, int] = {}
    for part in parts:
        sums[part.kind] = sums.get(part.kind, 0) + part.im
    return sorted(sums.items(), key=lambda each: -each[1])[:3]


# ---- the scan


def _heat_map(scan: ScenarioMarket, deployed: Deployment) -> str:
    """Return profits of a market's rows: prices across, volatility down."""
    moves = sorted({row.move for row in scan.rows})
    most = max((abs(row.loss) for row in scan.rows), default=1) or 1
    width = (WIDTH - 150) // max(1, len(moves))
    drawn = [
        _text(150 + width * place + width // 2, 16, f"{move / MOVE_ONE:+.1%}", "middle", soft=True)
        for place, move in enumerate(moves)
    ]
    shocks = [each for each in SHOCKS if any(row.shock == each for row in scan.rows)]
    for line, shock in enumerate(shocks):
        y = 26 + line * CELL
        drawn.append(_text(140, y + CELL // 2 + 4, SHOCKS[shock], "end", soft=True))
        for row in scan.rows:
            if row.shock == shock:
                x = 150 + width * moves.index(row.move)
                drawn.append(_cell(x, y, width, row.loss, most))
    symbol = deployed.symbol(scan.market)
    note = (
        f"What the book gains or loses when {symbol} moves by so much, under a shock of "
        f"volatility; rows far out count in part. The worst, also between two rows, is "
        f"{show.usd(scan.worst)}."
    )
    return _section(f"Scenarios of {symbol}", note, _svg(26 + CELL * len(shocks), drawn))


def _cell(x: int, y: int, width: int, loss: int, most: int) -> str:
    colour, strength = ("--bad" if loss > 0 else "--good"), 0.08 + 0.72 * abs(loss) / most
    box = _rect(x, y, width - 3, CELL - 3, colour, opacity=f"{strength:.2f}")
    figure = f"{-loss / WAD:+,.0f}"
    return box + _text(x + width // 2 - 2, y + CELL // 2 + 3, figure, "middle")


# ---- legs


def _legs(sheet: Sheet, deployed: Deployment) -> str:
    account = sheet.account
    legs = (*account.legs, *account.options)
    if not legs:
        return ""
    heads = ("instrument", "size", "mark", "value", "delta", "gamma 1 %", "vega", "theta")
    rows = [
        (
            leg_name(leg.instrument, sheet, deployed),
            written_lots(leg.size),
            show.price(sheet.marks[leg.instrument].mark),
            show.usd(leg.size * sheet.marks[leg.instrument].mark),
            *greeks_cells(sheet.greeks[leg.instrument]),
        )
        for leg in legs
    ]
    sums = [
        (name, "", "", "", *greeks_cells(found)) for name, found in sums_by_market(sheet, deployed)
    ]
    drawn = "".join(
        [
            f"<tr>{_cells('th', heads)}</tr>",
            *(f"<tr>{_cells('td', row)}</tr>" for row in rows),
            *(f'<tr class="sum">{_cells("td", row)}</tr>' for row in sums),
        ]
    )
    note = "Gamma is what delta gains when the price rises by 1 %, theta is a day's."
    return _section("Positions", note, f'<div class="wide"><table>{drawn}</table></div>')


def _cells(kind: str, texts: Iterable[str]) -> str:
    return "".join(f"<{kind}>{escape(each)}</{kind}>" for each in texts)


# ---- drawing


def _section(title: str, note: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2><p>{escape(note)}</p>{body}</section>"


def _svg(height: int, drawn: Iterable[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(drawn)}</svg>'


def _rect(x: int, y: int, width: int, height: int, colour: str, opacity: str = "1") -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" '
        f'fill="var({colour})" fill-opacity="{opacity}"/>'
    )


def _text(x: int, y: int, text: str, anchor: str, soft: bool = False) -> str:
    kind = ' class="soft"' if soft else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'
