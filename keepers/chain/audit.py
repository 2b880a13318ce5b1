"""The lens's own list of accounts under maintenance: what the mirror is held against."""

from __future__ import annotations

from typing import Final

from keepers.chain.reading import Reader

PAGE: Final = 500


async def unhealthy(reader: Reader) -> set[int]:
    """Return every account with E < MM, as the lens says it."""
    (count,) = await reader.one("Clearinghouse", "account_count")
    found: set[int] = set()
    index = 0
    while index < count:
        accounts, _, _, _, following = await reader.one("Lens", "unhealthy", index, PAGE)
        found.update(accounts)
        if following <= index:
            break
        index = following
    return found
