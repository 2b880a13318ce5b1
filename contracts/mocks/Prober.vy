# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Prober: makes a list of calls in the middle of somebody else's, and notes how each ended
@license AGPL-3.0-only
@notice A token's hook, an owner of accounts, and a receiver of the coin.
@custom:kill none; it holds nothing of value
"""

MAX_CALLS: constant(uint256) = 256
# an answer longer than this is cut: a reason of up to 64 bytes has 132
MAX_ANSWER: constant(uint256) = 132


struct Call:
    target: address
    data: Bytes[2048]
    amount: uint256         # wei sent along


calls: DynArray[Call, MAX_CALLS]
# per call: whether it went through, and what it answered or failed with
passed: DynArray[bool, MAX_CALLS]
answers: DynArray[Bytes[MAX_ANSWER], MAX_CALLS]
count: uint256


@external
@payable
@reentrant
def __default__():
    self._probe()


@external
def aim(target: address, data: Bytes[2048], amount: uint256):
    """
    @notice Add a call to the list.
    @param amount [wei] sent along
    """
    self.calls.append(Call(target=target, data=data, amount=amount))


@external
def forget():
    """
    @notice Empty the list and what is known of it.
    """
    self.calls = []
    self.passed = []
    self.answers = []
    self.count = 0


@external
@reentrant
def on_transfer():
    """
    @notice The hook: what it calls may fail, the transfer goes on.
    """
    self._probe()


@external
def act(target: address, data: Bytes[2048], amount: uint256):
    """
    @notice Call as this contract.
    """
    raw_call(target, data, value=amount)


# ---- view ---------------------------------------------------------------------------------------


@external
@view
def outcomes() -> DynArray[bool, MAX_CALLS]:
    """
    @return which calls of the list went through; empty when nothing was called
    """
    return self.passed


@external
@view
def answer(index: uint256) -> Bytes[MAX_ANSWER]:
    """
    @return what a call answered, or failed with
    """
    return self.answers[index]


# ---- internal -----------------------------------------------------------------------------------


@internal
def _probe():
    # once: a probed call may make the token move again
    if self.count != 0:
        return
    self.count = len(self.calls)
    for i: uint256 in range(len(self.calls), bound=MAX_CALLS):
        ok: bool = False
        answer: Bytes[MAX_ANSWER] = b""
        ok, answer = raw_call(
            self.calls[i].target,
            self.calls[i].data,
            max_outsize=MAX_ANSWER,
            value=self.calls[i].amount,
            revert_on_failure=False,
        )
        self.passed.append(ok)
        self.answers.append(answer)
