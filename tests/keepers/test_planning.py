"""The close that the mirror plans alone, the caution about it, and the orders that unwind."""

from __future__ import annotations

from dataclasses import replace

import pytest
import rlp as reference_rlp
from hypothesis import given
from hypothesis import strategies as st

from keepers.chain import rlp
from keepers.domain.caution import FAILURES, WITHIN, Caution
from keepers.domain.economics import GasMarket
from keepers.domain.margin import Snapshot, health
from keepers.domain.planning import Pool, Terms, closed, fewest, fill_price, quick_reduce
from keepers.domain.units import LOT, LOTS_PER_UNIT, TICK, TICKS_PER_USD, WAD
from keepers.domain.unwind import LIFETIME_S, closings, spare, within
from keepers.domain.words import HOUSE, Account, Holding, Leg, perp
from tests.keepers.facts import ETH, NOW, at, market, trader

FREE = GasMarket(0, 0)
SLIP = 2 * WAD // 100
TERMS = Terms(
    scale=2_000 * 10**6 * WAD,
    spread_min=4 * WAD // 10_000,
    fee=5 * WAD // 10_000,
    liquidation_fee=30 * WAD // 10_000,
    keeper_rate=15 * WAD // 10_000,
    lambda_=WAD,
)
POOL = Pool(trader(99 << 96, cash=10**7, flags=HOUSE), {ETH: TERMS})


def weak(cash: int = 450, units: int = 10) -> Account:
    """Return a long of 20,000 USD with less than 501.25 of equity."""
    return trader(cash=cash, units=units)


