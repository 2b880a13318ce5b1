# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title TestToken: an exact ERC-20 that anyone may mint, for test chains
@license AGPL-3.0-only
@notice It calls nobody, so its functions need no lock; real tokens have none either.
@custom:kill none; it holds nothing of value
"""

from ethereum.ercs import IERC20

implements: IERC20

name: public(String[32])
symbol: public(String[12])
decimals: public(immutable(uint8))
totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])


@deploy
def __init__(name: String[32], symbol: String[12], decimals_: uint8):
    self.name = name
    self.symbol = symbol
    decimals = decimals_


@external
@reentrant
def mint(receiver: address, amount: uint256):
    """
    @param amount [atoms]
    """
    self.totalSupply += amount
    self.balanceOf[receiver] += amount
    log IERC20.Transfer(sender=empty(address), receiver=receiver, value=amount)


@external
@reentrant
def approve(spender: address, amount: uint256) -> bool:
    """
    @param amount [atoms] max_value(uint256) is never used up
    """
    self.allowance[msg.sender][spender] = amount
    log IERC20.Approval(owner=msg.sender, spender=spender, value=amount)
    return True


@external
@reentrant
def transfer(receiver: address, amount: uint256) -> bool:
    """
    @param amount [atoms]
    """
    self._move(msg.sender, receiver, amount)
    return True


@external
@reentrant
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    """
    @param amount [atoms]
    """
    allowed: uint256 = self.allowance[sender][msg.sender]
    if allowed != max_value(uint256):
        self.allowance[sender][msg.sender] = allowed - amount
    self._move(sender, receiver, amount)
    return True


@internal
def _move(sender: address, receiver: address, amount: uint256):
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
    log IERC20.Transfer(sender=sender, receiver=receiver, value=amount)
