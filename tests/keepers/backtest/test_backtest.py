"""`plimsoll backtest`: a small book on a made-up fall, and what it refuses."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keepers.backtest import report
from keepers.backtest.report import drawdown
from keepers.backtest.run import Outcome, deals
from keepers.cli import build
from keepers.domain.economics import GAS_REDUCE
from keepers.domain.profits import REDUCE
from keepers.domain.units import TICKS_PER_USD, ceil_div
from keepers.errors import BadInput

app = build()
HEADER = "timestamp,open,high,low,close,volume"
START = 1_700_000_040  # a whole minute


def series(path: Path, prices: list[float], gap: int = 0) -> Path:
    """Write minute candles; a gap of so many minutes stands in the middle."""
    rows, half = [HEADER], len(prices) // 2
    for number, (price, after) in enumerate(zip(prices, [*prices[1:], prices[-1]], strict=True)):
        time = START + 60 * (number + (gap if number >= half else 0))
        low, high = min(price, after), max(price, after)
        rows.append(f"{time},{price},{high},{low},{after},1")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def fall(share: float, minutes: int = 40) -> list[float]:
    """Return a price that stands, falls by a share in ten minutes, and stands."""
    rest = [2_000.0] * 5
    slope = [2_000 * (1 - share * step / 10) for step in range(1, 11)]
    return [*rest, *slope, *[2_000 * (1 - share)] * (minutes - 15)]


def found(capsys: pytest.CaptureFixture[str], path: Path, *more: str) -> dict[str, Any]:
    arguments = ["backtest", f"ETH={path}", "--all", "--accounts", "40", "--json"]
    app([*arguments, "--out", str(path.parent), *more], standalone_mode=False)
    return dict(json.loads(capsys.readouterr().out))


def test_backtest__a_fall__liquidates_and_every_wei_adds_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = series(tmp_path / "ETH.csv", fall(0.3))
    first = found(capsys, path)
    assert first["exact"]
    assert first["liquidated"] >= 5
    assert first["reduces"] >= 5
    assert first["bad_debt"] == 0
    assert len(first["profits"]) == first["reduces"] + first["takes"]
    assert found(capsys, path, "--seed", "2") != first
    assert found(capsys, path) == first  # everything follows from the seed
    with (tmp_path / "backtest.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    nets = [round(net / 10**18, 6) for net in first["profits"]]
    assert [float(row["net"]) for row in rows] == pytest.approx(nets, abs=1e-5)
    page = (tmp_path / "backtest.html").read_text(encoding="utf-8")
    assert "<polyline" in page and "exact to the wei" in page and "src=" not in page


def test_backtest__gas_in_a_fall__is_worth_what_the_coin_was_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: list[Outcome] = []
    monkeypatch.setattr(report, "as_dict", lambda _, out, __: outcomes.append(out))
    path = series(tmp_path / "ETH.csv", fall(0.3))
    options = ["--all", "--accounts", "40", "--gas-gwei", "3", "--out", str(tmp_path), "--json"]
    app(["backtest", f"ETH={path}", *options], standalone_mode=False)
    made = [(each.deal, cost) for each, cost in deals(outcomes[0]) if each.deal.kind == REDUCE]
    assert len({deal.native for deal, _ in made}) > 1
    for deal, cost in made:
        assert 1_400 * TICKS_PER_USD <= deal.native <= 2_000 * TICKS_PER_USD
        # a reduce has one transaction, at 3 gwei
        assert cost == ceil_div(GAS_REDUCE * 3 * 10**9 * deal.native, TICKS_PER_USD)


@pytest.mark.parametrize(
    ("nets", "worst"), [((3, 7, 5, 9), 2), ((1, 2, 3), 0), ((-4, 6, -1, 2, -2), 8), ((-5,), 5)]
)
def test_drawdown__results_at_every_price__is_the_deepest_fall_from_a_high(
    nets: tuple[int, ...], worst: int
) -> None:
    # before the first price the keeper has earned nothing, which is a high as well
    assert drawdown(SimpleNamespace(points=[SimpleNamespace(net=net) for net in nets])) == worst


def test_backtest__a_gap_beyond_margin__fund_and_deficit_pay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = [2_000.0] * 5 + [700.0] * 60
    rows = [HEADER]
    rows += [f"{START + 60 * i},{p},{p},{p},{p},1" for i, p in enumerate(prices)]
    path = tmp_path / "ETH.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    made = found(capsys, path, "--fund-usd", "1000", "--min-profit-usd", "-10")
    assert made["exact"]
    assert made["bad_debt"] > 0
    assert made["fund"][1] < made["fund"][0]
    assert made["takes"] > 0
    assert made["under"] == 0


def test_backtest__costlier_gas_and_no_takes__earns_less_and_holds_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = series(tmp_path / "ETH.csv", fall(0.3))
    cheap = found(capsys, path, "--no-take", "--gas-gwei", "0")
    dear = found(capsys, path, "--no-take", "--gas-gwei", "1")
    assert cheap["takes"] == dear["takes"] == 0
    assert cheap["most_held"] == 0
    assert cheap["spent_wei"] == 0 < dear["spent_wei"]
    assert dear["net"] < cheap["net"]


def test_backtest__later_blocks__still_exact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = series(tmp_path / "ETH.csv", fall(0.4))
    slow = found(capsys, path, "--latency", "4", "--fee-bp", "10")
    assert slow["exact"]
    assert slow["liquidated"] >= 5


def test_backtest__an_hour_without_prices__goes_on_after_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = series(tmp_path / "ETH.csv", fall(0.3), gap=60)
    assert found(capsys, path)["exact"]
    app(
        ["backtest", f"ETH={path}", "--all", "--accounts", "10", "--out", str(tmp_path)],
        standalone_mode=False,
    )
    assert "gaps in the files: 1," in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no header"),
        (HEADER, "has no prices in it"),
        (f"{HEADER}\n{START},1,2,x,1,1", "line 2 is no row of prices"),
        (f"{HEADER}\n{START},1,2,3,1,1", "line 2 makes no sense"),
        (f"{HEADER}\n{START},-1,2,1,1,1", "line 2 is no row of prices"),
        (f"{HEADER}\n{START},1,1", "has 3 columns"),
        (f"{HEADER}\n{START},1,1,1,1,1\n{START},1,1,1,1,1", "is not later than"),
    ],
)
def test_backtest__a_file_that_makes_no_sense__refused_by_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "ETH.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=said):
        app(["backtest", f"ETH={path}"], standalone_mode=False)


def test_backtest__damaged_archive__refused(tmp_path: Path) -> None:
    path = tmp_path / "ETHUSDT.csv.gz"
    path.write_bytes(gzip.compress(HEADER.encode())[:10])
    with pytest.raises(BadInput, match="cannot be read as csv"):
        app(["backtest", str(path)], standalone_mode=False)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--from", "2000-01-01"), "hold prices from"),
        (("--from", "1700001000", "--to", "1700000500"), "is not before"),
        (("--from", "noon"), "is no time"),
    ],
)
def test_backtest__a_window_outside__refused(
    tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    path = series(tmp_path / "ETH.csv", fall(0.1))
    with pytest.raises(BadInput, match=said):
        app(["backtest", f"ETH={path}", *more], standalone_mode=False)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--native-usd", "inf"), ("--headroom-percent", "inf"), ("--min-profit-usd", "nan")],
)
def test_backtest__number_that_is_none__refused(tmp_path: Path, option: str, value: str) -> None:
    path = series(tmp_path / "ETH.csv", fall(0.1))
    with pytest.raises(BadInput, match=f"{option} {value} is no amount"):
        app(["backtest", f"ETH={path}", option, value], standalone_mode=False)


def test_backtest__folder_that_cannot_be_written__refused(tmp_path: Path) -> None:
    path = series(tmp_path / "ETH.csv", fall(0.1))
    with pytest.raises(BadInput, match="cannot be written"):
        app(["backtest", f"ETH={path}", "--out", str(path)], standalone_mode=False)


def test_backtest__two_files_of_a_market__refused(tmp_path: Path) -> None:
    path = series(tmp_path / "ETH.csv", fall(0.1))
    with pytest.raises(BadInput, match="two files give prices of ETH"):
        app(["backtest", f"ETH={path}", f"ETH={path}"], standalone_mode=False)
