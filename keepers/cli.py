"""`plimsoll`: the keepers' commands. Failures are one sentence: exit 2 for input, else 1."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import NoReturn

import typer
from typer._click.exceptions import ClickException
from typer.exceptions import Abort, Exit, TyperException

from keepers.commands import (
    absent,
    accounts,
    backtest,
    bids,
    books,
    bots,
    expire,
    guardian,
    keys,
    lp,
    margin,
    orders,
    user,
)
from keepers.commands.options import configure_logging
from keepers.errors import KeeperError

LAB = "keepers.lab.cli"
CHECKS = "scripts.deployment.checks"
# commands that are watched: they log
RUN = {"publish", "execute", "liquidate", "expire", "demo", "replay"}


def build() -> typer.Typer:
    """Put the groups of commands together; some work in a checkout alone."""
    app = typer.Typer(
        name="plimsoll",
        help="On-chain cross margin: publish prices, execute orders, liquidate, read the books.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.add_typer(bots.app)
    app.add_typer(expire.app)
    app.add_typer(books.app)
    app.add_typer(user.app)
    app.add_typer(accounts.app)
    app.add_typer(accounts.isolate_app, name="isolate")
    app.add_typer(accounts.operator_app, name="operator")
    app.add_typer(orders.app, name="order")
    app.add_typer(orders.rfq_app, name="rfq")
    app.add_typer(bids.app, name="bid")
    app.add_typer(margin.app)
    app.add_typer(lp.app, name="lp")
    app.add_typer(guardian.app, name="guardian")
    app.add_typer(keys.app, name="key")
    app.add_typer(backtest.app)
    here = importlib.util.find_spec("keepers.lab") is not None
    for name in (LAB, CHECKS) if here else ():
        app.add_typer(importlib.import_module(name).app)
    if not here:
        app.add_typer(absent.app)
    return app


def main() -> NoReturn:
    """Run a command and end with its exit code."""
    configure_logging("info" if set(sys.argv[1:2]) & RUN else "warning")
    try:
        code = build()(sys.argv[1:] or ["--help"], standalone_mode=False)
    except KeeperError as error:
        fail(str(error), error.exit_code)
    except Exit as error:
        sys.exit(error.exit_code)
    except (Abort, KeyboardInterrupt):
        fail("stopped.", 1)
    except TyperException as error:
        said = error.format_message() if isinstance(error, ClickException) else str(error)
        fail(f"{said.rstrip('.')}; see plimsoll --help.", 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("PLIMSOLL_DEBUG"):
            raise
        kind = type(error).__name__
        fail(f"a defect: {kind} ({error!s:.120}); set PLIMSOLL_DEBUG=1 and report the trace.", 1)
    sys.exit(code if isinstance(code, int) else 0)


def fail(sentence: str, code: int) -> NoReturn:
    """Say what happened and end."""
    print(f"plimsoll: {sentence}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
