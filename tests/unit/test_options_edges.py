"""Options at the ends of what they may be: one lot, a minute left, on the strike, 64 legs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.reference import options
from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, PUT
from tests.reference.units import HOUR, LOTS_PER_UNIT, MAX_PRICE, TICKS_PER_USD, V_ONE, WAD
from tests.stateful.evm import Reverted
from tests.stateful.liveness import MOST_CALLS, MOST_GAS
from tests.support.options_house import (
    BTC,
    CAP,
    ETH,
    FIRST,
    SECOND,
    THIRD,
    OptionsHouse,
    deal,
    future,
    option,
)

LOT = LOTS_PER_UNIT
USD = TICKS_PER_USD
STRANGER = 0xBAD
FAR = 2**255
# of an answer
IM, LE = 2, 3


@pytest.fixture(scope="module")
def deployed() -> OptionsHouse:
    return OptionsHouse.funded(1_000_000, 1_000_000, 9_000_000)


@pytest.fixture
def house(deployed: OptionsHouse) -> Iterator[OptionsHouse]:
    with deployed.kept() as house:
        yield house


def fill(house: OptionsHouse, *legs: tuple[int, int, int]) -> None:
    """Fill on both sides, FIRST with SECOND."""
    house.agree(deal(*legs))
    same(house)


def same(house: OptionsHouse) -> None:
    """Accounts, legs and healths are the reference's."""
    for account in (FIRST, SECOND):
        assert house.account(account) == house.model.accounts[account]
        assert house.legs(account) == house.engine.books.get(account, ())
        health = house.model.health(account)
        assert tuple(house.clearinghouse.view("health", account)) == health.answer()


def settle(house: OptionsHouse, account: int) -> int:
    paid = int(house.options.send(STRANGER, "settle_expired", account))
    assert paid == options.settle_expired(house.model, account)
    return paid


# ---- sizes and prices ----------------------------------------------------------------------------


def test_trade__premium_of_one_tick_and_of_nothing__moves_to_the_wei(house: OptionsHouse) -> None:
    call, put = (option(ETH, kind, house.report(ETH, 7), 3_000) for kind in (CALL, PUT))
    fill(house, (call, LOT + 1, 1), (put, LOT + 1, 0))
    assert house.account(FIRST).cash == 1_000_000 * WAD - (LOT + 1)
    assert house.account(SECOND).cash == 1_000_000 * WAD + (LOT + 1)


def test_trade__one_lot__is_dust_where_it_is_all_and_none_where_it_is_more(
    house: OptionsHouse,
) -> None:
    call = option(ETH, CALL, house.report(ETH, 7), 3_000)
    with pytest.raises(Reverted, match="options: leg too small"):
        fill(house, (call, 1, USD))
    fill(house, (call, LOT, USD))
    fill(house, (call, 1, USD))
    assert house.legs(FIRST) == (Leg(call, LOT + 1),)
    fill(house, (call, -1, USD))
    with pytest.raises(Reverted, match="options: leg too small"):
        fill(house, (call, 1 - LOT, USD))
    fill(house, (call, -LOT, USD))
    assert house.legs(FIRST) == ()


def test_trade__as_many_contracts_as_the_cap__and_not_one_lot_more(house: OptionsHouse) -> None:
    hours = house.report(ETH, 7)
    low, high = (option(ETH, CALL, hours, strike) for strike in (3_000, 9_000))
    for account in (FIRST, SECOND):
        house.deposit(account, 9_000_000)
    fill(house, (high, CAP - LOT, USD))
    with pytest.raises(Reverted, match="options: cap"):
        fill(house, (low, LOT + 1, USD))
    fill(house, (low, LOT, USD))
    assert house.options.view("market_terms", ETH)[1] == CAP
    # who gives what he has to another one opens nothing
    fill(house, (low, -LOT, USD))
    assert house.options.view("market_terms", ETH)[1] == CAP - LOT


def test_trade__largest_price__is_refused_by_the_cash_and_one_more_as_no_price(
    house: OptionsHouse,
) -> None:
    call = option(ETH, CALL, house.report(ETH, 7), 3_000)
    with pytest.raises(Reverted, match="custody: not enough cash"):
        fill(house, (call, LOT, MAX_PRICE))
    with pytest.raises(Reverted, match="options: instrument"):
        fill(house, (call, LOT, MAX_PRICE + 1))


