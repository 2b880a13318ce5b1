"""Takes of accounts with options: plan and call equal the reference, whatever is held."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import insurance, liquidation, options
from tests.reference.units import WAD
from tests.stateful.evm import Reverted
from tests.stateful.house import BUYERS, OWNER, TRADERS
from tests.support.options_house import FIRST, SECOND, THIRD, OptionsHouse
from tests.support.options_trading import attempted, compare, fill

BUYER = BUYERS[0]
ANY = 2**255
TRIES = 6


@pytest.fixture(scope="module")
def house() -> OptionsHouse:
    made = OptionsHouse.funded(30_000, 30_000, 30_000, days=(7, 30))
    made.deposit_token(FIRST, 1, 10 ** made.decimals[1])
    made.deposit(BUYER << 96, 4_000_000)
    unit = 10 ** made.decimals[0]
    made.fund.send(OWNER, "fund", 20_000 * unit)
    insurance.fund(made.model, OWNER, 20_000 * unit)
    return made


def build(house: OptionsHouse, rng: Random) -> None:
    """Give accounts books, some of them under portfolio margin."""
    for trader in TRADERS[:3]:
        if rng.random() < 0.5:
            house.options.send(trader, "set_mode", trader << 96, True)
            options.set_mode(house.model, trader << 96, True)
    for _ in range(12):
        asked = fill(house, rng)
        big = tuple(
            options.FillLeg(leg.instrument, leg.size * rng.choice([1, 5, 20]), leg.price)
            for leg in asked.legs
        )
        asked = options.Fill(asked.taker, asked.maker, big)
        after, reason = attempted(house, lambda world, said=asked: options.trade(world, said))
        if reason is None:
            house.trade(asked)
            house.model = after


def same(house: OptionsHouse, name: str, args: tuple[object, ...], act: object) -> None:
    """Do one call of the Liquidator on both sides."""
    after, reason = attempted(house, act)
    if reason is None:
        house.liquidator.send(BUYER, name, *args)
    else:
        with pytest.raises(Reverted, match=reason):
            house.liquidator.send(BUYER, name, *args)
    house.model = after


def liquidate(house: OptionsHouse, rng: Random, account: int) -> bool:
    """Flag an account, wait, and take what the plan says; return whether anything was taken."""
    same(house, "flag", (account,), lambda world: liquidation.flag(world, account, ()))
    house.refresh(rng.choice([1, 60, 300, 300]))
    same(house, "flag", (account,), lambda world: liquidation.flag(world, account, ()))
    plan = liquidation.plan_take(house.model, account)
    assert house.liquidator.view("plan_take", account) == tuple(plan)
    if plan.status:
        return False
    fraction = plan.fraction if rng.random() < 0.8 else rng.choice([WAD, WAD // 3, WAD // 50])
    args = (account, BUYER << 96, fraction, ANY, 0, house.evm.time)
    same(
        house,
        "take",
        args,
        lambda world: liquidation.take(world, BUYER, *args, ()),
    )
    return True


@given(seed=st.integers(0, 2**64))
def test_take__accounts_of_the_engine__equals_the_reference(house: OptionsHouse, seed: int) -> None:
    rng = Random(seed)
    with house.kept():
        build(house, rng)
        for _ in range(TRIES):
            house.refresh(10, eth=rng.choice([1_500, 2_400, 2_700, 3_300, 3_700, 6_000]))
            for account in (FIRST, SECOND, THIRD):
                liquidate(house, rng, account)
                compare(house)
