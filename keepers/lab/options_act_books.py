"""The books of the options act: what each structure holds, and what it is worth to quote."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Final

from keepers.domain import instruments
from keepers.domain.exchange_orders import Leg, Order, checked
from keepers.domain.instruments import Instrument, Kind
from keepers.domain.surfaces import RATIO_ONE, Surface
from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD, YEAR

NEAR, MIDDLE, FAR = range(3)  # of the three expiries
GRID: Final = {"ETH": 50, "BTC": 1_000}  # USD between two strikes
# a maker quotes this far from the mark: 1e-4 of the mark and of the price, the larger
OF_MARK: Final = 100
OF_PRICE: Final = 3
FEE_CAP: Final = 1_000
HEDGE: Final = LOTS_PER_UNIT // 100  # hedges are rounded to it


@dataclass(frozen=True, slots=True)
class Part:
    """One leg of a structure: a kind, an expiry of three, and a strike over the forward [%]."""

    kind: Kind
    size: int  # units of the structure, > 0 bought
    expiry: int = NEAR
    strike: int = 0


@dataclass(frozen=True, slots=True)
class Structure:
    """What a trader holds, once under each margin."""

    name: str
    symbol: str
    units: int  # of the underlying
    parts: tuple[Part, ...]
    coin: str = ""  # collateral that goes with it, one a unit
    hedged: bool = False  # with the perp, at opening
    margin: int = 115  # percent of the larger IM that the account keeps


STRUCTURES: Final = (
    Structure("covered call", "ETH", 40, (Part(Kind.CALL, -1, MIDDLE, 105),), coin="WETH"),
    Structure(
        "put spread", "BTC", 2, (Part(Kind.PUT, -1, MIDDLE, 95), Part(Kind.PUT, 1, MIDDLE, 85))
    ),
    Structure(
        "long straddle", "ETH", 40, (Part(Kind.CALL, 1, NEAR, 100), Part(Kind.PUT, 1, NEAR, 100))
    ),
    Structure("calendar", "BTC", 2, (Part(Kind.PUT, -1, NEAR, 95), Part(Kind.PUT, 1, FAR, 95))),
    Structure(
        "hedged strangle",
        "ETH",
        40,
        (Part(Kind.PUT, -1, MIDDLE, 88), Part(Kind.CALL, -1, MIDDLE, 112)),
        hedged=True,
    ),
    # between the future's expiry and the close of the perp, the perp stands alone
    Structure(
        "future against perp",
        "BTC",
        2,
        (Part(Kind.FUTURE, 1, FAR), Part(Kind.PERP, -1)),
        margin=200,
    ),
    Structure("long future", "ETH", 40, (Part(Kind.FUTURE, 1, FAR),)),
)


@dataclass(slots=True)
class Book:
    """One account of the act, and what became of it [USD WAD]."""

    structure: Structure
    portfolio: bool
    account: int
    entries: dict[int, int] = field(default_factory=dict)  # prices [ticks] that it traded at
    im: int = 0
    mm: int = 0
    equity: int = 0  # once it is open
    low: int = 0  # least equity of the fall
    end: int = 0  # equity after the fall
    takes: int = 0
    reward: int = 0  # what those who took it earned
    closes: int = 0  # of its legs, against makers' bids
    conceded: int = 0  # what those cost it, below 0: gained
    deficit: int = 0
    settled: int = 0  # paid by what expired, of futures what they gained
    cash: int = 0  # at the end
    final: int = 0  # equity at the end


def last(structure: Structure) -> int:
    """Return which of the three expiries a structure ends with."""
    return max(part.expiry for part in structure.parts if part.kind != Kind.PERP)


def instrument(part: Part, market: int, surfaces: Sequence[Surface], price: int, grid: int) -> int:
    """Return the id of a leg, its strike on the grid [USD]."""
    if part.kind == Kind.PERP:
        return instruments.encode(Instrument(market))
    surface = surfaces[part.expiry]
    if part.kind == Kind.FUTURE:
        return instruments.encode(Instrument(market, Kind.FUTURE, surface.expiry))
    forward = price * surface.ratio // RATIO_ONE * part.strike // 100
    strike = max(1, round(forward / (grid * TICKS_PER_USD))) * grid * TICKS_PER_USD
    return instruments.encode(Instrument(market, part.kind, surface.expiry, strike))


def legs(
    structure: Structure, market: int, surfaces: Sequence[Surface], price: int, now: int
) -> list[Leg]:
    """Return the legs of a structure, without prices, in the order of their ids."""
    grid, lots = GRID[structure.symbol], structure.units * LOTS_PER_UNIT
    made = [
        Leg(instrument(part, market, surfaces, price, grid), part.size * lots)
        for part in structure.parts
    ]
    if structure.hedged:
        short = -sum(delta(leg, surfaces, price, now) * leg.size for leg in made)
        hedge = round(short / HEDGE) * HEDGE
        made += [Leg(market << 56, hedge)] if hedge else []
    return sorted(made, key=lambda leg: leg.instrument)


def delta(leg: Leg, surfaces: Sequence[Surface], price: int, now: int) -> float:
    """Return how an option moves with its underlying: a hedge's size, which nobody checks."""
    option = instruments.decode(leg.instrument)
    surface = next(each for each in surfaces if each.expiry == option.expiry)
    k = math.log(option.strike / (price * surface.ratio / RATIO_ONE))
    volatility = surface.volatility(round(k * 2**64)) / WAD
    deviation = volatility * math.sqrt((option.expiry - now) / YEAR)
    call = NormalDist().cdf(-k / deviation + deviation / 2)
    return call if option.kind == Kind.CALL else call - 1


# ---- quotes --------------------------------------------------------------------------------------


def quote(leg: Leg, mark: int, price: int, wide: int) -> Leg:
    """Return a leg at what a maker asks for it: the mark and half a spread to his side.

    Args:
        leg: as whoever asks gets it.
        mark: of the instrument [ticks].
        price: of the market [ticks].
        wide: this maker's own share of the half spread [%].
    """
    option = instruments.decode(leg.instrument).strike != 0
    half = max(mark * OF_MARK * option, price * OF_PRICE) * wide // (100 * 10_000)
    asked = mark + half if leg.size > 0 else max(1, mark - half)
    return Leg(leg.instrument, leg.size, asked)


def maker_order(
    account: int, wanted: Sequence[Leg], marks: Mapping[int, int], price: int, wide: int
) -> Order:
    """Return a maker's order whose other side is what a trader wants; unsigned, without nonce."""
    quoted = [quote(leg, marks[leg.instrument], price, wide) for leg in wanted]
    other = tuple(Leg(leg.instrument, -leg.size, leg.price) for leg in quoted)
    return checked(Order(account, other, nonce=0, deadline=0, fee_cap=FEE_CAP))


def costs(order: Order) -> int:
    """Return what the other side of a maker's order pays [WAD]."""
    return -sum(leg.size * leg.price for leg in order.legs)
