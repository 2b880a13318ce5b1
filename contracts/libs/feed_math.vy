# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Prices: median, jump band, stable price, variance and its scalar
@license AGPL-3.0-only
@notice docs/spec/oracle.md; pure, numbers in and numbers out.
@custom:kill not deployable
"""

from snekmate.utils import math

from libs import fixed_point
from libs import units as u

MAX_REPORTS: constant(uint256) = 8
MAX_CONF: constant(uint256) = 2**16 - 1
MAX_VARIANCE: constant(uint256) = 2**48 - 1
# the jump band grows for at most so long
JUMP_TIME: constant(uint256) = 300
# the stable price takes at most so much time per update
STABLE_TIME: constant(uint256) = 60
# a variance sample counts at most so much time
SAMPLE_TIME: constant(uint256) = 3_600


@internal
@pure
def _sorted(values: uint256[MAX_REPORTS], count: uint256) -> uint256[MAX_REPORTS]:
    """
    @notice Insertion sort of the first `count` members.
    """
    result: uint256[MAX_REPORTS] = values
    for i: uint256 in range(1, count, bound=MAX_REPORTS):
        moving: uint256 = result[i]
        hole: uint256 = i
        for _: uint256 in range(MAX_REPORTS):
            if hole == 0 or result[hole - 1] <= moving:
                break
            result[hole] = result[hole - 1]
            hole -= 1
        result[hole] = moving
    return result


@internal
@pure
def _middle(a: uint256, b: uint256, c: uint256) -> uint256:
    return max(min(a, b), min(max(a, b), c))


@internal
@pure
def _confidence(middle: uint256, low: uint256, high: uint256, price: uint256) -> uint256:
    """
    @notice The reported confidence, at least half the spread of the reports.
    @return [1e-5 of the price]
    @custom:rounding up, against whoever needs a confident price
    """
    if high == low:
        return middle
    spread: uint256 = fixed_point._ceil_div((high - low) * u.CONF_ONE, 2 * max(price, 1))
    return min(MAX_CONF, max(middle, spread))


@internal
@pure
def _outside(price: uint256, last: uint256, limit: uint256) -> bool:
    """
    @return whether |price / last - 1| > limit [WAD]
    """
    distance: uint256 = price - last if price > last else last - price
    # prices are 64-bit and limit is at most 1 WAD
    return unsafe_mul(distance, u.WAD) > unsafe_mul(limit, last)


@internal
@pure
def _stable_after(
    stable: uint256, price: uint256, dt: uint256, tau: uint256, growth: uint256
) -> uint256:
    """
    @param dt [s] since the last publish time
    @param growth [WAD] bound per hour
    @return stable price [ticks] after an accepted price
    """
    elapsed: uint256 = min(dt, STABLE_TIME)
    pull: int256 = convert(fixed_point._one_minus_exp(elapsed, tau), int256)
    old: int256 = convert(stable, int256)
    # 64-bit prices times at most 1 WAD
    product: int256 = unsafe_mul(unsafe_sub(convert(price, int256), old), pull)
    step: int256 = fixed_point._floor_div(product, u.IWAD)
    # growth <= 1 WAD, 64-bit price, 60 s: below 2^131
    bound: int256 = convert(
        unsafe_div(unsafe_mul(unsafe_mul(growth, stable), elapsed), u.WAD * u.HOUR), int256
    )
    return convert(old + fixed_point._clamp(step, -bound, bound), uint256)


@internal
@pure
def _variance_after(
    variance: uint256, reference: uint256, price: uint256, elapsed: uint256, tau: uint256
) -> uint256:
    """
    @notice One sample: var += w (ln(price / reference)^2 year / dt - var).
    @param variance [1e-10 per year]
    @param elapsed [s] since the sampler's last sample, > 0
    @return [1e-10 per year]
    """
    dt: uint256 = min(elapsed, SAMPLE_TIME)
    log_return: int256 = math._wad_ln(convert(price * u.WAD // reference, int256))
    square: uint256 = convert(log_return * log_return // u.IWAD, uint256)
    sample: int256 = convert(square * u.YEAR // dt, int256)
    old: int256 = convert(variance * u.VARIANCE_TO_WAD, int256)
    weight: int256 = convert(fixed_point._one_minus_exp(dt, tau), int256)
    new: int256 = old + fixed_point._floor_div((sample - old) * weight, u.IWAD)
    return min(convert(new, uint256) // u.VARIANCE_TO_WAD, MAX_VARIANCE)


@internal
@pure
def _scalar(variance: uint256, sigma_ref: uint256, v_max: uint256) -> uint256:
    """
    @param variance [1e-10 per year] the larger of the samplers
    @param v_max [1e-4]
    @return v [1e-4]
    """
    sigma: uint256 = isqrt(variance * u.VARIANCE_TO_WAD * u.WAD)
    return max(u.V_ONE, min(v_max, sigma * u.V_ONE // sigma_ref))


@internal
@pure
def _slow_after(
    v_slow: uint256, v: uint256, v_before: uint256, step: uint256
) -> uint256:
    """
    @notice Falls at once with v, rises by at most `step` toward the v stored before this write.
    """
    return min(v, max(v_slow, min(v_slow + step, v_before)))
