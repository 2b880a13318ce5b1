"""The insurance fund: docs/spec/ledger.md (insurance)."""

from __future__ import annotations

import boa
import pytest

from tests.unit.ledger_support import (
    ETH,
    LOTS,
    NEVER,
    TICKS,
    USD,
    WAD,
    Books,
    account_of,
    deployed,
    deployer,
    logs,
)

# `anchored` puts the state back, after it has looked at what the test left
pytestmark = pytest.mark.ignore_isolation
DAY = 86_400
BTC_MARKET, ETH_MARKET = 2, 1


@pytest.fixture
def books(bare_books: Books) -> Books:
    return bare_books


def fill(books: Books, usd: int, payer: str | None = None) -> None:
    """Add this many USD to the fund."""
    sender = payer or books.owner
    books.usd.mint(sender, usd * books.unit(0))
    books.usd.approve(books.fund.address, NEVER, sender=sender)
    books.fund.fund(usd * books.unit(0), sender=sender)


def draw(books: Books, market: int, deficit: int, reward: int) -> tuple[int, int]:
    """Draw as the Liquidator, and pay what was granted out of the fund as a post would."""
    granted = books.fund.draw(market, deficit, reward, sender=books.liquidator)
    return tuple(granted)


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_fund__tokens_of_the_caller__become_cash_of_the_fund(decimals: int) -> None:
    with deployed(decimals) as books:
        payer = books.role("payer")
        fill(books, 7, payer)
        (event,) = logs(books.fund, "Funded")
        assert (event.payer, event.amount) == (payer, 7 * 10**decimals)
        assert books.word(account_of(books.fund.address)).cash == 7 * USD
        assert books.usd.balanceOf(books.fund.address) == books.usd.balanceOf(payer) == 0
        books.assert_conserved()


def test_deploy__clearinghouse_of_another_fund__reverts(books: Books) -> None:
    with boa.reverts("insurance: wrong clearinghouse"):
        deployer("InsuranceFund").deploy(books.clearinghouse.address)


def test_draw__by_others__reverts(books: Books) -> None:
    for caller in (books.owner, books.role("attacker"), books.orders):
        with boa.reverts("insurance: not the liquidator"):
            books.fund.draw(0, 1, 1, sender=caller)


def test_draw__deficit__is_bound_by_the_cash_alone(books: Books) -> None:
    fill(books, 100)
    assert draw(books, 0, 60 * USD, 0) == (60 * USD, 0)
    (event,) = logs(books.fund, "Drawn")
    assert (event.market, event.deficit, event.reward) == (0, 60 * USD, 0)
    assert draw(books, 0, 101 * USD, 0) == (100 * USD, 0)


def test_draw__reward__is_bound_per_market_and_day(books: Books) -> None:
    # the day's base is what the fund was given on it
    fill(books, 100)

    assert books.fund.available(ETH_MARKET) == (100 * USD, 20 * USD)
    assert draw(books, ETH_MARKET, 0, 15 * USD) == (0, 15 * USD)
    assert draw(books, ETH_MARKET, 0, 15 * USD) == (0, 5 * USD)
    assert books.fund.available(ETH_MARKET) == (100 * USD, 0)
    assert draw(books, BTC_MARKET, 0, 99 * USD) == (0, 20 * USD)
    # half of the fund is the bound of a day over all markets
    assert draw(books, 3, 0, 99 * USD) == (0, 10 * USD)
    assert draw(books, 0, 0, 99 * USD) == (0, 0)
    boa.env.time_travel(seconds=DAY)
    assert draw(books, ETH_MARKET, 0, 99 * USD) == (0, 20 * USD)


def test_draw__deficit_first__leaves_the_rest_to_the_reward(books: Books) -> None:
    fill(books, 100)
    boa.env.time_travel(seconds=DAY)
    assert draw(books, ETH_MARKET, 95 * USD, 20 * USD) == (95 * USD, 5 * USD)


