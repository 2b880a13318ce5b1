# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What-if accounts: an account's words in memory, changed without being stored
@license AGPL-3.0-only
@notice docs/spec/words.md. Plans and previews ask Markets.check about the words that an action
        would leave; positions move as in the ledger: a closed leg's hole takes the last one.
@custom:kill not deployable
"""

from libs import packing
from libs import units as u


# an account as Markets.check takes it
struct Books:
    word: uint256
    legs: uint256[8]
    amounts: uint256[4]


@internal
@pure
def _find_leg(legs: uint256[8], count: uint256, instrument: uint256) -> (uint256, int256):
    """
    @return position and size [lots] of a leg; the count and 0 when it is not held
    """
    for i: uint256 in range(count, bound=u.MAX_LEGS):
        entry: uint256 = packing._half(legs[i // 2], i)
        if packing._leg_instrument(entry) == instrument:
            return i, packing._leg_size(entry)
    return count, 0


@internal
@pure
def _with_leg(books: Books, position: uint256, instrument: uint256, size: int256) -> Books:
    """
    @notice Set the leg at a position of _find_leg; a 17th does not fit (index out of range).
    """
    after: Books = books
    count: uint256 = packing._leg_count(books.word)
    entry: uint256 = packing._leg(instrument, size)
    if size == 0:
        if position == count:
            return after
        # position < count
        count = unsafe_sub(count, 1)
        entry = packing._half(after.legs[count // 2], count)
    elif position == count:
        count = unsafe_add(count, 1)
    after.legs[position // 2] = packing._with_half(after.legs[position // 2], position, entry)
    if size == 0:
        after.legs[count // 2] = packing._with_half(after.legs[count // 2], count, 0)
    after.word = packing._with_leg_count(books.word, count)
    return after


@internal
@pure
def _less(word: uint256, cash: int256, quote: int256) -> uint256:
    """
    @return the account word with `cash` and `quote` taken off [WAD]
    """
    return packing._account_word(
        packing._cash(word) - cash, packing._quote(word) - quote, packing._meta(word)
    )


@internal
@pure
def _holds_nothing(word: uint256) -> bool:
    """
    @return whether neither a leg nor a collateral is held
    """
    return word & packing.HOLDINGS_MASK == 0


@internal
@pure
def _magnitude(x: int256) -> uint256:
    """
    @return |x|, x not the smallest int256
    """
    if x < 0:
        # its negative is in range by the @return
        return convert(unsafe_sub(0, x), uint256)
    return convert(x, uint256)
