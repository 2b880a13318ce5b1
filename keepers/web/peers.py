"""Other publishers' reports over HTTP: one patient request per peer at a time."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp
import structlog

from keepers.errors import BadInput
from keepers.web.board import Board
from keepers.web.metrics import Metrics

log = structlog.get_logger()

WAIT_S: Final = 5.0
RETRY_S: Final = 0.5
RETRY_MAX_S: Final = 5.0


def reports_url(peer: str) -> str:
    """Return where a peer serves its reports."""
    if not peer.startswith(("http://", "https://")):
        raise BadInput(f"{peer} is no HTTP address of a peer", "give --peer http://HOST:PORT")
    return peer.rstrip("/") + "/reports"


async def follow(peer: str, board: Board, metrics: Metrics) -> None:
    """Keep the board up to date with one peer; an absent peer is asked again and again."""
    url, after, delay, absent = reports_url(peer), 0, RETRY_S, False
    timeout = aiohttp.ClientTimeout(total=2 * WAIT_S, connect=2.0)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            query = {"after": str(after), "wait": str(WAIT_S)}
            try:
                async with session.get(url, params=query) as response:
                    response.raise_for_status()
                    version = board.merge(await response.json())
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, BadInput) as error:
                if not absent:
                    log.warning("peer is absent", peer=peer, error=type(error).__name__)
                metrics.failures.labels("peer").inc()
                after, absent = 0, True
                await asyncio.sleep(delay)
                delay = min(RETRY_MAX_S, 2 * delay)
                continue
            # A peer that started again counts from zero.
            after, delay, absent = version, RETRY_S, False
            metrics.reports.labels("peer").inc()
