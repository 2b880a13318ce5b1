"""Units of every number that the keepers handle; docs/spec/words.md."""

from __future__ import annotations

from typing import Final

WAD: Final = 10**18
LOT: Final = 10**10  # WAD of one lot of size
TICK: Final = 10**8  # WAD of one tick of price
TICKS_PER_USD: Final = 10**10
LOTS_PER_UNIT: Final = 10**8
V_ONE: Final = 10**4
CONF_ONE: Final = 10**5
SOFT_ONE: Final = 10**4
TILT_ONE: Final = 30_000
RATE_TO_WAD: Final = 10**4
HOUR: Final = 3_600
DAY: Final = 86_400
YEAR: Final = 31_536_000
MAX_LEGS: Final = 16
MAX_COLLATERALS: Final = 8


def ceil_div(numerator: int, denominator: int) -> int:
    """Return numerator / denominator rounded toward plus infinity."""
    return -(-numerator // denominator)


def mul_up(a: int, b: int) -> int:
    """Return a x b / WAD rounded up: for requirements and fees, in favour of the protocol."""
    return -(-a * b // WAD)


def trunc_div(numerator: int, denominator: int) -> int:
    """Return numerator / denominator rounded toward zero."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def clamp(value: int, low: int, high: int) -> int:
    """Return value, or the bound that it is beyond."""
    return max(low, min(value, high))
