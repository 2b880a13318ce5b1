"""What the lenses of options say of an account: legs, Greeks, rows of the scan, parts of margin.

docs/spec/option-lens.md says what the numbers are. Everything is read at one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Final

from keepers.chain.reading import Reader
from keepers.chain.rpc import Block

# where the rows of a scan stand in the answer
NODES: Final = 9
SIDES: Final = 18
MOVE_ONE: Final = 2**64
WIDTH_ONE: Final = 10**4
MAX_MARKS: Final = 64


class MarkCode(IntEnum):
    """How far a mark can be relied on."""

    MARKED = 0
    NOT_LISTED = 1
    NO_SURFACE = 2
    STALE_SURFACE = 3
    DEAD_SURFACE = 4
    SETTLED = 5
    AWAITED = 6

    @property
    def text(self) -> str:
        """Return it in words; nothing where there is nothing to say."""
        return MARK_TEXTS[self]


MARK_TEXTS: Final = {
    MarkCode.MARKED: "",
    MarkCode.NOT_LISTED: "not listed",
    MarkCode.NO_SURFACE: "no surface",
    MarkCode.STALE_SURFACE: "stale surface",
    MarkCode.DEAD_SURFACE: "dead surface",
    MarkCode.SETTLED: "expired",
    MarkCode.AWAITED: "expired, not settled",
}


class PartKind(IntEnum):
    """What a part of a requirement is."""

    LEG = 1
    CALENDAR = 2
    OPTION = 3
    AWAITED = 4
    HAIRCUT = 5
    KEEPERS = 6
    SCAN = 7
    MINIMUM = 8
    BUFFER = 9
    STATIC = 10
    ORACLE = 11
    OPEN_INTEREST = 12
    SPOT = 13
    DEAD_FEED = 14
    AVERAGED = 15

    @property
    def text(self) -> str:
        """Return it in words."""
        return PART_TEXTS[self]

    @property
    def of_instrument(self) -> bool:
        """Return whether `about` is an instrument."""
        return self in (PartKind.OPTION, PartKind.AWAITED)

    @property
    def of_market(self) -> bool:
        """Return whether `about` is a market."""
        return self in MARKET_PARTS


PART_TEXTS: Final = {
    PartKind.LEG: "perp and futures",
    PartKind.CALENDAR: "calendar spreads",
    PartKind.OPTION: "option",
    PartKind.AWAITED: "settlement awaited",
    PartKind.HAIRCUT: "collateral haircut",
    PartKind.KEEPERS: "keepers' pay",
    PartKind.SCAN: "worst loss of the scan",
    PartKind.MINIMUM: "least for options, beyond the scan",
    PartKind.BUFFER: "initial buffer",
    PartKind.STATIC: "delta-1 legs and naked shorts",
    PartKind.ORACLE: "stable price and confidence",
    PartKind.OPEN_INTEREST: "open interest",
    PartKind.SPOT: "collateral in the scan",
    PartKind.DEAD_FEED: "dead feed",
    PartKind.AVERAGED: "decided of long options that expire",
}
MARKET_PARTS: Final = frozenset(
    {
        PartKind.LEG,
        PartKind.CALENDAR,
        PartKind.STATIC,
        PartKind.ORACLE,
        PartKind.OPEN_INTEREST,
        PartKind.SPOT,
        PartKind.DEAD_FEED,
    }
)


class Shock(StrEnum):
    """What volatility does in a row of the scan."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Greeks:
    """What is gained when something moves a little.

    Of legs and markets delta and gamma (for 1 %) are in lots of the underlying, of an account in
    USD WAD. Vega (a point of annual volatility) and theta (a day) are USD WAD.
    """

    delta: int
    gamma: int
    vega: int
    theta: int


@dataclass(frozen=True, slots=True)
class OptionLeg:
    """A leg of an account, of the engine or a perp."""

    instrument: int
    size: int  # lots
    mark: int  # ticks
    code: MarkCode
    greeks: Greeks

    @property
    def worth(self) -> int:
        """Return size times mark [WAD]; of a perp what it stands for."""
        return self.size * self.mark


@dataclass(frozen=True, slots=True)
class MarketGreeks:
    """The Greeks of everything that moves with a market."""

    market: int
    price: int  # ticks
    spot: int  # lots of collateral, in delta
    greeks: Greeks


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    """A row of the scan in one market."""

    shock: Shock
    move: int  # 2^-64 of the price
    loss: int  # WAD, negative for a profit; an extreme row's times its weight
    gap: int  # WAD, what may be lost between this row and the next besides


