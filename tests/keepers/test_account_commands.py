"""`plimsoll isolate`, `move` and `operator` against a real node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.keepers.anvil_world import OTHER_TRADER, Node, key
from tests.keepers.user_runs import OWNER, Terminal, keepers_at_work, prepare, sent_so_far

pytestmark = pytest.mark.anvil

FRIEND = key(OTHER_TRADER).address


def test_isolate__opened_and_closed__comes_back_whole(node: Node, terminal: Terminal) -> None:
    prepare(node, units=0)
    with keepers_at_work(node):
        said = terminal.run(
            "isolate", "open", "buy", "1", "ETH-PERP", "--fund", "700", "--child", "1", "--json"
        )
        assert said.code == 0, said.err
        assert said.json["orders"][0]["state"] == "executed"
        parent, child = said.json["accounts"]
        assert parent["after"]["cash_usd"] == "5300"
        assert child["after"]["positions"] == {"ETH-PERP": "1"}

        said = terminal.run("isolate", "close", "1", "--json")
        assert said.code == 0, said.err
        child, parent = said.json["accounts"]
        assert (child["after"]["positions"], child["after"]["cash_usd"]) == ({}, "0")
        assert parent["after"]["positions"] == {"ETH-PERP": "1"}


def test_move__position_and_collateral__between_own_accounts(
    node: Node, terminal: Terminal
) -> None:
    prepare(node, units=2)
    assert terminal.run("transfer", "2000", "USDC", "--to", "1").code == 0
    said = terminal.run("move", "0.5", "ETH-PERP", "--to", "1", "--json")
    assert said.code == 0, said.err
    assert said.json["accounts"][1]["after"]["positions"] == {"ETH-PERP": "0.5"}
    said = terminal.run("move", "0.25", "WETH", "--to", "1", "--json")
    assert said.json["accounts"][1]["after"]["collateral"] == {"WETH": "0.25"}


def test_operator__granted_shown_used_revoked__does_what_it_says(
    node: Node, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(node, units=0)
    limits = ("--scope", "withdraw", "--uses", "2", "--days", "1")
    said = terminal.run("operator", "grant", FRIEND, *limits, "--json")
    assert said.code == 0, said.err
    assert said.json["facts"]["scopes"] == "withdraw"
    shown = terminal.run("operator", "show", FRIEND)
    assert "uses: 2" in shown.out

    monkeypatch.setenv("PLIMSOLL_KEY", f"test:{OTHER_TRADER}")
    said = terminal.run("withdraw", "5", "USDC", "--account", f"{OWNER}:0", "--json")
    assert said.code == 0, said.err
    assert said.json["facts"]["to"] == OWNER.lower()

    monkeypatch.setenv("PLIMSOLL_KEY", "test:1")
    assert terminal.run("operator", "revoke", FRIEND).code == 0
    assert terminal.run("operator", "show", FRIEND, "--json").json["scopes"] == "none"


def test_operator__signed_grant__is_handed_over_brought_and_cancelled(
    node: Node, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = terminal.run("operator", "sign", FRIEND, "--scope", "trade", "--uses", "3")
    assert (said.code, sent_so_far(node)[1]) == (0, 0)
    file = tmp_path / "permit.json"
    file.write_text(said.out)
    other = terminal.run("operator", "sign", FRIEND)
    assert terminal.run("operator", "cancel", str(json.loads(other.out)["nonce"])).code == 0

    monkeypatch.setenv("PLIMSOLL_KEY", f"test:{OTHER_TRADER}")
    said = terminal.run("operator", "permit", str(file), "--json")
    assert said.code == 0, said.err
    assert said.json["facts"]["uses"] == "3"
    file.write_text(other.out)
    said = terminal.run("operator", "permit", str(file))
    assert (said.code, "nonce used" in said.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("isolate", "open", "buy", "1", "ETH-PERP", "--fund", "700", "--child", "1"), "fund 0x"),
        (("operator", "grant", FRIEND), "let 0x"),
        (("move", "1", "ETH-PERP", "--to", "1"), "move 1 ETH-PERP"),
    ],
)
def test_dry_run__shows_it__and_sends_nothing(
    node: Node, terminal: Terminal, arguments: tuple[str, ...], what: str
) -> None:
    prepare(node)
    assert terminal.run("transfer", "500", "USDC", "--to", "1").code == 0
    before = sent_so_far(node)
    said = terminal.run(*arguments, "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(what)
    assert "dry run: nothing was sent" in said.out
    assert sent_so_far(node) == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("operator", "grant", "0x12"), "0x12 is no address"),
        (("operator", "grant", FRIEND, "--scope", "all"), "all is no scope"),
        (("operator", "grant", FRIEND, "--days", "0"), "0 days are no time"),
        (("operator", "permit", "nowhere.json"), "there is no file nowhere.json"),
        (("isolate", "open", "up", "1", "ETH-PERP", "--fund", "1", "--child", "1"), "no side"),
        (("isolate", "close", "0"), "the same account"),
        (("deposit", "1", "USDC", "--mint", "--permit"), "do not go together"),
    ],
)
def test_input__that_makes_no_sense__is_one_sentence(
    terminal: Terminal, arguments: tuple[str, ...], sentence: str
) -> None:
    said = terminal.run(*arguments)
    assert (said.code, said.out) == (2, "")
    assert sentence in said.err


def test_permit__text_that_is_none__is_one_sentence(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "permit.json"
    for text in ("", "[]", '{"account": "0x1"}', '{"account": 5}'):
        file.write_text(text)
        said = terminal.run("operator", "permit", str(file))
        assert (said.code, "that is no permit" in said.err) == (2, True)
