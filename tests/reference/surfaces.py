"""Stored surfaces of docs/spec/surfaces.md: equal to contracts/Surfaces.vy, signatures apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import pairwise

from tests.reference.binary import sqrt_wad
from tests.reference.black76 import log_moneyness, prices
from tests.reference.fixed import clamp, trunc_div
from tests.reference.instruments import CALL, FUTURE, PERP, parts
from tests.reference.portfolio import (
    LEAST_VARIANCE,
    RATIO_ONE,
    SURFACE_DEAD,
    SURFACE_FRESH,
    VARIANCE_ONE,
    Surface,
)
from tests.reference.svi import Smile, has_density, is_after, is_sound, total_variance
from tests.reference.units import DAY, HOUR, WAD, YEAR

MAX_EXPIRIES = 16
AHEAD = 1
FURTHEST = 730 * DAY
LEAST_RATIO, MOST_RATIO = RATIO_ONE * 3 // 4, RATIO_ONE * 5 // 4
LEAST_VOLATILITY, MOST_VOLATILITY = WAD // 100, 5 * WAD
VOLATILITY_JUMP, VOLATILITY_RATE = WAD // 4, WAD // 1_000
RATIO_JUMP, RATIO_RATE = RATIO_ONE // 100, RATIO_ONE // 20_000
JUMP_TIME = 300
CONFIRM_DELAY = 5

Key = tuple[int, int]  # market, hours


class Why(IntEnum):
    """What a refused word is told."""

    EXPIRY = 1
    FUTURE = 2
    UNFIT = 3
    ARBITRAGE = 4
    CALENDAR = 5
    ROOM = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an update did: what it stored, let wait and refused."""

    stored: tuple[Surface, ...]
    pending: tuple[Surface, ...]
    refused: tuple[tuple[Surface, Why], ...]


def key_of(surface: Surface) -> Key:
    """Return whose surface it is."""
    return surface.market, surface.hours


def smile_of(surface: Surface, seconds: int) -> Smile:
    """Return the smile in total variance over some time."""
    return Smile(
        trunc_div(surface.a * WAD * seconds, VARIANCE_ONE * YEAR),
        surface.b * WAD * seconds // (VARIANCE_ONE * YEAR),
        surface.rho << 34,
        surface.m << 36,
        surface.sigma << 36,
    )


def volatility(surface: Surface) -> int:
    """Return the annual volatility at the money [WAD]."""
    return math.isqrt(total_variance(smile_of(surface, YEAR), 0) * WAD)


def same_smile(surface: Surface, stored: Surface | None) -> bool:
    """Return whether nothing but times and the ratio is another."""
    if stored is None:
        return False
    return replace(surface, publish=stored.publish, ratio=stored.ratio) == stored


def fault(surface: Surface, now: int, *, same: bool = False) -> Why | None:
    """Return what is wrong with a surface by itself; a smile that is stored was looked at."""
    seconds = surface.hours * HOUR - now
    if not 0 < seconds <= FURTHEST:
        return Why.EXPIRY
    if surface.publish > now + AHEAD:
        return Why.FUTURE
    if surface.market == 0 or not LEAST_RATIO <= surface.ratio <= MOST_RATIO:
        return Why.UNFIT
    if same:
        return None
    smile = smile_of(surface, seconds)
    if not is_sound(smile) or not has_density(smile):
        return Why.ARBITRAGE
    if not LEAST_VOLATILITY <= volatility(surface) <= MOST_VOLATILITY:
        return Why.UNFIT
    return None


def fits(later: Surface, earlier: Surface, now: int) -> bool:
    """Return whether the later expiry has no less total variance."""
    after, before = (smile_of(each, each.hours * HOUR - now) for each in (later, earlier))
    return is_after(after, before)


def jumps(surface: Surface, last: Surface, seconds: int) -> tuple[bool, bool]:
    """Return whether volatility, and whether the ratio, is outside its band."""
    grown = min(seconds, JUMP_TIME)
    now, before = volatility(surface), volatility(last)
    limit = VOLATILITY_JUMP + VOLATILITY_RATE * grown
    return (
        abs(now - before) * WAD > limit * before,
        abs(surface.ratio - last.ratio) > RATIO_JUMP + RATIO_RATE * grown,
    )


def confirms(surface: Surface, waiting: Surface, last: Surface) -> bool:
    """Return whether each measure that is out had jumped before, as far by half, to its side."""
    out = jumps(surface, last, surface.publish - last.publish)
    was_out = jumps(waiting, last, 0)
    measures = [(volatility(s), s.ratio) for s in (surface, waiting, last)]
    for i in range(2):
        new, pending, stood = (each[i] for each in measures)
        same_side = (new > stood) == (pending > stood)
        if out[i] and not (
            was_out[i] and same_side and 2 * abs(new - stood) >= abs(pending - stood)
        ):
            return False
    return True


