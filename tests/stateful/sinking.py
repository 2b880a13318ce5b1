"""One story from start to end: an account goes under water, its owner closes it, it is written off.

Chance meets it too seldom, since somebody takes the account first.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from tests.reference.orders import Order
from tests.reference.state import SETTLEMENT, World
from tests.reference.units import COMMIT_DELAY
from tests.reference.words import instrument_of
from tests.stateful.house import KEEPERS, TRADERS
from tests.stateful.ops import Op

PLACE = 9


class Sinking:
    """A trader on one side of the thinnest market, with all that margin allows."""

    def __init__(self, actors: Any) -> None:
        self.actors = actors
        self.rng: Random = actors.rng
        self.owner = self.rng.choice(TRADERS)
        self.key = self.owner << 96 | PLACE
        # under water only a close that earns is let through: one of a size that its own skew pays
        self.market = max(actors.world.pool_params)

    @property
    def _world(self) -> World:
        world: World = self.actors.world
        return world

    def story(self) -> Iterator[Op]:
        """Yield one op after another, as long as the one before did what it should."""
        dollars = self.rng.randint(12_000, 30_000)
        amount = self.actors.atoms(SETTLEMENT, dollars)
        yield Op("deposit", self.owner, (self.key, SETTLEMENT, amount))
        yield from self._fill(self._opened())
        if not self._held():
            return
        yield from self._drop()
        account = self._world.account(self.key)
        if self._world.health(self.key).equity >= 0 or account.collateral:
            return
        yield from self._fill(-self._held())
        if self._held() or self._world.health(self.key).equity >= 0:
            return
        yield Op("write_off", KEEPERS[0], (self.key,), (), 2)

    @property
    def _instrument(self) -> int:
        return instrument_of(self.market)

    def _held(self) -> int:
        return self._world.account(self.key).size(self._instrument)

    def _opened(self) -> int:
        account, health = self._world.account(self.key), self._world.health(self.key)
        lots: int = self.actors.opening_lots(account, health, self.market)
        skew = -self._world.account(self._world.setup.pool_account).size(self._instrument)
        return abs(lots) if skew >= 0 else -abs(lots)

    def _fill(self, lots: int) -> Iterator[Op]:
        if lots == 0:
            return
        order: Order = self.actors.order(self.key, self.market, lots, False)
        yield Op("commit", self.owner, (order,))
        seconds = COMMIT_DELAY + 2
        reports = self.actors.reports(self._world.now + seconds)
        yield Op("execute", KEEPERS[1], (order,), reports, seconds)

    def _drop(self) -> Iterator[Op]:
        """Move the price past E = 0, and confirm the jump."""
        price = self._world.markets[self.market].price
        found = price - self._world.health(self.key).equity // self._held()
        self.actors.move(self.market, found + (found - price) // 100)
        for seconds in (2, 31, 31):
            reports = self.actors.reports(self._world.now + seconds)
            yield Op("update", KEEPERS[0], (), reports, seconds)
