"""The engine's margin of docs/spec/engine.md: equal to contracts/OptionsMargin.vy to the wei."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.reference import averages, ledger, margin
from tests.reference import portfolio as pm
from tests.reference.facts import Account, Collateral, Health, Leg, Market
from tests.reference.fixed import ceil_div, mul_up, trunc_div
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
from tests.reference.markets import age, funding_now
from tests.reference.refused import require
from tests.reference.state import World
from tests.reference.units import (
    AGE_IM,
    AGE_MM,
    AGE_OPEN,
    DUST,
    KAPPA_COLLATERAL,
    KAPPA_LEG,
    LEG_INVALID,
    LOTS_PER_UNIT,
    MAX_PRICE,
    MAX_SIZE,
    OPENING,
    PENDING,
    SOFT_ONE,
    UNTRUSTED,
    V_ONE,
    WAD,
)
from tests.reference.words import instrument_of, market_of

MAX_LINES, MAX_SCANNED, MAX_SURFACES, MAX_SCAN_LEGS = 16, 8, 16, 64
# of a short option, in % of the price; of a leg whose settlement price is awaited
SHORT_IM, SHORT_LEAST, AWAITED, DEAD_SHORT = 15, 10, 10, 10
V_CAP = 2 * V_ONE
# a side's fee is at most 1 / FEE_SHARE of the legs at the market's price
FEE_SHARE = 100

Mark = Callable[[Leg], int]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a check of the engine reads beside the account."""

    now: int
    markets: Mapping[int, Market]
    collaterals: Mapping[int, Collateral]
    surfaces: Mapping[tuple[int, int], pm.Surface]
    settled: Mapping[tuple[int, int], int]
    risks: Mapping[int, pm.Risk]
    array: pm.RiskArray
    rhos: Sequence[int]
    mark: Mark
    # of what expires within half an hour: seconds observed, their mean [ticks]
    averages: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Line:
    """What an account has of one market, in lots."""

    market: int
    perp: int = 0
    futures: int = 0
    long: int = 0
    short: int = 0
    gross: int = 0
    spot: int = 0
    held: bool = False
    scanned: bool = False


@dataclass(slots=True)
class Extra:
    """What comes on top of what Markets says, WAD."""

    worth: int = 0
    unsettled: int = 0
    mm: int = 0
    ims: int = 0
    im: int = 0
    kappa: int = 0
    lines: dict[int, Line] = field(default_factory=dict)

    def charge(self, amount: int) -> None:
        """Require as much at every level."""
        self.mm += amount
        self.ims += amount
        self.im += amount


def lines_of(facts: Facts, held: Sequence[Leg], account: Account) -> dict[int, Line]:
    """Sum up by market, those of the engine's legs first."""
    lines: dict[int, Line] = {}
    for leg, engine in [(leg, True) for leg in held] + [(leg, False) for leg in account.legs]:
        line = lines.setdefault(market_of(leg.instrument), Line(market_of(leg.instrument)))
        require(len(lines) <= MAX_LINES, "engine: no room")
        line.gross += abs(leg.size)
        line.held = line.held or engine
        said = parts(leg.instrument)
        if said.kind == PERP:
            line.perp = leg.size
        elif said.kind == FUTURE and said.expiry > facts.now:
            line.futures += leg.size
        else:
            continue
        line.long += max(leg.size, 0)
        line.short += max(-leg.size, 0)
    return lines


def payoff(said: Instrument, price: int) -> int:
    """Return what one unit long pays at a price [ticks]."""
    if said.kind == FUTURE:
        return price
    return max(0, price - said.strike if said.kind == CALL else said.strike - price)


def add_expired(facts: Facts, extra: Extra, leg: Leg) -> None:
    """Count what expired at its payoff, at the market's price as long as its own is awaited."""
    said = parts(leg.instrument)
    price = facts.markets[said.market].price
    settled = facts.settled.get((said.market, said.hours), 0)
    worth = leg.size * payoff(said, settled or price)
    if not settled:
        extra.charge(ceil_div(abs(leg.size) * price * AWAITED, 100))
    extra.worth += worth
    extra.unsettled += worth


