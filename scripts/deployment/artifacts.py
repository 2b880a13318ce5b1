"""Compile contracts once, and remember the result until their sources change.

The only such store: deployment, tools, bench and tests share .cache/contracts. An artifact is kept
under a key of the compiler, and of the sources that the contract imports with the pragmas in them,
where every setting stands. Of several workers that miss the same artifact one compiles it.
"""

from __future__ import annotations

import fcntl
import gc
import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import distribution, version
from itertools import repeat
from pathlib import Path
from typing import Any

from scripts.deployment.errors import DeploymentError

ROOT = Path(__file__).resolve().parent.parent.parent
COMPILERS = 2
# A change in what is stored below makes the kept artifacts worthless.
FORMAT = "4"
# rooms of contracts that are no part of the protocol
FOR_TESTS = ("mocks", "testnet")

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
    immutables: dict[str, Any]  # behind the runtime: module -> variable -> {"offset": ...}

    @property
    def deployed_bytes(self) -> int:
        """The size that counts against the limits."""
        return len(self.runtime) // 2 + self.immutable_bytes

    @property
    def initcode_bytes(self) -> int:
        """The size of the code that creates it, constructor arguments apart."""
        return len(self.initcode) // 2


def load(*names: str, root: Path = ROOT) -> dict[str, Artifact]:
    """Return the named deployables (without names those of the protocol), compiled.

    Raises:
        DeploymentError: a contract is unknown or does not compile.
    """
    sources = _sources(root)
    ours = (name for name, path in sources.items() if path.parent.name not in FOR_TESTS)
    wanted = names or tuple(ours)
    unknown = [name for name in wanted if name not in sources]
    if unknown:
        raise DeploymentError(f"there is no contract {unknown[0]} below contracts/")
    paths = [sources[name] for name in wanted]
    missing = [path for path in paths if _recall(path, _key(path, root), root) is None]
    if len(missing) > 1:
        with ProcessPoolExecutor(max_workers=COMPILERS) as pool:
            list(pool.map(of, missing, repeat(root)))
    return {path.stem: of(path, root) for path in paths}


def of(path: Path, root: Path = ROOT) -> Artifact:
    """Return any one contract, compiled.

    Raises:
        DeploymentError: the contract does not compile.
    """
    key = _key(path, root)
    kept = _recall(path, key, root)
    if kept is not None:
        return kept
    store = _stored(path, root)
    store.parent.mkdir(parents=True, exist_ok=True)
    with store.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _recall(path, key, root) is None:
            _remember(compile_file(path, root), key, store)
        return _parse(store.read_text(encoding="utf-8"))


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

    packages = Path(str(distribution("snekmate").locate_file("")))
    bundle = FilesystemInputBundle([packages, root / "contracts"])
    try:
        compiled = CompilerData(bundle.load_file(path), input_bundle=bundle)
        with uncollected(), anchor_settings(compiled.settings):
            layouts = build_layout_output(compiled)
            return Artifact(
                name=path.stem,
                source=path.relative_to(root).as_posix(),
                compiler=f"vyper {version('vyper')}",
                abi=build_abi_output(compiled),
                initcode=compiled.bytecode.hex(),
                runtime=compiled.bytecode_runtime.hex(),
                immutable_bytes=compiled.global_ctx.immutable_section_bytes,
                layout=layouts.get("storage_layout", {}),
                immutables=layouts.get("code_layout", {}),
            )
    except VyperException as error:
        raise DeploymentError(f"{path.name} does not compile: {_reason(error)}") from error


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage for a while: a contract's trees live until it is compiled.

    Looking for dead ones among them takes a quarter more time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _reason(error: Exception) -> str:
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # several errors come under a heading of their own
    first = next((line for line in lines if not line.endswith("following errors:")), "unknown")
    place = re.search(r'contract "([^"]+?):(\d+)"', text)
    return first + (f" ({Path(place[1]).name}, line {place[2]})" if place else "")


def _sources(root: Path) -> dict[str, Path]:
    contracts = root / "contracts"
    folders = (contracts, contracts / "feeds", *(contracts / name for name in FOR_TESTS))
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.vy"))}


def _key(path: Path, root: Path) -> str:
    digest = hashlib.sha256(FORMAT.encode())
    for package in ("vyper", "snekmate"):
        digest.update(version(package).encode())
    for source in sorted(closure(path, root / "contracts")):
        digest.update(source.relative_to(root).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


def closure(path: Path, contracts: Path) -> set[Path]:
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


def _stored(path: Path, root: Path) -> Path:
    return root / ".cache" / "contracts" / f"{path.stem}.json"


def _parse(text: str) -> Artifact:
    return Artifact(**json.loads(text)["artifact"])


def _recall(path: Path, key: str, root: Path) -> Artifact | None:
    store = _stored(path, root)
    if not store.exists():
        return None
    text = store.read_text(encoding="utf-8")
    return _parse(text) if json.loads(text)["key"] == key else None


def _remember(artifact: Artifact, key: str, store: Path) -> None:
    # Written beside and moved, so that a parallel reader never sees half a file.
    draft = store.with_suffix(".draft")
    draft.write_text(json.dumps({"key": key, "artifact": asdict(artifact)}), encoding="utf-8")
    draft.replace(store)
