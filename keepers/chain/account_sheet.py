"""Everything that is shown about one account: health, legs with marks and Greeks, why it is so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from keepers.chain import option_books
from keepers.chain.guardian_plans import sentence
from keepers.chain.marks import marks_and_bands
from keepers.chain.option_reading import OptionAccount, option_account
from keepers.chain.reading import Reader
from keepers.chain.rpc import Block, Head
from keepers.domain import greeks
from keepers.domain.exchange_fills import Mark
from keepers.domain.greeks import Greeks
from keepers.domain.margin import Health, Snapshot
from keepers.domain.words import Account

LENSES: Final = ("OptionLens", "MarginLens")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One account at one block."""

    head: Head
    at: Snapshot
    account: Account
    health: Health
    marks: Mapping[int, Mark]  # of every leg
    greeks: Mapping[int, Greeks]  # of every leg
    collateral: Mapping[int, Greeks]  # by the market that prices it
    paused: tuple[str, ...] = ()
    why: OptionAccount | None = None  # what the lenses say, where they stand

    @property
    def empty(self) -> bool:
        """Return whether there is no such account."""
        found = self.account
        return not (found.flags or found.cash or found.legs or found.holdings)


async def sheet(reader: Reader, id_: int, block: Block = "latest") -> Sheet:
    """Return what is shown about an account at a block."""
    head = await reader.rpc.head(block)
    at = head.number
    (account,) = await reader.accounts([id_], at)
    prices = await reader.snapshot(head, await reader.markets(at))
    (known,) = await option_books.all_healths(reader, [account], prices, at)
    marks, found = await measured(reader, account, prices, at)
    held = [each for each in await reader.pauses(at) if each.runs(head.time)]
    return Sheet(
        head,
        prices,
        account,
        known,
        marks,
        found,
        greeks.of_collateral(account, prices.collaterals),
        tuple(sentence(reader.deployment, each) for each in held),
        await _why(reader, account, at),
    )


async def measured(
    reader: Reader, account: Account, at: Snapshot, block: Block
) -> tuple[dict[int, Mark], dict[int, Greeks]]:
    """Return marks and Greeks of an account's legs, as it is or would be."""
    legs = (*account.legs, *account.options)
    ids = [leg.instrument for leg in legs]
    if not account.options:
        prices = {leg.market: at.feeds[leg.market].price for leg in legs}
        plain = {leg.instrument: prices[leg.market] for leg in legs}
        marks = {each: Mark(price, price, 0) for each, price in plain.items()}
        return marks, greeks.of_legs(legs, prices, {}, at.now)
    marks = await marks_and_bands(reader, ids, at.now, block)
    surfaces = await option_books.surfaces(reader, ids, block)
    prices = {each >> 56: mark.price for each, mark in marks.items()}
    return marks, greeks.of_legs(legs, prices, surfaces, at.now)


async def _why(reader: Reader, account: Account, block: Block) -> OptionAccount | None:
    """Return the parts of the margin and the rows of the scan, where the lenses stand."""
    known = reader.deployment.contracts
    if not (account.legs or account.engaged) or any(each not in known for each in LENSES):
        return None
    return await option_account(reader, account.id, block)
