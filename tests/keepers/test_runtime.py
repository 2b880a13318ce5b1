"""What a keeper holds open: let go of when it cannot start, written down when it stops."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keepers.bots import runtime
from keepers.bots.runtime import Runtime
from keepers.chain.transactions import Draft
from keepers.errors import ChainError
from keepers.settings import Settings
from keepers.store.ledger import Store
from tests.keepers.fake_node import FakeNode

DEPLOYED = SimpleNamespace(chain_id=31337, markets={}, address=lambda _: "0x" + "11" * 20)


class Node(FakeNode):
    """A node that may not say a nonce, and may not be closed in order."""

    mute = False
    stuck = False
    closed = False

    async def nonce(self, address: str, block: int | str = "pending") -> int:
        if self.mute:
            raise ChainError("the node does not answer")
        return await super().nonce(address, block)

    async def close(self) -> None:
        self.closed = True
        if self.stuck:
            raise OSError("the connection does not close")


class Kept(Store):
    """A store that says when it is closed."""

    closed = 0

    def close(self) -> None:
        Kept.closed += 1
        super().close()


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node()

    async def connect(_settings: Settings) -> tuple[Node, Any]:
        return made, DEPLOYED

    monkeypatch.setattr(runtime, "connect", connect)
    monkeypatch.setattr(runtime, "Store", Kept)
    monkeypatch.setattr(Kept, "closed", 0)
    return made


def test_open__transactions_cannot_be_settled__closes_node_and_store(node: Node) -> None:
    node.mute = True
    with pytest.raises(ChainError):
        asyncio.run(Runtime.open(Settings(key="test:0")))
    assert (node.closed, Kept.closed) == (True, 1)


def test_close__node_does_not_close__what_was_sent_is_written(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "book.db"

    async def scenario() -> None:
        opened = await Runtime.open(Settings(key="test:0", store=path))
        assert (node.closed, Kept.closed) == (False, 0)
        await opened.sender.send(Draft("reduce a", "0x" + "22" * 20, b"\1\2\3\4", 100_000))
        node.stuck = True
        await opened.close()

    with pytest.raises(OSError, match="does not close"):
        asyncio.run(scenario())
    assert Kept.closed == 1
    assert [key for _, key, _ in Store(path).pending()] == ["reduce a"]
