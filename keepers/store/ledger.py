"""The keeper's own book in SQLite: what it sent, what it earned, what it burned.

Every row can be derived from the chain again, so the file may be deleted at any time; what stands
open then counts as brought in by the owner.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, Integer, String, create_engine, delete, event, func, select, update
from sqlalchemy import inspect as look_at
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool

from keepers.domain.profits import Entry
from keepers.errors import BadInput

PENDING, INCLUDED, FAILED, DROPPED = "pending", "included", "failed", "dropped"
NAMES: Final = (".db", ".sqlite", ".sqlite3")  # of files that may be set aside
SPOILT: Final = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
PARTS: Final = ("", "-wal", "-shm")  # of one store on the disk


class Base(DeclarativeBase):
    """The tables of one keeper."""


class Sent(Base):
    """One transaction of ours; amounts are decimal strings, SQLite has no wide integers."""

    __tablename__ = "sent"

    hash: Mapped[str] = mapped_column(String, primary_key=True)
    key: Mapped[str] = mapped_column(String, index=True)
    nonce: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String, index=True)
    block: Mapped[int] = mapped_column(Integer, default=0)
    gas_used: Mapped[int] = mapped_column(Integer, default=0)
    gas_wei: Mapped[str] = mapped_column(String, default="0")


class Earned(Base):
    """What one event paid us, in USD WAD; keyed by transaction and log, so replays are harmless."""

    __tablename__ = "earned"

    tx: Mapped[str] = mapped_column(String, primary_key=True)
    log: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String)
    account: Mapped[str] = mapped_column(String)
    block: Mapped[int] = mapped_column(Integer)
    profit: Mapped[str] = mapped_column(String)


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
    """What one liquidation earned; amounts are decimal strings, USD WAD unless named wei.

    The row of kind `own` holds what is no liquidation, and the gas that none of them is due.
    """

    __tablename__ = "deals"

    account: Mapped[str] = mapped_column(String, primary_key=True)  # the keeper's own
    tx: Mapped[str] = mapped_column(String, primary_key=True)
    log: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String)
    target: Mapped[str] = mapped_column(String)  # who was liquidated
    block: Mapped[int] = mapped_column(Integer)
    native: Mapped[str] = mapped_column(String)  # price of the native coin then [ticks]
    pay: Mapped[str] = mapped_column(String)
    reward: Mapped[str] = mapped_column(String)
    fee: Mapped[str] = mapped_column(String)
    slippage: Mapped[str] = mapped_column(String)
    drift: Mapped[str] = mapped_column(String)
    held: Mapped[str] = mapped_column(String)  # worth of what is still held
    profit: Mapped[str] = mapped_column(String)  # gas and reserves apart
    gas_wei: Mapped[str] = mapped_column(String)
    reserve_wei: Mapped[str] = mapped_column(String)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the report: `deals` in numbers."""

    account: int
    tx: str
    log: int
    kind: str
    target: int
    block: int
    native: int
    pay: int
    reward: int
    fee: int
    slippage: int
    drift: int
    held: int
    profit: int
    gas_wei: int
    reserve_wei: int

    @property
    def spent_wei(self) -> int:
        """Return the native coin that it took."""
        return self.gas_wei + self.reserve_wei


@dataclass(frozen=True, slots=True)
class Totals:
    """The keeper's result so far."""

    included: int
    failed: int
    gas_wei: int
    profit: int  # USD WAD
    events: int


