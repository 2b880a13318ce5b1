# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Reenterer: a token hook that calls back what it was told to
@license AGPL-3.0-only
@custom:kill none; it holds nothing of value
"""

target: address
payload: Bytes[1024]
reached: public(bool)
answer: public(Bytes[128])


@external
def aim(target: address, payload: Bytes[1024]):
    """
    @notice Say which call the next hook makes.
    """
    self.target = target
    self.payload = payload
    self.reached = False


@external
def on_transfer():
    """
    @notice Make the call and note whether it went through; the transfer goes on either way.
    """
    self.reached, self.answer = raw_call(
        self.target, self.payload, max_outsize=128, revert_on_failure=False
    )
