"""Ids of futures and options: equal to contracts/libs/instruments.vy."""

from __future__ import annotations

from dataclasses import dataclass

from tests.reference.units import HOUR, MAX_PRICE
from tests.reference.words import field, put

PERP, FUTURE, CALL, PUT = range(4)
MAX_EXPONENT = 18
MAX_MANTISSA = 2**25 - 1


@dataclass(frozen=True, slots=True)
class Instrument:
    """What an id says; the strike is 0 unless it is an option, the expiry unless it is a perp."""

    market: int
    kind: int
    hours: int  # since 1970
    mantissa: int
    exponent: int

    @property
    def expiry(self) -> int:
        """When it expires [unix s]."""
        return self.hours * HOUR

    @property
    def strike(self) -> int:
        """The strike [ticks]."""
        return int(self.mantissa * 10**self.exponent)

    @property
    def id(self) -> int:
        """The word; every field must fit."""
        if min(self.market, self.kind, self.hours, self.mantissa, self.exponent) < 0:
            raise ValueError("no field is negative")
        return (
            put(self.market, 8, 56)
            | put(self.kind, 2, 54)
            | put(self.hours, 24, 30)
            | put(self.mantissa, 25, 5)
            | put(self.exponent, 5, 0)
        )


def parts(word: int) -> Instrument:
    """Return what an id says, canonical or not."""
    return Instrument(
        word >> 56, field(word, 2, 54), field(word, 24, 30), field(word, 25, 5), field(word, 5, 0)
    )


def lowest_terms(ticks: int) -> tuple[int, int]:
    """Return the mantissa and exponent of a strike.

    Raises:
        ValueError: it is out of range, or has too many digits.
    """
    if not 0 < ticks <= MAX_PRICE:
        raise ValueError("the strike is no price")
    mantissa, exponent = ticks, 0
    while mantissa % 10 == 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    if mantissa > MAX_MANTISSA:
        raise ValueError("the strike has too many digits")
    return mantissa, exponent


def is_canonical(word: int) -> bool:
    """Return whether an id is the only one of what it says."""
    said = parts(word)
    if not 0 < said.market < 256:
        return False
    if said.kind == PERP:
        return said == Instrument(said.market, PERP, 0, 0, 0)
    if said.hours == 0:
        return False
    if said.kind == FUTURE:
        return (said.mantissa, said.exponent) == (0, 0)
    try:
        return lowest_terms(said.strike) == (said.mantissa, said.exponent)
    except ValueError:
        return False


def may_open(word: int, now: int, price: int, furthest: int, widest: int) -> bool:
    """Return whether a market's bounds on expiry and strike let a canonical instrument open."""
    said = parts(word)
    if said.kind == PERP:
        return True
    if not now < said.expiry <= now + furthest:
        return False
    return said.kind == FUTURE or (said.strike <= price * widest and price <= said.strike * widest)
