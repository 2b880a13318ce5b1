"""An aggregator that answers as told, and the ways in which it can answer badly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, NamedTuple

import boa

from tests.unit.markets_support import WAD, deploy

NOBODY = "0x" + "00" * 20
HOUR = 3_600
TERMS = "(address,uint256,uint256,uint256,uint256,address,uint256)"


class Mode(IntEnum):
    """How a view of the mock misbehaves: contracts/mocks/Aggregator.vy."""

    HONEST = 0
    REVERTS = 1
    SILENT = 2
    SHORT = 3
    LONG = 4
    GARBAGE = 5
    BOMB = 6
    HUNGRY = 7


BAD = [mode for mode in Mode if mode]


class Quote(NamedTuple):
    """`IFeed.Quote`."""

    price: int
    conf: int
    publish: int
    valid: bool


NOTHING = Quote(0, 0, 0, False)


@dataclass(frozen=True, slots=True)
class Terms:
    """`IChainlinkFeed.Terms`: ETH with a deviation threshold of 0.5 %."""

    aggregator: str
    heartbeat: int = HOUR
    low: int = 10 * WAD
    high: int = 1_000_000 * WAD
    conf: int = 500
    uptime: str = NOBODY
    grace: int = 0

    def but(self, **changed: Any) -> Terms:
        """Return other terms."""
        return replace(self, **changed)

    @property
    def values(self) -> tuple[Any, ...]:
        """The struct's members in its order."""
        return (
            self.aggregator,
            self.heartbeat,
            self.low,
            self.high,
            self.conf,
            self.uptime,
            self.grace,
        )


def aggregator(decimals: int = 8) -> Any:
    """Deploy an aggregator without a round."""
    return deploy("mocks/Aggregator", ["uint256"], [decimals])


def chainlink(terms: Terms) -> Any:
    """Deploy a feed over an aggregator."""
    return deploy("feeds/ChainlinkFeed", [TERMS], [terms.values])


def fixed(price: int, low: int, high: int, owner: str) -> Any:
    """Deploy a feed that its owner sets [USD WAD]."""
    return deploy("feeds/FixedFeed", ["uint256"] * 3, [price, low, high], sender=owner)


def now() -> int:
    """Return the chain's time."""
    return int(boa.env.evm.patch.timestamp)


def answer(mock: Any, value: int, age: int = 0, round_id: int = 7, **other: int) -> None:
    """Give an aggregator a finished round."""
    time = now() - age
    fields = {"started": time, "updated": time, "answered": round_id} | other
    words = (round_id, value % 2**256, fields["started"], fields["updated"], fields["answered"])
    mock.set_round(words)


def quoted(feed: Any, **kwargs: Any) -> Quote:
    """Ask a feed."""
    return Quote(*feed.quote(**kwargs))
