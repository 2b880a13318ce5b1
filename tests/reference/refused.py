"""One way to refuse, as the contracts' Error(string)."""

from __future__ import annotations


class Refused(Exception):
    """An operation that the rules do not allow; the message is the contracts' reason."""

    @property
    def reason(self) -> str:
        """Return the "module: reason" string."""
        return str(self.args[0])


def require(ok: bool, reason: str) -> None:
    """Raise Refused(reason) unless ok."""
    if not ok:
        raise Refused(reason)
