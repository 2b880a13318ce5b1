"""Hold every file that git would track to the rules of the repository.

No paths of one machine, no download addresses, no unfinished work, no price files, no nameless
actors in tests, no Ape in the keepers, no reference to a place in a document that is not there,
nothing at the root but what is known to belong there. Run with `python -m tools.repo_lint`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.findings import ROOT, Finding, report

MAX_PYTHON_LINES = 500
# a file of tests holds one subject, whose cases are read one by one
MAX_TEST_LINES = 700
MAX_FILE_BYTES = 1_000_000
# what stands at the root; anything else belongs into a room
ROOT_FILES = frozenset(
    {
        *(".gitattributes", ".gitignore", ".npmrc", "Makefile", "ape-config.yaml"),
        *("CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "STYLE.md"),
        *("package-lock.json", "package.json", "pyproject.toml"),
        *("requirements.in", "requirements.lock"),
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that may not occur, and where it may or need not be looked for."""

    name: str
    pattern: re.Pattern[str]
    text: str
    only: tuple[str, ...] = ("",)
    allowed: tuple[str, ...] = ()

    def covers(self, path: str) -> bool:
        """Return whether the rule looks at this file."""
        return path.startswith(self.only) and not path.startswith(self.allowed or ("\0",))


# a document and a place in it, as sources name them
LINK = re.compile(r"\b(docs/[\w/-]+\.md)#([\w-]+)")
CODE = ("contracts/", "keepers/", "scripts/", "tests/", "tools/", "bench/", "Makefile", ".ci/")
RULES = (
    Rule(
        "path",
        re.compile(r"(?:^|[^A-Za-z0-9_.])/(?:tmp|root|home|work|Users)/[A-Za-z0-9_.]"),
        "a path of one machine",
    ),
    Rule(
        "address",
        re.compile(
            r'"resolved":\s*"http|registry\.npmjs\.org|registry\.yarnpkg\.com'
            r"|pypi\.org/simple|files\.pythonhosted\.org|--(?:extra-)?index-url|--find[-]links"
        ),
        "a download address",
    ),
    Rule(
        "shared",
        re.compile(r"\.\./shared"),
        "a folder beside the checkout; only an optional source of price series",
        allowed=("Makefile", ".ci/", "keepers/lab/", "tests/", "docs/"),
    ),
    Rule(
        "actor",
        re.compile(r"\b(?:alice|bob)\b|\baccounts\[0\]", re.IGNORECASE),
        "name the actor by its role",
        only=("tests/", "scripts/", "contracts/", "bench/"),
    ),
    Rule(
        "unfinished",
        re.compile(r"\b(?:TO(?:DO)|FIX(?:ME)|X(?:XX))\b|\bNotImplemented(?:Error)\b"),
        "unfinished work",
        only=CODE,
    ),
    Rule(
        "ape",
        re.compile(r"^\s*(?:import|from) ape\b"),
        "keepers run without Ape; scripts/ has what needs it",
        only=("keepers/",),
    ),
    Rule(
        "support",
        re.compile(r"^\s*from tests\.(?:\w+\.)*test_\w+ import"),
        "what several tests use stands in a module of its own",
        only=("tests/",),
    ),
    Rule("conflict", re.compile(r"^(?:<{7}|>{7})(?: |$)"), "a merge conflict"),
)


def check_text(path: str, text: str) -> Iterator[Finding]:
    """Apply every rule to the lines of one file."""
    rules = [rule for rule in RULES if rule.covers(path)]
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        for rule in rules:
            if rule.pattern.search(line):
                yield Finding(path, number, rule.name, rule.text)
    stop = MAX_TEST_LINES if path.startswith("tests/") else MAX_PYTHON_LINES
    if path.endswith(".py") and len(lines) > stop:
        yield Finding(path, 1, "length", f"{len(lines)} lines; {stop} is the stop")


def check_kind(path: str, size: int) -> Iterator[Finding]:
    """Find files that have no place in the repository."""
    if size > MAX_FILE_BYTES:
        yield Finding(path, 1, "file", f"{size:,} bytes; {MAX_FILE_BYTES:,} is the limit")
    if path.endswith((".csv.gz", ".csv.zip")):
        yield Finding(path, 1, "file", "price series are read by path and never copied in")
    if "/" not in path and path not in ROOT_FILES:
        yield Finding(path, 1, "file", "the root holds what tools/repo_lint.py names, no more")


def anchors(page: str) -> set[str]:
    """Return what a link into a page can name: its headings, and the anchors set by hand."""
    headings = re.findall(r"^#+ +(.+)$", page, re.M)
    slugs = {re.sub(r"[^\w -]", "", text.lower()).strip().replace(" ", "-") for text in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)">', page))


def check_links(path: str, text: str, known: Mapping[str, set[str]]) -> Iterator[Finding]:
    """Find references to a place in a document that is not there.

    Args:
        path: of the file.
        text: of the file.
        known: what can be named in each document.
    """
    for number, line in enumerate(text.splitlines(), 1):
        for document, place in LINK.findall(line):
            if place not in known.get(document, ()):
                yield Finding(path, number, "link", f"{document} has no place #{place}")


def tracked(root: Path) -> list[str]:
    """Return the files that git tracks or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True)
    names = sorted({name for name in listing.stdout.split("\0") if name})
    return [name for name in names if (root / name).is_file()]


def lint(root: Path) -> tuple[list[Finding], int]:
    """Return the findings of a checkout and the number of files read."""
    names = tracked(root)
    texts: dict[str, str] = {}
    findings: list[Finding] = []
    for name in names:
        content = (root / name).read_bytes()
        findings += check_kind(name, len(content))
        if b"\0" not in content:
            texts[name] = content.decode("utf-8", errors="replace")
    known = {name: anchors(text) for name, text in texts.items() if name.endswith(".md")}
    for name, text in texts.items():
        findings += [*check_text(name, text), *check_links(name, text, known)]
    return findings, len(names)


def main() -> int:
    """Lint the checkout."""
    try:
        findings, files = lint(ROOT)
    except (OSError, subprocess.CalledProcessError):
        print("repo lint: git could not list the files; run it inside a checkout.", file=sys.stderr)
        return 1
    return report(findings, f"repo lint: {files} files, no findings")


if __name__ == "__main__":
    sys.exit(main())
