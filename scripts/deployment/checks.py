"""`plimsoll diff`: the parameter file against the chain. It works in a checkout, without Ape."""

from __future__ import annotations

import json as json_
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keepers.commands import options as shared
from keepers.commands.options import Json
from keepers.errors import BadInput, ChainError
from keepers.settings import Settings, make
from scripts.deployment.errors import DeploymentError, file_failure

if TYPE_CHECKING:
    from scripts.deployment.difference import Compared

app = typer.Typer()

Params = Annotated[str, typer.Option("--params", help="A file of scripts/params.")]


@app.command()
def diff(
    params: Params = "local",
    rpc: shared.Rpc = None,
    deployment: shared.DeploymentFile = None,
    json: Json = False,
) -> None:
    """Show what the chain has otherwise than the parameter file says; exit 1 if anything."""
    settings = make(Settings, rpc=rpc, deployment=deployment)
    found = _differences(settings.rpc, params, settings.deployment)
    for each in found:
        print(json_.dumps(asdict(each)) if json else each.line())
    if found:
        raise typer.Exit(1)
    if not json:
        print("the chain has what the file says")


def _differences(rpc: str, name: str, path: Path | None) -> list[Compared]:
    # web3 takes a second to import, and the other commands do not need it
    from web3 import HTTPProvider, Web3

    from scripts.deployment import difference, preflight
    from scripts.deployment import params as files
    from scripts.deployment.command import open_site
    from scripts.deployment.configuration import NOBODY
    from scripts.deployment.record import path_of
    from scripts.deployment.web3_executor import NODE_FAILURES, Web3Executor

    try:
        executor = Web3Executor(Web3(HTTPProvider(rpc)), NOBODY)
        path = path or path_of(executor.chain_id())
        site = open_site(executor, files.load(name), path)
        preflight.check_chain(site)
        return difference.differences(site)
    except DeploymentError as error:
        raise BadInput(str(error).rstrip(".")) from error
    except NODE_FAILURES as error:
        said = f"the node {rpc} does not answer ({type(error).__name__})"
        raise ChainError(said, "start it, or give another with --rpc") from error
    except OSError as error:
        raise BadInput(file_failure(error)) from error
