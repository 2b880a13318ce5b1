"""The journal: whatever happens to an account, flows and lots sum to its equity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keepers.domain.margin import health
from keepers.domain.profits import OWN, REDUCE, TAKE, Entry, Journal, gas_of, shares
from keepers.domain.units import LOT, LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.domain.words import Account, Holding, Leg, perp
from tests.keepers.facts import ETH, at, trader

ME, OTHER = 5 << 96, 6 << 96
LEG = perp(ETH)
USDC, WETH = "0x" + "aa" * 20, "0x" + "bb" * 20
MARK = 2_000 * TICKS_PER_USD
NOTHING = {"fee": 0, "liquidation_fee": 0, "pay": 0, "insurance": 0}


class Told:
    """A journal and the account that the same events make, side by side."""

    def __init__(self) -> None:
        self.journal = Journal(ME, {USDC: 0, WETH: 1}, 10**12)
        self.account: Account = replace(trader(cash=0), id=ME)
        self.count = 0

    def tell(self, name: str, tx: str = "", worth: int = 0, **said: Any) -> None:
        self.count += 1
        self.journal.apply(Entry(1, self.count, tx or f"0x{self.count}", name, said, worth, MARK))

    def pay(self, quote: int) -> None:
        self.account = replace(self.account, quote=self.account.quote + quote)

    def move(self, size: int) -> None:
        after = sum(leg.size for leg in self.account.legs) + size
        self.account = replace(self.account, legs=(Leg(LEG, after),) if after else ())

    def fill(self, size: int, price: int, fee: int) -> None:
        said = {"account": ME, "instrument": LEG, "size": size, "price": price}
        self.tell("Filled", **said, funding=0, mark=MARK, fee=fee)
        self.pay(-size * price - fee)
        self.move(size)

    def take(self, size: int, amount: int, quote: int) -> None:
        tx = f"0xt{self.count}"
        parties = {"account": OTHER, "counterparty": ME}
        self.tell("LegMoved", tx, MARK, **parties, instrument=LEG, size=size)
        if amount:
            self.tell("CollateralMoved", tx, 0, **parties, collateral=1, amount=amount)
        money = {"cash": 0, "quote": quote, "fee": 0, "liquidation_fee": 0, "pay": 0}
        self.tell("Posting", tx, **parties, keeper=0, **money, insurance=7)
        said = {"equity_before": 90, "fraction": WAD, "payment": 80, "insurance": 7, "deficit": 0}
        self.tell("Taken", tx, buyer=ME, **said)
        self.pay(quote + 7)
        self.move(size)
        held = sum(each.amount for each in self.account.holdings) + amount
        self.account = replace(self.account, holdings=(Holding(1, held),) if held else ())

    def reduce(self, pay: int) -> None:
        said = {"account": OTHER, "counterparty": 0, "cash": 0, "quote": 0}
        self.tell("Posting", **said, keeper=ME, pay=pay, fee=0, liquidation_fee=0, insurance=0)
        self.pay(pay)

    def check(self) -> None:
        results = self.journal.results(at())
        assert sum(each.profit for each in results) == health(self.account, at()).equity
        assert self.journal.money == self.account.cash + self.account.quote
        assert self.journal.holds(self.account)


def test_journal__take_closed_in_two_fills__the_deal_has_all_of_it() -> None:
    told = Told()
    told.take(10, 0, -10 * MARK + 3)
    told.fill(-4, MARK - 50, 9)
    told.fill(-6, MARK + 20, 11)
    deal, own = told.journal.results(at())
    assert (deal.deal.kind, own.deal.kind) == (TAKE, OWN)
    assert (deal.deal.fee, deal.deal.slippage, deal.open) == (20, 4 * 50 - 6 * 20, 0)
    assert deal.deal.reward == 90 - 80 + 7
    assert deal.profit == 3 + 7 - 20 - 80
    assert own.profit == 0
    told.check()


def test_journal__fill_beyond_what_was_taken__the_rest_is_the_owners() -> None:
    told = Told()
    told.take(10, 0, 0)
    told.fill(-15, MARK, 30)
    deal, own = told.journal.results(at())
    assert (deal.deal.fee, own.deal.fee) == (20, 10)
    assert own.open == -5 * MARK
    told.check()


def test_journal__takes_of_both_sides__close_each_other_at_the_mark() -> None:
    told = Told()
    told.take(10, 0, 0)
    told.take(-4, 0, 0)
    first, second, _ = told.journal.results(at())
    assert (first.open, second.open) == (6 * MARK, 0)
    assert second.profit == 7 - 4 * MARK
    told.check()


def test_journal__move_by_agreement__is_the_owners() -> None:
    told = Told()
    parties = {"account": OTHER, "counterparty": ME}
    told.tell("LegMoved", "0xm", MARK, **parties, instrument=LEG, size=3)
    told.move(3)
    told.tell("CollateralMoved", "0xm", 0, **parties, collateral=1, amount=20)
    told.account = replace(told.account, holdings=(Holding(1, 20),))
    money = {"cash": 0, "quote": -3 * MARK, "fee": 0, "liquidation_fee": 0, "pay": 0}
    told.tell("Posting", "0xm", **parties, keeper=0, **money, insurance=0)
    told.pay(-3 * MARK)
    told.check()
    assert told.journal.taken == {}
    told.reduce(5)
    (deal, own) = told.journal.results(at())
    assert (deal.deal.kind, deal.profit) == (REDUCE, 5)
    assert own.profit == own.open - 3 * MARK
    assert told.journal.taken == {}
    told.check()


def test_journal__middle_of_a_take__sums_to_the_equity_before_it_is_one() -> None:
    told = Told()
    parties = {"account": OTHER, "counterparty": ME}
    told.fill(-1, MARK + 5, 2)
    told.tell("LegMoved", "0xm", MARK, **parties, instrument=LEG, size=3)
    told.move(3)
    # the one that is closed is paid for at the mark, by whom it came to
    assert sum(each.profit for each in told.journal.results(at())) == 5 - 2 + 2 * MARK + MARK
    told.tell("Posting", "0xm", **parties, keeper=0, cash=0, quote=-3 * MARK, **NOTHING)
    told.pay(-3 * MARK)
    told.check()
    said = {"equity_before": 90, "fraction": WAD, "payment": 80, "insurance": 0, "deficit": 0}
    told.tell("Taken", "0xm", buyer=ME, **said)
    deal, own = told.journal.results(at())
    assert (deal.deal.kind, deal.open, own.open) == (TAKE, 2 * MARK, 0)
    assert (deal.profit, own.profit) == (0, 3)
    told.check()


def test_journal__collateral_withdrawn__the_oldest_lots_leave_at_their_worth() -> None:
    told = Told()
    told.take(1, 10, 0)
    told.take(1, 30, 0)
    told.tell("Withdrawn", account=ME, token=WETH, amount=20, worth=100)
    told.account = replace(told.account, holdings=(Holding(1, 20),))
    first, second, own = told.journal.results(at())
    assert (first.deal.flow, second.deal.flow, own.deal.flow) == (57, 57, -100)
    assert told.journal.taken == {1: 20}
    told.check()


def test_journal__order_closed_unfilled__its_reserve_comes_back() -> None:
    told = Told()
    told.take(2, 0, 0)
    told.take(1, 0, 0)
    order = {"instrument": LEG, "size": -3 * LOT, "reserve": 100}
    told.tell("Committed", "0xc", account=ME, order_id="ab", order=order)
    first, second = told.journal.deals
    assert (first.reserve, second.reserve) == (66, 34)
    assert gas_of(first, {"0xc": 30}) + gas_of(second, {"0xc": 30}) == 30
    told.tell("Closed", account=ME, order_id="ab", reason="expired")
    assert (first.reserve, second.reserve) == (0, 0)


def test_journal__order_refused_at_its_price__its_reserve_is_spent() -> None:
    told = Told()
    told.take(2, 0, 0)
    order = {"instrument": LEG, "size": -2 * LOT, "reserve": 100}
    told.tell("Committed", "0xc", account=ME, order_id="ab", order=order)
    told.tell("Refused", account=ME, order_id="ab", executor="0x1", reason="ledger: margin")
    told.tell("Closed", account=ME, order_id="ab", reason="expired")
    (deal,) = told.journal.deals
    assert deal.reserve == 100


SIZES = st.integers(-3 * LOTS_PER_UNIT, 3 * LOTS_PER_UNIT).filter(bool)
PRICES = st.integers(MARK // 2, 2 * MARK)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fill"), SIZES, PRICES, st.integers(0, 10**18)),
        st.tuples(st.just("take"), SIZES, st.integers(0, 10**18), st.integers(-(10**24), 10**24)),
        st.tuples(st.just("reduce"), st.integers(1, 10**19)),
    ),
    max_size=30,
)


@given(STEPS)
def test_journal__anything__sums_to_the_equity(steps: list[tuple[Any, ...]]) -> None:
    told = Told()
    for name, *arguments in steps:
        getattr(told, name)(*arguments)
    told.check()


@given(st.integers(0, 10**30), st.lists(st.integers(1, 10**12), min_size=1, max_size=20))
def test_shares__any_split__sums_to_the_whole(total: int, sizes: list[int]) -> None:
    found = shares(total, [(None, size) for size in sizes])
    assert sum(found) == total
    for share, size in zip(found, sizes, strict=True):
        assert 0 <= share - total * size // sum(sizes) <= 1
