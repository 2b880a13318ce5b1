"""Batches, isolated positions, moves and operators on a real node, held to the wei."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from eth_abi.abi import encode

from keepers.chain.deployment import Deployment, Token
from keepers.chain.proving import prove, require
from keepers.chain.reading import Reader
from keepers.client import Client
from keepers.domain import grants
from keepers.domain.batches import Deposit, Transfer, Withdraw
from keepers.domain.tickets import State
from keepers.domain.units import WAD
from keepers.domain.words import account_id, perp
from keepers.errors import BadInput, KeeperError, Reverted
from scripts.deployment import artifacts
from tests.keepers.anvil_world import DEPLOYER, OTHER_TRADER, TRADER, Node, World, key
from tests.keepers.bot_runs import books_hold, world
from tests.keepers.user_runs import assert_happened, still, user

pytestmark = pytest.mark.anvil

ETH, BTC = perp(1), perp(2)
LOTS = 10**8
USD = 10**6
ETHER = 10**18
OWNER = account_id(key(TRADER).address)
FRIEND = key(OTHER_TRADER).address

Scene = Callable[[World, Client, Client], Awaitable[None]]


def scenario(node: Node, act: Scene) -> None:
    """Run a scene with an owner's client and that of a friend; the books are proved after it."""

    async def whole() -> None:
        async with (
            world(node) as on,
            user(node, TRADER, wait_s=0.0) as owner,
            user(node, OTHER_TRADER, wait_s=0.0) as friend,
        ):
            await act(on, owner, friend)
            await books_hold(on)

    asyncio.run(whole())


async def fill(on: World, client: Client, plan_orders: tuple[object, ...]) -> None:
    """Fill orders at the next price."""
    await on.pass_time(3)
    await on.publish()
    for order in plan_orders:
        await on.act(DEPLOYER, "Orders", "execute", order.struct)  # type: ignore[attr-defined]


# ---- several accounts


def test_plans__batch_isolate_move_fold__happen_to_the_wei(node: Node) -> None:
    async def act(on: World, owner: Client, _: Client) -> None:
        await on.deposit(TRADER, 20_000, ether=3)
        await on.open(TRADER, "ETH", 3)
        await on.give(TRADER, "USDC", 500 * USD, "Clearinghouse")
        await on.move("ETH", 2_950)
        async with still(on):
            plan = await owner.batch(
                [
                    Deposit(500 * USD, "USDC"),
                    Transfer(2_000 * USD, "USDC", to=1),
                    Transfer(ETHER, "WETH", to=1),
                    Withdraw(100 * USD, "USDC", account=1),
                ]
            )
            done = await owner.send(plan)
            assert len(done.outcomes) == 1
            await assert_happened(on, *plan.changes, *done.changes)

            plan = await owner.move(1, {ETH: LOTS}, {"WETH": ETHER // 2})
            await owner.send(plan)
            await assert_happened(on, *plan.changes)

            plan = await owner.isolate(800 * USD, "USDC", ETH, -2 * LOTS, child=2)
            done = await owner.send(plan)
            assert done.changes[1].after.cash == 800 * WAD
            assert plan.changes[0].after.cash == done.changes[0].after.cash
        await fill(on, owner, plan.orders)
        assert (await owner.ticket(plan.orders[0])).state is State.EXECUTED

        async with still(on):
            for child in (1, 2):
                plan = await owner.fold(child)
                await owner.send(plan)
                await assert_happened(on, *plan.changes)
        (account,) = (await owner.look(0)).accounts.values()
        assert [leg.size for leg in account.legs] == [LOTS]

    scenario(node, act)


def test_isolate__more_than_its_funds_carry__is_refused(node: Node) -> None:
    async def act(on: World, owner: Client, _: Client) -> None:
        await on.deposit(TRADER, 20_000)
        await on.publish()
        with pytest.raises(KeeperError, match="margin does not carry it"):
            await owner.isolate(50 * USD, "USDC", ETH, 2 * LOTS, child=1)

    scenario(node, act)


def test_batch__only_its_half_would_fail__goes_through(node: Node) -> None:
    async def act(on: World, owner: Client, _: Client) -> None:
        await on.deposit(TRADER, 200, ether=1)
        await on.deposit(TRADER, 3_000, index=1)
        await on.open(TRADER, "ETH", 2)
        away = Transfer(ETHER, "WETH", to=1)
        with pytest.raises(Reverted, match="margin"):
            await owner.send(await owner.transfer(ETHER, "WETH", to=1))
        await owner.send(await owner.batch([away, Transfer(2_000 * USD, "USDC", to=0, account=1)]))

    scenario(node, act)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda c: c.batch([]), "0 actions are no batch"),
        (lambda c: c.batch([Transfer(1, "USDC", 1)] * 9), "9 actions are no batch"),
        (lambda c: c.batch([Deposit(1, "USDC", account=7 << 96)]), "is not yours"),
        (lambda c: c.isolate(USD, "USDC", ETH, LOTS, child=0), "the same account"),
        (lambda c: c.isolate(USD, "USDC", ETH, LOTS, child=7 << 96), "is not yours"),
        (lambda c: c.fold(7 << 96), "is not yours"),
        (lambda c: c.move(1, {ETH: LOTS}), "holds 0 ETH-PERP"),
        (lambda c: c.move(1), "nothing was named"),
        (lambda c: c.move(1, None, {"USDC": USD}), "is cash"),
        (lambda c: c.grant(c.named(FRIEND, ["trade"], account=7 << 96)), "is not yours"),
        (lambda c: c.sign_permit(c.named(FRIEND, ["trade"], account=7 << 96)), "is not yours"),
        (lambda c: c.deposit_with_permit(USD, "USDC", 7 << 96), "takes no permits"),
    ],
)
def test_input__that_makes_no_sense__is_one_sentence(
    node: Node, make: Callable[[Client], Awaitable[object]], said: str
) -> None:
    async def act() -> None:
        async with user(node, wait_s=0.0) as client:
            with pytest.raises(BadInput, match=said):
                await make(client)

    asyncio.run(act())


