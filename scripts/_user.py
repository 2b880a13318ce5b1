"""The keepers' client over Ape: its provider answers, its account signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eth_account.messages import encode_typed_data

from keepers.bots.runtime import find_deployment
from keepers.chain.reading import Reader
from keepers.chain.rpc import Rpc
from keepers.chain.sender import Outcome, outcome_of
from keepers.chain.transactions import Draft
from keepers.client import Client
from keepers.errors import BadInput, ChainError, Reverted
from keepers.settings import ClientSettings
from scripts.deployment.ape_executor import ApeExecutor
from scripts.deployment.errors import DeploymentError
from scripts.deployment.web3_executor import NODE_FAILURES


class ApeRpc(Rpc):
    """JSON-RPC through the node that Ape is connected to."""

    def __init__(self, provider: Any) -> None:
        """Ask `provider` (ape's ProviderAPI), which has to stand before a node."""
        super().__init__("http://ape")
        if not getattr(provider, "http_uri", None):
            raise BadInput(
                f"Ape's provider {provider.name} is no node",
                "connect to one, such as --network ethereum:local:foundry",
            )
        self._provider = provider.web3.provider

    async def _exchange(self, body: Any, retries: int = 0) -> Any:
        if isinstance(body, list):
            return [self._ask(each) for each in body]
        return self._ask(body)

    def _ask(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._provider.make_request(body["method"], body["params"])
        except NODE_FAILURES as error:
            raise ChainError(f"Ape's node does not answer ({type(error).__name__})") from error
        return {**answer, "id": body["id"]}


class ApeWallet:
    """One of Ape's accounts, as a wallet of the client."""

    def __init__(self, account: Any, provider: Any, rpc: Rpc) -> None:
        """Send from `account` (ape's AccountAPI) on `provider` (ape's ProviderAPI)."""
        self._account = account
        self._executor = ApeExecutor(account, provider)
        self._rpc = rpc

    @property
    def address(self) -> str:
        """Return the address that sends."""
        return self._executor.sender

    def sign_typed(self, data: Mapping[str, Any]) -> bytes:
        """Let Ape's account sign EIP-712 data, and ask its owner where it does."""
        signed = self._account.sign_message(encode_typed_data(full_message=dict(data)))
        if signed is None:
            raise BadInput(f"{self.address} has not signed", "confirm it, or use another account")
        return bytes(signed.encode_rsv())

    async def send(self, draft: Draft) -> Outcome:
        """Let Ape estimate, sign, send and wait."""
        try:
            sent = self._executor.send(draft.to, draft.data, draft.value)
        except DeploymentError as error:
            raise Reverted(str(error)) from error
        receipt = await self._rpc.receipt(sent.tx)
        if receipt is None:
            raise ChainError(f"the node forgot the transaction {sent.tx}", "look it up")
        return outcome_of(receipt)

    async def close(self) -> None:
        """Ape closes what it opened."""


class ApeOpener:
    """Opens clients on Ape's connection, in place of the commands' own."""

    def __init__(self, account: Any, provider: Any) -> None:
        """Keep Ape's account and provider."""
        self._account = account
        self._provider = provider

    async def __call__(self, settings: ClientSettings, owner: str) -> Client:
        """Return a client; key and node of the settings are not used."""
        rpc = ApeRpc(self._provider)
        deployed = await find_deployment(rpc, settings.deployment, settings.deployments)
        await Reader(rpc, deployed).check()
        wallet = ApeWallet(self._account, self._provider, rpc)
        return Client.over(rpc, deployed, settings, wallet, owner)


def words(texts: Sequence[str]) -> list[str]:
    """Return what was written after the script's name, help where nothing was."""
    return list(texts) or ["--help"]
