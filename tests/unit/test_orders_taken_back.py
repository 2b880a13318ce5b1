"""Orders cancelled and refunded, and contracts that are paid: docs/spec/orders.md."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.reference.units import WAD
from tests.support.chains import own_chain, put_back
from tests.unit.orders_support import VENUE, Desk, balance, the_event
from tests.unit.pool_chain import DELAY, GENESIS, MIN_RESERVE, account_of, deployer_of

deployment = own_chain(Desk.deployed)
desk = put_back()


# ---- cancel and refund --------------------------------------------------------------------------


def test_cancel__before_any_later_price__reserve_back(desk: Desk) -> None:
    order = desk.committed()
    before = balance(desk.trader)
    desk.orders.cancel(tuple(order), sender=desk.trader)
    event = the_event(desk)
    assert (event.account, event.reason) == (order.account, "cancelled")
    assert balance(desk.trader) == before + MIN_RESERVE
    assert not desk.is_open(order)


def test_cancel__a_report_may_be_a_second_ahead__refused(desk: Desk) -> None:
    # a report of commit + delay can be accepted at commit + delay - 1
    order = desk.committed()
    desk.wait(DELAY - 1)
    with boa.reverts("orders: too late to cancel"):
        desk.orders.cancel(tuple(order), sender=desk.trader)


def test_cancel__longer_delay__until_two_seconds_before_its_end() -> None:
    with boa.swap_env(boa.Env()):
        boa.env.evm.patch.timestamp = GENESIS
        trader = str(boa.env.generate_address("trader"))
        boa.env.set_balance(trader, WAD)
        stub = deployer_of("mocks/PoolStub").deploy(VENUE, 1)
        orders = deployer_of("Orders").deploy(stub.address, 10, MIN_RESERVE)
        desk = Desk(stub, orders, trader, trader, trader)
        order = desk.committed()
        desk.wait(8)
        with boa.env.anchor():
            desk.wait(1)
            with boa.reverts("orders: too late to cancel"):
                orders.cancel(tuple(order), sender=trader)
        orders.cancel(tuple(order), sender=trader)


def test_cancel__somebody_else_or_unknown__refused(desk: Desk) -> None:
    order = desk.committed()
    with boa.reverts("orders: not owner"):
        desk.orders.cancel(tuple(order), sender=desk.attacker)
    with boa.reverts("orders: unknown order"):
        desk.orders.cancel(tuple(order._replace(salt=2)), sender=desk.trader)


def test_refund__expired__anyone_sends_it_to_the_owner(desk: Desk) -> None:
    order = desk.committed()
    before = balance(desk.trader)
    desk.wait(61)
    desk.orders.refund(tuple(order), sender=desk.attacker)
    assert the_event(desk).reason == "expired"
    assert balance(desk.trader) == before + MIN_RESERVE
    with boa.reverts("orders: unknown order"):
        desk.orders.refund(tuple(order), sender=desk.attacker)


def test_refund__price_passed__before_the_deadline(desk: Desk) -> None:
    order = desk.committed()
    desk.wait(20)
    desk.publish(GENESIS + 20, gap=20 - DELAY)
    desk.orders.refund(tuple(order), sender=desk.attacker)
    assert the_event(desk).reason == "price passed"
    assert balance(desk.orders.address) == 0


def test_refund__still_executable__refused(desk: Desk) -> None:
    order = desk.committed()
    desk.wait(60)
    with boa.reverts("orders: still open"):
        desk.orders.refund(tuple(order), sender=desk.trader)
    desk.publish(GENESIS + DELAY, gap=1)
    with boa.reverts("orders: still open"):
        desk.orders.refund(tuple(order), sender=desk.trader)


def test_refund__unknown_market_or_venue__after_the_deadline(desk: Desk) -> None:
    order = desk.committed(instrument=200 << 56, venue=str(desk.attacker))
    desk.wait(61)
    desk.orders.refund(tuple(order), sender=desk.attacker)
    assert balance(desk.orders.address) == 0


# ---- contracts that are paid --------------------------------------------------------------------


@pytest.fixture
def actor(desk: Desk) -> Any:
    """A contract that owns accounts and executes orders."""
    made = deployer_of("mocks/OrdersActor").deploy()
    boa.env.set_balance(made.address, WAD)
    return made


def test_execute__by_a_contract_that_calls_back__locked(desk: Desk, actor: Any) -> None:
    first, second = desk.committed(), desk.committed(salt=2)
    desk.wait(10)
    desk.publish(desk.now)
    again = desk.orders.execute.prepare_calldata(tuple(second))
    actor.set_hook(desk.orders.address, again)
    before = balance(actor.address)
    actor.act(desk.orders.address, desk.orders.execute.prepare_calldata(tuple(first)), 0)
    assert actor.hook_reached()
    assert not actor.hook_allowed()
    assert desk.stub.trades() == 1
    assert balance(actor.address) == before + MIN_RESERVE
    assert desk.is_open(second)


def test_refund__to_a_contract_that_calls_back__locked(desk: Desk, actor: Any) -> None:
    mine = account_of(actor.address)
    first, second = desk.order(account=mine), desk.order(account=mine, salt=2)
    for order in (first, second):
        data = desk.orders.commit.prepare_calldata(tuple(order))
        actor.act(desk.orders.address, data, MIN_RESERVE)
    desk.wait(61)
    actor.set_hook(desk.orders.address, desk.orders.refund.prepare_calldata(tuple(second)))
    desk.orders.refund(tuple(first), sender=desk.attacker)
    assert actor.hook_reached()
    assert not actor.hook_allowed()
    assert balance(desk.orders.address) == MIN_RESERVE


def test_refund__owner_refuses_the_coin__hurts_himself_alone(desk: Desk, actor: Any) -> None:
    stuck = desk.order(account=account_of(actor.address))
    data = desk.orders.commit.prepare_calldata(tuple(stuck))
    actor.act(desk.orders.address, data, MIN_RESERVE)
    other = desk.committed()
    actor.set_refuses(True)
    desk.wait(61)
    with boa.reverts():
        desk.orders.refund(tuple(stuck), sender=desk.attacker)
    assert desk.is_open(stuck)
    desk.orders.refund(tuple(other), sender=desk.attacker)
    assert balance(desk.orders.address) == MIN_RESERVE


def test_execute__executor_refuses_the_coin__nothing_happened(desk: Desk, actor: Any) -> None:
    order = desk.committed()
    desk.wait(10)
    desk.publish(desk.now)
    actor.set_refuses(True)
    with boa.reverts():
        actor.act(desk.orders.address, desk.orders.execute.prepare_calldata(tuple(order)), 0)
    assert desk.is_open(order)
    assert desk.stub.trades() == 0
    desk.execute(order)


def test_coin__sent_without_an_order__refused(desk: Desk) -> None:
    computation = boa.env.execute_code(
        to_address=desk.orders.address, sender=desk.attacker, value=1, data=b""
    )
    assert computation.is_error
    assert balance(desk.orders.address) == 0
