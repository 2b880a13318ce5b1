"""Lenses of options of docs/spec/option-lens.md: equal to the contracts to the wei."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from tests.reference import margin, options
from tests.reference import options_margin as om
from tests.reference import portfolio as pm
from tests.reference.binary import LN_2, ONE, sqrt_wad
from tests.reference.black76 import log_moneyness, prices
from tests.reference.facts import Account, Leg
from tests.reference.fixed import ceil_div
from tests.reference.instruments import FUTURE, PERP, PUT, Instrument, is_canonical, parts
from tests.reference.markets import age
from tests.reference.state import World
from tests.reference.svi import total_variance
from tests.reference.units import (
    AGE_IM,
    DAY,
    KAPPA_COLLATERAL,
    KAPPA_FLAT,
    KAPPA_LEG,
    LOTS_PER_UNIT,
    PENDING,
    SOFT_ONE,
    UNTRUSTED,
    WAD,
    YEAR,
)
from tests.reference.words import market_of

PERCENT = 100
TERMS = 20
FAR = 10 * ONE
# 1 / sqrt(2 pi) [2^-64], rounded down
SCALE = 7_359_186_146_747_302_452


class Code(IntEnum):
    """How far a mark can be relied on."""

    MARKED = 0
    NOT_LISTED = 1
    NO_SURFACE = 2
    STALE = 3
    DEAD = 4
    SETTLED = 5
    AWAITED = 6


class Kind(IntEnum):
    """What a part of a requirement is."""

    LEG = 1
    CALENDAR = 2
    OPTION = 3
    AWAITED = 4
    HAIRCUT = 5
    KAPPA = 6
    SCAN = 7
    MINIMUM = 8
    BUFFER = 9
    STATIC = 10
    ORACLE = 11
    OPEN_INTEREST = 12
    SPOT = 13
    DEAD_FEED = 14
    AVERAGED = 15


@dataclass(frozen=True, slots=True)
class Greeks:
    """What is gained: delta and gamma in lots, vega and theta in WAD."""

    delta: int = 0
    gamma: int = 0
    vega: int = 0
    theta: int = 0

    def __add__(self, other: Greeks) -> Greeks:
        """Return both together."""
        return Greeks(
            self.delta + other.delta,
            self.gamma + other.gamma,
            self.vega + other.vega,
            self.theta + other.theta,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of MM and IM [WAD]."""

    kind: Kind
    about: int
    mm: int
    im: int


# ---- marks ---------------------------------------------------------------------------------------


def code_of(facts: om.Facts, instrument: int) -> Code:
    """Return how far the mark of an instrument can be relied on."""
    said = parts(instrument)
    if instrument >= 2**64 or not is_canonical(instrument) or said.market not in facts.markets:
        return Code.NOT_LISTED
    if said.kind == PERP:
        return Code.MARKED
    if said.expiry <= facts.now:
        return Code.SETTLED if facts.settled.get((said.market, said.hours)) else Code.AWAITED
    surface = facts.surfaces.get((said.market, said.hours))
    if surface is None:
        return Code.NO_SURFACE
    old = facts.now - surface.publish
    if old > pm.SURFACE_DEAD:
        return Code.DEAD
    return Code.STALE if old > pm.SURFACE_FRESH else Code.MARKED


def mark_of(facts: om.Facts, instrument: int) -> int:
    """Return what a unit is worth [ticks]."""
    said, code = parts(instrument), code_of(facts, instrument)
    if code == Code.NOT_LISTED:
        return 0
    price = facts.markets[said.market].price
    if said.kind == PERP:
        return price
    if code in (Code.SETTLED, Code.AWAITED):
        settled = facts.settled.get((said.market, said.hours)) or price
        return om.payoff(said, settled)
    return facts.mark(Leg(instrument, 1))


# ---- Greeks --------------------------------------------------------------------------------------


def density(d: int) -> int:
    """Return exp(-d^2 / 2) / sqrt(2 pi) [2^-64]."""
    if abs(d) >= FAR:
        return 0
    n, rest = divmod(d * d >> 65, LN_2)
    power = ONE
    for term in range(TERMS, 0, -1):
        power = ONE - (rest * power >> 64) // term
    return power * SCALE >> 64 + n


