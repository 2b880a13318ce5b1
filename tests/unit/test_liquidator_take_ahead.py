"""R6 stage 2, live: a plan holds for the seconds until it is in a block.

The reward of these accounts rises by 1/600 of MM a second: what reaches LE in one block does not in
the next, so the size of a part is that for the reward AHEAD seconds on.
"""

from __future__ import annotations

from fractions import Fraction

import boa
import pytest

from tests.support.world import WAD, World
from tests.unit import liquidator_support as desk
from tests.unit.liquidator_support import AHEAD, TOLERANCE, reward

SECONDS = (0, 1, 2, 7, AHEAD)
BUILDERS = [desk.weak_account, desk.mixed_account, desk.debtor]


@pytest.mark.parametrize("live", [0, 60, 120])
@pytest.mark.parametrize("build", BUILDERS)
def test_take__seconds_after_the_plan__still_fits(
    world: World, build: desk.Builder, live: int
) -> None:
    account = build(world)
    desk.start_auction(world, account, live)
    buyer = desk.buyer_account(world)
    plan = world.liquidator.plan_take(account)
    assert 0 < plan.fraction < WAD

    for seconds in SECONDS:
        with boa.env.anchor():
            world.wait(seconds)
            before = world.health(account)
            # the plan's payment covers that of every later second, but for a second of funding
            most = plan.payment + before.le // 1_000
            desk.take(world, account, buyer, plan.fraction, max_payment=most)

            after = world.health(account)
            gained = reward(before.mm, live + seconds + AHEAD) - reward(before.mm, live + seconds)
            over = plan.fraction * gained // WAD + TOLERANCE * before.le // WAD
            assert after.le <= after.equity <= after.le + over
            assert after.equity * before.mm >= before.equity * after.mm


def test_take__flagged_by_another_since_the_plan__still_fits(world: World) -> None:
    # the clock starts to run after the plan: it adds no more than the seconds between
    account = desk.weak_account(world)
    buyer = desk.buyer_account(world)
    plan = world.liquidator.plan_take(account)
    world.wait(1)
    world.liquidator.flag(account, sender=world.role("keeper"))
    world.wait(AHEAD - 1)

    event = desk.take(world, account, buyer, plan.fraction)

    assert event.live_time == AHEAD - 1
    assert world.health(account).equity >= world.health(account).le


@pytest.mark.parametrize("build", BUILDERS)
def test_take__at_the_switch_to_all__the_plan_holds_whatever_the_second(
    world: World, build: desk.Builder
) -> None:
    # r meets E about 0.3 x 600 s after the flag; until then less and less of it is left
    account = build(world, share=Fraction(3, 10))
    buyer = desk.buyer_account(world)
    desk.start_auction(world, account, 120)
    fractions = []
    for _ in range(22):
        world.next_price(3)
        plan = world.liquidator.plan_take(account)
        fractions.append(plan.fraction)
        for seconds in (0, 2, 7, AHEAD):
            with boa.env.anchor():
                world.wait(seconds)
                desk.take(world, account, buyer, plan.fraction)
    assert fractions == sorted(fractions)
    assert fractions[0] < WAD == fractions[-1]
