# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Marks of the option lens: what an instrument is worth, and how far that can be relied on
@license AGPL-3.0-only
@notice docs/spec/option-lens.md#marks. Surfaces says what options and futures are worth, Expiries
        what they paid; this says which of the two answers.
@custom:kill not deployable
"""

from libs import instruments
from libs import market_packing
from libs import packing
from libs import scenarios
from libs import units as u
from modules import engine_lines as own

uses: own

# docs/spec/option-lens.md#marks
MARKED: constant(uint256) = 0
NOT_LISTED: constant(uint256) = 1
NO_SURFACE: constant(uint256) = 2
STALE: constant(uint256) = 3
DEAD: constant(uint256) = 4
SETTLED: constant(uint256) = 5
AWAITED: constant(uint256) = 6


struct Mark:
    ticks: uint256
    code: uint256
    price: uint256      # of the market [ticks]
    surface: uint256    # the word of its expiry
    expires: uint256    # unix s, 0 for a perp


@internal
@view
def _mark(instrument: uint256) -> Mark:
    """
    @return what a unit is worth, and a code of docs/spec/option-lens.md#marks
    """
    mark: Mark = empty(Mark)
    market: uint256 = instruments._market(instrument)
    listed: bool = instrument <= packing.MASK_64 and instruments._is_canonical(instrument)
    if not listed or market > staticcall own.MARKETS.market_count():
        mark.code = NOT_LISTED
        return mark
    price_word: uint256 = 0
    state: uint256 = 0
    funding: int256 = 0
    price_word, state, funding = staticcall own.MARKETS.market_words(market)
    mark.price = market_packing._price(price_word)
    mark.ticks = mark.price
    if instruments._is_perp(instrument):
        return mark

    mark.expires = instruments._expiry(instrument)
    hours: uint256 = mark.expires // u.HOUR
    if mark.expires <= block.timestamp:
        settled: uint256 = staticcall own.EXPIRIES.settlement_price(market, hours)
        mark.code = SETTLED if settled != 0 else AWAITED
        paid: int256 = instruments._payoff(
            instrument, settled if settled != 0 else mark.price
        )
        mark.ticks = convert(paid, uint256)
        return mark
    mark.surface = staticcall own.SURFACES.surface(market, hours)
    mark.code = self._surface_code(mark.surface)
    pair: uint256 = packing._leg(instrument, 1)
    mark.ticks = (staticcall own.SURFACES.marks(market, mark.price, [pair]))[0]
    return mark


@internal
@view
def _surface_code(surface: uint256) -> uint256:
    if surface == 0:
        return NO_SURFACE
    age: uint256 = own._surface_age(surface)
    if age > scenarios.SURFACE_DEAD:
        return DEAD
    return STALE if age > scenarios.SURFACE_FRESH else MARKED
