"""What twelve named structures require under three margins of ours and under two others' rules.

Initial requirement on ETH at 2,000 USD (and BTC at 60,000), 80 % volatility with a smile, thirty
days, calm, without keepers' pay. Isolated: R4 of every leg by itself. Standard: R4 of all legs in
one account. Portfolio: R5. The worst loss is that on a grid of 1,001 prices within the range under
both shocks of volatility and none, both markets moving alike: what a requirement must cover.

Paradex (docs.paradex.trade/risk/portfolio-margin): the largest weighted loss of
tests/vectors/paradex_scan_scenarios.csv, or the least delta requirement, 2 % of the net delta and
1 % of the hedged one; without its funding and fee provisions.

Deribit (support.deribit.com article 25944756247837; the numbers are those of `model_params` in
docs.deribit.com/api-reference/account-management/private-simulate): the largest loss at nine prices
within 16 % under three volatilities, as it is, up 50 % and down 25 %, each times (30 d / T) ^ 0.3
below thirty days and ^ 0.13 above; or at the extended prices, -66 % to 500 %, under the volatility
up, options for the range's share of the move and straight legs at the range's end; and the roll
shock, the delta of each expiry times 10 % a year, 1 % at the least, which gives the example's own
0.00316 BTC. Its delta shock begins at 20 M USD, its least volatility under a shock is 50 %: neither
matters here. Neither of the two nets one market's gains against another's losses (the example's
`pnl_offset` is 0); markets add up.

Neither has a factor on top of the worst scenario in its initial margin: Paradex's is the scenario
and half of it is maintenance, Deribit's `mm_factor` of 0.8 makes maintenance of the initial one
(the example of private/simulate_portfolio has 1.25 between the two).
(Deribit's old page, deribit.com/pages/docs/portfoliomargin, took the worst of 10 % as maintenance;
it is not the rule used here.)

Where ours asks for more than the lower one of theirs that covers the worst loss, the table says so;
docs/spec/portfolio-margin.md#efficiency says why, and bench/charges.py what other charges would do.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from rich.console import Console
from rich.table import Table

from scripts.deployment.artifacts import ROOT
from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, FUTURE, PERP, PUT, parts
from tests.reference.units import LOTS_PER_UNIT, WAD
from tests.support import books as b
from tests.support import exact_portfolio as exact

SCENARIOS = ROOT / "tests" / "vectors" / "paradex_scan_scenarios.csv"
PRICE = b.PRICES[b.ETH]
# R4 and R13
BASE, SHORT, SHORT_LEAST, HAIRCUT, SPREAD = 0.05, 0.15, 0.10, 0.15, 0.01
NET_DELTA, HEDGED_DELTA = 0.02, 0.01
LATER = 90 * 24
# of the portfolio rule: range_min of R13, what the worst loss is looked for in
RANGE, POINTS = 0.12, 1_001
# Deribit's
REACH, BUCKETS, UP, DOWN = 0.16, 4, WAD // 2, -WAD // 4
EXTENDED = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
ROLL_YEAR, ROLL_LEAST = 0.10, 0.01
YEAR_DAYS = 365
CENT = 0.01


@dataclass(frozen=True, slots=True)
class Structure:
    """Spot of ETH in units, and legs."""

    spot: int
    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What each rule asks for, and what it has to cover [USD]."""

    isolated: float
    standard: float
    portfolio: float
    maintenance: float  # of the portfolio rule
    paradex: float
    deribit: float
    worst: float
    scan: float  # what the portfolio rule's rows lose at the most; the rest of IM is charges

    @property
    def lower(self) -> float | None:
        """The lower one of the others' requirements that cover the worst loss, if any does."""
        return min(filter(self.covers, (self.paradex, self.deribit)), default=None)

    def covers(self, requirement: float) -> bool:
        """Return whether a requirement is no less than the worst loss, to a cent."""
        return requirement > self.worst - CENT


