"""The client: every user action of a deployment, planned first and sent when you say so.

    async with await Client.open(settings) as client:
        plan = await client.deposit(client.atoms("USDC", "1000"), "USDC")
        print(plan.changes[0].health_after.equity)  # nothing is sent yet
        await client.send(plan)

Amounts are atoms, sizes lots, prices ticks, equity WAD, all whole numbers; `atoms`, `lots` and
`ticks` read them from decimal strings exactly. An account is its owner's index (0, 1, …) or a whole
id. `SyncClient` is the same without async. Whatever fails is a `KeeperError`, one sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from keepers.bots.runtime import connect
from keepers.chain import exchange_plans, operator_plans, order_watch, pool_plans
from keepers.chain.actions import Actions
from keepers.chain.deployment import Deployment
from keepers.chain.desk import Desk
from keepers.chain.plans import Change, Cost, Done, Plan
from keepers.chain.pool_queue import PASSED
from keepers.chain.reading import Reader
from keepers.chain.rpc import Rpc
from keepers.chain.sender import Outcome
from keepers.chain.signer import load_signer
from keepers.chain.simulate import simulate
from keepers.chain.wallet import KeyWallet, TypedSigner, Wallet
from keepers.domain.exchange_orders import Order as Offer
from keepers.domain.exchange_orders import SignedOrder, typed_data
from keepers.domain.grants import FOREVER, Grant, Permit
from keepers.domain.orders import Order
from keepers.domain.tickets import State, Ticket
from keepers.errors import BadInput, KeeperError, Reverted
from keepers.settings import ClientSettings

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Client(Actions):
    """Plans and sends for one owner; without a wallet it plans and simulates only."""

    wallet: Wallet | None = None

    @classmethod
    async def open(cls, settings: ClientSettings, owner: str = "") -> Self:
        """Connect, check that node and deployment fit, and open the key of the settings, if any.

        Args:
            settings: where the chain is and who signs.
            owner: whose actions are planned while there is no key.
        """
        rpc, deployed = await connect(settings)
        try:
            wallet = None
            if settings.key or not owner:
                signer = load_signer(settings.key, deployed.chain_id, settings.password_file)
                wallet = KeyWallet(rpc, signer, deployed.chain_id, settings)
            return cls.over(rpc, deployed, settings, wallet, owner)
        except BaseException:
            await rpc.close()
            raise

    @classmethod
    def over(
        cls,
        rpc: Rpc,
        deployment: Deployment,
        settings: ClientSettings,
        wallet: Wallet | None,
        owner: str = "",
    ) -> Self:
        """Return a client over connections that are open already."""
        address = wallet.address if wallet is not None else owner
        desk = Desk(rpc, Reader(rpc, deployment), deployment, address, settings)
        return cls(desk, wallet=wallet)

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close node and wallet."""
        if self.wallet is not None:
            await self.wallet.close()
        await self.desk.rpc.close()

    async def simulate(self, plan: Plan) -> Cost:
        """Try a plan's transactions on the node; nothing is sent."""
        gas = await simulate(self.desk.rpc, plan.steps, self.desk.owner)
        head = await self.desk.rpc.head()
        return Cost(gas, head.base_fee + self.desk.settings.tip)

    async def send(self, plan: Plan, wait_s: float | None = None) -> Done:
        """Simulate all steps, send them one by one, and wait for the orders among them.

        Args:
            plan: made by this client.
            wait_s: for the execution of orders; from the settings if left out, 0 for none. The
                tickets say how each order stands when the time is over.
        """
        if self.wallet is None:
            raise BadInput("there is no key to send with", "give --key KEYSTORE, or --dry-run")
        await simulate(self.desk.rpc, plan.steps, self.desk.owner)
        outcomes: list[Outcome] = []
        for step in plan.steps:
            outcomes.append(await self.wallet.send(step))
        seconds = self.desk.settings.wait_s if wait_s is None else wait_s
        first = min((each.block for each in outcomes), default=0)
        waits = [order_watch.wait(self.desk, each, seconds, first) for each in plan.orders]
        tickets = tuple(await asyncio.gather(*waits))
        requests: tuple[int, ...] = ()
        if plan.makes_request:
            requests = (await pool_plans.made(self.desk, outcomes[-1].hash),)
        return Done(plan, tuple(outcomes), await self._changes(plan), tickets, requests)

    # ---- what is signed, and not sent

    async def sign_permit(
        self, wanted: Grant, nonce: int | None = None, deadline: int = FOREVER
    ) -> Permit:
        """Return a signed grant that anybody may bring once, until the deadline [unix s].

        Args:
            wanted: for an own account.
            nonce: any number not used before; a random one if left out.
            deadline: last second at which it may be brought.
        """
        number = self.salt() if nonce is None else nonce
        return operator_plans.signed(self.desk, wanted, number, deadline, self._key().sign)

    async def sign_order(self, offer: Offer) -> SignedOrder:
        """Return an order of an own account (`draw`) signed, for whoever fills it."""
        wallet = self.wallet
        if not isinstance(wallet, TypedSigner):
            return exchange_plans.signed(self.desk, offer, self._key().sign)
        deployed = self.desk.deployment
        data = typed_data(offer, deployed.chain_id, deployed.address("Exchange"))
        return exchange_plans.signed(self.desk, offer, lambda _: wallet.sign_typed(data))

    async def deposit_with_permit(self, amount: int, token: str, account: int = 0) -> Plan:
        """Plan a deposit whose approval is a signature, of a token with ERC-2612."""
        listed, id_ = self.desk.deployment.token(token), self.desk.account(account)
        return await operator_plans.deposit(self.desk, listed, amount, id_, self._key().sign)

    def _key(self) -> KeyWallet:
        if not isinstance(self.wallet, KeyWallet):
            raise BadInput("there is no key to sign with", "give --key KEYSTORE")
        return self.wallet

    async def _changes(self, plan: Plan) -> tuple[Change, ...]:
        """Return what became of the accounts that a plan is about."""
        if not plan.changes:
            return ()
        ids = [each.before.id for each in plan.changes]
        view = await self.desk.look(*ids)
        return tuple(
            replace(each, after=view.accounts[id_], health_after=view.health(id_))
            for id_, each in zip(ids, plan.changes, strict=True)
        )

    async def resolve(self, order: Order) -> Ticket:
        """Return how an order stands; the reserve of one that nothing can fill is taken back."""
        found = await self.ticket(order)
        if found.state is not State.DEAD:
            return found
        await self.send(await self.refund(order.id))
        return await self.ticket(order)

    async def serve(self, request: int, wait_s: float | None = None) -> Done | None:
        """Execute a request to the pool as soon as a price allows it.

        Returns:
            None when somebody else was faster; raises what it still waits for when time is over.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + (self.desk.settings.wait_s if wait_s is None else wait_s)
        while reason := await self.lp_refusal(request):
            if reason == pool_plans.NO_REQUEST:
                return None
            if reason == PASSED:
                await self._time_again(request)
            if loop.time() >= until:
                raise KeeperError(
                    f"request {request} is not served yet ({reason})",
                    f"it keeps its place: `plimsoll lp execute {request}` when a price allows it",
                )
            await asyncio.sleep(self.desk.settings.poll_s)
        try:
            return await self.send(await self.lp_execute(request))
        except KeeperError:
            if await self.lp_refusal(request) != pool_plans.NO_REQUEST:
                raise
            return None  # an executor was faster

    async def _time_again(self, request: int) -> None:
        """Time a request again, unless somebody was faster."""
        with suppress(Reverted):
            await self.send(await self.lp_retime(request))


def _sync(
    method: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncClient, P], T]:
    """Return a method of the client that waits for its end."""

    @wraps(method)
    def call(self: SyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.runner.run(method(self.client, *args, **kwargs))

    return call


class SyncClient:
    """The client for scripts without async: the same methods, each waits for its end."""

    def __init__(self, settings: ClientSettings, owner: str = "") -> None:
        """Open a client; close it, or use it in a `with` block."""
        self.runner = asyncio.Runner()
        try:
            self.client = self.runner.run(Client.open(settings, owner))
        except BaseException:
            self.runner.close()
            raise
        self.atoms = self.client.atoms
        self.lots = self.client.lots
        self.ticks = self.client.ticks
        self.instrument = self.client.instrument
        self.named = self.client.named
        self.leg = self.client.leg

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close node, wallet and event loop."""
        self.runner.run(self.client.close())
        self.runner.close()

    look = _sync(Client.look)
    deposit = _sync(Client.deposit)
    withdraw = _sync(Client.withdraw)
    transfer = _sync(Client.transfer)
    settle = _sync(Client.settle)
    mint = _sync(Client.mint)
    faucet = _sync(Client.faucet)
    batch = _sync(Client.batch)
    isolate = _sync(Client.isolate)
    fold = _sync(Client.fold)
    move = _sync(Client.move)
    grant = _sync(Client.grant)
    revoke = _sync(Client.revoke)
    granted = _sync(Client.granted)
    sign_permit = _sync(Client.sign_permit)
    permit = _sync(Client.permit)
    cancel_permit = _sync(Client.cancel_permit)
    deposit_with_permit = _sync(Client.deposit_with_permit)
    trade = _sync(Client.trade)
    close_leg = _sync(Client.close_leg)
    close_all = _sync(Client.close_all)
    cancel = _sync(Client.cancel)
    refund = _sync(Client.refund)
    take_back = _sync(Client.take_back)
    ticket = _sync(Client.ticket)
    marks = _sync(Client.marks)
    greeks = _sync(Client.greeks)
    scan = _sync(Client.scan)
    draw = _sync(Client.draw)
    outlook = _sync(Client.outlook)
    sign_order = _sync(Client.sign_order)
    standing = _sync(Client.standing)
    fill = _sync(Client.fill)
    cancel_signed = _sync(Client.cancel_signed)
    draw_bid = _sync(Client.draw_bid)
    outlook_bid = _sync(Client.outlook_bid)
    close_against = _sync(Client.close_against)
    set_mode = _sync(Client.set_mode)
    settle_expired = _sync(Client.settle_expired)
    observe = _sync(Client.observe)
    what_if = _sync(Client.what_if)
    lp_deposit = _sync(Client.lp_deposit)
    lp_redeem = _sync(Client.lp_redeem)
    lp_execute = _sync(Client.lp_execute)
    lp_retime = _sync(Client.lp_retime)
    lp_refusal = _sync(Client.lp_refusal)
    lp_status = _sync(Client.lp_status)
    pause = _sync(Client.pause)
    tighten = _sync(Client.tighten)
    cap = _sync(Client.cap)
    watch = _sync(Client.watch)
    take = _sync(Client.take)
    reduce = _sync(Client.reduce)
    flag = _sync(Client.flag)
    simulate = _sync(Client.simulate)
    send = _sync(Client.send)
    resolve = _sync(Client.resolve)
    serve = _sync(Client.serve)
