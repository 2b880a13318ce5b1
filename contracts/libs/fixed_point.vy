# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Directed rounding and the few functions that fixed-point formulas need
@license AGPL-3.0-only
@notice Vyper's // truncates toward zero, so floor of a negative number is a function here.
        docs/spec/oracle.md, docs/spec/margin.md.
@custom:kill not deployable
"""

from libs import units as u


@internal
@pure
def _mul_up(a: uint256, b: uint256) -> uint256:
    """
    @return ceil(a b / 1e18)
    """
    # adding WAD - 1 is checked; WAD is not zero
    return unsafe_div(a * b + (u.WAD - 1), u.WAD)


@internal
@pure
def _mul_down(a: uint256, b: uint256) -> uint256:
    """
    @return floor(a b / 1e18)
    """
    # WAD is not zero
    return unsafe_div(a * b, u.WAD)


@internal
@pure
def _ceil_div(a: uint256, b: uint256) -> uint256:
    """
    @return ceil(a / b); b must not be zero
    """
    return (a + b - 1) // b


@internal
@pure
def _floor_div(a: int256, b: int256) -> int256:
    """
    @return floor(a / b), toward minus infinity, for b > 0
    """
    # b > 0, so neither division by zero nor min_value / -1; the quotient is at most |a|
    quotient: int256 = unsafe_div(a, b)
    # |quotient b| <= |a|; a negative inexact quotient lies above min_value / 2 for b > 1
    if a < 0 and unsafe_mul(quotient, b) != a:
        quotient = unsafe_sub(quotient, 1)
    return quotient


@internal
@pure
def _clamp(x: int256, low: int256, high: int256) -> int256:
    return max(low, min(high, x))


@internal
@pure
def _one_minus_exp(dt: uint256, tau: uint256) -> uint256:
    """
    @notice 1 - exp(-dt / tau) = 12 x / (12 + 6 x + x^2), x = dt / tau <= 0.2, error below 5e-7.
    @return [WAD]
    @custom:source docs/spec/oracle.md#expm
    """
    # dt and tau are below 2^32
    parts: uint256 = unsafe_mul(unsafe_mul(dt, tau), 12)
    whole: uint256 = unsafe_mul(tau, unsafe_add(unsafe_mul(tau, 12), unsafe_mul(dt, 6)))
    return unsafe_div(unsafe_mul(parts, u.WAD), unsafe_add(whole, unsafe_mul(dt, dt)))
