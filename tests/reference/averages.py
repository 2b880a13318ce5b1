"""Legs of the last half hour before an expiry: equal to contracts/modules/engine_averages.vy."""

from __future__ import annotations

from dataclasses import replace

from tests.reference.facts import Leg
from tests.reference.instruments import FUTURE, MAX_MANTISSA, PUT, Instrument

# how long prices are averaged [s]; the highest strike of what is open [ticks]
WINDOW = 1_800
MAX_EXPONENT = 11
HIGHEST = MAX_MANTISSA * 10**MAX_EXPONENT


def open_part(said: Instrument, size: int, observed: int, mean: int) -> tuple[Leg, int]:
    """Return what is still open of a leg, and what is known of it [WAD]."""
    observed = min(observed, WINDOW - 1)
    known, seconds, open_ = observed * mean, WINDOW - observed, said
    if said.kind != FUTURE:
        put = said.kind == PUT
        left = WINDOW * said.strike - known
        mantissa, exponent = open_strike(left, seconds, up=put == (size < 0))
        open_ = replace(said, mantissa=mantissa, exponent=exponent)
        known = 0
        if left <= 0 and not put:
            known = (seconds if size < 0 else 0) - left
        elif put and open_.strike == HIGHEST:
            known = max(0, left - seconds * HIGHEST)
    return Leg(open_.id, size * seconds // WINDOW), size * known // WINDOW


def open_strike(left: int, seconds: int, up: bool) -> tuple[int, int]:
    """Return mantissa and exponent of the strike that the rest of a window has to reach."""
    if left <= 0:
        return 1, 0
    strike, exponent = -(-left // seconds) if up else left // seconds, 0
    while strike > MAX_MANTISSA * 10**exponent:
        exponent += 1
    if exponent > MAX_EXPONENT:
        return MAX_MANTISSA, MAX_EXPONENT
    unit = 10**exponent
    return max(1, -(-strike // unit) if up else strike // unit), exponent
