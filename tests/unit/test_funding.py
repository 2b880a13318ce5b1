"""Funding and open interest: accrual, its bounds, and what a trade books."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import boa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.reference import markets as reference
from tests.reference.facts import Market, listed_market
from tests.reference.units import ACTIVE, RATE_MAX, T_MAX, TILT_ONE, VELOCITY
from tests.support.examples import part
from tests.unit.markets_support import (
    ETH,
    GENESIS,
    MARGIN,
    MILLION,
    Desk,
    anchored,
    feed_params,
    usd,
)

P = usd(3_000)
LOTS = 10**8
HOUR = 3_600
FULL = TILT_ONE
INT64 = 2**63 - 1
TOP_RATE = RATE_MAX // 10**4


def facts(**changes: Any) -> Market:
    base = listed_market(P, MARGIN, feed_params(3_000), GENESIS, ACTIVE)
    return replace(base, **changes)


def funding_now(desk: Desk) -> int:
    return int(desk.markets.market_words(ETH)[2])


# ---- by hand -------------------------------------------------------------------------------------


def test_funding__no_trade_yet__is_nothing(desk: Desk) -> None:
    desk.wait(HOUR)
    assert funding_now(desk) == 0


def test_funding__an_hour_at_full_tilt__is_half_a_permille_of_the_price(desk: Desk) -> None:
    # the rate rises from 0 to 0.1 %/h: 0.05 % of 3,000 USD = 1.5 USD, less the rounded velocity
    desk.trade(LOTS, FULL)
    desk.wait(HOUR)
    assert funding_now(desk) == P * VELOCITY * HOUR**2 // (2 * 10**18)
    assert usd(1.4999) < funding_now(desk) < usd(1.5)


def test_funding__short_tilt__is_the_opposite_rounded_down(desk: Desk) -> None:
    desk.trade(LOTS, -FULL)
    desk.wait(HOUR)
    assert funding_now(desk) == -(P * VELOCITY * HOUR**2 // (2 * 10**18)) - 1


def test_funding__rate_at_its_bound__grows_linearly(desk: Desk) -> None:
    # 1 %/h for half an hour on 3,000 USD
    desk.write(ETH, facts(rate=TOP_RATE, tilt=FULL))
    desk.wait(HOUR // 2)
    assert abs(funding_now(desk) - usd(15)) < usd(0.0001)
    assert desk.state().rate == TOP_RATE


@pytest.mark.parametrize("after", [T_MAX, T_MAX + 1, 10 * T_MAX])
def test_52_funding__price_older_than_an_hour__stands_still(desk: Desk, after: int) -> None:
    desk.trade(LOTS, FULL)
    desk.wait(T_MAX)
    whole = funding_now(desk)
    desk.wait(after - T_MAX)
    assert funding_now(desk) == whole


def test_funding__outage_over__the_time_beyond_an_hour_is_charged_to_nobody(desk: Desk) -> None:
    desk.trade(LOTS, FULL)
    desk.wait(T_MAX)
    whole = funding_now(desk)
    desk.wait(9 * HOUR)
    desk.offer(P)
    assert funding_now(desk) == whole
    assert desk.state().time == desk.now
    desk.wait(1)
    # one second at the rate that an hour at full tilt reached
    assert funding_now(desk) - whole == P * (2 * desk.state().rate * 10**4 + VELOCITY) // (
        2 * 10**18
    )


def test_update__between_samples__leaves_the_state_word(desk: Desk) -> None:
    desk.trade(LOTS, FULL)
    before = desk.markets.market_words(ETH)[1]
    desk.wait(100)
    assert desk.offer(P * 101 // 100) == 1
    assert desk.markets.market_words(ETH)[1] == before


# ---- docs/adr/002: written on the sampling grid, not at every price ------------------------------


def shifted(prices: list[int]) -> int:
    """Return by how much F may differ [ticks] when the last of these is charged for all of them.

    The last one was accepted less than 300 s after the first: rate times time is 0.0834 % at most.
    """
    return RATE_MAX * 300 * max(abs(prices[-1] - each) for each in prices) // 10**18 + 1


@part(2)
@given(
    rate=st.integers(-TOP_RATE, TOP_RATE),
    tilt=st.integers(-FULL, FULL),
    moves=st.lists(st.tuples(st.integers(1, 120), st.integers(-30, 30)), min_size=1, max_size=40),
)
def test_update__funding_on_the_grid__is_as_near_to_every_price_as_the_decision_says(
    markets_alone: Desk, rate: int, tilt: int, moves: list[tuple[int, int]]
) -> None:
    with anchored(markets_alone) as desk:
        # rule R3 word by word: F is written at every price, with the price before it
        often = facts(rate=rate, tilt=tilt)
        desk.write(ETH, often)
        price, sampled, since_sample, closed = P, GENESIS, [P], 0
        for writes, (wait, permille) in enumerate(moves, start=1):
            desk.wait(wait)
            price = price * (1_000 + permille) // 1_000
            often = replace(reference.accrue(often, desk.now), price=price, publish=desk.now)
            assert desk.offer(price) == 1
            if desk.now - sampled >= 300:
                closed += shifted(since_sample)
                sampled, since_sample = desk.now, []
            since_sample.append(price)
            # every write rounds F to a tick and the rate to 1e-14 a second for the rest of the time
            rounding = writes * (2 + 4 * P * (desk.now - GENESIS) // 10**14)
            difference = abs(funding_now(desk) - often.funding)
            assert difference <= closed + shifted(since_sample) + rounding


def test_update__price_moves_at_the_top_rate__funding_differs_by_rate_times_time_times_move(
    desk: Desk,
) -> None:
    # 290 s at 1 %/h are 0.0806 %; of a move of 90 USD: 0.0725 USD
    often = facts(rate=TOP_RATE, tilt=FULL)
    desk.write(ETH, often)
    desk.wait(290)
    often = replace(reference.accrue(often, desk.now), price=usd(3_090), publish=desk.now)
    assert desk.offer(usd(3_090)) == 1
    difference = funding_now(desk) - often.funding
    assert usd(0.0724) < difference < usd(0.0726)
    assert difference <= shifted([P, usd(3_090)])


# ---- D4: accruing twice equals once --------------------------------------------------------------


def test_d4_record_trade__twice_in_a_second__equals_once(desk: Desk) -> None:
    desk.trade(LOTS, FULL)
    desk.wait(777)
    desk.trade(0)
    once = desk.markets.market_words(ETH)
    desk.trade(0)
    assert desk.markets.market_words(ETH) == once


@given(
    rate=st.integers(-TOP_RATE, TOP_RATE),
    tilt=st.integers(-TILT_ONE, TILT_ONE),
    price=st.integers(usd(30), usd(300_000)),
    elapsed=st.integers(0, 2 * T_MAX),
    since=st.integers(0, T_MAX),
)
@example(rate=TOP_RATE, tilt=1, price=usd(3_000), elapsed=T_MAX, since=0)
@example(rate=1 - TOP_RATE, tilt=-TILT_ONE, price=usd(30), elapsed=T_MAX, since=0)
@example(rate=0, tilt=0, price=usd(3_000), elapsed=1, since=0)
def test_d4_accrual__any_state__equals_the_reference_and_twice_equals_once(
    markets_alone: Desk, rate: int, tilt: int, price: int, elapsed: int, since: int
) -> None:
    with anchored(markets_alone) as desk:
        start = facts(price=price, rate=rate, tilt=tilt, time=GENESIS + since)
        desk.write(ETH, start)
        desk.wait(elapsed)
        expected = reference.accrue(start, desk.now)
        assert funding_now(desk) == reference.funding_now(start, desk.now)
        desk.trade(0)
        state = desk.state()
        assert (state.funding, state.rate, state.time) == (
            expected.funding,
            expected.rate,
            expected.time,
        )
        assert abs(state.rate) * 10**4 <= RATE_MAX
        assert funding_now(desk) == state.funding


@part(2)
@given(seed=st.integers(0, 2**64))
def test_a5_funding__any_interleaving__long_and_short_cancel_exactly(
    markets_alone: Desk, seed: int
) -> None:
    """A quote bears -size x (p - F): the same F on both sides makes every payment exact."""
    rng = Random(seed)
    with anchored(markets_alone) as desk:
        longs = shorts = size = 0
        for _ in range(6):
            desk.wait(rng.randint(0, 400))
            if rng.random() < 0.5:
                desk.offer(P * rng.randint(99, 101) // 100)
            funding = funding_now(desk)
            moved = rng.randint(1, 10) * LOTS
            longs, shorts, size = longs + moved * funding, shorts - moved * funding, size + moved
            desk.trade(moved, rng.randint(-FULL, FULL))
            # the trade itself does not move F
            assert desk.state().funding == funding
        final = funding_now(desk)
        assert (longs - size * final) + (shorts + size * final) == 0


# ---- what a trade books --------------------------------------------------------------------------


def test_record_trade__opens__books_interest_and_tilt_and_logs(desk: Desk) -> None:
    desk.trade(5 * LOTS, 1_234)
    (event,) = desk.events("TradeRecorded")
    assert (event.market, event.open_interest, event.tilt) == (ETH, 5 * LOTS, 1_234)
    assert desk.state()._asdict() | {"time": 0} == {
        "funding": 0,
        "rate": 0,
        "tilt": 1_234,
        "time": 0,
        "open_interest": 5 * LOTS,
    }


def test_record_trade__tilt_left__stays(desk: Desk) -> None:
    desk.trade(LOTS, -77)
    desk.trade(LOTS)
    assert desk.state().tilt == -77


@pytest.mark.parametrize("tilt", [TILT_ONE + 1, -TILT_ONE - 1, 2**255 - 2, -(2**255)])
def test_record_trade__tilt_beyond_one__is_refused(desk: Desk, tilt: int) -> None:
    with boa.reverts("markets: tilt"):
        desk.trade(LOTS, tilt)


@pytest.mark.parametrize("change", [-LOTS - 1, 2**56, 2**255 - 1, -(2**255)])
def test_record_trade__open_interest_out_of_range__is_refused(desk: Desk, change: int) -> None:
    desk.trade(LOTS)
    with boa.reverts("markets: open interest"):
        desk.trade(change)


def test_record_trade__up_to_the_cap__is_booked_a_lot_more_is_refused(desk: Desk) -> None:
    # 30M at 3,000 USD: 10,000 ETH
    desk.trade(10_000 * LOTS)
    with boa.reverts("markets: open interest cap"):
        desk.trade(1)
    # what falls is always booked, at any price
    desk.offer(P, publish=desk.now + 1)
    desk.trade(-10_000 * LOTS)


def test_record_trade__above_the_cap_by_price__may_only_fall(desk: Desk) -> None:
    desk.write(ETH, facts(open_interest=10_001 * LOTS))
    desk.trade(0)
    desk.trade(-1)
    with boa.reverts("markets: open interest cap"):
        desk.trade(1)


def test_record_trade__cap_of_zero__opens_nothing(desk: Desk) -> None:
    desk.write(ETH, facts(margin=replace(MARGIN, oi_cap=0)))
    with boa.reverts("markets: open interest cap"):
        desk.trade(1)


def test_record_trade__funding_at_the_end_of_its_range__stands_still(desk: Desk) -> None:
    for sign in (1, -1):
        desk.now = GENESIS
        boa.env.evm.patch.timestamp = GENESIS
        desk.write(ETH, facts(funding=sign * (INT64 - 1), rate=sign * 10**8))
        desk.wait(HOUR)
        desk.trade(0)
        assert desk.state().funding == sign * INT64


def test_record_trade__attacker__is_refused(desk: Desk) -> None:
    for sender in (desk.anyone, desk.owner, desk.configurator.address):
        with boa.reverts("markets: not the clearinghouse"):
            desk.markets.record_trade(ETH, LOTS, 0, sender=sender)


@pytest.mark.parametrize("market", [0, 4, 255, 2**255])
def test_record_trade__unknown_market__is_refused(desk: Desk, market: int) -> None:
    with boa.reverts("markets: unknown market"):
        desk.trade(LOTS, 0, market)
    with boa.reverts("markets: unknown market"):
        desk.markets.market_words(market)


def test_oi_cap__mantissa_and_exponent__are_read_back(desk: Desk) -> None:
    assert desk.configurator.margin_params(ETH)[6] == 30 * MILLION
