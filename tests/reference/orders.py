"""Committed orders, filled or dead at the first later price, as docs/spec/orders.md."""

from __future__ import annotations

from dataclasses import dataclass

from tests.reference import ledger
from tests.reference.facts import Market
from tests.reference.refused import Refused, require
from tests.reference.state import World, owner_of
from tests.reference.units import (
    COMMIT_DELAY,
    FUTURE,
    LOT_WAD,
    MAX_ORDER_LIFE,
    PUSH_WINDOW,
    TICK_WAD,
)
from tests.reference.words import market_of


@dataclass(frozen=True, slots=True)
class Order:
    """As IOrders.Order: size and limit in WAD."""

    account: int
    venue: int
    instrument: int
    size: int
    limit_price: int
    deadline: int
    reduce_only: bool
    reserve: int
    salt: int

    def trade(self) -> ledger.Trade:
        """Return the order in lots and ticks; it holds whole ones."""
        return ledger.Trade(
            account=self.account,
            venue=self.venue,
            instrument=self.instrument,
            size=self.size // LOT_WAD,
            limit_price=self.limit_price // TICK_WAD,
            reduce_only=self.reduce_only,
        )


def commit(world: World, caller: int, order: Order) -> None:
    """Commit an order of an own account; its reserve is paid in."""
    require(owner_of(order.account) == caller, "orders: not owner")
    require(order.reserve >= world.setup.min_reserve, "orders: wrong reserve")
    require(order.size != 0, "orders: zero size")
    require(order.size % LOT_WAD == 0, "orders: odd lot")
    require(order.limit_price % TICK_WAD == 0, "orders: odd tick")
    life = order.deadline - world.now
    require(COMMIT_DELAY < life <= MAX_ORDER_LIFE, "orders: bad deadline")
    require(order not in world.commits, "orders: exists")
    world.commits[order] = world.now


def _committed(world: World, order: Order) -> int:
    require(order in world.commits, "orders: unknown order")
    return world.commits[order]


def _market(world: World, order: Order) -> Market:
    market = market_of(order.instrument)
    require(market in world.markets, "markets: unknown market")
    return world.markets[market]


def previous_publish(market: Market) -> int:
    """Return the publish time before the stored one, at most 255 s older."""
    return max(0, market.publish - market.gap)


def passed(market: Market, earliest: int) -> bool:
    """Return whether the stored price comes after those that serve what waits for `earliest`."""
    return previous_publish(market) >= earliest and market.publish > earliest + PUSH_WINDOW


def execute(world: World, order: Order, reports: ledger.Reports) -> ledger.Traded | str:
    """Fill an order at the first accepted price of after its delay, or end it there.

    Returns:
        The fill, or why the trade was refused.
    """
    earliest = _committed(world, order) + COMMIT_DELAY
    require(world.now <= order.deadline, "orders: expired")
    ledger.update(world, reports)
    market = _market(world, order)
    require(market.publish >= earliest, "orders: price too early")
    require(not passed(market, earliest), "orders: price passed")
    del world.commits[order]
    trial = world.copy()
    try:
        traded = ledger.trade(trial, order.trade())
    except Refused as refused:
        return refused.reason
    world.become(trial)
    return traded


def cancel(world: World, caller: int, order: Order) -> None:
    """Take an order back while no price that could fill it can have been seen."""
    require(owner_of(order.account) == caller, "orders: not owner")
    earliest = _committed(world, order) + COMMIT_DELAY
    require(world.now + FUTURE < earliest, "orders: too late to cancel")
    del world.commits[order]


def refund(world: World, order: Order) -> None:
    """Close an order that can no longer be executed."""
    earliest = _committed(world, order) + COMMIT_DELAY
    if world.now <= order.deadline:
        require(passed(_market(world, order), earliest), "orders: still open")
    del world.commits[order]
