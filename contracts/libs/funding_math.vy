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
TWO_WAD: constant(int256) = 2 * u.IWAD
RATE_TO_WAD: constant(uint256) = 10**4


@internal
@view
def _index(price_word: uint256, state: uint256, velocity: int256, rate_max: uint256) -> uint256:
    """
    @notice F at min(now, publish + an hour), under the stored price.
    @param velocity [1e-18 / s^2] at full tilt, below 2^40
    @param rate_max [1e-18 / s] below 2^47
    @return cumulative funding [ticks], two's complement
    @custom:rounding down
    """
    # taking the sign's weight off: 64-bit two's complement becomes 256-bit
    funding: uint256 = unsafe_sub(
        (state // packing.FUNDING_AT) ^ packing.SIGN_64, packing.SIGN_64
    )
    # 32 bits and an hour
    until: uint256 = unsafe_add(price_word // packing.PUBLISH_AT & packing.MASK_32, ACCRUAL_MAX)
    if until > block.timestamp:
        until = block.timestamp
    since: uint256 = state // packing.TIME_AT & packing.MASK_32
    if until <= since:
        return funding

    # |tilt| < 2^15, |rate| < 2^31, velocity < 2^40, rate_max < 2^47, dt < 2^33: |slope dt| < 2^74,
    # |twice area| < 2^109, and times a price of 64 bits < 2^173; fields as for F
    dt: uint256 = unsafe_sub(until, since)
    before: uint256 = unsafe_mul(
        unsafe_sub(
            (state // packing.RATE_AT & packing.MASK_32) ^ packing.SIGN_32, packing.SIGN_32
        ),
        RATE_TO_WAD,
    )
    tilt: uint256 = unsafe_sub(
        (state // packing.TILT_AT & packing.MASK_16) ^ packing.SIGN_16, packing.SIGN_16
    )
    slope: int256 = unsafe_div(
        unsafe_mul(velocity, convert(convert(tilt, bytes32), int256)), u.TILT_ONE
    )
    after: uint256 = unsafe_add(before, unsafe_mul(convert(convert(slope, bytes32), uint256), dt))
    twice_area: uint256 = unsafe_mul(unsafe_add(before, after), dt)
    # -max <= after <= max, in one comparison: 0 <= after + max <= 2 max
    if unsafe_add(after, rate_max) > unsafe_mul(rate_max, 2):
        twice_area = self._bounded_area(before, dt, slope, rate_max)
    twice_value: int256 = convert(
        convert(unsafe_mul(price_word // packing.P_AT, twice_area), bytes32), int256
    )
    if twice_value < 0:
        # one less than the divisor makes truncation a floor; the divisor is neither 0 nor -1
        twice_value = unsafe_sub(twice_value, TWO_WAD - 1)
    return unsafe_add(
        funding, convert(convert(unsafe_div(twice_value, TWO_WAD), bytes32), uint256)
    )


@internal
@pure
def _bounded_area(before: uint256, dt: uint256, slope: int256, rate_max: uint256) -> uint256:
    """
    @notice Twice the area under a rate that reaches its bound on the way.
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
def _rate_now(price_word: uint256, state: uint256, velocity: int256, rate_max: uint256) -> int256:
    """
    @return the rate at min(now, publish + an hour) [1e-14 / s]
    @custom:rounding toward zero
    """
    # 31 bits times 2^14, 74 bits: as in _index
    rate: int256 = unsafe_mul(market_packing._rate(state), u.RATE_TO_WAD)
    until: uint256 = min(block.timestamp, market_packing._publish_time(price_word) + ACCRUAL_MAX)
    since: uint256 = market_packing._accrual_time(state)
    if until > since:
        elapsed: int256 = convert(unsafe_sub(until, since), int256)
        slope: int256 = unsafe_div(
            unsafe_mul(velocity, market_packing._tilt(state)), u.TILT_ONE
        )
        rate = unsafe_add(rate, unsafe_mul(slope, elapsed))
        bound: int256 = convert(rate_max, int256)
        if abs(rate) > bound:
            rate = bound if rate > 0 else -bound
    # the divisor is neither 0 nor -1
    return unsafe_div(rate, u.RATE_TO_WAD)
