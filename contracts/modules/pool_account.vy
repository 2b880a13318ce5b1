# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The pool's own account: its words, its health, the room it has for liquidations
@license AGPL-3.0-only
@notice docs/spec/pool.md. Reads the Clearinghouse's ledger; writes nothing.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import IMarkets
from interfaces import IVenue
from libs import packing
from libs import units as u
from modules import pool_quotes

uses: pool_quotes


# halvings of the search for room when the pool's own margin binds
ROOM_STEPS: constant(uint256) = 24

CLEARINGHOUSE: immutable(IClearinghouse)
ACCOUNT: immutable(uint256)
# their cash backs a withdrawal by nobody else
_INSURANCE: immutable(uint256)
_FEES: immutable(uint256)


struct Words:               # as Clearinghouse.account_words returns them
    word: uint256
    legs: uint256[8]
    amounts: uint256[4]


@deploy
def __init__(clearinghouse: address):
    CLEARINGHOUSE = IClearinghouse(clearinghouse)
    ACCOUNT = packing._account_of(self, 0)
    _INSURANCE = staticcall CLEARINGHOUSE.insurance_account()
    _FEES = staticcall CLEARINGHOUSE.fee_account()


# ---- view ---------------------------------------------------------------------------------------


@external
@view
def liquidation_room(market: uint256, size: int256) -> uint256:
    """
    @notice How many lots of a forced fill of `size` the pool stands by now.
    @param size [lots] the taker's side
    @return [lots] at most |size|; a fill up to it passes `confirm` at the stored prices
    @custom:rounding down
    @custom:reverts "pool: unknown market"
    """
    words: Words = self._words(ACCOUNT)
    position: uint256 = self._position(words, market)
    if position == u.MAX_LEGS:
        return 0

    high: uint256 = self._cap_room(words, position, market, size)
    low: uint256 = 0
    middle: uint256 = high
    for _step: uint256 in range(ROOM_STEPS):
        if low == high:
            break
        if self._stands(words, position, market, middle, size > 0):
            low = middle
        else:
            high = middle - 1
        middle = (low + high + 1) // 2
    return low


# ---- internal -----------------------------------------------------------------------------------


@internal
@view
def _words(account: uint256) -> Words:
    words: Words = empty(Words)
    words.word, words.legs, words.amounts = staticcall CLEARINGHOUSE.account_words(account)
    return words


@internal
@view
def _health(words: Words) -> IMarkets.Health:
    return staticcall pool_quotes.MARKETS.check(words.word, words.legs, words.amounts)


@internal
@view
def _nav(words: Words) -> uint256:
    """
    @notice NAV at the stored prices, whatever their age [WAD].
    """
    exposure: pool_quotes.Exposure = pool_quotes._exposure(
        self._health(words).equity, words.legs, packing._leg_count(words.word), 0
    )
    return exposure.nav


@internal
@view
def _payable(words: Words, asset: address, scale: uint256) -> uint256:
    """
    @notice What a withdrawal may take out of the settled pool: its cash, above IM, on hand [WAD].
    @dev Cash can exceed what is on hand while losers owe cash against their collateral.
    """
    health: IMarkets.Health = self._health(words)
    on_hand: int256 = convert(
        (staticcall CLEARINGHOUSE.token_info(asset)).tracked * scale, int256
    )
    on_hand -= packing._cash(self._words(_INSURANCE).word)
    on_hand -= packing._cash(self._words(_FEES).word)
    free: int256 = min(packing._cash(words.word), health.equity - convert(health.im, int256))
    return convert(max(0, min(free, on_hand)), uint256)


@internal
@pure
def _position(words: Words, market: uint256) -> uint256:
    """
    @return where the market's leg stands or would stand; MAX_LEGS when there is no place for it
    """
    leg_count: uint256 = packing._leg_count(words.word)
    for i: uint256 in range(leg_count, bound=u.MAX_LEGS):
        entry: uint256 = packing._half(words.legs[i // 2], i)
        if packing._leg_instrument(entry) == packing._perp(market):
            return i
    return leg_count


@internal
@pure
def _leg_size(words: Words, position: uint256) -> int256:
    return packing._leg_size(packing._half(words.legs[position // 2], position))


@internal
@view
def _cap_room(words: Words, position: uint256, market: uint256, size: int256) -> uint256:
    """
    @notice Lots up to which the market cap holds, or the pool's leg does not grow; its size
            stays in range even where a lot is worth next to nothing.
    @dev At the NAV before the fill: the fill only adds its spread to it.
    """
    cap: int256 = convert(pool_quotes._cap_lots(market, self._nav(words)), int256)
    # along: the pool's leg counted in the direction in which the fill moves it
    along: int256 = self._leg_size(words, position)
    if size > 0:
        along = -along
    lots: int256 = min(max(cap - along, -2 * along), u.MAX_SIZE - along)
    return convert(min(abs(size), max(0, lots)), uint256)


@internal
@view
def _stands(
    words: Words, position: uint256, market: uint256, lots: uint256, buys: bool
) -> bool:
    """
    @notice Whether the pool keeps E >= MM after a forced fill of `lots`.
    @dev A leg that the fill closes is kept as a leg of zero: MM is too high by KAPPA_LEG then.
    """
    size: int256 = convert(lots, int256)
    if not buys:
        size = -size
    before: int256 = self._leg_size(words, position)
    fill: IVenue.Fill = empty(IVenue.Fill)
    funding: int256 = 0
    fill, funding = pool_quotes._forced_fill(market, size, before)

    after: Words = words
    entry: uint256 = packing._leg(packing._perp(market), before - size)
    after.legs[position // 2] = packing._with_half(words.legs[position // 2], position, entry)
    meta: uint256 = packing._with_counts(
        packing._meta(words.word),
        max(packing._leg_count(words.word), position + 1),
        packing._collateral_count(words.word),
    )
    quote: int256 = packing._quote(words.word) + size * (convert(fill.price, int256) - funding)
    after.word = packing._account_word(packing._cash(words.word), quote, meta)
    health: IMarkets.Health = self._health(after)
    return health.equity >= convert(health.mm, int256)
