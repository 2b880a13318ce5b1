"""Several actions of one owner, checked once at the end: docs/spec/ledger.md (Batch)."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.unit.ledger_support import (
    DEPOSIT,
    ETH,
    IN_AUCTION,
    LEG_INVALID,
    LOTS,
    TICKS,
    TRANSFER,
    USD,
    WAD,
    WITHDRAW,
    Books,
    account_of,
    deployer,
    logs,
    owner_of,
)

# `anchored` puts the state back, after it has looked at what the test left
pytestmark = pytest.mark.ignore_isolation


def two_accounts(books: Books, usd: int = 1_000) -> tuple[str, int, int]:
    """Return an owner with cash in the first of two accounts."""
    first = books.open_account("trader", usd)
    return owner_of(first), first, account_of(owner_of(first), 1)


# ---- what it does ------------------------------------------------------------------------------


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_batch__deposit_transfer_withdraw__moves_books_and_tokens(
    books: Books, decimals: int
) -> None:
    token, unit = books.list_token(decimals), 10**decimals
    owner, first, second = two_accounts(books)
    books.mint(token, owner, 5 * unit)

    books.batch(
        owner,
        books.action(DEPOSIT, first, 5 * unit, token),
        books.action(TRANSFER, first, 3 * unit, token, other=second),
        books.action(WITHDRAW, second, unit, token, other=int(books.role("friend"), 16)),
    )
    events = [type(event).__name__ for event in books.clearinghouse.get_logs()]

    assert (books.amounts(first), books.amounts(second)) == ({token: 2 * unit}, {token: 2 * unit})
    assert books.tracked(token) == 4 * unit
    assert books.tokens[token].balanceOf(owner) == 0
    assert books.tokens[token].balanceOf(books.role("friend")) == unit
    ours = [name for name in events if name in ("Deposited", "Transferred", "Withdrawn")]
    assert ours == ["Deposited", "Transferred", "Withdrawn"]


def test_batch__no_actions__changes_nothing(books: Books) -> None:
    owner, first, _ = two_accounts(books)
    before = books.clearinghouse.account_words(first)

    books.batch(owner)

    assert books.clearinghouse.account_words(first) == before


def test_batch__with_reports__updates_the_prices_once_before_all(books: Books) -> None:
    owner, first, second = two_accounts(books)
    before = books.markets.updates()

    move = books.action(TRANSFER, first, USD // 10**12, other=second)
    books.batch(owner, move, move, reports=b"reports")

    assert books.markets.updates() == before + 1


def test_batch__deposits_alone__read_no_price(books: Books) -> None:
    token = books.list_token()
    owner, first, second = two_accounts(books)
    books.mint(token, owner, WAD)
    books.mint(0, owner, 1)
    books.markets.set_broken(True)

    books.batch(owner, books.action(DEPOSIT, first, WAD, token), books.action(DEPOSIT, second, 1))

    assert books.amounts(first) == {token: WAD}


# ---- one check at the end ----------------------------------------------------------------------


def swap(books: Books) -> tuple[str, int, tuple[tuple[Any, ...], ...]]:
    """Return an exchange of collaterals of which the first half alone would leave less than IM.

    At 1,800 USD the trader's first account has lost 200 of the 540 USD that its collateral is
    worth: E 340, IM 180 + 108. Half of it given, E is 70 and IM 234.
    """
    held, wanted = books.list_token(), books.list_token()
    owner, first, second = two_accounts(books, 0)
    books.deposit(first, 3 * WAD // 10, held)
    books.deposit(second, 2 * WAD, wanted)
    books.trade(first, LOTS)
    books.markets.set_price(ETH, 1_800 * TICKS)
    exchange = (
        books.action(TRANSFER, first, 15 * WAD // 100, held, other=second),
        books.action(TRANSFER, second, WAD, wanted, other=first),
    )
    return owner, first, exchange


def test_batch__margin_only_at_the_end__passes(books: Books) -> None:
    owner, first, exchange = swap(books)
    with boa.reverts("ledger: margin"):
        books.clearinghouse.transfer(
            first, exchange[0][2], exchange[0][3], exchange[0][4], sender=owner
        )

    books.batch(owner, *exchange)

    health = books.clearinghouse.health(first)
    assert health.equity >= health.im


def test_batch__ends_below_im__reverts(books: Books) -> None:
    owner, _, exchange = swap(books)
    with boa.reverts("ledger: margin"):
        books.batch(owner, exchange[0])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_batch__whoever_gave_is_checked__whatever_comes_between(books: Books, place: int) -> None:
    owner, _, exchange = swap(books)
    other = account_of(owner, 2)
    books.deposit(other, 10**7)
    harmless = [
        books.action(TRANSFER, other, 1, other=account_of(owner, 3)),
        books.action(WITHDRAW, other, 1),
    ]
    harmless.insert(place, exchange[0])

    with boa.reverts("ledger: margin"):
        books.batch(owner, *harmless)


def test_batch__a_leg_of_doubtful_price__reverts(books: Books) -> None:
    owner, first, second = two_accounts(books)
    books.trade(first, LOTS)
    books.markets.set_status(LEG_INVALID)

    with boa.reverts("ledger: invalid feed"):
        books.batch(owner, books.action(TRANSFER, first, 1, other=second))


def test_batch__gave_and_received_below_im__reverts(books: Books) -> None:
    # E 80, IM 160 + 96: better than before, and held to IM all the same
    owner, _, exchange = swap(books)
    books.markets.set_price(ETH, 1_600 * TICKS)
    small = (*exchange[1][:4], WAD // 100)

    with boa.reverts("ledger: margin"):
        books.batch(owner, small, (*exchange[0][:4], 10**15))


# ---- what is checked at once --------------------------------------------------------------------


def test_batch__withdrawal_below_im__reverts_although_the_end_would_pass(books: Books) -> None:
    owner, first, _ = two_accounts(books, 400)
    books.trade(first, LOTS)
    books.mint(0, owner, 300 * 10**6)

    # E 400, IM 200
    out, back = 201 * 10**6, 300 * 10**6
    with boa.reverts("ledger: margin"):
        books.batch(owner, books.action(WITHDRAW, first, out), books.action(DEPOSIT, first, back))
    books.batch(owner, books.action(DEPOSIT, first, back), books.action(WITHDRAW, first, out))

    assert books.word(first).cash == (400 + 300 - 201) * USD


def test_batch__insolvent_in_the_middle__reverts(books: Books) -> None:
    """Cash that a loss is owed out of cannot be moved away while the collateral is parked."""
    token = books.list_token()
    owner, first, second = two_accounts(books, 250)
    books.deposit(first, WAD, token)
    books.trade(first, LOTS)
    books.markets.set_price(ETH, 1_700 * TICKS)
    # U = -300: alone, no cash can leave
    with boa.reverts("custody: not enough cash"):
        books.clearinghouse.transfer(first, second, books.usd.address, 250 * 10**6, sender=owner)

    # without its collateral E = -50, and a loss is only settled while E >= 0
    with boa.reverts("ledger: margin"):
        books.batch(
            owner,
            books.action(TRANSFER, first, WAD, token, other=second),
            books.action(TRANSFER, first, 250 * 10**6, other=second),
            books.action(TRANSFER, second, WAD, token, other=first),
        )


def test_batch__at_the_edge_of_solvency__settles_the_loss(books: Books) -> None:
    token = books.list_token()
    owner, first, second = two_accounts(books, 300)
    books.deposit(first, WAD, token)
    books.trade(first, LOTS)
    books.markets.set_price(ETH, 1_700 * TICKS)

    # E = 0 in the middle
    books.batch(
        owner,
        books.action(TRANSFER, first, WAD, token, other=second),
        books.action(TRANSFER, second, WAD, token, other=first),
    )

    assert (books.word(first).cash, books.clearinghouse.pot()) == (0, 300 * USD)


# ---- auctions -----------------------------------------------------------------------------------


def test_batch__cured_at_the_end__ends_the_auction(books: Books) -> None:
    owner, first, exchange = swap(books)
    books.clearinghouse.set_auction(first, True, sender=books.liquidator)

    books.batch(owner, *exchange)

    assert not books.word(first).flags & IN_AUCTION


def test_batch__not_cured__leaves_the_auction(books: Books) -> None:
    owner, first, exchange = swap(books)
    books.clearinghouse.set_auction(first, True, sender=books.liquidator)

    with boa.reverts("ledger: margin"):
        books.batch(owner, exchange[0])

    assert books.word(first).flags & IN_AUCTION


# ---- who and what -------------------------------------------------------------------------------


def test_batch__foreign_account__reverts(books: Books) -> None:
    owner, first, _ = two_accounts(books)
    foreign = books.open_account("stranger", 10)

    for kind in (DEPOSIT, WITHDRAW, TRANSFER):
        with boa.reverts("custody: not the owner"):
            books.batch(owner, books.action(kind, foreign, 1, other=first))


@pytest.mark.parametrize("kind", [0, 3, 5, 6, 7])
def test_batch__no_single_kind__reverts(books: Books, kind: int) -> None:
    owner, first, second = two_accounts(books)
    with boa.reverts("batch: unknown action"):
        books.batch(owner, books.action(kind, first, 1, other=second))


@pytest.mark.parametrize("kind", [8, 9, 2**255])
def test_batch__kind_beyond_the_list__reverts(books: Books, kind: int) -> None:
    owner, first, second = two_accounts(books)
    with boa.reverts():
        books.batch(owner, books.action(kind, first, 1, other=second))


@pytest.mark.parametrize("sender", ["stranger", "orders", "liquidator"])
def test_batch__neither_owner_nor_hand__reverts(books: Books, sender: str) -> None:
    owner, first, second = two_accounts(books)
    caller = books.role(sender) if sender == "stranger" else getattr(books, sender)

    with boa.reverts("clearinghouse: not a hand"):
        books.batch(owner, books.action(TRANSFER, first, 1, other=second), sender=caller)


def test_batch__owner_to_others__passes(books: Books) -> None:
    owner, first, _ = two_accounts(books)
    friend = account_of(books.role("friend"))

    books.batch(owner, books.action(TRANSFER, first, 10, other=friend))

    assert books.word(friend).cash == 10 * 10**12


def test_batch__by_a_hand__takes_from_the_owner_and_pays_him(books: Books) -> None:
    owner, first, second = two_accounts(books)
    books.mint(0, owner, 500)

    books.batch(
        owner,
        books.action(DEPOSIT, first, 500),
        books.action(TRANSFER, first, 300, other=second),
        books.action(WITHDRAW, second, 200),
        sender=books.operators,
    )

    assert books.usd.balanceOf(owner) == 200
    assert books.word(second).cash == 100 * 10**12


def test_batch__by_a_hand__withdraws_to_nobody_else(books: Books) -> None:
    owner, first, _ = two_accounts(books)
    for to in (int(books.operators, 16), first, 2**160 | int(owner, 16)):
        with boa.reverts("batch: not to the owner"):
            books.batch(owner, books.action(WITHDRAW, first, 1, other=to), sender=books.operators)


def test_batch__by_a_hand__transfers_to_nobody_else(books: Books) -> None:
    owner, first, _ = two_accounts(books)
    stranger = account_of(books.role("stranger"))

    with boa.reverts("custody: not the owner"):
        books.batch(owner, books.action(TRANSFER, first, 1, other=stranger), sender=books.operators)


@pytest.mark.parametrize(
    ("kind", "amount", "reason"),
    [
        (DEPOSIT, 0, "custody: amount"),
        (DEPOSIT, 10**16, "custody: hard cap"),
        (WITHDRAW, 1_001 * 10**6, "custody: not enough cash"),
        (TRANSFER, 1_001 * 10**6, "custody: not enough cash"),
    ],
)
def test_batch__refused_action__gives_its_reason(
    books: Books, kind: int, amount: int, reason: str
) -> None:
    owner, first, second = two_accounts(books)
    other = second if kind == TRANSFER else 0

    with boa.reverts(reason):
        books.batch(owner, books.action(kind, first, amount, other=other))


# ---- tokens last ---------------------------------------------------------------------------------


def test_batch__deposit_that_cannot_be_paid__reverts_all(books: Books) -> None:
    owner, first, second = two_accounts(books)

    with boa.reverts():
        books.batch(
            owner,
            books.action(DEPOSIT, first, 10**6),
            books.action(TRANSFER, first, 10**6, other=second),
        )

    assert books.word(second).cash == 0


def test_batch__spends_what_it_just_withdrew__moves_in_order(books: Books) -> None:
    owner, first, second = two_accounts(books)
    books.usd.approve(books.clearinghouse.address, 10**9, sender=owner)

    books.batch(owner, books.action(WITHDRAW, first, 10**9), books.action(DEPOSIT, second, 10**9))

    assert books.word(second).cash == 1_000 * USD


def test_batch__token_calls_back__finds_the_ledger_complete_and_locked(books: Books) -> None:
    token = books.list_token(kind="mocks/HookToken")
    owner, first, second = two_accounts(books)
    books.deposit(first, WAD, token)
    books.tokens[token].mint(owner, WAD)
    books.tokens[token].approve(books.clearinghouse.address, WAD, sender=owner)
    reenterer = deployer("mocks/Reenterer").deploy()
    books.tokens[token].set_hook(reenterer.address)
    core = books.clearinghouse
    calls = (
        core.batch.prepare_calldata(b"", reenterer.address, []),
        core.account_words.prepare_calldata(first),
        core.pot.prepare_calldata(),
        core.deposit.prepare_calldata(second, token_address(books, token), WAD),
    )

    for call in calls:
        with boa.env.anchor():
            reenterer.aim(core.address, call)
            books.batch(
                owner,
                books.action(DEPOSIT, second, WAD, token),
                books.action(WITHDRAW, first, WAD // 2, token),
            )

            assert not reenterer.reached()
            assert books.amounts(first) == {token: WAD // 2}
            assert books.amounts(second) == {token: WAD}


def token_address(books: Books, token: int) -> str:
    """Return where a token stands."""
    return str(books.tokens[token].address)


def test_batch__token_that_takes_more__reverts(books: Books) -> None:
    token = books.list_token(kind="mocks/FeeToken")
    owner, first, second = two_accounts(books)
    books.deposit(first, WAD, token)
    books.tokens[token].set_fee(0, 1)

    with boa.reverts("custody: inexact transfer"):
        books.batch(
            owner,
            books.action(TRANSFER, first, WAD // 2, token, other=second),
            books.action(WITHDRAW, second, WAD // 4, token),
        )


# ---- moves by agreement --------------------------------------------------------------------------


def with_leg(books: Books, role: str, usd: int, lots: int = LOTS) -> int:
    """Return an account with cash and a long of ETH at 2,000 USD."""
    account = books.open_account(role, usd)
    books.trade(account, lots)
    return account


def test_post__by_agreement__moves_everything_without_fees(books: Books) -> None:
    token = books.list_token()
    seller = with_leg(books, "trader", 500)
    books.deposit(seller, WAD, token)
    buyer = books.open_account("buyer", 300)
    word = books.word(seller)

    posted = books.agree(
        seller, buyer, sizes=[LOTS], amounts=[WAD], cash=word.cash, quote=word.quote
    )
    (leg,) = logs(books.clearinghouse, "LegMoved")
    (collateral,) = logs(books.clearinghouse, "CollateralMoved")
    (posting,) = logs(books.clearinghouse, "Posting")

    assert (books.size(seller), books.size(buyer)) == (0, LOTS)
    assert (books.amounts(seller), books.amounts(buyer)) == ({}, {token: WAD})
    assert (books.word(seller).cash, books.word(seller).quote) == (0, 0)
    assert (books.word(buyer).cash, books.word(buyer).quote) == (800 * USD, word.quote)
    assert (leg.size, collateral.amount) == (LOTS, WAD)
    assert (posting.fee, posting.pay, posting.insurance) == (0, 0, 0)
    assert posted.after == books.clearinghouse.health(seller)
    assert posted.other == books.clearinghouse.health(buyer)


def test_post__by_agreement_against_an_opposite_leg__lowers_open_interest(books: Books) -> None:
    seller, buyer = with_leg(books, "trader", 500), with_leg(books, "buyer", 500, -LOTS // 2)
    before = books.markets.open_interest(ETH)

    books.agree(seller, buyer, sizes=[LOTS // 2], quote=-LOTS // 2 * 2_000 * TICKS)

    assert (books.size(seller), books.size(buyer)) == (LOTS // 2, 0)
    assert books.markets.open_interest(ETH) == before - LOTS // 2


@pytest.mark.parametrize(("usd", "passes"), [(200, True), (199, False)])
def test_post__by_agreement__holds_the_receiver_to_im(books: Books, usd: int, passes: bool) -> None:
    seller, buyer = with_leg(books, "trader", 500), books.open_account("buyer", usd)
    move = {"sizes": [LOTS], "quote": -LOTS * 2_000 * TICKS}

    if passes:
        books.agree(seller, buyer, **move)
    else:
        with boa.reverts("ledger: margin"):
            books.agree(seller, buyer, **move)


@pytest.mark.parametrize(("cash", "passes"), [(300, True), (301, False)])
def test_post__by_agreement__holds_the_sender_to_im(books: Books, cash: int, passes: bool) -> None:
    seller, buyer = with_leg(books, "trader", 500), books.open_account("buyer", 200)

    if passes:
        books.agree(seller, buyer, cash=cash * USD)
    else:
        with boa.reverts("ledger: margin"):
            books.agree(seller, buyer, cash=cash * USD)


def test_post__by_agreement_at_a_doubtful_price__reverts(books: Books) -> None:
    seller, buyer = with_leg(books, "trader", 500), books.open_account("buyer", 500)
    books.markets.set_status(LEG_INVALID)

    with boa.reverts("ledger: invalid feed"):
        books.agree(seller, buyer, sizes=[LOTS], quote=-LOTS * 2_000 * TICKS)


@pytest.mark.parametrize("what", ["fee", "liquidation_fee", "pay", "insurance"])
def test_post__by_agreement_with_fees__reverts(books: Books, what: str) -> None:
    seller, buyer = with_leg(books, "trader", 500), books.open_account("buyer", 500)
    with boa.reverts("seizure: parties"):
        books.agree(seller, buyer, **{what: 1})


def test_post__by_agreement_with_oneself__reverts(books: Books) -> None:
    seller = with_leg(books, "trader", 500)
    with boa.reverts("seizure: parties"):
        books.agree(seller, seller, sizes=[LOTS])


def test_post__by_agreement__cures_both_and_starts_no_auction(books: Books) -> None:
    seller, buyer = with_leg(books, "trader", 500), books.open_account("buyer", 500)
    for account in (seller, buyer):
        books.clearinghouse.set_auction(account, True, sender=books.liquidator)

    books.agree(seller, buyer, auction=True)

    assert not books.word(seller).flags & IN_AUCTION
    assert not books.word(buyer).flags & IN_AUCTION


def test_post__hand_for_orders__reverts(books: Books) -> None:
    seller, buyer = with_leg(books, "trader", 500), books.open_account("buyer", 500)
    with boa.reverts("clearinghouse: not a hand"):
        books.post(seller, buyer, sender=books.orders, auction=False)


def test_post__hand_for_consent__cannot_force(books: Books) -> None:
    # E 300 - 250 = 50 under MM 87.5: a liquidation to the Liquidator, nothing to Operators
    violator, buyer = with_leg(books, "trader", 300), books.open_account("buyer", 1_000)
    books.markets.set_price(ETH, 1_750 * TICKS)
    taken = {"sizes": [LOTS // 2], "quote": -LOTS // 2 * 1_750 * TICKS}

    with boa.reverts("ledger: margin"):
        books.agree(violator, buyer, **taken)
    books.post(violator, buyer, **taken)

    assert books.size(violator) == LOTS // 2
