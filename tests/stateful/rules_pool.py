"""What providers and keepers do with shares of the pool: requests, and their execution."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.reference.oracle import Report
from tests.reference.shares import earliest_of, has_passed
from tests.reference.state import SETTLEMENT
from tests.reference.units import COOLDOWN, REQUEST_DELAY
from tests.stateful.house import KEEPERS, PROVIDERS
from tests.stateful.ops import Op
from tests.stateful.refusals import Refusals


class PoolRules(Refusals):
    """The actors' part in the pool; what else they do is in tests.stateful.rules."""

    reports: Callable[[int], tuple[Report, ...]]
    _tell: Callable[[str, Iterator[Op]], Op]

    def request_deposit(self) -> Op:
        owner = self.rng.choice(PROVIDERS)
        amount = self.atoms(SETTLEMENT, self.rng.choice((1_000, 50_000, 400_000)))
        return self._op("request_deposit", owner, amount, owner)

    def request_redeem(self) -> Op | None:
        owner = self.rng.choice(PROVIDERS)
        held = self.world.shares.get(owner, 0)
        amount = held * self.rng.choice((1, 5, 20)) // 100
        return self._op("request_redeem", owner, amount) if amount else None

    def execute_deposit(self) -> Op | None:
        found = [(k, r) for k, r in self.world.requests.items() if r.assets]
        if not found:
            return None
        key, request = self.rng.choice(found)
        return self._execute_request("execute_deposit", key, request.time + REQUEST_DELAY)

    def execute_redeem(self) -> Op | None:
        found = [
            (key, request)
            for key, request in self.world.requests.items()
            if request.shares
            and (request.time + COOLDOWN <= self.world.now or self.rng.random() < 0.02)
        ]
        if not found:
            return None
        key, request = self.rng.choice(found)
        return self._execute_request("execute_redeem", key, request.time + COOLDOWN)

    def retime(self) -> Op | None:
        """Time a request again whose price has passed, or one that waits for it."""
        requests = self.world.requests
        late = [key for key in requests if has_passed(self.world, earliest_of(requests[key]))]
        if not late or self.rng.random() < 0.1:
            late = list(requests) if self.rng.random() < 0.2 else []
        return self._op("retime", self.rng.choice(KEEPERS), self.rng.choice(late)) if late else None

    def _execute_request(self, name: str, key: int, earliest: int) -> Op:
        if has_passed(self.world, earliest) and self.rng.random() < 0.95:
            return self._tell(name, self._timed_again(name, key))
        op = self._op(name, self.rng.choice(KEEPERS), key)
        if self.world.markets[1].publish >= earliest:
            # another price would pass the request by
            return replace(op, wait=min(2, op.wait))
        wait = max(op.wait, min(20, earliest + 2 - self.world.now))
        reports = self.reports(self.world.now + wait) if self.rng.random() < 0.8 else ()
        return replace(op, wait=wait, blocks=1, reports=reports)

    def _timed_again(self, name: str, key: int) -> Iterator[Op]:
        """Time a request again, and execute it at the first price of after that."""
        keeper, seconds = self.rng.choice(KEEPERS), REQUEST_DELAY + self.rng.choice((1, 2, 9))
        yield self._op("retime", keeper, key)
        reports = self.reports(self.world.now + seconds)
        if self.rng.random() < 0.3:
            yield Op("update", keeper, (), reports, seconds)
            yield Op(name, keeper, (key,))
        else:
            yield Op(name, keeper, (key,), reports, seconds)
