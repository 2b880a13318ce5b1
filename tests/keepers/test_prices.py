"""Price files: what is read, what is refused, and how a candle is walked."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from keepers.domain.prices import (
    HEADER,
    Candle,
    largest_fall,
    load,
    parse,
    parse_source,
    symbol_of,
    to_ticks,
    walk,
)
from keepers.domain.units import DAY, TICKS_PER_USD
from keepers.errors import BadInput


def rows(*candles: tuple[object, ...]) -> list[list[str]]:
    return [list(HEADER), *([str(cell) for cell in candle] + ["1"] for candle in candles)]


def series(*candles: tuple[object, ...]):  # type: ignore[no-untyped-def]
    return parse("ETH", "file", rows(*candles))


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("2021-05_ETHUSDT_1m_binance.csv.gz", "ETH"),
        ("2023-03_USDCUSD_depeg.csv.gz", "USDC"),
        ("2021to2023_USTUSDT_1h_binance.csv.gz", "UST"),
        ("LINKUSDT.csv", "LINK"),
    ],
)
def test_symbol_of__candle_file__names_the_market(name: str, symbol: str) -> None:
    assert symbol_of(Path(name)) == symbol


def test_symbol_of__no_symbol_in_name__asks_for_one() -> None:
    with pytest.raises(BadInput, match="SYMBOL=FILE"):
        symbol_of(Path("prices.csv"))


def test_parse_source__symbol_given__wins_over_the_name() -> None:
    assert parse_source("eth=BTCUSDT.csv") == ("ETH", Path("BTCUSDT.csv"))


def test_load__gzip_file__reads_candles(tmp_path: Path) -> None:
    path = tmp_path / "x_ETHUSDT_1m.csv.gz"
    with gzip.open(path, "wt") as stream:
        stream.write("timestamp,open,high,low,close,volume\n60,10,12,9,11,5\n120,11,11,11,11,0\n")
    read = load(str(path))
    assert (read.symbol, read.step, read.times, read.repaired) == ("ETH", 60, (60, 120), 0)
    assert read.candles[0] == Candle(60, *(usd * TICKS_PER_USD for usd in (10, 12, 9, 11)))


def test_load__missing_file__says_so() -> None:
    with pytest.raises(BadInput, match="there is no price file"):
        load("ETH=nowhere.csv")


def test_load__truncated_gzip__says_so(tmp_path: Path) -> None:
    path = tmp_path / "ETHUSDT.csv.gz"
    path.write_bytes(gzip.compress(b"timestamp,open,high,low,close,volume\n" * 500)[:40])
    with pytest.raises(BadInput, match="cannot be read"):
        load(str(path))


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ([], "no header"),
        ([["a", "b"]], "no header"),
        (rows(), "no prices"),
        ([list(HEADER), ["60", "1"]], "columns"),
        (rows((60, "x", 1, 1, 1)), "no row of prices"),
        (rows((60, "nan", 1, 1, 1)), "no row of prices"),
        (rows((60, 1, 1, 0, 1)), "no row of prices"),
        (rows((60, 1, 1, -1, 1)), "no row of prices"),
        (rows((60, "1e30", 1, 1, 1)), "no row of prices"),
        (rows((60, 2, 1, 3, 2)), "makes no sense"),
        (rows((60, 1, 1, 1, 1), (60, 1, 1, 1, 1)), "not later"),
        (rows((120, 1, 1, 1, 1), (60, 1, 1, 1, 1)), "not later"),
        (rows(*((t, 1, 1, 1, 1) for t in (60, 120, 180, 200))), "starts early"),
    ],
)
def test_parse__nonsense__is_refused_in_a_sentence(bad: list[list[str]], what: str) -> None:
    with pytest.raises(BadInput, match=what):
        parse("ETH", "file", bad)


def test_parse__open_outside_high_and_low__widens_and_counts() -> None:
    read = series((60, 5, 4, 2, 3))
    assert (read.candles[0].high, read.repaired) == (5 * TICKS_PER_USD, 1)


def test_to_ticks__long_fraction__rounds_to_the_nearest() -> None:
    assert to_ticks("1.00000000005") == TICKS_PER_USD  # a half rounds to even
    assert to_ticks("1.00000000006") == TICKS_PER_USD + 1
    assert to_ticks("4e-05") == 400_000


def test_walk__up_first__visits_all_four_prices() -> None:
    candle = Candle(0, open=100, high=110, low=70, close=80)
    # 20 s a leg: open, high (nearer), low, then toward close
    assert [walk(candle, 60, t) for t in (0, 10, 20, 30, 40, 50)] == [100, 105, 110, 90, 70, 75]


def test_walk__low_is_nearer__goes_down_first() -> None:
    candle = Candle(0, open=100, high=130, low=90, close=120)
    assert [walk(candle, 60, t) for t in (0, 20, 40)] == [100, 90, 130]


def test_series_at__gap__has_no_price() -> None:
    read = series((60, 1, 1, 1, 1), (120, 1, 1, 1, 1), (300, 2, 2, 2, 2))
    assert read.gaps == ((180, 300),)
    assert [read.at(t) for t in (59, 60, 179, 180, 299, 360)] == [
        None,
        TICKS_PER_USD,
        TICKS_PER_USD,
        None,
        None,
        None,
    ]
    assert read.at(300) == 2 * TICKS_PER_USD


def test_largest_fall__two_falls__frames_the_deeper_one() -> None:
    hours = [100, 90, 100, 100, *[100] * 40, 100, 60, 60, *[60] * 40]
    read = series(*((3_600 * (i + 1), p, p, p, p) for i, p in enumerate(hours)))
    start, end = largest_fall(read)
    deepest = 3_600 * (hours.index(60) + 1)
    assert end - start == DAY
    assert start < deepest < end
    assert start > 3_600 * 4
