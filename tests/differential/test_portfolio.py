"""PortfolioMargin equals its reference to the wei, whatever it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import erfc, sqrt
from typing import Any

import boa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.deployment.artifacts import ROOT
from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.scan_cdf import END, N_ONE, scan_cdf, table
from tests.reference.units import DAY, HOUR, LOTS_PER_UNIT, TICKS_PER_USD, WAD
from tests.support import books as b
from tests.support.examples import part
from tests.support.portfolio_engine import ARRAY_TYPE, arguments, array_arguments
from tests.unit.markets_support import deploy, refused
from tools.scan_table import words

NOW = b.NOW
ARRAYS = {"16 rows": b.SIXTEEN, "23 rows": b.TWENTY_THREE}
SIXTY = (pm.MAX_RHO, WAD // 2, 0, WAD // 10)
SMALLEST = pm.RiskArray((-WAD, 0, WAD), (), 0, 0)
WORST_LEG = 2**63 - 1

surfaces_of = st.builds(
    lambda id_, hours, volatility, changes: b.surface(id_, hours, volatility, **changes),
    st.just(b.ETH),
    b.terms,
    st.integers(1, 400),
    st.fixed_dictionaries(
        {
            "b": st.integers(0, 2 * pm.VARIANCE_ONE),
            "rho": st.integers(-pm.RHO_ONE + 1, pm.RHO_ONE - 1),
            "m": st.integers(-pm.MONEY_ONE, pm.MONEY_ONE),
            "sigma": st.integers(1, 2 * pm.MONEY_ONE),
            "ratio": st.integers(pm.RATIO_ONE // 2, 3 * pm.RATIO_ONE // 2),
            "publish": st.integers(NOW - 2 * DAY, NOW + HOUR),
        }
    ),
)
smiles = st.lists(surfaces_of, max_size=6, unique_by=lambda s: s.hours)


@st.composite
def markets(draw: st.DrawFn, id_: int = b.ETH, group: int = 0) -> pm.Underlying:
    """Draw a market in any state."""
    price = draw(st.integers(TICKS_PER_USD // 100, 10**6 * TICKS_PER_USD) | st.just(b.PRICES[id_]))
    v_slow, v = draw(b.volatile)
    risk = pm.Risk(
        range_min=draw(st.integers(1, 6_000)),
        range_vol=draw(st.integers(1, 2_000)),
        som=draw(st.integers(0, 500)),
        spread=draw(st.integers(0, 500)),
        group=group,
    )
    return b.market(
        id_,
        price=price,
        stable=draw(st.integers(price // 2, 2 * price)),
        conf=draw(st.integers(0, 10**4)),
        v=v,
        v_slow=v_slow,
        funding=draw(st.integers(-(10**12), 10**12)),
        spot=draw(st.integers(0, 1_000 * LOTS_PER_UNIT)),
        oi_rate=draw(st.integers(0, WAD)),
        risk=risk,
    )


def deployed(array: pm.RiskArray, rhos: Sequence[int]) -> Any:
    """Return an engine with an array."""
    return deploy("PortfolioMargin", [ARRAY_TYPE], [array_arguments(array, rhos)])


def asked(
    engine: Any,
    markets: Sequence[pm.Underlying],
    surfaces: Sequence[pm.Surface],
    legs: Sequence[Leg],
    facts: tuple[int, int, int],
) -> pm.Margin:
    """Return what the engine says; `facts` are equity, kappa and the time."""
    equity, kappa, now = facts
    boa.env.evm.patch.timestamp = now
    return pm.Margin(*engine.check(equity, kappa, *arguments(markets, surfaces, legs)))


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[str, Any]]:
    with boa.swap_env(boa.Env()):
        yield {name: deployed(array, b.RHOS) for name, array in ARRAYS.items()}


@pytest.mark.parametrize("name", ARRAYS)
@given(b.books(most=12), markets(), smiles, st.integers(-(10**24), 10**24))
def test_check__one_market__is_the_reference(
    engines: dict[str, Any],
    name: str,
    legs: list[Leg],
    market: pm.Underlying,
    found: list[pm.Surface],
    equity: int,
) -> None:
    facts = (equity, b.KAPPA, NOW)
    want = pm.check(ARRAYS[name], b.RHOS, [market], found, legs, *facts)
    assert asked(engines[name], [market], found, legs, facts) == want


@part(2)
@given(b.books(most=5), b.books(b.BTC, 5), markets(), markets(b.BTC), st.integers(0, 3), b.ages)
def test_check__two_markets_in_groups__are_the_reference(
    engines: dict[str, Any],
    left: list[Leg],
    right: list[Leg],
    eth: pm.Underlying,
    btc: pm.Underlying,
    group: int,
    age: int,
) -> None:
    pair = [eth, replace(btc, risk=replace(btc.risk, group=group))]
    found = [replace(s, publish=NOW - age) for s in b.surfaces(b.ETH, b.BTC)]
    # the legs of both markets take turns
    legs = [leg for both in zip(left, right, strict=False) for leg in both]
    facts = (0, b.KAPPA, NOW)
    want = pm.check(b.SIXTEEN, b.RHOS, pair, found, legs, *facts)
    assert asked(engines["16 rows"], pair, found, legs, facts) == want


@given(st.integers(0, 3 * 360 * DAY))
def test_check__as_time_runs__is_the_reference(engines: dict[str, Any], later: int) -> None:
    legs = [
        b.call(2_100, 10, 24),
        b.put(1_900, -10, 168),
        b.future(3, 720),
        b.call(2_000, 5, 8_640),
    ]
    facts = (0, b.KAPPA, NOW + later)
    found = [replace(s, publish=min(NOW + later, NOW + 50 * DAY)) for s in b.surfaces(b.ETH)]
    want = pm.check(b.SIXTEEN, b.RHOS, [b.market()], found, legs, *facts)
    assert asked(engines["16 rows"], [b.market()], found, legs, facts) == want


@pytest.mark.parametrize("sign", [1, -1])
def test_check__sixty_four_of_the_largest_legs__is_the_reference(
    engines: dict[str, Any], sign: int
) -> None:
    # every leg next to the largest value: no sum of them leaves its half of a word
    units = sign * pm.MAX_LEG // 10**18 // 2_400
    legs = [
        b.option(b.ETH, kind, hours, strike, units)
        for hours in (168, 720)
        for strike in range(1_600, 2_400, 50)
        for kind in (2, 3)
    ]
    assert len(legs) == pm.MAX_LEGS
    facts = (0, b.KAPPA, NOW)
    found = b.surfaces(b.ETH)
    want = pm.check(b.SIXTEEN, b.RHOS, [b.market()], found, legs, *facts)
    assert asked(engines["16 rows"], [b.market()], found, legs, facts) == want


def test_check__empty_book__asks_for_kappa_alone(engines: dict[str, Any]) -> None:
    found = asked(engines["16 rows"], [b.market()], [], [], (7, b.KAPPA, NOW))
    assert found == pm.Margin(7, b.KAPPA, b.KAPPA, b.KAPPA, b.KAPPA, 0, 0)


def test_check__smallest_array_without_shocks__is_the_reference() -> None:
    legs = [b.call(2_000, 10), b.put(1_900, -4), b.perp(3)]
    facts = (0, b.KAPPA, NOW)
    with boa.swap_env(boa.Env()):
        engine = deployed(SMALLEST, SIXTY)
        found = b.surfaces(b.ETH)
        want = pm.check(SMALLEST, SIXTY, [b.market()], found, legs, *facts)
        assert asked(engine, [b.market()], found, legs, facts) == want


# ---- what is refused -----------------------------------------------------------------------------


def test_check__leg_too_large__is_refused(engines: dict[str, Any]) -> None:
    leg = b.call(2_000, 1)._replace(size=WORST_LEG)
    with boa.reverts("portfolio: value too large"):
        asked(engines["16 rows"], [b.market()], [], [leg], (0, 0, NOW))


@pytest.mark.parametrize("groups", [(1, 0), (0, 4)])
def test_check__groups_out_of_order__are_refused(
    engines: dict[str, Any], groups: tuple[int, int]
) -> None:
    pair = [
        b.market(id_, risk=pm.Risk(group=group))
        for id_, group in zip((b.ETH, b.BTC), groups, strict=True)
    ]
    with boa.reverts("portfolio: group order"):
        asked(engines["16 rows"], pair, [], [], (0, 0, NOW))


ONE_MORE = {
    "two nodes": replace(SMALLEST, nodes=(-WAD, WAD)),
    "no nodes": replace(SMALLEST, nodes=()),
    "no zero": replace(SMALLEST, nodes=(-WAD, 1, WAD)),
    "first not -1": replace(SMALLEST, nodes=(1 - WAD, 0, WAD)),
    "last not 1": replace(SMALLEST, nodes=(-WAD, 0, WAD + 1)),
    "not rising": replace(SMALLEST, nodes=(-WAD, 0, 0, WAD)),
    "up": replace(SMALLEST, up=2 * WAD + 1),
    "down": replace(SMALLEST, down=9 * WAD // 10 + 1),
    "far up": replace(SMALLEST, extremes=((40 * WAD + 1, WAD),)),
    "far down": replace(SMALLEST, extremes=((-40 * WAD - 1, WAD),)),
    "weight": replace(SMALLEST, extremes=((2 * WAD, WAD + 1),)),
}
AT_THE_BOUNDS = replace(
    SMALLEST,
    up=2 * WAD,
    down=9 * WAD // 10,
    extremes=((-40 * WAD, WAD), (40 * WAD, 0)),
)


@pytest.mark.parametrize("name", ONE_MORE)
def test_deploy__one_past_a_bound__is_refused(name: str) -> None:
    with boa.swap_env(boa.Env()), refused("portfolio: out of range"):
        deployed(ONE_MORE[name], SIXTY)


def test_deploy__rho_past_its_bound__is_refused() -> None:
    with boa.swap_env(boa.Env()), refused("portfolio: out of range"):
        deployed(SMALLEST, (0, 0, 0, pm.MAX_RHO + 1))


def test_deploy__weights_without_their_nodes__are_refused() -> None:
    nodes, extremes, _, *rest = array_arguments(AT_THE_BOUNDS, SIXTY)
    with boa.swap_env(boa.Env()), refused("portfolio: out of range"):
        deploy("PortfolioMargin", [ARRAY_TYPE], [(nodes, extremes, [WAD], *rest)])


def test_deploy__at_the_bounds__is_the_reference() -> None:
    facts = (0, b.KAPPA, NOW)
    legs = [b.call(2_000, 10), b.put(1_900, -4), b.perp(3)]
    with boa.swap_env(boa.Env()):
        engine = deployed(AT_THE_BOUNDS, SIXTY)
        found = b.surfaces(b.ETH)
        want = pm.check(AT_THE_BOUNDS, SIXTY, [b.market()], found, legs, *facts)
        assert asked(engine, [b.market()], found, legs, facts) == want


# ---- the table -----------------------------------------------------------------------------------


def test_table__in_the_contract__is_what_the_tool_prints() -> None:
    source = (ROOT / "contracts" / "libs" / "scan_cdf.vy").read_text(encoding="utf-8")
    listed = source.partition("= [\n")[2].partition("\n]")[0].replace(",", "").split()
    assert tuple(map(int, listed)) == words()


def test_table__every_piece__is_close_and_never_negative() -> None:
    last = 0
    for step in range(-6 * 1_024, 6 * 1_024):
        found = scan_cdf(step * 2**54 + 1)
        true = erfc(-(step / 1_024) / sqrt(2)) / 2
        assert abs(found / N_ONE - true) < 4e-9
        # nothing borrows from the other half of a word; the pieces meet
        assert 0 < found <= N_ONE + 2**13
        assert found >= last - 2**13
        last = found


def test_table__beyond_its_ends__is_nothing_or_one() -> None:
    assert (scan_cdf(-END - 1), scan_cdf(END)) == (0, N_ONE)


def test_table__sums_of_horners_scheme__stay_in_a_word() -> None:
    for piece, (c3, c2, c1, c0) in enumerate(table()):
        for y in (piece << 60, (piece + 1 << 60) - 1):
            partial = [c3 * y, c3 * y + c2]
            partial += [partial[1] * y, partial[1] * y + c1]
            partial += [partial[3] * y, partial[3] * y + c0]
            assert max(map(abs, partial)) < 2**252
