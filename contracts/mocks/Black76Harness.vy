# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Black76Harness: Black-76 and what it is made of, callable; stateless, so without a lock
@license AGPL-3.0-only
@custom:kill not deployable
"""

from libs import binary_math
from libs import black76
from libs import normal_cdf
from libs import normal_pdf

initializes: normal_cdf
initializes: black76[normal_cdf := normal_cdf]


@deploy
def __init__():
    normal_cdf.__init__()


@external
@view
@reentrant
def prices(
    forward: uint256, strike: uint256, log_moneyness: int256, deviation: uint256
) -> (uint256, uint256, uint256):
    """
    @return call, put and the call's delta
    """
    call: uint256 = 0
    delta: uint256 = 0
    call, delta = black76._call(forward, strike, log_moneyness, deviation)
    return call, black76._put(call, forward, strike), delta


@external
@view
@reentrant
def prices_of_terms(
    forward: uint256, strike: uint256, volatility: uint256, seconds: uint256
) -> (uint256, uint256, uint256):
    """
    @return the same, logarithm and root included
    """
    call: uint256 = 0
    delta: uint256 = 0
    call, delta = black76._call(
        forward,
        strike,
        black76._log_moneyness(forward, strike),
        binary_math._sqrt_wad(black76._variance(volatility, seconds)),
    )
    return call, black76._put(call, forward, strike), delta


@external
@view
@reentrant
def cdf(d: int256) -> uint256:
    return normal_cdf._cdf(d)


@external
@pure
def density(d: int256) -> uint256:
    return normal_pdf._density(d)


@external
@pure
def ln(x: uint256) -> int256:
    return binary_math._ln(x)


@external
@pure
def sqrt_wad(x: uint256) -> uint256:
    return binary_math._sqrt_wad(x)


@external
@pure
def log_moneyness(forward: uint256, strike: uint256) -> int256:
    return black76._log_moneyness(forward, strike)


@external
@pure
def variance(volatility: uint256, seconds: uint256) -> uint256:
    return black76._variance(volatility, seconds)
