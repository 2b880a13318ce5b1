"""Fills of signed orders, as docs/spec/exchange.md; who signed is taken for granted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.reference.fixed import ceil_div
from tests.reference.instruments import CALL, is_canonical, parts
from tests.reference.refused import require
from tests.reference.state import owner_of
from tests.reference.units import MAX_PRICE, WAD

MAX_LEGS = 8
MAX_SIZE = 2**63 - 1
MAX_AGE = 60
RATE_ONE = 10**6
MAX_RATE = 1_000
LEAST_BAND = WAD // 1_000


class Leg(NamedTuple):
    """As IExchange.Leg: lots and ticks."""

    instrument: int
    size: int
    price: int


class Order(NamedTuple):
    """As IExchange.Order; counterparty 0 is anyone."""

    account: int
    counterparty: int
    takes: bool
    legs: tuple[Leg, ...]
    by_net: bool
    net: int
    fee_cap: int
    nonce: int
    deadline: int
    reduce_only: bool


class Rates(NamedTuple):
    """As IExchange.Fees."""

    maker: int
    taker: int
    option_maker: int
    option_taker: int
    premium_share: int


class Market(NamedTuple):
    """What Markets and Surfaces say of a market."""

    price: int
    publish: int
    trusted: bool
    band: int  # WAD


class Fill(NamedTuple):
    """What Options is asked to do; legs as the taker gets them."""

    legs: tuple[Leg, ...]
    maker_fee: int
    taker_fee: int


@dataclass
class Book:
    """The Exchange and what it reads."""

    now: int
    rates: Rates
    markets: dict[int, Market]
    marks: dict[int, int]  # by dated instrument
    # of the pool, by market: scale and most skew [USD WAD], least half spread [WAD]
    curves: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    weak: set[int] = field(default_factory=set)  # accounts under MM
    spent: set[tuple[int, int]] = field(default_factory=set)  # owner and nonce
    filled: dict[Order, int] = field(default_factory=dict)
    held: dict[tuple[int, int], int] = field(default_factory=dict)  # account, instrument: lots

    def remaining(self, order: Order) -> int:
        """Return what may still be filled, in lots of the first leg."""
        _require_sound(order)
        if self.now > order.deadline or self._is_spent(order):
            return 0
        return abs(order.legs[0].size) - self.filled.get(order, 0)

    def fill(
        self, maker: Order, taker: Order, size: int, prices: tuple[int, ...], direct: bool
    ) -> Fill:
        """Match two orders; `direct`: the taker calls himself."""
        self._require_pair(maker, taker, size)
        legs = _legs(maker, size, prices)
        for order, side in ((maker, -1), (taker, 1)):
            _require_limits(order, legs, side)
            self._require_reducing(order, legs, side)
        maker_fee, taker_fee = 0, 0
        for leg in legs:
            self._require_near(leg)
            maker_fee += self._fee(leg, maker, takes=False, other=taker)
            taker_fee += self._fee(leg, taker, takes=True, other=maker)
        for leg in legs:
            # who pays more than the mark, or gets less
            off = leg.price - self._mark(leg)
            worse = taker if off * leg.size > 0 else maker
            bound = worse.account not in self.weak or abs(off) <= self._worst(leg)
            require(bound, "exchange: beyond the pool")
        self._spend(maker, size)
        if not direct:
            self._spend(taker, size)
        return Fill(legs, maker_fee, taker_fee)

    def close(self, account: int, maker: Order, size: int) -> Fill:
        """Fill a maker's order against an account under MM, whose owner is not asked."""
        self._require_resting(maker, account, size)
        require(len(maker.legs) == 1, "exchange: one leg")
        legs = _legs(maker, size, ())
        _require_limits(maker, legs, -1)
        self._require_reducing(maker, legs, -1)
        anybody = maker._replace(fee_cap=MAX_RATE)
        fee = 0
        for leg in legs:
            self._require_near(leg)
            fee += self._fee(leg, maker, takes=False, other=anybody)
        self._spend(maker, size)
        return Fill(legs, fee, 0)

    def _require_pair(self, maker: Order, taker: Order, size: int) -> None:
        _require_sound(taker)
        self._require_resting(maker, taker.account, size)
        require(taker.takes, "exchange: wrong roles")
        require(self.now <= taker.deadline, "exchange: expired")
        require(taker.counterparty in (0, owner_of(maker.account)), "exchange: counterparty")
        require(len(maker.legs) == len(taker.legs), "exchange: legs differ")
        for ours, theirs in zip(maker.legs, taker.legs, strict=True):
            same = ours.instrument == theirs.instrument and ours.size * theirs.size < 0
            equal = len(maker.legs) == 1 or ours.size == -theirs.size
            require(same and equal, "exchange: legs differ")
        whole = [abs(order.legs[0].size) for order in (maker, taker)]
        require(len(maker.legs) == 1 or size == whole[0], "exchange: all or nothing")
        require(size <= min(whole), "exchange: too much")

    def _require_resting(self, maker: Order, account: int, size: int) -> None:
        _require_sound(maker)
        require(not maker.takes, "exchange: wrong roles")
        require(self.now <= maker.deadline, "exchange: expired")
        other = owner_of(account)
        require(owner_of(maker.account) != other, "exchange: same owner")
        require(maker.counterparty in (0, other), "exchange: counterparty")
        require(size != 0, "exchange: no size")

    def _require_reducing(self, order: Order, legs: tuple[Leg, ...], side: int) -> None:
        for leg in legs:
            held, change = self.held.get((order.account, leg.instrument), 0), side * leg.size
            reduces = held * change < 0 and abs(change) <= abs(held)
            require(reduces or not order.reduce_only, "exchange: not reducing")

    def _require_near(self, leg: Leg) -> None:
        said = parts(leg.instrument)
        require(said.expiry == 0 or said.expiry > self.now, "exchange: expired instrument")
        market = self.markets[said.market]
        fresh = market.trusted and self.now <= market.publish + MAX_AGE
        require(fresh, "exchange: price not trusted")
        band = market.price * max(market.band, LEAST_BAND) // WAD
        require(abs(leg.price - self._mark(leg)) <= band, "exchange: off the mark")

    def _mark(self, leg: Leg) -> int:
        said = parts(leg.instrument)
        return self.marks[leg.instrument] if said.expiry else self.markets[said.market].price

    def _worst(self, leg: Leg) -> int:
        """Return how far from its price the pool's worst admissible one is, down [ticks]."""
        market = parts(leg.instrument).market
        scale, max_skew, spread_min = self.curves.get(market, (0, 0, 0))
        share = max_skew * WAD // scale + spread_min if scale else 0
        return self.markets[market].price * share // WAD

    def _fee(self, leg: Leg, order: Order, takes: bool, other: Order) -> int:
        said = parts(leg.instrument)
        rates = self.rates
        option = said.kind >= CALL
        rate_maker = rates.option_maker if option else rates.maker
        rate_taker = rates.option_taker if option else rates.taker
        rate, others = (rate_taker, rate_maker) if takes else (rate_maker, rate_taker)
        require(rate <= order.fee_cap and others <= other.fee_cap, "exchange: fee cap")
        value = abs(leg.size) * leg.price
        if not option:
            return ceil_div(value * rate, RATE_ONE)
        underlying = abs(leg.size) * self.markets[said.market].price
        return min(
            ceil_div(underlying * rate, RATE_ONE), ceil_div(value * rates.premium_share, RATE_ONE)
        )

    def _is_spent(self, order: Order) -> bool:
        return (owner_of(order.account), order.nonce) in self.spent

    def _spend(self, order: Order, size: int) -> None:
        require(not self._is_spent(order), "exchange: nonce used")
        after = self.filled.get(order, 0) + size
        whole = abs(order.legs[0].size)
        require(after <= whole, "exchange: too much")
        self.filled[order] = after
        if after == whole:
            self.spent.add((owner_of(order.account), order.nonce))


