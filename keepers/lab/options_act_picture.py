"""The picture of the options act: what is required, how it fell, and the smiles at both ends."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from keepers.domain.units import WAD
from keepers.lab.options_act_books import STRUCTURES
from keepers.lab.options_act_market import START, SYMBOLS
from keepers.lab.options_act_record import Act
from keepers.lab.options_act_report import BAD, GOOD, TITLE, verdict
from keepers.smiles.fit import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STANDARD: Final = "#e08214"
PORTFOLIO: Final = "#2f6db3"
INK: Final = "#1d2733"
FAINT: Final = "#8b97a5"
COLOURS: Final = {"ETH": "#5566d6", "BTC": "#e08214"}
SHADES: Final = ("#08306b", "#2f6db3", "#7fb3dd")  # of the three expiries
DARK: Final = ("#7f2704", "#d9601a", "#fdae6b")  # and after the fall
WIDE: Final = 200  # points of a drawn smile
MINUTE: Final = 60


def write(act: Act, path: Path) -> str:
    """Write the picture as PNG; return it as SVG for the page."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with plt.rc_context():
        mpl.rcParams.update(
            {
                "font.size": 9,
                "axes.edgecolor": FAINT,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "text.color": INK,
                "svg.hashsalt": "plimsoll",
            }
        )
        figure = _figure(act, titled=True)
        figure.savefig(path, dpi=110)
        plt.close(figure)
        drawn, figure = io.StringIO(), _figure(act, titled=False)
        figure.savefig(drawn, format="svg", metadata={"Date": None})
        plt.close(figure)
    svg = drawn.getvalue()
    return svg[svg.index("<svg") :]


