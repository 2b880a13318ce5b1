"""Keepers and accounts with options on a real node: takes, takes by hand, the books."""

from __future__ import annotations

import asyncio

import pytest

from keepers.bots.liquidate import Liquidate
from keepers.domain.instruments import series_of
from keepers.domain.units import TICKS_PER_USD, WAD
from keepers.domain.words import perp
from tests.keepers.anvil_world import LIQUIDATOR, Node, World
from tests.keepers.bot_runs import books_hold, running, until, world
from tests.keepers.facts import ETH
from tests.keepers.liquidating import bot, committed, settings
from tests.keepers.options_world import engine_health, short_puts, storm

pytestmark = pytest.mark.anvil


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
                metrics = liquidator.runtime.metrics.text().decode()
                assert "plimsoll_engaged 3.0" in metrics
                lots = sum(-leg.size for leg in liquidator.holding)
                worth = lots * 2_400 * TICKS_PER_USD / WAD
                assert f'plimsoll_inventory_usd{{kind="options"}} {worth}' in metrics
                await earned_to_the_wei(on, liquidator, buyer)
            await books_hold(on)

    asyncio.run(scenario())


async def earned_to_the_wei(on: World, liquidator: Liquidate, buyer: int) -> None:
    """Hold the journal against the chain: every lot, and all profits against the equity."""

    async def agrees() -> bool:
        (held,) = await on.reader.accounts([buyer])
        await liquidator.mirror.refresh()
        await liquidator.mirror.mark(held)
        liquidator.mirror.now = await on.now()
        lines = liquidator.earnings.lines(liquidator.mirror.snapshot())
        kinds = [line.kind for line in lines]
        assert kinds[-1] == "own"
        if not liquidator.earnings.journal.holds(held) or set(kinds[:-1]) != {"take"}:
            return False  # its last events are on their way
        worth = (await engine_health(on, buyer)).equity
        return sum(line.profit for line in lines) == worth

    await until(agrees)


def test_liquidate__options_with_perps_and_ether__offers_the_perps_and_keeps_the_options(
    node: Node,
) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            writer, _, option = await short_puts(on, 13_000, 30, perp=8, ether=6)
            buyer = await on.deposit(LIQUIDATOR, 300_000)
            chosen = settings(node, min_profit_usd=-1_000, headroom_percent=20, withdraw=True)
            async with running(chosen, bot(chosen)) as liquidator:
                await storm(on, series_of(option)[1], 2_400, 1.2)
                await until(lambda: taken(on, buyer, writer))
                order = await committed(on)
                assert (order["account"], order["instrument"]) == (buyer, perp(ETH))
                assert order["size"] < 0
                await until(lambda: mirrored(liquidator, buyer))
                await earned_to_the_wei(on, liquidator, buyer)
                (held,) = await on.reader.accounts([buyer])
                # margin of the options: it does not leave
                assert held.holdings
                found = await engine_health(on, buyer)
                assert found.equity * 100 >= found.im * 120
            await books_hold(on)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "limits", [{"max_take_usd": 1_000}, {"max_inventory_usd": 1_000, "max_take_usd": 50_000}]
)
def test_liquidate__options_beyond_the_limits__flags_and_waits(
    node: Node, limits: dict[str, int]
) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            writer, _, option = await short_puts(on)
            buyer = await on.deposit(LIQUIDATOR, 300_000)
            chosen = settings(node, min_profit_usd=-1_000, **limits)
            async with running(chosen, bot(chosen)):
                await storm(on, series_of(option)[1], 2_400, 1.2)
                await until(lambda: flagged(on, writer))
                (held,) = await on.reader.accounts([buyer])
                assert held.options == ()

    asyncio.run(scenario())


def test_liquidate__headroom_that_a_take_would_eat__leaves_it(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            writer, _, option = await short_puts(on)
            buyer = await on.deposit(LIQUIDATOR, 15_000)
            chosen = settings(node, min_profit_usd=-1_000, headroom_percent=1_000)
            async with running(chosen, bot(chosen)) as liquidator:
                await storm(on, series_of(option)[1], 2_400, 1.2)

                async def refused() -> bool:
                    await on.pass_time(5)
                    await on.publish()
                    return "headroom" in liquidator.runtime.metrics.text().decode()

                await until(refused)
                (held,) = await on.reader.accounts([buyer])
                assert held.options == ()
                assert (await engine_health(on, writer)).under_mm

    asyncio.run(scenario())


async def flagged(on: World, account: int) -> bool:
    await on.pass_time(5)
    await on.publish()
    return (await on.reader.accounts([account]))[0].in_auction


async def mirrored(liquidator: Liquidate, account: int) -> bool:
    own = liquidator.mirror.book.accounts[account]
    return own.engaged and liquidator.holding == own.options


async def taken(on: World, buyer: int, writer: int) -> bool:
    await on.pass_time(5)
    await on.publish()
    await asyncio.sleep(0.1)
    (held,) = await on.reader.accounts([buyer])
    found = await engine_health(on, writer)
    return bool(held.options) and found.equity >= found.mm
