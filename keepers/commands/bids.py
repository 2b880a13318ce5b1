"""`plimsoll bid`: signed orders that close legs of accounts under MM, made and brought."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from keepers.chain.exchange_plans import Wish
from keepers.commands.orders import read_order
from keepers.commands.session import AccountOption, Deadline, Session, command
from keepers.domain import exchange_orders
from keepers.domain.amounts import units
from keepers.domain.exchange_orders import ANYONE, Leg
from keepers.domain.grants import checked_address
from keepers.errors import BadInput

app = typer.Typer(help="Bids for liquidations: orders that close legs of accounts under MM.")

PERCENT_DECIMALS: Final = 16  # a percent in WAD

Target = Annotated[str, typer.Argument(metavar="ID", help="0xADDRESS:NUMBER under MM.")]
Legs = Annotated[
    list[str],
    typer.Argument(
        metavar="LEG",
        help="NAME, NAME:SIZE or NAME:SIZE@PRICE: what to close of it, above 0.",
    ),
]
Size = Annotated[
    str | None,
    typer.Option("--size", help="Of each.", show_default="what is left, held and needed"),
]
Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE", help="With the signed line, or that line; - is stdin."),
]


@command(app)
async def sign(
    on: Session,
    target: Target,
    legs: Legs,
    concession_percent: Annotated[
        str | None,
        typer.Option(
            "--concession-percent",
            help="What the account may lose of the MM that goes; inside the band in any case.",
            show_default="what its clock concedes now",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", help="Whose accounts it is for, or anyone.", show_default="the account's owner"
        ),
    ] = None,
    nonce: Annotated[
        int | None,
        typer.Option("--nonce", min=0, help="Bids of one are alternatives.", show_default="new"),
    ] = None,
    deadline: Deadline = None,
    account: AccountOption = "0",
) -> None:
    """Sign an order for each leg, priced for a close, and print it as one line; nothing is sent."""
    client, of = on.client, on.account(target)
    share = None if concession_percent is None else _share(concession_percent)
    wish = Wish(counterparty=_for(to, of), deadline=await on.deadline(deadline), nonce=nonce)
    for leg in [_leg(on, each) for each in legs]:
        offer = await client.draw_bid(of, leg, on.account(account), share, wish)
        plan = await client.outlook_bid(offer, of)
        if on.dry_run:
            on.show(plan)
            continue
        line = exchange_orders.line(await client.sign_order(offer))
        on.show(plan, {"signed": line}, aside=True)
        if not on.as_json:
            print(line)


def _share(text: str) -> int:
    found = units(text, PERCENT_DECIMALS, "percent")
    if found > 100 * 10**PERCENT_DECIMALS:
        raise BadInput(f"{text} percent is more than all of it", "write at most 50")
    return found


def _for(text: str | None, target: int) -> str:
    if text is None:
        return f"0x{target >> 96:040x}"
    return ANYONE if text == "anyone" else checked_address(text.partition(":")[0])


def _leg(on: Session, text: str) -> Leg:
    """Return what to close; a size of 0 is the whole leg."""
    named, colon, _ = text.partition(":")
    if not colon:
        name, _, price = named.partition("@")
        return Leg(on.client.instrument(name), 0, on.client.ticks(price) if price else 0)
    leg = on.client.leg(text)
    if leg.size < 0:
        raise BadInput(f"{text} has a size below 0", "write how much of the leg to close")
    return leg


@command(app)
async def bring(on: Session, account: Target, files: Files, size: Size = None) -> None:
    """Close legs of an account under maintenance against makers' signed orders, as they stand."""
    given = [read_order(each) for each in files]
    target, lots = on.account(account), None
    if size is not None:
        (first, *_) = given[0].order.legs
        symbols = on.client.desk.deployment.symbols
        lots = on.client.lots(exchange_orders.told(first, symbols).partition(":")[0], size)
    await on.carry_out(await on.client.close_against(target, *given, size=lots))
