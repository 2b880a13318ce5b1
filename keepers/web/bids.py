"""Makers' signed orders that a keeper may bring: out of folders of files, or from an HTTP address.

A source says all of its orders each time, one signed line each (`plimsoll order sign`, `bid sign`);
what it leaves out counts no more. What is malformed, unsigned, late or no bid is left out, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import aiohttp
import structlog

from keepers.chain.rpc import Rpc
from keepers.chain.signer import signer_of
from keepers.domain import closes
from keepers.domain.exchange_orders import SignedOrder, line, order_digest, read
from keepers.errors import BadInput, KeeperError
from keepers.web.metrics import Metrics

log = structlog.get_logger()

HTTP: Final = ("http://", "https://")
TIMEOUT_S: Final = 2.0
MOST_BYTES: Final = 4_000_000  # of a source
MOST_ORDERS: Final = 5_000  # of a source
MALFORMED: Final = "exchange: bad order"
UNSIGNED: Final = "exchange: bad signature"


class BidBook:
    """The orders of every source that one deployment's Exchange may take."""

    def __init__(
        self, rpc: Rpc, chain_id: int, exchange: str, now: Callable[[], int], metrics: Metrics
    ) -> None:
        """Hold orders for this Exchange; `now` says chain time."""
        self._rpc = rpc
        self._domain = (chain_id, exchange)
        self._now = now
        self._metrics = metrics
        self._by_source: dict[str, dict[bytes, SignedOrder]] = {}
        self._refused: dict[str, set[str]] = {}  # lines by source, each judged and said once
        self._read: dict[str, tuple[bytes, SignedOrder]] = {}  # what lines say that were kept
        self._wallets: dict[int, bool] = {}  # owners, and whether they are contracts

    @property
    def orders(self) -> list[SignedOrder]:
        """Return every order that is not over, each once."""
        now = self._now()
        found = {id_: each for kept in self._by_source.values() for id_, each in kept.items()}
        return [each for each in found.values() if now <= each.order.deadline]

    def text(self) -> str:
        """Return them as a source says them."""
        return "".join(f"{line(each)}\n" for each in self.orders)

    async def offer(self, source: str, text: str) -> bool:
        """Take what a source says now in place of what it said before; return whether it is new."""
        lines = [each for each in text.splitlines() if each.strip()][:MOST_ORDERS]
        before = self._by_source.get(source, {})
        refused = self._refused.setdefault(source, set())
        refused &= set(lines)
        kept: dict[bytes, SignedOrder] = {}
        for each in lines:
            if each in refused:
                continue
            reason = None if each in self._read else await self._judge(each)
            if reason is None:
                digest, given = self._read[each]
                kept[digest] = given
                continue
            refused.add(each)
            self._metrics.bids_refused.labels(reason).inc()
            log.info("bid left out", source=source, why=reason)
        self._by_source[source] = kept
        said = {digest for found in self._by_source.values() for digest in found}
        self._read = {each: found for each, found in self._read.items() if found[0] in said}
        self._metrics.bids.set(len(self.orders))
        return bool(kept.keys() - before.keys())

    async def _judge(self, text: str) -> str | None:
        """Note what a line says; return why it is no bid."""
        try:
            given = read(text)
        except BadInput:
            return MALFORMED
        reason = closes.unfit(given.order, self._now())
        if reason is not None:
            return reason
        digest = order_digest(given.order, *self._domain)
        owner = given.order.account >> 96
        if signer_of(given.signature, digest) != owner and not await self._is_wallet(owner):
            return UNSIGNED
        self._read[text] = digest, given
        return None

    async def _is_wallet(self, owner: int) -> bool:
        """Return whether an owner is a contract, which the chain asks for its signature."""
        if owner not in self._wallets:
            code = await self._rpc.request("eth_getCode", f"0x{owner:040x}", "latest")
            self._wallets[owner] = len(str(code)) > len("0x")
        return self._wallets[owner]


# ---- sources


def require(source: str) -> None:
    """Refuse a source that is no HTTP address and no folder."""
    if not source.startswith(HTTP) and not Path(source).is_dir():
        raise BadInput(
            f"there is no folder {source} of bids", "make it, or give --bids http://HOST:PORT"
        )


async def follow(
    source: str, book: BidBook, metrics: Metrics, every_s: float, changed: Callable[[], None]
) -> None:
    """Read a source again and again; one that does not answer keeps what it said last.

    Args:
        source: a folder, or an HTTP address whose `/bids` is asked.
        book: where its orders go.
        metrics: where failures are counted.
        every_s: between two looks.
        changed: called when there is a new order.
    """
    absent = False
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            try:
                if await book.offer(source, await _said(source, session)):
                    changed()
                absent = False
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeeperError) as error:
                metrics.failures.labels("bids").inc()
                if not absent:
                    log.warning("no bids", source=source, error=type(error).__name__)
                absent = True
            await asyncio.sleep(every_s)


async def _said(source: str, session: aiohttp.ClientSession) -> str:
    if not source.startswith(HTTP):
        return await asyncio.to_thread(lambda: "\n".join(_files(Path(source))))
    async with session.get(source.rstrip("/") + "/bids") as response:
        response.raise_for_status()
        raw = b""
        async for part in response.content.iter_chunked(65_536):
            raw += part
            if len(raw) > MOST_BYTES:
                raise BadInput(f"{source} says more than {MOST_BYTES} bytes")
    return raw.decode()


def _files(folder: Path) -> Iterator[str]:
    """Yield the text of every file in a folder, hidden ones apart."""
    left = MOST_BYTES
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        left -= path.stat().st_size
        if left < 0:
            raise BadInput(f"{folder} holds more than {MOST_BYTES} bytes")
        yield path.read_text(encoding="utf-8")
