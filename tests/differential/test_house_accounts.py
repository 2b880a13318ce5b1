"""A pool under its maintenance margin: no stage of liquidation touches it (rules R6, R7)."""

from __future__ import annotations

import pytest

from tests.differential.mutants.books import BUYER, KEEPER, TRADED, Books, refusal
from tests.reference.facts import Account, Leg
from tests.reference.state import World
from tests.reference.units import ACTIVE, HOUSE, LISTED, WAD
from tests.reference.words import instrument_of
from tests.stateful.compiled import compiled
from tests.stateful.evm import Reverted
from tests.stateful.house import BUYERS, KEEPERS
from tests.stateful.ops import Op, send

SOON = 2**40


@pytest.fixture(scope="module")
def books() -> Books:
    return Books(compiled, 0)


@pytest.fixture(scope="module")
def sunk(books: Books) -> World:
    """A world whose pool is long and owes more than its leg is worth."""
    world = books.base.copy()
    world.now, world.block = books.house.evm.time, books.house.evm.block
    books.fresh(world)
    venue = world.setup.pool_account
    lots = 10**6 * WAD // world.markets[TRADED[0]].price
    legs = (Leg(instrument_of(TRADED[0]), lots),)
    world.accounts[venue] = Account(quote=-(10**6) * WAD, flags=HOUSE | LISTED, legs=legs)
    world.accounts[BUYER] = Account(cash=10**26, flags=LISTED)
    for key in (venue, BUYER):
        books.write_account(key, world.accounts[key])
    assert world.markets[TRADED[0]].flags == ACTIVE
    assert world.health(venue).equity < world.health(venue).mm
    return world


@pytest.mark.parametrize("name", ["flag", "take", "reduce"])
def test_liquidation__pool_under_mm__is_refused(books: Books, sunk: World, name: str) -> None:
    venue = sunk.setup.pool_account
    op = {
        "flag": Op("flag", KEEPERS[0], (venue,)),
        "take": Op("take", BUYERS[0], (venue, BUYER, WAD, 10**30, 0, SOON)),
        "reduce": Op("reduce", KEEPERS[0], (venue, instrument_of(TRADED[0]), 1, 0, KEEPER, SOON)),
    }[name]
    assert refusal(sunk, op) == "liquidator: house"
    with pytest.raises(Reverted, match="liquidator: house"):
        send(books.house, op)
    assert not sunk.account(venue).in_auction
