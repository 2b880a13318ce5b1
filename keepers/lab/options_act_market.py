"""The market of the options act: two recorded chains of February 2026, and the way between them.

Prices fall along a table of shares. A smile moves by being stretched: the same volatilities at the
same number of deviations, times a factor, `w'(k) = f²·w(k / f)`; the first half of the way the
earlier smile grows, the second half the later one is where the earlier one comes to. So what is
signed is a fit at both ends, and never contradicts itself in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Final

from keepers.domain.surfaces import Surface
from keepers.domain.units import HOUR, TICKS_PER_USD, WAD
from keepers.errors import BadInput
from keepers.lab.replay import with_companion
from keepers.smiles.chains import read_chains
from keepers.smiles.fit import Fit, Quotes, fit_chain
from keepers.smiles.source import surface_of_fit

SYMBOLS: Final = ("ETH", "BTC")
BEFORE: Final = 1_769_873_580  # 2026-01-31 15:33 UTC
AFTER: Final = 1_770_326_977  # 2026-02-05 21:29 UTC, where both had fallen furthest
EXPIRIES: Final = (1_770_969_600, 1_772_179_200, 1_774_598_400)  # 13 and 27 Feb, 27 Mar 2026
RECORDED: Final = Path("../shared/prices/deribit_option_chains_2026_BTC-ETH.csv.gz")
# eleven strikes an expiry, out of the file that the docs name
SHIPPED: Final = Path(__file__).with_name("data") / "option_chains_2026-02.csv"
STEP: Final = 30  # seconds between two reports
LENGTH: Final = 3_600  # of the fall
# ten minutes later: where two smiles touch, as fits may, the later one has the more room the less
# time is left
END: Final = AFTER - AFTER % STEP + 600
START: Final = END - LENGTH
ONE: Final = 10_000
# seconds since the start, and 1e-4 of the way that price and volatility have gone: slow, then a gap
# that has to be confirmed, then on, and at the end up a little and down again
WAY: Final = (
    *((0, 0, 0), (480, 1_000, 600), (960, 800, 1_000), (1_440, 2_800, 2_300)),
    *((1_500, 3_000, 2_600), (1_530, 5_400, 6_200), (1_920, 5_600, 6_400)),
    *((2_520, 8_000, 8_200), (2_760, 7_400, 8_000), (3_300, 9_800, 9_700), (3_600, ONE, ONE)),
)
WOBBLE: Final = 3  # 1e-4 of the price either way, at each report
OTHERS: Final = {"LINK": 10 * TICKS_PER_USD}  # listed beside them, and stays

Fits = Mapping[str, tuple[Sequence[Fit], Sequence[Fit]]]  # before and after, by symbol
Chains = dict[str, tuple[list[Quotes], list[Quotes]]]


# ---- chains --------------------------------------------------------------------------------------


def source() -> Path:
    """Return the recorded chains beside the checkout if they are there, else the shipped ones."""
    return RECORDED if RECORDED.is_file() else SHIPPED


def chains(path: Path) -> Chains:
    """Return the quotes of the act's expiries before and after the fall, by symbol.

    Raises:
        BadInput: the file lacks one of the two snapshots.
    """
    found = {}
    for symbol in SYMBOLS:
        known = read_chains(path, symbol)
        if BEFORE not in known or AFTER not in known:
            raise BadInput(f"{path} has not the chains of the fall", "take the file away")
        before, after = (
            [quotes for quotes in known[time] if quotes.expiry in EXPIRIES]
            for time in (BEFORE, AFTER)
        )
        found[symbol] = before, after
    return found


def listed(quotes: Chains) -> dict[str, int]:
    """Return the price [ticks] of everything before the fall, for the listing."""
    return {**with_companion({name: _index(pair[0]) for name, pair in quotes.items()}), **OTHERS}


async def fitted(quotes: Chains) -> dict[str, tuple[list[Fit], list[Fit]]]:
    """Fit all four chains, on processes of their own."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        jobs = [
            loop.run_in_executor(pool, fit_chain, chain)
            for symbol in SYMBOLS
            for chain in quotes[symbol]
        ]
        fits = await asyncio.gather(*jobs)
    bad = next((fit.fault for chain in fits for fit in chain if fit.fault), "")
    if bad:
        raise BadInput(f"a smile of the fall does not fit: {bad}", "restore the file of chains")
    return {symbol: (fits[2 * place], fits[2 * place + 1]) for place, symbol in enumerate(SYMBOLS)}


