# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Packed words of Surfaces: fields of a surface, the list of expiries, bounds, the report
@license AGPL-3.0-only
@notice One encode and one decode per word. The surface word itself is
        docs/spec/portfolio-margin.md#inputs, the rest stands in docs/spec/surfaces.md#words:

        list        base 16 @240 (1,024 hours since 1970) | sixteen of 15 @0 (hours after the base,
                    at least one; 0: nothing)
        bounds      furthest 32 @80 (seconds) | widest 16 @64 (whole) | band 64 @0 (WAD)
        report      signatures 8 | words 8 | absent 8 | eight entries `seat 3 | 5 unused`
@custom:kill not deployable
"""

from libs import packing
from libs import units as u

MAX_EXPIRIES: constant(uint256) = 16
# of a surface word
KEY_AT: constant(uint256) = 2**224
SURFACE_MARKET_AT: constant(uint256) = 2**248
SURFACE_PUBLISH_AT: constant(uint256) = 2**192
RATIO_AT: constant(uint256) = 2**160
HOURS_MASK: constant(uint256) = 2**24 - 1
# a, b, rho, m and sigma
SMILE_MASK: constant(uint256) = 2**160 - 1
# of a key
KEY_MARKET_AT: constant(uint256) = 2**24
# of a list
BASE_AT: constant(uint256) = 2**240
BASE_HOURS: constant(uint256) = 1_024
PLACE_MASK: constant(uint256) = 2**15 - 1
PLACE_BITS: constant(uint256) = 15
# what brings a report's first entry to the top
ENTRIES_FROM: constant(uint256) = 2**24


@internal
@pure
def _key(market: uint256, hours: uint256) -> uint256:
    return market * KEY_MARKET_AT + hours


@internal
@pure
def _expires(key: uint256) -> uint256:
    """
    @return [unix s]
    """
    # 24 bits of hours
    return unsafe_mul(key & HOURS_MASK, u.HOUR)


@internal
@pure
def _publish(word: uint256) -> uint256:
    return word // SURFACE_PUBLISH_AT & packing.MASK_32


@internal
@pure
def _ratio(word: uint256) -> uint256:
    return word // RATIO_AT & packing.MASK_32


@internal
@view
def _live(list_: uint256) -> DynArray[uint256, MAX_EXPIRIES]:
    """
    @return the expiries of a list [hours since 1970] that are still to come, ascending
    """
    hours: DynArray[uint256, MAX_EXPIRIES] = []
    # 16 bits; places have 15
    base: uint256 = unsafe_mul(list_ // BASE_AT, BASE_HOURS)
    now: uint256 = block.timestamp // u.HOUR
    left: uint256 = list_ & (BASE_AT - 1)
    for _: uint256 in range(MAX_EXPIRIES):
        if left == 0:
            break
        # as above
        hour: uint256 = unsafe_add(base, left & PLACE_MASK)
        left = left >> PLACE_BITS
        if hour > now:
            hours.append(hour)
    return hours


@internal
@view
def _list(hours: DynArray[uint256, MAX_EXPIRIES]) -> uint256:
    """
    @param hours since 1970 of expiries to come, ascending, at most 31,743 from now
    """
    base: uint256 = block.timestamp // u.HOUR // BASE_HOURS
    packed: uint256 = 0
    for i: uint256 in range(len(hours), bound=MAX_EXPIRIES):
        # an expiry to come is after the base and fits its place; places are below 16
        place: uint256 = unsafe_sub(hours[i], unsafe_mul(base, BASE_HOURS))
        packed |= place << unsafe_mul(i, PLACE_BITS)
    return packed | base * BASE_AT


@internal
@pure
def _bounds_word(furthest: uint256, widest: uint256, band: uint256) -> uint256:
    return furthest << 80 | widest << 64 | band


@internal
@pure
def _bounds_fields(word: uint256) -> (uint256, uint256, uint256):
    """
    @return furthest [s], widest [whole], band [WAD]
    """
    return word >> 80, (word >> 64) & packing.MASK_16, word & packing.MASK_64
