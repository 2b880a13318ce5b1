"""Fit the smiles of a recorded option chain and draw them: `python -m keepers.lab.smiles FILE`."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from keepers.domain.units import DAY, YEAR
from keepers.errors import BadInput
from keepers.smiles.chains import read_chains
from keepers.smiles.fit import Fit, Floats, fit_chain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK: Final = "#1d2733"
FAINT: Final = "#8b97a5"
WIDE: Final = 1.5  # k either way where total variances are drawn


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