def _require_sound(order: Order) -> None:
    ids = [leg.instrument for leg in order.legs]
    require(
        0 < len(ids) <= MAX_LEGS
        and ids == sorted(set(ids))
        and all(map(is_canonical, ids))
        and all(0 < abs(leg.size) <= MAX_SIZE for leg in order.legs)
        and all(leg.price <= MAX_PRICE for leg in order.legs)
        and not (order.by_net and len(ids) == 1),
        "exchange: bad order",
    )


def _legs(maker: Order, size: int, prices: tuple[int, ...]) -> tuple[Leg, ...]:
    wanted = len(maker.legs) if maker.by_net else 0
    require(len(prices) == wanted, "exchange: prices")
    require(all(price <= MAX_PRICE for price in prices), "exchange: prices")
    if len(maker.legs) == 1:
        (leg,) = maker.legs
        return (leg._replace(size=-size if leg.size > 0 else size),)
    chosen = prices or [leg.price for leg in maker.legs]
    return tuple(
        Leg(leg.instrument, -leg.size, price) for leg, price in zip(maker.legs, chosen, strict=True)
    )


def _require_limits(order: Order, legs: tuple[Leg, ...], side: int) -> None:
    if order.by_net:
        left = order.net - sum(side * leg.size * leg.price for leg in legs)
        least = min(abs(leg.size) for leg in legs)
        tight = side > 0 or left < least
        require(left >= 0 and tight, "exchange: net price")
        return
    for leg, signed in zip(legs, order.legs, strict=True):
        worse = (leg.price - signed.price) * side * leg.size
        require(worse <= 0, "exchange: limit")