class Store:
    """One SQLite file, or memory when no path is given."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file and make its tables; a damaged one of ours is set aside."""
        try:
            self._open(path)
        except SQLAlchemyError as error:
            if path is None or not _spoilt(error) or path.suffix not in NAMES:
                raise _refusal(path, error) from error
            _set_aside(path)
            self._open(path)

    def _open(self, path: Path | None) -> None:
        if path is not None and path.is_file():
            _refuse_foreign(path)
        self._engine = create_engine("sqlite://" if path is None else f"sqlite:///{path}")
        event.listen(self._engine, "connect", _tune)
        try:
            Base.metadata.create_all(self._engine)
            self.gas = self._gas()  # what every transaction burned [wei]
        except SQLAlchemyError:
            self._engine.dispose()
            raise

    def _gas(self) -> dict[str, int]:
        with Session(self._engine) as session:
            rows = session.execute(select(Sent.hash, Sent.gas_wei)).tuples()
            return {hash_: int(wei) for hash_, wei in rows}

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    def sent(self, hash_: str, key: str, nonce: int) -> None:
        """Remember a transaction that the node took."""
        with Session(self._engine) as session, session.begin():
            session.merge(Sent(hash=hash_, key=key, nonce=nonce, state=PENDING))

    def resolved(self, hash_: str, state: str, block: int, gas_used: int, gas_wei: int) -> None:
        """Remember how a transaction ended; a reorg may say it again otherwise."""
        values = {"state": state, "block": block, "gas_used": gas_used, "gas_wei": str(gas_wei)}
        with Session(self._engine) as session, session.begin():
            session.execute(update(Sent).where(Sent.hash == hash_).values(**values))
        self.gas[hash_] = gas_wei

    def pending(self) -> list[tuple[str, str, int]]:
        """Return (hash, key, nonce) of what was in flight when the keeper stopped."""
        with Session(self._engine) as session:
            rows = session.scalars(select(Sent).where(Sent.state == PENDING).order_by(Sent.nonce))
            return [(row.hash, row.key, row.nonce) for row in rows]

    def earned(self, tx: str, log: int, kind: str, account: int, block: int, profit: int) -> bool:
        """Book what an event paid, once however often it is seen; return whether it was new."""
        row = Earned(
            tx=tx, log=log, kind=kind, account=hex(account), block=block, profit=str(profit)
        )
        with Session(self._engine) as session, session.begin():
            if session.get(Earned, (tx, log)) is not None:
                return False
            session.add(row)
        return True

    def rewind(self, block: int) -> None:
        """Forget what was earned above a block that is no longer on the chain."""
        with Session(self._engine) as session, session.begin():
            for table in (Earned, Happened, Deal):
                session.execute(delete(table).where(table.block > block))

    # ---- the journal

    def happened(self, account: int, entry: Entry) -> None:
        """Keep an event; once, however often it is seen."""
        row = Happened(
            account=hex(account),
            tx=entry.tx,
            log=entry.index,
            block=entry.block,
            name=entry.name,
            said=json.dumps(entry.said),
            mark=str(entry.mark),
            native=str(entry.native),
        )
        with Session(self._engine) as session, session.begin():
            session.merge(row)

    def entries(self, account: int) -> list[Entry]:
        """Return the events of an account in order."""
        wanted = select(Happened).where(Happened.account == hex(account))
        with Session(self._engine) as session:
            rows = session.scalars(wanted.order_by(Happened.block, Happened.log))
            return [
                Entry(
                    block=row.block,
                    index=row.log,
                    tx=row.tx,
                    name=row.name,
                    said=json.loads(row.said),
                    mark=int(row.mark),
                    native=int(row.native),
                )
                for row in rows
            ]

    def write_lines(self, lines: Iterable[Line]) -> None:
        """Keep what deals have come to."""
        with Session(self._engine) as session, session.begin():
            for line in lines:
                values = {name: str(getattr(line, name)) for name in _AMOUNTS}
                names = {"account": hex(line.account), "target": hex(line.target)}
                places = {"tx": line.tx, "log": line.log, "kind": line.kind, "block": line.block}
                session.merge(Deal(**values, **names, **places))

    def lines(self) -> list[Line]:
        """Return what every deal has come to, in the order in which they were made."""
        return _lines(self._engine)

    def totals(self) -> Totals:
        """Add everything up."""
        with Session(self._engine) as session:
            states = dict(
                session.execute(select(Sent.state, func.count()).group_by(Sent.state))
                .tuples()
                .all()
            )
            gas = sum(int(each) for each in session.scalars(select(Sent.gas_wei)))
            profits = [int(each) for each in session.scalars(select(Earned.profit))]
        return Totals(
            states.get(INCLUDED, 0), states.get(FAILED, 0), gas, sum(profits), len(profits)
        )


_AMOUNTS: Final = (
    *("native", "pay", "reward", "fee", "slippage", "drift", "held", "profit"),
    *("gas_wei", "reserve_wei"),
)


def read_lines(path: Path) -> list[Line]:
    """Return what every deal of a store has come to; the file is not written to."""
    try:
        return _lines(_reading(path))
    except SQLAlchemyError as error:
        raise _refusal(path, error) from error


def _lines(engine: Engine) -> list[Line]:
    with Session(engine) as session:
        return [
            Line(
                account=int(row.account, 16),
                target=int(row.target, 16),
                tx=row.tx,
                log=row.log,
                kind=row.kind,
                block=row.block,
                **{name: int(getattr(row, name)) for name in _AMOUNTS},
            )
            for row in session.scalars(select(Deal).order_by(Deal.block, Deal.log))
        ]


def _reading(path: Path) -> Engine:
    """Return an engine that cannot write, nor makes a file beside the store's own."""
    used = path.with_name(path.name + PARTS[1]).exists()
    address = path.absolute().as_uri() + ("?mode=ro" if used else "?mode=ro&immutable=1")
    return create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool
    )


def _refuse_foreign(path: Path) -> None:
    """Refuse another program's database before anything is written to it."""
    tables = look_at(_reading(path)).get_table_names()
    if tables and not set(tables) & set(Base.metadata.tables):
        raise BadInput(f"{path} is another program's database", "give another file with --store")


def _spoilt(error: SQLAlchemyError) -> bool:
    """Return whether SQLite says that the file is no database, or a damaged one."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode in SPOILT


def _refusal(path: Path | None, error: SQLAlchemyError) -> BadInput:
    if _spoilt(error):
        return BadInput(f"{path} is no store of a keeper", "give another file with --store")
    cause = error.orig if isinstance(error, DBAPIError) else error
    return BadInput(
        f"the store {path} cannot be opened ({cause})", "check --store and who else has it open"
    )


def _set_aside(path: Path) -> None:
    """Rename a store and what belongs to it; what was set aside before stays as it is."""
    names = (path.with_suffix(f".damaged{number or ''}") for number in count())
    aside = next(each for each in names if not each.exists())
    for part in PARTS:
        old = path.with_name(path.name + part)
        if old.exists():
            old.rename(aside.with_name(aside.name + part))


def _tune(connection: object, _record: object) -> None:
    """Trade durability for speed: the chain is the durable copy."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()
