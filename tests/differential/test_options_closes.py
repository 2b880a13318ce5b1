"""Closes without the owner against their reference: random books, sunk under MM or not quite."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import ledger, liquidation, options
from tests.reference.facts import Leg
from tests.reference.instruments import PERP, parts
from tests.reference.refused import Refused
from tests.reference.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from tests.stateful.evm import Reverted
from tests.support.options_house import VENUE, OptionsHouse
from tests.support.options_sinking import publish
from tests.support.options_trading import ACCOUNTS, attempted, compare, fill, instrument

STRANGER = 0xBAD
DAYS = (1, 7, 30)


@pytest.fixture(scope="module")
def house() -> OptionsHouse:
    return OptionsHouse.funded(200_000, 50_000, 5_000, days=DAYS)


def both(house: OptionsHouse, name: str, asked: options.Fill, *more: int) -> str | None:
    """Do the same on both sides; return why it was refused."""
    model = options.trade if name == "trade" else options.close
    after, reason = attempted(house, lambda world: model(world, asked, *more))  # type: ignore[operator]
    if reason is None:
        house.options.send(VENUE, name, astuple(asked), *more)
    else:
        with pytest.raises(Reverted, match=reason):
            house.options.send(VENUE, name, astuple(asked), *more)
    house.model = after
    return reason


def lean(house: OptionsHouse, account: int) -> None:
    """Withdraw what the account has above IM, less a dollar."""
    health = options.health_of(house.model, account)
    free = min(health.equity - health.im, house.model.account(account).cash) // WAD - 1
    if free <= 0:
        return
    atoms, owner = free * 10 ** house.decimals[0], account >> 96
    try:
        ledger.withdraw(twin := house.model.copy(), owner, account, 0, atoms, owner)
    except Refused:
        return
    token = house.tokens[0].address
    house.clearinghouse.send(owner, "withdraw", account, token, atoms, owner)
    house.model = twin


def held(house: OptionsHouse, account: int) -> list[Leg]:
    """Return the legs of an account, here and in the core."""
    return [*house.engine.books.get(account, ()), *house.model.account(account).legs]


def sick(house: OptionsHouse) -> list[int]:
    """Return the accounts under MM."""
    healths = {key: options.health_of(house.model, key) for key in ACCOUNTS}
    return [key for key, health in healths.items() if health.equity < health.mm]


def closing(house: OptionsHouse, rng: Random) -> tuple[options.Fill, int]:
    """Return a close, mostly of a leg of an account under MM and near its mark."""
    under = sick(house)
    account = rng.choice(under) if under and rng.random() < 0.95 else rng.choice(ACCOUNTS)
    legs = held(house, account)
    leg = rng.choice(legs) if legs else Leg(instrument(house, rng), LOTS_PER_UNIT)
    said, market = parts(leg.instrument), house.model.markets[leg.instrument >> 56]
    mark = market.price
    if said.kind != PERP:
        mark = house.engine.mark(house.model, house.engine, leg)
    side = -1 if leg.size > 0 else 1
    worse = rng.choice([0, 0, 1, market.price // 1_000, market.price // 100, -market.price // 200])
    share = rng.choice([1, 2, 4, 8, 16, 16, 64, abs(leg.size)])
    size = max(1, abs(leg.size) // share) * (side if rng.random() < 0.95 else -side)
    asked = options.FillLeg(leg.instrument, size, max(0, mark + side * worse))
    some = (asked,) if rng.random() < 0.97 else ()
    maker = rng.choice([key for key in ACCOUNTS if key != account])
    return options.Fill(account, maker, some, 0, rng.choice([0, 0, 0, WAD // 100])), rng.choice(
        [0, WAD // 10, WAD // 2, 3 * WAD // 2]
    )


def move(house: OptionsHouse, rng: Random) -> None:
    """Let the price of ETH go to where somebody is under MM, if that is anywhere."""
    for _ in range(30):
        publish(house, rng.randint(2_000, 4_000) * TICKS_PER_USD)
        if sick(house):
            return


@given(seed=st.integers(0, 2**64))
def test_close__whatever_is_asked__equals_the_reference(house: OptionsHouse, seed: int) -> None:
    rng = Random(seed)
    with house.kept():
        for _ in range(6):
            both(house, "trade", fill(house, rng))
        for account in ACCOUNTS:
            lean(house, account)
        for _ in range(2):
            move(house, rng)
            for account in sick(house):
                if rng.random() < 0.5 and not house.model.account(account).in_auction:
                    after, reason = attempted(
                        house, lambda world, key=account: liquidation.flag(world, key, ())
                    )
                    if reason is None:
                        house.liquidator.send(STRANGER, "flag", account)
                    house.model = after
            for _ in range(5):
                both(house, "close", *closing(house, rng))
            compare(house)


def test_closing__of_two_hundred__most_of_the_reasons_and_many_closes(house: OptionsHouse) -> None:
    """Holds the test above to what it is for."""
    rng, met = Random(7), Counter[str | None]()
    for _ in range(25):
        with house.kept():
            for _ in range(6):
                both(house, "trade", fill(house, rng))
            for account in ACCOUNTS:
                lean(house, account)
            move(house, rng)
            met.update(both(house, "close", *closing(house, rng)) for _ in range(8))
    assert met[None] >= 12, met
    wanted = ("not below mm", "not better", "cost", "overshoot", "one leg", "not reducing")
    assert {f"options: {reason}" for reason in wanted} <= set(met)
    assert sum(met.values()) == 200
