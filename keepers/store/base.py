"""What the tables of one keeper have in common."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """The tables of one keeper; wide integers are decimal strings, SQLite has none."""
