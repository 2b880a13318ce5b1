"""R6 stage 2: a part of an account changes hands."""

from __future__ import annotations

from fractions import Fraction

import boa
import pytest

from tests.support.world import LOTS, WAD, World
from tests.unit import liquidator_support as desk

BUILDERS = [desk.weak_account, desk.mixed_account, desk.debtor]


# ---- how much ----------------------------------------------------------------------------------


@pytest.mark.parametrize("build", BUILDERS)
def test_take__part_at_the_start__reaches_le_and_moves_no_wealth(
    world: World, build: desk.Builder
) -> None:
    # r(0) = 0: the buyer pays what the slice is worth, C4
    account = build(world)
    buyer = desk.buyer_account(world)
    before, buyer_before = world.health(account), desk.wealth(world, buyer)
    plan = world.liquidator.plan_take(account)
    assert plan.status == desk.OK
    assert 0 < plan.fraction < WAD

    event = desk.take(world, account, buyer, plan.fraction, max_payment=plan.payment)

    after = world.health(account)
    over = plan.fraction * desk.reward(before.mm, desk.AHEAD) // WAD
    assert after.le <= after.equity <= after.le + over + desk.TOLERANCE * before.le // WAD
    worth = before.equity * plan.fraction // WAD
    assert event.payment == plan.payment == -(-before.equity * plan.fraction // WAD)
    assert after.equity == before.equity - worth + event.payment
    # each amount moved is valued down: a wei a collateral at most
    gain = desk.wealth(world, buyer) - buyer_before - (worth - event.payment)
    assert -8 <= gain <= 8
    assert after.equity * before.mm >= before.equity * after.mm
    assert not desk.in_auction(world, account)
    assert (event.insurance, event.deficit, event.reward) == (0, 0, 0)
    world.assert_books_balance()


@pytest.mark.parametrize("build", BUILDERS)
def test_plan_take__part__is_the_least_that_holds_for_the_seconds_ahead(
    world: World, build: desk.Builder
) -> None:
    account = build(world)
    health = world.health(account)
    later = desk.reward(health.mm, desk.AHEAD)

    fraction = world.liquidator.plan_take(account).fraction

    assert fraction == desk.least_part(world, account, later, aim=health.le // 1_000)


@pytest.mark.parametrize("build", BUILDERS)
def test_take__least_part_of_this_second__is_enough_and_a_millionth_less_is_not(
    world: World, build: desk.Builder
) -> None:
    # C3 from below
    account = build(world)
    buyer = desk.buyer_account(world)
    least = desk.least_part(world, account, 0)

    with boa.reverts("liquidator: too small"):
        desk.take(world, account, buyer, least - desk.GRID)
    desk.take(world, account, buyer, least)

    assert world.health(account).equity >= world.health(account).le


@pytest.mark.parametrize("build", BUILDERS)
def test_take__most_that_any_second_ahead_explains__passes_and_a_millionth_more_does_not(
    world: World, build: desk.Builder
) -> None:
    # C3 from above: what is over the tolerance with the reward AHEAD seconds on is too much
    account = build(world)
    buyer = desk.buyer_account(world)
    before = world.health(account)
    later = desk.reward(before.mm, desk.AHEAD)
    beyond = desk.least_part(world, account, later, aim=desk.TOLERANCE * before.le // WAD + 2)

    with boa.reverts("liquidator: overshoot"):
        desk.take(world, account, buyer, beyond)
    desk.take(world, account, buyer, beyond - desk.GRID)


def test_take__all_where_a_part_does__reverts(world: World) -> None:
    account = desk.weak_account(world)

    with boa.reverts("liquidator: overshoot"):
        desk.take(world, account, desk.buyer_account(world), WAD)


# ---- what moves --------------------------------------------------------------------------------


def test_take__part__moves_every_leg_and_amount_toward_zero(world: World) -> None:
    account = desk.mixed_account(world)
    buyer = desk.buyer_account(world)
    fraction = world.liquidator.plan_take(account).fraction
    words = desk.words_of(world, account)

    desk.take(world, account, buyer, fraction)

    for instrument, size in words.legs:
        moved = abs(size) * fraction // WAD * (1 if size > 0 else -1)
        assert world.legs(buyer)[instrument] == moved
        assert world.legs(account)[instrument] == size - moved
    for token, atoms in words.amounts:
        assert world.amounts(buyer)[token] == atoms * fraction // WAD
        assert world.amounts(account)[token] == atoms - atoms * fraction // WAD


@pytest.mark.parametrize("build", BUILDERS)
def test_take__part_after_live_time__pays_the_reward(world: World, build: desk.Builder) -> None:
    account = build(world)
    desk.start_auction(world, account, 120)
    buyer = desk.buyer_account(world)
    before, buyer_before = world.health(account), desk.wealth(world, buyer)
    plan = world.liquidator.plan_take(account)
    # 120 s of the way to 50 % at 300 s
    assert plan.reward == before.mm // 5
    assert plan.fraction < WAD

    event = desk.take(world, account, buyer, plan.fraction)

    paid = -(-plan.fraction * (before.equity - plan.reward) // WAD)
    worth = before.equity * plan.fraction // WAD
    assert event.payment == plan.payment == paid
    assert -8 <= desk.wealth(world, buyer) - buyer_before - (worth - paid) <= 8
    assert event.live_time == 120
    assert world.liquidator.clock(account) == (120, world.now)
    after = world.health(account)
    assert after.equity * before.mm >= before.equity * after.mm
    world.assert_books_balance()


def test_take__buyer_empty_but_for_margin__receives_the_legs(world: World) -> None:
    account = desk.weak_account(world)
    buyer = desk.buyer_account(world, 20_000)
    assert not world.legs(buyer)
    fraction = world.liquidator.plan_take(account).fraction

    desk.take(world, account, buyer, fraction)

    health = world.health(buyer)
    assert health.equity >= health.im
    assert list(world.legs(buyer)) == list(world.legs(account))


# ---- refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0, WAD + 1])
def test_take__no_fraction__reverts(world: World, fraction: int) -> None:
    account = desk.weak_account(world)

    with boa.reverts("liquidator: fraction"):
        desk.take(world, account, desk.buyer_account(world), fraction)


def test_take__not_below_mm__reverts(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(11, 10))
    assert world.liquidator.plan_take(account).status == desk.NOT_BELOW_MM

    with boa.reverts("liquidator: not below mm"):
        desk.take(world, account, desk.buyer_account(world), WAD // 2)


def test_take__jump_pending__reverts(world: World) -> None:
    account = desk.weak_account(world)
    world.next_price(10, ETH=world.prices["ETH"] * 9 // 10)
    assert world.liquidator.plan_take(account).status == desk.CLOSED

    with boa.reverts("liquidator: closed"):
        desk.take(world, account, desk.buyer_account(world), WAD // 2)


def test_take__into_an_account_of_another__reverts(world: World) -> None:
    account = desk.weak_account(world)

    with boa.reverts("liquidator: buyer"):
        desk.take(world, account, world.account("depositor"), WAD // 2)


def test_take__by_the_owner__reverts(world: World) -> None:
    # C5: not into another account of the same owner
    account = desk.weak_account(world)
    twin = world.open_account("trader", 1, USDC=100_000 * desk.USDC)

    with boa.reverts("liquidator: buyer"):
        desk.take(world, account, twin, WAD // 2, sender="trader")


def test_take__buyer_below_im__reverts(world: World) -> None:
    account = desk.weak_account(world, 100 * LOTS)
    poor = desk.buyer_account(world, 100)
    fraction = world.liquidator.plan_take(account).fraction

    with boa.reverts("ledger: margin"):
        desk.take(world, account, poor, fraction)


def test_take__after_the_deadline__reverts(world: World) -> None:
    account = desk.weak_account(world)
    buyer = desk.buyer_account(world)

    with boa.reverts("liquidator: expired"):
        desk.take(world, account, buyer, WAD // 2, deadline=world.now - 1)


def test_take__dearer_than_allowed__reverts(world: World) -> None:
    account = desk.weak_account(world)
    buyer = desk.buyer_account(world)
    plan = world.liquidator.plan_take(account)

    with boa.reverts("liquidator: payment too high"):
        desk.take(world, account, buyer, plan.fraction, max_payment=plan.payment - 1)


def test_take__price_moves_back_above_mm__reverts_and_clears_by_flag(world: World) -> None:
    account = desk.weak_account(world)
    desk.start_auction(world, account, 100)
    desk.sink(world, account, "ETH", Fraction(2))

    with boa.reverts("liquidator: not below mm"):
        desk.take(world, account, desk.buyer_account(world), WAD)
    world.liquidator.flag(account, sender=world.role("keeper"))

    assert not desk.in_auction(world, account)
