"""Write abi/<Contract>.json from the compiler, or check that the files are what it says.

python -m tools.abi                 writes
python -m tools.abi --check         fails when a file differs, and says in which entries
python -m tools.abi --against REV   prints how the files differ from those of a git revision
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.deployment.artifacts import Artifact, load
from scripts.deployment.errors import DeploymentError
from tools.findings import ROOT, Finding, fail, report

FOLDER = "abi"
# what an entry is called by; a constructor has no name
NAMED = ("type", "name")


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


def signature(entry: Mapping[str, Any]) -> str:
    """Return what tells an entry from others of its kind: `function f(uint256,(bool,int256))`."""
    kinds = ",".join(_kind(part) for part in entry.get("inputs", ()))
    return f"{' '.join(entry[key] for key in NAMED if key in entry)}({kinds})"


def _kind(part: Mapping[str, Any]) -> str:
    kind = str(part["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(_kind(each) for each in part["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


def changes(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
    """Return the entries that were added (+), removed (-) and changed otherwise (~)."""
    before = {signature(entry): entry for entry in old}
    after = {signature(entry): entry for entry in new}
    added = [f"+ {each}" for each in after if each not in before]
    removed = [f"- {each}" for each in before if each not in after]
    # names of arguments, answers, what an event indexes, who may be paid
    others = [f"~ {each}" for each in after if each in before and before[each] != after[each]]
    return [*removed, *added, *others]


def of_revision(root: Path, revision: str) -> dict[str, str]:
    """Return the text of each ABI file of a git revision, by contract.

    Raises:
        DeploymentError: there is no such revision, or no git.
    """
    names = _git(root, "ls-tree", "--name-only", revision, f"{FOLDER}/").splitlines()
    return {Path(name).stem: _git(root, "show", f"{revision}:{name}") for name in names}


def _git(root: Path, *command: str) -> str:
    try:
        made = subprocess.run(["git", *command], cwd=root, capture_output=True, text=True)
    except OSError as error:
        raise DeploymentError(f"git does not run here: {error.strerror}") from error
    if made.returncode:
        raise DeploymentError(f"git knows no such revision: {made.stderr.strip()}")
    return made.stdout


def against(root: Path, revision: str) -> list[str]:
    """Return how the ABI files differ from those of a git revision, line by line."""
    old = of_revision(root, revision)
    new = {path.stem: path.read_text(encoding="utf-8") for path in (root / FOLDER).glob("*.json")}
    lines = []
    for name in sorted(old.keys() | new.keys()):
        found = changes(json.loads(old.get(name, "[]")), json.loads(new.get(name, "[]")))
        lines += [f"{name}: {counted(found)}", *(f"  {line}" for line in found)] if found else []
    return lines


def counted(found: list[str]) -> str:
    """Return how many entries were added, removed and changed, in words."""
    marks = Counter(line[0] for line in found)
    words = (("+", "added"), ("-", "removed"), ("~", "changed"))
    return ", ".join(f"{marks[mark]} {word}" for mark, word in words if marks[mark])


def differences(folder: Path, made: Mapping[str, Artifact]) -> Iterator[Finding]:
    """Find the ABI files that are missing, stale or different."""
    present = {path.stem for path in folder.glob("*.json")}
    for name in sorted(present | made.keys()):
        path = folder / f"{name}.json"
        if name not in made:
            yield Finding(f"{FOLDER}/{path.name}", 1, "ABI", "belongs to no contract")
        elif name not in present:
            yield Finding(f"{FOLDER}/{path.name}", 1, "ABI", "is missing; run make record")
        elif (text := path.read_text(encoding="utf-8")) != rendered(made[name]):
            found = "".join(_told(text, made[name]))
            yield Finding(
                f"{FOLDER}/{path.name}", 1, "ABI", f"is out of date; run make record{found}"
            )


def _told(text: str, artifact: Artifact) -> Iterator[str]:
    try:
        yield from (f"\n    {line}" for line in changes(json.loads(text), artifact.abi))
    except ValueError:
        yield "\n    it is no JSON"


def main(argv: list[str] | None = None) -> int:
    """Write the ABIs, or check them."""
    parser = argparse.ArgumentParser(prog="abi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("--against", metavar="REV", help="print the difference to a git revision")
    options = parser.parse_args(argv)
    try:
        if options.against:
            print("\n".join(against(ROOT, options.against)) or "abi: nothing has changed")
            return 0
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
