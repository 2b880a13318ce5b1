# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Quotes, caps and parameters of the pool
@license AGPL-3.0-only
@notice docs/spec/pool.md. The only writer of the pool's parameters, one packed word a market;
        prices come from Markets and are never kept.
@custom:kill not deployable
"""

from interfaces import ILiquidityPool
from interfaces import IMarkets
from interfaces import IVenue
from libs import errors
from libs import fixed_point
from libs import ledger_packing
from libs import margin_math
from libs import market_packing
from libs import packing
from libs import quote_math
from libs import units as u
from snekmate.auth import ownable

uses: ownable


# grids of the packed parameters
RATE_GRID: constant(uint256) = 10**12       # 1e-6
LAMBDA_GRID: constant(uint256) = 10**14     # 1e-4
MU_GRID: constant(uint256) = 10**16         # 0.01
# ranges: wide enough for any market that R13 foresees, tight enough to stop a slipped decimal
MIN_SCALE: constant(uint256) = 1_000_000 * u.WAD
MAX_SCALE: constant(uint256) = 1_000_000_000_000 * u.WAD
MIN_SPREAD: constant(uint256) = 50 * RATE_GRID              # half a basis point
MAX_SPREAD: constant(uint256) = 10_000 * RATE_GRID          # 1 %
MAX_FEE: constant(uint256) = 10_000 * RATE_GRID             # 1 %
MAX_LIQUIDATION_FEE: constant(uint256) = 30_000 * RATE_GRID     # 3 %
MAX_KEEPER_RATE: constant(uint256) = 10_000 * RATE_GRID     # 1 %
MAX_LAMBDA: constant(uint256) = 3 * u.WAD
# above it a sandwich around a reduce could pay (rules R6)
MAX_MU: constant(uint256) = 80 * MU_GRID

MARKETS: immutable(IMarkets)


struct Exposure:            # all WAD USD
    nav: uint256
    total: uint256          # sum of |N| P
    asked: uint256          # |N| P of the market asked about


_words: HashMap[uint256, uint256]


@deploy
def __init__(markets: address):
    MARKETS = IMarkets(markets)


# ---- external -----------------------------------------------------------------------------------


@external
def set_params(market: uint256, params: ILiquidityPool.PoolParams):
    """
    @notice List a market with the pool, or change its parameters.
    @param market id in Markets, whose margin parameters stand already
    @param params all WAD, on the grids of ILiquidityPool
    @custom:reverts "pool: off grid", "pool: out of range", "pool: listing assert" when the worst
            price of a forced fill would cost more than half of the maintenance margin
    """
    ownable._check_owner()

    self._check_ranges(params)
    self._check_listing(market, params)

    old: ILiquidityPool.PoolParams = self._params(self._words[market])
    self._words[market] = ledger_packing._pool_word(
        params.scale // u.WAD,
        params.max_skew // u.WAD,
        params.spread_min // RATE_GRID,
        params.fee // RATE_GRID,
        params.liquidation_fee // RATE_GRID,
        params.keeper_rate // RATE_GRID,
        params.lambda_ // LAMBDA_GRID,
        params.mu // MU_GRID,
    )

    log ILiquidityPool.PoolParamsSet(market=market, old=old, new=params)


# ---- view ---------------------------------------------------------------------------------------


@external
@view
def match(ask: IVenue.Ask) -> IVenue.Fill:
    """
    @notice Quote the ask at the stored price: curve, half spread, fee, tilt afterwards.
    @custom:rounding price and fee against the taker
    @custom:reverts "pool: perps only", "pool: unknown market", "pool: no price"
    """
    market: uint256 = packing._instrument_market(ask.instrument)
    if ask.instrument != packing._perp(market):
        errors._fail("pool: perps only")

    word: uint256 = self._listed_word(market)
    price_word: uint256 = self._price_word(market)
    conf: uint256 = 0
    if not ask.liquidation:
        conf = market_packing._conf(price_word) * (u.WAD // u.CONF_ONE)
    return self._fill(word, market_packing._price(price_word), -ask.venue_size, ask.size, conf)


@external
@view
def confirm(
    ask: IVenue.Ask, health: IMarkets.Health, legs: uint256[8], leg_count: uint256
) -> bool:
    """
    @notice Revert unless the pool stands by the fill, after it.
    @dev Closing trades and liquidations may use the whole of lambda, openings half of it.
    @custom:reverts "pool: margin", "pool: max skew", "pool: market cap", "pool: total cap"
    """
    after: int256 = ask.venue_size - ask.size
    grew: bool = abs(after) > abs(ask.venue_size)
    opens: bool = not ask.liquidation and not self._closes(ask)
    required: uint256 = health.le
    if ask.liquidation:
        required = health.mm
    elif opens and grew:
        required = health.im
    if health.equity < convert(required, int256):
        errors._fail("pool: margin")
    if not grew:
        return True

    market: uint256 = packing._instrument_market(ask.instrument)
    exposure: Exposure = self._exposure(health.equity, legs, leg_count, market)
    self._check_caps(self._words[market], opens, exposure)
    return True


@external
@view
def params(market: uint256) -> ILiquidityPool.PoolParams:
    """
    @notice Parameters of a market, zeros when it is not listed.
    """
    return self._params(self._words[market])


@external
@view
def liquidation_quote(
    market: uint256, size: int256, venue_size: int256
) -> (uint256, uint256, int256):
    """
    @notice Price of a forced fill: the curve and spread_min alone (rules R6).
    @param size [lots] the taker's side
    @param venue_size [lots] the pool's leg before
    @return price [ticks], fee [WAD], tilt afterwards
    @custom:rounding price and fee against the taker
    @custom:reverts "pool: unknown market", "pool: no price"
    """
    fill: IVenue.Fill = empty(IVenue.Fill)
    funding: int256 = 0
    fill, funding = self._forced_fill(market, size, venue_size)
    return fill.price, fill.fee, fill.tilt


@external
@view
def liquidation_capacity(market: uint256) -> uint256:
    """
    @notice Notional that liquidations may close in one block: what keeps a sandwich unprofitable.
    @return [WAD USD] mu (2 spread_min + fee) scale
    @custom:rounding down
    """
    params: ILiquidityPool.PoolParams = self._params(self._words[market])
    return params.mu * (2 * params.spread_min + params.fee) // u.WAD * params.scale // u.WAD


# ---- internal: quotes ---------------------------------------------------------------------------


@internal
@view
def _price_word(market: uint256) -> uint256:
    price_word: uint256 = 0
    state_word: uint256 = 0
    funding: int256 = 0
    price_word, state_word, funding = staticcall MARKETS.market_words(market)
    return price_word


@internal
@view
def _forced_fill(
    market: uint256, size: int256, venue_size: int256
) -> (IVenue.Fill, int256):
    """
    @return the quote of a liquidation, and the funding at which it fills [ticks]
    """
    word: uint256 = self._listed_word(market)
    price_word: uint256 = 0
    state_word: uint256 = 0
    funding: int256 = 0
    price_word, state_word, funding = staticcall MARKETS.market_words(market)
    return self._fill(word, market_packing._price(price_word), -venue_size, size, 0), funding


@internal
@view
def _listed_word(market: uint256) -> uint256:
    word: uint256 = self._words[market]
    if word == 0:
        errors._fail("pool: unknown market")
    return word


@internal
@pure
def _fill(
    word: uint256, mark: uint256, skew: int256, size: int256, conf: uint256
) -> IVenue.Fill:
    """
    @notice The whole quote from the market's parameter word.
    @param conf [WAD ratio] least half spread, besides spread_min
    """
    scale: uint256 = 0
    max_skew: uint256 = 0
    spread_min: uint256 = 0
    fee: uint256 = 0
    scale, max_skew, spread_min, fee = ledger_packing._pool_curve(word)
    # fields of 16 and 48 bits: no product passes 2^108
    half_spread: uint256 = max(unsafe_mul(spread_min, RATE_GRID), conf)
    scale = unsafe_mul(scale, u.WAD)
    max_skew = unsafe_mul(max_skew, u.WAD)
    fee = unsafe_mul(fee, RATE_GRID)

    price: uint256 = quote_math._price(mark, skew, size, scale, half_spread)
    if price == 0 or price > u.MAX_PRICE:
        errors._fail("pool: no price")
    return IVenue.Fill(
        price=price,
        fee=fixed_point._mul_up(fee, quote_math._notional(price, size)),
        tilt=quote_math._tilt(mark, skew + size, max_skew),
    )


# ---- internal: caps -----------------------------------------------------------------------------


@internal
@pure
def _closes(ask: IVenue.Ask) -> bool:
    """
    @notice Whether the taker's leg falls without changing sides.
    """
    after: int256 = ask.account_size + ask.size
    if ask.account_size > 0:
        return after >= 0 and after < ask.account_size
    return after <= 0 and after > ask.account_size


@internal
@view
def _exposure(
    equity: int256, legs: uint256[8], leg_count: uint256, market: uint256
) -> Exposure:
    """
    @notice What the pool's legs amount to at the stored prices.
    @custom:rounding NAV down
    """
    exposure: Exposure = empty(Exposure)
    premium: uint256 = 0
    for i: uint256 in range(leg_count, bound=u.MAX_LEGS):
        held: uint256 = 0
        size: int256 = 0
        held, size = ledger_packing._leg_fields(legs[i // 2], i)
        mark: uint256 = market_packing._price(self._price_word(held))
        notional: uint256 = quote_math._notional(mark, size)
        # a field of 48 bits
        scale: uint256 = unsafe_mul(ledger_packing._pool_scale(self._words[held]), u.WAD)
        premium += quote_math._premium(notional, scale)
        exposure.total += notional
        if held == market:
            exposure.asked = notional
    exposure.nav = convert(max(0, equity - convert(premium, int256)), uint256)
    return exposure


@internal
@pure
def _check_caps(word: uint256, opens: bool, exposure: Exposure):
    """
    @notice Caps of a fill that made the pool's leg grow; openings get half of lambda.
    """
    max_skew: uint256 = 0
    lambda_: uint256 = 0
    max_skew, lambda_ = ledger_packing._pool_caps(word)
    notional: uint256 = exposure.asked
    room: uint256 = lambda_ * LAMBDA_GRID * exposure.nav
    if not opens:
        if notional * u.WAD > room:
            errors._fail("pool: market cap")
        return
    if notional > max_skew * u.WAD:
        errors._fail("pool: max skew")
    if 2 * notional * u.WAD > room:
        errors._fail("pool: market cap")
    if 2 * exposure.total > 3 * exposure.nav:
        errors._fail("pool: total cap")


@internal
@view
def _cap_lots(market: uint256, nav: uint256) -> uint256:
    """
    @return [lots] largest leg that lambda allows at this NAV
    @custom:rounding down
    """
    max_skew: uint256 = 0
    lambda_: uint256 = 0
    max_skew, lambda_ = ledger_packing._pool_caps(self._listed_word(market))
    mark: uint256 = market_packing._price(self._price_word(market))
    return lambda_ * LAMBDA_GRID * nav // (mark * u.WAD)


# ---- internal: parameters -----------------------------------------------------------------------


@internal
@pure
def _params(word: uint256) -> ILiquidityPool.PoolParams:
    scale: uint256 = 0
    max_skew: uint256 = 0
    spread_min: uint256 = 0
    fee: uint256 = 0
    liquidation_fee: uint256 = 0
    keeper_rate: uint256 = 0
    lambda_: uint256 = 0
    mu: uint256 = 0
    scale, max_skew, spread_min, fee = ledger_packing._pool_curve(word)
    liquidation_fee, keeper_rate, lambda_, mu = ledger_packing._pool_terms(word)
    return ILiquidityPool.PoolParams(
        scale=scale * u.WAD,
        max_skew=max_skew * u.WAD,
        spread_min=spread_min * RATE_GRID,
        fee=fee * RATE_GRID,
        liquidation_fee=liquidation_fee * RATE_GRID,
        keeper_rate=keeper_rate * RATE_GRID,
        lambda_=lambda_ * LAMBDA_GRID,
        mu=mu * MU_GRID,
    )


@internal
@pure
def _check_ranges(params: ILiquidityPool.PoolParams):
    """
    @notice Every parameter on its grid and inside its range.
    """
    rates: uint256 = params.spread_min % RATE_GRID + params.fee % RATE_GRID
    rates += params.liquidation_fee % RATE_GRID + params.keeper_rate % RATE_GRID
    sums: uint256 = params.scale % u.WAD + params.max_skew % u.WAD
    if rates + sums + params.lambda_ % LAMBDA_GRID + params.mu % MU_GRID != 0:
        errors._fail("pool: off grid")
    if (
        params.scale < MIN_SCALE
        or params.scale > MAX_SCALE
        or params.max_skew == 0
        or params.max_skew > params.scale
        or params.spread_min < MIN_SPREAD
        or params.spread_min > MAX_SPREAD
        or params.fee > MAX_FEE
        or params.liquidation_fee > MAX_LIQUIDATION_FEE
        or params.keeper_rate > MAX_KEEPER_RATE
        or params.lambda_ == 0
        or params.lambda_ > MAX_LAMBDA
        or params.mu == 0
        or params.mu > MAX_MU
    ):
        errors._fail("pool: out of range")


@internal
@view
def _check_listing(market: uint256, params: ILiquidityPool.PoolParams):
    """
    @notice Rules R7: skew, spread, fees and keeper pay within half of the maintenance margin.
    @custom:rounding the cost up
    """
    base: uint256 = 0
    mm_ratio: uint256 = 0
    base, mm_ratio = self._rates(market)
    cost: uint256 = fixed_point._ceil_div(params.max_skew * u.WAD, params.scale)
    cost += params.spread_min + params.fee + params.liquidation_fee + params.keeper_rate
    if 2 * cost * u.WAD > mm_ratio * base:
        errors._fail("pool: listing assert")


@internal
@view
def _rates(market: uint256) -> (uint256, uint256):
    """
    @return base and mm_ratio of a market [WAD]
    """
    price_word: uint256 = 0
    state: uint256 = 0
    funding: int256 = 0
    price_word, state, funding = staticcall MARKETS.market_words(market)
    base: uint256 = state // packing.BASE_AT & packing.MASK_12
    mm_ratio: uint256 = state // packing.MM_RATIO_AT & packing.MASK_7
    return base * margin_math.BASE_GRID, mm_ratio * margin_math.RATIO_GRID
