"""R3: funding, stable price, variance, v and v_slow of one market, as docs/spec/oracle.md."""

from __future__ import annotations

from dataclasses import replace

from tests.reference.facts import Market
from tests.reference.fixed import clamp, expm, floor_div, isqrt, pull, trunc_div, wad_ln
from tests.reference.units import (
    AGE_MM,
    CHECKED,
    CONF_ONE,
    GRACE,
    GRACE_MAX,
    HOUR,
    MAX_SIZE,
    OPENING,
    PENDING,
    PENDING_LIFE,
    RATE_MAX,
    RATE_TO_WAD,
    SAMPLE_A,
    SAMPLE_B,
    T_MAX,
    TAU_VARIANCE,
    TILT_ONE,
    UNTRUSTED,
    V_ONE,
    VARIANCE_TO_WAD,
    VELOCITY,
    WAD,
    YEAR,
)

MAX_VARIANCE = 2**48 - 1
GRACE_TAIL = 300


# ---- views ---------------------------------------------------------------------------------------


def age(m: Market, now: int) -> int:
    """Return the seconds since the stored publish time, 0 for one in the future."""
    return max(0, now - m.publish)


def pending_live(m: Market, now: int) -> bool:
    """Return whether an unconfirmed jump still holds up liquidations."""
    return m.flags & PENDING != 0 and now - m.pending_publish <= PENDING_LIFE


def grace_live(m: Market, now: int) -> bool:
    """Return whether the grace after an outage still runs."""
    return m.flags & GRACE != 0 and now < m.grace_until


def trusted(m: Market, now: int, max_age: int) -> bool:
    """Return whether the price is confirmed, confident and no older than max_age."""
    return m.flags & (PENDING | UNTRUSTED) == 0 and now - m.publish <= max_age


# ---- funding -------------------------------------------------------------------------------------


def _ramp(rate: int, velocity: int, dt: int) -> tuple[int, int]:
    """Return twice the integral of the rate over dt, and the rate after it, both in 1e-18."""
    after = rate + velocity * dt
    if abs(after) <= RATE_MAX:
        return (rate + after) * dt, after
    bound = RATE_MAX if after > 0 else -RATE_MAX
    return 2 * bound * dt - trunc_div((bound - rate) ** 2, velocity), bound


def _brought_to(m: Market, now: int) -> tuple[int, int]:
    """Return F [ticks] and the rate [1e-14 / s] at min(now, publish + T_MAX)."""
    dt = min(now, m.publish + T_MAX) - m.time
    if dt <= 0:
        return m.funding, m.rate
    area2, after = _ramp(m.rate * RATE_TO_WAD, trunc_div(VELOCITY * m.tilt, TILT_ONE), dt)
    return m.funding + floor_div(m.price * area2, 2 * WAD), trunc_div(after, RATE_TO_WAD)


def accrue(m: Market, now: int) -> Market:
    """Return the market with funding written: counted to min(now, publish + T_MAX), time = now."""
    funding, rate = _brought_to(m, now)
    # time = now: what lies beyond T_MAX of an outage is charged to nobody
    return replace(m, funding=clamp(funding, -MAX_SIZE, MAX_SIZE), rate=rate, time=now)


def funding_now(m: Market, now: int) -> int:
    """Return cumulative funding brought to now, without writing [ticks]."""
    return _brought_to(m, now)[0]


# ---- stable price and variance -------------------------------------------------------------------


def stable_after(m: Market, price: int, dt: int) -> int:
    """Return the stable price after an accepted price dt seconds later [ticks]."""
    dts = min(dt, 60)
    parts, whole = pull(dts, m.feed.stable_tau)
    step = floor_div((price - m.stable) * parts, whole)
    bound = m.feed.stable_growth * m.stable * dts // (WAD * HOUR)
    return m.stable + clamp(step, -bound, bound)


def variance_after(variance: int, reference: int, price: int, elapsed: int) -> int:
    """Return a sampler's variance after one sample; stored units in and out."""
    dt = min(elapsed, 3_600)
    log_return = wad_ln(price * WAD // reference)
    sample = log_return * log_return // WAD * YEAR // dt
    old = variance * VARIANCE_TO_WAD
    new = old + floor_div((sample - old) * expm(dt, TAU_VARIANCE), WAD)
    return clamp(new // VARIANCE_TO_WAD, 0, MAX_VARIANCE)


def scalar(m: Market) -> int:
    """Return v for the stored variances [1e-4]."""
    sigma = isqrt(max(m.var_a, m.var_b) * VARIANCE_TO_WAD * WAD)
    return clamp(sigma * V_ONE // m.feed.sigma_ref, V_ONE, m.feed.v_max * V_ONE // WAD)


def _sampled(m: Market, price: int, publish: int, now: int) -> Market:
    """Return the market with funding, samplers, v and v_slow moved, when a sample is due."""
    elapsed = publish - m.sample_time
    if elapsed < SAMPLE_A:
        return m
    moved = replace(
        accrue(m, now),
        var_a=variance_after(m.var_a, m.price_a, price, elapsed),
        price_a=price,
        sample_time=publish,
    )
    if publish - m.time_b >= SAMPLE_B:
        moved = replace(
            moved,
            var_b=variance_after(m.var_b, m.price_b, price, publish - m.time_b),
            price_b=price,
            time_b=publish,
        )
    v = scalar(moved)
    step = m.feed.v_step * V_ONE // WAD * min(elapsed, 300) // HOUR
    return replace(moved, v=v, v_slow=min(v, max(m.v_slow, min(m.v_slow + step, m.v))))


# ---- accept --------------------------------------------------------------------------------------


def accept(
    m: Market, price: int, conf: int, publish: int, now: int, *, confirmed: bool = True
) -> Market:
    """Return the market after an accepted price (oracle.md, accept)."""
    dt = publish - m.publish
    moved = _sampled(m, price, publish, now)
    moved = replace(
        moved,
        price=price,
        stable=stable_after(m, price, dt),
        conf=conf,
        gap=min(255, dt),
        publish=publish,
    )
    flags = m.flags & ~(PENDING | UNTRUSTED)
    if conf * WAD > m.feed.conf_cap * CONF_ONE:
        flags |= UNTRUSTED
    if now >= m.opening_until:
        flags &= ~OPENING
    if flags & CHECKED and not confirmed:
        flags |= UNTRUSTED
    if dt > AGE_MM:
        # a pause may hold liquidations up for longer than this outage
        grace_until = max(m.grace_until, now + min(dt, GRACE_MAX))
        return replace(
            moved,
            flags=flags | GRACE,
            pending_price=0,
            pending_publish=0,
            grace_until=grace_until,
        )
    if flags & GRACE and now > m.grace_until + GRACE_TAIL:
        flags &= ~GRACE
    return replace(moved, flags=flags)
