"""Portfolio margin of docs/spec/portfolio-margin.md: equal to contracts/PortfolioMargin.vy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.reference.binary import ONE, ln, sqrt_wad
from tests.reference.black76 import log_moneyness
from tests.reference.facts import Leg
from tests.reference.fixed import ceil_div, clamp, trunc_div
from tests.reference.instruments import CALL, FUTURE, PERP, PUT, Instrument, parts
from tests.reference.refused import require
from tests.reference.scan_cdf import scan_cdf
from tests.reference.svi import Smile
from tests.reference.units import CONF_ONE, DAY, V_ONE, WAD, YEAR
from tests.reference.words import put

# how long a surface counts as new, and when nothing is left of it [s]
SURFACE_FRESH = 120
SURFACE_DEAD = 3_600
# 1.0 of a rate in a risk word, of a ratio, of annual variances, of correlation, of log-moneyness
RATE_ONE = 10**4
RATIO_ONE = 2**30
VARIANCE_ONE = 2**26
RHO_ONE = 2**30
MONEY_ONE = 2**28
# the least that is left of a price, and of a volatility under its shock
LEAST = ONE // 16
# the least deviation of a row, which stands for none, and the least annual variance: 1 % squared
LEAST_DEVIATION = ONE >> 20
LEAST_VARIANCE = WAD // 10_000
# powers of time in the vol shock, below and from 30 days on
PIVOT = 30 * DAY
SHORT_POWER = (3, 10)
LONG_POWER = (13, 100)
EXP_TERMS = 6
# a leg's value and its strike's [WAD]
MAX_LEG = 2**96 - 1
# what a product of a leg with N counts in: 2^16 WAD times 2^-40
COARSE = 16
SUM_SHIFT = 40 - COARSE
DEAD_SHORT = 10  # % of the price
STATIC_DELTA = 3
STATIC_NAKED = 2
NO_SMILE = Smile(0, 0, 0, 0, 0)
MAX_LEGS = 64
MAX_GROUPS = 4
MAX_RHO = 6 * WAD // 10


@dataclass(frozen=True, slots=True)
class RiskArray:
    """The rows of the engine: constructor arguments, all WAD."""

    nodes: tuple[int, ...]
    extremes: tuple[tuple[int, int], ...]  # node and weight
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class Risk:
    """Parameters of a market, in 1e-4; its group."""

    range_min: int = 1_200
    range_vol: int = 855
    som: int = 100
    spread: int = 100
    group: int = 0

    @property
    def word(self) -> int:
        """Return `group | spread | som | range_vol | range_min`."""
        return (
            put(self.group, 8, 64)
            | put(self.spread, 16, 48)
            | put(self.som, 16, 32)
            | put(self.range_vol, 16, 16)
            | put(self.range_min, 16, 0)
        )


@dataclass(frozen=True, slots=True)
class Underlying:
    """What the caller says of one market: prices in ticks, spot in lots, the rate WAD."""

    market: int
    price: int
    stable: int
    conf: int = 0
    v: int = V_ONE
    v_slow: int = V_ONE
    funding: int = 0
    spot: int = 0
    oi_rate: int = 0
    risk: Risk = Risk()

    @property
    def price_word(self) -> int:
        """Return the fields of the price word that are read here."""
        return (
            put(self.price, 64, 192)
            | put(self.stable, 64, 128)
            | put(self.conf, 16, 112)
            | put(self.v, 16, 56)
            | put(self.v_slow, 16, 40)
        )


@dataclass(frozen=True, slots=True)
class Surface:
    """The surface of one expiry in stored units; annual variances."""

    market: int
    hours: int
    publish: int
    ratio: int = RATIO_ONE
    a: int = VARIANCE_ONE * 64 // 100
    b: int = 0
    rho: int = 0
    m: int = 0
    sigma: int = MONEY_ONE // 10

    @property
    def word(self) -> int:
        """Return the one word of a surface."""
        return (
            put(self.market, 8, 248)
            | put(self.hours, 24, 224)
            | put(self.publish, 32, 192)
            | put(self.ratio, 32, 160)
            | put(self.a, 32, 128)
            | put(self.b, 32, 96)
            | put(self.rho, 32, 64)
            | put(self.m, 32, 32)
            | put(self.sigma, 32, 0)
        )


@dataclass(frozen=True, slots=True)
class Expiry:
    """What an expiry needs once: the forward [ticks], its smile, factors of volatility [2^-64].

    The smile is in total variance until the expiry.
    """

    seconds: int
    forward: int
    dead: bool
    smile: Smile = NO_SMILE
    least: int = 0
    up: int = ONE
    down: int = ONE


@dataclass(slots=True)
class Book:
    """Sums over the legs of one market.

    Rows: nodes under `up`, nodes under `down`, then without a shock the mark and the extremes.
    """

    rows: int
    worth: int = 0  # what E gains by legs [WAD]
    linear: int = 0  # value of delta-1 legs and of minus the puts [WAD]
    theta: int = 0
    perp: int = 0  # lots
    future: int = 0
    gross: list[int] = field(default_factory=lambda: [0, 0])  # long, short
    options: list[int] = field(default_factory=lambda: [0, 0, 0, 0])  # calls, puts; long, short
    gains: list[list[int]] = field(default_factory=list)  # sum of |size| F N(d1): long, short
    costs: list[list[int]] = field(default_factory=list)  # sum of |size| K N(d2)

    def __post_init__(self) -> None:
        """Make the rows."""
        self.gains = [[0] * self.rows, [0] * self.rows]
        self.costs = [[0] * self.rows, [0] * self.rows]

    def net(self, row: int) -> tuple[int, int]:
        """Return both sums of a row, long less short."""
        return (
            self.gains[0][row] - self.gains[1][row],
            self.costs[0][row] - self.costs[1][row],
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """What a book loses by row [WAD]; the gap charges of up's and down's neighbours."""

    losses: tuple[int, ...]
    gaps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Margin:
    """What the engine answers [WAD]."""

    equity: int
    im: int
    im0: int
    le: int
    mm: int
    scan_mm: int
    scan_im: int


# ---- once an array, a range, an expiry -----------------------------------------------------------


def range_of(market: Underlying, v: int) -> int:
    """Return the range of a market under a volatility scalar [1e-4]."""
    return max(market.risk.range_min, ceil_div(market.risk.range_vol * v, V_ONE))


def moves(array: RiskArray, width: int) -> tuple[int, ...]:
    """Return the price moves of nodes and extremes, rounded away from zero [2^-64]."""
    multiples = [*array.nodes, *(node for node, _ in array.extremes)]
    binary = [trunc_div(node << 64, WAD) for node in multiples]
    sizes = [ceil_div(abs(node) * width, RATE_ONE) for node in binary]
    signed = [-size if node < 0 else size for node, size in zip(binary, sizes, strict=True)]
    return tuple(max(move, LEAST - ONE) for move in signed)


def time_factor(seconds: int) -> int:
    """Return (30 d / max(T, 1 d))^p, p = 0.3 below 30 days and 0.13 from there on [2^-64]."""
    above, below = SHORT_POWER if seconds < PIVOT else LONG_POWER
    quarter = trunc_div(ln((PIVOT << 64) // max(seconds, DAY)) * above, 4 * below)
    root = ONE
    for term in range(EXP_TERMS, 0, -1):
        product = quarter * root >> 64
        # by a power of two a machine shifts
        root = ONE + (product // term if term in (1, 2, 4) else trunc_div(product, term))
    root = root * root >> 64
    return root * root >> 64


def expiry_of(
    array: RiskArray, surface: Surface | None, market: Underlying, hours: int, now: int
) -> Expiry:
    """Return what an expiry's options share."""
    seconds = max(0, hours * 3_600 - now)
    if surface is None:
        return Expiry(seconds, market.price, dead=True)
    life = hours * 3_600 - surface.publish
    bounded = clamp(surface.ratio, RATIO_ONE * 3 // 4, RATIO_ONE * 5 // 4) - RATIO_ONE
    ahead = trunc_div(bounded * min(seconds, life), life) if life > 0 else 0
    forward = market.price * (RATIO_ONE + ahead) // RATIO_ONE
    age = max(0, now - surface.publish)
    if age > SURFACE_DEAD:
        return Expiry(seconds, forward, dead=True)
    wider = ONE + (max(0, age - SURFACE_FRESH) << 64) // SURFACE_DEAD
    factor = time_factor(seconds) * wider >> 64
    return Expiry(
        seconds,
        forward,
        dead=False,
        smile=Smile(
            trunc_div(surface.a * WAD * seconds, VARIANCE_ONE * YEAR),
            surface.b * WAD * seconds // (VARIANCE_ONE * YEAR),
            surface.rho << 34,
            surface.m << 36,
            surface.sigma << 36,
        ),
        least=LEAST_VARIANCE * seconds // YEAR,
        up=ONE + factor * array.up // WAD,
        down=max(LEAST, ONE - factor * array.down // WAD),
    )


# ---- legs ----------------------------------------------------------------------------------------


def deviation(expiry: Expiry, moneyness: int) -> int:
    """Return the root of a strike's total variance, from ln(F / K) [2^-64]; 0 where it is dead."""
    if expiry.dead:
        return 0
    said = expiry.smile
    x = -moneyness - said.m
    along = (said.rho * x >> 64) + sqrt_wad((x * x + said.sigma * said.sigma) * WAD >> 128)
    return sqrt_wad(max(expiry.least, said.a + (said.b * along >> 64)))


def add_option(
    book: Book, leg: Leg, said: Instrument, market: Underlying, expiry: Expiry, logs: Sequence[int]
) -> None:
    """Add an option as a call in every row, and what makes it a put again."""
    size, strike, forward = leg.size, said.strike, expiry.forward
    value, cost = size * forward, size * strike
    require(max(abs(value), abs(cost)) <= MAX_LEG, "portfolio: value too large")
    k = log_moneyness(forward, strike)
    s = deviation(expiry, k)
    if said.kind == PUT:
        book.linear -= value
        book.worth += cost - value
    if size > 0 and expiry.seconds <= DAY:
        book.theta += size * time_value(forward, strike, k, s)
    if size < 0 and expiry.dead:
        book.worth += size * market.price * DEAD_SHORT // 100
    book.options[2 * (said.kind - CALL) + (size < 0)] += abs(size)

    gains, costs = book.gains[size < 0], book.costs[size < 0]
    nodes = book.rows - len(logs) - 1
    for factor, first, row_logs in (
        (expiry.up, 0, logs[:nodes]),
        (expiry.down, nodes, logs[:nodes]),
        (ONE, 2 * nodes, [0, *logs[nodes:]]),
    ):
        for row, log in enumerate(row_logs, first):
            d1, d2 = distances(k, s, factor, log)
            gains[row] += (abs(value) >> COARSE) * scan_cdf(d1)
            costs[row] += (abs(cost) >> COARSE) * scan_cdf(d2)


def distances(k: int, deviation: int, factor: int, log: int) -> tuple[int, int]:
    """Return d1 and d2 of a strike where the price has moved by a logarithm [2^-64]."""
    s = max(LEAST_DEVIATION, deviation * factor >> 64)
    inverse = 2**128 // s
    d1 = (k * inverse >> 64) + (s >> 1) + (inverse * log >> 64)
    return d1, d1 - s


def time_value(forward: int, strike: int, k: int, deviation: int) -> int:
    """Return what an option costs beyond its intrinsic value, rounded up [ticks]."""
    d1, d2 = distances(k, deviation, ONE, 0)
    call = -(strike * scan_cdf(d2) - forward * scan_cdf(d1) >> 40)
    return max(0, call - max(0, forward - strike))


def add_delta_one(book: Book, size: int, forward: int) -> None:
    """Add a leg, or spot, that moves as its forward does."""
    book.linear += size * forward
    book.gross[size < 0] += abs(size)


def book_of(
    array: RiskArray,
    market: Underlying,
    surfaces: Iterable[Surface],
    legs: Iterable[Leg],
    now: int,
    width: int,
) -> Book:
    """Return the sums over the legs of one market."""
    logs = [ln(ONE + move) for move in moves(array, width)]
    found = {s.hours: s for s in surfaces if s.market == market.market}
    book = Book(len(array.nodes) + 1 + len(logs))
    add_delta_one(book, market.spot, market.price)
    for leg in legs:
        said = parts(leg.instrument)
        if said.market != market.market:
            continue
        if said.kind == PERP:
            add_delta_one(book, leg.size, market.price)
            book.perp += leg.size
            book.worth += leg.size * (market.price - market.funding)
            continue
        expiry = expiry_of(array, found.get(said.hours), market, said.hours, now)
        if said.kind == FUTURE:
            add_delta_one(book, leg.size, expiry.forward)
            book.future += leg.size
            book.worth += leg.size * expiry.forward
        else:
            add_option(book, leg, said, market, expiry, logs)
    book.worth += market.spot * market.price + mark(array, book)
    return book


# ---- rows ----------------------------------------------------------------------------------------


def mark(array: RiskArray, book: Book) -> int:
    """Return what the options are worth as calls, as they stand, rounded down [WAD]."""
    gain, cost = book.net(2 * len(array.nodes))
    return gain - cost >> SUM_SHIFT


def rows_of(array: RiskArray, book: Book, width: int) -> Rows:
    """Return what each row loses, and what may be lost between neighbours besides."""
    nodes = len(array.nodes)
    steps = moves(array, width)
    per_row = (*steps[:nodes], *steps[:nodes], 0, *steps[nodes:])
    before = mark(array, book)
    losses = []
    for row, move in enumerate(per_row):
        gain, cost = book.net(row)
        value = ((gain * (ONE + move) >> 64) - cost >> SUM_SHIFT) + (book.linear * move >> 64)
        losses.append(before - value)
    assert losses.pop(2 * nodes) == 0
    for i, (_, weight) in enumerate(array.extremes, 2 * nodes):
        losses[i] = ceil_div(losses[i] * weight, WAD)
    longs = book.gains[0]
    quarter = 2**66 << SUM_SHIFT
    gaps = [
        ceil_div(max(0, longs[r + 1] - longs[r]) * (per_row[r + 1] - per_row[r]), quarter)
        for first in (0, nodes)
        for r in range(first, first + nodes - 1)
    ]
    return Rows(tuple(losses), tuple(gaps))


def worst(array: RiskArray, rows: Rows) -> int:
    """Return the most that is lost: at a row, or between two neighbours; at least 0."""
    nodes = len(array.nodes)
    cells = [
        max(rows.losses[r], rows.losses[r + 1]) + rows.gaps[r - (r >= nodes)]
        for first in (0, nodes)
        for r in range(first, first + nodes - 1)
    ]
    return max(0, *cells, *rows.losses[2 * nodes :])


def added(all_rows: Sequence[Rows]) -> Rows:
    """Return the rows of several markets together."""
    losses = zip(*(rows.losses for rows in all_rows), strict=True)
    gaps = zip(*(rows.gaps for rows in all_rows), strict=True)
    return Rows(tuple(map(sum, losses)), tuple(map(sum, gaps)))


def scan_of(
    array: RiskArray, rhos: Sequence[int], markets: Sequence[Underlying], rows: Sequence[Rows]
) -> int:
    """Return rho A + (1 - rho) B, groups added, rounded up."""
    total = 0
    for group in sorted({market.risk.group for market in markets}):
        members = [
            found for market, found in zip(markets, rows, strict=True) if market.risk.group == group
        ]
        apart = sum(worst(array, found) for found in members)
        together = worst(array, added(members))
        total += apart - rhos[group] * (apart - together) // WAD
    return total


# ---- charges -------------------------------------------------------------------------------------


def minimum(market: Underlying, book: Book) -> int:
    """Return the least that options require: of short ones, and of the last day's time value."""
    short = book.options[1] + book.options[3]
    return ceil_div(short * market.price * market.risk.som, RATE_ONE) + book.theta


def static_charge(market: Underlying, book: Book) -> int:
    """Return the charges that no row sees: for delta-1 legs, naked shorts and calendar spreads."""
    long_calls, short_calls, long_puts, short_puts = book.options
    naked = max(0, short_calls - long_calls) + max(0, short_puts - long_puts)
    held = market.spot + abs(book.perp) + abs(book.future)
    static = ceil_div(market.price * (STATIC_DELTA * held + STATIC_NAKED * naked), 100)
    return static + ceil_div(market.price * min(book.gross) * market.risk.spread, RATE_ONE)


def doubt(array: RiskArray, market: Underlying, book: Book) -> int:
    """Return what IM adds for the stable price, the confidence and open interest."""
    delta = book.linear + (book.net(2 * len(array.nodes))[0] >> SUM_SHIFT)
    conf = ceil_div(market.price * market.conf, CONF_ONE)
    behind = ceil_div(max(0, delta * (market.price - market.stable)), market.price)
    unsure = ceil_div(abs(delta) * conf, market.price)
    return behind + unsure + ceil_div(abs(delta) * market.oi_rate, WAD)


def check(
    array: RiskArray,
    rhos: Sequence[int],
    markets: Sequence[Underlying],
    surfaces: Sequence[Surface],
    legs: Sequence[Leg],
    equity: int,
    kappa: int,
    now: int,
) -> Margin:
    """Return equity and requirements; `equity` is cash, quote and collateral outside the scan."""

    def scanned(widths: Sequence[int]) -> tuple[list[Book], int]:
        books = [
            book_of(array, market, surfaces, legs, now, width)
            for market, width in zip(markets, widths, strict=True)
        ]
        pairs = zip(books, widths, strict=True)
        rows = [rows_of(array, book, width) for book, width in pairs]
        return books, scan_of(array, rhos, markets, rows)

    slow = [range_of(market, market.v_slow) for market in markets]
    fast = [range_of(market, market.v) for market in markets]
    books, scan_mm = scanned(slow)
    scan_im = scan_mm if fast == slow else max(scan_mm, scanned(fast)[1])

    each = list(zip(markets, books, strict=True))
    least = sum(minimum(market, book) for market, book in each)
    risk_mm, risk_im = max(scan_mm, least), max(scan_im, least)
    mm = risk_mm + kappa + sum(static_charge(market, book) for market, book in each)
    im0 = mm + ceil_div(5 * risk_im, 4) - risk_mm
    return Margin(
        equity=equity + sum(book.worth for book in books),
        im=im0 + sum(doubt(array, market, book) for market, book in each),
        im0=im0,
        le=mm + ceil_div(risk_mm, 8),
        mm=mm,
        scan_mm=scan_mm,
        scan_im=scan_im,
    )
