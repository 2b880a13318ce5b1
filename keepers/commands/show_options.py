"""How options look on a terminal: legs with marks and Greeks, rows of the scan, parts of margin."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich.table import Table
from rich.text import Text

from keepers.chain.account_sheet import Sheet
from keepers.chain.deployment import Deployment
from keepers.chain.option_reading import (
    MOVE_ONE,
    MarkCode,
    Part,
    PartKind,
    ScenarioMarket,
    ScenarioTable,
    Shock,
)
from keepers.commands import show
from keepers.domain import greeks, instruments
from keepers.domain.amounts import written_lots, written_ticks, written_wad
from keepers.domain.greeks import Greeks
from keepers.domain.units import LOTS_PER_UNIT, WAD

GREEKS = ("delta", "gamma 1 %", "vega USD", "theta USD")
SHOCKS = {Shock.UP: "volatility up", Shock.DOWN: "volatility down", Shock.NONE: "as it is"}


def legs_table(sheet: Sheet, deployed: Deployment) -> Table:
    """Return every leg with its mark and Greeks, and their sums by market."""
    headings = ("size", "mark", "value USD", *GREEKS)
    table = show.table("Positions", ("instrument",), headings)
    account, found = sheet.account, sheet.greeks
    for leg in (*account.legs, *account.options):
        mark = sheet.marks[leg.instrument].mark
        table.add_row(
            leg_name(leg.instrument, sheet, deployed),
            f"{Decimal(leg.size) / LOTS_PER_UNIT:,f}",
            show.price(mark),
            show.usd(leg.size * mark),
            *greeks_cells(found[leg.instrument]),
        )
    table.add_section()
    for name, sums in sums_by_market(sheet, deployed):
        table.add_row(name, "", "", "", *greeks_cells(sums), style="bold")
    return table


def leg_name(instrument: int, sheet: Sheet, deployed: Deployment) -> str:
    """Return a leg's name, and what is to be said of its mark."""
    doubt = doubts(sheet).get(instrument)
    return instruments.name(instrument, deployed.symbols) + (f" ({doubt})" if doubt else "")


def sums_by_market(sheet: Sheet, deployed: Deployment) -> list[tuple[str, Greeks]]:
    """Return what all legs and collateral of each market have together, by a name for it."""
    sums = greeks.by_market(sheet.greeks, sheet.collateral)
    return [
        (
            f"{deployed.symbol(market)}, all"
            + (", collateral too" if market in sheet.collateral else ""),
            each,
        )
        for market, each in sums.items()
    ]


def greeks_cells(found: Greeks) -> tuple[str, str, str, str]:
    """Return Greeks as a table shows them."""
    return (
        f"{found.delta:,.4f}",
        f"{found.gamma:,.4f}",
        f"{found.vega:,.2f}",
        f"{found.theta:,.2f}",
    )


def greeks_table(
    before: Mapping[int, Greeks], after: Mapping[int, Greeks], deployed: Deployment
) -> Table:
    """Return Greeks by market before and after a change."""
    table = show.table("Greeks", ("market",), GREEKS)
    for market in sorted({*before, *after}):
        name = deployed.symbol(market)
        for side, found in (("before", before), ("after", after)):
            table.add_row(f"{name} {side}", *greeks_cells(found.get(market, Greeks())))
    return table


def scan_table(scan: ScenarioMarket, deployed: Deployment, side: str = "") -> Table:
    """Return what a market's rows bring: prices across, volatility down.

    Args:
        scan: its rows.
        deployed: whose names are used.
        side: before or after a change.
    """
    what = f"{deployed.symbol(scan.market)} moves{side and f', {side}'}"
    title = f"Profit when {what}, USD (worst, also between rows: {show.usd(-scan.worst)})"
    moves = sorted({row.move for row in scan.rows})
    table = show.table(title, ("volatility",), [f"{move / MOVE_ONE:+.1%}" for move in moves])
    worst = max((row.loss for row in scan.rows), default=0)
    for shock, name in SHOCKS.items():
        cells = {row.move: row.loss for row in scan.rows if row.shock == shock}
        if cells:
            table.add_row(name, *(_cell(cells.get(move), worst) for move in moves))
    return table


def _cell(loss: int | None, worst: int) -> Text:
    if loss is None:
        return Text("")
    style = "bold red" if loss == worst and loss > 0 else "red" if loss > 0 else "green"
    return Text(f"{Decimal(-loss) / WAD:,.0f}", style=style)


