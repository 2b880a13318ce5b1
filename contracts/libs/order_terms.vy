# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title OrderTerms: what two orders make of their legs, held to what was signed, and its fee
@license AGPL-3.0-only
@notice docs/spec/exchange.md. Pure.
@custom:kill not deployable
"""

from interfaces import IExchange
from interfaces import ILiquidityPool
from interfaces import IOptions
from libs import errors
from libs import fixed_point
from libs import packing
from libs import units as u

MAX_LEGS: constant(uint256) = 8
LEG_WORDS: constant(uint256) = 32
# fee rates are parts of this
RATE_ONE: constant(uint256) = 1_000_000


@internal
@pure
def _legs(
    maker: IExchange.Order, size: uint256, prices: DynArray[uint256, MAX_LEGS]
) -> DynArray[IOptions.Leg, MAX_LEGS]:
    """
    @return what the taker gets, at the maker's price a leg, or the prices that make his net price
    @custom:reverts "exchange: prices"
    """
    if len(prices) != (len(maker.legs) if maker.by_net else 0):
        errors._fail("exchange: prices")
    legs: DynArray[IOptions.Leg, MAX_LEGS] = []
    for i: uint256 in range(len(maker.legs), bound=MAX_LEGS):
        leg: IExchange.Leg = maker.legs[i]
        lots: int256 = -leg.size
        if len(maker.legs) == 1:
            # at most a size of 63 bits
            lots = convert(size, int256) if leg.size < 0 else -convert(size, int256)
        price: uint256 = leg.price
        if maker.by_net:
            price = prices[i]
            if price > u.MAX_PRICE:
                errors._fail("exchange: prices")
        legs.append(IOptions.Leg(instrument=leg.instrument, size=lots, price=price))
    return legs


@internal
@pure
def _require_limits(
    order: IExchange.Order, legs: DynArray[IOptions.Leg, MAX_LEGS], side: int256
):
    """
    @notice No leg at a worse price than signed; or all together at no worse a net price, and for
            the maker at no better one than a tick of his smallest leg: the rest is the taker's.
    @param side 1 of the taker, -1 of the maker
    @custom:reverts "exchange: limit", "exchange: net price"
    """
    cost: int256 = 0
    least: int256 = u.MAX_SIZE
    for i: uint256 in range(len(legs), bound=MAX_LEGS):
        leg: IOptions.Leg = legs[i]
        size: int256 = side * leg.size
        # eight products of 63 bits each
        cost += size * convert(leg.price, int256)
        least = min(least, abs(size))
        if order.by_net:
            continue
        limit: uint256 = order.legs[i].price
        if leg.price > limit if size > 0 else leg.price < limit:
            errors._fail("exchange: limit")
    if order.by_net:
        if cost > order.net or (side < 0 and order.net - cost >= least):
            errors._fail("exchange: net price")


@internal
@pure
def _words(legs: DynArray[IOptions.Leg, MAX_LEGS]) -> DynArray[uint256, LEG_WORDS]:
    """
    @return the legs two a word, as accounts store them
    """
    words: DynArray[uint256, LEG_WORDS] = []
    for i: uint256 in range(len(legs), bound=MAX_LEGS):
        entry: uint256 = packing._leg(legs[i].instrument, legs[i].size)
        if i % 2 == 0:
            words.append(entry)
        else:
            words[i // 2] = packing._with_half(words[i // 2], i, entry)
    return words


@internal
@pure
def _fee(
    leg: IOptions.Leg, price: uint256, rate: uint256, option: bool, share: uint256
) -> uint256:
    """
    @notice A rate of what changes hands; of an option a rate of its underlying, and no more than a
            share of its premium.
    @return [WAD]
    @custom:rounding up, in favour of the protocol
    """
    # sizes and prices have 63 bits, rates 17
    lots: uint256 = convert(abs(leg.size), uint256)
    value: uint256 = unsafe_mul(lots, leg.price)
    if not option:
        return fixed_point._ceil_div(unsafe_mul(value, rate), RATE_ONE)
    fee: uint256 = fixed_point._ceil_div(unsafe_mul(unsafe_mul(lots, price), rate), RATE_ONE)
    return min(fee, fixed_point._ceil_div(unsafe_mul(value, share), RATE_ONE))


@internal
@pure
def _size_in(pair: uint256, instrument: uint256) -> int256:
    """
    @return [lots] of an instrument in two entries, which hold it once at most
    """
    half: uint256 = packing._place_in(pair, instrument)
    return 0 if half > 1 else packing._leg_size(packing._half(pair, half))


@internal
@pure
def _worst(params: ILiquidityPool.PoolParams, price: uint256) -> uint256:
    """
    @return [ticks] how far from its price the pool's worst admissible one is (R2); 0 of a market
            that the pool does not trade
    @custom:rounding down, in favour of who closes
    """
    if params.scale == 0:
        return 0
    return price * (params.max_skew * u.WAD // params.scale + params.spread_min) // u.WAD
