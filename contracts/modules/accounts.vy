# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Accounts: the words of every account and the list of all accounts
@license AGPL-3.0-only
@notice docs/spec/words.md. The only writer of account words, legs, amounts and the list. An
        account's legs and amounts are entries of 128 bits, two a slot. Everything is written
        where it stands, so that no account is ever held in memory twice; what a call touches
        is warm after the first time.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from libs import errors
from libs import ledger_packing
from libs import packing
from libs import units as u

# entries 0 .. 15 are legs, 16 .. 23 amounts
AMOUNTS: constant(uint256) = u.MAX_LEGS
ENTRY_WORDS: constant(uint256) = u.LEG_WORDS + u.AMOUNT_WORDS
MAX_SIZE: constant(uint256) = 2**63 - 1


# an account as Markets.check takes it
struct Words:
    word: uint256
    legs: uint256[8]
    amounts: uint256[4]


words: HashMap[uint256, uint256]
entries: HashMap[uint256, uint256[ENTRY_WORDS]]

account_count: public(uint256)
account_at: public(HashMap[uint256, uint256])


# ---- external views ---------------------------------------------------------------------------


@external
@view
def account_words(account: uint256) -> (uint256, uint256[8], uint256[4]):
    """
    @notice The stored words of an account, as Markets.check takes them.
    @return account word, leg pairs, amount pairs (docs/spec/words.md)
    """
    words: Words = self._words(account)
    return words.word, words.legs, words.amounts


# ---- word -------------------------------------------------------------------------------------


@internal
def _save(account: uint256, word: uint256):
    """
    @notice Write an account's word; the first write puts the account on the list.
    """
    stored: uint256 = word
    if word & packing.LISTED_BIT == 0:
        stored = word | packing.LISTED_BIT
        index: uint256 = self.account_count
        self.account_at[index] = account
        # one more than there are accounts
        self.account_count = unsafe_add(index, 1)
        log IClearinghouse.AccountOpened(account=account, index=index)
    self.words[account] = stored


@internal
def _set_flag(account: uint256, bit: uint256, on: bool) -> bool:
    """
    @return whether that changed it
    """
    word: uint256 = self.words[account]
    if (word & bit != 0) == on:
        return False
    self._save(account, word ^ bit)
    return True


@internal
@view
def _words(account: uint256) -> Words:
    return self._load(account, self.words[account])


@internal
@view
def _load(account: uint256, word: uint256) -> Words:
    """
    @param word the account's, as stored or as it will be
    """
    words: Words = empty(Words)
    words.word = word
    # two entries a slot; counts are at most 16 and 8
    count: uint256 = unsafe_div(word, packing.LEGS_AT) & packing.MASK_7
    for i: uint256 in range(unsafe_div(unsafe_add(count, 1), 2), bound=u.LEG_WORDS):
        words.legs[i] = self.entries[account][i]
    count = unsafe_div(word, packing.COLLATERALS_AT) & packing.MASK_4
    for i: uint256 in range(unsafe_div(unsafe_add(count, 1), 2), bound=u.AMOUNT_WORDS):
        words.amounts[i] = self.entries[account][unsafe_add(i, u.LEG_WORDS)]
    return words


# ---- legs and amounts -------------------------------------------------------------------------


@internal
@view
def _leg(account: uint256, position: uint256) -> (uint256, int256):
    """
    @return instrument and size [lots] at a position, zeros where nothing is held
    """
    entry: uint256 = self._entry(account, position)
    return packing._leg_instrument(entry), packing._leg_size(entry)


@internal
@view
def _find_leg(account: uint256, instrument: uint256) -> (uint256, int256):
    """
    @return position and size [lots] of a leg; the count and 0 when it is not held
    """
    # a power of two
    count: uint256 = unsafe_div(self.words[account], packing.LEGS_AT) & packing.MASK_7
    for i: uint256 in range(count, bound=u.MAX_LEGS):
        entry: uint256 = self._entry(account, i)
        if packing._leg_instrument(entry) == instrument:
            return i, packing._leg_size(entry)
    return count, 0


