"""Isolated positions and moves between accounts that agree: docs/spec/operators.md."""

from __future__ import annotations

import boa
import pytest

from tests.support.permits import RECEIVE, Grant
from tests.support.reports import Quote
from tests.support.world import LOTS, TICKS, WAD, World, owner_of, perp
from tests.unit.operators_support import (
    USDC,
    events_of,
    fold,
    give,
    isolate,
    move,
    second,
)

ETH_PRICE = 3_000
IN_AUCTION = 1
PENDING_JUMP = 4  # percent, over jump_0


def trader(world: World, usd: int = 10_000, lots: int = 0, index: int = 0) -> int:
    """Return an account with cash and a long of ETH."""
    account = world.open_account("trader", index, USDC=usd * USDC)
    if lots:
        world.open_position(account, "ETH", lots)
    return account


def words(world: World, account: int) -> tuple[int, int, dict[int, int], dict[int, int]]:
    """Return cash, quote, legs and amounts."""
    return (
        world.cash(account),
        world.quote(account),
        world.legs(account),
        world.amounts(account),
    )


def in_auction(world: World, account: int) -> bool:
    """Return whether the auction bit stands."""
    return bool(world.clearinghouse.account_words(account)[0] >> 48 & IN_AUCTION)


def set_auction(world: World, account: int) -> None:
    """Set the auction bit as the Liquidator would."""
    liquidator = str(world.liquidator.address)
    boa.env.set_balance(liquidator, 10**20)
    world.clearinghouse.set_auction(account, True, sender=liquidator)


def value_per_lot(world: World) -> int:
    """Return price less funding of ETH now [ticks]."""
    word, _, funding = world.markets.market_words(world.market("ETH").id)
    return int(word >> 192) - int(funding)


# ---- isolate -------------------------------------------------------------------------------------


def test_isolate__funding_and_first_order__in_one_call(world: World) -> None:
    parent = trader(world)
    child = second(parent)
    order = world.order(child, "ETH", LOTS)

    isolate(world, parent, "USDC", 1_000 * USDC, order)
    world.wait(3)
    world.execute(order, world.report_blob(world.prices))

    assert (world.cash(parent), world.cash(child)) == (9_000 * WAD, 1_000 * WAD)
    assert (world.size(parent, "ETH"), world.size(child, "ETH")) == (0, LOTS)
    assert boa.env.get_balance(str(world.operators.address)) == 0


