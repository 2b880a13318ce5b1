"""The last half hour before an expiry: docs/spec/engine.md, averages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import options
from tests.reference import options_margin as om
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, FUTURE, PUT, Instrument, lowest_terms, parts
from tests.reference.units import DAY, HOUR, LOTS_PER_UNIT, TICKS_PER_USD, WAD
from tests.support import books
from tests.support.options_house import ETH, FIRST, OptionsHouse, deal, future, option

LOT = LOTS_PER_UNIT
WINDOW = 1_800
HOURS = 400_000
NOW = HOURS * HOUR - 900
FINEST = 2**25


def facts(observed: int, mean: int) -> om.Facts:
    """Return what a check reads, of an expiry that is 15 minutes away."""
    averages = {(ETH, HOURS): (observed, mean)}
    return om.Facts(NOW, {}, {}, {}, {}, {}, books.SIXTEEN, books.RHOS, lambda leg: 0, averages)


# ---- what is open and what is known make the leg -------------------------------------------------


@given(
    kind=st.sampled_from([FUTURE, CALL, PUT]),
    size=st.integers(-(10**13), 10**13).filter(bool),
    strike=st.integers(1, 10**6),
    mean=st.integers(1, 10**6 * TICKS_PER_USD),
    observed=st.integers(1, WINDOW),
)
def test_averaged__at_every_price__pays_what_the_leg_would_and_no_more(
    kind: int, size: int, strike: int, mean: int, observed: int
) -> None:
    terms = lowest_terms(strike * TICKS_PER_USD) if kind != FUTURE else (0, 0)
    said = Instrument(ETH, kind, HOURS, *terms)
    extra = om.Extra()
    left = om.averaged(facts(observed, mean), [Leg(said.id, size)], True, extra)
    seconds = min(observed, WINDOW - 1)
    highest = 20 * max(mean, said.strike, 1)
    for step in range(101):
        # a price is a tick at least
        price = max(1, highest * step // 100)
        # in WAD x 1,800: the price that the leg settles at, were it `price` from now on
        blended = seconds * mean + (WINDOW - seconds) * price
        owed = size * blended
        if kind == CALL:
            owed = size * max(0, blended - WINDOW * said.strike)
        if kind == PUT:
            owed = size * max(0, WINDOW * said.strike - blended)
        paid = sum(leg.size * om.payoff(parts(leg.instrument), price) for leg in left)
        lost = owed - WINDOW * (paid + extra.worth)
        # a lot, and a strike that is cut to 25 bits or a tick
        away = max(price, said.strike * WINDOW // (WINDOW - seconds))
        cut = abs(size) * (WINDOW - seconds) * (away // FINEST * 20 + 2)
        assert 0 <= lost <= cut + WINDOW * (away + 1) + WINDOW


def test_averaged__outside_its_window_or_unseen__is_the_leg() -> None:
    leg = Leg(Instrument(ETH, FUTURE, HOURS, 0, 0).id, LOT)
    for said in (
        facts(0, 0),
        replace(facts(600, 1), now=HOURS * HOUR - WINDOW),
        replace(facts(600, 1), now=HOURS * HOUR),
    ):
        extra = om.Extra()
        assert om.averaged(said, [leg], True, extra) == (leg,)
        assert extra == om.Extra()


# ---- on a chain ----------------------------------------------------------------------------------


@pytest.fixture
def house() -> Iterator[OptionsHouse]:
    """Yield a house fifteen minutes before an expiry."""
    made = OptionsHouse.funded(100_000, 100_000)
    made.evm.advance(HOUR - made.evm.time % HOUR + DAY)
    made.refresh()
    made.report(ETH, 1)
    yield made


def expiry(house: OptionsHouse) -> int:
    ((_, hours),) = house.engine.surfaces
    return hours


def near(house: OptionsHouse, observed: int, mean: int) -> None:
    """Go to fifteen minutes before the expiry, of which so many seconds have been seen."""
    house.evm.advance(expiry(house) * HOUR - 900 - house.evm.time)
    house.refresh()
    for found in list(house.engine.surfaces.values()):
        house.surface(replace(found, publish=house.evm.time))
    average(house, observed, mean)


def average(house: OptionsHouse, observed: int, mean: int) -> None:
    house.average(ETH, expiry(house), observed, mean * TICKS_PER_USD)


def in_portfolio(house: OptionsHouse) -> None:
    house.options.send(FIRST >> 96, "set_mode", FIRST, True)
    options.set_mode(house.model, FIRST, True)


def health(house: OptionsHouse, account: int = FIRST) -> tuple[int, ...]:
    said = tuple(house.clearinghouse.view("health", account))
    assert said == options.health_of(house.model, account).answer()
    return said


@pytest.mark.parametrize("portfolio", [False, True])
def test_check__future__is_worth_the_average_so_far_and_the_forward(
    house: OptionsHouse, portfolio: bool
) -> None:
    house.agree(deal((future(ETH, expiry(house)), 18 * LOT, 3_000 * TICKS_PER_USD)))
    if portfolio:
        in_portfolio(house)
    near(house, 0, 0)
    before = health(house)
    # 18 units of which half an hour's third is seen at 3,300: 6 units gained 300 USD each
    average(house, 600, 3_300)
    after = health(house)
    assert after[0] - before[0] == after[1] - before[1] == 6 * 300 * WAD
    # what requires margin is 12 units, at a rate that falls with the size
    kappa = after[5]
    assert 0 < 3 * (after[4] - kappa) <= 2 * (before[4] - kappa) + 3


def test_check__short_option__requires_margin_for_what_is_open(house: OptionsHouse) -> None:
    house.agree(deal((option(ETH, CALL, expiry(house), 3_000), -18 * LOT, 100 * TICKS_PER_USD)))
    near(house, 0, 0)
    before = health(house)
    average(house, 900, 3_000)
    after = health(house)
    kappa = after[5]
    assert after[4] - kappa == (before[4] - kappa) // 2


def test_check__short_option_seen_far_over_its_strike__is_the_difference(
    house: OptionsHouse,
) -> None:
    house.agree(deal((option(ETH, CALL, expiry(house), 3_000), -18 * LOT, 100 * TICKS_PER_USD)))
    in_portfolio(house)
    near(house, 900, 6_100)
    # half at 6,100 and half at 3,000: 18 x 1,550, with no time value left
    owed = house.account(FIRST).cash - health(house)[0]
    assert 0 <= owed - 18 * 1_550 * WAD < WAD // 100


def test_check__long_option_that_is_decided__gives_no_credit_under_standard_margin(
    house: OptionsHouse,
) -> None:
    house.agree(deal((option(ETH, CALL, expiry(house), 3_000), 18 * LOT, 100 * TICKS_PER_USD)))
    near(house, 900, 9_000)
    # worth 18 x (6,000 - 3,000 + what is open): required whole, so that nothing is free of it
    said = health(house)
    cash = house.account(FIRST).cash
    worth = said[0] - cash
    assert worth > 18 * 1_500 * WAD
    assert said[4] - said[5] == worth


def test_check__everything_but_a_second_seen__is_the_payoff_of_the_average(
    house: OptionsHouse,
) -> None:
    house.agree(deal((option(ETH, PUT, expiry(house), 3_000), 18 * LOT, 100 * TICKS_PER_USD)))
    in_portfolio(house)
    near(house, 1_800, 2_000)
    worth = health(house)[0] - house.account(FIRST).cash
    # 18 x (3,000 - (1,799 x 2,000 + 3,000) / 1,800) = 17,990
    assert 0 <= 17_990 * WAD - worth < WAD // 100
