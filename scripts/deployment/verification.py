"""Compare a deployment with its sources and parameters, from any node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from scripts.deployment import sources
from scripts.deployment.configuration import ROLES, configure_plan
from scripts.deployment.difference import compare
from scripts.deployment.errors import DeploymentError
from scripts.deployment.plan import CONTRACTS, same_code
from scripts.deployment.rebuild import difference, rebuild
from scripts.deployment.runner import Site


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was compared."""

    what: str
    ok: bool
    detail: str = ""


def verify(site: Site) -> list[Finding]:
    """Compare code, parameters and who may do what; changes nothing.

    Raises:
        DeploymentError: nothing is deployed.
    """
    entries = [Finding(each.entry, each.same, each.line()) for each in compare(site)]
    return [*_code(site), *_adapters(site), *entries, *_roles(site)]


def _code(site: Site) -> list[Finding]:
    """Hold the code of every contract against its source, immutables too."""
    wanted = rebuild(site)
    missing = [
        Finding(f"code of {name}", False, f"code of {name}: it is not deployed")
        for name in CONTRACTS
        if name not in wanted
    ]
    found = []
    for name, made in wanted.items():
        deployed = site.executor.code(site.record.address(name))
        told = difference(deployed, made)
        found.append(Finding(f"code of {name}", not told, f"code of {name}: {told}"))
    return [*found, *missing]


def _adapters(site: Site) -> list[Finding]:
    """Hold the code of adapters against its source.

    Their constructors ask the aggregator, which no empty chain has; what they fixed is compared
    as parameters.
    """

    def same(name: str, site: Site) -> bool:
        made = site.artifacts[sources.artifact_of(name)]
        return same_code(site.executor.code(site.record.address(name)), made)

    names = (name for name, _ in sources.adapters(site.parameters))
    return [_compare(site, f"code of {name}", partial(same, name)) for name in names]


def _roles(site: Site) -> list[Finding]:
    """Ask whether contracts that act for others are known to them as such."""
    steps = (step for step in configure_plan(site.parameters) if step.name.startswith(ROLES))
    return [_compare(site, step.name, step.done) for step in steps]


def _compare(site: Site, what: str, holds: Callable[[Site], bool]) -> Finding:
    try:
        return Finding(what, holds(site), f"{what}: is not set as the deployment sets it")
    except DeploymentError as error:
        return Finding(what, False, f"{what}: {error}")
