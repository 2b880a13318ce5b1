"""Compile the deployables once for every tool that asks, and remember the result.

An artifact is kept under .cache/contracts until anything below contracts/ changes.
"""

from __future__ import annotations

import hashlib
import json
import re
import site
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vyper.compiler import CompilerData
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.output import build_abi_output
from vyper.compiler.settings import anchor_settings
from vyper.exceptions import VyperException

COMPILERS = 2


@dataclass(frozen=True, slots=True)
class Artifact:
    """What the tools need of one compiled contract."""

    name: str
    runtime_bytes: int
    initcode_bytes: int
    abi: list[dict[str, Any]]


class CompileError(Exception):
    """A contract does not compile; the message is one line."""


def deployables(root: Path) -> list[Path]:
    """Return the contracts that go on chain: those in contracts/ itself and in contracts/feeds."""
    folder = root / "contracts"
    return sorted([*folder.glob("*.vy"), *(folder / "feeds").glob("*.vy")])


def artifacts(root: Path) -> dict[str, Artifact]:
    """Return every deployable, compiled, by name.

    Raises:
        CompileError: a contract does not compile.
    """
    key = _key(root)
    kept = {path: root / ".cache" / "contracts" / f"{path.stem}.json" for path in deployables(root)}
    missing = [path for path, cache in kept.items() if _recall(cache, key) is None]
    with ProcessPoolExecutor(max_workers=COMPILERS) as pool:
        for path, made in zip(missing, pool.map(compile_file, missing), strict=True):
            _remember(kept[path], key, made)
    found = [_recall(cache, key) for cache in kept.values()]
    return {artifact.name: artifact for artifact in found if artifact is not None}


def compile_file(path: Path) -> Artifact:
    """Compile one contract as it is deployed.

    Raises:
        CompileError: the contract does not compile.
    """
    contracts = next(parent for parent in path.parents if parent.name == "contracts")
    bundle = FilesystemInputBundle([*map(Path, site.getsitepackages()), contracts])
    try:
        compiled = CompilerData(bundle.load_file(path), input_bundle=bundle)
        with anchor_settings(compiled.settings):
            # Immutables are appended to the code when it is deployed, so they count.
            immutables = compiled.global_ctx.immutable_section_bytes
            return Artifact(
                name=path.stem,
                runtime_bytes=len(compiled.bytecode_runtime) + immutables,
                initcode_bytes=len(compiled.bytecode),
                abi=build_abi_output(compiled),
            )
    except VyperException as error:
        raise CompileError(f"{path.name} does not compile: {_reason(error)}") from error


def _reason(error: VyperException) -> str:
    text = str(error).strip()
    place = re.search(r'contract "([^"]+?):(\d+)"', text)
    where = f" ({Path(place[1]).name}, line {place[2]})" if place else ""
    return f"{type(error).__name__}: {text.splitlines()[0]}{where}"


def _key(root: Path) -> str:
    digest = hashlib.sha256()
    for package in ("vyper", "snekmate"):
        digest.update(version(package).encode())
    for file in sorted((root / "contracts").rglob("*.vy*")):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _recall(cache: Path, key: str) -> Artifact | None:
    if not cache.exists():
        return None
    stored = json.loads(cache.read_text(encoding="utf-8"))
    return Artifact(**stored["artifact"]) if stored["key"] == key else None


def _remember(cache: Path, key: str, artifact: Artifact) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps({"key": key, "artifact": asdict(artifact)}), encoding="utf-8")


def fail(error: CompileError) -> int:
    """Print a compile error in its one sentence and return the exit code."""
    print(error, file=sys.stderr)
    return 1
