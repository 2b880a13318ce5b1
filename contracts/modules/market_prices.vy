# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title From a median to a stored price: bounds, jump confirmation, grace, variance
@license AGPL-3.0-only
@notice docs/spec/oracle.md, steps 3-6 of #update and #accept. Fields are read in place, as in
        standard_margin: four feeds in a transaction pass through here.
@custom:kill not deployable
"""

from interfaces import IMarkets
from interfaces import IRiskConfigurator
from libs import errors
from libs import feed_math
from libs import market_packing
from libs import packing
from libs import units as u
from modules import market_state

uses: market_state

# the jump band grows for at most so long [s]
JUMP_TIME: constant(uint256) = 300
# first sampler's grid and the longest step of v_slow [s]
SAMPLE_A: constant(uint256) = 300
# second sampler's grid [s]
SAMPLE_B: constant(uint256) = 3_600
# how long after its end a grace stays on the books [s]
GRACE_TAIL: constant(uint256) = 300
# of a listed market that takes what is offered: ACTIVE, and POLLED where an adapter offers
KIND_BITS: constant(uint256) = packing.ACTIVE_BIT | packing.POLLED_BIT
# flags for which an accepted price looks further
LASTING: constant(uint256) = packing.GRACE_BIT | packing.OPENING_BIT | packing.CHECKED_BIT
MAX_GAP: constant(uint256) = 255
# the answer for a price that was refused or has to wait: no price word, and more than feeds count
DOUBT: constant(uint256) = 2**8
# the exponential of a step of 3,600 s is good to 3e-6 from here on
MIN_TAU: constant(uint256) = 18_000
MAX_TAU: constant(uint256) = 30 * u.DAY
# grids of the tuning word, libs/market_params.vy
JUMP_PARTS: constant(uint256) = 200
RATE_PARTS: constant(uint256) = 10_000
JUMP_GRID: constant(uint256) = RATE_PARTS // JUMP_PARTS
CONF_GRID: constant(uint256) = u.CONF_ONE // 1_000
SIGMA_GRID: constant(uint256) = u.WAD // 10
V_GRID: constant(uint256) = u.V_ONE // 2
STEP_GRID: constant(uint256) = u.V_ONE // 50

AGE_MM: immutable(uint256)
GRACE_MAX: immutable(uint256)
VARIANCE_TAU: immutable(uint256)
SOURCES: immutable(IRiskConfigurator)


@deploy
def __init__(age_mm: uint256, grace_max: uint256, variance_tau: uint256, configurator: address):
    """
    @param configurator who knows the cross-checks of markets
    @custom:reverts "markets: out of range"
    """
    if age_mm > MAX_GAP or grace_max > u.HOUR or variance_tau < MIN_TAU or variance_tau > MAX_TAU:
        errors._fail("markets: out of range")
    AGE_MM = age_mm
    GRACE_MAX = grace_max
    VARIANCE_TAU = variance_tau
    SOURCES = IRiskConfigurator(configurator)


@internal
def _offer(market: uint256, quote: uint256, publish: uint256) -> uint256:
    """
    @notice Offer a median to its market; at a sampling instant funding and variance move first.
    @param quote price and confidence, as feed_math makes it; with POLLED_BIT from an adapter
    @return the price word if it was stored; DOUBT if the price is refused or has to wait, 0 if
            it changes nothing
    """
    # the word of a market that is not listed is zero; one with an adapter takes no reports
    word: uint256 = market_state.prices[market]
    last: uint256 = word // packing.PUBLISH_AT & packing.MASK_32
    if (word ^ quote) & KIND_BITS != packing.ACTIVE_BIT or publish <= last:
        return 0

    # a market that is listed is at least 1; 4 bits times 10^31 at most
    index: uint256 = unsafe_sub(market, 1)
    tuning: uint256 = packing._quarter(market_state.tunings[index // 4], index)
    price: uint256 = quote // packing.P_AT
    if price < unsafe_mul(
        tuning // packing.MIN_MANTISSA_AT & packing.MASK_4,
        pow_mod256(10, tuning // packing.MIN_AT & packing.MASK_5),
    ) or price > unsafe_mul(
        tuning // packing.MAX_MANTISSA_AT & packing.MASK_4,
        pow_mod256(10, tuning & packing.MASK_5),
    ):
        return self._refuse(market, word, price, publish)

    # larger minus smaller of 64 bits; parts and 6 bits times 64 bits
    stored: uint256 = word // packing.P_AT
    distance: uint256 = unsafe_sub(price, stored)
    if price < stored:
        distance = unsafe_sub(stored, price)
    if unsafe_mul(distance, JUMP_PARTS) > unsafe_mul(tuning // packing.JUMP_AT, stored):
        if not self._admitted(market, word, price, publish, tuning):
            return DOUBT

    # v, v_slow, flags and the sample's time stand below the publish time
    kept: uint256 = word & packing.KEPT_BITS
    # publish > the last publish >= the last sample; 5 bits of the grid
    if unsafe_sub(publish, word & packing.MASK_32) >= SAMPLE_A:
        kept = self._sampled(market, word, price, publish, tuning)
    conf: uint256 = quote & packing.MASK_16
    if conf > unsafe_mul(tuning // packing.CONF_CAP_AT & packing.MASK_5, CONF_GRID):
        kept |= packing.UNTRUSTED_BIT
    dt: uint256 = unsafe_sub(publish, last)
    if dt > AGE_MM or kept & LASTING != 0:
        if kept & packing.CHECKED_BIT != 0:
            # a second opinion never moves a price, and no liquidation waits for it
            kept |= staticcall SOURCES.doubts(market, price)
        kept = self._graced(market, kept, dt)
        # the stable price follows over less
        dt = min(dt, MAX_GAP)
    # AGE_MM is at most MAX_GAP, so the gap has 8 bits; prices 64, conf 16, publish 32
    word = (
        (kept | unsafe_mul(publish, packing.PUBLISH_AT))
        | (unsafe_mul(dt, packing.GAP_AT) | unsafe_mul(conf, packing.CONF_AT))
        | unsafe_mul(feed_math._stable_after(word, price, dt, tuning), packing.STABLE_AT)
        | unsafe_mul(price, packing.P_AT)
    )
    market_state.prices[market] = word
    return word


@internal
def _refuse(market: uint256, word: uint256, price: uint256, publish: uint256) -> uint256:
    """
    @notice A median out of the absolute bounds: the feed is in doubt, the price stands.
    """
    market_state.prices[market] = word | packing.UNTRUSTED_BIT

    log IMarkets.PriceRefused(market=market, price=price, publish_time=publish)
    return DOUBT


@internal
def _admitted(
    market: uint256, word: uint256, price: uint256, publish: uint256, tuning: uint256
) -> bool:
    """
    @notice A price further off than jump_0. Inside the band, which grows with time, it is like
            any other; outside of it confirms the pending one, is ignored, or waits itself.
    @return whether it is to be accepted
    """
    # publish > the last one; larger minus smaller; 5 bits and 300 s, 6 bits, 64 bits
    last: uint256 = word // packing.P_AT
    dt: uint256 = unsafe_sub(publish, word // packing.PUBLISH_AT & packing.MASK_32)
    move: uint256 = unsafe_sub(max(price, last), min(price, last))
    grown: uint256 = unsafe_mul(tuning // packing.JUMP_RATE_AT & packing.MASK_5, min(dt, JUMP_TIME))
    limit: uint256 = unsafe_add(unsafe_mul(tuning // packing.JUMP_AT, JUMP_GRID), grown)
    if unsafe_mul(move, RATE_PARTS) <= unsafe_mul(limit, last):
        return True

    pending: uint256 = market_state.pendings[market]
    if word & packing.PENDING_BIT != 0:
        # 32 bits and 5
        delay: uint256 = tuning // packing.DELAY_AT & packing.MASK_5
        if publish < unsafe_add(market_packing._pending_since(pending), delay):
            return False
        # larger minus smaller of 64 bits
        waiting: uint256 = market_packing._pending_price(pending)
        jump: uint256 = unsafe_sub(max(waiting, last), min(waiting, last))
        if (price > last) == (waiting > last) and unsafe_mul(2, move) >= jump:
            return True

    # 64 bits and 32
    market_state.pendings[market] = (
        pending & packing.UNTILS_MASK
        | unsafe_mul(price, packing.WAITING_AT) | unsafe_mul(publish, packing.SINCE_AT)
    )
    market_state.prices[market] = word | packing.PENDING_BIT

    log IMarkets.PricePending(market=market, price=price, publish_time=publish)
    return False


@internal
def _graced(market: uint256, kept: uint256, dt: uint256) -> uint256:
    """
    @notice After an outage liquidations wait for as long as it lasted, at most GRACE_MAX, and no
            shorter than they wait already. A pause of openings whose time is over ends.
    @return the kept fields with the flags of both
    """
    # no divisor is 0
    held: uint256 = market_state.pendings[market]
    if block.timestamp >= unsafe_div(held, packing.OPENING_UNTIL_AT):
        kept &= ~packing.OPENING_BIT
    until: uint256 = held & packing.MASK_32
    if dt > AGE_MM:
        # times and an hour: 33 bits
        until = max(until, unsafe_add(block.timestamp, min(dt, GRACE_MAX)))
        market_state.pendings[market] = held & packing.OPENING_MASK | until
        return kept | packing.GRACE_BIT
    if block.timestamp > unsafe_add(until, GRACE_TAIL):
        kept &= ~packing.GRACE_BIT
    return kept


@internal
def _sampled(
    market: uint256, word: uint256, price: uint256, publish: uint256, tuning: uint256
) -> uint256:
    """
    @notice Accrue funding, move the samplers that are due, then v and v_slow.
    @return the kept fields of the price word
    """
    market_state._accrue(market, word)
    # publish > the last publish >= the last sample
    elapsed: uint256 = unsafe_sub(publish, word & packing.MASK_32)
    sampler: uint256 = market_state.samplers[market]
    variance_a: uint256 = feed_math._variance_after(
        sampler // market_packing.VARIANCE_A_AT & packing.MASK_48,
        sampler // packing.P_AT,
        price,
        elapsed,
        VARIANCE_TAU,
    )
    price_b: uint256 = sampler // market_packing.PRICE_B_AT & packing.MASK_64
    variance_b: uint256 = sampler // market_packing.VARIANCE_B_AT & packing.MASK_48
    time_b: uint256 = sampler & packing.MASK_32
    # the second sampler's instants are some of the first one's: time_b <= publish
    elapsed_b: uint256 = unsafe_sub(publish, time_b)
    if elapsed_b >= SAMPLE_B:
        variance_b = feed_math._variance_after(
            variance_b, price_b, price, elapsed_b, VARIANCE_TAU
        )
        price_b = price
        time_b = publish
    market_state.samplers[market] = market_packing._sampler_word(
        price, variance_a, price_b, variance_b, time_b
    )

    v_before: uint256 = word // packing.V_AT & packing.MASK_16
    v_slow: uint256 = word // packing.V_SLOW_AT & packing.MASK_16
    v: uint256 = feed_math._scalar(
        max(variance_a, variance_b),
        # fields of at most 5 bits times their grids
        unsafe_mul(tuning // packing.SIGMA_AT & packing.MASK_5, SIGMA_GRID),
        unsafe_mul(unsafe_add(tuning // packing.V_MAX_AT & packing.MASK_3, 2), V_GRID),
    )
    # v_slow falls at once with v, rises by at most a step toward the v stored before this write;
    # elapsed is at least SAMPLE_A here, and counts for no more
    step: uint256 = unsafe_mul(tuning // packing.V_STEP_AT & packing.MASK_5, STEP_GRID)
    risen: uint256 = unsafe_add(v_slow, unsafe_div(unsafe_mul(step, SAMPLE_A), u.HOUR))
    v_slow = min(v, max(v_slow, min(risen, v_before)))
    return packing._kept_bits(v, v_slow, word & packing.KEPT_FLAGS, publish)
