"""Portfolio margin: what the rules promise of the reference, against real numbers and SPAN."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.reference import portfolio as pm
from tests.reference.binary import ONE
from tests.reference.facts import Leg
from tests.reference.fixed import ceil_div
from tests.reference.instruments import CALL, PUT, parts
from tests.reference.refused import Refused
from tests.reference.units import DAY, HOUR, LOTS_PER_UNIT, TICKS_PER_USD, V_ONE, WAD
from tests.support import books as b
from tests.support import exact_portfolio as exact

VECTORS = Path(__file__).parent.parent / "vectors"
ARRAY, NOW = b.SIXTEEN, b.NOW
SURFACES = b.surfaces(b.ETH, b.BTC)
# of what a row may be off, relative to the sum of size (F + K) [docs/spec/portfolio-margin.md]
ERROR = 8e-9
GRID = 1_001
WIDTH = 1_200
NODES = len(ARRAY.nodes)


def rows(legs: list[Leg], market: pm.Underlying | None = None, width: int = WIDTH) -> pm.Rows:
    book = pm.book_of(ARRAY, market or b.market(), SURFACES, legs, NOW, width)
    return pm.rows_of(ARRAY, book, width)


def scan(legs: list[Leg], market: pm.Underlying | None = None, width: int = WIDTH) -> int:
    return pm.worst(ARRAY, rows(legs, market, width))


def check(
    legs: list[Leg],
    *markets: pm.Underlying,
    surfaces: list[pm.Surface] | None = None,
    array: pm.RiskArray = ARRAY,
    rhos: tuple[int, ...] = b.RHOS,
) -> pm.Margin:
    found = SURFACES if surfaces is None else surfaces
    return pm.check(array, rhos, markets or (b.market(),), found, legs, 0, b.KAPPA, NOW)


def dust(legs: list[Leg]) -> int:
    """Return the error of the table for a book, in WAD."""
    terms = exact.terms_of(b.market(), SURFACES, legs, NOW)
    return int(ERROR * exact.gross(b.market(), terms) * WAD) + 100


def is_just(requirement: int, dollars: int) -> bool:
    """Return whether a requirement is this, or above it by what a move is rounded by."""
    return 0 <= requirement - dollars * WAD <= 10**5


# ---- rows and what lies between ------------------------------------------------------------------


@given(b.books(), st.integers(-100, 100))
def test_scan__any_book__rows_are_the_true_losses(legs: list[Leg], spot: int) -> None:
    market = b.market(spot=max(0, spot) * LOTS_PER_UNIT)
    terms = exact.terms_of(market, SURFACES, legs, NOW)
    found = rows(legs, market)
    off = ERROR * exact.gross(market, terms)
    width = WIDTH / pm.RATE_ONE
    nodes = np.array([node / WAD * width for node in ARRAY.nodes])
    for first, shock in ((0, ARRAY.up), (NODES, -ARRAY.down)):
        true = exact.losses(ARRAY, market, terms, nodes, shock)
        for row, loss in enumerate(true, first):
            assert abs(found.losses[row] / WAD - loss) <= off
    for row, (node, weight) in enumerate(ARRAY.extremes, 2 * NODES):
        (loss,) = exact.losses(ARRAY, market, terms, np.array([node / WAD * width]), 0)
        assert abs(found.losses[row] / WAD - loss * weight / WAD) <= off


@given(b.books(), st.sampled_from([800, WIDTH, 2_565]))
def test_scan__between_the_nodes__covers_the_true_loss(legs: list[Leg], width: int) -> None:
    terms = exact.terms_of(b.market(), SURFACES, legs, NOW)
    found = scan(legs, width=width) / WAD
    moves = np.linspace(-width / pm.RATE_ONE, width / pm.RATE_ONE, GRID)
    for shock in (ARRAY.up, -ARRAY.down):
        true = exact.losses(ARRAY, b.market(), terms, moves, shock)
        assert float(true.max()) <= found + ERROR * exact.gross(b.market(), terms)


def test_scan__straddle_centred_between_nodes__needs_its_gap() -> None:
    # a one-day straddle loses nearly its whole value where the price stays at the strike, which is
    # halfway between 0 and a third of the range: no row sees that
    straddle = [b.call(2_040, 100, 24), b.put(2_040, 100, 24)]
    terms = exact.terms_of(b.market(), SURFACES, straddle, NOW)
    moves = np.linspace(-0.12, 0.12, GRID)
    true = max(exact.losses(ARRAY, b.market(), terms, moves, -ARRAY.down))
    assert max(rows(straddle).losses) / WAD < true <= scan(straddle) / WAD


@given(b.options())
def test_scan__short_option__has_no_gap(leg: Leg) -> None:
    short = leg._replace(size=-abs(leg.size))
    assert set(rows([short]).gaps) == {0}


@given(b.options())
def test_time_factor__any_time__is_the_power(leg: Leg) -> None:
    seconds = parts(leg.instrument).expiry - NOW + leg.size % DAY
    true = exact.time_factor(mpmath.mpf(seconds) / DAY)
    assert abs(pm.time_factor(seconds) / ONE - float(true)) < 2e-7


def test_time_factor__thirty_days__is_one() -> None:
    assert pm.time_factor(pm.PIVOT) == ONE


def test_moves__three_wide_ranges__leave_a_sixteenth() -> None:
    assert min(pm.moves(ARRAY, 3_525)) == -15 * ONE // 16


# ---- SPAN ----------------------------------------------------------------------------------------


def span_rows() -> list[dict[str, str]]:
    with (VECTORS / "span_mcmillan.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


# price, volatility and shocks that the book leaves out, fitted to its 14 rows within one range
SPAN_PRICE = 41_375 * TICKS_PER_USD // 100
SPAN_WIDTH = 483  # 20 of 413.75 points
SPAN_VOLATILITY = 0.14123
SPAN_ARRAY = pm.RiskArray(
    b.NODES,
    ((-2 * WAD, 35 * WAD // 100), (2 * WAD, 35 * WAD // 100)),
    141 * WAD // 1_000,
    189 * WAD // 1_000,
)
# move in thirds and shock of each printed row, as rows of ours
SPAN_ORDER = (3, 10, 4, 11, 2, 9, 5, 12, 1, 8, 6, 13, 0, 7, 15, 14)
MISPRINT = 15


def span_losses(legs: list[Leg]) -> tuple[int, ...]:
    market = b.market(price=SPAN_PRICE, stable=SPAN_PRICE)
    annual = int(SPAN_VOLATILITY**2 * pm.VARIANCE_ONE)
    smile = pm.Surface(b.ETH, NOW // HOUR + 720, NOW, a=annual)
    book = pm.book_of(SPAN_ARRAY, market, [smile], legs, NOW, SPAN_WIDTH)
    return pm.rows_of(SPAN_ARRAY, book, SPAN_WIDTH).losses


@pytest.mark.parametrize(
    ("column", "legs"),
    [
        ("long_future", [b.future(500)]),
        ("long_dec410_call", [b.call(410, 500)]),
        ("covered_write", [b.future(500), b.call(410, -500)]),
    ],
)
def test_span__printed_array__is_reproduced(column: str, legs: list[Leg]) -> None:
    losses = span_losses(legs)
    for printed, row in zip(span_rows(), SPAN_ORDER, strict=True):
        if int(printed["n"]) != MISPRINT or column == "long_future":
            assert abs(-losses[row] / WAD - int(printed[column])) <= 40


def test_span__covered_write__requires_what_is_printed() -> None:
    # pp. 669-670: the largest loss, in scenario 13; the gap of a short call is none
    losses = span_losses([b.future(500), b.call(410, -500)])
    assert abs(max(losses) / WAD - 6_620) <= 40
    assert losses.index(max(losses)) == SPAN_ORDER[12]


# ---- what holds of every book --------------------------------------------------------------------


@given(b.books(most=5), b.books(most=5))
def test_scan__two_books_together__is_at_most_their_sum(left: list[Leg], right: list[Leg]) -> None:
    sizes: dict[int, int] = {}
    for leg in left + right:
        sizes[leg.instrument] = sizes.get(leg.instrument, 0) + leg.size
    both = [Leg(instrument, size) for instrument, size in sizes.items() if size]
    # a leg counts in units of 2^16 WAD
    wei = 2**18 * len(left + right)
    assert scan(both) <= scan(left) + scan(right) + wei

    def risk(legs: list[Leg]) -> int:
        book = pm.book_of(ARRAY, b.market(), SURFACES, legs, NOW, WIDTH)
        return max(scan(legs), pm.minimum(b.market(), book))

    assert risk(both) <= risk(left) + risk(right) + wei


@given(b.books(most=5), b.options())
def test_check__long_option_more__asks_at_most_its_mark_and_gap(legs: list[Leg], more: Leg) -> None:
    assume(more.instrument not in {leg.instrument for leg in legs})
    long = more._replace(size=abs(more.size))
    before, after = check(legs), check([*legs, long])
    mark = after.equity - before.equity
    assert mark >= -dust([long])
    # in a row it loses its mark at most; only the bound between rows may ask for more
    assert after.mm - before.mm <= mark + max(rows([long]).gaps) + dust([long])


@given(b.books(), b.options())
def test_check__short_option_more__never_covers_its_own_minimum(legs: list[Leg], more: Leg) -> None:
    short = more._replace(size=-abs(more.size))
    alone = check([short])
    least = ceil_div(-short.size * b.market().price * b.market().risk.som, pm.RATE_ONE)
    assert alone.mm >= least + b.KAPPA


@given(b.books(), b.volatile, b.ages, st.integers(0, 10**5), st.integers(90, 110))
def test_check__any_book__requirements_are_in_order(
    legs: list[Leg], v: list[int], age: int, conf: int, stable: int
) -> None:
    price = b.market().price
    market = b.market(v_slow=v[0], v=v[1], conf=conf, stable=price * stable // 100)
    old = [replace(s, publish=NOW - age) for s in SURFACES]
    found = check(legs, market, surfaces=old)
    assert found.im >= found.im0 >= found.le >= found.mm >= found.scan_mm >= 0
    assert found.scan_im >= found.scan_mm


@given(b.books(), b.volatile)
def test_check__faster_volatility__moves_im_alone(legs: list[Leg], v: list[int]) -> None:
    calm, wild = (check(legs, b.market(v_slow=v[0], v=fast)) for fast in v)
    assert (calm.mm, calm.le, calm.equity) == (wild.mm, wild.le, wild.equity)


def test_check__worst_at_the_extreme_of_the_narrow_range__im_counts_it() -> None:
    # short puts lose most at -36 %; at -77 %, the extreme of the wide range, the long ones win
    puts = [b.put(1_450, -100, 24), b.put(1_200, 200, 24)]
    narrow, wide = scan(puts), scan(puts, width=2_565)
    assert wide < narrow
    found = check(puts, b.market(v=3 * V_ONE))
    assert found.scan_im == found.scan_mm == narrow


def test_check__hedged_call__needs_less_than_its_legs() -> None:
    call, hedge = b.call(2_000, 100), b.perp(-55)
    alone = check([call]).scan_mm + check([hedge]).scan_mm
    assert check([call, hedge]).scan_mm < alone // 2


def test_check__perp_alone__loses_the_range() -> None:
    # 10 x 2,000 x 12 %, and 3 % for one delta-1 leg
    found = check([b.perp(10)])
    assert is_just(found.scan_mm, 2_400)
    assert found.mm == found.scan_mm + 600 * WAD + b.KAPPA
    assert found.im0 == found.mm + ceil_div(found.scan_mm, 4)
    assert found.le == found.mm + ceil_div(found.scan_mm, 8)
    assert found.equity == 10 * 2_000 * WAD


def test_check__perp_alone_in_fast_volatility__loses_the_wider_range() -> None:
    # 8.55 % times 3 in IM, times 2 in MM
    found = check([b.perp(10)], b.market(v=3 * V_ONE, v_slow=2 * V_ONE))
    assert is_just(found.scan_mm, 3_420)
    assert is_just(found.scan_im, 5_130)


# ---- markets and groups --------------------------------------------------------------------------


def test_check__two_markets_of_a_group__offset_by_rho() -> None:
    # long 60,000 USD of one, short of the other: B is twice 12 %, A nothing
    legs = [b.perp(30), b.perp(-1, b.BTC)]
    markets = (b.market(), b.market(b.BTC))
    assert is_just(check(legs, *markets).scan_mm, 7_200)
    sixty = (pm.MAX_RHO,) * 4
    assert is_just(check(legs, *markets, rhos=sixty).scan_mm, 5_760)


def test_check__two_markets_of_two_groups__add_up() -> None:
    legs = [b.perp(30), b.perp(-1, b.BTC)]
    apart = b.market(b.BTC, risk=pm.Risk(group=1))
    assert is_just(check(legs, b.market(), apart).scan_mm, 14_400)


@given(b.books(most=4), b.books(b.BTC, 4))
def test_check__two_markets__scan_lies_between_together_and_apart(
    left: list[Leg], right: list[Leg]
) -> None:
    markets = (b.market(), b.market(b.BTC))
    apart = check(left).scan_mm + check(right, markets[1]).scan_mm
    assert apart * 4 // 10 <= check([*left, *right], *markets).scan_mm <= apart + 1


# ---- charges and the state of a surface ----------------------------------------------------------


def test_check__long_future_short_perp__pays_the_calendar() -> None:
    # 10 against 10 at 2,000: 1 %; 3 % each for the perp and the future; a ratio of 1.01 is left
    found = check([b.perp(-10), b.future(10)])
    assert found.mm - found.scan_mm - b.KAPPA == 200 * WAD + 1_200 * WAD


def test_check__spot_against_short_perp__pays_the_calendar() -> None:
    found = check([b.perp(-10)], b.market(spot=10 * LOTS_PER_UNIT))
    assert found.scan_mm == 0
    assert found.mm - b.KAPPA == 200 * WAD + 1_200 * WAD


def test_check__naked_shorts__pay_two_percent() -> None:
    # three of five short calls stand alone, and no put: 3 x 2,000 x 2 %
    bought, sold = b.call(2_200, 2), b.call(2_400, -5)
    book = pm.book_of(ARRAY, b.market(), SURFACES, [bought, sold], NOW, WIDTH)
    assert pm.static_charge(b.market(), book) == 120 * WAD


def test_check__last_day__long_options_require_their_time_value() -> None:
    # delta-neutral straddle: with a day left its time value is the least it requires
    legs = [b.call(2_000, 100, 24), b.put(2_000, 100, 24)]
    book = pm.book_of(ARRAY, b.market(), SURFACES, legs, NOW, WIDTH)
    found = check(legs)
    intrinsic = (
        abs(
            pm.expiry_of(ARRAY, SURFACES[1], b.market(), NOW // HOUR + 24, NOW).forward
            - 2_000 * TICKS_PER_USD
        )
        * 100
        * LOTS_PER_UNIT
    )
    # two options, each rounded up to the tick
    assert 0 <= book.theta - (found.equity - intrinsic) <= 2 * 100 * LOTS_PER_UNIT + 2**18
    assert found.mm >= book.theta + b.KAPPA
    later = [b.call(2_000, 100, 168), b.put(2_000, 100, 168)]
    assert pm.book_of(ARRAY, b.market(), SURFACES, later, NOW, WIDTH).theta == 0


def aged(seconds: int) -> list[pm.Surface]:
    return [replace(s, publish=NOW - seconds) for s in SURFACES]


def test_check__surface_grows_old__shock_widens() -> None:
    legs = [b.call(2_000, -100)]
    fresh, old = (check(legs, surfaces=aged(age)) for age in (120, 3_600))
    assert fresh.scan_mm < old.scan_mm
    hours = NOW // HOUR + 720
    factors = [
        pm.expiry_of(ARRAY, s, b.market(), hours, NOW).up - ONE
        for s in (
            b.surface(b.ETH, 720, publish=NOW - 120),
            b.surface(b.ETH, 720, publish=NOW - 3_600),
        )
    ]
    # (3,600 - 120) / 3,600 wider
    assert abs(factors[1] * 3_600 - factors[0] * 7_080) <= 3_600 * 10


@pytest.mark.parametrize("kind", [CALL, PUT])
def test_check__dead_surface__longs_are_intrinsic_and_shorts_pay(kind: int) -> None:
    strike = 1_900 if kind == CALL else 2_100
    long, short = (b.option(b.ETH, kind, 720, strike, size) for size in (10, -10))
    # without a report the forward is the price, and 100 the intrinsic value
    assert check([long], surfaces=[]).equity == 1_000 * WAD
    assert check([short], surfaces=[]).equity == -1_000 * WAD - 10 * 200 * WAD
    assert check([long], surfaces=aged(3_601)).equity < check([long]).equity


def test_check__dead_surface__loss_between_the_nodes_is_covered() -> None:
    legs = [b.call(2_050, 10), b.put(2_050, 10), b.perp(1)]
    found = scan_dead(legs)
    for step in range(-500, 501):
        price = 2_000 * (1 + 0.12 * step / 500)
        value = 10 * abs(price - 2_050) + price
        assert 10 * 50 + 2_000 - value <= found / WAD + 1e-2


def scan_dead(legs: list[Leg]) -> int:
    book = pm.book_of(ARRAY, b.market(), [], legs, NOW, WIDTH)
    return pm.worst(ARRAY, pm.rows_of(ARRAY, book, WIDTH))


def test_check__price_above_the_stable_one__im_alone_grows() -> None:
    # 10 x (2,000 - 1,900), 0.1 % of 20,000 for confidence, 5 % for open interest
    market = b.market(stable=1_900 * TICKS_PER_USD, conf=100, oi_rate=WAD // 20)
    found, plain = check([b.perp(10)], market), check([b.perp(10)])
    assert found.im - plain.im == 1_000 * WAD + 20 * WAD + 1_000 * WAD
    assert (found.im0, found.mm) == (plain.im0, plain.mm)
    assert check([b.perp(-10)], market).im - plain.im == 20 * WAD + 1_000 * WAD


def test_check__leg_beyond_the_largest_value__is_refused() -> None:
    with pytest.raises(Refused, match="portfolio: value too large"):
        check([b.call(2_000, 2**96 / 10**18 / 2_000)])


def test_time_factor__exact_model__is_the_rule() -> None:
    # thirty days over one: 30^0.3, and (30 / 360)^0.13
    assert float(exact.time_factor(1)) == pytest.approx(30**0.3)
    assert float(exact.time_factor(360)) == pytest.approx((30 / 360) ** 0.13)
