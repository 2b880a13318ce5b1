"""What a fill of the Exchange does: its prices under a net price, its fees, both accounts after it.

docs/spec/exchange.md#fill and docs/spec/engine.md#trade, in the contracts' integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keepers.domain import effects, instruments
from keepers.domain.amounts import written_wad
from keepers.domain.exchange_orders import Leg, Order, Rates, net_cost
from keepers.domain.instruments import Kind
from keepers.domain.margin import Snapshot
from keepers.domain.units import trunc_div
from keepers.domain.words import Account
from keepers.errors import BadInput


@dataclass(frozen=True, slots=True)
class Mark:
    """What an instrument is worth, and how far from it the Exchange trades [ticks]."""

    price: int  # of the market
    mark: int
    band: int

    @property
    def low(self) -> int:
        """Return the lowest price that is traded."""
        return max(0, self.mark - self.band)

    @property
    def high(self) -> int:
        """Return the highest price that is traded."""
        return self.mark + self.band


def priced(order: Order, size: int, marks: Mapping[int, Mark]) -> tuple[Leg, ...]:
    """Return the legs of a fill as the order's signer gets them.

    Args:
        order: that is filled, of the maker.
        size: lots of the first leg; all of a package.
        marks: of every leg of a package with a net price.
    """
    if len(order.legs) == 1:
        (leg,) = order.legs
        return (replace(leg, size=size if leg.size > 0 else -size),)
    if not order.by_net:
        return order.legs
    prices = _net_prices(order, marks)
    return tuple(replace(leg, price=price) for leg, price in zip(order.legs, prices, strict=True))


def _net_prices(order: Order, marks: Mapping[int, Mark]) -> list[int]:
    """Return prices inside the bands that make the maker's net price, to a tick of the least leg.

    All prices move from their marks by the same share of their bands; what that leaves is given to
    one leg after the other, the smallest last.

    Raises:
        BadInput: no prices inside the bands do.
    """
    legs, said = order.legs, [marks[leg.instrument] for leg in order.legs]
    prices = [each.mark for each in said]
    gap = order.net - _cost(legs, prices)
    # the price of a leg goes up where that brings the sum nearer
    ups = [(gap > 0) == (leg.size > 0) for leg in legs]
    room = [
        (each.high - each.mark if up else each.mark - each.low) * abs(leg.size)
        for leg, each, up in zip(legs, said, ups, strict=True)
    ]
    whole = sum(room)
    for place, leg in enumerate(legs if whole else ()):
        share = min(abs(gap), whole) * room[place] // whole // abs(leg.size)
        prices[place] += share if ups[place] else -share
    *rest, least = sorted(range(len(legs)), key=lambda each: -abs(legs[each].size))
    for place in (*rest, least):
        left, size = order.net - _cost(legs, prices), legs[place].size
        # down for the last one: what is left is not below zero
        steps = left // abs(size) if place == least else trunc_div(left, abs(size))
        wanted = prices[place] + (steps if size > 0 else -steps)
        prices[place] = min(max(wanted, said[place].low), said[place].high)
    left = order.net - _cost(legs, prices)
    if not 0 <= left < min(abs(leg.size) for leg in legs):
        raise BadInput(
            f"no prices inside the bands make the net price {written_wad(order.net)}",
            "ask for a net price nearer to the marks",
        )
    return prices


def _cost(legs: Sequence[Leg], prices: Sequence[int]) -> int:
    return sum(leg.size * price for leg, price in zip(legs, prices, strict=True))


def fee(rates: Rates, legs: Sequence[Leg], marks: Mapping[int, Mark], takes: bool) -> int:
    """Return what one side pays for a fill, up [WAD]."""
    return sum(rates.fee(leg, marks[leg.instrument].price, takes) for leg in legs)


def cap(rates: Rates, legs: Sequence[Leg], takes: bool) -> int:
    """Return the largest rate that these legs pay now [1e-6]."""
    return max(rates.rate(leg, takes) for leg in legs)


def mirror(maker: Order, legs: Sequence[Leg], taker: Order) -> Order:
    """Return what a taker asks for so that he gets exactly a maker's legs the other way round."""
    return replace(taker, net=-net_cost(legs)) if maker.by_net else taker


def turned(legs: Sequence[Leg]) -> tuple[Leg, ...]:
    """Return legs as the other side gets them."""
    return tuple(replace(leg, size=-leg.size) for leg in legs)


def dealt(account: Account, legs: Sequence[Leg], charge: int, at: Snapshot) -> Account:
    """Return an account after a fill: premiums from its cash, the rest through its quote.

    Args:
        account: of the side that gets `legs`.
        legs: of the fill, above 0 bought, with their prices.
        charge: fee of this side [WAD].
        at: prices, for the funding of perps.
    """
    after = effects.paid(account, quote=-charge)
    for leg in legs:
        said = instruments.decode(leg.instrument)
        if said.kind == Kind.PERP:
            value = leg.size * (leg.price - at.feeds[said.market].funding)
            after = effects.with_leg(effects.paid(after, quote=-value), leg.instrument, leg.size)
            continue
        value = leg.size * leg.price
        is_future = said.kind == Kind.FUTURE
        after = effects.paid(after, 0 if is_future else -value, -value if is_future else 0)
        after = effects.with_option(after, leg.instrument, leg.size)
    return after


def changed(
    account: Account, legs: Sequence[Leg], at: Snapshot, marks: Mapping[int, Mark]
) -> Account:
    """Return an account that also held these legs, bought at their prices, or marks where none."""
    said = tuple(
        leg if leg.price else replace(leg, price=marks[leg.instrument].mark) for leg in legs
    )
    return dealt(account, said, 0, at)


def expired(account: Account, prices: Mapping[int, int], now: int) -> tuple[Account, int]:
    """Return an account after its expired legs were paid, and what they pay [WAD].

    Args:
        account: with its options and futures.
        prices: settlement prices by instrument [ticks], 0 where none is written.
        now: chain time.
    """
    paid, kept = 0, []
    for leg in account.options:
        said = instruments.decode(leg.instrument)
        price = prices.get(leg.instrument, 0)
        if said.expiry > now or not price:
            kept.append(leg)
            continue
        paid += leg.size * instruments.payoff(leg.instrument, price)
    rest = effects.engaged(account, tuple(kept), account.portfolio)
    return effects.paid(rest, quote=paid), paid
