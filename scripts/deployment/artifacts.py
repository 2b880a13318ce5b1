"""Compile the deployables once, and remember the result until their sources change.

An artifact is kept under .build/artifacts, keyed by the sources that the contract imports. Where
there are no sources (an installed wheel) the artifacts packaged beside this module are read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import site
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scripts.deployment.errors import DeploymentError

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGED = Path(__file__).resolve().parent / "artifacts"
COMPILERS = 2
# A change in what is stored below makes the kept artifacts worthless.
FORMAT = "2"

_IMPORT = re.compile(r"^(?:from\s+([\w.]+)\s+import\s+(\w+)|import\s+([\w.]+)\s+as\s+\w+)", re.M)

Abi = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract."""

    name: str
    source: str  # path below the root
    compiler: str
    abi: Abi
    initcode: str  # hex without 0x
    runtime: str  # hex without 0x and without the immutables
    immutable_bytes: int  # appended to the runtime when it is deployed
    layout: dict[str, Any]  # of the storage: module -> variable -> {"slot": ...}

    @property
    def deployed_bytes(self) -> int:
        """The size that counts against the limits."""
        return len(self.runtime) // 2 + self.immutable_bytes


def load(*names: str, root: Path = ROOT) -> dict[str, Artifact]:
    """Return the named deployables (all of them without names), compiled.

    Raises:
        DeploymentError: a contract is unknown or does not compile.
    """
    sources = _sources(root)
    if not sources:
        return _packaged(names)
    wanted = names or tuple(name for name, path in sources.items() if path.parent.name != "mocks")
    unknown = [name for name in wanted if name not in sources]
    if unknown:
        raise DeploymentError(f"there is no contract {unknown[0]} below contracts/")
    keys = {name: _key(sources[name], root) for name in wanted}
    found = {name: _recall(name, keys[name], root) for name in wanted}
    missing = [name for name, artifact in found.items() if artifact is None]
    for artifact in _compile_all([sources[name] for name in missing], root):
        _remember(artifact, keys[artifact.name], root)
        found[artifact.name] = artifact
    return {name: artifact for name, artifact in found.items() if artifact is not None}


def compile_file(path: Path, root: Path) -> Artifact:
    """Compile one contract as it is deployed.

    Raises:
        DeploymentError: the contract does not compile.
    """
    # The compiler takes a second to import and is not needed when every artifact is kept.
    from vyper.compiler import CompilerData
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.output import build_abi_output, build_layout_output
    from vyper.compiler.settings import anchor_settings
    from vyper.exceptions import VyperException

    bundle = FilesystemInputBundle([*map(Path, site.getsitepackages()), root / "contracts"])
    try:
        compiled = CompilerData(bundle.load_file(path), input_bundle=bundle)
        with anchor_settings(compiled.settings):
            return Artifact(
                name=path.stem,
                source=path.relative_to(root).as_posix(),
                compiler=f"vyper {version('vyper')}",
                abi=build_abi_output(compiled),
                initcode=compiled.bytecode.hex(),
                runtime=compiled.bytecode_runtime.hex(),
                immutable_bytes=compiled.global_ctx.immutable_section_bytes,
                layout=build_layout_output(compiled).get("storage_layout", {}),
            )
    except VyperException as error:
        raise DeploymentError(f"{path.name} does not compile: {_first_reason(error)}") from error


def _first_reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # several errors come under a heading of their own
    return next((line for line in lines if not line.endswith("following errors:")), "unknown")


def _sources(root: Path) -> dict[str, Path]:
    contracts = root / "contracts"
    folders = (contracts, contracts / "feeds", contracts / "mocks")
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.vy"))}


def _packaged(names: tuple[str, ...]) -> dict[str, Artifact]:
    found = {path.stem: path for path in PACKAGED.glob("*.json")}
    absent = [name for name in names or ("Clearinghouse",) if name not in found]
    if absent:
        raise DeploymentError(f"neither sources nor a packaged artifact of {absent[0]} were found")
    return {name: _parse(found[name].read_text(encoding="utf-8")) for name in names or found}


def _compile_all(paths: list[Path], root: Path) -> Iterator[Artifact]:
    if len(paths) < 2:
        yield from (compile_file(path, root) for path in paths)
        return
    with ProcessPoolExecutor(max_workers=COMPILERS) as pool:
        yield from pool.map(compile_file, paths, [root] * len(paths))


def _key(path: Path, root: Path) -> str:
    digest = hashlib.sha256(FORMAT.encode())
    for package in ("vyper", "snekmate"):
        digest.update(version(package).encode())
    for source in sorted(_closure(path, root / "contracts")):
        digest.update(source.relative_to(root).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _closure(path: Path, contracts: Path) -> set[Path]:
    """Return the file and everything of ours that it imports, at any depth."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for package, name, whole in _IMPORT.findall(current.read_text(encoding="utf-8")):
            stem = contracts / (whole or f"{package}.{name}").replace(".", "/")
            waiting += [
                stem.with_suffix(s) for s in (".vy", ".vyi") if stem.with_suffix(s).exists()
            ]
    return seen


def _parse(text: str) -> Artifact:
    stored = json.loads(text)
    return Artifact(**stored["artifact"])


def _recall(name: str, key: str, root: Path) -> Artifact | None:
    path = root / ".build" / "artifacts" / f"{name}.json"
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8")
    return _parse(text) if json.loads(text)["key"] == key else None


def _remember(artifact: Artifact, key: str, root: Path) -> None:
    folder = root / ".build" / "artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    # Written beside and moved, so that a parallel reader never sees half a file.
    draft = folder / f".{artifact.name}.{os.getpid()}"
    stored: Mapping[str, Any] = {"key": key, "artifact": asdict(artifact)}
    draft.write_text(json.dumps(stored), encoding="utf-8")
    draft.replace(folder / f"{artifact.name}.json")