def structures() -> Mapping[str, Structure]:
    """Return the twelve by name."""
    strangle = (b.call(2_300, -1), b.put(1_700, -1))
    wings = (b.call(2_600, 1), b.put(1_500, 1))
    box = (b.call(1_800, 1), b.call(2_200, -1), b.put(2_200, 1), b.put(1_800, -1))
    pair = (b.call(PRICE, -30), b.put(PRICE, -30), *_straddle(b.BTC, 1))
    return {
        "covered call": Structure(1, (b.call(2_200, -1),)),
        "collar": Structure(1, (b.call(2_200, -1), b.put(1_800, 1))),
        "vertical, sold": Structure(0, (b.call(2_200, -1), b.call(2_400, 1))),
        "straddle, sold": Structure(0, (b.call(PRICE, -1), b.put(PRICE, -1))),
        "strangle, sold": Structure(0, strangle),
        "butterfly, sold": Structure(0, (b.call(1_800, -1), b.call(PRICE, 2), b.call(2_200, -1))),
        "condor, sold": Structure(0, strangle + wings),
        "calendar": Structure(0, (b.call(PRICE, -1), b.call(PRICE, 1, LATER))),
        "box": Structure(0, box),
        "strangle, sold, hedged": Structure(0, (*strangle, b.perp(_hedge(strangle)))),
        "straddles, BTC for ETH": Structure(0, pair),
        "perp for a future": Structure(0, (b.perp(1), b.future(-1))),
    }


@cache
def asked(structure: Structure) -> Asked:
    """Return what every rule asks for [USD]."""
    ours = _check(structure)
    return Asked(
        isolated=_isolated(structure),
        standard=_standard(structure),
        portfolio=ours.im / WAD,
        maintenance=ours.mm / WAD,
        paradex=sum(map(_paradex, by_market(structure))),
        deribit=sum(map(_deribit, by_market(structure))),
        worst=_worst(structure),
        scan=ours.scan_im / WAD,
    )


def show(console: Console) -> None:
    """Print the table; nothing is recorded."""
    title = "initial requirement, USD; * does not cover the worst loss"
    table = Table(title=title, title_justify="left")
    ours = ("isolated", "standard", "portfolio", "its scan")
    headings = (*ours, "Paradex", "Deribit", "worst loss", "")
    table.add_column("structure")
    for heading in headings:
        table.add_column(heading, justify="right")
    for name, structure in structures().items():
        found = asked(structure)
        asks = (found.isolated, found.standard, found.portfolio, found.scan)
        theirs = (found.paradex, found.deribit)
        above = found.lower is not None and found.portfolio > found.lower
        table.add_row(
            name,
            *(f"{each:,.0f}" for each in asks),
            *(f"{each:,.0f}{'' if found.covers(each) else '*'}" for each in theirs),
            f"{found.worst:,.0f}",
            "above" if above else "",
        )
    console.print(table)


# ---- books ---------------------------------------------------------------------------------------


def _straddle(id_: int, units: float) -> tuple[Leg, Leg]:
    at = b.PRICES[id_]
    return b.call(at, units, id_=id_), b.put(at, units, id_=id_)


def _hedge(legs: tuple[Leg, ...]) -> float:
    """Return the units of perp that undo the delta of legs, to a hundredth."""
    return -round(sum(_deltas(Structure(0, legs))), 2)


def markets_of(structure: Structure) -> list[pm.Underlying]:
    """Return the markets of a structure, calm, with its spot."""
    known = {parts(leg.instrument).market for leg in structure.legs} | {b.ETH}
    spots = {b.ETH: structure.spot * LOTS_PER_UNIT}
    return [b.market(id_, spot=spots.get(id_, 0)) for id_ in sorted(known)]


def terms_of(structure: Structure, market: pm.Underlying) -> list[exact.Term]:
    """Return what a structure's legs of one market say in real numbers."""
    return exact.terms_of(market, b.surfaces(market.market), structure.legs, b.NOW)


def loss_of(structure: Structure, move: exact.Real, shock: int) -> exact.Real:
    """Return the loss where every market moves so, under a shock of volatility [WAD]."""
    return sum(
        exact.losses(b.SIXTEEN, market, terms_of(structure, market), move, shock)
        for market in markets_of(structure)
    )


def _worst(structure: Structure) -> float:
    moves = np.linspace(-RANGE, RANGE, POINTS)
    shocks = (b.SIXTEEN.up, -b.SIXTEEN.down, 0)
    return max(0.0, *(float(np.max(loss_of(structure, moves, shock))) for shock in shocks))


def _deltas(structure: Structure) -> list[float]:
    """Return the delta of each leg in units of its market, in the order of the legs."""
    found = []
    for leg in structure.legs:
        alone = Structure(0, (leg,))
        market = b.market(parts(leg.instrument).market)
        (term,) = terms_of(alone, market)
        price = b.PRICES[market.market]
        step = price / 10_000
        change = exact.value(price + step, term) - exact.value(price - step, term)
        found.append(float(change) / (2 * step))
    return found


