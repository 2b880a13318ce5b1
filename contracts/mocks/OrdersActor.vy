# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title OrdersActor: owner or executor of orders as a contract: takes the coin, refuses it, or
       calls back while it is paid
@license AGPL-3.0-only
@custom:kill not deployable
"""

refuses: public(bool)
hook: address
hook_data: Bytes[1024]
hook_reached: public(bool)
hook_allowed: public(bool)


@deploy
@payable
def __init__():
    pass


@external
@payable
@reentrant
def __default__():
    assert not self.refuses, "actor: refused"
    if self.hook != empty(address):
        self.hook_reached = True
        self.hook_allowed = raw_call(self.hook, self.hook_data, revert_on_failure=False)


@external
def set_refuses(refuses: bool):
    self.refuses = refuses


@external
def set_hook(hook: address, data: Bytes[1024]):
    """
    @notice Call `hook` with `data` whenever the coin arrives.
    """
    self.hook = hook
    self.hook_data = data


@external
def act(target: address, data: Bytes[4096], amount: uint256):
    """
    @notice Call `target` as this contract.
    """
    raw_call(target, data, value=amount)
