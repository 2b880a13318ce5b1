"""The chain's time and its blocks, both driven: a block is mined when the driver says so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from keepers.chain.rpc import Rpc, number
from keepers.chain.signer import Signer
from keepers.chain.transactions import Draft, Fees, sign
from keepers.errors import ChainError

FEES: Final = Fees(max_fee=10 * 10**9, tip=10**9)


class Clock:
    """Mines blocks at chosen times and knows what waits to be included."""

    def __init__(self, rpc: Rpc, ws: str) -> None:
        """Drive one node."""
        self.rpc = rpc
        self.now = 0
        self.block = 0
        self._ws_url = ws
        self._ws: ClientConnection | None = None
        self._listener: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._last = 0.0
        self._hashes: list[str] = []  # what arrived since the last block

    async def __aenter__(self) -> Self:
        """Take over mining, and subscribe to what arrives in the pool."""
        await self.rpc.request("evm_setAutomine", False)
        await self.rpc.request("evm_setIntervalMining", 0)
        head = await self.rpc.head()
        self.now, self.block = head.time, head.number
        self._ws = await connect(self._ws_url, max_size=2**24)
        body = {"id": 1, "method": "eth_subscribe", "params": ["newPendingTransactions"]}
        await self._ws.send(json.dumps({"jsonrpc": "2.0", **body}))
        self._listener = asyncio.create_task(self._listen(self._ws))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the node mine by itself again."""
        if self._listener is not None:
            self._listener.cancel()
        if self._ws is not None:
            with contextlib.suppress(WebSocketException):
                await self._ws.close()
        with contextlib.suppress(ChainError):
            await self.rpc.request("evm_setAutomine", True, retries=0)

    async def _listen(self, ws: ClientConnection) -> None:
        with contextlib.suppress(WebSocketException):
            async for message in ws:
                said = json.loads(message).get("params")
                if said is not None:
                    self._hashes.append(str(said["result"]))
                    self._last = time.perf_counter()
                    self._arrived.set()

    async def mine(self, at: int) -> int:
        """Mine one block with this time, or the last block's when that is later; its number."""
        self.now = max(self.now, at)
        self._arrived.clear()
        self._hashes.clear()
        await self.rpc.request("evm_mine", {"timestamp": self.now, "blocks": 1})
        self.block += 1
        return self.block

    async def arrival(self, patience_s: float) -> bool:
        """Wait until a transaction has arrived since the last block; whether one did."""
        try:
            async with asyncio.timeout(patience_s):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    async def quiet(self, gap_s: float, patience_s: float) -> None:
        """Wait until nothing has arrived for a while."""
        end = time.perf_counter() + patience_s
        while True:
            left = self._last + gap_s - time.perf_counter()
            if left <= 0 or time.perf_counter() > end:
                return
            await asyncio.sleep(left)

    async def inputs(self, to: str) -> list[bytes]:
        """Return the calldata of what arrived for a contract since it was last asked for."""
        self._arrived.clear()
        hashes, self._hashes = self._hashes, []
        requests = [("eth_getTransactionByHash", (each,)) for each in hashes]
        answers = await self.rpc.batch(requests)
        return [
            bytes.fromhex(str(answer["input"])[2:])
            for answer in answers
            if isinstance(answer, dict) and str(answer.get("to")).lower() == to.lower()
        ]

    async def waiting(self) -> int:
        """Return how many transactions could be included now."""
        status = await self.rpc.request("txpool_status")
        return number(status["pending"])

    async def drain(self, at: int) -> None:
        """Mine until nothing waits."""
        while await self.waiting():
            await self.mine(at)


class Desk:
    """Sends for many keys at once; the nonces are counted here."""

    def __init__(self, rpc: Rpc, chain_id: int) -> None:
        """Know no key yet."""
        self.rpc = rpc
        self.chain_id = chain_id
        self._nonces: dict[str, int] = {}

    async def send(self, letters: Sequence[tuple[Signer, Draft]]) -> list[str]:
        """Hand over many transactions in order; raise the first refusal."""
        for signer in {signer.address: signer for signer, _ in letters}.values():
            if signer.address not in self._nonces:
                self._nonces[signer.address] = await self.rpc.nonce(signer.address)
        requests = []
        for signer, draft in letters:
            nonce = self._nonces[signer.address]
            self._nonces[signer.address] = nonce + 1
            signed = sign(draft, nonce, FEES, self.chain_id, signer)
            requests.append(("eth_sendRawTransaction", ("0x" + signed.raw.hex(),)))
        answers = await self.rpc.batch(requests)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [str(answer) for answer in answers]

    async def endow(self, addresses: Sequence[str], wei: int) -> None:
        """Give native coin to addresses: a test node's privilege."""
        requests = [("anvil_setBalance", (address, hex(wei))) for address in addresses]
        for answer in await self.rpc.batch(requests):
            if isinstance(answer, Exception):
                raise answer

    async def failed(self, hashes: Sequence[str]) -> list[str]:
        """Return which of these did not succeed."""
        answers = await self.rpc.batch([("eth_getTransactionReceipt", (each,)) for each in hashes])
        return [
            hash_
            for hash_, answer in zip(hashes, answers, strict=True)
            if not isinstance(answer, dict) or number(answer.get("status")) != 1
        ]
