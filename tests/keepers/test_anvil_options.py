"""Keepers and accounts with options on a real node: takes, takes by hand, the books."""

from __future__ import annotations

import asyncio

import pytest

from keepers.chain.proving import prove, require
from keepers.domain.instruments import series_of
from tests.keepers.anvil_world import LIQUIDATOR, Node, World
from tests.keepers.bot_runs import running, until, world
from tests.keepers.liquidating import bot, settings
from tests.keepers.options_world import engine_health, short_puts, storm

pytestmark = pytest.mark.anvil


async def books_hold(on: World) -> None:
    _, lines = await prove(on.rpc, on.deployment)
    require(lines)


def test_liquidate__short_puts_sink_in_a_storm__takes_them_and_is_engaged(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            writer, _, option = await short_puts(on)
            buyer = await on.deposit(LIQUIDATOR, 300_000)
            chosen = settings(node, min_profit_usd=-1_000)
            async with running(chosen, bot(chosen)) as liquidator:
                assert (await engine_health(on, writer)).equity > 0
                await storm(on, series_of(option)[1], 2_400, 1.2)
                await until(lambda: taken(on, buyer, writer))
                held = (await on.reader.accounts([buyer]))[0]
                assert [leg.instrument for leg in held.options] == [option]
                assert held.options[0].size < 0
                assert held.engaged
                found = await engine_health(on, buyer)
                assert found.equity >= found.im
                await until(lambda: mirrored(liquidator, buyer))
                assert liquidator.runtime.metrics.engaged._value.get() >= 2
            await books_hold(on)

    asyncio.run(scenario())


async def mirrored(liquidator: object, account: int) -> bool:
    return account in liquidator.mirror.book.engaged  # type: ignore[attr-defined]


async def taken(on: World, buyer: int, writer: int) -> bool:
    await on.pass_time(5)
    await on.publish()
    await asyncio.sleep(0.1)
    (held,) = await on.reader.accounts([buyer])
    found = await engine_health(on, writer)
    return bool(held.options) and found.equity >= found.mm