# ---- a minute left -------------------------------------------------------------------------------


@pytest.mark.parametrize("portfolio", [False, True])
def test_option__with_a_minute_left__is_filled_margined_and_settled(
    house: OptionsHouse, portfolio: bool
) -> None:
    hours = house.evm.time // HOUR + 1
    house.evm.advance(hours * HOUR - 60 - house.evm.time)
    house.report(ETH, 0)
    house.report(ETH, 1)
    house.refresh()
    house.surface(pm.Surface(ETH, hours, house.evm.time))
    if portfolio:
        for account in (FIRST, SECOND):
            house.options.send(account >> 96, "set_mode", account, True)
            options.set_mode(house.model, account, True)
    call, put = (option(ETH, kind, hours, 3_000) for kind in (CALL, PUT))
    bought = (future(ETH, hours), LOT, 3_000 * USD)
    fill(house, (call, 5 * LOT, 2 * USD), (put, -3 * LOT, 2 * USD), bought)
    house.refresh(59, eth=3_010)
    same(house)
    # in the second of its expiry it is expired
    house.refresh(1, eth=3_010)
    same(house)
    with pytest.raises(Reverted, match="options: not open"):
        fill(house, (call, LOT, USD))
    house.settle(ETH, hours, 3_010)
    same(house)
    assert settle(house, FIRST) == (5 * 10 + 3_010) * WAD
    assert settle(house, SECOND) == -(5 * 10 + 3_010) * WAD
    same(house)


# ---- pin risk ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", [-1, 0, 1])
def test_settle_expired__price_on_the_strike_or_a_tick_beside_it__pays_to_the_wei(
    house: OptionsHouse, ticks: int
) -> None:
    hours = house.report(ETH, 1)
    call, put = (option(ETH, kind, hours, 3_000) for kind in (CALL, PUT))
    fill(house, (call, 7 * LOT + 3, USD), (put, -2 * LOT - 1, USD))
    cash = 1_000_000 * WAD - (5 * LOT + 2) * USD
    assert house.account(FIRST).cash == cash
    house.refresh(24 * HOUR)
    house.surfaces.send(STRANGER, "settle", ETH, hours, 3_000 * USD + ticks)
    house.engine.settled[ETH, hours] = 3_000 * USD + ticks
    due = (7 * LOT + 3) * max(0, ticks) - (2 * LOT + 1) * max(0, -ticks)
    for account, sign in ((SECOND, -1), (FIRST, 1)):
        assert settle(house, account) == sign * due
        assert house.legs(account) == ()
    # who lost settles first, whichever it was
    for account in (FIRST, SECOND, FIRST):
        house.clearinghouse.send(STRANGER, "settle", account)
    assert house.account(FIRST).cash == cash + due
    assert house.account(SECOND).cash == 2_000_000 * WAD - cash - due
    assert house.account(FIRST).quote == house.account(SECOND).quote == 0


def test_withdraw__legs_expired_that_nobody_closed__are_paid_out_as_if_they_were(
    house: OptionsHouse,
) -> None:
    """Whoever touches the account has what expired in cash; the legs can be closed at any time."""
    hours = house.report(ETH, 1)
    fill(house, (option(ETH, CALL, hours, 3_000), 10 * LOT, 100 * USD))
    house.refresh(24 * HOUR)
    house.surfaces.send(STRANGER, "settle", ETH, hours, 3_250 * USD)
    house.engine.settled[ETH, hours] = 3_250 * USD
    for account in (SECOND, FIRST):
        house.clearinghouse.send(STRANGER, "settle", account)
    token, owner = house.tokens[0], FIRST >> 96
    had = token.view("balanceOf", owner)
    # an open leg keeps what a keeper would be paid for it
    kept = 100
    asked = (1_000_000 - 10 * 100 + 10 * 250 - kept) * 10 ** house.decimals[0]
    house.clearinghouse.send(owner, "withdraw", FIRST, token.address, asked, owner)
    assert token.view("balanceOf", owner) == had + asked
    assert house.account(FIRST).cash == kept * WAD
    assert len(house.legs(FIRST)) == 1
    for account, paid in ((FIRST, 2_500 * WAD), (SECOND, -2_500 * WAD)):
        assert house.options.send(STRANGER, "settle_expired", account) == paid
        assert house.account(account).quote == 0


