# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Lens: answers about accounts, markets and plans; static calls only, writes nothing
@license AGPL-3.0-only
@notice docs/spec/lens.md. An account that does not exist yet is asked about by its words:
        Markets.check values any words, so a preview is the real check on the words that an
        action would leave. Batches cannot be spoiled: Markets.check is total over the words that
        the Clearinghouse stores (docs/spec/lens.md#total).
@custom:kill none: nothing depends on it
"""

from interfaces import IClearinghouse
from interfaces import ILens
from interfaces import ILiquidator
from interfaces import ILiquidityPool
from interfaces import IMarkets
from interfaces import IVenue
from libs import account_words
from libs import errors
from libs import instruments
from libs import packing
from libs import units as u
from modules import lens_prices

implements: ILens

MAX_BATCH: constant(uint256) = 500
# docs/spec/margin.md#status
LEG_INVALID: constant(uint256) = 1
# docs/spec/lens.md#codes
FILLS: constant(uint256) = 0
NO_SUCH_MARKET: constant(uint256) = 1
NOT_TRUSTED: constant(uint256) = 2
TOO_SMALL: constant(uint256) = 3
CAP: constant(uint256) = 4
MARGIN: constant(uint256) = 5
POOL_REFUSES: constant(uint256) = 6
ODD_LOT: constant(uint256) = 7

# as in modules/trading.vy
AGE_OPEN: constant(uint256) = 15
AGE_REDUCE: constant(uint256) = 120
DUST: constant(uint256) = 10 * u.WAD
MIN_LEG: constant(uint256) = 1_000 * u.WAD
MIN_LEG_SMALL: constant(uint256) = 500 * u.WAD
# as in modules/pool_quotes.vy: sum |N| P <= 1.5 NAV
TOTAL_NUMERATOR: constant(uint256) = 3
TOTAL_DENOMINATOR: constant(uint256) = 2

CLEARINGHOUSE: immutable(IClearinghouse)
MARKETS: immutable(IMarkets)
POOL: immutable(address)
LIQUIDATOR: immutable(ILiquidator)
# bit m: market m opens from MIN_LEG_SMALL, as the Clearinghouse was told by set_venue
SMALL_MARKETS: immutable(uint256)


struct Case:                # an order as it would stand
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
def __init__(clearinghouse: address, pool: address, liquidator: address, small_markets: uint256):
    """
    @param small_markets bit m: market m opens from 500 USD, as set_venue was told; a Lens is
           deployed anew when that changes
    """
    CLEARINGHOUSE = IClearinghouse(clearinghouse)
    MARKETS = IMarkets(staticcall CLEARINGHOUSE.markets())
    POOL = pool
    LIQUIDATOR = ILiquidator(liquidator)
    SMALL_MARKETS = small_markets


# ---- health -------------------------------------------------------------------------------------


@external
@view
def health(account: uint256) -> ILens.AccountHealth:
    """
    @notice Equity, requirements and what may be withdrawn of an account.
    """
    books: account_words.Books = self._books(account)
    found: IMarkets.Health = self._check(books)
    return ILens.AccountHealth(
        equity=found.equity,
        im=found.im,
        le=found.le,
        mm=found.mm,
        withdrawable=self._free_cash(account, books, found),
        unsettled=found.unsettled,
        status=found.status,
    )


@external
@view
def health_many(
    accounts: DynArray[uint256, MAX_BATCH],
) -> (
    DynArray[int256, MAX_BATCH],
    DynArray[uint256, MAX_BATCH],
    DynArray[uint256, MAX_BATCH],
    DynArray[uint256, MAX_BATCH],
    DynArray[int256, MAX_BATCH],
    DynArray[uint256, MAX_BATCH],
):
    """
    @return equity, IM, LE, MM, unsettled, status, an entry per account
    """
    equities: DynArray[int256, MAX_BATCH] = []
    ims: DynArray[uint256, MAX_BATCH] = []
    les: DynArray[uint256, MAX_BATCH] = []
    mms: DynArray[uint256, MAX_BATCH] = []
    unsettled: DynArray[int256, MAX_BATCH] = []
    statuses: DynArray[uint256, MAX_BATCH] = []
    for account: uint256 in accounts:
        found: IMarkets.Health = staticcall CLEARINGHOUSE.health(account)
        equities.append(found.equity)
        ims.append(found.im)
        les.append(found.le)
        mms.append(found.mm)
        unsettled.append(found.unsettled)
        statuses.append(found.status)
    return equities, ims, les, mms, unsettled, statuses


@external
@view
def unhealthy(
    from_index: uint256, count: uint256
) -> (
    DynArray[uint256, MAX_BATCH],
    DynArray[int256, MAX_BATCH],
    DynArray[uint256, MAX_BATCH],
    DynArray[uint256, MAX_BATCH],
    uint256,
):
    """
    @notice Look through a part of the list of accounts for those below MM.
    @return accounts, E, MM, status; the index to go on from (the list's length at its end)
    """
    accounts: DynArray[uint256, MAX_BATCH] = []
    equities: DynArray[int256, MAX_BATCH] = []
    mms: DynArray[uint256, MAX_BATCH] = []
    statuses: DynArray[uint256, MAX_BATCH] = []
    total: uint256 = staticcall CLEARINGHOUSE.account_count()
    first: uint256 = min(from_index, total)
    looked: uint256 = min(min(count, MAX_BATCH), total - first)
    for i: uint256 in range(looked, bound=MAX_BATCH):
        account: uint256 = staticcall CLEARINGHOUSE.account_at(first + i)
        found: IMarkets.Health = staticcall CLEARINGHOUSE.health(account)
        if found.equity < convert(found.mm, int256):
            accounts.append(account)
            equities.append(found.equity)
            mms.append(found.mm)
            statuses.append(found.status)
    return accounts, equities, mms, statuses, first + looked


# ---- previews -----------------------------------------------------------------------------------


@external
@view
def preview_reduce(account: uint256, instrument: uint256) -> ILiquidator.ReducePlan:
    """
    @notice What a call of reduce would do now.
    """
    return staticcall LIQUIDATOR.plan_reduce(account, instrument)


@external
@view
def preview_take(account: uint256) -> ILiquidator.TakePlan:
    """
    @notice What a call of take would do now.
    """
    return staticcall LIQUIDATOR.plan_take(account)


@external
@view
def preview_order(account: uint256, instrument: uint256, size: int256) -> ILens.OrderPreview:
    """
    @notice How an order would fill against the pool at the stored price, and what it would leave.
    @param size [WAD] whole lots, > 0 buys
    """
    lot: int256 = convert(u.LOT, int256)
    if size == 0 or size % lot != 0 or abs(size) // lot > u.MAX_SIZE:
        return self._refused(ODD_LOT)
    if not self._is_market(instrument):
        return self._refused(NO_SUCH_MARKET)
    return self._preview(self._case(account, instrument), instrument, size // lot)


@external
@view
def max_open(account: uint256, instrument: uint256, is_buy: bool) -> uint256:
    """
    @notice The largest order of one side that would fill now: found by halving, since what the
            pool, the caps and the margin allow falls with the size.
    @return [WAD] whole lots, 0 if none would fill
    """
    if not self._is_market(instrument):
        return 0
    case: Case = self._case(account, instrument)
    cap: uint256 = self._cap_usd(case.state) * u.WAD
    good: uint256 = 0
    # twice the cap: a side may close all of one sign and open all of the other
    bad: uint256 = min(2 * cap // packing._price(case.price_word) + 1, 2**62)
    for _: uint256 in range(62):
        middle: uint256 = (good + bad) // 2
        if middle == good:
            break
        size: int256 = convert(middle, int256)
        if not is_buy:
            size = -size
        preview: ILens.OrderPreview = self._preview(case, instrument, size)
        if preview.code == FILLS or preview.code == TOO_SMALL:
            good = middle
        else:
            bad = middle
    size: int256 = convert(good, int256)
    if not is_buy:
        size = -size
    if good == 0 or self._preview(case, instrument, size).code != FILLS:
        return 0
    return good * u.LOT


@external
@view
def max_withdraw(account: uint256, token: address) -> uint256:
    """
    @notice The most that withdraw lets go of now: what is held, on hand and above IM.
    @return [atoms]
    """
    info: IClearinghouse.TokenInfo = staticcall CLEARINGHOUSE.token_info(token)
    if not info.listed:
        return 0
    books: account_words.Books = self._books(account)
    if info.id == 0:
        free: uint256 = self._free_cash(account, books, self._check(books))
        return free // staticcall CLEARINGHOUSE.settlement_scale()
    place: uint256 = self._place_of(books.word, info.id)
    if place == packing._collateral_count(books.word):
        return 0
    return self._max_collateral(books, place, info.decimals)


@external
@view
def liquidation_prices(account: uint256, market: uint256) -> ILens.LiquidationPrices:
    """
    @notice Prices of one market at which E = IM and E = MM, the others standing still.
    @return [WAD] 0 where there is none on that side (a hedged account has none); the mark itself
            on both sides where the account is below already
    """
    prices: ILens.LiquidationPrices = empty(ILens.LiquidationPrices)
    if market == 0 or market > staticcall MARKETS.market_count():
        return prices
    books: account_words.Books = self._books(account)
    exposure: lens_prices.Exposure = lens_prices._exposure(MARKETS, books, market)
    found: IMarkets.Health = self._check(books)
    mark: uint256 = packing._price(exposure.price_word)
    prices.mark = mark * u.TICK
    if exposure.size == 0 and len(exposure.amounts) == 0 or found.kappa == 0:
        return prices

    over_im: int256 = found.equity - convert(found.im, int256)
    over_mm: int256 = found.equity - convert(found.mm, int256)
    prices.im_below = self._price_of(exposure, over_im, True, True, mark)
    prices.im_above = self._price_of(exposure, over_im, True, False, mark)
    prices.mm_below = self._price_of(exposure, over_mm, False, True, mark)
    prices.mm_above = self._price_of(exposure, over_mm, False, False, mark)
    return prices


# ---- internal: words ----------------------------------------------------------------------------


@internal
@view
def _books(account: uint256) -> account_words.Books:
    books: account_words.Books = empty(account_words.Books)
    books.word, books.legs, books.amounts = staticcall CLEARINGHOUSE.account_words(account)
    return books


@internal
@view
def _check(books: account_words.Books) -> IMarkets.Health:
    return staticcall MARKETS.check(books.word, books.legs, books.amounts)


@internal
@view
def _is_market(instrument: uint256) -> bool:
    market: uint256 = packing._instrument_market(instrument)
    return instruments._is_perp(instrument) and market <= staticcall MARKETS.market_count()


@internal
@pure
def _cap_usd(state: uint256) -> uint256:
    """
    @return [USD] cap on open interest: mantissa x 10^exponent
    """
    return (state // packing.CAP_AT & packing.MASK_4) * 10 ** (state & packing.MASK_4)


@internal
@pure
def _place_of(word: uint256, id: uint256) -> uint256:
    """
    @return position of a collateral; the count when it is not held
    """
    count: uint256 = packing._collateral_count(word)
    for i: uint256 in range(count, bound=u.MAX_COLLATERALS):
        if packing._collateral_id(word, i) == id:
            return i
    return count


# ---- internal: withdrawals ----------------------------------------------------------------------


@internal
@view
def _free_cash(
    account: uint256, books: account_words.Books, found: IMarkets.Health
) -> uint256:
    """
    @return [WAD] what withdraw lets go of in the settlement token: cash once settled, above IM,
            and on hand beyond what backs insurance and fees
    """
    pot: uint256 = staticcall CLEARINGHOUSE.pot()
    cash: int256 = packing._cash(books.word) + min(found.unsettled, convert(pot, int256))
    free: int256 = cash
    if found.kappa != 0:
        if found.status & LEG_INVALID != 0:
            return 0
        free = min(cash, found.equity - convert(found.im, int256))
    info: IClearinghouse.TokenInfo = staticcall CLEARINGHOUSE.token_info(
        staticcall CLEARINGHOUSE.settlement_token()
    )
    on_hand: int256 = convert(
        info.tracked * staticcall CLEARINGHOUSE.settlement_scale(), int256
    )
    insurance: uint256 = staticcall CLEARINGHOUSE.insurance_account()
    fees: uint256 = staticcall CLEARINGHOUSE.fee_account()
    if account != insurance and account != fees:
        on_hand -= packing._cash(self._books(insurance).word)
        on_hand -= packing._cash(self._books(fees).word)
    return convert(max(0, min(free, on_hand)), uint256)


@internal
@view
def _max_collateral(
    books: account_words.Books, place: uint256, decimals: uint256
) -> uint256:
    """
    @return [atoms] all of it, or the most that leaves E >= IM and no dust; found by halving
    """
    held: uint256 = packing._half(books.amounts[place // 2], place)
    if self._may_leave(books, place, held, held):
        return held
    dust: uint256 = 10**decimals // 10_000
    if held <= dust:
        return 0
    good: uint256 = 0
    bad: uint256 = held - dust + 1
    for _: uint256 in range(128):
        middle: uint256 = (good + bad) // 2
        if middle == good:
            break
        if self._may_leave(books, place, held, middle):
            good = middle
        else:
            bad = middle
    return good


@internal
@view
def _may_leave(
    books: account_words.Books, place: uint256, held: uint256, amount: uint256
) -> bool:
    """
    @notice R2 on the words without `amount`; settling would move nothing between E and IM. An
            emptied collateral keeps its place here, where it costs no more than it is worth.
    """
    after: account_words.Books = books
    after.amounts[place // 2] = packing._with_half(
        books.amounts[place // 2], place, held - amount
    )
    found: IMarkets.Health = self._check(after)
    if found.kappa == 0:
        return True
    return found.status & LEG_INVALID == 0 and found.equity >= convert(found.im, int256)


# ---- internal: orders ---------------------------------------------------------------------------


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
    case.market = packing._instrument_market(instrument)
    case.price_word, case.state, case.funding = staticcall MARKETS.market_words(case.market)
    case.taker = self._books(account)
    case.place, case.size_before = account_words._find_leg(
        case.taker.legs, packing._leg_count(case.taker.word), instrument
    )
    case.pool = self._books(packing._account_of(POOL, 0))
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
    fill: IVenue.Fill = staticcall IVenue(POOL).match(ask)
    value: int256 = size * (convert(fill.price, int256) - case.funding)
    taker: account_words.Books = account_words._with_leg(
        case.taker, case.place, instrument, after
    )
    taker.word = account_words._with_money(taker.word, 0, -value - convert(fill.fee, int256))
    found: IMarkets.Health = self._check(taker)

    code: uint256 = self._size_code(case, size, after)
    if code == FILLS:
        code = self._margin_code(case, size, after, found)
    if code == FILLS:
        pool: account_words.Books = account_words._with_leg(
            case.pool, case.pool_place, instrument, pool_after
        )
        pool.word = account_words._with_money(pool.word, 0, value)
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
@view
def _size_code(case: Case, size: int256, after: int256) -> uint256:
    """
    @notice The price's age and trust, the smallest legs and the cap on open interest.
    """
    price: uint256 = packing._price(case.price_word)
    flags: uint256 = packing._price_flags(case.price_word)
    publish: uint256 = packing._publish_time(case.price_word)
    age: uint256 = block.timestamp - min(block.timestamp, publish)
    value: uint256 = convert(abs(after), uint256) * price
    if not self._opens(case.size_before, after):
        if age > AGE_REDUCE or flags & packing.PENDING != 0:
            return NOT_TRUSTED
        return TOO_SMALL if value != 0 and value < DUST else FILLS
    if age > AGE_OPEN or flags & (packing.PENDING | packing.UNTRUSTED) != 0:
        return NOT_TRUSTED
    least: uint256 = MIN_LEG_SMALL if packing._has_bit(SMALL_MARKETS, case.market) else MIN_LEG
    if value < least:
        return TOO_SMALL
    growth: int256 = max(after, 0) - max(case.size_before, 0)
    growth += max(case.pool_before - size, 0) - max(case.pool_before, 0)
    if growth > 0:
        open_interest: uint256 = packing._open_interest(case.state) + convert(growth, uint256)
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
    before: IMarkets.Health = self._check(case.taker)
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
    found: IMarkets.Health = self._check(pool)
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
    params: ILiquidityPool.PoolParams = staticcall ILiquidityPool(POOL).params(case.market)
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
    """
    own: uint256 = 0
    total: uint256 = 0
    premium: uint256 = 0
    for i: uint256 in range(packing._leg_count(pool.word), bound=u.MAX_LEGS):
        held: uint256 = 0
        size: int256 = 0
        held, size = packing._leg_fields(pool.legs[i // 2], i)
        price_word: uint256 = 0
        state: uint256 = 0
        funding: int256 = 0
        price_word, state, funding = staticcall MARKETS.market_words(held)
        value: uint256 = convert(abs(size), uint256) * packing._price(price_word)
        params: ILiquidityPool.PoolParams = staticcall ILiquidityPool(POOL).params(held)
        twice: uint256 = 2 * params.scale
        premium += (value * value + twice - 1) // twice
        total += value
        if held == market:
            own = value
    return own, total, premium


# ---- internal: prices ---------------------------------------------------------------------------


@internal
@pure
def _price_of(
    exposure: lens_prices.Exposure, over: int256, of_im: bool, down: bool, mark: uint256
) -> uint256:
    """
    @return [WAD]
    """
    if over < 0:
        return mark * u.TICK
    return lens_prices._crossing(exposure, over, of_im, down) * u.TICK
