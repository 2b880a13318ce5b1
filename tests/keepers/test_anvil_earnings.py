"""What liquidations earn, against the chain: every wei of equity and native coin is explained."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from keepers.bots.liquidate import Liquidate
from keepers.chain.abi import interface
from keepers.domain.profits import OWN, TAKE
from keepers.domain.units import WAD
from keepers.domain.words import Account
from keepers.store.journal import Line
from keepers.store.ledger import Store
from tests.keepers.anvil_world import DEPLOYER, LIQUIDATOR, RIVAL, Node, World, key
from tests.keepers.bot_runs import running, until, world
from tests.keepers.liquidating import (
    bot,
    committed,
    crash,
    cured,
    indebted,
    settings,
    weak_trader,
)

pytestmark = pytest.mark.anvil


async def native(on: World) -> int:
    return int(str(await on.rpc.request("eth_getBalance", key(LIQUIDATOR).address, "latest")), 16)


def followed(liquidator: Liquidate, held: Account) -> bool:
    """Return whether the journal is what the ledger says of the account."""
    journal = liquidator.earnings.journal
    return journal.money == held.cash + held.quote and journal.holds(held)


async def explained(on: World, liquidator: Liquidate, start: int, coins: int) -> list[Line]:
    """Wait until everything is booked, hold the sums against the chain, return the deals."""

    async def landed() -> bool:
        await on.pass_time(1)
        return liquidator.runtime.store.pending() == [] and not liquidator.runtime.sender.flights

    await until(landed)
    lines = liquidator.earnings.lines(liquidator.mirror.snapshot())
    held, health = await on.health(liquidator.account)
    assert followed(liquidator, held)
    assert sum(line.profit for line in lines) == health.equity
    assert sum(line.profit for line in lines[:-1]) == health.equity - start
    assert sum(line.spent_wei for line in lines) == coins - await native(on)
    assert lines[-1].kind == OWN
    for line in lines[:-1]:
        gain = line.pay + line.reward - line.fee - line.slippage + line.drift
        assert gain == line.profit
    return lines[:-1]


def struct(order: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(order.values())


async def taken(on: World, account: int) -> bool:
    """Let the reward rise."""
    await on.pass_time(5)
    await on.publish()
    await asyncio.sleep(0.1)
    return not await flat(on, account)


async def flat(on: World, account: int) -> bool:
    held, _ = await on.health(account)
    return not held.legs


def test_earnings__taken_with_legs_and_unwound__every_wei_explained(
    node: Node, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            buyer = await on.deposit(LIQUIDATOR, 200_000)
            await weak_trader(on)
            await on.move("ETH", 2_700)  # nobody acts: the account is insolvent by now
            store = tmp_path / "book.db"
            chosen = settings(node, store=store, confirmations=0, max_take_usd=10**6)
            coins = await native(on)
            async with running(chosen, bot(chosen)) as liquidator:
                await until(lambda: taken(on, buyer))
                order = await committed(on)
                held, _ = await on.health(buyer)
                assert sum(leg.size for leg in held.legs) * 10**10 == -order["size"]
                await on.pass_time(3)
                await on.publish(ETH=2_690)  # 10 USD against what is held
                await on.act(DEPLOYER, "Orders", "execute", struct(order))
                await until(lambda: flat(on, buyer))
                (deal,) = await explained(on, liquidator, 200_000 * WAD, coins)
                assert (deal.kind, deal.held) == (TAKE, 0)
                # 40 units: what the price moved by; half spread of 4 bp less the skew of 40 units
                # that the close takes away, on average 20 of a scale of 2,000M; fee of 5 bp
                assert abs(deal.drift / WAD + 400) < 1
                quote = 0.0004 - 20 * 2_690 / 2e9
                assert abs(deal.slippage / WAD - 40 * 2_690 * quote) < 0.01
                assert abs(deal.fee / WAD - 40 * 2_690 * 0.0005) < 0.1
                assert deal.reserve_wei == order["reserve"]
                assert deal.gas_wei > 0
                await on.pass_time(1)
                await until(lambda: written(store, deal))

    asyncio.run(scenario())


async def written(store: Path, deal: Line) -> bool:
    opened = Store(store)
    try:
        return deal in opened.lines()
    finally:
        opened.close()


def test_earnings__collateral_taken__leaves_for_the_owner_at_its_worth(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            await on.deposit(LIQUIDATOR, 200_000)
            account = await indebted(on)
            await on.move("ETH", 1_310)
            weth = on.deployment.token("WETH").address
            chosen = settings(node, withdraw=True, confirmations=0, min_profit_usd=-1_000)
            coins = await native(on)
            async with running(chosen, bot(chosen)) as liquidator:

                async def gone() -> bool:
                    await on.pass_time(5)
                    await on.publish()
                    await asyncio.sleep(0.1)
                    held, _ = await on.health(liquidator.account)
                    return await cured(on, account)() and not held.holdings and bool(await got())

                async def got() -> int:
                    data = interface("ERC20").encode("balanceOf", key(LIQUIDATOR).address)
                    return int.from_bytes(await on.rpc.call(weth, data), "big")

                await until(gone)
                worth = await got() * 1_310 * WAD // 10**18
                held, health = await on.health(liquidator.account)
                assert not held.holdings
                lines = liquidator.earnings.lines(liquidator.mirror.snapshot())
                assert sum(line.profit for line in lines) == health.equity
                left = 200_000 * WAD - lines[-1].profit
                assert abs(left - worth) <= len(lines)  # what the owner has carried away
                deals = await explained(on, liquidator, lines[-1].profit, coins)
                assert {line.kind for line in deals} == {TAKE}
                assert all(line.held == 0 for line in deals)

    asyncio.run(scenario())


def test_earnings__reduce_won_and_lost__gas_of_both_is_told(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = settings(node, confirmations=0)
            other = settings(node, RIVAL)
            coins = await native(on)
            async with running(chosen, bot(chosen)) as liquidator, running(other, bot(other)):
                await crash(on)
                await until(cured(on, account))
                deals = await explained(on, liquidator, 0, coins)
                assert all(line.pay > 0 and line.profit == line.pay for line in deals)

    asyncio.run(scenario())


def test_earnings__started_again__goes_on_where_the_store_ended(node: Node, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = settings(node, store=tmp_path / "book.db", confirmations=0)
            coins = await native(on)
            async with running(chosen, bot(chosen)) as liquidator:
                await crash(on)
                await until(cured(on, account))
                first = await explained(on, liquidator, 0, coins)
            before = await native(on)
            await on.deposit(LIQUIDATOR, 1_000)  # while nobody looks, at the owner's own cost
            coins -= before - await native(on)
            async with running(chosen, bot(chosen)) as liquidator:
                again = await explained(on, liquidator, 1_000 * WAD, coins)
            assert [line.pay for line in again] == [line.pay for line in first]

    asyncio.run(scenario())


def test_earnings__reorg_drops_the_reduce__its_deal_is_gone_until_it_is_made_again(
    node: Node,
) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = settings(node, confirmations=20)
            async with running(chosen, bot(chosen)) as liquidator:
                await crash(on)
                await until(cured(on, account))
                await until(lambda: deals(liquidator, 1))
                await on.rpc.request("anvil_reorg", 1, [])
                await on.pass_time(1)
                await until(cured(on, account))
                await until(lambda: deals(liquidator, 1))
                held, _ = await on.health(liquidator.account)
                assert followed(liquidator, held)

    asyncio.run(scenario())


async def deals(liquidator: Liquidate, count: int) -> bool:
    return len(liquidator.earnings.journal.deals) == count
