"""F8: the most gas that each action may use, as docs/spec/gas_bounds.md states it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "spec" / "gas_bounds.md"
ROW = re.compile(r"^\| `(\w+)` \| .* \| ([\d,]+) \|$", re.MULTILINE)


def stated() -> dict[str, int]:
    """Return the bounds of the page by action."""
    text = PAGE.read_text(encoding="utf-8")
    return {name: int(bound.replace(",", "")) for name, bound in ROW.findall(text)}


BOUNDS = stated()
