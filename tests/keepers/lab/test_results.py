"""From a record to figures, table, page and picture; no chain."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from keepers.domain.units import WAD
from keepers.lab import charts, picture, report, summary
from keepers.lab.records import REDUCE, TAKE, BadDebt, Books
from tests.keepers.lab import synthetic


def bad_debt(move: float) -> BadDebt:
    return BadDebt(synthetic.account(3), 100, 7 * WAD, move, 0.025, "ETH")


def shown(found: summary.Summary) -> str:
    console = Console(width=150, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(report.end_table(found))
    return console.export_text()


def test_summarise__a_record__counts_what_happened() -> None:
    found = summary.summarise(synthetic.record())
    assert (found.reduces_partial, found.takes_full, found.liquidated) == (5, 1, 5)
    assert (found.families, found.avoided) == (6, 1)
    assert found.passed


def test_at_risk__two_liquidations_of_one__first_equity_and_both_costs() -> None:
    first = synthetic.liquidation(1, REDUCE, 100)
    second = replace(synthetic.liquidation(1, TAKE, 200), equity_before=500 * WAD, equity_after=0)
    assert summary.at_risk([first, second]) == (800 * WAD, 520 * WAD)


def test_at_risk__insolvent__nothing_to_keep() -> None:
    gone = replace(synthetic.liquidation(1, TAKE, 1), equity_before=-5 * WAD, equity_after=0)
    assert summary.at_risk([gone]) == (0, 0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], (0, 0.0, 0.0, 0.0)), ([3.0], (1, 3.0, 3.0, 3.0)), (range(1, 101), (100, 50, 95, 100))],
)
def test_spread__values__nearest_rank(
    values: list[float], expected: tuple[int, float, float, float]
) -> None:
    found = summary.spread(values)
    assert (found.count, found.p50, found.p95, found.most) == expected


def test_failures__lost_wei__said() -> None:
    record = synthetic.record()
    record.proofs.append(Books("half-way", 1, False, "1 of 24 equations do not hold", 1))
    assert record.failures == ["half-way: 1 of 24 equations do not hold"]


def test_failures__no_proof_at_all__said() -> None:
    record = synthetic.record()
    record.proofs = []
    assert record.failures == ["the books were not proved"]


def test_failures__missed__said() -> None:
    record = synthetic.record()
    record.breaches.append(synthetic.breach(1, "missed", 4))
    assert record.failures == ["1 liquidation was missed"]


def test_failures__bad_debt_inside_the_scan_range__said() -> None:
    record = synthetic.record()
    record.bad_debts.append(bad_debt(0.02))
    assert record.failures == ["bad debt of 7.00 USD inside the scan range"]


def test_failures__bad_debt_after_a_larger_step__printed_apart() -> None:
    record = synthetic.record()
    record.bad_debts.append(bad_debt(0.03))
    assert record.failures == []
    assert "7.00 USD  (largest step 3.00 %)" in shown(summary.summarise(record))


def test_end_table__passed_and_failed__says_so() -> None:
    record = synthetic.record()
    assert "PASSED: no wei lost" in shown(summary.summarise(record))
    record.unexpected = ["executor-1 ended by itself (out of memory)"]
    assert "FAILED: executor-1 ended by itself" in shown(summary.summarise(record))


def test_many_table__two__a_row_each() -> None:
    found = summary.summarise(synthetic.record())
    assert report.many_table([("2020-03", found), ("2021-05", found)]).row_count == 2


def test_write_page__a_record__is_one_file_that_loads_nothing(tmp_path: Path) -> None:
    record = synthetic.record()
    data = charts.chart_data(record, summary.summarise(record))
    charts.write_page(tmp_path / "page.html", data)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert charts.SLOT not in text
    assert not re.search(r"""(src|href)\s*=|@import|url\(|fetch\(|XMLHttp""", text)
    assert [url for url in re.findall(r"https?://[^\s\"']+", text)] == [
        "http://www.w3.org/2000/svg"
    ]


def test_chart_data__a_record__is_json_without_nan() -> None:
    record = synthetic.record()
    data = charts.chart_data(record, summary.summarise(record))
    json.dumps(data, allow_nan=False)
    assert set(data["prices"]) == {"ETH", "BTC", "LINK"}  # type: ignore[arg-type]


def test_chart_data__hostile_text__cannot_close_the_script(tmp_path: Path) -> None:
    charts.write_page(tmp_path / "page.html", {"title": "</script><b>"})
    assert "</script><b>" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_sampled__many_frames__few_and_the_last() -> None:
    frames = synthetic.record(10).frames * 3
    kept = charts.sampled(frames)
    assert len(kept) <= charts.MOST_POINTS + 1
    assert kept[-1] is frames[-1]


def test_write_png__a_record__is_a_png(tmp_path: Path) -> None:
    record = synthetic.record()
    picture.write_png(tmp_path / "x.png", record, summary.summarise(record))
    assert (tmp_path / "x.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
