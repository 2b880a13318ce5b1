"""One block as the yardstick of a replay needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keepers.chain.rpc import Head, Log, number


@dataclass(frozen=True, slots=True)
class Cost:
    """What one transaction burned."""

    tx: str
    sender: str  # lower case
    gas: int
    wei: int
    good: bool  # whether it succeeded


@dataclass(frozen=True, slots=True)
class Seen:
    """One block as the yardstick needs it."""

    head: Head
    logs: tuple[Log, ...]
    senders: Mapping[str, str]  # tx -> sender, lower case
    costs: tuple[Cost, ...]


def cost_of(receipt: Mapping[str, Any]) -> Cost:
    """Read what a transaction burned out of its receipt."""
    gas = number(receipt["gasUsed"])
    return Cost(
        tx=str(receipt["transactionHash"]),
        sender=str(receipt["from"]).lower(),
        gas=gas,
        wei=gas * number(receipt.get("effectiveGasPrice")),
        good=number(receipt.get("status")) == 1,
    )
