"""Prices as the contracts store them: guarded, with stable price, variance and v moved along.

docs/spec/oracle.md, integer by integer; tests hold it against the reference model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt
from typing import Final

from keepers.backtest.logarithm import wad_ln
from keepers.backtest.rules import CONF, GRACE_MAX, GRACE_TAIL, FeedRules
from keepers.domain import funding
from keepers.domain.margin import Market
from keepers.domain.terms import Terms
from keepers.domain.units import HOUR, V_ONE, WAD, YEAR, clamp
from keepers.domain.words import (
    ACTIVE,
    GRACE,
    OPENING_PAUSED,
    PENDING,
    UNTRUSTED,
    MarginWord,
    PriceWord,
    StateWord,
)

SAMPLE_A: Final = 300
SAMPLE_B: Final = 3_600
JUMP_TIME: Final = 300
VARIANCE_TO_WAD: Final = 10**8
MAX_VARIANCE: Final = 2**48 - 1
MAX_FUNDING: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Oracle:
    """A market's words and what else its price writes need."""

    market: Market
    rules: FeedRules
    price_a: int
    var_a: int  # 1e-10 a year
    price_b: int
    var_b: int
    time_b: int
    pending_price: int = 0


def listed(id_: int, price: int, now: int, margin: MarginWord, rules: FeedRules) -> Oracle:
    """Return a market as it is listed: sigma at its reference, the stable price at the price."""
    word = PriceWord(price, price, CONF, 0, now, V_ONE, V_ONE, ACTIVE, now)
    state = StateWord(0, 0, 0, now, 0, margin)
    variance = rules.sigma_ref * rules.sigma_ref // WAD // VARIANCE_TO_WAD
    return Oracle(Market(id_, word, state), rules, price, variance, price, variance, now)


def accrued(market: Market, now: int, terms: Terms) -> Market:
    """Return the market with funding written."""
    total, rate = funding.brought_to(now, market.price, market.state, terms)
    total = clamp(total, -MAX_FUNDING, MAX_FUNDING)
    return replace(market, state=replace(market.state, funding=total, rate=rate, time=now))


def offer(oracle: Oracle, price: int, publish: int, now: int, terms: Terms) -> Oracle:
    """Return the market after a median was offered to it: stored, pending or passed over."""
    market = oracle.market
    word = market.price
    if publish <= word.publish_time:
        return oracle
    if not _outside(oracle, price, publish - word.publish_time):
        return _accept(oracle, price, publish, now, terms)
    delay = oracle.rules.confirm_delay
    if word.flags & PENDING:
        if _confirms(oracle, price, publish):
            return _accept(oracle, price, publish, now, terms)
        if publish < market.pending_publish + delay:
            return oracle
    waiting = replace(word, flags=word.flags | PENDING)
    moved = replace(market, price=waiting, pending_publish=publish)
    return replace(oracle, market=moved, pending_price=price)


def _outside(oracle: Oracle, price: int, dt: int) -> bool:
    last = oracle.market.price.price
    limit = oracle.rules.jump_0 + oracle.rules.jump_rate * min(dt, JUMP_TIME)
    return abs(price - last) * WAD > limit * last


def _confirms(oracle: Oracle, price: int, publish: int) -> bool:
    last, pending = oracle.market.price.price, oracle.pending_price
    return (
        publish >= oracle.market.pending_publish + oracle.rules.confirm_delay
        and (price > last) == (pending > last)
        and 2 * abs(price - last) >= abs(pending - last)
    )


def _accept(oracle: Oracle, price: int, publish: int, now: int, terms: Terms) -> Oracle:
    old = oracle.market.price
    dt = publish - old.publish_time
    moved = _sampled(oracle, price, publish, now, terms)
    flags = old.flags & ~(PENDING | UNTRUSTED)
    if now >= oracle.market.opening_until:
        flags &= ~OPENING_PAUSED
    pending, grace = moved.market.pending_publish, moved.market.grace_until
    last = oracle.pending_price
    if dt > terms.age_mm:
        flags, pending, last = flags | GRACE, 0, 0
        grace = max(grace, now + min(dt, GRACE_MAX))
    elif flags & GRACE and now > grace + GRACE_TAIL:
        flags &= ~GRACE
    word = replace(
        moved.market.price,
        price=price,
        stable=_stable_after(oracle, price, dt),
        conf=CONF,
        gap=min(255, dt),
        publish_time=publish,
        flags=flags,
    )
    market = replace(moved.market, price=word, pending_publish=pending, grace_until=grace)
    return replace(moved, market=market, pending_price=last)


def _stable_after(oracle: Oracle, price: int, dt: int) -> int:
    stable, dts = oracle.market.price.stable, min(dt, 60)
    parts, whole = pull(dts, oracle.rules.stable_tau)
    step = (price - stable) * parts // whole
    bound = oracle.rules.stable_growth * stable * dts // (WAD * HOUR)
    return stable + clamp(step, -bound, bound)


def _sampled(oracle: Oracle, price: int, publish: int, now: int, terms: Terms) -> Oracle:
    word = oracle.market.price
    elapsed = publish - word.sample_time
    if elapsed < SAMPLE_A:
        return oracle
    tau = oracle.rules.variance_tau
    var_a = variance_after(oracle.var_a, oracle.price_a, price, elapsed, tau)
    moved = replace(oracle, var_a=var_a, price_a=price)
    since = publish - oracle.time_b
    if since >= SAMPLE_B:
        var_b = variance_after(oracle.var_b, oracle.price_b, price, since, tau)
        moved = replace(moved, var_b=var_b, price_b=price, time_b=publish)
    v = _scalar(moved)
    step = oracle.rules.v_step * V_ONE // WAD * min(elapsed, 300) // HOUR
    slow = min(v, max(word.v_slow, min(word.v_slow + step, word.v)))
    market = accrued(oracle.market, now, terms)
    sampled = replace(market.price, v=v, v_slow=slow, sample_time=publish)
    return replace(moved, market=replace(market, price=sampled))


def variance_after(variance: int, reference: int, price: int, elapsed: int, tau: int) -> int:
    """Return a sampler's variance after one sample; stored units in and out."""
    dt = min(elapsed, 3_600)
    moved = wad_ln(price * WAD // reference)
    sample = moved * moved // WAD * YEAR // dt
    old = variance * VARIANCE_TO_WAD
    new = old + (sample - old) * expm(dt, tau) // WAD
    return clamp(new // VARIANCE_TO_WAD, 0, MAX_VARIANCE)


def _scalar(oracle: Oracle) -> int:
    sigma = isqrt(max(oracle.var_a, oracle.var_b) * VARIANCE_TO_WAD * WAD)
    top = oracle.rules.v_max * V_ONE // WAD
    return clamp(sigma * V_ONE // oracle.rules.sigma_ref, V_ONE, top)


def pull(dt: int, tau: int) -> tuple[int, int]:
    """Return 1 - exp(-dt / tau) as a fraction, for dt / tau <= 0.2: docs/spec/oracle.md#expm."""
    return 12 * dt * tau, 12 * tau * tau + 6 * dt * tau + dt * dt


def expm(dt: int, tau: int) -> int:
    """Return the same [WAD], rounded down."""
    parts, whole = pull(dt, tau)
    return parts * WAD // whole
