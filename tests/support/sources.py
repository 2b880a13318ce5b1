"""Where tests take compiled contracts from: the checkout, or first a folder of changed ones.

PLIMSOLL_CONTRACTS names a folder laid out like the checkout. A contract that stands below it is
taken from there, every other one from the checkout: so `python -m tools.guards` runs a test against
one contract that lost a guard.
"""

from __future__ import annotations

import os
from pathlib import Path

from scripts.deployment import artifacts
from scripts.deployment.artifacts import ROOT, Artifact

CHANGED = "PLIMSOLL_CONTRACTS"


def load(*names: str) -> dict[str, Artifact]:
    """Return the named deployables, compiled."""
    folder = os.environ.get(CHANGED)
    if not folder:
        return artifacts.load(*names)
    changed = [name for name in names if _stands(Path(folder), f"contracts/{name}.vy")]
    kept = [name for name in names if name not in changed]
    made = artifacts.load(*kept) if kept else {}
    if changed:
        made |= artifacts.load(*changed, root=Path(folder))
    return {name: made[name] for name in names}


def of(source: str) -> Artifact:
    """Return any contract by its path below the root, compiled."""
    folder = os.environ.get(CHANGED)
    if folder and _stands(Path(folder), source):
        return artifacts.of(Path(folder) / source, Path(folder))
    return artifacts.of(ROOT / source)


def _stands(folder: Path, source: str) -> bool:
    return (folder / source).is_file()
