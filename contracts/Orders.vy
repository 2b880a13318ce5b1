# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title Orders: committed now, at the first later accepted price filled by anyone or dead
@license AGPL-3.0-only
@notice docs/spec/orders.md. One slot an order: the time of its commitment, keyed by its hash; the
        order itself is brought back at execution. A listed hand of the Clearinghouse.
@dev The native coin held here is exactly the sum of the reserves of the open orders. It is paid
     out last, after the slot is cleared and under the lock, so that a receiver which calls back
     finds every entry closed; a receiver that refuses the coin hurts itself alone.
@custom:kill none: without owner and without parameters; the Clearinghouse can delist this hand,
        after which no order is filled: each is cancelled, refunded, or dies at its price
"""

from interfaces import IClearinghouse
from interfaces import IMarkets
from interfaces import IOrders
from libs import bounded_calls
from libs import errors
from libs import first_price
from libs import instruments
from libs import market_packing
from libs import packing
from libs import units as u

implements: IOrders


# ranges of the deployment
MIN_DELAY: constant(uint256) = 2
MAX_DELAY: constant(uint256) = 60
MAX_RESERVE: constant(uint256) = u.WAD
MAX_LIFE: constant(uint256) = u.DAY
# a report may be this far ahead of the block (docs/spec/oracle.md)
FUTURE: constant(uint256) = 1
# enough for the receive function of a contract wallet, too little to make a refund dear
SEND_GAS: constant(uint256) = 30_000
# What a trade is given at least: less would refuse a sound order, and end it. Accounts that hold
# options are to be checked row by row of the portfolio scan, which takes most of it.
TRADE_GAS: constant(uint256) = 2_500_000
# a call passes on 63/64 of what is left; the event and the reward come out of what stays
GAS_NEEDED: constant(uint256) = TRADE_GAS + TRADE_GAS // 32 + 50_000

TRADE: constant(bytes4) = method_id(
    "trade((uint256,address,uint256,int256,uint256,bool))", output_type=bytes4
)

_CLEARINGHOUSE: immutable(IClearinghouse)
_MARKETS: immutable(IMarkets)
_DELAY: immutable(uint256)
MIN_RESERVE: public(immutable(uint256))

_commit_times: HashMap[bytes32, uint256]


@deploy
def __init__(clearinghouse: address, delay: uint256, min_reserve: uint256):
    """
    @param delay [s] from a commitment to the first price that may execute it
    @param min_reserve [wei] least reward of an executor
    @custom:reverts "orders: out of range"
    """
    if delay < MIN_DELAY or delay > MAX_DELAY or min_reserve == 0 or min_reserve > MAX_RESERVE:
        errors._fail("orders: out of range")
    _CLEARINGHOUSE = IClearinghouse(clearinghouse)
    _MARKETS = IMarkets(staticcall _CLEARINGHOUSE.markets())
    _DELAY = delay
    MIN_RESERVE = min_reserve


# ---- external -----------------------------------------------------------------------------------


@external
@payable
def commit(order: IOrders.Order) -> bytes32:
    """
    @notice Commit an order of an own account, or as a hand that answers for its owner's consent;
            the value sent is the executor's reward.
    @param order sizes and prices in WAD, whole lots and ticks; deadline [unix s] at most a day off
    @return order id
    @custom:reverts "orders: not owner", "orders: wrong reserve", "orders: zero size",
            "orders: odd lot", "orders: odd tick", "orders: bad deadline", "orders: exists"
    """
    self._require_owner(order.account)

    self._check_order(order, msg.value)

    order_id: bytes32 = self._order_id(order)
    if self._commit_times[order_id] != 0:
        errors._fail("orders: exists")
    self._commit_times[order_id] = block.timestamp

    log IOrders.Committed(
        order_id=order_id, account=order.account, order=order, commit_time=block.timestamp
    )
    return order_id


@external
def execute(order: IOrders.Order, reports: Bytes[2048] = b""):
    """
    @notice Fill an order at the first accepted price of after its delay, or end it where the
            trade is refused there, so that its owner cannot choose; earn its reserve either way.
    @param reports signed reports that lead the execution, empty for the stored price
    @custom:reverts "orders: unknown order", "orders: expired", "orders: price too early",
            "orders: price passed", "orders: too little gas", "orders: no answer", and whatever
            Markets refuses of the reports
    """
    order_id: bytes32 = self._order_id(order)
    earliest: uint256 = self._committed(order_id) + _DELAY
    if block.timestamp > order.deadline:
        errors._fail("orders: expired")

    if len(reports) != 0:
        extcall _MARKETS.update(reports)
    word: uint256 = self._price_word(order.instrument)
    if market_packing._publish_time(word) < earliest:
        errors._fail("orders: price too early")
    if first_price._passed(word, earliest):
        errors._fail("orders: price passed")

    self._commit_times[order_id] = 0
    filled: bool = False
    told: Bytes[bounded_calls.MAX_TOLD] = b""
    filled, told = self._try_trade(order)

    if filled:
        log IOrders.Executed(
            order_id=order_id,
            account=order.account,
            executor=msg.sender,
            price=extract32(told, 0, output_type=uint256),
            fee=extract32(told, 32, output_type=uint256),
        )
    else:
        log IOrders.Refused(
            order_id=order_id,
            account=order.account,
            executor=msg.sender,
            reason=bounded_calls._reason(told),
        )

    send(msg.sender, order.reserve, gas=SEND_GAS)


@external
def cancel(order: IOrders.Order):
    """
    @notice Take an order back while no price that could fill it can have been seen.
    @custom:reverts "orders: not owner", "orders: unknown order", "orders: too late to cancel"
    """
    self._require_owner(order.account)

    order_id: bytes32 = self._order_id(order)
    if block.timestamp + FUTURE >= self._committed(order_id) + _DELAY:
        errors._fail("orders: too late to cancel")

    self._close(order_id, order, "cancelled")


@external
def refund(order: IOrders.Order):
    """
    @notice Give the reserve of an order that can no longer be executed back to its owner. Anyone.
    @custom:reverts "orders: unknown order", "orders: still open"
    """
    order_id: bytes32 = self._order_id(order)
    earliest: uint256 = self._committed(order_id) + _DELAY

    if block.timestamp > order.deadline:
        self._close(order_id, order, "expired")
        return
    if not first_price._passed(self._price_word(order.instrument), earliest):
        errors._fail("orders: still open")
    self._close(order_id, order, "price passed")


# ---- view ---------------------------------------------------------------------------------------


@external
@view
def commit_time(order_id: bytes32) -> uint256:
    """
    @return [unix s] of the commitment, 0 when the order is not open
    """
    return self._commit_times[order_id]


@external
@view
def order_id(order: IOrders.Order) -> bytes32:
    """
    @return keccak256 of chain id, this contract and the order
    """
    return self._order_id(order)


@external
@view
def commit_delay() -> uint256:
    """
    @return [s] from a commitment to the first price that may execute it
    """
    return _DELAY


# ---- internal -----------------------------------------------------------------------------------


@internal
@view
def _require_owner(account: uint256):
    """
    @notice The owner, or a hand that answers for his consent (Operators).
    """
    if packing._owner(account) == msg.sender:
        return
    if IClearinghouse.Role.ACT not in staticcall _CLEARINGHOUSE.hands(msg.sender):
        errors._fail("orders: not owner")


@internal
@view
def _check_order(order: IOrders.Order, paid: uint256):
    """
    @notice Shape and terms; account, venue and market are the Clearinghouse's to judge.
    """
    if paid != order.reserve or order.reserve < MIN_RESERVE:
        errors._fail("orders: wrong reserve")
    if order.size == 0:
        errors._fail("orders: zero size")
    if order.size % convert(u.LOT, int256) != 0:
        errors._fail("orders: odd lot")
    if order.limit_price % u.TICK != 0:
        errors._fail("orders: odd tick")
    if (
        order.deadline <= block.timestamp + _DELAY
        or order.deadline > block.timestamp + MAX_LIFE
    ):
        errors._fail("orders: bad deadline")


@internal
@view
def _order_id(order: IOrders.Order) -> bytes32:
    """
    @notice Other chains and other deployments have other ids.
    """
    return keccak256(abi_encode(chain.id, self, order))


@internal
@view
def _committed(order_id: bytes32) -> uint256:
    time: uint256 = self._commit_times[order_id]
    if time == 0:
        errors._fail("orders: unknown order")
    return time


@internal
@view
def _price_word(instrument: uint256) -> uint256:
    price_word: uint256 = 0
    state_word: uint256 = 0
    funding: int256 = 0
    price_word, state_word, funding = staticcall _MARKETS.market_words(
        instruments._market(instrument)
    )
    return price_word


@internal
def _try_trade(order: IOrders.Order) -> (bool, Bytes[bounded_calls.MAX_TOLD]):
    """
    @notice Ask for the fill; a refusal is an answer.
    @dev Every refusal of ours has a reason. What fails without one met a lock, in the middle of
         somebody's call, or ran out of gas: nobody may end an order by that.
    @return whether it was filled; price and fee, or the reason
    """
    if msg.gas < GAS_NEEDED:
        errors._fail("orders: too little gas")
    trade: IClearinghouse.Trade = IClearinghouse.Trade(
        account=order.account,
        venue=order.venue,
        instrument=order.instrument,
        size=order.size // convert(u.LOT, int256),
        limit_price=order.limit_price // u.TICK,
        reduce_only=order.reduce_only,
    )
    filled: bool = False
    told: Bytes[bounded_calls.MAX_TOLD] = b""
    filled, told = bounded_calls._try(
        _CLEARINGHOUSE.address, abi_encode(trade, method_id=TRADE)
    )
    if len(told) == 0:
        errors._fail("orders: no answer")
    return filled, told


@internal
def _close(order_id: bytes32, order: IOrders.Order, reason: String[31]):
    """
    @notice Clear the slot and send the reserve back to the account's owner.
    """
    self._commit_times[order_id] = 0

    log IOrders.Closed(order_id=order_id, account=order.account, reason=reason)

    send(packing._owner(order.account), order.reserve, gas=SEND_GAS)