# ---- ours ----------------------------------------------------------------------------------------


def _check(structure: Structure) -> pm.Margin:
    markets = markets_of(structure)
    surfaces = b.surfaces(*(market.market for market in markets))
    return pm.check(b.SIXTEEN, b.RHOS, markets, surfaces, list(structure.legs), 0, 0, b.NOW)


def _isolated(structure: Structure) -> float:
    each = [Structure(0, (leg,)) for leg in structure.legs]
    return structure.spot * PRICE * HAIRCUT + sum(_standard(alone) for alone in each)


def _standard(structure: Structure) -> float:
    total = structure.spot * PRICE * HAIRCUT
    for market in markets_of(structure):
        price, straight = b.PRICES[market.market], [0.0, 0.0]
        for term in terms_of(structure, market):
            if term.kind in (PERP, FUTURE):
                straight[term.size < 0] += abs(float(term.size)) * price
            else:
                total += _option(term, price)
        total += abs(straight[0] - straight[1]) * BASE + min(straight) * SPREAD
    return total


def _option(term: exact.Term, price: int) -> float:
    size, strike = float(term.size), float(term.strike)
    if size > 0:
        return float(exact.value(price, term))
    away = max(0.0, strike - price if term.kind == CALL else price - strike)
    least = max(SHORT - away / price, SHORT_LEAST) * price * -size
    most = strike * -size + float(exact.value(price, term))
    return min(least, most) if term.kind == PUT else least


# ---- others' -------------------------------------------------------------------------------------


def by_market(structure: Structure) -> list[Structure]:
    """Return what a structure has of each market."""
    found = []
    for market in markets_of(structure):
        legs = tuple(x for x in structure.legs if parts(x.instrument).market == market.market)
        found.append(Structure(market.spot // LOTS_PER_UNIT, legs))
    return found


def _paradex(structure: Structure) -> float:
    worst = 0.0
    with SCENARIOS.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            move, shock = float(row["spot_shock_pct"]) / 100, int(row["vol_shock_pct"]) * WAD // 100
            lost = float(loss_of(structure, move, shock))
            worst = max(worst, lost * float(row["weight_pct"]) / 100)
    return max(worst, _least_delta(structure))


def _least_delta(structure: Structure) -> float:
    """Return what is asked for deltas, market by market [USD]."""
    up: defaultdict[int, float] = defaultdict(float, {b.ETH: float(structure.spot)})
    down: defaultdict[int, float] = defaultdict(float)
    for leg, delta in zip(structure.legs, _deltas(structure), strict=True):
        (up if delta > 0 else down)[parts(leg.instrument).market] += delta
    return sum(
        (NET_DELTA * abs(up[id_] + down[id_]) + HEDGED_DELTA * min(up[id_], -down[id_])) * price
        for id_, price in b.PRICES.items()
    )


def _deribit(structure: Structure) -> float:
    steps = [REACH * step / BUCKETS for step in range(-BUCKETS, BUCKETS + 1)]
    found = [float(loss_of(structure, move, shock)) for move in steps for shock in (UP, 0, DOWN)]
    legs = [leg for leg in structure.legs if parts(leg.instrument).kind in (CALL, PUT)]
    options = Structure(0, tuple(legs))
    straight = Structure(structure.spot, tuple(x for x in structure.legs if x not in legs))
    for move in EXTENDED:
        end = REACH if move > 0 else -REACH
        lost = float(loss_of(options, move, UP)) * REACH / abs(move)
        found.append(lost + float(loss_of(straight, end, UP)))
    return max(0.0, *found) + _roll(structure)


def _roll(structure: Structure) -> float:
    """Return the roll shock [USD]: what the expiries' forwards may move against each other."""
    deltas: defaultdict[tuple[int, int], float] = defaultdict(float)
    for leg, delta in zip(structure.legs, _deltas(structure), strict=True):
        said = parts(leg.instrument)
        deltas[said.market, said.hours] += delta
    total = 0.0
    for (id_, hours), delta in deltas.items():
        days = max(0, hours - b.NOW // 3_600) / 24
        total += abs(delta) * b.PRICES[id_] * max(ROLL_LEAST, ROLL_YEAR * days / YEAR_DAYS)
    return total
