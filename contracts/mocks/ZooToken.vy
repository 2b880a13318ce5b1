# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title ZooToken: what a token can be like, or turn into after an upgrade
@license AGPL-3.0-only
@notice Behaves until it is told otherwise. Its first slots are those of TestToken, so that its
        code may be put where a TestToken stands: that is what the upgrade of a token looks like.
@custom:kill none; it holds nothing of value
"""

from ethereum.ercs import IERC20


interface Hook:
    def on_transfer(): nonpayable


FEE_ONE: constant(uint256) = 10_000
# words of the longest answer, far more than anybody should copy
BOMB_WORDS: constant(uint256) = 1_024

# what transfer and transferFrom answer instead of True
flag Answer:
    NOTHING
    NO
    WORDS           # two of them
    BOMB


# as TestToken
name: public(reentrant(String[32]))
symbol: public(reentrant(String[12]))
decimals: public(immutable(uint8))
totalSupply: public(reentrant(uint256))
balances: HashMap[address, uint256]
allowance: public(reentrant(HashMap[address, HashMap[address, uint256]]))

answer: Answer
# of what the receiver gets, and on top of what the sender pays
fee: uint256
sender_fee: uint256
hook: address
blocked: HashMap[address, bool]
paused: bool
# moves nothing and says that it did
idle: bool
# balanceOf says so much more than the truth
boasts: HashMap[address, uint256]
# another address for the same ledger
entry: address


@deploy
def __init__(decimals_: uint8):
    decimals = decimals_


# ---- habits -------------------------------------------------------------------------------------


@external
@reentrant
def set_answer(answer: Answer):
    self.answer = answer


@external
@reentrant
def set_fee(fee: uint256, sender_fee: uint256):
    """
    @param fee [1e-4] what the receiver gets less
    @param sender_fee [1e-4] what the sender pays more
    """
    self.fee = fee
    self.sender_fee = sender_fee


@external
@reentrant
def set_hook(hook: address):
    self.hook = hook


@external
@reentrant
def set_blocked(holder: address, blocked: bool):
    self.blocked[holder] = blocked


@external
@reentrant
def set_paused(paused: bool):
    self.paused = paused


@external
@reentrant
def set_idle(idle: bool):
    self.idle = idle


@external
@reentrant
def set_boast(holder: address, amount: uint256):
    """
    @param amount [atoms] what balanceOf adds to the truth
    """
    self.boasts[holder] = amount


@external
@reentrant
def set_balance(holder: address, amount: uint256):
    """
    @notice Rebase one holder.
    @param amount [atoms]
    """
    self.balances[holder] = amount


@external
@reentrant
def set_entry(entry: address):
    """
    @notice Name another contract that moves what is held here.
    """
    self.entry = entry


# ---- token --------------------------------------------------------------------------------------


@external
@reentrant
def mint(receiver: address, amount: uint256):
    self.totalSupply += amount
    self.balances[receiver] += amount


@external
@reentrant
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True


@external
@raw_return
@reentrant
def transfer(receiver: address, amount: uint256) -> Bytes[32 * BOMB_WORDS]:
    self._move(msg.sender, receiver, amount)
    return self._answered()


@external
@raw_return
@reentrant
def transferFrom(sender: address, receiver: address, amount: uint256) -> Bytes[32 * BOMB_WORDS]:
    allowed: uint256 = self.allowance[sender][msg.sender]
    if allowed != max_value(uint256):
        self.allowance[sender][msg.sender] = allowed - amount
    self._move(sender, receiver, amount)
    return self._answered()


@external
@reentrant
def move(sender: address, receiver: address, amount: uint256):
    """
    @notice Move for the other entry.
    """
    assert msg.sender == self.entry, "token: not the entry"
    self._move(sender, receiver, amount)


# ---- view ---------------------------------------------------------------------------------------


@external
@view
@reentrant
def balanceOf(holder: address) -> uint256:
    """
    @notice The truth and the boast.
    """
    return self.balances[holder] + self.boasts[holder]


# ---- internal -----------------------------------------------------------------------------------


@internal
def _move(sender: address, receiver: address, amount: uint256):
    assert not self.paused, "token: paused"
    assert not self.blocked[sender] and not self.blocked[receiver], "token: blocked"
    if self.hook != empty(address):
        extcall Hook(self.hook).on_transfer()
    if self.idle:
        return
    self.balances[sender] -= amount + amount * self.sender_fee // FEE_ONE
    self.balances[receiver] += amount - amount * self.fee // FEE_ONE
    log IERC20.Transfer(sender=sender, receiver=receiver, value=amount)


@internal
@view
def _answered() -> Bytes[32 * BOMB_WORDS]:
    if self.answer == Answer.NOTHING:
        return b""
    if self.answer == Answer.NO:
        return abi_encode(False)
    if self.answer == Answer.WORDS:
        return abi_encode(True, True)
    if self.answer == Answer.BOMB:
        bomb: uint256[BOMB_WORDS] = empty(uint256[BOMB_WORDS])
        bomb[0] = 1
        return abi_encode(bomb)
    return abi_encode(True)
