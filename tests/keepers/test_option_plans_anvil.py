"""Options for users on a real node: signed orders, modes, expiry; previews against the chain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from keepers.chain.exchange_plans import Wish
from keepers.chain.option_reading import ScenarioTable, option_account
from keepers.chain.plans import Change
from keepers.client import Client, SyncClient
from keepers.domain.amounts import units, written_wad
from keepers.domain.exchange_orders import Leg, line, read
from keepers.domain.instruments import series_of
from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.domain.words import Account, account_id, perp
from keepers.errors import BadInput, KeeperError, Reverted
from tests.keepers.anvil_world import DEPLOYER, LIQUIDATOR, OTHER_TRADER, TRADER, Node, World, key
from tests.keepers.bot_runs import books_hold, world
from tests.keepers.named_options import CALL, FUTURE, PUT, expiry_of, fund, id_of, publish
from tests.keepers.options_world import short_puts, storm
from tests.keepers.user_runs import settings, still, user

pytestmark = pytest.mark.anvil

ETH = perp(1)
DEEP = f"{FUTURE}-2800-C"  # in the money
MAKER = account_id(key(OTHER_TRADER).address)
TAKER = account_id(key(TRADER).address)


def scenario(
    node: Node, act: Callable[[World, Client, Client], Awaitable[None]], usd: int = 50_000
) -> None:
    """Run a scene with a funded maker and a funded taker, prices and a surface of now."""

    async def whole() -> None:
        async with (
            world(node) as on,
            user(node, OTHER_TRADER, lifetime_s=86_400) as maker,
            user(node, TRADER) as taker,
        ):
            await fund(on, usd)
            await act(on, maker, taker)
            await books_hold(on)

    asyncio.run(whole())


async def assert_happened(on: World, *changes: Change) -> None:
    """Hold what a plan promised against the chain: words, legs and health, to the wei."""
    for change in changes:
        (whole,) = await on.reader.accounts([change.after.id])
        assert _sorted(whole) == _sorted(change.after)
        said = await on.stored_health(whole.id)
        after = change.health_after
        promised = (after.equity, after.unsettled, after.im, after.le, after.mm, after.kappa)
        assert said[:6] == promised


def _sorted(account: Account) -> tuple[object, ...]:
    legs = sorted((leg.instrument, leg.size) for leg in (*account.legs, *account.options))
    held = sorted((each.collateral, each.amount) for each in account.holdings)
    return account.id, account.cash, account.quote, legs, held, account.portfolio, account.engaged


async def offered(maker: Client, *legs: str, wish: Wish = Wish()) -> str:  # noqa: B008
    """Return an order of the maker as the line that is handed over."""
    drawn = await maker.draw([maker.leg(each) for each in legs], wish=wish)
    return line(await maker.sign_order(drawn))


@pytest.mark.parametrize("portfolio", [False, True])
def test_fill__limit_order_in_parts__happens_to_the_wei(node: Node, portfolio: bool) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        if portfolio:
            await taker.send(await taker.set_mode(True))
        text = await offered(maker, f"{CALL}:-10@250")
        async with still(on):
            for size, left in ((4, 6), (None, 0)):
                lots = None if size is None else size * LOTS_PER_UNIT
                plan = await taker.fill(read(text), size=lots)
                done = await taker.send(plan)
                await assert_happened(on, *plan.changes, *done.changes)
                assert (await taker.standing(read(text))).remaining == left * LOTS_PER_UNIT
        # premium: what the taker paid for all of it, and the fee is at most what the plans said
        held = (await taker.look(0)).accounts[TAKER]
        assert (held.options[0].instrument, held.options[0].size) == (
            id_of(CALL),
            10 * LOTS_PER_UNIT,
        )
        assert held.cash == (50_000 - 2_500) * WAD

    scenario(node, act)


def test_fill__package_at_a_net_price__maker_gets_it_to_a_tick(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        legs = (f"{CALL}:-3", f"{PUT}:2", f"{FUTURE}:-1.5")
        marks = await maker.marks(*(id_of(each) for each in (CALL, PUT, FUTURE)))
        sizes = {CALL: -3, PUT: 2, FUTURE: -1.5}
        worth = sum(
            int(size * LOTS_PER_UNIT) * marks[id_of(each)].mark for each, size in sizes.items()
        )
        net = worth + 7 * WAD + 12_345
        text = await offered(maker, *legs, wish=Wish(net=net, counterparty=key(TRADER).address))
        async with still(on):
            plan = await taker.fill(read(text))
            await taker.send(plan)
            await assert_happened(on, *plan.changes)
        cost = -units(plan.facts["pays_usd"].removeprefix("-"), 18, "USD")
        if plan.facts["pays_usd"].startswith("-"):
            cost = -cost
        assert 0 <= net - cost < 15 * LOTS_PER_UNIT // 10  # a tick of the smallest leg

    scenario(node, act)


def test_fill__perp_as_large_as_its_cap_half__counts_the_open_interest(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        plain = (await taker.what_if([taker.leg("ETH-PERP:6000@3000")])).changes[0].health_after
        text = await offered(maker, "ETH-PERP:-6000@3000")
        async with still(on):
            plan = await taker.fill(read(text))
            assert plan.changes[0].health_after.im > plain.im
            await taker.send(plan)
            await assert_happened(on, *plan.changes)
            back = await taker.fill(read(await offered(maker, "ETH-PERP:2500@2999")))
            await taker.send(back)
            await assert_happened(on, *back.changes)

    scenario(node, act, usd=8_000_000)


def test_fill__quote_for_somebody_else__is_refused_before_it_is_sent(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        stranger = Wish(counterparty=key(DEPLOYER).address)
        text = await offered(maker, f"{CALL}:-1@250", wish=stranger)
        with pytest.raises(KeeperError, match="is for 0x"):
            await taker.fill(read(text))
        with pytest.raises(KeeperError, match="accounts belong to one owner"):
            await maker.fill(read(await offered(maker, f"{CALL}:-1@250")))

    scenario(node, act)


def test_fill__two_signed_orders__anybody_brings_them(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        rests = read(await offered(maker, f"{CALL}:-3@250", f"{PUT}:-3@180"))
        legs = [taker.leg(f"{CALL}:3@260"), taker.leg(f"{PUT}:3@180")]
        takes = await taker.sign_order(await taker.draw(legs, wish=Wish(takes=True)))
        async with user(on.node, DEPLOYER) as keeper, still(on):
            plan = await keeper.fill(rests, taker=takes)
            await keeper.send(plan)
            await assert_happened(on, *plan.changes)
        assert (await taker.standing(takes)).state == "spent"

    scenario(node, act)


def test_standing__order_of_every_state__says_it(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        given = read(await offered(maker, f"{CALL}:-2@250"))
        assert (await taker.standing(given)).state == "open"
        await taker.send(await taker.fill(given, size=LOTS_PER_UNIT))
        assert (await taker.standing(given)).state == "partly filled"
        forged = replace(given, order=replace(given.order, nonce=given.order.nonce ^ 1))
        assert (await taker.standing(forged)).state == "not signed"
        with pytest.raises(KeeperError, match="has not signed"):
            await taker.fill(forged)
        await maker.send(await maker.cancel_signed(given))
        assert (await taker.standing(given)).state == "spent"
        with pytest.raises(KeeperError, match="filled or cancelled"):
            await taker.fill(given)
        with pytest.raises(BadInput, match="not yours"):
            await taker.cancel_signed(given)
        await on.pass_time(86_401)
        assert (await taker.standing(forged)).state == "over"

    scenario(node, act)


def test_cancel__nonces_of_two_words__are_spent_in_two_calls(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        plan = await maker.cancel_signed(5, 7, 600)
        assert len(plan.steps) == 2
        await maker.send(plan)
        for nonce, state in ((5, "spent"), (6, "open"), (600, "spent")):
            text = await offered(maker, f"{CALL}:-1@250", wish=Wish(nonce=nonce))
            assert (await taker.standing(read(text))).state == state

    scenario(node, act)


def test_outlook__order_beyond_its_margin__says_what_is_missing(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        drawn = await maker.draw([maker.leg(f"{CALL}:-2000@250")])
        plan = await maker.outlook(drawn)
        found = plan.changes[0].health_after
        missing = f"{written_wad(found.im - found.equity)} USD of initial margin are missing"
        assert missing in plan.notes[0]
        with pytest.raises(Reverted, match="options: margin"):
            await taker.send(
                await taker.fill(await maker.sign_order(drawn), size=LOTS_PER_UNIT * 2_000)
            )

    scenario(node, act, usd=600_000)


def test_draw__prices_that_do_not_fit__are_refused(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        for legs, wish, said in (
            ([f"{CALL}:1"], Wish(), "has no price"),
            ([f"{CALL}:1@200", f"{PUT}:1"], Wish(net=1), "beside the net price"),
            ([f"{CALL}:1@200"], Wish(deadline=1), "is over"),
        ):
            with pytest.raises(BadInput, match=said):
                await maker.draw([maker.leg(each) for each in legs], wish=wish)

    scenario(node, act)


# ---- modes, what would be, expiry


def test_set_mode__there_and_back__happens_to_the_wei(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        await taker.send(await taker.fill(read(await offered(maker, f"{CALL}:-5@250"))))
        async with still(on):
            for portfolio in (True, False):
                plan = await maker.set_mode(portfolio)
                assert plan.changes[0].health_after.im != plan.changes[0].health_before.im
                await maker.send(plan)
                await assert_happened(on, *plan.changes)
        with pytest.raises(BadInput, match="is under standard margin"):
            await maker.set_mode(False)
        with pytest.raises(BadInput, match="not yours"):
            await taker.set_mode(True, MAKER)

    scenario(node, act)


def test_what_if__then_done__was_right_to_the_wei(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        await maker.send(await maker.set_mode(True))
        async with still(on):
            legs = [maker.leg(f"{CALL}:-4@250"), maker.leg(f"{FUTURE}:2@3005")]
            said = (await taker.what_if(legs, MAKER)).changes[0]
            text = await offered(maker, f"{CALL}:-4@250", f"{FUTURE}:2@3005")
            plan = await taker.fill(read(text))
            await taker.send(plan)
            (_, did) = plan.changes
            fee = did.before.quote - did.after.quote - 2 * LOTS_PER_UNIT * 3_005 * TICKS_PER_USD
            assert 0 < fee < 20 * WAD
            assert said.health_after.equity - did.health_after.equity == fee
            assert said.health_after.im == did.health_after.im
            assert said.health_after.mm == did.health_after.mm

    scenario(node, act)


def test_money__account_with_options__plans_happen_to_the_wei(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        await taker.send(await taker.fill(read(await offered(maker, f"{CALL}:-5@250"))))
        await taker.send(await taker.fill(read(await offered(maker, f"{FUTURE}:2@3010"))))
        async with still(on):
            for make in (
                lambda: maker.deposit(10**18, "WETH", minting=True),
                lambda: maker.transfer(100 * 10**6, "USDC", 1),
                lambda: maker.settle(losers=[TAKER]),
                lambda: maker.withdraw(5_000 * 10**6, "USDC"),
                lambda: maker.trade(ETH, LOTS_PER_UNIT),
            ):
                plan = await make()
                done = await maker.send(plan, wait_s=0)
                if plan.action != "trade":
                    await assert_happened(on, *plan.changes, *done.changes)

    scenario(node, act)


def test_move__account_with_options__leaves_them_and_fold_refuses(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        await taker.send(await taker.fill(read(await offered(maker, f"{CALL}:-2@250"))))
        await on.open(OTHER_TRADER, "ETH", 1)
        await publish(on)
        async with still(on):
            await maker.send(await maker.transfer(2_000 * 10**6, "USDC", 1))
            plan = await maker.move(1, {ETH: LOTS_PER_UNIT // 2})
            done = await maker.send(plan)
            await assert_happened(on, *plan.changes, *done.changes)
        with pytest.raises(BadInput, match="which do not move to another account"):
            await maker.fold(0, 1)

    scenario(node, act)


def test_greeks__account_with_options__are_those_of_the_lens(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        await on.deposit(OTHER_TRADER, 1_000, ether=3)
        text = await offered(maker, f"{CALL}:-10@250", f"{PUT}:4@230", f"{FUTURE}:2@3010")
        await taker.send(await taker.fill(read(text)))
        async with still(on):
            await on.rpc.request("evm_mine")
            found = (await maker.greeks())[1]
            told = (await option_account(on.reader, MAKER)).markets[0].greeks
        assert found.delta == pytest.approx(told.delta / LOTS_PER_UNIT, rel=1e-7)
        assert found.gamma == pytest.approx(told.gamma / LOTS_PER_UNIT, rel=1e-5)
        assert found.vega == pytest.approx(told.vega / WAD, rel=1e-7)
        assert found.theta == pytest.approx(told.theta / WAD, rel=1e-7)

    scenario(node, act)


def test_scan__book_as_it_is__has_the_rows_of_the_lens(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        await on.deposit(OTHER_TRADER, 1_000, ether=3)
        await maker.send(await maker.set_mode(True))
        assert (await maker.scan(0)) == ScenarioTable(0, (), ())
        later = "ETH-26JAN24-3500-C"
        await publish(on, CALL, later, "BTC-29DEC23")
        text = await offered(
            maker, f"{CALL}:-10@250", f"{PUT}:4@230", f"{later}:3@260", "BTC-29DEC23:-0.2@60100"
        )
        await taker.send(await taker.fill(read(text)))
        await on.open(OTHER_TRADER, "ETH", 1)
        async with still(on):
            await on.rpc.request("evm_mine")
            found = await maker.scan()
            told = (await option_account(on.reader, MAKER)).scenarios
        assert found is not None
        assert [each.market for each in found.markets] == [1, 2]
        assert [each.rows for each in found.markets] == [each.rows for each in told.markets]
        assert (found.scan, found.groups) == (told.scan, told.groups)
        assert await taker.scan() is None

    scenario(node, act, usd=80_000)


def test_take__account_with_options__leaves_what_was_planned(node: Node) -> None:
    async def act(on: World) -> None:
        writer, _, option = await short_puts(on)
        await on.deposit(LIQUIDATOR, 300_000)
        await storm(on, series_of(option)[1], 2_400, 1.2)
        async with user(node, LIQUIDATOR) as client, still(on):
            await client.send(await client.flag(writer))
            plan = await client.take(writer)
            await client.send(plan)
            await assert_happened(on, *plan.changes)

    async def whole() -> None:
        async with world(node) as on:
            await act(on)
            await books_hold(on)

    asyncio.run(whole())


def test_settle_expired__price_written__pays_both_sides_what_was_planned(node: Node) -> None:
    async def act(on: World, maker: Client, taker: Client) -> None:
        await taker.send(await taker.fill(read(await offered(maker, f"{DEEP}:-5@450"))))
        with pytest.raises(BadInput, match="nothing that has expired"):
            await taker.settle_expired()
        await on.pass_time(expiry_of(DEEP) - await on.now() - 1_900)
        await on.publish()
        await taker.send(await taker.observe(id_of(DEEP)))
        while await on.now() <= expiry_of(DEEP):
            await on.pass_time(110)
            await on.publish()
            if await on.now() > expiry_of(DEEP):
                with pytest.raises(KeeperError, match="settlement price is not written yet"):
                    await taker.settle_expired()
            await taker.send(await taker.observe(id_of(DEEP)))
        with pytest.raises(BadInput, match="settled at 3000 USD"):
            await taker.observe(id_of(FUTURE))
        async with still(on):
            for account, paid in ((MAKER, "-1000"), (TAKER, "1000")):
                plan = await taker.settle_expired(account)
                assert plan.facts["paid_usd"] == paid  # 5 x (3,000 - 2,800)
                await taker.send(plan)
                await assert_happened(on, *plan.changes)
                assert plan.changes[0].after.options == ()

    scenario(node, act)


def test_sync_client__signs_shows_and_fills(node: Node) -> None:
    async def prices() -> None:
        async with world(node) as on:
            await fund(on, 20_000)

    asyncio.run(prices())
    with (
        SyncClient(settings(node, OTHER_TRADER)) as maker,
        SyncClient(settings(node, TRADER)) as taker,
    ):
        offer = maker.draw([Leg(id_of(CALL), -LOTS_PER_UNIT, 250 * TICKS_PER_USD)])
        given = maker.sign_order(offer)
        done = taker.send(taker.fill(given))
        assert done.changes[0].after.options[0].size == LOTS_PER_UNIT
        assert taker.standing(given).state == "spent"
