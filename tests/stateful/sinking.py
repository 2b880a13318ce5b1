"""Stories from start to end: an account goes under water and is closed, or taken inside limits.

Chance meets them too seldom, since somebody takes the account first.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from tests.reference.orders import Order
from tests.reference.state import SETTLEMENT, World, owner_of
from tests.reference.units import COMMIT_DELAY, WAD
from tests.reference.words import instrument_of
from tests.stateful.house import BUYERS, KEEPERS, OWNER, TRADERS
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
        yield from self._sink()
        if not self._held():
            return
        account = self._world.account(self.key)
        if self._world.health(self.key).equity >= 0 or account.collateral:
            return
        yield from self._fill(-self._held())
        if self._held() or self._world.health(self.key).equity >= 0:
            return
        yield Op("write_off", KEEPERS[0], (self.key,), (), 2)

    def _sink(self) -> Iterator[Op]:
        """Open an account's only leg, and let the price fall under it."""
        dollars = self.rng.randint(12_000, 30_000)
        amount = self.actors.atoms(SETTLEMENT, dollars)
        yield Op("deposit", self.owner, (self.key, SETTLEMENT, amount))
        yield from self._fill(self._opened())
        if self._held():
            yield from self._drop()

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


class Limited(Sinking):
    """An account under water whose auction has run a while, and a fund whose limits are narrow."""

    def __init__(self, actors: Any) -> None:
        super().__init__(actors)
        self.key = self.owner << 96 | PLACE + 3

    def story(self) -> Iterator[Op]:
        """Yield one op after another; the fund's limits are wider again at the end."""
        yield from self._sink()
        if not self._held():
            return
        if self._world.health(self.key).equity >= 0:
            return
        yield Op("flag", KEEPERS[0], (self.key,))
        for seconds in (100, 100, 100):
            reports = self.actors.reports(self._world.now + seconds)
            yield Op("flag", KEEPERS[0], (self.key,), reports, seconds)
            if not self._world.account(self.key).in_auction:
                return
        # nothing a day, or a millionth of what the fund had at its start
        yield Op("set_limits", OWNER, (10**12, self.rng.choice((0, 10**12))))
        buyer = max((owner << 96 for owner in BUYERS), key=self.actors._room)
        args = (self.key, buyer, self.actors.planned(self.key), 10**30, 0, self._world.now + 20)
        reports = self.actors.reports(self._world.now + 2)
        yield Op("take", owner_of(buyer), args, reports, 2)
        yield Op("set_limits", OWNER, (WAD // 5, WAD // 2))