@dataclass
class Store:
    """All markets' surfaces."""

    words: dict[Key, Surface] = field(default_factory=dict)
    waiting: dict[Key, Surface] = field(default_factory=dict)

    def live(self, market: int, now: int) -> list[int]:
        """Return the expiries to come that have a surface."""
        return sorted(h for m, h in self.words if m == market and h * HOUR > now)

    def pending(self, key: Key) -> Surface | None:
        """Return what waits for its confirmation."""
        found, stored = self.waiting.get(key), self.words.get(key)
        if found is None or (stored is not None and found.publish <= stored.publish):
            return None
        return found

    def trusted(self, key: Key, now: int) -> bool:
        """Return whether what opens may rely on a surface."""
        stored = self.words.get(key)
        if stored is None or now > stored.publish + SURFACE_FRESH:
            return False
        return now < stored.hours * HOUR and self.pending(key) is None

    def update(self, surfaces: Sequence[Surface], now: int) -> Outcome:
        """Take a report whose surfaces ascend by market and expiry."""
        said: tuple[list[Surface], list[tuple[Surface, Why]]] = ([], [])
        stored: list[Surface] = []
        for market in sorted({each.market for each in surfaces}):
            new: dict[int, Surface] = {}
            for surface in surfaces:
                if surface.market == market and self._admitted(surface, now, said):
                    known = {*self.live(market, now), *new}
                    if surface.hours not in known and len(known) == MAX_EXPIRIES:
                        said[1].append((surface, Why.ROOM))
                    else:
                        new[surface.hours] = surface
            kept = self._ordered(market, new, now, said[1])
            stored += [kept[hours] for hours in sorted(kept)]
        self.words.update({key_of(surface): surface for surface in stored})
        return Outcome(tuple(stored), tuple(said[0]), tuple(said[1]))

    def _admitted(
        self, surface: Surface, now: int, said: tuple[list[Surface], list[tuple[Surface, Why]]]
    ) -> bool:
        key = key_of(surface)
        stored = self.words.get(key)
        if surface.publish <= (stored.publish if stored else 0):
            return False
        why = fault(surface, now, same=same_smile(surface, stored))
        if why is not None:
            said[1].append((surface, why))
            return False
        if stored is None or not any(jumps(surface, stored, surface.publish - stored.publish)):
            return True
        waiting = self.pending(key)
        if waiting is not None:
            if surface.publish < waiting.publish + CONFIRM_DELAY:
                return False
            if confirms(surface, waiting, stored):
                return True
        self.waiting[key] = surface
        said[0].append(surface)
        return False

    def _ordered(
        self, market: int, new: dict[int, Surface], now: int, refused: list[tuple[Surface, Why]]
    ) -> dict[int, Surface]:
        """Take out what contradicts its neighbours, from the nearest expiry up."""
        kept = dict(new)
        old = {hours: self.words[market, hours] for hours in self.live(market, now)}
        moved = {hours for hours in new if not same_smile(new[hours], old.get(hours))}
        while True:
            told = old | kept
            pairs = [p for p in pairwise(sorted(told)) if moved & {*p}]
            wrong = next(
                ((low, high) for low, high in pairs if not fits(told[high], told[low], now)),
                None,
            )
            if wrong is None:
                return kept
            low, high = wrong
            if low in moved and high in moved:
                stood = old.get(high)
                later = stood is None or fits(stood, kept[low], now)
            else:
                later = high in moved
            gone = high if later else low
            moved.remove(gone)
            refused.append((kept.pop(gone), Why.CALENDAR))


# ---- marks ---------------------------------------------------------------------------------------


def mark(surface: Surface | None, price: int, instrument: int, now: int) -> int:
    """Return what one unit of a future or an option is worth [ticks]."""
    said = parts(instrument)
    if said.kind == PERP:
        return 0
    seconds = max(0, said.hours * HOUR - now)
    forward = price
    if surface is not None:
        life = surface.hours * HOUR - surface.publish
        ahead = clamp(surface.ratio, LEAST_RATIO, MOST_RATIO) - RATIO_ONE
        gone = trunc_div(ahead * min(seconds, life), life) if life > 0 else 0
        forward = price * (RATIO_ONE + gone) // RATIO_ONE
    if said.kind == FUTURE:
        return forward
    moneyness = deviation = 0
    if surface is not None and now <= surface.publish + SURFACE_DEAD and forward:
        moneyness = log_moneyness(forward, said.strike)
        least = LEAST_VARIANCE * seconds // YEAR
        variance = total_variance(smile_of(surface, seconds), -moneyness)
        deviation = sqrt_wad(max(variance, least))
    found = prices(forward, said.strike, moneyness, deviation)
    return found.call if said.kind == CALL else found.put


def marks(
    surfaces: Iterable[Surface], market: int, price: int, instruments: Sequence[int], now: int
) -> list[int]:
    """Return the marks of entries; 0 for empty ones, perps and other markets."""
    found = {key_of(surface): surface for surface in surfaces}
    return [
        mark(found.get((market, parts(i).hours)), price, i, now)
        if i and parts(i).market == market
        else 0
        for i in instruments
    ]
