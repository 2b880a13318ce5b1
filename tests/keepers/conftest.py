"""One node with a deployment per session; every test starts from the same snapshot of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from keepers.chain.rpc import Rpc
from tests.keepers.anvil_world import Node, World, deployed_node
from tests.keepers.user_runs import Terminal


@pytest.fixture(scope="session")
def funded() -> Iterator[Node]:
    """Start anvil, deploy, fund pool and insurance."""
    with deployed_node() as node:

        async def fund() -> None:
            async with Rpc(node.http) as rpc:
                await World(node, rpc).fund_house()

        asyncio.run(fund())
        yield node


@pytest.fixture
def node(funded: Node) -> Iterator[Node]:
    """Return the funded node; whatever the test does to the chain is undone after it."""
    kept = asyncio.run(_ask(funded, "evm_snapshot"))
    yield funded
    asyncio.run(_ask(funded, "evm_setAutomine", True))
    asyncio.run(_ask(funded, "anvil_dropAllTransactions"))
    assert asyncio.run(_ask(funded, "evm_revert", kept))


@pytest.fixture
def terminal(
    node: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    """Return the command line of a user of the node."""
    return Terminal(node, capsys, monkeypatch)


async def _ask(node: Node, method: str, *params: object) -> object:
    async with Rpc(node.http) as rpc:
        return await rpc.request(method, *params)
