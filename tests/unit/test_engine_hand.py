"""What the engine may do at the Clearinghouse: deals, carried legs, answers about health."""

from __future__ import annotations

import boa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import ledger
from tests.reference.facts import Account, Health
from tests.reference.refused import Refused
from tests.reference.state import Setup, World, store
from tests.support.examples import part
from tests.unit.ledger_support import (
    BTC,
    ETH,
    IN_AUCTION,
    LISTED,
    TICKS,
    WAD,
    Books,
    account_of,
    anchored,
    instrument_of,
    logs,
)
from tests.unit.pool_chain import market_at

LOTS = 10**8
OPTIONS = 16
FIRST, SECOND, BOTH = 1, 2, 3
# what a check of the engine may burn, and what a call of the Clearinghouse burns besides
ENGINE_GAS = 5_000_000
BESIDES = 150_000


def pair(books: Books, usd: int = 1_000) -> tuple[int, int]:
    return books.open_account("trader", usd), books.open_account("counterparty", usd)


# ---- deals ---------------------------------------------------------------------------------------


def test_deal__cash_quote_lots_and_fee__move_between_the_two(books: Books) -> None:
    trader, maker = pair(books)
    fees = books.clearinghouse.fee_account()

    books.deal(trader, maker, size=3 * LOTS, cash=70 * WAD, quote=6_000 * WAD, fee=2 * WAD)

    (moved,) = logs(books.engine, "LegMoved")
    assert (moved.account, moved.counterparty, moved.size) == (trader, maker, -3 * LOTS)
    assert (moved.account_size, moved.counterparty_size) == (3 * LOTS, -3 * LOTS)
    assert (books.size(trader), books.size(maker)) == (3 * LOTS, -3 * LOTS)
    words = [books.word(account) for account in (trader, maker, fees)]
    assert [word.cash for word in words] == [930 * WAD, 1_070 * WAD, 0]
    assert [word.quote for word in words] == [-6_002 * WAD, 6_000 * WAD, 2 * WAD]
    assert books.markets.open_interest(ETH) == 3 * LOTS


def test_deal__a_leg_is_closed_and_turned__open_interest_follows(books: Books) -> None:
    trader, maker = pair(books)
    books.deal(trader, maker, size=3 * LOTS)
    books.deal(trader, maker, size=-5 * LOTS)
    assert (books.size(trader), books.size(maker)) == (-2 * LOTS, 2 * LOTS)
    assert books.markets.open_interest(ETH) == 2 * LOTS
    books.deal(maker, trader, size=-2 * LOTS)
    assert (books.word(trader).legs, books.word(maker).legs) == (0, 0)


def test_deal__the_margin_is_the_engines_affair__none_is_asked_here(books: Books) -> None:
    trader, maker = pair(books, 0)
    books.markets.set_broken(True)
    books.deal(trader, maker, size=1_000 * LOTS, quote=2_000_000 * WAD)
    books.markets.set_broken(False)
    assert books.size(trader) == 1_000 * LOTS


@pytest.mark.parametrize("premium", [1_000 * WAD + 1, -1_000 * WAD - 1])
def test_deal__premium_beyond_the_cash__reverts(books: Books, premium: int) -> None:
    trader, maker = pair(books)
    with boa.reverts("custody: not enough cash"):
        books.deal(trader, maker, cash=premium)
    step = 1 if premium > 0 else -1
    books.deal(trader, maker, cash=premium - step)
    assert {books.word(trader).cash, books.word(maker).cash} == {0, 2_000 * WAD}


