"""The keeper's own book in SQLite: what it sent, what it earned, what it burned.

Every row can be derived from the chain again, so the file may be deleted at any time; what stands
open then counts as brought in by the owner.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, Integer, String, create_engine, delete, event, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from keepers.domain.profits import Entry
from keepers.store import files
from keepers.store.base import Base
from keepers.store.journal import Deal, Happened, Line, entry_row, line_row, row_entry, row_line

PENDING, INCLUDED, FAILED, DROPPED = "pending", "included", "failed", "dropped"


class Sent(Base):
    """One transaction of ours."""

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
            if path is None or not files.may_be_set_aside(path, error):
                raise files.refusal(path, error) from error
            files.set_aside(path)
            self._open(path)

    def _open(self, path: Path | None) -> None:
        if path is not None and path.is_file():
            files.refuse_foreign(path)
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
        with Session(self._engine) as session, session.begin():
            session.merge(entry_row(account, entry))

    def entries(self, account: int) -> list[Entry]:
        """Return the events of an account in order."""
        wanted = select(Happened).where(Happened.account == hex(account))
        with Session(self._engine) as session:
            rows = session.scalars(wanted.order_by(Happened.block, Happened.log))
            return [row_entry(row) for row in rows]

    def write_lines(self, lines: Iterable[Line]) -> None:
        """Keep what deals have come to."""
        with Session(self._engine) as session, session.begin():
            for line in lines:
                session.merge(line_row(line))

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


def read_lines(path: Path) -> list[Line]:
    """Return what every deal of a store has come to; the file is not written to."""
    try:
        return _lines(files.reading(path))
    except SQLAlchemyError as error:
        raise files.refusal(path, error) from error


def _lines(engine: Engine) -> list[Line]:
    with Session(engine) as session:
        rows = session.scalars(select(Deal).order_by(Deal.block, Deal.log))
        return [row_line(row) for row in rows]


def _tune(connection: object, _record: object) -> None:
    """Trade durability for speed: the chain is the durable copy."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()
