"""Who may do what, and trades with venues: docs/spec/ledger.md (Trade, R2)."""

from __future__ import annotations

import boa
import pytest

from tests.unit.ledger_support import (
    ACTIVE,
    BTC,
    ETH,
    FRESH,
    HOUSE,
    IN_AUCTION,
    LEG_INVALID,
    LIQUIDATE,
    LOTS,
    PRICE_PENDING,
    TICKS,
    TRADE,
    UNTRUSTED,
    USD,
    WAD,
    ZERO,
    Books,
    account_of,
    deployer,
    logs,
)

# `anchored` puts the state back, after it has looked at what the test left
pytestmark = pytest.mark.ignore_isolation


# ---- construction and the owner ----------------------------------------------------------------


def test_deploy__facts_of_the_constructor__are_readable(books: Books) -> None:
    clearinghouse = books.clearinghouse
    assert clearinghouse.settlement_token() == books.usd.address
    assert clearinghouse.settlement_scale() == 10**12
    assert clearinghouse.markets() == books.markets.address
    assert clearinghouse.insurance_account() == account_of(books.fund.address)
    assert clearinghouse.fee_account() == account_of(books.treasury)
    assert clearinghouse.owner() == books.owner
    assert clearinghouse.token_at(0) == books.usd.address
    assert tuple(clearinghouse.token_info(books.usd.address))[3:] == (10**9, 0, True)
    assert (clearinghouse.pot(), clearinghouse.deficit()) == (0, 0)


def test_deploy__markets_of_another_clearinghouse__reverts(books: Books) -> None:
    with boa.reverts("ledger: wrong markets"):
        deployer("Clearinghouse").deploy(
            books.usd.address, 1, books.markets.address, books.fund.address, books.treasury, ZERO
        )


@pytest.mark.parametrize("decimals", [5, 19])
def test_deploy__odd_settlement_decimals__reverts(books: Books, decimals: int) -> None:
    token = deployer("mocks/TestToken").deploy("Odd", "ODD", decimals)
    with boa.reverts("custody: decimals"):
        deployer("Clearinghouse").deploy(
            token.address, 1, books.markets.address, books.fund.address, books.treasury, ZERO
        )


