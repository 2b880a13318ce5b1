# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title HookToken: calls a hook before it moves anything, as ERC-777 does
@license AGPL-3.0-only
@custom:kill none; it holds nothing of value
"""

from ethereum.ercs import IERC20


interface Hook:
    def on_transfer(): nonpayable


decimals: public(immutable(uint8))
# the hook looks at the token while it moves, so its getters stay open
balanceOf: public(reentrant(HashMap[address, uint256]))
allowance: public(reentrant(HashMap[address, HashMap[address, uint256]]))
hook: public(address)


@deploy
def __init__(decimals_: uint8):
    decimals = decimals_


@external
def mint(receiver: address, amount: uint256):
    self.balanceOf[receiver] += amount


@external
def set_hook(hook: address):
    self.hook = hook


@external
@reentrant
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True


@external
@reentrant
def transfer(receiver: address, amount: uint256) -> bool:
    return self._move(msg.sender, receiver, amount)


@external
@reentrant
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    self.allowance[sender][msg.sender] -= amount
    return self._move(sender, receiver, amount)


@internal
def _move(sender: address, receiver: address, amount: uint256) -> bool:
    if self.hook != empty(address):
        extcall Hook(self.hook).on_transfer()
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
    log IERC20.Transfer(sender=sender, receiver=receiver, value=amount)
    return True
