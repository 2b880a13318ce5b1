"""What the parameters of a deployment are, as integers.

Ratios and dollars in WAD, prices in ticks of 1e-10 USD, times in seconds, token caps in whole
tokens. The orders of the fields follow the structs of the interfaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

DEPLOYER = "deployer"


@dataclass(frozen=True, slots=True)
class MarginParams:
    """`IMarkets.MarginParams`, in its order; WAD, caps and tier in USD WAD."""

    base: int
    mm_ratio: int
    tier_start: int
    spread_rate: int
    oi_max: int
    oi_lo: int
    oi_cap: int


@dataclass(frozen=True, slots=True)
class FeedParams:
    """`IMarkets.FeedParams`, in its order; WAD or seconds."""

    min_price: int
    max_price: int
    jump_0: int
    jump_rate: int
    confirm_delay: int
    conf_cap: int
    stable_growth: int
    stable_tau: int
    sigma_ref: int
    v_max: int
    v_step: int


@dataclass(frozen=True, slots=True)
class PoolParams:
    """`ILiquidityPool.PoolParams`, in its order; WAD."""

    scale: int
    max_skew: int
    spread_min: int
    fee: int
    liquidation_fee: int
    keeper_rate: int
    lambda_: int
    mu: int


@dataclass(frozen=True, slots=True)
class ChainlinkTerms:
    """`IChainlinkFeed.Terms`, in its order: s, WAD USD, 1e-5."""

    aggregator: str
    heartbeat: int
    low: int
    high: int
    conf: int
    uptime: str
    grace: int


@dataclass(frozen=True, slots=True)
class FixedTerms:
    """What a FixedFeed is deployed with, in its order; WAD USD."""

    price: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Adapter:
    """A source of a price: one to deploy, by its terms, or one that stands at an address."""

    terms: ChainlinkTerms | FixedTerms | None = None
    address: str = ""
    mock: bool = False  # a fixed price in the place of a feed that a test chain does not have


@dataclass(frozen=True, slots=True)
class OptionTerms:
    """What options and futures of a market require, and which may be opened."""

    cap: int  # lots of option contracts; 0: nothing opens
    group: int  # whose markets offset each other
    range_min: int  # 1e-4, like the next three
    range_vol: int
    som: int
    spread: int
    furthest: int  # s
    widest: int  # price over strike, either way
    band: int  # WAD, of the Exchange around the mark


@dataclass(frozen=True, slots=True)
class RiskArray:
    """`IPortfolioMargin.RiskArray`, in its order; WAD."""

    nodes: tuple[int, ...]
    extremes: tuple[int, ...]
    weights: tuple[int, ...]
    up: int
    down: int
    rhos: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ExchangeFees:
    """`IExchange.Fees`, in its order; 1e-6."""

    maker: int
    taker: int
    option_maker: int
    option_taker: int
    premium_share: int

    @property
    def rates(self) -> tuple[int, int, int, int]:
        """Return the rates alone."""
        return self.maker, self.taker, self.option_maker, self.option_taker


@dataclass(frozen=True, slots=True)
class MarketParams:
    """One market; without `pool` it is a price for a collateral, and nobody trades it."""

    symbol: str
    id: int
    margin: MarginParams
    feed: FeedParams
    pool: PoolParams | None
    min_leg: int  # WAD USD
    source: Adapter | None = None  # nothing: signed reports
    cross_check: Adapter | None = None
    band: int = 0  # WAD, of the cross-check
    options: OptionTerms | None = None  # nothing: no options, no futures


@dataclass(frozen=True, slots=True)
class TokenParams:
    """A token; id 0 is the settlement token, which has no feed and no haircut."""

    symbol: str
    id: int
    decimals: int
    feed: int
    haircut_im: int
    haircut_mm: int
    hard_cap: int
    soft_cap: int


@dataclass(frozen=True, slots=True)
class Timing:
    """`IMarkets.Timing`, in its order [s]."""

    age_im: int
    age_mm: int
    dead_after: int
    grace_max: int
    window: int
    variance_tau: int


@dataclass(frozen=True, slots=True)
class Charges:
    """`IMarkets.Charges`, in its order: WAD USD, then 1e-18 per s per s and per s."""

    kappa_flat: int
    kappa_leg: int
    kappa_collateral: int
    funding_velocity: int
    funding_rate_max: int


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything that a deployment needs to know."""

    network: str
    chain_id: int
    owner: str
    guardian: str
    treasury: str
    quorum: int
    signers: tuple[str, ...]
    timing: Timing
    charges: Charges
    order_delay: int  # s
    min_reserve: int  # wei
    pool_delay: int  # s
    pool_cooldown: int  # s
    liquidation_curve: tuple[tuple[int, int], tuple[int, int]]  # s, WAD of MM
    liquidation_dust: int  # WAD USD
    insurance_market_limit: int
    insurance_day_limit: int
    scan: RiskArray
    exchange_fees: ExchangeFees
    markets: Mapping[str, MarketParams]
    settlement: TokenParams
    collaterals: Mapping[str, TokenParams]
    tokens: Mapping[str, str] = field(
        default_factory=dict
    )  # symbol -> address; others: test tokens
    prices: Mapping[str, int] = field(default_factory=dict)  # symbol -> ticks at listing

    def with_prices(self, prices: Mapping[str, int]) -> Parameters:
        """Return the same parameters with other listing prices [ticks]."""
        return replace(self, prices={**self.prices, **prices})

    @property
    def all_tokens(self) -> tuple[TokenParams, ...]:
        """The settlement token first, then the collaterals by id."""
        return (self.settlement, *sorted(self.collaterals.values(), key=lambda t: t.id))