OWNER_CALLS = {
    "list_collateral": (ZERO, ETH, WAD // 5, WAD // 10, 1, 1),
    "set_caps": (ZERO, 1, 1),
    "set_hand": (ZERO, TRADE),
    "set_venue": (ZERO, True, True, 0),
    "transfer_ownership": (ZERO,),
}


@pytest.mark.parametrize("name", OWNER_CALLS)
@pytest.mark.parametrize("role", ["attacker", "orders", "liquidator", "treasury"])
def test_owner_call__by_others__reverts(books: Books, name: str, role: str) -> None:
    caller = getattr(books, role, None) or books.role(role)
    with boa.reverts("ownable: caller is not the owner"):
        getattr(books.clearinghouse, name)(*OWNER_CALLS[name], sender=caller)


def test_ownership__moves_in_two_steps(books: Books) -> None:
    heir = books.role("heir")
    books.clearinghouse.transfer_ownership(heir, sender=books.owner)
    assert books.clearinghouse.owner() == books.owner
    with boa.reverts("ownable_2step: caller is not the new owner"):
        books.clearinghouse.accept_ownership(sender=books.owner)
    books.clearinghouse.accept_ownership(sender=heir)
    assert books.clearinghouse.owner() == heir


def test_set_hand__gives_and_takes_roles(books: Books) -> None:
    hand = books.role("hand")
    books.clearinghouse.set_hand(hand, TRADE | LIQUIDATE, sender=books.owner)
    (event,) = logs(books.clearinghouse, "HandSet")
    assert (event.hand, event.role) == (hand, TRADE | LIQUIDATE)
    books.clearinghouse.set_auction(1, True, sender=hand)
    books.clearinghouse.set_hand(hand, 0, sender=books.owner)
    with boa.reverts("clearinghouse: not a hand"):
        books.clearinghouse.set_auction(1, False, sender=hand)


EMPTY_POST = (1, 2, 3, 0, 0, [0] * 16, [0] * 8, 0, 0, 0, 0, 0, 0, 0, 0)
HAND_CALLS = {
    "trade": (((1, ZERO, 0, 0, 0, False),), ("attacker", "liquidator", "owner")),
    "post": ((EMPTY_POST, False), ("attacker", "orders", "owner")),
    "deal": (
        ((1, 2, 0, 0, 0, 0, 0, 0),),
        ("attacker", "orders", "liquidator", "operators", "owner"),
    ),
}


@pytest.mark.parametrize("name", HAND_CALLS)
def test_hand_call__without_the_role__reverts(books: Books, name: str) -> None:
    arguments, roles = HAND_CALLS[name]
    for role in roles:
        caller = getattr(books, role, None) or books.role(role)
        with boa.reverts("clearinghouse: not a hand"):
            getattr(books.clearinghouse, name)(*arguments, sender=caller)


@pytest.mark.parametrize("role", ["attacker", "orders", "owner"])
def test_auction_and_write_off__without_the_role__revert(books: Books, role: str) -> None:
    caller = getattr(books, role, None) or books.role(role)
    with boa.reverts("clearinghouse: not a hand"):
        books.clearinghouse.set_auction(1, True, sender=caller)
    with boa.reverts("clearinghouse: not a hand"):
        books.clearinghouse.write_off(1, 0, sender=caller)


def test_set_venue__marks_the_account__and_stops_fills(books: Books) -> None:
    trader = books.open_account("trader", 10_000)
    assert books.word(books.venue_account).flags & HOUSE

    books.clearinghouse.set_venue(books.venue.address, False, False, 0, sender=books.owner)
    (event,) = logs(books.clearinghouse, "VenueSet")

    assert (event.venue, event.allowed, event.house) == (books.venue.address, False, False)
    assert not books.word(books.venue_account).flags & HOUSE
    with boa.reverts("trading: unknown venue"):
        books.trade(trader, LOTS)


def test_set_auction__changes_the_bit_once(books: Books) -> None:
    trader = books.open_account("trader", 1)
    for active, events in ((True, 1), (True, 0), (False, 1), (False, 0)):
        books.clearinghouse.set_auction(trader, active, sender=books.liquidator)
        assert len(logs(books.clearinghouse, "AuctionSet")) == events
        assert bool(books.word(trader).flags & IN_AUCTION) == active


# ---- trade -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_trade__fill__moves_leg_quote_and_fee(books: Books, sign: int) -> None:
    trader = books.open_account("trader", 1_000)
    books.markets.set_funding(ETH, 12 * TICKS + 5)
    price, size, fee = 2_001 * TICKS + 3, sign * (LOTS + 1), 7 * 10**15 + 9

    traded = books.trade(trader, size, price=price, fee=fee, tilt=-77)
    (event,) = logs(books.clearinghouse, "Filled")

    value = size * (price - 12 * TICKS - 5)
    assert tuple(traded) == (price, fee, 12 * TICKS + 5)
    assert books.word(trader)[:3] == (1_000 * USD, -value - fee, 1)
    assert books.word(books.venue_account).quote == value
    assert books.word(account_of(books.treasury)).quote == fee
    assert (books.size(trader), books.size(books.venue_account)) == (size, -size)
    assert (event.account, event.venue) == (trader, books.venue_account)
    assert (event.instrument, event.size, event.price) == (ETH << 56, size, price)
    assert (event.funding, event.mark, event.fee) == (12 * TICKS + 5, 2_000 * TICKS, fee)
    assert (event.account_size, event.venue_size) == (size, -size)
    recorded = (books.markets.last_market(), books.markets.last_change(), books.markets.last_tilt())
    assert recorded == (ETH, abs(size), -77)


def test_trade__open_interest__is_the_sum_of_long_sizes(books: Books) -> None:
    one, two = books.open_account("trader", 10_000), books.open_account("counterparty", 10_000)
    books.trade(one, 3 * LOTS)
    assert books.markets.open_interest(ETH) == 3 * LOTS
    # the venue's short passes to the second trader
    books.trade(two, -2 * LOTS)
    assert books.markets.open_interest(ETH) == 3 * LOTS
    books.trade(two, -2 * LOTS)
    assert books.markets.open_interest(ETH) == 4 * LOTS
    books.trade(one, -3 * LOTS)
    assert books.markets.open_interest(ETH) == 4 * LOTS


@pytest.mark.parametrize(("size", "limit"), [(LOTS, 2_000 * TICKS), (-LOTS, 2_000 * TICKS)])
def test_trade__worse_than_the_limit__reverts(books: Books, size: int, limit: int) -> None:
    trader = books.open_account("trader", 10_000)
    worse = limit + (1 if size > 0 else -1)
    with boa.reverts("trading: limit price"):
        books.trade(trader, size, price=worse, limit_price=limit)
    books.trade(trader, size, price=limit, limit_price=limit)


def test_trade__fee_above_one_percent__reverts(books: Books) -> None:
    trader = books.open_account("trader", 10_000)
    for size in (LOTS, -LOTS):
        with boa.reverts("trading: fee"):
            books.trade(trader, size, fee=20 * USD + 1)
    books.trade(trader, LOTS, fee=20 * USD)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 0},
        {"size": 2**63},
        {"size": -(2**200)},
        {"instrument": (ETH << 56) + 1},
        {"instrument": (ETH << 56) | 1 << 54},
        {"instrument": 5},
    ],
)
def test_trade__bad_order__reverts(books: Books, change: dict[str, int]) -> None:
    trader = books.open_account("trader", 10_000)
    with boa.reverts("trading: bad order"):
        books.trade(trader, change.pop("size", LOTS), **change)


