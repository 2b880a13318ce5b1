"""Ape's active provider as a chain of tests/support/scene.py."""

from __future__ import annotations

from typing import Any

from scripts.deployment.ape_executor import ApeExecutor

# accounts 6 to 9 of the test mnemonic sign prices
ACTORS = 6


class ApeChain:
    """A node that Ape is connected to; actors are its test accounts in the order of their call."""

    def __init__(self, ape: Any, provider: Any) -> None:
        """Take the ape module and a connected provider."""
        self._chain = ape.chain
        self._accounts = ape.accounts.test_accounts
        self._provider = provider
        self._actors: dict[str, ApeExecutor] = {}

    def actor(self, name: str) -> ApeExecutor:
        """Return the executor of a funded account, one for each name."""
        if name not in self._actors:
            assert len(self._actors) < ACTORS, "the test mnemonic has no more accounts to spare"
            account = self._accounts[len(self._actors)]
            self._actors[name] = ApeExecutor(account, self._provider)
        return self._actors[name]

    def now(self) -> int:
        """Return the time of the latest block [s]."""
        return int(self._provider.get_block("latest").timestamp)

    def wait(self, seconds: int) -> None:
        """Let time pass in an empty block."""
        self._provider.set_timestamp(self.now() + seconds)
        self._provider.mine()
