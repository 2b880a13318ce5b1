"""Settlement, the pot, the account list and words: docs/spec/ledger.md."""

from __future__ import annotations

import boa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.ledger_support import (
    BTC,
    ETH,
    LOTS,
    TICKS,
    USD,
    WAD,
    Books,
    account_of,
    anchored,
    logs,
    owner_of,
)

# `anchored` puts the state back, after it has looked at what the test left
pytestmark = pytest.mark.ignore_isolation


def bought(books: Books, role: str, usd: int, size: int = LOTS, index: int = 0) -> int:
    """Return an account with this cash that bought ETH at 2,000 USD."""
    account = books.open_account(role, usd, index)
    books.trade(account, size)
    return account


# ---- settle ------------------------------------------------------------------------------------


def test_settle__loss__moves_quote_to_cash_and_fills_the_pot(books: Books) -> None:
    trader = bought(books, "trader", 1_000)
    books.markets.set_price(ETH, 1_900 * TICKS)

    moved = books.clearinghouse.settle(trader, sender=books.role("anyone"))
    (event,) = logs(books.clearinghouse, "Settled")

    word = books.word(trader)
    # quote was -2,000; it ends where U = quote + 1,900 is 0
    assert (moved, word.cash, word.quote) == (-100 * USD, 900 * USD, -1_900 * USD)
    assert (event.account, event.amount, event.pot) == (trader, -100 * USD, 100 * USD)
    assert books.clearinghouse.pot() == 100 * USD
    assert books.clearinghouse.health(trader).equity == 900 * USD


