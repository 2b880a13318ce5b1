# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title PoolStub: a Clearinghouse and a Markets in one, with answers that a test writes down
@license AGPL-3.0-only
@notice For tests of LiquidityPool and Orders alone. Margin is a flat rate on notional; accounts
        are words; deposits, withdrawals and transfers of the settlement token move cash.
@custom:kill not deployable
"""

from ethereum.ercs import IERC20
from interfaces import IClearinghouse
from interfaces import IMarkets

IWAD: constant(int256) = 10**18

settlement_token: public(address)
settlement_scale: public(uint256)

prices: HashMap[uint256, uint256]
fundings: HashMap[uint256, int256]
next_market: uint256
next_price: uint256
untrusted: HashMap[uint256, bool]
states: HashMap[uint256, uint256]

cash: public(HashMap[uint256, int256])
quote: public(HashMap[uint256, int256])
metas: HashMap[uint256, uint256]
legs: HashMap[uint256, uint256[8]]
profit: HashMap[uint256, int256]
im_rate: uint256
mm_rate: uint256
weak: HashMap[uint256, bool]

insurance_account: public(uint256)
fee_account: public(uint256)
tracked: uint256
fill_price: uint256
breaks: bool
error: Bytes[512]
gas_given: public(uint256)
last_trade: public(IClearinghouse.Trade)
trades: public(uint256)
withdrawn_to: public(address)
hands: public(HashMap[address, IClearinghouse.Role])


@deploy
def __init__(token: address, scale: uint256):
    self.settlement_token = token
    self.settlement_scale = scale
    self.insurance_account = 1
    self.fee_account = 2
    self.tracked = 10**40
    self.im_rate = 5 * 10**16
    self.mm_rate = 25 * 10**15


# ---- written by tests ---------------------------------------------------------------------------


@external
def set_price(market: uint256, word: uint256, funding: int256):
    """
    @param word a whole price word
    """
    self.prices[market] = word
    self.fundings[market] = funding


@external
def set_next_price(market: uint256, word: uint256):
    """
    @notice What the next update with reports stores.
    """
    self.next_market = market
    self.next_price = word


@external
def set_hand(hand: address, role: IClearinghouse.Role):
    self.hands[hand] = role


@external
def set_untrusted(market: uint256, untrusted: bool):
    self.untrusted[market] = untrusted


@external
def set_state(market: uint256, word: uint256):
    """
    @param word a whole state word
    """
    self.states[market] = word


@external
def set_rates(im_rate: uint256, mm_rate: uint256):
    """
    @notice Requirements as shares of the notional [WAD].
    """
    self.im_rate = im_rate
    self.mm_rate = mm_rate


@external
def set_account(account: uint256, word: uint256, legs: uint256[8]):
    """
    @param word an account word
    """
    self.cash[account] = convert(convert(word, bytes32), int256) >> 160
    self.quote[account] = convert(convert(word << 96, bytes32), int256) >> 160
    self.metas[account] = word & (2**64 - 1)
    self.legs[account] = legs


@external
def set_profit(account: uint256, profit: int256):
    """
    @notice What the next settlement moves from quote to cash.
    """
    self.profit[account] = profit


@external
def set_tracked(tracked: uint256):
    """
    @param tracked [atoms] of the settlement token
    """
    self.tracked = tracked


@external
def set_fill_price(price: uint256):
    self.fill_price = price


@external
def set_error(error: Bytes[512]):
    """
    @notice What every trade reverts with from now on, which may be nothing.
    """
    self.breaks = True
    self.error = error


# ---- Clearinghouse ------------------------------------------------------------------------------


@external
def deposit(account: uint256, token: address, amount: uint256):
    self.cash[account] += convert(amount * self.settlement_scale, int256)
    extcall IERC20(token).transferFrom(msg.sender, self, amount, default_return_value=True)


@external
def withdraw(
    account: uint256, token: address, amount: uint256, to: address, reports: Bytes[2048] = b""
):
    assert convert(account >> 96, address) == msg.sender, "stub: not the owner"
    self.cash[account] -= convert(amount * self.settlement_scale, int256)
    assert self.cash[account] >= 0, "stub: not enough cash"
    self.withdrawn_to = to
    extcall IERC20(token).transfer(to, amount, default_return_value=True)


@external
def transfer(
    sender: uint256, receiver: uint256, token: address, amount: uint256, reports: Bytes[2048] = b""
):
    assert convert(sender >> 96, address) == msg.sender, "stub: not the owner"
    self.cash[sender] -= convert(amount * self.settlement_scale, int256)
    assert self.cash[sender] >= 0, "stub: not enough cash"
    self.cash[receiver] += convert(amount * self.settlement_scale, int256)


@external
def settle(account: uint256) -> int256:
    moved: int256 = self.profit[account]
    self.profit[account] = 0
    self.cash[account] += moved
    self.quote[account] -= moved
    return moved


@external
def trade(t: IClearinghouse.Trade) -> IClearinghouse.Traded:
    self.gas_given = msg.gas
    assert self.fill_price != 0, "stub: trade refused"
    if self.breaks:
        raw_revert(self.error)
    self.last_trade = t
    self.trades += 1
    return IClearinghouse.Traded(price=self.fill_price, fee=7, funding=0)


@external
@view
def markets() -> address:
    return self


@external
@view
def token_info(token: address) -> IClearinghouse.TokenInfo:
    info: IClearinghouse.TokenInfo = empty(IClearinghouse.TokenInfo)
    info.tracked = self.tracked
    return info


@external
def set_weak(account: uint256, weak: bool):
    """
    @param weak whether the account is under MM, whatever it holds
    """
    self.weak[account] = weak


@external
@view
def health(account: uint256) -> IMarkets.Health:
    health: IMarkets.Health = empty(IMarkets.Health)
    health.equity = -1 if self.weak[account] else 0
    return health


@external
@view
def account_words(account: uint256) -> (uint256, uint256[8], uint256[4]):
    return self._word(account), self.legs[account], empty(uint256[4])


# ---- Markets ------------------------------------------------------------------------------------


@external
def update(reports: Bytes[2048]) -> uint256:
    self.prices[self.next_market] = self.next_price
    return 1


@external
@view
def check(word: uint256, legs: uint256[8], amounts: uint256[4]) -> IMarkets.Health:
    cash: int256 = convert(convert(word, bytes32), int256) >> 160
    unsettled: int256 = convert(convert(word << 96, bytes32), int256) >> 160
    notional: uint256 = 0
    count: uint256 = (word >> 57) & 127
    for i: uint256 in range(count, bound=16):
        entry: uint256 = (legs[i // 2] >> (128 * (i % 2))) & (2**128 - 1)
        size: int256 = convert(convert(entry << 192, bytes32), int256) >> 192
        price: uint256 = self.prices[entry >> 120] >> 192
        unsettled += size * (convert(price, int256) - self.fundings[entry >> 120])
        notional += convert(abs(size), uint256) * price
    im: uint256 = notional * self.im_rate // 10**18
    mm: uint256 = notional * self.mm_rate // 10**18
    return IMarkets.Health(
        equity=cash + unsettled,
        unsettled=unsettled,
        im=im,
        le=(im + mm) // 2,
        mm=mm,
        kappa=0,
        status=0,
        resume=0,
    )


@external
@view
def market_words(market: uint256) -> (uint256, uint256, int256):
    return self.prices[market], self.states[market], self.fundings[market]


@external
@view
def price_trusted(market: uint256, max_age: uint256) -> bool:
    publish: uint256 = (self.prices[market] >> 72) & (2**32 - 1)
    age: uint256 = block.timestamp - min(block.timestamp, publish)
    return age <= max_age and not self.untrusted[market]


@internal
@view
def _word(account: uint256) -> uint256:
    cash: uint256 = convert(convert(self.cash[account], bytes32), uint256) & (2**96 - 1)
    quote: uint256 = convert(convert(self.quote[account], bytes32), uint256) & (2**96 - 1)
    return (cash << 160) | (quote << 64) | self.metas[account]
