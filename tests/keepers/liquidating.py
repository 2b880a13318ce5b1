"""A liquidator of the tests, and who falls under maintenance for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from keepers.bots.liquidate import Liquidate
from keepers.bots.runtime import Runtime
from keepers.chain.abi import interface
from keepers.settings import LiquidateSettings, make
from tests.keepers.anvil_world import LIQUIDATOR, TRADER, Node, World
from tests.keepers.bot_runs import options


def settings(node: Node, number: int = LIQUIDATOR, **given: object) -> LiquidateSettings:
    return make(LiquidateSettings, **{**options(node, number), **given})


def bot(chosen: LiquidateSettings) -> Callable[[Runtime], Liquidate]:
    return lambda runtime: Liquidate(runtime, chosen)


async def weak_trader(on: World, actor: int = TRADER, units: float = 40) -> int:
    """Open a long that falls under maintenance below 2,925 USD or so."""
    account = await on.deposit(actor, 6_300)
    await on.open(actor, "ETH", units)
    return account


async def crash(on: World) -> None:
    """Move ETH from 3,000 to where the weak traders are under maintenance."""
    await on.pass_time(10)
    await on.publish(ETH=2_940)
    await on.pass_time(10)
    await on.publish(ETH=2_885)


def cured(on: World, account: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        _, found = await on.health(account)
        return found.equity >= found.mm

    return look


async def indebted(on: World) -> int:
    """Leave a trader with ether and a debt in cash, its positions closed at a loss."""
    account = await on.deposit(TRADER, 0, ether=3)
    await on.open(TRADER, "ETH", 25)
    await on.move("ETH", 2_860)
    await on.open(TRADER, "ETH", -25)
    await on.act(TRADER, "Clearinghouse", "settle", account)
    found, health = await on.health(account)
    assert (found.legs, found.cash < 0, health.equity > health.mm) == ((), True, True)
    return account


async def committed(on: World) -> dict[str, Any]:
    """Return the newest committed order, as soon as there is one that reduces."""
    orders = interface("Orders").events["Committed"]
    async with asyncio.timeout(10):
        while True:
            last = (await on.rpc.head()).number
            logs = await on.rpc.logs([on.deployment.address("Orders")], 0, last, [orders.topic])
            said = [orders.decode(each.topics, each.data)["order"] for each in logs]
            if said and said[-1]["reduce_only"]:
                made: dict[str, Any] = said[-1]
                return made
            await asyncio.sleep(0.02)
