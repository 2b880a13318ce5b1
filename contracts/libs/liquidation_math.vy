# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Liquidation over words: prices of a close, slopes of LE, parts of an account
@license AGPL-3.0-only
@notice docs/spec/liquidation.md. Pure: words in, plans out; nothing here reads or writes state.
@custom:kill not deployable
"""

from interfaces import ILiquidityPool
from interfaces import IMarkets
from libs import account_words
from libs import fixed_point
from libs import margin_math
from libs import market_packing
from libs import packing
from libs import quote_math
from libs import units as u


# what a division by WAD needs to round up
ROUND: constant(uint256) = u.WAD - 1


# the leg under liquidation, and everything that prices its close
struct Target:
    position: uint256
    instrument: uint256
    market: uint256
    size: int256            # lots, signed
    held: uint256           # lots, |size|
    sign: int256            # of the account's side of a close: 1 buys, -1 sells
    mark: uint256           # ticks
    funding: int256         # ticks, brought to now
    price_word: uint256
    state_word: uint256
    place: uint256          # of the pool's leg, before
    venue_size: int256      # lots, the pool's leg before
    params: ILiquidityPool.PoolParams


# everything that a close on paper reads: the leg, the pool's prices, and the account without the
# leg's margin, the whole flat pay taken off
struct Rest:
    held: uint256           # lots
    sign: int256            # 1 buys, -1 sells
    mark: uint256           # ticks
    funding: int256         # ticks
    venue_size: int256      # lots
    scale: uint256          # USD WAD
    spread_min: uint256     # WAD
    fee: uint256            # WAD
    liquidation_fee: uint256    # WAD
    keeper_rate: uint256    # WAD
    base: uint256           # WAD
    tier: uint256           # USD WAD
    mm_ratio: uint256       # WAD
    v_slow: uint256         # 1e-4
    equity: int256          # USD WAD
    mm: uint256             # USD WAD
    doubled: int256         # IMs - MM, twice what LE adds to MM, one wei up
    kappa_leg: uint256      # what MM, IMs and LE reserve for the leg, USD WAD
    is_only_leg: bool
    cash: int256            # USD WAD
    quote: int256           # USD WAD


# a close of some lots of the target
struct Close:
    lots: uint256
    price: uint256          # ticks
    fee: uint256            # USD WAD
    liquidation_fee: uint256
    keeper_part: uint256    # USD WAD, keeper_rate of the notional
    equity: int256          # E after it, with the whole pay taken, USD WAD
    gap: int256             # h: E - LE then
    mm: uint256             # MM then
    le_slope: uint256       # of the leg left, WAD


# a part of everything that an account holds
struct Slice:
    sizes: int256[16]       # lots
    amounts: uint256[8]     # atoms
    rest: account_words.Books   # what stays, with the cash and quote of the whole


# ---- stage 1: reduce ----------------------------------------------------------------------------


@internal
@pure
def _rest(
    target: Target, word: uint256, health: IMarkets.Health, flat_pay: uint256, kappa_leg: uint256
) -> Rest:
    """
    @notice Take the target's own margin out of an account's requirements.
    @param word, health of the account before
    @param flat_pay, kappa_leg [USD WAD]
    """
    rest: Rest = empty(Rest)
    rest.held = target.held
    rest.sign = target.sign
    rest.mark = target.mark
    rest.funding = target.funding
    rest.venue_size = target.venue_size
    rest.scale = target.params.scale
    rest.spread_min = target.params.spread_min
    rest.fee = target.params.fee
    rest.liquidation_fee = target.params.liquidation_fee
    rest.keeper_rate = target.params.keeper_rate
    state: uint256 = target.state_word
    # fields below 2^14 times grids below 2^74; rates below 2^60
    rest.base = unsafe_mul(state // packing.BASE_AT & packing.MASK_12, margin_math.BASE_GRID)
    rest.tier = unsafe_mul(state // packing.TIER_AT & packing.MASK_14, margin_math.TIER_GRID)
    rest.mm_ratio = unsafe_mul(
        state // packing.MM_RATIO_AT & packing.MASK_7, margin_math.RATIO_GRID
    )
    rest.v_slow = market_packing._v_slow(target.price_word)

    mm_own: uint256 = 0
    ims_own: uint256 = 0
    slope: uint256 = 0
    # 63 bits times 64
    mm_own, ims_own, slope = self._margins(rest, unsafe_mul(target.held, target.mark))
    # own margins are part of the sums, LE is at least MM, and all of it is below 2^200
    paid: int256 = convert(flat_pay, int256)
    rest.equity = unsafe_sub(health.equity, paid)
    rest.mm = unsafe_sub(health.mm, mm_own)
    # LE = MM + floor((IMs - MM) / 2)
    doubled: uint256 = unsafe_add(unsafe_mul(unsafe_sub(health.le, health.mm), 2), 1)
    doubled = unsafe_add(doubled, mm_own)
    rest.doubled = unsafe_sub(convert(doubled, int256), convert(ims_own, int256))
    rest.kappa_leg = kappa_leg
    rest.is_only_leg = packing._leg_count(word) == 1
    rest.cash = packing._cash(word)
    # an int96 field
    rest.quote = unsafe_sub(packing._quote(word), paid)
    return rest


@internal
@pure
def _margins(rest: Rest, notional: uint256) -> (uint256, uint256, uint256):
    """
    @notice What a leg of the target's market requires; its price is too young to have decayed.
    @param notional [USD WAD] below 2^127
    @return MM, IMs [USD WAD], and the slope of their mean in the notional [WAD]: the rate at base,
            1.5 rate in the tier (beyond the cap a bound: 1 would be exact)
    @custom:rounding up
    @custom:source docs/spec/margin.md#leg
    """
    rate: uint256 = rest.base
    if notional > rest.tier:
        rate = margin_math._tiered(rate, notional, rest.tier)
    # rate and ratio are at most 1 WAD, v_slow < 2^16: below 2^136, and rates times notional < 2^187
    mm_rate: uint256 = unsafe_div(unsafe_mul(rate, rest.mm_ratio), u.WAD)
    mm_rate = min(u.WAD, unsafe_div(unsafe_mul(mm_rate, rest.v_slow), u.V_ONE))
    rate = min(u.WAD, unsafe_div(unsafe_mul(rate, rest.v_slow), u.V_ONE))
    slope: uint256 = unsafe_add(mm_rate, rate)
    if notional > rest.tier:
        slope = unsafe_div(unsafe_mul(slope, 3), 2)
    return (
        unsafe_div(unsafe_add(unsafe_mul(mm_rate, notional), ROUND), u.WAD),
        unsafe_div(unsafe_add(unsafe_mul(rate, notional), ROUND), u.WAD),
        unsafe_add(unsafe_div(slope, 2), 1),
    )


@internal
@pure
def _close(rest: Rest, lots: uint256) -> Close:
    """
    @notice Price a close of `lots` against the pool, and what it leaves the account of.
    @param lots at most the leg
    @custom:rounding price and fees against the account, as the pool quotes; the keeper's part down
    @custom:source docs/spec/liquidation.md#reduce
    """
    close: Close = empty(Close)
    close.lots = lots
    # int64 sizes
    close.price = quote_math._price(
        rest.mark,
        unsafe_sub(0, rest.venue_size),
        unsafe_mul(rest.sign, convert(lots, int256)),
        rest.scale,
        rest.spread_min,
    )
    # lots < 2^63, mark and price < 2^65: products below 2^128, and times a WAD rate below 2^188
    value_wad: uint256 = unsafe_mul(lots, close.price)
    notional: uint256 = unsafe_mul(lots, rest.mark)
    close.fee = unsafe_div(unsafe_add(unsafe_mul(rest.fee, value_wad), ROUND), u.WAD)
    close.liquidation_fee = unsafe_div(
        unsafe_add(unsafe_mul(rest.liquidation_fee, value_wad), ROUND), u.WAD
    )
    close.keeper_part = unsafe_div(unsafe_mul(rest.keeper_rate, notional), u.WAD)
    paid: uint256 = unsafe_add(unsafe_add(close.fee, close.liquidation_fee), close.keeper_part)

    ims: uint256 = 0
    # lots are at most what is held; 63 bits times 64
    close.mm, ims, close.le_slope = self._margins(
        rest, unsafe_mul(unsafe_sub(rest.held, lots), rest.mark)
    )
    # sums of a few numbers below 2^191; a seller loses notional - value, a buyer value - notional
    lost: int256 = unsafe_sub(convert(value_wad, int256), convert(notional, int256))
    lost = unsafe_add(unsafe_mul(rest.sign, lost), convert(paid, int256))
    close.equity = unsafe_sub(rest.equity, lost)
    # what IMs - MM is after the close: never negative
    doubled: int256 = unsafe_add(rest.doubled, convert(unsafe_sub(ims, close.mm), int256))
    close.mm = unsafe_add(rest.mm, close.mm)
    if lots == rest.held:
        # the leg's own kappa is part of MM
        close.mm = unsafe_sub(close.mm, rest.kappa_leg)
        if rest.is_only_leg and self._is_riskless(rest, close.price, paid):
            close.mm = 0
            doubled = 0
    le: int256 = unsafe_add(convert(close.mm, int256), unsafe_div(doubled, 2))
    close.gap = unsafe_sub(close.equity, le)
    return close


@internal
@pure
def _is_riskless(rest: Rest, price: uint256, paid: uint256) -> bool:
    """
    @notice Whether an account has no debt once its only leg is closed: it needs no margin.
    @param paid [USD WAD] fees and the keeper's part
    """
    gained: int256 = rest.sign * convert(rest.held, int256)
    gained *= rest.funding - convert(price, int256)
    return min(rest.cash, rest.quote + gained - convert(paid, int256)) >= 0


@internal
@pure
def _gap_slope(rest: Rest, lots: uint256, le_slope: uint256) -> uint256:
    """
    @notice How fast the gap rises with the lots closed: h' of docs/spec/liquidation.md.
    @param le_slope [WAD] of the leg left
    @return [USD WAD per lot] at least 1
    @custom:rounding up, so that a step from the left stays left of the root
    """
    # |along| and lots < 2^64, mark < 2^64, WAD < 2^60; rates below 2^65
    along: int256 = unsafe_mul(rest.sign, rest.venue_size)
    mark: int256 = convert(rest.mark, int256)
    moved: int256 = unsafe_mul(unsafe_sub(along, convert(lots, int256)), mark)
    # what the last lot gains against the mark: the curve's own slope less half a spread
    gain: int256 = unsafe_mul(moved, u.IWAD) // convert(rest.scale, int256)
    gain = unsafe_sub(gain, convert(rest.spread_min, int256))
    # fees are taken on the price of the fill: a seller's gain raises it, a buyer's lowers it
    price: int256 = unsafe_sub(u.IWAD, unsafe_mul(rest.sign, gain))
    fees: int256 = convert(unsafe_add(rest.fee, rest.liquidation_fee), int256)
    fees = unsafe_div(unsafe_mul(fees, price), u.IWAD)
    slope: int256 = unsafe_add(gain, convert(le_slope, int256))
    slope = unsafe_sub(slope, unsafe_add(fees, convert(rest.keeper_rate, int256)))
    slope = unsafe_add(unsafe_div(unsafe_mul(slope, mark), u.IWAD), 1)
    # positive by the pool's listing assert; a later change of base must not stop the search
    return convert(max(1, slope), uint256)


@internal
@pure
def _taker(target: Target, lots: uint256) -> int256:
    """
    @return [lots] the account's side of a close
    """
    # lots < 2^63
    return unsafe_mul(target.sign, convert(lots, int256))


@internal
@pure
def _tilt_after(target: Target, taker: int256) -> int256:
    """
    @return [1 / TILT_ONE] what drives funding once the pool has filled `taker` lots
    """
    return quote_math._tilt(target.mark, taker - target.venue_size, target.params.max_skew)


@internal
@pure
def _pay(flat: uint256, need: uint256, close: Close) -> uint256:
    """
    @notice What the keeper has earned: all of the flat pay once nothing is missing to LE, else
            the share of the need removed before any pay; and the rate on the notional.
    @param flat, need [USD WAD] LE - E before
    @custom:rounding down, in favour of the account
    """
    if close.gap >= 0:
        return flat + close.keeper_part
    left: int256 = -close.gap - convert(flat + close.keeper_part, int256)
    gone: uint256 = need - min(need, convert(max(0, left), uint256))
    return flat * gone // need + close.keeper_part


@internal
@pure
def _block_capacity(params: ILiquidityPool.PoolParams) -> uint256:
    """
    @notice Notional that may be closed in one block: below it a sandwich loses money.
    @return [USD WAD]
    @custom:rounding down
    """
    # rates below 2^65, scale below 2^109
    rate: uint256 = unsafe_add(unsafe_mul(params.spread_min, 2), params.fee)
    return fixed_point._mul_down(fixed_point._mul_down(params.mu, rate), params.scale)


# ---- stages 2 and 3: take -----------------------------------------------------------------------


@internal
@pure
def _ramp(
    live: uint256,
    rise_time: uint256,
    rise_share: uint256,
    slow_time: uint256,
    slow_share: uint256,
    mm: uint256,
) -> uint256:
    """
    @notice The reward: piecewise linear from 0, flat after slow_time.
    @return [USD WAD]
    """
    share: uint256 = slow_share
    # shares are at most 2 WAD and rise, times at most 21,600 and rise: each difference is positive
    if live < rise_time:
        share = unsafe_div(unsafe_mul(rise_share, live), rise_time)
    elif live < slow_time:
        rise: uint256 = unsafe_mul(
            unsafe_sub(slow_share, rise_share), unsafe_sub(live, rise_time)
        )
        share = unsafe_add(rise_share, unsafe_div(rise, unsafe_sub(slow_time, rise_time)))
    # mm below 2^190
    return fixed_point._mul_down(share, mm)


@internal
@pure
def _no_part_helps(equity: int256, mm: uint256, kappa: uint256, reward: uint256) -> bool:
    """
    @notice Whether a part of the account could not leave the rest healthier.
    @return E < 0 or r MM > E (MM - kappa)
    """
    if equity < 0:
        return True
    return reward * mm > convert(equity, uint256) * (mm - kappa)


@internal
@pure
def _cut(books: account_words.Books, fraction: uint256) -> Slice:
    """
    @notice Cut everything that is held, toward zero; fraction < 1 leaves no leg or amount empty.
    @param fraction [WAD] 1 takes all, and the rest is not meant
    @custom:rounding what moves down, toward zero: the account keeps the odd lot and atom
    """
    cut: Slice = empty(Slice)
    cut.rest.word = books.word
    share: int256 = convert(fraction, int256)
    # sizes < 2^63 and amounts < 2^128, a fraction at most 2^60; WAD is not 0
    for i: uint256 in range(packing._leg_count(books.word), bound=u.MAX_LEGS):
        entry: uint256 = packing._half(books.legs[i // 2], i)
        size: int256 = packing._leg_size(entry)
        # Vyper's division truncates toward zero, as the rule does
        moved: int256 = unsafe_div(unsafe_mul(size, share), u.IWAD)
        cut.sizes[i] = moved
        entry = packing._with_size(entry, unsafe_sub(size, moved))
        cut.rest.legs[i // 2] |= packing._at_half(i, entry)
    for i: uint256 in range(packing._collateral_count(books.word), bound=u.MAX_COLLATERALS):
        amount: uint256 = packing._half(books.amounts[i // 2], i)
        moved: uint256 = unsafe_div(unsafe_mul(amount, fraction), u.WAD)
        cut.amounts[i] = moved
        cut.rest.amounts[i // 2] |= packing._at_half(i, unsafe_sub(amount, moved))
    return cut


@internal
@pure
def _is_one_leg(word: uint256) -> bool:
    """
    @return whether an account holds one leg and no collateral
    """
    return word & packing.HOLDINGS_MASK == packing.LEGS_AT


@internal
@pure
def _moved_marks(
    books: account_words.Books, rest: account_words.Books, marks: int256
) -> int256:
    """
    @return [USD WAD] what an only leg takes along of `marks`, its size times P - F
    @custom:rounding none: the size divides its marks
    """
    size: int256 = packing._leg_size(packing._half(books.legs[0], 0))
    left: int256 = packing._leg_size(packing._half(rest.legs[0], 0))
    # size is not 0; the product is at most |marks|
    return unsafe_mul(unsafe_div(marks, size), unsafe_sub(size, left))


@internal
@pure
def _share(amount: int256, fraction: uint256) -> int256:
    """
    @custom:rounding down: a slice is never worth more than its fraction
    """
    return fixed_point._floor_div(amount * convert(fraction, int256), u.IWAD)


@internal
@pure
def _payment(equity: int256, reward: uint256, fraction: uint256) -> uint256:
    """
    @notice What the buyer of a fraction pays the account.
    @return [USD WAD]
    @custom:rounding up, in favour of the account
    """
    owed: int256 = max(0, equity - convert(reward, int256))
    return fixed_point._ceil_div(fraction * convert(owed, uint256), u.WAD)
