"""The options that the Ape scripts share, and how they speak."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from ape import accounts
from ape.api import AccountAPI, ProviderAPI
from ape.cli import ConnectedProviderCommand, network_option
from ape.exceptions import ApeException
from web3.exceptions import Web3Exception

from scripts.deployment import params
from scripts.deployment.ape_executor import ApeExecutor
from scripts.deployment.command import open_site
from scripts.deployment.errors import DeploymentError
from scripts.deployment.ranges import TEST_CHAINS
from scripts.deployment.record import path_of
from scripts.deployment.runner import Site

OPTIONS = (
    click.option("--params", "name", default="local", help="a file of scripts/params"),
    click.option("--account", default=None, help="alias of an Ape account; a test one otherwise"),
    click.option("--file", "path", default=None, type=Path, help="the deployment file"),
    click.option("--fresh", is_flag=True, help="forget the deployment file and begin again"),
    click.option("--dry-run", is_flag=True, help="check, show steps and gas, send nothing"),
)


Act = Callable[[Site, bool], None]


class Script(ConnectedProviderCommand):  # type: ignore[misc]
    """An Ape command whose failures, that of the connection too, are one sentence."""

    def invoke(self, ctx: click.Context) -> object:
        """Connect and run."""
        try:
            return super().invoke(ctx)
        except (DeploymentError, ApeException) as error:
            raise click.ClickException(" ".join(str(error).split())) from error
        except (OSError, Web3Exception) as error:
            said = "the node does not answer any more; run this again when it does"
            raise click.ClickException(f"{said} ({type(error).__name__})") from error


def script(sends: bool) -> Callable[[Act], click.Command]:
    """Turn a function of (site, dry_run) into an Ape script, which may send transactions."""
    return lambda act: _script(act, sends)


def _script(act: Act, sends: bool) -> click.Command:
    def run(
        provider: ProviderAPI,
        name: str,
        account: str | None,
        path: Path | None,
        fresh: bool,
        dry_run: bool,
        **_: object,
    ) -> None:
        signs = sends and not dry_run
        executor = ApeExecutor(_account(account, provider.chain_id, signs), provider)
        path = path or path_of(executor.chain_id())
        act(open_site(executor, params.load(name), path, fresh), dry_run)

    decorated: Callable[..., None] = network_option()(run)
    for option in OPTIONS:
        decorated = option(decorated)
    return click.command(cls=Script, help=act.__doc__)(decorated)


def _account(alias: str | None, chain_id: int, signs: bool) -> AccountAPI:
    if alias is None:
        if signs and chain_id not in TEST_CHAINS:
            raise DeploymentError("the test account is for test chains; give one with --account")
        return accounts.test_accounts[0]
    if alias not in accounts.aliases:
        known = ", ".join(accounts.aliases) or "none; make one with `ape accounts import`"
        raise DeploymentError(f"Ape has no account {alias}; there are {known}")
    chosen = accounts.load(alias)
    if signs:
        # one passphrase, instead of a question for each of some fifty transactions
        chosen.set_autosign(True)
    return chosen
