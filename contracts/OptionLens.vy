# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title OptionLens: answers about options and the accounts that hold them
@license AGPL-3.0-only
@notice docs/spec/option-lens.md. Static calls only, writes nothing. What a mark or a health is, the
        contracts say that use it; this puts their answers together.
@custom:kill none: nothing depends on it
"""

from interfaces import IClearinghouse
from interfaces import IOptionLens
from libs import account_words
from libs import black76
from libs import instruments
from libs import market_packing
from libs import normal_cdf
from libs import packing
from libs import units as u
from modules import engine_lines as own
from modules import lens_books
from modules import lens_greeks
from modules import lens_marks

implements: IOptionLens

initializes: normal_cdf
initializes: black76[normal_cdf := normal_cdf]
initializes: own
initializes: lens_books
initializes: lens_marks[own := own]
initializes: lens_greeks[black76 := black76, lens_marks := lens_marks]

MAX_MARKS: constant(uint256) = 64
# of the engine and of the core
MAX_ENTRIES: constant(uint256) = own.ENTRIES + u.MAX_LEGS
# each leg's, each collateral's
MAX_LISTED: constant(uint256) = 24


@deploy
def __init__(clearinghouse: address, options: address, surfaces: address, expiries: address):
    """
    @param options, surfaces, expiries those of the same deployment
    """
    normal_cdf.__init__()
    own.__init__(staticcall IClearinghouse(clearinghouse).markets(), surfaces, expiries)
    lens_books.__init__(clearinghouse, options)


@external
@view
def marks(
    ids: DynArray[uint256, MAX_MARKS],
) -> (DynArray[uint256, MAX_MARKS], DynArray[uint256, MAX_MARKS]):
    """
    @notice What a unit of each instrument is worth now, at stored prices and surfaces.
    @return [ticks] marks, 0 of what is not listed; codes of docs/spec/option-lens.md#marks
    @custom:rounding as Surfaces: down, but never below the intrinsic value
    """
    ticks: DynArray[uint256, MAX_MARKS] = []
    codes: DynArray[uint256, MAX_MARKS] = []
    for id: uint256 in ids:
        mark: lens_marks.Mark = lens_marks._mark(id)
        ticks.append(mark.ticks)
        codes.append(mark.code)
    return ticks, codes


@external
@view
def greeks(account: uint256) -> IOptionLens.Greeks:
    """
    @notice What an account gains when prices, volatilities and time move a little: by leg (the
            engine's, then perps), by market (collateral included), and in all.
    @return delta [lots of the underlying; in all USD WAD], gamma [the same, for 1 %], vega [USD WAD
            for a point of annual volatility], theta [USD WAD a day]
    @custom:source docs/spec/option-lens.md#greeks
    @custom:rounding down, also of what is negative: nothing is paid by it
    """
    books: account_words.Books = lens_books._words(account)
    held: DynArray[uint256, own.WORDS] = staticcall lens_books.OPTIONS.account_legs(account)
    found: IOptionLens.Greeks = empty(IOptionLens.Greeks)
    engine: uint256 = 2 * len(held)
    total: uint256 = engine + packing._leg_count(books.word)
    for i: uint256 in range(total, bound=MAX_ENTRIES):
        entry: uint256 = 0
        if i < engine:
            entry = packing._half(held[i // 2], i)
        else:
            entry = packing._half(books.legs[(i - engine) // 2], i - engine)
        if entry == 0:
            continue
        leg: IOptionLens.LegGreeks = lens_greeks._leg(
            packing._leg_instrument(entry), packing._leg_size(entry)
        )
        found.legs.append(leg)
        change: IOptionLens.MarketGreeks = empty(IOptionLens.MarketGreeks)
        change.market = instruments._market(leg.instrument)
        change.delta = leg.delta
        change.gamma = leg.gamma
        change.vega = leg.vega
        change.theta = leg.theta
        found = self._with(found, change)
    return self._with_spot(found, books)


# ---- internal -----------------------------------------------------------------------------------


@internal
@view
def _with_spot(
    greeks: IOptionLens.Greeks, books: account_words.Books
) -> IOptionLens.Greeks:
    """
    @notice Add collateral: it moves as its feed does.
    @custom:rounding down to the lot
    """
    found: IOptionLens.Greeks = greeks
    for i: uint256 in range(packing._collateral_count(books.word), bound=u.MAX_COLLATERALS):
        change: IOptionLens.MarketGreeks = empty(IOptionLens.MarketGreeks)
        decimals: uint256 = 0
        rest: uint256[3] = empty(uint256[3])
        change.market, decimals, rest[0], rest[1], rest[2] = (
            staticcall own.MARKETS.collateral_params(packing._collateral_id(books.word, i))
        )
        amount: uint256 = packing._half(books.amounts[i // 2], i)
        change.spot = amount * u.LOTS_PER_UNIT // 10**decimals
        change.delta = convert(change.spot, int256)
        found = self._with(found, change)
    return found


@internal
@view
def _with(
    greeks: IOptionLens.Greeks, change: IOptionLens.MarketGreeks
) -> IOptionLens.Greeks:
    """
    @notice Add to a market and, in USD WAD, to all.
    """
    found: IOptionLens.Greeks = greeks
    at: uint256 = 0
    for market: IOptionLens.MarketGreeks in greeks.markets:
        if market.market == change.market:
            break
        at += 1
    if at == len(found.markets):
        market: IOptionLens.MarketGreeks = empty(IOptionLens.MarketGreeks)
        price_word: uint256 = 0
        state: uint256 = 0
        funding: int256 = 0
        price_word, state, funding = staticcall own.MARKETS.market_words(change.market)
        market.market = change.market
        market.price = market_packing._price(price_word)
        found.markets.append(market)
    found.markets[at].spot += change.spot
    found.markets[at].delta += change.delta
    found.markets[at].gamma += change.gamma
    found.markets[at].vega += change.vega
    found.markets[at].theta += change.theta
    price: int256 = convert(found.markets[at].price, int256)
    found.delta += change.delta * price
    found.gamma += change.gamma * price
    found.vega += change.vega
    found.theta += change.theta
    return found