def small(usd: int, equity_cents: int) -> Account:
    """Return a long of so many dollars, a sixteenth of a unit apart, with this equity."""
    leg = Leg(perp(ETH), usd * LOTS_PER_UNIT // 2_000)
    value = leg.size * 2_000 * TICKS_PER_USD
    return replace(trader(), cash=equity_cents * WAD // 100, quote=-value, legs=(leg,))


def test_fill_price__balanced_pool__is_mark_and_half_spread_against_the_taker() -> None:
    mark = 2_000 * TICKS_PER_USD
    # one lot moves the curve by less than a tick
    assert fill_price(mark, 0, 1, TERMS) - (mark + mark * 4 // 10_000) in (0, 1)
    assert mark - mark * 4 // 10_000 - fill_price(mark, 0, -1, TERMS) in (0, 1)


def test_fill_price__skew__moves_the_curve() -> None:
    mark = 2_000 * TICKS_PER_USD
    # traders are long 10,000 ETH = 20 M USD: 1 % of the scale
    skew = 10_000 * LOTS_PER_UNIT
    price = fill_price(mark, skew, -2 * LOTS_PER_UNIT, TERMS)
    expected = mark * (WAD + WAD // 100 - WAD // 10**6 - 4 * WAD // 10_000) // WAD
    assert abs(price - expected) <= 1


def test_fewest__weak_account__is_where_le_is_met() -> None:
    account = weak()
    leg = account.legs[0]
    lots = fewest(account, leg, 0, at(), TERMS)
    flat = at().terms.kappa_flat

    def surplus(count: int) -> int:
        found = health(closed(account, leg, count, 0, at().feeds[ETH], TERMS), at())
        return found.equity - flat - found.le

    assert 0 < lots < leg.size
    assert surplus(lots) >= 0
    assert surplus(lots * 98 // 100) < 0


def test_fewest__hopeless_account__is_the_whole_leg() -> None:
    account = weak(cash=20)
    assert fewest(account, account.legs[0], 0, at(), TERMS) == account.legs[0].size


def test_closed__whole_leg__leaves_only_quote() -> None:
    account = weak()
    leg = account.legs[0]
    after = closed(account, leg, leg.size, 0, at().feeds[ETH], TERMS)
    assert after.legs == ()
    # 20,000 at a price 4 bp and half the size's curve lower, 35 bp of fees, 15 bp of pay
    lost = -after.quote / WAD
    assert lost == pytest.approx(20_000 * (0.0004 + 0.000005 + 0.0035 + 0.0015), rel=1e-3)


def test_quick_reduce__weak_account__plans_with_room_and_knows_its_pay() -> None:
    account = weak()
    plan = quick_reduce(account, health(account, at()), at(), POOL, FREE)
    assert plan is not None
    lots = fewest(account, account.legs[0], 0, at(), TERMS)
    assert plan.size == lots * 105 // 100 + 1
    assert plan.profit == WAD + TERMS.keeper_rate * (lots * 2_000 * TICKS_PER_USD) // WAD


@pytest.mark.parametrize(
    ("account", "pool", "prices"),
    [
        (trader(cash=-5, ether=1), POOL, at()),  # no leg
        (weak(), replace(POOL, terms={}), at()),  # no such market at the pool
        (weak(), POOL, at(now=NOW + 61)),  # too old to be sure
        (
            weak(),
            replace(POOL, account=trader(99 << 96, cash=10_000, flags=HOUSE)),
            at(),
        ),  # no room
        (
            weak(),
            replace(POOL, terms={ETH: replace(TERMS, liquidation_fee=WAD // 10)}),
            at(),
        ),  # too dear
        # closing 130 of 250 USD costs 0.72 USD and the flat pay, and releases 3.26 USD of MM
        (small(250, 745), POOL, at()),
        (small(60, 274), POOL, at()),  # may leave dust
    ],
)
def test_quick_reduce__not_sure__asks_the_views(
    account: Account, pool: Pool, prices: Snapshot
) -> None:
    assert quick_reduce(account, health(account, prices), prices, pool, FREE) is None


def test_quick_reduce__pool_gets_smaller__always_has_room() -> None:
    poor = trader(99 << 96, cash=10_000, units=-50, flags=HOUSE)
    account = weak()
    pool = Pool(poor, {ETH: TERMS})
    assert quick_reduce(account, health(account, at()), at(), pool, FREE) is not None


def test_caution__three_failures_in_a_row__asks_first_for_a_while() -> None:
    caution = Caution()
    for block in range(FAILURES):
        assert caution.trusts(block)
        caution.failed(block)
    assert not caution.trusts(WITHIN)
    assert caution.trusts(WITHIN + 1)


def test_closings__inventory__offers_each_leg_once_until_it_expires() -> None:
    account = trader(cash=100, units=3)
    (order,) = closings(account, at(), {}, SLIP)
    assert (order.size, order.deadline) == (-3 * 10**18, NOW + LIFETIME_S)
    assert order.limit_price == 1_960 * TICKS_PER_USD * TICK
    assert order.size % LOT == 0
    assert closings(account, at(), {order.instrument: order.deadline}, SLIP) == []
    later = at(market(publish=NOW + 150), now=NOW + 150)
    assert closings(account, later, {order.instrument: NOW}, SLIP)


def test_closings__short_leg__bids_above_the_price() -> None:
    account = replace(trader(), legs=(Leg(perp(ETH), -LOTS_PER_UNIT),))
    (order,) = closings(account, at(), {}, SLIP)
    assert (order.size, order.limit_price) == (10**18, 2_040 * TICKS_PER_USD * TICK)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("skew", [0, 3_000, -3_000])
def test_within__little_slippage__is_the_most_that_the_quote_allows(side: int, skew: int) -> None:
    mark, slip = 2_000 * TICKS_PER_USD, 2 * WAD // 1_000
    pool = replace(
        POOL, account=replace(POOL.account, legs=(Leg(perp(ETH), -skew * LOTS_PER_UNIT),))
    )
    leg = Leg(perp(ETH), side * 10_000 * LOTS_PER_UNIT)
    lots = within(leg, mark, pool, slip)

    def away(size: int) -> int:
        price = fill_price(mark, skew * LOTS_PER_UNIT, -side * size, TERMS)
        return side * (mark - price) * WAD // mark

    if lots < abs(leg.size):
        assert away(lots + LOTS_PER_UNIT) > slip
    # 0.2 % less 4 bp of half spread: 0.16 % of 2,000M is 1,600 units of skew, twice that on average
    assert lots == max(0, min(10_000, 2 * (1_600 + side * skew))) * LOTS_PER_UNIT
    assert not lots or away(lots) <= slip + WAD // mark


def test_closings__a_leg_beyond_the_slippage__is_offered_in_parts() -> None:
    account = trader(cash=10**6, units=10_000)
    (order,) = closings(account, at(), {}, 2 * WAD // 1_000, POOL)
    assert order.size == -3_200 * 10**18
    assert closings(account, at(), {}, 4 * WAD // 10_000, POOL) == []  # the spread alone is as much


def test_spare__collateral_behind_a_leg__stays_within_the_headroom() -> None:
    held = Holding(1, 10**18)
    account = replace(trader(cash=2_000, units=10), holdings=(held,))
    alone = health(replace(account, holdings=()), at())
    room = (alone.equity - alone.im) * WAD // alone.im
    assert spare(account, 1, 10**18, at(), room)
    assert not spare(account, 1, 10**18, at(), room + 2)


@given(st.integers(0, 2**256 - 1), st.binary(max_size=70_000))
def test_rlp__numbers_and_strings__equal_the_library(number: int, text: bytes) -> None:
    made = rlp.wrap(rlp.number(number) + rlp.text(text) + rlp.wrap(b""))
    assert made == reference_rlp.encode([number, text, []])
