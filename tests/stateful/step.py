"""One transaction that succeeded: the facts before it, at its start and after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from tests.reference import pool
from tests.reference.facts import Health
from tests.reference.state import World
from tests.reference.units import VIRTUAL
from tests.reference.words import market_of
from tests.stateful.ops import Op

LIQUIDATIONS = ("reduce", "take")


class Probe(NamedTuple):
    """A call that a token's hook made in the middle of a transfer, and how it ended."""

    contract: str
    function: str
    passed: bool
    answer: bytes


@dataclass(frozen=True)
class Step:
    """One transaction; `start` is the state before it at the time and prices of its end."""

    op: Op
    before: World
    start: World
    after: World
    answer: Any
    events: tuple[tuple[str, Mapping[str, Any]], ...]
    # of the Clearinghouse, whose address is `core`
    balances: Mapping[int, int]
    core: int
    # what the transaction used in all, and how many events of other contracts it logged
    gas: int = 0
    foreign: int = 0
    # what was called in the middle of its transfers
    probes: tuple[Probe, ...] = ()

    @cached_property
    def touched(self) -> tuple[int, ...]:
        """Return the accounts whose words changed."""
        old, new = self.before.accounts, self.after.accounts
        return tuple(key for key, account in new.items() if old.get(key) is not account)

    @cached_property
    def subject(self) -> int:
        """Return the account under margin of a liquidation, 0 otherwise."""
        return int(self.op.args[0]) if self.op.name in (*LIQUIDATIONS, "write_off") else 0

    def named(self, name: str) -> Iterator[Mapping[str, Any]]:
        """Yield the arguments of the events of one name."""
        return (arguments for found, arguments in self.events if found == name)

    def healths(self, account: int) -> tuple[Health, Health]:
        """Return the health of an account before and after, at the prices of the end."""
        return self.start.health(account), self.after.health(account)

    def equity_change(self, account: int) -> int:
        """Return what an account gained at the prices of the end [WAD]."""
        old, new = self.healths(account)
        return new.equity - old.equity

    def paid(self, account: int) -> int:
        """Return how much cash and quote of an account grew together [WAD]."""
        old, new = self.before.account(account), self.after.account(account)
        return new.cash + new.quote - old.cash - old.quote


def premium(world: World) -> int:
    """Return what the pool's curve will pay back as the skew unwinds [WAD]."""
    raw = 0
    for leg in world.account(world.setup.pool_account).legs:
        notional = leg.size * world.markets[market_of(leg.instrument)].price
        raw += -(-notional * notional // (2 * world.pool_params[market_of(leg.instrument)].scale))
    return raw


def share_price(world: World) -> tuple[int, int]:
    """Return NAV and supply of the pool, the virtual dollar and share included."""
    account = world.account(world.setup.pool_account)
    equity = world.health(world.setup.pool_account).equity
    worth = pool.nav(equity, account, world.markets, world.pool_params)
    return worth + VIRTUAL, world.supply + VIRTUAL
