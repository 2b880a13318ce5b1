"""The picture of a replay: one PNG with four charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keepers.lab.charts import blocks_histogram, colours, fan, indexed, per_minute, sampled
from keepers.lab.records import Frame, Record
from keepers.lab.report import verdict
from keepers.lab.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REDUCES: Final = "#3f7fbf"
TAKES: Final = "#c8374f"
INK: Final = "#1d2733"
FAINT: Final = "#8b97a5"
SECONDS_A_DAY: Final = 86_400

Days: TypeAlias = NDArray[np.float64]


def days(times: Sequence[int]) -> Days:
    """Return unix seconds in matplotlib's unit, days."""
    return np.asarray(times, dtype=np.float64) / SECONDS_A_DAY


def write_png(path: Path, record: Record, found: Summary) -> None:
    """Draw prices with liquidations, margin ratios, response times and results."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    frames = sampled(record.frames)
    times = days([frame.time for frame in frames])
    with plt.rc_context():
        _style()
        figure, axes = plt.subplots(2, 2, figsize=(15, 9), constrained_layout=True)
        _draw_prices(axes[0, 0], record, frames, times)
        _draw_fan(axes[0, 1], frames, times)
        _draw_blocks(axes[1, 0], record, found)
        _draw_money(axes[1, 1], frames, times, found)
        colour = "#1a7f4b" if found.passed else TAKES
        figure.suptitle(f"{found.title}\n", fontsize=15, fontweight="bold", x=0.01, ha="left")
        figure.text(0.01, 0.945, verdict(found).plain[:170], fontsize=11, color=colour)
        for axis in (axes[0, 0], axes[0, 1], axes[1, 1]):
            _clock_axis(axis)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def _style() -> None:
    import matplotlib as mpl

    mpl.rcParams["font.size"] = 10
    mpl.rcParams["axes.edgecolor"] = FAINT
    mpl.rcParams["axes.labelcolor"] = INK
    mpl.rcParams["text.color"] = INK
    mpl.rcParams["xtick.color"] = INK
    mpl.rcParams["ytick.color"] = INK
    mpl.rcParams["axes.spines.top"] = False
    mpl.rcParams["axes.spines.right"] = False


def _clock_axis(axis: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, DateFormatter

    axis.xaxis.set_major_locator(AutoDateLocator(minticks=4, maxticks=8))  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_formatter(DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]
    axis.grid(visible=True, color="#e6eaee", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.xaxis_date()


def _draw_prices(axis: Axes, record: Record, frames: Sequence[Frame], times: Days) -> None:
    palette = colours(frames)
    for name, line in indexed(frames).items():
        axis.plot(times, line, color=palette[name], linewidth=1.4, label=name)
    axis.set_title("Prices (start = 100) and liquidations a minute", loc="left")
    axis.legend(frameon=False, loc="center left")
    low, high = axis.get_ylim()
    axis.set_ylim(low - 0.28 * (high - low), high)
    bars = axis.twinx()
    found = per_minute(record)
    at = days([bar["time"] for bar in found])
    reduces = [bar["reduces"] for bar in found]
    takes = [bar["takes"] for bar in found]
    width = 50 / 86_400 * max(1.0, (frames[-1].time - frames[0].time) / 14_400)
    bars.bar(at, reduces, width=width, color=REDUCES, label="reduces")
    bars.bar(at, takes, width=width, bottom=reduces, color=TAKES, label="takes")
    most = max((a + b for a, b in zip(reduces, takes, strict=True)), default=1)
    bars.set_ylim(0, 4.2 * max(1, most))
    bars.set_yticks([0, most])
    bars.legend(frameon=False, loc="upper right")
    for time, _ in record.killed[:1]:
        when = float(days([time])[0])
        axis.axvline(when, color=FAINT, linestyle=":", linewidth=1.2)
        words = "a publisher and\na liquidator killed"
        axis.text(when, axis.get_ylim()[1], f" {words}", va="top", fontsize=8, color=FAINT)


def _draw_fan(axis: Axes, frames: Sequence[Frame], times: Days) -> None:
    rows = np.clip(fan(frames), 0.5, None)
    axis.fill_between(times, rows[:, 0], rows[:, 3], color="#3f7fbf", alpha=0.15, linewidth=0)
    axis.fill_between(times, rows[:, 1], rows[:, 2], color="#3f7fbf", alpha=0.25, linewidth=0)
    axis.plot(times, rows[:, 2], color="#3f7fbf", linewidth=1.5, label="middle account")
    axis.plot(times, rows[:, 0], color=INK, linewidth=1.0, label="5 % closest to the line")
    axis.axhline(1, color=TAKES, linewidth=1.6)
    axis.text(times[0], 1.03, "Plimsoll line: E = MM", ha="left", color=TAKES, fontsize=9)
    axis.set_yscale("log", base=2)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axis.set_title("How deep the accounts are loaded: E / MM", loc="left")
    axis.legend(frameon=False, loc="upper right")


def _draw_blocks(axis: Axes, record: Record, found: Summary) -> None:
    bars = blocks_histogram(record)
    axis.bar([bar["blocks"] for bar in bars], [bar["count"] for bar in bars], color=REDUCES)
    for bar in bars:
        axis.text(bar["blocks"], bar["count"], str(bar["count"]), ha="center", va="bottom")
    axis.axvline(3.5, color=TAKES, linewidth=1.4, linestyle="--")
    axis.text(3.55, axis.get_ylim()[1] * 0.95, "missed", color=TAKES, va="top")
    axis.set_xlim(0, 5.5)
    axis.set_xticks(range(1, 6))
    axis.set_title("Blocks from E < MM to the liquidation's block", loc="left")
    slow = found.response_ms
    axis.set_xlabel(
        f"on this machine {slow.p50:,.0f} ms (p50), {slow.p95:,.0f} ms (p95), "
        f"{slow.most:,.0f} ms (max)"
    )


def _draw_money(axis: Axes, frames: Sequence[Frame], times: Days, found: Summary) -> None:
    nav = [(frame.nav - found.pool_start) / 1_000 for frame in frames]
    fund = [(frame.insurance - found.insurance_start) / 1_000 for frame in frames]
    axis.plot(times, nav, color="#12908a", linewidth=1.6, label="pool")
    axis.plot(times, fund, color="#8e5ea2", linewidth=1.6, label="insurance")
    axis.axhline(0, color=FAINT, linewidth=0.8)
    axis.set_title("Result of the pool and of the insurance fund, thousand USD", loc="left")
    axis.legend(frameon=False, loc="upper left")
