# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Lens: answers about accounts, markets and plans; static calls only, writes nothing
@license AGPL-3.0-only
@notice docs/spec/lens.md. An account that does not exist yet is asked about by its words:
        Markets.check values any words, and so does the engine for accounts with options; so a
        preview is the real check on the words that an action would leave. Batches cannot be
        spoiled (docs/spec/lens.md#total).
@custom:kill none: nothing depends on it
"""

from interfaces import IClearinghouse
from interfaces import ILens
from interfaces import ILiquidator
from interfaces import IMarkets
from libs import account_words
from libs import market_packing
from libs import packing
from libs import units as u
from modules import lens_desk as desk
from modules import lens_health
from modules import lens_orders
from modules import lens_prices

implements: ILens

initializes: desk
initializes: lens_orders[desk := desk]

MAX_BATCH: constant(uint256) = 500
# docs/spec/margin.md#status
LEG_INVALID: constant(uint256) = 1
FILLS: constant(uint256) = 0
TOO_SMALL: constant(uint256) = 3
NO_SUCH_MARKET: constant(uint256) = 1
ODD_LOT: constant(uint256) = 7

LIQUIDATOR: immutable(ILiquidator)


@deploy
def __init__(
    clearinghouse: address,
    pool: address,
    liquidator: address,
    engine: address,
    small_markets: uint256,
):
    """
    @param engine that of the Clearinghouse
    @param small_markets bit m: market m opens from 500 USD, as set_venue was told; a Lens is
           deployed anew when that changes
    """
    desk.__init__(clearinghouse, pool, engine)
    lens_orders.__init__(small_markets)
    LIQUIDATOR = ILiquidator(liquidator)


# ---- health -------------------------------------------------------------------------------------


@external
@view
def health(account: uint256) -> ILens.AccountHealth:
    """
    @notice Equity, requirements and what may be withdrawn of an account.
    """
    books: account_words.Books = desk._books(account)
    found: IMarkets.Health = desk._check(account, books)
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
    @return equity, IM, LE, MM, unsettled, status, an entry per account; zeros and 64 as the status
            of one whose engine does not answer
    """
    equities: DynArray[int256, MAX_BATCH] = []
    ims: DynArray[uint256, MAX_BATCH] = []
    les: DynArray[uint256, MAX_BATCH] = []
    mms: DynArray[uint256, MAX_BATCH] = []
    unsettled: DynArray[int256, MAX_BATCH] = []
    statuses: DynArray[uint256, MAX_BATCH] = []
    lens_health._require_idle(desk.CLEARINGHOUSE.address)
    for account: uint256 in accounts:
        found: IMarkets.Health = desk._health(account)
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
    total: uint256 = staticcall desk.CLEARINGHOUSE.account_count()
    first: uint256 = min(from_index, total)
    looked: uint256 = min(min(count, MAX_BATCH), total - first)
    for i: uint256 in range(looked, bound=MAX_BATCH):
        account: uint256 = staticcall desk.CLEARINGHOUSE.account_at(first + i)
        found: IMarkets.Health = desk._health(account)
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
        return lens_orders._refused(ODD_LOT)
    if not desk._is_market(instrument):
        return lens_orders._refused(NO_SUCH_MARKET)
    return lens_orders._preview(lens_orders._case(account, instrument), instrument, size // lot)


@external
@view
def max_open(account: uint256, instrument: uint256, is_buy: bool) -> uint256:
    """
    @notice The largest order of one side that would fill now: found by halving, since what the
            pool, the caps and the margin allow falls with the size.
    @return [WAD] whole lots, 0 if none would fill
    """
    if not desk._is_market(instrument):
        return 0
    case: lens_orders.Case = lens_orders._case(account, instrument)
    cap: uint256 = lens_orders._cap_usd(case.state) * u.WAD
    good: uint256 = 0
    # twice the cap: a side may close all of one sign and open all of the other
    bad: uint256 = min(2 * cap // market_packing._price(case.price_word) + 1, 2**62)
    for _: uint256 in range(62):
        middle: uint256 = (good + bad) // 2
        if middle == good:
            break
        size: int256 = convert(middle, int256)
        if not is_buy:
            size = -size
        preview: ILens.OrderPreview = lens_orders._preview(case, instrument, size)
        if preview.code == FILLS or preview.code == TOO_SMALL:
            good = middle
        else:
            bad = middle
    size: int256 = convert(good, int256)
    if not is_buy:
        size = -size
    if good == 0 or lens_orders._preview(case, instrument, size).code != FILLS:
        return 0
    return good * u.LOT


@external
@view
def max_withdraw(account: uint256, token: address) -> uint256:
    """
    @notice The most that withdraw lets go of now: what is held, on hand and above IM.
    @return [atoms]
    @custom:rounding down, so that it can be withdrawn
    """
    info: IClearinghouse.TokenInfo = staticcall desk.CLEARINGHOUSE.token_info(token)
    if not info.listed:
        return 0
    books: account_words.Books = desk._books(account)
    if info.id == 0:
        free: uint256 = self._free_cash(account, books, desk._check(account, books))
        return free // staticcall desk.CLEARINGHOUSE.settlement_scale()
    place: uint256 = self._place_of(books.word, info.id)
    if place == packing._collateral_count(books.word):
        return 0
    return self._max_collateral(account, books, place, info.decimals)


@external
@view
def liquidation_prices(account: uint256, market: uint256) -> ILens.LiquidationPrices:
    """
    @notice Prices of one market at which E = IM and E = MM, the others standing still.
    @return [WAD] 0 where there is none on that side (a hedged account has none), and for who holds
            options, whose worth does not follow from words; the mark itself on both sides where the
            account is below already
    """
    prices: ILens.LiquidationPrices = empty(ILens.LiquidationPrices)
    if market == 0 or market > staticcall desk.MARKETS.market_count():
        return prices
    books: account_words.Books = desk._books(account)
    exposure: lens_prices.Exposure = lens_prices._exposure(desk.MARKETS, books, market)
    found: IMarkets.Health = desk._check(account, books)
    mark: uint256 = market_packing._price(exposure.price_word)
    prices.mark = mark * u.TICK
    if exposure.size == 0 and len(exposure.amounts) == 0 or found.kappa == 0:
        return prices
    if desk._is_engines(books):
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
    pot: uint256 = staticcall desk.CLEARINGHOUSE.pot()
    cash: int256 = packing._cash(books.word) + min(found.unsettled, convert(pot, int256))
    free: int256 = cash
    if found.kappa != 0:
        if found.status & LEG_INVALID != 0:
            return 0
        free = min(cash, found.equity - convert(found.im, int256))
    info: IClearinghouse.TokenInfo = staticcall desk.CLEARINGHOUSE.token_info(
        staticcall desk.CLEARINGHOUSE.settlement_token()
    )
    on_hand: int256 = convert(
        info.tracked * staticcall desk.CLEARINGHOUSE.settlement_scale(), int256
    )
    insurance: uint256 = staticcall desk.CLEARINGHOUSE.insurance_account()
    fees: uint256 = staticcall desk.CLEARINGHOUSE.fee_account()
    if account != insurance and account != fees:
        on_hand -= packing._cash(desk._books(insurance).word)
        on_hand -= packing._cash(desk._books(fees).word)
    return convert(max(0, min(free, on_hand)), uint256)


@internal
@view
def _max_collateral(
    account: uint256, books: account_words.Books, place: uint256, decimals: uint256
) -> uint256:
    """
    @return [atoms] all of it, or the most that leaves E >= IM and no dust; found by halving
    """
    held: uint256 = packing._half(books.amounts[place // 2], place)
    if self._may_leave(account, books, place, held, held):
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
        if self._may_leave(account, books, place, held, middle):
            good = middle
        else:
            bad = middle
    return good


@internal
@view
def _may_leave(
    account: uint256,
    books: account_words.Books,
    place: uint256,
    held: uint256,
    amount: uint256,
) -> bool:
    """
    @notice R2 on the words without `amount`; settling would move nothing between E and IM. An
            emptied collateral keeps its place here, where it costs no more than it is worth.
    """
    after: account_words.Books = books
    after.amounts[place // 2] = packing._with_half(
        books.amounts[place // 2], place, held - amount
    )
    found: IMarkets.Health = desk._check(account, after)
    if found.kappa == 0:
        return True
    return found.status & LEG_INVALID == 0 and found.equity >= convert(found.im, int256)


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
