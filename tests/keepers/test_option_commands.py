"""`plimsoll order`, `rfq`, `mode`, `settle-expired` and `whatif` against a real node."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from keepers.domain.amounts import units, written_wad
from keepers.domain.exchange_orders import read
from keepers.domain.words import account_id
from tests.keepers.anvil_world import DEPLOYER, OTHER_TRADER, TRADER, Node, key
from tests.keepers.bot_runs import world
from tests.keepers.named_options import CALL, FUTURE, PUT, fund
from tests.keepers.user_runs import OWNER, Said, Terminal

pytestmark = pytest.mark.anvil

MAKER = key(OTHER_TRADER).address


@pytest.fixture
def market(node: Node) -> Node:
    """Return the node with two funded traders, prices and a surface."""

    async def act() -> None:
        async with world(node) as on:
            await fund(on, 50_000)

    asyncio.run(act())
    return node


class Desk:
    """The command line of two traders."""

    def __init__(self, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
        self._terminal, self._patch = terminal, monkeypatch

    def by(self, actor: int, *words: str) -> Said:
        """Run a command of an actor; it has to succeed."""
        said = self.tried(actor, *words)
        assert said.code == 0, said.err
        return said

    def tried(self, actor: int, *words: str) -> Said:
        """Run a command of an actor."""
        self._patch.setenv("PLIMSOLL_KEY", f"test:{actor}")
        return self._terminal.run(*words)


@pytest.fixture
def desk(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(terminal, monkeypatch)


def test_order__signed_shown_filled__goes_from_hand_to_hand(
    market: Node, desk: Desk, tmp_path: Path
) -> None:
    said = desk.by(OTHER_TRADER, "order", "sign", f"{CALL}:-10@250")
    (line,) = said.out.strip().splitlines()
    assert read(line).order.legs[0].size == -10 * 10**8
    assert "free above IM" in said.err  # health before and after, beside the line
    file = tmp_path / "order.txt"
    file.write_text(line, encoding="utf-8")

    shown = desk.by(TRADER, "order", "show", str(file), "--json").json["order"]
    assert (shown["state"], shown["left"], shown["role"]) == ("open", "10", "maker")
    assert shown["legs"] == f"{CALL}:-10@250"

    filled = desk.by(TRADER, "order", "fill", str(file), "--size", "4", "--json").json
    mine, other = filled["accounts"]
    assert (mine["before"]["positions"], mine["after"]["positions"]) == ({}, {CALL: "4"})
    assert other["after"]["positions"] == {CALL: "-4"}
    assert mine["after"]["cash_usd"] == "49000"
    assert desk.by(TRADER, "order", "show", line, "--json").json["order"]["left"] == "6"

    table = desk.by(TRADER, "order", "fill", str(file), "--dry-run").out
    assert "dry run: nothing was sent" in table
    assert CALL in table


def test_order__cancelled_by_file_and_by_nonce__is_never_filled(
    market: Node, desk: Desk, tmp_path: Path
) -> None:
    files = []
    for nonce in (3, 300):
        line = desk.by(OTHER_TRADER, "order", "sign", f"{CALL}:-1@250", "--nonce", str(nonce)).out
        files.append(tmp_path / f"{nonce}.txt")
        files[-1].write_text(line, encoding="utf-8")
    said = desk.by(OTHER_TRADER, "order", "cancel", str(files[0]), "300", "--json").json
    assert said["facts"]["nonces"] == "3 300"
    for file in files:
        said = desk.tried(TRADER, "order", "fill", str(file))
        assert (said.code, "it is filled or cancelled" in said.err) == (1, True)


def test_rfq__package_at_a_net_price__is_for_its_taker_alone(market: Node, desk: Desk) -> None:
    legs = (f"{CALL}:-2", f"{PUT}:2")
    line = desk.by(OTHER_TRADER, "rfq", "quote", *legs, "--net", "-90", "--to", OWNER).out.strip()
    refused = desk.tried(DEPLOYER, "rfq", "fill", line)
    assert (refused.code, "is for 0x" in refused.err) == (1, True)
    filled = desk.by(TRADER, "rfq", "fill", line, "--json").json
    assert filled["accounts"][0]["after"]["positions"] == {CALL: "2", PUT: "-2"}
    assert filled["accounts"][1]["after"]["cash_usd"].startswith("50090")
    for_all = desk.by(OTHER_TRADER, "order", "sign", f"{CALL}:-1@250").out.strip()
    said = desk.tried(TRADER, "rfq", "fill", for_all)
    assert (said.code, "is for anyone, no quote" in said.err) == (2, True)


def test_order__two_signed_ones__are_brought_by_a_third(market: Node, desk: Desk) -> None:
    rests = desk.by(OTHER_TRADER, "order", "sign", f"{FUTURE}:-1@3010").out.strip()
    takes = desk.by(TRADER, "order", "sign", f"{FUTURE}:1@3020", "--taker").out.strip()
    said = desk.by(DEPLOYER, "order", "fill", rests, "--with", takes, "--json").json
    assert said["facts"]["price_usd"] == "3010"
    assert said["accounts"][0]["after"]["positions"] == {FUTURE: "1"}


def test_mode__portfolio_and_back__prints_both_requirements(market: Node, desk: Desk) -> None:
    line = desk.by(OTHER_TRADER, "order", "sign", f"{CALL}:-10@250").out.strip()
    desk.by(TRADER, "order", "fill", line)
    dry = desk.by(OTHER_TRADER, "mode", "0", "portfolio", "--dry-run", "--json").json
    (change,) = dry["accounts"]
    assert (change["before"]["margin"], change["after"]["margin"]) == ("standard", "portfolio")
    assert change["after"]["im_usd"] != change["before"]["im_usd"]
    assert "margin is" in desk.by(OTHER_TRADER, "mode", "0", "portfolio").out
    whole = f"{MAKER}:0"
    (other,) = desk.by(TRADER, "whatif", whole, "--mode", "standard", "--json").json["accounts"]
    # some seconds later, in which options lose a little of what they may cost
    for side, then in (("before", "after"), ("after", "before")):
        said, promised = float(other[side]["im_usd"]), float(change[then]["im_usd"])
        assert said == pytest.approx(promised, rel=1e-5)


def test_whatif__several_legs__needs_no_key(
    market: Node, desk: Desk, monkeypatch: pytest.MonkeyPatch, terminal: Terminal
) -> None:
    monkeypatch.delenv("PLIMSOLL_KEY")
    adds = ("--add", f"{CALL}:-10", "--add", f"{FUTURE}:4@3000")
    said = terminal.run("whatif", OWNER, *adds, "--json")
    assert said.code == 0, said.err
    (change,) = said.json["accounts"]
    assert change["after"]["positions"] == {CALL: "-10", FUTURE: "4"}
    assert float(change["after"]["im_usd"]) > float(change["before"]["im_usd"])
    assert said.json["sent"] is False
    greeks = said.json["greeks"]
    assert greeks["before"] == {}
    assert greeks["after"]["ETH"]["delta"] < 4
    assert float(said.json["facts"]["above_mm_before_usd"]) == 50_000
    assert said.json["facts"]["equity_by_mm_before"] == "no margin"
    table = terminal.run("whatif", OWNER, *adds, "--mode", "portfolio").out
    for part in ("before USD", "ETH after", "Profit when ETH moves, after", "volatility up"):
        assert part in table
    said = terminal.run("whatif", "0", *adds)
    assert (said.code, "there is no key" in said.err) == (2, True)


def test_marks__band_around_them__is_where_orders_fill(market: Node, desk: Desk) -> None:
    said = desk.by(TRADER, "marks", CALL, "eth-perp", "--json").json
    assert said["ETH-PERP"] == {
        "mark_usd": "3000",
        "lowest_usd": "2940",  # 2 % of the price either way
        "highest_usd": "3060",
    }
    call = {name: float(text) for name, text in said[CALL].items()}
    assert call["highest_usd"] - call["mark_usd"] == pytest.approx(60)
    assert CALL in desk.by(TRADER, "marks", CALL).out
    price = f"{call['highest_usd'] + 1:.2f}"
    line = desk.by(OTHER_TRADER, "order", "sign", f"{CALL}:-1@{price}")
    assert "where it is traded now" in line.err
    refused = desk.tried(TRADER, "order", "fill", line.out.strip())
    assert (refused.code, "off the mark" in refused.err) == (1, True)


def test_account__with_options__shows_what_the_contracts_say(
    market: Node, desk: Desk, tmp_path: Path
) -> None:
    line = desk.by(OTHER_TRADER, "order", "sign", f"{CALL}:-10@250", f"{FUTURE}:4@3010").out.strip()
    desk.by(TRADER, "order", "fill", line)
    page = tmp_path / "account.html"
    said = desk.by(TRADER, "account", MAKER, "--json", "--html", str(page)).json
    equity, _, im, _, mm, *_ = asyncio.run(stored(market, MAKER))
    assert (said["equity_usd"], said["im_usd"], said["mm_usd"]) == tuple(
        written_wad(each) for each in (equity, im, mm)
    )
    future, call = said["positions"]
    assert (call["instrument"], call["size"], future["size"]) == (CALL, "-10", "4")
    assert -10 < call["delta"] < 0 < future["delta"] < 4.1
    assert said["greeks"]["ETH"]["delta"] == pytest.approx(call["delta"] + future["delta"])
    assert call["vega_usd"] < 0 < call["theta_usd"]
    assert CALL in page.read_text(encoding="utf-8")

    for name, whole in (("im_usd", im), ("mm_usd", mm)):
        assert sum(units(each[name], 18, "USD") for each in said["parts"]) == whole
    assert (said["margin"], said["scan"]) == ("standard", {})

    shown = desk.by(TRADER, "account", MAKER).out
    for part in ("margin is", "standard", "Positions", "theta", "What the margin is made of"):
        assert part in shown
    listed = desk.by(TRADER, "accounts").out
    assert f"{equity / 10**18:,.2f}" in listed


def test_account__under_portfolio_margin__shows_the_rows_of_its_scan(
    market: Node, desk: Desk
) -> None:
    line = desk.by(OTHER_TRADER, "order", "sign", f"{CALL}:-10@250").out.strip()
    desk.by(TRADER, "order", "fill", line)
    desk.by(OTHER_TRADER, "mode", "0", "portfolio")
    scan = desk.by(TRADER, "account", MAKER, "--json").json["scan"]["ETH"]
    losses = [float(each["loss_usd"]) for each in scan["rows"]]
    assert 0 < max(losses) <= float(scan["worst_usd"])
    calm = min(scan["rows"], key=lambda each: (each["volatility"] != "up", abs(each["move"])))
    assert float(calm["loss_usd"]) > 0  # volatility up, price as it is: a short call loses
    shown = desk.by(TRADER, "account", MAKER).out
    assert "Profit when ETH moves" in shown and "volatility down" in shown


async def stored(node: Node, owner: str) -> tuple[int, ...]:
    """Return the health that the contracts answer."""
    async with world(node) as on:
        return await on.stored_health(account_id(owner))


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (f"order sign {CALL}:-1", 2, "has no price; write"),
        (f"order sign {CALL}:-1@250 --net 5", 2, "one leg has no net price"),
        ("order sign ETH-29DEC23-3200:1@5", 2, "is no instrument"),
        ("order sign DOGE-PERP:1@5", 2, "there is no market DOGE"),
        ("order fill nothing.txt", 2, "there is no file nothing.txt"),
        ("order fill {}", 2, "that is no signed order"),
        ("order cancel 7 --account 0x12", 2, "no such option"),
        ("rfq quote ETH-PERP:1@3000 --to nobody", 2, "is no address"),
        ("mode 0 wild", 2, "wild is no margin; choose one of portfolio, standard"),
        ("mode 0 standard", 2, "is under standard margin"),
        ("settle-expired 0", 2, "holds nothing that has expired"),
        ("observe ETH-PERP", 2, "a perpetual does not expire"),
        ("whatif 0", 2, "nothing was named to change"),
        (f"trade buy 1 {CALL}", 2, "the pool does not trade"),
    ],
)
def test_refusals__one_sentence_with_what_to_do(
    market: Node, desk: Desk, words: str, code: int, sentence: str
) -> None:
    said = desk.tried(TRADER, *words.split())
    assert (said.code, sentence.lower() in said.err.lower()) == (code, True), said.err
    assert said.err.startswith("plimsoll: ") and len(said.err.splitlines()) == 1


def test_sign__json__has_the_line_and_both_sides(market: Node, desk: Desk) -> None:
    said = desk.by(OTHER_TRADER, "order", "sign", f"{CALL}:-2@250", "--json").json
    assert json.loads(said["signed"])["signature"].startswith("0x")
    assert said["accounts"][0]["after"]["positions"] == {CALL: "-2"}
    dry = desk.by(OTHER_TRADER, "order", "sign", f"{CALL}:-2@250", "--dry-run", "--json").json
    assert "signed" not in dry
