# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What makes a reported surface one to store: ranges, arbitrage, jumps
@license AGPL-3.0-only
@notice docs/spec/surfaces.md: words in, answers out.
@custom:source docs/spec/surfaces.md#checks
@custom:kill not deployable
"""

from libs import packing
from libs import scenarios
from libs import surface_packing
from libs import svi
from libs import units as u

# why a word is not stored, as the event says
EXPIRY: constant(uint256) = 1
FUTURE: constant(uint256) = 2
UNFIT: constant(uint256) = 3
ARBITRAGE: constant(uint256) = 4
CALENDAR: constant(uint256) = 5
ROOM: constant(uint256) = 6

# how far a publish time may run ahead of the block [s], as that of a price
AHEAD: constant(uint256) = 1
# options end within two years
FURTHEST: constant(uint256) = 730 * u.DAY
# [2^-30] 3/4 and 5/4 of the price: beyond them a scan would cut the forward
LEAST_RATIO: constant(uint256) = 3 * 2**28
MOST_RATIO: constant(uint256) = 5 * 2**28
# [WAD] volatility at the money: 1 %, under which a scan looks nowhere, and 500 %, up to which the
# error of a price is promised
LEAST_VOLATILITY: constant(uint256) = u.WAD // 100
MOST_VOLATILITY: constant(uint256) = 5 * u.WAD
# A move of volatility at the money within a quarter of itself, and 0.1 % more for each second since
# the last one, needs no confirmation; and one of the forward's ratio within 1 % and 0.005 % a
# second [2^-30]. Both bands grow for as long as that of prices does.
VOLATILITY_JUMP: constant(uint256) = u.WAD // 4
VOLATILITY_RATE: constant(uint256) = u.WAD // 1_000
RATIO_JUMP: constant(uint256) = 2**30 // 100
RATIO_RATE: constant(uint256) = 2**30 // 20_000
JUMP_TIME: constant(uint256) = 300
# how much later another report has to be to confirm a jump [s], as that of a price
CONFIRM_DELAY: constant(uint256) = 5


@internal
@view
def _fault(word: uint256, same: bool) -> uint256:
    """
    @notice What is wrong with a surface by itself.
    @param same whether its smile is the stored one's, which was looked at when it came: as an
           expiry comes nearer, nothing of that can fail any more
    @return 0 for nothing
    """
    expires: uint256 = surface_packing._expires(word // surface_packing.KEY_AT)
    # 36 bits at most, and far above a time of the chain
    if expires <= block.timestamp or expires > unsafe_add(block.timestamp, FURTHEST):
        return EXPIRY
    if surface_packing._publish(word) > unsafe_add(block.timestamp, AHEAD):
        return FUTURE
    ratio: uint256 = surface_packing._ratio(word)
    if word < surface_packing.SURFACE_MARKET_AT or ratio < LEAST_RATIO or ratio > MOST_RATIO:
        return UNFIT
    if same:
        return 0
    # the expiry is to come
    smile: svi.Smile = scenarios._smile(word, unsafe_sub(expires, block.timestamp))
    if not svi._is_sound(smile) or not svi._has_density(smile):
        return ARBITRAGE
    volatility: uint256 = self._volatility(word)
    if volatility < LEAST_VOLATILITY or volatility > MOST_VOLATILITY:
        return UNFIT
    return 0


@internal
@pure
def _same_smile(word: uint256, stored: uint256) -> bool:
    return stored != 0 and (word ^ stored) & surface_packing.SMILE_MASK == 0


@internal
@pure
def _volatility(word: uint256) -> uint256:
    """
    @param word sound until its expiry
    @return [WAD a year] at the money, rounded down
    """
    variance: uint256 = svi._total_variance(scenarios._smile(word, u.YEAR), 0)
    # annual variances are below 2^11
    return isqrt(unsafe_mul(variance, u.WAD))


@internal
@view
def _fits(later: uint256, earlier: uint256) -> bool:
    """
    @notice Whether the later of two surfaces has at least the total variance of the earlier one.
    @param later expires in the future, as the earlier one does
    """
    return svi._is_after(self._smile_now(later), self._smile_now(earlier))


@internal
@view
def _smile_now(word: uint256) -> svi.Smile:
    """
    @param word of an expiry to come
    """
    expires: uint256 = surface_packing._expires(word // surface_packing.KEY_AT)
    # it is to come
    return scenarios._smile(word, unsafe_sub(expires, block.timestamp))


@internal
@pure
def _jumps(word: uint256, last: uint256, seconds: uint256) -> (bool, bool):
    """
    @param last the stored surface
    @param seconds that the bands have grown for
    @return whether volatility at the money, and whether the forward's ratio, is outside its band
    """
    now: uint256 = self._volatility(word)
    before: uint256 = self._volatility(last)
    grown: uint256 = min(seconds, JUMP_TIME)
    # volatilities are below 2^66, times WAD below 2^126; ratios have 32 bits
    limit: uint256 = unsafe_add(VOLATILITY_JUMP, unsafe_mul(VOLATILITY_RATE, grown))
    moved: uint256 = unsafe_sub(max(now, before), min(now, before))
    ratio: uint256 = surface_packing._ratio(word)
    ratio_before: uint256 = surface_packing._ratio(last)
    gone: uint256 = unsafe_sub(max(ratio, ratio_before), min(ratio, ratio_before))
    return (
        unsafe_mul(moved, u.WAD) > unsafe_mul(limit, before),
        gone > unsafe_add(RATIO_JUMP, unsafe_mul(RATIO_RATE, grown)),
    )


@internal
@pure
def _confirms(word: uint256, pending: uint256, last: uint256) -> bool:
    """
    @notice Whether each measure that is outside its band had jumped in the pending surface too, to
            the same side, and is gone at least half as far.
    @param pending newer than the stored surface, older than `word` by the delay
    """
    volatility: bool = False
    ratio: bool = False
    # both are newer than the stored one
    volatility, ratio = self._jumps(
        word, last, unsafe_sub(surface_packing._publish(word), surface_packing._publish(last))
    )
    waits_volatility: bool = False
    waits_ratio: bool = False
    waits_volatility, waits_ratio = self._jumps(pending, last, 0)
    if (volatility and not waits_volatility) or (ratio and not waits_ratio):
        return False
    if volatility and not self._follows(
        self._volatility(word), self._volatility(pending), self._volatility(last)
    ):
        return False
    return not ratio or self._follows(
        surface_packing._ratio(word), surface_packing._ratio(pending), surface_packing._ratio(last)
    )


@internal
@pure
def _follows(new: uint256, waiting: uint256, last: uint256) -> bool:
    # larger minus smaller, below 2^66
    move: uint256 = unsafe_sub(max(new, last), min(new, last))
    jump: uint256 = unsafe_sub(max(waiting, last), min(waiting, last))
    return (new > last) == (waiting > last) and unsafe_mul(2, move) >= jump
