"""The normal distribution as contracts/libs/normal_cdf.vy rounds it."""

from __future__ import annotations

from functools import cache

from tests.reference.words import signed
from tools.normal_table import PIECES, cdf_words

ONE = 2**64
END = 13 * ONE // 2


@cache
def _table() -> tuple[tuple[int, int, int, int, int], ...]:
    """Return the coefficients of each piece, lowest power first, as the words hold them."""
    return tuple(
        (
            signed(word, 64, 192),
            signed(word, 57, 135),
            signed(word, 48, 87),
            signed(word, 46, 41),
            signed(word, 41, 0),
        )
        for word in (word % 2**256 for word in cdf_words())
    )


def cdf(d: int) -> int:
    """Return N(d / 2^64) in 2^-64."""
    if not -END <= d < END:
        return ONE if d > 0 else 0
    piece, t = divmod(d + END, 2**61)
    assert piece < PIECES
    c0, c1, c2, c3, c4 = _table()[piece]
    p = (c4 * t >> 61) + c3
    p = (p * t >> 61) + c2
    p = (p * t >> 57) + c1
    return (p * t >> 57) + c0 + ONE // 2
