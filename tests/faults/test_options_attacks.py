"""Rows 22, 23, 30, 48, 50 and 96 of the fault list, with options: clocks, expiries, margins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.reference.instruments import CALL, PUT
from tests.reference.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from tests.reference.words import instrument_of
from tests.stateful.evm import Reverted
from tests.support.options_house import ETH, FIRST, THIRD, OptionsHouse, deal, option

LOT = LOTS_PER_UNIT
USD = TICKS_PER_USD
ANYBODY = 0xBAD
FAR = 2**255
IN_AUCTION = 1 << 48


@pytest.fixture(scope="module")
def deployed() -> OptionsHouse:
    return OptionsHouse.funded(100_000, 3_000_000, 5_000_000)


@pytest.fixture
def house(deployed: OptionsHouse) -> Iterator[OptionsHouse]:
    with deployed.kept() as house:
        yield house


def fill(house: OptionsHouse, *legs: tuple[int, int, int], taker: int = FIRST) -> None:
    """Fill with SECOND at prices in ticks."""
    house.trade(deal(*legs, taker=taker))


def attempt(house: OptionsHouse, *legs: tuple[int, int, int]) -> str | None:
    """Return why a fill with SECOND is refused."""
    try:
        fill(house, *legs)
    except Reverted as reverted:
        return reverted.reason
    return None


def health(house: OptionsHouse, account: int = FIRST) -> tuple[int, int, int]:
    """Return E, IM and MM [WAD]."""
    said = house.clearinghouse.view("health", account)
    return said[0], said[2], said[4]


def in_auction(house: OptionsHouse) -> bool:
    return bool(house.clearinghouse.view("account_words", FIRST)[0] & IN_AUCTION)


def flag(house: OptionsHouse) -> int:
    return int(house.liquidator.send(ANYBODY, "flag", FIRST))


# ---- rows 22 and 23: the clock -------------------------------------------------------------------


def short_calls(house: OptionsHouse) -> tuple[int, int]:
    """Let FIRST sell calls and perps and come under MM; return the call and its mark [ticks]."""
    call = option(ETH, CALL, house.report(ETH, 30), 3_000)
    fill(house, (instrument_of(ETH), -10 * LOT, 3_000 * USD), (call, -150 * LOT, 100 * USD))
    return call, dip(house)


def mark(house: OptionsHouse) -> int:
    """Return what a call is marked at [ticks]."""
    call = next(leg.instrument for leg in house.legs(FIRST) if leg.size < 0)
    return house.model.markets[ETH].price * (call % 997) // 997


def dip(house: OptionsHouse) -> int:
    """Let ETH rise until FIRST is under MM; return the mark of a call [ticks]."""
    price = house.model.markets[ETH].price // USD
    while health(house)[0] >= health(house)[2]:
        price += 5
        house.refresh(1, eth=price)
    assert health(house)[0] > 0
    return mark(house)


def buy_back(house: OptionsHouse, call: int, lots: int) -> None:
    """Let FIRST buy back calls of SECOND, who sells what he has."""
    fill(house, (call, lots, mark(house)))


def cure(house: OptionsHouse, call: int) -> None:
    """Let FIRST buy back just enough to be at MM."""
    while health(house)[0] < health(house)[2]:
        buy_back(house, call, LOT // 2)


def test_fault_022_auction__owner_closes_a_part_of_his_options__goes_on(
    house: OptionsHouse,
) -> None:
    # the first buyer is about to come: the owner trades, still below MM
    call, _ = short_calls(house)
    house.refresh(eth=house.model.markets[ETH].price // USD + 60)
    flag(house)
    for _ in range(4):
        house.refresh(60)
        flag(house)
    live = house.liquidator.view("clock", FIRST)[0]
    assert live == 240
    buy_back(house, call, LOT // 10)
    assert health(house)[0] < health(house)[2]
    assert in_auction(house)
    house.refresh(60)
    assert flag(house) == live + 60


def test_fault_022_take__a_small_part_by_a_friend__is_refused(house: OptionsHouse) -> None:
    # a friend of the owner takes a thousandth before the first buyer, so that all begins anew
    short_calls(house)
    flag(house)
    house.refresh(60)
    fraction = house.liquidator.view("plan_take", FIRST)[1]
    args = (FIRST, THIRD, fraction // 1_000, FAR, 0, FAR)
    with pytest.raises(Reverted, match="liquidator: too small"):
        house.liquidator.send(THIRD >> 96, "take", *args)
    assert in_auction(house)


def test_fault_023_clock__wound_by_dips_and_fills_of_options__does_not_run_in_between(
    house: OptionsHouse,
) -> None:
    # the owner flags at each dip and buys back to MM at once: nobody else ever finds him below it
    call, _ = short_calls(house)
    for _ in range(3):
        flag(house)
        cure(house, call)
        assert not in_auction(house)
        house.refresh(290)
        with pytest.raises(Reverted, match="liquidator: not below mm"):
            flag(house)
        dip(house)
    assert flag(house) == 0
    assert house.liquidator.view("plan_take", FIRST)[2] == 0


def test_fault_023_clock__wound_by_dips_and_another_margin__does_not_run_in_between(
    house: OptionsHouse,
) -> None:
    # the same by portfolio margin, under which he stands above IM
    hours = house.report(ETH, 30)
    short, long = (option(ETH, CALL, hours, strike) for strike in (3_000, 3_100))
    fill(house, (short, -80 * LOT, 100 * USD), (long, 80 * LOT, 90 * USD))
    dip(house)
    flag(house)
    assert in_auction(house)
    in_portfolio(house)
    assert not in_auction(house)


# ---- row 30: a leg is settled once ---------------------------------------------------------------


def expiring(house: OptionsHouse) -> tuple[int, int]:
    """Let FIRST buy two calls of a week; return the call and its hours."""
    hours = house.report(ETH, 7)
    call = option(ETH, CALL, hours, 3_000)
    fill(house, (call, 2 * LOT, 100 * USD))
    return call, hours


def settle(house: OptionsHouse, account: int = FIRST) -> int:
    return int(house.options.send(ANYBODY, "settle_expired", account))


def test_fault_030_leg__settled__pays_once(house: OptionsHouse) -> None:
    _, hours = expiring(house)
    house.refresh(7 * 24 * 3_600)
    house.settle(ETH, hours, 3_500)
    assert settle(house) == 1_000 * WAD
    for _ in range(2):
        with pytest.raises(Reverted, match="options: nothing expired"):
            settle(house)
    assert house.account(FIRST).quote == 1_000 * WAD


def test_fault_030_leg__before_its_expiry__is_not_settled(house: OptionsHouse) -> None:
    _, hours = expiring(house)
    # somebody has a price written for the hour that is still to come
    house.settle(ETH, hours, 9_000)
    with pytest.raises(Reverted, match="options: nothing expired"):
        settle(house)
    assert house.account(FIRST).quote == 0


def test_fault_030_leg__without_a_settlement_price__is_not_settled(house: OptionsHouse) -> None:
    expiring(house)
    house.refresh(7 * 24 * 3_600, eth=9_000)
    with pytest.raises(Reverted, match="options: nothing expired"):
        settle(house)
    assert len(house.legs(FIRST)) == 1


# ---- rows 48, 50 and 96: what is scanned ---------------------------------------------------------


def in_portfolio(house: OptionsHouse, account: int = FIRST) -> None:
    house.options.send(account >> 96, "set_mode", account, True)


def test_fault_048_spot__margin_of_a_long_of_itself__is_scanned_with_it(
    house: OptionsHouse,
) -> None:
    # ETH as the margin of long ETH: both fall together, so both are in one scan
    account = (FIRST >> 96) << 96 | 1
    house.deposit_token(account, 1, 30 * 10 ** house.decimals[1])
    house.report(ETH, 30)
    in_portfolio(house, account)
    lots = 0
    while True:
        try:
            fill(house, (instrument_of(ETH), 5 * LOT, 3_000 * USD), taker=account)
        except Reverted as reverted:
            assert reverted.reason == "options: margin"
            break
        lots += 5 * LOT
    assert lots > 30 * LOT
    # as far down as the scan looks, and half of it again: nobody has to pay for him
    for price in (2_640, 2_460):
        house.refresh(10, eth=price)
        assert health(house, account)[0] > 0
        house.refresh(10, eth=3_000)


def straddle(house: OptionsHouse, days: int, side: int, units: int, price: int = 40) -> int:
    """Let FIRST trade a straddle with SECOND; return its hours."""
    hours = house.report(ETH, days)
    legs = [
        (option(ETH, kind, hours, 3_000), side * units * LOT, price * USD) for kind in (CALL, PUT)
    ]
    fill(house, *legs)
    return hours


def test_fault_050_volatility__a_quarter_more_overnight__costs_a_writer_no_more_than_his_margin(
    house: OptionsHouse,
) -> None:
    # straddles of 300 days gain by volatility alone, and a scan of prices would see next to nothing
    in_portfolio(house)
    hours = straddle(house, 300, -1, 100, 800)
    equity, _, required = health(house)
    found = house.engine.surfaces[ETH, hours]
    # 1.25 times the volatility is 1.5625 times the variance
    house.surface(replace(found, a=found.a * 15_625 // 10_000, publish=house.evm.time))
    lost = equity - health(house)[0]
    assert required >= lost > required // 2


def test_fault_096_straddles_of_a_day__as_margin_of_a_withdrawal__require_their_time_value(
    house: OptionsHouse,
) -> None:
    # what was paid for the last day's time is gone tomorrow: it is no margin today
    in_portfolio(house)
    hours = house.report(ETH, 1)
    legs = [(option(ETH, kind, hours, 3_000), 400 * LOT, 60 * USD) for kind in (CALL, PUT)]
    fill(house, *legs)
    cash = house.account(FIRST).cash // 10 ** (18 - house.decimals[0])
    owner, token = FIRST >> 96, house.tokens[0].address
    with pytest.raises(Reverted, match="ledger: margin"):
        house.clearinghouse.send(owner, "withdraw", FIRST, token, cash, owner)
    # the price stands still and the day passes
    equity, _, required = health(house)
    house.evm.advance(24 * 3_600 - 60)
    house.refresh()
    assert health(house)[0] >= equity - required


def test_fault_096_straddles__that_lose_between_two_rows__require_it(house: OptionsHouse) -> None:
    # the strike lies halfway between two rows of the scan: no row sees that all may be lost there
    in_portfolio(house)
    hours = house.report(ETH, 2)
    middle = 3_000 + 3_000 * 12 // 100 // 6
    legs = [(option(ETH, kind, hours, middle), 300 * LOT, 60 * USD) for kind in (CALL, PUT)]
    fill(house, *legs)
    equity, _, required = health(house)
    # it goes to the strike, and volatility falls as far as the scan looks
    found = house.engine.surfaces[ETH, hours]
    house.surface(replace(found, a=found.a * 20 // 100, publish=house.evm.time))
    house.refresh(eth=middle)
    assert health(house)[0] >= equity - required
