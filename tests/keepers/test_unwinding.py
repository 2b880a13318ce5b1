"""The liquidator's orders that close what it took: offered until they are sent, and again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keepers.bots import liquidate
from keepers.bots.liquidate import Liquidate
from keepers.chain.mirror import UNKNOWN
from keepers.chain.transactions import Draft
from keepers.chain.unwinding import Unwinder
from keepers.domain.pauses import when
from keepers.domain.scan import Book
from keepers.domain.unwind import LIFETIME_S
from keepers.domain.words import ACTIVE, GRACE, Account, Leg, perp
from keepers.errors import KeeperError, NodeRefused
from keepers.settings import LiquidateSettings
from tests.keepers.facts import BTC, ETH, NOW, at, market, trader

SETTINGS = LiquidateSettings(withdraw=True)
OWNER = "0x" + "0e" * 20
MARKETS = (market(), market(BTC, 60_000))


class Chain:
    """What an unwinder asks of a node and of a deployment; refuses the drafts that are named."""

    def __init__(self, *refused: str) -> None:
        self.refused = set(refused)
        self.sent: list[str] = []
        self.underway: set[str] = set()

    async def one(self, *_: Any) -> tuple[int]:
        return (10**15,)

    def address(self, _name: str) -> str:
        return OWNER

    def token_by_id(self, _id: int) -> Any:
        return SimpleNamespace(address=OWNER, symbol="WETH")

    def busy(self, key: str) -> bool:
        return key in self.underway

    async def send(self, draft: Draft) -> None:
        if draft.key in self.refused:
            raise NodeRefused(-32000, "exceeds block gas limit")
        self.sent.append(draft.key)


def unwinder(chain: Chain) -> Unwinder:
    made = Unwinder(cast("Any", chain), cast("Any", chain), SETTINGS)
    asyncio.run(made.load())
    return made


def two_legs() -> Account:
    legs = (Leg(perp(ETH), 10**8), Leg(perp(BTC), 10**8))
    return replace(trader(cash=10**6), legs=legs)


def keys(unwinding: Unwinder, account: Account, later: int = 0) -> list[int]:
    prices = [market(each.id, 2_000, NOW + later) for each in MARKETS]
    found = at(*prices, now=NOW + later)
    return [each.subject for each in unwinding.closing(account, found, None)]


def test_closing__not_sent__is_offered_again() -> None:
    made = unwinder(Chain())
    assert keys(made, two_legs()) == keys(made, two_legs()) == [perp(ETH), perp(BTC)]


def test_closing__sent__waits_until_its_deadline_or_a_reload() -> None:
    made = unwinder(Chain())
    first, _ = made.closing(two_legs(), at(*MARKETS), None)
    made.sent(first)
    assert keys(made, two_legs(), LIFETIME_S) == [perp(BTC)]
    assert keys(made, two_legs(), LIFETIME_S + 1) == [perp(ETH), perp(BTC)]
    asyncio.run(made.load())
    assert keys(made, two_legs()) == [perp(ETH), perp(BTC)]


def test_withdrawals__sent__wait_as_orders_do() -> None:
    made, account, now = unwinder(Chain()), trader(cash=10**6, ether=2), at()
    (offer,) = made.withdrawals(account, {1: 10**18}, now, OWNER)
    assert made.withdrawals(account, {1: 10**18}, now, OWNER) == [offer]
    made.sent(offer)
    assert made.withdrawals(account, {1: 10**18}, now, OWNER) == []


@contextmanager
def survived(where: str) -> Iterator[None]:
    assert where == "unwind"
    with suppress(KeeperError):
        yield


@pytest.mark.parametrize("way", ["refused", "underway"])
def test_unwind__first_leg_does_not_go__the_second_does_and_the_first_later(way: str) -> None:
    first, second = (f"unwind {perp(each):#x}" for each in (ETH, BTC))
    chain = Chain()
    getattr(chain, way).add(first)
    account = two_legs()
    liquidator = SimpleNamespace(
        account=account.id,
        settings=SETTINGS,
        mirror=SimpleNamespace(
            book=SimpleNamespace(accounts={account.id: account}),
            snapshot=lambda: at(*MARKETS),
            dirty=set(),
        ),
        runtime=SimpleNamespace(sender=chain, signer=SimpleNamespace(address=OWNER)),
        planner=SimpleNamespace(pool=lambda _: None),
        unwinder=unwinder(chain),
        survived=survived,
    )
    asyncio.run(Liquidate._unwind(cast("Liquidate", liquidator)))
    assert chain.sent == [second]
    getattr(chain, way).clear()
    asyncio.run(Liquidate._unwind(cast("Liquidate", liquidator)))
    assert chain.sent == [second, first]


@pytest.mark.parametrize("until", [UNKNOWN, NOW + 600])
def test_say_waiting__end_not_read_yet__is_not_said(
    until: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    told = SimpleNamespace(info=lambda _, **facts: said.append(facts["until"]))
    monkeypatch.setattr(liquidate, "log", told)
    book = Book()
    book.put(trader(cash=0, units=1, entry_usd=3_000))
    paused = replace(market(flags=ACTIVE | GRACE), grace_until=until)
    liquidator = SimpleNamespace(
        mirror=SimpleNamespace(book=book), waiting=0, engaged=SimpleNamespace(under=list)
    )
    Liquidate._say_waiting(cast("Liquidate", liquidator), at(paused))
    assert said == [when(until)] * (until != UNKNOWN)
