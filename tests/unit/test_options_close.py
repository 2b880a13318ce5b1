"""Closes of accounts under MM without their owners: docs/spec/engine.md, close."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.reference import liquidation, options
from tests.reference.facts import Leg
from tests.reference.instruments import CALL
from tests.reference.units import ACTIVE, GRACE, LOTS_PER_UNIT, PENDING, TICKS_PER_USD, WAD
from tests.reference.words import instrument_of
from tests.stateful.evm import Reverted
from tests.stateful.house import OWNER
from tests.support.options_house import (
    BTC,
    ETH,
    FIRST,
    SECOND,
    THIRD,
    VENUE,
    OptionsHouse,
    deal,
    option,
)
from tests.support.options_sinking import after_close, least_lots, publish, sink

LOT = LOTS_PER_UNIT
PREMIUM = 100 * TICKS_PER_USD
STRANGER = 0xBAD
HELD = 100 * LOT


@pytest.fixture(scope="module")
def deployed() -> OptionsHouse:
    return OptionsHouse.funded(100_000, 3_000_000, 3_000_000, days=(30,))


@pytest.fixture
def healthy(deployed: OptionsHouse) -> Iterator[OptionsHouse]:
    """Yield a house where FIRST is short 100 calls."""
    with deployed.kept() as house:
        house.agree(deal((call(house), -HELD, PREMIUM)))
        yield house


@pytest.fixture
def house(healthy: OptionsHouse) -> OptionsHouse:
    """Return a house where FIRST is short 100 calls and stands at 0.9 MM."""
    sink(healthy, FIRST, 3_000, 9_000)
    return healthy


def call(house: OptionsHouse, strike: int = 3_000) -> int:
    (hours,) = {hours for key, hours in house.engine.surfaces if key == ETH}
    return option(ETH, CALL, hours, strike)


def mark(house: OptionsHouse, strike: int = 3_000) -> int:
    return options.engine_of(house.model).mark(
        house.model, house.engine, Leg(call(house, strike), 1)
    )


def closing(
    house: OptionsHouse, size: int = LOT, worse: int = 0, maker: int = THIRD
) -> options.Fill:
    """Return a close of calls, some ticks worse than the mark for the account."""
    leg = options.FillLeg(call(house), size, mark(house) + worse)
    return options.Fill(FIRST, maker, (leg,))


def refused(
    house: OptionsHouse, reason: str, fill: options.Fill, concession: int = WAD // 2
) -> None:
    with pytest.raises(Reverted, match=reason):
        house.close(fill, concession)


def in_auction(house: OptionsHouse) -> bool:
    return house.account(FIRST).in_auction


def test_close__under_mm__the_maker_takes_part_of_the_leg(house: OptionsHouse) -> None:
    before = house.clearinghouse.view("health", FIRST)
    cash = house.account(FIRST).cash
    house.close(closing(house), 0)
    events = [house.options.read(log) for log in house.evm.logs()]
    after = house.clearinghouse.view("health", FIRST)

    assert house.legs(FIRST) == (Leg(call(house), -HELD + LOT),)
    assert house.legs(THIRD) == (Leg(call(house), -LOT),)
    assert house.account(FIRST).cash == cash - LOT * mark(house)
    # at the mark: E stays, and MM falls by that of one call
    assert after[0] == before[0] and after[4] < before[4]
    (said,) = (said for name, said in filter(None, events) if name == "Closed")
    assert (said["account"], said["maker"], said["size"]) == (FIRST, THIRD, LOT)
    assert said["instrument"] == call(house)
    assert (said["equity_before"], said["mm_before"]) == (before[0], before[4])
    assert (said["equity_after"], said["mm_after"]) == (after[0], after[4])


def test_close__back_above_mm__ends_the_auction_and_keeps_its_clock(house: OptionsHouse) -> None:
    house.liquidator.send(STRANGER, "flag", FIRST)
    clock = house.liquidator.view("clock", FIRST)
    house.close(closing(house), 0)
    assert in_auction(house)
    house.close(closing(house, 11 * LOT), 0)
    health = house.clearinghouse.view("health", FIRST)
    assert health[4] <= health[0] < health[3]
    assert not in_auction(house)
    assert house.liquidator.view("clock", FIRST) == clock


def test_trade__back_above_mm__ends_the_auction(house: OptionsHouse) -> None:
    house.liquidator.send(STRANGER, "flag", FIRST)
    house.trade(closing(house))
    assert in_auction(house)
    house.trade(closing(house, 11 * LOT))
    assert not in_auction(house)


def test_close__leg_of_the_core__of_an_account_without_options(house: OptionsHouse) -> None:
    leg = options.FillLeg(instrument_of(ETH), LOT, house.model.markets[ETH].price)
    perp = options.Fill(SECOND, FIRST, (leg,))
    house.agree(deal((call(house), HELD, mark(house))))
    house.agree(replace(perp, taker=THIRD, maker=FIRST, legs=(replace(leg, size=20 * LOT),)))
    assert not house.account(FIRST).engaged
    price = sink(house, FIRST, house.model.markets[ETH].price // TICKS_PER_USD, 20_000)
    at = replace(leg, price=price)
    house.close(options.Fill(FIRST, SECOND, (at,)), 0)
    assert house.account(FIRST).legs == (Leg(instrument_of(ETH), -19 * LOT),)


def test_concession__between_two_flags__follows_the_stored_clock_for_an_hour(
    house: OptionsHouse,
) -> None:
    def agreed() -> int:
        house.model.now = house.evm.time
        said = house.liquidator.view("concession", FIRST)
        assert said == liquidation.concession(house.model, FIRST)
        return int(said)

    assert agreed() == 0
    for seconds, share in ((0, 0), (30, WAD // 20), (30, WAD // 10), (240, WAD // 2)):
        house.evm.advance(seconds)
        publish(house, house.model.markets[ETH].price)
        # nothing is conceded for time in which nobody found E < MM
        assert agreed() <= share
        house.liquidator.send(STRANGER, "flag", FIRST)
        liquidation.flag(house.model, FIRST, ())
        assert agreed() == share
    house.evm.advance(3_600)
    assert agreed() == WAD // 2
    house.evm.advance(1)
    assert agreed() == 0


# ---- what is due ---------------------------------------------------------------------------------


def test_close__not_a_venue__reverts(house: OptionsHouse) -> None:
    for sender in (STRANGER, FIRST >> 96, THIRD >> 96):
        with pytest.raises(Reverted, match="options: not a venue"):
            house.close(closing(house), 0, sender)


def test_close__at_mm__reverts(house: OptionsHouse) -> None:
    health = house.clearinghouse.view("health", FIRST)
    atom = WAD // 10 ** house.decimals[0]
    # the smallest deposit that lifts E to MM
    missing = -(-(health[4] - health[0]) // atom)
    token = house.tokens[0].address
    house.clearinghouse.send(FIRST >> 96, "deposit", FIRST, token, missing - 1)
    kept = house.evm.snapshot()
    house.close(closing(house), 0)
    house.evm.restore(kept)
    house.clearinghouse.send(FIRST >> 96, "deposit", FIRST, token, 1)
    refused(house, "options: not below mm", closing(house))


@pytest.mark.parametrize("flag", [PENDING, GRACE])
def test_close__feed_that_liquidates_nobody__reverts(healthy: OptionsHouse, flag: int) -> None:
    house = healthy
    house.agree(deal((instrument_of(BTC), -LOT // 10, house.model.markets[BTC].price)))
    sink(house, FIRST, 3_000, 9_000)
    facts = house.model.markets[BTC]
    until = house.evm.time + 600
    jumped = replace(facts, flags=ACTIVE | flag, grace_until=until, pending_publish=house.evm.time)
    house.write(BTC, jumped)
    refused(house, "options: closed", closing(house))
    house.write(BTC, facts)
    house.close(closing(house), 0)


def test_close__old_price__reverts(house: OptionsHouse) -> None:
    # the maker has calls to close, and needs no fresh price
    house.agree(deal((call(house), LOT, mark(house))))
    house.evm.advance(120)
    house.model.now = house.evm.time
    house.close(closing(house, LOT // 2, maker=SECOND), WAD // 2)
    house.evm.advance(1)
    refused(house, "options: price not trusted", closing(house, LOT // 4, maker=SECOND))


def test_close__house_account__reverts(house: OptionsHouse) -> None:
    sink(house, FIRST, house.model.markets[ETH].price // TICKS_PER_USD, 20_000, share=0)
    house.clearinghouse.send(OWNER, "set_venue", FIRST >> 96, True, True, 0)
    refused(house, "options: house", closing(house))


def test_close__several_legs__reverts(house: OptionsHouse) -> None:
    (leg,) = closing(house).legs
    perp = options.FillLeg(instrument_of(ETH), LOT, house.model.markets[ETH].price)
    refused(house, "options: one leg", options.Fill(FIRST, THIRD, (perp, leg)))
    refused(house, "options: one leg", options.Fill(FIRST, THIRD, ()))


def test_close__leg_that_grows_turns_or_is_not_held__reverts(house: OptionsHouse) -> None:
    for size in (-LOT, HELD + LOT, 2 * HELD):
        refused(house, "options: not reducing", closing(house, size))
    other = options.FillLeg(call(house, 3_100), LOT, mark(house, 3_100))
    refused(house, "options: not reducing", options.Fill(FIRST, THIRD, (other,)))


def test_close__with_oneself__reverts(house: OptionsHouse) -> None:
    refused(house, "options: parties", closing(house, maker=FIRST))


# ---- what the account gets -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concession", "share"), [(0, 0), (WAD // 10, WAD // 10), (3 * WAD // 2, WAD // 2)]
)
def test_close__costs__the_concession_of_what_it_releases_and_never_more_than_half(
    house: OptionsHouse, concession: int, share: int
) -> None:
    before = house.clearinghouse.view("health", FIRST)
    released = before[4] - after_close(house, closing(house)).mm
    # E falls by size x ticks: to the last tick
    most = released * share // (LOT * WAD)
    refused(house, "options: cost", closing(house, worse=most + 1), concession)
    house.close(closing(house, worse=most), concession)
    after = house.clearinghouse.view("health", FIRST)
    assert before[0] - after[0] == LOT * most


def test_close__no_more_than_lifts_it_to_le__but_for_a_lot(house: OptionsHouse) -> None:
    least = least_lots(house, closing(house, HELD))
    assert LOT < least < HELD
    refused(house, "options: overshoot", closing(house, least + 2))
    refused(house, "options: overshoot", closing(house, HELD))
    house.close(closing(house, least), 0)
    health = house.clearinghouse.view("health", FIRST)
    assert health[0] >= health[3]


def test_close__rest_that_would_be_dust__all_goes(house: OptionsHouse) -> None:
    # so near to nothing that only the whole leg is enough: a dollar
    before = house.model.markets[ETH].price // TICKS_PER_USD
    price = sink(house, FIRST, before, 20_000, share=0)
    dust = -(-10 * WAD // price)
    scale = WAD // 10 ** house.decimals[0]
    missing = WAD - int(house.clearinghouse.view("health", FIRST)[0])
    house.deposit_token(FIRST, 0, missing // scale)
    whole = after_close(house, closing(house, HELD))
    part = after_close(house, closing(house, HELD - dust))
    assert part.equity < part.le and whole.equity >= whole.le
    refused(house, "options: leg too small", closing(house, HELD - dust + 1))
    house.close(closing(house, HELD), 0)
    assert house.legs(FIRST) == ()


def test_close__a_hedge__makes_it_no_better(healthy: OptionsHouse) -> None:
    house = healthy
    house.agree(deal((instrument_of(ETH), 40 * LOT, house.model.markets[ETH].price)))
    house.options.send(FIRST >> 96, "set_mode", FIRST, True)
    options.set_mode(house.model, FIRST, True)
    price = sink(house, FIRST, 3_000, 30_000)
    long = options.FillLeg(instrument_of(ETH), -LOT, price)
    refused(house, "options: not better", options.Fill(FIRST, THIRD, (long,)))
    house.close(closing(house), 0)


def test_close__insolvent_account__only_at_a_price_that_shares_its_deficit(
    house: OptionsHouse,
) -> None:
    price = house.model.markets[ETH].price // TICKS_PER_USD
    sink(house, FIRST, price, 30_000, share=-10)
    before = house.clearinghouse.view("health", FIRST)
    refused(house, "options: not better", closing(house))
    # E / MM stays where E gains the share of it that MM loses
    released = before[4] - after_close(house, closing(house)).mm
    gain = -(before[0] * released // (before[4] * LOT))
    refused(house, "options: not better", closing(house, worse=-gain + 1))
    house.close(closing(house, worse=-gain - 1), 0)


# ---- the maker -----------------------------------------------------------------------------------


def test_close__maker_below_im__reverts(house: OptionsHouse) -> None:
    fourth = THIRD + 1
    house.deposit(fourth, 100)
    refused(house, "options: margin", closing(house, maker=fourth))
    house.deposit(fourth, 100_000)
    house.close(closing(house, maker=fourth), 0)


def test_close__maker_that_opens__needs_a_fresh_price_and_surface(house: OptionsHouse) -> None:
    house.evm.advance(16)
    refused(house, "options: price not trusted", closing(house))
    house.refresh(105)
    refused(house, "options: surface", closing(house))
    publish(house, house.model.markets[ETH].price)
    house.close(closing(house), WAD // 2)


def test_close__venue_taken_off__reverts(house: OptionsHouse) -> None:
    house.options.send(0x0E0E, "set_venue", VENUE, False)
    refused(house, "options: not a venue", closing(house))
