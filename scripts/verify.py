"""Compare a deployment with its sources and parameters: `ape run verify --network …`."""

import click

from scripts._command import Mode, script
from scripts.deployment.command import show_constants
from scripts.deployment.configuration import ownership
from scripts.deployment.errors import DeploymentError
from scripts.deployment.preflight import check_chain
from scripts.deployment.runner import Site
from scripts.deployment.verification import verify


@script(sends=False)
def cli(site: Site, _mode: Mode) -> None:
    """Check that the code is the sources', to the byte, and that every parameter is the file's."""
    check_chain(site)
    findings = verify(site)
    wrong = [finding for finding in findings if not finding.ok]
    for finding in wrong:
        click.echo(finding.detail)
    if wrong:
        raise DeploymentError(f"{len(wrong)} of {len(findings)} comparisons failed")
    show_constants(click.echo)
    for line in ownership(site):
        click.echo(line)
    click.echo(f"verified: {len(findings)} comparisons hold")
