# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title LiquidityPool: the other side of every trade, owned by its share holders
@license AGPL-3.0-only
@notice docs/spec/pool.md. A venue that the Clearinghouse asks (`match`, `confirm`) and that never
        calls in while it trades, and an ERC-4626 with a queue. Its money is the account
        `self << 96` of the Clearinghouse; deposits that wait are `self << 96 | 1`.
@dev The share token is snekmate's erc20: its mint, burn and minter functions stay unexported,
     and its transfers are not locked, so that shares stay readable and movable mid-call; the
     price of a share (`nav`, conversions) is locked.
@custom:kill none: the owner sets parameters inside ranges in code; the Clearinghouse can delist
        the venue, which stops trades and leaves redemptions open
"""

from interfaces import IClearinghouse
from interfaces import ILiquidityPool
from interfaces import IVenue
from modules import pool_account
from modules import pool_quotes
from modules import pool_shares
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.tokens import erc20

implements: ILiquidityPool
implements: IVenue

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: erc20[ownable := ownable]
initializes: pool_quotes[ownable := ownable]
initializes: pool_account[pool_quotes := pool_quotes]
initializes: pool_shares[
    pool_account := pool_account, pool_quotes := pool_quotes, erc20 := erc20
]


exports: (
    pool_quotes.set_params,
    pool_quotes.match,
    pool_quotes.confirm,
    pool_quotes.params,
    pool_quotes.liquidation_quote,
    pool_quotes.liquidation_capacity,
    pool_account.liquidation_room,
)
exports: (
    pool_shares.request_deposit,
    pool_shares.request_redeem,
    pool_shares.execute_deposit,
    pool_shares.execute_redeem,
    pool_shares.retime,
    pool_shares.request,
    pool_shares.request_count,
    pool_shares.pause_deposits,
    pool_shares.DELAY,
    pool_shares.COOLDOWN,
    pool_shares.nav,
    pool_shares.asset,
    pool_shares.totalAssets,
    pool_shares.convertToShares,
    pool_shares.convertToAssets,
    pool_shares.previewDeposit,
    pool_shares.previewRedeem,
)
exports: (
    erc20.name,
    erc20.symbol,
    erc20.decimals,
    erc20.totalSupply,
    erc20.balanceOf,
    erc20.allowance,
    erc20.transfer,
    erc20.approve,
    erc20.transferFrom,
    erc20.permit,
    erc20.nonces,
    erc20.DOMAIN_SEPARATOR,
    erc20.eip712Domain,
)
exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)

SHARE_DECIMALS: constant(uint8) = 18


@deploy
def __init__(
    clearinghouse: address,
    name: String[25],
    symbol: String[5],
    delay: uint256,
    cooldown: uint256,
):
    """
    @param delay [s] from a request to the first price that may execute a deposit
    @param cooldown [s] from a request to the first price that may execute a redemption
    @custom:reverts "pool: out of range"
    """
    ownable.__init__()
    ownable_2step.__init__()
    erc20.__init__(name, symbol, SHARE_DECIMALS, name, "1")
    pool_quotes.__init__(staticcall IClearinghouse(clearinghouse).markets())
    pool_account.__init__(clearinghouse)
    pool_shares.__init__(delay, cooldown)
