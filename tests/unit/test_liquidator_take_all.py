"""R6 stages 2 and 3: all of an account changes hands, and insurance pays what it cannot."""

from __future__ import annotations

from fractions import Fraction

import boa
import pytest

from tests.support.world import LOTS, WAD, World
from tests.unit import liquidator_support as desk
from tests.unit.liquidator_support import USD, USDC

T_SLOW = 1_800


# ---- solvent -----------------------------------------------------------------------------------


def test_take__reward_beyond_a_part__takes_all(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(1, 5))
    desk.start_auction(world, account, 200)
    buyer = desk.buyer_account(world)
    before, buyer_before = world.health(account), desk.wealth(world, buyer)
    assert before.equity * (before.mm - before.kappa) < before.mm * before.mm // 3
    plan = world.liquidator.plan_take(account)
    assert plan.fraction == WAD
    with boa.reverts("liquidator: take all"):
        desk.take(world, account, buyer, WAD // 2)

    event = desk.take(world, account, buyer, WAD)

    # r > E: nothing is paid, and before T_SLOW insurance adds nothing
    assert plan.reward > before.equity > 0
    assert (event.payment, event.insurance) == (0, 0)
    assert desk.wealth(world, buyer) - buyer_before == before.equity
    assert desk.wealth(world, account) == 0
    assert not world.legs(account)
    assert not desk.in_auction(world, account)
    world.assert_books_balance()


def test_take__all_at_the_start__pays_all_that_it_is_worth(world: World) -> None:
    # E is below the reward of the seconds ahead, so all is due; C4: at r = 0 nobody gains
    account = desk.weak_account(world, share=Fraction(1, 100))
    buyer = desk.buyer_account(world)
    before, buyer_before = world.health(account), desk.wealth(world, buyer)
    assert 0 < before.equity < desk.reward(before.mm, desk.AHEAD)
    assert world.liquidator.plan_take(account).fraction == WAD

    event = desk.take(world, account, buyer, WAD)

    assert (event.payment, event.insurance) == (before.equity, 0)
    assert desk.wealth(world, account) == before.equity
    assert desk.wealth(world, buyer) == buyer_before


def test_take__solvent_and_slow__insurance_adds_one_percent_of_what_moves(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(1, 10))
    desk.start_auction(world, account, T_SLOW - 100)
    buyer = desk.buyer_account(world)
    assert world.liquidator.plan_take(account).insurance == 0
    world.next_price(100)
    before = world.health(account)
    gross = abs(world.size(account, "ETH")) * world.prices["ETH"]
    plan = world.liquidator.plan_take(account)
    assert plan.reward == 3 * before.mm // 2
    assert plan.reward - before.equity > gross // 100
    assert plan.insurance == gross // 100

    event = desk.take(world, account, buyer, WAD, min_insurance=gross // 100)

    assert event.insurance == gross // 100
    assert desk.wealth(world, account) == 0
    world.assert_books_balance()


# ---- insolvent ---------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [desk.weak_account, desk.mixed_account, desk.debtor])
def test_take__insolvent__insurance_pays_the_deficit(world: World, build: desk.Builder) -> None:
    account = build(world, share=Fraction(-1, 4))
    buyer = desk.buyer_account(world)
    before, buyer_before = world.health(account), desk.wealth(world, buyer)
    insurance = world.clearinghouse.insurance_account()
    fund = desk.wealth(world, insurance)
    assert before.equity < 0
    plan = world.liquidator.plan_take(account)
    assert (plan.fraction, plan.reward, plan.payment) == (WAD, 0, 0)
    assert plan.insurance == -before.equity

    event = desk.take(world, account, buyer, WAD, min_insurance=-before.equity)

    assert event.insurance == -before.equity
    assert desk.wealth(world, insurance) == fund + before.equity
    assert desk.wealth(world, buyer) == buyer_before
    assert desk.wealth(world, account) == 0
    assert event.deficit == world.clearinghouse.deficit() == 0
    world.assert_books_balance()


def test_take__insolvent_later__insurance_adds_the_reward(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(-1, 10))
    desk.start_auction(world, account, 150)
    buyer = desk.buyer_account(world)
    before, buyer_before = world.health(account), desk.wealth(world, buyer)
    plan = world.liquidator.plan_take(account)
    # a quarter of MM after half of the five minutes
    assert plan.reward == before.mm // 4

    event = desk.take(world, account, buyer, WAD)

    assert event.insurance == plan.insurance == plan.reward - before.equity
    assert desk.wealth(world, buyer) - buyer_before == plan.reward


def test_take__insurance_empty__books_the_deficit(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(-1, 4))
    buyer = desk.buyer_account(world)
    desk.empty_fund(world)
    before, buyer_before = world.health(account), desk.wealth(world, buyer)
    covered = world.insurance_fund.available(1)[0]

    event = desk.take(world, account, buyer, WAD)

    assert event.insurance == covered
    assert event.deficit == world.clearinghouse.deficit() == -before.equity - covered
    assert desk.wealth(world, buyer) == buyer_before
    assert desk.wealth(world, account) == 0
    assert not world.legs(account)
    world.assert_books_balance()


def test_take__less_insurance_than_asked__reverts(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(-1, 4))
    buyer = desk.buyer_account(world)
    plan = world.liquidator.plan_take(account)

    with boa.reverts("liquidator: insurance too low"):
        desk.take(world, account, buyer, WAD, min_insurance=plan.insurance + 1)


# ---- dust --------------------------------------------------------------------------------------


def small_account(world: World, dollars: int, equity: int) -> int:
    """Return an account with the remnant of a leg, worth so many USD, and E of `equity` cents."""
    account = world.open_account("trader", USDC=200 * USDC)
    opened, left = 40 * LOTS // 100, dollars * USD // world.prices["ETH"]
    world.open_position(account, "ETH", opened)
    world.open_position(account, "ETH", left - opened)
    world.clearinghouse.settle(account, sender=world.role("keeper"))
    spare = world.health(account).equity - equity * USD // 100
    world.withdraw(account, "USDC", spare // 10**12)
    return account


def test_take__dust__takes_all(world: World) -> None:
    # 11 USD of ETH need 1.80 USD; 14 % lower they are dust, and 0.46 USD are left
    account = small_account(world, 11, 200)
    desk.walk(world, "ETH", world.prices["ETH"] * 86 // 100)
    before = world.health(account)
    assert before.equity < before.mm
    assert world.liquidator.plan_take(account).fraction == WAD

    event = desk.take(world, account, desk.buyer_account(world), WAD)

    assert not world.legs(account)
    assert event.payment == max(0, before.equity)


def test_take__part_that_leaves_dust__reverts(world: World) -> None:
    # LE = 1.25 + 3.75 % of about 14 USD, so that E = 1.45 needs a rest of about 5 USD
    account = small_account(world, 15, 240)
    desk.sink(world, account, "ETH", Fraction(9, 10))
    buyer = desk.buyer_account(world)
    fraction = desk.least_part(world, account, 0)
    gross = abs(world.size(account, "ETH")) * world.prices["ETH"]
    assert gross > 10 * USD > gross * (WAD - fraction) // WAD > 0

    with boa.reverts("liquidator: dust"):
        desk.take(world, account, buyer, fraction)
    assert world.liquidator.plan_take(account).fraction == WAD
    desk.take(world, account, buyer, WAD)

    assert not world.legs(account)
