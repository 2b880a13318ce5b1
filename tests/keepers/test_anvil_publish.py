"""Publishers and executors on a real node: quorums over HTTP, committed orders, refunds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from keepers.bots.cosign import Smiles
from keepers.bots.execute import Execute
from keepers.bots.publish import Publish, Source
from keepers.bots.runtime import Runtime, opened
from keepers.bots.sources import Chains, smiles_source
from keepers.domain.reports import Quote
from keepers.domain.surfaces import Surface, surface_of
from keepers.domain.units import TICKS_PER_USD
from keepers.errors import BadInput
from keepers.lab.chain import free_port
from keepers.settings import PublishSettings, make
from keepers.web.server import application, serve
from tests.keepers.anvil_world import (
    DEPLOYER,
    EXECUTOR,
    RIVAL,
    SIGNERS,
    TRADER,
    Node,
    World,
    key,
)
from tests.keepers.bot_runs import options, running, until, world
from tests.keepers.executing import emptied, executor, size_of
from tests.keepers.lab.chains import recorded

pytestmark = pytest.mark.anvil

PORTS = tuple(free_port() for _ in SIGNERS)


def source_of(on: World) -> Source:
    """Return a source that says what the test's prices are."""

    async def source(_time: int) -> list[Quote]:
        deployed = on.deployment
        return [
            Quote(deployed.market(symbol), round(usd * TICKS_PER_USD), 10)
            for symbol, usd in sorted(on.prices.items(), key=lambda each: deployed.market(each[0]))
        ]

    return source


@asynccontextmanager
async def publisher(
    on: World, node: Node, place: int, smiles: Smiles | None = None, **given: Any
) -> AsyncIterator[Publish]:
    """Run the publisher of one signer with its server."""
    peers = tuple(f"http://127.0.0.1:{port}" for i, port in enumerate(PORTS) if i != place)
    told = {**options(node, SIGNERS[place]), "peers": peers, "patience_s": 0.3, **given}
    chosen = make(PublishSettings, **told)
    source = source_of(on)
    make_bot: Callable[[Runtime], Publish] = lambda runtime: Publish(  # noqa: E731
        runtime, chosen, source, wall_clock=False, smiles=smiles
    )
    async with running(chosen, make_bot) as bot:
        app = application(bot.runtime.metrics, lambda: "", bot.board, bot.proposals)
        server = asyncio.create_task(serve(app, "127.0.0.1", PORTS[place]))
        try:
            yield bot
        finally:
            server.cancel()
            with suppress(asyncio.CancelledError):
                await server


