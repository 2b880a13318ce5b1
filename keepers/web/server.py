"""What a keeper answers over HTTP: reports, metrics, health, readiness."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

import uvicorn
from fastapi import FastAPI, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse

from keepers.errors import BadInput
from keepers.web.board import Board
from keepers.web.cosigned import Proposals
from keepers.web.metrics import Metrics

MAX_WAIT_S: Final = 10.0
LIFE_S: Final = 5.0  # a stream says at least this often that it is alive


def application(
    metrics: Metrics,
    ready: Callable[[], str],
    board: Board | None = None,
    proposals: Proposals | None = None,
    bids: Callable[[], str] | None = None,
) -> FastAPI:
    """Build the server's routes.

    Args:
        metrics: what /metrics shows.
        ready: returns why the keeper is not ready, nothing when it is.
        board: reports to serve; publishers only.
        proposals: surfaces to serve; publishers that sign them.
        bids: returns the makers' orders to serve, a line each; liquidators that read some.
    """
    app = FastAPI(title="Plimsoll keeper", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/metrics")
    async def metrics_() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    async def readiness(response: Response) -> dict[str, str]:
        why_not = ready()
        if why_not:
            response.status_code = 503
        return {"status": why_not or "ready"}

    if board is not None:
        _serve_reports(app, board)
    if proposals is not None:

        @app.get("/surfaces")
        async def surfaces() -> JSONResponse:
            return JSONResponse(proposals.as_json())

    if bids is not None:

        @app.get("/bids")
        async def bids_() -> Response:
            return Response(bids(), media_type="application/x-ndjson")

    return app


def _serve_reports(app: FastAPI, board: Board) -> None:
    @app.get("/reports")
    async def reports(
        after: int = -1,
        wait: float = Query(0.0, ge=0.0, le=MAX_WAIT_S),
        signer: int | None = None,
        own: bool = False,
    ) -> JSONResponse:
        if wait:
            await board.changed(after, wait, own=own)
        return JSONResponse(board.own_json(after) if own else board.as_json(signer, after))

    @app.get("/reports/stream")
    async def stream(after: int = -1, own: bool = False) -> StreamingResponse:
        return StreamingResponse(_changes(board, after, own), media_type="application/x-ndjson")


async def _changes(board: Board, after: int, own: bool) -> AsyncIterator[bytes]:
    """Yield one line of JSON whenever something is new, and one now and then without any."""
    while True:
        answer = board.own_json(after) if own else board.as_json(None, after)
        yield json.dumps(answer, separators=(",", ":")).encode() + b"\n"
        after = int(answer["version"])
        await board.changed(after, LIFE_S, own=own)


class _Server(uvicorn.Server):
    """Leaves signals to the command."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until cancelled; a port that is taken is said in a sentence."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        what = f"{host}:{port} cannot be served ({error.strerror})"
        raise BadInput(what, "choose another --port") from error
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", loop="asyncio")
    server = _Server(config)
    try:
        await server.serve(sockets=[listener])
    finally:
        server.should_exit = True
        listener.close()
