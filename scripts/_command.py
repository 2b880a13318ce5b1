"""The options that the Ape scripts share, and how they speak."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import click
from ape import accounts
from ape.api import AccountAPI, ProviderAPI
from ape.cli import ConnectedProviderCommand, network_option

from scripts.deployment import params
from scripts.deployment.ape_executor import ApeExecutor
from scripts.deployment.command import open_site
from scripts.deployment.errors import DeploymentError
from scripts.deployment.record import path_of
from scripts.deployment.runner import Site

OPTIONS = (
    click.option("--params", "name", default="local", help="a file of scripts/params"),
    click.option("--account", default=None, help="alias of an Ape account; a test one otherwise"),
    click.option("--file", "path", default=None, type=Path, help="the deployment file"),
    click.option("--fresh", is_flag=True, help="forget the deployment file and begin again"),
    click.option("--dry-run", is_flag=True, help="check, show steps and gas, send nothing"),
)


def script(act: Callable[[Site, bool], None]) -> click.Command:
    """Turn a function of (site, dry_run) into an Ape script."""

    def run(
        provider: ProviderAPI,
        name: str,
        account: str | None,
        path: Path | None,
        fresh: bool,
        dry_run: bool,
        **_: object,
    ) -> None:
        try:
            act(_site(provider, name, account, path, fresh), dry_run)
        except DeploymentError as error:
            raise click.ClickException(str(error)) from error

    decorated: Callable[..., None] = network_option()(run)
    for option in OPTIONS:
        decorated = option(decorated)
    command = click.command(cls=ConnectedProviderCommand, help=act.__doc__)
    return cast("click.Command", command(decorated))  # type: ignore[no-untyped-call]


def _site(
    provider: ProviderAPI, name: str, account: str | None, path: Path | None, fresh: bool
) -> Site:
    sender: AccountAPI = accounts.load(account) if account else accounts.test_accounts[0]
    executor = ApeExecutor(sender, provider)
    parameters = params.load(name)
    return open_site(executor, parameters, path or path_of(executor.chain_id()), fresh)
