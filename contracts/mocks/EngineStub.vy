# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title EngineStub: an engine whose accounts are worth and require what a test says
@license AGPL-3.0-only
@notice An account's book is worth `worth` and adds `charge` to IM and half of it to MM; the rest
        of its health is the Markets'. A share of both goes along with `carry`.
@custom:kill not deployed outside tests
"""

from interfaces import IClearinghouse
from interfaces import IMarkets

clearinghouse: public(IClearinghouse)
markets: IMarkets
worths: public(HashMap[uint256, int256])
charges: public(HashMap[uint256, uint256])
broken: public(bool)
greedy: public(bool)


@external
def connect(clearinghouse: IClearinghouse, markets: IMarkets):
    self.clearinghouse = clearinghouse
    self.markets = markets


@external
def set_book(account: uint256, worth: int256, charge: uint256):
    self.worths[account] = worth
    self.charges[account] = charge


@external
def set_broken(broken: bool, greedy: bool):
    """
    @notice Whether every answer reverts, or takes all the gas there is.
    """
    self.broken = broken
    self.greedy = greedy


@external
def deal(d: IClearinghouse.Deal):
    extcall self.clearinghouse.deal(d)


@external
def post(p: IClearinghouse.Post):
    extcall self.clearinghouse.post(p, False)


@external
@reentrant
def carry(account: uint256, receiver: uint256, part: uint256) -> uint256:
    assert msg.sender == self.clearinghouse.address, "stub: not the clearinghouse"
    worth: int256 = self.worths[account] * convert(part, int256) // 10**18
    charge: uint256 = self.charges[account] * part // 10**18
    self.worths[account] -= worth
    self.charges[account] -= charge
    self.worths[receiver] += worth
    self.charges[receiver] += charge
    books: uint256 = 0
    if self.charges[account] != 0:
        books = 1
    if self.charges[receiver] != 0:
        books |= 2
    return books


@external
@view
@reentrant
def check(
    account: uint256, word: uint256, legs: uint256[8], amounts: uint256[4]
) -> IMarkets.Health:
    assert not self.broken, "stub: broken"
    if self.greedy:
        for i: uint256 in range(2**64):
            pass
    health: IMarkets.Health = staticcall self.markets.check(word, legs, amounts)
    charge: uint256 = self.charges[account]
    health.equity += self.worths[account]
    health.im += charge
    health.mm += charge // 2
    health.le += charge * 3 // 4
    return health
