"""The steps of a deployment, in order; each can be repeated without effect.

RiskConfigurator and Markets point at each other for good, and so do Markets and Clearinghouse, and
Clearinghouse and InsuranceFund. So each is created for the address that the next one will get one
transaction later; the constructors and these steps assert it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from scripts.deployment.artifacts import Artifact
from scripts.deployment.configuration import configure_plan, small_markets
from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import Receipt, created_address
from scripts.deployment.models import Parameters, TokenParams
from scripts.deployment.runner import Site, Step

SHARE_NAME = "Plimsoll Pool"
SHARE_SYMBOL = "PLP"
MOCK = "TestToken"
# Created in consecutive transactions, since each knows the address of another.
CIRCLE = ("RiskConfigurator", "Markets", "Clearinghouse", "InsuranceFund")
CONTRACTS = (*CIRCLE, "LiquidityPool", "Orders", "Operators", "Liquidator", "Lens")


def contract_names(parameters: Parameters) -> tuple[str, ...]:
    """Return the contracts whose artifacts a deployment needs."""
    return CONTRACTS if parameters.tokens else (*CONTRACTS, MOCK)


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
    return (
        *tokens,
        _create("RiskConfigurator", _create_configurator),
        _create("Markets", _create_markets),
        _create("Clearinghouse", _create_clearinghouse),
        _create("InsuranceFund", _create_fund),
        _create("LiquidityPool", _create_pool),
        _create("Orders", _create_orders),
        _create("Operators", _create_operators),
        _create("Liquidator", _create_liquidator),
        _create("Lens", _create_lens),
    )


def _create(name: str, create: Callable[[Site], None]) -> Step:
    return Step(f"deploy {name}", lambda site: site.deployed(name), create)


def _has_token(token: TokenParams, site: Site) -> bool:
    noted = site.record.tokens.get(token.symbol)
    return noted is not None and len(site.executor.code(noted["address"])) > 0


def _add_token(token: TokenParams, site: Site) -> None:
    address = site.parameters.tokens.get(token.symbol)
    if address is None:
        address = site.deploy(
            _mock_name(token), f"Test {token.symbol}", token.symbol, token.decimals, artifact=MOCK
        )
    site.record.tokens[token.symbol] = {
        "address": address,
        "decimals": token.decimals,
        "id": token.id,
    }


def _mock_name(token: TokenParams) -> str:
    return f"{MOCK} {token.symbol}"


def _create_configurator(site: Site) -> None:
    predict_circle(site)
    site.deploy("RiskConfigurator", site.record.predicted["Markets"])


def _create_markets(site: Site) -> None:
    parameters = site.parameters
    site.deploy(
        "Markets",
        site.record.address("RiskConfigurator"),
        site.record.predicted["Clearinghouse"],
        parameters.timing,
        parameters.charges,
        parameters.quorum,
    )
    _assert_predicted(site, "Markets")


def _create_clearinghouse(site: Site) -> None:
    token = site.parameters.settlement
    site.deploy(
        "Clearinghouse",
        site.record.token(token.symbol),
        token.hard_cap,
        site.record.address("Markets"),
        site.record.predicted["InsuranceFund"],
        site.resolve(site.parameters.treasury),
    )
    _assert_predicted(site, "Clearinghouse")


def _create_fund(site: Site) -> None:
    site.deploy("InsuranceFund", site.record.address("Clearinghouse"))
    _assert_predicted(site, "InsuranceFund")


def _create_pool(site: Site) -> None:
    parameters = site.parameters
    clearinghouse = site.record.address("Clearinghouse")
    delays = (parameters.pool_delay, parameters.pool_cooldown)
    site.deploy("LiquidityPool", clearinghouse, SHARE_NAME, SHARE_SYMBOL, *delays)


def _create_orders(site: Site) -> None:
    parameters = site.parameters
    clearinghouse = site.record.address("Clearinghouse")
    site.deploy("Orders", clearinghouse, parameters.order_delay, parameters.min_reserve)


def _create_operators(site: Site) -> None:
    address = site.record.address
    site.deploy("Operators", address("Clearinghouse"), address("Orders"))


def _create_liquidator(site: Site) -> None:
    address, parameters = site.record.address, site.parameters
    curve = [number for point in parameters.liquidation_curve for number in point]
    neighbours = (address("Clearinghouse"), address("LiquidityPool"), address("InsuranceFund"))
    site.deploy("Liquidator", *neighbours, curve, parameters.liquidation_dust)


def _create_lens(site: Site) -> None:
    address = site.record.address
    neighbours = (address("Clearinghouse"), address("LiquidityPool"), address("Liquidator"))
    site.deploy("Lens", *neighbours, small_markets(site.parameters))


# ---- the circle --------------------------------------------------------------------------------


def predict_circle(site: Site) -> None:
    """Note the addresses that the circle's contracts will get, from the sender's nonce."""
    nonce = site.executor.nonce()
    for offset, name in enumerate(CIRCLE):
        site.record.predicted[name] = created_address(site.executor.sender, nonce + offset)
    site.save()


def check_circle(site: Site) -> None:
    """Refuse to go on where the circle was begun and can no longer be closed.

    Raises:
        DeploymentError: the sender's nonce moved on since the circle was begun.
    """
    missing = [name for name in CIRCLE if not site.deployed(name)]
    if len(missing) < len(CIRCLE):
        missing = [name for name in missing if not _adopt(site, name)]
    if not missing or len(missing) == len(CIRCLE):
        return
    nonce = site.executor.nonce()
    for offset, name in enumerate(missing):
        if created_address(site.executor.sender, nonce + offset) != site.record.predicted.get(name):
            begun = ", ".join(name for name in CIRCLE if name not in missing)
            raise DeploymentError(
                f"{name} would not get the address that {begun} was made for, since the deployer "
                f"sent other transactions in between; take {begun} out of the deployment file"
            )


def _adopt(site: Site, name: str) -> bool:
    """Note a contract that a run created just before it was interrupted: its next, by its nonce."""
    address = site.record.predicted.get(name, "")
    if not address or not same_code(site.executor.code(address), site.artifacts[name]):
        return False
    site.record.add(name, Receipt("", site.executor.block(), 0, address))
    return True


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
