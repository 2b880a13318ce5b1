"""How much of an account's leg a maker's order may close, asked of the contracts in a few rounds.

The keepers have no mirror of the margin of options, so sizes are tried at views, several at once
(docs/spec/engine.md#check); of an account without options the keepers' own integers answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from keepers.chain.option_books import all_healths
from keepers.chain.reading import Reader
from keepers.chain.rpc import Block
from keepers.domain import closes
from keepers.domain.exchange_fills import Mark
from keepers.domain.exchange_orders import Order
from keepers.domain.margin import Health, Snapshot
from keepers.domain.words import Account

ROUNDS: Final = 5  # of questions; each narrows to a seventh
# of what is needed, left for what a price does to it before the close: past LE it would be refused
ROOM_PERCENT: Final = 1


@dataclass(frozen=True, slots=True)
class Try:
    """An order that may close a leg of an account, and how much of it there is."""

    account: Account
    order: Order
    most: int  # lots
    mark: Mark

    @property
    def left_of(self) -> int:
        """Return the account's leg in lots."""
        return closes.held(self.account, self.order.legs[0].instrument)

    def after(self, lots: int, at: Snapshot) -> Account:
        """Return the account after a close of so many lots."""
        return (
            closes.closed(self.account, closes.leg_of(self.order, lots), at)
            if lots
            else (self.account)
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """The size of a close, and the account's health before and after it."""

    lots: int
    before: Health
    after: Health

    @property
    def cost(self) -> int:
        """Return what the account loses [USD WAD]."""
        return self.before.equity - self.after.equity

    @property
    def released(self) -> int:
        """Return what goes of its MM [USD WAD]."""
        return self.before.mm - self.after.mm


async def fit(
    reader: Reader, tries: Sequence[Try], at: Snapshot, block: Block = "latest"
) -> list[Fit]:
    """Return, per order, as much of a close as is needed, and no more than lifts E to LE.

    Args:
        reader: of the deployment.
        tries: each by itself.
        at: prices of the block.
        block: whose state counts.
    """
    ends = [(0, each.most) for each in tries]
    wanted = [(place, lots) for place, each in enumerate(tries) for lots in (0, each.most)]
    told = await _told(reader, tries, wanted, at, block)
    before = [told[place, 0] for place in range(len(tries))]
    short = [
        place for place, each in enumerate(tries) if closes.surplus(told[place, each.most]) > 0
    ]
    for _ in range(ROUNDS):
        asked = [(place, lots) for place in short for lots in closes.between(*ends[place])]
        answers = await _told(reader, tries, asked, at, block) if asked else {}
        for place in short:
            said = {
                lots: closes.surplus(found) for (of, lots), found in answers.items() if of == place
            }
            ends[place] = closes.narrowed(*ends[place], said)
    chosen = [
        _chosen(each, ends[place][0] if place in short else each.most, place in short)
        for place, each in enumerate(tries)
    ]
    last = await _told(reader, tries, list(enumerate(chosen)), at, block)
    return [Fit(lots, before[place], last[place, lots]) for place, lots in enumerate(chosen)]


def _chosen(given: Try, lots: int, is_bound: bool) -> int:
    """Return a size that leaves no dust, with room below it where more would be too much."""
    kept = lots * (100 - ROOM_PERCENT) // 100 if is_bound else lots
    return closes.trimmed(kept, given.left_of, given.mark.price)


async def _told(
    reader: Reader,
    tries: Sequence[Try],
    wanted: Sequence[tuple[int, int]],
    at: Snapshot,
    block: Block,
) -> Mapping[tuple[int, int], Health]:
    """Return the health after so many lots of a try, by its place and the lots."""
    accounts = [tries[place].after(lots, at) for place, lots in wanted]
    found = await all_healths(reader, accounts, at, block)
    return dict(zip(wanted, found, strict=True))


def taken(order: Order, account: Account, remaining: int) -> int:
    """Return the lots of an order that there are to close: held, left, and paid for in cash.

    Args:
        order: of one leg, of the maker.
        account: its other side.
        remaining: lots that are left of the order.
    """
    size = closes.held(account, order.legs[0].instrument)
    leg = closes.leg_of(order, 1)
    if not closes.reduces(size, leg.size):
        return 0
    return closes.affordable(account, leg, min(abs(size), remaining))
