"""Option chains from files: the quoted volatilities of every expiry of a snapshot."""

from __future__ import annotations

import csv
import gzip
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from keepers.domain.units import YEAR
from keepers.errors import BadInput
from keepers.smiles.fit import Quotes

# an option nearly without value or without doubt says nothing about volatility
DELTAS: Final = (0.01, 0.99)
FEWEST: Final = 8  # quotes of an expiry, for five parameters

Row = Mapping[str, str]


def read_chains(path: Path, currency: str) -> dict[int, list[Quotes]]:
    """Return the quotes of every snapshot by its time, the side out of the money of each strike.

    Raises:
        BadInput: the file is not there, or has no chain of this currency.
    """
    rows: dict[int, list[Row]] = defaultdict(list)
    try:
        packed = path.suffix == ".gz"
        with gzip.open(path, "rt", newline="") if packed else path.open(newline="") as lines:
            for row in csv.DictReader(lines):
                if row["currency"] == currency:
                    rows[int(row["snapshot"])].append(row)
    except (OSError, KeyError) as error:
        raise BadInput(
            f"{path} is no option chain", "name a file such as deribit_…csv.gz"
        ) from error
    if not rows:
        raise BadInput(f"{path} has no options on {currency}", "try BTC or ETH")
    return {time: chain_of(each, time) for time, each in sorted(rows.items())}


def chain_of(rows: Sequence[Row], now: int) -> list[Quotes]:
    """Return the quotes of every expiry to come that has enough of them."""
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
    quoted = np.array([points[x] for x in k])
    index = median(float(row.get("index_price", "nan")) for row in rows)
    return Quotes(expiry, (expiry - now) / YEAR, forward, np.array(k), quoted, index)
