"""`plimsoll liquidate --report`: what every liquidation of a store came to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from keepers.commands import show
from keepers.domain.economics import GasMarket
from keepers.domain.profits import OWN
from keepers.errors import BadInput
from keepers.store.journal import PARTS, WEI, Line
from keepers.store.ledger import read_lines


def report(store: Path | None, *, as_json: bool) -> None:
    """Print what a store says of its liquidations."""
    if store is None or not store.is_file():
        raise BadInput("there is no store to report on", "give --store FILE, as the keeper has it")
    lines = read_lines(store)
    if as_json:
        typer.echo(json.dumps([as_dict(line) for line in lines], indent=1))
        return
    console = Console(width=None if Console().is_terminal else 160)
    console.print(table(lines))
    console.print(summary(lines))


def as_dict(line: Line) -> dict[str, Any]:
    """Return a line with its exact integers: USD WAD, wei, ticks."""
    amounts = {each: getattr(line, each) for each in (*PARTS, *WEI, "native")}
    names = {"kind": line.kind, "keeper": hex(line.account), "account": hex(line.target)}
    return {**names, "block": line.block, "tx": line.tx, **amounts, "net": net(line)}


def net(line: Line) -> int:
    """Return the profit after gas and reserves, at the native coin's price of its block [USD WAD].

    Rounded down: what was spent is rounded up.
    """
    return line.profit - GasMarket(line.spent_wei, line.native).usd(1)


def table(lines: Sequence[Line]) -> Table:
    """Return one row a liquidation, their sum, and what is not theirs."""
    left, right = ("block", "what", "account"), (*PARTS, "gas ETH", "net")
    shown = show.table("Liquidations, USD", left, right)
    deals = [line for line in lines if line.kind != OWN]
    for line in deals:
        shown.add_row(f"{line.block:,}", line.kind, show.name(line.target), *_cells([line]))
    shown.add_section()
    shown.add_row("", "all", "", *_cells(deals))
    return shown


def _cells(lines: Sequence[Line]) -> list[str]:
    sums = [show.usd(sum(getattr(line, each) for line in lines)) for each in PARTS]
    spent = sum(line.spent_wei for line in lines)
    return [*sums, f"{spent / 10**18:.6f}", show.usd(sum(net(line) for line in lines))]


def summary(lines: Sequence[Line]) -> str:
    """Return what the sums are, and where the rest of the gas went."""
    own = [line for line in lines if line.kind == OWN]
    deals = [line for line in lines if line.kind != OWN]
    rest = sum(line.spent_wei for line in own)
    return (
        f"{len(deals)} liquidations; pay + reward - fee - slippage + drift = profit, to the wei."
        f" Lost races, flags and the like burned {rest / 10**18:.6f} ETH more;"
        f" the owner's own share of the equity is {show.usd(sum(line.profit for line in own))} USD."
    )
