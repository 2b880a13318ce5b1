"""Price paths: what every market costs at every report of a replay.

A path is made from the built-in crash or from candle files, one report per heartbeat, thinned where
nothing happens when there would be too many. A market whose file has a gap has no price in it.

Reports farther apart than the age that backs MM are an outage, with a grace after each of them: a
long window cannot be thinned evenly, or nobody could ever be liquidated in it. Where a report a
minute is too many, whole calm hours are left out and are outages, as gaps of a file are.
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keepers.domain.prices import (
    HEADER,
    Series,
    heartbeats,
    largest_fall,
    load,
    parse_source,
    to_ticks,
)
from keepers.domain.times import clock as clock
from keepers.domain.times import parse_time as parse_time
from keepers.domain.units import DAY, TICKS_PER_USD
from keepers.errors import BadInput
from keepers.lab.crash_table import CRASH_2021_05_19, START

HEARTBEAT: Final = 10
MAX_STEPS: Final = 2_500
HOUR: Final = 3_600
LONGEST: Final = MAX_STEPS * 60  # with a report a minute
LEAD: Final = 720  # before a wild hour: the grace after the outage before it, 10 minutes, runs out
# of a longer one; the other half of the steps is for their wild minutes
KEPT_HOURS: Final = MAX_STEPS // 2 * 60 // (HOUR + LEAD)
CALM: Final = 60  # a thinned stretch reports this often: the age that still backs IM
COMPANION: Final = ("WSTETH", "ETH")  # this feed follows that one
COMPANION_RATIO: Final = (103, 100)  # what wstETH was worth in ETH in May 2021, about


@dataclass(frozen=True, slots=True)
class Step:
    """The prices [ticks] that are reported at one time; a market without one is in an outage."""

    time: int
    prices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PricePath:
    """A whole replay."""

    title: str
    steps: tuple[Step, ...]
    moving: tuple[str, ...]  # the markets that have a source
    thinned: int  # heartbeats left out in calm minutes

    @property
    def start(self) -> int:
        """Return the time of the first report."""
        return self.steps[0].time

    @property
    def end(self) -> int:
        """Return the time of the last report."""
        return self.steps[-1].time

    @property
    def first_prices(self) -> dict[str, int]:
        """Return the first price of every market: what it is listed at [ticks]."""
        first: dict[str, int] = {}
        for step in self.steps:
            for symbol, price in step.prices.items():
                first.setdefault(symbol, price)
        return first

    def fall(self, symbol: str) -> float:
        """Return the deepest fall from a high to a later low, as a share, to print."""
        high, worst = 0, 0.0
        for step in self.steps:
            price = step.prices.get(symbol)
            if price is not None:
                high = max(high, price)
                worst = max(worst, 1 - price / high)
        return worst


# ---- the built-in crash ---------------------------------------------------------------------


def crash(heartbeat: int = HEARTBEAT) -> PricePath:
    """Return 2021-05-19, 10:00 to 13:40 UTC: three markets, straight lines between the figures."""
    table = {
        symbol: [(START + after, to_ticks(close)) for after, close in points]
        for symbol, points in CRASH_2021_05_19.items()
    }
    end = min(points[-1][0] for points in table.values())
    steps = tuple(
        Step(time, with_companion({name: between(points, time) for name, points in table.items()}))
        for time in heartbeats(START, end + 1, heartbeat)
    )
    return PricePath("19 May 2021, 10:00 to 13:40 UTC", steps, tuple(table), 0)


def between(points: Sequence[tuple[int, int]], time: int) -> int:
    """Return the price on the straight line through the figures before and after."""
    index = max(0, min(len(points) - 2, bisect_right(points, (time, 2**63)) - 1))
    (t0, p0), (t1, p1) = points[index], points[index + 1]
    return p0 + (p1 - p0) * (time - t0) // (t1 - t0)


def with_companion(prices: Mapping[str, int]) -> dict[str, int]:
    """Add the feed that follows another one."""
    follower, leader = COMPANION
    up, down = COMPANION_RATIO
    extra = {follower: prices[leader] * up // down} if leader in prices else {}
    return {**prices, **extra}


# ---- files ----------------------------------------------------------------------------------


def from_files(
    sources: Sequence[str],
    start: int | None = None,
    end: int | None = None,
    everything: bool = False,
) -> PricePath:
    """Return the path of candle files, `FILE` or `SYMBOL=FILE` each.

    Args:
        sources: one file a market.
        start: first second [unix], instead of the 24 hours with the largest fall.
        end: the second after the last [unix].
        everything: play the files from end to end.
    """
    series = [load(source) for source in sources]
    symbols = [each.symbol for each in series]
    double = next((name for name in symbols if symbols.count(name) > 1), None)
    if double is not None:
        raise BadInput(f"two files give prices of {double}", "give one file a market")
    start, end = window(series, start, end, everything)
    hours = [(start, end)] if end - start <= LONGEST else wildest(series, start, end)
    times = [time for since, until in hours for time in times_of(series, since, until)]
    kept, thinned = thin(series, times)
    steps = tuple(step for step in (_step(series, time) for time in kept) if step.prices)
    if not steps:
        raise BadInput("there are no prices between --from and --to", "choose another window")
    title = f"{'-'.join(symbols)}, {clock(start)} to {clock(end)} UTC"
    if len(hours) > 1:
        title += f", the {KEPT_HOURS} hours that move most"
    return PricePath(title, steps, tuple(symbols), thinned)


def _step(series: Sequence[Series], time: int) -> Step:
    prices = {each.symbol: each.at(time) for each in series}
    return Step(time, with_companion({name: at for name, at in prices.items() if at is not None}))


def window(
    series: Sequence[Series], start: int | None, end: int | None, everything: bool
) -> tuple[int, int]:
    """Return the (from, to) that is played."""
    first = max(each.start for each in series)
    last = min(each.end for each in series)
    if first >= last:
        raise BadInput("the price files do not overlap in time", "give files of the same days")
    if start is None and end is None and not everything:
        return _fall(series, first, last)
    start = first if start is None else start
    end = min(last, start + DAY) if end is None and not everything else end or last
    if start >= end:
        raise BadInput("--from is not before --to", "swap them")
    if start < first or end > last:
        raise BadInput(
            f"the files hold prices from {clock(first)} to {clock(last)} UTC only",
            "choose --from and --to inside",
        )
    return start, end


def _fall(series: Sequence[Series], first: int, last: int) -> tuple[int, int]:
    """Return the day of the deepest fall of any of the markets, inside what all of them cover."""
    windows = [(depth(each, *largest_fall(each)), *largest_fall(each)) for each in series]
    _, start, end = max(windows)
    start = max(first, min(start, last - DAY))
    return start, min(last, max(end, start + DAY))


def depth(series: Series, start: int, end: int) -> float:
    """Return the deepest fall inside a window, as a share."""
    high, worst = 0, 0.0
    for candle in series.candles:
        if start <= candle.time < end:
            high = max(high, candle.high)
            worst = max(worst, 1 - candle.low / high)
    return worst


def times_of(series: Sequence[Series], start: int, end: int) -> list[int]:
    """Return the heartbeats at which at least one market has a price."""
    times = heartbeats(start, end, HEARTBEAT)
    return [time for time in times if any(each.at(time) is not None for each in series)]


def wildest(series: Sequence[Series], start: int, end: int) -> list[tuple[int, int]]:
    """Return the (from, to) of the hours in which a market moves most, the first and last too.

    Each begins LEAD earlier, and those that then touch are one.
    """
    moves = _moves(series, start, end)
    first, *middle, last = sorted(moves)
    middle.sort(key=lambda hour: (-moves[hour], hour))
    chosen = sorted((first, last, *middle[: KEPT_HOURS - 2]))
    kept: list[tuple[int, int]] = []
    for hour in chosen:
        since, until = start + hour * HOUR - LEAD, min(end, start + (hour + 1) * HOUR)
        if kept and since <= kept[-1][1]:
            since, _ = kept.pop()
        kept.append((max(start, since), until))
    return kept


def _moves(series: Sequence[Series], start: int, end: int) -> dict[int, float]:
    """Return the widest relative range of a market in every hour that has a price."""
    widest: dict[int, float] = {}
    for each in series:
        ranges: dict[int, tuple[int, int]] = {}
        for candle in each.candles:
            since, until = max(start, candle.time), min(end, candle.time + each.step)
            for hour in range((since - start) // HOUR, -((start - until) // HOUR)):
                high, low = ranges.get(hour, (candle.high, candle.low))
                ranges[hour] = max(high, candle.high), min(low, candle.low)
        for hour, (high, low) in ranges.items():
            widest[hour] = max(widest.get(hour, 0.0), high / low - 1)
    return widest


def thin(series: Sequence[Series], times: Sequence[int]) -> tuple[list[int], int]:
    """Leave out heartbeats of the calmest minutes first, until few enough are left.

    A thinned minute keeps its first report, so that no two are more than a minute apart; what
    moves keeps its ten seconds.
    """
    minutes: dict[int, list[int]] = {}
    for time in times:
        minutes.setdefault((time - times[0]) // CALM, []).append(time)
    excess = len(times) - MAX_STEPS
    calm: set[int] = set()
    for minute in sorted(minutes, key=lambda each: (violence(series, minutes[each]), each)):
        if excess <= 0:
            break
        calm.add(minute)
        excess -= len(minutes[minute]) - 1
    kept = [
        time
        for minute, beats in minutes.items()
        for time in (beats[:1] if minute in calm else beats)
    ]
    return kept, len(times) - len(kept)


def violence(series: Sequence[Series], beats: Sequence[int]) -> float:
    """Return the widest relative range that a market has at these times."""
    widest = 0.0
    for each in series:
        prices = [price for price in map(each.at, beats) if price is not None]
        if prices:
            widest = max(widest, max(prices) / min(prices) - 1)
    return widest


# ---- for publishers ---------------------------------------------------------------------------


def write_paths(folder: Path, path: PricePath, since: int) -> list[str]:
    """Write each market's path as a candle file; `--prices` arguments of a publisher.

    Every report of the path is the open of a candle of one heartbeat, so that a publisher finds
    exactly that price at exactly that time. Before the first one the first price stands.
    """
    arguments = []
    for symbol, price in path.first_prices.items():
        name = folder / f"{symbol}.csv"
        with name.open("w", encoding="utf-8", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(HEADER)
            for at in range(since - since % HEARTBEAT, path.start, HEARTBEAT):
                rows.writerow(_row(at, price))
            rows.writerows(_row(at, ticks) for at, ticks in _beats(path.steps, symbol))
        arguments.append(f"{symbol}={name}")
    return arguments


def _beats(steps: Sequence[Step], symbol: str) -> Iterator[tuple[int, int]]:
    """Yield a market's price at every heartbeat; a thinned stretch repeats, an outage is left out.

    Nobody reads the repeated ones: they keep the file a series of one step.
    """
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        if symbol not in step.prices:
            continue
        end = step.time + HEARTBEAT
        if after is not None and after.time - step.time <= CALM:
            end = after.time
        for at in range(step.time, end, HEARTBEAT):
            yield at, step.prices[symbol]


def _row(at: int, ticks: int) -> list[str]:
    price = f"{ticks // TICKS_PER_USD}.{ticks % TICKS_PER_USD:010d}"
    return [str(at), price, price, price, price, "0"]


# ---- folders --------------------------------------------------------------------------------


def groups(folder: Path) -> list[tuple[str, list[str]]]:
    """Return the replays that a folder holds: (name, sources), files of one period together."""
    if not folder.is_dir():
        raise BadInput(f"there is no price folder {folder}", "give it with --dir")
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.csv*")):
        try:
            parse_source(str(path))
        except BadInput:
            continue  # option chains and funding rates name no market
        period = path.name.split("_")[0]
        name = period if period[:4].isdigit() else path.name.split(".")[0]
        found.setdefault(name, []).append(str(path))
    if not found:
        raise BadInput(f"the folder {folder} holds no candle files", "give another with --dir")
    return sorted((name, sorted(paths)) for name, paths in found.items())
