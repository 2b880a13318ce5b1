"""The keeper's book: booked once, rewound, rebuilt when damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from keepers.domain.profits import Entry
from keepers.domain.units import WAD
from keepers.store.journal import AMOUNTS, Line
from keepers.store.ledger import FAILED, INCLUDED, Store, Totals


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
    path.write_bytes(b"not a database, not at all" * 400)
    assert Store(path).totals().included == 0
    assert path.with_suffix(".damaged").is_file()


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
