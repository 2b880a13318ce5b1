"""Bytecode and ABI of any contract, compiled once and kept under .cache while sources stand."""

from __future__ import annotations

import hashlib
import json
import re
import site
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
STORE = ROOT / ".cache" / "evm"
IMPORT = re.compile(r"^from ([a-z_.]+) import (\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a test needs of one contract."""

    name: str
    initcode: str
    abi: list[dict[str, Any]]
    layout: dict[str, Any]


def _imported(path: Path, seen: set[Path]) -> set[Path]:
    """Return the file and everything below contracts/ that it imports, directly or not."""
    seen.add(path)
    for folder, name in IMPORT.findall(path.read_text(encoding="utf-8")):
        for suffix in (".vy", ".vyi"):
            file = CONTRACTS / folder.replace(".", "/") / f"{name}{suffix}"
            if file.exists() and file not in seen:
                _imported(file, seen)
    return seen


def _key(path: Path) -> str:
    digest = hashlib.sha256(version("vyper").encode() + version("snekmate").encode())
    for file in sorted(_imported(path, set())):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _compile(path: Path) -> Compiled:
    # the compiler takes seconds to import, and a warm cache never needs it
    from vyper.compiler import CompilerData
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.output import build_abi_output, build_layout_output
    from vyper.compiler.settings import anchor_settings

    bundle = FilesystemInputBundle([*map(Path, site.getsitepackages()), CONTRACTS])
    compiled = CompilerData(bundle.load_file(path), input_bundle=bundle)
    with anchor_settings(compiled.settings):
        return Compiled(
            name=path.stem,
            initcode=compiled.bytecode.hex(),
            abi=json.loads(json.dumps(build_abi_output(compiled))),
            layout=json.loads(json.dumps(build_layout_output(compiled))),
        )


@cache
def compiled(name: str) -> Compiled:
    """Return `contracts/<name>.vy` (or any .vy path under the repository), compiled."""
    path = ROOT / name if name.endswith(".vy") else CONTRACTS / f"{name}.vy"
    kept = STORE / f"{path.stem}.json"
    key = _key(path)
    if kept.exists():
        stored = json.loads(kept.read_text(encoding="utf-8"))
        if stored["key"] == key:
            return Compiled(**stored["compiled"])
    made = _compile(path)
    STORE.mkdir(parents=True, exist_ok=True)
    # two workers may write the same file: each writes its own, the last rename wins
    part = kept.with_suffix(f".{hashlib.sha256(str(id(made)).encode()).hexdigest()[:8]}")
    part.write_text(json.dumps({"key": key, "compiled": asdict(made)}), encoding="utf-8")
    part.replace(kept)
    return made
