"""Price paths: the built-in crash, candle files, windows, thinning, gaps."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from keepers.domain.prices import load
from keepers.domain.units import DAY
from keepers.errors import BadInput
from keepers.lab import replay
from keepers.lab.crash_table import CRASH_2021_05_19, START

HEADER = "timestamp,open,high,low,close,volume\n"


def candles(path: Path, rows: list[tuple[int, float, float, float, float]]) -> str:
    body = "".join(f"{t},{o},{h},{low},{c},1\n" for t, o, h, low, c in rows)
    path.write_text(HEADER + body, encoding="utf-8")
    return str(path)


def flat(path: Path, start: int, count: int, step: int = 60, price: float = 100.0) -> str:
    return candles(path, [(start + i * step, price, price, price, price) for i in range(count)])


def test_crash__ten_seconds__1321_reports_through_every_figure() -> None:
    path = replay.crash()
    assert len(path.steps) == 13_200 // 10 + 1
    at = {step.time: step.prices for step in path.steps}
    for symbol, points in CRASH_2021_05_19.items():
        for after, close in points:
            assert at[START + after][symbol] == round(float(close) * 10**10)


def test_crash__between_two_figures__on_the_line() -> None:
    points = [(0, 1_000), (100, 2_000), (200, 0)]
    assert [replay.between(points, time) for time in (0, 50, 100, 150, 200)] == [
        1_000,
        1_500,
        2_000,
        1_000,
        0,
    ]


def test_crash__companion__follows_eth() -> None:
    step = replay.crash().steps[700]
    assert step.prices["WSTETH"] == step.prices["ETH"] * 103 // 100


def test_crash__a_minute__a_sixth_of_the_reports() -> None:
    assert len(replay.crash(60).steps) == 221


def test_fall__high_then_low__deepest_from_a_high() -> None:
    assert replay.crash().fall("ETH") == pytest.approx(1 - 1925.16 / 2973.82, abs=0.001)


def test_from_files__short_file__every_heartbeat(tmp_path: Path) -> None:
    path = replay.from_files([flat(tmp_path / "x_ETHUSDT_1m.csv", 6_000, 60)])
    assert [step.time for step in path.steps] == list(range(6_000, 9_600, 10))
    assert path.moving == ("ETH",)
    assert path.thinned == 0


def test_from_files__a_gap__no_report_in_it(tmp_path: Path) -> None:
    rows = [(6_000 + i * 60, 1.0, 1.0, 1.0, 1.0) for i in range(20) if not 5 <= i < 15]
    path = replay.from_files([candles(tmp_path / "ETHUSDT.csv", rows)])
    times = [step.time for step in path.steps]
    assert max(b - a for a, b in pairwise(times)) == 10 * 60 + 10


def test_from_files__one_of_two_has_a_gap__the_other_reports_alone(tmp_path: Path) -> None:
    gap = [(6_000 + i * 60, 1.0, 1.0, 1.0, 1.0) for i in range(20) if not 5 <= i < 15]
    files = [
        candles(tmp_path / "ETHUSDT.csv", gap),
        flat(tmp_path / "BTCUSDT.csv", 6_000, 20),
    ]
    path = replay.from_files(files)
    assert {frozenset(step.prices) for step in path.steps} == {
        frozenset({"ETH", "BTC", "WSTETH"}),
        frozenset({"BTC"}),
    }


def test_from_files__two_days__plays_the_day_that_falls(tmp_path: Path) -> None:
    fall_at = DAY + 36_000
    rows = []
    for i in range(2 * DAY // 60):
        time = i * 60 + 60
        price = 100.0 if time < fall_at else 60.0
        rows.append((time, price, price, price, price))
    path = replay.from_files([candles(tmp_path / "ETHUSDT.csv", rows)])
    assert path.start <= fall_at < path.end
    assert path.end - path.start <= DAY
    assert path.fall("ETH") == pytest.approx(0.4)


def test_thin__a_calm_day_with_one_wild_hour__the_hour_keeps_ten_seconds(tmp_path: Path) -> None:
    rows = []
    for i in range(DAY // 60):
        wild = 600 <= i < 660
        rows.append((60 + i * 60, 100.0, 102.0 if wild else 100.0, 99.0 if wild else 100.0, 100.0))
    path = replay.from_files([candles(tmp_path / "ETHUSDT.csv", rows)], everything=True)
    assert len(path.steps) <= replay.MAX_STEPS
    times = [step.time for step in path.steps]
    assert max(b - a for a, b in pairwise(times)) <= 60
    wild_times = [time for time in times if 60 + 600 * 60 <= time < 60 + 660 * 60]
    assert len(wild_times) == 360
    assert path.thinned == DAY // 10 - len(path.steps)


def _month(folder: Path, step: int, wild: int) -> str:
    """Write thirty days that move in one hour, and fall by a half on their last candle."""
    rows = []
    for i in range(30 * DAY // step):
        moves = wild * 3_600 <= i * step < (wild + 1) * 3_600
        rows.append((step + i * step, 100.0, 103.0 if moves else 100.0, 100.0, 100.0))
    rows[-1] = (rows[-1][0], 100.0, 100.0, 50.0, 50.0)
    return candles(folder / "ETHUSDT.csv", rows)


@pytest.mark.parametrize("step", [60, 300, 3_600])
def test_from_files__everything_of_a_month__the_hours_that_move_most(
    tmp_path: Path, step: int
) -> None:
    path = replay.from_files([_month(tmp_path, step, 400)], everything=True)
    times = [each.time for each in path.steps]
    assert len(times) <= replay.MAX_STEPS
    assert (times[0], path.title.split(", ")[-1]) == (
        step,
        f"the {replay.KEPT_HOURS} hours that move most",
    )
    wild = [t for t in times if step + 400 * 3_600 <= t < step + 401 * 3_600]
    assert len(wild) == 360  # at its heartbeat
    assert max(each.prices["ETH"] for each in path.steps) == 103 * 10**10
    assert min(each.prices["ETH"] for each in path.steps) == 50 * 10**10
    gaps = [b - a for a, b in pairwise(times)]
    # nothing between a minute, which no price grows too old in, and an outage of whole hours
    assert all(gap <= 60 or gap >= 3_600 for gap in gaps)


def test_wildest__two_markets__an_hour_counts_for_whichever_moves(tmp_path: Path) -> None:
    moving = load(f"ETH={_month(tmp_path, 300, 200)}")
    still = load(str(flat(tmp_path / "BTCUSDT.csv", 300, 30 * DAY // 60)))
    for series in ([moving, still], [still, moving]):
        hours = replay.wildest(series, 300, 300 + 29 * DAY)
        led = (300 + 200 * 3_600 - replay.LEAD, 300 + 201 * 3_600)
        assert [hour for hour in hours if hour[0] <= led[0] and hour[1] >= led[1]] == [led]
        lengths = sum(until - since for since, until in hours)
        assert replay.KEPT_HOURS * 3_600 < lengths <= replay.MAX_STEPS // 2 * 60


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (7_000, 6_500, "not before"),
        (1, 7_000, "hold prices from"),
        (6_600, 9_999_999, "hold prices from"),
    ],
)
def test_window__outside_or_backwards__refused(
    tmp_path: Path, start: int, end: int, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        replay.from_files([flat(tmp_path / "ETHUSDT.csv", 6_000, 60)], start, end)


def test_window__files_of_other_days__refused(tmp_path: Path) -> None:
    files = [flat(tmp_path / "ETHUSDT.csv", 6_000, 5), flat(tmp_path / "BTCUSDT.csv", 90_000, 5)]
    with pytest.raises(BadInput, match="do not overlap"):
        replay.from_files(files)


def test_from_files__two_of_one_market__refused(tmp_path: Path) -> None:
    files = [flat(tmp_path / "a_ETHUSDT.csv", 60, 5), flat(tmp_path / "b_ETHUSDT.csv", 60, 5)]
    with pytest.raises(BadInput, match="two files give prices of ETH"):
        replay.from_files(files)


def test_groups__a_folder__one_period_together_and_others_left_out(tmp_path: Path) -> None:
    for name in ("2021-05_ETHUSDT_1m", "2021-05_BTCUSDT_1m", "2022_ETHUSDT_1h", "option_chains"):
        flat(tmp_path / f"{name}.csv", 60, 5)
    found = replay.groups(tmp_path)
    assert [(name, len(files)) for name, files in found] == [("2021-05", 2), ("2022", 1)]


def test_groups__no_folder__refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no price folder"):
        replay.groups(tmp_path / "absent")


def test_groups__nothing_in_it__refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no candle files"):
        replay.groups(tmp_path)


@pytest.mark.parametrize("text", ["1621418400", "2021-05-19T10:00", "2021-05-19T12:00+02:00"])
def test_parse_time__seconds_or_iso__the_same_second(text: str) -> None:
    assert replay.parse_time(text) == START


def test_parse_time__nonsense__refused() -> None:
    with pytest.raises(BadInput, match="no time"):
        replay.parse_time("yesterday")
