"""The keeper's book: booked once, rewound, rebuilt when damaged."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from keepers.domain.profits import Entry
from keepers.domain.units import WAD
from keepers.errors import BadInput
from keepers.store.journal import AMOUNTS, Line
from keepers.store.ledger import FAILED, INCLUDED, Store, Totals, read_lines


def test_store__transactions_and_income__add_up() -> None:
    store = Store()
    store.sent("0x1", "reduce a", 0)
    store.sent("0x2", "reduce b", 1)
    store.sent("0x3", "take c", 2)
    store.resolved("0x1", INCLUDED, 10, 100, 10**30)
    store.resolved("0x2", FAILED, 11, 50, 7)
    for _ in range(2):
        store.earned("0x1", 4, "Reduced", 7 << 96, 10, 10**25)
    store.earned("0x9", 0, "Taken", 7 << 96, 12, -WAD)
    assert store.totals() == Totals(1, 1, 10**30 + 7, 10**25 - WAD, 2)
    assert store.pending() == [("0x3", "take c", 2)]


def test_store__rewind__forgets_income_above_the_block() -> None:
    store = Store()
    store.earned("0x1", 0, "Reduced", 1, 10, 5)
    store.earned("0x2", 0, "Reduced", 1, 11, 7)
    store.rewind(10)
    assert store.totals().profit == 5


def test_store__opened_again__remembers(tmp_path: Path) -> None:
    first = Store(tmp_path / "book.db")
    first.sent("0x1", "reduce a", 3)
    first.close()
    assert Store(tmp_path / "book.db").pending() == [("0x1", "reduce a", 3)]


def test_store__damaged_file__starts_again_and_sets_it_aside(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    for damage in (b"not a database, not at all", b"nor is this one, as it seems"):
        path.write_bytes(damage * 400)
        opened = Store(path)
        assert opened.totals().included == 0
        opened.close()
    assert path.with_suffix(".damaged").read_bytes().startswith(b"not a database")
    assert path.with_suffix(".damaged1").read_bytes().startswith(b"nor is this one")


def test_store__damaged_tables__are_set_aside_with_their_log(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    first = Store(path)
    first.sent("0x1", "reduce a", 0)
    first.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    path.with_name("book.db-wal").write_bytes(b"")
    assert Store(path).pending() == []
    assert path.with_suffix(".damaged").read_bytes().endswith(b"\xff")
    assert path.with_name("book.damaged-wal").is_file()


def test_store__file_that_is_no_store__is_refused_and_left_alone(tmp_path: Path) -> None:
    keystore = tmp_path / "key.json"
    keystore.write_text(json.dumps({"crypto": "x" * 200}))
    kept = keystore.read_bytes()
    with pytest.raises(BadInput, match="is no store of a keeper"):
        Store(keystore)
    assert keystore.read_bytes() == kept
    assert list(tmp_path.iterdir()) == [keystore]


def test_store__another_programs_database__is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.db"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE bookmarks (url TEXT)")
    kept = path.read_bytes()
    with pytest.raises(BadInput, match="another program's database"):
        Store(path)
    assert path.read_bytes() == kept


def test_store__locked__is_refused_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "book.db"
    Store(path).close()
    # nobody waits here: a lock is refused at once
    at_once = partial(sqlite3.connect, timeout=0.0)
    for module in (sqlite3, sqlite3.dbapi2):
        monkeypatch.setattr(module, "connect", at_once)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(BadInput, match="cannot be opened"):
            Store(path)
    assert not path.with_suffix(".damaged").exists()
    assert Store(path).pending() == []


def test_read_lines__damaged_store__is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    path.write_bytes(b"not a database, not at all" * 400)
    with pytest.raises(BadInput, match="is no store of a keeper"):
        read_lines(path)
    assert list(tmp_path.iterdir()) == [path]


def test_read_lines__whole_store__leaves_no_file_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    Store(path).close()
    assert read_lines(path) == []
    assert list(tmp_path.iterdir()) == [path]


def test_read_lines__store_without_the_table__is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    path.touch()
    with pytest.raises(BadInput, match="no such table"):
        read_lines(path)
    assert path.read_bytes() == b""


def test_store__events_of_the_journal__come_back_in_order_and_rewind() -> None:
    store = Store()
    late = Entry(12, 0, "0x3", "Taken", {"equity_before": -(10**30)}, 10**25, 7)
    early = Entry(11, 5, "0x2", "Filled", {"size": -3}, 0, 7)
    for entry in (late, early, late):
        store.happened(9 << 96, entry)
    assert store.entries(9 << 96) == [early, late]
    assert store.entries(8 << 96) == []
    store.rewind(11)
    assert store.entries(9 << 96) == [early]


def test_store__gas__is_known_by_transaction(tmp_path: Path) -> None:
    store = Store(tmp_path / "book.db")
    store.sent("0x1", "take a", 0)
    store.resolved("0x1", INCLUDED, 10, 100, 10**30)
    assert store.gas == {"0x1": 10**30}
    store.close()
    assert Store(tmp_path / "book.db").gas == {"0x1": 10**30}


def test_store__lines__come_back_as_they_were_in_the_order_of_the_deals() -> None:
    amounts = dict(zip(AMOUNTS, range(-(10**30), 10**30, 10**29), strict=False))
    late = Line(account=9 << 96, tx="0x3", log=2, kind="take", target=7 << 96, block=12, **amounts)
    early = replace(late, tx="0x2", block=11, target=0)
    store = Store()
    store.write_lines([late, early])
    store.write_lines([late])
    assert store.lines() == [early, late]
