"""PortfolioMargin in this process: arguments from the reference's facts, answers as its Margin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import boa

from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.words import put
from tests.unit.markets_support import deploy

ARRAY_TYPE = "(int256[],int256[],uint256[],uint256,uint256,uint256[4])"


def array_arguments(array: pm.RiskArray, rhos: Sequence[int]) -> tuple[Any, ...]:
    """Return a risk array as the constructor takes it."""
    nodes, weights = zip(*array.extremes, strict=True) if array.extremes else ((), ())
    return (list(array.nodes), list(nodes), list(weights), array.up, array.down, list(rhos))


def deployed(array: pm.RiskArray, rhos: Sequence[int]) -> Any:
    """Return an engine with an array."""
    return deploy("PortfolioMargin", [ARRAY_TYPE], [array_arguments(array, rhos)])


def leg_words(legs: Sequence[Leg]) -> list[int]:
    """Return legs two a word, the even one in the low half."""
    entries = [put(leg.instrument, 64, 64) | put(leg.size, 64, 0) for leg in legs]
    pairs = zip(entries[::2], [*entries[1::2], 0], strict=False)
    return [low | high << 128 for low, high in pairs]


def arguments(
    markets: Sequence[pm.Underlying], surfaces: Sequence[pm.Surface], legs: Sequence[Leg]
) -> tuple[list[tuple[int, ...]], list[int], list[int]]:
    """Return markets, surfaces and legs as `check` takes them."""
    facts = [(m.market, m.price_word, m.risk.word, m.funding, m.spot, m.oi_rate) for m in markets]
    return facts, [surface.word for surface in surfaces], leg_words(legs)


def asked(
    engine: Any,
    markets: Sequence[pm.Underlying],
    surfaces: Sequence[pm.Surface],
    legs: Sequence[Leg],
    facts: tuple[int, int, int],
) -> pm.Margin:
    """Return what the engine says; `facts` are equity, kappa and the time."""
    equity, kappa, now = facts
    boa.env.evm.patch.timestamp = now
    return pm.Margin(*engine.check(equity, kappa, *arguments(markets, surfaces, legs)))