def groups_table(found: ScenarioTable, deployed: Deployment) -> Table:
    """Return how far the markets of a group offset each other."""
    headings = ("each alone", "rows added up", "what counts")
    table = show.table("Worst of markets together, USD", ("markets",), headings)
    for group in found.groups:
        names = [
            deployed.symbol(each.market) for each in found.markets if each.group == group.group
        ]
        sums = (group.apart, group.together, group.scan)
        table.add_row(", ".join(names), *(show.usd(each) for each in sums))
    return table


def parts_table(sheet: Sheet, deployed: Deployment) -> Table:
    """Return the parts that MM and IM add up from."""
    table = show.table("What the margin is made of", ("part",), ("MM USD", "IM USD"))
    if sheet.why is None:
        return table
    found = sheet.why.decomposition
    for part in found.parts:
        table.add_row(part_name(part, deployed), show.usd(part.mm), show.usd(part.im))
    table.add_section()
    table.add_row("all", show.usd(found.mm), show.usd(found.im), style="bold")
    return table


def part_name(part: Part, deployed: Deployment) -> str:
    """Return what a part is, and what it is about."""
    name = part.kind.text
    if part.kind.of_instrument:
        return f"{name} {instruments.name(part.about, deployed.symbols)}"
    if part.kind == PartKind.HAIRCUT:
        token = deployed.token_by_id(part.about)
        return f"{name} {token.symbol if token else f'#{part.about}'}"
    if part.kind.of_market and part.about:
        return f"{name} {deployed.symbol(part.about)}"
    return name


# ---- JSON


def as_json(sheet: Sheet, deployed: Deployment) -> dict[str, Any]:
    """Return a sheet; amounts are exact decimal strings, Greeks are numbers."""
    account, found = sheet.account, sheet.health
    made: dict[str, Any] = {
        "account": f"{account.owner}:{account.index}",
        "chain_id": deployed.chain_id,
        "block": sheet.head.number,
        "time": sheet.head.time,
        "margin": show.mode(account),
        "state": show.state(found, account).plain,
        "cash_usd": written_wad(account.cash),
        "unsettled_usd": written_wad(found.unsettled),
        "equity_usd": written_wad(found.equity),
        "im_usd": written_wad(found.im),
        "le_usd": written_wad(found.le),
        "mm_usd": written_wad(found.mm),
        "positions": [
            {
                "instrument": instruments.name(leg.instrument, deployed.symbols),
                "size": written_lots(leg.size),
                "mark_usd": written_ticks(sheet.marks[leg.instrument].mark),
                "value_usd": written_wad(leg.size * sheet.marks[leg.instrument].mark),
                **greeks_json(sheet.greeks[leg.instrument]),
            }
            for leg in (*account.legs, *account.options)
        ],
        "collateral": {
            token.symbol: str(Decimal(each.amount).scaleb(-token.decimals))
            for each in account.holdings
            if (token := deployed.token_by_id(each.collateral))
        },
        "greeks": greeks_by_symbol(greeks.by_market(sheet.greeks, sheet.collateral), deployed),
        "paused": list(sheet.paused),
    }
    if sheet.why is not None:
        made["parts"] = [
            {
                "part": part_name(each, deployed),
                "mm_usd": written_wad(each.mm),
                "im_usd": written_wad(each.im),
            }
            for each in sheet.why.decomposition.parts
        ]
        made["scan"] = scans_json(sheet.why.scenarios, deployed)
    return made


def greeks_json(found: Greeks) -> dict[str, float]:
    """Return Greeks by name."""
    return {
        "delta": found.delta,
        "gamma": found.gamma,
        "vega_usd": found.vega,
        "theta_usd": found.theta,
    }


def greeks_by_symbol(found: Mapping[int, Greeks], deployed: Deployment) -> dict[str, Any]:
    """Return Greeks of markets by their symbols."""
    return {deployed.symbol(market): greeks_json(each) for market, each in found.items()}


def scans_json(found: ScenarioTable, deployed: Deployment) -> dict[str, Any]:
    """Return the rows of every market by its symbol."""
    return {deployed.symbol(each.market): _scan_json(each) for each in found.markets}


def _scan_json(scan: ScenarioMarket) -> dict[str, Any]:
    rows = [
        {
            "move": each.move / MOVE_ONE,
            "volatility": each.shock.value,
            "loss_usd": written_wad(each.loss),
        }
        for each in scan.rows
    ]
    return {"worst_usd": written_wad(scan.worst), "rows": rows}


def doubts(sheet: Sheet) -> dict[int, str]:
    """Return what is to be said of marks, by instrument, as far as the lenses say it."""
    legs = sheet.why.legs if sheet.why else ()
    return {each.instrument: each.code.text for each in legs if each.code != MarkCode.MARKED}
