"""`plimsoll isolate`, `move` and `operator`: several accounts, and who acts for them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from keepers.chain import operator_plans
from keepers.commands.session import AccountOption, Session, Wait, command
from keepers.commands.user import SIDES, Amount, Instrument, Slippage
from keepers.domain import grants
from keepers.domain.grants import FOREVER, NO_LIMIT, Grant
from keepers.domain.units import DAY
from keepers.errors import BadInput

app = typer.Typer()
isolate_app = typer.Typer(help="Isolated positions: accounts of their own, opened and folded back.")
operator_app = typer.Typer(help="Let others act for an account, within limits.")

STDIN: Final = "-"
MOST_DAYS: Final = 36_500

Operator = Annotated[str, typer.Argument(metavar="OPERATOR", help="Address that acts.")]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a grant is bounded by, as options of a command."""

    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="trade, withdraw or receive; repeat.", show_default="trade"),
    ] = None
    uses: Annotated[
        int | None, typer.Option("--uses", min=1, help="How often.", show_default="without limit")
    ] = None
    days: Annotated[
        float | None, typer.Option("--days", help="For how long.", show_default="without end")
    ] = None

    async def grant(self, on: Session, operator: str, account: str) -> Grant:
        """Return a grant of these limits from now on."""
        expiry = FOREVER if self.days is None else await _after(on, self.days)
        uses = NO_LIMIT if self.uses is None else self.uses
        scopes = self.scope or ["trade"]
        return on.client.named(operator, scopes, on.account(account), expiry, uses)


# ---- isolated positions and moves


@command(isolate_app, "open")
async def open_(
    on: Session,
    side: Annotated[str, typer.Argument(metavar="SIDE", help="buy or sell.")],
    size: Annotated[str, typer.Argument(metavar="SIZE", help="Such as 0.5.")],
    instrument: Instrument,
    fund: Annotated[str, typer.Option("--fund", help="What it may lose, such as 500.")],
    child: Annotated[
        str, typer.Option("--child", help="Number of your account that is to hold it.")
    ],
    token: Annotated[
        str | None, typer.Option("--token", help="That it is funded with.", show_default="USDC")
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option("--limit", help="Worst price.", show_default="by --slippage-percent"),
    ] = None,
    slippage_percent: Slippage = None,
    wait_s: Wait = None,
    account: AccountOption = "0",
) -> None:
    """Fund an account out of another and commit its first order, in one transaction."""
    if side not in SIDES:
        raise BadInput(f"{side} is no side", "write buy or sell")
    client = on.client
    symbol = token or client.desk.deployment.settlement.symbol
    plan = await client.isolate(
        client.atoms(symbol, fund),
        symbol,
        client.instrument(instrument),
        SIDES[side] * client.lots(instrument, size),
        on.account(child),
        on.account(account),
        None if limit is None else client.ticks(limit),
    )
    await on.carry_out(plan, wait_s)


@command(isolate_app, "close")
async def close(
    on: Session,
    child: Annotated[str, typer.Argument(metavar="NUMBER", help="Of the isolated account.")],
    account: AccountOption = "0",
) -> None:
    """Move everything that an isolated account has back to --account, positions too."""
    await on.carry_out(await on.client.fold(on.account(child), on.account(account)))


@command(app)
async def move(
    on: Session,
    amount: Amount,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="ETH-PERP, or a collateral.")],
    to: Annotated[str, typer.Option("--to", help="Number of your account, or 0xADDRESS:NUMBER.")],
    account: AccountOption = "0",
) -> None:
    """Move a position, at the mark, or collateral to an account that agrees."""
    client, receiver, giver = on.client, on.account(to), on.account(account)
    if "-" in what:
        lots = {client.instrument(what): client.lots(what, amount)}
        plan = await client.move(receiver, lots, None, giver)
    else:
        plan = await client.move(receiver, None, {what: client.atoms(what, amount)}, giver)
    await on.carry_out(plan)


# ---- operators


async def _after(on: Session, days: float) -> int:
    """Return the chain's time so many days from now [unix s]."""
    if not 0 < days <= MOST_DAYS or int(days * DAY) < 1:
        raise BadInput(
            f"{days:g} days are no time", f"write a second or more, at most {MOST_DAYS} days"
        )
    return (await on.client.desk.rpc.head()).time + int(days * DAY)


@command(operator_app)
async def grant(
    on: Session,
    operator: Operator,
    limits: Limits,
    account: AccountOption = "0",
) -> None:
    """Let an address act for an account: trade, withdraw to you, or move things into it."""
    await on.carry_out(await on.client.grant(await limits.grant(on, operator, account)))


@command(operator_app)
async def revoke(on: Session, operator: Operator, account: AccountOption = "0") -> None:
    """Let an address do nothing any more; cancel permits that are still out as well."""
    await on.carry_out(await on.client.revoke(operator, on.account(account)))


@command(operator_app)
async def show(on: Session, operator: Operator, account: AccountOption = "0") -> None:
    """Show what an address may do for an account."""
    found = await on.client.granted(operator, on.account(account))
    told = operator_plans.facts(found)
    if on.as_json:
        print(json.dumps({"account": on.client.desk.name(found.account), **told}))
        return
    for name, text in told.items():
        Console().print(f"{name}: {text}", highlight=False)


@command(operator_app)
async def sign(
    on: Session,
    operator: Operator,
    limits: Limits,
    within_days: Annotated[
        float, typer.Option("--within-days", help="How long it may be brought.")
    ] = 1.0,
    account: AccountOption = "0",
) -> None:
    """Sign a grant and print it as one line, for whoever brings it; nothing is sent."""
    wanted = await limits.grant(on, operator, account)
    deadline = await _after(on, within_days)
    print(grants.written(await on.client.sign_permit(wanted, deadline=deadline)))


@command(operator_app)
async def permit(
    on: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="With the signed line; - is stdin.")],
) -> None:
    """Bring a grant that an account's owner has signed."""
    await on.carry_out(await on.client.permit(grants.read(_text(file))))


@command(operator_app)
async def cancel(
    on: Session,
    nonce: Annotated[int, typer.Argument(metavar="NONCE", min=0, help="Of a signed grant.")],
) -> None:
    """Make a signed grant that nobody has brought yet worthless."""
    await on.carry_out(await on.client.cancel_permit(nonce))


def _text(file: str) -> str:
    if file == STDIN:
        return sys.stdin.read()
    path = Path(file)
    if not path.is_file():
        raise BadInput(f"there is no file {file}", "write the signed line into it")
    return path.read_text(encoding="utf-8")
