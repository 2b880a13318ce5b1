"""What must hold before the first transaction; each failure is one sentence."""

from __future__ import annotations

from scripts.deployment import ranges, sources
from scripts.deployment.chains import MAIN_NETS
from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import Contract
from scripts.deployment.models import TokenParams
from scripts.deployment.plan import CONTRACTS, check_circle
from scripts.deployment.recovery import recover
from scripts.deployment.runner import Site

DECIMALS_ABI = [
    {
        "type": "function",
        "name": "decimals",
        "inputs": [],
        "outputs": [{"name": "", "type": "uint8"}],
    }
]


def check(site: Site) -> None:
    """Refuse a deployment that would fail half-way.

    Raises:
        DeploymentError: the first thing that is wrong.
    """
    check_chain(site)
    ranges.check(site.parameters)
    check_mocks(site)
    recover(site)
    _check_tokens(site)
    _check_feeds(site)
    _check_sender(site)
    check_circle(site)


def check_chain(site: Site) -> None:
    """Refuse a chain that the parameters are not for."""
    found, wanted = site.executor.chain_id(), site.parameters.chain_id
    if found != wanted:
        network = site.parameters.network
        raise DeploymentError(f"the node is on chain {found}, and {network}.yaml is for {wanted}")


def _check_sender(site: Site) -> None:
    # the predicted addresses are the first account's; what stands already its owner may configure
    begun = site.record.deployer
    if begun != site.executor.sender and not all(site.deployed(name) for name in CONTRACTS):
        raise DeploymentError(f"the deployment was begun by {begun}; go on with that account")


def check_mocks(site: Site) -> None:
    """Refuse test tokens where tokens are worth something."""
    name = MAIN_NETS.get(site.parameters.chain_id)
    if site.mocks and name is not None:
        raise DeploymentError(
            f"chain {site.parameters.chain_id} is {name}, where --mocks has no place; name the "
            "tokens' addresses and the feeds in the parameters"
        )


def _check_tokens(site: Site) -> None:
    for token in site.parameters.all_tokens:
        address = site.parameters.tokens.get(token.symbol)
        if address is None:
            _check_test_token(site, token)
            continue
        if not site.executor.code(address):
            raise DeploymentError(f"tokens.{token.symbol}: there is no contract at {address}")
        found = Contract(site.executor, address, DECIMALS_ABI).read("decimals")
        if found != token.decimals:
            raise DeploymentError(
                f"tokens.{token.symbol}: the token has {found} decimals, not {token.decimals}"
            )


def _check_feeds(site: Site) -> None:
    """Refuse fixed prices where nobody has said that this is only a test."""
    for symbol in sources.mocked(site.parameters):
        if not (site.parameters.chain_id in ranges.TEST_CHAINS or site.mocks):
            raise DeploymentError(
                f"markets.{symbol}.source: is a mock; name an adapter, or on a test chain say "
                "--mocks, which deploys a fixed feed"
            )


def _check_test_token(site: Site, token: TokenParams) -> None:
    free = site.parameters.chain_id in ranges.TEST_CHAINS and not site.parameters.tokens
    if not (free or site.mocks or token.symbol in site.record.tokens):
        raise DeploymentError(
            f"tokens.{token.symbol}: the address is missing; on a test chain --mocks deploys a "
            "token with a faucet"
        )
