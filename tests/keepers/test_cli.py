"""The command line: one sentence and the right exit code for whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from keepers import cli
from keepers.commands import accounts, bots, guardian
from keepers.commands.books import read_account, read_block
from keepers.commands.session import Session
from keepers.domain.words import account_id
from keepers.errors import BadInput
from keepers.settings import LiquidateSettings, make
from tests.keepers.anvil_world import Node
from tests.keepers.files import GOOD
from tests.keepers.user_runs import outcome

OWNER = "0x" + "cd" * 20


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (["accounts", "--nonsense"], 2, "No such option"),
        (["publish", "--heartbeat", "x"], 2, "Invalid value"),
        (["account"], 2, "Missing argument"),
        (["account", "0x12345"], 1, "does not answer"),
        (["account", "nobody"], 2, "nobody is no account"),
        (["prove", "--block", "yesterday"], 2, "yesterday is no block"),
        (["publish", "--key", "test:0"], 2, "no source of prices"),
        (["publish", "--prices", "x.csv", "--live", "y"], 2, "no source of prices"),
        (["publish", "--prices", "x.csv", "--speed", "0"], 2, "no speed"),
        (
            ["publish", "--fixed", "ETH=1", "--chains", "x.csv.gz", "--live-chains", "deribit"],
            2,
            "two sources of surfaces",
        ),
        (["expire", "--observe-s", "241"], 2, "--observe-s or PLIMSOLL_OBSERVE_S"),
        (["expire", "--dry-run", "--rpc", "http://127.0.0.1:1"], 1, "does not answer"),
        (["execute", "--rpc", "ftp://x"], 2, "no HTTP address"),
        (["execute", "--fee-cap-gwei", "0"], 2, "--fee-cap-gwei or PLIMSOLL_FEE_CAP_GWEI"),
        (["liquidate", "--max-take-usd", "-1"], 2, "max_take_usd is not usable"),
        (["liquidate", "--min-profit-usd", "inf"], 2, "min_profit_usd is not usable"),
        (
            ["liquidate", "--max-take-usd", "5", "--max-inventory-usd", "1"],
            2,
            "larger than the whole inventory; lower --max-take-usd",
        ),
        (["key", "new", "/proc/none/key.json"], 2, "/proc/none/key.json cannot be written"),
        (["accounts", "--rpc", "http://127.0.0.1:1"], 1, "does not answer"),
        (["accounts", "--deployment", "nowhere.json"], 2, "no deployment file"),
    ],
)
def test_cli__bad_input__is_one_sentence(
    arguments: list[str],
    code: int,
    what: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLIMSOLL_RPC", "http://127.0.0.1:1")
    monkeypatch.setenv("PLIMSOLL_PASSWORD", "secret")
    monkeypatch.setattr("keepers.chain.rpc.BACKOFF_S", 0.001)
    found, said = outcome(arguments, capsys, monkeypatch)
    assert (found, said.startswith("plimsoll: "), said.count("\n")) == (code, True, 0), said
    assert what in said


@pytest.mark.parametrize(
    ("command", "switch"), [("liquidate", "take"), ("liquidate", "unwind"), ("execute", "refund")]
)
@pytest.mark.parametrize(
    ("said", "option", "expected"),
    [
        (None, "", True),
        ("false", "", False),
        ("false", "--{}", True),
        ("true", "--no-{}", False),
    ],
)
def test_switch__environment_and_option__the_option_goes_first(
    command: str,
    switch: str,
    said: str | None,
    option: str,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(bots, f"_{command}", seen.append)
    monkeypatch.setattr(bots.shared, "run", lambda _: None)
    if said is not None:
        monkeypatch.setenv(f"PLIMSOLL_{switch.upper()}", said)
    cli.build()([command, *option.format(switch).split()], standalone_mode=False)
    assert getattr(seen[0], switch) is expected


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_settings__number_that_is_none__is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIMSOLL_NATIVE_USD", value)
    with pytest.raises(BadInput, match="PLIMSOLL_NATIVE_USD"):
        make(LiquidateSettings)


@pytest.mark.parametrize("hours", [float("nan"), float("inf"), 0.0001, -1.0])
def test_pause__hours_that_are_none__are_refused(hours: float) -> None:
    with pytest.raises(BadInput, match="hours are no pause"):
        guardian._seconds(hours)


@pytest.mark.parametrize("days", [0.000001, 0.0, -1.0, float("nan"), float("inf")])
def test_grant__days_that_are_no_time__are_refused(days: float) -> None:
    with pytest.raises(BadInput, match="days are no time"):
        asyncio.run(accounts._after(cast("Session", None), days))


def test_cli__no_arguments__shows_help(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["plimsoll"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for command in ("publish", "execute", "liquidate", "accounts", "account", "prove"):
        assert command in shown


class Answers:
    """A node that answers each method with a fixed result, on a free port."""

    def __init__(self, **results: Any) -> None:
        self.results = results

    async def __call__(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        many = asked if isinstance(asked, list) else [asked]
        said = [
            {"jsonrpc": "2.0", "id": each["id"], "result": self.results.get(each["method"])}
            for each in many
        ]
        return web.json_response(said if isinstance(asked, list) else said[0])


def with_node(answers: Answers, work: Any) -> Any:
    """Run `work(url)` in a thread while the node answers."""

    async def whole() -> Any:
        runner = web.ServerRunner(web.Server(answers))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            return await asyncio.to_thread(work, f"http://127.0.0.1:{port}")
        finally:
            await runner.cleanup()

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("answers", "code", "what"),
    [
        ({"eth_chainId": "0x1"}, 2, "the node is on chain 1, the deployment on chain 31337"),
        ({"eth_chainId": "0x7a69", "eth_call": "0x"}, 2, "no Clearinghouse at the address"),
        (
            {"eth_chainId": "0x7a69", "eth_call": "0x" + "00" * 32},
            2,
            "another Markets than its Clearinghouse uses",
        ),
    ],
)
def test_cli__node_and_deployment_differ__refuses_to_start(
    answers: dict[str, str],
    code: int,
    what: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contracts = {**GOOD["contracts"], "Clearinghouse": {"address": "0x" + "3c" * 20}}
    path = tmp_path / "d.json"
    path.write_text(json.dumps({**GOOD, "contracts": contracts}))
    found, said = with_node(
        Answers(**answers),
        lambda url: outcome(
            ["accounts", "--rpc", url, "--deployment", str(path)], capsys, monkeypatch
        ),
    )
    assert (found, what in said) == (code, True), said


HEADER = "timestamp,open,high,low,close,volume"
CANDLE = "60,10,12,9,11,5"


@pytest.mark.parametrize(
    ("symbol", "lines", "what"),
    [
        ("DOGE", [HEADER, CANDLE], "no market DOGE; choose one of BTC, ETH, LINK, WSTETH"),
        ("ETH", [], "has no header timestamp,open"),
        ("ETH", [HEADER], "has no prices in it"),
        ("ETH", [HEADER, CANDLE, "120,x,11,11,11,0"], "line 3 is no row of prices"),
        ("ETH", [HEADER, "60,-10,12,9,11,5"], "line 2 is no row of prices"),
        ("ETH", [HEADER, "60,10,9,12,11,5"], "line 2 makes no sense"),
        ("ETH", [HEADER, "60,10,12,9"], "line 2 has 4 columns"),
        ("ETH", [HEADER, CANDLE, CANDLE], "line 3 is not later than the line before it"),
    ],
)
@pytest.mark.anvil
def test_publish__market_or_file_is_wrong__one_sentence(
    symbol: str,
    lines: list[str],
    what: str,
    node: Node,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(lines))
    given = ["--key", "test:6", "--prices", f"{symbol}={path}"]
    found, said = outcome(["publish", *given, *reading(node)], capsys, monkeypatch)
    assert (found, said.startswith("plimsoll: "), said.count("\n")) == (2, True, 0), said
    assert what in said


@pytest.mark.anvil
def test_publish__gap_and_widened_row__says_both_and_goes_on(
    node: Node,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "prices.csv"
    rows = [HEADER, CANDLE, "120,13,12,9,11,5", "180,11,11,11,11,5", "600,11,11,11,11,5"]
    path.write_text("\n".join(rows))
    # not a signer's key: the next thing that is looked at
    given = ["--key", "test:1", "--prices", f"ETH={path}"]
    found, said = outcome(["publish", *given, *reading(node)], capsys, monkeypatch, "warning")
    gap, widened, refusal = said.splitlines()
    assert found == 2
    assert "the prices have gaps: outages" in gap
    assert "rows widened" in widened
    assert "is no listed signer" in refusal


@pytest.mark.anvil
def test_execute__no_key__one_sentence(
    node: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, said = outcome(["execute", *reading(node)], capsys, monkeypatch)
    assert (found, said) == (
        2,
        "plimsoll: there is no key; give --key KEYSTORE, or --key test:N on a local chain.",
    )


def reading(node: Node) -> list[str]:
    return ["--rpc", node.http, "--deployment", str(node.path)]


def test_read_account__every_form__is_the_same_account() -> None:
    assert read_account(OWNER) == account_id(OWNER)
    assert read_account(f"{OWNER}:3") == account_id(OWNER, 3)
    assert read_account(str(account_id(OWNER, 3))) == account_id(OWNER, 3)
    assert read_account(hex(account_id(OWNER))) == account_id(OWNER)
    for bad in ("0", "-5", "x", f"{OWNER}:x"):
        with pytest.raises(BadInput, match="is no account"):
            read_account(bad)


def test_read_block__names_and_numbers__are_understood() -> None:
    assert [read_block(text) for text in (None, "latest", "7", "0x10")] == [
        "latest",
        "latest",
        7,
        16,
    ]
    with pytest.raises(BadInput, match="is no block"):
        read_block("-1")
