"""Deposits, withdrawals, transfers: docs/spec/ledger.md."""

from __future__ import annotations

import boa
import pytest

from tests.unit.ledger_support import (
    ETH,
    IN_AUCTION,
    LEG_INVALID,
    LOTS,
    NEVER,
    TICKS,
    USD,
    WAD,
    Books,
    account_of,
    deployed,
    logs,
    new_token,
    owner_of,
)

DECIMALS = (6, 8, 18)
TOKENS = ("mocks/TestToken", "mocks/NoReturnToken")

# `anchored` puts the state back, after it has looked at what the test left
pytestmark = pytest.mark.ignore_isolation


@pytest.fixture
def books(bare_books: Books) -> Books:
    return bare_books


# ---- deposit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("decimals", DECIMALS)
def test_deposit__settlement_token__credits_exact_cash(kind: str, decimals: int) -> None:
    with deployed(decimals, kind) as books:
        trader = books.open_account("trader")
        amount = 123 * 10**decimals + 7

        books.deposit(trader, amount)
        (event,) = logs(books.clearinghouse, "Deposited")

        word, scale = books.word(trader), 10 ** (18 - decimals)
        assert (word.cash, word.quote) == (amount * scale, 0)
        assert books.clearinghouse.settlement_scale() == scale
        assert books.tracked(0) == books.usd.balanceOf(books.clearinghouse.address) == amount
        assert (event.account, event.token) == (trader, books.usd.address)
        assert (event.payer, event.amount) == (owner_of(trader), amount)
        books.assert_conserved()


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("decimals", DECIMALS)
def test_deposit__collateral__credits_exact_atoms(books: Books, kind: str, decimals: int) -> None:
    token = books.list_token(decimals, kind=kind)
    trader = books.open_account("trader")
    amount = 3 * 10**decimals + 1

    books.deposit(trader, amount, token)
    books.deposit(trader, amount, token)

    assert books.amounts(trader) == {token: 2 * amount}
    assert books.tracked(token) == 2 * amount
    # the value in USD does not depend on the decimals, but for less than an atom's worth
    value = 2 * amount * 10 ** (18 - decimals) * 2_000
    assert books.clearinghouse.health(trader).equity == value


def test_deposit__first_credit__lists_the_account_once(books: Books) -> None:
    trader = books.open_account("trader")
    before = books.clearinghouse.account_count()

    books.deposit(trader, 1)
    opened = logs(books.clearinghouse, "AccountOpened")
    books.deposit(trader, 1)

    assert [(event.account, event.index) for event in opened] == [(trader, before)]
    assert books.clearinghouse.account_count() == before + 1
    assert books.clearinghouse.account_at(before) == trader


def test_deposit__by_a_stranger__takes_cash_and_held_collateral_only(books: Books) -> None:
    token = books.list_token()
    trader = books.open_account("trader")
    stranger = books.role("stranger")

    books.deposit(trader, 10**6, payer=stranger)
    with boa.reverts("custody: not held"):
        books.deposit(trader, WAD, token, payer=stranger)
    books.deposit(trader, WAD, token)
    books.deposit(trader, WAD, token, payer=stranger)

    assert books.amounts(trader) == {token: 2 * WAD}


def test_deposit__reads_no_price__works_while_markets_are_broken(books: Books) -> None:
    token = books.list_token()
    trader = books.open_account("trader")
    books.markets.set_broken(True)

    books.deposit(trader, 10**6)
    books.deposit(trader, WAD, token)

    assert books.amounts(trader) == {token: WAD}


def test_deposit__cures_the_auction__clears_the_bit(books: Books) -> None:
    trader = books.open_account("trader", 260)
    books.seed_venue()
    books.trade(trader, LOTS)
    # E = 60 USD, MM = 90
    books.markets.set_price(ETH, 1_800 * TICKS)
    books.clearinghouse.set_auction(trader, True, sender=books.liquidator)

    books.deposit(trader, 29 * 10**6)
    assert books.word(trader).flags & IN_AUCTION
    books.deposit(trader, 10**6)

    (event,) = logs(books.clearinghouse, "AuctionSet")
    assert (event.account, event.active) == (trader, False)
    assert not books.word(trader).flags & IN_AUCTION