def test_close_all__two_positions__is_one_transaction(node: Node) -> None:
    async def act(on: World, owner: Client, _: Client) -> None:
        await on.deposit(TRADER, 20_000)
        await on.open(TRADER, "ETH", 2)
        await on.open(TRADER, "BTC", -0.1)
        done = await owner.send(await owner.close_all())
        assert (len(done.outcomes), len(done.tickets)) == (1, 2)
        await fill(on, owner, done.plan.orders)
        (account,) = (await owner.look(0)).accounts.values()
        assert account.legs == ()

    scenario(node, act)


# ---- operators


def test_operator__granted_to_trade_and_withdraw__acts_as_the_owner(node: Node) -> None:
    async def act(on: World, owner: Client, friend: Client) -> None:
        await on.deposit(TRADER, 9_000)
        await on.publish()
        wanted = owner.named(FRIEND, ["trade", "withdraw"], uses=4)
        with pytest.raises(Reverted, match="neither owns the account nor has a grant"):
            await friend.send(await friend.trade(ETH, LOTS, OWNER))
        await owner.send(await owner.grant(wanted))
        assert await friend.granted(FRIEND, OWNER) == wanted

        done = await friend.send(await friend.trade(ETH, LOTS, OWNER))
        await fill(on, friend, done.plan.orders)
        async with still(on):
            done = await friend.send(await friend.close_leg(ETH, OWNER))
            await friend.send(await friend.cancel(done.plan.orders[0].id))
            usdc = on.deployment.settlement.address
            before = await owner.desk.balance(usdc)
            plan = await friend.withdraw(100 * USD, "USDC", OWNER)
            await friend.send(plan)
            await assert_happened(on, *plan.changes)
            assert await owner.desk.balance(usdc) == before + 100 * USD
        assert (await owner.granted(FRIEND)).uses == 0
        with pytest.raises(BadInput, match="withdraws to the account's owner"):
            await friend.withdraw(USD, "USDC", OWNER, FRIEND)

        await owner.send(await owner.revoke(FRIEND))
        assert (await owner.granted(FRIEND)).scope == 0

    scenario(node, act)


def test_permit__handed_over_as_text__is_brought_once(node: Node) -> None:
    async def act(on: World, owner: Client, friend: Client) -> None:
        wanted = owner.named(FRIEND, ["receive"], uses=1)
        permit = grants.read(grants.written(await owner.sign_permit(wanted)))
        await friend.send(await friend.permit(permit))
        assert await owner.granted(FRIEND) == wanted
        with pytest.raises(Reverted, match="brought already"):
            await friend.send(await friend.permit(permit))

        late = await owner.sign_permit(wanted, nonce=7)
        await owner.send(await owner.cancel_permit(7))
        with pytest.raises(Reverted, match="cancelled it"):
            await friend.send(await friend.permit(late))

    scenario(node, act)


