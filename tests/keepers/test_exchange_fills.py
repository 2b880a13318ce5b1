"""Prices under a net price, fees and both accounts after a fill, without a chain."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.domain import exchange_fills as fills
from keepers.domain.exchange_fills import Mark
from keepers.domain.exchange_orders import Leg, Order, Rates, net_cost
from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.domain.words import OPTIONS, Account, perp
from keepers.errors import BadInput
from tests.keepers.facts import ETH, NOW, at
from tests.keepers.named_options import CALL, FUTURE, PUT, id_of

RATES = Rates(200, 500, 300, 300, 125_000)
IDS = sorted(id_of(each) for each in (CALL, PUT, FUTURE))
# a leg makes up for a lot of a larger one, as far as its band goes
sizes = st.integers(1, 10**6).flatmap(lambda size: st.sampled_from((size, -size)))
prices = st.integers(10**12, 10**14)
bands = st.integers(10**8, 10**12)


def package(legs: list[tuple[int, int, int]]) -> tuple[Order, dict[int, Mark]]:
    """Return an order with a net price of nothing, and marks; legs are size, mark, band."""
    marks = {id_: Mark(mark, mark, band) for id_, (_, mark, band) in zip(IDS, legs, strict=True)}
    signed = tuple(Leg(id_, size) for id_, (size, _, _) in zip(IDS, legs, strict=True))
    return Order(7 << 96, signed, 1, NOW + 60, 500, by_net=True), marks


@given(st.lists(st.tuples(sizes, prices, bands), min_size=3, max_size=3), st.integers(0, 10**6))
def test_priced__net_price_within_the_bands__is_made_to_a_tick_of_the_least_leg(
    legs: list[tuple[int, int, int]], part: int
) -> None:
    order, marks = package(legs)
    ends = [
        sum(
            leg.size
            * (marks[leg.instrument].high if up == (leg.size > 0) else marks[leg.instrument].low)
            for leg in order.legs
        )
        for up in (False, True)
    ]
    # not at the very ends, where whole ticks of a large leg may not reach
    slack = (ends[1] - ends[0]) // 20
    net = ends[0] + slack + (ends[1] - ends[0] - 2 * slack) * part // 10**6
    made = fills.priced(replace(order, net=net), order.size, marks)
    least = min(abs(leg.size) for leg in made)
    assert 0 <= net - net_cost(made) < least
    for leg in made:
        assert marks[leg.instrument].low <= leg.price <= marks[leg.instrument].high


@pytest.mark.parametrize("net", [10**30, -(10**30)])
def test_priced__net_price_beyond_the_bands__is_refused(net: int) -> None:
    order, marks = package([(5, 10**12, 10**6), (-3, 10**12, 10**6), (4, 10**13, 10**6)])
    with pytest.raises(BadInput, match="no prices inside the bands"):
        fills.priced(replace(order, net=net), order.size, marks)


@pytest.mark.parametrize("sign", [1, -1])
def test_priced__one_leg__goes_in_part_in_its_direction(sign: int) -> None:
    order = Order(7 << 96, (Leg(IDS[0], sign * 10, 5),), 1, NOW, 500)
    assert fills.priced(order, 4, {}) == (Leg(IDS[0], sign * 4, 5),)


def test_fee__legs_of_every_kind__are_added_up() -> None:
    legs = (
        Leg(perp(ETH), 2 * LOTS_PER_UNIT, 3_000 * TICKS_PER_USD),
        Leg(id_of(CALL), -LOTS_PER_UNIT, 100 * TICKS_PER_USD),
        Leg(id_of(PUT), LOTS_PER_UNIT, TICKS_PER_USD),
    )
    marks = {leg.instrument: Mark(3_000 * TICKS_PER_USD, leg.price, 0) for leg in legs}
    # 5 bp of 6,000; 3 bp of 3,000; an eighth of the premium of 1, which is less than 0.90
    assert fills.fee(RATES, legs, marks, takes=True) == 4_025 * WAD // 1_000
    assert fills.fee(RATES, legs, marks, takes=False) == 2_225 * WAD // 1_000
    assert fills.cap(RATES, legs, takes=True) == 500
    assert fills.cap(RATES, legs[1:], takes=True) == 300


def test_dealt__both_sides__give_each_other_what_the_other_gets() -> None:
    prices_now = at()
    legs = (
        Leg(perp(ETH), LOTS_PER_UNIT, 2_010 * TICKS_PER_USD),
        Leg(id_of(FUTURE), -2 * LOTS_PER_UNIT, 2_020 * TICKS_PER_USD),
        Leg(id_of(CALL), 3 * LOTS_PER_UNIT, 50 * TICKS_PER_USD),
    )
    before = Account(7 << 96, 1_000 * WAD, 0, (), (), 0)
    taker = fills.dealt(before, legs, 5 * WAD, prices_now)
    maker = fills.dealt(before, fills.turned(legs), 2 * WAD, prices_now)
    assert taker.cash == (1_000 - 150) * WAD
    assert taker.cash + maker.cash == 2_000 * WAD
    assert taker.quote + maker.quote == -7 * WAD  # the fees
    funding = prices_now.feeds[ETH].funding
    value = LOTS_PER_UNIT * (2_010 * TICKS_PER_USD - funding) - 4_040 * WAD
    assert taker.quote == -value - 5 * WAD
    assert [leg.size for leg in taker.options] == [-2 * LOTS_PER_UNIT, 3 * LOTS_PER_UNIT]
    assert taker.flags == OPTIONS
    back = fills.dealt(taker, fills.turned(legs), 0, prices_now)
    assert (back.legs, back.options, back.flags) == ((), (), 0)
    assert (back.cash, back.quote) == (before.cash, -5 * WAD)


def test_expired__some_priced_some_not__pays_the_priced_and_keeps_the_rest() -> None:
    account = fills.dealt(
        Account(7 << 96, 0, 0, (), (), 0),
        [Leg(id_of(CALL), -LOTS_PER_UNIT, 0), Leg(id_of(PUT), LOTS_PER_UNIT, 0)],
        0,
        at(),
    )
    over = 2 * 10**9
    told = {id_of(CALL): 3_300 * TICKS_PER_USD, id_of(PUT): 0}
    after, paid = fills.expired(account, told, over)
    assert paid == -100 * WAD
    assert ([leg.instrument for leg in after.options], after.quote) == ([id_of(PUT)], paid)
    after, paid = fills.expired(account, {each: 3_300 * TICKS_PER_USD for each in told}, over)
    assert (after.options, after.flags, paid) == ((), 0, -100 * WAD)
    assert fills.expired(account, told, 0) == (account, 0)
