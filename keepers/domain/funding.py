"""Funding brought to an instant; docs/spec/oracle.md#funding."""

from __future__ import annotations

from keepers.domain.terms import Terms
from keepers.domain.units import RATE_TO_WAD, TILT_ONE, trunc_div
from keepers.domain.words import PriceWord, StateWord


def brought_to(now: int, price: PriceWord, state: StateWord, terms: Terms) -> tuple[int, int]:
    """Return cumulative funding [ticks] and rate [1e-14/s] at min(now, last price + an hour)."""
    until = min(now, price.publish_time + terms.funding_max)
    elapsed = until - state.time
    if elapsed <= 0:
        return state.funding, state.rate
    slope = trunc_div(terms.funding_velocity * state.tilt, TILT_ONE)
    before = state.rate * RATE_TO_WAD
    after = before + slope * elapsed
    twice_area = (before + after) * elapsed
    if abs(after) > terms.funding_rate_max:
        after = terms.funding_rate_max if after > 0 else -terms.funding_rate_max
        missed = after - before
        twice_area = 2 * after * elapsed - trunc_div(missed * missed, slope)
    funding = state.funding + price.price * twice_area // (2 * 10**18)
    return funding, trunc_div(after, RATE_TO_WAD)
