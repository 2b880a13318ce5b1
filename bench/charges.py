"""What R5's charges are worth: the twelve structures of bench.efficiency under other charges.

`IM = 1.25 R + static` and `MM = R + static`; R is the larger of the scan and the minimum of short
options. Each line leaves out or lightens a part. It says in how many structures

* under: IM is at or under the lower one of the others' that cover the worst loss,
* IM, MM: it covers the worst loss within the range,
* crash: IM is more than the demo's crash takes in one step (ETH falls by 26 % and its volatility
  rises by 78 %, BTC's by 21 and 124 %: docs/replays.md#options);

and of the straddle sold, which has nothing to offset:

* reach: the least move, up or down, that IM does not cover, in whole percents,
* left: the share of MM that is left after the worst loss, out of which a take is paid.

The last two lines are the others' rules. Paradex asks half of its initial margin as maintenance
(docs.paradex.trade/risk/portfolio-margin), Deribit 0.8 of it: `mm_factor` in the example whose
numbers bench.efficiency uses. So neither has a factor on the worst scenario in IM, and each has its
distance from IM to MM below the worst scenario, where R5 has it above.

`python -m bench.charges` prints both tables; docs/adr/011-what-the-charges-of-r5-cost.md decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from rich.console import Console
from rich.table import Table

from bench import efficiency
from bench.efficiency import Asked, Structure, asked
from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, FUTURE, PUT, Instrument, parts
from tests.reference.units import TICKS_PER_USD, WAD
from tests.support import books as b
from tests.support import exact_portfolio as exact

SOLD = "straddle, sold"
# the crash of the demo: price and volatility of each market
CRASH = {b.ETH: (-0.26, 78), b.BTC: (-0.21, 124)}
PARADEX_MM, DERIBIT_MM = 0.5, 0.8
WIDTH = 120
FINE = 32  # nodes a range and side of the finer scan
SHOCKS = (b.SIXTEEN.up, -b.SIXTEEN.down, 0)


@dataclass(frozen=True, slots=True)
class Charges:
    """R5's charges, or others in their place."""

    factor: float = 1.25  # of R in IM
    mm_factor: float = 1.0  # of R in MM
    delta: int = pm.STATIC_DELTA  # % of P for spot, net perp and net future
    calendar: bool = True
    naked_apart: bool = True  # naked calls and puts added up; else the larger of them
    least: float = 1.0  # of the short-option minimum
    strikes: bool = False  # the book's own strikes are nodes
    fine: bool = False  # nodes at every 1/32 of the range
    netted: bool = False  # a put counts as the call of its strike and a short future


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule does for the twelve, and for the straddle sold."""

    under: int
    im_covers: int
    mm_covers: int
    crash: int
    reach: float
    left: float


R5 = Charges()
BARE = Charges(factor=1.0, delta=0, naked_apart=False, least=0.0)
RULES: Mapping[str, Charges] = {
    "R5": R5,
    "1.0 R instead of 1.25 R": Charges(factor=1.0),
    "1.0 R, and 0.8 R in MM": Charges(factor=1.0, mm_factor=0.8),
    "static: naked shorts alone": Charges(delta=0),
    "naked: the larger of calls and puts": Charges(naked_apart=False),
    "minimum halved": Charges(least=0.5),
    "no minimum": Charges(least=0.0),
    "nodes at own strikes": Charges(strikes=True),
    "put and call of a strike netted": Charges(netted=True),
    "65 nodes, netted": Charges(fine=True, strikes=True, netted=True),
    "65 nodes, netted, no minimum": Charges(fine=True, strikes=True, netted=True, least=0.0),
    "1.0 R, naked alone": Charges(factor=1.0, delta=0),
    "1.0 R, naked alone, no calendar": Charges(factor=1.0, delta=0, calendar=False),
    "1.0 R, larger naked alone, no minimum": BARE,
    "the same, 65 nodes, netted": replace(BARE, fine=True, strikes=True, netted=True),
    "the same, no calendar": replace(BARE, fine=True, strikes=True, netted=True, calendar=False),
}


def required(structure: Structure, charges: Charges) -> tuple[float, float]:
    """Return IM and MM under some charges [USD]."""
    least = static = 0.0
    for market in efficiency.markets_of(structure):
        known = b.surfaces(market.market)
        width = market.risk.range_min
        book = pm.book_of(b.SIXTEEN, market, known, structure.legs, b.NOW, width)
        least += charges.least * pm.minimum(market, book) / WAD
        static += _static(market, book, charges)
    risk = max(scan(structure, charges.strikes, charges.fine, charges.netted), least)
    return charges.factor * risk + static, charges.mm_factor * risk + static


@cache
def scan(structure: Structure, strikes: bool, fine: bool, netted: bool) -> float:
    """Return what the rows lose at the most [USD]."""
    markets = efficiency.markets_of(structure)
    known = b.surfaces(*(market.market for market in markets))
    nodes = set(b.NODES)
    if strikes:
        nodes |= _own_nodes(structure)
    if fine:
        nodes |= {WAD * step // FINE for step in range(-FINE, FINE + 1)}
    array = replace(b.SIXTEEN, nodes=tuple(sorted(nodes)))
    legs = _without_puts(structure.legs) if netted else list(structure.legs)
    return pm.check(array, b.RHOS, markets, known, legs, 0, 0, b.NOW).scan_im / WAD


def crash(structure: Structure) -> float:
    """Return the loss in the demo's crash, in one step [USD]."""
    total = 0.0
    for alone in efficiency.by_market(structure):
        for market in efficiency.markets_of(alone):
            move, percent = CRASH[market.market]
            terms = efficiency.terms_of(alone, market)
            total += float(exact.losses(b.SIXTEEN, market, terms, move, percent * WAD // 100))
    return total


def reach(structure: Structure, amount: float) -> float:
    """Return the least move, in whole percents, by which more than an amount may be lost."""
    for percent in range(1, 100):
        move = percent / 100
        lost = (
            float(efficiency.loss_of(structure, x, shock))
            for x in (-move, move)
            for shock in SHOCKS
        )
        if max(lost) > amount + efficiency.CENT:
            return move
    return 1.0


def find(charges: Charges) -> Found:
    """Return what some charges do for the twelve."""
    return _judge({name: required(each, charges) for name, each in _all().items()})


def others() -> Mapping[str, Found]:
    """Return what the others' rules do for the twelve."""
    found = {name: asked(each) for name, each in _all().items()}
    paradex = {name: (x.paradex, PARADEX_MM * x.paradex) for name, x in found.items()}
    deribit = {name: (x.deribit, DERIBIT_MM * x.deribit) for name, x in found.items()}
    return {"Paradex": _judge(paradex), "Deribit": _judge(deribit)}


def show(console: Console) -> None:
    """Print the table; nothing is recorded."""
    title = "other charges than R5's: structures of twelve; reach and what is left, straddle sold"
    table = Table(title=title, title_justify="left")
    table.add_column("rule", no_wrap=True)
    for heading in ("under", "IM", "MM", "crash", "reach", "left"):
        table.add_column(heading, justify="right")
    lines = {**{name: find(charges) for name, charges in RULES.items()}, **others()}
    for name, found in lines.items():
        numbers = (found.under, found.im_covers, found.mm_covers, found.crash)
        shares = (f"{found.reach:.0%}", f"{found.left:.0%}")
        table.add_row(name, *map(str, numbers), *shares)
    console.print(table)


def main() -> None:
    """Print what the structures require, and what other charges would change."""
    console = Console(width=WIDTH)
    efficiency.show(console)
    show(console)


# ---- parts ---------------------------------------------------------------------------------------


def _all() -> Mapping[str, Structure]:
    return efficiency.structures()


def _judge(asks: Mapping[str, tuple[float, float]]) -> Found:
    """Return what IM and MM of each structure amount to."""
    known: dict[str, tuple[Structure, Asked]] = {
        name: (structure, asked(structure)) for name, structure in _all().items()
    }
    sold, sold_asked = known[SOLD]
    im, mm = asks[SOLD]
    return Found(
        under=sum(
            x.lower is not None and asks[name][0] <= x.lower for name, (_, x) in known.items()
        ),
        im_covers=sum(x.covers(asks[name][0]) for name, (_, x) in known.items()),
        mm_covers=sum(x.covers(asks[name][1]) for name, (_, x) in known.items()),
        crash=sum(asks[name][0] > crash(each) for name, (each, _) in known.items()),
        reach=reach(sold, im),
        left=(mm - sold_asked.worst) / mm,
    )


def _static(market: pm.Underlying, book: pm.Book, charges: Charges) -> float:
    """Return the static charge of one market [USD]."""
    long_calls, short_calls, long_puts, short_puts = book.options
    naked = (max(0, short_calls - long_calls), max(0, short_puts - long_puts))
    counted = sum(naked) if charges.naked_apart else max(naked)
    held = market.spot + abs(book.perp) + abs(book.future)
    percents = charges.delta * held + pm.STATIC_NAKED * counted
    spread = min(book.gross) * market.risk.spread / pm.RATE_ONE if charges.calendar else 0.0
    return market.price * (percents / 100 + spread) / WAD


def _own_nodes(structure: Structure) -> set[int]:
    """Return the strikes inside the range, in ranges [WAD]."""
    found = set()
    for leg in structure.legs:
        said = parts(leg.instrument)
        if said.kind in (CALL, PUT):
            moved = said.strike / TICKS_PER_USD / b.PRICES[said.market] - 1
            if abs(moved) < efficiency.RANGE:
                found.add(round(moved / efficiency.RANGE * WAD))
    return found


def _without_puts(legs: tuple[Leg, ...]) -> list[Leg]:
    """Return the same book with every put as a call and a short future: put = call + K - F."""
    sizes: defaultdict[int, int] = defaultdict(int)
    for leg in legs:
        said = parts(leg.instrument)
        if said.kind == PUT:
            sizes[replace(said, kind=CALL).id] += leg.size
            sizes[Instrument(said.market, FUTURE, said.hours, 0, 0).id] -= leg.size
        else:
            sizes[leg.instrument] += leg.size
    return [Leg(instrument, size) for instrument, size in sizes.items() if size]


if __name__ == "__main__":
    main()
