"""Which series expire, when their prices are to be observed, and whose legs settle then.

docs/spec/expiries.md; a series is a market and the hour since 1970 on which it expires.
"""

from __future__ import annotations

from collections.abc import Iterable

from keepers.domain.instruments import series_of
from keepers.domain.words import Account

Series = tuple[int, int]


def series_held(accounts: Iterable[Account]) -> set[Series]:
    """Return the series of everything dated that these accounts hold."""
    return {series_of(leg.instrument) for account in accounts for leg in account.options}