# ---- as many legs as there may be ----------------------------------------------------------------


@pytest.mark.parametrize("rates", [(V_ONE, V_ONE), (3 * V_ONE, 2 * V_ONE)])
def test_take__sixty_four_legs_under_portfolio_margin__fits_ten_million_gas(
    house: OptionsHouse, rates: tuple[int, int]
) -> None:
    """C7, whether MM and IM are scanned over one range or over two."""
    write_sixty_four(house)
    price = 3_000
    while below(house) >= 0:
        price += 50
        house.refresh(10, eth=price, btc=20 * price)
        volatility(house, *rates)
    gas = [house.liquidator.send(THIRD >> 96, "flag", SECOND) and 0]
    for _ in range(MOST_CALLS):
        house.refresh(60)
        volatility(house, *rates)
        if below(house) >= 0:
            break
        fraction = smallest(house)
        args = (SECOND, THIRD, fraction, FAR, 0, FAR)
        house.liquidator.send(THIRD >> 96, "take", *args)
        gas.append(house.evm.gas_used())
    assert below(house) >= 0
    assert 1 < len(gas) <= MOST_CALLS
    assert max(gas) <= MOST_GAS


@pytest.mark.parametrize("portfolio", [False, True])
def test_rest__of_any_part__is_the_reference_s_but_for_im(
    house: OptionsHouse, portfolio: bool
) -> None:
    """IM of it counts v_slow for v: nobody asks for it, and a scan over its range is spared."""
    write_sixty_four(house, portfolio)
    volatility(house, 2 * V_ONE, 3 * V_ONE // 2)
    facts = house.account(SECOND)
    words = house.clearinghouse.view("account_words", SECOND)
    whole = house.model.health(SECOND).answer()
    for part in (0, 1, WAD // 3, WAD - 1, WAD):
        kept = house.engine.rest(house.model, SECOND, part, facts).answer()
        said = tuple(house.options.view("rest", SECOND, part, *words))
        assert said[:IM] + said[IM + 1 :] == kept[:IM] + kept[IM + 1 :]
        assert said[LE] <= said[IM] <= kept[IM]
        if part == 0:
            assert kept == whole
            assert said[IM] < kept[IM]


def write_sixty_four(house: OptionsHouse, portfolio: bool = True) -> None:
    """Let SECOND write as many calls of two markets and two expiries to FIRST as there may be."""
    for key in (ETH, BTC):
        for days in (7, 30):
            house.report(key, days)
    for account in (FIRST, SECOND) if portfolio else ():
        house.options.send(account >> 96, "set_mode", account, True)
        house.engine.modes[account] = True
    for start in range(0, 64, 8):
        ids = [
            option(
                (ETH, BTC)[i % 2],
                CALL,
                house.evm.time // HOUR + 24 * (7, 30)[i // 2 % 2],
                (3_000, 60_000)[i % 2] + 10 * i,
            )
            for i in range(start, start + 8)
        ]
        legs = ((id_, LOT * 10 // (4 if id_ >> 56 == ETH else 80), 100 * USD) for id_ in ids)
        asked = deal(*legs)
        house.trade(asked)
        options.trade(house.model, asked)


def volatility(house: OptionsHouse, v: int, v_slow: int) -> None:
    for key in (ETH, BTC):
        house.write(key, replace(house.model.markets[key], v=v, v_slow=v_slow))


def below(house: OptionsHouse) -> int:
    """Return E - MM of SECOND [WAD]."""
    said = house.clearinghouse.view("health", SECOND)
    return int(said[0] - said[4])


def smallest(house: OptionsHouse) -> int:
    """Return a share that may be taken, as a keeper finds it by trying."""
    low, high = 0, WAD
    for _ in range(40):
        fraction, kept = (low + high) // 2, house.evm.snapshot()
        try:
            args = (SECOND, THIRD, fraction, FAR, 0, FAR)
            house.liquidator.send(THIRD >> 96, "take", *args)
        except Reverted as reverted:
            if reverted.reason == "liquidator: too small":
                low = fraction
            else:
                high = fraction
        else:
            return fraction
        finally:
            house.evm.restore(kept)
    return WAD
