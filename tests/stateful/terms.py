"""Parameters of the deployments that the machines run on: R13's shape at a smaller scale."""

from __future__ import annotations

from dataclasses import replace

from tests.reference.facts import FeedParams, MarginParams, PoolParams
from tests.reference.units import TICKS_PER_USD, WAD
from tests.stateful.house import CollateralTerms, MarketTerms, Terms

BP = WAD // 10_000
PERCENT = WAD // 100

MARGIN = MarginParams(
    base=5 * PERCENT,
    mm_ratio=50 * PERCENT,
    # low, so that ordinary accounts reach the tier
    tier_start=50_000 * WAD,
    spread_rate=PERCENT,
    oi_max=3 * WAD,
    oi_lo=WAD // 2,
    oi_cap=1_500_000 * WAD,
)
FEED = FeedParams(
    min_price=10 * TICKS_PER_USD,
    max_price=1_000_000 * TICKS_PER_USD,
    jump_0=3 * PERCENT,
    jump_rate=5 * BP,
    confirm_delay=5,
    conf_cap=PERCENT,
    stable_growth=20 * PERCENT,
    stable_tau=1_800,
    sigma_ref=80 * PERCENT,
    v_max=3 * WAD,
    v_step=10 * PERCENT,
)
POOL = PoolParams(
    scale=200_000_000 * WAD,
    max_skew=1_000_000 * WAD,
    spread_min=4 * BP,
    fee=5 * BP,
    liquidation_fee=30 * BP,
    keeper_rate=15 * BP,
    lambda_=WAD,
    mu=80 * PERCENT,
)
# a cap of 1.5M has two digits: the word holds m x 10^e with m <= 15
WIDE_FEED = replace(FEED, min_price=TICKS_PER_USD // 10, max_price=10_000 * TICKS_PER_USD)
OTHER_MARGIN = replace(MARGIN, base=10 * PERCENT, tier_start=20_000 * WAD, oi_cap=600_000 * WAD)
OTHER_POOL = replace(POOL, scale=30_000_000 * WAD, max_skew=300_000 * WAD, lambda_=30 * PERCENT)


def standard(settlement: int, eth: int, btc: int, link: int) -> Terms:
    """Return three traded markets and one priced alone; decimals of the four tokens."""
    markets = (
        MarketTerms(3_000 * TICKS_PER_USD, MARGIN, FEED, POOL),
        MarketTerms(60_000 * TICKS_PER_USD, MARGIN, FEED, POOL),
        MarketTerms(15 * TICKS_PER_USD, OTHER_MARGIN, WIDE_FEED, OTHER_POOL, small=True),
        MarketTerms(3_500 * TICKS_PER_USD, replace(OTHER_MARGIN, oi_cap=0), FEED, None),
    )
    collaterals = _collaterals(eth, btc, link, 18)
    return Terms(settlement, 50_000_000, markets, collaterals)


def _collaterals(eth: int, btc: int, link: int, other: int) -> tuple[CollateralTerms, ...]:
    return (
        CollateralTerms(1, eth, 15 * BP * 100, 10 * BP * 100, 2_000, 300),
        CollateralTerms(2, btc, 15 * BP * 100, 10 * BP * 100, 100, 20),
        CollateralTerms(3, link, 30 * BP * 100, 20 * BP * 100, 200_000, 40_000),
        CollateralTerms(4, other, 30 * BP * 100, 20 * BP * 100, 1_000, 100),
    )


def alike(decimals: int) -> Terms:
    """Return the standard deployment with as many decimals for every token."""
    terms = standard(decimals, decimals, decimals, decimals)
    return replace(terms, collaterals=_collaterals(*(decimals,) * 4))


# settlement and collaterals each run through 6, 8 and 18 decimals
DEPLOYMENTS = (
    standard(6, 18, 8, 18),
    standard(8, 6, 18, 8),
    standard(18, 8, 6, 6),
)


def wide() -> Terms:
    """Return sixteen traded markets and nine collaterals: an account can be as full as it may."""
    markets = tuple(
        MarketTerms((20 + 500 * i) * TICKS_PER_USD, OTHER_MARGIN, WIDE_FEED, OTHER_POOL, small=True)
        for i in range(16)
    )
    decimals = (18, 8, 6, 18, 8, 6, 18, 8, 6)
    collaterals = tuple(
        CollateralTerms(i, each, 15 * PERCENT, 10 * PERCENT, 200_000, 40_000)
        for i, each in enumerate(decimals, start=1)
    )
    return Terms(6, 50_000_000, markets, collaterals)


# the same economics, told in atoms of 6, 8 and 18 decimals (E4)
ALIKE = tuple(alike(decimals) for decimals in (6, 8, 18))
WIDE = len(DEPLOYMENTS)
ALL = (*DEPLOYMENTS, wide(), *ALIKE)
