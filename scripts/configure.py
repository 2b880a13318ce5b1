"""Bring a deployment to its parameters: `ape run configure --network … --params …`."""

import click

from scripts._command import Mode, script
from scripts.deployment.command import carry_out, rehearse
from scripts.deployment.configuration import configure_plan
from scripts.deployment.runner import Site


@script(sends=True)
def cli(site: Site, mode: Mode) -> None:
    """Send what differs from the parameters, and nothing else."""
    plan = configure_plan(site.parameters)
    if mode.dry_run:
        rehearse(site, plan, click.echo)
    else:
        carry_out(site, plan, click.echo, mode.agree)
