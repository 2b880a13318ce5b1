"""`plimsoll bid` against a real node: written to a file, brought, refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keepers.domain.exchange_orders import read
from keepers.domain.instruments import name
from tests.keepers import bidding
from tests.keepers.anvil_world import LIQUIDATOR, TRADER, Node, key
from tests.keepers.bidding import MAKER, Sunk
from tests.keepers.user_runs import Said, Terminal

pytestmark = pytest.mark.anvil

WRITER = f"{key(TRADER).address}:0"


@pytest.fixture
def fallen(node: Node) -> Sunk:
    return bidding.fallen(node)


class Desk:
    """The command line of makers and keepers."""

    def __init__(self, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
        self._terminal, self._patch = terminal, monkeypatch

    def tried(self, actor: int, *words: str) -> Said:
        """Run a command of an actor."""
        self._patch.setenv("PLIMSOLL_KEY", f"test:{actor}")
        return self._terminal.run(*words)

    def by(self, actor: int, *words: str) -> Said:
        """Run a command of an actor; it has to succeed."""
        said = self.tried(actor, *words)
        assert said.code == 0, said.err
        return said


@pytest.fixture
def desk(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(terminal, monkeypatch)


def held(found: Sunk) -> str:
    """Return the name of what the writer is short of."""
    return name(found.option, {1: "ETH"})


def test_bid__signed_into_a_file_and_brought__closes_the_leg(
    fallen: Sunk, desk: Desk, tmp_path: Path
) -> None:
    put = held(fallen)
    words = ("bid", "sign", WRITER, f"{put}:8", "--concession-percent", "5")
    said = desk.by(MAKER, *words, "--deadline", "86400")
    (line,) = said.out.strip().splitlines()
    assert (read(line).order.size, read(line).order.takes) == (8 * 10**8, False)
    assert "clock_concedes" in said.err.replace(" ", "_")
    file = tmp_path / "bid.txt"
    file.write_text(line, encoding="utf-8")

    dry = desk.by(LIQUIDATOR, "bid", "bring", WRITER, str(file), "--dry-run", "--json").json
    assert dry["sent"] is False
    assert dry["facts"]["concedes_percent"].startswith(("4.9", "5"))
    done = desk.by(LIQUIDATOR, "bid", "bring", WRITER, str(file), "--json").json
    account, maker = done["accounts"]
    assert (account["before"]["positions"], account["after"]["positions"]) == (
        {put: "-40"},
        {put: "-32"},
    )
    assert maker["after"]["positions"] == {put: "-8"}
    assert float(account["after"]["mm_usd"]) < float(account["before"]["mm_usd"])
    spent = desk.tried(LIQUIDATOR, "bid", "bring", WRITER, str(file))
    assert (spent.code, "filled or cancelled" in spent.err) == (1, True)


def test_bid__several_legs_as_json__are_a_line_each(fallen: Sunk, desk: Desk) -> None:
    put = held(fallen)
    legs = (f"{put}:2", f"{put}:3@450", put)
    # half of what the clock concedes: the mark moves between a bid and its fill
    asked = ("--json", "--to", "anyone", "--concession-percent", "5")
    lines = desk.by(MAKER, "bid", "sign", WRITER, *legs, *asked).out
    said = [json.loads(each) for each in lines.strip().splitlines()]
    orders = [read(each["signed"]).order for each in said]
    assert [each.size // 10**8 for each in orders] == [2, 3, 40]
    assert orders[1].legs[0].price == 450 * 10**10
    assert {int(each.counterparty, 16) for each in orders} == {0}
    signed = [each["signed"] for each in said[:1]]
    table = desk.by(LIQUIDATOR, "bid", "bring", WRITER, *signed, "--size", "1").out
    assert put in table


@pytest.mark.parametrize(
    ("leg", "more", "code", "sentence"),
    [
        ("{}:41", (), 2, "holds 40"),
        ("{}:-2", (), 2, "size below 0"),
        ("ETH-PERP", (), 2, "holds no ETH-PERP"),
        ("{}:2", ("--concession-percent", "101"), 2, "more than all of it"),
    ],
)
def test_bid__what_cannot_be_closed__is_one_sentence(
    fallen: Sunk, desk: Desk, leg: str, more: tuple[str, ...], code: int, sentence: str
) -> None:
    said = desk.tried(MAKER, "bid", "sign", WRITER, leg.format(held(fallen)), *more)
    assert (said.code, len(said.err.splitlines())) == (code, 1)
    assert sentence in said.err


def test_bring__dearer_than_the_clock_concedes__says_so_and_needs_no_key_to_try(
    fallen: Sunk, desk: Desk, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("bid", "sign", WRITER, f"{held(fallen)}:3", "--concession-percent")
    dear, good = (desk.by(MAKER, *words, each).out.strip() for each in ("12", "2"))
    said = desk.tried(LIQUIDATOR, "bid", "bring", WRITER, dear)
    assert (said.code, "options: cost" in said.err) == (1, True)
    monkeypatch.delenv("PLIMSOLL_KEY")
    tried = terminal.run("bid", "bring", WRITER, good, "--dry-run")
    assert tried.code == 0, tried.err
    assert "dry run: nothing was sent" in tried.out
