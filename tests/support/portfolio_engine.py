"""The arguments of PortfolioMargin from the facts of its reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.words import put

ARRAY_TYPE = "(int256[],int256[],uint256[],uint256,uint256,uint256[4])"


def array_arguments(array: pm.RiskArray, rhos: Sequence[int]) -> tuple[Any, ...]:
    """Return a risk array as the constructor takes it."""
    nodes, weights = zip(*array.extremes, strict=True) if array.extremes else ((), ())
    return (list(array.nodes), list(nodes), list(weights), array.up, array.down, list(rhos))


def leg_words(legs: Sequence[Leg]) -> list[int]:
    """Return legs two a word, the even one in the low half."""
    entries = [put(leg.instrument, 64, 64) | put(leg.size, 64, 0) for leg in legs]
    pairs = zip(entries[::2], [*entries[1::2], 0], strict=False)
    return [low | high << 128 for low, high in pairs]


def arguments(
    markets: Sequence[pm.Underlying], surfaces: Sequence[pm.Surface], legs: Sequence[Leg]
) -> tuple[list[tuple[int, int, int, int, int, int]], list[int], list[int]]:
    """Return markets, surfaces and legs as `check` takes them."""
    facts = [(m.market, m.price_word, m.risk.word, m.funding, m.spot, m.oi_rate) for m in markets]
    return facts, [surface.word for surface in surfaces], leg_words(legs)
