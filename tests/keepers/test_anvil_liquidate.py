"""The liquidator on a real node: reduces, takes, races, cuts, reorgs, stuck transactions."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from keepers.bots.liquidate import Liquidate
from keepers.bots.runtime import Runtime
from keepers.chain.sender import Flight
from keepers.domain.liquidation import Action, Settle
from keepers.domain.planning import fewest
from keepers.domain.units import WAD
from keepers.domain.words import account_id
from tests.keepers.anvil_world import LIQUIDATOR, OTHER_TRADER, RIVAL, TRADER, Node, World, key
from tests.keepers.bot_runs import Proxy, books_hold, running, until, world
from tests.keepers.liquidating import bot, committed, crash, cured, indebted, settings, weak_trader

pytestmark = pytest.mark.anvil


def test_liquidate__price_falls__reduces_to_le_and_earns(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = settings(node)
            async with running(chosen, bot(chosen)) as liquidator:
                await crash(on)
                await until(cured(on, account))
                found, health = await on.health(account)
                assert found.legs  # partly closed, not whole
                assert health.equity >= health.le
                await on.pass_time(1)
                await until(lambda: booked(liquidator))
                totals = liquidator.runtime.store.totals()
                assert totals.profit > 0
                assert totals.gas_wei > 0
                earned, _ = await on.health(account_id(key(LIQUIDATOR).address))
                assert earned.quote == totals.profit
            await books_hold(on)

    asyncio.run(scenario())


async def booked(liquidator: Liquidate) -> bool:
    totals = liquidator.runtime.store.totals()
    return totals.events >= 1 and totals.included >= 1


def test_liquidate__two_at_once__one_wins_and_the_other_backs_off(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            first, second = settings(node), settings(node, RIVAL)
            async with (
                running(first, bot(first)) as winner,
                running(second, bot(second)) as loser,
            ):
                await on.pass_time(10)
                await on.publish(ETH=2_940)
                await on.pass_time(10)
                # both see the price in one block and send into the next one
                await on.publish_next(ETH=2_885)
                await until(lambda: all_sent(winner, loser))
                await on.rpc.request("evm_mine")
                await on.rpc.request("evm_setAutomine", True)
                await until(cured(on, account))
                await until(lambda: one_each(winner, loser))
                for each in (winner, loser):
                    assert len(each.runtime.sender.flights) <= 1
                failed = [each.runtime.store.totals().failed for each in (winner, loser)]
                assert sorted(failed) == [0, 1]
            await books_hold(on)

    asyncio.run(scenario())


def test_liquidate__two_that_know_each_other__only_whose_turn_it_is_sends(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = [settings(node, each, stagger_s=0.05) for each in (LIQUIDATOR, RIVAL)]
            async with (
                running(chosen[0], bot(chosen[0])) as one,
                running(chosen[1], bot(chosen[1])) as other,
            ):
                for each in (one, other):
                    for keeper in (LIQUIDATOR, RIVAL):
                        each.turns.acted(key(keeper).address, 1)
                first, second = sorted((one, other), key=lambda b: b.turns.place(account))
                looks = watched(second)
                await on.pass_time(10)
                await on.publish(ETH=2_940)
                await on.pass_time(10)
                await on.publish_next(ETH=2_885)
                await until(lambda: all_sent(first))
                await until(lambda: seen(looks, {account}))
                await on.rpc.request("evm_mine")
                await on.rpc.request("evm_setAutomine", True)
                await until(cured(on, account))
                await until(lambda: booked(first))
                assert second.runtime.store.totals().failed == 0
                assert not second.runtime.sender.flights

    asyncio.run(scenario())


def test_liquidate__whose_turn_it_is_is_gone__the_next_acts_in_the_same_block(
    node: Node,
) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = settings(node, stagger_s=0.05)
            async with running(chosen, bot(chosen)) as liquidator:
                turns = liquidator.turns
                gone = iter(range(1, 1_000))
                while not turns.place(account):
                    turns.acted(f"0x{next(gone):040x}", 1)
                await on.pass_time(10)
                await on.publish(ETH=2_940)
                await on.pass_time(10)
                await on.publish_next(ETH=2_885)
                block = (await on.rpc.head()).number
                await until(lambda: all_sent(liquidator))
                assert (await on.rpc.head()).number == block
                assert turns.place(account) == 0  # it is forgotten
                await on.rpc.request("evm_setAutomine", True)
                await on.pass_time(1)
                await until(cured(on, account))

    asyncio.run(scenario())


def watched(liquidator: Liquidate) -> list[set[int]]:
    """Return what the liquidator sees others have waiting, look by look."""
    looks: list[set[int]] = []
    look = liquidator.planner.underway

    async def noted(sender: str) -> set[int]:
        looks.append(await look(sender))
        return looks[-1]

    liquidator.planner.underway = noted  # type: ignore[method-assign]
    return looks


async def seen(looks: list[set[int]], wanted: set[int]) -> bool:
    return wanted in looks


async def all_sent(*bots: Liquidate) -> bool:
    return all(each.runtime.sender.flights for each in bots)


async def one_each(*bots: Liquidate) -> bool:
    totals = [each.runtime.store.totals() for each in bots]
    return sum(each.included for each in totals) == 1 and sum(each.failed for each in totals) == 1


def test_liquidate__websocket_cut__acts_on_what_it_missed(node: Node) -> None:
    async def scenario() -> None:
        proxy = Proxy(node.ws)
        async with world(node) as on, proxy.serve() as address:
            account = await weak_trader(on)
            chosen = settings(node, ws=address)
            async with running(chosen, bot(chosen)) as liquidator:
                proxy.refusing = True
                proxy.cut()
                await until(lambda: cut_off(liquidator))
                other = await weak_trader(on, OTHER_TRADER)  # an account it has never heard of
                await crash(on)
                proxy.refusing = False
                await until(cured(on, account))
                await until(cured(on, other))
                await until(lambda: reconnected(proxy))
                assert len(liquidator.mirror.book.accounts) >= 2

    asyncio.run(scenario())


async def reconnected(proxy: Proxy) -> bool:
    return proxy.connections >= 2


async def cut_off(liquidator: Liquidate) -> bool:
    return not liquidator.stream.alive


def test_liquidate__reorg_drops_it__liquidates_again(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = settings(node, confirmations=20)
            async with running(chosen, bot(chosen)) as liquidator:
                await on.pass_time(10)
                await on.publish(ETH=2_940)
                await on.pass_time(10)
                await on.publish(ETH=2_885)
                await until(cured(on, account))
                await until(lambda: booked(liquidator))
                first = (await on.rpc.head()).number
                # the block with the liquidation is replaced by an empty one
                await on.rpc.request("anvil_reorg", 1, [])
                assert not await cured(on, account)()
                await on.pass_time(1)
                await until(cured(on, account))
                assert (await on.rpc.head()).number > first
                await until(lambda: booked(liquidator))
                assert liquidator.runtime.metrics.rewinds._value.get() >= 1
            await books_hold(on)

    asyncio.run(scenario())


def test_liquidate__nobody_mines_it__replaces_at_the_same_nonce(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = settings(node)
            async with running(chosen, bot(chosen)) as liquidator:
                await on.pass_time(10)
                await on.publish(ETH=2_940)
                await on.pass_time(10)
                await on.publish_next(ETH=2_885)
                await until(lambda: all_sent(liquidator))
                flight = next(iter(liquidator.runtime.sender.flights.values()))
                await until(lambda: replaced(flight))
                for old, new in pairwise(flight.versions):
                    assert new.nonce == old.nonce
                    assert new.fees.max_fee * 10 >= old.fees.max_fee * 11
                    assert new.fees.tip * 10 >= old.fees.tip * 11
                await on.rpc.request("evm_mine")
                await until(cured(on, account))
                await until(lambda: booked(liquidator))
                assert flight.outcome.result().hash == flight.versions[-1].hash

    asyncio.run(scenario())


def test_liquidate__pool_drops_it__sends_again(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = settings(node)
            async with running(chosen, bot(chosen)) as liquidator:
                await on.pass_time(10)
                await on.publish(ETH=2_940)
                await on.pass_time(10)
                await on.publish_next(ETH=2_885)
                await until(lambda: all_sent(liquidator))
                flight = next(iter(liquidator.runtime.sender.flights.values()))
                await on.rpc.request("anvil_dropTransaction", flight.versions[-1].hash)
                await until(lambda: handed_back(flight))
                await on.rpc.request("evm_setAutomine", True)
                await on.pass_time(1)
                await until(cured(on, account))

    asyncio.run(scenario())


async def replaced(flight: Flight) -> bool:
    return len(flight.versions) >= 2


async def handed_back(flight: Flight) -> bool:
    return flight.outcome.done()


def test_liquidate__debt_against_collateral__takes_a_slice_over(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            buyer = await on.deposit(LIQUIDATOR, 200_000)
            account = await indebted(on)
            chosen = settings(node, min_profit_usd=-1_000)
            async with running(chosen, bot(chosen)) as liquidator:
                await on.move("ETH", 1_310)
                # the price that it planned for may be gone when its call is mined: go on
                await until(lambda: cured_in_time(on, account))
                await on.pass_time(1)
                await until(lambda: booked(liquidator))
                held, health = await on.health(buyer)
                assert held.holdings
                assert health.equity >= health.im
            await books_hold(on)

    asyncio.run(scenario())


async def cured_in_time(on: World, account: int) -> bool:
    await on.pass_time(5)
    await on.publish()
    await asyncio.sleep(0.1)
    return await cured(on, account)()


def test_liquidate__capital_too_small__flags_and_waits(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await indebted(on)
            chosen = settings(node, take=False, min_profit_usd=-1_000)
            async with running(chosen, bot(chosen)):
                await on.move("ETH", 1_310)

                async def flagged() -> bool:
                    found, _ = await on.health(account)
                    return found.in_auction

                await until(flagged)
                assert not await cured(on, account)()

    asyncio.run(scenario())


def test_liquidate__closed_at_a_loss_with_cents_left__settles(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await spent(on)
            chosen = settings(node)
            async with running(chosen, bot(chosen)):
                await on.pass_time(10)
                await on.publish()

                async def settled() -> bool:
                    found, health = await on.health(account)
                    return found.quote == 0 and not health.under_mm

                await until(settled)
                found, _ = await on.health(account)
                assert not found.in_auction
            await books_hold(on)

    asyncio.run(scenario())


async def spent(on: World) -> int:
    """Leave a trader with a closed loss and less than the dollar that its quote reserves."""
    account = await on.deposit(TRADER, 80)
    await on.open(TRADER, "ETH", 0.4)
    for _ in range(3):
        # the close costs a dollar and some cents
        _, health = await on.health(account)
        left = health.equity / WAD - 1.6
        await on.move("ETH", round(on.prices["ETH"] - left / 0.4, 2))
    await on.open(TRADER, "ETH", -0.4)
    found, health = await on.health(account)
    assert (found.legs, found.quote < 0 < found.cash, health.under_mm) == ((), True, True)
    assert 0 < health.equity < WAD
    return account


def test_simulate__gain_that_no_pot_can_pay__is_refused_until_somebody_has_paid(
    node: Node,
) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            winner = await on.deposit(TRADER, 10_000)
            await on.open(TRADER, "ETH", 4)
            await on.move("ETH", 3_100)
            await on.open(TRADER, "ETH", -4)
            chosen = settings(node)
            async with running(chosen, bot(chosen)) as liquidator:
                sender = liquidator.runtime.signer.address
                wanted = [Settle(winner, 0)]
                now = await on.now()
                assert await liquidator.planner.simulate(wanted, now, sender) == ["pot"]
                pool = account_id(on.deployment.address("LiquidityPool"))
                await on.act(TRADER, "Clearinghouse", "settle", pool)
                assert await liquidator.planner.simulate(wanted, now, sender) == [None]

    asyncio.run(scenario())


def test_liquidate__inventory__is_offered_to_the_pool(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await on.deposit(LIQUIDATOR, 20_000)
            await on.open(LIQUIDATOR, "ETH", 2)
            chosen = settings(node)
            async with running(chosen, bot(chosen)):
                await on.pass_time(1)
                await on.publish()
                found = await committed(on)
                assert (found["account"], found["size"], found["reduce_only"]) == (
                    account,
                    -2 * 10**18,
                    True,
                )

    asyncio.run(scenario())


def test_quick_reduce__same_state__is_near_the_contracts_own_plan(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            await crash(on)
            chosen = settings(node)
            runtime = await Runtime.open(chosen)
            try:
                liquidator = Liquidate(runtime, chosen)
                await liquidator.load(await on.rpc.head())
                mirror = liquidator.mirror
                pool = liquidator.planner.pool(mirror.book)
                assert pool is not None
                (candidate,) = mirror.book.scan(mirror.snapshot())
                (case,) = await liquidator.planner.cases([candidate])
                leg = candidate.account.legs[0]
                terms = pool.terms[leg.market]
                skew = -pool.size(leg.instrument)
                lots = fewest(candidate.account, leg, skew, mirror.snapshot(), terms)
                target = case.reduces[0].target
                assert candidate.account.id == account
                assert abs(lots - target) * 200 < target  # within half a percent
            finally:
                await runtime.close()

    asyncio.run(scenario())


def simulated(liquidator: Liquidate) -> list[int]:
    """Return the accounts whose actions the chain is asked about from now on, as they come."""
    asked: list[int] = []
    simulate = liquidator.planner.simulate

    async def noted(actions: list[Action], now: int, sender: str) -> list[str | None]:
        asked.extend(action.account for action in actions)
        return await simulate(actions, now, sender)

    liquidator.planner.simulate = noted
    return asked


def test_liquidate__mirror_is_trusted__sends_without_asking(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = settings(node)
            async with running(chosen, bot(chosen)) as liquidator:
                asked = simulated(liquidator)
                await crash(on)
                await until(cured(on, account))
                assert asked == []

    asyncio.run(scenario())


def test_liquidate__mirror_is_not_trusted__simulates_first(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = settings(node, dash=False)
            async with running(chosen, bot(chosen)) as liquidator:
                asked = simulated(liquidator)
                await crash(on)
                await until(cured(on, account))
                assert asked == [account]
            await books_hold(on)

    asyncio.run(scenario())


def test_liquidate__mirror_lost_an_account__the_lens_finds_it(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = settings(node, audit_s=0.3)
            async with running(chosen, bot(chosen)) as liquidator:
                # as if every event about the account had been lost
                liquidator.mirror.book.replace(
                    each
                    for each in list(liquidator.mirror.book.accounts.values())
                    if each.id != account
                )
                await crash(on)
                await until(cured(on, account))
                assert liquidator.runtime.metrics.failures.labels("mirror")._value.get() == 1

    asyncio.run(scenario())
