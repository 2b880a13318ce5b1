"""`plimsoll expire`: observe what expires, pay whose legs have expired."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from keepers.bots.runtime import connect, opened
from keepers.chain.expirations import Expirations, State
from keepers.chain.mirror import Mirror
from keepers.chain.reading import Reader
from keepers.commands import bots, show
from keepers.commands import options as shared
from keepers.domain.expiring import Window
from keepers.domain.times import when
from keepers.domain.units import HOUR
from keepers.settings import ExpireSettings, make

app = typer.Typer()


def command(act: Callable[..., None]) -> Callable[..., None]:
    """Register a function as the bots' commands are."""
    return bots.command(act, app)


@command
def expire(
    given: bots.Given,
    observe_s: Annotated[
        int | None,
        typer.Option("--observe-s", help="Seconds between observations.", show_default="30"),
    ] = None,
    peer: shared.Peers = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is due now, send nothing, and end.")
    ] = False,
) -> None:
    """Note prices in the last half hour of a series, then pay whose options have expired."""
    settings = make(
        ExpireSettings, peers=tuple(peer) if peer else None, observe_s=observe_s, **given
    )
    shared.run(_say(settings) if dry_run else _expire(settings))


async def _expire(settings: ExpireSettings) -> None:
    from keepers.bots.expire import Expire

    async with opened(settings) as runtime:
        await bots.run_bot(Expire(runtime, settings), settings)


async def _say(settings: ExpireSettings) -> None:
    """Print the series that expire about now, who waits for a payment, and what is due."""
    rpc, deployed = await connect(settings)
    async with rpc:
        reader = Reader(rpc, deployed)
        mirror = Mirror(reader, deployed)
        await mirror.load(await rpc.head())
        held = [mirror.book.accounts[id_] for id_ in sorted(mirror.book.engaged)]
        expirations = Expirations(reader, deployed, settings.observe_s)
        state = await expirations.state(held, mirror.now)
        due = expirations.steps(state, mirror.markets, mirror.now)
    console = Console()
    console.print(table(state, expirations))
    for account, legs in state.waiting:
        console.print(f"{show.name(account.id)} has {legs} legs to be paid", highlight=False)
    for draft in due:
        console.print(f"due: {draft.key}", highlight=False)
    if not due:
        console.print("nothing is due")


def table(state: State, expirations: Expirations) -> Table:
    """Return one row a series."""
    right = ("observed", "price USD", "state")
    made = show.table("Series that expire or have expired", ("series", "expiry"), right)
    for series, window in state.windows.items():
        observed = f"{window.count} in {max(0, window.last - window.start)} s"
        cells = (show.price(window.price) if window.price else "none", _state(window))
        name = expirations.name(series).partition("@")[0]
        made.add_row(name, when(series[1] * HOUR), observed, *cells)
    return made


def _state(window: Window) -> str:
    if window.settled:
        return "settled"
    return f"ends {when(window.end)}" if window.start else "not observed yet"
