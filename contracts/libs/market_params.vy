# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Parameters of a market: ranges, grids and their packed forms
@license AGPL-3.0-only
@notice docs/spec/words.md. Every setter goes through here, so nothing out of range is stored.
@custom:kill not deployable
"""

from interfaces import IRiskConfigurator
from libs import errors
from libs import market_packing
from libs import units as u

# grids, WAD unless said
BASE_GRID: constant(uint256) = u.WAD // 2_000
RATIO_GRID: constant(uint256) = u.WAD // 100
TIER_GRID: constant(uint256) = 10_000 * u.WAD
SPREAD_GRID: constant(uint256) = u.WAD // 400
HALF: constant(uint256) = u.WAD // 2
SIXTEENTH: constant(uint256) = u.WAD // 16
JUMP_GRID: constant(uint256) = u.WAD // 200
JUMP_RATE_GRID: constant(uint256) = u.WAD // 10_000
CONF_GRID: constant(uint256) = u.WAD // 1_000
TAU_GRID: constant(uint256) = 300  # seconds
SIGMA_GRID: constant(uint256) = u.WAD // 10
STEP_GRID: constant(uint256) = u.WAD // 50
HAIRCUT_GRID: constant(uint256) = u.WAD // 1_000

# 15 x 10^15 USD
MAX_CAP: constant(uint256) = 15 * 10**15 * u.WAD
MAX_MANTISSA: constant(uint256) = 15
MAX_CAP_EXPONENT: constant(uint256) = 15
# 10^19 ticks is the last power of ten below 2^64
MAX_BOUND_EXPONENT: constant(uint256) = 18


@internal
@pure
def _pack_margin(p: IRiskConfigurator.MarginParams) -> uint256:
    """
    @custom:reverts "markets: out of range", "markets: off the grid"
    """
    mantissa: uint256 = 0
    exponent: uint256 = 0
    mantissa, exponent = self._decimal(self._grid(p.oi_cap, u.WAD, 0, MAX_CAP))
    if exponent > MAX_CAP_EXPONENT:
        errors._fail("markets: out of range")
    return market_packing._margin_bits(
        self._grid(p.base, BASE_GRID, u.WAD // 200, u.WAD),
        self._grid(p.mm_ratio, RATIO_GRID, u.WAD // 10, u.WAD * 8 // 10),
        self._grid(p.tier_start, TIER_GRID, TIER_GRID, 10_000 * TIER_GRID),
        self._grid(p.spread_rate, SPREAD_GRID, 0, 60 * SPREAD_GRID),
        self._grid(p.oi_max, HALF, u.WAD, 10 * u.WAD),
        self._grid(p.oi_lo, SIXTEENTH, 0, 15 * SIXTEENTH),
        mantissa,
        exponent,
    )


@internal
@pure
def _unpack_margin(state: uint256) -> IRiskConfigurator.MarginParams:
    p: IRiskConfigurator.MarginParams = empty(IRiskConfigurator.MarginParams)
    mantissa: uint256 = 0
    exponent: uint256 = 0
    p.base, p.mm_ratio, p.tier_start, p.spread_rate, p.oi_max, p.oi_lo, mantissa, exponent = (
        market_packing._margin_fields(state)
    )
    return IRiskConfigurator.MarginParams(
        base=p.base * BASE_GRID,
        mm_ratio=p.mm_ratio * RATIO_GRID,
        tier_start=p.tier_start * TIER_GRID,
        spread_rate=p.spread_rate * SPREAD_GRID,
        oi_max=p.oi_max * HALF,
        oi_lo=p.oi_lo * SIXTEENTH,
        oi_cap=mantissa * 10**exponent * u.WAD,
    )


@internal
@pure
def _pack_feed(p: IRiskConfigurator.FeedParams) -> uint256:
    """
    @custom:reverts "markets: out of range", "markets: off the grid"
    """
    guards: uint256 = market_packing._guard_bits(
        self._grid(p.jump_0, JUMP_GRID, u.WAD // 100, u.WAD // 5),
        self._grid(p.jump_rate, JUMP_RATE_GRID, JUMP_RATE_GRID, 20 * JUMP_RATE_GRID),
        self._grid(p.confirm_delay, 1, 1, 30),
        self._grid(p.conf_cap, CONF_GRID, CONF_GRID, 30 * CONF_GRID),
    )
    drift: uint256 = market_packing._drift_bits(
        self._grid(p.stable_growth, RATIO_GRID, RATIO_GRID, 60 * RATIO_GRID),
        self._grid(p.stable_tau, TAU_GRID, TAU_GRID, 60 * TAU_GRID),
        self._grid(p.sigma_ref, SIGMA_GRID, SIGMA_GRID, 30 * SIGMA_GRID),
        self._grid(p.v_max, HALF, u.WAD, u.WAD * 9 // 2) - 2,
        self._grid(p.v_step, STEP_GRID, STEP_GRID, 30 * STEP_GRID),
    )
    return guards | drift | self._pack_bounds(p.min_price, p.max_price)


@internal
@pure
def _pack_bounds(min_price: uint256, max_price: uint256) -> uint256:
    if min_price >= max_price:
        errors._fail("markets: out of range")
    min_mantissa: uint256 = 0
    min_exponent: uint256 = 0
    max_mantissa: uint256 = 0
    max_exponent: uint256 = 0
    min_mantissa, min_exponent = self._decimal(
        self._grid(min_price, u.TICK, u.TICK, u.MAX_PRICE * u.TICK)
    )
    max_mantissa, max_exponent = self._decimal(
        self._grid(max_price, u.TICK, u.TICK, u.MAX_PRICE * u.TICK)
    )
    return market_packing._bound_bits(min_mantissa, min_exponent, max_mantissa, max_exponent)


@internal
@pure
def _unpack_feed(tuning: uint256) -> IRiskConfigurator.FeedParams:
    p: IRiskConfigurator.FeedParams = empty(IRiskConfigurator.FeedParams)
    low: uint256 = 0
    low_exponent: uint256 = 0
    high: uint256 = 0
    high_exponent: uint256 = 0
    p.jump_0, p.jump_rate, p.confirm_delay, p.conf_cap, low, low_exponent, high, high_exponent = (
        market_packing._guard_fields(tuning)
    )
    p.stable_growth, p.stable_tau, p.sigma_ref, p.v_max, p.v_step = (
        market_packing._drift_fields(tuning)
    )
    return IRiskConfigurator.FeedParams(
        min_price=low * 10**low_exponent * u.TICK,
        max_price=high * 10**high_exponent * u.TICK,
        jump_0=p.jump_0 * JUMP_GRID,
        jump_rate=p.jump_rate * JUMP_RATE_GRID,
        confirm_delay=p.confirm_delay,
        conf_cap=p.conf_cap * CONF_GRID,
        stable_growth=p.stable_growth * RATIO_GRID,
        stable_tau=p.stable_tau * TAU_GRID,
        sigma_ref=p.sigma_ref * SIGMA_GRID,
        v_max=(p.v_max + 2) * HALF,
        v_step=p.v_step * STEP_GRID,
    )


@internal
@pure
def _grid(x: uint256, unit: uint256, low: uint256, high: uint256) -> uint256:
    """
    @return x in units of its grid
    """
    if x < low or x > high:
        errors._fail("markets: out of range")
    if x % unit != 0:
        errors._fail("markets: off the grid")
    return x // unit


@internal
@pure
def _decimal(x: uint256) -> (uint256, uint256):
    """
    @return mantissa <= 15 and exponent of x = mantissa x 10^exponent, in lowest terms
    @custom:reverts "markets: off the grid" when there is none
    """
    mantissa: uint256 = x
    exponent: uint256 = 0
    for _: uint256 in range(MAX_BOUND_EXPONENT):
        if mantissa <= MAX_MANTISSA or mantissa % 10 != 0:
            break
        mantissa //= 10
        exponent += 1
    if mantissa > MAX_MANTISSA:
        errors._fail("markets: off the grid")
    return mantissa, exponent
