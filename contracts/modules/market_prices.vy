# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title From a median to a stored price: bounds, jump confirmation, grace, variance
@license AGPL-3.0-only
@notice docs/spec/oracle.md, steps 3-6 of #update and #accept.
@custom:kill not deployable
"""

from interfaces import IMarkets
from libs import errors
from libs import feed_math
from libs import market_params
from libs import packing
from libs import units as u
from modules import market_state

uses: market_state

# first sampler's grid and the longest step of v_slow [s]
SAMPLE_A: constant(uint256) = 300
# second sampler's grid [s]
SAMPLE_B: constant(uint256) = 3_600
# how long after its end a grace stays on the books [s]
GRACE_TAIL: constant(uint256) = 300
MAX_GAP: constant(uint256) = 255
# the exponential of a step of 3,600 s is good to 3e-6 from here on
MIN_TAU: constant(uint256) = 18_000
MAX_TAU: constant(uint256) = 30 * u.DAY
V_GRID: constant(uint256) = u.V_ONE // 2

AGE_MM: immutable(uint256)
GRACE_MAX: immutable(uint256)
VARIANCE_TAU: immutable(uint256)


@deploy
def __init__(age_mm: uint256, grace_max: uint256, variance_tau: uint256):
    """
    @custom:reverts "markets: out of range"
    """
    if grace_max > u.HOUR or variance_tau < MIN_TAU or variance_tau > MAX_TAU:
        errors._fail("markets: out of range")
    AGE_MM = age_mm
    GRACE_MAX = grace_max
    VARIANCE_TAU = variance_tau


@internal
def _offer(quote: uint256, publish: uint256) -> bool:
    """
    @notice Offer a median to its market.
    @return whether it was stored
    """
    market: uint256 = 0
    price: uint256 = 0
    conf: uint256 = 0
    market, price, conf = packing._quote_fields(quote)
    word: uint256 = market_state.prices[market]
    last_publish: uint256 = 0
    flags: uint256 = 0
    last_publish, flags = packing._price_clock(word)
    if flags & packing.ACTIVE == 0 or publish <= last_publish:
        return False

    tuning: uint256 = market_state._tuning(market)
    within: bool = False
    limit: uint256 = 0
    delay: uint256 = 0
    conf_cap: uint256 = 0
    # publish > last_publish
    dt: uint256 = unsafe_sub(publish, last_publish)
    within, limit, delay, conf_cap = self._guards(tuning, price, dt)
    if not within:
        market_state.prices[market] = packing._with_price_flags(word, flags | packing.UNTRUSTED)
        log IMarkets.PriceRefused(market=market, price=price, publish_time=publish)
        return False

    if feed_math._outside(price, packing._price(word), limit):
        if not self._confirmed(market, word, flags, price, publish, delay):
            return False
    flags = flags & ~(packing.PENDING | packing.UNTRUSTED)
    if conf > conf_cap:
        flags = flags | packing.UNTRUSTED
    flags = self._graced(market, flags, dt)
    self._accept(market, word, price, conf, publish, flags, tuning)
    return True


@internal
@pure
def _guards(
    tuning: uint256, price: uint256, dt: uint256
) -> (bool, uint256, uint256, uint256):
    """
    @return within the absolute bounds, jump limit [WAD], delay of a confirmation [s], cap of the
            confidence [1e-5]
    """
    jump_0: uint256 = 0
    jump_rate: uint256 = 0
    delay: uint256 = 0
    conf_cap: uint256 = 0
    low: uint256 = 0
    low_exponent: uint256 = 0
    high: uint256 = 0
    high_exponent: uint256 = 0
    jump_0, jump_rate, delay, conf_cap, low, low_exponent, high, high_exponent = (
        packing._guard_fields(tuning)
    )
    # 6 and 5 bits of grids below 2^53, 300 s; bounds are 64-bit ticks by the setter
    limit: uint256 = unsafe_add(
        unsafe_mul(jump_0, market_params.JUMP_GRID),
        unsafe_mul(
            unsafe_mul(jump_rate, market_params.JUMP_RATE_GRID), min(dt, feed_math.JUMP_TIME)
        ),
    )
    within: bool = price >= unsafe_mul(low, 10**low_exponent) and price <= unsafe_mul(
        high, 10**high_exponent
    )
    # 5 bits times 100
    return within, limit, delay, unsafe_mul(conf_cap, u.CONF_ONE // 1_000)


@internal
def _confirmed(
    market: uint256, word: uint256, flags: uint256, price: uint256, publish: uint256, delay: uint256
) -> bool:
    """
    @notice A price outside the band: it confirms the pending one, is ignored, or waits itself.
    @return whether it confirms
    """
    waiting: uint256 = 0
    since: uint256 = 0
    grace_until: uint256 = 0
    waiting, since, grace_until = packing._pending_fields(market_state.pendings[market])
    if flags & packing.PENDING != 0:
        if publish < since + delay:
            return False
        if self._same_jump(price, waiting, packing._price(word)):
            return True

    market_state.pendings[market] = packing._pending_word(price, publish, grace_until)
    if flags & packing.PENDING == 0:
        market_state.prices[market] = packing._with_price_flags(word, flags | packing.PENDING)

    log IMarkets.PricePending(market=market, price=price, publish_time=publish)
    return False


@internal
@pure
def _same_jump(price: uint256, waiting: uint256, last: uint256) -> bool:
    """
    @return whether price is on the side of the waiting one by at least half of its jump
    """
    if (price > last) != (waiting > last):
        return False
    jump: uint256 = max(waiting, last) - min(waiting, last)
    return 2 * (max(price, last) - min(price, last)) >= jump


@internal
def _graced(market: uint256, flags: uint256, dt: uint256) -> uint256:
    """
    @notice After an outage liquidations wait for as long as it lasted, at most GRACE_MAX.
    @return the flags after it
    """
    if dt > AGE_MM:
        market_state.pendings[market] = packing._pending_word(
            0, 0, block.timestamp + min(dt, GRACE_MAX)
        )
        return flags | packing.GRACE
    if flags & packing.GRACE != 0:
        waiting: uint256 = 0
        since: uint256 = 0
        grace_until: uint256 = 0
        waiting, since, grace_until = packing._pending_fields(market_state.pendings[market])
        if block.timestamp > grace_until + GRACE_TAIL:
            return flags & ~packing.GRACE
    return flags


@internal
def _accept(
    market: uint256,
    word: uint256,
    price: uint256,
    conf: uint256,
    publish: uint256,
    flags: uint256,
    tuning: uint256,
):
    """
    @notice Store an accepted price; at a sampling instant funding and variance move first.
    """
    growth: uint256 = 0
    tau: uint256 = 0
    sigma_ref: uint256 = 0
    v_max: uint256 = 0
    v_step: uint256 = 0
    growth, tau, sigma_ref, v_max, v_step = packing._drift_fields(tuning)
    # publish > the last one, by _offer
    dt: uint256 = unsafe_sub(publish, packing._publish_time(word))
    v: uint256 = packing._v(word)
    v_slow: uint256 = packing._v_slow(word)
    sampled: uint256 = packing._sample_time(word)
    # publish > the last publish >= the last sample
    elapsed: uint256 = unsafe_sub(publish, sampled)
    if elapsed >= SAMPLE_A:
        market_state._accrue(market, word)
        sigma: uint256 = sigma_ref * market_params.SIGMA_GRID
        v_new: uint256 = self._sample(market, price, publish, elapsed, sigma, (v_max + 2) * V_GRID)
        step: uint256 = v_step * (u.V_ONE // 50) * min(elapsed, SAMPLE_A) // u.HOUR
        v_slow = feed_math._slow_after(v_slow, v_new, v, step)
        v = v_new
        sampled = publish

    stable: uint256 = feed_math._stable_after(
        packing._stable_price(word),
        price,
        dt,
        tau * market_params.TAU_GRID,
        growth * market_params.RATIO_GRID,
    )
    new: uint256 = packing._price_word(
        price, stable, conf, min(MAX_GAP, dt), publish, v, v_slow, flags, sampled
    )
    market_state.prices[market] = new

    log IMarkets.PriceAccepted(market=market, word=new)


@internal
def _sample(
    market: uint256,
    price: uint256,
    publish: uint256,
    elapsed: uint256,
    sigma_ref: uint256,
    v_max: uint256,
) -> uint256:
    """
    @notice Move the samplers that are due.
    @return v [1e-4]
    """
    price_a: uint256 = 0
    variance_a: uint256 = 0
    price_b: uint256 = 0
    variance_b: uint256 = 0
    time_b: uint256 = 0
    price_a, variance_a, price_b, variance_b, time_b = packing._sampler_fields(
        market_state.samplers[market]
    )
    variance_a = feed_math._variance_after(variance_a, price_a, price, elapsed, VARIANCE_TAU)
    # the second sampler's instants are some of the first one's: time_b <= publish
    elapsed_b: uint256 = unsafe_sub(publish, time_b)
    if elapsed_b >= SAMPLE_B:
        variance_b = feed_math._variance_after(
            variance_b, price_b, price, elapsed_b, VARIANCE_TAU
        )
        price_b = price
        time_b = publish
    market_state.samplers[market] = packing._sampler_word(
        price, variance_a, price_b, variance_b, time_b
    )
    return feed_math._scalar(max(variance_a, variance_b), sigma_ref, v_max)
