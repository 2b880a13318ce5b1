"""Committed orders and their execution: docs/spec/orders.md."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.units import DAY, LOT_WAD, PUSH_WINDOW, TICK_WAD, WAD
from tests.reference.words import price_word
from tests.support.chains import own_chain, put_back
from tests.unit.orders_support import ACT, VENUE, Desk, Order, balance, the_event
from tests.unit.pool_chain import (
    DELAY,
    ETH,
    FEW,
    GENESIS,
    MIN_RESERVE,
    account_of,
    deployer_of,
    lots,
    market_at,
    usd,
)

ORDER = "(uint256,address,uint256,int256,uint256,uint256,bool,uint256,uint256)"

deployment = own_chain(Desk.deployed)
desk = put_back()


# ---- deployment ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delay", "reserve", "allowed"),
    [
        (2, 1, True),
        (60, WAD, True),
        (1, 1, False),
        (61, 1, False),
        (2, 0, False),
        (2, WAD + 1, False),
    ],
)
def test_constructor__at_and_past_each_bound__allowed_and_refused(
    desk: Desk, delay: int, reserve: int, allowed: bool
) -> None:
    if allowed:
        made = deployer_of("Orders").deploy(desk.stub.address, delay, reserve)
        assert (made.commit_delay(), made.MIN_RESERVE()) == (delay, reserve)
        return
    with boa.reverts("orders: out of range"):
        deployer_of("Orders").deploy(desk.stub.address, delay, reserve)


# ---- commit -------------------------------------------------------------------------------------


def test_commit__valid_order__one_slot_and_the_whole_order_in_the_event(desk: Desk) -> None:
    order = desk.order()
    before = balance(desk.trader)
    order_id = desk.commit(order)
    event = the_event(desk)
    assert (event.order_id, event.account) == (order_id, order.account)
    assert (tuple(event.order), event.commit_time) == (tuple(order), desk.now)
    assert desk.orders.commit_time(order_id) == desk.now
    assert balance(desk.orders.address) == MIN_RESERVE
    assert balance(desk.trader) == before - MIN_RESERVE


def test_order_id__any_order__hash_of_chain_contract_and_order(desk: Desk) -> None:
    order = desk.order()
    chain_id = int(boa.env.evm.patch.chain_id)
    body = encode(["uint256", "address", ORDER], [chain_id, str(desk.orders.address), order])
    assert desk.orders.order_id(tuple(order)) == keccak(body)
    # neither another chain nor another deployment knows it
    boa.env.evm.patch.chain_id = chain_id + 1
    assert desk.orders.order_id(tuple(order)) != keccak(body)
    boa.env.evm.patch.chain_id = chain_id
    other = deployer_of("Orders").deploy(desk.stub.address, DELAY, MIN_RESERVE)
    assert other.order_id(tuple(order)) != keccak(body)


def test_commit__account_of_somebody_else__refused(desk: Desk) -> None:
    with boa.reverts("orders: not owner"):
        desk.commit(desk.order(), sender=desk.attacker)


@pytest.mark.parametrize(("role", "allowed"), [(ACT, True), (ACT | 1, True), (3, False)])
def test_commit__hand_for_consent__acts_for_the_owner(desk: Desk, role: int, allowed: bool) -> None:
    hand, order = desk.executor, desk.order()
    desk.stub.set_hand(hand, role)
    if not allowed:
        with boa.reverts("orders: not owner"):
            desk.commit(order, sender=hand)
        return

    desk.commit(order, sender=hand)
    assert the_event(desk).account == order.account
    before = balance(desk.trader)
    desk.orders.cancel(tuple(order), sender=hand)

    # the reserve is the owner's, whoever paid it
    assert balance(desk.trader) == before + order.reserve


def test_commit__second_account_of_the_owner__allowed(desk: Desk) -> None:
    assert desk.commit(desk.order(account=account_of(desk.trader, 5)))


@pytest.mark.parametrize("reserve", [0, MIN_RESERVE - 1])
def test_commit__reserve_below_the_minimum__refused(desk: Desk, reserve: int) -> None:
    with boa.reverts("orders: wrong reserve"):
        desk.commit(desk.order(reserve=reserve))


@pytest.mark.parametrize("paid", [0, MIN_RESERVE - 1, MIN_RESERVE + 1])
def test_commit__value_other_than_the_reserve__refused(desk: Desk, paid: int) -> None:
    with boa.reverts("orders: wrong reserve"):
        desk.commit(desk.order(), value=paid)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size": 0}, "orders: zero size"),
        ({"size": LOT_WAD + 1}, "orders: odd lot"),
        ({"size": -LOT_WAD + 1}, "orders: odd lot"),
        ({"limit_price": TICK_WAD - 1}, "orders: odd tick"),
        ({"deadline": GENESIS + DELAY}, "orders: bad deadline"),
        ({"deadline": GENESIS + DAY + 1}, "orders: bad deadline"),
    ],
)
def test_commit__bad_order__refused(desk: Desk, changes: dict[str, int], reason: str) -> None:
    with boa.reverts(reason):
        desk.commit(desk.order(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"size": LOT_WAD},
        {"size": -LOT_WAD, "limit_price": 0},
        {"limit_price": TICK_WAD},
        {"deadline": GENESIS + DELAY + 1},
        {"deadline": GENESIS + DAY},
        {"reserve": 5 * WAD},
    ],
)
def test_commit__at_each_bound__allowed(desk: Desk, changes: dict[str, int]) -> None:
    assert desk.commit(desk.order(**changes))


def test_commit__twice__refused_until_the_salt_changes(desk: Desk) -> None:
    order = desk.committed()
    with boa.reverts("orders: exists"):
        desk.commit(order)
    desk.commit(order._replace(salt=2))
    assert balance(desk.orders.address) == 2 * MIN_RESERVE


# ---- execute ------------------------------------------------------------------------------------


def test_execute__first_later_price__traded_in_lots_and_ticks_and_paid(desk: Desk) -> None:
    order = desk.committed(reserve=3 * MIN_RESERVE, reduce_only=True)
    desk.wait(10)
    desk.publish(desk.now)
    before = balance(desk.executor)
    desk.execute(order)
    event = the_event(desk)
    assert (event.account, event.executor) == (order.account, desk.executor)
    assert event.order_id == desk.orders.order_id(tuple(order))
    assert (event.price, event.fee) == (usd(3_001), 7)
    assert tuple(desk.stub.last_trade()) == (
        order.account,
        VENUE,
        ETH << 56,
        lots(2),
        usd(3_100),
        True,
    )
    assert not desk.is_open(order)
    assert balance(desk.executor) == before + 3 * MIN_RESERVE
    assert balance(desk.orders.address) == 0


def test_execute__sell__lots_keep_their_sign(desk: Desk) -> None:
    order = desk.committed(size=-3 * LOT_WAD)
    desk.wait(10)
    desk.publish(desk.now)
    desk.execute(order)
    assert desk.stub.last_trade()[3] == -3


def test_execute__reports_passed_along__lead_the_execution(desk: Desk) -> None:
    order = desk.committed()
    desk.wait(10)
    word = price_word(market_at(usd(3_000), publish=desk.now, gap=10))
    desk.stub.set_next_price(ETH, word)
    with boa.reverts("orders: price too early"):
        desk.execute(order)
    desk.execute(order, b"\x01")
    assert not desk.is_open(order)


def test_execute__price_of_before_the_delay__refused(desk: Desk) -> None:
    order = desk.committed()
    desk.wait(10)
    desk.publish(GENESIS + DELAY - 1, gap=1)
    with boa.reverts("orders: price too early"):
        desk.execute(order)
    desk.publish(GENESIS + DELAY, gap=1)
    desk.execute(order)


def test_execute__second_price_after_the_window__refused(desk: Desk) -> None:
    order = desk.committed()
    desk.wait(30)
    # the price before stood at commit + delay: that one was the first
    desk.publish(GENESIS + 20, gap=20 - DELAY)
    with boa.reverts("orders: price passed"):
        desk.execute(order)
    desk.publish(GENESIS + 20, gap=20 - DELAY + 1)
    desk.execute(order)


@pytest.mark.parametrize("late", [0, 1, 4, 5])
def test_execute__later_price_within_the_window__filled(desk: Desk, late: int) -> None:
    # two prices pushed in one block end no order: an executor has the blocks of the window
    order = desk.committed()
    desk.wait(DELAY + late)
    desk.publish(GENESIS + DELAY + late, gap=min(late, 1))
    with boa.reverts("orders: still open"):
        desk.orders.refund(tuple(order), sender=desk.attacker)
    desk.execute(order)
    assert not desk.is_open(order)


def test_execute__later_price_a_second_past_the_window__refused(desk: Desk) -> None:
    order = desk.committed()
    desk.wait(DELAY + PUSH_WINDOW + 1)
    desk.publish(GENESIS + DELAY + PUSH_WINDOW + 1, gap=1)
    with boa.reverts("orders: price passed"):
        desk.execute(order)
    desk.orders.refund(tuple(order), sender=desk.attacker)
    assert not desk.is_open(order)


def test_execute__after_an_outage_longer_than_the_gap_field__refused(desk: Desk) -> None:
    order = desk.committed(deadline=GENESIS + 3_600)
    desk.wait(300)
    # the true gap is 300 s, the stored one 255: at worst the order is refunded
    desk.publish(GENESIS + 300, gap=300)
    with boa.reverts("orders: price passed"):
        desk.execute(order)
    desk.publish(GENESIS + 255 + DELAY - 1, gap=300)
    desk.execute(order)


@given(
    delayed=st.one_of(st.integers(0, 12), st.integers(0, 700)),
    step=st.integers(1, 300),
    late=st.integers(0, 900),
)
@FEW
def test_execute__any_times__only_at_the_first_price_or_within_the_window(
    desk: Desk, delayed: int, step: int, late: int
) -> None:
    with boa.env.anchor():
        order = desk.committed(deadline=GENESIS + 3_600)
        desk.wait(late)
        publish, gap = GENESIS + delayed, min(255, step)
        desk.publish(publish, gap)
        earliest = GENESIS + DELAY
        if publish < earliest:
            with boa.reverts("orders: price too early"):
                desk.execute(order)
        elif publish - gap >= earliest and publish > earliest + PUSH_WINDOW:
            with boa.reverts("orders: price passed"):
                desk.execute(order)
        else:
            desk.execute(order)


def test_execute__deadline__last_second_and_one_more(desk: Desk) -> None:
    order = desk.committed()
    desk.wait(60)
    desk.publish(GENESIS + DELAY)
    with boa.env.anchor():
        desk.wait(1)
        with boa.reverts("orders: expired"):
            desk.execute(order)
    desk.execute(order)


def test_execute__unknown_or_changed_or_executed__refused(desk: Desk) -> None:
    order = desk.committed()
    desk.wait(10)
    desk.publish(desk.now)
    for changed in (
        order._replace(salt=2),
        order._replace(limit_price=order.limit_price + TICK_WAD),
        order._replace(reserve=order.reserve + 1),
        order._replace(reduce_only=True),
        order._replace(venue=str(desk.attacker)),
    ):
        with boa.reverts("orders: unknown order"):
            desk.execute(changed)
    desk.execute(order)
    with boa.reverts("orders: unknown order"):
        desk.execute(order)


def ready(desk: Desk, **changes: Any) -> Order:
    """Return an order whose first price is stored."""
    order = desk.committed(**changes)
    desk.wait(10)
    desk.publish(desk.now)
    return order


def test_execute__trade_refused__order_dies_and_the_executor_is_paid(desk: Desk) -> None:
    # else whoever keeps his account short of margin holds a free option on a known price
    order = ready(desk, reserve=3 * MIN_RESERVE)
    desk.stub.set_fill_price(0)
    before = balance(desk.executor)
    desk.execute(order)
    event = the_event(desk)
    assert type(event).__name__ == "Refused"
    assert event.order_id == desk.orders.order_id(tuple(order))
    assert (event.account, event.executor) == (order.account, desk.executor)
    assert event.reason == "stub: trade refused"
    assert not desk.is_open(order)
    assert balance(desk.executor) == before + 3 * MIN_RESERVE
    assert balance(desk.orders.address) == 0
    desk.stub.set_fill_price(usd(3_001))
    with boa.reverts("orders: unknown order"):
        desk.execute(order)


def error(text: bytes, said: int | None = None) -> bytes:
    """Return Error(string), with another length than its own if `said`."""
    length = len(text) if said is None else said
    padded = text + bytes(-len(text) % 32)
    return keccak(text="Error(string)")[:4] + encode(["uint256", "uint256"], [32, length]) + padded


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (error(b"x" * 31), "x" * 31),
        (error(b"y" * 32), "y" * 31),
        (error(b"z" * 400), "z" * 31),
        (error(b""), ""),
        (error(b"short", said=2**256 - 1), "short" + "\0" * 26),
        (error(b"")[:67], ""),
        (b"\x01", ""),
        (keccak(text="Panic(uint256)")[:4] + bytes(31) + b"\x11" + bytes(60), ""),
    ],
    ids=["longest", "too long", "far too long", "empty", "lies", "cut", "a byte", "panic"],
)
def test_execute__trade_refused_in_any_form__reason_bounded(
    desk: Desk, data: bytes, reason: str
) -> None:
    order = ready(desk)
    desk.stub.set_error(data)
    desk.execute(order)
    assert the_event(desk).reason == reason
    assert not desk.is_open(order)


def test_execute__trade_fails_without_a_word__nothing_happened(desk: Desk) -> None:
    # a lock, or gas that ran out further in: neither is a verdict on the order
    order = ready(desk)
    desk.stub.set_error(b"")
    with boa.reverts("orders: no answer"):
        desk.execute(order)
    assert desk.is_open(order)
    assert balance(desk.orders.address) == MIN_RESERVE


@pytest.mark.parametrize("gas", [150_000, 1_000_000, 2_600_000, 2_630_000])
def test_execute__too_little_gas__refused_before_the_trade(desk: Desk, gas: int) -> None:
    order = ready(desk)
    with boa.reverts("orders: too little gas"):
        desk.orders.execute(tuple(order), sender=desk.executor, gas=gas)
    assert desk.is_open(order)


def test_execute__least_gas_that_is_taken__trade_gets_two_and_a_half_million(desk: Desk) -> None:
    order = ready(desk)
    low, high = 2_630_000, 3_000_000
    while high - low > 1:
        middle = (low + high) // 2
        with boa.env.anchor():
            try:
                desk.orders.execute(tuple(order), sender=desk.executor, gas=middle)
                high = middle
            except boa.BoaError:
                low = middle
    desk.orders.execute(tuple(order), sender=desk.executor, gas=high)
    assert desk.stub.gas_given() >= 2_500_000
