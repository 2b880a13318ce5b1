"""Vectors that random words do not meet: solved for the division at which one unit decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from random import Random

from tests.differential import random_facts
from tests.reference import fixed
from tests.reference.facts import Account, Leg, Market, PoolParams
from tests.reference.units import (
    ACTIVE,
    RATE_TO_WAD,
    TAU_VARIANCE,
    TICKS_PER_USD,
    TILT_ONE,
    V_ONE,
    VELOCITY,
    WAD,
    YEAR,
)
from tests.reference.words import instrument_of

NOW = random_facts.NOW
BASE_GRID = 5 * 10**14


def calm(rng: Random) -> Market:
    """Return a fresh market without doubts, variance or size of its own."""
    m = random_facts.market(rng)
    price = rng.randint(1, 10**5) * TICKS_PER_USD + rng.randint(0, TICKS_PER_USD)
    return replace(
        m,
        price=price,
        stable=price,
        conf=0,
        gap=1,
        publish=NOW - 10,
        v=V_ONE,
        v_slow=V_ONE,
        flags=ACTIVE,
        sample_time=NOW - 10,
        funding=0,
        rate=0,
        tilt=0,
        time=NOW - 10,
        open_interest=0,
        time_b=NOW - 100,
        price_a=price,
        price_b=price,
        var_a=1,
        var_b=1,
    )


def one_leg(lots: int) -> Account:
    return Account(cash=10**27, legs=(Leg(instrument_of(1), lots),))


# ---- margin --------------------------------------------------------------------------------------


def on_the_slope(rng: Random) -> tuple[Market, Account]:
    """Return a market whose open interest is between its marks, and a leg in it."""
    m = calm(rng)
    params = replace(
        m.margin,
        base=BASE_GRID * rng.randint(100, 200),
        oi_max=WAD * rng.choice((3, 5, 7)) // 2,
        oi_lo=WAD // 2,
        oi_cap=10**7 * WAD,
        tier_start=10**8 * WAD,
    )
    interest = rng.randint(5 * 10**6, 10**7) * WAD // m.price
    m = replace(m, margin=params, open_interest=interest)
    return m, one_leg(10**7 * WAD // m.price)


def below_a_square() -> tuple[int, int, int, int]:
    """Return price, lots, base and start of a leg whose rate turns with one division.

    With start = 9,801 x 10^22 = (99)^2 x 10^22 and 99 m = 1 mod 10^14 the notional
    (99 m - 1)(99 m + 1) / 10^14 is whole, and notional WAD^2 / start is 1/9,801 below m^2.
    """
    root = pow(99, -1, 10**14) + 12_000 * 10**14
    while (99 * root + 1) % 182:
        root += 10**14
    price, lots = (99 * root - 1) // 10**14 * 182, (99 * root + 1) // 182
    turns = (j for j in range(100, 800) if j * root // 2_000 != j * (root - 1) // 2_000)
    return price, lots, BASE_GRID * next(turns), 9_801 * 10**22


def in_the_tier() -> tuple[Market, Account]:
    """Return a market and an account with that leg."""
    price, lots, base, start = below_a_square()
    m = calm(Random(1))
    params = replace(m.margin, base=base, tier_start=start)
    return replace(m, price=price, stable=price, margin=params), one_leg(lots)


# ---- variance ------------------------------------------------------------------------------------


def first_in(a: int, m: int, low: int, high: int) -> int:
    """Return the least x >= 0 with low <= a x mod m <= high, -1 when there is none."""
    if low == 0:
        return 0
    a %= m
    if a == 0:
        return -1
    if 2 * a > m:
        return first_in(m - a, m, m - high, m - low)
    reached = -(-low // a)
    if reached * a <= high:
        return reached
    # the multiples of a wrap: the same question about the wraps
    wraps = first_in(-m % a, a, low % a, high % a)
    if wraps < 0:
        return -1
    return -(-(low + m * wraps) // a)


def _least(a: int, c: int, m: int, low: int, high: int, start: int) -> int:
    """Return the least x >= start with low <= (a x + c) mod m <= high."""
    shift = (a * start + c) % m
    found = first_in(a, m, (low - shift) % m, (low - shift) % m + high - low)
    return start + found


def _sample(price: int, reference: int, dt: int, ratio: int = 0, square: int = 0) -> int:
    """Return one sample of variance, with divisions turned by what is added."""
    log_return = fixed.wad_ln(price * WAD // reference + ratio)
    return (log_return * log_return // WAD + square) * YEAR // dt


def variances() -> Iterator[Market]:
    """Yield markets whose next sample turns a unit of stored variance with one division each."""
    rng = Random(2)
    unit = 10**8
    for _ in range(12):
        m = calm(rng)
        dt = rng.choice((301, 307, 397, 1_009))
        reference = m.price * rng.randint(700, 800) // 1_000
        weight = fixed.expm(dt, TAU_VARIANCE)
        sample = _sample(m.price, reference, dt)
        turned = (
            _sample(m.price, reference, dt, ratio=1),
            _sample(m.price, reference, dt, square=1),
            sample + 1,
        )
        whole = unit * WAD
        # before the next unit by less than what the turned division adds to the rise
        widths = [(other - sample) * weight for other in turned if other > sample] + [WAD - 1]
        for width in widths:
            found = _least(-unit * weight, sample * weight, whole, whole - width, whole - 1, 0)
            if unit * found <= sample:
                yield _about_to_sample(m, dt, reference, found)
        # a fall of just more than whole units
        start = sample // unit + 1
        found = _least(unit * weight, -sample * weight, whole, 1, WAD - 1, start)
        yield _about_to_sample(m, dt, reference, found)


def _about_to_sample(m: Market, dt: int, reference: int, variance: int) -> Market:
    params = replace(m.feed, min_price=1, max_price=9 * 10**18)
    return replace(m, feed=params, price_a=reference, var_a=variance, sample_time=NOW - dt)


# ---- funding -------------------------------------------------------------------------------------


def drifts() -> Iterator[Market]:
    """Yield markets whose rate, an hour on, turns a stored unit with the division of its drift."""
    rng, hour = Random(3), 3_600
    for tilt in range(1, 20):
        if VELOCITY * tilt % TILT_ONE == 0:
            continue
        moved = VELOCITY * tilt // TILT_ONE * hour
        if moved // RATE_TO_WAD != (moved + hour) // RATE_TO_WAD:
            m = calm(rng)
            drifting = replace(m, time=NOW - hour, sample_time=NOW - 400)
            yield replace(_about_to_sample(drifting, 400, m.price, 0), tilt=tilt)
            yield replace(_about_to_sample(drifting, 400, m.price, 0), tilt=-tilt)


# ---- the pool's listing assert -------------------------------------------------------------------


def just_over() -> tuple[PoolParams, int, int]:
    """Return pool parameters, base and mm_ratio at which the cost is over half of it by < 1e-18.

    With max_skew = 1 / 2,000,000 mod scale, max_skew / scale is m 5e11 + 5e11 / scale in 1e-18, m
    odd: rates in 1e-6 and an odd base mm_ratio make its whole part half of that, exactly.
    """
    ratio = 79
    scale = 5 * 10**11 + 1
    while True:
        scale += 2
        if scale % 5 == 0:
            continue
        max_skew = pow(2 * 10**6, -1, scale)
        halves = max_skew * 2 * 10**6 // scale
        base = (halves + 200) // (5 * ratio) | 1
        rates = (5 * ratio * base - halves) // 2
        if base <= 1_000 and 60 <= rates <= 20_000:
            break
    mm_ratio = ratio * WAD // 100
    unit = 10**12
    params = PoolParams(
        scale=scale * WAD,
        max_skew=max_skew * WAD,
        spread_min=min(rates, 10_000) * unit,
        fee=max(0, rates - 10_000) * unit,
        liquidation_fee=0,
        keeper_rate=0,
        lambda_=WAD,
        mu=WAD // 2,
    )
    cost = Fraction(max_skew, scale) * WAD + params.spread_min + params.fee
    assert 0 < 2 * cost - Fraction(mm_ratio * base * BASE_GRID, WAD) < 2
    return params, base * BASE_GRID, mm_ratio