def test_publish__with_smiles__a_quorum_brings_them(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on, AsyncExitStack() as stack:
            hours = await on.now() // 3_600 + 24

            async def smiles(now: int) -> dict[int, list[Surface]]:
                return {1: [Surface(1, hours, now, 2**30, 2**25, 2**24, 0, 0, 2**25)]}

            for place in (0, 2, 3):
                bot = await stack.enter_async_context(
                    publisher(on, node, place, smiles, **SURFACES)
                )
                assert bot.proposals is not None
            await two_beats(on, lambda: brought(on, "ETH", {hours}))

    asyncio.run(scenario())


SURFACES = {"surface_heartbeat_s": 10, "surface_poll_s": 0.1}


async def brought(on: World, symbol: str, hours: set[int]) -> bool:
    """Return whether surfaces of just these expiries are stored."""
    (words,) = await on.reader.one("Surfaces", "surfaces", on.deployment.market(symbol))
    return {surface_of(word).hours for word in words} == hours


async def two_beats(on: World, done: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what is done at one of two beats, when it is the turn of somebody who is there."""
    for _ in range(2):
        await next_beat(on)
        with suppress(TimeoutError):
            await until(done, 5.0)
    assert await done()


def test_publish__recorded_chains__are_fitted_signed_and_stored(node: Node, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(node) as on, AsyncExitStack() as stack:
            file = recorded(tmp_path / "chains.csv.gz")
            now = await on.now()
            for place in (0, 2, 3):
                runtime = await stack.enter_async_context(opened(settings(node)))
                chosen = Chains(file, chain_from=now)
                smiles = await stack.enter_async_context(smiles_source(runtime, chosen))
                assert smiles is not None
                expected = {each.hours for each in (await smiles(now))[on.deployment.market("BTC")]}
                assert len(expected) == 2
                await stack.enter_async_context(publisher(on, node, place, smiles, **SURFACES))
            await two_beats(on, lambda: brought(on, "BTC", expected))
            market = on.deployment.market("BTC")
            for hours in expected:
                (trusted,) = await on.reader.one("Surfaces", "surface_trusted", market, hours)
                assert trusted

    asyncio.run(scenario())


def settings(node: Node) -> PublishSettings:
    return make(PublishSettings, **options(node, SIGNERS[1]))


async def stored(on: World) -> tuple[int, int]:
    """Return price and publish time of the ETH feed."""
    (market,) = await on.reader.markets_of([on.deployment.market("ETH")])
    return market.price.price, market.price.publish_time


def at_beat(on: World, usd: float) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        price, _ = await stored(on)
        return price == round(usd * TICKS_PER_USD)

    return look


async def next_beat(on: World) -> None:
    """Mine the first block of the next ten seconds."""
    now = await on.now()
    await on.rpc.request("evm_setNextBlockTimestamp", now - now % 10 + 10)
    await on.rpc.request("evm_mine")


def test_publish__four_signers__bring_each_beat_once(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on, AsyncExitStack() as stack:
            bots = [await stack.enter_async_context(publisher(on, node, i)) for i in range(4)]
            beats = 4
            for beat in range(beats):
                on.prices["ETH"] = 3_001 + beat
                await next_beat(on)
                await until(at_beat(on, 3_001 + beat))
            sent = sum(bot.runtime.sender.next_nonce for bot in bots)
            assert beats <= sent <= beats + 2  # a claim may cross another one
            turns = [bot.runtime.sender.next_nonce for bot in bots]
            assert max(turns) <= 3  # the turn goes round

    asyncio.run(scenario())


def test_publish__one_is_killed__the_others_go_on(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on, AsyncExitStack() as stack:
            for place in (1, 2, 3):
                await stack.enter_async_context(publisher(on, node, place))
            async with publisher(on, node, 0):
                on.prices["ETH"] = 3_001
                await next_beat(on)
                await until(at_beat(on, 3_001))
            for beat in range(4):  # each of the four turns comes up
                on.prices["ETH"] = 3_002 + beat
                await next_beat(on)
                await until(at_beat(on, 3_002 + beat))

    asyncio.run(scenario())


def test_publish__a_seat_changes_hands__the_others_go_on(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on, AsyncExitStack() as stack:
            bots = [await stack.enter_async_context(publisher(on, node, i)) for i in range(3)]
            on.prices["ETH"] = 3_001
            await next_beat(on)
            await until(at_beat(on, 3_001))
            # who is left out has to be named right, so the three have to hear of it
            await on.act(DEPLOYER, "RiskConfigurator", "set_signer", 3, key(RIVAL).address)
            await until(lambda: seated(bots, 3, key(RIVAL).address))
            on.prices["ETH"] = 3_002
            await next_beat(on)
            await until(at_beat(on, 3_002))

    asyncio.run(scenario())


async def seated(bots: list[Publish], seat: int, address: str) -> bool:
    return all(bot.board.seats[seat] == address.lower() for bot in bots)


def test_publish__two_left__stop_instead_of_pushing_less(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on, AsyncExitStack() as stack:
            bots = [await stack.enter_async_context(publisher(on, node, i)) for i in (0, 1)]
            before = await stored(on)
            on.prices["ETH"] = 3_001
            await next_beat(on)
            await until(lambda: exchanged(bots))
            await asyncio.sleep(0.5)
            assert await stored(on) == before
            assert sum(bot.runtime.sender.next_nonce for bot in bots) == 0

    asyncio.run(scenario())


async def exchanged(bots: list[Publish]) -> bool:
    return all(len(list(bot.board.reports())) >= 2 for bot in bots)


def test_publish__jump__is_confirmed_without_waiting_for_the_beat(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on, AsyncExitStack() as stack:
            for place in range(3):
                await stack.enter_async_context(publisher(on, node, place))
            await next_beat(on)
            await until(at_beat(on, 3_000))
            on.prices["ETH"] = 2_700  # 10 %: more than any jump that passes at once
            await next_beat(on)
            await asyncio.sleep(0.5)
            assert not await at_beat(on, 2_700)()
            await on.pass_time(6)
            await until(at_beat(on, 2_700))

    asyncio.run(scenario())


def test_publish__key_is_no_signer__refuses_to_start(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            chosen = make(PublishSettings, **options(node, TRADER))
            runtime = await Runtime.open(chosen)
            try:
                with pytest.raises(BadInput, match="no listed signer"):
                    Publish(runtime, chosen, source_of(on), wall_clock=False)
            finally:
                await runtime.close()

    asyncio.run(scenario())


# ---- executors


def test_execute__first_price_after_the_delay__fills_and_earns(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await on.deposit(TRADER, 10_000)
            chosen, made = executor(node)
            async with running(chosen, made) as bot:
                await on.commit(TRADER, "ETH", 1)
                await on.commit(TRADER, "ETH", 2)
                assert await size_of(on, account) == 0
                await on.pass_time(3)
                await on.publish()
                await until(lambda: has_size(on, account, 3 * 10**8))
                await on.pass_time(1)
                await until(lambda: earned(bot, 2))
                assert bot.orders == {}

    asyncio.run(scenario())


async def has_size(on: World, account: int, size: int) -> bool:
    return await size_of(on, account) == size


async def earned(bot: Execute, events: int) -> bool:
    totals = bot.runtime.store.totals()
    return totals.events == events and totals.included == events


def test_execute__started_late__finds_the_orders_of_before(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await on.deposit(TRADER, 10_000)
            await on.commit(TRADER, "ETH", 1)
            chosen, made = executor(node)
            async with running(chosen, made):
                await on.pass_time(3)
                await on.publish()
                await until(lambda: has_size(on, account, 10**8))

    asyncio.run(scenario())


def test_execute__limit_is_missed__order_dies_at_its_price_and_pays(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await on.deposit(TRADER, 10_000)
            chosen, made = executor(node)
            async with running(chosen, made) as bot:
                await on.commit(TRADER, "ETH", 1, limit=2_900 * TICKS_PER_USD)
                await on.pass_time(3)
                await on.publish()
                await until(lambda: emptied(bot))
                await on.pass_time(1)
                await until(lambda: earned(bot, 1))
                assert bot.runtime.metrics.refused.labels("trading: limit price")._value.get() == 1
                assert await size_of(on, account) == 0

    asyncio.run(scenario())


def test_execute__requests_to_the_pool__are_served_and_timed_again(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            usdc, least = 10**6, 100 * 10**6
            await on.give(TRADER, "USDC", 1_000 * usdc, "LiquidityPool")
            owner = key(TRADER).address
            for amount in (500 * usdc, least - 1):
                await on.act(TRADER, "LiquidityPool", "request_deposit", amount, owner)
            # while nobody was awake
            await on.pass_time(3)
            await on.publish()
            await on.pass_time(10)
            await on.publish()
            chosen, made = executor(node)
            async with running(chosen, made) as bot:
                await until(lambda: timed_again(on, bot, 2))
                await on.pass_time(3)
                await on.publish()
                await until(lambda: served(on, 2))
                # the next one at its first price; too small a one is left alone
                await on.act(TRADER, "LiquidityPool", "request_deposit", least, owner)
                await on.pass_time(3)
                await on.publish()
                await until(lambda: served(on, 4))
                assert not await served(on, 3)
                shares = await on.reader.one("LiquidityPool", "balanceOf", owner)
                assert shares == (600 * 10**18,)

    asyncio.run(scenario())


async def timed_again(on: World, bot: Execute, request: int) -> bool:
    _, time, _, _ = await on.reader.one("LiquidityPool", "request", request)
    return bool(time > bot.mirror.markets[1].price.publish_time - 2)


async def served(on: World, request: int) -> bool:
    _, time, _, _ = await on.reader.one("LiquidityPool", "request", request)
    return not time


def test_execute__two_at_once__one_wins(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await on.deposit(TRADER, 10_000)
            first, make_first = executor(node)
            second, make_second = executor(node, RIVAL)
            async with running(first, make_first) as one, running(second, make_second) as other:
                await on.commit(TRADER, "ETH", 1)
                await on.pass_time(3)
                await on.publish_next()
                await until(lambda: both_sent(one, other))
                await on.rpc.request("evm_mine")
                await on.rpc.request("evm_setAutomine", True)
                await until(lambda: has_size(on, account, 10**8))
                await until(lambda: won_and_lost(one, other))

    asyncio.run(scenario())


async def both_sent(*bots: Execute) -> bool:
    return all(bot.runtime.sender.flights for bot in bots)


async def won_and_lost(*bots: Execute) -> bool:
    totals = [bot.runtime.store.totals() for bot in bots]
    return sorted((each.included, each.failed) for each in totals) == [(0, 1), (1, 0)]


def test_execute__reports_at_hand__leads_with_the_price(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await on.deposit(TRADER, 10_000)
            chosen, made = executor(node)
            async with running(chosen, made) as bot:
                await on.commit(TRADER, "ETH", 1)
                await on.pass_time(3)
                when = await on.now()
                for signed in on.reports(when):
                    assert bot.leads.board.add(signed)
                await on.rpc.request("evm_mine")
                await until(lambda: has_size(on, account, 10**8))
                assert (await stored(on))[1] == when
                assert key(EXECUTOR).address == bot.runtime.signer.address

    asyncio.run(scenario())
