"""Use an account through Ape: `ape run account trade buy 1 ETH-PERP --network …`.

The commands, their options and what they print are those of `plimsoll`; Ape's provider is the node
and one of Ape's accounts signs.
"""

from __future__ import annotations

from collections.abc import Callable

import click
import typer
from ape.api import AccountAPI, ProviderAPI
from ape.cli import network_option
from typer.exceptions import Exit, TyperException

from keepers.commands import accounts, bids, lp, margin, orders, user
from keepers.commands.session import OPENER
from keepers.errors import KeeperError
from scripts._command import Script, account_of
from scripts._user import ApeOpener, words


def act(provider: ProviderAPI, sender: AccountAPI, texts: tuple[str, ...]) -> None:
    """Run one of the user's commands on Ape's connection."""
    app = typer.Typer(add_completion=False, help=__doc__, rich_markup_mode=None)
    app.add_typer(user.app)
    app.add_typer(accounts.app)
    app.add_typer(accounts.isolate_app, name="isolate")
    app.add_typer(accounts.operator_app, name="operator")
    app.add_typer(orders.app, name="order")
    app.add_typer(orders.rfq_app, name="rfq")
    app.add_typer(bids.app, name="bid")
    app.add_typer(margin.app)
    app.add_typer(lp.app, name="lp")
    before = OPENER.set(ApeOpener(sender, provider))
    try:
        app(words(texts), standalone_mode=False, prog_name="ape run account")
    except Exit:
        return
    except (KeeperError, TyperException) as error:
        raise click.ClickException(str(error)) from error
    finally:
        OPENER.reset(before)


def _run(provider: ProviderAPI, alias: str | None, texts: tuple[str, ...], **_: object) -> None:
    signs = "--dry-run" not in texts and "--help" not in texts
    act(provider, account_of(alias, provider.chain_id, signs), texts)


_OPTIONS: tuple[Callable[..., Callable[..., None]], ...] = (
    click.argument("texts", nargs=-1, type=click.UNPROCESSED),
    click.option("--alias", default=None, help="alias of an Ape account; a test one otherwise"),
    network_option(),
)
_decorated: Callable[..., None] = _run
for _option in _OPTIONS:
    _decorated = _option(_decorated)
# Without a --help of its own: that is the commands'.
cli = click.command(
    "account",
    cls=Script,
    help=__doc__,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
)(_decorated)
