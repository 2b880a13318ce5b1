"""Run a plan through a node with web3.py: anvil, and any chain with a signer's key."""

from __future__ import annotations

from typing import Any, cast

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress, HexStr
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from requests import RequestException
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3Exception
from web3.types import Nonce, TxParams, TxReceipt, Wei

from scripts.deployment.errors import DeploymentError, SendError
from scripts.deployment.executor import Receipt

# What a node that went away looks like. Not every OSError: files fail by those as well.
NODE_FAILURES = (RequestException, ConnectionError, TimeoutError, Web3Exception)
RECEIPT_SECONDS = 120
POLL_SECONDS = 0.02
# A deployment's gas is estimated at the latest state; the next block may be a little dearer.
GAS_MARGIN_PERCENT = 10


class Web3Executor:
    """One sender on a node: a local key, or an account that the node itself unlocks."""

    def __init__(self, web3: Web3, signer: LocalAccount | str) -> None:
        """Send from a key, or from an unlocked address of a test node."""
        self.web3 = web3
        self._signer = signer
        address = signer if isinstance(signer, str) else signer.address
        self._sender: ChecksumAddress = to_checksum_address(address)

    @property
    def sender(self) -> str:
        """Checksummed address that pays and signs."""
        return self._sender

    def chain_id(self) -> int:
        """Return the chain's id."""
        return self.web3.eth.chain_id

    def block(self) -> int:
        """Return the latest block's number."""
        return self.web3.eth.block_number

    def balance(self) -> int:
        """Return the sender's wei."""
        return self.web3.eth.get_balance(self._sender)

    def nonce(self) -> int:
        """Return the sender's next nonce."""
        return self.web3.eth.get_transaction_count(self._sender, "pending")

    def in_flight(self) -> int:
        """Return how many of the sender's transactions wait to be mined."""
        return self.nonce() - self.web3.eth.get_transaction_count(self._sender, "latest")

    def fee(self) -> int:
        """Return the base fee of the latest block and the tip that the node proposes [wei]."""
        base = self.web3.eth.get_block("latest").get("baseFeePerGas", 0)
        return base + self.web3.eth.max_priority_fee

    def estimate(self, to: str | None, data: bytes, value: int = 0) -> int:
        """Ask the node for the gas of a transaction."""
        request = _request(to, data, value)
        request["from"] = self._sender
        return self._estimate(request)

    def code(self, address: str) -> bytes:
        """Return the code at an address."""
        return bytes(self.web3.eth.get_code(to_checksum_address(address)))

    def storage(self, address: str, slot: int) -> int:
        """Return a storage word."""
        return int.from_bytes(
            self.web3.eth.get_storage_at(to_checksum_address(address), slot), "big"
        )

    def create(self, initcode: bytes) -> Receipt:
        """Create a contract."""
        return self._transact(_request(None, initcode))

    def send(self, to: str, data: bytes, value: int = 0) -> Receipt:
        """Send a transaction."""
        return self._transact(_request(to, data, value))

    def call(self, to: str, data: bytes) -> bytes:
        """Read."""
        request = _request(to, data)
        request["from"] = self._sender
        try:
            return bytes(self.web3.eth.call(request))
        except ContractLogicError as error:
            raise SendError(_text(error)) from error

    def _transact(self, request: TxParams) -> Receipt:
        request["from"] = self._sender
        gas = self._estimate(request)
        request["gas"] = gas + gas * GAS_MARGIN_PERCENT // 100
        return _receipt(
            self.web3.eth.wait_for_transaction_receipt(
                self._submit(request), timeout=RECEIPT_SECONDS, poll_latency=POLL_SECONDS
            )
        )

    def _estimate(self, request: TxParams) -> int:
        try:
            return self.web3.eth.estimate_gas(request)
        except ContractLogicError as error:
            raise SendError(_text(error)) from error

    def _submit(self, request: TxParams) -> HexBytes:
        if isinstance(self._signer, str):
            return self.web3.eth.send_transaction(request)
        tip = self.web3.eth.max_priority_fee
        base = self.web3.eth.get_block("latest").get("baseFeePerGas", 0)
        request["nonce"] = Nonce(self.nonce())
        request["chainId"] = self.chain_id()
        request["maxPriorityFeePerGas"] = tip
        request["maxFeePerGas"] = Wei(2 * base + tip)
        signed = self._signer.sign_transaction(cast("dict[str, Any]", request))
        return self.web3.eth.send_raw_transaction(signed.raw_transaction)


def _request(to: str | None, data: bytes, value: int = 0) -> TxParams:
    request: TxParams = {"data": HexStr("0x" + data.hex()), "value": Wei(value)}
    if to is not None:
        request["to"] = to_checksum_address(to)
    return request


def _receipt(receipt: TxReceipt) -> Receipt:
    if receipt["status"] != 1:
        tx = receipt["transactionHash"].hex().removeprefix("0x")
        raise DeploymentError(
            f"transaction 0x{tx} reverted, though its simulation passed: the chain has changed in "
            "between; run this again, it goes on where it was interrupted"
        )
    return Receipt(
        tx="0x" + receipt["transactionHash"].hex().removeprefix("0x"),
        block=receipt["blockNumber"],
        gas_used=receipt["gasUsed"],
        address=receipt["contractAddress"],
    )


def _text(error: ContractLogicError) -> str:
    return str(error.message or error).removeprefix("execution reverted: ").removesuffix(",")
