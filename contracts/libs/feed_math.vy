# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Prices: median, jump band, stable price, variance and its scalar
@license AGPL-3.0-only
@notice docs/spec/oracle.md; pure, numbers in and numbers out. A quote is `feed | price | conf`
        of docs/spec/oracle.md#blob, 88 bits, in an update still followed by other bytes.
@custom:kill not deployable
"""

from snekmate.utils import math

from libs import errors
from libs import fixed_point
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
GROWTH_GRID: constant(uint256) = u.WAD // 100
TAU_GRID: constant(uint256) = 300


# ---- median --------------------------------------------------------------------------------------


@internal
@pure
def _median_of_three(first: uint256, second: uint256, third: uint256) -> uint256:
    """
    @notice The usual quorum, without a loop.
    @param first the 32 bytes of a blob in which the first source's quote begins; so the others
    @return the quote that stands for the three
    @custom:reverts "oracle: feeds differ"
    """
    a: uint256 = first // packing.QUOTE_AT
    b: uint256 = second // packing.QUOTE_AT
    c: uint256 = third // packing.QUOTE_AT
    # equal feeds: the upper bits cancel
    if ((a ^ b) | (a ^ c)) // packing.QUOTE_FEED_AT != 0:
        errors._fail("oracle: feeds differ")

    conf: uint256 = self._middle(
        a & packing.MASK_16, b & packing.MASK_16, c & packing.MASK_16
    )
    # prices decide, since the feeds are equal
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
    # high >= low
    spread: uint256 = unsafe_sub(
        high // packing.QUOTE_PRICE_AT, low // packing.QUOTE_PRICE_AT
    )
    return self._quote(middle, conf, spread)


@internal
@pure
def _middle(a: uint256, b: uint256, c: uint256) -> uint256:
    if a > b:
        if b > c:
            return b
        return c if a > c else a
    if a > c:
        return a
    return c if b > c else b


@internal
@pure
def _median(raws: uint256[MAX_REPORTS], count: uint256) -> uint256:
    """
    @notice Any number of reports: of an even one the mean of the middle prices, rounded down, and
            the larger of the middle confidences.
    @param raws as for three
    @custom:reverts "oracle: feeds differ"
    """
    quotes: uint256[MAX_REPORTS] = empty(uint256[MAX_REPORTS])
    confs: uint256[MAX_REPORTS] = empty(uint256[MAX_REPORTS])
    for i: uint256 in range(count, bound=MAX_REPORTS):
        quotes[i] = raws[i] // packing.QUOTE_AT
        confs[i] = quotes[i] & packing.MASK_16
    quotes = self._sorted(quotes, count)
    confs = self._sorted(confs, count)
    low: uint256 = quotes[0]
    high: uint256 = quotes[count - 1]
    if (low ^ high) // packing.QUOTE_FEED_AT != 0:
        errors._fail("oracle: feeds differ")

    half: uint256 = count // 2
    middle: uint256 = quotes[half]
    if count % 2 == 0:
        # of equal feeds the mean has that feed
        before: uint256 = quotes[half - 1] // packing.QUOTE_PRICE_AT
        mean: uint256 = (before + middle // packing.QUOTE_PRICE_AT) // 2
        middle = mean * packing.QUOTE_PRICE_AT
    spread: uint256 = high // packing.QUOTE_PRICE_AT - low // packing.QUOTE_PRICE_AT
    return self._quote(middle, confs[half], spread)


@internal
@pure
def _quote(middle: uint256, conf: uint256, spread: uint256) -> uint256:
    """
    @notice The middle quote with the confidence of the update: at least half the spread.
    @param spread [ticks] largest minus smallest price
    @custom:rounding up, against whoever needs a confident price
    """
    widest: uint256 = conf
    if spread != 0:
        # spread and price are 64 bits; where prices differ and the middle is zero this gives
        # zero, and zero is outside of every bound
        twice: uint256 = unsafe_mul(middle // packing.QUOTE_PRICE_AT & packing.MASK_64, 2)
        half: uint256 = unsafe_div(
            unsafe_add(unsafe_mul(spread, u.CONF_ONE), unsafe_sub(twice, 1)), twice
        )
        if half > conf:
            widest = min(MAX_CONF, half)
    return (middle & ~packing.MASK_16) | widest


@internal
@pure
def _sorted(values: uint256[MAX_REPORTS], count: uint256) -> uint256[MAX_REPORTS]:
    """
    @notice Insertion sort of the first `count` members.
    """
    result: uint256[MAX_REPORTS] = values
    for i: uint256 in range(1, count, bound=MAX_REPORTS):
        for j: uint256 in range(MAX_REPORTS):
            if j < i and result[j] > result[i]:
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
    """
    elapsed: uint256 = dt
    if elapsed > STABLE_TIME:
        elapsed = STABLE_TIME
    # tau is at least 300 s by its range, so the pull is below 0.2 WAD
    tau: uint256 = unsafe_mul(tuning // packing.TAU_AT & packing.MASK_6, TAU_GRID)
    pull: uint256 = fixed_point._one_minus_exp(elapsed, tau)
    stable: uint256 = word // packing.STABLE_AT & packing.MASK_64
    # 6 bits of WAD / 100 an hour, 64 bits, 60 s: below 2^130
    bound: uint256 = unsafe_mul(tuning // packing.GROWTH_AT & packing.MASK_6, GROWTH_GRID)
    bound = unsafe_div(unsafe_mul(unsafe_mul(bound, stable), elapsed), u.WAD * u.HOUR)
    # 64-bit distances times the pull; a step is below the distance, so stable stays a price
    if price >= stable:
        step: uint256 = unsafe_div(unsafe_mul(unsafe_sub(price, stable), pull), u.WAD)
        return unsafe_add(stable, min(step, bound))
    fall: uint256 = unsafe_add(unsafe_mul(unsafe_sub(stable, price), pull), u.WAD - 1)
    return unsafe_sub(stable, min(unsafe_div(fall, u.WAD), bound))


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
