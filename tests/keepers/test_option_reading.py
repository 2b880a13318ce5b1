"""What the keepers read from the lenses of options, from contracts in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest

from keepers.chain.deployment import Contract, Deployment
from keepers.chain.option_reading import (
    Greeks,
    MarkCode,
    PartKind,
    Shock,
    option_account,
    option_marks,
)
from keepers.chain.reading import Reader
from keepers.chain.rpc import Block, Rpc
from keepers.domain.margin import Health
from keepers.errors import NodeRefused
from tests.reference import option_lens as lens
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, PUT
from tests.reference.units import LOTS_PER_UNIT
from tests.reference.words import instrument_of
from tests.stateful.evm import Reverted
from tests.support.option_lens_house import OptionLensHouse
from tests.support.options_house import BTC, ETH, FIRST, SECOND, future, option

NAMES = ("OptionLens", "MarginLens", "Clearinghouse", "BatchLens")


class MemoryNode(Rpc):
    """A node that answers from a chain in memory."""

    def __init__(self, house: OptionLensHouse) -> None:
        super().__init__("http://memory")
        self.house = house
        self.refused = ""  # the contract about which it answers nothing

    async def calls(
        self, calls: Sequence[tuple[str, bytes]], block: Block = "latest", sender: str | None = None
    ) -> list[bytes | Exception]:
        return [self._answer(to, data) for to, data in calls]

    def _answer(self, to: str, data: bytes) -> bytes | Exception:
        if to == self.refused:
            return NodeRefused(-32_000, "out of gas")
        try:
            return self.house.evm.view(int(to, 16), data)
        except Reverted as error:
            return error


@pytest.fixture(scope="module")
def house() -> Iterator[OptionLensHouse]:
    made = OptionLensHouse()
    for account in (FIRST, SECOND):
        made.deposit(account, 2_000_000)
        made.engage(account)
    hours = {key: made.report(key, 30) for key in (ETH, BTC)}
    legs = [
        Leg(option(ETH, CALL, hours[ETH], 3_000), -5 * LOTS_PER_UNIT),
        Leg(future(ETH, hours[ETH]), 3 * LOTS_PER_UNIT),
        Leg(option(BTC, PUT, hours[BTC], 40_000), LOTS_PER_UNIT),
    ]
    made.hold(FIRST, legs, True)
    made.hold(SECOND, legs[:1], False)
    made.refresh()
    yield made


@pytest.fixture
def reader(house: OptionLensHouse) -> Reader:
    found = (house.option_lens, house.margin_lens, house.clearinghouse, house.batch_lens)
    contracts = {
        name: Contract(f"0x{made.address:040x}") for name, made in zip(NAMES, found, strict=True)
    }
    deployment = Deployment(31_337, 0, "", "", contracts, {}, {"ETH": ETH, "BTC": BTC}, ())
    return Reader(MemoryNode(house), deployment)


def test_option_account__under_portfolio_margin__is_what_the_reference_says(
    house: OptionLensHouse, reader: Reader
) -> None:
    found = asyncio.run(option_account(reader, FIRST))
    told = [(Leg(leg.instrument, leg.size), leg.greeks) for leg in found.legs]
    assert told == [
        (leg, Greeks(g.delta, g.gamma, g.vega, g.theta))
        for leg, g in lens.greek_legs(house.model, FIRST)
    ]
    assert found.portfolio and {leg.code for leg in found.legs} == {MarkCode.MARKED}
    facts, held, mode, words = lens.seen(house.model, FIRST)
    parts = lens.parts_of(facts, held, mode, words)
    assert [(p.kind, p.about, p.mm, p.im) for p in found.decomposition.parts] == [
        (p.kind, p.about, p.mm, p.im) for p in parts
    ]
    health = house.clearinghouse.view("health", FIRST)
    assert (found.decomposition.mm, found.decomposition.im) == (health[4], health[2])


def test_option_account__two_markets_of_a_group__rows_add_up_to_the_scan(
    house: OptionLensHouse, reader: Reader
) -> None:
    table = asyncio.run(option_account(reader, FIRST)).scenarios
    facts, held, mode, words = lens.seen(house.model, FIRST)
    scan = lens.scan_of(facts, held, mode, words, False)
    for market, row in zip(table.markets, scan.markets, strict=True):
        assert tuple(each.loss for each in market.rows) == row.rows.losses
        assert [each.shock for each in market.rows].count(Shock.NONE) == len(facts.array.extremes)
        assert market.worst == row.worst
    (group,) = table.groups
    rows = table.together(group.group)
    pairs = pairwise(rows)
    cells = [max(a.loss, b.loss) + a.gap for a, b in pairs if a.shock == b.shock != Shock.NONE]
    extremes = [row.loss for row in rows if row.shock == Shock.NONE]
    assert group.together == max(0, *cells, *extremes)
    assert group.scan == table.scan == scan.total


def test_option_account__under_standard_margin__has_no_rows(reader: Reader) -> None:
    found = asyncio.run(option_account(reader, SECOND))
    assert not found.portfolio and found.scenarios.markets == () == found.initial.markets
    kinds = {part.kind for part in found.decomposition.parts}
    assert PartKind.OPTION in kinds and PartKind.SCAN not in kinds


def test_option_marks__more_than_a_page__are_all_told(
    house: OptionLensHouse, reader: Reader
) -> None:
    asked = [instrument_of(ETH), 0] * 50
    marks = asyncio.run(option_marks(reader, asked))
    price = house.model.markets[ETH].price
    assert marks == [(price, MarkCode.MARKED), (0, MarkCode.NOT_LISTED)] * 50


@pytest.mark.parametrize("without", ["", "BatchLens"])
def test_healths__with_and_without_options__are_the_cores(
    house: OptionLensHouse, reader: Reader, without: str
) -> None:
    reader.deployment.contracts.pop(without, None)
    asked = [SECOND, 1 << 96, FIRST, *range(2 << 96, 40 << 96, 1 << 96)]
    told = asyncio.run(reader.healths(asked))
    assert list(told) == asked
    for account, found in told.items():
        assert found == Health(*house.clearinghouse.view("health", account))


def test_healths__a_page_that_the_node_refuses__is_asked_one_by_one(
    house: OptionLensHouse, reader: Reader
) -> None:
    node = reader.rpc
    assert isinstance(node, MemoryNode)
    node.refused = reader.deployment.address("BatchLens")
    told = asyncio.run(reader.healths([FIRST, SECOND]))
    for account, found in told.items():
        assert found == Health(*house.clearinghouse.view("health", account))
    assert len(told) == len((FIRST, SECOND))


def test_healths__an_account_that_cannot_be_checked__is_told_beside_the_others(
    house: OptionLensHouse, reader: Reader
) -> None:
    with house.kept():
        call = option(ETH, CALL, house.report(ETH, 30), 3_000)
        house.hold(SECOND, [Leg(call, 2**62)], True)
        told = asyncio.run(reader.healths([SECOND, FIRST]))
        assert told[SECOND] is None
        assert told[FIRST] == Health(*house.clearinghouse.view("health", FIRST))


@pytest.mark.parametrize("kind", list(PartKind))
def test_part_kinds__each__is_said_in_words_and_about_one_thing(kind: PartKind) -> None:
    assert kind.text and not (kind.of_instrument and kind.of_market)
    assert lens.Kind(kind.value)


@pytest.mark.parametrize("code", list(MarkCode))
def test_mark_codes__each__is_the_references_and_says_what_is_wrong(code: MarkCode) -> None:
    assert bool(code.text) == (lens.Code(code.value) != lens.Code.MARKED)
