"""The client on a real node: every action, and its preview held against what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from keepers.chain.abi import interface
from keepers.client import Client, SyncClient
from keepers.domain.amounts import units
from keepers.domain.tickets import State
from keepers.domain.units import WAD
from keepers.domain.words import account_id, perp
from keepers.errors import BadInput, KeeperError, Reverted
from tests.keepers.anvil_world import (
    DEPLOYER,
    LIQUIDATOR,
    OTHER_TRADER,
    TRADER,
    Node,
    World,
    key,
)
from tests.keepers.bot_runs import books_hold, world
from tests.keepers.user_runs import assert_happened, keepers_at_work, settings, still, user

pytestmark = pytest.mark.anvil

ETH = perp(1)
LOTS = 10**8
USD = 10**6
ETHER = 10**18


def scenario(
    node: Node, act: Callable[[World, Client], Awaitable[None]], actor: int = TRADER
) -> None:
    """Run a scene with the moves of the world and one actor's client."""

    async def whole() -> None:
        async with world(node) as on, user(node, actor, wait_s=0.0) as client:
            await act(on, client)
            await books_hold(on)

    asyncio.run(whole())


async def fill(on: World, client: Client, size: int) -> None:
    """Trade ETH at the next price."""
    done = await client.send(await client.trade(ETH, size))
    await on.pass_time(3)
    await on.publish()
    await on.act(DEPLOYER, "Orders", "execute", done.plan.orders[0].struct)


def test_round_trip__keepers_at_work__money_comes_back_less_costs(node: Node) -> None:
    async def act() -> int:
        async with user(node) as client:
            await client.send(await client.deposit(5_000 * USD, "USDC", minting=True))
            bought = await client.send(await client.trade(ETH, 2 * LOTS))
            sold = await client.send(await client.close_leg(ETH))
            states = [bought.tickets[0].state, sold.tickets[0].state]
            assert states == [State.EXECUTED] * 2
            assert bought.tickets[0].price > sold.tickets[0].price
            await client.send(await client.settle())
            await client.send(await client.withdraw(None, "USDC"))
            account = client.desk.account()
            assert (await client.look(0)).accounts[account].legs == ()
            spread = 2 * LOTS * (bought.tickets[0].price - sold.tickets[0].price)
            cost = spread + bought.tickets[0].fee + sold.tickets[0].fee
            left = await client.desk.balance(client.desk.deployment.settlement.address)
            return 5_000 * WAD - left * 10**12 - cost

    with keepers_at_work(node):
        lost = asyncio.run(act())
    # what is neither spread nor fee: funding of some seconds, and less than an atom left behind
    assert 0 <= lost < WAD // 1_000


