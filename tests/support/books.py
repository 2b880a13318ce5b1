"""Markets, surfaces and books of options that the tests of portfolio margin share."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, FUTURE, PERP, PUT, Instrument, lowest_terms
from tests.reference.units import DAY, HOUR, LOTS_PER_UNIT, TICKS_PER_USD, V_ONE, WAD

NOW = 500_000 * HOUR
THIRD = WAD // 3
NODES = (-WAD, -2 * THIRD, -THIRD, 0, THIRD, 2 * THIRD, WAD)
# 16 rows: seven nodes under two shocks, three ranges either way at a third
SIXTEEN = pm.RiskArray(
    NODES, ((-3 * WAD, 33 * WAD // 100), (3 * WAD, 33 * WAD // 100)), 2 * WAD // 5, WAD // 4
)
# 23 rows: nine nodes under two shocks and five extremes
EIGHT = tuple(step * WAD // 4 for step in range(-4, 5))
TWENTY_THREE = pm.RiskArray(
    EIGHT,
    (
        (-4 * WAD, 24 * WAD // 100),
        (-2 * WAD, 48 * WAD // 100),
        (3 * WAD, 32 * WAD // 100),
        (6 * WAD, 16 * WAD // 100),
        (12 * WAD, 8 * WAD // 100),
    ),
    2 * WAD // 5,
    22 * WAD // 100,
)
RHOS = (WAD // 2,) * 4
ETH, BTC = 1, 2
PRICES = {ETH: 2_000, BTC: 60_000}
# of the expiries that the books know, in hours from now
TERMS = (6, 24, 7 * 24, 30 * 24, 90 * 24, 360 * 24)
KAPPA = WAD + 4 * WAD


def market(id_: int = ETH, **changes: int | pm.Risk) -> pm.Underlying:
    """Return a market at its price, calm unless changed."""
    price = PRICES[id_] * TICKS_PER_USD
    facts: dict[str, int | pm.Risk] = {"price": price, "stable": price, **changes}
    return pm.Underlying(id_, **facts)  # type: ignore[arg-type]


def surface(id_: int, hours: int, volatility: int = 80, **changes: int) -> pm.Surface:
    """Return a smile around a volatility in percent, reported a minute ago."""
    facts = {
        "a": pm.VARIANCE_ONE * volatility**2 // 10_000,
        "b": pm.VARIANCE_ONE // 5,
        "rho": -pm.RHO_ONE // 4,
        "m": pm.MONEY_ONE // 100,
        "publish": NOW - 60,
        "ratio": pm.RATIO_ONE * 101 // 100,
        **changes,
    }
    return pm.Surface(id_, NOW // HOUR + hours, **facts)


def surfaces(*ids: int) -> list[pm.Surface]:
    """Return a surface for each of the terms of each market."""
    return [surface(id_, hours) for id_ in ids for hours in TERMS]


def lots(units: float) -> int:
    """Return a size in lots."""
    return round(units * LOTS_PER_UNIT)


def option(id_: int, kind: int, hours: int, strike: int, units: float) -> Leg:
    """Return an option with a strike in USD, `hours` from now."""
    mantissa, exponent = lowest_terms(strike * TICKS_PER_USD)
    said = Instrument(id_, kind, NOW // HOUR + hours, mantissa, exponent)
    return Leg(said.id, lots(units))


def call(strike: int, units: float, hours: int = 30 * 24, id_: int = ETH) -> Leg:
    """Return a call."""
    return option(id_, CALL, hours, strike, units)


def put(strike: int, units: float, hours: int = 30 * 24, id_: int = ETH) -> Leg:
    """Return a put."""
    return option(id_, PUT, hours, strike, units)


def perp(units: float, id_: int = ETH) -> Leg:
    """Return a perp."""
    return Leg(Instrument(id_, PERP, 0, 0, 0).id, lots(units))


def future(units: float, hours: int = 30 * 24, id_: int = ETH) -> Leg:
    """Return a future."""
    return Leg(Instrument(id_, FUTURE, NOW // HOUR + hours, 0, 0).id, lots(units))


# ---- strategies ----------------------------------------------------------------------------------

sizes = st.integers(-500 * LOTS_PER_UNIT, 500 * LOTS_PER_UNIT).filter(bool)
terms = st.sampled_from(TERMS)
risks = st.builds(
    pm.Risk,
    range_min=st.sampled_from([800, 1_200, 2_000]),
    range_vol=st.sampled_from([855, 1_175]),
    som=st.sampled_from([0, 100]),
    group=st.just(0),
)


@st.composite
def options(draw: st.DrawFn, id_: int = ETH) -> Leg:
    """Draw an option with a strike from half the price to twice."""
    strike = PRICES[id_] * draw(st.integers(50, 200)) // 100
    kind = draw(st.sampled_from([CALL, PUT]))
    return option(id_, kind, draw(terms), strike, draw(sizes) / LOTS_PER_UNIT)


@st.composite
def legs(draw: st.DrawFn, id_: int = ETH) -> Leg:
    """Draw any leg of a market."""
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return perp(draw(sizes) / LOTS_PER_UNIT, id_)
    if kind == 1:
        return future(draw(sizes) / LOTS_PER_UNIT, draw(terms), id_)
    return draw(options(id_))


def books(id_: int = ETH, most: int = 8) -> st.SearchStrategy[list[Leg]]:
    """Return books of one market, an instrument at most once."""
    return st.lists(legs(id_), min_size=1, max_size=most, unique_by=lambda leg: leg.instrument)


volatile = st.tuples(st.integers(V_ONE, 3 * V_ONE), st.integers(V_ONE, 3 * V_ONE)).map(sorted)
ages = st.sampled_from([0, 60, 121, 1_800, 3_600, 3_601, DAY])
