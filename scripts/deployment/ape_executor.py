"""Run a plan through the provider that Ape is connected to."""

from __future__ import annotations

from typing import Any

from ape.exceptions import ContractLogicError
from eth_tester.exceptions import TransactionFailed
from eth_utils.address import to_checksum_address
from web3.exceptions import ContractLogicError as Web3ContractLogicError

from scripts.deployment.errors import SendError
from scripts.deployment.executor import Receipt


class ApeExecutor:
    """One of Ape's accounts on its active provider."""

    def __init__(self, account: Any, provider: Any) -> None:
        """Send from `account` (ape's AccountAPI) on `provider` (ape's ProviderAPI)."""
        self._account = account
        self._provider = provider

    @property
    def sender(self) -> str:
        """Checksummed address that pays and signs."""
        return str(to_checksum_address(self._account.address))

    def chain_id(self) -> int:
        """Return the chain's id."""
        return int(self._provider.chain_id)

    def block(self) -> int:
        """Return the latest block's number."""
        return int(self._provider.get_block("latest").number)

    def balance(self) -> int:
        """Return the sender's wei."""
        return int(self._account.balance)

    def nonce(self) -> int:
        """Return the sender's next nonce."""
        return int(self._provider.get_nonce(self._account.address, block_id="pending"))

    def in_flight(self) -> int:
        """Return how many of the sender's transactions wait to be mined."""
        return self.nonce() - int(self._account.nonce)

    def fee(self) -> int:
        """Return the base fee and the tip that the node proposes [wei]."""
        return int(self._provider.base_fee) + int(self._provider.priority_fee)

    def estimate(self, to: str | None, data: bytes, value: int = 0) -> int:
        """Ask the node for the gas of a transaction."""
        # not Ape's own estimate, which is the block's limit where a network is set to "max"
        request = {"from": self._account.address, "data": data, "value": value}
        try:
            return int(self._provider.web3.eth.estimate_gas(request | ({"to": to} if to else {})))
        except (Web3ContractLogicError, TransactionFailed) as error:
            raise SendError(str(error)) from error

    def code(self, address: str) -> bytes:
        """Return the code at an address."""
        return bytes(self._provider.get_code(address))

    def storage(self, address: str, slot: int) -> int:
        """Return a storage word."""
        return int.from_bytes(self._provider.get_storage(address, slot), "big")

    def create(self, initcode: bytes) -> Receipt:
        """Create a contract."""
        return self._transact(data=initcode)

    def send(self, to: str, data: bytes, value: int = 0) -> Receipt:
        """Send a transaction."""
        return self._transact(receiver=to, data=data, value=value)

    def call(self, to: str, data: bytes) -> bytes:
        """Read."""
        try:
            return bytes(self._provider.send_call(self._transaction(receiver=to, data=data)))
        except ContractLogicError as error:
            raise SendError(str(error.message)) from error

    def _transaction(self, **fields: object) -> Any:
        ecosystem = self._provider.network.ecosystem
        return ecosystem.create_transaction(
            sender=self._account.address, chain_id=self.chain_id(), **fields
        )

    def _transact(self, **fields: object) -> Receipt:
        try:
            receipt = self._account.call(self._transaction(**fields))
        except ContractLogicError as error:
            raise SendError(str(error.message)) from error
        created = receipt.contract_address
        return Receipt(
            tx=str(receipt.txn_hash),
            block=int(receipt.block_number),
            gas_used=int(receipt.gas_used),
            address=to_checksum_address(created) if created else None,
        )
