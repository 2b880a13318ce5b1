"""What bids would do to accounts under maintenance, asked of the chain in a few round trips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from keepers.chain.closing import Try, fit, taken
from keepers.chain.marks import marks_and_bands
from keepers.chain.option_books import all_healths
from keepers.chain.reading import Reader
from keepers.domain import bidding, closes
from keepers.domain import exchange_fills as fills
from keepers.domain.bidding import Offer
from keepers.domain.exchange_fills import Mark
from keepers.domain.exchange_orders import Rates, SignedOrder
from keepers.domain.margin import Snapshot
from keepers.domain.words import Account

BEST: Final = 4  # bids of one leg that are looked at closely
MOST: Final = 12  # and of one account


@dataclass(frozen=True, slots=True)
class Asked:
    """The bids for one account, and what its clock concedes [WAD]."""

    offers: Sequence[Offer]
    conceded: int


class BidPlanner:
    """Finds the sizes of bids, and what they do; it holds only the marks that it was told last."""

    def __init__(self, reader: Reader) -> None:
        """Ask this deployment."""
        self._reader = reader
        self.marks: dict[int, int] = {}  # of what was bid for [ticks]

    async def offers(
        self,
        accounts: Sequence[Account],
        orders: Sequence[SignedOrder],
        at: Snapshot,
        known: Mapping[int, Account],
    ) -> dict[int, Asked]:
        """Return what may be brought to each of these accounts that somebody bids for.

        Args:
            accounts: under maintenance.
            orders: every bid that is known.
            at: prices of now.
            known: accounts by id, makers' among them.
        """
        wanted = {
            each.id: (each, bidding.best_of_each(found, BEST)[:MOST])
            for each in accounts
            if (found := bidding.matching(orders, each, at.now))
        }
        if not wanted:
            return {}
        pairs = [(account, given) for account, found in wanted.values() for given in found]
        rates, conceded, left = await self._words(list(wanted), [given for _, given in pairs])
        instruments = {given.order.legs[0].instrument for _, given in pairs}
        marks = await marks_and_bands(self._reader, instruments, at.now, "latest")
        self.marks |= {id_: found.mark for id_, found in marks.items()}
        made = await self._made(pairs, left, rates, marks, at, known)
        made = await self._carried(made, at, known)
        return {
            id_: Asked([each for each in made if each.account.id == id_], conceded[id_])
            for id_ in wanted
        }

    async def _words(
        self, ids: Sequence[int], given: Sequence[SignedOrder]
    ) -> tuple[Rates, dict[int, int], list[int]]:
        """Return the rates, what each clock concedes, and what is left of each order."""
        calls: list[tuple[str, str, tuple[Any, ...]]] = [("Exchange", "fees", ())]
        calls += [("Liquidator", "concession", (id_,)) for id_ in ids]
        calls += [("Exchange", "remaining", (each.order.struct,)) for each in given]
        (fees,), *answers = await self._reader.many(calls)
        found = [int(each[0]) for each in answers]
        conceded = dict(zip(ids, found[: len(ids)], strict=True))
        return Rates(*fees), conceded, found[len(ids) :]

    async def _made(
        self,
        pairs: Sequence[tuple[Account, SignedOrder]],
        left: Sequence[int],
        rates: Rates,
        marks: Mapping[int, Mark],
        at: Snapshot,
        known: Mapping[int, Account],
    ) -> list[Offer]:
        chosen: list[tuple[SignedOrder, Try]] = []
        for (account, given), remaining in zip(pairs, left, strict=True):
            order, mark = given.order, marks[given.order.legs[0].instrument]
            rate = rates.rate(order.legs[0], takes=False)
            most = taken(order, account, remaining)
            if most and closes.misjudged(order, mark, rate, at.now) is None:
                chosen.append((given, Try(account, order, most, mark)))
        fits = await fit(self._reader, [each for _, each in chosen], at)
        offers = []
        for (given, each), found in zip(chosen, fits, strict=True):
            leg = closes.leg_of(given.order, found.lots)
            fee = fills.fee(rates, [leg], {leg.instrument: each.mark}, takes=False)
            maker = known.get(given.order.account)
            legs = len(each.account.options) + (len(maker.options) if maker else 0)
            facts = (given, each.account, found.lots, found.before, found.after)
            offers.append(Offer(*facts, each.mark, fee, legs))
        return [each for each in offers if each.lots]

    async def _carried(
        self, offers: Sequence[Offer], at: Snapshot, known: Mapping[int, Account]
    ) -> list[Offer]:
        """Return the offers whose makers could carry what they bid for: the others block nobody."""
        sides: list[Account] = []
        for each in offers:
            order = each.given.order
            maker = known.get(order.account) or Account(order.account, 0, 0, (), (), 0)
            leg = closes.leg_of(order, each.lots)
            sides += [maker, closes.sides(each.account, maker, leg, each.fee, at)[1]]
        told = await all_healths(self._reader, sides, at, "latest")
        kept = []
        for place, each in enumerate(offers):
            leg = closes.leg_of(each.given.order, each.lots)
            size = closes.held(sides[2 * place], leg.instrument)
            opens = not closes.reduces(size, -leg.size)
            bound = each.given.order.reduce_only and opens
            if not bound and not closes.side_refusal(opens, *told[2 * place : 2 * place + 2]):
                kept.append(each)
        return kept
