"""The whole state of one deployment, and the few ways to touch an account in it."""

from __future__ import annotations

import copy
import operator
from dataclasses import dataclass, field, replace
from typing import Protocol

from tests.reference import margin
from tests.reference.facts import (
    Account,
    Collateral,
    Health,
    Holding,
    Leg,
    Market,
    PoolParams,
    Token,
)
from tests.reference.refused import require
from tests.reference.units import (
    LISTED,
    MAX_CASH,
    MAX_COLLATERALS,
    MAX_LEGS,
    MAX_SIZE,
    SOFT_ONE,
)

SETTLEMENT = 0


@dataclass(frozen=True, slots=True)
class Setup:
    """What deployment fixes."""

    pool_account: int
    waiting_account: int
    insurance_account: int
    fee_account: int
    settlement_decimals: int = 6
    quorum: int = 3
    min_reserve: int = 0
    market_limit: int = 20 * 10**16
    day_limit: int = 50 * 10**16

    @property
    def scale(self) -> int:
        """Return the WAD in one atom of the settlement token."""
        return int(10 ** (18 - self.settlement_decimals))


@dataclass(frozen=True, slots=True)
class Request:
    """A queued deposit (assets in atoms) or redemption (shares) of the pool."""

    owner: int
    assets: int
    shares: int
    time: int


class Engine(Protocol):
    """Who answers for accounts with the flag OPTIONS, and holds what they have there."""

    def copy(self) -> Engine:
        """Return one that may be changed without changing this one."""
        ...

    def check(self, world: World, account: int, facts: Account) -> Health:
        """Return the margin check of an account."""
        ...

    def rest(self, world: World, account: int, part: int, facts: Account) -> Health:
        """Return the same, had a share [WAD] of its legs been carried away."""
        ...

    def notionals(self, world: World, account: int) -> list[tuple[int, int]]:
        """Return the market of each leg and what it stands for [WAD]."""
        ...

    def carry(self, account: int, receiver: int, part: int) -> tuple[bool, bool]:
        """Move a share [WAD] of an account's legs; return for whom of the two it answers then."""
        ...


@dataclass(slots=True)
class World:
    """Every fact of the protocol; operations work on a copy, so that a refusal leaves no trace."""

    setup: Setup
    now: int = 0
    block: int = 0
    accounts: dict[int, Account] = field(default_factory=dict)
    listed: list[int] = field(default_factory=list)
    tokens: dict[int, Token] = field(default_factory=dict)
    collaterals: dict[int, Collateral] = field(default_factory=dict)
    markets: dict[int, Market] = field(default_factory=dict)
    signer_times: dict[int, int] = field(default_factory=dict)
    pool_params: dict[int, PoolParams] = field(default_factory=dict)
    min_legs: dict[int, int] = field(default_factory=dict)
    pot: int = 0
    deficit: int = 0
    wallets: dict[tuple[int, int], int] = field(default_factory=dict)
    commits: dict[object, int] = field(default_factory=dict)
    clocks: dict[int, tuple[int, int]] = field(default_factory=dict)
    capacity_used: dict[int, tuple[int, int]] = field(default_factory=dict)
    shares: dict[int, int] = field(default_factory=dict)
    supply: int = 0
    requests: dict[int, Request] = field(default_factory=dict)
    next_request: int = 1
    # day, cash at its start, rewards paid since; rewards paid by day and market
    fund_epoch: tuple[int, int, int] = (0, 0, 0)
    fund_spent: dict[tuple[int, int], int] = field(default_factory=dict)
    # by account and operator: scope, expiry, uses left; nonces of permits that are spent, by owner
    grants: dict[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)
    nonces: dict[tuple[int, int], bool] = field(default_factory=dict)
    # begin and end of the last pause of an action, and of a market or 0 (reference/pauses.py)
    pauses: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    # those that the owner began or changed
    owners_pauses: set[tuple[int, int]] = field(default_factory=set)
    owner: int = 0
    guardian: int = 0
    pool_paused_until: int = 0
    # what a token has turned into, by token, and for whom; tests alone let one turn hostile
    habits: dict[int, tuple[str, int]] = field(default_factory=dict)
    # health checks by account, good as long as every fact is the same object; worlds share it
    checked: dict[int, tuple[tuple[object, ...], Health]] = field(default_factory=dict)
    engine: Engine | None = None

    def copy(self) -> World:
        """Return a world that may be changed without changing this one; facts are shared."""
        twin = copy.copy(self)
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, (dict, list)) and name != "checked":
                setattr(twin, name, value.copy())
        if self.engine is not None:
            twin.engine = self.engine.copy()
        return twin

    def become(self, other: World) -> None:
        """Take over every fact of another world, which is not used any more."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    def account(self, account: int) -> Account:
        """Return an account, empty when nothing was ever credited to it."""
        return self.accounts.get(account, Account())

    def health(self, account: int) -> Health:
        """Return the margin check of an account."""
        facts = self.account(account)
        if facts.engaged:
            return self.health_of(account, facts)
        key = (self.now, facts, *self.markets.values(), *self.collaterals.values())
        kept = self.checked.get(account)
        if kept is not None and all(map(operator.is_, kept[0], key)):
            return kept[1]
        health = self.health_of(account, facts)
        self.checked[account] = (key, health)
        return health

    def health_of(self, account: int, facts: Account) -> Health:
        """Return the margin check of an account as it is, was or will be."""
        if facts.engaged:
            assert self.engine is not None
            return self.engine.check(self, account, facts)
        return margin.check(facts, self.markets, self.collaterals, self.now)

    def held_elsewhere(self, account: int, facts: Account) -> list[tuple[int, int]]:
        """Return the market of each leg at the engine and what it stands for [WAD]."""
        if not facts.engaged:
            return []
        assert self.engine is not None
        return self.engine.notionals(self, account)

    def rest_of(self, account: int, part: int, facts: Account) -> Health:
        """Return the margin check of an account with a share of its legs elsewhere gone."""
        if facts.engaged:
            assert self.engine is not None
            return self.engine.rest(self, account, part, facts)
        return margin.check(facts, self.markets, self.collaterals, self.now)


def owner_of(account: int) -> int:
    """Return the address that owns an account."""
    return account >> 96


# ---- an account after a change -------------------------------------------------------------------


def with_leg(account: Account, instrument: int, change: int) -> Account:
    """Return the account with a leg changed; a closed leg's hole takes the last one."""
    legs = list(account.legs)
    for i, leg in enumerate(legs):
        if leg.instrument == instrument:
            size = leg.size + change
            require(abs(size) <= MAX_SIZE, "ledger: size range")
            if size != 0:
                legs[i] = Leg(instrument, size)
            else:
                legs[i] = legs[-1]
                legs.pop()
            return replace(account, legs=tuple(legs))
    if change == 0:
        return account
    require(len(legs) < MAX_LEGS, "ledger: no room")
    require(abs(change) <= MAX_SIZE, "ledger: size range")
    return replace(account, legs=(*legs, Leg(instrument, change)))


