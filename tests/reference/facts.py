"""What the world consists of: frozen facts, changed only by building new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tests.reference.units import HOUSE, IN_AUCTION, OPTIONS, SOFT_ONE, V_ONE


@dataclass(frozen=True, slots=True)
class MarginParams:
    """Per market, all WAD."""

    base: int
    mm_ratio: int
    tier_start: int
    spread_rate: int
    oi_max: int
    oi_lo: int
    oi_cap: int


@dataclass(frozen=True, slots=True)
class FeedParams:
    """Per market: bounds in ticks, times in seconds, the rest WAD."""

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
    """Per market, all WAD."""

    scale: int
    max_skew: int
    spread_min: int
    fee: int
    liquidation_fee: int
    keeper_rate: int
    lambda_: int
    mu: int


@dataclass(frozen=True, slots=True)
class Market:
    """The words of one market, decoded, in stored units."""

    margin: MarginParams
    feed: FeedParams
    # price word
    price: int
    stable: int
    conf: int
    gap: int
    publish: int
    v: int
    v_slow: int
    flags: int
    sample_time: int
    # state word
    funding: int
    rate: int
    tilt: int
    time: int
    open_interest: int
    # samplers
    price_a: int
    var_a: int
    price_b: int
    var_b: int
    time_b: int
    # pending word
    pending_price: int = 0
    pending_publish: int = 0
    grace_until: int = 0
    opening_until: int = 0


@dataclass(frozen=True, slots=True)
class Collateral:
    """Parameters of a collateral as Markets knows them; haircuts WAD, soft factor 1e-4."""

    feed: int
    decimals: int
    haircut_im: int
    haircut_mm: int
    soft: int = SOFT_ONE


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the Clearinghouse knows it; id 0 is the settlement token."""

    id: int
    decimals: int
    tracked: int
    hard_cap: int
    soft_cap: int

    @property
    def unit(self) -> int:
        """Return the atoms of one whole token."""
        return int(10**self.decimals)

    @property
    def scale(self) -> int:
        """Return the WAD in one atom."""
        return int(10 ** (18 - self.decimals))


class Leg(NamedTuple):
    """A signed position in lots."""

    instrument: int
    size: int


class Holding(NamedTuple):
    """An amount of collateral in atoms."""

    id: int
    amount: int


@dataclass(frozen=True, slots=True)
class Account:
    """The words of one account, decoded; WAD, lots, atoms."""

    cash: int = 0
    quote: int = 0
    flags: int = 0
    legs: tuple[Leg, ...] = ()
    collateral: tuple[Holding, ...] = ()

    @property
    def house(self) -> bool:
        """Return whether this is a pool's account."""
        return self.flags & HOUSE != 0

    @property
    def in_auction(self) -> bool:
        """Return whether the auction bit is set."""
        return self.flags & IN_AUCTION != 0

    @property
    def engaged(self) -> bool:
        """Return whether the engine answers for its margin."""
        return self.flags & OPTIONS != 0

    @property
    def empty(self) -> bool:
        """Return whether nothing is left to seize."""
        return not self.legs and not self.collateral and not self.engaged

    def size(self, instrument: int) -> int:
        """Return the leg in `instrument`, 0 without one [lots]."""
        return next((leg.size for leg in self.legs if leg.instrument == instrument), 0)

    def amount(self, token: int) -> int:
        """Return the collateral `token` held, 0 without it [atoms]."""
        return next((held.amount for held in self.collateral if held.id == token), 0)


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of a margin check, WAD."""

    equity: int
    unsettled: int
    im: int
    le: int
    mm: int
    kappa: int
    status: int
    resume: int
    # not answered by the contract; the invariants use them
    im0: int = 0
    ims: int = 0

    def answer(self) -> tuple[int, ...]:
        """Return the eight numbers that `Markets.check` answers."""
        return (
            self.equity,
            self.unsettled,
            self.im,
            self.le,
            self.mm,
            self.kappa,
            self.status,
            self.resume,
        )


def listed_market(
    price: int, margin: MarginParams, feed: FeedParams, now: int, flags: int
) -> Market:
    """Return a market as a listing leaves it (oracle.md, accept, last point)."""
    variance = feed.sigma_ref * feed.sigma_ref // 10**18 // 10**8
    return Market(
        margin=margin,
        feed=feed,
        price=price,
        stable=price,
        conf=0,
        gap=0,
        publish=now,
        v=V_ONE,
        v_slow=V_ONE,
        flags=flags,
        sample_time=now,
        funding=0,
        rate=0,
        tilt=0,
        time=now,
        open_interest=0,
        price_a=price,
        var_a=variance,
        price_b=price,
        var_b=variance,
        time_b=now,
    )
