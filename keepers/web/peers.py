"""Other publishers' reports over HTTP: one open stream per peer."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

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


def parsed(line: bytes) -> Any:
    """Return what a line of a peer's stream holds, sound or not."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput("a peer sent a line that is no JSON") from error


async def follow(peer: str, board: Board, metrics: Metrics, *, own: bool = False) -> None:
    """Keep the board up to date with one peer; an absent peer is asked again and again.

    Args:
        peer: its HTTP address.
        board: where its reports go.
        metrics: where failures are counted.
        own: ask for the peer's own reports alone; for those who follow every publisher.
    """
    url, delay, absent = reports_url(peer) + "/stream", RETRY_S, False
    timeout = aiohttp.ClientTimeout(total=None, connect=2.0, sock_read=2 * WAIT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            try:
                async with session.get(url, params={"own": str(int(own))}) as response:
                    response.raise_for_status()
                    async for line in response.content:
                        board.merge(parsed(line))
                        delay, absent = RETRY_S, False
                        metrics.reports.labels("peer").inc()
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, BadInput) as error:
                if not absent:
                    log.warning("peer is absent", peer=peer, error=type(error).__name__)
                metrics.failures.labels("peer").inc()
                absent = True
            # Also after a stream that ended in order: the peer has stopped.
            await asyncio.sleep(delay)
            delay = min(RETRY_MAX_S, 2 * delay)
