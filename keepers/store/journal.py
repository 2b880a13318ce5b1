"""The journal's two tables: the events of an account, and what its deals have come to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from keepers.domain.profits import Entry
from keepers.store.base import Base

# what a deal's profit is made of, in the order of the report [USD WAD]
PARTS: Final = ("pay", "reward", "fee", "slippage", "drift", "held", "profit")
WEI: Final = ("gas_wei", "reserve_wei")
# the fields of a line by how its row writes them: as they are, as hex, as decimal strings
PLACES: Final = ("tx", "log", "kind", "block")
IDS: Final = ("account", "target")
AMOUNTS: Final = ("native", *PARTS, *WEI)


class Happened(Base):
    """One event of the keeper's account, as the journal folds it."""

    __tablename__ = "happened"

    account: Mapped[str] = mapped_column(String, primary_key=True)
    tx: Mapped[str] = mapped_column(String, primary_key=True)
    log: Mapped[int] = mapped_column(Integer, primary_key=True)
    block: Mapped[int] = mapped_column(Integer, index=True)
    name: Mapped[str] = mapped_column(String)
    said: Mapped[str] = mapped_column(String)  # JSON
    mark: Mapped[str] = mapped_column(String)
    native: Mapped[str] = mapped_column(String)


class Deal(Base):
    """What one liquidation earned: the row of a `Line`.

    The row of kind `own` holds what is no liquidation, and the gas that none of them is due.
    """

    __tablename__ = "deals"

    account: Mapped[str] = mapped_column(String, primary_key=True)
    tx: Mapped[str] = mapped_column(String, primary_key=True)
    log: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String)
    target: Mapped[str] = mapped_column(String)
    block: Mapped[int] = mapped_column(Integer)
    native: Mapped[str] = mapped_column(String)
    pay: Mapped[str] = mapped_column(String)
    reward: Mapped[str] = mapped_column(String)
    fee: Mapped[str] = mapped_column(String)
    slippage: Mapped[str] = mapped_column(String)
    drift: Mapped[str] = mapped_column(String)
    held: Mapped[str] = mapped_column(String)
    profit: Mapped[str] = mapped_column(String)
    gas_wei: Mapped[str] = mapped_column(String)
    reserve_wei: Mapped[str] = mapped_column(String)


@dataclass(frozen=True, slots=True)
class Line:
    """What one liquidation earned, in numbers: a line of the report; USD WAD unless named."""

    account: int  # the keeper's own
    tx: str
    log: int
    kind: str
    target: int  # who was liquidated
    block: int
    native: int  # price of the native coin then [ticks]
    pay: int
    reward: int
    fee: int
    slippage: int
    drift: int
    held: int  # worth of what is still held
    profit: int  # gas and reserves apart
    gas_wei: int
    reserve_wei: int

    @property
    def spent_wei(self) -> int:
        """Return the native coin that it took."""
        return self.gas_wei + self.reserve_wei


def entry_row(account: int, entry: Entry) -> Happened:
    """Write an event of an account down."""
    return Happened(
        account=hex(account),
        tx=entry.tx,
        log=entry.index,
        block=entry.block,
        name=entry.name,
        said=json.dumps(entry.said),
        mark=str(entry.mark),
        native=str(entry.native),
    )


def row_entry(row: Happened) -> Entry:
    """Read what `entry_row` wrote, its account apart."""
    said, mark, native = json.loads(row.said), int(row.mark), int(row.native)
    return Entry(row.block, row.log, row.tx, row.name, said, mark, native)


def line_row(line: Line) -> Deal:
    """Write a line down."""
    return Deal(
        **{name: getattr(line, name) for name in PLACES},
        **{name: hex(getattr(line, name)) for name in IDS},
        **{name: str(getattr(line, name)) for name in AMOUNTS},
    )


def row_line(row: Deal) -> Line:
    """Read what `line_row` wrote."""
    read: dict[str, Any] = {name: getattr(row, name) for name in PLACES}
    read |= {name: int(getattr(row, name), 16) for name in IDS}
    read |= {name: int(getattr(row, name)) for name in AMOUNTS}
    return Line(**read)
