"""Price series from csv files, and the walk through a candle that turns them into reports.

A file is csv or gzip csv with the header `timestamp,open,high,low,close,volume`; the timestamp is
the candle's open in unix seconds UTC and the market is the symbol in the file's name.
"""

from __future__ import annotations

import csv
import gzip
import re
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Final

from keepers.domain.units import DAY, TICKS_PER_USD
from keepers.errors import BadInput

HEADER: Final = ("timestamp", "open", "high", "low", "close", "volume")
SYMBOL: Final = re.compile(r"(?:^|[_-])([A-Z0-9]{2,12}?)(?:USDT|USDC|BUSD|USD)(?=[_.-]|$)")
MAX_TICKS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Candle:
    """Open, high, low and close in ticks from `time` on."""

    time: int
    open: int
    high: int
    low: int
    close: int


@dataclass(frozen=True, slots=True)
class Series:
    """The candles of one market, ascending, `step` seconds each; gaps are outages."""

    symbol: str
    step: int
    candles: tuple[Candle, ...]
    times: tuple[int, ...]
    repaired: int  # rows whose open or close stood outside high and low

    @property
    def start(self) -> int:
        """Return the first second that has a price."""
        return self.times[0]

    @property
    def end(self) -> int:
        """Return the second after the last candle."""
        return self.times[-1] + self.step

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Return the (from, to) of every outage."""
        step = self.step
        return tuple((a + step, b) for a, b in pairwise(self.times) if b - a > step)

    def at(self, time: int) -> int | None:
        """Return the price in ticks at this second, None in a gap or outside the series."""
        index = bisect_right(self.times, time) - 1
        if index < 0 or time >= self.times[index] + self.step:
            return None
        return walk(self.candles[index], self.step, time - self.times[index])

    def last_before(self, time: int) -> int:
        """Return the last price known at this second, the first one before the series starts."""
        index = max(0, bisect_right(self.times, time) - 1)
        known = self.at(time)
        if known is not None:
            return known
        candle = self.candles[index]
        return candle.open if time < candle.time else candle.close


def walk(candle: Candle, step: int, elapsed: int) -> int:
    """Return the price inside a candle: open, nearer extreme, other extreme, close; linear.

    Each of the three legs takes a third of the step; a tie of the extremes goes up first.
    """
    up_first = candle.high - candle.open <= candle.open - candle.low
    first, second = (candle.high, candle.low) if up_first else (candle.low, candle.high)
    knots = (candle.open, first, second, candle.close)
    leg = min(2, 3 * elapsed // step)
    into = 3 * elapsed - leg * step
    return knots[leg] + (knots[leg + 1] - knots[leg]) * into // step


def symbol_of(path: Path) -> str:
    """Return the market named by the file: `2021-05_ETHUSDT_1m_binance.csv.gz` is ETH."""
    found = SYMBOL.search(path.name.split(".csv")[0])
    if found is None:
        raise BadInput(
            f"the file name {path.name} names no market", "say it as SYMBOL=FILE, such as ETH=FILE"
        )
    return found.group(1)


def parse_source(argument: str) -> tuple[str, Path]:
    """Read one `--prices` argument, `FILE` or `SYMBOL=FILE`."""
    symbol, equals, name = argument.partition("=")
    if equals and symbol.isalnum():
        return symbol.upper(), Path(name)
    path = Path(argument)
    return symbol_of(path), path


def load(argument: str) -> Series:
    """Read one price file, checking every row."""
    symbol, path = parse_source(argument)
    if not path.is_file():
        raise BadInput(f"there is no price file {path}", "check the path")
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as stream:
            return parse(symbol, path.name, csv.reader(stream))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path.name} cannot be read as csv", "check that it is whole") from error


def parse(symbol: str, name: str, rows: Iterable[Sequence[str]]) -> Series:
    """Turn csv rows into a series; a row that makes no sense is refused by its number."""
    lines = iter(rows)
    header = tuple(cell.strip().lower() for cell in next(lines, ()))
    if header[:5] != HEADER[:5]:
        raise BadInput(f"{name} has no header {','.join(HEADER)}", "check that it is a candle file")
    candles: list[Candle] = []
    repaired = 0
    for number, row in enumerate(lines, 2):
        if not row:
            continue
        candle, mended = _candle(row, name, number)
        if candles and candle.time <= candles[-1].time:
            raise BadInput(f"{name} line {number} is not later than the line before it", "sort it")
        candles.append(candle)
        repaired += mended
    if not candles:
        raise BadInput(f"{name} has no prices in it", "give a file with at least one candle")
    return _series(symbol, name, candles, repaired)


def _series(symbol: str, name: str, candles: list[Candle], repaired: int) -> Series:
    times = tuple(candle.time for candle in candles)
    steps = Counter(b - a for a, b in pairwise(times))
    step = steps.most_common(1)[0][0] if steps else 60
    short = next((b for a, b in pairwise(times) if b - a < step), None)
    if short is not None:
        raise BadInput(
            f"{name} has candles of {step} s and one that starts early, at {short}",
            "give a file with one step",
        )
    return Series(symbol, step, tuple(candles), times, repaired)


def _candle(row: Sequence[str], name: str, number: int) -> tuple[Candle, bool]:
    """Read a row; an open or close outside high and low widens them (the second value)."""
    if len(row) < 5:
        raise BadInput(f"{name} line {number} has {len(row)} columns", "it needs at least five")
    try:
        time = int(Decimal(row[0]))
        open_, high, low, close = (to_ticks(cell) for cell in row[1:5])
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise BadInput(
            f"{name} line {number} is no row of prices", "repair or remove it"
        ) from error
    if low > high or not 0 < time < 2**32:
        raise BadInput(f"{name} line {number} makes no sense", "repair or remove it")
    candle = Candle(time, open_, max(high, open_, close), min(low, open_, close), close)
    return candle, (candle.high, candle.low) != (high, low)


def to_ticks(text: str) -> int:
    """Return a price in ticks, rounded to the nearest; zero, negative and huge are refused."""
    ticks = int((Decimal(text.strip()) * TICKS_PER_USD).to_integral_value())
    if not 0 < ticks <= MAX_TICKS:
        raise ValueError(text)
    return ticks


def largest_fall(series: Series, width: int = DAY) -> tuple[int, int]:
    """Return the (from, to) of the `width` seconds that hold the deepest fall, high to low.

    The fall stands in the middle of the window, as far as the series reaches.
    """
    peaks: deque[Candle] = deque()
    best = (0.0, series.start, series.start)
    for candle in series.candles:
        while peaks and peaks[0].time <= candle.time - width:
            peaks.popleft()
        while peaks and peaks[-1].high <= candle.high:
            peaks.pop()
        peaks.append(candle)
        fall = 1 - candle.low / peaks[0].high
        if fall > best[0]:
            best = (fall, peaks[0].time, candle.time)
    middle = (best[1] + best[2] + series.step) // 2
    start = max(series.start, min(middle - width // 2, series.end - width))
    start -= (start - series.start) % series.step
    return start, min(series.end, start + width)


def heartbeats(start: int, end: int, heartbeat: int) -> range:
    """Return the seconds at which a report is due."""
    return range(start, end, heartbeat)
