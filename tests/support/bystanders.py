"""Users who have nothing to do with an attack, and what they have after it.

Two traders hold as much of one perp on either side, so that together no price and no funding
moves them; a saver holds tokens and no leg; depositors hold shares of the pool.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.attack import attempt, equity, wealth
from tests.support.world import LOTS, WAD, World

# a leg of a few thousand USD, far from its margin at any price of an attack
SIZES = {"ETH": 2 * LOTS, "LINK": 400 * LOTS}
DEPOSITS = 50_000


@dataclass(frozen=True)
class Bystanders:
    """Who they are, and what each kind had."""

    traders: tuple[int, int]
    saver: int
    legs: list[dict[int, int]]
    words: Any
    together: int
    shares: int


@contextmanager
def no_loss(world: World, *symbols: str) -> Iterator[None]:
    """Hold what users had before an attack against what they have, and can take out, after it.

    Without a symbol the traders hold no leg, since a pool of a thousand dollars takes none.
    """
    them = _arrived(world, symbols)
    yield
    assert _together(world, them.traders) >= them.together, "a trader has lost"
    assert [world.legs(account) for account in them.traders] == them.legs
    assert _words(world, them.saver) == them.words, "a saver has lost"
    assert wealth(world, "depositor") >= them.shares, "a depositor has lost"
    _leave(world, them)


def _arrived(world: World, symbols: tuple[str, ...]) -> Bystanders:
    settlement = world.parameters.settlement
    atoms = DEPOSITS * 10**settlement.decimals
    long, short = (
        world.open_account(role, **{settlement.symbol: atoms})
        for role in ("bystander", "other bystander")
    )
    saver = world.open_account("saver", **{settlement.symbol: atoms, "WETH": 3 * WAD})
    for symbol in symbols:
        world.open_position(long, symbol, SIZES[symbol])
        world.open_position(short, symbol, -SIZES[symbol])
    return Bystanders(
        traders=(long, short),
        saver=saver,
        legs=[world.legs(account) for account in (long, short)],
        words=_words(world, saver),
        together=_together(world, (long, short)),
        shares=wealth(world, "depositor"),
    )


def _together(world: World, accounts: tuple[int, ...]) -> int:
    return sum(equity(world, account) for account in accounts)


def _words(world: World, account: int) -> Any:
    return world.cash(account), world.quote(account), world.amounts(account)


def _leave(world: World, them: Bystanders) -> None:
    """Let the saver take everything out."""
    settlement = world.parameters.settlement
    atoms = DEPOSITS * 10**settlement.decimals
    for symbol, amount in ((settlement.symbol, atoms), ("WETH", 3 * WAD)):
        assert attempt(world.withdraw, them.saver, symbol, amount) is None, f"{symbol} is kept"
