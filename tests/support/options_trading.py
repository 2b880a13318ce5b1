"""Random fills of options between three accounts, and the comparison with their reference."""

from __future__ import annotations

from random import Random

from tests.reference import options
from tests.reference.facts import Account
from tests.reference.instruments import CALL, PUT, parts
from tests.reference.refused import Refused
from tests.reference.state import World
from tests.reference.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from tests.reference.words import instrument_of
from tests.support.options_house import (
    BTC,
    ETH,
    EXPIRY,
    FIRST,
    SECOND,
    THIRD,
    OptionsHouse,
    future,
    option,
)

ACCOUNTS = (FIRST, SECOND, THIRD)


def instrument(house: OptionsHouse, rng: Random) -> int:
    """Return a perp, a future or an option with a surface."""
    key = rng.choice([ETH, ETH, BTC])
    hours = rng.choice(sorted(h for k, h in house.engine.surfaces if k == key))
    price = house.model.markets[key].price // TICKS_PER_USD
    kind = rng.choice(["perp", "future", CALL, CALL, PUT, PUT])
    if kind == "perp":
        return instrument_of(key)
    if kind == "future":
        return future(key, hours)
    return option(key, int(kind), hours, price * rng.choice([50, 90, 100, 110, 1_100]) // 100)


def leg(house: OptionsHouse, rng: Random, id_: int) -> options.FillLeg:
    """Return a leg of some size, not far from the market where it is linear."""
    price = house.model.markets[id_ >> 56].price
    linear = id_ >> 54 & 3 < 2
    share = rng.randint(99, 101) if linear else rng.choice([1, 5, 10])
    size = rng.choice([-1, 1]) * rng.choice([1, LOTS_PER_UNIT // 10, 3 * LOTS_PER_UNIT])
    return options.FillLeg(id_, size, price * share // 100)


def fill(house: OptionsHouse, rng: Random) -> options.Fill:
    """Return a fill of up to four legs; one in twenty is malformed."""
    taker, maker = rng.choices(ACCOUNTS, k=2) if rng.random() < 0.05 else rng.sample(ACCOUNTS, 2)
    held = [each.instrument for each in house.engine.books.get(taker, ())]
    some = held if held and rng.random() < 0.4 else [instrument(house, rng) for _ in range(4)]
    ids = rng.choices(some, k=rng.choice([1, 1, 2, 4]))
    ids = sorted(set(ids)) if rng.random() < 0.95 else ids
    legs = tuple(leg(house, rng, id_) for id_ in ids)
    fees = rng.choice([0, WAD // 100, 10_000 * WAD]), rng.choice([0, WAD // 10])
    return options.Fill(taker, maker, legs, *fees)


def attempted(house: OptionsHouse, act: object) -> tuple[World, str | None]:
    """Return the reference's world after an act, or the reason why not."""
    after = house.model.copy()
    try:
        act(after)  # type: ignore[operator]
    except Refused as refused:
        return house.model, refused.reason
    return after, None


def compare(house: OptionsHouse) -> None:
    """Accounts, legs, contracts and healths are the reference's."""
    world, engine = house.model, house.engine
    for account in {*ACCOUNTS, house.setup.fee_account, EXPIRY, *engine.books}:
        assert house.account(account) == world.accounts.get(account, Account())
        assert house.legs(account) == engine.books.get(account, ())
        mode = account == EXPIRY or engine.modes.get(account, False)
        legs = len(engine.books.get(account, ()))
        assert tuple(house.options.view("mode", account)) == (legs, mode)
        health = world.health(account)
        assert tuple(house.clearinghouse.view("health", account)) == health.answer()
    for key in (ETH, BTC):
        assert house.options.view("market_terms", key)[1] == engine.interest.get(key, 0)
    sizes: dict[int, int] = {}
    for legs_of in engine.books.values():
        for held in legs_of:
            if parts(held.instrument).expiry > world.now:
                sizes[held.instrument] = sizes.get(held.instrument, 0) + held.size
    assert not any(sizes.values())
    assert sum(account.quote for account in world.accounts.values()) == world.pot
