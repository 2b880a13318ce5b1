"""`plimsoll mode`, `settle-expired`, `observe`, `marks`, `whatif`: accounts with options."""

from __future__ import annotations

import json
from typing import Annotated, Final

import typer
from rich.console import Console

from keepers.commands import show, show_options
from keepers.commands.session import Session, command
from keepers.domain.amounts import written_ticks
from keepers.errors import BadInput

app = typer.Typer()

MODES: Final = {"portfolio": True, "standard": False}

Id = Annotated[
    str, typer.Argument(metavar="ID", help="Number of your account, or 0xADDRESS:NUMBER.")
]
Mode = Annotated[str, typer.Argument(metavar="MODE", help="portfolio or standard.")]


@command(app)
async def mode(on: Session, account: Id, mode: Mode) -> None:
    """Put an account under portfolio margin, or back under standard margin."""
    await on.carry_out(await on.client.set_mode(_mode(mode), on.account(account)))


@command(app, "settle-expired")
async def settle_expired(on: Session, account: Id) -> None:
    """Pay what expired options and futures of an account pay, at their settlement prices."""
    await on.carry_out(await on.client.settle_expired(on.account(account)))


@command(app)
async def observe(
    on: Session,
    instrument: Annotated[
        str, typer.Argument(metavar="INSTRUMENT", help="Any of that expiry: ETH-27MAR26.")
    ],
) -> None:
    """Note the price now for the settlement price of an expiry; anybody may."""
    await on.carry_out(await on.client.observe(on.client.instrument(instrument)))


@command(app, looks=True)
async def marks(
    on: Session,
    names: Annotated[
        list[str], typer.Argument(metavar="INSTRUMENT", help="Such as ETH-27MAR26-3000-C.")
    ],
) -> None:
    """Show what instruments are worth now, and between which prices the Exchange trades them."""
    wanted = {on.client.instrument(each): each.upper() for each in names}
    found = await on.client.marks(*wanted)
    told = {
        wanted[id_]: tuple(written_ticks(each) for each in (mark.mark, mark.low, mark.high))
        for id_, mark in found.items()
    }
    if on.as_json:
        heads = ("mark_usd", "lowest_usd", "highest_usd")
        print(
            json.dumps({name: dict(zip(heads, each, strict=True)) for name, each in told.items()})
        )
        return
    table = show.table("Marks, USD", ("instrument",), ("mark", "traded from", "to"))
    for name, each in told.items():
        table.add_row(name, *each)
    Console().print(table)


@command(app, looks=True)
async def whatif(
    on: Session,
    account: Id,
    add: Annotated[
        list[str] | None,
        typer.Option("--add", help="NAME:SIZE, at the mark, or NAME:SIZE@PRICE; repeat."),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option("--mode", help="portfolio or standard.", show_default="as it is"),
    ] = None,
) -> None:
    """Show an account as if it also held these legs; nothing is sent."""
    if not add and mode is None:
        raise BadInput("nothing was named to change", "add a leg by --add, or name a --mode")
    legs = [on.client.leg(each) for each in add or ()]
    chosen = None if mode is None else _mode(mode)
    plan = await on.client.what_if(legs, on.account(account), chosen)
    (change,), deployed = plan.changes, on.client.desk.deployment
    sides = {"before": change.before, "after": change.after}
    found = {side: await on.client.greeks(each) for side, each in sides.items()}
    scans = {side: await on.client.scan(each) for side, each in sides.items()}
    on.show(
        plan,
        {
            "greeks": {
                side: show_options.greeks_by_symbol(each, deployed) for side, each in found.items()
            },
            "scan": {
                side: show_options.scans_json(each, deployed)
                for side, each in scans.items()
                if each is not None
            },
        },
    )
    if on.as_json:
        return
    console = Console()
    console.print(show_options.greeks_table(found["before"], found["after"], deployed))
    for side, each in scans.items():
        for market in each.markets if each is not None else ():
            console.print(show_options.scan_table(market, deployed, side))


def _mode(text: str) -> bool:
    if text not in MODES:
        raise BadInput(f"{text} is no margin", f"choose one of {', '.join(MODES)}")
    return MODES[text]
