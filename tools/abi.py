"""Write abi/<Contract>.json from the compiler, or check that the files are what it says.

`python -m tools.abi` writes; `python -m tools.abi --check` fails when a file differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts.deployment.artifacts import Artifact, load
from scripts.deployment.errors import DeploymentError
from tools.findings import ROOT, Finding, fail, report

FOLDER = "abi"


def rendered(artifact: Artifact) -> str:
    """Return the text of one ABI file."""
    return json.dumps(artifact.abi, indent=1) + "\n"


def write(folder: Path, made: Mapping[str, Artifact]) -> None:
    """Bring the folder to exactly the ABIs of these contracts."""
    folder.mkdir(exist_ok=True)
    for stale in {path.stem for path in folder.glob("*.json")} - made.keys():
        (folder / f"{stale}.json").unlink()
    for name, artifact in made.items():
        (folder / f"{name}.json").write_text(rendered(artifact), encoding="utf-8")


def differences(folder: Path, made: Mapping[str, Artifact]) -> Iterator[Finding]:
    """Find the ABI files that are missing, stale or different."""
    present = {path.stem for path in folder.glob("*.json")}
    for name in sorted(present | made.keys()):
        path = folder / f"{name}.json"
        if name not in made:
            yield Finding(f"{FOLDER}/{path.name}", 1, "ABI", "belongs to no contract")
        elif name not in present:
            yield Finding(f"{FOLDER}/{path.name}", 1, "ABI", "is missing; run make record")
        elif path.read_text(encoding="utf-8") != rendered(made[name]):
            yield Finding(f"{FOLDER}/{path.name}", 1, "ABI", "is out of date; run make record")


def main(argv: list[str] | None = None) -> int:
    """Write the ABIs, or check them."""
    parser = argparse.ArgumentParser(prog="abi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    options = parser.parse_args(argv)
    try:
        made = load(root=ROOT)
    except DeploymentError as error:
        return fail(error)
    if options.check:
        return report(differences(ROOT / FOLDER, made), f"abi: {len(made)} files up to date")
    if made:
        write(ROOT / FOLDER, made)
    print(f"abi: {len(made)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
