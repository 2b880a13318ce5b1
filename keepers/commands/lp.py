"""`plimsoll lp deposit`, `redeem`, `execute` and `status`: lending to the pool."""

from __future__ import annotations

import json
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from keepers.chain.pool_plans import Holding
from keepers.chain.pool_queue import PASSED
from keepers.commands import show
from keepers.commands.session import Session, Wait, command
from keepers.domain.amounts import WAD_DECIMALS, atoms, written, written_wad

app = typer.Typer(help="Lend to the pool: shares for USDC, at the first price after you ask.")

ALL: Final = "all"


@command(app)
async def deposit(
    on: Session,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Of the settlement token.")],
    mint: Annotated[
        bool, typer.Option("--mint", help="Mint the amount first, where a test token lets you.")
    ] = False,
    wait_s: Wait = None,
) -> None:
    """Ask for shares, and have them minted at the first price that is late enough."""
    symbol = on.client.desk.deployment.settlement.symbol
    wanted = on.client.atoms(symbol, amount)
    done = await on.carry_out(await on.client.lp_deposit(wanted, minting=mint))
    if done is not None and wait_s != 0:
        await on.serve(done.requests[0], wait_s)


@command(app)
async def redeem(
    on: Session,
    shares: Annotated[str, typer.Argument(metavar="SHARES", help="Such as 12.5, or all.")],
) -> None:
    """Ask for the money of shares; `lp execute` pays it after the cooldown."""
    wanted = None if shares == ALL else atoms(shares, WAD_DECIMALS, "shares")
    await on.carry_out(await on.client.lp_redeem(wanted))


@command(app)
async def execute(
    on: Session,
    request: Annotated[int, typer.Argument(metavar="REQUEST", help="Its number.", min=1)],
    wait_s: Wait = None,
) -> None:
    """Serve a request that a price has made ready, or at the next one; anybody may."""
    if await on.client.lp_refusal(request) == PASSED:
        await on.carry_out(await on.client.lp_retime(request))
        if not on.dry_run and wait_s != 0:
            await on.serve(request, wait_s)
        return
    await on.carry_out(await on.client.lp_execute(request))


@command(app)
async def status(
    on: Session,
    owner: Annotated[
        str | None, typer.Option("--owner", help="Address to look at.", show_default="the key's")
    ] = None,
) -> None:
    """Show your shares, what they are worth now, and your open requests."""
    found = await on.client.lp_status()
    token = on.client.desk.deployment.settlement
    worth = None if found.worth is None else written(found.worth, token.decimals)
    if on.as_json:
        print(json.dumps(_as_json(found, worth, token.decimals)))
        return
    console = Console()
    said = f"{worth} {token.symbol}" if worth is not None else "not known: the prices are too old"
    console.print(f"{written_wad(found.shares)} shares, worth {said}", highlight=False)
    if found.requests:
        console.print(_requests_table(found, token.decimals))


def _requests_table(found: Holding, decimals: int) -> Table:
    table = show.table("Open requests", ("request", "what"), ("amount",))
    table.add_column("first price at")
    for each in found.requests:
        what, places = ("redeem shares", 18) if each.is_redemption else ("deposit", decimals)
        table.add_row(str(each.id), what, written(each.amount, places), str(each.earliest))
    return table


def _as_json(found: Holding, worth: str | None, decimals: int) -> dict[str, object]:
    return {
        "owner": found.owner,
        "shares": written_wad(found.shares),
        "supply": written_wad(found.supply),
        "worth": worth,
        "requests": [
            {
                "id": each.id,
                "is_redemption": each.is_redemption,
                "amount": written(each.amount, WAD_DECIMALS if each.is_redemption else decimals),
                "earliest": each.earliest,
            }
            for each in found.requests
        ],
    }