def test_move__to_somebody_who_agreed__takes_position_and_collateral(node: Node) -> None:
    async def act(on: World, owner: Client, friend: Client) -> None:
        await on.deposit(TRADER, 9_000, ether=1)
        await on.open(TRADER, "ETH", 2)
        receiver = await on.deposit(OTHER_TRADER, 9_000)
        agreed = friend.named(key(TRADER).address, ["receive"], uses=1)
        await friend.send(await friend.grant(agreed))
        async with still(on):
            plan = await owner.move(receiver, {ETH: 2 * LOTS}, {"WETH": ETHER})
            await owner.send(plan)
            await assert_happened(on, *plan.changes)
        await on.deposit(TRADER, 0, ether=1)
        with pytest.raises(Reverted, match="has a grant"):
            await owner.send(await owner.move(receiver, None, {"WETH": ETHER}))

    scenario(node, act)


# ---- deposits by permit


async def permit_token(on: World) -> Deployment:
    """List a collateral with ERC-2612, of which the trader holds one; return what there is then."""
    made = artifacts.of(artifacts.ROOT / "contracts/mocks/PermitToken.vy")
    data = "0x" + made.initcode + encode(["uint8"], [8]).hex()
    tx = {"from": key(DEPLOYER).address, "data": data, "gas": hex(5_000_000)}
    receipt = await on.landed(str(await on.rpc.request("eth_sendTransaction", tx)))
    address = str(receipt["contractAddress"])
    mint = bytes.fromhex("40c10f19") + encode(["address", "uint256"], [key(TRADER).address, 10**8])
    await on.send(DEPLOYER, address, mint)
    asked = (address, 2, WAD // 5, WAD // 10, 1_000, 1_000)
    await on.act(DEPLOYER, "Clearinghouse", "list_collateral", *asked)
    token = Token("PRM", address, 8, len(on.deployment.tokens))
    return replace(on.deployment, tokens={**on.deployment.tokens, "PRM": token})


def test_deposit_with_permit__token_that_has_it__is_one_transaction(node: Node) -> None:
    async def act() -> None:
        async with world(node) as on, user(node, wait_s=0.0) as owner:
            deployed = await permit_token(on)
            reader = Reader(on.rpc, deployed)
            owner.desk = replace(owner.desk, deployment=deployed, reader=reader)
            async with still(on):
                plan = await owner.deposit_with_permit(10**8, "PRM")
                assert len(plan.steps) == 1
                done = await owner.send(plan)
            assert done.changes[0].after.holdings == plan.changes[0].after.holdings
            assert done.changes[0].health_after == plan.changes[0].health_after
            assert await owner.desk.balance(deployed.token("PRM").address) == 0
            _, lines = await prove(on.rpc, deployed)
            require(lines)

    asyncio.run(act())


def test_deposit_with_permit__into_the_account_of_somebody_else__is_one_transaction(
    node: Node,
) -> None:
    async def act() -> None:
        async with (
            world(node) as on,
            user(node, wait_s=0.0) as giver,
            user(node, OTHER_TRADER, wait_s=0.0) as friend,
        ):
            deployed = await permit_token(on)
            reader = Reader(on.rpc, deployed)
            for each in (giver, friend):
                each.desk = replace(each.desk, deployment=deployed, reader=reader)
            theirs = account_id(FRIEND)
            with pytest.raises(Reverted, match="custody: not held"):
                await giver.send(await giver.deposit_with_permit(10**7, "PRM", theirs))
            # what they hold already anyone may add to
            minted = bytes.fromhex("40c10f19") + encode(["address", "uint256"], [FRIEND, 10**7])
            await on.send(DEPLOYER, deployed.token("PRM").address, minted)
            await friend.send(await friend.deposit_with_permit(10**7, "PRM"))
            async with still(on):
                plan = await giver.deposit_with_permit(2 * 10**7, "PRM", theirs)
                assert len(plan.steps) == 1
                done = await giver.send(plan)
            assert done.changes[0].after.holdings == plan.changes[0].after.holdings
            assert done.changes[0].after.holdings[0].amount == 3 * 10**7
            _, lines = await prove(on.rpc, deployed)
            require(lines)

    asyncio.run(act())


def test_deposit_with_permit__token_without_it__says_so(node: Node) -> None:
    async def act(on: World, owner: Client, _: Client) -> None:
        with pytest.raises(BadInput, match="takes no permits"):
            await owner.deposit_with_permit(USD, "USDC")
        # where the allowance is there already, none is asked for
        await on.give(TRADER, "USDC", 5 * USD, "Clearinghouse")
        plan = await owner.deposit_with_permit(5 * USD, "USDC")
        await owner.send(plan)
        await assert_happened(on, *plan.changes)

    scenario(node, act)
