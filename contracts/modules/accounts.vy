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
        self.account_count = index + 1
        log IClearinghouse.AccountOpened(account=account, index=index)
    self.words[account] = stored


@internal
@view
def _has(account: uint256, mask: uint256) -> bool:
    """
    @return whether any bit of the account's word is set under a mask of packing.vy
    """
    return self.words[account] & mask != 0


@internal
def _set_flag(account: uint256, bit: uint256, on: bool) -> bool:
    """
    @return whether that changed it
    """
    if self._has(account, bit) == on:
        return False
    self._save(account, self.words[account] ^ bit)
    return True


@internal
@view
def _words(account: uint256) -> Words:
    words: Words = empty(Words)
    words.word = self.words[account]
    legs: uint256 = words.word // packing.LEGS_AT & packing.MASK_7
    for i: uint256 in range((legs + 1) // 2, bound=u.LEG_WORDS):
        words.legs[i] = self.entries[account][i]
    collaterals: uint256 = words.word // packing.COLLATERALS_AT & packing.MASK_4
    for i: uint256 in range((collaterals + 1) // 2, bound=u.AMOUNT_WORDS):
        words.amounts[i] = self.entries[account][u.LEG_WORDS + i]
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
    count: uint256 = self.words[account] // packing.LEGS_AT & packing.MASK_7
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
    size_after: int256 = size + delta
    if max(size_after, 0 - size_after) > u.MAX_SIZE:
        errors._fail("ledger: size range")
    entry: uint256 = 0
    if size_after != 0:
        entry = packing._leg(instrument, size_after)
    word: uint256 = self.words[account]
    count: uint256 = word // packing.LEGS_AT & packing.MASK_7
    count_after: uint256 = self._put(account, 0, count, position, entry)
    if count_after != count:
        self._save(account, ledger_packing._with_legs(word, count_after))
    return max(size_after, 0) - max(size, 0)


@internal
def _change_amount(account: uint256, collateral: uint256, delta: int256) -> int256:
    """
    @notice Add `delta` atoms of a collateral.
    @return [atoms] the amount after
    """
    word: uint256 = self.words[account]
    count: uint256 = word // packing.COLLATERALS_AT & packing.MASK_4
    position: uint256 = 0
    held: int256 = 0
    for i: uint256 in range(count, bound=u.MAX_COLLATERALS):
        if packing._collateral_id(word, i) == collateral:
            held = convert(self._entry(account, AMOUNTS + i), int256)
            break
        position += 1
    # amounts have 112 bits
    if held < unsafe_sub(0, delta):
        errors._fail("ledger: not enough collateral")
    held += delta

    count_after: uint256 = self._put(
        account, AMOUNTS, count, position, convert(held, uint256)
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
    account: uint256, base: uint256, count: uint256, position: uint256, entry: uint256
) -> uint256:
    """
    @notice Write an entry of a list that begins at `base`; 0 closes it, and the last one moves
            into the hole, so that closing leaves no dirty slot.
    @return the number of entries after
    """
    if entry != 0:
        # 16 legs from 0, 8 amounts from 16
        if position == u.MAX_LEGS - base // 2:
            errors._fail("ledger: no room")
        self._write_entry(account, base + position, entry)
        return max(count, position + 1)
    last: uint256 = base + count - 1
    self._write_entry(account, base + position, self._entry(account, last))
    self._write_entry(account, last, 0)
    return count - 1


@internal
@view
def _entry(account: uint256, index: uint256) -> uint256:
    return packing._half(self.entries[account][index // 2], index)


@internal
def _write_entry(account: uint256, index: uint256, entry: uint256):
    pair: uint256 = self.entries[account][index // 2]
    self.entries[account][index // 2] = packing._with_half(pair, index, entry)
