"""Fit the smiles of a recorded option chain and draw them: `python -m keepers.lab.smiles FILE`."""

from __future__ import annotations

import argparse
import csv
import gzip
import math
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from keepers.domain.units import DAY, YEAR
from keepers.errors import BadInput
from keepers.lab.svi_fit import Fit, Floats, Quotes, fit_chain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# an option nearly without value or without doubt says nothing about volatility
DELTAS: Final = (0.01, 0.99)
FEWEST: Final = 8  # quotes of an expiry, for five parameters
INK: Final = "#1d2733"
FAINT: Final = "#8b97a5"
WIDE: Final = 1.5  # k either way where total variances are drawn

Row = Mapping[str, str]


def read_chains(path: Path, currency: str) -> dict[int, list[Quotes]]:
    """Return the quotes of every snapshot by its time, the side out of the money of each strike.

    Raises:
        BadInput: the file is not there, or has no chain of this currency.
    """
    rows: dict[int, list[Row]] = defaultdict(list)
    try:
        with gzip.open(path, "rt", newline="") as lines:
            for row in csv.DictReader(lines):
                if row["currency"] == currency:
                    rows[int(row["snapshot"])].append(row)
    except (OSError, KeyError) as error:
        raise BadInput(
            f"{path} is no option chain", "name a file such as deribit_…csv.gz"
        ) from error
    if not rows:
        raise BadInput(f"{path} has no options on {currency}", "try BTC or ETH")
    return {time: _chain(each, time) for time, each in sorted(rows.items())}


def _chain(rows: Sequence[Row], now: int) -> list[Quotes]:
    by_expiry: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if int(row["expiry"]) > now:
            by_expiry[int(row["expiry"])].append(row)
    made = [_quotes(each, expiry, now) for expiry, each in sorted(by_expiry.items())]
    return [quotes for quotes in made if len(quotes.k) >= FEWEST]


def _quotes(rows: Sequence[Row], expiry: int, now: int) -> Quotes:
    # the expiry's future; rows of one snapshot differ by seconds
    forward = median(float(row["underlying"]) for row in rows)
    points = {}
    for row in rows:
        strike, volatility = float(row["strike"]), float(row["implied_volatility"])
        call = row["option_type"] == "call"
        sure = DELTAS[0] < abs(float(row["delta"])) < DELTAS[1]
        if sure and volatility > 0 and call == (strike >= forward):
            points[math.log(strike / forward)] = volatility
    k = sorted(points)
    return Quotes(
        expiry, (expiry - now) / YEAR, forward, np.array(k), np.array([points[x] for x in k])
    )


# ---- what is shown -------------------------------------------------------------------------------


def table(fits: Sequence[Fit]) -> str:
    """Return a line an expiry: days, quotes, residuals in points, whether the chain takes it."""
    lines = [f"{'days':>7}{'quotes':>8}{'rms':>8}{'largest':>9}  chain"]
    for fit in fits:
        largest = 100 * float(np.abs(fit.residuals).max())
        lines.append(
            f"{fit.quotes.years * YEAR / DAY:>7.1f}{len(fit.quotes.k):>8}{100 * fit.rms:>8.2f}"
            f"{largest:>9.2f}  {fit.fault or 'takes it'}"
        )
    return "\n".join(lines)


def write_png(path: Path, title: str, fits: Sequence[Fit]) -> None:
    """Draw smiles, residuals, and total variances, in which no two lines may cross."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(fits)))
    with plt.rc_context():
        mpl.rcParams["font.size"] = 9
        mpl.rcParams["axes.edgecolor"] = FAINT
        mpl.rcParams["axes.grid"] = True
        mpl.rcParams["grid.alpha"] = 0.25
        figure, axes = plt.subplots(1, 3, figsize=(17, 5.6), constrained_layout=True)
        for fit, colour in zip(fits, colours, strict=True):
            _draw(axes, fit, colour)
        _label(axes[0], "volatility, quoted (dots) and fitted", "%")
        _label(axes[1], "fitted less quoted", "points of volatility")
        _label(axes[2], "total variance: later above earlier", "w(k)")
        axes[1].axhline(0, color=INK, linewidth=0.8)
        axes[2].set_xlabel("k = ln(strike / forward)")
        axes[2].set_yscale("log")
        axes[0].legend(frameon=False, ncols=2, fontsize=8)
        figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def _draw(axes: Sequence[Axes], fit: Fit, colour: Floats) -> None:
    quotes = fit.quotes
    root = float(fit.volatility(np.array([0.0]))[0]) * math.sqrt(quotes.years)
    k = np.linspace(float(quotes.k.min()), float(quotes.k.max()), 200)
    wide = np.linspace(-WIDE, WIDE, 301)
    days = f"{quotes.years * YEAR / DAY:.1f} d, rms {100 * fit.rms:.2f}"
    axes[0].plot(quotes.k / root, 100 * quotes.volatility, ".", color=colour, markersize=4)
    axes[0].plot(k / root, 100 * fit.volatility(k), color=colour, linewidth=1.2, label=days)
    axes[1].plot(quotes.k / root, 100 * fit.residuals, ".-", color=colour, linewidth=0.7)
    axes[2].plot(wide, fit.volatility(wide) ** 2 * quotes.years, color=colour, linewidth=1)


def _label(axis: Axes, title: str, unit: str) -> None:
    axis.set_title(title, loc="left", color=INK)
    axis.set_ylabel(unit)
    axis.set_xlabel("standard deviations from the forward")


def main(argv: list[str] | None = None) -> int:
    """Fit one chain, print residuals, write the picture; return 1 if a smile would be refused."""
    parser = argparse.ArgumentParser(prog="smiles", description=__doc__)
    parser.add_argument("file", type=Path, help="recorded option chains, .csv.gz")
    parser.add_argument("--currency", default="BTC")
    parser.add_argument("--at", type=int, help="unix seconds; else the last snapshot before them")
    parser.add_argument("--out", type=Path, default=Path("out/smiles.png"))
    options = parser.parse_args(argv)
    try:
        chains = read_chains(options.file, options.currency)
        times = [time for time in chains if options.at is None or time <= options.at]
        if not times:
            raise BadInput(f"no snapshot is as old as {options.at}", "leave --at out for the last")
    except BadInput as error:
        print(error, file=sys.stderr)
        return error.exit_code
    fits = fit_chain(chains[times[-1]])
    print(table(fits))
    when = datetime.fromtimestamp(times[-1], UTC)
    write_png(
        options.out, f"{options.currency}, {len(fits)} expiries, {when:%Y-%m-%d %H:%M} UTC", fits
    )
    print(f"picture: {options.out}")
    return 1 if any(fit.fault for fit in fits) else 0


if __name__ == "__main__":
    sys.exit(main())