def test_deposit__over_the_hard_cap__reverts(books: Books) -> None:
    token = books.list_token(hard_cap=5)
    trader = books.open_account("trader")

    books.deposit(trader, 5 * WAD - 10**14, token)
    with boa.reverts("custody: hard cap"):
        books.deposit(trader, 10**14 + 1, token)
    books.deposit(trader, 10**14, token)

    assert books.tracked(token) == 5 * WAD


@pytest.mark.parametrize("amount", [0, 2**112, NEVER])
def test_deposit__bad_amount__reverts(books: Books, amount: int) -> None:
    trader = books.open_account("trader")
    with boa.reverts("custody: amount"):
        books.clearinghouse.deposit(trader, books.usd.address, amount, sender=owner_of(trader))


def test_deposit__unlisted_token__reverts(books: Books) -> None:
    token = new_token("mocks/TestToken", 18)
    trader = books.open_account("trader")
    with boa.reverts("custody: unlisted token"):
        books.clearinghouse.deposit(trader, token.address, 1, sender=owner_of(trader))


def test_deposit__dust__reverts(books: Books) -> None:
    token = books.list_token(8)
    trader = books.open_account("trader")

    with boa.reverts("custody: dust"):
        books.deposit(trader, 10**4 - 1, token)
    books.deposit(trader, 10**4, token)

    assert books.amounts(trader) == {token: 10**4}


def test_deposit__ninth_collateral__reverts(books: Books) -> None:
    tokens = [books.list_token() for _ in range(9)]
    trader = books.open_account("trader")
    for token in tokens[:8]:
        books.deposit(trader, WAD, token)

    with boa.reverts("ledger: no room"):
        books.deposit(trader, WAD, tokens[8])

    assert list(books.amounts(trader)) == tokens[:8]


# ---- withdraw ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("decimals", DECIMALS)
def test_withdraw__all_cash__reads_no_price(kind: str, decimals: int) -> None:
    with deployed(decimals, kind) as books:
        trader = books.open_account("trader")
        receiver = books.role("receiver")
        amount = 5 * 10**decimals + 3
        books.deposit(trader, amount)
        books.markets.set_broken(True)

        books.withdraw(trader, amount, to=receiver)

        (event,) = logs(books.clearinghouse, "Withdrawn")
        assert (event.account, event.to, event.amount) == (trader, receiver, amount)
        assert books.usd.balanceOf(receiver) == amount
        assert books.word(trader).cash == books.tracked(0) == 0


@pytest.mark.parametrize("decimals", DECIMALS)
def test_withdraw__all_collateral_without_debt__reads_no_price(books: Books, decimals: int) -> None:
    first, second = books.list_token(decimals), books.list_token(decimals)
    trader = books.open_account("trader")
    amount = 10**decimals
    books.deposit(trader, amount, first)
    books.deposit(trader, 2 * amount, second)
    books.markets.set_broken(True)

    books.withdraw(trader, amount, first)

    # the last one moved into the hole and left a clean slot
    assert books.amounts(trader) == {second: 2 * amount}
    assert books.word(trader).ids == (second, 0, 0, 0, 0, 0, 0, 0)
    assert books.clearinghouse.account_words(trader)[2] == [2 * amount, 0, 0, 0]
    assert books.tokens[first].balanceOf(owner_of(trader)) == amount


def test_withdraw__not_the_owner__reverts(books: Books) -> None:
    trader = books.open_account("trader", 10)
    attacker = books.role("attacker")
    with boa.reverts("custody: not the owner"):
        books.clearinghouse.withdraw(trader, books.usd.address, 1, attacker, sender=attacker)


def test_withdraw__more_than_cash__reverts(books: Books) -> None:
    books.seed_venue(100)
    trader = books.open_account("trader", 10)
    with boa.reverts("custody: not enough cash"):
        books.withdraw(trader, 10 * 10**6 + 1)


def test_withdraw__more_than_tracked__reverts(books: Books) -> None:
    token = books.list_token()
    trader = books.open_account("trader")
    books.deposit(trader, WAD, token)
    with boa.reverts("custody: not on hand"):
        books.withdraw(trader, WAD + 1, token)


