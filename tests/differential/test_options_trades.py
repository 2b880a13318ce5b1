"""Options against its reference: random fills, modes and prices on a whole core."""

from __future__ import annotations

from dataclasses import astuple, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import options
from tests.stateful.evm import Reverted
from tests.support.options_house import (
    BTC,
    FIRST,
    VENUE,
    OptionsHouse,
)
from tests.support.options_trading import ACCOUNTS, attempted, compare, fill

STRANGER = 0xBAD
STEPS = 12
DAYS = (1, 7, 30)


@pytest.fixture(scope="module")
def house() -> OptionsHouse:
    made = OptionsHouse.funded(200_000, 50_000, 5_000, days=DAYS)
    made.deposit_token(FIRST, 1, 10 * 10 ** made.decimals[1])
    return made


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
        send = (VENUE, "trade", astuple(asked))
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
    with house.kept():
        for _ in range(STEPS):
            step(house, rng)
            compare(house)
