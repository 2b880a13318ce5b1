"""`plimsoll demo` and `plimsoll replay`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Optional

import structlog
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from keepers.errors import BadInput, KeeperError
from keepers.lab import replay as paths
from keepers.lab.beyond import GAP, Act
from keepers.lab.economy import LARGEST
from keepers.lab.records import Record
from keepers.lab.replay import PricePath
from keepers.lab.summary import Summary, summarise

if TYPE_CHECKING:
    from keepers.lab.options_act_record import Act as OptionsAct

SEED: Final = 19_052_021
ACCOUNTS: Final = 240
OUT: Final = Path("out")
PRICES: Final = Path("../shared/prices")

app = typer.Typer()

Seed = Annotated[int, typer.Option("--seed", help="Everything random follows from it.")]
FEWEST: Final = 200  # whose table means something; tests play fewer

Accounts = Annotated[
    int, typer.Option("--accounts", help="How many accounts open.", min=FEWEST, max=LARGEST)
]
Out = Annotated[Path, typer.Option("--out", help="Folder for the picture, the page and the data.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON, nothing else.")]


@app.command()
def demo(
    crash: Annotated[
        bool, typer.Option("--crash", help="Play the built-in 2021-05-19; this is the default.")
    ] = False,
    prices: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--prices", help="Candle file, or ETH=FILE; one for each market."),
    ] = None,
    files: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(help="Further candle files after --prices.", show_default=False),
    ] = None,
    start: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--from", help="First second or ISO time; else the 24 h that fall most."),
    ] = None,
    end: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--to", help="End of the window.", show_default="a day after --from"),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="The files whole; of more than 41 h the hours that move most."),
    ] = False,
    heartbeat: Annotated[
        int, typer.Option("--heartbeat", help="Seconds between reports of --crash, 10 to 60.")
    ] = paths.HEARTBEAT,
    beyond: Annotated[
        bool,
        typer.Option("--beyond", help="A second act: a gap larger than any margin, who pays it."),
    ] = False,
    gap: Annotated[
        int, typer.Option("--gap", help="Percent by which every price falls in it.", min=1, max=95)
    ] = GAP,
    options: Annotated[
        bool,
        typer.Option(
            "--options",
            help="An act alone: books of options under two margins, a fall, their expiry.",
        ),
    ] = False,
    seed: Seed = SEED,
    accounts: Accounts = ACCOUNTS,
    out: Out = OUT,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the chain running at the end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Replay a crash on a local chain: real contracts, live keepers, books proved to the wei."""
    sources = [*(prices or ()), *(files or ())]
    if options:
        if crash or sources or beyond or start or end or everything:
            raise BadInput("--options is an act alone", "leave out what chooses another")
        if play_options(seed, out, keep=keep, as_json=as_json).failures:
            raise typer.Exit(1)
        return
    if crash and sources:
        raise BadInput("--crash and --prices are two replays", "give one of them")
    path = (
        paths.from_files(sources, _time(start), _time(end), everything)
        if sources
        else _built_in(heartbeat, start, end, everything)
    )
    fall = gap if beyond else 0
    found, act = play_acts(path, seed, accounts, out, keep=keep, as_json=as_json, gap=fall)
    if not found.passed or (act is not None and act.failures):
        raise typer.Exit(1)


def _time(text: str | None) -> int | None:
    return None if text is None else paths.parse_time(text)


def _built_in(heartbeat: int, start: str | None, end: str | None, everything: bool) -> PricePath:
    if start or end or everything:
        raise BadInput("--from, --to and --all choose in price files", "give --prices FILE too")
    if heartbeat not in range(10, 61) or heartbeat % 10:
        raise BadInput(f"{heartbeat} s is no heartbeat", "choose 10, 20, 30, 40, 50 or 60")
    return paths.crash(heartbeat)


