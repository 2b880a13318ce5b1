"""Run a plan on the chain inside the process (titanoboa): unit tests, and dry runs."""

from __future__ import annotations

from typing import Any

import boa
from eth_abi.abi import decode
from eth_utils.address import to_checksum_address

from scripts.deployment.errors import SendError
from scripts.deployment.executor import Receipt

CHAIN_ID = 31337
TX_GAS = 21_000
CREATE_GAS = 32_000
FEE = 10**9
_ERROR_SELECTOR = bytes.fromhex("08c379a0")


class BoaExecutor:
    """One sender on titanoboa's chain."""

    def __init__(self, sender: str, chain_id: int = CHAIN_ID) -> None:
        """Send from `sender` in the current environment."""
        self._sender = to_checksum_address(sender)
        self.env = boa.env
        self.env.evm.patch.chain_id = chain_id

    @property
    def sender(self) -> str:
        """Checksummed address that pays and signs."""
        return self._sender

    def chain_id(self) -> int:
        """Return the chain's id."""
        return int(self.env.evm.patch.chain_id)

    def block(self) -> int:
        """Return the latest block's number."""
        return int(self.env.evm.patch.block_number)

    def balance(self) -> int:
        """Return more than any deployment costs: gas is free here."""
        return 10**24

    def nonce(self) -> int:
        """Return the sender's next nonce."""
        address = boa.util.abi.Address(self._sender)
        return int(self.env.evm.vm.state.get_nonce(address.canonical_address))

    def in_flight(self) -> int:
        """Return nothing: every transaction is a block of its own."""
        return 0

    def fee(self) -> int:
        """Return a gwei."""
        return FEE

    def estimate(self, to: str | None, data: bytes, value: int = 0) -> int:
        """Run it and take it back."""
        with self.env.anchor():
            if to is None:
                return BoaExecutor.create(self, data).gas_used
            return BoaExecutor.send(self, to, data, value).gas_used

    def code(self, address: str) -> bytes:
        """Return the code at an address."""
        return bytes(self.env.get_code(address))

    def storage(self, address: str, slot: int) -> int:
        """Return a storage word."""
        return int(self.env.get_storage(address, slot))

    def create(self, initcode: bytes) -> Receipt:
        """Create a contract."""
        address, computation = self.env.deploy(sender=self._sender, bytecode=initcode)
        used = _checked(computation).get_gas_used() + CREATE_GAS + _intrinsic(initcode)
        return Receipt("", self.block(), used, to_checksum_address(address))

    def create_at(self, address: str, initcode: bytes) -> None:
        """Create a contract at an address of one's choice."""
        _, computation = self.env.deploy(
            sender=self._sender, bytecode=initcode, override_address=address
        )
        _checked(computation)

    def send(self, to: str, data: bytes, value: int = 0) -> Receipt:
        """Send a transaction."""
        computation = self.env.execute_code(
            to_address=to, sender=self._sender, data=data, value=value
        )
        used = _checked(computation).get_gas_used() + _intrinsic(data)
        return Receipt("", self.block(), used)

    def call(self, to: str, data: bytes) -> bytes:
        """Read."""
        computation = self.env.execute_code(
            to_address=to, sender=self._sender, data=data, is_modifying=False
        )
        return bytes(_checked(computation).output)


def _intrinsic(data: bytes) -> int:
    zeros = data.count(0)
    return TX_GAS + 4 * zeros + 16 * (len(data) - zeros)


def _checked(computation: Any) -> Any:
    if computation.is_error:
        raise SendError(reason(bytes(computation.output)) or str(computation.error))
    return computation


def reason(output: bytes) -> str:
    """Return the text of a standard Error(string), or nothing."""
    if output[:4] != _ERROR_SELECTOR:
        return ""
    return str(decode(["string"], output[4:])[0])
