"""Set-up picks a Python that works, and says in one sentence what is missing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tools.findings import ROOT

FITS = '[ "$1" = -c ] && exit 0\n'
MAKES_VENV = '[ "$2" = venv ] && mkdir -p "$3"\nexit 0\n'
NO_VENV = '[ "$2" = venv ] && exit 1\nexit 0\n'


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH with the few tools that the scripts use and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "rm", "ln", "mkdir"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def install(machine: Path, name: str, script: str) -> None:
    stub = machine / name
    stub.write_text(f"#!/bin/sh\n{script}")
    stub.chmod(0o755)


def run(machine: Path, script: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(ROOT / "tools" / script), "env"]
    return subprocess.run(
        command, cwd=machine.parent, env={"PATH": str(machine)}, capture_output=True, text=True
    )


def sentence(text: str) -> str:
    """Return the text, asserting that it is one line that ends as a sentence."""
    assert text.count("\n") == 1, text
    assert text.endswith(".\n")
    return text


def test_venv__no_python__one_sentence(machine: Path) -> None:
    done = run(machine, "make_venv.sh")
    assert done.returncode == 1
    assert "Python 3.11 or 3.12 is needed" in sentence(done.stderr)


def test_venv__other_version_only__one_sentence(machine: Path) -> None:
    install(machine, "python3", "exit 1\n")
    assert "neither was found" in sentence(run(machine, "make_venv.sh").stderr)


def test_venv__first_python_cannot_make_one__second_is_tried(machine: Path) -> None:
    install(machine, "python3.11", FITS + NO_VENV)
    install(machine, "python3.12", FITS + MAKES_VENV)
    assert run(machine, "make_venv.sh").returncode == 0
    assert (machine.parent / "env").is_dir()


def test_venv__no_python_can_make_one__one_sentence_names_them(machine: Path) -> None:
    install(machine, "python3.11", FITS + NO_VENV)
    done = run(machine, "make_venv.sh")
    assert done.returncode == 1
    assert "python3.11" in sentence(done.stderr)


def test_venv__one_that_serves__kept(machine: Path) -> None:
    present = machine.parent / "env" / "bin"
    present.mkdir(parents=True)
    install(present, "python", "exit 0\n")
    assert run(machine, "make_venv.sh").returncode == 0
    assert (present / "python").exists()


def test_anvil__no_npm__one_sentence(machine: Path) -> None:
    done = run(machine, "get_anvil.sh")
    assert done.returncode == 1
    assert "npm was not found" in sentence(done.stderr)


def test_anvil__installed__its_binary_is_linked(machine: Path) -> None:
    (machine.parent / "env" / "bin").mkdir(parents=True)
    folder = "node_modules/@foundry-rs/anvil-some-cpu/bin"
    install(machine, "npm", f"mkdir -p {folder}\n: > {folder}/anvil\nchmod +x {folder}/anvil\n")
    (machine / "chmod").symlink_to(str(shutil.which("chmod")))
    assert run(machine, "get_anvil.sh").returncode == 0
    assert (machine.parent / "env" / "bin" / "anvil").resolve() == machine.parent / folder / "anvil"


def test_anvil__npm_fails__one_sentence(machine: Path) -> None:
    install(machine, "npm", "exit 1\n")
    assert "npm could not install" in sentence(run(machine, "get_anvil.sh").stderr)


# ---- .ci/run -----------------------------------------------------------------------------------


def ci(machine: Path, make: str) -> subprocess.CompletedProcess[str]:
    """Run .ci/run in a checkout of its own, with a make that does only this."""
    checkout = machine.parent / "checkout"
    (checkout / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", checkout / ".ci" / "run")
    for name in ("env", "bash", "dirname"):
        (machine / name).symlink_to(str(shutil.which(name)))
    install(machine, "npm", "exit 0\n")
    install(machine, "make", make)
    return subprocess.run(
        [checkout / ".ci" / "run"], env={"PATH": str(machine)}, capture_output=True, text=True
    )


def test_ci__without_price_files__runs_the_rest_and_says_what_it_skipped(machine: Path) -> None:
    done = ci(machine, 'echo "made $*"\n')
    assert done.returncode == 0
    made = [line for line in done.stdout.splitlines() if line.startswith("made ")]
    steps = ["setup", "-k lint", "test", "bench ARGS=--check"]
    steps += ["demo ARGS=--beyond", "demo ARGS=--options"]
    assert made == [f"made {step}" for step in steps]
    assert "ci: replay: skipped, since there is no folder" in done.stdout


def test_ci__with_price_files__replays_the_crash(machine: Path) -> None:
    (machine.parent / "shared" / "prices").mkdir(parents=True)
    done = ci(machine, 'echo "made $*"\n')
    assert done.returncode == 0
    assert "--only 2021-05\n" in done.stdout
    assert "replay: skipped" not in done.stdout


def test_ci__without_history__skips_the_comparison_of_abis(machine: Path) -> None:
    done = ci(machine, "exit 0\n")
    assert done.returncode == 0
    assert "ci: abi: skipped, since there is no earlier commit here" in done.stdout


def test_ci__with_an_earlier_commit__shows_what_the_abis_changed(machine: Path) -> None:
    install(machine, "git", "exit 0\n")
    tool = machine.parent / "checkout" / ".venv" / "bin" / "python"
    tool.parent.mkdir(parents=True)
    tool.write_text('#!/bin/sh\necho "python $*"\n', encoding="utf-8")
    tool.chmod(0o755)
    done = ci(machine, "exit 0\n")
    assert done.returncode == 0
    assert "python -m tools.abi --against HEAD^\n" in done.stdout


def test_ci__step_fails__stops_and_names_it(machine: Path) -> None:
    done = ci(machine, '[ "$1" != test ]\n')
    assert done.returncode == 1
    assert "ci: test: FAILED" in done.stderr
    assert "bench" not in done.stdout
