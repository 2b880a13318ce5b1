"""The engine of docs/spec/engine.md as a whole: books, fills, closes, modes, expiry, to the wei."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.reference import ledger, margin
from tests.reference import portfolio as pm
from tests.reference.facts import Account, Health, Leg, Market
from tests.reference.fixed import ceil_div, trunc_div
from tests.reference.instruments import (
    CALL,
    FUTURE,
    PERP,
    PUT,
    Instrument,
    is_canonical,
    may_open,
    parts,
)
from tests.reference.markets import funding_now
from tests.reference.options_margin import Facts, check, payoff
from tests.reference.refused import require
from tests.reference.state import World
from tests.reference.units import (
    AGE_MM,
    AGE_OPEN,
    DUST,
    LEG_INVALID,
    MAX_PRICE,
    MAX_SIZE,
    OPENING,
    PENDING,
    UNTRUSTED,
    V_ONE,
    WAD,
)
from tests.reference.words import market_of

MAX_LINES, MAX_SCANNED, MAX_SURFACES, MAX_SCAN_LEGS = 16, 8, 16, 64
# of a short option, in % of the price; of a leg whose settlement price is awaited
SHORT_IM, SHORT_LEAST, AWAITED, DEAD_SHORT = 15, 10, 10, 10
V_CAP = 2 * V_ONE
# a side's fee is at most 1 / FEE_SHARE of the legs at the market's price
FEE_SHARE = 100


@dataclass(frozen=True, slots=True)
class FillLeg:
    """A leg of a fill as the taker gets it: lots, ticks."""

    instrument: int
    size: int
    price: int


@dataclass(frozen=True, slots=True)
class Fill:
    """As IOptions.Fill."""

    taker: int
    maker: int
    legs: tuple[FillLeg, ...]
    taker_fee: int = 0
    maker_fee: int = 0


@dataclass(slots=True)
class Engine:
    """Legs and modes of accounts, and what the engine knows of markets."""

    surfaces: dict[tuple[int, int], pm.Surface]
    risks: dict[int, pm.Risk]
    array: pm.RiskArray
    rhos: Sequence[int]
    mark: Callable[[World, Engine, Leg], int]
    bounds: tuple[int, int]
    account: int  # its own, between holders and writers of what expired
    settled: dict[tuple[int, int], int] = field(default_factory=dict)
    books: dict[int, tuple[Leg, ...]] = field(default_factory=dict)
    modes: dict[int, bool] = field(default_factory=dict)
    caps: dict[int, int] = field(default_factory=dict)
    interest: dict[int, int] = field(default_factory=dict)
    averages: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    waiting: set[tuple[int, int]] = field(default_factory=set)  # surfaces with a jump unconfirmed

    def copy(self) -> Engine:
        """Return one that may be changed without changing this one."""
        twin = copy.copy(self)
        twin.books, twin.modes = self.books.copy(), self.modes.copy()
        twin.interest = self.interest.copy()
        twin.surfaces, twin.settled = self.surfaces.copy(), self.settled.copy()
        return twin

    def trusted(self, key: tuple[int, int], now: int) -> bool:
        """Return whether what opens may rely on the surface of a market and hour."""
        found = self.surfaces.get(key)
        fresh = found is not None and now <= found.publish + pm.SURFACE_FRESH
        return fresh and key not in self.waiting

    def engaged(self, account: int) -> bool:
        """Return whether the engine answers for an account."""
        return (
            account == self.account
            or bool(self.books.get(account))
            or self.modes.get(account, False)
        )

    def facts(self, world: World) -> Facts:
        """Return everything that a check reads beside the account."""
        return Facts(
            world.now,
            world.markets,
            world.collaterals,
            self.surfaces,
            self.settled,
            self.risks,
            self.array,
            self.rhos,
            lambda leg: self.mark(world, self, leg),
            self.averages,
        )

    def check(self, world: World, account: int, facts: Account) -> Health:
        """Return the margin check of an account."""
        if account == self.account:
            return Health(0, 0, 0, 0, 0, 0, 0, 0)
        held, mode = self.books.get(account, ()), self.modes.get(account, False)
        return check(self.facts(world), held, mode, facts)

    def rest(self, world: World, account: int, part: int, facts: Account) -> Health:
        """Return the same, had a share of every leg been carried away."""
        twin = self.copy()
        held = () if part == WAD else self.books.get(account, ())
        twin.books[account] = tuple(
            Leg(leg.instrument, leg.size - trunc_div(leg.size * part, WAD)) for leg in held
        )
        twin.modes[account] = part != WAD and self.modes.get(account, False)
        return twin.check(world, account, facts)

    def notionals(self, world: World, account: int) -> list[tuple[int, int]]:
        """Return the market of each leg and what it stands for [WAD]."""
        held = [(market_of(leg.instrument), leg.size) for leg in self.books.get(account, ())]
        return [(key, abs(size) * world.markets[key].price) for key, size in held]

    def size(self, account: int, instrument: int) -> int:
        """Return the lots of a leg."""
        return Account(legs=self.books.get(account, ())).size(instrument)

    def change(self, account: int, instrument: int, delta: int) -> int:
        """Change a leg; return the change of max(size, 0)."""
        size = self.size(account, instrument)
        legs = list(self.books.get(account, ()))
        require(max(abs(delta), abs(size + delta)) <= MAX_SIZE, "engine: size range")
        at = next((i for i, leg in enumerate(legs) if leg.instrument == instrument), len(legs))
        if size + delta:
            require(at < MAX_SCAN_LEGS, "engine: no room")
            legs[at : at + 1] = [Leg(instrument, size + delta)]
        elif size:
            legs[at] = legs[-1]
            legs.pop()
        self.books[account] = tuple(legs)
        return max(size + delta, 0) - max(size, 0)

    def carry(self, account: int, receiver: int, part: int) -> tuple[bool, bool]:
        """Move a share of every leg, from the last one down."""
        for leg in reversed(self.books.get(account, ())):
            moved = abs(leg.size) * part // WAD * (1 if leg.size > 0 else -1)
            if moved:
                change = self.change(account, leg.instrument, -moved)
                self.book(leg.instrument, change + self.change(receiver, leg.instrument, moved))
        if part == WAD:
            self.modes[account] = False
        return self.engaged(account), self.engaged(receiver)

    def book(self, instrument: int, change: int) -> None:
        """Book a change of a market's option contracts, up to its cap."""
        said = parts(instrument)
        if said.kind in (CALL, PUT):
            self.interest[said.market] = self.interest.get(said.market, 0) + change


