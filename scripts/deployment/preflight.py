"""What must hold before the first transaction; each failure is one sentence."""

from __future__ import annotations

from scripts.deployment import ranges
from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import Contract
from scripts.deployment.plan import CONTRACTS, check_circle
from scripts.deployment.runner import Site

# a whole deployment uses about 35M gas; at 10 gwei and with reserve this is what it may cost
LEAST_WEI = 10**18
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
    _check_tokens(site)
    _check_balance(site)
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


def _check_balance(site: Site) -> None:
    balance = site.executor.balance()
    if balance < LEAST_WEI:
        raise DeploymentError(
            f"the deployer {site.executor.sender} holds {balance / 10**18:.4f} of the native coin; "
            f"it needs {LEAST_WEI / 10**18:.1f}"
        )


def _check_tokens(site: Site) -> None:
    if not site.parameters.tokens:
        if site.parameters.chain_id not in ranges.TEST_CHAINS:
            raise DeploymentError("tokens: mock tokens are for test chains; give their addresses")
        return
    for token in site.parameters.all_tokens:
        address = site.parameters.tokens.get(token.symbol)
        if address is None:
            raise DeploymentError(f"tokens.{token.symbol}: the address is missing")
        if not site.executor.code(address):
            raise DeploymentError(f"tokens.{token.symbol}: there is no contract at {address}")
        found = Contract(site.executor, address, DECIMALS_ABI).read("decimals")
        if found != token.decimals:
            raise DeploymentError(
                f"tokens.{token.symbol}: the token has {found} decimals, not {token.decimals}"
            )
