"""What owners and operators do with accounts: batches, grants, isolated positions, moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.reference.facts import Account, Health, Leg
from tests.reference.ledger import DEPOSIT, TRANSFER, WITHDRAW, Action
from tests.reference.operators import (
    NO_LIMIT,
    RECEIVE_SCOPE,
    TRADE_SCOPE,
    WITHDRAW_SCOPE,
    Grant,
)
from tests.reference.oracle import Report
from tests.reference.orders import Order
from tests.reference.state import SETTLEMENT, owner_of
from tests.reference.units import WAD
from tests.reference.words import market_of
from tests.stateful.house import BUYERS, KEEPERS, KEYS, TRADERS
from tests.stateful.ops import Op
from tests.stateful.refusals import Refusals

# how often each kind of action is tried
ACCOUNT_RULES = {
    "batch": 4,
    "operate": 2,
    "grant": 3,
    "permit": 2,
    "cancel_nonce": 0.5,
    "permit_deposit": 1,
    "op_commit": 3,
    "close_all": 2,
    "op_cancel": 1,
    "op_withdraw": 2,
    "isolate": 3,
    "fold": 3,
    "shift": 5,
}
# of the actions that must be refused, those of this file
STRAY = 0.25


class AccountRules(Refusals):
    """The actors' doings with several accounts; what else they know is in tests.stateful.rules."""

    _share_of: Callable[[int, int], int]
    opening_lots: Callable[[Account, Health, int], int]
    reports: Callable[[int], tuple[Report, ...]]

    # ---- choosing

    def _siblings(self, key: int) -> list[int]:
        """Return the owner's accounts, opened or not."""
        base = key >> 96 << 96
        return [base | index for index in (0, 1, 2)]

    def _other(self, key: int) -> int:
        return self.rng.choice([other for other in self._siblings(key) if other != key])

    def _rich(self) -> int | None:
        """Return an account from which something could leave."""
        found = [key for key in self._users() if self._has_room(key)]
        return self.rng.choice(found) if found else None

    def _has_room(self, key: int) -> bool:
        account, health = self.world.account(key), self.world.health(key)
        return account.cash > 0 or (health.equity > health.im and not account.empty)

    def _tokens(self, key: int) -> list[int]:
        held = [holding.id for holding in self.world.account(key).collateral]
        return [SETTLEMENT, *held]

    # ---- batches

    def _actions(self, key: int, others: bool) -> tuple[Action, ...]:
        """Return one to four actions on an owner's accounts."""
        if self.rng.random() < 0.25:
            return self._parked(key)
        return tuple(self._action(key, others) for _ in range(self.rng.randint(1, 4)))

    def _action(self, key: int, others: bool) -> Action:
        rng, owner = self.rng, owner_of(key)
        account = rng.choice((key, key, self._other(key)))
        token = rng.choice(self._tokens(account))
        amount = self._share_of(account, token) // rng.choice((1, 2, 3))
        kind = rng.choice((DEPOSIT, TRANSFER, TRANSFER, WITHDRAW))
        if kind == DEPOSIT or amount == 0:
            bought = rng.choice((SETTLEMENT, SETTLEMENT, *self.world.collaterals))
            return Action(DEPOSIT, account, 0, bought, self.atoms(bought, 1_000))
        if kind == WITHDRAW:
            to = TRADERS[0] if others and rng.random() < 0.2 else owner
            return Action(WITHDRAW, account, to, token, amount)
        receiver = self._other(account)
        if others and token == SETTLEMENT and rng.random() < 0.2:
            receiver = self._any_user()
        return Action(TRANSFER, account, receiver, token, amount)

    def _parked(self, key: int) -> tuple[Action, ...]:
        """Return a transfer there and back, with something in between: only the end is healthy."""
        token = self._tokens(key)[-1]
        account, other = self.world.account(key), self._other(key)
        held = account.amount(token)
        if token == SETTLEMENT:
            held = max(0, account.cash) // self.world.setup.scale
        if held == 0:
            return (self._action(key, others=False),)
        between = (self._action(key, others=False),) if self.rng.random() < 0.5 else ()
        there = Action(TRANSFER, key, other, token, held)
        back = Action(TRANSFER, other, key, token, held)
        return (there, *between, back)

    def batch(self) -> Op | None:
        """Run a batch through the Clearinghouse."""
        key = self._rich()
        if key is None:
            return None
        owner = owner_of(key)
        return self._op("batch", owner, owner, self._actions(key, others=True), lead=0.7)

    def operate(self) -> Op | None:
        """Run a batch with grants through Operators."""
        key = self._rich()
        if key is None:
            return None
        grants = tuple(self._grant(key) for _ in range(self.rng.choice((0, 1, 1, 2))))
        actions = self._actions(key, others=False)
        return self._op("operate", owner_of(key), actions, grants, lead=0.7)

    # ---- operators

    def _grant(self, key: int) -> Grant:
        rng, now = self.rng, self.world.now
        operator = rng.choice((*TRADERS, *BUYERS, *KEEPERS))
        scope = rng.choice((1, 2, 3, 4, 7, 7, 0))
        expiry = rng.choice((now + 30, now + 3_600, 2**64 - 1))
        return Grant(key, operator, scope, expiry, rng.choice((1, 3, NO_LIMIT, NO_LIMIT)))

    def grant(self) -> Op:
        """Let somebody act for an account."""
        key = self._any_user()
        return self._op("grant", owner_of(key), self._grant(key))

    def permit(self) -> Op:
        """Bring an owner's signed grant, once in a while a late, used or forged one."""
        rng, now = self.rng, self.world.now
        owner = rng.choice(list(KEYS))
        forged = rng.random() < 0.1
        signer = next(other for other in KEYS if (other != owner) == forged)
        used = [nonce for held, nonce in self.world.nonces if held == owner]
        nonce = rng.choice(used) if used and rng.random() < 0.1 else rng.getrandbits(64)
        deadline = now + rng.choice((-1, 0, 60, 60, 3_600, 3_600, 86_400))
        given = self._grant(owner << 96 | rng.choice((0, 1)))
        return self._op("permit", rng.choice(KEEPERS), given, nonce, max(0, deadline), signer)

    def cancel_nonce(self) -> Op:
        """Make a permit worthless before anybody brings it."""
        owner = self.rng.choice(list(KEYS))
        return self._op("cancel_nonce", owner, self.rng.getrandbits(32))

    def permit_deposit(self) -> Op:
        """Deposit through Operators."""
        rng = self.rng
        key = self._any_user()
        token = rng.choice((SETTLEMENT, *self.world.collaterals))
        amount = self.atoms(token, rng.choice((100, 2_000, 9_000)))
        caller = owner_of(key) if rng.random() < 0.95 else TRADERS[0]
        return self._op("permit_deposit", caller, key, token, amount)

    def close_all(self) -> Op | None:
        """Commit a reduce-only order for every leg of an account, in one call."""
        found = [key for key in self._users() if self.world.account(key).legs]
        if not found:
            return None
        # the fullest of some
        few = self.rng.sample(found, min(3, len(found)))
        key = max(few, key=lambda each: len(self.world.account(each).legs))
        legs = self.world.account(key).legs
        orders = tuple(self.order(key, market_of(leg.instrument), -leg.size, True) for leg in legs)
        return self._op("op_commit", owner_of(key), orders)

    def _granted(self, scope: int) -> tuple[int, int] | None:
        """Return an account and who may act for it, once in a while who no longer may."""
        world = self.world
        found = [
            pair
            for pair, (held, expiry, uses) in world.grants.items()
            if held & scope
            if (world.now <= expiry and uses) or self.rng.random() < 0.1
        ]
        return self.rng.choice(found) if found else None

    def op_commit(self) -> Op | None:
        """Commit one or two orders, or close every leg, for an account of somebody else or own."""
        found = self._granted(TRADE_SCOPE)
        key, caller = found or (self._any_user(), 0)
        caller = caller or owner_of(key)
        legs = self.world.account(key).legs
        orders: list[Order] = []
        if legs and self.rng.random() < 0.3:
            orders = [self.order(key, market_of(leg.instrument), -leg.size, True) for leg in legs]
        else:
            orders = self._openings(key)
        return self._op("op_commit", caller, tuple(orders)) if orders else None

    def _openings(self, key: int) -> list[Order]:
        world = self.world
        account, health = world.account(key), world.health(key)
        market = self.rng.choice(list(world.pool_params))
        lots = self.opening_lots(account, health, market) if health.equity > 100 * WAD else 0
        return [self.order(key, market, lots, False)] if lots else []

    def op_cancel(self) -> Op | None:
        """Cancel a young order through Operators."""
        world = self.world
        young = [order for order, time in world.commits.items() if time == world.now]
        if not young:
            return None
        order = self.rng.choice(young)
        acting = [
            operator
            for (account, operator), (scope, _, _) in world.grants.items()
            if account == order.account and scope & TRADE_SCOPE
        ]
        caller = self.rng.choice((owner_of(order.account), *acting))
        return Op("op_cancel", caller, (order,), (), 0, 0)

    def op_withdraw(self) -> Op | None:
        """Withdraw to the owner as his operator."""
        found = self._granted(WITHDRAW_SCOPE)
        if found is None:
            return None
        key, caller = found
        token = self.rng.choice(self._tokens(key))
        amount = self._share_of(key, token)
        if amount == 0:
            return None
        return self._op("op_withdraw", caller, key, token, amount, lead=0.7)

    # ---- isolated positions and moves

    def isolate(self) -> Op | None:
        """Fund a child out of a parent and commit its first order."""
        key = self._rich()
        if key is None:
            return None
        world, rng = self.world, self.rng
        token = rng.choice(self._tokens(key))
        amount = self._share_of(key, token) // rng.choice((2, 3, 5))
        if amount == 0:
            return None
        market = rng.choice(list(world.pool_params))
        price = world.markets[market].price
        worth = amount * world.setup.scale
        if token != SETTLEMENT:
            feed = world.markets[world.collaterals[token].feed]
            worth = amount * world.tokens[token].scale * feed.price // 10**10
        lots = worth * rng.choice((2, 4, 6)) // price * rng.choice((1, -1))
        if lots == 0:
            return None
        order = self.order(self._other(key), market, lots, False)
        return self._op("isolate", owner_of(key), key, token, amount, order, lead=0.7)

    def fold(self) -> Op | None:
        """Close a child back to a sibling."""
        world = self.world
        full = [
            key
            for key in self._users()
            if (account := world.account(key)).cash or not account.empty
            if not account.in_auction or self.rng.random() < 0.05
        ]
        if not full:
            return None
        child = self.rng.choice(full)
        return self._op("fold", owner_of(child), child, self._other(child), lead=0.8)

    def shift(self) -> Op | None:
        """Move parts of an account to a sibling, or to somebody who agreed."""
        world, rng = self.world, self.rng
        users = [
            key
            for key in self._users()
            if not (account := world.account(key)).empty
            if not account.in_auction or rng.random() < 0.05
        ]
        if not users:
            return None
        key = rng.choice(users)
        agreed = [
            account
            for (account, operator), (scope, _, _) in world.grants.items()
            if operator == owner_of(key) and scope & RECEIVE_SCOPE and account != key
        ]
        receiver = rng.choice((self._other(key), *agreed))
        account = world.account(key)
        legs = tuple((leg.instrument, self._part(leg)) for leg in account.legs)
        amounts = tuple(
            (held.id, held.amount * rng.choice((0, 50, 100)) // 100) for held in account.collateral
        )
        if not any(much for _, much in (*legs, *amounts)):
            return None
        op = self._op("move", owner_of(key), key, receiver, legs, amounts)
        if rng.random() < 0.85:
            op = replace(op, reports=self.reports(world.now + op.wait))
        return op

    def _part(self, leg: Leg) -> int:
        """Return lots of a leg, toward zero."""
        percent = self.rng.choice((0, 0, 30, 50, 100, 100))
        return abs(leg.size) * percent // 100 * (1 if leg.size > 0 else -1)

    # ---- what must be refused

    def invalid(self) -> Op:
        """Return an action that the rules forbid."""
        return self._stray() if self.rng.random() < STRAY else super().invalid()

    def _stray(self) -> Op:
        """Return what nobody but the owner may do, or what no batch holds."""
        key = self._any_user()
        thief = next(owner for owner in TRADERS if owner != owner_of(key))
        own = thief << 96
        take = Action(WITHDRAW, key, thief, SETTLEMENT, 1)
        made = (
            ("batch", thief, owner_of(key), (take,)),
            ("batch", thief, thief, (take,)),
            ("batch", thief, thief, (replace(take, kind=self.rng.choice((0, 3, 5, 6, 7))),)),
            ("batch", owner_of(key), owner_of(key), (replace(take, kind=0),)),
            ("operate", thief, (take,), ()),
            ("operate", thief, (), (Grant(key, thief, 7, 2**64 - 1, NO_LIMIT),)),
            ("operate", owner_of(key), (take,), ()),
            ("grant", thief, Grant(key, thief, 7, 2**64 - 1, NO_LIMIT)),
            ("fold", thief, key, own),
            ("fold", thief, own, key),
            ("move", thief, key, own, (), ()),
        )
        name, caller, *args = self.rng.choice(made)
        return self._op(name, caller, *args)
