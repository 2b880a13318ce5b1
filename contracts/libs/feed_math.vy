# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Prices: median, jump band, stable price, variance and its scalar
@license AGPL-3.0-only
@notice docs/spec/oracle.md; pure, numbers in and numbers out. A quote is `price 64 | conf 16`
        of docs/spec/oracle.md#blob; in a blob other bytes follow it.
@custom:kill not deployable
"""

from snekmate.utils import math

from libs import errors
from libs import fixed_point
from libs import market_packing
from libs import packing
from libs import units as u

MAX_REPORTS: constant(uint256) = 8
MAX_CONF: constant(uint256) = 2**16 - 1
MAX_VARIANCE: constant(uint256) = 2**48 - 1
# the stable price takes at most so much time per update
STABLE_TIME: constant(uint256) = 60
# a variance sample counts at most so much time
SAMPLE_TIME: constant(uint256) = 3_600
# grids of the tuning word, libs/market_params.vy
GROWTH_PARTS: constant(uint256) = 100
TAU_GRID: constant(uint256) = 300


# ---- median --------------------------------------------------------------------------------------


@internal
@pure
def _median_of_three(a: uint256, b: uint256, c: uint256) -> uint256:
    """
    @notice The usual quorum, without a loop.
    @param a the 32 bytes of a blob in which the first source's quote begins; so the others
    @return the quote that stands for the three: price @192, confidence @0
    """
    # prices decide, since they stand on top
    low: uint256 = a
    high: uint256 = b
    if a > b:
        low = b
        high = a
    middle: uint256 = c
    if c < low:
        middle = low
        low = c
    elif c > high:
        middle = high
        high = c

    # confidences decide, since the prices above them go over the top
    first: uint256 = unsafe_mul(a, market_packing.CONF_FROM)
    second: uint256 = unsafe_mul(b, market_packing.CONF_FROM)
    conf: uint256 = unsafe_mul(c, market_packing.CONF_FROM)
    if first > second:
        if conf > first:
            conf = first
        elif conf < second:
            conf = second
    elif conf < first:
        conf = first
    elif conf > second:
        conf = second

    if high // packing.P_AT != low // packing.P_AT:
        # high > low
        spread: uint256 = unsafe_sub(high // packing.P_AT, low // packing.P_AT)
        return self._quote(middle // packing.P_AT, conf // market_packing.CONF_AT, spread)
    return middle & market_packing.PRICE_MASK | conf // market_packing.CONF_AT


@internal
@pure
def _median(raws: uint256[MAX_REPORTS], count: uint256) -> uint256:
    """
    @notice Any number of reports: of an even one the mean of the middle prices, rounded down, and
            the larger of the middle confidences.
    @param raws as for three
    """
    confs: uint256[MAX_REPORTS] = empty(uint256[MAX_REPORTS])
    for i: uint256 in range(MAX_REPORTS):
        # the prices go over the top
        confs[i] = unsafe_mul(raws[i], market_packing.CONF_FROM)
    confs = self._sorted(confs, count)
    quotes: uint256[MAX_REPORTS] = self._sorted(raws, count)
    # count is not zero; prices are 64 bits; of an odd count both are the middle one
    last: uint256 = unsafe_sub(count, 1)
    before: uint256 = quotes[last // 2] // packing.P_AT
    price: uint256 = unsafe_add(before, quotes[count // 2] // packing.P_AT) // 2
    spread: uint256 = unsafe_sub(quotes[last] // packing.P_AT, quotes[0] // packing.P_AT)
    return self._quote(price, confs[count // 2] // market_packing.CONF_AT, spread)


@internal
@pure
def _quote(price: uint256, conf: uint256, spread: uint256) -> uint256:
    """
    @notice The middle quote with the confidence of the update: at least half the spread.
    @param spread [ticks] largest minus smallest price
    @custom:rounding up, against whoever needs a confident price
    """
    widest: uint256 = conf
    if spread != 0:
        # spread and price are 64 bits; where prices differ and the middle is zero this gives
        # zero, and zero is outside of every bound
        twice: uint256 = unsafe_mul(price, 2)
        half: uint256 = unsafe_div(
            unsafe_add(unsafe_mul(spread, u.CONF_ONE), unsafe_sub(twice, 1)), twice
        )
        if half > conf:
            widest = min(MAX_CONF, half)
    # 64 bits
    return unsafe_mul(price, packing.P_AT) | widest


@internal
@pure
def _sorted(values: uint256[MAX_REPORTS], count: uint256) -> uint256[MAX_REPORTS]:
    """
    @notice Insertion sort of the first `count` members.
    """
    result: uint256[MAX_REPORTS] = values
    for i: uint256 in range(1, count, bound=MAX_REPORTS):
        for j: uint256 in range(i, bound=MAX_REPORTS):
            if result[j] > result[i]:
                larger: uint256 = result[j]
                result[j] = result[i]
                result[i] = larger
    return result


# ---- stable price --------------------------------------------------------------------------------


@internal
@pure
def _stable_after(word: uint256, price: uint256, dt: uint256, tuning: uint256) -> uint256:
    """
    @param word the stored price word
    @param dt [s] since its publish time
    @return stable price [ticks] after an accepted price
    @custom:rounding down
    @custom:source docs/spec/oracle.md#expm
    """
    elapsed: uint256 = dt
    if elapsed > STABLE_TIME:
        elapsed = STABLE_TIME
    stable: uint256 = word // packing.STABLE_AT & packing.MASK_64
    # 6 bits of the grid, 60 s, 64 bits
    bound: uint256 = unsafe_mul(tuning // packing.GROWTH_AT & packing.MASK_6, elapsed)
    bound = unsafe_div(unsafe_mul(bound, stable), GROWTH_PARTS * u.HOUR)

    # tau is 6 bits of the grid and not zero; the pull is parts / whole, below 1
    tau: uint256 = unsafe_mul(tuning // packing.TAU_AT & packing.MASK_6, TAU_GRID)
    parts: uint256 = unsafe_mul(unsafe_mul(elapsed, tau), 12)
    whole: uint256 = unsafe_add(
        unsafe_mul(tau, unsafe_add(unsafe_mul(tau, 12), unsafe_mul(elapsed, 6))),
        unsafe_mul(elapsed, elapsed),
    )
    # 64-bit distances; a step is at most the distance, so stable stays a price
    if price < stable:
        fall: uint256 = unsafe_add(
            unsafe_mul(unsafe_sub(stable, price), parts), unsafe_sub(whole, 1)
        )
        return unsafe_sub(stable, min(unsafe_div(fall, whole), bound))
    step: uint256 = unsafe_div(unsafe_mul(unsafe_sub(price, stable), parts), whole)
    if step > bound:
        step = bound
    return unsafe_add(stable, step)


# ---- variance ------------------------------------------------------------------------------------


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
    # prices are 64 bits and not zero: |ln| < 45 WAD, its square < 2^132, a sample < 2^97; dt > 0
    ratio: uint256 = unsafe_div(unsafe_mul(price, u.WAD), reference)
    log_return: int256 = math._wad_ln(convert(ratio, int256))
    square: uint256 = convert(unsafe_mul(log_return, log_return), uint256)
    sample: uint256 = unsafe_div(unsafe_mul(unsafe_div(square, u.WAD), u.YEAR), dt)
    old: uint256 = unsafe_mul(variance, u.VARIANCE_TO_WAD)
    # the weight is at most 0.2 WAD, so what is left of old is not below zero
    weight: uint256 = fixed_point._one_minus_exp(dt, tau)
    if sample >= old:
        rise: uint256 = unsafe_mul(unsafe_sub(sample, old), weight)
        old = unsafe_add(old, unsafe_div(rise, u.WAD))
    else:
        fall: uint256 = unsafe_add(unsafe_mul(unsafe_sub(old, sample), weight), u.WAD - 1)
        old = unsafe_sub(old, unsafe_div(fall, u.WAD))
    return min(unsafe_div(old, u.VARIANCE_TO_WAD), MAX_VARIANCE)


@internal
@pure
def _scalar(variance: uint256, sigma_ref: uint256, v_max: uint256) -> uint256:
    """
    @param variance [1e-10 per year] the larger of the samplers
    @param v_max [1e-4]
    @return v [1e-4]
    """
    # 48 bits times 10^26; sigma_ref is at least 0.1 by its range
    sigma: uint256 = isqrt(unsafe_mul(variance, u.VARIANCE_TO_WAD * u.WAD))
    return max(u.V_ONE, min(v_max, unsafe_div(unsafe_mul(sigma, u.V_ONE), sigma_ref)))