@internal
@pure
def _reduces(size: int256, size_after: int256) -> bool:
    """
    @return whether a leg that changed went toward zero and did not cross it
    """
    return size_after >= min(size, 0) and size_after <= max(size, 0)


@internal
def _change_leg(
    account: uint256, instrument: uint256, position: uint256, size: int256, delta: int256
) -> int256:
    """
    @notice Add `delta` lots to the leg of `size` at a position of _find_leg.
    @return [lots] change of max(size, 0), whose sum over all accounts is open interest
    """
    # what wraps around lies far out of the range, which is symmetric: 0 <= size + max <= 2 max
    size_after: int256 = unsafe_add(size, delta)
    shifted: int256 = unsafe_add(size_after, u.MAX_SIZE)
    if convert(convert(shifted, bytes32), uint256) > 2 * MAX_SIZE:
        errors._fail("ledger: size range")
    entry: uint256 = 0
    if size_after != 0:
        entry = packing._leg(instrument, size_after)
    word: uint256 = self.words[account]
    # a power of two
    count: uint256 = unsafe_div(word, packing.LEGS_AT) & packing.MASK_7
    count_after: uint256 = self._put(account, position, count, entry, 0)
    if count_after != count:
        self._save(account, ledger_packing._with_legs(word, count_after))
    # sizes are int64
    return unsafe_sub(max(size_after, 0), max(size, 0))


@internal
def _change_amount(account: uint256, collateral: uint256, delta: int256) -> int256:
    """
    @notice Add `delta` atoms of a collateral, no more than there are.
    @return [atoms] the amount after
    """
    word: uint256 = self.words[account]
    # no divisor is 0
    count: uint256 = unsafe_div(word, packing.COLLATERALS_AT) & packing.MASK_4
    ids: uint256 = word
    position: uint256 = 0
    held: int256 = 0
    for i: uint256 in range(count, bound=u.MAX_COLLATERALS):
        if ids & packing.MASK_6 == collateral:
            # amounts stand from entry 16 on
            held = convert(self._entry(account, unsafe_add(AMOUNTS, i)), int256)
            break
        # at most 8; no divisor is 0
        position = unsafe_add(position, 1)
        ids = unsafe_div(ids, packing.NEXT_ID)
    # amounts have 128 bits, their sums 112 by the caps
    held = unsafe_add(held, delta)
    if held < 0:
        errors._fail("ledger: not enough collateral")

    count_after: uint256 = self._put(
        account, position, count, convert(held, uint256), AMOUNTS
    )
    if count_after != count:
        moved: uint256 = collateral
        if held == 0:
            moved = packing._collateral_id(word, count_after)
        word = packing._with_collateral_id(word, position, moved)
        # the id above the last one: of what moved into the hole, or nothing
        if held == 0:
            word = packing._with_collateral_id(word, count_after, 0)
        self._save(account, ledger_packing._with_collaterals(word, count_after))
    return held


@internal
def _put(
    account: uint256, position: uint256, count: uint256, entry: uint256, base: uint256
) -> uint256:
    """
    @notice Write an entry of a list that begins at `base`; 0 closes it, and the last one moves
            into the hole, so that closing leaves no dirty slot.
    @return the number of entries after
    """
    # 16 legs from 0, 8 amounts from 16; what is closed was there, so the count is not 0
    at: uint256 = unsafe_add(base, position)
    if entry != 0:
        if position == unsafe_sub(u.MAX_LEGS, unsafe_div(base, 2)):
            errors._fail("ledger: no room")
        self._write_entry(account, at, entry)
        # a new one comes after all others
        return max(count, unsafe_add(position, 1))
    left: uint256 = unsafe_sub(count, 1)
    last: uint256 = unsafe_add(base, left)
    self._write_entry(account, at, self._entry(account, last))
    self._write_entry(account, last, 0)
    return left


@internal
@view
def _entry(account: uint256, index: uint256) -> uint256:
    # two a slot
    return packing._half(self.entries[account][unsafe_div(index, 2)], index)


@internal
def _write_entry(account: uint256, index: uint256, entry: uint256):
    # two a slot
    slot: uint256 = unsafe_div(index, 2)
    pair: uint256 = self.entries[account][slot]
    self.entries[account][slot] = packing._with_half(pair, index, entry)
