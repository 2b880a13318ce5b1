"""What people write, exactly: decimal strings to atoms, lots, ticks and shares, and back."""

from __future__ import annotations

import re
from typing import Final

from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.errors import BadInput

DECIMAL: Final = re.compile(r"(\d[\d_]*)?(?:\.(\d+))?", re.ASCII)
LONGEST: Final = 60  # characters: more is a slip of the hand
LOT_DECIMALS: Final = len(str(LOTS_PER_UNIT)) - 1
TICK_DECIMALS: Final = len(str(TICKS_PER_USD)) - 1
WAD_DECIMALS: Final = len(str(WAD)) - 1
PERCENT_DECIMALS: Final = 4
SHARE_ONE: Final = 100 * 10**PERCENT_DECIMALS  # shares count in millionths


def units(text: str, decimals: int, what: str) -> int:
    """Return a decimal string in its smallest unit; nothing is rounded.

    Args:
        text: such as 12.5.
        decimals: how many the smallest unit has.
        what: what is counted, for the sentence of a refusal.
    """
    found = DECIMAL.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if found is None or not any(found.groups()):
        raise BadInput(f"{text} is no amount of {what}", "write a number such as 12.5")
    whole, part = found[1] or "0", (found[2] or "").rstrip("0")
    if len(part) > decimals:
        raise BadInput(
            f"{text} {what} is finer than can be kept", f"write at most {decimals} decimals"
        )
    return int(whole.replace("_", "")) * int(10**decimals) + int(part.ljust(decimals, "0") or "0")


def atoms(text: str, decimals: int, symbol: str) -> int:
    """Return an amount of a token in its atoms, more than none."""
    found = units(text, decimals, symbol)
    if not found:
        raise BadInput(f"{text} {symbol} is nothing", "write an amount above 0")
    return found


def lots(text: str, instrument: str) -> int:
    """Return a size in lots, more than none; odd lots are refused."""
    found = DECIMAL.fullmatch(text.strip())
    if found and len((found[2] or "").rstrip("0")) > LOT_DECIMALS:
        raise BadInput(
            f"{text} {instrument} is no whole number of lots",
            f"write at most {LOT_DECIMALS} decimals: a lot is {written(1, LOT_DECIMALS)}",
        )
    return atoms(text, LOT_DECIMALS, instrument)


def ticks(text: str) -> int:
    """Return a price in USD in ticks."""
    return atoms(text, TICK_DECIMALS, "USD")


def share(percent: str) -> int:
    """Return a percentage in millionths."""
    return units(percent, PERCENT_DECIMALS, "percent")


def written(value: int, decimals: int) -> str:
    """Return a number of smallest units as an exact decimal string without needless zeros."""
    sign, digits = "-" if value < 0 else "", str(abs(value)).rjust(decimals + 1, "0")
    whole, part = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    return f"{sign}{whole}.{part}" if part else sign + whole


def written_wad(value: int) -> str:
    """Return WAD as an exact decimal string."""
    return written(value, WAD_DECIMALS)


def written_lots(value: int) -> str:
    """Return lots as an exact decimal string."""
    return written(value, LOT_DECIMALS)


def written_ticks(value: int) -> str:
    """Return ticks as an exact decimal string of USD."""
    return written(value, TICK_DECIMALS)