@pytest.mark.parametrize("index", [0, 1])
def test_trade__account_of_the_venue__reverts(books: Books, index: int) -> None:
    with boa.reverts("trading: bad order"):
        books.trade(account_of(books.venue.address, index), LOTS)


@pytest.mark.parametrize("market", [0, 9, 255])
def test_trade__unknown_market__reverts(books: Books, market: int) -> None:
    trader = books.open_account("trader", 10_000)
    with boa.reverts("trading: price not trusted"):
        books.trade(trader, LOTS, market, price=TICKS)


@pytest.mark.parametrize(
    ("age", "flags", "opens", "reduces"),
    [
        (0, ACTIVE, True, True),
        (15, ACTIVE, True, True),
        (16, ACTIVE, False, True),
        (120, ACTIVE, False, True),
        (121, ACTIVE, False, False),
        (-1, ACTIVE, True, True),
        (0, ACTIVE | UNTRUSTED, False, True),
        (0, ACTIVE | PRICE_PENDING, False, False),
    ],
)
def test_trade__price_age_and_flags__decide_what_is_allowed(
    books: Books, age: int, flags: int, opens: bool, reduces: bool
) -> None:
    trader = books.open_account("trader", 10_000)
    books.trade(trader, 2 * LOTS)
    now = boa.env.evm.patch.timestamp
    books.markets.set_price_word(ETH, 2_000 * TICKS, now - age, flags)

    for size, allowed in ((LOTS, opens), (-3 * LOTS, opens), (-LOTS, reduces)):
        with boa.env.anchor():
            if allowed:
                books.trade(trader, size)
            else:
                with boa.reverts("trading: price not trusted"):
                    books.trade(trader, size)


def test_trade__reducing_at_the_deployments_mm_age__is_the_last_allowed() -> None:
    with boa.swap_env(boa.Env()):
        books = Books.deploy(age_mm=300)
        trader = books.open_account("trader", 10_000)
        books.trade(trader, 2 * LOTS)
        now = boa.env.evm.patch.timestamp
        books.markets.set_price_word(ETH, 2_000 * TICKS, now - 300, ACTIVE)
        books.trade(trader, -LOTS)
        books.markets.set_price_word(ETH, 2_000 * TICKS, now - 301, ACTIVE)
        with boa.reverts("trading: price not trusted"):
            books.trade(trader, -LOTS)


def test_trade__reduce_only__must_fall_and_keep_its_sign(books: Books) -> None:
    trader = books.open_account("trader", 10_000)
    with boa.reverts("trading: reduce only"):
        books.trade(trader, LOTS, reduce_only=True)
    books.trade(trader, 2 * LOTS)
    for size in (1, -2 * LOTS - 1, -4 * LOTS):
        with boa.reverts("trading: reduce only"):
            books.trade(trader, size, reduce_only=True)
    books.trade(trader, -LOTS, reduce_only=True)
    books.trade(trader, -LOTS, reduce_only=True)
    assert books.size(trader) == 0


@pytest.mark.parametrize(("market", "least"), [(ETH, 1_000), (BTC, 500)])
def test_trade__opening_leg__has_a_minimum(books: Books, market: int, least: int) -> None:
    """BTC stands on the venue's list of small markets here."""
    trader = books.open_account("trader", 10_000)
    size = least * LOTS // (books.mark(market) // TICKS)
    with boa.reverts("trading: leg too small"):
        books.trade(trader, size - 1, market)
    books.trade(trader, size, market)
    # a fill that changes the sign opens too
    with boa.reverts("trading: leg too small"):
        books.trade(trader, -2 * size + 1, market)
    books.trade(trader, -2 * size, market)


def test_trade__reducing__leaves_no_dust(books: Books) -> None:
    trader = books.open_account("trader", 10_000)
    books.trade(trader, LOTS)
    rest = 10 * LOTS // 2_000
    with boa.reverts("trading: leg too small"):
        books.trade(trader, -LOTS + rest - 1)
    books.trade(trader, -LOTS + rest)
    books.trade(trader, -rest)
    assert books.legs(trader) == {}


def test_trade__venue_does_not_confirm__reverts(books: Books) -> None:
    trader = books.open_account("trader", 10_000)
    books.venue.set_confirm(False, -(2**200))
    with boa.reverts("trading: not confirmed"):
        books.trade(trader, LOTS)


