"""Committed orders: docs/spec/orders.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import boa
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.units import DAY, LOT_WAD, PUSH_WINDOW, TICK_WAD, WAD
from tests.reference.words import price_word
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

# IClearinghouse.Role: who answers for an owner's consent
ACT = 4
VENUE = "0x00000000000000000000000000000000000000A1"
ORDER = "(uint256,address,uint256,int256,uint256,uint256,bool,uint256,uint256)"


class Order(NamedTuple):
    """`IOrders.Order`."""

    account: int
    venue: str
    instrument: int
    size: int
    limit_price: int
    deadline: int
    reduce_only: bool
    reserve: int
    salt: int


@dataclass
class Desk:
    """Orders on the stub, with a trader and an executor."""

    stub: Any
    orders: Any
    trader: str
    executor: str
    attacker: str

    @property
    def now(self) -> int:
        """The chain's time."""
        return int(boa.env.evm.patch.timestamp)

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        boa.env.evm.patch.timestamp += seconds

    def publish(self, publish: int, gap: int = 10) -> None:
        """Store a price of this time, `gap` after the one before."""
        word = price_word(market_at(usd(3_000), publish=publish, gap=min(255, gap)))
        self.stub.set_price(ETH, word, 0)

    def order(self, **changes: Any) -> Order:
        """Return a valid order of the trader."""
        return Order(
            account=account_of(self.trader),
            venue=VENUE,
            instrument=ETH << 56,
            size=lots(2) * LOT_WAD,
            limit_price=3_100 * WAD,
            deadline=self.now + 60,
            reduce_only=False,
            reserve=MIN_RESERVE,
            salt=1,
        )._replace(**changes)

    def commit(self, order: Order, **call: Any) -> bytes:
        """Commit as the trader, with the reserve."""
        call = {"value": order.reserve, "sender": self.trader} | call
        return bytes(self.orders.commit(tuple(order), **call))

    def committed(self, **changes: Any) -> Order:
        """Return an order that stands."""
        order = self.order(**changes)
        self.commit(order)
        return order

    def execute(self, order: Order, *reports: bytes) -> None:
        """Execute as the executor."""
        self.orders.execute(tuple(order), *reports, sender=self.executor)

    def is_open(self, order: Order) -> bool:
        """Whether an order stands."""
        return bool(self.orders.commit_time(self.orders.order_id(tuple(order))) != 0)


@pytest.fixture(scope="module")
def deployment() -> Iterator[Desk]:
    with boa.swap_env(boa.Env()):
        boa.env.evm.patch.timestamp = GENESIS
        roles = [str(boa.env.generate_address(role)) for role in ("trader", "keeper", "attacker")]
        for role in roles:
            boa.env.set_balance(role, 100 * WAD)
        stub = deployer_of("mocks/PoolStub").deploy(VENUE, 10**12)
        stub.set_fill_price(usd(3_001))
        orders = deployer_of("Orders").deploy(stub.address, DELAY, MIN_RESERVE)
        desk = Desk(stub, orders, *roles)
        desk.publish(GENESIS)
        yield desk


@pytest.fixture
def desk(deployment: Desk) -> Iterator[Desk]:
    with boa.env.anchor():
        yield deployment


def the_event(desk: Desk) -> Any:
    """Return the one event of Orders in the last call."""
    (event,) = [e for e in desk.orders.get_logs() if e.address == desk.orders.address]
    return event


def balance(address: Any) -> int:
    """Return the coin of an address."""
    return int(boa.env.get_balance(str(address)))


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
