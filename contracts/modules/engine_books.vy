# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Books of the engine: option and future legs of accounts, their mode, open interest
@license AGPL-3.0-only
@notice docs/spec/engine.md#books. The only writer of legs beside the core. A book's word is
        `portfolio 1 @8 | legs 8 @0`; entries are the core's, two a slot.
@custom:kill not deployable
"""

from interfaces import IOptions
from libs import errors
from libs import instruments
from libs import packing
from libs import units as u

ROOM: constant(uint256) = 64
WORDS: constant(uint256) = ROOM // 2
COUNT: constant(uint256) = 2**8 - 1
PORTFOLIO_BIT: constant(uint256) = 2**8

books: HashMap[uint256, uint256]
entries: HashMap[uint256, uint256[WORDS]]
# lots of options bought, by market
open_interest: HashMap[uint256, uint256]


@internal
@view
def _count(account: uint256) -> uint256:
    return self.books[account] & COUNT


@internal
@view
def _legs(account: uint256) -> DynArray[uint256, WORDS]:
    legs: DynArray[uint256, WORDS] = []
    for i: uint256 in range((self._count(account) + 1) // 2, bound=WORDS):
        legs.append(self.entries[account][i])
    return legs


@internal
@view
def _rest(account: uint256, part: uint256) -> DynArray[uint256, WORDS]:
    """
    @param part [WAD] what has been carried away
    @return what _carry leaves: less than the whole closes no leg
    """
    legs: DynArray[uint256, WORDS] = []
    if part == u.WAD:
        return legs
    held: DynArray[uint256, WORDS] = self._legs(account)
    for pair: uint256 in held:
        left: uint256 = 0
        for half: uint256 in range(2):
            entry: uint256 = packing._half(pair, half)
            size: int256 = packing._leg_size(entry)
            size -= size * convert(part, int256) // u.IWAD
            left = packing._with_half(left, half, packing._with_size(entry, size))
        legs.append(left)
    return legs


@internal
@view
def _find(account: uint256, instrument: uint256) -> (uint256, int256):
    """
    @return position and size [lots] of a leg; the count and 0 when it is not held
    """
    count: uint256 = self._count(account)
    for word: uint256 in range((count + 1) // 2, bound=WORDS):
        pair: uint256 = self.entries[account][word]
        half: uint256 = packing._place_in(pair, instrument)
        if half < 2:
            return 2 * word + half, packing._leg_size(packing._half(pair, half))
    return count, 0


@internal
@view
def _place(account: uint256, instrument: uint256, found: uint256, size: int256) -> uint256:
    """
    @notice Where a leg stands now that was found a while ago, when others may have closed since.
    """
    if size == 0:
        return self._count(account)
    entry: uint256 = packing._half(self.entries[account][found // 2], found)
    if packing._leg_instrument(entry) == instrument:
        return found
    return self._find(account, instrument)[0]


@internal
def _change(
    account: uint256, instrument: uint256, position: uint256, size: int256, delta: int256
) -> int256:
    """
    @notice Add lots to the leg of `size` at a position of _find; the last one takes a closed
            one's place.
    @return [lots] change of max(size, 0)
    @custom:reverts "engine: size range", "engine: no room"
    """
    if abs(delta) > u.MAX_SIZE or abs(size + delta) > u.MAX_SIZE:
        errors._fail("engine: size range")
    after: int256 = size + delta
    book: uint256 = self.books[account]
    count: uint256 = book & COUNT
    if after != 0:
        if position == ROOM:
            errors._fail("engine: no room")
        self._write(account, position, packing._leg(instrument, after))
        if position == count:
            self.books[account] = book + 1
    elif size != 0:
        # a leg that was there
        last: uint256 = count - 1
        self._write(account, position, packing._half(self.entries[account][last // 2], last))
        self._write(account, last, 0)
        self.books[account] = book - 1
    return max(after, 0) - max(size, 0)


@internal
def _write(account: uint256, position: uint256, entry: uint256):
    pair: uint256 = self.entries[account][position // 2]
    self.entries[account][position // 2] = packing._with_half(pair, position, entry)


@internal
def _interest(instrument: uint256, change: int256) -> uint256:
    """
    @notice Book a change of the option contracts of a market [lots].
    @return how many there are; 0 for futures, which are not counted
    """
    if instruments._kind(instrument) < instruments.CALL:
        return 0
    market: uint256 = instruments._market(instrument)
    # never below zero: the sum of what is held long
    after: uint256 = convert(convert(self.open_interest[market], int256) + change, uint256)
    self.open_interest[market] = after
    return after


@internal
@view
def _engaged(account: uint256) -> bool:
    """
    @return whether the engine answers for the account's margin
    """
    return self.books[account] != 0


@internal
def _carry(account: uint256, receiver: uint256, part: uint256):
    """
    @notice Move a share of every leg, from the last one down: closing one moves none still to come.
    @custom:rounding a leg's share toward zero; all of it for the whole
    """
    count: uint256 = self._count(account)
    # who has none has none of these either: legs are of different instruments
    bare: bool = self._count(receiver) == 0
    position: uint256 = count
    for k: uint256 in range(count, bound=ROOM):
        position -= 1
        entry: uint256 = packing._half(self.entries[account][position // 2], position)
        instrument: uint256 = packing._leg_instrument(entry)
        size: int256 = packing._leg_size(entry)
        moved: int256 = size * convert(part, int256) // u.IWAD
        if moved == 0:
            continue
        change: int256 = self._change(account, instrument, position, size, -moved)
        other_position: uint256 = 0
        other: int256 = 0
        if bare:
            other_position = self._count(receiver)
        else:
            other_position, other = self._find(receiver, instrument)
        change += self._change(receiver, instrument, other_position, other, moved)
        self._interest(instrument, change)
        log IOptions.LegCarried(
            account=account,
            receiver=receiver,
            instrument=instrument,
            size=moved,
            account_size=size - moved,
            receiver_size=other + moved,
        )
    if part == u.WAD:
        self.books[account] = self._count(account)
