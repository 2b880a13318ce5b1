"""docs/using.md does what it says: its commands and its Python are run, in their order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from keepers.settings import ClientSettings
from tests.keepers.anvil_world import Node
from tests.keepers.user_runs import Terminal, keepers_at_work

pytestmark = pytest.mark.anvil

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "using.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    """Return the fenced blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def lines(kind: str) -> list[list[str]]:
    """Return the words of every line of these blocks."""
    return [shlex.split(line) for block in blocks(kind) for line in block.splitlines()]


def test_page__commands_in_order__all_do_it(node: Node, terminal: Terminal) -> None:
    commands = [words[1:] for words in lines("sh") if words[0] == "plimsoll"]
    assert len(commands) > 10
    with keepers_at_work(node):
        for words in commands:
            said = terminal.ran(words)
            assert (words, said.code, said.err) == (words, 0, "")


def test_page__exports__are_settings() -> None:
    exported = [words[1] for words in lines("sh") if words[0] == "export"]
    names = [each.partition("=")[0].removeprefix("PLIMSOLL_").lower() for each in exported]
    assert names
    assert set(names) <= set(ClientSettings.model_fields)


def test_page__python__runs(
    node: Node, terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = blocks("python")
    with keepers_at_work(node):
        exec(compile(block, "docs/using.md", "exec"), {})
    assert "filled at" in capsys.readouterr().out


def test_page__ape__names_the_same_commands(node: Node, terminal: Terminal) -> None:
    with keepers_at_work(node):
        assert terminal.run("deposit", "3000", "USDC", "--mint").code == 0
        assert terminal.run("trade", "buy", "1", "ETH-PERP").code == 0
    for words in lines("ape"):
        assert words[:3] == ["ape", "run", "account"]
        ours = words[3 : words.index("--network")]
        said = terminal.run(*ours, "--dry-run")
        assert (ours, said.code, said.err) == (ours, 0, "")


@pytest.mark.parametrize("page", sorted(DOCS.glob("examples/*.md")), ids=lambda page: page.stem)
def test_example__its_page__names_files_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"\b(?:docs|keepers|tests)/[\w/]+\.(?:py|vy|md)\b", text)
    assert named
    assert all((DOCS.parent / each).is_file() for each in named)
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert all((page.parent / each).is_file() for each in links)
    for heading in ("## What it shows", "## How to run it"):
        assert heading in text
