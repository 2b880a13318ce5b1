"""Adapters and cross-checks, as docs/spec/oracle.md#sources."""

from __future__ import annotations

from typing import NamedTuple

from tests.reference.units import TICK_WAD, TICKS_PER_USD, WAD

MAX_ANSWER = 2**128


class Round(NamedTuple):
    """What an aggregator answers, every word as an unsigned number."""

    id: int
    answer: int
    started: int
    updated: int
    answered_in: int


def chainlink_price(
    latest: Round, decimals: int, low: int, high: int, heartbeat: int, now: int
) -> int | None:
    """Return the price of a round [ticks], None where it is none; bounds in USD WAD."""
    complete = latest.id > 0 and latest.started > 0 and latest.answered_in >= latest.id
    fresh = 0 < latest.updated <= now and now - latest.updated <= heartbeat
    if not complete or not fresh or latest.answer >= MAX_ANSWER:
        return None
    price = latest.answer * TICKS_PER_USD // 10**decimals
    return price if low < price * TICK_WAD < high else None


def agrees(price: int, cross: int | None, band: int) -> bool:
    """Return whether a cross-check [ticks], None where it has none, confirms a price."""
    return cross is not None and abs(price - cross) * WAD <= band * cross
