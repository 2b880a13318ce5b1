# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Funding: a rate that drifts with the tilt, bounded, and its exact integral
@license AGPL-3.0-only
@notice docs/spec/oracle.md#funding. Bringing an index to the same instant twice equals once.
        Signed numbers stand as two's complement in uint256 where only sums and products are
        taken of them: no conversion is needed then.
@custom:kill not deployable
"""

from libs import market_packing
from libs import packing
from libs import units as u

# a price pays funding for at most an hour after its publish time
ACCRUAL_MAX: constant(uint256) = 3_600
TWO_WAD: constant(uint256) = 2 * u.WAD
# a multiple of TWO_WAD above every product of a price and twice an area
RAISED: constant(uint256) = TWO_WAD * 2**120
RATE_TO_WAD: constant(uint256) = 10**4


@internal
@view
def _rested(price_word: uint256, state: uint256) -> uint256:
    """
    @notice A price pays funding for an hour; beyond it, the state's clock runs along with now.
    @return the state word, its time as long before now as is to be accrued
    """
    # now is the larger of its two; all are seconds below 2^33
    since: uint256 = market_packing._accrual_time(state)
    until: uint256 = unsafe_add(market_packing._publish_time(price_word), ACCRUAL_MAX)
    until = max(min(until, block.timestamp), since)
    return unsafe_add(state, unsafe_mul(unsafe_sub(block.timestamp, until), packing.TIME_AT))


@internal
@view
def _index(price: uint256, state: uint256, velocity: int256, rate_max: uint256) -> uint256:
    """
    @notice F now, of a state word as _rested leaves it.
    @param velocity [1e-18 / s^2] at full tilt, below 2^40
    @param rate_max [1e-18 / s] below 2^47
    @return cumulative funding [ticks], two's complement
    @custom:rounding down
    """
    # |tilt| < 2^15, |rate| < 2^31, velocity < 2^40, rate_max < 2^47, dt < 2^33: |slope dt| < 2^74,
    # |twice area| < 2^109, and times a price of 64 bits < 2^173
    dt: uint256 = unsafe_sub(block.timestamp, unsafe_div(state, packing.TIME_AT) & packing.MASK_32)
    rate: uint256 = unsafe_mul(
        unsafe_sub(
            (unsafe_div(state, packing.RATE_AT) & packing.MASK_32) ^ packing.SIGN_32,
            packing.SIGN_32,
        ),
        RATE_TO_WAD,
    )
    tilt: uint256 = unsafe_sub(
        (unsafe_div(state, packing.TILT_AT) & packing.MASK_16) ^ packing.SIGN_16, packing.SIGN_16
    )
    slope: int256 = unsafe_div(
        unsafe_mul(velocity, convert(convert(tilt, bytes32), int256)), u.TILT_ONE
    )
    after: uint256 = unsafe_add(rate, unsafe_mul(convert(convert(slope, bytes32), uint256), dt))
    twice_area: uint256 = unsafe_mul(unsafe_add(rate, after), dt)
    # -max <= after <= max, in one comparison: 0 <= after + max <= 2 max
    if unsafe_add(after, rate_max) > unsafe_mul(rate_max, 2):
        twice_area = self._bounded_area(rate, dt, slope, rate_max)
    # raised by a multiple of the divisor the product is positive, so that division is a floor; F
    # becomes 256 bits by flipping its sign and taking the sign's weight off
    moved: uint256 = unsafe_div(unsafe_add(unsafe_mul(price, twice_area), RAISED), TWO_WAD)
    funding: uint256 = unsafe_div(state, packing.FUNDING_AT) ^ packing.SIGN_64
    return unsafe_sub(unsafe_add(funding, moved), RAISED // TWO_WAD + packing.SIGN_64)


@internal
@pure
def _bounded_area(before: uint256, dt: uint256, slope: int256, rate_max: uint256) -> uint256:
    """
    @notice Twice the area under a rate that reaches its bound on the way.
    @custom:rounding what the bound cuts off toward zero; nobody's favour: both sides of every
            trade read this one area
    """
    bound: int256 = convert(rate_max, int256)
    if slope < 0:
        bound = -bound
    # |rate| and |bound| are below 2^47, dt 33 bits; a bound is only crossed when slope is not zero
    missed: int256 = unsafe_sub(bound, convert(convert(before, bytes32), int256))
    whole: int256 = unsafe_mul(unsafe_mul(bound, 2), convert(dt, int256))
    lost: int256 = unsafe_div(unsafe_mul(missed, missed), slope)
    return convert(convert(unsafe_sub(whole, lost), bytes32), uint256)


@internal
@view
def _rate_now(state: uint256, velocity: int256, rate_max: uint256) -> int256:
    """
    @notice The rate now, of a state word as _rested leaves it.
    @return [1e-14 / s]
    @custom:rounding toward zero
    """
    # 31 bits times 2^14, 74 bits: as in _index
    rate: int256 = unsafe_mul(market_packing._rate(state), u.RATE_TO_WAD)
    # now is not before the state's time
    elapsed: uint256 = unsafe_sub(block.timestamp, market_packing._accrual_time(state))
    slope: int256 = unsafe_div(unsafe_mul(velocity, market_packing._tilt(state)), u.TILT_ONE)
    rate = unsafe_add(rate, unsafe_mul(slope, convert(elapsed, int256)))
    bound: int256 = convert(rate_max, int256)
    if abs(rate) > bound:
        rate = bound if rate > 0 else -bound
    # the divisor is neither 0 nor -1
    return unsafe_div(rate, u.RATE_TO_WAD)
