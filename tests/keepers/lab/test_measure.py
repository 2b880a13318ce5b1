"""The yardstick of a replay misses no block."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from keepers.lab.measure import Watch
from keepers.lab.records import MISSED_BLOCKS, Record
from tests.keepers.anvil_world import LENDER, TRADER, Node
from tests.keepers.bot_runs import world

pytestmark = pytest.mark.anvil


def test_follow__blocks_between_the_start_and_the_first_look__are_seen(node: Node) -> None:
    async def act() -> None:
        async with world(node) as on:
            watch = Watch(on.reader, Record("a test", 1))
            await watch.start()
            assert watch.head is not None
            first = watch.head.number + 1
            await on.deposit(LENDER, 1_000)
            await on.deposit(TRADER, 6_000, ether=1)
            last = (await on.rpc.head()).number

            seen = await watch.follow(last, 0.0)

            assert [each.head.number for each in seen] == list(range(first, last + 1))
            assert watch.head.number == last
            assert await watch.compare() == []

    asyncio.run(act())


def test_compare__an_account_of_an_unseen_block__says_what_differs(node: Node) -> None:
    async def act() -> None:
        async with world(node) as on:
            watch = Watch(on.reader, Record("a test", 1))
            await watch.start()
            account = await on.deposit(TRADER, 6_000)
            assert await watch.compare() == [
                f"account {account:#x} differs from what the events said in everything:"
                " it was never named"
            ]

    asyncio.run(act())


def test_breach__blocks_of_the_same_second__are_no_further_chance(node: Node) -> None:
    async def act() -> None:
        async with world(node) as on:
            await on.deposit(TRADER, 4_000)
            await on.open(TRADER, "ETH", 20)
            await on.move("ETH", 2_860)
            watch = Watch(on.reader, Record("a test", 1))
            await watch.start()
            watch.measuring = True
            await on.move("ETH", 2_850)
            head = await on.rpc.head()

            async def mine(times: Iterable[int]) -> str:
                for time in times:
                    await on.rpc.request("evm_mine", {"timestamp": time, "blocks": 1})
                await watch.follow((await on.rpc.head()).number, 0.0)
                (breach,) = watch.record.breaches
                return breach.outcome

            assert await mine([head.time] * 5) == ""
            # on a busy machine the move takes more than one second
            left = MISSED_BLOCKS - watch.record.breaches[0].seen_blocks
            assert await mine(head.time + 2 * i for i in range(1, left + 1)) == ""
            assert await mine([head.time + 2 * left + 2]) == "missed"

    asyncio.run(act())


def test_follow__a_price_comes_in__the_yardstick_has_it(node: Node) -> None:
    async def act() -> None:
        async with world(node) as on:
            watch = Watch(on.reader, Record("a test", 1))
            await watch.start()
            await on.pass_time(10)
            await on.publish(ETH=2_950, LINK=14.9)
            await watch.follow((await on.rpc.head()).number, 0.0)
            assert watch.markets == {each.id: each for each in await on.reader.markets()}

    asyncio.run(act())
