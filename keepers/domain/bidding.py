"""Which bid a keeper brings: the one that costs the account least, and less than a take would.

Who brings a bid is paid nothing for it (docs/spec/exchange.md#close): it costs gas, and earns only
where the bid is the keeper's own, what its price gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from keepers.domain import closes, instruments
from keepers.domain.economics import GAS_CLOSE, GAS_CLOSE_LEG, GasMarket
from keepers.domain.exchange_fills import Mark
from keepers.domain.exchange_orders import SignedOrder
from keepers.domain.liquidation import Action, Close, Flag, Take, TakePlan
from keepers.domain.margin import Health
from keepers.domain.units import WAD
from keepers.domain.words import Account


@dataclass(frozen=True, slots=True)
class Limits:
    """What a keeper lets a close cost itself [USD WAD]."""

    owner: int  # address of the key: bids of its accounts are its own
    min_profit: int  # of a bid of its own, after gas
    max_gas: int  # for anybody else's


@dataclass(frozen=True, slots=True)
class Offer:
    """A bid brought to an account: how much of it, and what that does."""

    given: SignedOrder
    account: Account
    lots: int
    before: Health
    after: Health
    mark: Mark
    fee: int  # of the maker [WAD]
    legs: int  # that the engine keeps of the two accounts

    @property
    def close(self) -> Close:
        """Return it as an action that earns nothing yet."""
        cost, released = self.before.equity - self.after.equity, self.before.mm - self.after.mm
        return Close(self.account.id, self.given, self.lots, cost, released, 0, self.legs)


def refused(offer: Offer, conceded: int) -> str | None:
    """Return why the contracts would not let a bid pass, the maker's margin apart."""
    leg = closes.leg_of(offer.given.order, offer.lots)
    left = closes.held(offer.account, leg.instrument) + leg.size
    spare = closes.spare_lots(left, offer.mark.price)
    return closes.undue(offer.account, offer.before, leg) or closes.refusal(
        offer.before, offer.after, offer.lots, spare, conceded
    )


def matching(orders: Iterable[SignedOrder], account: Account, now: int) -> list[SignedOrder]:
    """Return the orders that may close something of an account, the best price first by leg."""
    found = [
        each
        for each in orders
        if closes.unfit(each.order, now) is None
        and not _is_over(each, now)
        and closes.unwelcome(each.order, account.id, 1) is None
        and closes.reduces(
            closes.held(account, each.order.legs[0].instrument),
            closes.leg_of(each.order, 1).size,
        )
    ]
    return sorted(found, key=lambda each: closes.leg_of(each.order, 1).size * _price(each))


def best_of_each(orders: Sequence[SignedOrder], most: int) -> list[SignedOrder]:
    """Return the first few orders of each instrument, as they come."""
    seen: dict[int, int] = {}
    kept = []
    for each in orders:
        instrument = each.order.legs[0].instrument
        seen[instrument] = seen.get(instrument, 0) + 1
        if seen[instrument] <= most:
            kept.append(each)
    return kept


def _is_over(given: SignedOrder, now: int) -> bool:
    """Return whether what an order names has expired: it settles, and has no mark."""
    expiry = instruments.decode(given.order.legs[0].instrument).expiry
    return 0 < expiry <= now


def _price(given: SignedOrder) -> int:
    return given.order.legs[0].price


def take_share(plan: TakePlan | None, found: Health) -> int:
    """Return what a take would cost the account of the MM released, down [WAD].

    It parts with a share of E and of MM alike, and gets E - r for it where that is above nothing.
    """
    if plan is None or not found.mm:
        return 0
    return min(plan.reward, max(0, found.equity)) * WAD // found.mm


def clock_share(plan: TakePlan | None, found: Health) -> int:
    """Return what the clock would concede if somebody flagged the account now, down [WAD]."""
    return plan.reward * WAD // found.mm if plan is not None and found.mm else 0


def choose(
    decided: Action | None,
    offers: Sequence[Offer],
    conceded: int,
    plan: TakePlan | None,
    limits: Limits,
    gas: GasMarket,
) -> Action | None:
    """Return a close in place of what was decided, or a flag after which it passes, where better.

    Args:
        decided: take, flag or nothing.
        offers: bids for the same account.
        conceded: by its stored clock [WAD].
        plan: of a take, which says what the clock is worth now.
        limits: of the keeper.
        gas: what it costs.
    """
    passing = [
        replace(each.close, profit=_profit(each, limits, gas))
        for each in offers
        if refused(each, closes.MOST_CONCEDED) is None and _is_worth(each, limits, gas)
    ]
    if isinstance(decided, Take):
        share = take_share(plan, offers[0].before) if offers else 0
        passing = [each for each in passing if each.asked < share]
    # cheapest for the account; of equal ones what releases most
    passing.sort(key=lambda each: (each.asked, -each.released))
    now = [each for each in passing if each.asked <= conceded]
    if now:
        return now[0]
    if passing and passing[0].asked <= clock_share(plan, offers[0].before):
        return Flag(passing[0].account, decided.profit if isinstance(decided, Flag) else 0)
    return decided


def _profit(offer: Offer, limits: Limits, gas: GasMarket) -> int:
    burned = gas.usd(GAS_CLOSE + offer.legs * GAS_CLOSE_LEG)
    if offer.given.order.account >> 96 != limits.owner:
        return -burned
    leg = closes.leg_of(offer.given.order, offer.lots)
    return closes.edge(leg, offer.mark.mark) - offer.fee - burned


def _is_worth(offer: Offer, limits: Limits, gas: GasMarket) -> bool:
    profit = _profit(offer, limits, gas)
    if offer.given.order.account >> 96 == limits.owner:
        return profit >= limits.min_profit
    return -profit <= limits.max_gas
