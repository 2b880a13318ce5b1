"""`plimsoll diff` against a node, the faucet of a free token, and prices that stay."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.keepers.user_runs import Terminal

pytestmark = pytest.mark.anvil


def _file(folder: Path, text: str) -> str:
    (folder / "changed.yaml").write_text(f"extends: local\n{text}", encoding="utf-8")
    return str(folder / "changed")


def test_diff__as_deployed__says_so_and_ends_well(terminal: Terminal) -> None:
    said = terminal.run("diff", "--params", "local")
    assert (said.code, said.out, said.err) == (0, "the chain has what the file says\n", "")
    assert terminal.run("diff", "--params", "local", "--json").out == ""


def test_diff__two_entries_changed__a_line_each_and_exit_1(
    terminal: Terminal, tmp_path: Path
) -> None:
    changed = _file(
        tmp_path, "orders: {delay: 3 s}\nmarkets: {ETH: {margin: {oi_cap: 20_000_000 USD}}}"
    )
    said = terminal.run("diff", "--params", changed)
    assert (said.code, said.err) == (1, "")
    assert said.out.splitlines() == [
        "orders.delay: 3 s in the file, 2 s on the chain",
        "markets.ETH.margin.oi_cap: 20_000_000 USD in the file, 30_000_000 USD on the chain",
    ]

    said = terminal.run("diff", "--params", changed, "--json")
    assert said.code == 1
    assert [json.loads(line) for line in said.out.splitlines()] == [
        {"entry": "orders.delay", "file": "3 s", "chain": "2 s"},
        {"entry": "markets.ETH.margin.oi_cap", "file": "20_000_000 USD", "chain": "30_000_000 USD"},
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (("--params", "test"), 2, "the node is on chain 31337, and test.yaml is for 1337"),
        (("--params", "moon"), 2, "no parameters for network 'moon'; there are "),
        (("--rpc", "http://127.0.0.1:1"), 1, "does not answer (ConnectionError); start it, or gi"),
    ],
)
def test_diff__cannot_compare__one_sentence(
    terminal: Terminal, arguments: tuple[str, ...], code: int, what: str
) -> None:
    said = terminal.run("diff", *arguments)
    assert (said.code, what in said.err, said.out) == (code, True, ""), said.err


def test_diff__damaged_deployment_file__one_sentence(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "31337.json"
    path.write_text('{"chain_id": 31337, "contr', encoding="utf-8")
    said = terminal.run("diff", "--deployment", str(path))
    assert said.code == 2
    assert "31337.json is not a whole deployment file" in said.err
    assert "put back a copy of it, or move it away and deploy anew" in said.err


def test_faucet__token_without_a_limit__gives_what_is_asked_for(terminal: Terminal) -> None:
    tried = terminal.run("faucet", "USDC", "12.5", "--dry-run", "--json").json
    assert (tried["sent"], tried["facts"]["left"]) == (False, "no limit")
    before = tried["facts"]["in_the_wallet"]
    assert terminal.run("faucet", "USDC", "12.5").code == 0
    after = terminal.run("faucet", "USDC", "1", "--dry-run", "--json").json["facts"]
    assert Decimal(after["in_the_wallet"]) == Decimal(before) + Decimal("12.5")
    said = terminal.run("faucet", "USDC")
    assert (said.code, "USDC has no limit; say how much you want" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("fixed", "what"), [("ETH", "no price"), ("ETH=cheap", "no price"), ("PEAR=3", "no market")]
)
def test_publish__fixed_price_that_is_none__one_sentence(
    terminal: Terminal, fixed: str, what: str
) -> None:
    said = terminal.run("publish", "--fixed", fixed, "--key", "test:6")
    assert (said.code, what in said.err) == (2, True), said.err
