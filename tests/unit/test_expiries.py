"""Settlement prices of expiries: docs/spec/expiries.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import boa
import pytest

from tests.reference.expiries import MAX_GAP, MAX_LAG, MIN_COUNT, WINDOW, Series, Stored
from tests.reference.units import DAY, HOUR
from tests.support.chains import own_chain, put_back
from tests.unit.expiries_support import (
    ACTIVE,
    BTC,
    ETH,
    EXPIRY,
    FIRST,
    HOURS,
    MAX_PRICE,
    PENDING,
    TICK,
    UNTRUSTED,
    Desk,
)

deployment = own_chain(Desk.deployed)
desk = put_back()


def the_event(desk: Desk) -> Any:
    """Return the one event of Expiries in the last call."""
    (event,) = [e for e in desk.expiries.get_logs() if e.address == desk.expiries.address]
    return event


def settled(prices: Sequence[tuple[int, int]], closing: int) -> int:
    """Return what the reference settles at after these (publish, price) and a later price."""
    series = Series(EXPIRY)
    for publish, price in prices:
        series.observe(Stored(price, publish), publish)
    series.observe(Stored(1, closing), closing)
    return series.settled


# ---- a window -----------------------------------------------------------------------------------


def test_observe__every_ten_seconds__the_time_weighted_average(desk: Desk) -> None:
    prices = [3_000 * TICK + 7 * i for i in range(180)]
    desk.run(prices)
    assert desk.price() == 0
    assert desk.see(9_999 * TICK, EXPIRY)
    event = the_event(desk)
    # equal weights: the mean, rounded down
    assert desk.price() == sum(prices) // 180
    assert (event.market, event.expiry_hours, event.price) == (ETH, HOURS, desk.price())
    assert (event.start, event.end, event.count) == (FIRST, EXPIRY, 180)


def test_observe__uneven_distances__each_price_weighs_as_long_as_it_stood(desk: Desk) -> None:
    seen = [(FIRST - 20, 5 * TICK)] + [(FIRST + 100 * i + i * i, i * TICK) for i in range(1, 16)]
    for publish, price in seen:
        desk.see(price, publish)
    desk.see(1, EXPIRY + 1)
    # 5 stands 101 s from the window's begin, i stands 100 + 2i + 1, and 15 the 75 s that are left
    total = 5 * 101 + sum(i * (101 + 2 * i) for i in range(1, 15)) + 15 * (1_800 - 1_725)
    assert desk.price() == total * TICK // 1_800 == settled(seen, EXPIRY + 1)


def test_observe__once__the_event_says_all_that_is_stored(desk: Desk) -> None:
    desk.see(3 * TICK, FIRST - 5)
    desk.see(4 * TICK, FIRST + 10)
    event = the_event(desk)
    assert (event.market, event.expiry_hours) == (ETH, HOURS)
    assert (event.price, event.publish_time, event.count) == (4 * TICK, FIRST + 10, 1)
    assert (event.total, event.start) == (30 * TICK, FIRST)
    window = desk.window
    assert (window.price, window.total, window.start) == (4 * TICK, 30 * TICK, FIRST)
    assert (window.last, window.count, window.settled) == (FIRST + 10, 1, False)


def test_observe__a_series_of_another_market_or_hour__keeps_its_own_window(desk: Desk) -> None:
    desk.see(3 * TICK, FIRST)
    assert desk.expiries.window(BTC, HOURS).last == 0
    assert desk.expiries.window(ETH, HOURS + 1).last == 0
    desk.store(7 * TICK, FIRST, market=BTC)
    assert desk.observe(market=BTC)
    assert (desk.window.price, desk.expiries.window(BTC, HOURS).price) == (3 * TICK, 7 * TICK)


def test_observe__the_largest_price_for_the_longest_window__fits_its_word(desk: Desk) -> None:
    # fourteen prices 300 s apart are not enough, and the fifteenth ends the window
    desk.run([MAX_PRICE] * 14, step=MAX_GAP)
    assert desk.price() == 0
    assert desk.window.total == MAX_PRICE * 13 * MAX_GAP
    desk.see(MAX_PRICE, FIRST + 14 * MAX_GAP)
    assert desk.price() == MAX_PRICE


# ---- what does not count ------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [ACTIVE | PENDING, ACTIVE | UNTRUSTED])
def test_observe__doubted_price__changes_nothing(desk: Desk, flags: int) -> None:
    desk.at(FIRST)
    desk.store(3 * TICK, FIRST, flags)
    assert not desk.observe()
    assert desk.window.last == 0


@pytest.mark.parametrize(("lag", "counts"), [(MAX_LAG, True), (MAX_LAG + 1, False)])
def test_observe__old_price__counts_within_a_minute(desk: Desk, lag: int, counts: bool) -> None:
    desk.store(3 * TICK, FIRST)
    desk.at(FIRST + lag)
    assert desk.observe() == counts
    assert (desk.window.last == FIRST) == counts


@pytest.mark.parametrize(("ahead", "counts"), [(MAX_GAP, True), (MAX_GAP + 1, False)])
def test_observe__before_the_window__counts_within_a_gap(
    desk: Desk, ahead: int, counts: bool
) -> None:
    assert desk.see(3 * TICK, FIRST - ahead) == counts
    assert desk.window.count == 0


def test_observe__the_same_price_twice__counts_once(desk: Desk) -> None:
    assert desk.see(3 * TICK, FIRST)
    assert not desk.observe()
    assert desk.window.count == 1


def test_observe__late_reports_in_one_go__lead_to_a_new_window(desk: Desk) -> None:
    # held back for the half hour, then the ones that suit somebody
    desk.at(EXPIRY + 5)
    for i in range(180):
        desk.store(3_000 * TICK, FIRST + 10 * i)
        desk.observe()
    desk.store(3_000 * TICK, EXPIRY)
    desk.observe()
    # only those of the last minute count: a window that has hardly begun
    assert desk.price() == 0
    assert desk.window.start == EXPIRY - 50


@pytest.mark.parametrize("hours", [0, 2**24])
def test_observe__no_hour__reverts(desk: Desk, hours: int) -> None:
    with boa.reverts("expiries: no such hour"):
        desk.expiries.observe(ETH, hours)
    with boa.reverts("expiries: no such hour"):
        desk.expiries.window(ETH, hours)
    assert desk.expiries.settlement_price(ETH, hours) == 0


def test_settlement_price__hours_beyond_their_field__are_not_another_markets(desk: Desk) -> None:
    desk.run([3 * TICK] * 180)
    desk.see(3 * TICK, EXPIRY)
    assert desk.price() == 3 * TICK
    # market 0 with these hours would have the key of market 1
    assert desk.expiries.settlement_price(0, 2**24 | HOURS) == 0


# ---- extension ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("gap", "anew"), [(MAX_GAP, False), (MAX_GAP + 1, True)])
def test_observe__after_a_gap__begins_anew(desk: Desk, gap: int, anew: bool) -> None:
    desk.run([3 * TICK] * 20)
    resumed = FIRST + 190 + gap
    desk.see(5 * TICK, resumed)
    assert desk.window.start == (resumed if anew else FIRST)
    assert desk.window.count == (1 if anew else 21)
    assert desk.window.total == (0 if anew else 3 * TICK * (190 + gap))


def test_observe__after_a_gap__settles_half_an_hour_later_without_what_was_before(
    desk: Desk,
) -> None:
    desk.run([3 * TICK] * 100)
    resumed = FIRST + 990 + MAX_GAP + 1
    desk.run([5 * TICK] * 180, start=resumed)
    assert desk.price() == 0
    desk.see(9 * TICK, resumed + WINDOW)
    assert desk.price() == 5 * TICK


def test_observe__first_price_within_the_window__half_an_hour_from_there(desk: Desk) -> None:
    begun = FIRST + 40
    desk.run([4 * TICK] * 180, start=begun)
    assert desk.price() == 0
    desk.see(9 * TICK, begun + WINDOW)
    assert the_event(desk).end == EXPIRY + 40
    assert desk.price() == 4 * TICK


def test_observe__gap_before_the_end__begins_anew(desk: Desk) -> None:
    desk.run([3 * TICK] * 150)
    silent = FIRST + 1_490
    assert EXPIRY - silent > MAX_GAP
    desk.see(5 * TICK, EXPIRY + 1)
    assert desk.price() == 0
    assert desk.window.start == EXPIRY + 1


def test_observe__fewer_than_fifteen_prices__the_fifteenth_ends_the_window(desk: Desk) -> None:
    step = 200
    seen = [(FIRST + step * i, (10 + i) * TICK) for i in range(MIN_COUNT)]
    for publish, price in seen[:-1]:
        desk.see(price, publish)
    assert (desk.window.count, desk.price()) == (14, 0)
    desk.see(seen[-1][1], seen[-1][0])
    assert the_event(desk).end == FIRST + 14 * step
    # fourteen prices of equal weight; the fifteenth has none
    assert desk.price() == sum(price for _, price in seen[:-1]) // 14 == settled(seen, EXPIRY)


# ---- once, and whenever -------------------------------------------------------------------------


@pytest.mark.parametrize("late", [0, 1, MAX_GAP + 1, DAY, 30 * DAY])
@pytest.mark.parametrize("flags", [ACTIVE, ACTIVE | UNTRUSTED])
def test_observe__however_late_after_the_end__gives_the_same_price(
    desk: Desk, late: int, flags: int
) -> None:
    # A7
    seen = [(FIRST + 10 * i, 3_000 * TICK + i * i) for i in range(178)]
    for publish, price in seen:
        desk.see(price, publish)
    desk.at(EXPIRY + 2 * late)
    desk.store(1, EXPIRY + late, flags)
    assert desk.observe()
    assert desk.price() == settled(seen, EXPIRY)


def test_observe__settled__is_never_written_again(desk: Desk) -> None:
    # A7
    desk.run([3 * TICK] * 180)
    desk.see(3 * TICK, EXPIRY)
    before = tuple(desk.window)
    assert not desk.see(8 * TICK, EXPIRY + 10)
    desk.run([8 * TICK] * 200, start=EXPIRY + DAY)
    desk.at(EXPIRY + 40 * DAY)
    with boa.reverts("expiries: settled"):
        desk.expiries.settle_dead(ETH, HOURS)
    assert tuple(desk.window) == before
    assert desk.price() == 3 * TICK


def test_observe__before_the_expiry__writes_no_price(desk: Desk) -> None:
    desk.run([3 * TICK] * 180)
    assert desk.see(3 * TICK, EXPIRY - 1)
    assert desk.price() == 0


def test_observe__pinned_at_a_strike__the_last_seconds_weigh_by_their_length(desk: Desk) -> None:
    strike = 3_000 * TICK
    desk.run([strike] * 180)
    # 3 % up, one second before the expiry
    desk.see(strike * 103 // 100, EXPIRY - 1)
    desk.see(strike, EXPIRY)
    # 90 USD for one of 1,800 seconds
    assert desk.price() == strike + 90 * TICK // 1_800


# ---- bias ---------------------------------------------------------------------------------------


def test_observe__an_observation_more__weighs_only_the_time_that_its_price_stood(
    desk: Desk,
) -> None:
    # the path: 3,000, and 3,060 for ten seconds; others observe every minute
    low, high = 3_000 * TICK, 3_060 * TICK
    path = {FIRST + 10 * i: low for i in range(180)} | {FIRST + 610: high}
    truth = sum(path.values()) // 180
    honest = range(FIRST, EXPIRY, 60)
    for publish in sorted({*honest, FIRST + 610}):
        desk.see(path[publish], publish)
    desk.see(low, EXPIRY)
    # who picks the peak alone stretches it to the next observation of the others, at most
    assert desk.price() - truth == (high - low) * 40 // 1_800
    assert desk.price() - truth <= (high - low) * 60 // 1_800


# ---- average ------------------------------------------------------------------------------------


def test_average__through_the_window__is_of_what_was_observed(desk: Desk) -> None:
    assert desk.average() == (0, 0)
    desk.see(3 * TICK, FIRST - 10)
    assert desk.average() == (0, 0)
    desk.see(5 * TICK, FIRST + 10)
    assert desk.average() == (10, 3 * TICK)
    desk.see(5 * TICK, FIRST + 30)
    assert desk.average() == (30, (10 * 3 + 20 * 5) * TICK // 30)
    # after a gap it starts again
    desk.see(5 * TICK, FIRST + 30 + MAX_GAP + 1)
    assert desk.average() == (0, 0)


def test_average__extended_beyond_half_an_hour__is_of_half_an_hour_at_most(desk: Desk) -> None:
    desk.run([3 * TICK] * 14, step=MAX_GAP)
    assert desk.average() == (WINDOW, 3 * TICK)


def test_average__settled__is_the_settlement_price(desk: Desk) -> None:
    desk.run([3 * TICK] * 180)
    desk.see(9 * TICK, EXPIRY)
    assert desk.average() == (WINDOW, 3 * TICK)


# ---- with an update -----------------------------------------------------------------------------


def test_update_and_observe__two_series__updates_once_and_says_how_many_changed(
    desk: Desk,
) -> None:
    desk.at(FIRST)
    desk.store(3 * TICK, FIRST)
    desk.store(7 * TICK, FIRST, market=BTC)
    series = [(ETH, HOURS), (BTC, HOURS), (ETH, HOURS + 24)]
    assert desk.expiries.update_and_observe(b"reports", series) == 2
    assert desk.stub.updates() == 1
    assert (desk.window.price, desk.expiries.window(BTC, HOURS).price) == (3 * TICK, 7 * TICK)


# ---- dead feeds ---------------------------------------------------------------------------------


def test_settle_dead__no_window_in_a_day__is_the_last_price(desk: Desk) -> None:
    desk.run([3 * TICK] * 50)
    desk.at(EXPIRY + DAY)
    desk.expiries.settle_dead(ETH, HOURS, sender=desk.keeper)
    event = the_event(desk)
    assert (event.price, event.end) == (3 * TICK, 0)
    assert desk.price() == 3 * TICK


def test_settle_dead__window_that_lacks_its_end__is_its_average(desk: Desk) -> None:
    prices = [3 * TICK] * 90 + [5 * TICK] * 90
    desk.run(prices)
    desk.at(EXPIRY + DAY)
    desk.expiries.settle_dead(ETH, HOURS)
    assert desk.price() == 4 * TICK


@pytest.mark.parametrize(
    ("now", "publish"),
    [(EXPIRY + DAY - 1, FIRST), (EXPIRY + DAY, EXPIRY + DAY - HOUR), (EXPIRY - 1, FIRST - DAY)],
)
def test_settle_dead__feed_alive_or_too_early__reverts(desk: Desk, now: int, publish: int) -> None:
    desk.at(now)
    desk.store(3 * TICK, publish)
    with boa.reverts("expiries: not dead"):
        desk.expiries.settle_dead(ETH, HOURS)


def test_settle_dead__an_hour_and_a_second_silent__settles(desk: Desk) -> None:
    desk.at(EXPIRY + DAY)
    desk.store(6 * TICK, EXPIRY + DAY - HOUR - 1)
    desk.expiries.settle_dead(ETH, HOURS)
    assert desk.price() == 6 * TICK


# ---- lock ---------------------------------------------------------------------------------------


def test_lock__taken__shuts_what_writes_and_leaves_the_views_open(desk: Desk) -> None:
    address = bytes.fromhex(str(desk.expiries.address)[2:])
    desk.store(3 * TICK, FIRST)
    desk.at(FIRST)
    boa.env.evm.vm.state.set_transient_storage(address, 0, (1).to_bytes(32, "big"))
    for call in (
        lambda: desk.expiries.observe(ETH, HOURS),
        lambda: desk.expiries.update_and_observe(b"", []),
        lambda: desk.expiries.settle_dead(ETH, HOURS),
    ):
        with pytest.raises(boa.BoaError):
            call()
    assert (desk.price(), desk.average(), desk.window.last) == (0, (0, 0), 0)
    boa.env.evm.vm.state.set_transient_storage(address, 0, (0).to_bytes(32, "big"))
    assert desk.observe()
