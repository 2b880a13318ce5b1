"""The shipped parameters of a market's class, and what does not depend on it.

The same numbers as scripts/params/base.yaml, which tests hold them against: a wheel has no scripts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from keepers.domain.planning import Terms
from keepers.domain.units import WAD
from keepers.domain.words import MarginWord

BP: Final = WAD // 10_000
MILLION: Final = 10**6 * WAD
DUST: Final = 10 * WAD
MU: Final = 80 * WAD // 100
CONF: Final = 10  # 1e-5 of the price: what publishers say by default
GRACE_MAX: Final = 600
GRACE_TAIL: Final = 300
ORDER_DELAY: Final = 2
RESERVE: Final = 5 * 10**14  # wei, of an order
MARKET_LIMIT: Final = 20 * WAD // 100  # of the fund, what rewards take a market and day
DAY_LIMIT: Final = 50 * WAD // 100
T_SLOW: Final = 1_800
BONUS_SHARE: Final = 100
CURVE: Final = ((0, 0), (300, WAD // 2), (T_SLOW, 3 * WAD // 2))  # live seconds, share of MM


@dataclass(frozen=True, slots=True)
class FeedRules:
    """How a market's price is guarded and its volatility measured, WAD unless said."""

    sigma_ref: int
    jump_0: int = 3 * WAD // 100
    jump_rate: int = 5 * WAD // 10_000  # per second
    confirm_delay: int = 5
    stable_growth: int = 20 * WAD // 100  # per hour
    stable_tau: int = 1_800
    v_max: int = 3 * WAD
    v_step: int = WAD // 10  # per hour
    variance_tau: int = 86_400


@dataclass(frozen=True, slots=True)
class Class:
    """Everything that a market's class decides."""

    margin: MarginWord
    feed: FeedRules
    pool: Terms
    max_skew: int
    haircut_im: int
    haircut_mm: int


def _class(base: int, cap: int, sigma: int, scale: int, skew: int, lambda_: int) -> Class:
    margin = MarginWord(
        base=base * WAD // 100,
        mm_ratio=WAD // 2,
        tier_start=MILLION,
        spread_rate=WAD // 100,
        oi_max=3 * WAD,
        oi_lo=8,
        oi_cap=cap * MILLION,
    )
    pool = Terms(
        scale=scale * MILLION,
        spread_min=4 * BP,
        fee=5 * BP,
        liquidation_fee=30 * BP,
        keeper_rate=15 * BP,
        lambda_=lambda_ * WAD // 10,
    )
    haircut = 15 if base == 5 else 30
    mm = haircut * 2 // 3 * WAD // 100
    feed = FeedRules(sigma * WAD // 100)
    return Class(margin, feed, pool, skew * MILLION, haircut * WAD // 100, mm)


MAJOR: Final = _class(5, 30, 80, 2_000, 10, 10)
OTHER: Final = _class(10, 6, 110, 300, 3, 3)
MAJORS: Final = ("ETH", "BTC")


def class_of(symbol: str) -> Class:
    """Return a market's class by its symbol."""
    return MAJOR if symbol in MAJORS else OTHER


def delta(live: int) -> int:
    """Return the share of MM that a buyer is offered after so many live seconds [WAD]."""
    for (t0, d0), (t1, d1) in pairwise(CURVE):
        if live < t1:
            return d0 + (d1 - d0) * (live - t0) // (t1 - t0)
    return CURVE[-1][1]
