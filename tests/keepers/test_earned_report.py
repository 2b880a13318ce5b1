"""`plimsoll liquidate --report`: the store's integers, in a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keepers.commands.bots import app
from keepers.domain.units import TICKS_PER_USD, WAD
from keepers.errors import BadInput
from keepers.store.journal import Line
from keepers.store.ledger import Store


def line(kind: str, log: int, **changed: int) -> Line:
    amounts = dict.fromkeys(("pay", "reward", "fee", "slippage", "drift", "held", "profit"), 0)
    native = 2_000 * TICKS_PER_USD
    values = {"native": native, "gas_wei": 0, "reserve_wei": 0, **amounts, **changed}
    return Line(
        account=5 << 96, tx=f"0x{log}", log=log, kind=kind, target=6 << 96, block=9, **values
    )


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.db"
    store = Store(path)
    taken = {"reward": 30 * WAD, "fee": 4 * WAD, "slippage": 3 * WAD, "drift": -(10**25)}
    profit = 23 * WAD - 10**25
    store.write_lines(
        [
            line("reduce", 1, pay=2 * WAD, profit=2 * WAD, gas_wei=10**14 + 1),
            line("take", 2, **taken, profit=profit, gas_wei=10**14, reserve_wei=10**14),
            line("own", 0, profit=7, gas_wei=5 * 10**14),
        ]
    )
    store.close()
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    app(["liquidate", "--report", *arguments], standalone_mode=False)
    return capsys.readouterr().out


def test_report__json__has_the_integers_of_the_store(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, reduced, taken = json.loads(said(capsys, "--store", str(book), "--json"))
    assert (own["kind"], own["gas_wei"]) == ("own", 5 * 10**14)
    assert taken["profit"] == 23 * WAD - 10**25
    # a wei over 20 cents of gas, rounded up
    assert reduced["net"] == 2 * WAD - WAD // 5 - 2_000
    assert taken["net"] == taken["profit"] - 2 * WAD // 5


def test_report__table__sums_what_liquidations_came_to(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "--store", str(book))
    (total,) = [row for row in text.splitlines() if " all " in row]
    assert "2.00" in total and "30.00" in total and "-10,000,000.00" in total
    assert "2 liquidations" in text and "0.000500 ETH more" in text


def test_report__no_store__refused(tmp_path: Path) -> None:
    for arguments in ([], ["--store", str(tmp_path / "absent.db")]):
        with pytest.raises(BadInput, match="no store to report on"):
            app(["liquidate", "--report", *arguments], standalone_mode=False)
