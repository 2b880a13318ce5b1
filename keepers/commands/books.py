"""`plimsoll accounts`, `account` and `prove`: reading a deployment, without a key."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from keepers.bots.runtime import connect
from keepers.chain.deployment import Deployment
from keepers.chain.guardian_plans import sentence
from keepers.chain.proving import prove as prove_books
from keepers.chain.proving import require
from keepers.chain.reading import Reader
from keepers.chain.rpc import Block
from keepers.commands import options as shared
from keepers.commands import show
from keepers.domain.margin import Health, Snapshot, health, snapshot
from keepers.domain.proof import Line
from keepers.domain.words import Account, account_id
from keepers.errors import BadInput
from keepers.settings import Settings, make

app = typer.Typer()


async def read_all(
    settings: Settings, ids: list[int] | None, block: Block
) -> tuple[Deployment, Snapshot, list[tuple[Account, Health]], list[str]]:
    """Return prices, the health of these accounts, or of all, and what is paused, at one block."""
    rpc, deployed = await connect(settings)
    async with rpc:
        reader = Reader(rpc, deployed)
        head = await rpc.head(block)
        at = head.number
        chosen = await reader.account_ids(at) if ids is None else ids
        accounts = await reader.accounts(chosen, at)
        prices = snapshot(
            head.time,
            await reader.markets(at),
            await reader.collaterals(at),
            await reader.terms(at),
        )
        held = await reader.pauses(at)
    rows = [(account, health(account, prices)) for account in accounts]
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
    _, _, rows, paused = shared.run(read_all(settings, None, read_block(block)))
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
    rpc: shared.Rpc = None,
    deployment: shared.DeploymentFile = None,
) -> None:
    """Show one account: sums, margin bar, positions, liquidation prices, collateral."""
    settings = make(Settings, rpc=rpc, deployment=deployment)
    deployed, at, rows, paused = shared.run(
        read_all(settings, [read_account(id_)], read_block(block))
    )
    found, exact = rows[0]
    if not found.flags and not found.cash and not found.legs and not found.holdings:
        raise BadInput(f"there is no account {id_}", "look at `plimsoll accounts`")
    console = Console()
    console.print(show.account_table(found, exact))
    if found.legs:
        console.print(show.legs_table(found, at, deployed))
    if found.holdings:
        console.print(show.holdings_table(found, at, deployed))
    for line in paused:
        console.print(line, highlight=False)


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
    table = Table(title=f"The books at block {block}", title_justify="left")
    table.add_column("equation")
    table.add_column("left", justify="right")
    table.add_column("right", justify="right")
    table.add_column("holds")
    for line in lines:
        verdict = "[green]yes[/]" if line.holds else f"[bold red]off by {line.left - line.right}[/]"
        table.add_row(line.name, str(line.left), str(line.right), verdict)
    return table
