"""The options that the Ape scripts share, and how they speak."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
from ape import accounts
from ape.api import AccountAPI, ProviderAPI
from ape.cli import ConnectedProviderCommand, network_option
from ape.exceptions import ApeException, ProviderError
from eth_account import Account
from web3.exceptions import Web3RPCError

from keepers.chain.signer import address_in, load_secret
from keepers.errors import KeeperError
from scripts.deployment import params
from scripts.deployment.ape_executor import ApeExecutor
from scripts.deployment.command import open_site
from scripts.deployment.errors import DeploymentError, file_failure
from scripts.deployment.executor import Executor
from scripts.deployment.ranges import TEST_CHAINS
from scripts.deployment.record import path_of
from scripts.deployment.runner import Site
from scripts.deployment.web3_executor import NODE_FAILURES, Web3Executor

NO_NODE = "start it, or give another with --network"

OPTIONS = (
    click.option("--params", "name", default="local", help="a file of scripts/params"),
    click.option(
        "--account",
        default=None,
        help="alias of an Ape account, or path of an encrypted keystore; a test one otherwise",
    ),
    click.option(
        "--password-file", default=None, type=Path, help="its first line opens the keystore"
    ),
    click.option("--file", "path", default=None, type=Path, help="the deployment file"),
    click.option("--fresh", is_flag=True, help="forget the deployment file and begin again"),
    click.option(
        "--mocks",
        is_flag=True,
        help="tokens with a faucet and fixed feeds where the file names none",
    ),
    click.option("--dry-run", is_flag=True, help="check, show steps and gas, send nothing"),
    click.option("--yes", is_flag=True, help="send without a question"),
)


@dataclass(frozen=True, slots=True)
class Mode:
    """Whether to send, and whether to ask before."""

    dry_run: bool
    yes: bool = False

    def agree(self, question: str) -> bool:
        """Return whether the person at the terminal agrees to what will be sent."""
        if self.yes:
            return True
        return sys.stdin.isatty() and click.confirm(question)


Act = Callable[[Site, Mode], None]


class Script(ConnectedProviderCommand):  # type: ignore[misc]
    """An Ape command whose failures, that of the connection too, are one sentence."""

    def invoke(self, ctx: click.Context) -> object:
        """Connect and run."""
        try:
            return super().invoke(ctx)
        except (DeploymentError, ApeException, KeeperError) as error:
            said = " ".join(str(error).split())
            if isinstance(error, ProviderError) and "node found" in said:
                said = f"{said.rstrip('.')}; {NO_NODE}"
            raise click.ClickException(said) from error
        except Web3RPCError as error:
            raise click.ClickException(f"the node refused: {error.message}") from error
        except NODE_FAILURES as error:
            said = "the node does not answer any more; run this again when it does"
            raise click.ClickException(f"{said} ({type(error).__name__})") from error
        except OSError as error:
            raise click.ClickException(file_failure(error)) from error


def script(sends: bool) -> Callable[[Act], click.Command]:
    """Turn a function of (site, mode) into an Ape script, which may send transactions."""
    return lambda act: _script(act, sends)


def _script(act: Act, sends: bool) -> click.Command:
    def run(
        provider: ProviderAPI,
        name: str,
        account: str | None,
        password_file: Path | None,
        path: Path | None,
        fresh: bool,
        mocks: bool,
        dry_run: bool,
        yes: bool,
        **_: object,
    ) -> None:
        signs = sends and not dry_run
        chosen = executor(provider, account, password_file, signs)
        path = path or path_of(chosen.chain_id())
        mode = Mode(dry_run, yes or chosen.chain_id() in TEST_CHAINS)
        act(open_site(chosen, params.load(name), path, fresh, mocks), mode)

    decorated: Callable[..., None] = network_option()(run)
    for option in OPTIONS:
        decorated = option(decorated)
    return click.command(cls=Script, help=act.__doc__)(decorated)


def executor(
    provider: ProviderAPI, account: str | None, password_file: Path | None, signs: bool
) -> Executor:
    """Return who sends: an account of Ape's, or a keystore's key through Ape's node."""
    if account is None or not account.endswith(".json"):
        return ApeExecutor(account_of(account, provider.chain_id, signs), provider)
    if not signs:
        return Web3Executor(provider.web3, address_in(Path(account)))
    secret = load_secret(account, provider.chain_id, password_file)
    return Web3Executor(provider.web3, Account.from_key(secret))


def account_of(alias: str | None, chain_id: int, signs: bool) -> AccountAPI:
    """Return one of Ape's accounts, a test one without an alias.

    Raises:
        DeploymentError: there is none of that name, or a test one is to sign elsewhere.
    """
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
