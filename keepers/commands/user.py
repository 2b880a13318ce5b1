"""`plimsoll faucet`, `deposit`, `withdraw`, `transfer`, `settle`, `trade`, `close` and so on."""

from __future__ import annotations

import re
from typing import Annotated, Final

import typer

from keepers.commands.session import AccountOption, Deadline, Session, Wait, command
from keepers.domain.amounts import WAD_DECIMALS, units
from keepers.domain.units import WAD
from keepers.errors import BadInput

app = typer.Typer()

ALL: Final = "all"
ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
ORDER_ID: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
SIDES: Final = {"buy": 1, "sell": -1}

Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 12.5.")]
AmountOrAll = Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 12.5, or all.")]
TokenName = Annotated[str, typer.Argument(metavar="TOKEN", help="Symbol or address.")]
Instrument = Annotated[str, typer.Argument(metavar="INSTRUMENT", help="Such as ETH-PERP.")]
Slippage = Annotated[
    str | None,
    typer.Option(
        "--slippage-percent", help="How far the limit is from the price now.", show_default="0.5"
    ),
]


@command(app)
async def faucet(
    on: Session,
    token: TokenName,
    amount: Annotated[
        str | None,
        typer.Argument(metavar="AMOUNT", help="Such as 12.5.", show_default="all that is left"),
    ] = None,
) -> None:
    """Get test tokens into your wallet, as many as the token gives you a day."""
    atoms = None if amount is None else on.client.atoms(token, amount)
    await on.carry_out(await on.client.faucet(token, atoms))


@command(app)
async def deposit(
    on: Session,
    amount: Amount,
    token: TokenName,
    mint: Annotated[
        bool, typer.Option("--mint", help="Mint the amount first, where a test token lets you.")
    ] = False,
    permit: Annotated[
        bool, typer.Option("--permit", help="Sign the approval, where the token has ERC-2612.")
    ] = False,
    account: AccountOption = "0",
) -> None:
    """Deposit tokens out of your wallet; exactly the amount is approved."""
    atoms, of = on.client.atoms(token, amount), on.account(account)
    if permit:
        if mint:
            raise BadInput("--mint and --permit do not go together", "mint by a deposit before")
        await on.carry_out(await on.client.deposit_with_permit(atoms, token, of))
        return
    await on.carry_out(await on.client.deposit(atoms, token, of, minting=mint))


@command(app)
async def withdraw(
    on: Session,
    amount: AmountOrAll,
    token: TokenName,
    to: Annotated[
        str | None, typer.Option("--to", help="Address to pay.", show_default="your wallet")
    ] = None,
    account: AccountOption = "0",
) -> None:
    """Withdraw tokens, or all of them that may leave now."""
    if to is not None and not ADDRESS.fullmatch(to):
        raise BadInput(f"{to} is no address", "write 0x and 40 hexadecimal digits")
    atoms = None if amount == ALL else on.client.atoms(token, amount)
    await on.carry_out(await on.client.withdraw(atoms, token, on.account(account), to or ""))


@command(app)
async def transfer(
    on: Session,
    amount: Amount,
    token: TokenName,
    to: Annotated[str, typer.Option("--to", help="Number of your account, or 0xADDRESS:NUMBER.")],
    account: AccountOption = "0",
) -> None:
    """Move tokens to another account without taking them out."""
    atoms = on.client.atoms(token, amount)
    asked = (atoms, token, on.account(to), on.account(account))
    await on.carry_out(await on.client.transfer(*asked))


@command(app)
async def settle(
    on: Session,
    loser: Annotated[
        list[str] | None,
        typer.Option("--loser", help="Account that pays the gain; repeat.", show_default="pool"),
    ] = None,
    account: AccountOption = "0",
) -> None:
    """Turn profit or loss into cash; a gain is collected from the pool where it has to be."""
    losers = [on.account(each) for each in loser] if loser else None
    await on.carry_out(await on.client.settle(on.account(account), losers))


@command(app)
async def trade(
    on: Session,
    side: Annotated[str, typer.Argument(metavar="SIDE", help="buy or sell.")],
    size: Annotated[str, typer.Argument(metavar="SIZE", help="Such as 0.5.")],
    instrument: Instrument,
    limit: Annotated[
        str | None,
        typer.Option("--limit", help="Worst price.", show_default="by --slippage-percent"),
    ] = None,
    slippage_percent: Slippage = None,
    reduce_only: Annotated[
        bool, typer.Option("--reduce-only", help="Refuse whatever would open.")
    ] = False,
    deadline: Deadline = None,
    wait_s: Wait = None,
    account: AccountOption = "0",
) -> None:
    """Commit an order and wait until the first price after it fills it."""
    if side not in SIDES:
        raise BadInput(f"{side} is no side", "write buy or sell")
    lots = SIDES[side] * on.client.lots(instrument, size)
    ticks = None if limit is None else on.client.ticks(limit)
    chosen, of = on.client.instrument(instrument), on.account(account)
    until = await on.deadline(deadline)
    asked = (chosen, lots, of, ticks)
    plan = await on.client.trade(*asked, reduce_only=reduce_only, deadline=until)
    await on.carry_out(plan, wait_s)


@command(app)
async def close(
    on: Session,
    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT", help="ETH-PERP, or all.")],
    slippage_percent: Slippage = None,
    deadline: Deadline = None,
    wait_s: Wait = None,
    account: AccountOption = "0",
) -> None:
    """Close a position whole, or all of them, by reduce-only orders."""
    client, of, until = on.client, on.account(account), await on.deadline(deadline)
    if instrument == ALL:
        plan = await client.close_all(of, until)
    else:
        plan = await client.close_leg(client.instrument(instrument), of, until)
    await on.carry_out(plan, wait_s)


@command(app)
async def cancel(
    on: Session,
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Its id, 0x and 64 digits.")],
) -> None:
    """Take an order back: cancelled while it may be, refunded when nothing can fill it."""
    found = ORDER_ID.fullmatch(order)
    if not found:
        raise BadInput(f"{order} is no order", "write 0x and 64 hexadecimal digits")
    await on.carry_out(await on.client.take_back(bytes.fromhex(found[1])))


@command(app)
async def take(
    on: Session,
    target: Annotated[str, typer.Argument(metavar="ID", help="0xADDRESS:NUMBER under MM.")],
    percent: Annotated[
        str | None,
        typer.Option("--percent", help="Part to take.", show_default="what is due"),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option("--limit", help="Most that you pay, USD.", show_default="what it costs now"),
    ] = None,
    deadline: Deadline = None,
    account: AccountOption = "0",
) -> None:
    """Take over a part of an account under maintenance, at its worth less the reward."""
    fraction = None if percent is None else units(percent, 16, "percent")
    if fraction is not None and not 0 < fraction <= WAD:
        raise BadInput(f"{percent} percent is no part", "write more than 0, at most 100")
    most = None if limit is None else units(limit, WAD_DECIMALS, "USD")
    asked = (on.account(target), on.account(account), fraction, most)
    plan = await on.client.take(*asked, await on.deadline(deadline))
    await on.carry_out(plan)
