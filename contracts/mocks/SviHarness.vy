# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title SviHarness: raw SVI and its checks, callable
@license AGPL-3.0-only
@custom:kill not deployable
"""

from libs import svi


@external
@pure
def total_variance(smile: svi.Smile, k: int256) -> uint256:
    return svi._total_variance(smile, k)


@external
@pure
def is_sound(smile: svi.Smile) -> bool:
    return svi._is_sound(smile)


@external
@pure
def is_after(later: svi.Smile, earlier: svi.Smile) -> bool:
    return svi._is_after(later, earlier)


@external
@pure
def has_density(smile: svi.Smile) -> bool:
    return svi._has_density(smile)


@external
@pure
def is_dense(smile: svi.Smile, k: int256) -> bool:
    return svi._is_dense(smile, k)
