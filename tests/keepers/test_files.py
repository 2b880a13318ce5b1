"""Deployment files, interfaces and reasons: read exactly, refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from keepers import reasons
from keepers.chain import deployment as deployments
from keepers.chain.abi import Interface, interface
from keepers.errors import BadInput, Reverted
from keepers.settings import LiquidateSettings, PublishSettings, Settings, make, usd
from tests.keepers.files import ADDRESS, GOOD


def written(folder: Path, content: object) -> Path:
    path = folder / "31337.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_deployment__good_file__answers_by_name(tmp_path: Path) -> None:
    found = deployments.load(written(tmp_path, GOOD))
    assert found.address("Markets") == ADDRESS
    assert (found.market("eth"), found.market("BTC"), found.symbol(2)) == (1, 2, "BTC")
    assert found.settlement.symbol == "USDC"
    assert found.token("weth").decimals == 18
    assert found.token(ADDRESS.upper().replace("0X", "0x")).symbol == "USDC"
    assert found.contracts["Markets"].block == 4


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda each: each.market("DOGE"), "no market DOGE; choose one of BTC, ETH"),
        (lambda each: each.token("DOGE"), "DOGE is not a listed token; choose one of USDC, WETH"),
        (lambda each: each.address("Lens"), "names no Lens"),
    ],
)
def test_deployment__unknown_name__says_what_there_is(ask: Any, what: str) -> None:
    with pytest.raises(BadInput, match=what):
        ask(deployments.parse(GOOD))


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        {},
        {**GOOD, "chain_id": "x"},
        {**GOOD, "contracts": {"Markets": {"address": "0x1"}}},
        {**GOOD, "tokens": {"USDC": {"address": ADDRESS}}},
    ],
)
def test_deployment__damaged_file__says_so(tmp_path: Path, content: object) -> None:
    with pytest.raises(BadInput, match="is damaged"):
        deployments.load(written(tmp_path, content))


def test_deployment__missing_file__says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no deployment file .*; deploy first"):
        deployments.for_chain(tmp_path, 31337)


def test_deployment__file_of_another_chain__is_refused(tmp_path: Path) -> None:
    written(tmp_path, {**GOOD, "chain_id": 1})
    with pytest.raises(BadInput, match="is about chain 1"):
        deployments.for_chain(tmp_path, 31337)


PAIR = [{"name": "low", "type": "uint256"}, {"name": "high", "type": "int256"}]
ENTRIES: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": "look",
        "inputs": [{"name": "a", "type": "uint256"}],
        "outputs": [{"name": "", "type": "tuple", "components": PAIR}],
    },
    {
        "type": "function",
        "name": "look",
        "inputs": [{"name": "a", "type": "uint256"}, {"name": "b", "type": "bytes"}],
        "outputs": [],
    },
    {
        "type": "event",
        "name": "Seen",
        "inputs": [
            {"name": "who", "type": "uint256", "indexed": True},
            {"name": "pairs", "type": "tuple[2]", "components": PAIR, "indexed": False},
        ],
    },
]


def test_interface__two_forms__are_told_apart_by_length() -> None:
    made = Interface("Test", ENTRIES)
    # selectors of look(uint256) and look(uint256,bytes)
    assert made.function("look", 1).selector != made.function("look", 2).selector
    assert made.function("look").inputs == ("uint256", "bytes")
    assert made.encode("look", 5)[4:] == encode(["uint256"], [5])
    with pytest.raises(BadInput, match="no function look of that form"):
        made.function("look", 3)


def test_interface__struct_output__comes_by_name() -> None:
    made = Interface("Test", ENTRIES)
    data = encode(["(uint256,int256)"], [(4, -5)])
    assert made.function("look", 1).decode_named(data) == {"low": 4, "high": -5}


def test_interface__event__decodes_topics_and_structs() -> None:
    made = Interface("Test", ENTRIES)
    event = made.events["Seen"]
    data = encode(["(uint256,int256)[2]"], [[(1, -1), (2, -2)]])
    assert made.topics[event.topic].decode([event.topic, "0x" + f"{9:064x}"], data) == {
        "who": 9,
        "pairs": [{"low": 1, "high": -1}, {"low": 2, "high": -2}],
    }


def test_interface__missing_file__says_how_to_write_it() -> None:
    with pytest.raises(BadInput, match="make record"):
        interface("Nothing")


def test_reason_of__standard_error__is_its_string() -> None:
    data = "0x08c379a0" + encode(["string"], ["oracle: window"]).hex()
    assert reasons.reason_of(data, "execution reverted") == "oracle: window"
    assert reasons.reason_of(None, "execution reverted: pool: margin") == "pool: margin"
    assert reasons.reason_of("0x4e487b71" + "00" * 32, "") == "arithmetic or bounds check failed"
    assert reasons.reason_of(None, "execution reverted") == reasons.NO_REASON
    assert reasons.reason_of("0x08c379a0ff", "x") == reasons.NO_REASON


def test_table__docs__explains_every_reason_in_a_sentence() -> None:
    rows = reasons.table()
    assert rows
    for reason, (what, do) in rows.items():
        assert what, reason
        assert do, reason
        assert not str(Reverted(reason)).startswith("the contract refused")
        assert str(Reverted(reason)).endswith(".")


def test_reverted__unknown_reason__is_still_a_sentence() -> None:
    assert str(Reverted("module: new")) == "the contract refused the call (module: new)."


def test_settings__environment__stands_behind_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIMSOLL_RPC", "http://env:1")
    monkeypatch.setenv("PLIMSOLL_HEARTBEAT_S", "7")
    assert make(Settings).ws_url == "ws://env:1"
    assert make(Settings, rpc="https://node").ws_url == "wss://node"
    assert make(PublishSettings, heartbeat_s=None).heartbeat_s == 7


def test_settings__unusable__names_option_and_variable() -> None:
    with pytest.raises(BadInput, match="--max-take-usd or PLIMSOLL_MAX_TAKE_USD"):
        make(LiquidateSettings, max_take_usd=-1)


def test_usd__dollars_and_cents__become_wad() -> None:
    assert usd(12.34) == 12_340_000 * 10**12
    assert usd(-0.5) == -5 * 10**17
