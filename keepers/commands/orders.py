"""`plimsoll order` and `rfq`: signed orders, made, looked at, handed over, filled, cancelled."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from keepers.chain.exchange_plans import Wish
from keepers.commands.session import AccountOption, Deadline, Session, command
from keepers.domain import exchange_orders, instruments
from keepers.domain.amounts import WAD_DECIMALS, units, written_lots
from keepers.domain.exchange_orders import ANYONE, SignedOrder
from keepers.domain.grants import checked_address
from keepers.errors import BadInput

app = typer.Typer(help="Signed orders: options, futures and perps between accounts.")
rfq_app = typer.Typer(help="Quotes for one taker: asked for, signed, filled.")

STDIN: Final = "-"
FEE_DECIMALS: Final = 4  # a percent in 1e-6

Legs = Annotated[
    list[str],
    typer.Argument(
        metavar="LEG",
        help="NAME:SIZE@PRICE, SIZE below 0 sells: ETH-27MAR26-3000-C:-10@120.5.",
    ),
]
File = Annotated[
    str, typer.Argument(metavar="FILE", help="With the signed line, or that line; - is stdin.")
]
Size = Annotated[
    str | None,
    typer.Option("--size", help="Of its first leg.", show_default="all that is left"),
]


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order says beside its legs, as options of a command."""

    net: Annotated[
        str | None,
        typer.Option("--net", help="USD that all legs may cost together; below 0: that you get."),
    ] = None
    reduce_only: Annotated[
        bool, typer.Option("--reduce-only", help="Refuse whatever would open.")
    ] = False
    nonce: Annotated[
        int | None,
        typer.Option("--nonce", min=0, help="Orders of one are alternatives.", show_default="new"),
    ] = None
    fee_cap_percent: Annotated[
        str | None,
        typer.Option("--fee-cap-percent", help="Most fee to pay.", show_default="as it is now"),
    ] = None

    def wish(self, counterparty: str, takes: bool, deadline: int | None) -> Wish:
        """Return what goes into the order."""
        cap = self.fee_cap_percent
        return Wish(
            net=None if self.net is None else _dollars(self.net),
            counterparty=counterparty,
            takes=takes,
            reduce_only=self.reduce_only,
            deadline=deadline,
            nonce=self.nonce,
            fee_cap=None if cap is None else units(cap, FEE_DECIMALS, "percent"),
        )


def _dollars(text: str) -> int:
    """Return USD [WAD], `-` before what one gets."""
    found = units(text.removeprefix("-"), WAD_DECIMALS, "USD")
    return -found if text.startswith("-") else found


# ---- signing


@command(app)
async def sign(
    on: Session,
    legs: Legs,
    terms: Terms,
    takes: Annotated[
        bool, typer.Option("--taker", help="For whoever brings it with a resting order.")
    ] = False,
    deadline: Deadline = None,
    account: AccountOption = "0",
) -> None:
    """Sign an order, one leg or a package, and print it as one line; nothing is sent."""
    await _sign(on, legs, terms.wish(ANYONE, takes, await on.deadline(deadline)), account)


@command(rfq_app)
async def quote(
    on: Session,
    legs: Legs,
    terms: Terms,
    to: Annotated[str, typer.Option("--to", help="Address, or account, whose owner may fill it.")],
    deadline: Deadline = None,
    account: AccountOption = "0",
) -> None:
    """Sign a quote that one taker alone may fill, and print it as one line; nothing is sent."""
    taker = checked_address(to.partition(":")[0])
    await _sign(on, legs, terms.wish(taker, False, await on.deadline(deadline)), account)


async def _sign(on: Session, legs: list[str], wish: Wish, account: str) -> None:
    client = on.client
    wanted = [client.leg(each) for each in legs]
    offer = await client.draw(wanted, on.account(account), wish)
    plan = await client.outlook(offer)
    if on.dry_run:
        on.show(plan)
        return
    line = exchange_orders.line(await client.sign_order(offer))
    on.show(plan, {"signed": line}, aside=True)
    if not on.as_json:
        print(line)


# ---- looking


@command(app, looks=True)
async def show(on: Session, file: File) -> None:
    """Show what a signed order says, whether it may still be filled, and what it would do."""
    given = read_order(file)
    found, plan = await on.client.standing(given), await on.client.outlook(given.order)
    left = written_lots(found.remaining)
    facts = {**plan.facts, "state": found.state, "left": left, "order": f"0x{found.id.hex()}"}
    told = replace(plan, facts=facts, notes=(found.said, *plan.notes))
    on.show(told, {"order": {**facts, "said": found.said}})


# ---- filling and cancelling


@command(app)
async def fill(
    on: Session,
    file: File,
    size: Size = None,
    with_: Annotated[
        str | None,
        typer.Option("--with", help="A taker's signed order that goes against it, as FILE."),
    ] = None,
    account: AccountOption = "0",
) -> None:
    """Fill a signed order with an own account, or bring two signed orders together."""
    await _fill(on, read_order(file), size, account, None if with_ is None else read_order(with_))


@command(rfq_app, "fill")
async def fill_quote(
    on: Session, file: File, size: Size = None, account: AccountOption = "0"
) -> None:
    """Take a quote that was made for you."""
    given = read_order(file)
    if given.order.counterparty == ANYONE:
        raise BadInput("that order is for anyone, no quote", "fill it by `plimsoll order fill`")
    await _fill(on, given, size, account, None)


async def _fill(
    on: Session, maker: SignedOrder, size: str | None, account: str, taker: SignedOrder | None
) -> None:
    name = instruments.name(maker.order.legs[0].instrument, on.client.desk.deployment.symbols)
    lots = None if size is None else on.client.lots(name, size)
    await on.carry_out(await on.client.fill(maker, on.account(account), lots, taker))


@command(app)
async def cancel(
    on: Session,
    what: Annotated[
        list[str], typer.Argument(metavar="ORDER", help="Nonces, or files as of `fill`.")
    ],
) -> None:
    """Make own signed orders worthless, whoever has them."""
    given = [int(each) if each.isascii() and each.isdigit() else read_order(each) for each in what]
    await on.carry_out(await on.client.cancel_signed(*given))


def read_order(file: str) -> SignedOrder:
    """Return the signed order in a file, on stdin, or written out."""
    if file == STDIN:
        return exchange_orders.read(sys.stdin.read())
    if file.lstrip().startswith("{"):
        return exchange_orders.read(file)
    path = Path(file)
    if not path.is_file():
        raise BadInput(f"there is no file {file}", "write the signed line into it")
    return exchange_orders.read(path.read_text(encoding="utf-8"))
