# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Orders that are not sent: how they would fill against the pool, and what they would leave
@license AGPL-3.0-only
@notice docs/spec/lens.md#codes. The real check on the words that the fill would leave; the
        minimum sizes and the pool's caps are asked in the same words as modules/trading.vy and
        modules/pool_quotes.vy do, and tests hold the three together.
@custom:kill not deployable
"""

from interfaces import ILens
from interfaces import ILiquidityPool
from interfaces import IMarkets
from interfaces import IVenue
from libs import account_words
from libs import fixed_point
from libs import ledger_packing
from libs import margin_math
from libs import market_packing
from libs import packing
from libs import units as u
from modules import lens_desk as desk

uses: desk

# docs/spec/margin.md#status
LEG_INVALID: constant(uint256) = 1
# docs/spec/lens.md#codes
FILLS: constant(uint256) = 0
NOT_TRUSTED: constant(uint256) = 2
TOO_SMALL: constant(uint256) = 3
CAP: constant(uint256) = 4
MARGIN: constant(uint256) = 5
POOL_REFUSES: constant(uint256) = 6

# as in modules/trading.vy
AGE_OPEN: constant(uint256) = 15
DUST: constant(uint256) = 10 * u.WAD
MIN_LEG: constant(uint256) = 1_000 * u.WAD
MIN_LEG_SMALL: constant(uint256) = 500 * u.WAD
# as in modules/pool_quotes.vy: sum |N| P <= 1.5 NAV
TOTAL_NUMERATOR: constant(uint256) = 3
TOTAL_DENOMINATOR: constant(uint256) = 2

# bit m: market m opens from MIN_LEG_SMALL, as the Clearinghouse was told by set_venue
SMALL_MARKETS: immutable(uint256)
# oldest price that reduces [s]
AGE_MM: immutable(uint256)


struct Case:                # an order as it would stand
    account: uint256
    market: uint256
    price_word: uint256
    state: uint256
    funding: int256
    taker: account_words.Books
    place: uint256
    size_before: int256
    pool: account_words.Books
    pool_place: uint256
    pool_before: int256


@deploy
def __init__(small_markets: uint256):
    SMALL_MARKETS = small_markets
    timing: IMarkets.Timing = staticcall desk.MARKETS.timing()
    AGE_MM = timing.age_mm


@internal
@pure
def _cap_usd(state: uint256) -> uint256:
    """
    @return [USD] cap on open interest: mantissa x 10^exponent
    """
    return (state // packing.CAP_AT & packing.MASK_4) * 10 ** (state & packing.MASK_4)


@internal
@pure
def _refused(code: uint256) -> ILens.OrderPreview:
    preview: ILens.OrderPreview = empty(ILens.OrderPreview)
    preview.code = code
    return preview


@internal
@view
def _case(account: uint256, instrument: uint256) -> Case:
    case: Case = empty(Case)
    case.account = account
    case.market = packing._instrument_market(instrument)
    case.price_word, case.state, case.funding = staticcall desk.MARKETS.market_words(case.market)
    case.taker = desk._books(account)
    case.place, case.size_before = account_words._find_leg(
        case.taker.legs, packing._leg_count(case.taker.word), instrument
    )
    case.pool = desk._books(packing._account_of(desk.POOL, 0))
    case.pool_place, case.pool_before = account_words._find_leg(
        case.pool.legs, packing._leg_count(case.pool.word), instrument
    )
    return case


@internal
@view
def _preview(case: Case, instrument: uint256, size: int256) -> ILens.OrderPreview:
    """
    @param size [lots]
    """
    after: int256 = case.size_before + size
    pool_after: int256 = case.pool_before - size
    if max(abs(after), abs(pool_after)) > u.MAX_SIZE:
        return self._refused(CAP)
    if case.place == u.MAX_LEGS or case.pool_place == u.MAX_LEGS:
        return self._refused(CAP)
    ask: IVenue.Ask = IVenue.Ask(
        account=0,
        instrument=instrument,
        size=size,
        account_size=case.size_before,
        venue_size=case.pool_before,
        reduce_only=False,
        liquidation=False,
    )
    fill: IVenue.Fill = staticcall IVenue(desk.POOL).match(ask)
    value: int256 = size * (convert(fill.price, int256) - case.funding)
    taker: account_words.Books = account_words._with_leg(
        case.taker, case.place, instrument, after
    )
    taker.word = account_words._less(taker.word, 0, value + convert(fill.fee, int256))
    found: IMarkets.Health = desk._check(case.account, taker)
    growth: int256 = self._growth(case, size)
    # what an engine requires is not known by parts
    if not desk._is_engines(taker):
        found.im = self._at_open_interest(case, found.im, after, growth)

    code: uint256 = self._size_code(case, after, growth)
    if code == FILLS:
        code = self._margin_code(case, size, after, found)
    if code == FILLS:
        pool: account_words.Books = account_words._with_leg(
            case.pool, case.pool_place, instrument, pool_after
        )
        pool.word = account_words._less(pool.word, 0, -value)
        code = self._pool_code(case, after, pool_after, pool)
    return ILens.OrderPreview(
        code=code,
        price=fill.price * u.TICK,
        fee=fill.fee,
        equity=found.equity,
        im=found.im,
        le=found.le,
        mm=found.mm,
    )


@internal
@pure
def _opens(before: int256, after: int256) -> bool:
    return abs(after) > abs(before) or after * before < 0


@internal
@pure
def _growth(case: Case, size: int256) -> int256:
    """
    @return [lots] what the fill adds to open interest
    """
    growth: int256 = max(case.size_before + size, 0) - max(case.size_before, 0)
    return growth + max(case.pool_before - size, 0) - max(case.pool_before, 0)


@internal
@pure
def _at_open_interest(case: Case, im: uint256, size: int256, growth: int256) -> uint256:
    """
    @notice The fill is booked before the taker is checked: IM at the open interest after it.
    @param im [USD WAD] at the stored open interest
    @param size [lots] of the leg after the fill
    @custom:rounding as Markets.check: up
    """
    lots: int256 = convert(market_packing._open_interest(case.state), int256) + growth
    # beyond the cap, which is refused, the charge grows no more
    lots = max(0, min(lots, convert(packing.MASK_56, int256)))
    later: uint256 = market_packing._with_open_interest(case.state, convert(lots, uint256))
    value: uint256 = convert(abs(size), uint256) * market_packing._price(case.price_word)
    rates: margin_math.Rates = margin_math._rates(case.price_word, case.state, value, 0, False)
    rest: uint256 = im - fixed_point._mul_up(rates.im, value)
    rates = margin_math._rates(case.price_word, later, value, 0, False)
    return rest + fixed_point._mul_up(rates.im, value)


@internal
@view
def _size_code(case: Case, after: int256, growth: int256) -> uint256:
    """
    @notice The price's age and trust, the smallest legs and the cap on open interest.
    @param growth [lots] of open interest
    """
    price: uint256 = market_packing._price(case.price_word)
    flags: uint256 = market_packing._price_flags(case.price_word)
    publish: uint256 = market_packing._publish_time(case.price_word)
    age: uint256 = block.timestamp - min(block.timestamp, publish)
    value: uint256 = convert(abs(after), uint256) * price
    if not self._opens(case.size_before, after):
        if age > AGE_MM or flags & packing.PENDING != 0:
            return NOT_TRUSTED
        return TOO_SMALL if value != 0 and value < DUST else FILLS
    if age > AGE_OPEN or flags & (packing.PENDING | packing.UNTRUSTED | packing.OPENING) != 0:
        return NOT_TRUSTED
    least: uint256 = MIN_LEG
    if ledger_packing._has_bit(SMALL_MARKETS, case.market):
        least = MIN_LEG_SMALL
    if value < least:
        return TOO_SMALL
    if growth > 0:
        open_interest: uint256 = market_packing._open_interest(case.state)
        open_interest += convert(growth, uint256)
        if open_interest * price > self._cap_usd(case.state) * u.WAD:
            return CAP
    return FILLS


@internal
@view
def _margin_code(
    case: Case, size: int256, after: int256, found: IMarkets.Health
) -> uint256:
    """
    @notice R2 for the taker.
    """
    opens: bool = self._opens(case.size_before, after)
    if opens and found.status & LEG_INVALID != 0:
        return NOT_TRUSTED
    if found.equity >= convert(found.im, int256):
        return FILLS
    if opens:
        return MARGIN
    before: IMarkets.Health = desk._check(case.account, case.taker)
    gained: int256 = found.equity - before.equity
    mm: int256 = convert(before.mm, int256)
    mm_after: int256 = convert(found.mm, int256)
    if gained < convert(found.im, int256) - convert(before.im, int256) or gained < mm_after - mm:
        return MARGIN
    if before.equity < 0:
        return FILLS if gained >= 0 else MARGIN
    return FILLS if found.equity * mm >= before.equity * mm_after else MARGIN


@internal
@view
def _pool_code(
    case: Case, after: int256, pool_after: int256, pool: account_words.Books
) -> uint256:
    """
    @notice What the pool's confirm asks: its margin, and its caps where its leg grows.
    """
    found: IMarkets.Health = desk._check(packing._account_of(desk.POOL, 0), pool)
    grew: bool = abs(pool_after) > abs(case.pool_before)
    opens: bool = self._opens(case.size_before, after)
    required: uint256 = found.im if opens and grew else found.le
    if found.equity < convert(required, int256):
        return POOL_REFUSES
    if not grew:
        return FILLS
    own: uint256 = 0
    total: uint256 = 0
    premium: uint256 = 0
    own, total, premium = self._pool_exposure(pool, case.market)
    nav: uint256 = convert(max(0, found.equity - convert(premium, int256)), uint256)
    params: ILiquidityPool.PoolParams = staticcall ILiquidityPool(desk.POOL).params(case.market)
    if not opens:
        return FILLS if own * u.WAD <= params.lambda_ * nav else POOL_REFUSES
    within: bool = own <= params.max_skew and 2 * own * u.WAD <= params.lambda_ * nav
    within = within and total * TOTAL_DENOMINATOR <= nav * TOTAL_NUMERATOR
    return FILLS if within else POOL_REFUSES


@internal
@view
def _pool_exposure(
    pool: account_words.Books, market: uint256
) -> (uint256, uint256, uint256):
    """
    @return [USD WAD] |N| P of one market, of all, and the premium that skew pays
    @custom:rounding premium up, as the pool has it: its NAV is down
    """
    own: uint256 = 0
    total: uint256 = 0
    premium: uint256 = 0
    for i: uint256 in range(packing._leg_count(pool.word), bound=u.MAX_LEGS):
        held: uint256 = 0
        size: int256 = 0
        held, size = ledger_packing._leg_fields(pool.legs[i // 2], i)
        price_word: uint256 = 0
        state: uint256 = 0
        funding: int256 = 0
        price_word, state, funding = staticcall desk.MARKETS.market_words(held)
        value: uint256 = convert(abs(size), uint256) * market_packing._price(price_word)
        params: ILiquidityPool.PoolParams = staticcall ILiquidityPool(desk.POOL).params(held)
        twice: uint256 = 2 * params.scale
        premium += (value * value + twice - 1) // twice
        total += value
        if held == market:
            own = value
    return own, total, premium
