# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Marks: what futures and options are worth under the stored surfaces
@license AGPL-3.0-only
@notice docs/spec/surfaces.md#marks: Black-76 at the smile's volatility; sqrt(T) and the smile once
        an expiry, the logarithm once a strike.
@custom:kill not deployable
"""

from libs import binary_math
from libs import black76
from libs import instruments
from libs import packing
from libs import scenarios
from libs import surface_packing
from libs import svi
from libs import units as u
from modules import surface_store

uses: black76
uses: surface_store

LEG_WORDS: constant(uint256) = 32
MAX_ENTRIES: constant(uint256) = 64
# expiries that are remembered within a call
MAX_TERMS: constant(uint256) = 16


struct Term:
    key: uint256
    forward: uint256    # [ticks]
    live: bool
    smile: svi.Smile
    least: uint256      # total variance [WAD]


@internal
@view
def _marks(
    market: uint256, price: uint256, legs: DynArray[uint256, LEG_WORDS]
) -> DynArray[uint256, MAX_ENTRIES]:
    """
    @param legs two a word, canonical
    @return [ticks] by entry
    """
    found: DynArray[uint256, MAX_ENTRIES] = []
    terms: DynArray[Term, MAX_TERMS] = []
    term: Term = empty(Term)
    for pair: uint256 in legs:
        for side: uint256 in range(2):
            instrument: uint256 = packing._leg_instrument(packing._half(pair, side))
            if instruments._market(instrument) != market or instruments._is_perp(instrument):
                found.append(0)
                continue
            hours: uint256 = instruments._expiry(instrument) // u.HOUR
            key: uint256 = surface_packing._key(market, hours)
            if term.key != key:
                place: uint256 = len(terms)
                for i: uint256 in range(len(terms), bound=MAX_TERMS):
                    if terms[i].key == key:
                        place = i
                        break
                if place < len(terms):
                    term = terms[place]
                else:
                    term = self._term(key, price)
                    if place < MAX_TERMS:
                        terms.append(term)
            found.append(self._mark(term, instrument))
    return found


@internal
@view
def _term(key: uint256, price: uint256) -> Term:
    """
    @return what the options of an expiry share; without a surface its forward is the price
    """
    word: uint256 = surface_store._words[key]
    expires: uint256 = surface_packing._expires(key)
    publish: uint256 = surface_packing._publish(word)
    # to come, or over
    seconds: uint256 = unsafe_sub(max(expires, block.timestamp), block.timestamp)
    term: Term = empty(Term)
    term.key = key
    term.forward = price
    if word == 0:
        return term
    term.forward = scenarios._forward(word, price, seconds, publish, expires)
    # times of 36 bits
    if block.timestamp > unsafe_add(publish, scenarios.SURFACE_DEAD):
        return term
    term.live = True
    term.smile = scenarios._smile(word, seconds)
    # seconds are below 2^36
    term.least = unsafe_div(
        unsafe_mul(unsafe_div(u.WAD, scenarios.LEAST_VARIANCE), seconds), u.YEAR
    )
    return term


@internal
@view
def _mark(term: Term, instrument: uint256) -> uint256:
    """
    @param instrument a canonical future or option
    @return [ticks]
    @custom:rounding down, but never below the intrinsic value
    """
    kind: uint256 = instruments._kind(instrument)
    if kind == instruments.FUTURE:
        return term.forward
    strike: uint256 = instruments._strike(instrument)
    moneyness: int256 = 0
    deviation: uint256 = 0
    # a forward of less than a tick has no logarithm
    if term.live and term.forward != 0:
        moneyness = black76._log_moneyness(term.forward, strike)
        # its logarithm is between -64 and 64
        variance: uint256 = svi._total_variance(term.smile, unsafe_sub(0, moneyness))
        deviation = binary_math._sqrt_wad(max(variance, term.least))
    call: uint256 = black76._call(term.forward, strike, moneyness, deviation)[0]
    if kind == instruments.CALL:
        return call
    return black76._put(call, term.forward, strike)