def test_trade__venue_confirms_after_the_fill(books: Books) -> None:
    """It sees its own equity with the fill in it: bought 1 USD under the mark from 1,000,000."""
    trader = books.open_account("trader", 10_000)
    gained = 10**6 * USD + USD
    books.venue.set_confirm(True, gained + 1)
    with boa.reverts("stub: equity"):
        books.trade(trader, -LOTS, price=1_999 * TICKS)
    books.venue.set_confirm(True, gained)
    books.trade(trader, -LOTS, price=1_999 * TICKS)


# ---- R2 ----------------------------------------------------------------------------------------


def test_trade__opening__ends_above_im(books: Books) -> None:
    trader = books.open_account("trader", 200)
    with boa.reverts("ledger: margin"):
        books.trade(trader, LOTS, fee=1)
    books.trade(trader, LOTS)


def test_trade__opening_with_an_invalid_feed__reverts(books: Books) -> None:
    trader = books.open_account("trader", 10_000)
    books.markets.set_status(FRESH | LEG_INVALID)
    with boa.reverts("ledger: invalid feed"):
        books.trade(trader, LOTS)
    books.markets.set_status(FRESH)
    books.trade(trader, 2 * LOTS)
    books.markets.set_status(FRESH | LEG_INVALID)
    books.trade(trader, -LOTS)


def below_im(books: Books, equity: int) -> int:
    """Return an account with a long of 2 ETH at 1,900 USD (IM 380, MM 190) and this equity."""
    trader = books.open_account("trader", 1_600)
    books.trade(trader, 2 * LOTS)
    books.markets.set_price(ETH, 1_900 * TICKS)
    # funding takes the rest
    spare = books.clearinghouse.health(trader).equity - equity
    books.markets.set_funding(ETH, spare // (2 * LOTS))
    return trader


def test_trade__reducing_below_im__is_allowed_when_nothing_gets_worse(books: Books) -> None:
    trader = below_im(books, 250 * USD)
    before = books.clearinghouse.health(trader)
    assert before.mm < before.equity < before.im

    books.trade(trader, -LOTS, price=1_900 * TICKS)

    after = books.clearinghouse.health(trader)
    assert (after.equity, after.im) == (before.equity, 190 * USD)


def test_trade__opening_below_im__reverts(books: Books) -> None:
    trader = below_im(books, 250 * USD)
    with boa.reverts("ledger: margin"):
        books.trade(trader, LOTS)
    # crossing zero to the same size opens too
    with boa.reverts("ledger: margin"):
        books.trade(trader, -4 * LOTS)


@pytest.mark.parametrize(
    ("equity", "worst"),
    [
        # MM falls by 95 and IM by 190 with half of the leg: E / MM may not fall, so E may lose half
        (100, 50),
        # in between E - MM binds: E 190 may lose 95 and keeps E / MM = 1
        (190, 95),
        (250, 95),
    ],
)
def test_trade__reducing_below_im__may_cost_so_much_and_no_more(
    books: Books, equity: int, worst: int
) -> None:
    trader = below_im(books, equity * USD)
    cost = worst * TICKS
    with boa.env.anchor(), boa.reverts("ledger: margin"):
        books.trade(trader, -LOTS, price=1_900 * TICKS - cost - 1)
    books.trade(trader, -LOTS, price=1_900 * TICKS - cost)
    assert books.clearinghouse.health(trader).equity == (equity - worst) * USD


def test_trade__reducing_an_insolvent_account__may_not_cost_anything(books: Books) -> None:
    trader = below_im(books, -50 * USD)
    with boa.reverts("ledger: margin"):
        books.trade(trader, -LOTS, price=1_900 * TICKS - 1)
    books.trade(trader, -LOTS, price=1_900 * TICKS)
    assert books.clearinghouse.health(trader).equity == -50 * USD


def test_trade__cures_the_auction__at_mm(books: Books) -> None:
    trader = below_im(books, 150 * USD)
    books.clearinghouse.set_auction(trader, True, sender=books.liquidator)
    # MM is 5 %: 95 USD a unit, of which there are 2, 1.7, 1.4
    books.trade(trader, -3 * LOTS // 10)
    assert books.word(trader).flags & IN_AUCTION
    books.trade(trader, -3 * LOTS // 10)
    assert not books.word(trader).flags & IN_AUCTION


def test_trade__treasury_trades_with_its_fee_account__is_exact(books: Books) -> None:
    fees = account_of(books.treasury)
    books.deposit(fees, 10**10)
    books.trade(fees, LOTS, fee=USD)
    # it pays the fee to itself
    assert books.word(fees).quote == -2_000 * USD
