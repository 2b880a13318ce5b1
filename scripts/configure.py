"""Bring a deployment to its parameters: `ape run configure --network … --params …`."""

import click

from scripts._command import script
from scripts.deployment.command import carry_out, rehearse
from scripts.deployment.configuration import configure_plan
from scripts.deployment.runner import Site


@script(sends=True)
def cli(site: Site, dry_run: bool) -> None:
    """Send what differs from the parameters, and nothing else."""
    act = rehearse if dry_run else carry_out
    act(site, configure_plan(site.parameters), click.echo)
