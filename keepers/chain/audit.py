"""The lens's own list of accounts under maintenance: what the mirror is held against.

A page of accounts with options may take more gas than a node spends on a call: it is halved then.
"""

from __future__ import annotations

from typing import Final

from keepers.chain.reading import Reader
from keepers.errors import NodeRefused, Reverted

PAGE: Final = 500


async def unhealthy(reader: Reader) -> set[int]:
    """Return every account with E < MM, as the lens says it."""
    (count,) = await reader.one("Clearinghouse", "account_count")
    found: set[int] = set()
    index, page = 0, PAGE
    while index < count:
        try:
            accounts, _, _, _, following = await reader.one("Lens", "unhealthy", index, page)
        except (Reverted, NodeRefused):
            if page > 1:
                page //= 2
                continue
            accounts, following = (), index + 1  # of this one nobody can tell
        found.update(accounts)
        if following <= index:
            break
        index, page = following, min(PAGE, 2 * page)
    return found
