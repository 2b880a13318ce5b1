"""A thin JSON-RPC client: raw requests, one retry policy, reverts as exceptions.

web3.py's provider and formatter layers cost more than the request itself on a near node, so the
keepers speak JSON-RPC directly over one kept-alive HTTP session.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import aiohttp
import structlog

from keepers.errors import BadInput, ChainError, NodeRefused, Reverted
from keepers.reasons import reason_of

log = structlog.get_logger()

RETRIES: Final = 3
BACKOFF_S: Final = 0.2
BATCH: Final = 200
REVERT_CODE: Final = 3
REVERT_WORDS: Final = ("revert", "vm exception")

Block: TypeAlias = int | str
Json: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Head:
    """What a keeper needs of a block header."""

    number: int
    hash: str
    parent: str
    time: int
    base_fee: int
    quiet: bool = False  # the header's bloom says that the block holds no event at all


@dataclass(frozen=True, slots=True)
class Log:
    """An event as the node gave it, not decoded yet."""

    address: str  # lower case
    topics: tuple[str, ...]
    data: bytes
    block: int
    block_hash: str
    tx: str
    index: int
    removed: bool

    @property
    def key(self) -> tuple[str, int]:
        """Return what makes a log unique on one branch of the chain."""
        return self.block_hash, self.index


def number(value: str | int | None) -> int:
    """Return a JSON-RPC quantity as an int, 0 for null."""
    if value is None:
        return 0
    return value if isinstance(value, int) else int(value, 16)


def parse_head(raw: Mapping[str, Any]) -> Head:
    """Read a header of eth_getBlockBy… or a newHeads message."""
    return Head(
        number=number(raw["number"]),
        hash=str(raw["hash"]),
        parent=str(raw["parentHash"]),
        time=number(raw["timestamp"]),
        base_fee=number(raw.get("baseFeePerGas")),
        quiet=number(raw.get("logsBloom") or "0x1") == 0,
    )


def parse_log(raw: Mapping[str, Any]) -> Log:
    """Read one log of eth_getLogs, a receipt or a subscription."""
    return Log(
        address=str(raw["address"]).lower(),
        topics=tuple(str(topic) for topic in raw["topics"]),
        data=bytes.fromhex(str(raw["data"])[2:]),
        block=number(raw["blockNumber"]),
        block_hash=str(raw["blockHash"]),
        tx=str(raw["transactionHash"]),
        index=number(raw["logIndex"]),
        removed=bool(raw.get("removed", False)),
    )


def tag(block: Block) -> str:
    """Return a block number or name as JSON-RPC writes it."""
    return hex(block) if isinstance(block, int) else block


def refusal(error: Mapping[str, Any]) -> ChainError | Reverted:
    """Return the exception for a JSON-RPC error object."""
    message, code = str(error.get("message", "")), int(error.get("code", 0))
    data = error.get("data")
    if code == REVERT_CODE or any(word in message.lower() for word in REVERT_WORDS):
        return Reverted(reason_of(data if isinstance(data, str) else None, message))
    return NodeRefused(code, message)


class Rpc:
    """One node over HTTP, with optional others to fall back on for reads."""

    def __init__(self, url: str, *others: str, timeout_s: float = 10.0) -> None:
        """Remember the addresses; nothing is opened before the first request."""
        for each in (url, *others):
            if not each.startswith(("http://", "https://")):
                raise BadInput(
                    f"{each} is no HTTP address of a node", "give --rpc http://HOST:PORT"
                )
        self.urls = (url, *others)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._ids = count(1)

    async def __aenter__(self) -> Self:
        """Return the client; the session opens on first use."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the session."""
        await self.close()

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, url: str, body: Json) -> Json:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=32, ttl_dns_cache=300)
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                connector=connector,
                headers={"Content-Type": "application/json"},
            )
        async with self._session.post(url, data=json.dumps(body).encode()) as response:
            text = await response.read()
            if response.status != 200 and not text.startswith((b"{", b"[")):
                raise ChainError(f"the node at {url} answered HTTP {response.status}", "check it")
            return json.loads(text)

    async def _exchange(self, body: Json, retries: int = RETRIES) -> Json:
        """Post with the one retry policy: each attempt goes to the next node."""
        for attempt in range(retries + 1):
            url = self.urls[attempt % len(self.urls)]
            try:
                return await self._post(url, body)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, ChainError) as error:
                if attempt == retries:
                    raise ChainError(
                        f"the node at {url} does not answer ({type(error).__name__})",
                        "check that it runs, and --rpc",
                    ) from error
                log.info("rpc retry", url=url, attempt=attempt + 1, error=type(error).__name__)
                await asyncio.sleep(BACKOFF_S * 2**attempt)
        raise ChainError("no attempt was left")

    async def request(self, method: str, *params: Json, retries: int = RETRIES) -> Json:
        """Return the result of one request; raise what the node refused."""
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        answer = await self._exchange(body, retries)
        if not isinstance(answer, dict):
            raise ChainError("the node's answer is no JSON-RPC", "check --rpc")
        if "error" in answer:
            raise refusal(answer["error"])
        return answer.get("result")

    async def batch(self, requests: Sequence[tuple[str, Sequence[Json]]]) -> list[Json]:
        """Return the results in order; a refused one is its exception, not raised."""
        results: list[Json] = []
        for start in range(0, len(requests), BATCH):
            results += await self._batch(requests[start : start + BATCH])
        return results

    async def _batch(self, requests: Sequence[tuple[str, Sequence[Json]]]) -> list[Json]:
        body = [
            {"jsonrpc": "2.0", "id": position, "method": method, "params": list(params)}
            for position, (method, params) in enumerate(requests)
        ]
        answers = await self._exchange(body)
        if not isinstance(answers, list) or len(answers) != len(body):
            raise ChainError("the node does not answer batches", "use a node that does")
        ordered = sorted(answers, key=lambda answer: int(answer["id"]))
        return [
            refusal(answer["error"]) if "error" in answer else answer["result"]
            for answer in ordered
        ]

    async def call(
        self, to: str, data: bytes, block: Block = "latest", sender: str | None = None
    ) -> bytes:
        """Return what a contract answers at a block; raise Reverted with its reason."""
        return as_bytes(await self.request("eth_call", call_object(to, data, sender), tag(block)))

    async def calls(
        self, calls: Sequence[tuple[str, bytes]], block: Block = "latest", sender: str | None = None
    ) -> list[bytes | Exception]:
        """Return many answers at one block; a reverted call is its exception, not raised."""
        requests = [("eth_call", (call_object(to, data, sender), tag(block))) for to, data in calls]
        answers = await self.batch(requests)
        return [each if isinstance(each, Exception) else as_bytes(each) for each in answers]

    async def chain_id(self) -> int:
        """Return the chain id."""
        return number(await self.request("eth_chainId"))

    async def head(self, block: Block = "latest") -> Head:
        """Return a block's header."""
        raw = await self.request("eth_getBlockByNumber", tag(block), False)
        if raw is None:
            raise ChainError(f"the node has no block {block}", "ask for a block that exists")
        return parse_head(raw)

    async def logs(
        self, addresses: Sequence[str], first: int, last: int, topics: Sequence[str] = ()
    ) -> list[Log]:
        """Return the events of these contracts in a range of blocks, in order."""
        query: dict[str, Json] = {
            "address": list(addresses),
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        if topics:
            query["topics"] = [list(topics)]
        return [parse_log(raw) for raw in await self.request("eth_getLogs", query)]

    async def logs_of(self, block_hash: str, addresses: Sequence[str]) -> list[Log]:
        """Return the events of these contracts in one block, named by its hash."""
        query = {"address": list(addresses), "blockHash": block_hash}
        return [parse_log(raw) for raw in await self.request("eth_getLogs", query)]

    async def pending_calls(self, to: str) -> list[tuple[str, bytes]]:
        """Return sender (lower case) and calldata of what waits for a contract, as far as known."""
        try:
            raw = await self.request("eth_getBlockByNumber", "pending", True)
        except NodeRefused:
            return []  # a node that builds no pending block
        found = (raw or {}).get("transactions", [])
        return [
            (str(each["from"]).lower(), bytes.fromhex(str(each["input"])[2:]))
            for each in found
            if isinstance(each, dict) and str(each.get("to")).lower() == to.lower()
        ]

    async def nonce(self, address: str, block: Block = "pending") -> int:
        """Return the next nonce of an address."""
        return number(await self.request("eth_getTransactionCount", address, tag(block)))

    async def receipt(self, tx: str) -> Mapping[str, Any] | None:
        """Return a receipt, None while the transaction is in no block."""
        found = await self.request("eth_getTransactionReceipt", tx)
        return found if isinstance(found, dict) else None

    async def send_raw(self, raw: bytes) -> str:
        """Hand a signed transaction to the node; no blind retry."""
        return str(await self.request("eth_sendRawTransaction", "0x" + raw.hex(), retries=0))


def call_object(to: str, data: bytes, sender: str | None = None) -> dict[str, str]:
    """Return the first parameter of eth_call."""
    made = {"to": to, "data": "0x" + data.hex()}
    return made if sender is None else {**made, "from": sender}


def as_bytes(value: object) -> bytes:
    """Return a hex answer as bytes."""
    if not isinstance(value, str):
        raise ChainError("the node answered a call with nothing", "check that it is in sync")
    return bytes.fromhex(value[2:])
