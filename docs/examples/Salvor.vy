# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Salvor: a liquidator with an account of its own that earns, or does nothing at all
@license AGPL-3.0-only
@notice docs/examples/salvor.md. Whoever salvages a ship is paid out of what is saved. Each call
        takes in prices, liquidates, and compares the equity of this contract's account before
        and after: if it did not gain what the owner asked for, everything is undone, so that a
        race that is lost costs gas alone.
@custom:kill none; the owner takes everything out by `withdraw` and `sweep`
"""

from interfaces import IClearinghouse
from interfaces import ILiquidator
from interfaces import IMarkets
from interfaces import IOrders

# an account is owner << 96 | index
OWNER_AT: constant(uint256) = 2**96
ANY_PAYMENT: constant(uint256) = max_value(uint256)

OWNER: public(immutable(address))
ACCOUNT: public(immutable(uint256))
CLEARINGHOUSE: immutable(IClearinghouse)
MARKETS: immutable(IMarkets)
LIQUIDATOR: immutable(ILiquidator)
ORDERS: immutable(IOrders)
POOL: immutable(address)


@deploy
def __init__(clearinghouse: address, liquidator: address, orders: address, pool: address):
    """
    @notice Whoever deploys it owns it. Anyone may deposit the settlement token into ACCOUNT.
    """
    OWNER = msg.sender
    ACCOUNT = convert(self, uint256) * OWNER_AT
    CLEARINGHOUSE = IClearinghouse(clearinghouse)
    MARKETS = IMarkets(staticcall IClearinghouse(clearinghouse).markets())
    LIQUIDATOR = ILiquidator(liquidator)
    ORDERS = IOrders(orders)
    POOL = pool


@external
@payable
def __default__():
    """
    @notice Reserves of orders that were not filled come back here.
    """
    pass


# ---- liquidate --------------------------------------------------------------------------------


@external
def take(account: uint256, min_profit: uint256, reports: Bytes[2048] = b"") -> uint256:
    """
    @notice Take over as much of an account under MM as is due now.
    @param min_profit [USD WAD] least gain in equity, which has to cover the gas too
    @param reports signed prices to take in first, may be empty
    @return [USD WAD] the gain
    @custom:reverts "salvor: not the owner", "salvor: profit", and the Liquidator's reasons
    """
    before: int256 = self._begin(reports)
    # planned here, since the reward and with it the size that is due change with every second
    plan: ILiquidator.TakePlan = staticcall LIQUIDATOR.plan_take(account)
    # no bound on the payment: what it buys is worth more by min_profit, or all of it reverts
    extcall LIQUIDATOR.take(
        account, ACCOUNT, plan.fraction, ANY_PAYMENT, 0, block.timestamp
    )
    return self._gained(before, min_profit)


@external
def reduce(
    account: uint256, instrument: uint256, min_profit: uint256, reports: Bytes[2048] = b""
) -> uint256:
    """
    @notice Close as much of a leg of an account under MM against the pool as is due now.
    @param min_profit [USD WAD] least pay
    @return [USD WAD] the pay
    @custom:reverts "salvor: not the owner", "salvor: profit", and the Liquidator's reasons
    """
    before: int256 = self._begin(reports)
    # size 0: the Liquidator searches for it; needs no capital, since the pool is the other side
    extcall LIQUIDATOR.reduce(account, instrument, 0, min_profit, ACCOUNT, block.timestamp)
    return self._gained(before, min_profit)


# ---- what was taken over ----------------------------------------------------------------------


@external
@payable
def close(instrument: uint256, size: int256, limit_price: uint256, salt: uint256) -> bytes32:
    """
    @notice Commit an order that can only make a leg smaller; the value sent is its reserve.
    @param size [WAD] whole lots, > 0 buys
    @param limit_price [WAD] worst price
    """
    self._check_owner()
    return extcall ORDERS.commit(
        IOrders.Order(
            account=ACCOUNT,
            venue=POOL,
            instrument=instrument,
            size=size,
            limit_price=limit_price,
            deadline=block.timestamp + 300,
            reduce_only=True,
            reserve=msg.value,
            salt=salt,
        ),
        value=msg.value,
    )


@external
def withdraw(token: address, amount: uint256, to: address, reports: Bytes[2048] = b""):
    """
    @notice Take capital, collateral or earnings out of the account.
    """
    self._check_owner()
    extcall CLEARINGHOUSE.batch(
        reports,
        self,
        [
            IClearinghouse.Action(
                kind=IClearinghouse.Kind.WITHDRAW,
                account=ACCOUNT,
                other=convert(to, uint256),
                token=token,
                amount=amount,
            )
        ],
    )


@external
def sweep(to: address):
    """
    @notice Take out the native coin that came back.
    """
    self._check_owner()
    # enough for a contract wallet that takes note of it
    send(to, self.balance, gas=30_000)


# ---- internal ---------------------------------------------------------------------------------


@internal
@view
def _check_owner():
    assert msg.sender == OWNER, "salvor: not the owner"


@internal
def _begin(reports: Bytes[2048]) -> int256:
    """
    @notice Prices first: equity before and after has to be measured at the same ones.
    @return [USD WAD] equity before
    """
    self._check_owner()
    if len(reports) != 0:
        extcall MARKETS.update(reports)
    return (staticcall CLEARINGHOUSE.health(ACCOUNT)).equity


@internal
@view
def _gained(before: int256, min_profit: uint256) -> uint256:
    """
    @return [USD WAD] what the account gained since
    """
    gain: int256 = (staticcall CLEARINGHOUSE.health(ACCOUNT)).equity - before
    assert gain >= 0 and convert(gain, uint256) >= min_profit, "salvor: profit"
    return convert(gain, uint256)
