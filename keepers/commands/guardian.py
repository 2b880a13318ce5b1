"""`plimsoll guardian pause`, `lift`, `tighten`, `cap` and `status`: what the guardian may do."""

from __future__ import annotations

import json
from math import isfinite
from typing import Annotated, Final

import typer
from rich.console import Console

from keepers.chain.guardian_plans import Watch
from keepers.commands.session import Session, command
from keepers.domain import pauses
from keepers.domain.amounts import units
from keepers.domain.times import when
from keepers.domain.units import HOUR
from keepers.errors import BadInput

app = typer.Typer(help="Pause for a while and lower caps: the guardian's key, or the owner's.")

WAD_DECIMALS: Final = 18

ActionName = Annotated[
    str, typer.Argument(metavar="ACTION", help="opening, liquidation, pool-deposits or deposits.")
]
Markets = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MARKET]...", help="Such as ETH; all of them if left out."),
]


def _action(name: str) -> int:
    if name not in pauses.ACTIONS:
        raise BadInput(f"{name} is nothing to pause", f"choose one of {', '.join(pauses.ACTIONS)}")
    return pauses.ACTIONS[name]


def _seconds(hours: float) -> int:
    seconds = round(hours * HOUR) if isfinite(hours) else 0
    if seconds <= 0:
        raise BadInput(f"{hours} hours are no pause", "see `guardian lift` for the end of one")
    return seconds


@command(app)
async def pause(
    on: Session,
    action: ActionName,
    market: Markets = None,
    hours: Annotated[float, typer.Option("--hours", help="How long; at most 168.")] = 24,
) -> None:
    """Pause something, or make its pause shorter or longer; it ends by itself."""
    seconds = _seconds(hours)
    await on.carry_out(await on.client.pause(_action(action), market or (), seconds))


@command(app)
async def lift(on: Session, action: ActionName, market: Markets = None) -> None:
    """End a pause now."""
    await on.carry_out(await on.client.pause(_action(action), market or (), 0))


@command(app)
async def tighten(
    on: Session,
    market: Annotated[str, typer.Argument(metavar="MARKET", help="Such as ETH.")],
    usd: Annotated[str, typer.Argument(metavar="USD", help="Cap of open interest; 0: none opens.")],
) -> None:
    """Lower a market's cap of open interest; only the owner raises it again."""
    await on.carry_out(await on.client.tighten(market, units(usd, WAD_DECIMALS, "USD")))


@command(app)
async def cap(
    on: Session,
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Symbol of a collateral.")],
    hard: Annotated[
        int, typer.Option("--hard", min=0, help="Whole tokens that may be deposited at most.")
    ] = 0,
    soft: Annotated[
        int, typer.Option("--soft", min=0, help="Whole tokens that count for initial margin.")
    ] = 0,
) -> None:
    """Lower a collateral's caps, to nothing if left out; only the owner raises them again."""
    await on.carry_out(await on.client.cap(token, hard, soft))


@command(app)
async def status(
    on: Session,
    owner: Annotated[
        str | None, typer.Option("--owner", help="Any address, where there is no key.")
    ] = None,
) -> None:
    """Show who stands guard, and what is paused or rests."""
    found = await on.client.watch()
    if on.as_json:
        print(json.dumps(_as_json(on, found)))
        return
    console = Console(soft_wrap=True)
    console.print(f"guardian {found.guardian}, owner {found.owner}", highlight=False)
    for line in on.client.said(found):
        console.print(line, highlight=False)
    for each in found.pauses:
        if not each.runs(found.now) and found.now < each.rested:
            where = f" in {_symbol(on, each.market)}" if each.market else ""
            rest = f"{pauses.named(each.action)}{where} rests until {when(each.rested)}"
            console.print(rest, highlight=False)


def _symbol(on: Session, market: int) -> str:
    return on.client.desk.deployment.symbol(market)


def _as_json(on: Session, found: Watch) -> dict[str, object]:
    return {
        "guardian": found.guardian,
        "owner": found.owner,
        "time": found.now,
        "scopes": [
            {
                "action": pauses.named(each.action),
                "market": _symbol(on, each.market) if each.market else None,
                "paused": each.runs(found.now),
                "begin": each.start,
                "until": each.until,
                "rests_until": each.rested,
            }
            for each in found.pauses
        ],
    }
