"""A token turns hostile in the middle of a run: who can still do what, and who is still liquidated.

The tokens of the machine are those of the zoo: an op tells one to pause, to block a holder, to
answer false or to keep a fee of what it moves. The reference knows of it where it moves purses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.reference.state import SETTLEMENT
from tests.reference.units import WAD
from tests.stateful.house import BUYERS, KEEPERS
from tests.stateful.ops import Op
from tests.stateful.sinking import Sinking

PLACE = 10
FEE = 10


class Hostile(Sinking):
    """A trader under margin whose collateral turns hostile before anybody can take it."""

    def __init__(self, actors: Any) -> None:
        super().__init__(actors)
        self.key = self.owner << 96 | PLACE
        self.market = self.rng.choice(list(actors.world.pool_params))
        self.token = self.rng.choice(list(actors.world.collaterals))
        self.buyer = max((owner << 96 for owner in BUYERS), key=actors._room)

    def story(self) -> Iterator[Op]:
        """Yield one op after another; the token behaves again at the end."""
        dollars = self.rng.randint(6_000, 15_000)
        amount = self.actors.atoms(self.token, dollars)
        yield self._do("deposit", self.owner, self.key, self.token, amount)
        yield self._do("deposit", self.owner, self.key, SETTLEMENT, self.actors.atoms(0, 5_000))
        yield from self._fill(self._sized())
        habit, holder = self.rng.choice(
            (("paused", 0), ("blocked", self.owner), ("denies", 0), ("fee", FEE))
        )
        yield self._do("habit", KEEPERS[0], self.token, habit, holder)
        yield from self._attempts(self.owner, self.key)
        if self._held():
            yield from self._weaken()
            yield from self._seize()
        yield self._do("habit", KEEPERS[0], self.token, "", holder)
        yield from self._attempts(self.buyer >> 96, self.buyer)

    def _sized(self) -> int:
        """Return as many lots as margin allows, and a little fewer."""
        market = self._world.markets[self.market]
        account, equity = self._world.account(self.key), self._world.health(self.key).equity
        lots = equity * WAD // market.margin.base // market.price * self.rng.choice((1, -1))
        for _ in range(12):
            if self.actors._fits(account, self.market, lots):
                break
            lots = lots * 7 // 10
        return lots * 8 // 10

    def _do(self, name: str, caller: int, *args: Any, wait: int = 0) -> Op:
        op: Op = self.actors.make(name, caller, args, wait)
        return op

    def _attempts(self, owner: int, key: int) -> Iterator[Op]:
        """Pay a little of the token out and in, and move a little inside the ledger."""
        held = self._world.account(key).amount(self.token)
        part = held // 50
        if held:
            yield self._do("withdraw", owner, key, self.token, part, owner)
        amount = self.actors.atoms(self.token, 500)
        yield self._do("deposit", owner, key, self.token, amount)
        if held:
            yield self._do("transfer", owner, key, owner << 96 | PLACE + 1, self.token, part)

    def _weaken(self) -> Iterator[Op]:
        """Move the price to where E is a little below MM, and confirm the jump."""
        account, last = self._world.account(self.key), self._world.markets[self.market].price
        against = -1 if self._held() > 0 else 1
        for percent in range(2, 60):
            price = last * (100 + against * percent) // 100
            if self.actors._slack(account, self.market, "mm", price) < 0:
                break
        self.actors.move(self.market, price)
        for seconds in (2, 31, 31):
            yield self.actors.update_in(seconds)

    def _seize(self) -> Iterator[Op]:
        """Flag the account, let it be taken: no token is asked."""
        health = self._world.health(self.key)
        if health.equity >= health.mm:
            return
        yield self._do("flag", KEEPERS[1], self.key)
        plan = self.actors.planned(self.key)
        args = (self.key, self.buyer, plan, 10**30, 0, self._world.now + 20)
        yield self._do("take", self.buyer >> 96, *args)
