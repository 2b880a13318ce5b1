"""The file of a store: whose it is, whether it is damaged, and how it is read without a trace."""

from __future__ import annotations

import sqlite3
from itertools import count
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, create_engine
from sqlalchemy import inspect as look_at
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from keepers.errors import BadInput
from keepers.store.base import Base

NAMES: Final = (".db", ".sqlite", ".sqlite3")  # of files that may be set aside
SPOILT: Final = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
PARTS: Final = ("", "-wal", "-shm")  # of one store on the disk


def reading(path: Path) -> Engine:
    """Return an engine that cannot write, nor makes a file beside the store's own."""
    used = path.with_name(path.name + PARTS[1]).exists()
    address = path.absolute().as_uri() + ("?mode=ro" if used else "?mode=ro&immutable=1")
    return create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool
    )


def refuse_foreign(path: Path) -> None:
    """Refuse another program's database before anything is written to it."""
    tables = look_at(reading(path)).get_table_names()
    if tables and not set(tables) & set(Base.metadata.tables):
        raise BadInput(f"{path} is another program's database", "give another file with --store")


def may_be_set_aside(path: Path, error: SQLAlchemyError) -> bool:
    """Return whether a file is damaged and by its name a store of ours."""
    return _spoilt(error) and path.suffix in NAMES


def refusal(path: Path | None, error: SQLAlchemyError) -> BadInput:
    """Return what to say of a store that cannot be opened."""
    if _spoilt(error):
        return BadInput(f"{path} is no store of a keeper", "give another file with --store")
    cause = error.orig if isinstance(error, DBAPIError) else error
    return BadInput(
        f"the store {path} cannot be opened ({cause})", "check --store and who else has it open"
    )


def set_aside(path: Path) -> None:
    """Rename a store and what belongs to it; what was set aside before stays as it is."""
    names = (path.with_suffix(f".damaged{number or ''}") for number in count())
    aside = next(each for each in names if not each.exists())
    for part in PARTS:
        old = path.with_name(path.name + part)
        if old.exists():
            old.rename(aside.with_name(aside.name + part))


def _spoilt(error: SQLAlchemyError) -> bool:
    """Return whether SQLite says that the file is no database, or a damaged one."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode in SPOILT
