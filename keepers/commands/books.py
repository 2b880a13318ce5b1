"""`plimsoll accounts`, `account` and `prove`: reading a deployment, without a key."""

from __future__ import annotations

import json as json_
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from keepers.bots.runtime import connect
from keepers.chain import option_books
from keepers.chain.account_sheet import Sheet, sheet
from keepers.chain.deployment import Deployment
from keepers.chain.guardian_plans import sentence
from keepers.chain.proving import prove as prove_books
from keepers.chain.proving import require
from keepers.chain.reading import Reader
from keepers.chain.rpc import Block
from keepers.commands import margin_page, show, show_options
from keepers.commands import options as shared
from keepers.commands.options import Json
from keepers.domain.margin import Health, Snapshot
from keepers.domain.proof import Line
from keepers.domain.words import Account, account_id
from keepers.errors import BadInput
from keepers.settings import Settings, make

app = typer.Typer()


async def read_all(
    settings: Settings, block: Block
) -> tuple[Deployment, Snapshot, list[tuple[Account, Health]], list[str]]:
    """Return prices, the health of all accounts, and what is paused, at one block."""
    rpc, deployed = await connect(settings)
    async with rpc:
        reader = Reader(rpc, deployed)
        head = await rpc.head(block)
        at = head.number
        chosen = await reader.account_ids(at)
        accounts = await reader.accounts(chosen, at)
        prices = await reader.snapshot(head, await reader.markets(at))
        found = await option_books.all_healths(reader, accounts, prices, at)
        held = await reader.pauses(at)
    rows = list(zip(accounts, found, strict=True))
    paused = [sentence(deployed, each) for each in held if each.runs(head.time)]
    return deployed, prices, rows, paused


def room(row: tuple[Account, Health]) -> tuple[bool, float]:
    """Return the key that puts the nearest to maintenance first, margin-free accounts last."""
    _, found = row
    return (not found.mm, found.equity / found.mm if found.mm else -float(found.equity))


def read_block(text: str | None) -> Block:
    """Return the block that an option names."""
    if text is None or text in ("latest", "safe", "finalized"):
        return text or "latest"
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if number < 0:
        raise BadInput(f"{text} is no block", "give a number, or leave --block out")
    return number


def read_account(text: str) -> int:
    """Return the account that was meant: `0xADDRESS`, `0xADDRESS:INDEX` or the whole number."""
    owner, _, index = text.partition(":")
    try:
        if owner.lower().startswith("0x") and len(owner) == 42:
            return account_id(owner, int(index or "0"))
        number = int(text, 0)
    except ValueError:
        number = 0
    if not 0 < number < 2**256:
        raise BadInput(f"{text} is no account", "write 0xADDRESS or 0xADDRESS:NUMBER")
    return number


@app.command()
def accounts(
    limit: Annotated[int, typer.Option(help="How many to show.", min=1)] = 40,
    unhealthy: Annotated[bool, typer.Option("--unhealthy", help="Only those under MM.")] = False,
    block: Annotated[
        str | None,
        typer.Option("--block", help="Block to look at.", show_default="latest"),
    ] = None,
    rpc: shared.Rpc = None,
    deployment: shared.DeploymentFile = None,
) -> None:
    """Show every account's health, the nearest to maintenance first."""
    settings = make(Settings, rpc=rpc, deployment=deployment)
    _, _, rows, paused = shared.run(read_all(settings, read_block(block)))
    kept = sorted((row for row in rows if not unhealthy or row[1].under_mm), key=room)
    console = Console()
    console.print(show.accounts_table(kept[:limit]))
    console.print(f"{len(rows)} accounts, {sum(row[1].under_mm for row in rows)} under MM")
    for line in paused:
        console.print(line, highlight=False)


@app.command()
def account(
    id_: Annotated[str, typer.Argument(metavar="ID", help="0xADDRESS or 0xADDRESS:NUMBER.")],
    block: Annotated[
        str | None,
        typer.Option("--block", help="Block to look at.", show_default="latest"),
    ] = None,
    json: Json = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Also write a page that shows what the margin is made of."),
    ] = None,
    rpc: shared.Rpc = None,
    deployment: shared.DeploymentFile = None,
) -> None:
    """Show one account: sums, margin bar, positions, Greeks, liquidation prices, collateral."""
    settings = make(Settings, rpc=rpc, deployment=deployment)
    deployed, found = shared.run(_sheet(settings, read_account(id_), read_block(block)))
    if found.empty:
        raise BadInput(f"there is no account {id_}", "look at `plimsoll accounts`")
    if html is not None:
        margin_page.write(html, found, deployed)
    if json:
        print(json_.dumps(show_options.as_json(found, deployed)))
        return
    console = Console()
    for table in _tables(found, deployed):
        console.print(table)
    for line in found.paused:
        console.print(line, highlight=False)


async def _sheet(settings: Settings, id_: int, block: Block) -> tuple[Deployment, Sheet]:
    rpc, deployed = await connect(settings)
    async with rpc:
        return deployed, await sheet(Reader(rpc, deployed), id_, block)


def _tables(found: Sheet, deployed: Deployment) -> Iterator[Table]:
    """Return what is shown of an account; liquidation prices where the keepers reckon margin."""
    account = found.account
    yield show.account_table(account, found.health)
    if account.engaged:
        yield show_options.legs_table(found, deployed)
    elif account.legs:
        yield show.legs_table(account, found.at, deployed)
    if account.holdings:
        yield show.holdings_table(account, found.at, deployed)
    if found.why is None:
        return
    for scan in found.why.scenarios.markets:
        yield show_options.scan_table(scan, deployed)
    if len(found.why.scenarios.markets) > 1:
        yield show_options.groups_table(found.why.scenarios, deployed)
    yield show_options.parts_table(found, deployed)


@app.command()
def prove(
    block: Annotated[
        str | None,
        typer.Option("--block", help="Block to prove.", show_default="latest"),
    ] = None,
    logs: Annotated[bool, typer.Option(help="Also rebuild every account from its events.")] = True,
    rpc: shared.Rpc = None,
    deployment: shared.DeploymentFile = None,
) -> None:
    """Prove the books of a deployment to the wei; exit 1 on any difference."""
    settings = make(Settings, rpc=rpc, deployment=deployment)
    number, lines = shared.run(_prove(settings, read_block(block), logs=logs))
    Console().print(proof_table(number, lines))
    require(lines)


async def _prove(settings: Settings, block: Block, *, logs: bool) -> tuple[int, list[Line]]:
    rpc, deployed = await connect(settings)
    async with rpc:
        return await prove_books(rpc, deployed, block, logs=logs)


def proof_table(block: int, lines: list[Line]) -> Table:
    """Return the equations with both sides in full."""
    table = show.table(f"The books at block {block}", ("equation",), ("left", "right"))
    table.add_column("holds")
    for line in lines:
        verdict = "[green]yes[/]" if line.holds else f"[bold red]off by {line.left - line.right}[/]"
        table.add_row(line.name, str(line.left), str(line.right), verdict)
    return table
