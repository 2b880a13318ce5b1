"""Every user action, planned: one method an action, whoever sends it then."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from keepers.chain import (
    account_plans,
    account_sheet,
    exchange_plans,
    guardian_plans,
    money_plans,
    operator_plans,
    option_plans,
    option_rows,
    order_plans,
    order_watch,
    pool_plans,
    takeover_plans,
)
from keepers.chain.bid_actions import BidActions
from keepers.chain.desk import INDEX_BITS, Desk, View
from keepers.chain.exchange_plans import Standing, Wish
from keepers.chain.guardian_plans import Watch
from keepers.chain.marks import marks_and_bands
from keepers.chain.option_reading import ScenarioTable
from keepers.chain.plans import Plan
from keepers.chain.pool_plans import Holding
from keepers.domain import amounts, exchange_orders, grants, greeks, instruments
from keepers.domain.batches import Action
from keepers.domain.exchange_fills import Mark
from keepers.domain.exchange_orders import Leg, SignedOrder
from keepers.domain.exchange_orders import Order as Offer
from keepers.domain.grants import FOREVER, NO_LIMIT, Grant, Permit
from keepers.domain.greeks import Greeks
from keepers.domain.orders import Order
from keepers.domain.tickets import Ticket
from keepers.domain.words import Account
from keepers.errors import BadInput

SALT_BITS: Final = 64
SERIES: Final = "ETH-27MAR26-3000-C"

NO_WISH: Final = Wish()


def random_salt() -> int:
    """Return a number that makes an order unlike every other one."""
    return secrets.randbits(SALT_BITS)


@dataclass(slots=True)
class Actions(BidActions):
    """What one owner can do at one deployment; nothing here sends."""

    desk: Desk
    salt: Callable[[], int] = random_salt

    # ---- what people write

    def atoms(self, symbol: str, amount: str) -> int:
        """Return a decimal amount of a listed token in atoms."""
        token = self.desk.deployment.token(symbol)
        return amounts.atoms(amount, token.decimals, token.symbol)

    def lots(self, instrument: str, size: str) -> int:
        """Return a decimal size in lots; `-` before it sells."""
        sign = -1 if size.startswith("-") else 1
        return sign * amounts.lots(size.removeprefix("-"), instrument)

    def ticks(self, price: str) -> int:
        """Return a decimal price in ticks."""
        return amounts.ticks(price)

    def instrument(self, name: str) -> int:
        """Return an instrument by its name: ETH-PERP, ETH-27MAR26, ETH-27MAR26-3000-C."""
        markets, text = self.desk.deployment.markets, name.upper()
        symbol, dash, _ = text.partition("-")
        if not dash:
            known = ", ".join(f"{each}-PERP" for each in sorted(markets))
            raise BadInput(
                f"there is no instrument {name}", f"choose one of {known}, or such as {SERIES}"
            )
        self.desk.deployment.market(symbol)
        return instruments.parse(text, markets)

    def leg(self, text: str) -> Leg:
        """Return a leg of a signed order, such as ETH-27MAR26-3000-C:-10@120.5; `-` sells."""
        named, colon, rest = text.partition(":")
        self.instrument(named)
        return exchange_orders.leg_of(f"{named.upper()}{colon}{rest}", self.desk.deployment.markets)

    # ---- looking

    async def look(self, *accounts: int) -> View:
        """Return prices, these accounts and their health at the latest block."""
        return await self.desk.look(*(self.desk.account(each) for each in accounts))

    async def marks(self, *named: int) -> dict[int, Mark]:
        """Return what these instruments are worth and where the Exchange trades them [ticks]."""
        head = await self.desk.rpc.head()
        return await marks_and_bands(self.desk.reader, named, head.time, head.number)

    async def greeks(self, account: int | Account = 0) -> dict[int, Greeks]:
        """Return Greeks by market, with collateral, of an account as it is or would be."""
        view, found = await self._seen(account)
        asked = (self.desk.reader, found, view.at, view.head.number)
        _, legs = await account_sheet.measured(*asked)
        return greeks.by_market(legs, greeks.of_collateral(found, view.at.collaterals))

    async def scan(self, account: int | Account = 0) -> ScenarioTable | None:
        """Return the rows of the scan of an account as it is or would be, under MM's ranges.

        Returns:
            None under standard margin.
        """
        view, found = await self._seen(account)
        return await option_rows.rows(self.desk.reader, found, view.at, view.head.number)

    async def _seen(self, account: int | Account) -> tuple[View, Account]:
        if isinstance(account, Account):
            return await self.desk.look(), account
        view = await self.desk.look(self.desk.account(account))
        (found,) = view.accounts.values()
        return view, found

    # ---- money

    async def deposit(
        self, amount: int, token: str, account: int = 0, *, minting: bool = False
    ) -> Plan:
        """Plan a deposit out of the wallet, with the approval of exactly what is needed.

        Args:
            amount: atoms.
            token: symbol or address.
            account: that is credited.
            minting: mint the amount first, where a test token has a faucet.
        """
        listed, id_ = self.desk.deployment.token(token), self.desk.account(account)
        return await money_plans.deposit(self.desk, listed, amount, id_, minting=minting)

    async def withdraw(
        self, amount: int | None, token: str, account: int = 0, to: str = ""
    ) -> Plan:
        """Plan a withdrawal; None is all that may leave now. It pays the account's owner."""
        listed, desk = self.desk.deployment.token(token), self.desk
        id_ = desk.account(account)
        owner = desk.owner if desk.owns(id_) else f"0x{id_ >> INDEX_BITS:040x}"
        asked = (listed, amount, id_, grants.checked_address(to) if to else owner)
        return await money_plans.withdraw(desk, *asked)

    async def transfer(self, amount: int, token: str, to: int, account: int = 0) -> Plan:
        """Plan a move to another account inside the ledger."""
        listed, desk = self.desk.deployment.token(token), self.desk
        asked = (listed, amount, desk.account(account), desk.account(to))
        return await money_plans.transfer(desk, *asked)

    async def settle(self, account: int = 0, losers: Sequence[int] | None = None) -> Plan:
        """Plan to make profit or loss cash, collected from the losers (the pool) where needed."""
        desk = self.desk
        named = None if losers is None else tuple(desk.account(each) for each in losers)
        return await money_plans.settle(desk, desk.account(account), named)

    async def mint(self, amount: int, token: str) -> Plan:
        """Plan new test tokens for the wallet, where the token has a faucet."""
        return await money_plans.mint(self.desk, self.desk.deployment.token(token), amount)

    async def faucet(self, token: str, amount: int | None = None) -> Plan:
        """Plan test tokens out of a token's faucet; None is all that it gives the owner now."""
        return await money_plans.faucet(self.desk, self.desk.deployment.token(token), amount)

    # ---- several accounts

    async def batch(self, actions: Sequence[Action], given: Sequence[Grant] = ()) -> Plan:
        """Plan deposits, withdrawals and transfers in one call, checked once at its end.

        Args:
            actions: of `keepers.domain.batches`, in their order.
            given: grants for own accounts that come with them.
        """
        return await account_plans.batch(self.desk, actions, given)

    async def isolate(
        self,
        amount: int,
        token: str,
        instrument: int,
        size: int,
        child: int,
        parent: int = 0,
        limit: int | None = None,
    ) -> Plan:
        """Plan an isolated position: fund a child account and commit its first order."""
        desk = self.desk
        pair = (desk.account(parent), desk.account(child))
        funds = (desk.deployment.token(token), amount)
        want = (instrument, size, limit)
        return await account_plans.isolate(desk, *pair, *funds, want, self.salt())

    async def fold(self, child: int, parent: int = 0) -> Plan:
        """Plan to close an isolated account back: all that it has goes to the parent."""
        return await account_plans.fold(
            self.desk, self.desk.account(child), self.desk.account(parent)
        )

    async def move(
        self,
        to: int,
        lots: Mapping[int, int] | None = None,
        atoms: Mapping[str, int] | None = None,
        account: int = 0,
    ) -> Plan:
        """Plan to move positions, at the mark, and collateral to an account that agrees.

        Args:
            to: an own account, or one whose owner has granted `receive`.
            lots: by instrument, above 0: so much of the position as it stands.
            atoms: by symbol or address of a collateral.
            account: that gives.
        """
        desk = self.desk
        held = {desk.deployment.token(each).id: amount for each, amount in (atoms or {}).items()}
        if 0 in held:
            raise BadInput("the settlement token is cash, no collateral", "use a transfer")
        pair = (desk.account(account), desk.account(to))
        return await account_plans.move(desk, *pair, lots or {}, held)

    # ---- operators

    def named(
        self,
        operator: str,
        scopes: Iterable[str],
        account: int = 0,
        expiry: int = FOREVER,
        uses: int = NO_LIMIT,
    ) -> Grant:
        """Return a grant: `trade`, `withdraw` (to the owner), `receive` (moves into it)."""
        who, scope = grants.checked_address(operator), grants.scope_of(scopes)
        return Grant(self.desk.account(account), who, scope, expiry, uses)

    async def grant(self, wanted: Grant) -> Plan:
        """Plan to let an operator act for an own account."""
        return await operator_plans.grant(self.desk, wanted)

    async def revoke(self, operator: str, account: int = 0) -> Plan:
        """Plan to take an operator's grant back; permits that are still out stay good."""
        return await operator_plans.grant(self.desk, self.named(operator, (), account, 0, 0))

    async def granted(self, operator: str, account: int = 0) -> Grant:
        """Return what an operator may do for an account."""
        who = grants.checked_address(operator)
        return await operator_plans.granted(self.desk, self.desk.account(account), who)

    async def permit(self, permit: Permit) -> Plan:
        """Plan to bring a permit that an account's owner has signed."""
        return await operator_plans.bring(self.desk, permit)

    async def cancel_permit(self, nonce: int) -> Plan:
        """Plan to make a permit of one's own that nobody has brought worthless."""
        return await operator_plans.cancel(self.desk, nonce)

    # ---- orders

    async def trade(
        self,
        instrument: int,
        size: int,
        account: int = 0,
        limit: int | None = None,
        *,
        reduce_only: bool = False,
        deadline: int | None = None,
    ) -> Plan:
        """Plan an order; above 0 buys.

        Args:
            instrument: a market's perpetual.
            size: lots.
            account: that trades.
            limit: worst price [ticks]; by the slippage setting if left out.
            reduce_only: refuse whatever would open.
            deadline: last second [unix s] at which it may fill; by `lifetime_s` if left out.
        """
        asked = (self.desk.account(account), instrument, size, self.salt(), limit)
        return await order_plans.trade(
            self.desk, *asked, reduce_only=reduce_only, deadline=deadline
        )

    async def close_leg(
        self, instrument: int, account: int = 0, deadline: int | None = None
    ) -> Plan:
        """Plan a reduce-only order that closes a whole leg, until the deadline [unix s]."""
        asked = (self.desk.account(account), [instrument], self.salt(), deadline)
        return await order_plans.close(self.desk, *asked)

    async def close_all(self, account: int = 0, deadline: int | None = None) -> Plan:
        """Plan reduce-only orders that close every leg, until the deadline [unix s]."""
        asked = (self.desk.account(account), None, self.salt(), deadline)
        return await order_plans.close(self.desk, *asked)

    async def cancel(self, order_id: bytes) -> Plan:
        """Plan to take an order back while no price that fills it can have been seen."""
        return await order_plans.take_back(self.desk, order_id, "cancel")

    async def refund(self, order_id: bytes) -> Plan:
        """Plan to take back the reserve of an order that can no longer be filled."""
        return await order_plans.take_back(self.desk, order_id, "refund")

    async def take_back(self, order_id: bytes) -> Plan:
        """Plan to cancel or refund an order, whichever is due."""
        return await order_plans.take_back(self.desk, order_id)

    async def ticket(self, order: Order) -> Ticket:
        """Return how an order stands."""
        return await order_watch.ticket(self.desk, order)

    # ---- signed orders

    async def draw(self, legs: Sequence[Leg], account: int = 0, wish: Wish = NO_WISH) -> Offer:
        """Return an order as it would be signed: a limit order, a quote, a package.

        Args:
            legs: of an own account, above 0 bought, each at its price or all at the wish's net.
            account: that trades.
            wish: whom it is for, until when, and so on.
        """
        return await exchange_plans.order(self.desk, self.desk.account(account), legs, wish)

    async def outlook(self, offer: Offer) -> Plan:
        """Plan nothing: show the order's account as if it were filled whole now."""
        return await exchange_plans.outlook(self.desk, offer)

    async def standing(self, given: SignedOrder) -> Standing:
        """Return how a signed order stands."""
        return await exchange_plans.standing(self.desk, given)

    async def fill(
        self,
        maker: SignedOrder,
        account: int = 0,
        size: int | None = None,
        taker: SignedOrder | None = None,
    ) -> Plan:
        """Plan to fill a signed order: with an own account, or with a taker's signed order.

        Args:
            maker: order that rests, or a quote.
            account: own one that takes; nothing of its owner is signed.
            size: lots of the first leg; all that is left if left out.
            taker: signed order that takes; then anybody may bring both.
        """
        desk = self.desk
        return await exchange_plans.fill(desk, maker, desk.account(account), size, taker)

    async def cancel_signed(self, *given: SignedOrder | int) -> Plan:
        """Plan to make own signed orders worthless, by themselves or by their nonces."""
        nonces = [
            each if isinstance(each, int) else exchange_plans.own_nonce(self.desk, each)
            for each in given
        ]
        return await exchange_plans.cancel(self.desk, nonces)

    # ---- options

    async def set_mode(self, portfolio: bool, account: int = 0) -> Plan:
        """Plan to put an own account under portfolio margin, or back under standard margin."""
        return await option_plans.set_mode(self.desk, self.desk.account(account), portfolio)

    async def settle_expired(self, account: int = 0) -> Plan:
        """Plan to pay what expired legs of an account pay; anybody may."""
        return await option_plans.settle_expired(self.desk, self.desk.account(account))

    async def observe(self, instrument: int) -> Plan:
        """Plan to note the price now for the settlement of an instrument's expiry; anybody may."""
        return await option_plans.observe(self.desk, instrument)

    async def what_if(
        self, legs: Sequence[Leg], account: int = 0, portfolio: bool | None = None
    ) -> Plan:
        """Plan nothing: show an account as if it also held these legs, bought at their prices.

        Args:
            legs: above 0 bought; without a price at their marks.
            account: anybody's.
            portfolio: the kind of its margin then; as it is if left out.
        """
        asked = (self.desk.account(account), legs, portfolio)
        return await option_plans.what_if(self.desk, *asked)

    # ---- the pool

    async def lp_deposit(self, amount: int, *, minting: bool = False) -> Plan:
        """Plan a request for shares; the shares come at the first price 2 s after it."""
        return await pool_plans.deposit(self.desk, amount, minting=minting)

    async def lp_redeem(self, shares: int | None) -> Plan:
        """Plan a request for the money of shares (None: all), paid after the cooldown."""
        return await pool_plans.redeem(self.desk, shares)

    async def lp_execute(self, request: int) -> Plan:
        """Plan to serve a request that a price has made ready; anybody may."""
        return await pool_plans.execute(self.desk, request)

    async def lp_retime(self, request: int) -> Plan:
        """Plan to time a request again whose price has passed; anybody may."""
        return await pool_plans.retime(self.desk, request)

    async def lp_refusal(self, request: int) -> str | None:
        """Return why a request cannot be served yet, None when it can."""
        return await pool_plans.refusal(self.desk, request)

    async def lp_status(self) -> Holding:
        """Return the wallet's shares, what they are worth, and its open requests."""
        return await pool_plans.status(self.desk)

    # ---- the guardian

    async def pause(self, action: int, markets: Iterable[str], duration: int) -> Plan:
        """Plan to pause an action, of these markets or of all, for seconds; 0 ends it."""
        ids = [self.desk.deployment.market(each) for each in markets]
        return await guardian_plans.pause(self.desk, action, ids, duration)

    async def tighten(self, market: str, cap: int) -> Plan:
        """Plan to lower a market's cap of open interest [USD WAD]."""
        id_ = self.desk.deployment.market(market)
        return await guardian_plans.tighten(self.desk, id_, cap)

    async def cap(self, token: str, hard: int, soft: int) -> Plan:
        """Plan to lower the caps of a collateral [whole tokens]."""
        return await guardian_plans.cap(self.desk, token, hard, soft)

    async def watch(self) -> Watch:
        """Return who stands guard, and the last pause of every scope."""
        return await guardian_plans.status(self.desk)

    def said(self, found: Watch) -> list[str]:
        """Return what is paused, a sentence each."""
        return [guardian_plans.sentence(self.desk.deployment, each) for each in found.running()]

    # ---- keepers by hand

    async def take(
        self,
        target: int,
        account: int = 0,
        fraction: int | None = None,
        max_payment: int | None = None,
        deadline: int | None = None,
    ) -> Plan:
        """Plan to take over a part of an account under maintenance.

        Args:
            target: under maintenance.
            account: own one that receives the slice.
            fraction: WAD; what is due if left out.
            max_payment: most that it pays [USD WAD]; the price now and its drift if left out.
            deadline: last second [unix s] at which it may happen; by `lifetime_s` if left out.
        """
        asked = (self.desk.account(target), self.desk.account(account), fraction)
        return await takeover_plans.take(self.desk, *asked, max_payment, deadline)

    async def reduce(self, target: int, instrument: int, account: int = 0) -> Plan:
        """Plan to close a leg of an account under maintenance against the pool, for the pay."""
        asked = (self.desk.account(target), instrument, self.desk.account(account))
        return await takeover_plans.reduce(self.desk, *asked)

    async def flag(self, target: int) -> Plan:
        """Plan to start or continue the clock of an account under maintenance."""
        return await takeover_plans.flag(self.desk, self.desk.account(target))