def _figure(act: Act, *, titled: bool) -> Figure:
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(16, 14.5), constrained_layout=True)
    rows = figure.add_gridspec(3, 1, height_ratios=[1, 1.15, 0.95])
    top = rows[0].subgridspec(1, 2, width_ratios=[2, 1])
    _draw_bars(figure.add_subplot(top[0]), act)
    _draw_fall(figure.add_subplot(top[1]), act)
    middle = rows[1].subgridspec(2, 4)
    for place in range(len(STRUCTURES)):
        _draw_book(figure.add_subplot(middle[place // 4, place % 4]), act, place)
    _draw_key(figure.add_subplot(middle[1, 3]))
    bottom = rows[2].subgridspec(2, 2, height_ratios=[2.2, 1])
    for place, symbol in enumerate(SYMBOLS):
        _draw_smiles(figure.add_subplot(bottom[0, place]), act, symbol)
        _draw_residuals(figure.add_subplot(bottom[1, place]), act, symbol)
    if titled:
        figure.suptitle(f"{TITLE}\n\n", fontsize=15, fontweight="bold", x=0.01, ha="left")
        colour = BAD if act.failures else GOOD
        figure.text(0.01, 0.965, verdict(act).plain[:160], fontsize=11, color=colour)
    return figure


def _draw_bars(axis: Axes, act: Act) -> None:
    """Draw what both margins require at the start, as a share of what is held."""
    for portfolio, (colour, name) in enumerate(
        ((STANDARD, "standard margin"), (PORTFOLIO, "portfolio margin"))
    ):
        books = act.books[portfolio::2]
        at = np.arange(len(books)) + 0.2 * (2 * portfolio - 1)
        im = [book.im / WAD / 1_000 for book in books]
        mm = [book.mm / WAD / 1_000 for book in books]
        axis.bar(at, im, width=0.36, color=colour, alpha=0.35, label=f"IM, {name}")
        axis.bar(at, mm, width=0.36, color=colour, label=f"MM, {name}")
        for x, value in zip(at, im, strict=True):
            axis.text(x, value, f"{value:,.1f}", ha="center", va="bottom", fontsize=8)
    names = [f"{each.name}\n{each.units} {each.symbol}" for each in STRUCTURES]
    axis.set_xticks(range(len(names)), names)
    axis.set_title("Required at the start, thousand USD", loc="left")
    axis.legend(frameon=False, ncols=2, loc="upper right")
    axis.set_ylim(0, 1.22 * max(book.im for book in act.books) / WAD / 1_000)
    _grid(axis)


def _draw_fall(axis: Axes, act: Act) -> None:
    minutes = [(frame.time - START) / MINUTE for frame in act.frames]
    other = axis.twinx()
    for symbol in SYMBOLS:
        first, colour = act.frames[0].prices[symbol], COLOURS[symbol]
        prices = [100 * frame.prices[symbol] / first for frame in act.frames]
        volatility = [100 * frame.volatility[symbol] for frame in act.frames]
        axis.plot(minutes, prices, color=colour, linewidth=1.6, label=symbol)
        other.plot(minutes, volatility, color=colour, linewidth=1.2, linestyle=":")
    axis.set_title("Prices (line, start = 100) and nearest volatility (dots, %)", loc="left")
    axis.set_xlabel("minutes")
    axis.legend(frameon=False, loc="center right")
    _grid(axis)


def _draw_book(axis: Axes, act: Act, place: int) -> None:
    """Draw equity over maintenance of both accounts of a structure."""
    minutes = [(frame.time - START) / MINUTE for frame in act.frames]
    for portfolio, colour in enumerate((STANDARD, PORTFOLIO)):
        row = 2 * place + portfolio
        book = act.books[row]
        mm = [frame.mm[row] / 1_000 for frame in act.frames]
        equity = [frame.equity[row] / 1_000 for frame in act.frames]
        axis.fill_between(minutes, 0, mm, color=colour, alpha=0.16, linewidth=0)
        axis.plot(minutes, mm, color=colour, linewidth=0.8)
        axis.plot(minutes, equity, color=colour, linewidth=1.8, linestyle=(0, (4, 1.5 * portfolio)))
        taken = {each.time for each in act.takes if each.account == book.account}
        at = [(time - START) / MINUTE for time in taken if time <= act.frames[-1].time]
        axis.plot(at, np.interp(at, minutes, equity), "v", color=colour, markersize=5)
    axis.set_title(f"{STRUCTURES[place].name}, {STRUCTURES[place].symbol}", loc="left")
    axis.set_ylim(bottom=0)
    _grid(axis)


def _draw_key(axis: Axes) -> None:
    """Explain the small charts."""
    axis.set_axis_off()
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("equity, standard margin", {"color": STANDARD, "linewidth": 1.8}),
        ("equity, portfolio margin", {"color": PORTFOLIO, "linewidth": 1.8, "linestyle": "--"}),
        ("MM, standard: below it, liquidation", {"color": STANDARD, "linewidth": 7, "alpha": 0.25}),
        ("MM, portfolio", {"color": PORTFOLIO, "linewidth": 7, "alpha": 0.25}),
        ("a part is taken", {"color": INK, "marker": "v", "linewidth": 0}),
    ]
    for name, style in kinds:
        axis.plot([], [], label=name, **style)
    axis.legend(frameon=False, loc="center left", fontsize=10, title="thousand USD over minutes")


def _draw_smiles(axis: Axes, act: Act, symbol: str) -> None:
    for fits, shades, when in zip(
        act.fits[symbol], (SHADES, DARK), ("31 Jan", "5 Feb"), strict=True
    ):
        for fit, colour in zip(fits, shades, strict=True):
            quotes = fit.quotes
            k = np.linspace(float(quotes.k.min()), float(quotes.k.max()), WIDE)
            label = f"{when}, {quotes.years * 365:.0f} d"
            axis.plot(quotes.k, 100 * quotes.volatility, ".", color=colour, markersize=4)
            axis.plot(k, 100 * fit.volatility(k), color=colour, linewidth=1.2, label=label)
    axis.set_title(f"{symbol}: volatility quoted (dots) and signed (line), %", loc="left")
    axis.legend(frameon=False, ncols=2, fontsize=8)
    axis.tick_params(labelbottom=False)
    _grid(axis)


def _draw_residuals(axis: Axes, act: Act, symbol: str) -> None:
    for fits, shades in zip(act.fits[symbol], (SHADES, DARK), strict=True):
        for fit, colour in zip(fits, shades, strict=True):
            _draw_off(axis, fit, colour)
    axis.axhline(0, color=INK, linewidth=0.8)
    axis.set_title("signed less quoted, points of volatility", loc="left", fontsize=9)
    axis.set_xlabel("k = ln(strike / forward)")
    _grid(axis)


def _draw_off(axis: Axes, fit: Fit, colour: str) -> None:
    axis.plot(fit.quotes.k, 100 * fit.residuals, ".-", color=colour, linewidth=0.7, markersize=4)


def _grid(axis: Axes) -> None:
    axis.grid(visible=True, axis="y", color="#e6eaee", linewidth=0.8)
    axis.set_axisbelow(True)
