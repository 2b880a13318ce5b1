"""What a take of a fraction moves, and what it leaves: docs/spec/liquidation.md#take."""

from __future__ import annotations

from dataclasses import replace

from keepers.domain.effects import engaged, paid, with_collateral, with_leg, with_option
from keepers.domain.margin import Health, Snapshot, health
from keepers.domain.units import WAD, trunc_div
from keepers.domain.words import IN_AUCTION, Account, Holding, Leg


def portion(account: Account, fraction: int) -> Account:
    """Return that share of legs, options and collateral, without any money."""
    legs, options = (
        tuple(Leg(leg.instrument, trunc_div(leg.size * fraction, WAD)) for leg in held)
        for held in (account.legs, account.options)
    )
    holdings = tuple(
        Holding(holding.collateral, holding.amount * fraction // WAD)
        for holding in account.holdings
    )
    return replace(account, cash=0, quote=0, legs=legs, holdings=holdings, options=options)


def without(account: Account, part: Account) -> Account:
    """Return the account less the legs, options and collateral of a part; its money stays."""
    for leg in part.legs:
        account = with_leg(account, leg.instrument, -leg.size)
    for leg in part.options:
        account = with_option(account, leg.instrument, -leg.size)
    for held in part.holdings:
        account = with_collateral(account, held.collateral, -held.amount)
    return account


def slice_leaving(account: Account, exact: Health, rest: Health, fraction: int) -> Account:
    """Return what moves for a part of everything, as an account of its own.

    The account parts with exactly that share of E and U, each rounded down.

    Args:
        account: that is taken.
        exact: its health.
        rest: health of what stays, with the cash and quote of the whole.
        fraction: WAD, below 1.
    """
    unsettled, equity = exact.unsettled * fraction // WAD, exact.equity * fraction // WAD
    profit, worth = exact.unsettled - rest.unsettled, exact.equity - rest.equity
    cash = equity - unsettled - (worth - profit)
    return replace(portion(account, fraction), cash=cash, quote=unsettled - profit)


def slice_of(account: Account, exact: Health, at: Snapshot, fraction: int) -> Account:
    """Return what moves for a fraction of everything, as an account of its own.

    Of an account with options `option_books.share` tells: what the rest is worth, the chain knows.
    """
    if fraction >= WAD:
        return account
    assert not account.options, "options have no worth here"
    rest = health(without(account, portion(account, fraction)), at)
    return slice_leaving(account, exact, rest, fraction)


def left_over(
    account: Account, at: Snapshot, fraction: int, payment: int, moved: Account | None = None
) -> Account:
    """Return what a take of a fraction leaves of an account, the buyer's payment booked.

    Args:
        account: that is taken.
        at: prices.
        fraction: WAD.
        payment: of the buyer [WAD].
        moved: what the take moves, where it is more than perps.
    """
    part = moved or slice_of(account, health(account, at), at, fraction)
    rest = without(paid(account, payment - part.cash, -part.quote), part)
    if fraction >= WAD:
        rest = engaged(rest, (), portfolio=False)
    return replace(rest, flags=rest.flags & ~IN_AUCTION)
