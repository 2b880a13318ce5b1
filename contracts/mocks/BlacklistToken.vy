# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title BlacklistToken: refuses to move tokens of or to a blocked address, as USDC does
@license AGPL-3.0-only
@custom:kill none; it holds nothing of value
"""

from ethereum.ercs import IERC20

decimals: public(immutable(uint8))
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
blocked: public(HashMap[address, bool])


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
def set_blocked(holder: address, blocked: bool):
    self.blocked[holder] = blocked


@external
def transfer(receiver: address, amount: uint256) -> bool:
    return self._move(msg.sender, receiver, amount)


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    self.allowance[sender][msg.sender] -= amount
    return self._move(sender, receiver, amount)


@internal
def _move(sender: address, receiver: address, amount: uint256) -> bool:
    assert not self.blocked[sender] and not self.blocked[receiver], "token: blocked"
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
    log IERC20.Transfer(sender=sender, receiver=receiver, value=amount)
    return True
