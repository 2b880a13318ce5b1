"""What a replay leaves behind: facts for the table, the charts and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from keepers.domain.units import WAD

REDUCE, TAKE, WRITE_OFF, FLAG = "reduce", "take", "write-off", "flag"
MISSED_BLOCKS: Final = 3
SKIPPED_SHARE: Final = 0.01  # of the steps, for which a busy machine may find no quorum in time


@dataclass(frozen=True, slots=True)
class Frame:
    """The world after one price step; dollars and ratios are floats, for charts only."""

    time: int
    block: int
    wall_ms: float
    prices: Mapping[str, float]
    nav: float
    insurance: float
    deficit: float
    equity: float  # of all traders
    under: int  # accounts with E < MM
    ratios: tuple[float, ...]  # E / MM by account of the economy, nan without a requirement
    vols: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One included liquidation; amounts are WAD."""

    kind: str
    account: int
    time: int
    block: int
    tx: str
    by: str
    equity_before: int
    equity_after: int
    mm_before: int
    mm_after: int
    full: bool  # it closed the leg, or took everything
    notional: int  # what was closed or taken, at the price of the block
    market: str  # of the leg, "" for a take
    pay: int  # to the keeper: pay of a reduce, reward of a take
    insurance: int
    deficit: int


@dataclass(slots=True)
class Breach:
    """E < MM under a usable price, until something is included or it ends by itself."""

    account: int
    block: int
    time: int
    wall_ms: float
    equity: int
    mm: int
    rates: Mapping[str, float]  # MM rate by market held, when it began
    end_block: int = 0
    end_time: int = 0
    end_wall_ms: float = 0.0
    outcome: str = ""  # reduce, take, write-off, flag, recovered, missed; "" while it lasts
    seen_blocks: int = 0  # later than the first one, in which nothing held a liquidation up
    seen_time: int = 0  # of the last such block
    open: bool = True  # whether prices allow a liquidation now
    acted_block: int = 0  # of the first reduce, take or write-off
    acted_wall_ms: float = 0.0

    def liquidated(self, block: int, wall_ms: float) -> None:
        """Note a reduce, take or write-off; the first one counts."""
        if not self.acted_block:
            self.acted_block, self.acted_wall_ms = block, wall_ms

    @property
    def blocks(self) -> int:
        """Return how many blocks it lasted."""
        return self.end_block - self.block

    @property
    def milliseconds(self) -> float:
        """Return how long it lasted on the clock of this machine."""
        return self.end_wall_ms - self.wall_ms

    @property
    def answered(self) -> bool:
        """Return whether a liquidation ended it."""
        return self.outcome in (REDUCE, TAKE, WRITE_OFF, FLAG)


@dataclass(frozen=True, slots=True)
class BadDebt:
    """A loss beyond an account's equity."""

    account: int
    time: int
    amount: int  # WAD
    move: float  # the largest step of a held market on the way
    rate: float  # that market's MM rate for the account
    market: str

    @property
    def inside(self) -> bool:
        """Return whether every step on the way stayed inside the scan range."""
        return self.move <= self.rate


@dataclass(frozen=True, slots=True)
class Move:
    """The largest step between two accepted prices of a market while accounts held it."""

    market: str
    size: float
    time: int


@dataclass(slots=True)
class Spent:
    """What one keeper's transactions cost."""

    role: str
    name: str
    transactions: int = 0
    reverted: int = 0
    gas: int = 0
    wei: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  # why transactions reverted


@dataclass(frozen=True, slots=True)
class Person:
    """What the end table says about one account of the economy."""

    id: int
    kind: str
    tight: bool
    isolated: bool
    family: int | None  # the cross account that an isolated twin belongs to
    start_ratio: float  # E / IM after the opening
    start_equity: int
    end_equity: int


@dataclass(slots=True)
class Books:
    """What the conservation proof found, at one block."""

    when: str
    block: int
    ok: bool
    said: str
    lost: int = 0


@dataclass(slots=True)
class Record:
    """Everything about one replay."""

    title: str
    seed: int
    frames: list[Frame] = field(default_factory=list)
    liquidations: list[Liquidation] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)
    bad_debts: list[BadDebt] = field(default_factory=list)
    moves: dict[str, Move] = field(default_factory=dict)
    people: list[Person] = field(default_factory=list)
    spent: list[Spent] = field(default_factory=list)
    proofs: list[Books] = field(default_factory=list)
    killed: list[tuple[int, str]] = field(default_factory=list)  # (time, name)
    unexpected: list[str] = field(default_factory=list)  # processes that died by themselves
    mirror_differs: list[str] = field(default_factory=list)
    pool_start: int = 0
    pool_end: int = 0
    insurance_start: int = 0
    insurance_end: int = 0
    deficit: int = 0
    steps: int = 0
    skipped_steps: int = 0  # ticks for which no price was accepted
    outages: int = 0
    blocks: int = 0
    setup_s: float = 0.0
    replay_s: float = 0.0
    thinned: int = 0
    orders: int = 0
    unopened: int = 0  # accounts with fewer legs than they were to have
    longest_auction_s: int = 0
    still_in_auction: int = 0
    ack_ms: dict[str, list[float]] = field(default_factory=dict)  # by role, event to ack

    @property
    def missed(self) -> list[Breach]:
        """Return the breaches that nobody answered in time."""
        return [each for each in self.breaches if each.outcome == "missed"]

    @property
    def bad_inside(self) -> list[BadDebt]:
        """Return bad debt that a margin of this size has to prevent."""
        return [each for each in self.bad_debts if each.inside]

    @property
    def failures(self) -> list[str]:
        """Return why the replay failed, one sentence each; empty when it did not."""
        said = [f"{books.when}: {books.said}" for books in self.proofs if not books.ok]
        if not self.proofs:
            said.append("the books were not proved")
        if self.missed:
            many = "s were" if len(self.missed) > 1 else " was"
            said.append(f"{len(self.missed)} liquidation{many} missed")
        if self.unopened:
            said.append(f"{self.unopened} accounts hold fewer legs than they were to have")
        if self.skipped_steps > SKIPPED_SHARE * self.steps:
            said.append(f"{self.skipped_steps} of {self.steps} steps brought no price")
        if self.bad_inside:
            lost = sum(each.amount for each in self.bad_inside) / WAD
            said.append(f"bad debt of {lost:,.2f} USD inside the scan range")
        said += self.mirror_differs
        said += self.unexpected
        return said


def usd(wad: int) -> float:
    """Return dollars to show."""
    return wad / WAD
