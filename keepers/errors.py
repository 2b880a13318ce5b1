"""Failures that a person reads: one sentence, what happened and what to do about it."""

from __future__ import annotations


class KeeperError(Exception):
    """A failure that ends a command with exit code 1, or that a loop counts and survives."""

    exit_code = 1
    survivable = True  # by a loop, which counts it and goes on

    def __init__(self, what: str, do: str = "") -> None:
        """Keep what happened and what to do as one sentence.

        Args:
            what: what happened, without a full stop.
            do: what the reader can do about it, without a full stop.
        """
        self.what = what
        self.do = do
        super().__init__(f"{what}; {do}." if do else f"{what}.")


class BadInput(KeeperError):
    """A setting, argument, file or key that the reader has to change: exit code 2."""

    survivable = False
    exit_code = 2


class ChainError(KeeperError):
    """A node that does not answer, or answers what no node should."""


class NodeRefused(ChainError):
    """A node that answered a call with an error of its own (not a revert)."""

    def __init__(self, code: int, message: str) -> None:
        """Keep the node's code and message."""
        self.code = code
        self.message = message
        super().__init__(f"the node refused: {message}")


class Reverted(KeeperError):
    """A call that a contract refused."""

    def __init__(self, reason: str) -> None:
        """Keep the contract's reason, "module: reason", and its sentence."""
        from keepers.reasons import meaning

        self.reason = reason
        what, do = meaning(reason)
        super().__init__(what, do)


class BrokenBooks(KeeperError):
    """An invariant that does not hold: stop, and let a person look."""

    survivable = False
