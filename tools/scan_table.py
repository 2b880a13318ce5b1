"""Rebuild the table of the portfolio scan: `python -m tools.scan_table`.

N is 192 polynomials of degree 3 over pieces of 1/16 from -6 to 6, each exact at both ends and
minimax between them, and written in d + 6, so that a piece needs no coordinate of its own. What is
printed stands in contracts/libs/scan_cdf.vy (docs/spec/portfolio-margin.md says why).
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import mpmath

from tools.normal_table import CDF_POINTS, DIGITS, bump, chebyshev, minimax, rounded

PIECES = 192
PIECES_PER_UNIT = 16
END = 6
# of every coefficient: 2^-54 is one unit; four fields of 64 bits, the lowest power on top
BITS = 54
FIELD = 64

# mpmath has no types
Real = Any


def words() -> tuple[int, ...]:
    """Return the table of N, a signed word a piece."""
    with mpmath.workdps(DIGITS):
        return tuple(_word(_piece(mpmath.mpf(i) / PIECES_PER_UNIT - END)) for i in range(PIECES))


def _piece(start: Real) -> list[Real]:
    """Return the coefficients from `start` on in powers of d + END, lowest first."""

    def cdf(t: Real) -> Real:
        return mpmath.erfc(-(start + t / PIECES_PER_UNIT) / mpmath.sqrt(2)) / 2

    low, rise = cdf(mpmath.mpf(0)), cdf(mpmath.mpf(1)) - cdf(mpmath.mpf(0))
    grid = chebyshev(mpmath.mpf(1), CDF_POINTS)[:-1]
    bumps = [partial(bump, k) for k in range(2)]
    a, b = minimax(bumps, lambda t: cdf(t) - low - t * rise, lambda t: mpmath.mpf(1), grid)
    # low + rise t + t (1 - t) (a + b t), t = 16 (d - start)
    origin = start + END
    found = [mpmath.mpf(0)] * 4
    for power, number in enumerate((low, rise + a, b - a, -b)):
        for k in range(power + 1):
            shifted = mpmath.binomial(power, k) * (-origin) ** (power - k)
            found[k] += number * PIECES_PER_UNIT**power * shifted
    return found


def _word(coefficients: list[Real]) -> int:
    """Return the signed word: four signed fields, none borrowing from another."""
    word = 0
    for place, number in enumerate(reversed(coefficients)):
        word |= (rounded(number, BITS) % 2**FIELD) << FIELD * place
    return word - 2**256 if word >> 255 else word


def main() -> int:
    """Print the words as the contract writes them."""
    for word in words():
        print(f"    {word},")
    return 0


if __name__ == "__main__":
    sys.exit(main())
