"""Forced moves and write-offs: docs/spec/ledger.md (post, write_off)."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.unit.ledger_support import (
    ALL_DEAD,
    BTC,
    ETH,
    FRESH,
    GRACE,
    IN_AUCTION,
    LOTS,
    NEVER,
    PENDING,
    TICKS,
    USD,
    WAD,
    Books,
    account_of,
    logs,
)

# `anchored` puts the state back, after it has looked at what the test left
pytestmark = pytest.mark.ignore_isolation


def below_mm(books: Books, equity: int = 80) -> int:
    """Return an account with a long of 1 ETH at 1,800 USD (IM 180, LE 135, MM 90)."""
    cash = 200 + max(equity, 80)
    violator = books.open_account("violator", cash)
    books.trade(violator, LOTS)
    books.markets.set_price(ETH, 1_800 * TICKS)
    # what the fall of 200 USD leaves too much, funding takes
    books.markets.set_funding(ETH, (cash - 200 - equity) * TICKS)
    return violator


def slice_of(books: Books, lots: int, price: int) -> dict[str, Any]:
    """Return a plan that sells lots of ETH, the first leg, at a price [ticks]."""
    return {"sizes": [lots], "quote": -lots * (price - books.markets.fundings(ETH))}


# ---- post: a partial close against the pool ----------------------------------------------------


def test_post__partial_close__moves_leg_money_and_pay(books: Books) -> None:
    violator = below_mm(books)
    fund, fees = account_of(books.fund.address), account_of(books.treasury)
    keeper = account_of(books.liquidator)
    half, price = LOTS // 2, 1_799 * TICKS
    assert books.clearinghouse.health(violator).equity == 80 * USD

    posted = books.post(
        violator,
        books.venue_account,
        **slice_of(books, half, price),
        fee=USD,
        liquidation_fee=2 * USD,
        pay=3 * USD,
        tilt=55,
    )
    (leg,) = logs(books.clearinghouse, "LegMoved")
    (posting,) = logs(books.clearinghouse, "Posting")

    # half a unit at 1 USD under the mark, and 6 USD of fees and pay
    assert posted.after.equity == 80 * USD - half * TICKS - 6 * USD
    assert posted.after == books.clearinghouse.health(violator)
    assert posted.other == books.clearinghouse.health(books.venue_account)
    assert (books.size(violator), books.size(books.venue_account)) == (half, -half)
    assert [books.word(a).quote for a in (fees, fund, keeper)] == [USD, 2 * USD, 3 * USD]
    assert (leg.size, leg.account_size, leg.counterparty_size) == (half, half, -half)
    assert (posting.account, posting.counterparty, posting.keeper) == (
        violator,
        books.venue_account,
        keeper,
    )
    assert (posting.quote, posting.fee, posting.liquidation_fee, posting.pay) == (
        -half * price,
        USD,
        2 * USD,
        3 * USD,
    )
    assert books.markets.last_tilt() == 55
    assert books.markets.open_interest(ETH) == half
    assert books.word(violator).flags & IN_AUCTION


def test_post__healthy_again__the_hand_clears_the_bit(books: Books) -> None:
    violator = below_mm(books)
    plan = slice_of(books, LOTS // 2, 1_800 * TICKS)
    books.post(violator, books.venue_account, **plan, auction=False)
    assert not books.word(violator).flags & IN_AUCTION


def test_post__healthy_account__reverts(books: Books) -> None:
    violator = below_mm(books, equity=90)
    with boa.reverts("seizure: not below mm"):
        books.post(violator, books.venue_account, **slice_of(books, LOTS, 1_800 * TICKS))


@pytest.mark.parametrize(
    ("status", "is_open"),
    [
        (FRESH, True),
        (ALL_DEAD, True),
        (0, False),
        (FRESH | PENDING, False),
        (FRESH | GRACE, False),
        (ALL_DEAD | PENDING, False),
    ],
)
def test_post__price_status__opens_and_closes_it(books: Books, status: int, is_open: bool) -> None:
    violator = below_mm(books)
    books.markets.set_status(status)
    plan = slice_of(books, LOTS // 2, 1_800 * TICKS)
    if is_open:
        books.post(violator, books.venue_account, **plan)
    else:
        with boa.reverts("seizure: closed"):
            books.post(violator, books.venue_account, **plan)


@pytest.mark.parametrize("lots", [LOTS + 1, -1, -LOTS])
def test_post__size_not_between_zero_and_the_leg__reverts(books: Books, lots: int) -> None:
    violator = below_mm(books)
    with boa.reverts("seizure: size"):
        books.post(violator, books.venue_account, sizes=[lots])


def test_post__size_of_a_leg_not_held__reverts(books: Books) -> None:
    violator = below_mm(books)
    for sizes in ([0, 1], [0] * 15 + [-1]):
        with boa.reverts("seizure: size"):
            books.post(violator, books.venue_account, sizes=sizes)


def test_post__to_itself__reverts(books: Books) -> None:
    violator = below_mm(books)
    with boa.reverts("seizure: parties"):
        books.post(violator, violator)
    with boa.reverts("seizure: parties"):
        books.post(violator, books.venue_account, keeper=violator)


def test_post__health_falls__reverts(books: Books) -> None:
    violator = below_mm(books)
    # half of the leg halves MM: E may lose half of its 80 USD
    bound = 1_800 * TICKS - 80 * TICKS
    with boa.reverts("seizure: health fell"):
        books.post(violator, books.venue_account, **slice_of(books, LOTS // 2, bound - 1))
    books.post(violator, books.venue_account, **slice_of(books, LOTS // 2, bound))


def test_post__makes_a_solvent_account_insolvent__reverts(books: Books) -> None:
    violator = below_mm(books)
    plan = slice_of(books, LOTS, 1_720 * TICKS)
    with boa.reverts("seizure: made insolvent"):
        books.post(violator, books.venue_account, **plan, pay=1)
    books.post(violator, books.venue_account, **plan)
    assert books.clearinghouse.health(violator).equity == 0


def test_post__makes_an_insolvent_account_poorer__reverts(books: Books) -> None:
    violator = below_mm(books, equity=-10)
    plan = slice_of(books, LOTS, 1_800 * TICKS)
    with boa.reverts("seizure: made insolvent"):
        books.post(violator, books.venue_account, **plan, fee=1)
    books.post(violator, books.venue_account, **plan)


def test_post__pool_ends_below_mm__reverts(books: Books) -> None:
    books.withdraw(books.venue_account, 10**12 - 90 * 10**6)
    violator = below_mm(books)
    # nobody else is in the market: the venue is short 1 unit, and takes the long off at a loss
    posted = books.clearinghouse.health(books.venue_account)
    assert posted.equity == 90 * USD + 200 * USD
    over = 1_800 * TICKS + 290 * TICKS
    with boa.reverts("ledger: margin"):
        books.post(violator, books.venue_account, **slice_of(books, LOTS, over + 1))
    books.post(violator, books.venue_account, **slice_of(books, LOTS, over))


# ---- post: a takeover by a buyer ---------------------------------------------------------------


def rich_violator(books: Books) -> tuple[int, int, int]:
    """Return an account with two legs and two collaterals, below MM, and the tokens' ids."""
    first, second = books.list_token(18, ETH), books.list_token(8, BTC)
    violator = books.open_account("violator", 300)
    books.deposit(violator, WAD // 10, first)
    books.deposit(violator, 10**5, second)
    books.trade(violator, LOTS)
    books.trade(violator, -LOTS // 50, BTC)
    # E = 300 - 400 + 160 + 50, MM = 5 % of 2,600 and 10 % of 210
    books.markets.set_price(ETH, 1_600 * TICKS)
    return violator, first, second


def test_post__takeover__moves_every_position_and_leaves_nothing(books: Books) -> None:
    violator, first, second = rich_violator(books)
    buyer = books.open_account("buyer", 10_000)
    word = books.word(violator)

    posted = books.post(
        violator,
        buyer,
        sizes=[LOTS, -LOTS // 50],
        amounts=[WAD // 10, 10**5],
        cash=word.cash,
        quote=word.quote,
        auction=False,
    )
    moved = logs(books.clearinghouse, "CollateralMoved")

    assert books.word(violator)[:4] == (0, 0, 0, 0)
    assert books.clearinghouse.account_words(violator)[1:] == ([0] * 8, [0] * 4)
    assert list(books.legs(buyer).values()) == [-LOTS // 50, LOTS]
    assert books.amounts(buyer) == {second: 10**5, first: WAD // 10}
    assert [(e.collateral, e.amount) for e in moved] == [(second, 10**5), (first, WAD // 10)]
    assert posted.after.equity == posted.after.mm == 0
    # open interest does not change when a leg changes hands
    assert books.markets.open_interest(ETH) == LOTS
    assert books.markets.last_tilt() == 0


def test_post__slice__leaves_the_rest_in_place(books: Books) -> None:
    violator, first, second = rich_violator(books)
    buyer = books.open_account("buyer", 10_000)
    before = books.clearinghouse.health(violator)
    amounts = [WAD // 20 + 1, 0]

    plan = slice_of(books, LOTS // 4, 1_600 * TICKS)
    books.post(violator, buyer, **plan, amounts=amounts, cash=-81 * USD)

    assert books.legs(violator) == {ETH << 56: LOTS - LOTS // 4, BTC << 56: -LOTS // 50}
    assert books.amounts(violator) == {first: WAD // 20 - 1, second: 10**5}
    assert books.clearinghouse.health(violator).mm < before.mm


def test_post__remnant_below_the_minimum__is_allowed(books: Books) -> None:
    """A dust check would let an account stop its own liquidation."""
    violator, first, _ = rich_violator(books)
    buyer = books.open_account("buyer", 10_000)
    plan = slice_of(books, LOTS // 4, 1_601 * TICKS)
    books.post(violator, buyer, **plan, amounts=[1, 0])
    books.post(violator, buyer, amounts=[WAD // 10 - 2, 0], cash=-160 * USD)
    assert books.amounts(violator)[first] == 1


def test_post__more_collateral_than_held__reverts(books: Books) -> None:
    violator, *_ = rich_violator(books)
    buyer = books.open_account("buyer", 10_000)
    for amounts in ([WAD // 10 + 1], [0, 0, 1], [0] * 7 + [1]):
        with boa.reverts("ledger: not enough collateral"):
            books.post(violator, buyer, amounts=amounts)


def test_post__buyer_below_im__reverts(books: Books) -> None:
    violator = below_mm(books)
    buyer = books.open_account("buyer", 180)
    # the slice itself is worth nothing: U of a long taken over at the mark
    plan = slice_of(books, LOTS, 1_800 * TICKS)
    with boa.reverts("ledger: margin"):
        books.post(violator, buyer, **plan, cash=-1)
    books.post(violator, buyer, **plan)
    health = books.clearinghouse.health(buyer)
    assert health.equity == health.im == 180 * USD


def test_post__opposite_legs__net_and_lower_open_interest(books: Books) -> None:
    violator = below_mm(books)
    buyer = books.open_account("buyer", 10_000)
    books.trade(buyer, -3 * LOTS)
    assert books.markets.open_interest(ETH) == 3 * LOTS
    books.post(violator, buyer, **slice_of(books, LOTS, 1_800 * TICKS))
    assert books.size(buyer) == -2 * LOTS
    assert books.markets.open_interest(ETH) == 2 * LOTS


# ---- insurance ---------------------------------------------------------------------------------


def fill_fund(books: Books, usd: int) -> None:
    """Give the fund this much cash."""
    books.mint(0, books.owner, usd * 10**6)
    books.usd.approve(books.fund.address, NEVER, sender=books.owner)
    books.fund.fund(usd * 10**6, sender=books.owner)


def test_post__insurance__pays_the_counterparty(books: Books) -> None:
    fill_fund(books, 100)
    violator = below_mm(books, equity=-30)
    buyer = books.open_account("buyer", 1_000)
    word = books.word(violator)

    posted = books.post(
        violator,
        buyer,
        sizes=[LOTS],
        cash=word.cash,
        quote=word.quote,
        insurance=40 * USD,
        auction=False,
    )

    assert books.word(account_of(books.fund.address)).cash == 60 * USD
    assert posted.other.equity == (1_000 - 30 + 40) * USD
    assert posted.after.equity == 0


def test_post__insurance_beyond_its_cash__reverts(books: Books) -> None:
    fill_fund(books, 100)
    violator = below_mm(books, equity=-30)
    buyer = books.open_account("buyer", 1_000)
    with boa.reverts("seizure: insurance"):
        books.post(violator, buyer, insurance=100 * USD + 1)


# ---- write_off ---------------------------------------------------------------------------------


def emptied(books: Books, debt: int) -> int:
    """Return an account without positions that owes this many USD."""
    violator = below_mm(books, equity=-debt)
    books.post(violator, books.venue_account, **slice_of(books, LOTS, 1_800 * TICKS))
    return violator


@pytest.mark.parametrize("covered", [0, 10, 30])
def test_write_off__debt__is_paid_or_booked(books: Books, covered: int) -> None:
    fill_fund(books, 100)
    violator = emptied(books, 30)

    booked = books.clearinghouse.write_off(violator, covered * USD, sender=books.liquidator)
    (event,) = logs(books.clearinghouse, "WrittenOff")

    assert booked == (30 - covered) * USD
    assert (event.account, event.covered, event.deficit) == (violator, covered * USD, booked)
    assert books.clearinghouse.deficit() == booked
    assert books.word(account_of(books.fund.address)).cash == (100 - covered) * USD
    assert books.word(violator)[:2] == (0, 0)
    assert not books.word(violator).flags & IN_AUCTION
    # the loss of 310 USD is in the pot: the venue, which won it, can be paid
    assert books.clearinghouse.pot() == 310 * USD
    assert books.clearinghouse.settle(books.venue_account) == 310 * USD


def test_write_off__more_cover_than_debt__reverts(books: Books) -> None:
    fill_fund(books, 100)
    violator = emptied(books, 30)
    with boa.reverts("seizure: no such debt"):
        books.clearinghouse.write_off(violator, 30 * USD + 1, sender=books.liquidator)


def test_write_off__solvent_or_holding__reverts(books: Books) -> None:
    trader = books.open_account("trader", 1)
    holder = below_mm(books, equity=-30)
    for account in (trader, holder, account_of(books.role("nobody"))):
        with boa.reverts("seizure: no such debt"):
            books.clearinghouse.write_off(account, 0, sender=books.liquidator)


def test_write_off__collateral_left__reverts(books: Books) -> None:
    token = books.list_token(18, BTC)
    violator = emptied(books, 30)
    books.markets.set_price(BTC, TICKS)
    books.deposit(violator, WAD, token)
    with boa.reverts("seizure: no such debt"):
        books.clearinghouse.write_off(violator, 0, sender=books.liquidator)


@pytest.mark.parametrize("lots", [0, LOTS // 2, LOTS])
def test_write_off__gain_that_the_pot_cannot_pay__stays_a_claim_against_the_debt(
    books: Books, lots: int
) -> None:
    """A hand swapped cash for quote: the account is 30 USD short, and yet has a gain to claim."""
    fill_fund(books, 10)
    payer, loser = (books.open_account(role, 10_000) for role in ("payer", "loser"))
    books.trade(loser, LOTS)
    if lots:
        books.trade(payer, lots)
    violator = below_mm(books, equity=-30)
    plan = slice_of(books, LOTS, 1_800 * TICKS)
    plan["quote"] -= 500 * USD
    books.post(violator, books.venue_account, **plan, cash=500 * USD)
    assert books.word(violator)[:2] == (-220 * USD, 190 * USD)
    # a long of 1 ETH has lost 310 USD
    if lots:
        books.clearinghouse.settle(payer)
    pot = books.clearinghouse.pot()
    assert pot == 310 * lots * USD // LOTS

    booked = books.clearinghouse.write_off(violator, 10 * USD, sender=books.liquidator)

    # E is 0; the claim that is left and the debt that is left wait for the pot
    assert booked == books.clearinghouse.deficit() == 20 * USD
    claim = max(0, 190 * USD - pot)
    assert books.word(violator)[:2] == (-claim, claim)
    assert books.clearinghouse.pot() == max(0, pot - 190 * USD)
    books.assert_conserved()
    books.clearinghouse.settle_pair([loser], violator)
    assert books.word(violator)[:2] == (0, 0)
    books.assert_conserved()


def test_write_off__insurance_short__reverts(books: Books) -> None:
    fill_fund(books, 10)
    violator = emptied(books, 30)
    with boa.reverts("seizure: insurance"):
        books.clearinghouse.write_off(violator, 30 * USD, sender=books.liquidator)
