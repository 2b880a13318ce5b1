"""Row 90 of the fault list, on closes without the owner: bids at the worst price."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reference import options
from tests.reference.facts import Leg
from tests.reference.instruments import CALL
from tests.reference.units import LOTS_PER_UNIT, TICKS_PER_USD
from tests.stateful.evm import Reverted
from tests.support.options_house import ETH, FIRST, SECOND, THIRD, OptionsHouse, deal, option
from tests.support.options_sinking import after_close, publish, sink

LOT = LOTS_PER_UNIT
PREMIUM = 100 * TICKS_PER_USD
HELD = 100 * LOT
STRANGER = 0xBAD


@pytest.fixture
def house() -> Iterator[OptionsHouse]:
    """Yield a house where the victim, FIRST, is short 100 calls at 0.9 MM; THIRD attacks."""
    made = OptionsHouse.funded(100_000, 3_000_000, 3_000_000)
    made.report(ETH, 30)
    made.agree(deal((call(made), HELD, PREMIUM), taker=SECOND, maker=FIRST))
    sink(made, FIRST, 3_000, 9_000)
    yield made


def call(house: OptionsHouse) -> int:
    ((_, hours),) = house.engine.surfaces
    return option(ETH, CALL, hours, 3_000)


def bid(house: OptionsHouse, lots: int, worse: int = 0) -> options.Fill:
    """Return the attacker's bid, some ticks over the mark."""
    mark = house.engine.mark(house.model, house.engine, Leg(call(house), 1))
    return options.Fill(FIRST, THIRD, (options.FillLeg(call(house), lots, mark + worse),))


def close(house: OptionsHouse, lots: int, worse: int = 0) -> str | None:
    """Close as the Exchange does; return why it was refused."""
    conceded = house.liquidator.view("concession", FIRST)
    try:
        house.close(bid(house, lots, worse), conceded)
    except Reverted as refused:
        return str(refused)
    options.close(house.model, bid(house, lots, worse), conceded)
    return None


def health(house: OptionsHouse, account: int = FIRST) -> tuple[int, ...]:
    return tuple(house.clearinghouse.view("health", account))


def worst(house: OptionsHouse, lots: int) -> int:
    """Return how many ticks over the mark half of what is released is."""
    released = health(house)[4] - after_close(house, bid(house, lots)).mm
    return released // (2 * lots)


def test_fault_090_bid__at_once_after_the_fall__earns_nothing(house: OptionsHouse) -> None:
    house.liquidator.send(STRANGER, "flag", FIRST)
    equity = health(house)[0]
    assert close(house, LOT, worse=1) == "options: cost"
    # the smallest size opens nothing, and is no better for who has something open
    assert close(house, 1) == "options: leg too small"
    assert close(house, LOT) is None
    assert close(house, 1, worse=1) == "options: cost"
    assert close(house, 1) is None
    assert health(house)[0] == equity


def test_fault_090_bids__at_the_worst_price_again_and_again__leave_half_of_what_they_release(
    house: OptionsHouse,
) -> None:
    house.liquidator.send(STRANGER, "flag", FIRST)
    house.evm.advance(300)
    publish(house, house.model.markets[ETH].price)
    house.liquidator.send(STRANGER, "flag", FIRST)
    fund = house.setup.insurance_account
    before, rich, insured = health(house), health(house, THIRD)[0], house.account(fund)
    closed = 0
    for _ in range(60):
        if close(house, LOT, worst(house, LOT)) is not None:
            break
        closed += 1
    after = health(house)
    assert 1 < closed < 60
    # it ended where the account was above MM, and nobody but the two is touched
    assert close(house, LOT) == "options: not below mm"
    assert 2 * (before[0] - after[0]) <= before[4] - after[4]
    assert after[0] * before[4] >= before[0] * after[4]
    assert health(house, THIRD)[0] - rich == before[0] - after[0]
    assert house.account(fund) == insured


def test_fault_090_bid__for_an_account_above_mm__is_refused(house: OptionsHouse) -> None:
    publish(house, 3_000 * TICKS_PER_USD)
    equity, _, _, _, mm = health(house)[:5]
    assert equity >= mm
    assert close(house, LOT, worse=-TICKS_PER_USD) == "options: not below mm"


def test_fault_090_bid__for_much_more_than_is_needed__is_refused(house: OptionsHouse) -> None:
    assert close(house, HELD) == "options: overshoot"
    assert close(house, 9 * HELD // 10) == "options: overshoot"


def test_fault_090_bid__of_an_insolvent_account__takes_nothing_of_what_is_left(
    house: OptionsHouse,
) -> None:
    sink(house, FIRST, house.model.markets[ETH].price // TICKS_PER_USD, 30_000, share=-10)
    assert close(house, LOT, worse=TICKS_PER_USD) == "options: not better"
    assert close(house, LOT) == "options: not better"
