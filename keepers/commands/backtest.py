"""`plimsoll backtest`: the liquidator on price files, without a chain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from keepers.domain.prices import Series, heartbeats, largest_fall, load
from keepers.domain.times import clock, parse_time
from keepers.domain.units import DAY, TICKS_PER_USD, WAD
from keepers.errors import BadInput

if TYPE_CHECKING:
    from keepers.backtest.run import Options, Outcome

app = typer.Typer()

MOST_STEPS = 500_000


def window(
    series: Sequence[Series], start: int | None, end: int | None, everything: bool
) -> tuple[int, int]:
    """Return the (from, to) that is played: given, all, or the day of the deepest fall."""
    first, last = max(each.start for each in series), min(each.end for each in series)
    if first >= last:
        raise BadInput("the price files do not overlap in time", "give files of the same days")
    if start is None and end is None and not everything:
        found, _ = largest_fall(series[0])
        start = max(first, min(found, last - DAY))
        return start, min(last, start + DAY)
    start, end = first if start is None else start, last if end is None else end
    if start >= end:
        raise BadInput("--from is not before --to", "swap them")
    if start < first or end > last:
        said = f"the files hold prices from {clock(first)} to {clock(last)} UTC only"
        raise BadInput(said, "choose --from and --to inside")
    return start, end


def opened(files: Sequence[str]) -> list[Series]:
    """Read the files, one market each."""
    series = [load(each) for each in files]
    symbols = [each.symbol for each in series]
    double = next((name for name in symbols if symbols.count(name) > 1), None)
    if double is not None:
        raise BadInput(f"two files give prices of {double}", "give one file a market")
    return series


@app.command()
def backtest(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Candle file, or ETH=FILE, one a market.")
    ],
    start: Annotated[
        str | None,
        typer.Option("--from", help="Second or ISO time.", show_default="the day that falls most"),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="End of the window.", show_default="the end")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Play the files whole.")] = False,
    accounts: Annotated[
        int, typer.Option("--accounts", help="How many accounts.", min=1, max=5_000)
    ] = 240,
    seed: Annotated[int, typer.Option("--seed", help="The book follows from it.")] = 1,
    capital_usd: Annotated[
        int, typer.Option("--capital-usd", help="What the keeper begins with.", min=0)
    ] = 1_000_000,
    pool_usd: Annotated[int, typer.Option("--pool-usd", help="Of the pool.", min=1)] = 10_000_000,
    fund_usd: Annotated[int, typer.Option("--fund-usd", help="Of the fund.", min=0)] = 500_000,
    gas_gwei: Annotated[
        float, typer.Option("--gas-gwei", help="Price of gas.", min=0.0, max=1e6)
    ] = 0.05,
    native_usd: Annotated[
        float, typer.Option("--native-usd", help="Native coin, where no file is ETH.", min=0.0)
    ] = 2_000.0,
    latency: Annotated[
        int, typer.Option("--latency", help="Blocks from a decision to the chain.", min=0, max=100)
    ] = 1,
    fee_bp: Annotated[
        float, typer.Option("--fee-bp", help="The pool's trade fee.", min=0.0, max=100.0)
    ] = 5.0,
    heartbeat: Annotated[
        int, typer.Option("--heartbeat", help="Seconds between prices.", min=4, max=3_600)
    ] = 10,
    take: Annotated[bool, typer.Option(help="Take slices over with the capital.")] = True,
    max_take_usd: Annotated[int, typer.Option("--max-take-usd", min=0)] = 250_000,
    max_inventory_usd: Annotated[int, typer.Option("--max-inventory-usd", min=0)] = 1_000_000,
    min_profit_usd: Annotated[float, typer.Option("--min-profit-usd")] = 0.0,
    headroom_percent: Annotated[float, typer.Option("--headroom-percent", min=0.0)] = 0.0,
    max_slippage_percent: Annotated[
        float, typer.Option("--max-slippage-percent", min=0.01, max=50.0)
    ] = 2.0,
    out: Annotated[Path, typer.Option("--out", help="Folder for csv and page.")] = Path("out"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Run the liquidator's decisions on price files; exit 1 if the books do not balance."""
    from keepers.backtest.run import Options
    from keepers.domain.liquidation import Limits
    from keepers.settings import usd

    _require_finite(
        native_usd=native_usd, min_profit_usd=min_profit_usd, headroom_percent=headroom_percent
    )
    options = Options(
        seed=seed,
        accounts=accounts,
        limits=Limits(
            take=take,
            max_take=max_take_usd * WAD,
            max_inventory=max_inventory_usd * WAD,
            min_profit=usd(min_profit_usd),
            headroom=round(headroom_percent * 10**6) * WAD // 10**8,
        ),
        capital=capital_usd * WAD,
        pool=pool_usd * WAD,
        fund=fund_usd * WAD,
        wei_per_gas=round(gas_gwei * 10**9),
        native_ticks=round(native_usd * TICKS_PER_USD),
        latency=latency,
        slip=round(max_slippage_percent * 10**6) * WAD // 10**8,
        heartbeat=heartbeat,
        fee=round(fee_bp * 100) * WAD // 10**6,
    )
    series = opened(files)
    chosen = window(series, _time(start), _time(end), everything)
    tell(series, chosen, options, out, as_json=as_json)


