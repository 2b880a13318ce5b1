"""A user's action before it is sent: its transactions, and the accounts before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keepers.chain.sender import Outcome
from keepers.chain.transactions import Draft
from keepers.domain.margin import Health, Snapshot
from keepers.domain.orders import Order
from keepers.domain.tickets import Ticket
from keepers.domain.words import Account


@dataclass(frozen=True, slots=True)
class Change:
    """One account before and after an action, at the prices of each."""

    before: Account
    after: Account
    health_before: Health
    health_after: Health


@dataclass(frozen=True, slots=True)
class Plan:
    """What an action sends and what it would leave if it were done in the block it was planned at.

    `facts` are exact decimal strings or names, by what they say ("fee_usd"); `notes` are sentences
    about what the plan could not know.
    """

    action: str
    said: str  # in words, for a title
    steps: tuple[Draft, ...]
    block: int
    at: Snapshot
    changes: tuple[Change, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    orders: tuple[Order, ...] = ()  # that the steps commit
    makes_request: bool = False  # to the pool, by the last step


@dataclass(frozen=True, slots=True)
class Cost:
    """What a plan's transactions would burn, simulated in order."""

    gas: tuple[int | None, ...]  # by step; None where the node cannot simulate it before another
    wei_per_gas: int

    @property
    def total(self) -> int:
        """Return the gas of all steps that could be simulated."""
        return sum(each or 0 for each in self.gas)

    @property
    def wei(self) -> int:
        """Return what that gas costs right now."""
        return self.total * self.wei_per_gas


@dataclass(frozen=True, slots=True)
class Done:
    """A plan that was carried out, and what the accounts are after it."""

    plan: Plan
    outcomes: tuple[Outcome, ...]
    changes: tuple[Change, ...] = ()  # from before the plan to what the chain says now
    tickets: tuple[Ticket, ...] = ()
    requests: tuple[int, ...] = ()  # ids of the pool's requests that the steps made
