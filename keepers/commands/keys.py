"""`plimsoll key new` and `key show`: encrypted keystores."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import Annotated

import typer

from keepers.chain import signer
from keepers.commands import options as shared
from keepers.commands.options import Json

app = typer.Typer(help="Keys: encrypted keystores, for deploying, signing prices and using.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="Path of the keystore.")]


@app.command()
def new(file: File, password_file: shared.PasswordFile = None, json: Json = False) -> None:
    """Make a key, keep it encrypted in a file of its own, and print its address."""
    _say(file, signer.make_keystore(file, password_file), json)


@app.command()
def show(file: File, json: Json = False) -> None:
    """Print the address of a keystore; no password is needed."""
    _say(file, signer.address_in(file), json)


def _say(file: Path, address: str, as_json: bool) -> None:
    print(json_.dumps({"file": str(file), "address": address}) if as_json else address)
