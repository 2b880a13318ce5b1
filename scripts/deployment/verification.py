"""Compare a deployment with its sources and parameters, from any node."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.deployment.artifacts import Artifact
from scripts.deployment.configuration import configure_plan
from scripts.deployment.errors import DeploymentError
from scripts.deployment.plan import CONTRACTS
from scripts.deployment.runner import Site, Step


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was compared."""

    what: str
    ok: bool
    detail: str = ""


def verify(site: Site) -> list[Finding]:
    """Compare code and parameters; changes nothing."""
    findings = [_code(site, name) for name in CONTRACTS]
    return findings + [_parameter(site, step) for step in configure_plan(site.parameters)]


def _code(site: Site, name: str) -> Finding:
    what = f"code of {name}"
    try:
        deployed = site.executor.code(site.record.address(name))
    except DeploymentError as error:
        return Finding(what, False, str(error))
    return Finding(what, same_code(deployed, site.artifacts[name]), "differs from the source")


def same_code(deployed: bytes, artifact: Artifact) -> bool:
    """Return whether code is an artifact's, whatever values its immutables have.

    Vyper appends the immutables to the code, so the code before them must be equal and the length
    after it exactly theirs.
    """
    runtime = bytes.fromhex(artifact.runtime)
    tail = len(deployed) - len(runtime)
    return deployed.startswith(runtime) and tail == artifact.immutable_bytes


def _parameter(site: Site, step: Step) -> Finding:
    try:
        return Finding(step.name, step.done(site), "differs from the parameters")
    except DeploymentError as error:
        return Finding(step.name, False, str(error))
