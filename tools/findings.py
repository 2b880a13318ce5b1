"""What a lint has to say, and how it says it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place that breaks one rule of the house."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        """Return the finding as `path:line: rule text`."""
        return f"{self.path}:{self.line}: {self.rule} {self.text}"


def report(findings: Iterable[Finding], summary: str) -> int:
    """Print findings to stderr, or the summary when there are none, and return the exit code."""
    ordered = sorted(set(findings))
    for finding in ordered:
        print(finding, file=sys.stderr)
    if ordered:
        print(f"{len(ordered)} finding(s)", file=sys.stderr)
        return 1
    print(summary)
    return 0


def fail(error: Exception) -> int:
    """Print an error of one sentence to stderr and return the exit code."""
    print(error, file=sys.stderr)
    return 1
