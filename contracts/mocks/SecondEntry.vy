# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title SecondEntry: another address for the balances of a ZooToken, as TUSD had
@license AGPL-3.0-only
@custom:kill none; it holds nothing of value
"""

from ethereum.ercs import IERC20


interface Ledger:
    def decimals() -> uint8: view
    def balanceOf(holder: address) -> uint256: view
    def move(sender: address, receiver: address, amount: uint256): nonpayable


LEDGER: immutable(Ledger)
allowance: public(HashMap[address, HashMap[address, uint256]])


@deploy
def __init__(token: address):
    LEDGER = Ledger(token)


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True


@external
def transfer(receiver: address, amount: uint256) -> bool:
    extcall LEDGER.move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    self.allowance[sender][msg.sender] -= amount
    extcall LEDGER.move(sender, receiver, amount)
    return True


@external
@view
def decimals() -> uint8:
    return staticcall LEDGER.decimals()


@external
@view
def balanceOf(holder: address) -> uint256:
    return staticcall LEDGER.balanceOf(holder)