def test_withdraw__more_collateral_than_held__reverts(books: Books) -> None:
    token = books.list_token()
    trader, other = books.open_account("trader"), books.open_account("counterparty")
    for account in (trader, other):
        books.deposit(account, WAD, token)
    with boa.reverts("ledger: not enough collateral"):
        books.withdraw(trader, WAD + 1, token)
    empty = books.open_account("nobody")
    with boa.reverts("ledger: not enough collateral"):
        books.withdraw(empty, WAD, token)


def test_withdraw__collateral_down_to_dust__reverts(books: Books) -> None:
    token = books.list_token()
    trader = books.open_account("trader")
    books.deposit(trader, WAD, token)
    with boa.reverts("custody: dust"):
        books.withdraw(trader, WAD - 10**14 + 1, token)
    books.withdraw(trader, WAD - 10**14, token)
    assert books.amounts(trader) == {token: 10**14}


def test_withdraw__with_a_leg__stops_at_im(books: Books) -> None:
    books.seed_venue()
    trader = books.open_account("trader", 1_000)
    books.trade(trader, LOTS)
    # IM = 10 % of 2,000 USD
    with boa.reverts("ledger: margin"):
        books.withdraw(trader, 800 * 10**6 + 1)
    books.withdraw(trader, 800 * 10**6)
    health = books.clearinghouse.health(trader)
    assert health.equity == health.im == 200 * USD


def test_withdraw__invalid_feed_of_a_leg__reverts(books: Books) -> None:
    books.seed_venue()
    trader = books.open_account("trader", 1_000)
    books.trade(trader, LOTS)
    books.markets.set_status(LEG_INVALID)
    with boa.reverts("ledger: invalid feed"):
        books.withdraw(trader, 1)


