"""The steps of a deployment, in order; each can be repeated without effect.

RiskConfigurator and Markets point at each other for good, and so do Markets and Clearinghouse,
Clearinghouse and InsuranceFund, and Clearinghouse and Options. So each is created for the address
that another will get some transactions later; the constructors and these steps assert it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from scripts.deployment import options, sources
from scripts.deployment.artifacts import Artifact
from scripts.deployment.configuration import configure_plan, small_markets
from scripts.deployment.errors import DeploymentError
from scripts.deployment.models import Parameters, TokenParams
from scripts.deployment.ranges import TEST_CHAINS
from scripts.deployment.runner import Site, Step

SHARE_NAME = "Plimsoll Pool"
SHARE_SYMBOL = "PLP"
MOCK = "TestToken"
FAUCET = "FaucetToken"
# of a token's hard cap: what its faucet gives one caller in a day
FAUCET_PART = 1_000
# Created in consecutive transactions, since each knows the address of another.
CORE = ("RiskConfigurator", "Markets", "Clearinghouse", "InsuranceFund")
CIRCLE = (*CORE, *options.AHEAD, options.ENGINE)
AROUND = ("LiquidityPool", "Orders", "Operators", "Liquidator", "Lens")
CONTRACTS = (*CIRCLE, *AROUND, *options.BEHIND)


def contract_names(parameters: Parameters) -> tuple[str, ...]:
    """Return the contracts whose artifacts a deployment needs."""
    named = all(token.symbol in parameters.tokens for token in parameters.all_tokens)
    names = CONTRACTS if named else (*CONTRACTS, MOCK, FAUCET)
    return (*names, *sources.artifacts(parameters))


def full_plan(parameters: Parameters) -> tuple[Step, ...]:
    """Return all steps: deploy, then configure."""
    return (*deploy_plan(parameters), *configure_plan(parameters))


# ---- deploy ------------------------------------------------------------------------------------


def deploy_plan(parameters: Parameters) -> tuple[Step, ...]:
    """Return the steps that create contracts."""
    tokens = [
        Step(f"token {token.symbol}", partial(_has_token, token), partial(_add_token, token))
        for token in parameters.all_tokens
    ]
    return (*tokens, *(_create(name) for name in CONTRACTS))


def _create(name: str) -> Step:
    def run(site: Site) -> None:
        if name == CIRCLE[0]:
            predict_circle(site)
        site.deploy(name, *ARGUMENTS[name](site))
        if name in CIRCLE:
            _assert_predicted(site, name)

    return Step(f"deploy {name}", lambda site: site.deployed(name), run)


def _has_token(token: TokenParams, site: Site) -> bool:
    noted = site.record.tokens.get(token.symbol)
    return noted is not None and len(site.executor.code(noted["address"])) > 0


def _add_token(token: TokenParams, site: Site) -> None:
    address = site.parameters.tokens.get(token.symbol) or _add_test_token(token, site)
    site.record.tokens[token.symbol] = {
        "address": address,
        "decimals": token.decimals,
        "id": token.id,
    }


def _add_test_token(token: TokenParams, site: Site) -> str:
    kind = token_kind(site)
    name = token_name(site, token)
    if site.deployed(name):  # created by a run that ended before it noted the token
        return site.record.address(name)
    return site.deploy(name, *token_arguments(site, token), artifact=kind)


def token_kind(site: Site) -> str:
    """Return which test token is deployed: one that is free for all, or one with a limit."""
    local = site.record.chain_id in TEST_CHAINS and not site.mocks
    return MOCK if local else FAUCET


def token_name(site: Site, token: TokenParams) -> str:
    """Return the name under which a test token is noted."""
    return f"{token_kind(site)} {token.symbol}"


def token_arguments(site: Site, token: TokenParams) -> tuple[object, ...]:
    """Return what the constructor of a test token takes."""
    said = (f"Test {token.symbol}", token.symbol, token.decimals)
    limit = max(1, token.hard_cap // FAUCET_PART)
    return said if token_kind(site) == MOCK else (*said, limit)


# ---- what each constructor takes -----------------------------------------------------------------


def _configurator(site: Site) -> tuple[object, ...]:
    return (site.record.predicted["Markets"],)


def _markets(site: Site) -> tuple[object, ...]:
    parameters = site.parameters
    neighbours = (
        site.record.address("RiskConfigurator"),
        site.record.predicted["Clearinghouse"],
    )
    return (*neighbours, parameters.timing, parameters.charges, parameters.quorum)


def _clearinghouse(site: Site) -> tuple[object, ...]:
    token = site.parameters.settlement
    return (
        site.record.token(token.symbol),
        token.hard_cap,
        site.record.address("Markets"),
        site.record.predicted["InsuranceFund"],
        site.resolve(site.parameters.treasury),
        site.record.predicted[options.ENGINE],
    )


def _fund(site: Site) -> tuple[object, ...]:
    return (site.record.address("Clearinghouse"),)


def _pool(site: Site) -> tuple[object, ...]:
    delays = (site.parameters.pool_delay, site.parameters.pool_cooldown)
    return (site.record.address("Clearinghouse"), SHARE_NAME, SHARE_SYMBOL, *delays)


def _orders(site: Site) -> tuple[object, ...]:
    parameters = site.parameters
    return (
        site.record.address("Clearinghouse"),
        parameters.order_delay,
        parameters.min_reserve,
    )


def _operators(site: Site) -> tuple[object, ...]:
    return (site.record.address("Clearinghouse"), site.record.address("Orders"))


def _liquidator(site: Site) -> tuple[object, ...]:
    address, parameters = site.record.address, site.parameters
    curve = [number for point in parameters.liquidation_curve for number in point]
    neighbours = (address("Clearinghouse"), address("LiquidityPool"), address("InsuranceFund"))
    return (*neighbours, address(options.ENGINE), curve, parameters.liquidation_dust)


def _lens(site: Site) -> tuple[object, ...]:
    address = site.record.address
    neighbours = (address("Clearinghouse"), address("LiquidityPool"), address("Liquidator"))
    return (*neighbours, address(options.ENGINE), small_markets(site.parameters))


ARGUMENTS: Mapping[str, Callable[[Site], tuple[object, ...]]] = {
    "RiskConfigurator": _configurator,
    "Markets": _markets,
    "Clearinghouse": _clearinghouse,
    "InsuranceFund": _fund,
    "LiquidityPool": _pool,
    "Orders": _orders,
    "Operators": _operators,
    "Liquidator": _liquidator,
    "Lens": _lens,
    **options.ARGUMENTS,
}


# ---- the circle --------------------------------------------------------------------------------


def predict_circle(site: Site) -> None:
    """Note the addresses that the circle's contracts will get, from the sender's nonce."""
    for offset, name in enumerate(CIRCLE):
        site.record.predicted[name] = site.next_address(offset)
    site.save()


def check_circle(site: Site) -> None:
    """Refuse to go on where the circle was begun and can no longer be closed.

    Raises:
        DeploymentError: the sender's nonce moved on since the circle was begun.
    """
    missing = [name for name in CIRCLE if not site.deployed(name)]
    if not missing or len(missing) == len(CIRCLE):
        return
    for offset, name in enumerate(missing):
        if site.next_address(offset) != site.record.predicted.get(name):
            begun = ", ".join(name for name in CIRCLE if name not in missing)
            raise DeploymentError(
                f"{name} would not get the address that {begun} was made for, since the deployer "
                f"sent other transactions in between; take {begun} out of the deployment file"
            )


def same_code(deployed: bytes, artifact: Artifact) -> bool:
    """Return whether code is an artifact's, whatever values its immutables have.

    Vyper appends the immutables to the code, so the code before them must be equal and the length
    after it exactly theirs.
    """
    runtime = bytes.fromhex(artifact.runtime)
    tail = len(deployed) - len(runtime)
    return deployed.startswith(runtime) and tail == artifact.immutable_bytes


def _assert_predicted(site: Site, name: str) -> None:
    found, expected = site.record.address(name), site.record.predicted[name]
    if found != expected:
        raise DeploymentError(f"{name} stands at {found}, and {expected} was predicted")