def test_draw__base_of_the_day__grows_with_what_is_added(books: Books) -> None:
    fill(books, 100)
    boa.env.time_travel(seconds=DAY)
    fill(books, 900)
    assert books.fund.available(ETH_MARKET) == (1_000 * USD, 200 * USD)
    # a gain or a loss of the day does not change it
    draw(books, ETH_MARKET, 0, 150 * USD)
    assert books.fund.available(ETH_MARKET) == (1_000 * USD, 50 * USD)


def test_draw__earned_fees__are_settled_as_far_as_the_pot_goes(books: Books) -> None:
    books.seed_venue()
    violator = books.open_account("violator", 280)
    books.trade(violator, LOTS)
    books.markets.set_price(ETH, 1_800 * TICKS)
    plan = {"sizes": [LOTS // 2], "quote": -LOTS // 2 * 1_800 * TICKS}
    books.post(violator, books.venue_account, **plan, liquidation_fee=3 * USD)
    assert books.fund.available(0)[0] == 0
    books.clearinghouse.settle(violator)

    assert books.fund.available(0)[0] == 3 * USD
    assert draw(books, 0, 10 * USD, 0) == (3 * USD, 0)
    assert books.word(account_of(books.fund.address))[:2] == (3 * USD, 0)


def test_withdraw_surplus__by_the_owner__pays_tokens(books: Books) -> None:
    books.seed_venue()
    fill(books, 100)
    books.fund.withdraw_surplus(40 * 10**6, books.treasury, sender=books.owner)
    (event,) = logs(books.fund, "SurplusWithdrawn")
    assert (event.to, event.amount) == (books.treasury, 40 * 10**6)
    assert books.usd.balanceOf(books.treasury) == 40 * 10**6
    with boa.reverts("custody: not enough cash"):
        books.fund.withdraw_surplus(61 * 10**6, books.treasury, sender=books.owner)


def test_withdraw_surplus__early_in_the_day__does_not_lower_its_base(books: Books) -> None:
    fill(books, 100)
    boa.env.time_travel(seconds=DAY)
    books.fund.withdraw_surplus(40 * 10**6, books.treasury, sender=books.owner)
    assert books.fund.available(ETH_MARKET) == (60 * USD, 20 * USD)


def test_set_limits__both_bounds__and_one_past(books: Books) -> None:
    assert books.fund.limits() == (WAD // 5, WAD // 2)
    for limits in ((0, 0), (WAD, WAD)):
        books.fund.set_limits(*limits, sender=books.owner)
        assert books.fund.limits() == limits
    (event,) = logs_of_limits(books)
    assert event == (WAD, WAD, 1, 2)
    for limits in ((WAD + 1, 0), (0, WAD + 1)):
        with boa.reverts("insurance: limit range"):
            books.fund.set_limits(*limits, sender=books.owner)


def logs_of_limits(books: Books) -> list[tuple[int, int, int, int]]:
    """Change the limits once more and return what the event says."""
    books.fund.set_limits(1, 2, sender=books.owner)
    return [(e.old_market, e.old_day, e.market, e.day) for e in logs(books.fund, "LimitsSet")]


def test_set_liquidator__twice__reverts(books: Books) -> None:
    assert books.fund.liquidator() == books.liquidator
    with boa.reverts("insurance: liquidator is set"):
        books.fund.set_liquidator(books.role("other"), sender=books.owner)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("withdraw_surplus", (1, "0x" + "11" * 20)),
        ("set_limits", (0, 0)),
        ("set_liquidator", ("0x" + "11" * 20,)),
    ],
)
def test_owner_call__by_others__reverts(
    books: Books, name: str, arguments: tuple[object, ...]
) -> None:
    for caller in (books.liquidator, books.role("attacker")):
        with boa.reverts("ownable: caller is not the owner"):
            getattr(books.fund, name)(*arguments, sender=caller)
