"""What must be refused: actions that the rules forbid, each for one reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.reference.orders import Order
from tests.reference.state import SETTLEMENT, World, min_amount, owner_of
from tests.reference.units import COMMIT_DELAY, DAY, WAD
from tests.reference.words import market_of
from tests.stateful.house import BUYERS, KEEPERS, TRADERS
from tests.stateful.ops import Op

USD = WAD


def account_id(owner: int, index: int = 0) -> int:
    """Return the id of an owner's account."""
    return owner << 96 | index


class Refusals:
    """The actors' forbidden actions; what else they know stands in tests.stateful.rules."""

    rng: Random
    world: World
    _op: Callable[..., Op]
    _any_user: Callable[[], int]
    _users: Callable[[], list[int]]
    atoms: Callable[[int, int], int]
    order: Callable[..., Order]
    _update: Callable[..., Op]

    def invalid(self) -> Op:
        """Return an action that the rules forbid."""
        return self.rng.choice(
            (
                self._stranger,
                self._zero,
                self._beyond,
                self._healthy_victim,
                self._odd_order,
                self._forged,
                self._dusty,
                self._own_account,
                self._too_late,
                self._too_early,
            )
        )()

    def _stranger(self) -> Op:
        key = self._any_user()
        thief = next(owner for owner in TRADERS if owner != owner_of(key))
        if self.rng.random() < 0.5:
            return self._op("withdraw", thief, key, SETTLEMENT, 1, thief)
        return self._op("commit", thief, self.order(key, 1, 10**8, False))

    def _zero(self) -> Op:
        key = self._any_user()
        name = self.rng.choice(("deposit", "withdraw"))
        args = (key, SETTLEMENT, 0)
        if name == "withdraw":
            return self._op(name, owner_of(key), *args, owner_of(key))
        return self._op(name, owner_of(key), *args)

    def _beyond(self) -> Op:
        """Ask for more cash than the account has."""
        key = self._any_user()
        account = self.world.account(key)
        amount = max(0, account.cash + account.quote) // self.world.setup.scale
        amount += self.atoms(SETTLEMENT, 1_000_000)
        return self._op("withdraw", owner_of(key), key, SETTLEMENT, amount, owner_of(key))

    def _healthy_victim(self) -> Op:
        users = [key for key in self._users() if self._healthy(key)]
        key = self.rng.choice(users or [account_id(TRADERS[0], 7)])
        account = self.world.account(key)
        name = self.rng.choice(("flag", "take", "reduce", "write_off"))
        if name == "take":
            buyer = account_id(next(owner for owner in BUYERS if owner != owner_of(key)))
            args = (key, buyer, WAD, 10**30, 0, self.world.now + 20)
            return self._op("take", owner_of(buyer), *args)
        if name == "reduce" and account.legs:
            leg = account.legs[0]
            keeper = account_id(KEEPERS[0])
            args = (key, leg.instrument, abs(leg.size), 0, keeper, self.world.now + 20)
            return self._op("reduce", KEEPERS[0], *args)
        return self._op("write_off" if name == "write_off" else "flag", KEEPERS[0], key)

    def _healthy(self, key: int) -> bool:
        health = self.world.health(key)
        return health.equity >= health.le + 10 * USD and not self.world.account(key).in_auction

    def _odd_order(self) -> Op:
        key = self._any_user()
        order = self.order(key, 1, 10**8, False)
        wrong = self.rng.choice(
            (
                replace(order, size=order.size + 1),
                replace(order, limit_price=order.limit_price + 1),
                replace(order, size=0),
                replace(order, deadline=self.world.now),
                replace(order, deadline=self.world.now + 3 * DAY),
                replace(order, reserve=0),
            )
        )
        return self._op("commit", owner_of(key), wrong)

    def _forged(self) -> Op:
        # late enough that nobody could take it for a replay, which is a no-op
        op = self._update(3)
        first, *others = op.reports
        wrong = self.rng.choice(
            (
                (replace(first, valid=False), *others),
                (first,),
                (first, first, *others),
                (replace(first, publish=first.publish + 20), *others),
                (replace(first, publish=first.publish - 9), *others),
                (replace(first, quotes=first.quotes[::-1]), *others),
            )
        )
        return replace(op, reports=wrong)

    def _dusty(self) -> Op:
        token = self.rng.choice(list(self.world.collaterals))
        amount = min_amount(self.world.tokens[token]) - 1
        fresh = account_id(self.rng.choice(TRADERS), 40 + self.rng.randint(0, 3))
        return self._op("deposit", owner_of(fresh), fresh, token, amount)

    def _own_account(self) -> Op:
        """Liquidate an own account, or for somebody else's."""
        key = self._any_user()
        twin = account_id(owner_of(key), 1)
        args = (key, twin, WAD, 10**30, 0, self.world.now + 20)
        thief = next(owner for owner in TRADERS if owner != owner_of(key))
        return self._op("take", self.rng.choice((owner_of(key), thief)), *args)

    def _too_late(self) -> Op:
        """Take back an order that a price may have filled."""
        old = [o for o, time in self.world.commits.items() if time + COMMIT_DELAY < self.world.now]
        if not old:
            return self._stranger()
        order = self.rng.choice(old)
        return self._op("cancel", owner_of(order.account), order)

    def _too_early(self) -> Op:
        """Fill an order at a price that was known when it was committed."""
        for order, time in self.world.commits.items():
            market = self.world.markets[market_of(order.instrument)]
            if market.publish < time + COMMIT_DELAY:
                return Op("execute", KEEPERS[0], (order,), (), 0, 0)
        return self._stranger()