def trade(world: World, fill: Fill) -> None:
    """Fill what two accounts agreed, and hold both to R2."""
    engine = engine_of(world)
    sides = (fill.taker, fill.maker)
    opened, cash, quote = _terms(world, engine, fill)
    before = [
        None if opens else health_of(world, key) for key, opens in zip(sides, opened, strict=True)
    ]

    _apply(world, engine, fill, cash, quote)
    for key, opens, then in zip(sides, opened, before, strict=True):
        _require_side(world, key, opens, then)


def close(world: World, fill: Fill, concession: int) -> None:
    """Close part of a leg of an account under MM, the taker, without its owner."""
    engine = engine_of(world)
    opened, cash, quote = _terms(world, engine, fill)
    before = health_of(world, fill.taker)
    require(before.equity < before.mm, "options: not below mm")
    require(margin.liquidation_open(before), "options: closed")
    require(not world.account(fill.taker).house, "options: house")
    require(len(fill.legs) == 1, "options: one leg")
    require(not opened[0], "options: not reducing")
    makers = None if opened[1] else health_of(world, fill.maker)

    _apply(world, engine, fill, cash, quote)
    after = health_of(world, fill.taker)
    nearer = after.le - after.equity < before.le - before.equity
    held = after.equity * before.mm >= before.equity * after.mm
    require(after.mm < before.mm and nearer and held, "options: not better")
    cost, released = before.equity - after.equity, before.mm - after.mm
    require(cost * WAD <= released * min(concession, WAD // 2), "options: cost")
    (leg,) = fill.legs
    spare = 1
    if not _held(world, engine, fill.taker, leg.instrument):
        spare = ceil_div(DUST, world.markets[market_of(leg.instrument)].price)
    over = max(0, after.equity - after.le)
    gained = before.le - before.equity + over
    require(over * abs(leg.size) <= gained * spare, "options: overshoot")
    _require_side(world, fill.maker, opened[1], makers)
    ledger.end_auction(world, fill.taker)


def _apply(world: World, engine: Engine, fill: Fill, cash: int, quote: int) -> None:
    """Move legs, then money and perps in the core."""
    sides = (fill.taker, fill.maker)
    perps = []
    for leg in fill.legs:
        if parts(leg.instrument).kind == PERP:
            perps.append(leg)
            continue
        change = engine.change(fill.taker, leg.instrument, leg.size)
        change += engine.change(fill.maker, leg.instrument, -leg.size)
        engine.book(leg.instrument, change)
        market = market_of(leg.instrument)
        full = engine.interest.get(market, 0) > engine.caps.get(market, 0)
        option = parts(leg.instrument).kind in (CALL, PUT)
        require(not (option and change > 0 and full), "options: cap")
    money = (cash, quote - fill.maker_fee, fill.taker_fee + fill.maker_fee)
    flags = (engine.engaged(fill.taker), engine.engaged(fill.maker))
    ledger.deal(world, ledger.Deal(*sides, 0, 0, *money, flags))
    for leg in perps:
        ledger.deal(world, ledger.Deal(*sides, leg.instrument, leg.size, 0, 0, 0, flags))


def _terms(world: World, engine: Engine, fill: Fill) -> tuple[list[bool], int, int]:
    """Return which side opens, and what leaves the taker in cash and quote."""
    require(fill.taker != fill.maker, "options: parties")
    last, cash, quote, worth, opened = 0, 0, 0, 0, [False, False]
    for leg in fill.legs:
        said = parts(leg.instrument)
        require(leg.instrument > last, "options: leg order")
        last = leg.instrument
        require(leg.size != 0 and leg.price <= MAX_PRICE, "options: instrument")
        require(is_canonical(leg.instrument), "options: instrument")
        require(abs(leg.size) <= MAX_SIZE, "engine: size range")
        before = [_held(world, engine, key, leg.instrument) for key in (fill.taker, fill.maker)]
        after = [before[0] + leg.size, before[1] - leg.size]
        opens = [not min(b, 0) <= a <= max(b, 0) for b, a in zip(before, after, strict=True)]
        market = _require_market(world, engine, said, any(opens))
        small = any(a and abs(a) * market.price < DUST for a in after)
        require(not small, "options: leg too small")
        opened = [a or b for a, b in zip(opened, opens, strict=True)]
        worth += abs(leg.size) * market.price
        if said.kind == PERP:
            quote += leg.size * (leg.price - funding_now(market, world.now))
        elif said.kind == FUTURE:
            quote += leg.size * leg.price
        else:
            cash += leg.size * leg.price
    require(max(fill.taker_fee, fill.maker_fee) <= worth // FEE_SHARE, "options: fee")
    return opened, cash, quote


def _held(world: World, engine: Engine, account: int, instrument: int) -> int:
    perp = parts(instrument).kind == PERP
    return world.account(account).size(instrument) if perp else engine.size(account, instrument)


def _require_market(world: World, engine: Engine, said: Instrument, opens: bool) -> Market:
    """Refuse a leg that its market does not allow now."""
    market = world.markets[said.market]
    barred = PENDING | UNTRUSTED | OPENING if opens else PENDING
    late = world.now > market.publish + (AGE_OPEN if opens else AGE_MM)
    require(not late and market.flags & barred == 0, "options: price not trusted")
    if said.kind != PERP:
        require(said.expiry > world.now, "options: not open")
        if opens:
            require(engine.caps.get(said.market, 0) != 0, "options: not open")
            within = may_open(said.id, world.now, market.price, *engine.bounds)
            require(within, "options: not open")
            trusted = engine.trusted((said.market, said.hours), world.now)
            require(trusted, "options: surface")
    return market


def engine_of(world: World) -> Engine:
    """Return the world's engine."""
    assert isinstance(world.engine, Engine)
    return world.engine


def health_of(world: World, account: int) -> Health:
    """Return a health: legs are written before the core knows of them."""
    facts = world.account(account)
    if engine_of(world).engaged(account):
        return engine_of(world).check(world, account, facts)
    return margin.check(facts, world.markets, world.collaterals, world.now)


def _require_side(world: World, account: int, opens: bool, before: Health | None) -> None:
    """R2: above IM with valid feeds, or nothing opened and nothing worse; at MM no auction."""
    after = health_of(world, account)
    initial = opens
    if not initial and after.equity < after.im:
        assert before is not None
        initial = not ledger.no_worse(before, after)
    if initial:
        require(after.status & LEG_INVALID == 0, "options: invalid feed")
        require(after.equity >= after.im, "options: margin")
    ledger.end_auction(world, account)


def set_mode(world: World, account: int, portfolio: bool) -> None:
    """Put an account under the other margin, where it must stand above IM."""
    engine = engine_of(world)
    engine.modes[account] = portfolio
    flag = engine.engaged(account)
    ledger.deal(world, ledger.Deal(account, account, 0, 0, 0, 0, 0, (flag, flag)))
    _require_side(world, account, True, None)


def settle_expired(world: World, account: int) -> int:
    """Pay what expired legs pay at their prices; return what the account got [WAD]."""
    engine = engine_of(world)
    paid, legs = 0, engine.books.get(account, ())
    for leg in reversed(legs):
        said = parts(leg.instrument)
        price = engine.settled.get((said.market, said.hours), 0)
        if said.expiry <= world.now and price:
            paid += leg.size * payoff(said, price)
            engine.book(leg.instrument, engine.change(account, leg.instrument, -leg.size))
    require(engine.books.get(account, ()) != legs, "options: nothing expired")
    flags = (True, engine.engaged(account))
    ledger.deal(world, ledger.Deal(engine.account, account, 0, 0, 0, paid, 0, flags))
    return paid
