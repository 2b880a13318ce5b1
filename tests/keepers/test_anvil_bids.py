"""The liquidator and makers' bids on a real node: brought, preferred to a take, left alone."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from keepers.bots.liquidate import Liquidate
from keepers.chain.abi import interface
from keepers.client import Client
from keepers.domain.exchange_orders import Leg, SignedOrder, line
from keepers.domain.liquidation import Action, Close
from keepers.domain.profits import CLOSE
from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.domain.words import account_id, perp
from tests.keepers.anvil_world import LIQUIDATOR, Node, World, key
from tests.keepers.bidding import MAKER, Sunk, bid, healthy, refresh, sunk
from tests.keepers.bot_runs import books_hold, running, until, world
from tests.keepers.facts import ETH
from tests.keepers.liquidating import bot, settings
from tests.keepers.options_world import engine_health, storm
from tests.keepers.user_runs import user

pytestmark = pytest.mark.anvil


async def closes(on: World) -> list[dict[str, object]]:
    """Return what the Exchange said of closes, in order."""
    closed = interface("Exchange").events["Closed"]
    last = (await on.rpc.head()).number
    logs = await on.rpc.logs([on.deployment.address("Exchange")], 0, last, [closed.topic])
    return [dict(closed.decode(each.topics, each.data)) for each in logs]


async def size_of(on: World, account: int) -> int:
    (held,) = await on.reader.accounts([account])
    return sum(leg.size for leg in held.options)


@contextlib.asynccontextmanager
async def process(node: Node, *arguments: str) -> AsyncIterator[None]:
    """Run `plimsoll liquidate` as a process of its own, ended by its id."""
    command = ["-m", "keepers.cli", "liquidate", "--rpc", node.http, "--deployment"]
    command += [str(node.path), "--key", f"test:{LIQUIDATOR}", *arguments]
    running_one = await asyncio.create_subprocess_exec(sys.executable, *command)
    try:
        yield
        assert running_one.returncode is None
    finally:
        running_one.terminate()
        await running_one.wait()


def test_liquidate__bid_in_a_folder__a_process_flags_and_closes_against_it(
    node: Node, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with scene(node) as (on, maker):
            found = await sunk(on)
            order = await bid(maker, found, percent=5)
            made = folder(tmp_path, order)
            before = await engine_health(on, found.writer)
            size = await size_of(on, found.writer)
            async with process(node, "--no-take", "--bids", str(made)):
                await until(lambda: brought(on, found, 10), 40)
            after = await engine_health(on, found.writer)
            assert after.equity >= after.mm
            assert after.equity * before.mm >= before.equity * after.mm
            closed = await size_of(on, found.writer) - size
            assert closed > 0  # short, and less so
            assert await size_of(on, found.maker) == -closed
            (told,) = await closes(on)
            assert told["account"] == found.writer
            assert told["maker"] == found.maker
            assert int(str(told["caller"]), 16) == int(key(LIQUIDATOR).address, 16)
            # 5 % of MM is what 30 live seconds concede
            assert 5 * WAD // 100 <= int(str(told["concession"])) < 25 * WAD // 100
            await books_hold(on)

    asyncio.run(scenario())


async def caught_up(liquidator: Liquidate, now: int) -> bool:
    """Return whether a liquidator has looked at everything as it was at a time."""
    return liquidator.mirror.now >= now and not liquidator.wake.is_set()


async def brought(on: World, found: Sunk, seconds: int) -> bool:
    """Let time pass, with prices, until something is closed."""
    if await closes(on):
        return True
    await refresh(on, found, seconds)
    await asyncio.sleep(0.3)
    return False


def folder(tmp_path: Path, *orders: SignedOrder) -> Path:
    made = tmp_path / "bids"
    made.mkdir(exist_ok=True)
    (made / "orders").write_text("".join(f"{line(each)}\n" for each in orders), encoding="utf-8")
    return made


@contextlib.asynccontextmanager
async def scene(node: Node, number: int = MAKER) -> AsyncIterator[tuple[World, Client]]:
    """Open the moves on the node, and the client of a user."""
    async with world(node) as on, user(node, number, lifetime_s=86_400) as client:
        yield on, client


@contextlib.asynccontextmanager
async def bringing(node: Node, made: Path, **given: object) -> AsyncIterator[Liquidate]:
    """Run a liquidator that finds bids in a folder, and takes nothing unless told to."""
    chosen = settings(node, bids=(str(made),), bids_poll_s=0.1, **{"take": False, **given})
    async with running(chosen, bot(chosen)) as liquidator:
        assert isinstance(liquidator, Liquidate)
        yield liquidator


def test_liquidate__bid_cheaper_than_a_take__is_brought_and_counted(
    node: Node, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with scene(node) as (on, maker):
            await on.deposit(LIQUIDATOR, 300_000)
            found = await sunk(on)
            dear = await bid(maker, found, percent=40)
            # five dollars better than the mark: the account gains, whatever the clock says
            (leg,) = (await bid(maker, found)).order.legs
            cheap = await maker.sign_order(
                replace(
                    dear.order,
                    nonce=1,
                    legs=(replace(leg, price=leg.price - 5 * TICKS_PER_USD),),
                )
            )
            made = folder(tmp_path, dear, cheap)
            async with bringing(node, made, take=True) as liquidator:
                await until(lambda: brought(on, found, 5), 40)
                (told,) = await closes(on)
                assert told["price"] == cheap.order.legs[0].price
                assert (await engine_health(on, found.writer)).equity > 0

                async def counted() -> bool:
                    text = liquidator.runtime.metrics.text().decode()
                    return 'plimsoll_sent_total{kind="close"} 1.0' in text and (
                        'plimsoll_closed_usd_total{what="released"}' in text
                    )

                await until(counted)
                assert "plimsoll_bids 2.0" in liquidator.runtime.metrics.text().decode()
            (held,) = await on.reader.accounts([account_id(key(LIQUIDATOR).address)])
            assert held.options == ()
            await books_hold(on)

    asyncio.run(scenario())


def test_liquidate__own_bid__is_brought_where_it_pays_and_earns_to_the_wei(
    node: Node, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with scene(node, LIQUIDATOR) as (on, mine):
            own = await on.deposit(LIQUIDATOR, 300_000)
            found = await sunk(on)
            order = await bid(mine, found, percent=5)
            made = folder(tmp_path, order)
            async with bringing(node, made) as liquidator:
                await until(lambda: brought(on, found, 10), 40)
                await until(lambda: explained(on, liquidator, own))
                (deal, _) = liquidator.earnings.lines(liquidator.mirror.snapshot())
                assert (deal.kind, deal.target) == (CLOSE, found.writer)
                # what was bid above the mark, which is some hundred dollars
                assert deal.reward > 50 * WAD
                assert deal.fee > 0
                assert deal.gas_wei > 0
                gain = deal.pay + deal.reward - deal.fee - deal.slippage + deal.drift
                assert gain == deal.profit
                totals = liquidator.runtime.store.totals()
                assert totals.profit > 50 * WAD
            await books_hold(on)

    asyncio.run(scenario())


def test_liquidate__own_bid_for_a_perp__earns_to_the_wei_too(node: Node, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(node, LIQUIDATOR) as (on, mine):
            own = await on.deposit(LIQUIDATOR, 300_000)
            found = await healthy(on, perp=4)
            await storm(on, found.hours, 2_300, 1.2)
            leg = Leg(perp(ETH), 2 * LOTS_PER_UNIT)
            drawn = await mine.draw_bid(found.writer, leg, conceded=4 * WAD // 100)
            made = folder(tmp_path, await mine.sign_order(drawn))
            async with bringing(node, made, min_profit_usd=-100) as liquidator:
                await until(lambda: brought(on, found, 10), 40)
                await until(lambda: explained(on, liquidator, own))
                (deal, _) = liquidator.earnings.lines(liquidator.mirror.snapshot())
                (told,) = await closes(on)
                assert (deal.kind, told["instrument"]) == (CLOSE, perp(ETH))
                assert deal.reward > 0  # bought below the price
                gain = deal.pay + deal.reward - deal.fee - deal.slippage + deal.drift
                assert gain == deal.profit
            await books_hold(on)

    asyncio.run(scenario())


async def explained(on: World, liquidator: Liquidate, own: int) -> bool:
    """Return whether all profits are the equity, to the wei, gas booked."""
    await on.pass_time(1)
    (held,) = await on.reader.accounts([own])
    await liquidator.mirror.refresh()
    await liquidator.mirror.mark(held)
    liquidator.mirror.now = await on.now()
    lines = liquidator.earnings.lines(liquidator.mirror.snapshot())
    if not liquidator.earnings.journal.holds(held) or len(lines) != 2 or not lines[0].gas_wei:
        return False  # its last events are on their way
    worth = (await engine_health(on, own)).equity
    return sum(line.profit for line in lines) == worth


def test_liquidate__bids_of_another__cost_gas_that_a_line_says(node: Node, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(node) as (on, maker):
            found = await sunk(on)
            made = folder(tmp_path, await bid(maker, found))
            async with bringing(node, made) as liquidator:
                await until(lambda: brought(on, found, 5), 40)

                async def booked() -> bool:
                    await on.pass_time(1)
                    (line, _) = liquidator.earnings.lines(liquidator.mirror.snapshot())
                    return line.gas_wei > 0

                await until(booked)
                (deal, _) = liquidator.earnings.lines(liquidator.mirror.snapshot())
                assert (deal.kind, deal.target, deal.profit) == (CLOSE, found.writer, 0)

    asyncio.run(scenario())


def test_liquidate__bids_that_no_contract_would_take__are_left_and_the_clock_runs(
    node: Node, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with scene(node) as (on, maker):
            found = await sunk(on)
            good = (await bid(maker, found)).order
            (leg,) = good.legs
            mark = (await maker.marks(found.option))[found.option]
            band = replace(leg, price=mark.high + 100 * TICKS_PER_USD)
            orders = [
                await maker.sign_order(replace(good, nonce=1, legs=(band,))),
                await maker.sign_order(replace(good, nonce=2, deadline=await on.now() + 2)),
                await maker.sign_order(replace(good, nonce=3, takes=True)),
                await maker.sign_order(replace(good, nonce=4, fee_cap=0)),
                replace(await maker.sign_order(good), signature=b"\x02" * 65),
                await bid(maker, found, percent=60),
            ]
            await maker.send(await maker.cancel_signed(5))
            orders.append(await maker.sign_order(replace(good, nonce=5)))
            made = folder(tmp_path, *orders)
            async with bringing(node, made) as liquidator:
                for _ in range(8):
                    await refresh(on, found, 4)
                    now = await on.now()
                    await until(lambda now=now: caught_up(liquidator, now))
                assert await closes(on) == []
                (held,) = await on.reader.accounts([found.writer])
                assert held.in_auction
                said = liquidator.runtime.metrics.text().decode()
                for reason in ("wrong roles", "bad signature"):
                    assert f'{{reason="exchange: {reason}"}} 1.0' in said
                assert 'kind="close"' not in said
            await books_hold(on)

    asyncio.run(scenario())


def test_liquidate__cheapest_maker_cannot_carry_it__the_next_bid_is_brought(
    node: Node, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with scene(node) as (on, maker):
            found = await sunk(on)
            await on.deposit(MAKER, 50, index=1)
            good = await bid(maker, found)
            (leg,) = good.order.legs
            # nothing of it could be carried
            poor = replace(
                good.order,
                account=found.maker + 1,
                nonce=1,
                legs=(replace(leg, price=leg.price - 10 * TICKS_PER_USD),),
            )
            made = folder(tmp_path, await maker.sign_order(poor), good)
            async with bringing(node, made):
                await until(lambda: brought(on, found, 5), 40)
            (told,) = await closes(on)
            assert told["maker"] == found.maker
            await books_hold(on)

    asyncio.run(scenario())


def test_liquidate__order_that_a_simulation_refuses__rests_while_the_next_goes(
    node: Node, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with scene(node) as (on, maker):
            found = await sunk(on)
            good = await bid(maker, found)
            (leg,) = good.order.legs
            cheap = await maker.sign_order(
                replace(good.order, nonce=1, legs=(replace(leg, price=leg.price - 10**10),))
            )
            made = folder(tmp_path, cheap, good)
            async with bringing(node, made) as liquidator:
                simulate, refused = liquidator.planner.simulate, []

                async def strict(actions: list[Action], now: int, sender: str) -> list[str | None]:
                    said = await simulate(actions, now, sender)
                    for place, action in enumerate(actions):
                        if isinstance(action, Close) and action.order == cheap:
                            said[place] = "options: cap"
                            refused.append(action)
                    return said

                liquidator.planner.simulate = strict
                await until(lambda: brought(on, found, 5), 40)
            (told,) = await closes(on)
            assert told["price"] == leg.price
            assert refused

    asyncio.run(scenario())
