"""Options: fills of options and futures, modes, venues, caps, and what the core carries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.reference import options
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, PUT, parts
from tests.reference.units import (
    ACTIVE,
    GRACE,
    LOTS_PER_UNIT,
    OPENING,
    PENDING,
    TICKS_PER_USD,
    UNTRUSTED,
    WAD,
)
from tests.reference.words import instrument_of
from tests.stateful.evm import Reverted
from tests.stateful.house import OWNER
from tests.support.options_house import (
    BTC,
    CAP,
    ENGINEER,
    ETH,
    EXPIRY,
    FIRST,
    SECOND,
    THIRD,
    VENUE,
    OptionsHouse,
    deal,
    future,
    option,
)

LOT = LOTS_PER_UNIT
PREMIUM = 100 * TICKS_PER_USD
STRANGER, HAND = 0xBAD, 0x4A4D
ACT = 4


@pytest.fixture(scope="module")
def deployed() -> OptionsHouse:
    return OptionsHouse.funded(100_000, 100_000, 100_000, days=(7, 30))


@pytest.fixture
def house(deployed: OptionsHouse) -> Iterator[OptionsHouse]:
    with deployed.kept() as house:
        yield house


def hours(house: OptionsHouse, days: int = 30) -> int:
    return house.evm.time // 3_600 + 24 * days


def call(house: OptionsHouse, strike: int = 3_000, days: int = 30) -> int:
    return option(ETH, CALL, hours(house, days), strike)


def put(house: OptionsHouse, strike: int = 3_000, days: int = 30) -> int:
    return option(ETH, PUT, hours(house, days), strike)


def refused(house: OptionsHouse, reason: str, *legs: tuple[int, int, int]) -> None:
    with pytest.raises(Reverted, match=reason):
        house.trade(deal(*legs))


# ---- fills ---------------------------------------------------------------------------------------


def test_trade__an_option__premium_moves_in_cash(house: OptionsHouse) -> None:
    house.trade(deal((call(house), 2 * LOT, PREMIUM), fees=(3 * WAD, WAD)))
    events = [house.options.read(log) for log in house.evm.logs()]

    assert house.legs(FIRST) == (Leg(call(house), 2 * LOT),)
    assert house.legs(SECOND) == (Leg(call(house), -2 * LOT),)
    taker, maker = house.account(FIRST), house.account(SECOND)
    assert (taker.cash, maker.cash) == (99_800 * WAD, 100_200 * WAD)
    assert (taker.quote, maker.quote) == (-3 * WAD, -WAD)
    assert house.account(house.setup.fee_account).quote == 4 * WAD
    assert taker.engaged and maker.engaged
    assert house.options.view("market_terms", ETH) == (CAP, 2 * LOT)
    (leg,) = (said for name, said in filter(None, events) if name == "LegTraded")
    (total,) = (said for name, said in filter(None, events) if name == "FillTraded")
    assert (leg["size"], leg["price"], leg["mark"]) == (2 * LOT, PREMIUM, 3_000 * TICKS_PER_USD)
    assert (leg["taker_size"], leg["maker_size"]) == (2 * LOT, -2 * LOT)
    assert (total["cash"], total["quote"]) == (200 * WAD, 0)


def test_trade__a_package_of_everything__is_one_fill(house: OptionsHouse) -> None:
    at = 3_000 * TICKS_PER_USD
    legs = (
        (instrument_of(ETH), -LOT, at),
        (future(ETH, hours(house)), LOT, at),
        (call(house), LOT, PREMIUM),
        (put(house), -LOT, PREMIUM),
    )
    house.trade(deal(*legs))
    assert house.account(FIRST).legs == (Leg(instrument_of(ETH), -LOT),)
    assert {leg.instrument for leg in house.legs(FIRST)} == {leg[0] for leg in legs[1:]}
    assert house.account(FIRST).cash == 100_000 * WAD
    assert house.account(FIRST).quote == 0


def test_trade__everything_closed__the_account_is_an_ordinary_one(house: OptionsHouse) -> None:
    house.trade(deal((call(house), LOT, PREMIUM)))
    house.trade(deal((call(house), -LOT, PREMIUM)))
    assert house.legs(FIRST) == house.legs(SECOND) == ()
    assert not house.account(FIRST).engaged
    assert house.options.view("market_terms", ETH) == (CAP, 0)
    assert house.clearinghouse.view("health", FIRST)[2:6] == (0, 0, 0, 0)


def test_trade__below_im__reduces_and_does_not_open(house: OptionsHouse) -> None:
    house.trade(deal((call(house), -100 * LOT, PREMIUM)))
    house.refresh(10, eth=5_500)
    house.report(ETH, 30)
    health = house.clearinghouse.view("health", FIRST)
    assert health[4] < health[0] < health[2]
    mark = options.engine_of(house.model).mark(house.model, house.engine, Leg(call(house), 1))
    refused(house, "options: margin", (call(house), -LOT // 100, mark))
    refused(house, "options: margin", (call(house), LOT, 5 * mark))
    house.trade(deal((call(house), LOT, mark)))
    assert house.legs(FIRST) == (Leg(call(house), -99 * LOT),)


def test_trade__premium_beyond_the_cash__reverts(house: OptionsHouse) -> None:
    refused(house, "custody: not enough cash", (call(house), 11 * LOT, 10_000 * TICKS_PER_USD))


def test_trade__not_a_venue__reverts(house: OptionsHouse) -> None:
    for sender in (STRANGER, FIRST >> 96, ENGINEER):
        with pytest.raises(Reverted, match="options: not a venue"):
            house.trade(deal((call(house), LOT, PREMIUM)), sender)
    house.options.send(ENGINEER, "set_venue", VENUE, False)
    refused(house, "options: not a venue", (call(house), LOT, PREMIUM))


def test_trade__with_oneself__reverts(house: OptionsHouse) -> None:
    said = options.Fill(FIRST, FIRST, (options.FillLeg(call(house), LOT, PREMIUM),))
    with pytest.raises(Reverted, match="options: parties"):
        house.trade(said)


def test_trade__legs_out_of_order_or_twice__reverts(house: OptionsHouse) -> None:
    one, two = (options.FillLeg(each(house), LOT, PREMIUM) for each in (call, put))
    for legs in ((two, one), (one, one)):
        with pytest.raises(Reverted, match="options: leg order"):
            house.trade(options.Fill(FIRST, SECOND, legs))


def test_trade__an_id_that_is_not_canonical__reverts(house: OptionsHouse) -> None:
    # mantissa 30, exponent 1 less: the same strike, written otherwise
    mantissa = 1 << 5
    twice = call(house) + 9 * (call(house) >> 5 & 2**25 - 1) * mantissa - 1
    for id_ in (twice, 1 << 54 | 1 << 56, 1 << 64 | call(house)):
        refused(house, "options: instrument", (id_, LOT, PREMIUM))
    refused(house, "options: instrument", (call(house), 0, PREMIUM))
    refused(house, "options: instrument", (call(house), LOT, 2**63))


def test_trade__size_beyond_64_bits__reverts(house: OptionsHouse) -> None:
    for size in (2**63, -(2**63)):
        refused(house, "engine: size range", (call(house), size, PREMIUM))


def test_trade__less_than_ten_dollars_left__reverts(house: OptionsHouse) -> None:
    refused(house, "options: leg too small", (call(house), LOT // 301, 0))
    house.trade(deal((call(house), LOT // 300 + 1, 0)))


def test_trade__fee_above_a_hundredth__reverts(house: OptionsHouse) -> None:
    for fees in ((30 * WAD + 1, 0), (0, 30 * WAD + 1)):
        with pytest.raises(Reverted, match="options: fee"):
            house.trade(deal((call(house), LOT, PREMIUM), fees=fees))
    house.trade(deal((call(house), LOT, PREMIUM), fees=(30 * WAD, 30 * WAD)))


@pytest.mark.parametrize("flag", [PENDING, UNTRUSTED, OPENING])
def test_trade__price_in_doubt__does_not_open(house: OptionsHouse, flag: int) -> None:
    facts = house.model.markets[ETH]
    house.write(ETH, replace(facts, flags=ACTIVE | flag))
    refused(house, "options: price not trusted", (call(house), LOT, PREMIUM))
    house.write(ETH, replace(facts, flags=ACTIVE | GRACE))
    house.trade(deal((call(house), LOT, PREMIUM)))


def test_trade__old_price__opens_for_15_s_and_reduces_for_120_s(house: OptionsHouse) -> None:
    house.trade(deal((call(house), LOT, PREMIUM)))
    for seconds, size in ((15, LOT), (105, -LOT // 2)):
        house.evm.advance(seconds)
        house.trade(deal((call(house), size, PREMIUM)))
        house.evm.advance(1)
        refused(house, "options: price not trusted", (call(house), size, PREMIUM))
        house.evm.advance(-1)


def test_trade__old_surface__does_not_open(house: OptionsHouse) -> None:
    house.trade(deal((call(house), LOT, PREMIUM)))
    house.refresh(121)
    refused(house, "options: surface", (call(house), LOT, PREMIUM))
    house.trade(deal((call(house), -LOT // 2, PREMIUM)))


def test_trade__jump_of_the_surface_waits__only_reduces(house: OptionsHouse) -> None:
    house.trade(deal((call(house), LOT, PREMIUM)))
    told = (ETH, parts(call(house)).hours)
    house.surfaces.send(ENGINEER, "set_waiting", *told, True)
    refused(house, "options: surface", (call(house), LOT, PREMIUM))
    house.trade(deal((call(house), -LOT // 2, PREMIUM)))
    house.surfaces.send(ENGINEER, "set_waiting", *told, False)
    house.trade(deal((call(house), LOT, PREMIUM)))


def test_trade__no_surface__does_not_open(house: OptionsHouse) -> None:
    refused(house, "options: surface", (call(house, days=8), LOT, PREMIUM))


def test_trade__outside_the_bounds__does_not_open(house: OptionsHouse) -> None:
    far = (call(house, 30_001), put(house, 299), call(house, days=366), future(3, hours(house)))
    for id_ in far:
        refused(house, "options: not open", (id_, LOT, PREMIUM))
    expired = option(ETH, CALL, house.evm.time // 3_600, 3_000)
    refused(house, "options: not open", (expired, LOT, PREMIUM))


def test_trade__over_the_cap__reverts(house: OptionsHouse) -> None:
    house.options.send(ENGINEER, "set_cap", ETH, 3 * LOT)
    house.trade(deal((call(house), 2 * LOT, PREMIUM)))
    refused(house, "options: cap", (put(house), LOT + 1, PREMIUM))
    house.trade(deal((put(house), LOT, PREMIUM), (future(ETH, hours(house)), LOT, PREMIUM)))
    house.options.send(ENGINEER, "set_cap", ETH, 0)
    house.trade(deal((call(house), -LOT, PREMIUM)))
    refused(house, "options: not open", (call(house), LOT, PREMIUM))


def test_trade__a_65th_leg__has_no_room(house: OptionsHouse) -> None:
    strikes = [2_000 + 10 * i for i in range(65)]
    ids = [option(ETH, CALL, hours(house), strike) for strike in strikes]
    for start in range(0, 64, 8):
        house.trade(deal(*((id_, LOT // 100, PREMIUM) for id_ in ids[start : start + 8])))
    assert len(house.legs(FIRST)) == 64
    refused(house, "engine: no room", (ids[64], LOT // 100, PREMIUM))
    house.trade(deal((ids[0], -LOT // 100, PREMIUM), (ids[64], LOT // 100, PREMIUM)))
    assert len(house.legs(SECOND)) == 64


# ---- modes ---------------------------------------------------------------------------------------


def test_set_mode__portfolio__asks_for_less_of_a_spread(house: OptionsHouse) -> None:
    house.trade(deal((call(house), -10 * LOT, PREMIUM), (call(house, 3_100), 10 * LOT, PREMIUM)))
    standard = house.clearinghouse.view("health", FIRST)
    house.options.send(FIRST >> 96, "set_mode", FIRST, True)
    events = [house.options.read(log) for log in house.evm.logs()]
    assert ("ModeSet", {"account": FIRST, "portfolio": True}) in events
    assert house.options.view("mode", FIRST) == (2, True)
    assert house.clearinghouse.view("health", FIRST)[2] < standard[2] // 4


def test_set_mode__back__needs_im_under_standard_margin(house: OptionsHouse) -> None:
    house.options.send(FIRST >> 96, "set_mode", FIRST, True)
    spread = [(call(house), -200 * LOT, PREMIUM), (call(house, 3_100), 200 * LOT, PREMIUM)]
    house.options.send(SECOND >> 96, "set_mode", SECOND, True)
    house.trade(deal(*spread))
    with pytest.raises(Reverted, match="options: margin"):
        house.options.send(FIRST >> 96, "set_mode", FIRST, False)
    house.trade(deal(*((id_, -size, price) for id_, size, price in spread)))
    house.options.send(FIRST >> 96, "set_mode", FIRST, False)
    assert not house.account(FIRST).engaged


def test_set_mode__price_in_doubt__reverts(house: OptionsHouse) -> None:
    house.trade(deal((call(house), LOT, PREMIUM)))
    house.evm.advance(61)
    with pytest.raises(Reverted, match="options: invalid feed"):
        house.options.send(FIRST >> 96, "set_mode", FIRST, True)


def test_set_mode__by_others__reverts(house: OptionsHouse) -> None:
    with pytest.raises(Reverted, match="options: not the owner"):
        house.options.send(SECOND >> 96, "set_mode", FIRST, True)
    house.clearinghouse.send(OWNER, "set_hand", HAND, ACT)
    house.options.send(HAND, "set_mode", FIRST, True)
    assert house.options.view("mode", FIRST) == (0, True)


def test_check__nine_markets_in_the_scan__have_no_room(house: OptionsHouse) -> None:
    legs = [Leg(option(key, CALL, hours(house), 3_000), LOT).instrument for key in (3, 4)]
    entries = [leg << 64 | LOT for leg in legs]
    for portfolio in (True, False):
        args = (entries, portfolio, 0, [0] * 8, [0] * 4, True)
        if portfolio:
            # markets 3 and 4 have no terms
            with pytest.raises(Reverted, match="engine: no room"):
                house.margin.view("check", *args)
        else:
            assert house.margin.view("check", *args)[4] > 0


# ---- carried legs --------------------------------------------------------------------------------


def carry(house: OptionsHouse, part: int) -> None:
    """Have the core carry a share from FIRST to THIRD, as a hand that answers for both."""
    house.clearinghouse.send(OWNER, "set_hand", HAND, ACT)
    keep_tilt = 2**255 - 1
    post = (FIRST, THIRD, THIRD, 0, 0, [0] * 16, [0] * 8, 0, 0, 0, 0, 0, 0, keep_tilt, part)
    house.clearinghouse.send(HAND, "post", post, False)


def test_carry__half__moves_half_of_every_leg_toward_zero(house: OptionsHouse) -> None:
    house.trade(deal((call(house), 3 * LOT, PREMIUM), (put(house), -LOT - 1, PREMIUM)))
    house.trade(options.Fill(THIRD, SECOND, (options.FillLeg(put(house), 2 * LOT, PREMIUM),)))
    carry(house, WAD // 2)
    assert house.legs(FIRST) == (
        Leg(call(house), 3 * LOT // 2),
        Leg(put(house), -LOT - 1 + (LOT + 1) // 2),
    )
    assert dict((leg.instrument, leg.size) for leg in house.legs(THIRD)) == {
        call(house): 3 * LOT // 2,
        put(house): 2 * LOT - (LOT + 1) // 2,
    }
    house.engine.books.update({FIRST: house.legs(FIRST), THIRD: house.legs(THIRD)})
    long = sum(max(leg.size, 0) for key in (FIRST, SECOND, THIRD) for leg in house.legs(key))
    assert house.options.view("market_terms", ETH)[1] == long


def test_carry__everything__ends_the_mode(house: OptionsHouse) -> None:
    house.trade(deal((call(house), 3 * LOT, PREMIUM)))
    house.options.send(FIRST >> 96, "set_mode", FIRST, True)
    carry(house, WAD)
    assert house.options.view("mode", FIRST) == (0, False)
    assert not house.account(FIRST).engaged and house.account(THIRD).engaged
    assert house.legs(THIRD) == (Leg(call(house), 3 * LOT),)


def test_carry__by_others_or_more_than_all__reverts(house: OptionsHouse) -> None:
    for sender in (STRANGER, ENGINEER, VENUE, FIRST >> 96):
        with pytest.raises(Reverted, match="options: not the core"):
            house.options.send(sender, "carry", FIRST, THIRD, WAD)
    with pytest.raises(Reverted, match="options: part"):
        carry(house, WAD + 1)


# ---- owners --------------------------------------------------------------------------------------


def test_owner_calls__by_others__revert(house: OptionsHouse) -> None:
    for contract, name, args in (
        (house.options, "set_venue", (VENUE, True)),
        (house.options, "set_cap", (ETH, 1)),
        (house.margin, "set_risk", (ETH, 0, [500, 500], 0, 0)),
    ):
        with pytest.raises(Reverted, match="ownable: caller is not the owner"):
            contract.send(STRANGER, name, *args)


def test_set_cap__at_and_past_its_bounds(house: OptionsHouse) -> None:
    house.options.send(ENGINEER, "set_cap", ETH, 2**56 - 1)
    events = [house.options.read(log) for log in house.evm.logs()]
    assert events == [("CapSet", {"market": ETH, "old_cap": CAP, "cap": 2**56 - 1})]
    for market, cap in ((ETH, 2**56), (3, 1)):
        with pytest.raises(Reverted, match="options: out of range"):
            house.options.send(ENGINEER, "set_cap", market, cap)


def test_set_risk__at_and_past_its_bounds(house: OptionsHouse) -> None:
    for good in ((3, [500, 500], 0, 0), (0, [10_000, 10_000], 2_000, 2_000)):
        house.margin.send(ENGINEER, "set_risk", ETH, *good)
    word = house.margin.view("risk", ETH)
    assert word == 2_000 << 48 | 2_000 << 32 | 10_000 << 16 | 10_000
    bad = (
        (ETH, 4, [500, 500], 0, 0),
        (ETH, 0, [499, 500], 0, 0),
        (ETH, 0, [500, 499], 0, 0),
        (ETH, 0, [10_001, 500], 0, 0),
        (ETH, 0, [500, 10_001], 0, 0),
        (ETH, 0, [500, 500], 2_001, 0),
        (ETH, 0, [500, 500], 0, 2_001),
        (0, 0, [500, 500], 0, 0),
        (5, 0, [500, 500], 0, 0),
    )
    for terms in bad:
        with pytest.raises(Reverted, match="engine: out of range"):
            house.margin.send(ENGINEER, "set_risk", *terms)


# ---- what it may cost ----------------------------------------------------------------------------


def test_check__sixty_four_legs__answer_within_the_cores_bound(house: OptionsHouse) -> None:
    """The core gives the engine 5,000,000 gas; its dearest answer takes less than half of that."""
    for account in (FIRST, SECOND):
        house.deposit(account, 3_000_000)
        house.options.send(account >> 96, "set_mode", account, True)
    facts = {key: house.model.markets[key] for key in (ETH, BTC)}
    for start in range(0, 64, 8):
        ids = [
            option(
                (ETH, BTC)[i % 2],
                CALL,
                hours(house, (7, 30)[i // 2 % 2]),
                (3_000, 60_000)[i % 2] + 10 * i,
            )
            for i in range(start, start + 8)
        ]
        house.trade(deal(*((id_, LOT // 100, PREMIUM) for id_ in ids)))
    # the ranges of MM and IM differ: the book is scanned twice
    for key, market in facts.items():
        house.write(key, replace(market, v=30_000, v_slow=20_000, publish=house.evm.time))
    house.clearinghouse.view("health", FIRST)
    assert house.evm.gas_used() < 2_500_000 + 21_000


# ---- expiry --------------------------------------------------------------------------------------


def expire(house: OptionsHouse, price: int, days: int = 7) -> int:
    """Let an expiry pass and write its settlement price [USD]; return its hours."""
    said = hours(house, days)
    house.evm.advance(24 * 3_600 * days)
    house.model.now = house.evm.time
    if price:
        house.settle(ETH, said, price)
    return said


def settle(house: OptionsHouse, account: int) -> int:
    return int(house.options.send(STRANGER, "settle_expired", account))


@pytest.mark.parametrize("price", [2_900, 3_000, 3_200])
def test_settle_expired__payoff__enters_quote_on_both_sides(
    house: OptionsHouse, price: int
) -> None:
    legs = (
        (call(house, 3_000, 7), 2 * LOT, PREMIUM),
        (put(house, 3_000, 7), -LOT, PREMIUM),
        (future(ETH, hours(house, 7)), LOT, 3_000 * TICKS_PER_USD),
        (call(house, 3_000, 30), LOT, PREMIUM),
    )
    house.trade(deal(*legs))
    expire(house, price)
    # 2 calls, a short put, and a future that was bought at 3,000
    pays = (2 * max(0, price - 3_000) - max(0, 3_000 - price) + price) * WAD
    assert settle(house, FIRST) == pays
    events = [house.options.read(log) for log in house.evm.logs()]
    assert [said["value"] for name, said in filter(None, events) if name == "LegSettled"]
    assert house.account(FIRST).quote == pays - 3_000 * WAD
    assert [leg.instrument for leg in house.legs(FIRST)] == [call(house, 3_000, 23)]
    assert house.account(EXPIRY).quote == -pays
    # the other side comes later, at the same price
    house.refresh(3_600, eth=9_000)
    assert settle(house, SECOND) == -pays
    assert house.account(EXPIRY).quote == 0
    assert house.options.view("market_terms", ETH)[1] == LOT


def test_settle_expired__health__is_the_same_before_and_after(house: OptionsHouse) -> None:
    house.trade(deal((call(house, 3_000, 7), 2 * LOT, PREMIUM)))
    expire(house, 3_500)
    before = house.clearinghouse.view("health", FIRST)
    settle(house, FIRST)
    after = house.clearinghouse.view("health", FIRST)
    # nothing is left, so nothing is required; a gain in quote that the pot has not got yet
    assert (after[0], after[1]) == (before[0], before[1])
    assert not house.account(FIRST).engaged
    house.clearinghouse.send(STRANGER, "settle", SECOND)
    house.clearinghouse.send(STRANGER, "settle", FIRST)
    settle(house, SECOND)
    house.clearinghouse.send(STRANGER, "settle", SECOND)
    house.clearinghouse.send(STRANGER, "settle", FIRST)
    assert house.account(FIRST).cash == (100_000 - 200 + 1_000) * WAD
    assert house.account(SECOND).cash == (100_000 + 200 - 1_000) * WAD


def test_settle_expired__price_not_written__reverts_and_the_margin_waits(
    house: OptionsHouse,
) -> None:
    house.trade(deal((call(house, 3_000, 7), -2 * LOT, PREMIUM)))
    said = expire(house, 0)
    for account in (FIRST, THIRD):
        with pytest.raises(Reverted, match="options: nothing expired"):
            settle(house, account)
    house.refresh(eth=3_100)
    health = house.clearinghouse.view("health", FIRST)
    assert health[0] == (100_000 + 200 - 2 * 100) * WAD
    assert health[4] > 2 * 310 * WAD
    house.settle(ETH, said, 3_100)
    assert house.clearinghouse.view("health", FIRST)[4] < 2 * WAD
    assert settle(house, FIRST) == -200 * WAD


def test_settle_expired__twice__reverts(house: OptionsHouse) -> None:
    house.trade(deal((call(house, 3_000, 7), LOT, PREMIUM)))
    expire(house, 3_100)
    settle(house, FIRST)
    with pytest.raises(Reverted, match="options: nothing expired"):
        settle(house, FIRST)


def test_engine_account__in_debt_to_holders__is_neither_settled_nor_liquidated(
    house: OptionsHouse,
) -> None:
    house.trade(deal((call(house, 3_000, 7), LOT, PREMIUM)))
    expire(house, 3_500)
    settle(house, FIRST)
    assert house.account(EXPIRY).quote == -500 * WAD
    assert house.clearinghouse.view("health", EXPIRY) == (0,) * 8
    house.clearinghouse.send(STRANGER, "settle", EXPIRY)
    assert house.account(EXPIRY).quote == -500 * WAD
    house.clearinghouse.send(OWNER, "set_hand", HAND, 2)
    post = (EXPIRY, THIRD, THIRD, 0, 0, [0] * 16, [0] * 8, 0, 0, 0, 0, 0, 0, 2**255 - 1, 0)
    with pytest.raises(Reverted, match="seizure: not below mm"):
        house.clearinghouse.send(HAND, "post", post, False)
    with pytest.raises(Reverted, match="seizure: no such debt"):
        house.clearinghouse.send(HAND, "write_off", EXPIRY, 0)


def test_settle_expired__sixty_four_legs__takes_less_than_three_million_gas(
    house: OptionsHouse,
) -> None:
    ids = [option(ETH, CALL, hours(house, 7), 2_000 + 10 * i) for i in range(64)]
    for start in range(0, 64, 8):
        house.trade(deal(*((id_, LOT // 100, PREMIUM) for id_ in ids[start : start + 8])))
    expire(house, 2_500)
    settle(house, FIRST)
    assert house.evm.gas_used() < 3_000_000
    assert house.legs(FIRST) == ()
    assert house.account(FIRST).quote == sum(max(0, 500 - 10 * i) for i in range(64)) * WAD // 100


# ---- liquidation ---------------------------------------------------------------------------------


def under_mm(house: OptionsHouse) -> None:
    """Bring FIRST under MM: short calls and a perp, and the price goes up."""
    at = 3_000 * TICKS_PER_USD
    house.trade(deal((instrument_of(ETH), -10 * LOT, at), (call(house), -150 * LOT, PREMIUM)))
    house.refresh(10, eth=5_500)
    health = house.clearinghouse.view("health", FIRST)
    assert 0 < health[0] < health[4]


def test_reduce__account_of_the_engine__is_told_to_take(house: OptionsHouse) -> None:
    under_mm(house)
    args = (FIRST, instrument_of(ETH), 0, 0, THIRD, house.evm.time)
    with pytest.raises(Reverted, match="liquidator: take only"):
        house.liquidator.send(THIRD >> 96, "reduce", *args)
    closed = 2
    assert house.liquidator.view("plan_reduce", FIRST, instrument_of(ETH))[0] == closed


def test_take__account_of_the_engine__moves_a_part_of_everything(house: OptionsHouse) -> None:
    under_mm(house)
    house.deposit(THIRD, 5_000_000)
    house.liquidator.send(THIRD >> 96, "flag", FIRST)
    house.refresh(30)
    plan = house.liquidator.view("plan_take", FIRST)
    fraction = plan[1]
    assert plan[0] == 0 and 0 < fraction < WAD
    args = (FIRST, THIRD, fraction, 2**255, 0, house.evm.time)
    house.liquidator.send(THIRD >> 96, "take", *args)
    (taken,) = (leg for leg in house.legs(THIRD))
    assert taken == Leg(call(house, days=30), -(150 * LOT * fraction // WAD))
    assert house.account(THIRD).legs == (Leg(instrument_of(ETH), -(10 * LOT * fraction // WAD)),)
    health = house.clearinghouse.view("health", FIRST)
    assert health[0] >= health[3]
    assert house.account(FIRST).engaged and house.account(THIRD).engaged
