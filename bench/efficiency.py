"""What twelve named structures require: standard margin, portfolio margin, and Paradex's 24 rows.

Initial requirement of one structure on ETH at 2,000 USD, 80 % volatility with a smile, thirty days,
calm, one contract a leg, without keepers' pay. Standard: R4 of each leg, nothing netted. Paradex:
the largest weighted loss of tests/vectors/paradex_scan_scenarios.csv, or the least delta
requirement (2 % of the net delta, 1 % of the hedged one), without its funding and fee provisions.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from scripts.deployment.artifacts import ROOT
from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, FUTURE, PERP, PUT
from tests.reference.units import LOTS_PER_UNIT, WAD
from tests.support import books as b
from tests.support import exact_portfolio as exact

SCENARIOS = ROOT / "tests" / "vectors" / "paradex_scan_scenarios.csv"
PRICE = b.PRICES[b.ETH]
# R4 and R13
BASE, SHORT, SHORT_LEAST, HAIRCUT = 0.05, 0.15, 0.10, 0.15
NET_DELTA, HEDGED_DELTA = 0.02, 0.01
LATER = 90 * 24
# spot in units, and legs
Structure = tuple[int, list[Leg]]


def structures() -> Mapping[str, Structure]:
    """Return the twelve by name."""
    straddle = [b.call(PRICE, -1), b.put(PRICE, -1)]
    wings = [b.call(2_600, 1), b.put(1_500, 1)]
    strangle = [b.call(2_300, -1), b.put(1_700, -1)]
    return {
        "long call": (0, [b.call(PRICE, 1)]),
        "short call": (0, [b.call(PRICE, -1)]),
        "short put": (0, [b.put(PRICE, -1)]),
        "long straddle": (0, [b.call(PRICE, 1), b.put(PRICE, 1)]),
        "short straddle": (0, straddle),
        "short strangle": (0, strangle),
        "iron condor": (0, strangle + wings),
        "call spread, sold": (0, [b.call(2_200, -1), b.call(2_400, 1)]),
        "butterfly, sold": (0, [b.call(1_800, -1), b.call(PRICE, 2), b.call(2_200, -1)]),
        "calendar": (0, [b.call(PRICE, -1), b.call(PRICE, 1, LATER)]),
        "covered call": (1, [b.call(2_200, -1)]),
        "call hedged with a perp": (0, [b.call(PRICE, -2), b.perp(1)]),
    }


def requirements(structure: Structure) -> tuple[float, float, float]:
    """Return what standard margin, portfolio margin and Paradex's rows ask for [USD]."""
    return _standard(structure), _portfolio(structure), _paradex(structure)


def show(console: Console) -> None:
    """Print the table; nothing is recorded."""
    table = Table(title="initial requirement, USD", title_justify="left")
    for heading in ("structure", "standard", "portfolio", "of standard", "Paradex's rows"):
        table.add_column(heading, justify="left" if heading == "structure" else "right")
    for name, structure in structures().items():
        plain, ours, theirs = requirements(structure)
        cells = (f"{plain:,.0f}", f"{ours:,.0f}", f"{ours / plain:.0%}", f"{theirs:,.0f}")
        table.add_row(name, *cells)
    console.print(table)


def _market(spot: int) -> pm.Underlying:
    return b.market(spot=spot * LOTS_PER_UNIT)


def _surfaces() -> list[pm.Surface]:
    return b.surfaces(b.ETH)


def _portfolio(structure: Structure) -> float:
    spot, legs = structure
    facts = (b.SIXTEEN, b.RHOS, [_market(spot)], _surfaces(), legs, 0, 0, b.NOW)
    return pm.check(*facts).im / WAD


def _terms(structure: Structure) -> list[exact.Term]:
    return exact.terms_of(_market(structure[0]), _surfaces(), structure[1], b.NOW)


def _standard(structure: Structure) -> float:
    total = structure[0] * PRICE * HAIRCUT
    for term in _terms(structure):
        size, strike = float(term.size), float(term.strike)
        if term.kind in (PERP, FUTURE):
            total += abs(size) * PRICE * BASE
        elif size > 0:
            total += float(exact.value(PRICE, term))
        else:
            away = max(0.0, strike - PRICE if term.kind == CALL else PRICE - strike)
            asked = max(SHORT - away / PRICE, SHORT_LEAST) * PRICE * -size
            most = strike * -size + float(exact.value(PRICE, term))
            total += min(asked, most) if term.kind == PUT else asked
    return total


def _paradex(structure: Structure) -> float:
    market, terms = _market(structure[0]), _terms(structure)
    worst = 0.0
    with SCENARIOS.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            move, shock = float(row["spot_shock_pct"]) / 100, int(row["vol_shock_pct"]) * WAD // 100
            lost = float(exact.losses(b.SIXTEEN, market, terms, move, shock))
            worst = max(worst, lost * float(row["weight_pct"]) / 100)
    up, down = (_delta(structure, terms, sign) for sign in (1, -1))
    return max(worst, (NET_DELTA * abs(up + down) + HEDGED_DELTA * min(up, -down)) * PRICE)


def _delta(structure: Structure, terms: list[exact.Term], sign: int) -> float:
    """Return the delta of what gains (or loses) as the price rises."""
    step = PRICE / 10_000
    deltas = [float(structure[0])]
    for term in terms:
        change = exact.value(PRICE + step, term) - exact.value(PRICE - step, term)
        deltas.append(float(change) / (2 * step))
    return sum(delta for delta in deltas if delta * sign > 0)
