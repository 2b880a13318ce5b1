"""The engine's margin of docs/spec/engine.md: equal to contracts/OptionsMargin.vy to the wei."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.reference import averages, margin
from tests.reference import portfolio as pm
from tests.reference.facts import Account, Collateral, Health, Leg, Market
from tests.reference.fixed import ceil_div, mul_up
from tests.reference.instruments import (
    CALL,
    FUTURE,
    PERP,
    PUT,
    Instrument,
    parts,
)
from tests.reference.markets import age, funding_now
from tests.reference.refused import require
from tests.reference.units import (
    AGE_IM,
    KAPPA_COLLATERAL,
    KAPPA_LEG,
    LOTS_PER_UNIT,
    MAX_SIZE,
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