# ---- the way -------------------------------------------------------------------------------------


def share(seconds: int, column: int) -> int:
    """Return 1e-4 of the way: column 1 of the table for prices, 2 for volatilities."""
    after = next((row for row in WAY if row[0] > seconds), WAY[-1])
    before = [row for row in WAY if row[0] <= seconds][-1] if seconds > 0 else WAY[0]
    if after[0] <= before[0]:
        return before[column]
    done, rise = seconds - before[0], after[column] - before[column]
    return before[column] + rise * done // (after[0] - before[0])


def stretched(surface: Surface, factor: int) -> Surface:
    """Return a smile with this many times the volatility [WAD] at as many deviations."""
    a = surface.a * factor * factor // WAD**2
    b, m, sigma = (x * factor // WAD for x in (surface.b, surface.m, surface.sigma))
    return replace(surface, a=a, b=b, m=m, sigma=sigma)


@dataclass(frozen=True, slots=True)
class Market:
    """Prices and surfaces at any time of the act."""

    first: Mapping[str, int]  # ticks
    last: Mapping[str, int]
    before: Mapping[int, Sequence[Surface]]  # by market, expiries ascending
    after: Mapping[int, Sequence[Surface]]
    seed: int

    def prices(self, now: int) -> dict[str, int]:
        """Return the price [ticks] of everything that is listed."""
        gone = share(now - START, 1)
        rng = Random(f"{self.seed} {now}")
        found = {}
        for symbol, first in self.first.items():
            price = first + (self.last[symbol] - first) * gone // ONE
            noise = rng.randint(-WOBBLE, WOBBLE) if now > START else 0
            found[symbol] = price + price * noise // ONE
        return {**with_companion(found), **OTHERS}

    def surfaces(self, now: int, factor: int = WAD) -> dict[int, list[Surface]]:
        """Return the surfaces of the expiries to come, by market, as a source sees them.

        Args:
            now: chain time.
            factor: by how much this source's volatilities are others' [WAD].
        """
        gone, found = share(now - START, 2), {}
        for market in self.before:
            made = []
            for early, late in zip(self.before[market], self.after[market], strict=True):
                if early.expiry > now:
                    made.append(replace(_between(early, late, gone, factor), publish=now))
            if made:
                found[market] = made
        return found


def _between(early: Surface, late: Surface, gone: int, factor: int) -> Surface:
    from_, to = early.volatility(0), late.volatility(0)
    wanted = from_ + (to - from_) * gone // ONE
    base, known = (early, from_) if 2 * gone < ONE else (late, to)
    ratio = early.ratio + (late.ratio - early.ratio) * gone // ONE
    return replace(stretched(base, wanted * factor // known), ratio=ratio)


def market(fits: Fits, numbers: Mapping[str, int], seed: int) -> Market:
    """Return the market that two fits of every symbol make; `numbers` are the markets' ids."""
    first, last, before, after = {}, {}, {}, {}
    for symbol, (early, late) in fits.items():
        first[symbol], last[symbol] = (
            _index([fit.quotes for fit in each]) for each in (early, late)
        )
        id_ = numbers[symbol]
        before[id_] = [surface_of_fit(fit, id_, 0) for fit in early]
        after[id_] = [surface_of_fit(fit, id_, 0) for fit in late]
    return Market(first, last, before, after, seed)


def _index(chain: Sequence[Quotes]) -> int:
    return round(chain[0].index * 100) * TICKS_PER_USD // 100


def hours() -> list[int]:
    """Return the expiries in hours since 1970."""
    return [expiry // HOUR for expiry in EXPIRIES]
