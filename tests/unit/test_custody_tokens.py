"""Tokens that the ledger lists, their caps, and what hostile ones can do: docs/spec/ledger.md."""

from __future__ import annotations

import boa
import pytest
from eth_utils.abi import function_signature_to_4byte_selector

from tests.unit.ledger_support import (
    BTC,
    ETH,
    USD,
    WAD,
    ZERO,
    Books,
    deployer,
    logs,
    new_token,
    owner_of,
)

DECIMALS = (6, 8, 18)

# `anchored` puts the state back, after it has looked at what the test left
pytestmark = pytest.mark.ignore_isolation


@pytest.fixture
def books(bare_books: Books) -> Books:
    return bare_books


# ---- caps --------------------------------------------------------------------------------------


def test_soft_cap__passed__lowers_the_factor_and_raises_it_again(books: Books) -> None:
    token = books.list_token(8, soft_cap=10)
    trader = books.open_account("trader")
    factor = lambda: books.markets.collaterals(token)[2]  # noqa: E731

    books.deposit(trader, 10 * 10**8, token)
    assert factor() == 10_000
    books.deposit(trader, 5 * 10**8, token)
    # 10 of 15 tokens count: floor(10,000 * 10 / 15)
    assert factor() == 6_666
    books.withdraw(trader, 3 * 10**8, token)
    assert factor() == 8_333
    books.withdraw(trader, 4 * 10**8, token)
    assert factor() == 10_000


def test_set_caps__changes_both__and_pushes_the_factor(books: Books) -> None:
    token = books.list_token(hard_cap=100, soft_cap=50)
    trader = books.open_account("trader")
    books.deposit(trader, 20 * WAD, token)
    address = books.tokens[token].address

    books.clearinghouse.set_caps(address, 40, 5, sender=books.owner)

    (event,) = logs(books.clearinghouse, "CapsSet")
    assert (event.old_hard, event.old_soft, event.hard, event.soft) == (100, 50, 40, 5)
    assert tuple(books.clearinghouse.token_info(address)) == (token, 18, 20 * WAD, 40, 5, True)
    assert books.markets.collaterals(token)[2] == 2_500


def test_set_caps__below_what_is_tracked__stops_deposits_only(books: Books) -> None:
    trader = books.open_account("trader", 100)
    books.clearinghouse.set_caps(books.usd.address, 50, 0, sender=books.owner)
    with boa.reverts("custody: hard cap"):
        books.deposit(trader, 1)
    books.withdraw(trader, 60 * 10**6)
    books.deposit(trader, 10 * 10**6)
    assert books.tracked(0) == 50 * 10**6