def test_plans__deposit_transfer_withdraw_settle__happen_to_the_wei(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        await client.send(await client.deposit(9_000 * USD, "USDC", minting=True))
        await fill(on, client, 3 * LOTS)
        await on.move("ETH", 2_950)
        async with still(on):
            plans = (
                lambda: client.deposit(2 * ETHER, "WETH", minting=True),
                lambda: client.settle(),
                lambda: client.transfer(ETHER // 2, "WETH", 1),
                lambda: client.transfer(1_000 * USD, "USDC", 1),
                lambda: client.withdraw(ETHER // 4, "WETH"),
                lambda: client.withdraw(None, "USDC"),
                lambda: client.settle(1),
                lambda: client.withdraw(None, "USDC", 1),
            )
            for make in plans:
                plan = await make()
                done = await client.send(plan)
                await assert_happened(on, *plan.changes, *done.changes)

    scenario(node, act)


def test_deposit__over_the_soft_cap__im_after_is_exact(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        await client.send(await client.deposit(50_000 * USD, "USDC", minting=True))
        await fill(on, client, 3 * LOTS)
        async with still(on):
            into = await client.deposit(15_000 * ETHER, "WETH", minting=True)
            await client.send(into)
            await assert_happened(on, *into.changes)
            out = await client.withdraw(6_000 * ETHER, "WETH")
            assert out.changes[0].health_after.im != out.changes[0].health_before.im
            await client.send(out)
            await assert_happened(on, *out.changes)

    scenario(node, act)


@pytest.mark.parametrize("size", [2 * LOTS, -3 * LOTS, LOTS * 4 // 3])
def test_plans__trade_then_close__happen_to_the_wei(node: Node, size: int) -> None:
    async def act(on: World, client: Client) -> None:
        await client.send(await client.deposit(9_000 * USD, "USDC", minting=True))

        async def follow(first: Callable[[], Awaitable[object]]) -> None:
            done = await client.send(await first())  # type: ignore[arg-type]
            await on.pass_time(3)
            await on.publish()
            async with still(on):
                # the same order planned at the second and the price at which it is filled
                plan = await first()
                await on.act(DEPLOYER, "Orders", "execute", done.plan.orders[0].struct)
                await assert_happened(on, *plan.changes)  # type: ignore[attr-defined]
                ticket = await client.ticket(done.plan.orders[0])
                assert ticket.state is State.EXECUTED

        await follow(lambda: client.trade(ETH, size))
        await follow(lambda: client.close_all())

    scenario(node, act)


def test_close_all__two_positions__two_orders_with_one_result(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        await on.deposit(TRADER, 20_000)
        await on.open(TRADER, "ETH", 2)
        await on.open(TRADER, "BTC", -0.1)
        done = await client.send(await client.close_all())
        assert len(done.plan.orders) == len(done.tickets) == 2
        await on.pass_time(3)
        await on.publish()
        async with still(on):
            plan = await client.close_all()
            for order in done.plan.orders:
                await on.act(DEPLOYER, "Orders", "execute", order.struct)
            assert plan.changes[0].after.legs == ()
            await assert_happened(on, *plan.changes)

    scenario(node, act)


def test_settle__gain_beyond_the_pot__is_collected_from_the_pool(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        await on.deposit(TRADER, 10_000)
        await on.open(TRADER, "ETH", 5)
        await on.move("ETH", 3_100)
        async with still(on):
            plan = await client.settle()
            change = plan.changes[0]
            assert change.health_before.unsettled > 400 * WAD
            assert change.after.cash > 10_400 * WAD
            await client.send(plan)
            await assert_happened(on, change)

    scenario(node, act)


# ---- orders that are not filled


def test_cancel__no_price_seen_yet__reserve_comes_back(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        await on.deposit(TRADER, 10_000)
        await on.publish()
        async with still(on):
            done = await client.send(await client.trade(ETH, LOTS))
            (order,) = done.plan.orders
            held = await wei(on)
            back = await client.send(await client.take_back(order.id))
            assert await wei(on) == held + order.reserve - back.outcomes[0].gas_wei
        ticket = await client.ticket(order)
        assert (ticket.state, ticket.said) == (State.CLOSED, "closed without a fill (cancelled)")
        with pytest.raises(Reverted, match="unknown order"):
            await client.cancel(order.id)

    scenario(node, act)


def test_refund__deadline_over__reserve_comes_back(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        await on.deposit(TRADER, 10_000)
        await on.publish()
        done = await client.send(await client.trade(ETH, LOTS))
        (order,) = done.plan.orders
        with pytest.raises(Reverted, match="wait for its deadline"):
            await client.send(await client.refund(order.id))
        await on.pass_time(400)
        assert (await client.ticket(order)).state is State.DEAD
        held = await wei(on)
        plan = await client.take_back(order.id)
        assert plan.action == "refund"
        back = await client.send(plan)
        assert await wei(on) == held + order.reserve - back.outcomes[0].gas_wei
        assert (await client.ticket(order)).said == "closed without a fill (expired)"

    scenario(node, act)


def test_wait__price_passed_without_a_fill__says_so_at_once(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        await on.deposit(TRADER, 10_000)
        await on.publish()
        plan = await client.trade(ETH, LOTS, limit=client.ticks("2900"))
        assert any("limit is better than the price" in note for note in plan.notes)
        done = await client.send(plan)
        assert "no price was published 2 s or more after it yet" in done.tickets[0].said
        for seconds, expected in ((3, "nobody has filled it yet"), (6, "can no longer be filled")):
            await on.pass_time(seconds)
            await on.publish()
            assert expected in (await client.ticket(done.plan.orders[0])).said

    scenario(node, act)


def test_trade__deadline__is_the_orders_and_held_to_a_day(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        await on.deposit(TRADER, 10_000)
        await on.publish()
        now = (await on.rpc.head()).time
        (order,) = (await client.trade(ETH, LOTS)).orders
        assert order.deadline - now == client.desk.settings.lifetime_s
        plan = await client.trade(ETH, LOTS, deadline=now + 60)
        assert plan.orders[0].deadline == now + 60
        await client.send(plan, wait_s=0)
        for wrong in (now, now + 2 * 86_400):
            with pytest.raises(Reverted, match="orders: bad deadline"):
                await client.send(await client.trade(ETH, LOTS, deadline=wrong))

    scenario(node, act)


def test_close__deadline__is_every_orders(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        await on.deposit(TRADER, 10_000)
        for market in ("ETH", "BTC"):
            await on.open(TRADER, market, 1 if market == "ETH" else 0.05)
        until = (await on.rpc.head()).time + 77
        for plan in (await client.close_all(0, until), await client.close_leg(ETH, 0, until)):
            assert {order.deadline for order in plan.orders} == {until}

    scenario(node, act)


async def wei(on: World) -> int:
    asked = (key(TRADER).address, "latest")
    return int(await on.rpc.request("eth_getBalance", *asked), 16)


# ---- keepers by hand


async def weak(on: World) -> int:
    """Return another trader's account under maintenance."""
    account = await on.deposit(OTHER_TRADER, 6_300, ether=1)
    await on.open(OTHER_TRADER, "ETH", 40)
    await on.move("ETH", 2_830)
    return account


def test_take__part_and_its_rest__happen_to_the_wei(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        target = await weak(on)
        await on.deposit(LIQUIDATOR, 100_000)
        async with still(on):
            plan = await client.take(target)
            assert 0 < plan.changes[0].after.legs[0].size < 40 * LOTS
            await client.send(plan)
            await assert_happened(on, *plan.changes)
            assert plan.changes[1].health_after.equity >= plan.changes[1].health_after.le

    scenario(node, act, LIQUIDATOR)


def test_take__limit_and_deadline__bind_the_payment_and_the_time(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        target = await weak(on)
        await on.deposit(LIQUIDATOR, 100_000)
        async with still(on):
            free = await client.take(target)
            payment = wad(free.facts["payment_usd"])
            assert wad(free.facts["limit_usd"]) > payment > 0
            with pytest.raises(KeeperError, match=r"costs .* USD now, above the .*; wait, since"):
                await client.take(target, max_payment=payment - 1)
            late = await client.take(target, deadline=(await on.rpc.head()).time - 1)
            with pytest.raises(Reverted, match="liquidator: expired"):
                await client.send(late)
            await client.send(await client.take(target, max_payment=payment))

    scenario(node, act, LIQUIDATOR)


def wad(text: str) -> int:
    return units(text, 18, "USD")


def test_reduce__planned__happens_to_the_wei(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        target = await weak(on)
        async with still(on):
            plan = await client.reduce(target, ETH)
            await client.send(plan)
            await assert_happened(on, *plan.changes)
            assert plan.changes[1].health_after.equity > 0

    scenario(node, act, LIQUIDATOR)


def test_flag__under_maintenance__starts_the_clock(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        target = await weak(on)
        await client.send(await client.flag(target))
        assert (await on.health(target))[0].in_auction

    scenario(node, act, LIQUIDATOR)


def test_take__refusals__are_sentences(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        healthy = await on.deposit(TRADER, 1_000)
        await on.open(TRADER, "ETH", 1)
        with pytest.raises(Reverted, match="not below mm"):
            await client.take(healthy)
        with pytest.raises(Reverted, match="not below mm"):
            await client.reduce(healthy, ETH)
        target = await weak(on)
        with pytest.raises(KeeperError, match="below its initial margin; deposit more first"):
            await client.take(target)
        with pytest.raises(Reverted, match="no such leg"):
            await client.reduce(target, perp(2))

    scenario(node, act, LIQUIDATOR)


# ---- the pool


def test_lp__deposit_then_redeem__pays_after_the_cooldown(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        done = await client.send(await client.lp_deposit(1_000 * USD, minting=True))
        (request,) = done.requests
        assert [each.id for each in (await client.lp_status()).requests] == [request]
        with pytest.raises(KeeperError, match=r"not served yet \(pool: price too early\)"):
            await client.serve(request)
        await on.pass_time(3)
        await on.publish()
        assert await client.serve(request) is not None
        assert await client.serve(request) is None
        found = await client.lp_status()
        assert (found.requests, found.worth) == ((), 1_000 * USD)

        back = (await client.send(await client.lp_redeem(None))).requests[0]
        with pytest.raises(KeeperError, match="cooldown"):
            await client.serve(back)
        await on.pass_time(86_400)
        await on.publish()
        async with still(on):
            plan = await client.lp_execute(back)
            await client.send(plan)
            await assert_happened(on, *plan.changes)
        token = on.deployment.settlement.address
        assert await client.desk.balance(token) == 1_000 * USD

    scenario(node, act, LIQUIDATOR)


# ---- approvals, keys, the sync twin


def test_deposit__allowance_left_over__is_taken_back_and_set_exactly(node: Node) -> None:
    async def act(on: World, client: Client) -> None:
        await client.send(await client.mint(100 * USD, "USDC"))
        token = on.deployment.settlement
        await client.send(await client.deposit(40 * USD, "USDC"))
        assert await client.desk.approvals(token, "Clearinghouse", 60 * USD) != []
        spender = on.deployment.address("Clearinghouse")
        approve = (await client.desk.approvals(token, "Clearinghouse", 10 * USD))[-1]
        assert client.wallet is not None
        await client.wallet.send(approve)
        plan = await client.deposit(60 * USD, "USDC")
        assert [step.key for step in plan.steps] == [
            "approve 0 USDC",
            "approve 60 USDC",
            "deposit 60 USDC",
        ]
        await client.send(plan)
        asked = ("allowance", key(TRADER).address, spender)
        left = await on.rpc.call(token.address, interface("ERC20").encode(*asked))
        assert int.from_bytes(left, "big") == 0

    scenario(node, act)


def test_client__without_a_key__plans_and_simulates_but_does_not_send(node: Node) -> None:
    async def act() -> None:
        async with world(node) as on:
            await on.deposit(TRADER, 100)
        chosen = settings(node, key="")
        async with await Client.open(chosen, key(TRADER).address) as client:
            plan = await client.withdraw(10 * USD, "USDC")
            assert (await client.simulate(plan)).total > 40_000
            with pytest.raises(BadInput, match="no key to send with"):
                await client.send(plan)

    asyncio.run(act())


def test_sync_client__deposit__is_the_same(node: Node) -> None:
    with SyncClient(settings(node)) as client:
        plan = client.deposit(client.atoms("USDC", "12.5"), "USDC", minting=True)
        done = client.send(plan)
        assert len(done.outcomes) == 3
        account = account_id(key(TRADER).address)
        assert client.look(0).accounts[account].cash == 12_500_000 * 10**12