@app.command()
def replay(
    folder: Annotated[
        Path, typer.Option("--dir", help="Folder with candle files, one or more a period.")
    ] = PRICES,
    seed: Seed = SEED,
    accounts: Accounts = ACCOUNTS,
    out: Out = OUT,
    only: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--only", help="Play the series whose name holds this text."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay every series of a folder, each on a chain of its own; the day that falls most."""
    chosen = [(name, files) for name, files in paths.groups(folder) if not only or only in name]
    if not chosen:
        raise BadInput(f"no series in {folder} is called {only}", "look at the file names")
    results: list[tuple[str, Summary]] = []
    failed: list[str] = []
    for name, files in chosen:
        with _named(name, failed):
            path = paths.from_files(files)
            found = play(path, seed, accounts, out / name, keep=False, as_json=as_json, quiet=True)
            results.append((name, found))
    _tell_many(results, as_json)
    for sentence in failed:
        typer.echo(f"plimsoll: {sentence}", err=True)
    if failed or not all(found.passed for _, found in results):
        raise typer.Exit(1)


@contextlib.contextmanager
def _named(name: str, failed: list[str]) -> Iterator[None]:
    """Go on with the next series after one that cannot be played."""
    try:
        yield
    except KeeperError as error:
        failed.append(f"{name}: {error}")


def _tell_many(results: list[tuple[str, Summary]], as_json: bool) -> None:
    from keepers.lab.report import many_table

    if as_json:
        typer.echo(json.dumps({name: found.as_dict() for name, found in results}, indent=1))
    else:
        Console(width=None if Console().is_terminal else 200).print(many_table(results))


def play(
    path: PricePath, seed: int, accounts: int, out: Path, *, keep: bool, as_json: bool, quiet: bool
) -> Summary:
    """Run one replay, write its files, print its table."""
    options = {"keep": keep, "as_json": as_json, "quiet": quiet}
    return play_acts(path, seed, accounts, out, **options)[0]


def play_acts(
    path: PricePath,
    seed: int,
    accounts: int,
    out: Path,
    *,
    keep: bool,
    as_json: bool,
    quiet: bool = False,
    gap: int = 0,
) -> tuple[Summary, Act | None]:
    """Run one replay, and a gap after it unless that is 0; write files, print tables."""
    from keepers.lab import orchestrate
    from keepers.lab.report import end_table

    console = Console(stderr=as_json)
    # What the node's client says while the node ends is nobody's concern here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    console.print(
        f"[bold]Plimsoll[/bold]: {path.title}, {len(path.steps):,} price steps, seed {seed}"
    )
    with _progress(console) as bar:
        task = bar.add_task("preparing", total=len(path.steps))

        def progress(done: int, total: int, record: Record, _watch: object) -> None:
            counts = f"{len(record.liquidations)} liquidations"
            bar.update(task, completed=done, total=total, description=counts)

        options = orchestrate.Options(path, seed, accounts, out / "logs", keep, gap=gap)
        record, act = asyncio.run(
            orchestrate.run(options, lambda text: bar.console.print(f"  {text}"), progress)
        )
    found = summarise(record)
    files = write(record, found, out)
    if act is not None:
        files += write_act(act, out)
    if as_json and not quiet:
        typer.echo(json.dumps(_figures(found, act), indent=1))
    else:
        console.print(end_table(found))
    if act is not None:
        from keepers.lab import gap_report

        console.print(gap_report.table(act))
    console.print("  " + "\n  ".join(f"{name:<8} {where}" for name, where in files))
    return found, act


def play_options(seed: int, out: Path, *, keep: bool, as_json: bool) -> OptionsAct:
    """Run the act of options, write its files, print its tables."""
    from keepers.lab import options_act, options_act_picture, options_act_report

    console = Console(stderr=as_json)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    console.print(f"[bold]Plimsoll[/bold]: {options_act_report.TITLE}, seed {seed}")
    job = options_act.play(seed, out / "logs", lambda text: console.print(f"  {text}"), keep=keep)
    act = asyncio.run(job)
    page, picture, figures = (out / f"options.{kind}" for kind in ("html", "png", "json"))
    options_act_report.write_page(act, page, options_act_picture.write(act, picture))
    found = json.dumps(options_act_report.as_dict(act), indent=1)
    figures.write_text(found + "\n", encoding="utf-8")
    if as_json:
        typer.echo(found)
    else:
        wide = console if console.is_terminal else Console(width=160)
        wide.print(options_act_report.table(act, wide.width))
    for name, where in (("page", page), ("picture", picture), ("figures", figures)):
        console.print(f"  {name:<8} {where}")
    return act


def _figures(found: Summary, act: Act | None) -> dict[str, object]:
    from keepers.lab import gap_report

    return {**found.as_dict(), **({"beyond": gap_report.as_dict(act)} if act else {})}


def write_act(act: Act, out: Path) -> list[tuple[str, Path]]:
    """Write the second act's picture, page and figures."""
    from keepers.lab import gap_report

    picture, page, figures = out / "beyond.png", out / "beyond.html", out / "beyond.json"
    gap_report.write(act, picture, page)
    figures.write_text(json.dumps(gap_report.as_dict(act), indent=1) + "\n", encoding="utf-8")
    return [("beyond", page), ("", picture), ("", figures)]


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("  {task.description:<22}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        refresh_per_second=4,
    )


def write(record: Record, found: Summary, out: Path) -> list[tuple[str, Path]]:
    """Write picture, page and figures."""
    from keepers.lab.charts import chart_data, write_events, write_page
    from keepers.lab.picture import write_png

    out.mkdir(parents=True, exist_ok=True)
    data = chart_data(record, found)
    page, picture, figures = out / "replay.html", out / "replay.png", out / "replay.json"
    write_page(page, data)
    write_png(picture, record, found)
    figures.write_text(json.dumps(found.as_dict(), indent=1) + "\n", encoding="utf-8")
    events = out / "events.csv"
    write_events(events, record)
    names = ("page", "picture", "figures", "events", "logs")
    return list(zip(names, (page, picture, figures, events, out / "logs"), strict=True))
