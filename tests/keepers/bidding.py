"""Makers who bid for liquidations in the tests, and an account that falls for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from keepers.client import Client
from keepers.domain.exchange_orders import Leg, SignedOrder
from keepers.domain.instruments import series_of
from keepers.domain.units import LOTS_PER_UNIT
from tests.keepers.anvil_world import RIVAL, Node, World
from tests.keepers.bot_runs import world
from tests.keepers.options_world import publish_surfaces, short_puts, storm

MAKER = RIVAL
UNITS = 40
PERCENT = 10**16


@dataclass(frozen=True, slots=True)
class Sunk:
    """A writer of puts under maintenance, and who may bid for them."""

    writer: int
    maker: int
    option: int

    @property
    def hours(self) -> int:
        """Return the expiry in hours since 1970."""
        return series_of(self.option)[1]


async def healthy(on: World, perp: float = 0, ether: int = 0, cash: int = 30_000) -> Sunk:
    """Open short puts of a writer that stands well, and fund a maker."""
    writer, _, option = await short_puts(on, cash, UNITS, perp, ether)
    maker = await on.deposit(MAKER, 500_000)
    return Sunk(writer, maker, option)


async def sunk(on: World, usd: int = 2_400) -> Sunk:
    """Let the writer fall under maintenance in a storm."""
    found = await healthy(on)
    await storm(on, found.hours, usd, 1.2)
    return found


async def refresh(on: World, found: Sunk, seconds: int = 1, volatility: float = 1.2) -> None:
    """Let time pass, and bring prices and the surface of then."""
    await on.pass_time(seconds)
    await on.publish()
    await publish_surfaces(on, [found.hours], volatility)


async def flagged(on: World, found: Sunk, seconds: int = 60) -> None:
    """Start the clock of the writer, and count so many live seconds of it."""
    await on.act(0, "Liquidator", "flag", found.writer)
    left = seconds
    while left > 0:
        step = min(left, 100)
        await refresh(on, found, step)
        left -= step
    await on.act(0, "Liquidator", "flag", found.writer)


def fallen(node: Node) -> Sunk:
    """Return a writer under MM, whose clock concedes 10 %."""

    async def fall() -> Sunk:
        async with world(node) as on:
            found = await sunk(on)
            await flagged(on, found)
            return found

    return asyncio.run(fall())


async def bid(
    maker: Client, found: Sunk, units: float = 0, percent: float = 0, usd: float = 0
) -> SignedOrder:
    """Sign a bid for puts of the writer: all of them, at a concession or a price."""
    leg = Leg(found.option, round(units * LOTS_PER_UNIT), round(usd * 10**10))
    share = round(percent * PERCENT)
    return await maker.sign_order(await maker.draw_bid(found.writer, leg, conceded=share))