def with_amount(account: Account, token: int, change: int) -> Account:
    """Return the account with a collateral amount changed; a closed one's hole takes the last."""
    held = list(account.collateral)
    for i, holding in enumerate(held):
        if holding.id == token:
            amount = holding.amount + change
            require(amount >= 0, "ledger: not enough collateral")
            if amount != 0:
                held[i] = Holding(token, amount)
            else:
                held[i] = held[-1]
                held.pop()
            return replace(account, collateral=tuple(held))
    if change == 0:
        return account
    require(change > 0, "ledger: not enough collateral")
    require(len(held) < MAX_COLLATERALS, "ledger: no room")
    return replace(account, collateral=(*held, Holding(token, change)))


def with_flag(account: Account, flag: int, on: bool) -> Account:
    """Return the account with one flag set or cleared."""
    flags = account.flags | flag if on else account.flags & ~flag
    return replace(account, flags=flags)


def in_range(account: Account) -> bool:
    """Return whether cash and quote fit the account word."""
    return abs(account.cash) <= MAX_CASH and abs(account.quote) <= MAX_CASH


def store(world: World, account_id: int, account: Account) -> None:
    """Write an account back; the first write lists it."""
    require(in_range(account), "ledger: cash range")
    if account.flags & LISTED == 0:
        world.listed.append(account_id)
        account = with_flag(account, LISTED, True)
    world.accounts[account_id] = account


def credit(world: World, account_id: int, cash: int = 0, quote: int = 0) -> None:
    """Add to cash and quote of an account; nothing added does not list it."""
    if cash == quote == 0:
        return
    account = world.account(account_id)
    store(
        world,
        account_id,
        replace(account, cash=account.cash + cash, quote=account.quote + quote),
    )


# ---- custody -------------------------------------------------------------------------------------


def track(world: World, token: int, change: int) -> None:
    """Change what the ledger owes of a token, and the soft factor that follows from it."""
    facts = world.tokens[token]
    facts = replace(facts, tracked=facts.tracked + change)
    world.tokens[token] = facts
    if token != SETTLEMENT:
        soft = soft_factor(facts)
        world.collaterals[token] = replace(world.collaterals[token], soft=soft)


def cap(world: World, token: int, hard: int, soft: int) -> None:
    """Change what may be deposited of a token and what of it counts in full [whole tokens]."""
    facts = replace(world.tokens[token], hard_cap=hard, soft_cap=soft)
    world.tokens[token] = facts
    if token != SETTLEMENT:
        world.collaterals[token] = replace(world.collaterals[token], soft=soft_factor(facts))


def soft_factor(token: Token) -> int:
    """Return the share of a collateral that is credited: above the soft cap it shrinks [1e-4]."""
    cap = token.soft_cap * token.unit
    return SOFT_ONE if token.tracked <= cap else cap * SOFT_ONE // token.tracked


def min_amount(token: Token) -> int:
    """Return the least non-zero collateral amount [atoms]."""
    return token.unit // 10_000