def test_withdraw__collateral_behind_a_debt__stops_at_im(books: Books) -> None:
    token = books.list_token()
    books.seed_venue()
    trader = books.open_account("trader")
    books.deposit(trader, WAD, token)
    books.trade(trader, LOTS)
    books.markets.set_price(ETH, 1_900 * TICKS)
    books.trade(trader, -LOTS)

    # a loss of 100 USD becomes a debt; q tokens count 80 % of 1,900 q
    with boa.reverts("ledger: margin"):
        books.withdraw(trader, WAD - 65 * WAD // 1_000, token)
    books.withdraw(trader, WAD - 66 * WAD // 1_000, token)

    assert books.word(trader).cash == -100 * USD
    assert books.clearinghouse.pot() == 100 * USD


def test_withdraw__settles_first__a_gain_leaves_once_the_loss_is_collected(books: Books) -> None:
    books.seed_venue()
    trader = books.open_account("trader", 1_000)
    books.trade(trader, LOTS)
    books.markets.set_price(ETH, 2_100 * TICKS)

    with boa.reverts("custody: not enough cash"):
        books.withdraw(trader, 890 * 10**6 + 200 * 10**6)
    books.clearinghouse.settle(books.venue_account)
    books.withdraw(trader, 890 * 10**6)

    assert books.word(trader).cash == 210 * USD
    assert books.clearinghouse.pot() == 0


def test_withdraw__insurance_and_fee_cash__is_left_alone(books: Books) -> None:
    """A deficit makes the ledger owe more than it has; the protected part stays."""
    books.seed_venue(100)
    fees = account_of(books.treasury)
    books.deposit(fees, 50 * 10**6)
    books.mint(0, books.owner, 25 * 10**6)
    books.usd.approve(books.fund.address, NEVER, sender=books.owner)
    books.fund.fund(25 * 10**6, sender=books.owner)
    trader = books.open_account("trader", 1_000)
    slot = 40 * 10**6
    _lose(books, trader, 1_040)
    # tracked = 100 + 50 + 25 + 1,000; the venue's cash is 100 + 1,040
    books.clearinghouse.settle(books.venue_account)
    venue = owner_of(books.venue_account)
    assert books.word(books.venue_account).cash == 1_140 * USD
    assert books.clearinghouse.deficit() == slot * 10**12

    with boa.reverts("custody: not on hand"):
        books.withdraw(books.venue_account, 1_100 * 10**6 + 1, to=venue)
    books.withdraw(books.venue_account, 1_100 * 10**6, to=venue)
    books.withdraw(fees, 50 * 10**6)

    assert books.tracked(0) == 25 * 10**6


def _lose(books: Books, account: int, loss: int) -> None:
    """Let an account lose this many USD to the venue, and write off what it cannot pay."""
    books.trade(account, LOTS)
    books.markets.set_price(ETH, (2_000 - loss) * TICKS)
    books.trade(account, -LOTS, price=2_000 * TICKS)
    books.markets.set_price(ETH, 2_000 * TICKS)
    books.trade(account, LOTS, price=2_000 * TICKS)
    books.markets.set_price(ETH, (2_000 - loss) * TICKS)
    books.clearinghouse.health(account)
    books.post(
        account,
        books.venue_account,
        sizes=[LOTS],
        quote=-LOTS * (2_000 - loss) * TICKS,
        auction=True,
    )
    books.clearinghouse.write_off(account, 0, sender=books.liquidator)


def test_withdraw__healthy_again__ends_the_auction(books: Books) -> None:
    trader = books.open_account("trader", 10)
    books.clearinghouse.set_auction(trader, True, sender=books.liquidator)
    books.withdraw(trader, 1)
    assert not books.word(trader).flags & IN_AUCTION


# ---- transfer ----------------------------------------------------------------------------------


def test_transfer__cash__moves_between_accounts(books: Books) -> None:
    trader = books.open_account("trader", 10)
    other = books.open_account("counterparty")

    books.clearinghouse.transfer(
        trader, other, books.usd.address, 4 * 10**6, sender=owner_of(trader)
    )

    (event,) = logs(books.clearinghouse, "Transferred")
    assert (event.sender, event.receiver, event.amount) == (trader, other, 4 * 10**6)
    assert books.word(trader).cash == 6 * USD
    assert books.word(other).cash == 4 * USD
    assert books.tracked(0) == 10 * 10**6


def test_transfer__to_itself__changes_nothing(books: Books) -> None:
    token = books.list_token()
    trader = books.open_account("trader", 10)
    books.deposit(trader, WAD, token)
    owner = owner_of(trader)

    books.clearinghouse.transfer(trader, trader, books.usd.address, 10**6, sender=owner)
    books.clearinghouse.transfer(trader, trader, books.tokens[token].address, WAD, sender=owner)

    assert books.word(trader).cash == 10 * USD
    assert books.amounts(trader) == {token: WAD}


def test_transfer__collateral__only_to_own_accounts_or_holders(books: Books) -> None:
    token = books.list_token()
    address = books.tokens[token].address
    trader, twin = books.open_account("trader"), books.open_account("trader", index=1)
    other = books.open_account("counterparty")
    books.deposit(trader, 4 * WAD, token)
    owner = owner_of(trader)

    books.clearinghouse.transfer(trader, twin, address, WAD, sender=owner)
    with boa.reverts("custody: not held"):
        books.clearinghouse.transfer(trader, other, address, WAD, sender=owner)
    books.deposit(other, WAD, token)
    books.clearinghouse.transfer(trader, other, address, WAD, sender=owner)

    assert [books.amounts(a)[token] for a in (trader, twin, other)] == [2 * WAD, WAD, 2 * WAD]


def test_transfer__not_the_owner__reverts(books: Books) -> None:
    trader = books.open_account("trader", 10)
    attacker = books.role("attacker")
    with boa.reverts("custody: not the owner"):
        books.clearinghouse.transfer(
            trader, account_of(attacker), books.usd.address, 1, sender=attacker
        )


def test_transfer__sender_below_im_after__reverts(books: Books) -> None:
    books.seed_venue()
    trader = books.open_account("trader", 1_000)
    twin = books.open_account("trader", index=1)
    books.trade(trader, LOTS)
    with boa.reverts("ledger: margin"):
        books.clearinghouse.transfer(
            trader, twin, books.usd.address, 800 * 10**6 + 1, sender=owner_of(trader)
        )
