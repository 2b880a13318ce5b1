"""Compare a deployment with its sources and parameters, from any node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass

from scripts.deployment.configuration import configure_plan, small_markets
from scripts.deployment.errors import DeploymentError
from scripts.deployment.plan import CONTRACTS, same_code
from scripts.deployment.runner import Site

CURVE = ("RISE_TIME", "RISE_SHARE", "SLOW_TIME", "SLOW_SHARE")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was compared."""

    what: str
    ok: bool
    detail: str = ""


def verify(site: Site) -> list[Finding]:
    """Compare code and parameters; changes nothing.

    Raises:
        DeploymentError: nothing is deployed.
    """
    if not site.record.contracts:
        raise DeploymentError(
            f"nothing is deployed on chain {site.record.chain_id}; run `ape run deploy` first"
        )
    code = [_code(site, name) for name in CONTRACTS]
    fixed = [_compare(site, *each, "was fixed otherwise when it was deployed") for each in FIXED]
    steps = configure_plan(site.parameters)
    set_ = [_compare(site, step.name, step.done, "differs from the parameters") for step in steps]
    return [*code, *fixed, *set_]


def _code(site: Site, name: str) -> Finding:
    def same(site: Site) -> bool:
        return same_code(site.executor.code(site.record.address(name)), site.artifacts[name])

    return _compare(site, f"code of {name}", same, "differs from the source")


def _compare(site: Site, what: str, holds: Callable[[Site], bool], otherwise: str) -> Finding:
    try:
        return Finding(what, holds(site), otherwise)
    except DeploymentError as error:
        return Finding(what, False, str(error))


# ---- what the constructors took and nobody can change --------------------------------------------


def _read(site: Site, name: str, *functions: str) -> Iterator[object]:
    return (site.contract(name).read(function) for function in functions)


def _timings(site: Site) -> bool:
    found = site.contract("Markets").read("timing")
    return tuple(found) == astuple(site.parameters.timing)


def _charges(site: Site) -> bool:
    found = site.contract("Markets").read("charges")
    return tuple(found) == astuple(site.parameters.charges)


def _quorum(site: Site) -> bool:
    return list(_read(site, "Markets", "quorum")) == [site.parameters.quorum]


def _orders(site: Site) -> bool:
    wanted = [site.parameters.order_delay, site.parameters.min_reserve]
    return list(_read(site, "Orders", "commit_delay", "MIN_RESERVE")) == wanted


def _pool(site: Site) -> bool:
    wanted = [site.parameters.pool_delay, site.parameters.pool_cooldown]
    return list(_read(site, "LiquidityPool", "DELAY", "COOLDOWN")) == wanted


def _liquidation(site: Site) -> bool:
    found = [site.immutable("Liquidator", "auction_clock", name) for name in CURVE]
    found.append(site.immutable("Liquidator", "desk", "DUST"))
    first, second = site.parameters.liquidation_curve
    return found == [*first, *second, site.parameters.liquidation_dust]


def _min_legs(site: Site) -> bool:
    return site.immutable("Lens", "lens_orders", "SMALL_MARKETS") == small_markets(site.parameters)


def _operators(site: Site) -> bool:
    found = [site.immutable("Operators", "moves", name) for name in ("CLEARINGHOUSE", "MARKETS")]
    found.append(site.immutable("Operators", "ORDERS"))
    wanted = (site.record.address(name) for name in ("Clearinghouse", "Markets", "Orders"))
    return found == [int(address, 16) for address in wanted]


def _treasury(site: Site) -> bool:
    treasury = int(site.resolve(site.parameters.treasury), 16)
    return list(_read(site, "Clearinghouse", "fee_account")) == [treasury << 96]


FIXED: tuple[tuple[str, Callable[[Site], bool]], ...] = (
    ("timings", _timings),
    ("charges and funding", _charges),
    ("signers.quorum", _quorum),
    ("orders", _orders),
    ("delays of the pool", _pool),
    ("liquidation", _liquidation),
    ("smallest legs in the Lens", _min_legs),
    ("neighbours of Operators", _operators),
    ("treasury", _treasury),
)
