"""The equations of the books, and the ledger rebuilt from its events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keepers.chain.proving import require
from keepers.domain.proof import Custody, Ledger, Line, conservation, positions, profits, rebuilt
from keepers.domain.rebuild import Rebuilt
from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.domain.words import Account, Holding, Leg, perp
from keepers.errors import BrokenBooks
from tests.keepers.facts import ETH, at, trader

SCALE = 10**12
LONG = trader(7 << 96, cash=100, units=3, ether=2)
SHORT = replace(trader(8 << 96, cash=50, units=-3), quote=3 * 2_000 * WAD)
TOKENS = (Custody("USDC", 0, 150 * 10**6, 151 * 10**6), Custody("WETH", 1, 2 * 10**18, 2 * 10**18))
CLEAN = Ledger(pot=0, deficit=0, scale=SCALE)


def broken(lines: list[Line]) -> list[str]:
    return [line.name for line in lines if not line.holds]


def every(accounts: list[Account], tokens: tuple[Custody, ...], ledger: Ledger) -> list[Line]:
    lines = list(conservation(accounts, tokens, ledger))
    lines += positions(accounts, {ETH: 3 * LOTS_PER_UNIT}, {ETH: "ETH"})
    return [*lines, profits(accounts, at(), ledger)]


def test_proof__clean_books__every_line_holds() -> None:
    assert broken(every([LONG, SHORT], TOKENS, CLEAN)) == []


@pytest.mark.parametrize(
    ("accounts", "tokens", "ledger", "wrong"),
    [
        ([replace(LONG, cash=LONG.cash + 1), SHORT], TOKENS, CLEAN, ["tracked USDC"]),
        ([replace(LONG, quote=LONG.quote + 1), SHORT], TOKENS, CLEAN, ["sum of quote", "sum of U"]),
        (
            [replace(LONG, legs=(Leg(perp(ETH), 3 * LOTS_PER_UNIT + 1),)), SHORT],
            TOKENS,
            CLEAN,
            ["sum of ETH sizes", "long ETH", "sum of U"],
        ),
        (
            [replace(LONG, holdings=(Holding(1, 1),)), SHORT],
            TOKENS,
            CLEAN,
            ["tracked WETH"],
        ),
        ([LONG, SHORT], (replace(TOKENS[0], held=1), TOKENS[1]), CLEAN, ["USDC held"]),
        (
            [LONG, SHORT],
            TOKENS,
            replace(CLEAN, pot=-1),
            ["tracked USDC", "sum of quote", "pot >= 0", "sum of U"],
        ),
        ([LONG, SHORT], TOKENS, replace(CLEAN, deficit=1), ["tracked USDC"]),
    ],
)
def test_proof__one_wei_off__names_the_equation(
    accounts: list[Account], tokens: tuple[Custody, ...], ledger: Ledger, wrong: list[str]
) -> None:
    names = broken(every(accounts, tokens, ledger))
    assert len(names) == len(wrong)
    assert all(name.startswith(start) for name, start in zip(names, wrong, strict=True))


def test_require__broken__fails_with_the_first_equation() -> None:
    with pytest.raises(BrokenBooks, match="1 of 2 equations do not hold, first: b"):
        require([Line("a", 1, 1), Line("b", 1, 2)])


def events() -> Rebuilt:
    return Rebuilt({"0xusd": 0, "0xeth": 1}, SCALE, fee_account=1, insurance_account=2)


def test_rebuilt__a_life_in_events__is_the_stored_state() -> None:
    logs = events()
    price = 2_000 * TICKS_PER_USD
    fill = {"price": price, "funding": 10, "instrument": perp(ETH)}
    logs.apply("Deposited", {"account": 7, "token": "0xUSD", "amount": 10**6})
    logs.apply("Deposited", {"account": 7, "token": "0xETH", "amount": 500})
    logs.apply("Withdrawn", {"account": 7, "token": "0xUSD", "amount": 1})
    logs.apply("Transferred", {"sender": 7, "receiver": 8, "token": "0xETH", "amount": 200})
    logs.apply("Filled", {"account": 7, "venue": 9, "size": 100, "fee": 5, **fill})
    logs.apply("Settled", {"account": 7, "amount": -30})
    logs.apply("SettlerPaid", {"account": 7, "settler": 8, "amount": 4})
    logs.apply("AuctionSet", {"account": 7, "active": True})
    value = 100 * (price - 10)
    cash = (10**6 - 1) * SCALE - 30 - 4
    held = (Holding(1, 300),)
    stored = Account(7, cash, -value - 5 + 30, (Leg(perp(ETH), 100),), held, 0)
    assert not logs.differs(stored)
    assert not logs.differs(Account(8, 4, 0, (), (Holding(1, 200),), 0))
    assert not logs.differs(Account(9, 0, value, (Leg(perp(ETH), -100),), (), 0))
    assert not logs.differs(Account(1, 0, 5, (), (), 0))
    assert logs.pot == 30
    assert logs.differs(replace(stored, cash=cash + 1))
    assert logs.differs(replace(stored, legs=()))


def test_rebuilt__seizure_and_write_off__move_money_as_the_spec_says() -> None:
    logs = events()
    posting = {"account": 7, "counterparty": 8, "keeper": 9, "cash": -40, "quote": 60}
    logs.apply("Posting", {**posting, "fee": 1, "liquidation_fee": 2, "pay": 3, "insurance": 10})
    leg = {"account": 7, "counterparty": 8, "instrument": perp(ETH), "size": -6}
    logs.apply("LegMoved", leg)
    logs.apply("CollateralMoved", {"account": 7, "counterparty": 8, "collateral": 1, "amount": 0})
    assert not logs.differs(Account(8, -40 + 10, 60, (Leg(perp(ETH), -6),), (), 0))
    assert not logs.differs(Account(7, 40, -66, (Leg(perp(ETH), 6),), (), 0))
    assert not logs.differs(Account(9, 0, 3, (), (), 0))
    assert not logs.differs(Account(2, -10, 2, (), (), 0))
    logs.apply("LegMoved", {**leg, "size": 6})
    logs.apply("WrittenOff", {"account": 7, "covered": 6, "deficit": 20})
    logs.apply("Settled", {"account": 7, "amount": -66, "pot": 66})
    assert not logs.differs(Account(7, 0, 0, (), (), 0))
    assert (logs.pot, logs.deficit) == (66, 20)
    lines = list(rebuilt([Account(7, 1, 0, (), (), 0)], Ledger(66, 20, SCALE), logs))
    assert broken(lines) == ["accounts that differ from their events"]