def test_deal__receiver_in_debt__takes_the_premium(books: Books) -> None:
    trader, maker = pair(books)
    books.trade(trader, 10 * LOTS // 10, price=2_500 * TICKS)
    books.clearinghouse.settle(trader)
    assert books.word(trader).cash == 500 * WAD
    books.markets.set_price(ETH, 1_400 * TICKS)
    books.clearinghouse.settle(trader)
    debt = books.word(trader).cash
    assert debt == -100 * WAD or debt == 500 * WAD
    books.deal(maker, trader, cash=10 * WAD)
    assert books.word(trader).cash == debt + 10 * WAD


def test_deal__with_oneself__changes_no_size(books: Books) -> None:
    trader, maker = pair(books)
    books.deal(trader, maker, size=LOTS)
    books.deal(trader, trader, size=2 * LOTS, cash=5 * WAD, quote=7 * WAD)
    assert books.size(trader) == LOTS
    assert (books.word(trader).cash, books.word(trader).quote) == (1_000 * WAD, 0)


def test_deal__size_out_of_range__reverts(books: Books) -> None:
    trader, maker = pair(books)
    for size in (2**63, -(2**63), 2**255 - 1, -(2**255)):
        with boa.reverts("ledger: size range"):
            books.deal(trader, maker, size=size)


@pytest.mark.parametrize("field", ["cash", "quote", "fee"])
@pytest.mark.parametrize("amount", [2**95, 2**255 - 1])
def test_deal__amount_out_of_range__reverts(books: Books, field: str, amount: int) -> None:
    trader, maker = pair(books)
    with boa.reverts("ledger: cash range"):
        books.deal(trader, maker, **{field: amount})


def test_deal__books__are_set_and_cleared(books: Books) -> None:
    trader, maker = pair(books)
    for said in (BOTH, FIRST, 0, SECOND, 0):
        books.deal(trader, maker, books=said)
        flags = [books.word(account).flags for account in (trader, maker)]
        assert flags == [LISTED | OPTIONS * (said & bit != 0) for bit in (FIRST, SECOND)]


# ---- what else it may not ------------------------------------------------------------------------


def test_post__by_the_engine__reverts(books: Books) -> None:
    trader, maker = pair(books)
    post = (trader, maker, maker, 0, 1, [0] * 16, [WAD, *[0] * 7], 0, 0, 0, 0, 0, 0, 0, 0)
    with boa.reverts("clearinghouse: not a hand"):
        books.engine.post(post)
    # what moves collateral, sets auctions and writes off asks for roles, of which it has none
    assert books.clearinghouse.hands(books.engine.address) == 0


# ---- answers -------------------------------------------------------------------------------------


def test_health__flag_set__is_the_engines(books: Books) -> None:
    trader, maker = pair(books)
    books.engine.set_book(trader, -300 * WAD, 400 * WAD)
    books.deal(trader, maker, books=FIRST)
    health = books.clearinghouse.health(trader)
    assert (health.equity, health.im, health.le, health.mm) == (
        700 * WAD,
        400 * WAD,
        300 * WAD,
        200 * WAD,
    )
    books.deal(trader, maker)
    assert books.clearinghouse.health(trader).im == 0


def test_withdraw__flag_set__leaves_what_the_engine_requires(books: Books) -> None:
    trader, maker = pair(books)
    books.engine.set_book(trader, 0, 400 * WAD)
    books.deal(trader, maker, books=FIRST)
    with boa.reverts("ledger: margin"):
        books.withdraw(trader, 600 * 10**6 + 1)
    books.withdraw(trader, 600 * 10**6)


def test_settle__flag_set__keeps_the_loss_of_an_insolvent_account(books: Books) -> None:
    trader, maker = pair(books)
    books.deal(trader, maker, quote=100 * WAD, books=FIRST)
    books.engine.set_book(trader, -900 * WAD - 1, WAD)
    assert books.clearinghouse.settle(trader) == 0
    books.engine.set_book(trader, -900 * WAD, WAD)
    assert books.clearinghouse.settle(trader) == -100 * WAD
    assert books.clearinghouse.pot() == 100 * WAD


def test_trade__flag_set__is_held_to_the_engines_margin(books: Books) -> None:
    trader, maker = pair(books)
    books.engine.set_book(trader, 0, 500 * WAD)
    books.deal(trader, maker, books=FIRST)
    with boa.reverts("ledger: margin"):
        books.trade(trader, 26 * LOTS // 10)
    books.trade(trader, 25 * LOTS // 10)
    # under IM: what reduces is compared with what the engine said before
    books.engine.set_book(trader, 0, 600 * WAD)
    books.trade(trader, -LOTS)
    books.engine.set_book(trader, -100 * WAD, 1_500 * WAD)
    with boa.reverts("ledger: margin"):
        books.trade(trader, -LOTS, fee=14 * WAD, price=1_500 * TICKS)


def test_write_off__flag_set__reverts(books: Books) -> None:
    trader, maker = pair(books, 10)
    books.deal(trader, maker, quote=20 * WAD, books=FIRST)
    with boa.reverts("seizure: no such debt"):
        books.clearinghouse.write_off(trader, 0, sender=books.liquidator)
    books.deal(trader, maker)
    books.clearinghouse.write_off(trader, 0, sender=books.liquidator)
    assert books.clearinghouse.deficit() == 10 * WAD


def test_check__engine_fails__only_what_asks_it_reverts(books: Books) -> None:
    trader, maker = pair(books)
    books.deal(trader, maker, books=FIRST)
    books.engine.set_broken(True, False)
    with boa.reverts("stub: broken"):
        books.withdraw(trader, 1)
    books.deposit(trader, 10**6)
    books.withdraw(maker, 1)
    books.deal(trader, maker)
    books.withdraw(trader, 1)


def test_check__engine_burns_all_it_gets__the_caller_keeps_the_rest(books: Books) -> None:
    trader, maker = pair(books)
    books.deal(trader, maker, books=FIRST)
    books.engine.set_broken(False, True)
    with boa.reverts():
        books.clearinghouse.settle(trader)
    used = books.clearinghouse._computation.net_gas_used
    assert ENGINE_GAS < used < ENGINE_GAS + BESIDES


# ---- carried legs --------------------------------------------------------------------------------


def weak(books: Books) -> tuple[int, int]:
    """Return an account under the engine's MM, and a buyer."""
    trader, buyer = books.open_account("trader", 100), books.open_account("buyer", 1_000)
    books.engine.set_book(trader, 0, 400 * WAD)
    books.deal(trader, buyer, books=FIRST)
    return trader, buyer


def test_post__part__carries_legs_and_flags(books: Books) -> None:
    trader, buyer = weak(books)
    books.post(trader, buyer, cash=50 * WAD, part=WAD // 2)
    assert [books.engine.charges(account) for account in (trader, buyer)] == [200 * WAD] * 2
    assert all(books.word(account).flags & OPTIONS for account in (trader, buyer))
    assert books.word(trader).flags & IN_AUCTION


def test_post__everything__leaves_no_flag_behind(books: Books) -> None:
    trader, buyer = weak(books)
    books.post(trader, buyer, cash=100 * WAD, part=WAD, auction=False)
    assert books.word(trader).flags == LISTED
    assert books.word(buyer).flags == LISTED | OPTIONS
    assert books.engine.charges(buyer) == 400 * WAD


def test_post__part__the_buyer_answers_to_the_engine(books: Books) -> None:
    trader = weak(books)[0]
    poor = books.open_account("poor", 299)
    with boa.reverts("ledger: margin"):
        books.post(trader, poor, cash=100 * WAD, part=WAD, auction=False)
    books.deposit(poor, 10**6)
    books.post(trader, poor, cash=100 * WAD, part=WAD, auction=False)


def test_post__part_that_makes_it_weaker__reverts(books: Books) -> None:
    trader, buyer = weak(books)
    with boa.reverts("seizure: health fell"):
        books.post(trader, buyer, cash=50 * WAD + 1, part=WAD // 2)


def test_post__engine_says_healthy__reverts(books: Books) -> None:
    trader, buyer = weak(books)
    books.engine.set_book(trader, 0, 200 * WAD)
    with boa.reverts("seizure: not below mm"):
        books.post(trader, buyer, part=WAD)


def test_agree__part__carries_legs_between_consenting_accounts(books: Books) -> None:
    trader, buyer = pair(books)
    books.engine.set_book(trader, 0, 400 * WAD)
    books.deal(trader, buyer, books=FIRST)
    books.agree(trader, buyer, part=WAD)
    assert books.word(trader).flags == LISTED
    assert books.engine.charges(buyer) == 400 * WAD


def test_carry__by_others__reverts(books: Books) -> None:
    with boa.reverts("stub: not the clearinghouse"):
        books.engine.carry(1, 2, WAD, sender=books.role("attacker"))


# ---- against the reference -----------------------------------------------------------------------


class Asked:
    """An engine that is not asked."""

    def copy(self) -> Asked:
        return self

    def check(self, world: World, account: int, facts: Account) -> Health:
        raise AssertionError

    def carry(self, account: int, receiver: int, part: int) -> tuple[bool, bool]:
        raise AssertionError

    def rest(self, world: World, account: int, part: int, facts: Account) -> Health:
        raise AssertionError

    def notionals(self, world: World, account: int) -> list[tuple[int, int]]:
        raise AssertionError


AMOUNTS = st.integers(-1_100 * WAD, 1_100 * WAD)
DEALS = st.tuples(
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from((ETH, BTC)),
    st.integers(-3, 3) | st.sampled_from((2**50, -(2**50))),
    AMOUNTS | st.just(0),
    AMOUNTS,
    st.integers(0, 10 * WAD),
    st.integers(0, 3),
)


@part(3)
@given(st.lists(DEALS, max_size=8))
def test_deal__whatever_is_agreed__equals_the_reference(
    deployment: Books, deals: list[tuple[int, ...]]
) -> None:
    with anchored(deployment) as books:
        fees = int(books.clearinghouse.fee_account())
        keys = [books.open_account(role, 1_000) for role in ("trader", "maker", "third")]
        world = model(books, keys, fees)
        for first, second, market, size, cash, quote, fee, flags in deals:
            deal = ledger.Deal(
                keys[first],
                keys[second],
                instrument_of(market),
                size,
                cash,
                quote,
                fee,
                (flags & 1 != 0, flags & 2 != 0),
            )
            after, reason = attempted(world, deal)
            said = {"size": size, "cash": cash, "quote": quote, "fee": fee, "books": flags}
            said["instrument"] = deal.instrument
            if reason is None:
                books.deal(deal.account, deal.counterparty, **said)
            else:
                with boa.reverts(reason):
                    books.deal(deal.account, deal.counterparty, **said)
            world = after
            for key in (*keys, fees):
                assert seen(books, key) == expected(world, key)
        assert all(
            books.markets.open_interest(market) == facts.open_interest
            for market, facts in world.markets.items()
        )


def model(books: Books, keys: list[int], fees: int) -> World:
    world = World(Setup(account_of(books.venue.address), 0, 0, fees), engine=Asked())
    for market in (ETH, BTC):
        world.markets[market] = market_at(1)
    for key in keys:
        store(world, key, Account(cash=1_000 * WAD))
    return world


def attempted(world: World, deal: ledger.Deal) -> tuple[World, str | None]:
    after = world.copy()
    try:
        ledger.deal(after, deal)
    except Refused as refused:
        return world, str(refused)
    return after, None


def expected(world: World, key: int) -> tuple[object, ...]:
    facts = world.account(key)
    legs = {leg.instrument: leg.size for leg in facts.legs}
    return facts.cash, facts.quote, facts.flags, legs


def seen(books: Books, key: int) -> tuple[object, ...]:
    word = books.word(key)
    return word.cash, word.quote, word.flags, books.legs(key)