def greeks_of(facts: om.Facts, leg: Leg) -> Greeks:
    """Return the Greeks of a leg."""
    said, code = parts(leg.instrument), code_of(facts, leg.instrument)
    if code in (Code.NOT_LISTED, Code.SETTLED, Code.AWAITED):
        return Greeks()
    if said.kind == PERP:
        return Greeks(delta=leg.size)
    price = facts.markets[said.market].price
    view = pm.Underlying(said.market, price, 0)
    surface = facts.surfaces.get((said.market, said.hours))
    expiry = pm.expiry_of(facts.array, surface, view, said.hours, facts.now)
    slope, d1, s = _terms(said, expiry)
    delta = leg.size * slope * expiry.forward // (price * ONE)
    theta = leg.size * slope * (price - expiry.forward) * DAY // (expiry.seconds * ONE)
    if s == 0 or density(d1) == 0:
        return Greeks(delta=delta, theta=theta)
    product = leg.size * expiry.forward * density(d1)
    weight = product // ONE
    root = sqrt_wad(expiry.seconds * WAD // YEAR)
    return Greeks(
        delta=delta,
        gamma=product // (price * s * PERCENT),
        vega=weight * root // (PERCENT * ONE),
        theta=theta - weight * s * DAY // (2 * expiry.seconds * ONE),
    )


def _terms(said: Instrument, expiry: pm.Expiry) -> tuple[int, int, int]:
    """Return the slope of a leg in its forward, d1, and the deviation, 0 without one [2^-64]."""
    if said.kind == FUTURE:
        return ONE, 0, 0
    moneyness = s = 0
    if not expiry.dead and expiry.forward:
        moneyness = log_moneyness(expiry.forward, said.strike)
        s = sqrt_wad(max(total_variance(expiry.smile, -moneyness), expiry.least))
    slope = prices(expiry.forward, said.strike, moneyness, s).delta
    d1 = moneyness * ONE // s + s // 2 if s else 0
    return slope - (ONE if said.kind == PUT else 0), d1, s


def spot_of(facts: om.Facts, account: Account) -> Iterator[tuple[int, int]]:
    """Give the market and the lots of each collateral."""
    for holding in account.collateral:
        terms = facts.collaterals[holding.id]
        yield terms.feed, holding.amount * LOTS_PER_UNIT // 10**terms.decimals


# ---- the scan ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A market in the scan."""

    view: pm.Underlying
    width: int
    book: pm.Book
    rows: pm.Rows
    worst: int


@dataclass(frozen=True, slots=True)
class Scan:
    """The scan of an account: its markets, by group what they require, and in all [WAD]."""

    markets: tuple[Row, ...]
    groups: tuple[tuple[int, int, int, int], ...]  # group, apart, together, scan

    @property
    def total(self) -> int:
        """What all groups require."""
        return sum(group[3] for group in self.groups)


def lines_of(
    facts: om.Facts, held: Sequence[Leg], in_portfolio: bool, account: Account
) -> dict[int, om.Line]:
    """Return the lines of an account with what takes part in its scan."""
    lines = om.lines_of(facts, held, account)
    for line in lines.values():
        room = sum(other.scanned for other in lines.values()) < options.MAX_SCANNED
        line.scanned = in_portfolio and room and line.market in facts.risks
    for market, lots in spot_of(facts, account):
        if market in lines and lines[market].scanned:
            lines[market].spot += lots
    return lines


def scan_of(
    facts: om.Facts,
    held: Sequence[Leg],
    in_portfolio: bool,
    account: Account,
    initial: bool,
) -> Scan:
    """Return the rows of the scan under the ranges of IM or of MM."""
    open_ = om.averaged(facts, held, in_portfolio, om.Extra())
    lines = list(lines_of(facts, open_, in_portfolio, account).values())
    scanned = [line for line in lines if line.scanned]
    if not scanned:
        return Scan((), ())
    legs = om.scan_legs_of(facts, om.Extra(), open_, lines)
    views = sorted((om.underlying(facts, line) for line in scanned), key=om.group_of)
    surfaces = list(facts.surfaces.values())
    found = []
    for view in views:
        width = pm.range_of(view, view.v if initial else view.v_slow)
        book = pm.book_of(facts.array, view, surfaces, legs, facts.now, width)
        rows = pm.rows_of(facts.array, book, width)
        found.append(Row(view, width, book, rows, pm.worst(facts.array, rows)))
    groups = []
    for group in sorted({view.risk.group for view in views}):
        members = [row for row in found if row.view.risk.group == group]
        apart = sum(row.worst for row in members)
        together = pm.worst(facts.array, pm.added([row.rows for row in members]))
        saved = facts.rhos[group] * (apart - together) // WAD
        groups.append((group, apart, together, apart - saved))
    return Scan(tuple(found), tuple(groups))


# ---- parts ---------------------------------------------------------------------------------------


def parts_of(
    facts: om.Facts, held: Sequence[Leg], in_portfolio: bool, account: Account
) -> list[Part]:
    """Return what an account's MM and IM consist of, without parts of nothing."""
    known = om.Extra()
    legs = om.averaged(facts, held, in_portfolio, known)
    lines = lines_of(facts, legs, in_portfolio, account)
    if not lines and account.cash >= 0 and account.quote >= 0:
        return []
    found = [*_market_parts(facts, lines, held, account, in_portfolio)]
    found.append(Part(Kind.AVERAGED, 0, known.mm, known.mm))
    for line in lines.values():
        found += _line_parts(facts, line, legs)
    if in_portfolio:
        found.append(Part(Kind.SPOT, 0, 0, _over_soft_cap(facts, lines, account)))
        slow, fast = (scan_of(facts, held, True, account, initial) for initial in (False, True))
        found += _scan_parts(facts, slow, fast.total)
    return [part for part in found if part.mm or part.im]


def _market_parts(
    facts: om.Facts,
    lines: dict[int, om.Line],
    held: Sequence[Leg],
    account: Account,
    in_portfolio: bool,
) -> Iterator[Part]:
    kappa = KAPPA_FLAT + (len(held) + len(account.legs)) * KAPPA_LEG
    for line in lines.values():
        size = line.perp + line.futures
        if in_portfolio:
            size = 0 if line.scanned else line.perp
        charge = margin.leg_charge(facts.markets[line.market], size, account.house, facts.now)
        yield Part(Kind.LEG, line.market, charge.mm, charge.im)
    for holding in account.collateral:
        terms = facts.collaterals[holding.id]
        market = facts.markets[terms.feed]
        if terms.feed in lines and lines[terms.feed].scanned:
            lots = holding.amount * LOTS_PER_UNIT // 10**terms.decimals
            kappa += min(KAPPA_COLLATERAL, lots * market.price)
            continue
        charge = margin.collateral_charge(terms, market, holding.amount, facts.now)
        kappa += charge.kappa
        mm, im = charge.mm - charge.kappa, charge.im - charge.kappa
        yield Part(Kind.HAIRCUT, holding.id, mm, im)
    yield Part(Kind.KAPPA, 0, kappa, kappa)


def _line_parts(facts: om.Facts, line: om.Line, held: Sequence[Leg]) -> Iterator[Part]:
    m = facts.markets[line.market]
    if line.scanned:
        value = line.spot * m.price
        rate, dead = om.dead_rate(m, facts.now), margin.dead_share(m, facts.now)
        charge = ceil_div(rate * line.gross * m.price, WAD) + ceil_div(dead * value, WAD)
        invalid = age(m, facts.now) > AGE_IM or m.flags & (PENDING | UNTRUSTED)
        yield Part(Kind.DEAD_FEED, line.market, charge, charge)
        yield Part(Kind.SPOT, line.market, 0, value if invalid else 0)
    elif line.held:
        spread = min(line.long, line.short) * m.price
        calendar = ceil_div(m.margin.spread_rate * spread, WAD)
        mm = ceil_div(m.margin.mm_ratio * calendar, WAD)
        yield Part(Kind.CALENDAR, line.market, mm, calendar)
    for leg in held:
        said = parts(leg.instrument)
        if said.market != line.market:
            continue
        extra = om.Extra()
        if said.expiry <= facts.now:
            om.add_expired(facts, extra, leg)
            yield Part(Kind.AWAITED, leg.instrument, extra.mm, extra.im)
        elif not line.scanned:
            om.add_standard(facts, extra, leg)
            yield Part(Kind.OPTION, leg.instrument, extra.mm, extra.im)


def _over_soft_cap(facts: om.Facts, lines: dict[int, om.Line], account: Account) -> int:
    total = 0
    for holding in account.collateral:
        terms = facts.collaterals[holding.id]
        if terms.feed in lines and lines[terms.feed].scanned:
            lots = holding.amount * LOTS_PER_UNIT // 10**terms.decimals
            value = lots * facts.markets[terms.feed].price
            total += ceil_div(value * (SOFT_ONE - terms.soft), SOFT_ONE)
    return total


def market_charges(array: pm.RiskArray, row: Row) -> tuple[int, int, int, int, int]:
    """Return what a market requires beside its rows: least, static, calendar, oracle, OI."""
    view, book = row.view, row.book
    spread = ceil_div(view.price * min(book.gross) * view.risk.spread, pm.RATE_ONE)
    whole = pm.doubt(array, view, book)
    delta = book.linear + (book.net(2 * len(array.nodes))[0] >> pm.SUM_SHIFT)
    open_interest = ceil_div(abs(delta) * view.oi_rate, WAD)
    return (
        pm.minimum(view, book),
        pm.static_charge(view, book) - spread,
        spread,
        whole - open_interest,
        open_interest,
    )


def _scan_parts(facts: om.Facts, slow: Scan, fast: int) -> Iterator[Part]:
    least = 0
    for row in slow.markets:
        own, static, calendar, oracle, open_interest = market_charges(facts.array, row)
        least += own
        yield Part(Kind.STATIC, row.view.market, static, static)
        yield Part(Kind.CALENDAR, row.view.market, calendar, calendar)
        yield Part(Kind.ORACLE, row.view.market, 0, oracle)
        yield Part(Kind.OPEN_INTEREST, row.view.market, 0, open_interest)
    scan_im = max(slow.total, fast)
    risk = max(scan_im, least)
    yield Part(Kind.SCAN, 0, slow.total, scan_im)
    yield Part(Kind.MINIMUM, 0, max(least, slow.total) - slow.total, risk - scan_im)
    yield Part(Kind.BUFFER, 0, 0, ceil_div(5 * risk, 4) - risk)


# ---- of a world ----------------------------------------------------------------------------------


def seen(world: World, account: int) -> tuple[om.Facts, tuple[Leg, ...], bool, Account]:
    """Return what the lenses read of an account: nothing of the engine's own."""
    engine = options.engine_of(world)
    if account == engine.account:
        return engine.facts(world), (), False, Account()
    held, mode = engine.books.get(account, ()), engine.modes.get(account, False)
    return engine.facts(world), held, mode, world.account(account)


def greek_legs(world: World, account: int) -> list[tuple[Leg, Greeks]]:
    """Return the Greeks of each leg, the engine's first."""
    facts, held, _, words = seen(world, account)
    return [(leg, greeks_of(facts, leg)) for leg in (*held, *words.legs)]


def greek_markets(world: World, account: int) -> dict[int, tuple[int, Greeks]]:
    """Return lots of collateral and the Greeks of each market."""
    facts, _, _, words = seen(world, account)
    found: dict[int, tuple[int, Greeks]] = {}
    for leg, greeks in greek_legs(world, account):
        spot, sum_ = found.get(market_of(leg.instrument), (0, Greeks()))
        found[market_of(leg.instrument)] = spot, sum_ + greeks
    for market, lots in spot_of(facts, words):
        spot, sum_ = found.get(market, (0, Greeks()))
        found[market] = spot + lots, sum_ + Greeks(delta=lots)
    return found
