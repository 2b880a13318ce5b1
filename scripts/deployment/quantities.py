"""Read the quantities of the parameter files: percent, basis points, durations, dollars.

Percent and basis points live in YAML only; everything behind this module is integers in WAD,
seconds or whole units, and every conversion is exact or refused.
"""

from __future__ import annotations

import re
from decimal import Decimal, localcontext

from scripts.deployment.errors import ParameterError

WAD = 10**18
TICKS_PER_USD = 10**10
HOUR = 3_600

_RATIOS = {"%": Decimal(1) / 100, "bp": Decimal(1) / 10_000, "x": Decimal(1)}
_SECONDS = {"s": 1, "min": 60, "h": HOUR, "d": 86_400}
_PATTERN = re.compile(r"^(-?[0-9][0-9_]*(?:\.[0-9]+)?)\s*([^\s0-9].*)?$")

Scalar = str | int | float | None


def ratio(value: Scalar, where: str) -> int:
    """Return `5 %`, `4 bp` or `3 x` in WAD, exactly."""
    number, unit = _split(value, where)
    if unit not in _RATIOS:
        raise ParameterError(f"{where}: {value!r} needs a unit: %, bp or x")
    return _whole(number * _RATIOS[unit] * WAD, where, value)


def rate(value: Scalar, per: str, where: str) -> int:
    """Return `0.05 %/s` in WAD per `per`, exactly."""
    number, unit = _split(value, where)
    base, slash, period = unit.partition("/")
    if not slash or base not in _RATIOS or period != per:
        raise ParameterError(f"{where}: {value!r} needs the unit %/{per}")
    return _whole(number * _RATIOS[base] * WAD, where, value)


def per_second_down(wad_per_hours: int, hours: int) -> int:
    """Return a rate per hour (or per hour per hour) in WAD per second, rounded down.

    Rounding down makes funding slower by less than one unit of 1e-18 per second.
    """
    return wad_per_hours // int(HOUR**hours)


def seconds(value: Scalar, where: str) -> int:
    """Return `30 min` in seconds."""
    number, unit = _split(value, where)
    if unit not in _SECONDS:
        raise ParameterError(f"{where}: {value!r} needs a unit: s, min, h or d")
    return _whole(number * _SECONDS[unit], where, value)


def usd(value: Scalar, where: str) -> int:
    """Return `0.25 USD` in WAD, exactly."""
    number, unit = _split(value, where)
    if unit != "USD":
        raise ParameterError(f"{where}: {value!r} needs the unit USD")
    return _whole(number * WAD, where, value)


def ticks(value: Scalar, where: str) -> int:
    """Return a price such as `3_000 USD` in ticks of 1e-10 USD, exactly."""
    number, unit = _split(value, where)
    if unit != "USD" or number <= 0:
        raise ParameterError(f"{where}: {value!r} is not a price above zero in USD")
    return _whole(number * TICKS_PER_USD, where, value)


def coin(value: Scalar, where: str) -> int:
    """Return an amount of the native coin in wei, exactly."""
    number, unit = _split(value, where)
    if unit:
        raise ParameterError(f"{where}: {value!r} takes no unit")
    return _whole(number * WAD, where, value)


def whole(value: Scalar, where: str) -> int:
    """Return a plain whole number."""
    number, unit = _split(value, where)
    if unit:
        raise ParameterError(f"{where}: {value!r} takes no unit")
    return _whole(number, where, value)


def _split(value: Scalar, where: str) -> tuple[Decimal, str]:
    if value is None or isinstance(value, bool):
        raise ParameterError(f"{where}: is missing")
    found = _PATTERN.match(str(value).strip())
    if found is None:
        raise ParameterError(f"{where}: {value!r} is not a number with a unit")
    return Decimal(found[1].replace("_", "")), (found[2] or "").strip()


def _whole(number: Decimal, where: str, value: Scalar) -> int:
    with localcontext() as context:
        context.prec = 80
        if number != number.to_integral_value():
            raise ParameterError(f"{where}: {value!r} has more digits than can be stored")
        return int(number)
