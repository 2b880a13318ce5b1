"""A node of a few lines: blocks, logs, nonces and receipts, and a WebSocket that can be cut."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from keepers.chain.rpc import Head, Log, Rpc
from keepers.errors import ChainError, NodeRefused

ADDRESS = "0x" + "ab" * 20
TOPIC = "0x" + "01" * 32


class FakeNode(Rpc):
    """Answers what the keepers ask; a test moves the chain by hand."""

    def __init__(self) -> None:
        super().__init__("http://fake")
        self.blocks: list[Head] = []
        self.events: dict[str, list[Log]] = {}  # by block hash
        self.sockets: set[ServerConnection] = set()
        self.asked = 0
        self.pool: dict[int, str] = {}  # nonce -> hash of what waits
        self.receipts: dict[str, dict[str, Any]] = {}
        self.mined_nonce = 0
        self.sent: list[bytes] = []
        self.refuse: NodeRefused | None = None
        self.silent = False  # takes the next transaction and does not answer
        self.mines: list[str] = []  # a block with these comes as soon as a nonce is asked for
        self.extend()

    # ---- the chain

    def extend(self, branch: str = "main", logs: int = 0) -> Head:
        """Add a block, its hash made of its branch's name and height."""
        height = len(self.blocks)
        digest = hashlib.sha256(f"{branch} {height}".encode()).hexdigest()
        parent = self.blocks[-1].hash if self.blocks else "0x" + "00" * 32
        head = Head(height, "0x" + digest, parent, 1_700_000_000 + height, 10**9)
        self.blocks.append(head)
        self.events[head.hash] = [
            Log(ADDRESS, (TOPIC,), b"", height, head.hash, f"0x{branch}{height}", index, False)
            for index in range(logs)
        ]
        return head

    def rewind(self, height: int) -> None:
        """Forget every block above a height."""
        del self.blocks[height + 1 :]

    async def head(self, block: int | str = "latest") -> Head:
        self.asked += 1
        return self.blocks[block if isinstance(block, int) else -1]

    async def logs(
        self, addresses: Sequence[str], first: int, last: int, topics: Sequence[str] = ()
    ) -> list[Log]:
        return [log for head in self.blocks[first : last + 1] for log in self.events[head.hash]]

    async def logs_of(self, block_hash: str, addresses: Sequence[str]) -> list[Log]:
        return self.events[block_hash]

    # ---- the WebSocket

    @contextlib.asynccontextmanager
    async def socket(self) -> AsyncIterator[str]:
        """Serve subscriptions; yields the address."""

        async def answer(connection: ServerConnection) -> None:
            self.sockets.add(connection)
            try:
                async for message in connection:
                    asked = json.loads(message)
                    reply = {"jsonrpc": "2.0", "id": asked["id"], "result": "0x1"}
                    await connection.send(json.dumps(reply))
            finally:
                self.sockets.discard(connection)

        async with serve(answer, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            yield f"ws://127.0.0.1:{port}"

    async def tell(self, what: Head | Log) -> None:
        """Send a head or a log to every subscriber."""
        result = _head(what) if isinstance(what, Head) else _log(what)
        body = {"method": "eth_subscription", "params": {"subscription": "0x1", "result": result}}
        for connection in list(self.sockets):
            await connection.send(json.dumps(body))

    async def cut(self) -> None:
        """Close every socket without a word."""
        for connection in list(self.sockets):
            connection.transport.abort()

    # ---- transactions

    async def nonce(self, address: str, block: int | str = "pending") -> int:
        for tx in self.mines:
            self.include(tx)
        self.mines.clear()
        waiting = self.mined_nonce
        while block == "pending" and waiting in self.pool:
            waiting += 1
        return waiting

    async def send_raw(self, raw: bytes) -> str:
        if self.refuse is not None:
            refusal, self.refuse = self.refuse, None
            raise refusal
        self.sent.append(raw)
        if self.silent:
            self.silent = False
            raise ChainError("the node does not answer")
        return ""

    async def receipt(self, tx: str) -> dict[str, Any] | None:
        return self.receipts.get(tx)

    async def batch(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [self.receipts.get(params[0]) for _, params in requests]

    def include(self, tx: str, status: int = 1) -> None:
        """Put a transaction into the newest block."""
        head = self.blocks[-1]
        self.receipts[tx] = {
            "transactionHash": tx,
            "status": hex(status),
            "blockNumber": hex(head.number),
            "blockHash": head.hash,
            "gasUsed": hex(100_000),
            "effectiveGasPrice": hex(2 * 10**9),
        }
        self.mined_nonce += 1


def _head(head: Head) -> dict[str, str]:
    return {
        "number": hex(head.number),
        "hash": head.hash,
        "parentHash": head.parent,
        "timestamp": hex(head.time),
        "baseFeePerGas": hex(head.base_fee),
    }


def _log(log: Log) -> dict[str, Any]:
    return {
        "address": log.address,
        "topics": list(log.topics),
        "data": "0x" + log.data.hex(),
        "blockNumber": hex(log.block),
        "blockHash": log.block_hash,
        "transactionHash": log.tx,
        "logIndex": hex(log.index),
        "removed": log.removed,
    }
