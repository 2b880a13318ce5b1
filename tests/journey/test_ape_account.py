"""The user's commands through Ape: its provider is the node, its account signs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest

from keepers.chain.deployment import load
from tests.keepers.anvil_world import DEPLOYER, TRADER, Node, deployed_node, key
from tests.keepers.bot_runs import world
from tests.keepers.user_runs import keepers_at_work

pytestmark = [pytest.mark.ape, pytest.mark.anvil]


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with deployed_node() as found:
        yield found


@contextmanager
def connected(node: Node) -> Iterator[tuple[Any, Any]]:
    """Return Ape's provider on the node, and one of its test accounts."""
    import ape

    network = ape.networks.ethereum.local
    with network.use_provider("foundry", provider_settings={"host": node.http}) as provider:
        yield provider, ape.accounts.test_accounts[TRADER]


def test_account__in_process__plans_and_refuses_through_apes_node(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    from scripts.account import act

    def run(provider: Any, sender: Any, text: str) -> Any:
        capsys.readouterr()
        act(provider, sender, (*text.split(), "--json", "--deployment", str(node.path)))
        return json.loads(capsys.readouterr().out)

    with connected(node) as (provider, sender):
        assert sender.address == key(TRADER).address
        tried = run(provider, sender, "deposit 100 USDC --mint --dry-run")
        assert tried["sent"] is False
        assert [step["gas"] > 21_000 for step in tried["steps"]] == [True] * 3
        assert tried["accounts"][0]["after"]["cash_usd"] == "100"
        with pytest.raises(click.ClickException, match=r"withdraw less \(0 may leave now\)"):
            run(provider, sender, "withdraw 1 USDC")
        with pytest.raises(click.ClickException, match="No such command"):
            run(provider, sender, "sing")


def test_account__signed_order__is_one_that_the_exchange_takes(
    node: Node, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from scripts.account import act

    def run(provider: Any, sender: Any, *texts: str) -> Any:
        capsys.readouterr()
        act(provider, sender, (*texts, "--json", "--deployment", str(node.path)))
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    with connected(node) as (provider, sender):
        legs = ("ETH-PERP:-1@3000", "ETH-29DEC23-3200-C:2@10")
        said = run(provider, sender, "order", "sign", *legs)
        file = tmp_path / "order.txt"
        file.write_text(said["signed"], encoding="utf-8")
        shown = run(provider, sender, "order", "show", str(file))["order"]
        assert (shown["state"], shown["account"]) == ("open", f"{sender.address.lower()}:0")
        file.write_text(said["signed"].replace('"nonce": ', '"nonce": 1'), encoding="utf-8")
        shown = run(provider, sender, "order", "show", str(file))["order"]
        assert shown["state"] == "not signed"


def test_account__trade_and_close__are_filled_through_apes_account(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    from scripts.account import act

    def run(provider: Any, sender: Any, text: str) -> Any:
        capsys.readouterr()
        act(provider, sender, (*text.split(), "--json", "--deployment", str(node.path)))
        # before it Ape tells of the transactions
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    async def lend() -> None:
        async with world(node) as on:
            await on.fund_house()

    asyncio.run(lend())
    with keepers_at_work(node), connected(node) as (provider, sender):
        run(provider, sender, "deposit 3000 USDC --mint")
        bought = run(provider, sender, "trade buy 1 ETH-PERP --deadline 600")
        (order,) = bought["orders"]
        assert order["state"] == "executed"
        assert bought["accounts"][0]["after"]["positions"] == {"ETH-PERP": "1"}
        closed = run(provider, sender, "close ETH-PERP --deadline 600")
        assert closed["accounts"][0]["after"]["positions"] == {}


def test_account__apes_embedded_node__is_refused_in_a_sentence() -> None:
    import ape

    from scripts.account import act

    with (
        ape.networks.ethereum.local.use_provider("test") as provider,
        pytest.raises(click.ClickException, match="is no node; connect to one"),
    ):
        act(provider, ape.accounts.test_accounts[TRADER], ("settle",))


def test_script__from_the_command_line__does_the_same(node: Node) -> None:
    ape = Path(sys.executable).with_name("ape")
    command = [str(ape), "run", "account", "deposit", "5", "USDC", "--mint", "--json"]
    command += ["--network", "ethereum:local:foundry", "--deployment", str(node.path)]
    environment = {**os.environ, "APE_FOUNDRY_HOST": node.http}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout.strip().splitlines()[-1])
    assert shown["sent"] is True
    assert shown["accounts"][0]["account"] == f"{key(DEPLOYER).address.lower()}:0"
    assert shown["chain_id"] == load(node.path).chain_id
