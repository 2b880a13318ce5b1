# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title Operators: who may act for an account, and what takes several contracts in one call
@license AGPL-3.0-only
@notice docs/spec/operators.md. The hand of the Clearinghouse that answers for consent: every entry
        asks the owner, or a grant of his, and then the Clearinghouse or Orders, which check
        everything else. Holds no token and no coin between transactions.
        Modules: grants (who), moves (legs and collateral that change accounts).
@custom:kill none of its own: taken off the Clearinghouse's list of hands it can do nothing; owners
        go on directly, and operators no longer
"""

from ethereum.ercs import IERC20
from interfaces import IClearinghouse
from interfaces import IOperators
from interfaces import IOrders
from libs import errors
from libs import packing
from libs import tokens
from libs import units as u
from modules import grants
from modules import moves
from snekmate.tokens.interfaces import IERC20Permit
from snekmate.utils import eip712_domain_separator

implements: IOperators

initializes: eip712_domain_separator
initializes: grants[eip712_domain_separator := eip712_domain_separator]
initializes: moves

exports: eip712_domain_separator.eip712Domain
exports: (
    grants.grant,
    grants.permit,
    grants.cancel_nonce,
    grants.granted,
    grants.nonce_used,
)

MAX_ACTIONS: constant(uint256) = 8
MAX_GRANTS: constant(uint256) = 4

ORDERS: immutable(IOrders)


@deploy
def __init__(clearinghouse: address, orders: address):
    eip712_domain_separator.__init__("Plimsoll Operators", "1")
    moves.__init__(clearinghouse)
    ORDERS = IOrders(orders)


# ---- owners -------------------------------------------------------------------------------------


@external
def batch(
    reports: Bytes[2048],
    actions: DynArray[IClearinghouse.Action, MAX_ACTIONS],
    given: DynArray[IOperators.Grant, MAX_GRANTS],
):
    """
    @notice Actions of the caller's accounts, checked once at the end, and grants with them.
    @param reports a price update to begin with (docs/spec/oracle.md#blob), or nothing
    @custom:reverts as grant, and whatever the Clearinghouse refuses
    """
    for g: IOperators.Grant in given:
        grants._set(g)
    extcall moves.CLEARINGHOUSE.batch(reports, msg.sender, actions)


@external
def deposit_with_permit(
    account: uint256,
    token: address,
    amount: uint256,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice Deposit the caller's tokens with his ERC-2612 permit: for the Clearinghouse into an
            account of his, for this contract into one of somebody else, as far as anyone may
            deposit there. One that somebody else has brought already has left its allowance, and
            is not needed; only the caller pays by it.
    @custom:reverts "custody: not held", whatever the token and the Clearinghouse refuse
    """
    core: address = moves.CLEARINGHOUSE.address
    own: bool = packing._owner(account) == msg.sender
    spender: address = core if own else self
    if staticcall IERC20(token).allowance(msg.sender, spender) < amount:
        # whatever is called here is given no more than the caller's own signature
        extcall IERC20Permit(token).permit(msg.sender, spender, amount, deadline, v, r, s)
    if own:
        self._act(b"", msg.sender, IClearinghouse.Kind.DEPOSIT, account, 0, token, amount)
    else:
        self._pay_in(account, token, amount)


@external
@payable
def isolate(
    parent: uint256,
    token: address,
    amount: uint256,
    order: IOrders.Order,
    reports: Bytes[2048] = b"",
) -> bytes32:
    """
    @notice Open an isolated position: fund the order's account out of another one of the caller
            and commit its first order. What the isolated account can lose is what it was given.
    @return order id
    @custom:reverts "custody: not the owner", as a transfer, as Orders.commit
    """
    child: uint256 = order.account
    self._act(
        reports, msg.sender, IClearinghouse.Kind.TRANSFER, parent, child, token, amount
    )
    return extcall ORDERS.commit(order, value=msg.value)


@external
def fold(child: uint256, parent: uint256, reports: Bytes[2048] = b""):
    """
    @notice Close an isolated position back: everything that the child has, legs with their
            unsettled result, moves to another account of the caller, which must stand above IM
            with it.
    @custom:reverts "operators: not the owner", "operators: in auction", "operators: leg too small",
            and whatever the Clearinghouse refuses
    """
    grants._require_owner(child)
    grants._require_owner(parent)
    moves._update(reports)
    moves._all(child, parent)


@external
def move(
    sender: uint256,
    receiver: uint256,
    legs: DynArray[IOperators.Leg, u.MAX_LEGS],
    amounts: DynArray[IOperators.Amount, u.MAX_COLLATERALS],
    reports: Bytes[2048] = b"",
):
    """
    @notice Move legs and collateral of the caller's account to another account that agrees: one of
            his own, or one that has granted him RECEIVE. Legs move at the mark, so neither side
            gains, and both must stand above IM after it. Legs and collateral are named, not
            counted: places change when another transaction closes a leg.
    @param legs [lots] of each that moves, toward zero
    @param amounts [atoms] of each collateral that moves
    @custom:reverts "operators: not the owner", "operators: not granted", "operators: in auction",
            "operators: not held", "operators: leg too small", "operators: dust",
            "operators: price not trusted", and whatever the Clearinghouse refuses
    """
    grants._require_owner(sender)
    grants._require(receiver, IOperators.Scope.RECEIVE)
    moves._update(reports)
    moves._some(sender, receiver, legs, amounts)


# ---- owners and operators -----------------------------------------------------------------------


@external
@payable
def commit(orders: DynArray[IOrders.Order, u.MAX_LEGS]):
    """
    @notice Commit orders for accounts of the caller, or of which he is an operator: an order of a
            session key, or a reduce-only order for every leg. The value sent is all reserves.
    @custom:reverts "operators: not granted", "operators: wrong value", as Orders.commit
    """
    left: uint256 = msg.value
    for order: IOrders.Order in orders:
        grants._require(order.account, IOperators.Scope.TRADE)
        if order.reserve > left:
            errors._fail("operators: wrong value")
        left -= order.reserve
        extcall ORDERS.commit(order, value=order.reserve)
    if left != 0:
        errors._fail("operators: wrong value")


@external
def cancel(order: IOrders.Order):
    """
    @notice Cancel an order as its owner would; its reserve goes to the owner.
    @custom:reverts "operators: not granted", as Orders.cancel
    """
    grants._require(order.account, IOperators.Scope.TRADE)
    extcall ORDERS.cancel(order)


@external
def withdraw(account: uint256, token: address, amount: uint256, reports: Bytes[2048] = b""):
    """
    @notice Withdraw to the account's owner.
    @custom:reverts "operators: not granted", as Clearinghouse.withdraw
    """
    grants._require(account, IOperators.Scope.WITHDRAW)
    owner: address = packing._owner(account)
    to: uint256 = convert(owner, uint256)
    self._act(reports, owner, IClearinghouse.Kind.WITHDRAW, account, to, token, amount)


# ---- internal -----------------------------------------------------------------------------------


@internal
def _pay_in(account: uint256, token: address, amount: uint256):
    """
    @notice Deposit for the caller into an account of somebody else. The Clearinghouse takes from
            who calls it, so the tokens pass through here, exactly `amount` of them.
    """
    tokens._pull(token, msg.sender, amount)
    # an approval that did not happen is found out by the deposit, which uses it up
    extcall IERC20(token).approve(
        moves.CLEARINGHOUSE.address, amount, default_return_value=True
    )
    extcall moves.CLEARINGHOUSE.deposit(account, token, amount)


@internal
def _act(
    reports: Bytes[2048],
    owner: address,
    kind: IClearinghouse.Kind,
    account: uint256,
    other: uint256,
    token: address,
    amount: uint256,
):
    """
    @notice A batch of one action, for an owner whose consent was asked.
    """
    action: IClearinghouse.Action = IClearinghouse.Action(
        kind=kind, account=account, other=other, token=token, amount=amount
    )
    extcall moves.CLEARINGHOUSE.batch(reports, owner, [action])
