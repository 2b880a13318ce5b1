"""The keepers' mirror of margin equals the reference model, and numpy never misses anyone."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from keepers.domain import margin
from keepers.domain.margin import health, merged, snapshot
from keepers.domain.scan import Book
from keepers.domain.terms import Terms
from keepers.domain.thresholds import surplus_im, thresholds
from keepers.domain.units import TICKS_PER_USD, WAD
from keepers.domain.words import (
    HOUSE,
    Account,
    decode_account,
    decode_price,
    decode_state,
)
from tests.differential import random_facts
from tests.keepers.facts import ETH, at, market, trader
from tests.reference import margin as reference
from tests.reference import words
from tests.reference.facts import Account as ReferenceAccount
from tests.reference.facts import Collateral as ReferenceCollateral
from tests.reference.facts import Market as ReferenceMarket

seeds = st.integers(0, 2**64 - 1).map(Random)


def decoded(id_: int, account: ReferenceAccount) -> Account:
    return decode_account(
        id_, words.account_word(account), words.leg_words(account), words.amount_words(account)
    )


def mirrored(id_: int, facts: ReferenceMarket) -> margin.Market:
    return margin.Market(
        id_,
        decode_price(words.price_word(facts)),
        decode_state(words.state_word(facts)),
        facts.pending_publish,
        facts.grace_until,
    )


def collateral(id_: int, facts: ReferenceCollateral) -> margin.Collateral:
    return margin.Collateral(
        id_, facts.feed, facts.decimals, facts.haircut_im, facts.haircut_mm, facts.soft
    )


@given(seeds)
def test_health__any_account__equals_the_reference(rng: Random) -> None:
    markets, terms = random_facts.world(rng), random_facts.terms(rng)
    mirror = snapshot(
        random_facts.NOW,
        [mirrored(id_, facts) for id_, facts in markets.items()],
        [collateral(id_, facts) for id_, facts in terms.items()],
        Terms(),
    )
    for id_ in range(1, 8):
        drawn = random_facts.account(rng)
        try:
            expected = reference.check(drawn, markets, terms, random_facts.NOW).answer()
        except Exception:  # the contract refuses what no deposit cap lets in
            continue
        found = health(decoded(id_ << 96, drawn), mirror)
        assert tuple(getattr(found, name) for name in margin.Health.__slots__) == expected


@given(seeds)
def test_scan__any_book__finds_exactly_who_is_under_mm(rng: Random) -> None:
    markets, terms = random_facts.world(rng), random_facts.terms(rng)
    mirror = snapshot(
        random_facts.NOW,
        [mirrored(id_, facts) for id_, facts in markets.items()],
        [collateral(id_, facts) for id_, facts in terms.items()],
        Terms(),
    )
    book = Book()
    accounts = {}
    for id_ in range(1, 60):
        account = decoded(id_ << 96, random_facts.account(rng))
        accounts[account.id] = account
        book.put(account)
    found = [each.account.id for each in book.scan(mirror)]
    under = {
        id_ for id_, each in accounts.items() if not each.house and health(each, mirror).under_mm
    }
    assert set(found) == under
    shortfalls = [each.shortfall for each in book.scan(mirror)]
    assert shortfalls == sorted(shortfalls, reverse=True)


def test_scan__one_wei_around_maintenance__is_exact() -> None:
    # 10 ETH at 2,000 USD: MM = 20,000 x 5 % x 0.5 + kappa 1.25
    maintenance = 500 * WAD + 5 * WAD // 4
    for cash, expected in ((maintenance, []), (maintenance - 1, [7 << 96])):
        book = Book()
        base = trader(units=10)
        book.put(Account(base.id, cash, base.quote, base.legs, (), 0))
        assert [each.account.id for each in book.scan(at())] == expected


def test_book__account_changes__forgets_the_old_legs() -> None:
    book = Book()
    book.put(trader(cash=1, units=10))
    assert len(book.scan(at())) == 1
    book.put(trader(cash=1))
    assert book.scan(at()) == []
    assert len(book) == 1


def test_book__more_rows_than_room__grows() -> None:
    book = Book()
    for index in range(1, 3_000):
        book.put(trader(index << 96, cash=1, units=10))
    assert len(book.scan(at())) == 2_999


def test_health__by_hand__matches_the_spec() -> None:
    # long 10 ETH bought at 2,000, now 1,900: U = -1,000; 1 WETH of 1,900 with 15 / 10 % haircut
    found = health(trader(cash=3_000, units=10, ether=1), at(market(usd=1_900)))
    assert found.unsettled == -1_000 * WAD
    assert found.equity == (3_000 - 1_000 + 1_900) * WAD
    # MM: 19,000 x 2.5 % + 190 + kappa (1 + 0.25 leg + 0.25 collateral)
    assert found.mm == 475 * WAD + 190 * WAD + 3 * WAD // 2
    assert found.kappa == 3 * WAD // 2
    # IMs: 19,000 x 5 % + 285 + kappa; LE half-way
    ims = 950 * WAD + 285 * WAD + 3 * WAD // 2
    assert found.le == found.mm + (ims - found.mm) // 2
    # IM adds 1e-4 of 19,000 and of 1,900 for the confidence
    assert found.im == ims + 19 * WAD // 10 + 19 * WAD // 100


def test_thresholds__long_account__falls_below_mm_exactly_there() -> None:
    account = trader(cash=3_000, units=10)
    found = thresholds(account, at(), ETH)
    assert found.above is None
    assert found.below is not None
    for price, short in ((found.below, True), (found.below + 1, False)):
        moved = margin.at_price(at(), ETH, price)
        assert health(account, moved).under_mm is short
    # E = 3,000 - 10 (2,000 - P) and MM = 0.25 P + 1.25 meet at 17,001.25 / 9.75
    assert abs(found.below - 1_700_125 * TICKS_PER_USD // 975) <= 1


def test_thresholds__hedged_account__has_none() -> None:
    assert thresholds(trader(cash=100), at(), ETH) == thresholds(trader(cash=5), at(), ETH)
    found = thresholds(trader(cash=100), at(), ETH, surplus_im)
    assert (found.below, found.above) == (None, None)


def test_merged__two_accounts__adds_everything() -> None:
    both = merged(trader(cash=5, units=3, ether=1), trader(8 << 96, cash=7, units=-3, ether=2))
    assert (both.id, both.cash, both.legs) == (7 << 96, 12 * WAD, ())
    assert both.holdings[0].amount == 3 * 10**18
    assert both.quote == 0


def test_scan__house__is_never_a_candidate() -> None:
    book = Book()
    book.put(trader(cash=-(10**6), units=10, flags=HOUSE))
    assert book.scan(at()) == []
