"""Accounts with options without a chain: when they are asked about, what is decided, the books."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from keepers.chain.abi import interface
from keepers.chain.audit import unhealthy
from keepers.chain.engaged import Engaged
from keepers.chain.liquidations import Planner
from keepers.chain.mirror import watched
from keepers.domain.economics import GAS_TAKE, GAS_TAKE_LEG, GasMarket
from keepers.domain.instruments import Instrument, Kind, encode
from keepers.domain.liquidation import (
    OK,
    Action,
    Case,
    Flag,
    Limits,
    Take,
    TakePlan,
    decide,
    gross,
    one_take,
)
from keepers.domain.margin import FRESH, Health, merged
from keepers.domain.proof import Engine, dated, settled_lots
from keepers.domain.rebuild import Rebuilt
from keepers.domain.scan import Book, Candidate
from keepers.domain.units import HOUR, LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.domain.words import HOUSE, OPTIONS, Account, Leg, decode_legs
from keepers.errors import NodeRefused
from keepers.settings import LiquidateSettings, make
from keepers.web.metrics import Metrics
from tests.keepers.facts import ETH, NOW, at, trader

HOURS = NOW // HOUR + 48
CALL, PUT = (
    encode(Instrument(ETH, kind, HOURS * HOUR, 2_000 * TICKS_PER_USD))
    for kind in (Kind.CALL, Kind.PUT)
)
FUTURE = encode(Instrument(ETH, Kind.FUTURE, HOURS * HOUR))
WRITER, HOLDER, ENGINE = 7 << 96, 8 << 96, 9 << 96


def with_options(id_: int, *legs: tuple[int, int], cash: int = 1_000) -> Account:
    """Return an account of the engine with legs of (instrument, units)."""
    held = tuple(Leg(instrument, units * LOTS_PER_UNIT) for instrument, units in legs)
    return replace(trader(id_, cash=cash, flags=OPTIONS), options=held)


def health(equity: int, mm: int) -> Health:
    """Return a health at fresh prices [USD]."""
    return Health(equity * WAD, 0, 2 * mm * WAD, mm * WAD, mm * WAD, WAD, FRESH, 0)


# ---- words, books of accounts


def test_decode_legs__odd_number__leaves_the_empty_half_out() -> None:
    entry = CALL << 64 | 5
    short = PUT << 64 | (2**64 - 3)
    assert decode_legs([short << 128 | entry, entry]) == (Leg(CALL, 5), Leg(PUT, -3), Leg(CALL, 5))
    assert decode_legs([]) == ()


def test_book__account_with_options__is_known_and_never_scanned() -> None:
    book = Book()
    poor = replace(trader(WRITER, cash=0, units=3, entry_usd=3_000), flags=OPTIONS)
    book.put(poor)
    assert (book.engaged, book.scan(at())) == ({WRITER}, [])
    book.put(replace(poor, flags=0))
    assert book.engaged == set()
    assert [each.account.id for each in book.scan(at())] == [WRITER]


def test_merged__options_on_both_sides__are_netted_and_the_engine_answers() -> None:
    first = with_options(HOLDER, (CALL, 2), (PUT, 1))
    both = merged(replace(first, flags=HOUSE), with_options(WRITER, (CALL, -2), (FUTURE, 1)))
    assert both.options == (Leg(PUT, LOTS_PER_UNIT), Leg(FUTURE, LOTS_PER_UNIT))
    assert both.flags == HOUSE | OPTIONS


def test_gross__options_and_futures__count_with_the_price_of_their_market() -> None:
    # three short calls and a future at 2,000, one perp, one ether of collateral
    account = with_options(WRITER, (CALL, -3), (FUTURE, 1))
    plain = trader(units=1, ether=1)
    whole = replace(account, legs=plain.legs, holdings=plain.holdings)
    assert gross(whole, at()) == (4 + 2) * 2_000 * WAD


# ---- decisions

LIMITS = Limits(
    take=True, max_take=50_000 * WAD, max_inventory=60_000 * WAD, min_profit=-1_000 * WAD
)
GAS = GasMarket(0, 0)


def case(account: Account, plan: TakePlan | None) -> Case:
    return Case(Candidate(account, health(50, 100)), [], plan, 0)


def plan(fraction: int = WAD) -> TakePlan:
    return TakePlan(OK, fraction, 10 * WAD, 40 * WAD, 0, 60)


def test_decide__account_with_options__is_taken_and_left_to_the_chain() -> None:
    # the buyer's own margin is not computed here: it has next to nothing
    found = decide(
        case(with_options(WRITER, (CALL, -3)), plan()), trader(HOLDER), at(), LIMITS, GAS
    )
    assert isinstance(found, Take)
    assert (found.engaged, found.legs) == (True, 1)


def test_decide__buyer_with_options__is_left_to_the_chain_as_well() -> None:
    buyer = with_options(HOLDER, (PUT, 1), (CALL, 1))
    found = decide(case(trader(WRITER, units=1), plan()), buyer, at(), LIMITS, GAS)
    assert isinstance(found, Take)
    assert (found.engaged, found.legs) == (True, 2)


@pytest.mark.parametrize(
    ("units", "held", "taken"), [(25, 0, True), (26, 0, False), (20, 11, False)]
)
def test_decide__options_beyond_the_limits__are_flagged_only(
    units: int, held: int, taken: bool
) -> None:
    # 25 x 2,000 is the largest slice, 30 x 2,000 the largest inventory
    target = with_options(WRITER, (CALL, -units))
    buyer = with_options(HOLDER, (PUT, held)) if held else trader(HOLDER)
    found = decide(case(target, plan()), buyer, at(), LIMITS, GAS)
    assert isinstance(found, Take if taken else Flag)


def test_decide__portfolio_account_without_legs__is_no_write_off() -> None:
    empty = replace(trader(WRITER, cash=-5, flags=OPTIONS), portfolio=True)
    found = decide(case(empty, plan()), trader(HOLDER), at(), LIMITS, GAS)
    assert isinstance(found, Take)


def test_decide__many_legs__must_pay_for_their_gas() -> None:
    # ten dollars of reward against the gas of 64 legs at a dollar per 100,000
    gas = GasMarket(10**13, TICKS_PER_USD)
    account = with_options(WRITER, *((CALL + (units << 5), -1) for units in range(24)))
    earns = decide(case(account, plan()), trader(HOLDER), at(), LIMITS, gas)
    assert isinstance(earns, Take)
    assert earns.profit == 10 * WAD - gas.usd(GAS_TAKE + 24 * GAS_TAKE_LEG)


def test_one_take__options_in_one_of_two__keeps_the_first_and_every_flag() -> None:
    plain, other = Take(1, WAD, 0, 0, 0), Take(2, WAD, 0, 0, 0)
    engaged = replace(other, account=3, engaged=True)
    flag = Flag(4, 0)
    cases: list[tuple[list[Action], list[Action]]] = [
        ([plain, other, flag], [plain, other, flag]),
        ([plain, engaged, flag], [plain, flag]),
        ([engaged, flag, plain], [engaged, flag]),
    ]
    for given, kept in cases:
        assert one_take(given) == kept


# ---- plans


class Silent:
    """A node that answers about clocks and has not the gas for plans of takes."""

    def __init__(self) -> None:
        self.clock = bytes(64)
        self.asked: list[bytes] = []

    async def calls(self, calls: Sequence[tuple[str, bytes]]) -> list[bytes | Exception]:
        self.asked += [data[:4] for _, data in calls]
        plan = interface("Liquidator").function("plan_take").selector
        return [
            NodeRefused(-32000, "out of gas") if data[:4] == plan else self.clock
            for _, data in calls
        ]


def test_cases__options_that_no_plan_is_made_for__are_said_and_flagged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        "keepers.chain.liquidations.log",
        SimpleNamespace(warning=lambda what, **_: said.append(what)),
    )
    node: Any = Silent()
    deployed: Any = SimpleNamespace(address=lambda _: "0x" + "ab" * 20)
    reader: Any = SimpleNamespace(rpc=node)
    planner = Planner(reader, deployed, HOLDER, make(LiquidateSettings))
    target = with_options(WRITER, (CALL, -3))
    legs = replace(target, legs=trader(units=1).legs)
    (found,) = asyncio.run(planner.cases([Candidate(legs, health(50, 100))]))
    assert (found.reduces, found.take, said) == ([], None, ["no plan to take"])
    assert interface("Liquidator").function("plan_reduce").selector not in node.asked
    assert isinstance(decide(found, trader(HOLDER), at(), LIMITS, GAS), Flag)


def test_draft__take_with_options__has_gas_for_every_leg_up_to_the_most() -> None:
    deployed: Any = SimpleNamespace(address=lambda _: "0x" + "ab" * 20)
    settings = make(LiquidateSettings)
    planner = Planner(SimpleNamespace(rpc=None), deployed, HOLDER, settings)  # type: ignore[arg-type]
    plain = Take(WRITER, WAD, 0, 0, 0)
    limits = [
        planner.draft(replace(plain, engaged=True, legs=legs), NOW).gas for legs in (0, 10, 128)
    ]
    assert limits == [3_000_000, 5_000_000, 16_000_000]


# ---- when the chain is asked


class Asked:
    """A reader that knows healths, and notes whom it was asked about."""

    def __init__(self, healths: Mapping[int, Health | None]) -> None:
        self.known = dict(healths)
        self.asked: list[list[int]] = []

    async def healths(self, ids: Sequence[int]) -> dict[int, Health | None]:
        self.asked.append(list(ids))
        return {id_: self.known[id_] for id_ in ids}


def engaged(healths: Mapping[int, Health | None]) -> tuple[Engaged, Asked, Any]:
    book = Book()
    for id_ in healths:
        book.put(with_options(id_))
    reader, mirror = Asked(healths), SimpleNamespace(book=book, moved=True)
    return Engaged(reader, mirror, Metrics()), reader, mirror  # type: ignore[arg-type]


def test_look__something_moved__asks_about_all_and_then_about_the_sunk() -> None:
    watch, reader, mirror = engaged({WRITER: health(50, 100), HOLDER: health(200, 100)})
    assert [each.account.id for each in asyncio.run(watch.look())] == [WRITER]
    asyncio.run(watch.look())
    reader.known[WRITER] = health(150, 100)
    assert asyncio.run(watch.look()) == []
    asyncio.run(watch.look())
    mirror.moved = True
    asyncio.run(watch.look())
    assert reader.asked == [[WRITER, HOLDER], [WRITER], [WRITER], [WRITER, HOLDER]]


def test_look__one_is_not_answered_for__the_others_are_found_and_it_is_counted_once() -> None:
    watch, _, mirror = engaged({WRITER: health(50, 100), HOLDER: None})
    for _ in range(2):
        mirror.moved = True
        assert [each.account.id for each in asyncio.run(watch.look())] == [WRITER]
    text = watch._metrics.text()
    assert b'plimsoll_failures_total{where="engine"} 1.0' in text
    assert b"plimsoll_engaged 2.0" in text


def test_look__it_left_the_engine__is_forgotten() -> None:
    watch, _, mirror = engaged({WRITER: health(50, 100)})
    asyncio.run(watch.look())
    mirror.book.put(trader(WRITER))
    assert asyncio.run(watch.look()) == []


def test_look__the_node_fails__all_are_asked_about_again() -> None:
    watch, reader, _ = engaged({WRITER: health(50, 100)})
    answer = reader.healths

    async def fail(ids: Sequence[int]) -> dict[int, Health | None]:
        raise NodeRefused(-32000, "busy")

    reader.healths = fail  # type: ignore[method-assign]
    with pytest.raises(NodeRefused):
        asyncio.run(watch.look())
    reader.healths = answer  # type: ignore[method-assign]
    assert [each.account.id for each in asyncio.run(watch.look())] == [WRITER]


def test_watched__deployment_without_options__has_the_other_contracts() -> None:
    old: Any = SimpleNamespace(contracts={"Clearinghouse": ""})
    new: Any = SimpleNamespace(contracts={"Options": "", "Surfaces": ""})
    assert set(watched(new)) - set(watched(old)) == {"Options", "Surfaces"}


class Pages:
    """A lens that answers about a few accounts at most, and never about one of them."""

    def __init__(self, count: int, most: int, deaf: int) -> None:
        self.count, self.most, self.deaf = count, most, deaf

    async def one(self, contract: str, name: str, *asked: int) -> tuple[Any, ...]:
        if name == "account_count":
            return (self.count,)
        first, size = asked
        last = min(self.count, first + size)
        if size > self.most or first <= self.deaf < last:
            raise NodeRefused(-32000, "out of gas")
        return [each for each in range(first, last) if each % 3 == 0], [], [], [], last


@pytest.mark.parametrize(("most", "deaf"), [(500, -1), (4, -1), (1, 7), (4, 9)])
def test_unhealthy__pages_that_take_too_much_gas__are_halved(most: int, deaf: int) -> None:
    found = asyncio.run(unhealthy(Pages(20, most, deaf)))  # type: ignore[arg-type]
    assert found == {each for each in range(0, 20, 3)} - {deaf}


# ---- the books

BOOKS = [
    with_options(WRITER, (CALL, -3), (FUTURE, 1)),
    with_options(HOLDER, (CALL, 3), (FUTURE, -1)),
    trader(ENGINE, flags=OPTIONS),
]
LIVE = Engine(ENGINE, {ETH: 3 * LOTS_PER_UNIT}, {})
# calls pay 500: the holder has been paid out of the engine's account, the writer has not paid yet
OVER = Engine(ENGINE, {ETH: 0}, {(ETH, HOURS): 2_500 * TICKS_PER_USD})
HALF = [
    BOOKS[0],
    replace(BOOKS[1], options=()),
    replace(BOOKS[2], quote=-(3 * 500 - 2_500) * WAD),
]


def wrong(accounts: Sequence[Account], engine: Engine) -> list[str]:
    return [line.name for line in dated(accounts, engine, {ETH: "ETH"}) if not line.holds]


def test_dated__open_and_half_settled__holds() -> None:
    assert wrong(BOOKS, LIVE) == []
    assert wrong(HALF, OVER) == []


@pytest.mark.parametrize(
    ("accounts", "engine", "found"),
    [
        ([with_options(WRITER, (CALL, -2)), *BOOKS[1:]], LIVE, 2),  # calls and futures
        (BOOKS, replace(LIVE, open_interest={ETH: 1}), 1),
        ([*HALF[:2], replace(HALF[2], quote=HALF[2].quote + 1)], OVER, 1),
        ([*BOOKS[:2], replace(BOOKS[2], quote=1)], LIVE, 1),
    ],
)
def test_dated__one_off__names_it(accounts: Sequence[Account], engine: Engine, found: int) -> None:
    assert len(wrong(accounts, engine)) == found


def said(name: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    return name, fields


def test_rebuilt__a_fill_a_carry_and_an_expiry__is_what_is_stored() -> None:
    logs = Rebuilt({}, 1, fee_account=1, insurance_account=2, engine_account=ENGINE)
    fill = {"taker": HOLDER, "maker": WRITER}
    buyer, unit = 10 << 96, LOTS_PER_UNIT
    for name, fields in (
        said("LegTraded", **fill, instrument=CALL, size=4 * unit),
        # of perps in a package the Clearinghouse tells
        said("LegTraded", **fill, instrument=ETH << 56, size=unit),
        said("LegMoved", account=HOLDER, counterparty=WRITER, instrument=ETH << 56, size=-unit),
        said("FillTraded", **fill, cash=80, quote=7, taker_fee=2, maker_fee=1),
        said("LegCarried", account=WRITER, receiver=buyer, instrument=CALL, size=-unit),
        said("LegSettled", account=HOLDER, instrument=CALL, size=4 * unit, value=400),
    ):
        logs.apply(name, fields)
    perp = (Leg(ETH << 56, unit),)
    stored = [
        Account(HOLDER, -80, 400 - 9, perp, (), OPTIONS),
        Account(WRITER, 80, 6, (Leg(ETH << 56, -unit),), (), OPTIONS, (Leg(CALL, -3 * unit),)),
        Account(buyer, 0, 0, (), (), OPTIONS, (Leg(CALL, -unit),)),
        Account(ENGINE, 0, -400, (), (), OPTIONS),
        Account(1, 0, 3, (), (), 0),
    ]
    assert [each.id for each in stored if logs.differs(each)] == []
    assert logs.differs(replace(stored[2], options=()))
    lines = list(settled_lots(stored, OVER, logs, {ETH: "ETH"}))
    assert [(line.left, line.holds) for line in lines] == [(0, True)]
    lines = list(settled_lots(stored[:2], OVER, logs, {ETH: "ETH"}))
    assert [(line.left, line.holds) for line in lines] == [(unit, False)]
