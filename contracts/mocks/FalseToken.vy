# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title FalseToken: answers False instead of reverting, once told to
@license AGPL-3.0-only
@custom:kill none; it holds nothing of value
"""

from ethereum.ercs import IERC20

decimals: public(immutable(uint8))
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
refuses: public(bool)


@deploy
def __init__(decimals_: uint8):
    decimals = decimals_


@external
def mint(receiver: address, amount: uint256):
    self.balanceOf[receiver] += amount


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True


@external
def set_refuses(refuses: bool):
    self.refuses = refuses


@external
def transfer(receiver: address, amount: uint256) -> bool:
    return self._move(msg.sender, receiver, amount)


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    self.allowance[sender][msg.sender] -= amount
    return self._move(sender, receiver, amount)


@internal
def _move(sender: address, receiver: address, amount: uint256) -> bool:
    if self.refuses:
        return False
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
    log IERC20.Transfer(sender=sender, receiver=receiver, value=amount)
    return True
