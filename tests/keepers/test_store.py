"""The keeper's book: booked once, rewound, rebuilt when damaged."""

from __future__ import annotations

from pathlib import Path

from keepers.domain.units import WAD
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