@pytest.mark.parametrize("decimals", DECIMALS)
def test_set_caps__range__is_112_bits_of_atoms_and_64_of_tokens(
    books: Books, decimals: int
) -> None:
    token = books.list_token(decimals)
    address = books.tokens[token].address
    most = min(2**64 - 1, (2**112 - 1) // 10**decimals)
    books.clearinghouse.set_caps(address, most, most, sender=books.owner)
    for caps in ((most + 1, 0), (0, most + 1)):
        with boa.reverts("custody: cap range"):
            books.clearinghouse.set_caps(address, *caps, sender=books.owner)
    assert tuple(books.clearinghouse.token_info(address))[3:5] == (most, most)


def test_set_caps__unlisted_token__reverts(books: Books) -> None:
    with boa.reverts("custody: unlisted token"):
        books.clearinghouse.set_caps(ZERO, 1, 1, sender=books.owner)


# ---- listing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("decimals", [6, 18])
def test_list_collateral__new_token__takes_the_next_id(books: Books, decimals: int) -> None:
    token = new_token("mocks/TestToken", decimals)
    books.clearinghouse.list_collateral(
        token.address, BTC, WAD // 5, WAD // 10, 7, 6, sender=books.owner
    )
    (event,) = logs(books.clearinghouse, "CollateralListed")
    assert (event.token, event.id, event.decimals) == (token.address, 1, decimals)
    assert books.clearinghouse.token_at(1) == token.address
    assert tuple(books.clearinghouse.token_info(token.address)) == (1, decimals, 0, 7, 6, True)
    assert books.markets.collaterals(1)[:2] == (BTC, decimals)


@pytest.mark.parametrize("decimals", [0, 5, 19])
def test_list_collateral__odd_decimals__reverts(books: Books, decimals: int) -> None:
    with boa.reverts("custody: decimals"):
        books.list_token(decimals)


def test_list_collateral__twice__reverts(books: Books) -> None:
    token = books.list_token()
    for address in (books.tokens[token].address, books.usd.address):
        with boa.reverts("custody: already listed"):
            books.clearinghouse.list_collateral(
                address, ETH, WAD // 5, WAD // 10, 1, 1, sender=books.owner
            )


def test_list_collateral__64th__reverts(books: Books) -> None:
    for _ in range(63):
        books.list_token()
    with boa.reverts("custody: too many tokens"):
        books.list_token()


def test_token_info__unlisted__is_all_zero(books: Books) -> None:
    assert tuple(books.clearinghouse.token_info(books.owner)) == (0, 0, 0, 0, 0, False)


def test_donation__to_the_contract__changes_nothing(books: Books) -> None:
    trader = books.open_account("trader", 10)
    books.usd.mint(books.clearinghouse.address, 10**9)
    assert books.tracked(0) == 10 * 10**6
    assert books.word(trader).cash == 10 * USD


# ---- hostile tokens ----------------------------------------------------------------------------


def test_deposit__token_answers_false__reverts(books: Books) -> None:
    token = books.list_token(kind="mocks/FalseToken")
    trader = books.open_account("trader")
    books.deposit(trader, WAD, token)
    books.tokens[token].set_refuses(True)

    with boa.reverts("custody: inexact transfer"):
        books.deposit(trader, WAD, token)
    with boa.reverts("custody: inexact transfer"):
        books.withdraw(trader, WAD, token)

    assert books.amounts(trader) == {token: WAD}


def test_deposit__fee_switched_on_later__reverts(books: Books) -> None:
    token = books.list_token(kind="mocks/FeeToken")
    trader = books.open_account("trader")
    books.deposit(trader, WAD, token)
    books.tokens[token].set_fee(1, 0)

    with boa.reverts("custody: inexact transfer"):
        books.deposit(trader, WAD, token)


def test_withdraw__fee_on_top__reverts_and_costs_nobody(books: Books) -> None:
    token = books.list_token(kind="mocks/FeeToken")
    trader, other = books.open_account("trader"), books.open_account("counterparty")
    books.deposit(trader, WAD, token)
    books.deposit(other, WAD, token)
    books.tokens[token].set_fee(0, 100)

    with boa.reverts("custody: inexact transfer"):
        books.withdraw(trader, WAD, token)

    assert books.tracked(token) == 2 * WAD


def test_withdraw__blocked_receiver__leaves_others_untouched(books: Books) -> None:
    token = books.list_token(kind="mocks/BlacklistToken")
    trader, other = books.open_account("trader"), books.open_account("counterparty")
    for account in (trader, other):
        books.deposit(account, WAD, token)
    books.tokens[token].set_blocked(owner_of(trader), True)

    with boa.reverts("token: blocked"):
        books.withdraw(trader, WAD, token)
    books.withdraw(other, WAD, token)
    books.withdraw(trader, WAD, token, to=owner_of(other))

    assert books.tokens[token].balanceOf(owner_of(other)) == 2 * WAD


REENTRIES = {
    "deposit": "deposit(uint256,address,uint256)",
    "withdraw": "withdraw(uint256,address,uint256,address)",
    "settle": "settle(uint256)",
    "health": "health(uint256)",
    "account_words": "account_words(uint256)",
    "pot": "pot()",
    "token_info": "token_info(address)",
}


@pytest.mark.parametrize("name", REENTRIES)
@pytest.mark.parametrize("action", ["deposit", "withdraw"])
def test_token_hook__calls_back__finds_everything_locked(
    books: Books, name: str, action: str
) -> None:
    token = books.list_token(kind="mocks/HookToken")
    trader = books.open_account("trader")
    books.deposit(trader, 2 * WAD, token)
    hook = deployer("mocks/Reenterer").deploy()
    books.tokens[token].set_hook(hook.address)
    address = books.tokens[token].address
    values = (trader, address, WAD, owner_of(trader))[: REENTRIES[name].count(",") + 1]
    if name == "token_info":
        values = (address,)
    signature = REENTRIES[name]
    types = signature[signature.index("(") :]
    arguments = b"" if types == "()" else boa.util.abi.abi_encode(types, values)
    hook.aim(
        books.clearinghouse.address, function_signature_to_4byte_selector(signature) + arguments
    )

    if action == "deposit":
        books.deposit(trader, WAD, token)
    else:
        books.withdraw(trader, WAD, token)

    assert not hook.reached()
    assert books.amounts(trader) == {token: 3 * WAD if action == "deposit" else WAD}


def test_token_hook__asks_the_token__is_answered(books: Books) -> None:
    """The hook of the tests above does reach what is not locked."""
    token = books.list_token(kind="mocks/HookToken")
    trader = books.open_account("trader")
    hook = deployer("mocks/Reenterer").deploy()
    books.tokens[token].set_hook(hook.address)
    hook.aim(books.tokens[token].address, function_signature_to_4byte_selector("decimals()"))

    books.deposit(trader, WAD, token)

    assert hook.reached()
