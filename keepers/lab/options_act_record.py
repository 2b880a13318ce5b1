"""What the options act leaves behind, and who was late in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from keepers.domain.margin import Health
from keepers.lab.options_act_books import Book
from keepers.lab.options_act_market import Fits
from keepers.lab.records import MISSED_BLOCKS, Books

TAKEN_S: Final = 300  # from a flag on: then the reward is half of MM, and pays whoever takes


@dataclass(frozen=True, slots=True)
class Frame:
    """The act after one step; floats, for charts alone."""

    time: int
    prices: dict[str, float]
    volatility: dict[str, float]  # at the money, of the nearest expiry
    equity: list[float]  # by book
    mm: list[float]


@dataclass(frozen=True, slots=True)
class Taken:
    """One take."""

    account: int
    time: int
    fraction: int  # WAD
    reward: int
    deficit: int
    equity: int  # before


@dataclass(frozen=True, slots=True)
class Closed:
    """One close of a leg against a maker's bid [USD WAD]."""

    account: int
    time: int
    cost: int
    released: int  # of MM


@dataclass(frozen=True, slots=True)
class Expired:
    """One expiry of one market: the price that was written, and what it paid."""

    symbol: str
    expiry: int
    price: int  # ticks
    paid: int  # to holders of options [WAD]
    legs: int


@dataclass(slots=True)
class Late:
    """Who waits for a liquidator: blocks without a flag, and since when a flag has stood."""

    blocks: dict[int, int] = field(default_factory=dict)
    flagged: dict[int, int] = field(default_factory=dict)

    def silent(self, under: Iterable[int]) -> bool:
        """Return whether somebody has no flag yet."""
        return any(account not in self.flagged for account in under)

    def answered(self, account: int, now: int, *, taken: bool) -> None:
        """Note a flag, or a take of a part: whoever goes on has time again."""
        if taken or account not in self.flagged:
            self.flagged[account] = now

    def follow(self, under: Sequence[int], now: int) -> list[str]:
        """Count a block; return whom it made late."""
        self.blocks = {account: self.blocks.get(account, 0) + 1 for account in under}
        self.flagged = {each: at for each, at in self.flagged.items() if each in self.blocks}
        said = []
        for account, blocks in self.blocks.items():
            if account not in self.flagged and blocks == MISSED_BLOCKS + 1:
                said.append(f"{named(account)} stood below maintenance unanswered")
            elif now - self.flagged.get(account, now) > TAKEN_S:
                self.flagged[account] = now
                said.append(f"{named(account)} was flagged and not taken for {TAKEN_S} s")
        return said


def named(account: int) -> str:
    """Return an account as people can tell it from others."""
    return f"account 0x{account >> 144:04x}…:{account & 1}"


@dataclass(slots=True)
class Act:
    """Everything about it."""

    seed: int
    source: str
    fits: Fits
    books: list[Book] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    takes: list[Taken] = field(default_factory=list)
    closes: list[Closed] = field(default_factory=list)
    expired: list[Expired] = field(default_factory=list)
    proofs: list[Books] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    late: Late = field(default_factory=Late)
    waited: dict[str, int] = field(default_factory=dict)
    fills: int = 0
    blocks: int = 0
    deficit: int = 0  # of the ledger, at the end
    owing: int = 0  # accounts with less than nothing at the end
    held: int = 0  # option and future legs at the end
    insurance: tuple[int, int] = (0, 0)
    seconds: float = 0.0

    @property
    def failures(self) -> list[str]:
        """Return what is off, one sentence each."""
        said = list(self.missed)
        owed = self.deficit + sum(each.deficit for each in self.takes)
        if owed or self.owing:
            said.append(f"bad debt: {owed} wei booked, {self.owing} accounts below zero at the end")
        if self.insurance[1] < self.insurance[0]:
            said.append("the insurance fund paid")
        if self.held:
            said.append(f"{self.held} legs were left after the last expiry")
        if sum(book.takes + book.closes for book in self.books) == 0:
            said.append("nobody fell: the act shows nothing")
        said += [f"{books.when}: {books.said}" for books in self.proofs if not books.ok]
        return said


def below(act: Act, found: Mapping[int, Health]) -> list[int]:
    """Return the books below maintenance at prices that liquidate."""
    return [
        book.account
        for book in act.books
        if found[book.account].open and found[book.account].under_mm
    ]
