"""The options that several commands share, and how a command runs."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import sys
import typing
from collections.abc import Callable, Coroutine
from dataclasses import is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import structlog
import typer

from keepers.bots.runtime import first_failure

T = TypeVar("T")

Rpc = Annotated[
    str | None,
    typer.Option("--rpc", help="HTTP address of a node.", show_default="http://127.0.0.1:8545"),
]
Fallback = Annotated[
    str | None,
    typer.Option("--rpc-fallback", help="Other nodes for reads, separated by commas."),
]
Ws = Annotated[
    str | None,
    typer.Option("--ws", help="WebSocket address of the node.", show_default="as --rpc"),
]
DeploymentFile = Annotated[
    Path | None,
    typer.Option("--deployment", help="Deployment file.", show_default="deployments/<chain>.json"),
]
Key = Annotated[
    str | None,
    typer.Option("--key", help="Encrypted keystore, or test:N on chain 31337."),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="Its first line opens the keystore."),
]
StoreFile = Annotated[
    Path | None,
    typer.Option("--store", help="SQLite file of the keeper's own book.", show_default="memory"),
]
Host = Annotated[
    str | None,
    typer.Option("--host", help="Address to serve HTTP on.", show_default="127.0.0.1"),
]
Port = Annotated[
    int | None,
    typer.Option("--port", help="Port for metrics, health and reports.", show_default="none"),
]
FeeCap = Annotated[
    int | None,
    typer.Option("--fee-cap-gwei", help="Most that is paid per gas.", show_default="500"),
]
Tip = Annotated[
    float | None,
    typer.Option("--tip-gwei", help="Tip per gas.", show_default="1"),
]
Stuck = Annotated[
    float | None,
    typer.Option("--stuck-s", help="Replace a transaction after this.", show_default="15"),
]
Watchdog = Annotated[
    float | None,
    typer.Option("--watchdog-s", help="Look over HTTP after such a silence.", show_default="15"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Peers = Annotated[
    list[str] | None,
    typer.Option("--peer", help="HTTP address of a publisher; repeat for each."),
]


def joined(
    act: Callable[..., Any],
    shared: Callable[..., None],
    run: Callable[[dict[str, Any], dict[str, Any]], None],
) -> Callable[..., None]:
    """Return a command that shows the shared options behind the own ones of an action.

    Args:
        act: whose arguments behind the first are its own, and whose docstring is the help; the
            fields of an argument that is a dataclass are options each.
        shared: whose arguments are the shared options.
        run: called with what was given for the action's own arguments, and for the shared ones.
    """
    own = _parameters(act)[1:]
    both = [*(field for each in own for field in _fields(each)), *_parameters(shared)]

    @wraps(act)
    def command(**given: Any) -> None:
        mine = {each.name: _value(each, given) for each in own}
        run(mine, given)

    command.__signature__ = inspect.Signature(both)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in both}
    return command


def _record(each: inspect.Parameter) -> type | None:
    """Return the dataclass that an argument is, None for a plain option."""
    kind = each.annotation
    return kind if isinstance(kind, type) and is_dataclass(kind) else None


def _fields(each: inspect.Parameter) -> list[inspect.Parameter]:
    record = _record(each)
    return [each] if record is None else _parameters(record)


def _value(each: inspect.Parameter, given: dict[str, Any]) -> Any:
    values = {field.name: given.pop(field.name) for field in _fields(each)}
    record = _record(each)
    return values[each.name] if record is None else record(**values)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(function, include_extras=True)
    return [
        each.replace(annotation=hints[each.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for each in inspect.signature(function).parameters.values()
    ]


def run(job: Coroutine[Any, Any, T]) -> T:
    """Run a job to its end; of several failures the first one is raised."""
    try:
        return asyncio.run(job)
    except BaseExceptionGroup as group:
        raise first_failure(group) from None


def configure_logging(default: str = "info") -> None:
    """Write one line per event to stderr: for people on a terminal, JSON elsewhere."""
    level = os.environ.get("PLIMSOLL_LOG", default).upper()
    renderer: Any = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level, logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