def test_isolate__with_collateral__moves_it(world: World) -> None:
    parent = world.open_account("trader", USDC=100 * USDC, WETH=2 * WAD)
    child = second(parent)

    isolate(world, parent, "WETH", WAD, world.order(child, "ETH", LOTS // 2))

    assert list(world.amounts(child).values()) == [WAD]


def test_isolate__loses_all__leaves_the_parent_alone(world: World) -> None:
    parent = trader(world)
    child = second(parent)
    order = world.order(child, "ETH", LOTS)
    isolate(world, parent, "USDC", 200 * USDC, order)
    world.wait(3)
    world.execute(order, world.report_blob(world.prices))
    before = words(world, parent)

    for price in (2_920, 2_840, 2_770):
        world.next_price(20, ETH=price * TICKS)

    assert world.health(child).equity < 0
    assert words(world, parent) == before
    assert world.health(parent).equity == 9_800 * WAD


def test_isolate__parent_would_end_below_im__reverts(world: World) -> None:
    parent = trader(world, 2_000, 10 * LOTS)
    with boa.reverts("ledger: margin"):
        isolate(world, parent, "USDC", 1_000 * USDC, world.order(second(parent), "ETH", LOTS))


def test_isolate__with_reports__uses_them(world: World) -> None:
    parent = trader(world, 10_000, LOTS)
    order = world.order(second(parent), "ETH", LOTS)
    world.wait(100)

    with boa.reverts("ledger: invalid feed"):
        isolate(world, parent, "USDC", USDC, order)
    isolate(world, parent, "USDC", USDC, order, reports=(world.report_blob(world.prices),))


def test_isolate__foreign_parent_or_child__reverts(world: World) -> None:
    parent, foreign = trader(world), world.account("counterparty")
    usdc, reserve = world.tokens["USDC"].address, world.parameters.min_reserve
    for giver, taker in ((foreign, parent), (parent, foreign)):
        order = world.order(taker, "ETH", LOTS)
        with boa.reverts("custody: not the owner"):
            world.operators.isolate(
                giver, usdc, USDC, tuple(order), value=reserve, sender=owner_of(parent)
            )


def test_isolate__wrong_value__reverts(world: World) -> None:
    parent = trader(world)
    order = world.order(second(parent), "ETH", LOTS)
    with boa.reverts("orders: wrong reserve"):
        isolate(world, parent, "USDC", USDC, order, value=order.reserve + 1)


def test_isolate__refused_order__funds_nothing(world: World) -> None:
    parent = trader(world)
    with boa.reverts("orders: zero size"):
        isolate(world, parent, "USDC", USDC, world.order(second(parent), "ETH", 0))
    assert world.cash(second(parent)) == 0


# ---- fold ----------------------------------------------------------------------------------------


def test_fold__legs_collateral_and_money__all_move_exactly(world: World) -> None:
    parent = trader(world, 10_000, LOTS)
    child = trader(world, 5_000, 2 * LOTS, index=1)
    world.fund(child, "WETH", WAD)
    world.next_price(20, ETH=2_950 * TICKS)
    mine, its = words(world, parent), words(world, child)
    together = world.health(parent).equity + world.health(child).equity
    pot = world.clearinghouse.pot()

    fold(world, child, parent)

    assert words(world, child) == (0, 0, {}, {})
    assert world.cash(parent) == mine[0] + its[0]
    assert world.quote(parent) == mine[1] + its[1]
    assert world.size(parent, "ETH") == 3 * LOTS
    assert world.amounts(parent) == its[3]
    assert world.health(parent).equity == together
    assert world.clearinghouse.pot() == pot
    world.assert_books_balance()


def test_fold__opposite_legs__close_each_other(world: World) -> None:
    parent, child = trader(world, 10_000, LOTS), trader(world, 5_000, -LOTS, index=1)
    before = world.markets.market_words(1)[1] >> 56 & (2**56 - 1)

    fold(world, child, parent)

    assert (world.legs(parent), world.legs(child)) == ({}, {})
    assert world.markets.market_words(1)[1] >> 56 & (2**56 - 1) == before - LOTS
    world.assert_books_balance()


def test_fold__child_with_debts__the_parent_carries_them(world: World) -> None:
    parent, child = trader(world, 10_000), trader(world, 200, LOTS, index=1)
    for price in (2_920, 2_840, 2_770):
        world.next_price(20, ETH=price * TICKS)
    owed = world.health(child).equity
    assert owed < 0

    fold(world, child, parent)

    assert world.health(parent).equity == 10_000 * WAD + owed
    assert world.health(child).equity == 0


def test_fold__again_after_new_funding__works(world: World) -> None:
    parent, child = trader(world), trader(world, 100, index=1)

    fold(world, child, parent)
    world.fund(child, "USDC", USDC)
    fold(world, child, parent)

    assert world.cash(parent) == 10_101 * WAD


def test_fold__nothing__changes_nothing(world: World) -> None:
    parent = trader(world)
    count = world.clearinghouse.account_count()

    fold(world, second(parent), parent)

    assert world.clearinghouse.account_count() == count
    assert world.cash(parent) == 10_000 * WAD


def test_fold__parent_too_poor__reverts(world: World) -> None:
    parent, child = trader(world, 1), trader(world, 200, LOTS, index=1)
    for price in (2_920, 2_840):
        world.next_price(20, ETH=price * TICKS)
    with boa.reverts("ledger: margin"):
        fold(world, child, parent)


def test_fold__parent_in_auction__is_cured_by_it(world: World) -> None:
    parent, child = trader(world, 200, LOTS), trader(world, 5_000, index=1)
    for price in (2_950, 2_870):
        world.next_price(20, ETH=price * TICKS)
    world.liquidator.flag(parent, sender=world.role("keeper"))
    assert in_auction(world, parent)

    fold(world, child, parent)

    assert not in_auction(world, parent)


def test_fold__child_in_auction__reverts(world: World) -> None:
    parent, child = trader(world, 10_000), trader(world, 200, LOTS, index=1)
    for price in (2_950, 2_870):
        world.next_price(20, ETH=price * TICKS)
    world.liquidator.flag(child, sender=world.role("keeper"))

    with boa.reverts("operators: in auction"):
        fold(world, child, parent)
    # the owner cures it first
    world.fund(child, "USDC", 1_000 * USDC)
    fold(world, child, parent)

    assert world.size(parent, "ETH") == LOTS


def test_fold__foreign_accounts__reverts(world: World) -> None:
    parent, foreign = trader(world), world.account("counterparty")
    for child, to in ((foreign, parent), (parent, foreign)):
        with boa.reverts("operators: not the owner"):
            world.operators.fold(child, to, sender=owner_of(parent))


def test_fold__into_itself__reverts(world: World) -> None:
    parent = trader(world, 10_000, LOTS)
    with boa.reverts("seizure: parties"):
        fold(world, parent, parent)


def test_fold__old_price__needs_reports(world: World) -> None:
    parent, child = trader(world), trader(world, 5_000, LOTS, index=1)
    world.wait(61)

    with boa.reverts("ledger: invalid feed"):
        fold(world, child, parent)
    fold(world, child, parent, world.report_blob(world.prices))

    assert world.size(parent, "ETH") == LOTS


def test_fold__leaves_a_small_leg__reverts(world: World) -> None:
    # 10 USD are 333,334 lots at 3,000 USD
    parent = trader(world, 10_000, LOTS)
    child = trader(world, 10_000, -(LOTS - 300_000), index=1)
    with boa.reverts("operators: leg too small"):
        fold(world, child, parent)


# ---- move ----------------------------------------------------------------------------------------


def test_move__leg_between_own_accounts__at_the_mark(world: World) -> None:
    sender = trader(world, 10_000, 3 * LOTS)
    receiver = trader(world, 10_000, index=1)
    world.next_price(20, ETH=2_950 * TICKS)
    equity = [world.health(account).equity for account in (sender, receiver)]
    before, value = words(world, sender), value_per_lot(world)

    move(world, sender, receiver, [2 * LOTS])
    (leg,) = events_of(world.operators, "LegMoved")

    assert (world.size(sender, "ETH"), world.size(receiver, "ETH")) == (LOTS, 2 * LOTS)
    assert world.quote(sender) == before[1] + 2 * LOTS * value
    assert world.quote(receiver) == -2 * LOTS * value
    assert [world.health(account).equity for account in (sender, receiver)] == equity
    assert world.health(receiver).unsettled == 0
    assert (leg.account, leg.counterparty, leg.size) == (sender, receiver, 2 * LOTS)
    world.assert_books_balance()


def test_move__short_leg__at_the_mark(world: World) -> None:
    sender, receiver = trader(world, 10_000, -2 * LOTS), trader(world, 10_000, index=1)
    equity = [world.health(account).equity for account in (sender, receiver)]

    move(world, sender, receiver, [-2 * LOTS])

    assert (world.legs(sender), world.size(receiver, "ETH")) == ({}, -2 * LOTS)
    assert [world.health(account).equity for account in (sender, receiver)] == equity


def test_move__collateral__by_position(world: World) -> None:
    sender = world.open_account("trader", WETH=2 * WAD, LINK=50 * WAD)
    receiver = second(sender)
    ids = list(world.amounts(sender))

    move(world, sender, receiver, [], [WAD // 2, 50 * WAD])

    assert world.amounts(sender) == {ids[0]: 3 * WAD // 2}
    assert world.amounts(receiver) == {ids[1]: 50 * WAD, ids[0]: WAD // 2}
    world.assert_books_balance()


def test_move__several_legs_and_collateral__in_one_call(world: World) -> None:
    sender = world.open_account("trader", USDC=10_000 * USDC, WETH=WAD)
    for symbol, lots in (("ETH", LOTS), ("BTC", LOTS // 10), ("LINK", -100 * LOTS)):
        world.open_position(sender, symbol, lots)
    receiver = trader(world, 20_000, index=1)
    legs = world.legs(sender)

    move(world, sender, receiver, list(legs.values()), [WAD])

    assert (world.legs(sender), world.amounts(sender)) == ({}, {})
    assert world.legs(receiver) == dict(reversed(legs.items()))
    world.assert_books_balance()


def test_move__to_an_account_that_agreed__spends_its_grant(world: World) -> None:
    sender = trader(world, 10_000, LOTS)
    receiver = world.open_account("counterparty", USDC=10_000 * USDC)
    with boa.reverts("operators: not granted"):
        move(world, sender, receiver, [LOTS])
    give(world, receiver, owner_of(sender), RECEIVE, world.now + 60, 1)

    move(world, sender, receiver, [LOTS // 2])

    assert world.size(receiver, "ETH") == LOTS // 2
    assert Grant(*world.operators.granted(receiver, owner_of(sender))).uses == 0
    with boa.reverts("operators: not granted"):
        move(world, sender, receiver, [LOTS // 2])


def test_move__collateral_to_an_account_that_agreed__opens_its_slot(world: World) -> None:
    sender = world.open_account("trader", WETH=2 * WAD)
    receiver = world.account("counterparty")
    give(world, receiver, owner_of(sender), RECEIVE)

    move(world, sender, receiver, [], [WAD])

    assert world.amounts(receiver) == world.amounts(sender)


def test_move__out_of_a_foreign_account__reverts(world: World) -> None:
    victim = trader(world, 10_000, LOTS)
    attacker = world.account("attacker")
    give(world, victim, world.role("attacker"), 7)
    with boa.reverts("operators: not the owner"):
        legs = [(perp(1), LOTS)]
        world.operators.move(victim, attacker, legs, [], sender=world.role("attacker"))


def test_move__out_of_an_auction__reverts(world: World) -> None:
    sender, receiver = trader(world, 10_000, LOTS), trader(world, 10_000, index=1)
    set_auction(world, sender)
    with boa.reverts("operators: in auction"):
        move(world, sender, receiver, [LOTS])


def test_move__into_an_auction__cures_it(world: World) -> None:
    sender = world.open_account("trader", WETH=2 * WAD)
    receiver = trader(world, 1_000, LOTS, index=1)
    set_auction(world, receiver)

    move(world, sender, receiver, [], [WAD])

    assert not in_auction(world, receiver)


@pytest.mark.parametrize(("age", "fresh"), [(15, True), (16, False)])
def test_move__age_of_the_price__at_its_bound(world: World, age: int, fresh: bool) -> None:
    sender, receiver = trader(world, 10_000, LOTS), trader(world, 10_000, index=1)
    world.wait(age)

    if fresh:
        move(world, sender, receiver, [LOTS])
        assert world.size(receiver, "ETH") == LOTS
        return
    with boa.reverts("operators: price not trusted"):
        move(world, sender, receiver, [LOTS])
    move(world, sender, receiver, [LOTS], [], world.report_blob(world.prices))


def test_move__jump_pending__reverts(world: World) -> None:
    sender, receiver = trader(world, 10_000, LOTS), trader(world, 10_000, index=1)
    world.next_price(3, ETH=ETH_PRICE * (100 + PENDING_JUMP) * TICKS // 100)
    with boa.reverts("operators: price not trusted"):
        move(world, sender, receiver, [LOTS])


def test_move__doubted_price__reverts(world: World) -> None:
    sender, receiver = trader(world, 10_000, LOTS), trader(world, 10_000, index=1)
    # a confidence over the cap of 1 %
    world.next_price(3, ETH=Quote(ETH_PRICE * TICKS, 1_500))
    with boa.reverts("operators: price not trusted"):
        move(world, sender, receiver, [LOTS])


def test_move__receiver_below_im__reverts(world: World) -> None:
    sender, receiver = trader(world, 10_000, 10 * LOTS), trader(world, 1_000, index=1)
    with boa.reverts("ledger: margin"):
        move(world, sender, receiver, [10 * LOTS])


def test_move__sender_below_im__reverts(world: World) -> None:
    sender = world.open_account("trader", USDC=100 * USDC, WETH=WAD)
    world.open_position(sender, "ETH", 10 * LOTS)
    with boa.reverts("ledger: margin"):
        move(world, sender, second(sender), [], [WAD])


@pytest.mark.parametrize("lots", [-1, LOTS + 1])
def test_move__more_of_a_leg_than_is_there__reverts(world: World, lots: int) -> None:
    sender, receiver = trader(world, 10_000, LOTS), trader(world, 10_000, index=1)
    with boa.reverts("seizure: size"):
        move(world, sender, receiver, [lots])


def test_move__a_leg_named_twice__moves_the_sum(world: World) -> None:
    sender, receiver = trader(world, 10_000, 3 * LOTS), trader(world, 10_000, index=1)
    with world.as_owner(sender):
        world.operators.move(sender, receiver, [(perp(1), LOTS), (perp(1), LOTS)], [])
    assert (world.size(sender, "ETH"), world.size(receiver, "ETH")) == (LOTS, 2 * LOTS)


@pytest.mark.parametrize("instrument", [perp(2), 0, 2**63])
def test_move__leg_that_is_not_held__reverts(world: World, instrument: int) -> None:
    sender, receiver = trader(world, 10_000, LOTS), trader(world, 10_000, index=1)
    with world.as_owner(sender), boa.reverts("operators: not held"):
        world.operators.move(sender, receiver, [(instrument, LOTS)], [])


def test_move__more_of_a_collateral_than_is_there__reverts(world: World) -> None:
    sender = world.open_account("trader", WETH=2 * WAD)
    with boa.reverts("ledger: not enough collateral"):
        move(world, sender, second(sender), [], [2 * WAD + 1])


@pytest.mark.parametrize("collateral", [0, 2, 63, 64])
def test_move__collateral_that_is_not_held__reverts(world: World, collateral: int) -> None:
    sender = world.open_account("trader", WETH=2 * WAD)
    assert collateral not in world.amounts(sender)
    with world.as_owner(sender), boa.reverts("operators: not held"):
        world.operators.move(sender, second(sender), [], [(collateral, WAD)])


def test_move__a_leg_closed_in_between__the_named_one_moves(world: World) -> None:
    sender, receiver = trader(world, 20_000, LOTS), trader(world, 20_000, index=1)
    world.open_position(sender, "BTC", LOTS // 10)
    world.open_position(sender, "LINK", 100 * LOTS)
    # LINK takes the place of ETH before the move is included
    world.open_position(sender, "ETH", -LOTS)
    with world.as_owner(sender):
        world.operators.move(sender, receiver, [(perp(2), LOTS // 10)], [])
    assert world.legs(receiver) == {perp(2): LOTS // 10}
    assert world.size(sender, "LINK") == 100 * LOTS


# 10 USD at 3,000 USD are 333,333.3 lots
@pytest.mark.parametrize(("lots", "passes"), [(333_334, True), (333_333, False)])
def test_move__smallest_leg__on_either_side(world: World, lots: int, passes: bool) -> None:
    sender, receiver = trader(world, 10_000, LOTS), trader(world, 10_000, index=1)
    for moved in (lots, LOTS - lots):
        with boa.env.anchor():
            if passes:
                move(world, sender, receiver, [moved])
            else:
                with boa.reverts("operators: leg too small"):
                    move(world, sender, receiver, [moved])


@pytest.mark.parametrize(("atoms", "passes"), [(10**14, True), (10**14 - 1, False)])
def test_move__smallest_amount__on_either_side(world: World, atoms: int, passes: bool) -> None:
    sender = world.open_account("trader", WETH=2 * WAD)
    for moved in (atoms, 2 * WAD - atoms):
        with boa.env.anchor():
            if passes:
                move(world, sender, second(sender), [], [moved])
            else:
                with boa.reverts("operators: dust"):
                    move(world, sender, second(sender), [], [moved])


def test_move__nothing_to_itself__reverts(world: World) -> None:
    sender = trader(world)
    with boa.reverts("seizure: parties"):
        move(world, sender, sender)
