# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The pool's curve: prices, premium and tilt from the skew
@license AGPL-3.0-only
@notice docs/spec/pool.md. Skew is the traders' net size, size is the taker's, both in lots;
        lots x ticks = WAD USD, so a notional needs no division.
@custom:kill not deployable
"""

from libs import fixed_point
from libs import units as u


@internal
@pure
def _price(
    mark: uint256, skew: int256, size: int256, scale: uint256, half_spread: uint256
) -> uint256:
    """
    @notice Price of a fill: the curve integrated over it, and half a spread.
    @param mark [ticks] stored price
    @param scale [WAD USD] skew that moves the price by 100 %
    @param half_spread [WAD ratio]
    @return [ticks] 0 when the curve has no positive price
    @custom:rounding up for buys, down for sells: against the taker
    @custom:source docs/spec/pool.md, match
    """
    # a sell rounds down; a buy is the mirror image: ceil(x) = -floor(-x)
    sign: int256 = 1
    if size > 0:
        sign = -1
    signed_mark: int256 = convert(mark, int256)
    # |skew|, |size| <= 2^64 lots, mark < 2^63, WAD < 2^60: below 2^189; scale < 2^109
    moved: int256 = unsafe_mul(
        unsafe_mul(unsafe_add(unsafe_mul(2, skew), size), signed_mark), unsafe_mul(sign, u.IWAD)
    )
    ratio: int256 = fixed_point._floor_div(moved, convert(unsafe_mul(2, scale), int256))
    # |ratio| < 2^189 at the smallest scale, 2^84 USD WAD: times mark below 2^173 in fact
    factor: int256 = unsafe_sub(
        unsafe_add(unsafe_mul(sign, u.IWAD), ratio), convert(half_spread, int256)
    )
    price: int256 = fixed_point._floor_div(signed_mark * factor, u.IWAD)
    return convert(max(0, unsafe_mul(sign, price)), uint256)


@internal
@pure
def _premium(notional: uint256, scale: uint256) -> uint256:
    """
    @notice What the curve pays back while the skew unwinds: not the share holders' yet.
    @return [WAD USD] ceil(notional^2 / (2 scale)); notional = |leg| P < 2^127
    @custom:rounding up: NAV down, in favour of nobody who enters or leaves at it
    """
    # notional < 2^127, scale < 2^109: the sum stays below 2^255; scale > 0
    double_scale: uint256 = unsafe_mul(2, scale)
    return unsafe_div(
        unsafe_add(unsafe_mul(notional, notional), unsafe_sub(double_scale, 1)), double_scale
    )


@internal
@pure
def _notional(mark: uint256, leg: int256) -> uint256:
    """
    @return [WAD USD] |leg| P, exact
    """
    # |leg| <= 2^64 lots, mark < 2^63 ticks
    return unsafe_mul(convert(abs(leg), uint256), mark)


@internal
@pure
def _tilt(mark: uint256, skew: int256, max_skew: uint256) -> int256:
    """
    @notice What drives the funding rate: skew as a share of max_skew, between -1 and 1.
    @param max_skew [WAD USD]
    @return [1 / TILT_ONE]
    @custom:rounding toward zero
    """
    # |skew| <= 2^65 lots, mark < 2^63, TILT_ONE < 2^15; max_skew > 0
    tilt: int256 = unsafe_div(
        unsafe_mul(unsafe_mul(skew, convert(mark, int256)), u.TILT_ONE), convert(max_skew, int256)
    )
    return min(max(tilt, -u.TILT_ONE), u.TILT_ONE)
