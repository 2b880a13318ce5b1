"""The keeper of expiries on a real node: half an hour of prices, a written price, paid legs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from keepers.bots.expire import Expire
from keepers.bots.runtime import Runtime
from keepers.domain.units import HOUR, TICKS_PER_USD, WAD
from keepers.settings import ExpireSettings, make
from tests.keepers.anvil_world import EXECUTOR, OTHER_TRADER, TRADER, Node, World
from tests.keepers.bot_runs import books_hold, options, running, until, world
from tests.keepers.options_world import (
    call,
    fill,
    future,
    open_venue,
    publish_surfaces,
    put,
    series,
)
from tests.keepers.user_runs import Terminal

pytestmark = pytest.mark.anvil

EVERY = 110


def settings(node: Node, **given: object) -> ExpireSettings:
    return make(ExpireSettings, **{**options(node, EXECUTOR), "observe_s": EVERY, **given})


def bot(chosen: ExpireSettings) -> Callable[[Runtime], Expire]:
    return lambda runtime: Expire(runtime, chosen)


async def open_interest(on: World) -> tuple[int, int, int]:
    """Open a call, a put and a future between two; returns the hour, writer and holder."""
    hours = series(on, await on.now(), 2)
    writer, holder = await on.deposit(TRADER, 100_000), await on.deposit(OTHER_TRADER, 100_000)
    await open_venue(on)
    await on.publish()
    await publish_surfaces(on, [hours], 0.6)
    legs = [(call(on, hours, 2_900), 4.0, 130.0), (put(on, hours, 3_100), 2.0, 140.0)]
    await fill(on, holder, writer, *legs, (future(on, hours), 3.0, 3_000.0))
    return hours, writer, holder


def noted(on: World, hours: int, published: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        (window,) = await on.reader.one("Expiries", "window", on.deployment.market("ETH"), hours)
        return bool(window[3] >= published or window[5])

    return look


async def half_hour(on: World, hours: int) -> None:
    """Publish every two minutes from before the window to after it, and let each be noted."""
    await on.pass_time(hours * HOUR - 1_800 - EVERY - await on.now())
    for step in range(17):
        await on.pass_time(EVERY)
        published = await on.now()
        await on.publish(ETH=3_000 + step)
        await until(noted(on, hours, published))


def test_expire__half_an_hour_of_prices__writes_the_average_and_pays_everybody(
    node: Node,
) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            hours, writer, holder = await open_interest(on)
            chosen = settings(node)
            async with running(chosen, bot(chosen)) as keeper:
                await half_hour(on, hours)
                assert keeper.runtime.metrics.expiring._value.get() == 1  # type: ignore[attr-defined]
                await on.pass_time(EVERY)
                await on.publish()
                await until(lambda: soon_nothing_held(on, writer, holder))
            market = on.deployment.market("ETH")
            (price,) = await on.reader.one("Expiries", "settlement_price", market, hours)
            assert 3_005 * TICKS_PER_USD < price < 3_012 * TICKS_PER_USD
            # 4 calls at 2,900, 2 puts at 3,100, 3 futures bought at 3,000
            usd = price / TICKS_PER_USD
            gain = 4 * (usd - 2_900) + 2 * (3_100 - usd) + 3 * (usd - 3_000)
            held, short = await on.reader.accounts([holder, writer])
            assert held.quote == -short.quote
            assert held.quote / WAD == pytest.approx(gain)
            names = await books_hold(on)
            assert "what expired legs still pay == quote of the engine" in names

    asyncio.run(scenario())


async def observed_by_hand(on: World, hours: int) -> None:
    """Let a trader note every price of the half hour, until the settlement price is written."""
    market = on.deployment.market("ETH")
    await on.pass_time(hours * HOUR - 1_900 - await on.now())
    for _ in range(19):
        await on.pass_time(EVERY)
        await on.publish()
        await on.act(TRADER, "Expiries", "observe", market, hours)


async def nothing_held(on: World, *accounts: int) -> bool:
    return not any(each.options for each in await on.reader.accounts(accounts))


async def soon_nothing_held(on: World, *accounts: int) -> bool:
    await on.pass_time(1)
    return await nothing_held(on, *accounts)


def test_prove__one_side_of_an_expiry_is_paid__the_books_hold(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            hours, _, holder = await open_interest(on)
            await observed_by_hand(on, hours)
            await on.act(TRADER, "Options", "settle_expired", holder)
            names = await books_hold(on)
            assert sum(name.startswith("settled and held") for name in names) == 3

    asyncio.run(scenario())


def test_expire__started_after_the_expiry__pays_what_is_written(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            hours, writer, holder = await open_interest(on)
            await observed_by_hand(on, hours)
            chosen = settings(node)
            async with running(chosen, bot(chosen)):
                await until(lambda: soon_nothing_held(on, writer, holder))
            await books_hold(on)

    asyncio.run(scenario())


def test_expire__feed_died__writes_its_last_price_and_pays(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            hours, writer, holder = await open_interest(on)
            await on.pass_time(hours * HOUR + 25 * HOUR - await on.now())
            chosen = settings(node)
            async with running(chosen, bot(chosen)):
                await until(lambda: soon_nothing_held(on, writer, holder))
            market = on.deployment.market("ETH")
            (price,) = await on.reader.one("Expiries", "settlement_price", market, hours)
            assert price == 3_000 * TICKS_PER_USD

    asyncio.run(scenario())


def test_expire__nobody_submits__brings_the_publishers_price_with_its_observation(
    node: Node,
) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            hours, _, _ = await open_interest(on)
            chosen = settings(node)
            async with running(chosen, bot(chosen)) as keeper:
                await on.pass_time(hours * HOUR - 1_850 - await on.now())
                for signed in on.reports(await on.now()):
                    keeper.leads.board.add(signed)  # type: ignore[attr-defined]
                await on.pass_time(1)
                await until(lambda: observed(on, hours))

    asyncio.run(scenario())


async def observed(on: World, hours: int) -> bool:
    (window,) = await on.reader.one("Expiries", "window", on.deployment.market("ETH"), hours)
    return bool(window[3])


def test_expire__dry_run__says_what_is_due_and_sends_nothing(
    node: Node, terminal: Terminal
) -> None:
    async def prepare() -> None:
        async with world(node) as on:
            hours, _, _ = await open_interest(on)
            await on.pass_time(hours * HOUR - 1_850 - await on.now())
            await on.publish()

    asyncio.run(prepare())
    said = terminal.run("expire", "--dry-run")
    assert said.code == 0, said.err
    assert "not observed yet" in said.out
    assert "due: observe ETH@" in said.out

    async def untouched() -> None:
        async with world(node) as on:
            assert not await observed(on, series(on, await on.now(), 0) + 1)

    asyncio.run(untouched())
