"""What operators do and how far it goes; batches and deposits: docs/spec/operators.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boa
import pytest

from tests.support.permits import NO_LIMIT, RECEIVE, TRADE, WITHDRAW, Grant
from tests.support.world import LOTS, WAD, World, account_of, owner_of
from tests.unit.operators_support import (
    DEPOSIT_ACTION,
    TRANSFER_ACTION,
    USDC,
    WITHDRAW_ACTION,
    commit,
    events_of,
    give,
    second,
)

HOUR = 3_600


def trader(world: World, usd: int = 10_000) -> int:
    """Return an account with cash."""
    return world.open_account("trader", USDC=usd * USDC)


def coins(who: str) -> int:
    """Return the native coin of an address."""
    return int(boa.env.get_balance(who))


def uses_left(world: World, account: int, operator: str) -> int:
    """Return the uses that an operator has left."""
    return int(world.operators.granted(account, operator)[4])


def withdraw(world: World, sender: str, account: int, amount: int = USDC) -> None:
    """Withdraw USDC through Operators."""
    world.operators.withdraw(account, world.tokens["USDC"].address, amount, sender=sender)


def is_open(world: World, order: Any) -> bool:
    """Return whether an order is committed."""
    return bool(world.orders.commit_time(world.orders.order_id(tuple(order))))


# ---- orders -------------------------------------------------------------------------------------


def test_commit__by_an_operator__is_an_order_of_the_owner(world: World) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, operator, TRADE)
    order, before = world.order(account, "ETH", LOTS), coins(operator)

    commit(world, operator, order)
    (used,) = events_of(world.operators, "Used")

    assert is_open(world, order)
    assert coins(operator) == before - order.reserve
    assert (used.account, used.operator, used.scope) == (account, operator, TRADE)
    world.wait(3)
    world.execute(order, world.report_blob(world.prices))
    assert world.size(account, "ETH") == LOTS


def test_cancel__by_an_operator__pays_the_owner(world: World) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, operator, TRADE)
    order = world.order(account, "ETH", LOTS)
    commit(world, operator, order)
    before = coins(owner_of(account))

    world.operators.cancel(tuple(order), sender=operator)

    assert not is_open(world, order)
    assert coins(owner_of(account)) == before + order.reserve
    assert coins(str(world.operators.address)) == 0


def test_commit__by_the_owner__needs_and_spends_no_grant(world: World) -> None:
    account = trader(world)
    order = world.order(account, "ETH", LOTS)

    commit(world, owner_of(account), order)

    assert is_open(world, order)
    assert not events_of(world.operators, "Used")


def test_commit__an_order_for_every_leg__closes_all(world: World) -> None:
    account = trader(world, 50_000)
    for symbol, lots in (("ETH", LOTS), ("BTC", -LOTS // 10), ("LINK", 100 * LOTS)):
        world.open_position(account, symbol, lots)
    closing = [
        world.order(account, symbol, -world.size(account, symbol), reduce_only=True)
        for symbol in ("ETH", "BTC", "LINK")
    ]

    commit(world, owner_of(account), *closing)
    world.wait(3)
    world.publish()
    for order in closing:
        world.execute(order)

    assert world.legs(account) == {}
    world.assert_books_balance()


@pytest.mark.parametrize("extra", [-1, 1])
def test_commit__another_value_than_the_reserves__reverts(world: World, extra: int) -> None:
    account = trader(world)
    orders = [world.order(account, "ETH", LOTS) for _ in range(2)]
    value = sum(order.reserve for order in orders) + extra

    with boa.reverts("operators: wrong value"):
        commit(world, owner_of(account), *orders, value=value)


def test_commit__no_orders_with_value__reverts(world: World) -> None:
    with boa.reverts("operators: wrong value"):
        commit(world, world.role("trader"), value=1)


def test_commit__reserve_that_nobody_sent__reverts(world: World) -> None:
    order = world.order(trader(world), "ETH", LOTS, reserve=2**255)
    with boa.reverts("operators: wrong value"):
        commit(world, world.role("trader"), order, value=10**15)


def test_commit__refused_order__refuses_all(world: World) -> None:
    account = trader(world)
    good = world.order(account, "ETH", LOTS)

    with boa.reverts("orders: zero size"):
        commit(world, owner_of(account), good, world.order(account, "ETH", 0))

    assert not is_open(world, good)


# ---- limits of a grant ---------------------------------------------------------------------------


def _commit(world: World, operator: str, account: int) -> None:
    commit(world, operator, world.order(account, "ETH", LOTS))


def _cancel(world: World, operator: str, account: int) -> None:
    order = world.order(account, "ETH", LOTS)
    world.commit(order)
    world.operators.cancel(tuple(order), sender=operator)


def _withdraw(world: World, operator: str, account: int) -> None:
    withdraw(world, operator, account)


def _receive(world: World, operator: str, account: int) -> None:
    own = account_of(operator)
    world.operators.move(own, account, [], [], sender=operator)


NEEDS = {_commit: TRADE, _cancel: TRADE, _withdraw: WITHDRAW, _receive: RECEIVE}
Deed = Callable[[World, str, int], None]


@pytest.mark.parametrize("deed", NEEDS, ids=lambda deed: deed.__name__)
@pytest.mark.parametrize("scope", range(8))
def test_scope__of_a_grant__allows_what_it_names(world: World, deed: Deed, scope: int) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, operator, scope)

    if scope & NEEDS[deed]:
        deed(world, operator, account)
    else:
        with boa.reverts("operators: not granted"):
            deed(world, operator, account)


@pytest.mark.parametrize("deed", NEEDS, ids=lambda deed: deed.__name__)
def test_scope__of_another_operator_or_account__allows_nothing(world: World, deed: Deed) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, world.role("another operator"), 7)
    give(world, second(account), operator, 7)

    with boa.reverts("operators: not granted"):
        deed(world, operator, account)


@pytest.mark.parametrize(("late", "allowed"), [(0, True), (1, False)])
def test_expiry__at_the_second_and_after__holds(world: World, late: int, allowed: bool) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, operator, WITHDRAW, world.now + HOUR)
    world.wait(HOUR + late)

    if allowed:
        withdraw(world, operator, account)
    else:
        with boa.reverts("operators: not granted"):
            withdraw(world, operator, account)


def test_uses__counted__run_out(world: World) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, operator, WITHDRAW, uses=2)

    withdraw(world, operator, account)
    (used,) = events_of(world.operators, "Used")
    assert used.left == uses_left(world, account, operator) == 1
    withdraw(world, operator, account)
    with boa.reverts("operators: not granted"):
        withdraw(world, operator, account)


def test_uses__zero__allow_nothing(world: World) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, operator, WITHDRAW, uses=0)
    with boa.reverts("operators: not granted"):
        withdraw(world, operator, account)


@pytest.mark.parametrize(("uses", "left"), [(NO_LIMIT, NO_LIMIT), (NO_LIMIT - 1, NO_LIMIT - 2)])
def test_uses__without_limit__stay(world: World, uses: int, left: int) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, operator, WITHDRAW, uses=uses)

    withdraw(world, operator, account)

    assert uses_left(world, account, operator) == left


def test_uses__several_orders__spend_one_each(world: World) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, operator, TRADE, uses=2)
    orders = [world.order(account, "ETH", LOTS) for _ in range(3)]

    with boa.reverts("operators: not granted"):
        commit(world, operator, *orders)
    commit(world, operator, *orders[:2])

    assert uses_left(world, account, operator) == 0


def test_uses__refused_action__spends_none(world: World) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, operator, WITHDRAW, uses=1)
    with boa.reverts("custody: not enough cash"):
        withdraw(world, operator, account, 10_001 * USDC)
    assert uses_left(world, account, operator) == 1


# ---- withdrawals ---------------------------------------------------------------------------------


def test_withdraw__by_an_operator__pays_the_owner(world: World) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, operator, WITHDRAW)
    owner, usdc = owner_of(account), world.tokens["USDC"]
    before = usdc.balanceOf(owner)

    withdraw(world, operator, account, 100 * USDC)

    assert usdc.balanceOf(owner) == before + 100 * USDC
    assert usdc.balanceOf(operator) == 0
    assert world.cash(account) == 9_900 * WAD


def test_withdraw__by_an_operator__stops_at_im(world: World) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, operator, WITHDRAW)
    world.open_position(account, "ETH", 10 * LOTS)

    with boa.reverts("ledger: margin"):
        withdraw(world, operator, account, 9_000 * USDC)


def test_withdraw__with_reports__uses_them(world: World) -> None:
    account, operator = trader(world), world.role("operator")
    give(world, account, operator, WITHDRAW)
    world.open_position(account, "ETH", LOTS)
    world.wait(100)

    with boa.reverts("ledger: invalid feed"):
        withdraw(world, operator, account)
    reports = world.report_blob(world.prices)
    world.operators.withdraw(account, world.tokens["USDC"].address, USDC, reports, sender=operator)


# ---- without the core's consent ------------------------------------------------------------------


def test_operators__taken_off_the_list__can_do_nothing(world: World) -> None:
    account = trader(world)
    owner, usdc = owner_of(account), world.tokens["USDC"].address
    world.clearinghouse.set_hand(world.operators.address, 0, sender=world.role("owner"))
    order = world.order(account, "ETH", LOTS)

    with boa.reverts("clearinghouse: not a hand"):
        withdraw(world, owner, account)
    with boa.reverts("clearinghouse: not a hand"):
        world.operators.batch(b"", [], [], sender=owner)
    with boa.reverts("clearinghouse: not a hand"):
        world.operators.fold(account, second(account), sender=owner)
    with boa.reverts("orders: not owner"):
        commit(world, owner, order)
    # the owner himself goes on
    world.commit(order)
    world.clearinghouse.withdraw(account, usdc, USDC, owner, sender=owner)


# ---- batch ---------------------------------------------------------------------------------------


def element(
    world: World, kind: int, account: int, amount: int, other: int = 0
) -> tuple[int, int, int, str, int]:
    """Return an action with USDC."""
    target = other or (account >> 96 if kind == WITHDRAW_ACTION else 0)
    return (kind, account, target, str(world.tokens["USDC"].address), amount)


def test_batch__deposit_transfer_and_operator__in_one_call(world: World) -> None:
    account = trader(world)
    owner, child = owner_of(account), second(account)
    world.mint("USDC", owner, 500 * USDC)
    grant = Grant(child, world.role("operator"), TRADE, world.now + HOUR, 10)

    world.operators.batch(
        b"",
        [
            element(world, DEPOSIT_ACTION, account, 500 * USDC),
            element(world, TRANSFER_ACTION, account, 700 * USDC, child),
        ],
        [tuple(grant)],
        sender=owner,
    )

    assert (world.cash(account), world.cash(child)) == (9_800 * WAD, 700 * WAD)
    assert Grant(*world.operators.granted(child, grant.operator)) == grant
    world.assert_books_balance()


def test_batch__grant_for_a_foreign_account__reverts(world: World) -> None:
    foreign = Grant(world.account("counterparty"), world.role("attacker"), 7)
    with boa.reverts("operators: not the owner"):
        world.operators.batch(b"", [], [tuple(foreign)], sender=world.role("attacker"))


def test_batch__foreign_account__reverts(world: World) -> None:
    account = trader(world)
    attacker = world.role("attacker")
    for kind, other in ((WITHDRAW_ACTION, int(attacker, 16)), (TRANSFER_ACTION, 0)):
        with boa.reverts("custody: not the owner"):
            world.operators.batch(
                b"", [element(world, kind, account, 1, other)], [], sender=attacker
            )


def test_batch__beyond_the_own_accounts__belongs_to_the_clearinghouse(world: World) -> None:
    account = trader(world)
    owner, friend = owner_of(account), world.account("counterparty")
    gift = element(world, TRANSFER_ACTION, account, USDC, friend)

    with boa.reverts("custody: not the owner"):
        world.operators.batch(b"", [gift], [], sender=owner)
    world.clearinghouse.batch(b"", owner, [gift], sender=owner)

    assert world.cash(friend) == WAD


def test_batch__with_reports__uses_them(world: World) -> None:
    account = trader(world)
    world.open_position(account, "ETH", LOTS)
    world.wait(100)
    actions = [element(world, TRANSFER_ACTION, account, USDC, second(account))]

    with boa.reverts("ledger: invalid feed"):
        world.operators.batch(b"", actions, [], sender=owner_of(account))
    reports = world.report_blob(world.prices)
    world.operators.batch(reports, actions, [], sender=owner_of(account))
