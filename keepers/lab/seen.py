"""One block as the yardstick of a replay needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from keepers.chain.abi import interface
from keepers.chain.rpc import Head, Log, number
from keepers.domain.words import accepted

PARTIES: Final = ("account", "venue", "counterparty", "sender", "receiver", "settler", "buyer")


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


def markets_of(name: str, fields: Mapping[str, Any]) -> set[int]:
    """Return the markets that an event of Markets changes."""
    if name == "PricesAccepted":
        return {market for market, _ in accepted(fields)}
    return {int(fields["market"])} if "market" in fields and name != "MarketListed" else set()


def accounts_of(name: str, fields: Mapping[str, Any]) -> set[int]:
    """Return the accounts that an event of the Clearinghouse changes."""
    parties = (*PARTIES, "keeper") if name == "Posting" else PARTIES
    return {int(fields[each]) for each in parties if each in fields}


def priced(oracle: str, blocks: Iterable[Seen]) -> bool:
    """Return whether these blocks hold a price update: stored, pending or refused.

    Args:
        oracle: address of Markets.
        blocks: as they were read.
    """
    address, topics = oracle.lower(), interface("Markets").topics
    names = ("PricesAccepted", "PricePending", "PriceRefused")
    return any(
        log.address == address and log.topics[0] in topics and topics[log.topics[0]].name in names
        for block in blocks
        for log in block.logs
    )
