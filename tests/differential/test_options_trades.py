"""Options against its reference: random fills, modes and prices on a whole core."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import options
from tests.reference.facts import Account
from tests.reference.instruments import CALL, PUT, parts
from tests.reference.refused import Refused
from tests.reference.state import World
from tests.reference.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from tests.reference.words import instrument_of
from tests.stateful.evm import Reverted
from tests.support.options_house import (
    BTC,
    ETH,
    EXPIRY,
    FIRST,
    SECOND,
    THIRD,
    VENUE,
    OptionsHouse,
    future,
    option,
)

ACCOUNTS = (FIRST, SECOND, THIRD)
STRANGER = 0xBAD
STEPS = 12
DAYS = (1, 7, 30)


@pytest.fixture(scope="module")
def house() -> Iterator[OptionsHouse]:
    made = OptionsHouse()
    for account, usd in zip(ACCOUNTS, (200_000, 50_000, 5_000), strict=True):
        made.deposit(account, usd)
    made.deposit_token(FIRST, 1, 10 * 10 ** made.decimals[1])
    for key in (ETH, BTC):
        for days in DAYS:
            made.report(key, days)
    yield made


def instrument(house: OptionsHouse, rng: Random) -> int:
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
    price = house.model.markets[id_ >> 56].price
    linear = id_ >> 54 & 3 < 2
    share = rng.randint(99, 101) if linear else rng.choice([1, 5, 10])
    size = rng.choice([-1, 1]) * rng.choice([1, LOTS_PER_UNIT // 10, 3 * LOTS_PER_UNIT])
    return options.FillLeg(id_, size, price * share // 100)


def fill(house: OptionsHouse, rng: Random) -> options.Fill:
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


def again(house: OptionsHouse, rng: Random) -> None:
    """Report what is alive again, and write prices of what is not."""
    for (key, hours), found in list(house.engine.surfaces.items()):
        if hours * 3_600 > house.evm.time:
            house.surface(replace(found, publish=house.evm.time))
        elif rng.random() < 0.7:
            house.settle(key, hours, rng.randint(2_000, 4_000) * (20 if key == BTC else 1))


def step(house: OptionsHouse, rng: Random) -> str | None:
    """Do one random act on both sides; return why it was refused."""
    kind = rng.random()
    if kind < 0.15:
        house.refresh(rng.choice([0, 10, 20, 100]), eth=rng.randint(2_000, 4_000))
        return None
    if kind < 0.2:
        house.evm.advance(rng.choice([5, 16, 130, 4_000, 90_000]))
        house.model.now = house.evm.time
        return None
    if kind < 0.25:
        again(house, rng)
        return None
    if kind < 0.3:
        account = rng.choice(ACCOUNTS)
        after, reason = attempted(house, lambda world: options.settle_expired(world, account))
        send = (STRANGER, "settle_expired", account)
    elif kind < 0.4:
        account, mode = rng.choice(ACCOUNTS), rng.random() < 0.6
        after, reason = attempted(house, lambda world: options.set_mode(world, account, mode))
        send = (account >> 96, "set_mode", account, mode)
    else:
        asked = fill(house, rng)
        after, reason = attempted(house, lambda world: options.trade(world, asked))
        legs = [(each.instrument, each.size, each.price) for each in asked.legs]
        told = (asked.taker, asked.maker, legs, asked.taker_fee, asked.maker_fee)
        send = (VENUE, "trade", told)
    if reason is None:
        house.options.send(*send)
    else:
        with pytest.raises(Reverted, match=reason):
            house.options.send(*send)
    house.model = after
    return reason


@given(seed=st.integers(0, 2**64))
def test_trade__whatever_is_agreed__equals_the_reference(house: OptionsHouse, seed: int) -> None:
    rng = Random(seed)
    kept, model = house.evm.snapshot(), house.model
    house.model = model.copy()
    try:
        for _ in range(STEPS):
            step(house, rng)
            compare(house)
    finally:
        house.evm.restore(kept)
        house.model = model
