"""Deploy and configure Plimsoll: `ape run deploy --network … --params …`.

A repeated run goes on where the deployment file ends and changes nothing that is right already.
"""

import click

from scripts._command import script
from scripts.deployment.command import carry_out, rehearse
from scripts.deployment.plan import full_plan
from scripts.deployment.runner import Site


@script(sends=True)
def cli(site: Site, dry_run: bool) -> None:
    """Deploy every contract and bring it to the parameters."""
    act = rehearse if dry_run else carry_out
    act(site, full_plan(site.parameters), click.echo)
