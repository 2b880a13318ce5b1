"""Logarithm and square root in binary fixed point, as contracts/libs/binary_math.vy rounds them."""

from __future__ import annotations

import math

from tests.reference.fixed import trunc_div
from tests.reference.units import WAD
from tools.normal_table import ln_2, ln_coefficients

ONE = 2**64
LN_2 = ln_2()
Q = ln_coefficients()
# 2^(-7/2), and every power of two times it below 2^3
HALFWAY = [1_630_477_228_166_597_777 << i for i in range(7)]
# where four steps of Newton are enough; outside it the root is exact
WINDOW = (2**24, 2**72)


def ln(x: int) -> int:
    """Return the natural logarithm of x [2^-64, 1 .. 2^128 - 1] in 2^-64."""
    m, e = (x, -4) if ONE // 16 <= x < 11 * ONE else _near_one(x)
    n = sum(m > threshold for threshold in HALFWAY)
    w = (m << 4) >> n
    z = trunc_div((w - ONE) << 64, w + ONE)
    y = z * z >> 64
    q = Q[3] * y + (Q[2] << 64) >> 64
    q = ((q * y >> 64) + Q[1]) * y + (Q[0] << 64) >> 64
    return (z * q >> 64) + (e + n) * LN_2


def _near_one(x: int) -> tuple[int, int]:
    m, e = x, -4
    for step in (32, 16, 8, 4, 4):
        if m >= 1 << 63 + step:
            m, e = m >> step, e + step
        elif m < 1 << 64 - step:
            m, e = m << step, e - step
    return m, e


def sqrt_wad(x: int) -> int:
    """Return the square root of x / 1e18 in 2^-64, for x < 2^128."""
    square = (x << 128) // WAD
    if not WINDOW[0] <= x < WINDOW[1]:
        return math.isqrt(square)
    k = 4 * ((x.bit_length() - 1) // 8 - 3)
    z = (x >> 2 * k) * 386_180 + 103_664_533_803_078 << k
    for _ in range(4):
        z = z + square // z >> 1
    return z
