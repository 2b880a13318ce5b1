"""Instruments by id and by name: ETH-PERP, ETH-27MAR26, ETH-27MAR26-3000-C.

A name without an hour expires at 08:00 UTC, as options elsewhere do; another full hour is written
behind the date, as in ETH-27MAR26H14-3000-C. The ids are those of docs/spec/options.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

from keepers.domain.amounts import ticks, written_ticks
from keepers.domain.units import HOUR
from keepers.errors import BadInput

USUAL_HOUR: Final = 8
MAX_HOURS: Final = 2**24 - 1
MAX_MANTISSA: Final = 2**25 - 1
MAX_STRIKE: Final = 2**63 - 1  # ticks
MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DATE: Final = re.compile(r"(\d{1,2})([A-Z]{3})(\d{2}|\d{4})(?:H(\d{1,2}))?", re.ASCII)
HINT: Final = "write such as ETH-PERP, ETH-27MAR26 or ETH-27MAR26-3000-C"


class Kind(IntEnum):
    """What a position in an instrument is."""

    PERP = 0
    FUTURE = 1
    CALL = 2
    PUT = 3


@dataclass(frozen=True, slots=True)
class Instrument:
    """What an id says."""

    market: int
    kind: Kind = Kind.PERP
    expiry: int = 0  # unix s, on the full hour; 0 for a perp
    strike: int = 0  # ticks; 0 unless it is an option


def kind_of(word: int) -> Kind:
    """Return what a position in an id is."""
    return Kind(word >> 54 & 3)


def is_option(word: int) -> bool:
    """Return whether an id is a call or a put."""
    return kind_of(word) in (Kind.CALL, Kind.PUT)


def series_of(word: int) -> tuple[int, int]:
    """Return the market of an id, and the hour since 1970 on which it expires; 0 of a perp."""
    return word >> 56, word >> 30 & MAX_HOURS


def payoff(word: int, price: int) -> int:
    """Return what one unit of a future or an option pays at a settlement price [ticks]."""
    found = decode(word)
    if found.kind == Kind.CALL:
        return max(0, price - found.strike)
    if found.kind == Kind.PUT:
        return max(0, found.strike - price)
    return price


def encode(instrument: Instrument) -> int:
    """Return the one id of an instrument.

    Raises:
        BadInput: there is none.
    """
    dated, optional = instrument.kind != Kind.PERP, instrument.kind in (Kind.CALL, Kind.PUT)
    hours, odd = divmod(instrument.expiry, HOUR)
    if not 0 < instrument.market < 256:
        raise BadInput(f"{instrument.market} is no market", "a market is a number from 1 to 255")
    if odd or not dated <= hours <= MAX_HOURS * dated:
        raise BadInput(f"{instrument.expiry} is no expiry", "an expiry is on the full hour")
    if optional != (instrument.strike != 0):
        raise BadInput("an option has a strike, and nothing else has", HINT)
    return (
        instrument.market << 56
        | instrument.kind << 54
        | hours << 30
        | (_strike_bits(instrument.strike) if optional else 0)
    )


def decode(word: int) -> Instrument:
    """Return what an id says.

    Raises:
        BadInput: it is not the one id of an instrument.
    """
    strike = ((word >> 5) & MAX_MANTISSA) * 10 ** (word & 31)
    expiry = ((word >> 30) & MAX_HOURS) * HOUR
    found = Instrument(word >> 56, Kind((word >> 54) & 3), expiry, strike)
    if encode(found) != word:
        raise BadInput(f"{word} is no instrument", "an id is in lowest terms")
    return found


def name(word: int, symbols: Mapping[int, str]) -> str:
    """Return the name of an id; `symbols` names markets by their numbers."""
    found = decode(word)
    symbol = symbols.get(found.market, f"MARKET{found.market}")
    if found.kind == Kind.PERP:
        return f"{symbol}-PERP"
    dated = f"{symbol}-{_date(found.expiry)}"
    if found.kind == Kind.FUTURE:
        return dated
    return f"{dated}-{written_ticks(found.strike)}-{found.kind.name[0]}"


def parse(text: str, markets: Mapping[str, int]) -> int:
    """Return the id of a name; `markets` numbers markets by their symbols.

    Raises:
        BadInput: the name is unknown, or written otherwise than `name` would write it.
    """
    symbol, *parts = text.split("-")
    if symbol not in markets or not parts:
        raise BadInput(f"{text} is no instrument", HINT)
    word = encode(_said(markets[symbol], parts, text))
    written = name(word, {markets[symbol]: symbol})
    if written != text:
        raise BadInput(f"{text} has one name only", f"write {written}")
    return word


def _said(market: int, parts: list[str], text: str) -> Instrument:
    match parts:
        case ["PERP"]:
            return Instrument(market)
        case [date]:
            return Instrument(market, Kind.FUTURE, _expiry(date, text))
        case [date, strike, "C" | "P" as side]:
            kind = Kind.CALL if side == "C" else Kind.PUT
            return Instrument(market, kind, _expiry(date, text), ticks(strike))
    raise BadInput(f"{text} is no instrument", HINT)


def _strike_bits(strike: int) -> int:
    mantissa, exponent = max(strike, 1), 0
    while mantissa % 10 == 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    if not 0 < strike <= MAX_STRIKE or mantissa > MAX_MANTISSA:
        raise BadInput(
            f"{written_ticks(strike)} USD is no strike", "write at most seven digits and zeros"
        )
    return mantissa << 5 | exponent


def _date(expiry: int) -> str:
    when = EPOCH + timedelta(seconds=expiry)
    year = f"{when.year % 100:02}" if when.year // 100 == 20 else str(when.year)
    hour = "" if when.hour == USUAL_HOUR else f"H{when.hour}"
    return f"{when.day}{MONTHS[when.month - 1]}{year}{hour}"


def _expiry(date: str, text: str) -> int:
    found = DATE.fullmatch(date)
    if found is None or found[2] not in MONTHS:
        raise BadInput(f"{text} has no date", HINT)
    year = int(found[3]) if len(found[3]) == 4 else 2000 + int(found[3])
    try:
        hour = int(found[4]) if found[4] else USUAL_HOUR
        when = datetime(year, MONTHS.index(found[2]) + 1, int(found[1]), hour, tzinfo=UTC)
    except ValueError:
        raise BadInput(f"{text} has no date", HINT) from None
    return int((when - EPOCH).total_seconds())
