"""Black-76 beside two libraries that others price with: QuantLib and vollib, on a dense grid.

Both take floats, so what they say is good to some 1e-15 of the forward; the promise is 1e-7 of it
over moneyness 0.1 to 10, volatility 1 to 500 % and 60 s to two years (docs/spec/options.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import QuantLib as ql
from vollib.black import black

from tests.reference import black76
from tests.reference.units import DAY, HOUR, WAD, YEAR

FORWARD = 2_000
PROMISE = 1e-7
PERCENT = WAD // 100
STRIKES = tuple(round(FORWARD * 10 ** (step / 20) * WAD) for step in range(-20, 21))
VOLATILITIES = (1, 2, 3, 5, 8, 12, 18, 25, 35, 50, 65, 80, 100, 130, 170, 220, 280, 350, 420, 500)
SECONDS = (
    *(60, 300, 900, HOUR, 3 * HOUR, 8 * HOUR, DAY, 2 * DAY, 4 * DAY, 7 * DAY),
    *(
        14 * DAY,
        30 * DAY,
        60 * DAY,
        90 * DAY,
        180 * DAY,
        270 * DAY,
        365 * DAY,
        545 * DAY,
        730 * DAY,
    ),
)


def grid() -> Iterator[tuple[int, int, int]]:
    """Return strike [WAD], volatility [%] and seconds, 15,580 of them."""
    for strike in STRIKES:
        for percent in VOLATILITIES:
            for seconds in SECONDS:
                yield strike, percent, seconds


def test_b7_prices__dense_grid__are_quantlibs() -> None:
    worst = 0.0
    for strike, percent, seconds in grid():
        got = black76.prices_of_terms(FORWARD * WAD, strike, percent * PERCENT, seconds)
        deviation = percent / 100 * math.sqrt(seconds / YEAR)
        for kind, ours in ((ql.Option.Call, got.call), (ql.Option.Put, got.put)):
            theirs = ql.blackFormula(kind, strike / WAD, float(FORWARD), deviation)
            worst = max(worst, abs(ours / WAD - theirs) / FORWARD)
    assert 0 < worst < PROMISE


def test_b7_prices__dense_grid__are_vollibs() -> None:
    worst = 0.0
    for strike, percent, seconds in grid():
        got = black76.prices_of_terms(FORWARD * WAD, strike, percent * PERCENT, seconds)
        terms = (float(FORWARD), strike / WAD, seconds / YEAR, 0.0, percent / 100)
        for kind, ours in (("c", got.call), ("p", got.put)):
            worst = max(worst, abs(ours / WAD - black(kind, *terms)) / FORWARD)
    assert 0 < worst < PROMISE


@pytest.mark.parametrize("percent", [10, 80, 300])
def test_delta__every_strike__is_quantlibs(percent: int) -> None:
    for strike in STRIKES:
        got = black76.prices_of_terms(FORWARD * WAD, strike, percent * PERCENT, 30 * DAY)
        deviation = percent / 100 * math.sqrt(30 * DAY / YEAR)
        payoff = ql.PlainVanillaPayoff(ql.Option.Call, strike / WAD)
        theirs = ql.BlackCalculator(payoff, float(FORWARD), deviation).deltaForward()
        assert got.delta / 2**64 == pytest.approx(theirs, abs=PROMISE)