def _require_finite(**given: float) -> None:
    for name, value in given.items():
        if not isfinite(value):
            raise BadInput(f"--{name.replace('_', '-')} {value} is no amount", "write a number")


def _time(text: str | None) -> int | None:
    return None if text is None else parse_time(text)


def tell(
    series: Sequence[Series], chosen: tuple[int, int], options: Options, out: Path, *, as_json: bool
) -> None:
    """Play a window, write the files, print the table."""
    from keepers.backtest import report

    names = "-".join(each.symbol for each in series)
    title = f"{names}, {clock(chosen[0])} to {clock(chosen[1])} UTC"
    rows, page = out / "backtest.csv", out / "backtest.html"
    with _writable(out):
        out.mkdir(parents=True, exist_ok=True)
    found = play(series, chosen, options)
    with _writable(out):
        report.write_csv(rows, found)
        report.write_page(page, title, found, options)
    if as_json:
        typer.echo(json.dumps(report.as_dict(title, found, options), indent=1))
    else:
        console = Console(width=None if Console().is_terminal else 120)
        console.print(report.table(title, found, options))
        gaps = sum(len(each.gaps) for each in series)
        if gaps:
            console.print(f"  gaps in the files: {gaps}, outages in which no price came")
        console.print(f"  rows     {rows}\n  page     {page}")
    if found.off:
        raise typer.Exit(1)


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    """Say which folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"{out} cannot be written ({error.strerror})", "give a folder of yours with --out"
        ) from error


def play(series: Sequence[Series], chosen: tuple[int, int], options: Options) -> Outcome:
    """Run the liquidator over a window."""
    from keepers.backtest.book import Listing
    from keepers.backtest.run import Run

    times = heartbeats(*chosen, options.heartbeat)
    if len(times) > MOST_STEPS:
        said = f"the window has {len(times):,} prices, and a backtest at most {MOST_STEPS:,}"
        raise BadInput(said, "choose --from and --to closer, or a larger --heartbeat")
    first = next((t for t in times if all(s.at(t) is not None for s in series)), None)
    if first is None:
        raise BadInput("no moment of the window has a price of every market", "choose another")
    listings = [
        Listing(each.symbol, number, each.last_before(first))
        for number, each in enumerate(series, 1)
    ]
    run = Run(listings, first - options.heartbeat, options)
    for time in times:
        prices = {each.symbol: price for each in series if (price := each.at(time)) is not None}
        if time >= first and prices:
            run.step(time, prices, time + options.heartbeat)
    return run.finish()
