# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What Markets knows about each market and collateral
@license AGPL-3.0-only
@notice Owns the words of docs/spec/words.md. price: written by accepted reports; state: by trades,
        the owner and the sampling instants; tuning and collateral: by their setters.
@custom:kill not deployable
"""

from interfaces import IMarkets
from libs import errors
from libs import fixed_point
from libs import funding_math
from libs import market_packing
from libs import packing
from libs import units as u

MAX_WORDS: constant(uint256) = 256
FOURTHS: constant(uint256) = 64
COLLATERAL_WORDS: constant(uint256) = 16
MAX_MARKETS: constant(uint256) = 255
MAX_COLLATERAL: constant(uint256) = 63
MAX_OPEN_INTEREST: constant(uint256) = 2**56 - 1
MAX_FUNDING: constant(int256) = 2**63 - 1
# in-code bounds of the funding constants: 13 %/h per h and 36 %/h
MAX_VELOCITY: constant(uint256) = 10**10
MAX_RATE: constant(uint256) = 10**14
MIN_DECIMALS: constant(uint256) = 6
MAX_DECIMALS: constant(uint256) = 18
HAIRCUT_GRID: constant(uint256) = u.WAD // 1_000
LEAVE_TILT: constant(int256) = max_value(int256)

VELOCITY: immutable(int256)
RATE_MAX: immutable(uint256)

prices: uint256[MAX_WORDS]
states: uint256[MAX_WORDS]
samplers: uint256[MAX_WORDS]
pendings: uint256[MAX_WORDS]
tunings: uint256[FOURTHS]
collaterals: uint256[COLLATERAL_WORDS]
market_count: uint256


@deploy
def __init__(velocity: uint256, rate_max: uint256):
    if velocity > MAX_VELOCITY or rate_max > MAX_RATE:
        errors._fail("markets: out of range")
    VELOCITY = convert(velocity, int256)
    RATE_MAX = rate_max


# ---- markets -----------------------------------------------------------------------------------


@internal
def _open_market(margin: uint256, tuning: uint256, price: uint256, variance: uint256) -> uint256:
    """
    @return the market's id
    @custom:reverts "markets: wrong id"
    """
    market: uint256 = self.market_count + 1
    if market > MAX_MARKETS:
        errors._fail("markets: wrong id")
    now: uint256 = block.timestamp
    self.market_count = market
    self._write_tuning(market, tuning)
    self.samplers[market] = market_packing._sampler_word(price, variance, price, variance, now)
    # seconds of 32 bits, prices of 64; margin has 56
    self.states[market] = unsafe_mul(now, packing.TIME_AT) | margin
    self.prices[market] = (
        unsafe_mul(price, packing.P_AT | packing.STABLE_AT)
        | unsafe_mul(now, packing.PUBLISH_AT | 1)
        | (u.V_ONE * (packing.V_AT | packing.V_SLOW_AT) | packing.ACTIVE_BIT)
    )
    return market


@internal
@view
def _require_listed(market: uint256):
    """
    @custom:reverts "markets: unknown market"
    """
    # the word of a market that is not listed is zero, and there is none of id 0
    if market > MAX_MARKETS or self.prices[market] == 0:
        errors._fail("markets: unknown market")


@internal
def _mark(market: uint256, turned: uint256, held: uint256):
    self.pendings[market] = held
    self.prices[market] ^= turned


@internal
def _set_margin(market: uint256, margin: uint256):
    self.states[market] = market_packing._with_margin(self.states[market], margin)


@internal
@view
def _tuning(market: uint256) -> uint256:
    # market >= 1: the callers have found it listed
    index: uint256 = unsafe_sub(market, 1)
    return packing._quarter(self.tunings[index // 4], index)


@internal
def _write_tuning(market: uint256, tuning: uint256):
    # market >= 1: the callers have found it listed
    index: uint256 = unsafe_sub(market, 1)
    self.tunings[index // 4] = packing._with_quarter(self.tunings[index // 4], index, tuning)


# ---- funding and open interest -------------------------------------------------------------------


@internal
@view
def _funding(price_word: uint256, state: uint256) -> uint256:
    """
    @return F [ticks] brought to now, two's complement
    """
    rested: uint256 = funding_math._rested(price_word, state)
    return funding_math._index(market_packing._price(price_word), rested, VELOCITY, RATE_MAX)


@internal
@view
def _accrued(price_word: uint256, state: uint256) -> uint256:
    """
    @notice The state word with funding brought to now; at the end of its range F stands still.
    """
    rested: uint256 = funding_math._rested(price_word, state)
    price: uint256 = market_packing._price(price_word)
    raw: uint256 = funding_math._index(price, rested, VELOCITY, RATE_MAX)
    funding: int256 = fixed_point._clamp(
        convert(convert(raw, bytes32), int256), -MAX_FUNDING, MAX_FUNDING
    )
    rate: int256 = funding_math._rate_now(rested, VELOCITY, RATE_MAX)
    return market_packing._accrued_word(state, funding, rate, block.timestamp)


@internal
def _accrue(market: uint256, price_word: uint256):
    state: uint256 = self._accrued(price_word, self.states[market])
    self.states[market] = state

    log IMarkets.FundingAccrued(
        market=market, funding=market_packing._funding(state), rate=market_packing._rate(state)
    )


@internal
def _record_trade(market: uint256, oi_delta: int256, tilt: int256):
    """
    @custom:reverts "markets: tilt", "markets: open interest", "markets: open interest cap"
    """
    price_word: uint256 = self.prices[market]
    state: uint256 = self._accrued(price_word, self.states[market])
    new_tilt: int256 = market_packing._tilt(state) if tilt == LEAVE_TILT else tilt
    if new_tilt > u.TILT_ONE or new_tilt < -u.TILT_ONE:
        errors._fail("markets: tilt")
    open_interest: uint256 = self._open_interest_after(price_word, state, oi_delta)

    funding: int256 = market_packing._funding(state)
    rate: int256 = market_packing._rate(state)
    self.states[market] = market_packing._traded_word(state, new_tilt, open_interest)

    log IMarkets.TradeRecorded(
        market=market, open_interest=open_interest, funding=funding, rate=rate, tilt=new_tilt
    )


@internal
@pure
def _open_interest_after(price_word: uint256, state: uint256, change: int256) -> uint256:
    """
    @return [lots]
    """
    # 56 bits, and any change that leaves the range wraps to something far out of it
    after: uint256 = unsafe_add(
        market_packing._open_interest(state), convert(convert(change, bytes32), uint256)
    )
    if after > MAX_OPEN_INTEREST:
        errors._fail("markets: open interest")
    if change > 0:
        # mantissa and exponent are 4 bits; 56 bits times 64
        cap: uint256 = unsafe_mul(
            unsafe_mul(state // packing.CAP_AT & packing.MASK_4, u.WAD),
            pow_mod256(10, state & packing.MASK_4),
        )
        if unsafe_mul(after, market_packing._price(price_word)) > cap:
            errors._fail("markets: open interest cap")
    return after


# ---- collateral ----------------------------------------------------------------------------------


@internal
def _set_collateral(
    id: uint256, feed: uint256, decimals: uint256, haircut_im: uint256, haircut_mm: uint256
):
    """
    @notice Decimals are pinned by the first call; the soft factor survives the later ones.
    @custom:reverts "markets: unknown market", "markets: decimals", "markets: out of range",
                    "markets: off the grid"
    """
    self._require_listed(feed)
    old: uint256 = self._collateral(id)
    soft: uint256 = u.SOFT_ONE
    pinned: uint256 = decimals
    if old != 0:
        soft = market_packing._collateral_soft(old)
        pinned = market_packing._collateral_decimals(old)
    if decimals < MIN_DECIMALS or decimals > MAX_DECIMALS or decimals != pinned:
        errors._fail("markets: decimals")
    if id == 0 or id > MAX_COLLATERAL or haircut_im > u.WAD or haircut_mm > haircut_im:
        errors._fail("markets: out of range")
    if (haircut_im % HAIRCUT_GRID) + (haircut_mm % HAIRCUT_GRID) != 0:
        errors._fail("markets: off the grid")

    entry: uint256 = market_packing._collateral_bits(
        feed, decimals, haircut_im // HAIRCUT_GRID, haircut_mm // HAIRCUT_GRID, soft
    )
    self._write_collateral(id, entry)

    log IMarkets.CollateralSet(
        collateral=id,
        feed=feed,
        decimals=decimals,
        haircut_im=haircut_im,
        haircut_mm=haircut_mm,
    )


@internal
def _set_soft_factor(id: uint256, factor: uint256):
    """
    @custom:reverts "markets: unknown collateral", "markets: out of range"
    """
    old: uint256 = self._collateral(id)
    if old == 0:
        errors._fail("markets: unknown collateral")
    if factor > u.SOFT_ONE:
        errors._fail("markets: out of range")
    self._write_collateral(id, market_packing._with_soft(old, factor))

    log IMarkets.SoftFactorSet(collateral=id, factor=factor)


@internal
@view
def _collateral(id: uint256) -> uint256:
    # ids are 1 .. 63 in account words and by the setter; id 0 wraps, and finds nothing
    index: uint256 = unsafe_sub(id, 1) & MAX_COLLATERAL
    return packing._quarter(self.collaterals[index // 4], index)


@internal
def _write_collateral(id: uint256, entry: uint256):
    # id >= 1: checked by the callers
    index: uint256 = unsafe_sub(id, 1)
    word: uint256 = self.collaterals[index // 4]
    self.collaterals[index // 4] = packing._with_quarter(word, index, entry)
