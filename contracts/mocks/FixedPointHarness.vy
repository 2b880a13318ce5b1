# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title FixedPointHarness: directed rounding, the exponential, instruments, medians, rates of a leg
@license AGPL-3.0-only
@custom:kill not deployable
"""

from libs import feed_math
from libs import fixed_point
from libs import instruments
from libs import margin_math


@external
@pure
def mul_up(a: uint256, b: uint256) -> uint256:
    return fixed_point._mul_up(a, b)


@external
@pure
def mul_down(a: uint256, b: uint256) -> uint256:
    return fixed_point._mul_down(a, b)


@external
@pure
def ceil_div(a: uint256, b: uint256) -> uint256:
    return fixed_point._ceil_div(a, b)


@external
@pure
def floor_div(a: int256, b: int256) -> int256:
    return fixed_point._floor_div(a, b)


@external
@pure
def clamp(x: int256, low: int256, high: int256) -> int256:
    return fixed_point._clamp(x, low, high)


@external
@pure
def one_minus_exp(dt: uint256, tau: uint256) -> uint256:
    return fixed_point._one_minus_exp(dt, tau)


@external
@pure
def market(instrument: uint256) -> uint256:
    return instruments._market(instrument)


@external
@pure
def is_perp(instrument: uint256) -> bool:
    return instruments._is_perp(instrument)


@external
@pure
def median(raws: uint256[8], count: uint256) -> uint256:
    return feed_math._median(raws, count)


@external
@pure
def median_of_three(a: uint256, b: uint256, c: uint256) -> uint256:
    return feed_math._median_of_three(a, b, c)


@external
@pure
def rates(
    price_word: uint256, state: uint256, x: uint256, dead: uint256, house: bool
) -> (uint256, uint256, uint256):
    rates: margin_math.Rates = margin_math._rates(price_word, state, x, dead, house)
    return rates.mm, rates.ims, rates.im
