"""Rebuild the constants of the option formulas: `python -m tools.normal_table`.

N is 104 polynomials of degree 4 over pieces of 1/8, each exact at both ends and minimax between
them; ln((1 + z) / (1 - z)) is z q(z^2), q minimax. Both by Remez's exchange on Chebyshev points in
50 digits. What is printed stands in contracts/libs/normal_cdf.vy and contracts/libs/binary_math.vy
(docs/spec/options.md says why).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import mpmath

ONE = 2**64
DIGITS = 50
ROUNDS = 50

# N(-6.5) is 4e-11; beyond it N counts as 0 or 1
PIECES = 104
PIECES_PER_UNIT = 8
END = mpmath.mpf(13) / 2
CDF_POINTS = 64
# of a word: the place and the unit (as a power of 1/2) of each coefficient, lowest power first
PLACES = (192, 135, 87, 41, 0)
UNITS = (64, 60, 56, 56, 56)

LN_TERMS = 4
LN_POINTS = 600

# mpmath has no types
Real = Any
Function = Callable[[Real], Real]


def cdf_words() -> tuple[int, ...]:
    """Return the table of N - 1/2, a word a piece."""
    with mpmath.workdps(DIGITS):
        return tuple(_word(_piece(-END + mpmath.mpf(i) / PIECES_PER_UNIT)) for i in range(PIECES))


def ln_coefficients() -> tuple[int, ...]:
    """Return q's coefficients, lowest power first, in units of 2^-64; minimax in relative error."""
    with mpmath.workdps(DIGITS):
        # z for m = sqrt(2)
        end = (mpmath.sqrt(2) - 1) / (mpmath.sqrt(2) + 1)
        powers = [partial(_power, k) for k in range(LN_TERMS)]
        found = minimax(powers, _atanh_ratio, _relative, chebyshev(end * end, LN_POINTS))
        return tuple(rounded(number, 64) for number in found)


def ln_2() -> int:
    """Return ln 2 in units of 2^-64."""
    with mpmath.workdps(DIGITS):
        return rounded(mpmath.log(2), 64)


def _piece(start: Real) -> list[Real]:
    """Return the coefficients of N - 1/2 from `start` on, in t = 0 .. 1 across the piece."""

    def half(t: Real) -> Real:
        return mpmath.erf((start + t / PIECES_PER_UNIT) / mpmath.sqrt(2)) / 2

    low, rise = half(mpmath.mpf(0)), half(mpmath.mpf(1)) - half(mpmath.mpf(0))
    grid = chebyshev(mpmath.mpf(1), CDF_POINTS)[:-1]
    bumps = [partial(bump, k) for k in range(3)]
    a, b, c = minimax(bumps, lambda t: half(t) - low - t * rise, lambda t: mpmath.mpf(1), grid)
    # t (1 - t) (a + b t + c t^2) written out
    return [low, rise + a, b - a, c - b, -c]


def _word(coefficients: Sequence[Real]) -> int:
    """Return the signed word: every coefficient at its place, borrowing from the one above."""
    packed = 0
    widths = [high - low for high, low in zip((256, *PLACES), PLACES, strict=False)]
    for number, unit, place, width in zip(coefficients, UNITS, PLACES, widths, strict=True):
        packed |= (rounded(number, unit) % 2**width) << place
    return packed - 2**256 if packed >> 255 else packed


def _power(k: int, x: Real) -> Real:
    return x**k


def bump(k: int, t: Real) -> Real:
    """Return t (1 - t) t^k, which vanishes at both ends of a piece."""
    return t * (1 - t) * t**k


def _atanh_ratio(y: Real) -> Real:
    z = mpmath.sqrt(y)
    return mpmath.log((1 + z) / (1 - z)) / z


def _relative(y: Real) -> Real:
    return 1 / _atanh_ratio(y)


def chebyshev(end: Real, points: int) -> list[Real]:
    """Return Chebyshev points of (0, end]."""
    return [end * (1 - mpmath.cos(mpmath.pi * i / points)) / 2 for i in range(1, points + 1)]


def minimax(
    basis: Sequence[Function], target: Function, weight: Function, grid: Sequence[Real]
) -> list[Real]:
    """Return the combination of the basis with the least largest weighted error on the grid.

    Raises:
        ArithmeticError: the exchange has not come to rest.
    """
    count = len(basis)
    values = [[function(x) for function in basis] for x in grid]
    goals, weights = [target(x) for x in grid], [weight(x) for x in grid]
    chosen = [int((j + 0.5) * len(grid) / (count + 1)) for j in range(count + 1)]
    for _ in range(ROUNDS):
        rows = [[*values[i], (-1) ** j / weights[i]] for j, i in enumerate(chosen)]
        solved = mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix([goals[i] for i in chosen]))
        found = [solved[k] for k in range(count)]
        errors = [
            (mpmath.fdot(row, found) - goal) * w
            for row, goal, w in zip(values, goals, weights, strict=True)
        ]
        extremes = _extremes(errors, count + 1)
        if extremes == chosen:
            return found
        chosen = extremes
    raise ArithmeticError("the exchange has not come to rest")


def _extremes(errors: Sequence[Real], wanted: int) -> list[int]:
    """Return where the error is largest between its changes of sign, the outer ones left out."""
    runs: list[list[int]] = [[0]]
    for i in range(1, len(errors)):
        if (errors[i] > 0) == (errors[i - 1] > 0):
            runs[-1].append(i)
        else:
            runs.append([i])
    tops = [max(run, key=lambda i: abs(errors[i])) for run in runs]
    while len(tops) > wanted:
        tops.pop(0 if abs(errors[tops[0]]) < abs(errors[tops[-1]]) else -1)
    return tops


def rounded(number: Real, bits: int) -> int:
    """Return a number in units of 2^-bits."""
    return int(mpmath.nint(number * 2**bits))


def main() -> int:
    """Print the constants as the contracts write them."""
    for word in cdf_words():
        print(f"        {word},")
    for k, number in enumerate(ln_coefficients()):
        print(f"A{k} = {number:_}")
    print(f"LN_2 = {ln_2():_}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
