"""The normal distribution of the scan, as contracts/libs/scan_cdf.vy rounds it."""

from __future__ import annotations

from functools import cache

from tests.reference.words import signed
from tools.scan_table import PIECES, words

ONE = 2**64
END = 6 * ONE
# one in what is answered
N_ONE = 2**40


@cache
def table() -> tuple[tuple[int, int, int, int], ...]:
    """Return what a word adds at each step, the highest power first.

    A field is not cut off from those below it, which are less than one of its units.
    """
    return tuple(
        (signed(word, 64, 0), signed(word, 128, 0), signed(word, 192, 0), signed(word, 256, 0))
        for word in (word % 2**256 for word in words())
    )


def scan_cdf(d: int) -> int:
    """Return N(d / 2^64) in 2^-40."""
    place = d + END
    if not 0 <= place < 2 * END:
        return N_ONE if d > 0 else 0
    piece = place >> 60
    assert piece < PIECES
    c3, c2, c1, c0 = table()[piece]
    return ((c3 * place + c2) * place + c1) * place + c0 >> 206
