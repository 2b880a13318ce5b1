"""What a contract's revert reason means, from docs/errors.md, the one table of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

# in a checkout a link to docs/errors.md
TABLE = Path(__file__).with_name("errors.md")
ERROR_SELECTOR = "08c379a0"
PANIC_SELECTOR = "4e487b71"
NO_REASON = "no reason given"


@cache
def table(path: Path = TABLE) -> dict[str, tuple[str, str]]:
    """Return reason -> (what it means, what to do)."""
    rows: dict[str, tuple[str, str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and ": " in cells[0].strip("`"):
            rows[cells[0].strip("`")] = (cells[1].rstrip("."), cells[2].rstrip("."))
    return rows


def meaning(reason: str) -> tuple[str, str]:
    """Return what the contract said in words, and what to do about it."""
    known = table().get(reason)
    if known is None:
        return f"the contract refused the call ({reason})", ""
    what, do = known
    return f"{what} ({reason})", do


def reason_of(data: str | None, message: str) -> str:
    """Return the revert string in an eth_call error.

    Args:
        data: the revert data as hex, if the node gave it.
        message: the node's message.
    """
    raw = (data or "").removeprefix("0x")
    if raw.startswith(ERROR_SELECTOR):
        try:
            return str(decode(["string"], bytes.fromhex(raw[8:]))[0])
        except (DecodingError, ValueError, UnicodeDecodeError):
            return NO_REASON
    if raw.startswith(PANIC_SELECTOR):
        return "arithmetic or bounds check failed"
    _, _, tail = message.partition("reverted: ")
    return tail.strip() or NO_REASON
