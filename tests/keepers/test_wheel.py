"""The wheel alone, installed away from any checkout: what keepers run from on a server."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import (
    PackageNotFoundError,
    distribution,
    packages_distributions,
    version,
)
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.keepers.anvil_world import Node
from tests.keepers.files import GOOD

ROOT = Path(__file__).resolve().parents[2]
# what a wheel is built from
PARTS = ("keepers", "abi", "docs/errors.md", "pyproject.toml", "README.md", "LICENSE")
PIP = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")
IMPORT_ALL = """
import importlib, pkgutil, keepers
names = [each.name for each in pkgutil.walk_packages(keepers.__path__, "keepers.")]
print(keepers.__file__, *(importlib.import_module(name).__name__ for name in names))
"""


def pip(*arguments: str | Path, python: Path | None = None) -> None:
    where = ("--python", python) if python else ()
    command = [sys.executable, "-m", "pip", *where, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    for part in PARTS:
        (folder / "src" / part).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            kept = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, folder / "src" / part, symlinks=True, ignore=kept)
        else:
            shutil.copy(ROOT / part, folder / "src" / part)
    pip("wheel", *PIP, "--no-build-isolation", "--wheel-dir", folder, folder / "src")
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, and the locked packages beside it."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    pip("install", *PIP, wheel, python=folder / "bin" / "python")
    # A line that is a path adds that folder alone: not the checkout that it may point to.
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "locked.pth").write_text(f"{distribution('typer').locate_file('')}\n")
    return folder / "bin"


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment in a folder that has nothing of the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(installed / arguments[0]), *arguments[1:]]
    environment = {**kept, "COLUMNS": "200", "PLIMSOLL_LOG": "error"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_wheel__asked_for_help__lists_every_command(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "plimsoll", "--help")
    assert done.returncode == 0, done.stderr
    for command in ("publish", "execute", "liquidate", "accounts", "prove", "demo", "replay"):
        assert command in done.stdout


def test_wheel__every_module__is_imported_from_it(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "python", "-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed.parent))
    assert "keepers.bots.liquidate" in done.stdout
    assert "keepers.lab" not in done.stdout


def test_wheel__node_does_not_answer__one_sentence(installed: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps(GOOD))
    asked = ("accounts", "--deployment", str(path), "--rpc", "http://127.0.0.1:1")
    done = run(installed, tmp_path, "plimsoll", *asked)
    assert done.returncode == 1
    assert re.fullmatch(r"plimsoll: .*does not answer.*\.\n", done.stderr), done.stderr


@pytest.mark.parametrize("command", [("demo", "--crash"), ("replay", "--only", "2021-05")])
def test_wheel__command_that_needs_the_contracts__says_so(
    command: tuple[str, ...], installed: Path, tmp_path: Path
) -> None:
    done = run(installed, tmp_path, "plimsoll", *command)
    assert done.returncode == 2
    assert done.stderr == (
        f"plimsoll: {command[0]} deploys the contracts, whose sources are not part of this "
        f"package; run `make {command[0]}` in a checkout of the repository.\n"
    )


def test_wheel__parameters_against_the_chain__need_a_checkout(
    installed: Path, tmp_path: Path
) -> None:
    done = run(installed, tmp_path, "plimsoll", "diff", "--params", "local")
    assert done.returncode == 2
    assert done.stderr == (
        "plimsoll: diff needs the parameter files, which are not part of this package; run it in a "
        "checkout of the repository.\n"
    )


@pytest.mark.anvil
def test_wheel__deployment_file_alone__reads_and_proves_the_books(
    node: Node, installed: Path, tmp_path: Path
) -> None:
    path = shutil.copy(node.path, tmp_path / "31337.json")
    reading = ("--deployment", str(path), "--rpc", node.http)
    shown = run(installed, tmp_path, "plimsoll", "accounts", *reading)
    assert shown.returncode == 0, shown.stderr
    assert "0 under MM" in shown.stdout
    proved = run(installed, tmp_path, "plimsoll", "prove", *reading)
    assert proved.returncode == 0, proved.stderr
    assert "The books at block" in proved.stdout


# ---- what pip is told to bring along -----------------------------------------------------------


def requirements(wheel: Path) -> list[Requirement]:
    with ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("METADATA"))
        lines = archive.read(name).decode().splitlines()
    start = "Requires-Dist: "
    return [Requirement(line.removeprefix(start)) for line in lines if line.startswith(start)]


def plain(name: str) -> str:
    return name.lower().replace("_", "-")


def test_wheel__requirements__are_met_by_the_locked_packages(wheel: Path) -> None:
    for each in requirements(wheel):
        try:
            assert version(each.name) in each.specifier
        except PackageNotFoundError:
            pytest.fail(f"{each.name} is required but not in requirements.lock")


def test_wheel__imports__are_its_requirements(wheel: Path) -> None:
    imported: set[str] = set()
    with ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".py"):
                imported |= modules(ast.parse(archive.read(name)))
    ours = {*sys.stdlib_module_names, "keepers"}
    homes = packages_distributions()
    needed = {plain(homes[module][0]) for module in imported - ours}
    assert needed == {plain(each.name) for each in requirements(wheel)}


def modules(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found
