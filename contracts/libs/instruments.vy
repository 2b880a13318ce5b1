# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Instruments: self-describing uint64, decoded without a registry
@license AGPL-3.0-only
@notice market 8 @56 | kind 2 @54 | expiry 24 @30 (hours since 1970) | strike 30 @0, the strike
        mantissa 25 @5 | exponent 5 @0: mantissa x 10^exponent ticks, in lowest terms. What is
        canonical is the only id of what it says. A perp is `market << 56`, and everything below
        the market is zero.
@custom:source docs/spec/options.md#instruments
@custom:kill not deployable
"""

from libs import packing
from libs import units as u

PERP: constant(uint256) = 0
FUTURE: constant(uint256) = 1
CALL: constant(uint256) = 2
PUT: constant(uint256) = 3

KIND_AT: constant(uint256) = 2**54
EXPIRY_AT: constant(uint256) = 2**30
MANTISSA_AT: constant(uint256) = 2**5
KIND_MASK: constant(uint256) = 2**2 - 1
EXPIRY_MASK: constant(uint256) = 2**24 - 1
STRIKE_MASK: constant(uint256) = 2**30 - 1
MANTISSA_MASK: constant(uint256) = 2**25 - 1
EXPONENT_MASK: constant(uint256) = 2**5 - 1
# everything below the kind, of which a perp has nothing
BELOW_KIND: constant(uint256) = 2**54 - 1
# 10^18 ticks are 100 million USD, and 10^19 are above the largest price
MAX_EXPONENT: constant(uint256) = 18


@internal
@pure
def _market(instrument: uint256) -> uint256:
    return packing._instrument_market(instrument)


@internal
@pure
def _kind(instrument: uint256) -> uint256:
    """
    @return PERP, FUTURE, CALL or PUT
    """
    return instrument // KIND_AT & KIND_MASK


@internal
@pure
def _expiry(instrument: uint256) -> uint256:
    """
    @return [unix s] when it expires, on the full hour; 0 for a perp
    """
    # below 2^24 hours
    return unsafe_mul(instrument // EXPIRY_AT & EXPIRY_MASK, u.HOUR)


@internal
@pure
def _strike(instrument: uint256) -> uint256:
    """
    @param instrument a canonical one
    @return [ticks] the strike of an option; 0 for the others
    """
    # below 2^25 10^18
    return unsafe_mul(
        instrument // MANTISSA_AT & MANTISSA_MASK, pow_mod256(10, instrument & EXPONENT_MASK)
    )


@internal
@pure
def _encode(
    market: uint256, kind: uint256, hours: uint256, mantissa: uint256, exponent: uint256
) -> uint256:
    """
    @notice Put an id together; canonical if its parts are.
    @param kind FUTURE (mantissa and exponent 0), CALL or PUT
    @param hours since 1970, below 2^24
    @param mantissa below 2^25
    @param exponent below 2^5
    """
    return (
        packing._perp(market)
        | kind * KIND_AT
        | hours * EXPIRY_AT
        | mantissa * MANTISSA_AT
        | exponent
    )


@internal
@pure
def _is_perp(instrument: uint256) -> bool:
    """
    @return whether this is the perp of a market 1 .. 255
    """
    market: uint256 = packing._instrument_market(instrument)
    return market != 0 and market < 256 and packing._perp(market) == instrument


@internal
@pure
def _is_canonical(instrument: uint256) -> bool:
    """
    @return whether this is the one id of a perp, a future or an option: no bit beyond its fields,
            an expiry unless it is a perp, and for an option a strike from one tick to the largest
            price, in lowest terms
    """
    market: uint256 = packing._instrument_market(instrument)
    if market == 0 or market > packing.MASK_8:
        return False
    kind: uint256 = self._kind(instrument)
    if kind == PERP:
        return instrument & BELOW_KIND == 0
    if self._expiry(instrument) == 0:
        return False
    if kind == FUTURE:
        return instrument & STRIKE_MASK == 0
    if instrument & EXPONENT_MASK > MAX_EXPONENT:
        return False
    # a multiple of ten, zero included, has a shorter form or none
    return (
        instrument // MANTISSA_AT & MANTISSA_MASK
    ) % 10 != 0 and self._strike(instrument) <= u.MAX_PRICE


@internal
@pure
def _may_open(
    instrument: uint256, now: uint256, price: uint256, furthest: uint256, widest: uint256
) -> bool:
    """
    @notice The bounds of a market on what may be opened; what is open already stays.
    @param instrument a canonical one
    @param now [unix s]
    @param price [ticks, below 2^63] of the market
    @param furthest [s, below 2^64] that an expiry may be off
    @param widest [whole, below 2^64] how often the price may be in the strike, or the strike in it
    @custom:rounding none: the bounds themselves are allowed, the expiry itself is not
    """
    kind: uint256 = self._kind(instrument)
    if kind == PERP:
        return True
    expiry: uint256 = self._expiry(instrument)
    # times and distances are below 2^65
    if expiry <= now or expiry > unsafe_add(now, furthest):
        return False
    if kind == FUTURE:
        return True
    strike: uint256 = self._strike(instrument)
    # strikes of canonical options and prices are below 2^63, so products are below 2^127
    return strike <= unsafe_mul(price, widest) and price <= unsafe_mul(strike, widest)


@internal
@pure
def _payoff(instrument: uint256, price: uint256) -> int256:
    """
    @param instrument a canonical future or option
    @param price [ticks, below 2^64]
    @return [ticks] what one unit long pays at a price
    """
    kind: uint256 = self._kind(instrument)
    if kind == FUTURE:
        return convert(price, int256)
    strike: uint256 = self._strike(instrument)
    if kind == CALL:
        return convert(max(price, strike) - strike, int256)
    return convert(max(price, strike) - price, int256)
