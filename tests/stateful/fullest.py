"""The fullest account there can be: sixteen legs and eight collaterals, on the wide deployment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.reference.state import SETTLEMENT, World
from tests.reference.units import COMMIT_DELAY, MAX_COLLATERALS, TICK_WAD, WAD
from tests.reference.words import instrument_of
from tests.stateful.house import KEEPERS, TRADERS
from tests.stateful.ops import Op

OWNER = TRADERS[0]
PLACE = 20


def account(owner: int = OWNER, place: int = PLACE) -> int:
    """Return an account that is filled up."""
    return owner << 96 | place


def fill(actors: Any, owner: int = OWNER, dollars: int = 2_500, place: int = PLACE) -> Iterator[Op]:
    """Yield what fills an account: cash, every collateral but one, a leg in every market."""
    key = account(owner, place)
    collaterals = list(actors.world.collaterals)[:MAX_COLLATERALS]
    yield Op("deposit", owner, (key, SETTLEMENT, actors.atoms(SETTLEMENT, 40_000)))
    for token in collaterals:
        yield Op("deposit", owner, (key, token, actors.atoms(token, 3_000)))
    # one too many
    for token in list(actors.world.collaterals)[MAX_COLLATERALS:]:
        yield Op("deposit", owner, (key, token, actors.atoms(token, 3_000)))
    yield from _legs(actors, owner, key, dollars)


def _legs(actors: Any, owner: int, key: int, dollars: int) -> Iterator[Op]:
    world: World = actors.world
    orders = []
    for number, market in enumerate(world.pool_params):
        price = world.markets[market].price
        side = 1 if number % 2 else -1
        order = actors.order(key, market, side * dollars * WAD // price, False)
        orders.append(replace(order, limit_price=price * (10 + side) // 10 * TICK_WAD))
    yield Op("op_commit", owner, (tuple(orders),))
    seconds = COMMIT_DELAY + 2
    for order in orders:
        reports = actors.reports(actors.world.now + seconds) if seconds else ()
        yield Op("execute", KEEPERS[0], (order,), reports, seconds, 1)
        seconds = 0


def is_full(world: World, key: int) -> bool:
    """Return whether an account has all that one may have."""
    found = world.account(key)
    return len(found.collateral) == MAX_COLLATERALS and all(
        found.size(instrument_of(market)) for market in world.pool_params
    )
