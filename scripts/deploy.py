"""Deploy and configure Plimsoll: `ape run deploy --network … --params …`.

A repeated run goes on where the deployment file ends and changes nothing that is right already.
"""

import click

from scripts._command import Mode, script
from scripts.deployment.command import carry_out, rehearse
from scripts.deployment.plan import full_plan
from scripts.deployment.runner import Site


@script(sends=True)
def cli(site: Site, mode: Mode) -> None:
    """Deploy every contract and bring it to the parameters."""
    plan = full_plan(site.parameters)
    if mode.dry_run:
        rehearse(site, plan, click.echo)
    else:
        carry_out(site, plan, click.echo, mode.agree)