def test_settle__gain__is_paid_as_far_as_the_pot_goes(books: Books) -> None:
    trader = bought(books, "trader", 1_000)
    loser = books.open_account("loser", 1_000)
    books.trade(loser, -LOTS // 2)
    books.markets.set_price(ETH, 2_100 * TICKS)

    assert books.clearinghouse.settle(trader) == 0
    assert books.clearinghouse.settle(loser) == -50 * USD
    assert books.clearinghouse.settle(trader) == 50 * USD

    assert books.word(trader).cash == 1_050 * USD
    assert books.clearinghouse.health(trader).unsettled == 50 * USD
    assert books.clearinghouse.pot() == 0


def test_settle__nothing_unsettled__moves_nothing(books: Books) -> None:
    trader = bought(books, "trader", 1_000)
    assert books.clearinghouse.settle(trader) == 0
    assert not logs(books.clearinghouse, "Settled")
    assert books.clearinghouse.settle(account_of(books.role("nobody"))) == 0


def test_settle__insolvent_loser__moves_nothing(books: Books) -> None:
    trader = bought(books, "trader", 1_000)
    books.markets.set_price(ETH, 999 * TICKS)

    assert books.clearinghouse.settle(trader) == 0

    assert books.word(trader).cash == 1_000 * USD
    books.markets.set_price(ETH, 1_000 * TICKS)
    assert books.clearinghouse.settle(trader) == -1_000 * USD


def test_settle__insolvent_without_legs__moves_nothing(books: Books) -> None:
    token = books.list_token(feed=BTC)
    trader = bought(books, "trader", 1_000)
    books.deposit(trader, WAD, token)
    books.markets.set_price(ETH, 900 * TICKS)
    books.trade(trader, -LOTS)
    books.markets.set_price(BTC, 99 * TICKS)

    # cash 1,000, quote -1,100, collateral 99: one USD short
    assert books.clearinghouse.settle(trader) == 0
    assert books.word(trader).quote == -1_100 * USD
    books.markets.set_price(BTC, 100 * TICKS)
    assert books.clearinghouse.settle(trader) == -1_100 * USD
    assert books.word(trader).cash == -100 * USD


def test_settle__without_legs_and_debt__reads_no_price(books: Books) -> None:
    trader = bought(books, "trader", 1_000)
    books.markets.set_price(ETH, 1_900 * TICKS)
    books.trade(trader, -LOTS)
    books.markets.set_broken(True)

    assert books.clearinghouse.settle(trader) == -100 * USD

    assert (books.word(trader).cash, books.word(trader).quote) == (900 * USD, 0)


def test_settle__with_funding__is_exact(books: Books) -> None:
    trader = bought(books, "trader", 1_000)
    # a long pays what cumulative funding rises by, here 7 USD and one tick a unit
    books.markets.set_funding(ETH, 7 * TICKS + 1)
    assert books.clearinghouse.settle(trader) == -(7 * TICKS + 1) * LOTS


# ---- settle_pair -------------------------------------------------------------------------------


def test_settle_pair__loser_then_winner__pays_the_winner_at_once(books: Books) -> None:
    winner = bought(books, "trader", 1_000)
    loser = books.open_account("loser", 1_000)
    books.trade(loser, -LOTS)
    books.markets.set_price(ETH, 2_100 * TICKS)

    gained = books.clearinghouse.settle_pair([loser], winner)

    assert gained == 100 * USD
    assert books.word(winner).cash == 1_100 * USD
    assert books.word(loser).cash == 900 * USD
    assert books.clearinghouse.pot() == 0


def test_settle_pair__insolvent_loser__is_passed_over(books: Books) -> None:
    winner = bought(books, "trader", 1_000)
    bust, loser = books.open_account("bust", 300), books.open_account("loser", 1_000)
    for account in (bust, loser):
        books.trade(account, -LOTS)
    books.markets.set_price(ETH, 2_301 * TICKS)

    assert books.clearinghouse.settle_pair([bust, loser], winner) == 301 * USD
    assert books.word(bust).cash == 300 * USD


@pytest.mark.parametrize(
    ("size", "pay"),
    [
        # a loss of 1,000 USD is not above the threshold; one atom of ticks more pays 1 bp of it
        (LOTS, 0),
        (LOTS + 1, (LOTS + 1) * 1_000 * TICKS // 10_000),
        # from 10,000 USD on the pay is 1 USD
        (10 * LOTS - 1, (10 * LOTS - 1) * 1_000 * TICKS // 10_000),
        (10 * LOTS, USD),
        (11 * LOTS, USD),
    ],
)
def test_settle_pair__settler__earns_out_of_large_losses(books: Books, size: int, pay: int) -> None:
    loser = bought(books, "trader", 20_000, size)
    settler = books.open_account("keeper")
    books.markets.set_price(ETH, 1_000 * TICKS)

    books.clearinghouse.settle_pair([loser], books.venue_account, settler)
    paid = logs(books.clearinghouse, "SettlerPaid")

    assert [(e.account, e.settler, e.amount) for e in paid] == [(loser, settler, pay)][: pay > 0]
    assert books.word(settler).cash == pay
    assert books.word(loser).cash == 20_000 * USD - size * 1_000 * TICKS - pay


def test_settle_pair__gain_of_a_loser__pays_no_settler(books: Books) -> None:
    trader = bought(books, "trader", 20_000, 2 * LOTS)
    settler = books.open_account("keeper")
    books.markets.set_price(ETH, 3_000 * TICKS)
    books.clearinghouse.settle_pair([books.venue_account], trader, settler)
    assert books.word(settler).cash == 2_000 * USD // 10_000
    books.clearinghouse.settle_pair([trader], trader, settler)
    assert books.word(settler).cash == 2_000 * USD // 10_000


def test_settle_pair__own_account__pays_no_settler(books: Books) -> None:
    loser = bought(books, "trader", 20_000, 2 * LOTS)
    twin = books.open_account("trader", index=1)
    books.markets.set_price(ETH, 900 * TICKS)
    books.clearinghouse.settle_pair([loser], books.venue_account, twin)
    assert books.word(twin).cash == 0


def test_settle_pair__no_settler__pays_nobody(books: Books) -> None:
    loser = bought(books, "trader", 20_000, 2 * LOTS)
    books.markets.set_price(ETH, 900 * TICKS)
    books.clearinghouse.settle_pair([loser], books.venue_account)
    assert books.word(loser).cash == 20_000 * USD - 2_200 * USD


@pytest.mark.parametrize(("left", "pays"), [(10**12 * 200_000, True), (10**12 * 199_999, False)])
def test_settle_pair__pay_would_cost_solvency__is_not_taken(
    books: Books, left: int, pays: bool
) -> None:
    """The pay for a loss of 2,000 USD is 0.2 USD: E after it must not be negative."""
    loser = books.open_account("trader")
    books.deposit(loser, (2_000 * USD + left) // 10**12)
    books.trade(loser, 2 * LOTS)
    settler = books.open_account("keeper")
    books.markets.set_price(ETH, 1_000 * TICKS)
    books.clearinghouse.settle_pair([loser], books.venue_account, settler)
    assert books.word(settler).cash == (USD // 5 if pays else 0)


def test_settle_pair__collateral_keeps_a_loser_solvent__pays(books: Books) -> None:
    """Without legs and debt no price is read, unless the pay depends on the collateral."""
    token = books.list_token(feed=BTC)
    loser = books.open_account("trader", 2_000)
    books.deposit(loser, WAD, token)
    books.trade(loser, 2 * LOTS)
    books.markets.set_price(ETH, 1_000 * TICKS)
    books.trade(loser, -2 * LOTS)
    settler = books.open_account("keeper")

    books.clearinghouse.settle_pair([loser], books.venue_account, settler)

    assert books.word(settler).cash == USD // 5
    assert books.word(loser).cash == -USD // 5


# ---- ranges and words --------------------------------------------------------------------------


def test_cash__beyond_96_bits__reverts(books: Books) -> None:
    whale = books.open_account("whale")
    books.clearinghouse.set_caps(books.usd.address, 10**12, 0, sender=books.owner)
    most = (2**95 - 1) // 10**12

    books.deposit(whale, most)
    with boa.reverts("ledger: cash range"):
        books.deposit(whale, 1)

    assert books.word(whale).cash == most * 10**12


def test_account_words__legs_and_amounts__are_packed_as_the_spec_says(books: Books) -> None:
    tokens = [books.list_token(), books.list_token()]
    trader = bought(books, "trader", 100_000, 3 * LOTS)
    books.trade(trader, -LOTS, BTC)
    books.markets.set_price(3, 10 * TICKS)
    books.trade(trader, 500 * LOTS, 3)
    for token in tokens:
        books.deposit(trader, token * WAD, token)

    word, legs, amounts = books.clearinghouse.account_words(trader)

    assert word >> 57 & 0x7F == 3
    assert word >> 53 & 0xF == 2
    assert word & (1 << 48) - 1 == tokens[0] | tokens[1] << 6
    first, second = (ETH << 56) << 64 | 3 * LOTS, (BTC << 56) << 64 | (2**64 - LOTS)
    assert legs == [second << 128 | first, (3 << 56) << 64 | 500 * LOTS, 0, 0, 0, 0, 0, 0]
    assert amounts == [tokens[1] * WAD << 128 | tokens[0] * WAD, 0, 0, 0]


def test_close_leg__the_last_moves_into_the_hole__and_leaves_no_dirty_slot(books: Books) -> None:
    trader = bought(books, "trader", 100_000, 3 * LOTS)
    books.trade(trader, -LOTS, BTC)
    books.markets.set_price(3, 10 * TICKS)
    books.trade(trader, 500 * LOTS, 3)

    books.trade(trader, -3 * LOTS)

    assert list(books.legs(trader).items()) == [(3 << 56, 500 * LOTS), (BTC << 56, -LOTS)]
    assert books.clearinghouse.account_words(trader)[1][1:] == [0] * 7
    books.trade(trader, -500 * LOTS, 3)
    books.trade(trader, LOTS, BTC)
    assert books.clearinghouse.account_words(trader)[1] == [0] * 8


def test_legs__seventeenth__reverts(books: Books) -> None:
    trader = books.open_account("trader", 10**6)
    for market in range(1, 18):
        books.markets.set_price(market, 1_000 * TICKS)
    for market in range(1, 17):
        books.trade(trader, LOTS, market)
    with boa.reverts("ledger: no room"):
        books.trade(trader, LOTS, 17)
    assert len(books.legs(trader)) == 16


def test_size__beyond_64_bits__reverts(books: Books) -> None:
    books.clearinghouse.set_caps(books.usd.address, 10**12, 0, sender=books.owner)
    trader = books.open_account("trader", 10**10)
    books.markets.set_price(ETH, 10**6)
    books.trade(trader, 2**63 - 1)
    for size in (1, 2**63 - 1):
        with boa.reverts("ledger: size range"):
            books.trade(trader, size)


moves = st.lists(
    st.tuples(
        st.sampled_from(["deposit", "withdraw", "trade", "price", "settle", "pair", "token"]),
        st.integers(0, 3),
        st.integers(-(10**4), 10**4),
    ),
    min_size=5,
    max_size=25,
)


@settings(max_examples=12, suppress_health_check=list(HealthCheck), deadline=None)
@given(moves=moves)
def test_any_interleaving__keeps_the_books_exact(
    deployment: Books, moves: list[tuple[str, int, int]]
) -> None:
    with anchored(deployment) as books:
        books.seed_venue()
        token = books.list_token(8)
        accounts = [books.open_account(f"actor {i}", 10_000) for i in range(4)]
        done = 0
        for action, who, number in moves:
            try:
                move(books, action, accounts[who], accounts[(who + 1) % 4], number, token)
                done += 1
            except boa.BoaError:
                continue
            books.assert_conserved()
        assert done > 0


def move(books: Books, action: str, account: int, other: int, number: int, token: int) -> None:
    """Do one thing, as a test above does it."""
    amount = 1 + abs(number)
    if action == "deposit":
        books.deposit(account, amount * 10**5)
    elif action == "withdraw":
        books.withdraw(account, amount * 10**6)
    elif action == "trade":
        books.trade(account, (number or 1) * LOTS // 1_000, fee=amount * 10**12 + 1)
    elif action == "price":
        books.markets.set_price(ETH, (2_000 + number // 50) * TICKS + number)
    elif action == "settle":
        books.clearinghouse.settle(account)
    elif action == "pair":
        books.clearinghouse.settle_pair([other, books.venue_account], account, other)
    elif number > 0:
        books.deposit(account, amount * 10**6, token)
    else:
        books.clearinghouse.transfer(
            account, other, books.tokens[0].address, amount * 10**4, sender=owner_of(account)
        )
