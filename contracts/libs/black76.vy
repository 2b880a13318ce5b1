# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Black-76: calls, puts and deltas on a forward, undiscounted
@license AGPL-3.0-only
@notice C = F N(d1) - K N(d2), d1 = ln(F/K) / s + s / 2, d2 = d1 - s, s^2 the total variance.
        The put is C + K - F, exactly. Prices are in any one unit, the same in and out; ratios are
        binary [2^-64]. What a strike or an expiry needs once stands in a function of its own.
@custom:source docs/spec/options.md#black76
@custom:kill not deployable
"""

from libs import binary_math
from libs import normal_cdf
uses: normal_cdf
from libs import units as u

ONE: constant(uint256) = 2**64
YEAR_WAD: constant(uint256) = u.YEAR * u.WAD


@internal
@pure
def _variance(volatility: uint256, seconds: uint256) -> uint256:
    """
    @param volatility [WAD a year, at most 100]
    @param seconds until expiry, below 2^32
    @return [WAD] the total variance, rounded down; within six years its root is below 2^72, as a
            price wants it
    """
    # 10^40 2^32 < 2^165; the divisor is not zero
    return unsafe_div(unsafe_mul(unsafe_mul(volatility, volatility), seconds), YEAR_WAD)


@internal
@pure
def _log_moneyness(forward: uint256, strike: uint256) -> int256:
    """
    @param forward [any unit] at least strike / 2^64
    @param strike [the same unit, not zero] above forward / 2^64; both below 2^128
    @return [2^-64] ln(forward / strike)
    """
    # below 2^192; the caller's strike is not zero
    return binary_math._ln(unsafe_div(forward << 64, strike))


@internal
@view
def _call(
    forward: uint256, strike: uint256, log_moneyness: int256, deviation: uint256
) -> (uint256, uint256):
    """
    @param forward [any unit, below 2^128]
    @param strike [the same unit, below 2^128]
    @param log_moneyness [2^-64] ln(forward / strike), |x| below 2^72
    @param deviation [2^-64, below 2^72] root of the total variance
    @return the call's price [the same unit], between its intrinsic value and the forward and
            within 3e-9 of the forward plus 2e-10 of the strike; its delta N(d1) [2^-64]. The
            put's delta is one less.
    @custom:rounding down, but never below the intrinsic value
    """
    # at expiry: only the right to a gain is left
    if deviation == 0:
        return unsafe_sub(max(forward, strike), strike), ONE if forward > strike else 0

    # below 2^72 and positive; the quotient is below 2^136, and so are sum and difference
    s: int256 = convert(convert(deviation, bytes32), int256)
    d1: int256 = unsafe_add(unsafe_div(log_moneyness << 64, s), s >> 1)
    delta: uint256 = normal_cdf._cdf(d1)
    gain: uint256 = unsafe_mul(forward, delta)
    cost: uint256 = unsafe_mul(strike, normal_cdf._cdf(unsafe_sub(d1, s)))

    # N is at most one, so both products are below 2^193 and their difference at most the forward
    value: uint256 = unsafe_sub(gain, cost) >> 64 if gain > cost else 0
    if forward > strike:
        value = max(value, unsafe_sub(forward, strike))
    return value, delta


@internal
@pure
def _put(call: uint256, forward: uint256, strike: uint256) -> uint256:
    """
    @return the price of the put whose call costs `call`, by parity, without rounding
    """
    # a call is worth at least forward - strike
    return unsafe_sub(unsafe_add(call, strike), forward)
