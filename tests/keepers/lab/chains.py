"""Quotes of a smile that is known, and a recorded chain of them."""

from __future__ import annotations

import csv
import gzip
import math
from pathlib import Path

import numpy as np

from keepers.domain.units import DAY, YEAR
from keepers.smiles.fit import Floats, Quotes, variance

NOW = 1_770_393_081
COLUMNS = (
    *("snapshot", "instrument_name", "currency", "option_type", "strike", "expiry", "underlying"),
    *("implied_volatility", "delta"),
)
# a month at 60 %, skewed to the left: w at the money 0.0296
TRUE = np.array([0.006, 0.06, -0.3, 0.05, 0.4])


def quotes(days: int, parameters: Floats, noise: float = 0.0) -> Quotes:
    """Return what is quoted of a smile, with as much noise of volatility."""
    years = days * DAY / YEAR
    root = math.sqrt(float(variance(parameters, np.array([0.0]))[0]))
    k = np.linspace(-2.5, 2.5, 25) * root
    volatility = np.sqrt(variance(parameters, k) / years)
    rng = np.random.default_rng(days)
    return Quotes(NOW + days * DAY, years, 60_000.0, k, volatility + noise * rng.normal(size=25))


def recorded(path: Path) -> Path:
    """Write one snapshot of two expiries, calls and puts at every strike."""
    with gzip.open(path, "wt", newline="") as lines:
        table = csv.DictWriter(lines, COLUMNS)
        table.writeheader()
        for days in (30, 60):
            chain = quotes(days, TRUE * days / 30)
            for k, volatility in zip(chain.k, chain.volatility, strict=True):
                for kind in ("call", "put"):
                    row = ["", "BTC", kind, 60_000 * math.exp(k), chain.expiry, 60_000]
                    # the side in the money is quoted ten points higher, and must not count
                    inside = (kind == "call") != (k >= 0)
                    row = [NOW, *row, volatility + 0.1 * inside, 0.5]
                    table.writerow(dict(zip(COLUMNS, row, strict=True)))
    return path
