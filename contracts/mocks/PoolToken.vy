# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title PoolToken: a token that refuses approvals, keeps a fee, or calls somebody while it moves
@license AGPL-3.0-only
@custom:kill not deployable
"""

balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
decimals: public(uint8)
approves: public(bool)
fee: public(uint256)
hook: address
hook_data: Bytes[1024]
hook_reached: public(bool)
hook_allowed: public(bool)


@deploy
def __init__(decimals: uint8):
    self.decimals = decimals
    self.approves = True


@external
def mint(receiver: address, amount: uint256):
    self.balanceOf[receiver] += amount


@external
def set_approves(approves: bool):
    self.approves = approves


@external
def set_fee(fee: uint256):
    """
    @param fee [atoms] kept of every transfer
    """
    self.fee = fee


@external
def set_hook(hook: address, data: Bytes[1024]):
    """
    @notice Call `hook` with `data` in the middle of every transfer.
    """
    self.hook = hook
    self.hook_data = data


@external
def approve(spender: address, amount: uint256) -> bool:
    if self.approves:
        self.allowance[msg.sender][spender] = amount
    return self.approves


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    self.allowance[sender][msg.sender] -= amount
    self._move(sender, receiver, amount)
    return True


@internal
def _move(sender: address, receiver: address, amount: uint256):
    self.balanceOf[sender] -= amount
    if self.hook != empty(address):
        self.hook_reached = True
        self.hook_allowed = raw_call(self.hook, self.hook_data, revert_on_failure=False)
    self.balanceOf[receiver] += amount - self.fee
