"""`plimsoll demo`, `replay` and `diff` in an installed package: what they need is not in it."""

from __future__ import annotations

import typer

from keepers.errors import BadInput

ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer()


@app.command("demo", context_settings=ANYTHING, help="Replay a crash: in a checkout only.")
@app.command("replay", context_settings=ANYTHING, help="Replay price series: in a checkout only.")
def refuse(context: typer.Context) -> None:
    """Say what is missing."""
    name = context.command.name
    raise BadInput(
        f"{name} deploys the contracts, whose sources are not part of this package",
        f"run `make {name}` in a checkout of the repository",
    )


@app.command("diff", context_settings=ANYTHING, help="Parameters against chain: in a checkout.")
def refuse_diff() -> None:
    """Say what is missing."""
    raise BadInput(
        "diff needs the parameter files, which are not part of this package",
        "run it in a checkout of the repository",
    )