@dataclass(frozen=True, slots=True)
class ScenarioMarket:
    """A market in the scan, and what it requires beside its rows [WAD]."""

    market: int
    group: int
    width: int  # 1e-4, the range of prices
    rows: tuple[ScenarioRow, ...]
    worst: int
    least: int
    static: int
    calendar: int
    oracle: int
    open_interest: int


@dataclass(frozen=True, slots=True)
class ScenarioGroup:
    """What the markets of a group require together [WAD]."""

    group: int
    apart: int
    together: int
    scan: int


@dataclass(frozen=True, slots=True)
class ScenarioTable:
    """The scan of an account; no markets under standard margin."""

    scan: int  # WAD
    markets: tuple[ScenarioMarket, ...]
    groups: tuple[ScenarioGroup, ...]

    def together(self, group: int) -> tuple[ScenarioRow, ...]:
        """Return the rows of a group's markets added up; moves are the first market's."""
        members = [market.rows for market in self.markets if market.group == group]
        return tuple(
            ScenarioRow(
                rows[0].shock,
                rows[0].move,
                sum(row.loss for row in rows),
                sum(row.gap for row in rows),
            )
            for rows in zip(*members, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of MM and IM [WAD]."""

    kind: PartKind
    about: int  # a market, an instrument or a collateral's id; 0 for none
    mm: int
    im: int


@dataclass(frozen=True, slots=True)
class Decomposition:
    """Why an account's margin is what it is [WAD]: the parts add up to MM and IM."""

    portfolio: bool
    mm: int
    im: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class OptionAccount:
    """Everything that the lenses say of one account at one block."""

    id: int
    legs: tuple[OptionLeg, ...]
    markets: tuple[MarketGreeks, ...]
    greeks: Greeks
    decomposition: Decomposition
    scenarios: ScenarioTable  # under the ranges of MM
    initial: ScenarioTable  # under those of IM

    @property
    def portfolio(self) -> bool:
        """Return whether the account is under portfolio margin."""
        return self.decomposition.portfolio


async def option_account(reader: Reader, account: int, block: Block = "latest") -> OptionAccount:
    """Return what the lenses say of an account."""
    greeks, parts, slow, fast = await reader.many(
        [
            ("OptionLens", "greeks", (account,)),
            ("MarginLens", "decomposition", (account,)),
            ("MarginLens", "scenarios", (account, False)),
            ("MarginLens", "scenarios", (account, True)),
        ],
        block,
    )
    *total, markets, legs = greeks[0]
    return OptionAccount(
        id=account,
        legs=tuple(
            OptionLeg(instrument, size, mark, MarkCode(code), Greeks(*rest))
            for instrument, size, mark, code, *rest in legs
        ),
        markets=tuple(
            MarketGreeks(market, price, spot, Greeks(*rest))
            for market, price, spot, *rest in markets
        ),
        greeks=Greeks(*total),
        decomposition=decomposition_of(parts[0]),
        scenarios=table_of(slow[0]),
        initial=table_of(fast[0]),
    )


async def option_marks(
    reader: Reader, instruments: Sequence[int], block: Block = "latest"
) -> list[tuple[int, MarkCode]]:
    """Return the mark [ticks] and its code of each instrument, however many."""
    pages = [instruments[at : at + MAX_MARKS] for at in range(0, len(instruments), MAX_MARKS)]
    answers = await reader.many([("OptionLens", "marks", (list(page),)) for page in pages], block)
    return [
        (mark, MarkCode(code))
        for marks, codes in answers
        for mark, code in zip(marks, codes, strict=True)
    ]


def decomposition_of(told: Sequence[Any]) -> Decomposition:
    """Return a decomposition from what MarginLens answers."""
    portfolio, mm, im, parts = told
    found = tuple(Part(PartKind(kind), *rest) for kind, *rest in parts)
    return Decomposition(bool(portfolio), mm, im, found)


def table_of(told: Sequence[Any]) -> ScenarioTable:
    """Return a table from what MarginLens answers."""
    nodes, extremes, scan, markets, groups = told
    return ScenarioTable(
        scan,
        tuple(_market(each, nodes, extremes) for each in markets),
        tuple(ScenarioGroup(*group) for group in groups),
    )


def _market(told: Sequence[Any], nodes: int, extremes: int) -> ScenarioMarket:
    market, group, width, moves, losses, gaps, *charges = told
    rows = [
        ScenarioRow(shock, moves[i], losses[first + i], gaps[first + i] if i < nodes - 1 else 0)
        for shock, first in ((Shock.UP, 0), (Shock.DOWN, NODES))
        for i in range(nodes)
    ]
    rows += [
        ScenarioRow(Shock.NONE, moves[NODES + i], losses[SIDES + i], 0) for i in range(extremes)
    ]
    return ScenarioMarket(market, group, width, tuple(rows), *charges)
