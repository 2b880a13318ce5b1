# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title FeeToken: takes a fee out of what arrives, or on top of what leaves
@license AGPL-3.0-only
@custom:kill none; it holds nothing of value
"""

from ethereum.ercs import IERC20

decimals: public(immutable(uint8))
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
# parts of 10,000: out of what the receiver gets, and on top of what the sender pays
fee: public(uint256)
sender_fee: public(uint256)


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
def set_fee(fee: uint256, sender_fee: uint256):
    """
    @param fee [1e-4] what the receiver gets less
    @param sender_fee [1e-4] what the sender pays more
    """
    self.fee = fee
    self.sender_fee = sender_fee


@external
def transfer(receiver: address, amount: uint256) -> bool:
    return self._move(msg.sender, receiver, amount)


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    self.allowance[sender][msg.sender] -= amount
    return self._move(sender, receiver, amount)


@internal
def _move(sender: address, receiver: address, amount: uint256) -> bool:
    self.balanceOf[sender] -= amount + amount * self.sender_fee // 10_000
    self.balanceOf[receiver] += amount - amount * self.fee // 10_000
    log IERC20.Transfer(sender=sender, receiver=receiver, value=amount)
    return True