def dead_rate(m: Market, now: int) -> int:
    """Return what a dead feed adds to the rate of a leg [WAD]."""
    return min(WAD, 2 * m.margin.base * margin.dead_share(m, now) // WAD)


def total(health: Health, extra: Extra) -> Health:
    """Return a health with what comes on top."""
    return replace(
        health,
        equity=health.equity + extra.worth,
        unsettled=health.unsettled + extra.unsettled,
        kappa=health.kappa + extra.kappa,
        mm=health.mm + extra.mm + extra.kappa,
        le=health.le + extra.mm + (extra.ims - extra.mm + 1) // 2 + extra.kappa,
        im=health.im + extra.im + extra.kappa,
    )


# ---- the last half hour --------------------------------------------------------------------------


def averaged(
    facts: Facts, held: Sequence[Leg], in_portfolio: bool, extra: Extra
) -> tuple[Leg, ...]:
    """Return the legs, those in their last half hour by what of them is still open."""
    legs = []
    for leg in held:
        said = parts(leg.instrument)
        observed, mean = facts.averages.get((said.market, said.hours), (0, 0))
        left, worth = leg, 0
        if observed and facts.now < said.expiry < facts.now + averages.WINDOW:
            left, worth = averages.open_part(said, leg.size, observed, mean)
        extra.worth += worth
        if said.kind == FUTURE:
            extra.unsettled += worth
        elif not in_portfolio:
            extra.charge(max(0, worth))
        if left.size:
            legs.append(left)
    return tuple(legs)


# ---- standard ------------------------------------------------------------------------------------


def standard(facts: Facts, held: Sequence[Leg], account: Account, extra: Extra) -> Health:
    """R4: the net of perp and futures as a perp, spreads and options on top."""
    legs = []
    for line in extra.lines.values():
        net = line.perp + line.futures
        require(abs(net) <= MAX_SIZE, "engine: size range")
        legs.append(Leg(instrument_of(line.market), net))
        if line.held:
            m = facts.markets[line.market]
            calendar = mul_up(m.margin.spread_rate, min(line.long, line.short) * m.price)
            extra.mm += mul_up(m.margin.mm_ratio, calendar)
            extra.ims += calendar
            extra.im += calendar
            entry = line.futures * (m.price - funding_now(m, facts.now))
            extra.worth -= entry
            extra.unsettled -= entry
    for leg in held:
        add_standard(facts, extra, leg)
    words = replace(account, legs=tuple(legs))
    return total(margin.check(words, facts.markets, facts.collaterals, facts.now), extra)


def add_standard(facts: Facts, extra: Extra, leg: Leg) -> None:
    """Add an engine's leg: its mark and what it requires."""
    said = parts(leg.instrument)
    m = facts.markets[said.market]
    if said.expiry <= facts.now:
        add_expired(facts, extra, leg)
        return
    mark = facts.mark(leg)
    extra.worth += leg.size * mark
    if said.kind == FUTURE:
        extra.unsettled += leg.size * mark
        return
    extra.charge(mul_up(dead_rate(m, facts.now), abs(leg.size) * m.price))
    if leg.size > 0:
        extra.charge(leg.size * mark)
    else:
        add_short(facts, extra, said, -leg.size, mark)


def add_short(facts: Facts, extra: Extra, said: Instrument, lots: int, mark: int) -> None:
    """Add R4's short option."""
    m = facts.markets[said.market]
    away = max(0, said.strike - m.price if said.kind == CALL else m.price - said.strike)
    percent = max(SHORT_IM * m.price - 100 * away, SHORT_LEAST * m.price)
    v, v_slow = min(m.v, V_CAP), min(m.v_slow, V_CAP)
    most = lots * max(0, said.strike - mark) if said.kind == PUT else 2**256
    extra.mm += min(most, ceil_div(SHORT_IM * m.price * lots * v_slow, 200 * V_ONE))
    extra.ims += min(most, ceil_div(percent * lots * v_slow, 100 * V_ONE))
    extra.im += min(most, ceil_div(percent * lots * v, 100 * V_ONE))
    surface = facts.surfaces.get((said.market, said.hours))
    if surface is None or facts.now - surface.publish > pm.SURFACE_DEAD:
        extra.worth -= ceil_div(lots * m.price * DEAD_SHORT, 100)


# ---- portfolio -----------------------------------------------------------------------------------


def portfolio(facts: Facts, held: Sequence[Leg], account: Account, extra: Extra) -> Health:
    """R5: the scan over what takes part, Markets for the rest."""
    lines = list(extra.lines.values())
    for line in lines:
        scanned = sum(other.scanned for other in lines) < MAX_SCANNED
        line.scanned = scanned and line.market in facts.risks
        require(line.scanned or not line.held, "engine: no room")
    left = []
    for holding in account.collateral:
        terms = facts.collaterals[holding.id]
        line = extra.lines.get(terms.feed, Line(terms.feed))
        if not line.scanned:
            left.append(holding)
            continue
        lots = holding.amount * LOTS_PER_UNIT // 10**terms.decimals
        line.spot += lots
        value = lots * facts.markets[terms.feed].price
        extra.kappa += min(KAPPA_COLLATERAL, value)
        extra.im += ceil_div(value * (SOFT_ONE - terms.soft), SOFT_ONE)
    legs = (Leg(instrument_of(line.market), 0 if line.scanned else line.perp) for line in lines)
    rest = replace(account, legs=tuple(legs), collateral=tuple(left))
    base = margin.check(rest, facts.markets, facts.collaterals, facts.now)

    for line in lines:
        if line.scanned:
            add_doubt(facts, extra, line)
    scan_legs = scan_legs_of(facts, extra, held, lines)
    health = total(base, extra)
    keys = list(
        dict.fromkeys(
            (market_of(leg.instrument), parts(leg.instrument).hours)
            for leg in scan_legs
            if parts(leg.instrument).kind != PERP
        )
    )
    require(len(keys) <= MAX_SURFACES, "engine: no room")
    scan = pm.check(
        facts.array,
        facts.rhos,
        sorted((underlying(facts, line) for line in lines if line.scanned), key=group_of),
        [facts.surfaces[key] for key in keys if key in facts.surfaces],
        scan_legs,
        health.equity,
        health.mm,
        facts.now,
    )
    return replace(
        health,
        equity=scan.equity,
        mm=scan.mm,
        le=health.le + scan.le - health.mm,
        im=health.im + scan.im - health.mm,
    )


def group_of(market: pm.Underlying) -> int:
    """Return a market's group."""
    return market.risk.group


def scan_legs_of(
    facts: Facts, extra: Extra, held: Sequence[Leg], lines: Sequence[Line]
) -> list[Leg]:
    """Return the legs of the scan; what expired and what enters U goes into the sums."""
    legs = []
    for leg in held:
        said = parts(leg.instrument)
        if said.expiry <= facts.now:
            add_expired(facts, extra, leg)
            continue
        legs.append(leg)
        if said.kind == FUTURE:
            surface = facts.surfaces.get((said.market, said.hours))
            view = pm.Underlying(said.market, facts.markets[said.market].price, 0)
            forward = pm.expiry_of(facts.array, surface, view, said.hours, facts.now).forward
            extra.unsettled += leg.size * forward
    for line in lines:
        if line.scanned and line.perp:
            m = facts.markets[line.market]
            legs.append(Leg(instrument_of(line.market), line.perp))
            extra.unsettled += line.perp * (m.price - funding_now(m, facts.now))
    require(len(legs) <= MAX_SCAN_LEGS, "engine: no room")
    return legs


def underlying(facts: Facts, line: Line) -> pm.Underlying:
    """Return what the scan is told of a market."""
    m = facts.markets[line.market]
    f = m.margin.base * m.v // V_ONE
    capped, plain = min(WAD, f * margin.oi_scale(m) // WAD), min(WAD, f)
    return pm.Underlying(
        market=line.market,
        price=m.price,
        stable=m.stable,
        conf=m.conf,
        v=m.v,
        v_slow=m.v_slow,
        funding=funding_now(m, facts.now),
        spot=line.spot,
        oi_rate=max(0, capped - plain),
        risk=facts.risks[line.market],
    )


def add_doubt(facts: Facts, extra: Extra, line: Line) -> None:
    """Add what a dead feed costs, and spot of an invalid one to IM."""
    m = facts.markets[line.market]
    value = line.spot * m.price
    extra.charge(mul_up(dead_rate(m, facts.now), line.gross * m.price))
    extra.charge(mul_up(margin.dead_share(m, facts.now), value))
    if age(m, facts.now) > AGE_IM or m.flags & (PENDING | UNTRUSTED):
        extra.im += value


def check(facts: Facts, held: Sequence[Leg], in_portfolio: bool, account: Account) -> Health:
    """Return equity and requirements of an account with these legs at the engine."""
    extra = Extra()
    legs = averaged(facts, held, in_portfolio, extra)
    extra.lines = lines_of(facts, legs, account)
    extra.kappa = (len(held) + len(account.legs) - len(extra.lines)) * KAPPA_LEG
    return (portfolio if in_portfolio else standard)(facts, legs, account, extra)


# ---- the engine as a whole -----------------------------------------------------------------------


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
