"""Bids for liquidations on a real node: written, brought, refused; previews against the chain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from keepers.chain.abi import interface
from keepers.chain.exchange_plans import Wish
from keepers.chain.plans import Change
from keepers.client import Client, SyncClient
from keepers.domain.exchange_orders import ANYONE, Leg, Order, SignedOrder
from keepers.domain.units import LOTS_PER_UNIT, WAD
from keepers.domain.words import perp
from keepers.errors import BadInput, KeeperError, Reverted
from tests.keepers.anvil_world import LIQUIDATOR, TRADER, Node, World, key
from tests.keepers.bidding import MAKER, Sunk, bid, fallen, flagged, healthy, refresh, sunk
from tests.keepers.bot_runs import books_hold, world
from tests.keepers.facts import ETH
from tests.keepers.options_world import storm
from tests.keepers.user_runs import settings, still, user

pytestmark = pytest.mark.anvil

Act = Callable[[World, Client, Client, Sunk], Awaitable[None]]


def scenario(node: Node, act: Act, sinks: bool = True, hedge: float = 0) -> None:
    """Run a scene with a writer, a maker, and somebody who brings orders; prove the books.

    Args:
        node: to play on.
        act: the scene.
        sinks: whether the writer is under MM.
        hedge: units of a perp that the writer holds besides.
    """

    async def whole() -> None:
        async with (
            world(node) as on,
            user(node, MAKER, lifetime_s=86_400) as maker,
            user(node, LIQUIDATOR) as bringer,
        ):
            found = await (sunk(on) if sinks and not hedge else healthy(on, hedge))
            if hedge:
                await storm(on, found.hours, 2_300, 1.2)
            await act(on, maker, bringer, found)
            await books_hold(on)

    asyncio.run(whole())


async def assert_happened(on: World, *changes: Change) -> None:
    """Hold what a plan promised against the chain: money, legs and health, to the wei."""
    for change in changes:
        (whole,) = await on.reader.accounts([change.after.id])
        promised, legs = change.after, lambda each: sorted((*each.legs, *each.options), key=str)
        assert (whole.cash, whole.quote, whole.flags) == (
            promised.cash,
            promised.quote,
            promised.flags,
        )
        assert legs(whole) == legs(promised)
        after = change.health_after
        sums = (after.equity, after.unsettled, after.im, after.le, after.mm, after.kappa)
        assert (await on.stored_health(whole.id))[:6] == sums


# ---- brought


@pytest.mark.parametrize(
    ("percent", "units"), [(0, 0), (5, 0), (9.99, 3), (0, 0.5)], ids=["mark", "5", "9.99", "part"]
)
def test_close_against__bid_that_the_clock_concedes__happens_to_the_wei(
    node: Node, percent: float, units: float
) -> None:
    async def act(on: World, maker: Client, bringer: Client, found: Sunk) -> None:
        await flagged(on, found)  # 60 live seconds: 10 %
        async with still(on):
            order = await bid(maker, found, units, percent)
            preview = await maker.outlook_bid(order.order, found.writer)
            plan = await bringer.close_against(found.writer, order)
            await bringer.send(plan)
            await assert_happened(on, *plan.changes)
        account, other = plan.changes
        before, after = account.health_before, account.health_after
        assert after.mm < before.mm
        assert after.equity * before.mm >= before.equity * after.mm
        cost, released = before.equity - after.equity, before.mm - after.mm
        lots = abs(account.after.options[0].size - account.before.options[0].size)
        assert lots == (round(units * LOTS_PER_UNIT) or lots)
        # priced for the leg as it was bid for, of which perhaps less is needed; what the scan
        # rounds away of a mark is next to nothing
        assert abs(cost * 100 - released * percent) <= released / 10**3
        assert (other.after.id, plan.facts["pay_usd"]) == (found.maker, "0")
        assert preview.steps == ()
        if not units:
            assert before.le > after.equity >= after.mm  # enough, and not one lot too many
            assert (after.le - after.equity) * 20 < before.le - before.equity

    scenario(node, act)


def test_close_against__two_bids__are_brought_one_after_the_other(node: Node) -> None:
    async def act(on: World, maker: Client, bringer: Client, found: Sunk) -> None:
        await flagged(on, found)
        async with still(on):
            first = await bid(maker, found, 2, 1)
            second = await bid(maker, found, 3, 2)
            plan = await bringer.close_against(found.writer, first, second)
            assert [plan.facts["size_1"], plan.facts["size_2"]] == ["2", "3"]
            cost = await bringer.simulate(plan)
            assert all(each and each < 700_000 for each in cost.gas)
            await bringer.send(plan)
            await assert_happened(on, *plan.changes)
            left = await bringer.standing(second)
        assert left.state == "spent"

    scenario(node, act)


def test_close_against__leg_of_the_core__moves_the_perp_to_the_wei(node: Node) -> None:
    async def act(on: World, maker: Client, bringer: Client, found: Sunk) -> None:
        await flagged(on, found)
        async with still(on):
            # long, and so is the risk of short puts: the maker buys it
            leg = Leg(perp(ETH), 2 * LOTS_PER_UNIT)
            drawn = await maker.draw_bid(found.writer, leg, conceded=4 * WAD // 100)
            assert drawn.legs[0].size == leg.size
            plan = await bringer.close_against(found.writer, await maker.sign_order(drawn))
            await bringer.send(plan)
            await assert_happened(on, *plan.changes)

    scenario(node, act, hedge=4)


def test_sync_client__draws_signs_and_brings__as_the_other_one(node: Node) -> None:
    found = fallen(node)
    with SyncClient(settings(node, MAKER)) as maker:
        drawn = maker.draw_bid(found.writer, Leg(found.option, LOTS_PER_UNIT), conceded=WAD // 50)
        signed = maker.sign_order(drawn)
        assert len(maker.outlook_bid(drawn, found.writer).changes) == 2
    with SyncClient(settings(node, LIQUIDATOR)) as bringer:
        done = bringer.send(bringer.close_against(found.writer, signed))
    assert [each.after.id for each in done.changes] == [found.writer, found.maker]


# ---- a bid


def test_draw_bid__any_concession__stays_inside_the_band(node: Node) -> None:
    async def act(on: World, maker: Client, bringer: Client, found: Sunk) -> None:
        mark = (await maker.marks(found.option))[found.option]
        drawn = await maker.draw_bid(found.writer, Leg(found.option, 0), conceded=WAD)
        assert drawn.legs[0].price == mark.high
        assert drawn.counterparty == ANYONE
        now = await maker.draw_bid(found.writer, Leg(found.option, 0))
        assert (now.legs[0].size, now.legs[0].instrument) == (-40 * LOTS_PER_UNIT, found.option)
        # nobody has flagged it: at the mark, up to what the scan rounds
        assert abs(now.legs[0].price - mark.mark) * 10**6 < mark.mark
        (note,) = (await maker.outlook_bid(drawn, found.writer)).notes
        assert "it would not close now" in note
        for leg in (Leg(found.option, 41 * LOTS_PER_UNIT), Leg(perp(ETH), 0)):
            with pytest.raises(BadInput, match="holds"):
                await maker.draw_bid(found.writer, leg)

    scenario(node, act)


# ---- refused


async def refused_by_both(
    on: World, bringer: Client, found: Sunk, order: SignedOrder, lots: int | None, reason: str
) -> None:
    """Hold the preview's reason against the contract's."""
    with pytest.raises(Reverted) as said:
        await bringer.close_against(found.writer, order, size=lots)
    assert said.value.reason == reason
    assert str(said.value).endswith(".")
    data = interface("Exchange").encode(
        "close", found.writer, order.struct, order.order.size if lots is None else lots
    )
    with pytest.raises(Reverted) as told:
        await on.rpc.call(on.deployment.address("Exchange"), data)
    assert told.value.reason == reason


async def signed(maker: Client, drawn: Order, **changed: object) -> SignedOrder:
    return await maker.sign_order(replace(drawn, **changed))  # type: ignore[arg-type]


def test_close_against__what_the_contracts_refuse__is_said_with_their_reason(node: Node) -> None:
    async def act(on: World, maker: Client, bringer: Client, found: Sunk) -> None:
        await flagged(on, found)
        async with still(on):
            drawn = await maker.draw_bid(found.writer, Leg(found.option, 0), conceded=WAD // 20)
            (leg,) = drawn.legs
            mark = (await maker.marks(found.option))[found.option]
            lot = 5 * LOTS_PER_UNIT

            def at(price: int, size: int = -lot) -> dict[str, object]:
                return {"legs": (replace(leg, price=price, size=size),)}

            dear = await maker.draw_bid(
                found.writer, Leg(found.option, lot), conceded=11 * WAD // 100
            )
            cases = [
                (await signed(maker, drawn, **at(mark.high + 1)), None, "exchange: off the mark"),
                (await signed(maker, drawn, **at(mark.low - 1)), None, "exchange: off the mark"),
                (await signed(maker, dear), None, "options: cost"),
                (await signed(maker, drawn, takes=True), lot, "exchange: wrong roles"),
                (await signed(maker, drawn, fee_cap=0), lot, "exchange: fee cap"),
                (await signed(maker, drawn, reduce_only=True), lot, "exchange: not reducing"),
                (
                    await signed(maker, drawn, counterparty=key(MAKER).address),
                    lot,
                    "exchange: counterparty",
                ),
                (await signed(maker, drawn, **at(mark.mark, lot)), lot, "options: not reducing"),
                (
                    await signed(maker, drawn, **at(mark.mark, -40 * lot)),
                    40 * LOTS_PER_UNIT,
                    "options: overshoot",
                ),
                (await signed(maker, drawn), 0, "exchange: no size"),
                (
                    await signed(maker, drawn, legs=(Leg(perp(ETH), lot, 1), leg)),
                    lot,
                    "exchange: one leg",
                ),
            ]
            for order, lots, reason in cases:
                size = lots if lots is not None else lot
                await refused_by_both(on, bringer, found, order, size, reason)

    scenario(node, act)


def test_close_against__order_of_the_accounts_own_owner__is_refused(node: Node) -> None:
    async def act(on: World, maker: Client, bringer: Client, found: Sunk) -> None:
        async with user(node, TRADER) as owner:
            drawn = await maker.draw_bid(found.writer, Leg(found.option, 0))
            own = replace(drawn, account=found.writer + 1, counterparty=ANYONE)
            order = await owner.sign_order(own)
        lots = LOTS_PER_UNIT
        await refused_by_both(on, bringer, found, order, lots, "exchange: same owner")

    scenario(node, act)


def test_close_against__account_that_stands_well__is_refused(node: Node) -> None:
    async def act(on: World, maker: Client, bringer: Client, found: Sunk) -> None:
        await refresh(on, found, volatility=0.6)
        order = await bid(maker, found)
        for lots in (None, LOTS_PER_UNIT):
            await refused_by_both(on, bringer, found, order, lots, "options: not below mm")

    scenario(node, act, sinks=False)


def test_close_against__leg_that_hedges_the_rest__is_no_better(node: Node) -> None:
    async def act(on: World, maker: Client, bringer: Client, found: Sunk) -> None:
        await flagged(on, found)
        async with still(on):
            leg = Leg(perp(ETH), LOTS_PER_UNIT)
            drawn = await maker.draw_bid(found.writer, leg, conceded=0)
            order = await maker.sign_order(drawn)
            await refused_by_both(on, bringer, found, order, LOTS_PER_UNIT, "options: not better")

    scenario(node, act, hedge=-3)


def test_close_against__over_spent_or_unsigned__is_said(node: Node) -> None:
    async def act(on: World, maker: Client, bringer: Client, found: Sunk) -> None:
        drawn = await maker.draw_bid(
            found.writer, Leg(found.option, LOTS_PER_UNIT), conceded=0, wish=Wish(nonce=7)
        )
        order = await maker.sign_order(drawn)
        forged = replace(order, order=replace(drawn, nonce=8))
        with pytest.raises(KeeperError, match="has not signed"):
            await bringer.close_against(found.writer, forged)
        with pytest.raises(BadInput, match="are left of the order"):
            await bringer.close_against(found.writer, order, size=2 * LOTS_PER_UNIT)
        with pytest.raises(BadInput, match="no order was named"):
            await bringer.close_against(found.writer)
        await maker.send(await maker.cancel_signed(7))
        with pytest.raises(KeeperError, match="filled or cancelled"):
            await bringer.close_against(found.writer, order)
        late = await maker.sign_order(replace(drawn, nonce=9))
        await on.pass_time(86_400 + 1)
        await on.publish()
        data = interface("Exchange").encode("close", found.writer, late.struct, LOTS_PER_UNIT)
        with pytest.raises(Reverted) as said:
            await on.rpc.call(on.deployment.address("Exchange"), data)
        with pytest.raises(Reverted) as ours:
            await bringer.close_against(found.writer, late)
        assert said.value.reason == ours.value.reason == "exchange: expired"

    scenario(node, act)


def test_close_against__makers_margin_is_short__the_simulation_says_so(node: Node) -> None:
    async def act(on: World, maker: Client, bringer: Client, found: Sunk) -> None:
        await flagged(on, found)
        poor = await on.deposit(MAKER, 100, index=1)
        async with still(on):
            leg = Leg(found.option, 5 * LOTS_PER_UNIT)
            drawn = await maker.draw_bid(found.writer, leg, account=1, conceded=0)
            assert drawn.account == poor
            (note,) = (await maker.outlook_bid(drawn, found.writer)).notes
            assert "options: margin" in note
            plan = await bringer.close_against(found.writer, await maker.sign_order(drawn))
            with pytest.raises(Reverted) as said:
                await bringer.simulate(plan)
        assert said.value.reason == "options: margin"

    scenario(node, act)
