"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

from keepers.errors import BadInput


def clock(time: int) -> str:
    """Return a time to the minute, for a title or an axis that says UTC itself."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"


def when(time: int) -> str:
    """Return a time to the second, for a sentence that stands alone."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC"


def parse_time(text: str) -> int:
    """Read unix seconds or an ISO date, UTC unless it says otherwise."""
    if text.isdigit():
        return int(text)
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{text} is no time", "write 2021-05-19T12:00 or unix seconds") from error
    return int((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp())
