"""The options act: its market, its books, how it judges, what it says, and a whole run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from keepers.chain.deployment import Contract, Deployment
from keepers.chain.signer import load_signer
from keepers.domain import instruments
from keepers.domain.exchange_orders import Leg
from keepers.domain.instruments import Kind
from keepers.domain.margin import FRESH, STATUS_GRACE, Health
from keepers.domain.reports import NOBODY
from keepers.domain.surfaces import RATIO_ONE, Surface, faults
from keepers.domain.units import HOUR, LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.errors import BadInput, ChainError
from keepers.lab import cli, options_act_picture, options_act_report
from keepers.lab import options_act_books as books
from keepers.lab import options_act_market as markets
from keepers.lab.options_act_books import STRUCTURES, Book
from keepers.lab.options_act_market import END, EXPIRIES, ONE, START, WAY, Market
from keepers.lab.options_act_record import Act, Closed, Expired, Frame, Late, Taken, below
from keepers.lab.options_act_sources import Sources
from keepers.lab.records import Books
from keepers.lab.world import PUBLISHERS
from keepers.smiles.fit import Fit, Quotes
from tests.keepers.lab.chains import TRUE, quotes

ETH, BTC = 1, 2
FIRST = {"ETH": 2_500 * TICKS_PER_USD, "BTC": 80_000 * TICKS_PER_USD}
LAST = {"ETH": 2_000 * TICKS_PER_USD, "BTC": 64_000 * TICKS_PER_USD}


def surface(market: int, expiry: int, square: float = 1.0) -> Surface:
    """Return a skewed smile with 60 % at the money, times the root of `square`."""
    a, b = round(2**26 * 0.06 * square), round(2**26 * 0.3 * square)
    return Surface(market, expiry // HOUR, 0, RATIO_ONE, a, b, -(2**28), 0, 2**28)


@pytest.fixture
def market() -> Market:
    early = {id_: [surface(id_, expiry) for expiry in EXPIRIES] for id_ in (ETH, BTC)}
    late = {id_: [surface(id_, expiry, 3.0) for expiry in EXPIRIES] for id_ in (ETH, BTC)}
    return Market(FIRST, LAST, early, late, seed=7)


# ---- the market ----------------------------------------------------------------------------------


@pytest.mark.parametrize("column", [1, 2])
def test_share__every_second__on_the_lines_of_the_table(column: int) -> None:
    for row in WAY:
        assert markets.share(row[0], column) == row[column]
    assert [markets.share(each, column) for each in (-1, 3_601, 10**6)] == [0, ONE, ONE]
    assert markets.share(240, column) * 2 == WAY[1][column]


def test_stretched__a_factor__as_many_times_the_volatility_at_as_many_deviations() -> None:
    smile = surface(ETH, EXPIRIES[0])
    grown = markets.stretched(smile, 2 * WAD)
    for k in (-(2**62), 0, 2**61, 2**63):
        # parameters are rounded to 2^-26 and 2^-28
        assert abs(grown.volatility(2 * k) - 2 * smile.volatility(k)) < WAD // 10**6


def test_market__before_and_after_the_fall__what_was_recorded(market: Market) -> None:
    assert market.prices(START - 60) == {
        **FIRST,
        "WSTETH": FIRST["ETH"] * 103 // 100,
        "LINK": 10 * TICKS_PER_USD,
    }
    for symbol, price in market.prices(END + 30).items():
        if symbol in LAST:
            assert abs(price - LAST[symbol]) * ONE <= markets.WOBBLE * LAST[symbol]
    early, late = market.surfaces(START), market.surfaces(END)
    assert early[ETH] == [replace(each, publish=START) for each in market.before[ETH]]
    assert late[ETH] == [replace(each, publish=END) for each in market.after[ETH]]


def test_market__the_same_seed__the_same_prices(market: Market) -> None:
    again = replace(market)
    other = replace(market, seed=8)
    times = range(START, END, markets.STEP)
    assert [market.prices(at) for at in times] == [again.prices(at) for at in times]
    assert [market.prices(at) for at in times] != [other.prices(at) for at in times]


def test_market__on_the_way__no_smile_contradicts_itself_or_another(market: Market) -> None:
    for at in range(START, END + 1, markets.STEP):
        for surfaces in market.surfaces(at).values():
            assert faults(surfaces, at) == ["", "", ""]


def test_market__volatility_on_the_way__rises_with_the_table(market: Market) -> None:
    near = [market.surfaces(START + row[0])[BTC][0].volatility(0) for row in WAY]
    from_, to = near[0], near[-1]
    for row, seen in zip(WAY, near, strict=True):
        assert abs(seen - from_ - (to - from_) * row[2] // ONE) < WAD // 10**5


def test_market__an_expiry_is_over__is_left_out(market: Market) -> None:
    assert [each.expiry for each in market.surfaces(EXPIRIES[0])[ETH]] == list(EXPIRIES[1:])
    assert market.surfaces(EXPIRIES[2]) == {}


def test_chains__shipped__every_expiry_before_and_after_can_be_fitted() -> None:
    found = markets.chains(markets.SHIPPED)
    assert list(found) == ["ETH", "BTC"]
    for before, after in found.values():
        for chain in (before, after):
            assert [each.expiry for each in chain] == list(EXPIRIES)
            assert all(len(each.k) == 11 for each in chain)
        assert after[0].index < 0.8 * before[0].index
    assert (
        markets.listed(found)["BTC"] == round(found["BTC"][0][0].index * 100) * TICKS_PER_USD // 100
    )


def test_chains__a_file_without_the_fall__refused(tmp_path: Path) -> None:
    rows = markets.SHIPPED.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if not row.startswith(str(markets.AFTER))]
    (tmp_path / "short.csv").write_text("\n".join(kept), encoding="utf-8")
    with pytest.raises(BadInput, match="has not the chains of the fall"):
        markets.chains(tmp_path / "short.csv")


def test_source__recorded_chains_beside_the_checkout__go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markets, "RECORDED", tmp_path / "chains.csv.gz")
    assert markets.source() == markets.SHIPPED
    (tmp_path / "chains.csv.gz").touch()
    assert markets.source() == tmp_path / "chains.csv.gz"


# ---- the sources ---------------------------------------------------------------------------------


@pytest.fixture
def sources(market: Market) -> Sources:
    names = ("Markets", "Surfaces")
    contracts = {name: Contract(f"0x{place:040x}") for place, name in enumerate(names, 1)}
    signers = tuple(load_signer(f"test:{number}", 31337).address for number in PUBLISHERS)
    ids = {"ETH": ETH, "BTC": BTC, "LINK": 3, "WSTETH": 4}
    deployed = Deployment(31337, 0, "", "", contracts, {}, ids, signers)
    return Sources(deployed, market, seed=7)


def test_surfaces__sources_see_nearly_the_same__a_quorum_a_market(sources: Sources) -> None:
    letters = asyncio.run(sources.surfaces(START))
    assert len(letters) == 2
    # both markets are proposed by whose turn it is
    assert {signer.address for signer, _ in letters} <= set(sources.seats) - {NOBODY}
    assert all(draft.to == sources.deployment.address("Surfaces") for _, draft in letters)


def test_surfaces__two_sources_see_twice_the_volatility__no_quorum(sources: Sources) -> None:
    for cosigner in sources._cosigners[:2]:
        cosigner.smiles = sources._smiles(2 * WAD)
    with pytest.raises(ChainError, match="0 of 2 surfaces found their 3 signers"):
        asyncio.run(sources.surfaces(START))


# ---- books ---------------------------------------------------------------------------------------


def structure_legs(market: Market, place: int) -> Sequence[Leg]:
    structure = STRUCTURES[place]
    id_ = {"ETH": ETH, "BTC": BTC}[structure.symbol]
    price = FIRST[structure.symbol]
    return books.legs(structure, id_, market.surfaces(START)[id_], price, START)


@pytest.mark.parametrize("place", range(len(STRUCTURES)))
def test_legs__every_structure__sizes_on_grid_strikes_in_order(market: Market, place: int) -> None:
    structure, made = STRUCTURES[place], structure_legs(market, place)
    assert [leg.instrument for leg in made] == sorted({leg.instrument for leg in made})
    step = books.GRID[structure.symbol] * TICKS_PER_USD
    for leg in made:
        said = instruments.decode(leg.instrument)
        assert said.strike % step == 0
        assert said.expiry in (0, *EXPIRIES)
        if said.kind != Kind.PERP:
            assert abs(leg.size) == structure.units * LOTS_PER_UNIT


def test_legs__hedged__moves_with_the_price_by_less_than_the_grid_of_hedges(market: Market) -> None:
    place = next(i for i, each in enumerate(STRUCTURES) if each.hedged)
    made, surfaces = structure_legs(market, place), market.surfaces(START)[ETH]
    hedge = next(leg.size for leg in made if leg.instrument == ETH << 56)
    rest = [leg for leg in made if leg.instrument != ETH << 56]
    moved = sum(books.delta(leg, surfaces, FIRST["ETH"], START) * leg.size for leg in rest)
    assert abs(hedge + moved) <= books.HEDGE


def test_delta__call_and_put_of_a_strike__one_apart_and_half_at_the_money(market: Market) -> None:
    surfaces = market.surfaces(START)[ETH]
    call, put = (
        Leg(instruments.encode(instruments.Instrument(ETH, kind, EXPIRIES[0], FIRST["ETH"])), 1)
        for kind in (Kind.CALL, Kind.PUT)
    )
    both = [books.delta(leg, surfaces, FIRST["ETH"], START) for leg in (call, put)]
    assert both[0] - both[1] == pytest.approx(1)
    assert 0.5 < both[0] < 0.55


def test_maker_order__a_package__other_way_round_and_half_a_spread_away(market: Market) -> None:
    wanted = structure_legs(market, 1)
    marks = {leg.instrument: 1_000 * TICKS_PER_USD for leg in wanted}
    order = books.maker_order(5 << 96, wanted, marks, FIRST["BTC"], 100)
    asked = {leg.instrument: leg for leg in order.legs}
    # 3 bp of 80,000 USD are more than 1 % of the mark
    for leg in wanted:
        other = asked[leg.instrument]
        assert other.size == -leg.size
        side = 24 if leg.size > 0 else -24
        assert other.price == (1_000 + side) * TICKS_PER_USD
    # bought and sold in equal numbers: two half spreads
    assert books.costs(order) == 2 * 24 * 2 * WAD


def test_quote__a_wider_maker__costs_more_to_buy_and_pays_less() -> None:
    perp = ETH << 56
    for size in (1, -1):
        narrow, wide = (
            books.quote(Leg(perp, size), 10**13, 10**13, each).price for each in (90, 110)
        )
        assert (wide - narrow) * size > 0
        assert abs(narrow - 10**13) == 10**13 * 27 // 100_000


# ---- judging -------------------------------------------------------------------------------------


def health(equity: int, mm: int, status: int = FRESH) -> Health:
    return Health(equity, 0, mm, mm, mm, 0, status, 0)


def fits() -> dict[str, tuple[list[Fit], list[Fit]]]:
    chain: list[Quotes] = [quotes(days, TRUE * days / 30) for days in (7, 30, 60)]
    from keepers.smiles.fit import _rounded

    made = [Fit(each, _rounded(TRUE * each.years / chain[1].years), "") for each in chain]
    return {symbol: (made, made) for symbol in ("ETH", "BTC")}


def act(**changed: Any) -> Act:
    """Return an act that passes."""
    both = [
        Book(structure, bool(index), place << 96 | index)
        for place, structure in enumerate(STRUCTURES, 1)
        for index in range(2)
    ]
    for place, book in enumerate(both):
        book.im, book.mm, book.equity = ((place + each) * 1_000 * WAD for each in (3, 2, 4))
        book.low = book.end = book.final = book.equity
    both[2].takes, both[2].reward, both[3].settled = 1, 84 * WAD, -16_000 * WAD
    frames = [
        Frame(
            START + 60 * minute,
            {"ETH": 2_500.0 - 10 * minute, "BTC": 80_000.0 - 250 * minute},
            {"ETH": 0.6 + 0.01 * minute, "BTC": 0.5 + 0.01 * minute},
            [20_000.0 + place for place in range(len(both))],
            [10_000.0] * len(both),
        )
        for minute in range(60)
    ]
    made = Act(
        7,
        "chains.csv",
        fits(),
        books=both,
        frames=frames,
        takes=[Taken(both[2].account, START + 1_200, WAD // 2, 100 * WAD, 0, 9_000 * WAD)],
        closes=[Closed(both[2].account, START + 1_180, 7 * WAD, 900 * WAD)],
        expired=[Expired("ETH", EXPIRIES[0], 2_000 * TICKS_PER_USD, 500 * WAD, 6)],
        proofs=[Books("after the fall", 9, True, "39 equations hold")],
        waited={"prices": 1, "surfaces": 2},
        insurance=(5, 5),
    )
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def test_failures__everything_holds__none() -> None:
    assert act().failures == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"deficit": 3}, "bad debt: 3 wei booked, 0 accounts below zero at the end"),
        ({"owing": 2}, "bad debt: 0 wei booked, 2 accounts below zero at the end"),
        ({"insurance": (5, 4)}, "the insurance fund paid"),
        ({"held": 4}, "4 legs were left after the last expiry"),
        ({"missed": ["somebody stood"]}, "somebody stood"),
        ({"proofs": [Books("after", 9, False, "broken")]}, "after: broken"),
        ({"books": act().books[4:]}, "nobody fell: the act shows nothing"),
    ],
)
def test_failures__one_thing_off__said(changed: dict[str, Any], said: str) -> None:
    assert act(**changed).failures == [said]


def test_failures__closes_alone__are_a_fall_too() -> None:
    made = act()
    made.books[2].takes, made.books[2].closes = 0, 1
    assert made.failures == []


def test_facts__closes__are_counted_with_what_they_cost_and_freed() -> None:
    said = dict(options_act_report.facts(act()))["closes"]
    assert said == (
        "1 of legs against makers' bids, which cost the accounts 7 USD and freed 900 USD of MM"
    )


def test_below__at_prices_that_liquidate__those_under_maintenance() -> None:
    made = act()
    found = {book.account: health(5, 4) for book in made.books}
    first, second = made.books[0].account, made.books[1].account
    found[first] = health(3, 4)
    found[second] = health(3, 4, FRESH | STATUS_GRACE)
    assert below(made, found) == [first]


def test_late__nobody_answers__the_fourth_block_is_one_too_many() -> None:
    late = Late()
    said = [late.follow([7], now) for now in range(2, 14, 2)]
    assert list(map(len, said)) == [0, 0, 0, 1, 0, 0]
    assert said[3] == ["account 0x0000…:1 stood below maintenance unanswered"]


def test_late__flagged__has_until_a_take_pays_whoever_takes() -> None:
    late = Late()
    late.answered(7, 100, taken=False)
    late.answered(7, 200, taken=False)
    assert not late.silent([7])
    assert [late.follow([7], now) for now in (102, 400)] == [[], []]
    assert late.follow([7], 401) == ["account 0x0000…:1 was flagged and not taken for 300 s"]


def test_late__a_part_was_taken__the_rest_has_time_again() -> None:
    late = Late()
    late.answered(7, 100, taken=False)
    late.answered(7, 300, taken=True)
    assert late.follow([7], 600) == []


def test_late__above_maintenance_in_between__counts_anew() -> None:
    late = Late()
    for now in (2, 4, 6):
        late.follow([7], now)
    assert late.follow([], 8) == []
    assert [late.follow([7], now) for now in (10, 12, 14)] == [[], [], []]
    assert late.silent([7])


# ---- what it says --------------------------------------------------------------------------------


def test_report__an_act__page_table_and_json_say_the_same(tmp_path: Path) -> None:
    made = act()
    svg = options_act_picture.write(made, tmp_path / "a.png")
    options_act_report.write_page(made, tmp_path / "a.html", svg)
    assert (tmp_path / "a.png").stat().st_size > 50_000
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1 and "src=" not in page
    console = Console(width=170, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(options_act_report.table(made))
    text = console.export_text()
    for word in ("PASSED", "put spread", "-16,000", "2,000.0000", "39 equations hold at block 9"):
        assert word in page
        assert word in text
    found = json.loads(json.dumps(options_act_report.as_dict(made)))
    assert found["passed"] is True
    assert len(found["books"]) == 14
    assert found["books"][3]["settled"] == -16_000 * WAD


def test_table__a_narrow_screen__shows_every_column() -> None:
    console = Console(width=96, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(options_act_report.table(act(), 96))
    text = console.export_text()
    assert all(name in text for name in options_act_report.BOOKS)
    assert "…" not in text


def test_report__a_failed_act__says_why(tmp_path: Path) -> None:
    made = act(held=4)
    options_act_report.write_page(made, tmp_path / "a.html", "")
    assert "FAILED: 4 legs were left" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert options_act_report.as_dict(made)["passed"] is False


# ---- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize("further", [["--beyond"], ["--crash"], ["--prices", "ETH=x"], ["--all"]])
def test_demo__options_and_another_act__refused(further: list[str]) -> None:
    found = CliRunner().invoke(cli.app, ["demo", "--options", *further])
    assert isinstance(found.exception, BadInput)
    assert "--options is an act alone" in str(found.exception)


@pytest.mark.parametrize(("failures", "code"), [([], 0), (["somebody stood"], 1)])
def test_demo__options__ends_with_what_the_act_found(
    failures: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(*_arguments: object, **_options: object) -> Act:
        return act(missed=failures)

    monkeypatch.setattr("keepers.lab.options_act.play", play)
    found = CliRunner().invoke(cli.app, ["demo", "--options", "--out", str(tmp_path)])
    assert found.exit_code == code
    assert {each.name for each in tmp_path.iterdir()} == {
        "options.html",
        "options.png",
        "options.json",
    }


@pytest.mark.anvil
@pytest.mark.campaign
def test_demo__options__standard_and_portfolio_fall_and_expire_without_a_wei_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markets, "RECORDED", tmp_path / "none.csv.gz")
    made = cli.play_options(cli.SEED, tmp_path, keep=False, as_json=True)
    assert made.failures == []
    assert made.source == markets.SHIPPED.name
    assert made.waited["prices"] >= 1
    assert made.waited["surfaces"] >= 1
    assert len(made.expired) == 6
    by_name = {(book.structure.name, book.portfolio): book for book in made.books}
    for name in ("put spread", "calendar", "hedged strangle"):
        # what offsets is netted by portfolio margin alone
        assert by_name[name, True].im < by_name[name, False].im
    for name in ("future against perp", "long future"):
        assert by_name[name, True].im > by_name[name, False].im
    fallen, whole = by_name["put spread", False], by_name["put spread", True]
    assert fallen.takes + fallen.closes > 0
    assert whole.takes + whole.closes == 0
    # makers' bids stood, and some of the liquidations were closes
    assert len(made.closes) == sum(book.closes for book in made.books) > 0
    assert all(2 * each.cost <= each.released for each in made.closes)
    # whole, the spread paid its width: 77,000 to 69,000 for two
    assert by_name["put spread", True].settled == -16_000 * WAD
