"""Grants to operators and the EIP-712 permits of them, from docs/spec/operators.md alone."""

from __future__ import annotations

from typing import NamedTuple

from coincurve import PrivateKey
from eth_abi.abi import encode
from eth_utils.crypto import keccak

TRADE, WITHDRAW, RECEIVE = 1, 2, 4
NO_LIMIT = 2**32 - 1
FOREVER = 2**64 - 1
CHAIN_ID = 31337

_DOMAIN = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_PERMIT = keccak(
    b"Permit(uint256 account,address operator,uint256 scope,uint256 expiry,uint256 uses,"
    b"uint256 nonce,uint256 deadline)"
)


class Grant(NamedTuple):
    """`IOperators.Grant`."""

    account: int
    operator: str
    scope: int
    expiry: int = FOREVER
    uses: int = NO_LIMIT


def domain(name: str, contract: str, chain_id: int = CHAIN_ID) -> bytes:
    """Return the EIP-712 domain of version 1 of a contract."""
    parts = [_DOMAIN, keccak(text=name), keccak(text="1"), chain_id, contract]
    return keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], parts))


def permit_digest(
    grant: Grant, nonce: int, deadline: int, contract: str, chain_id: int = CHAIN_ID
) -> bytes:
    """Return what the owner of an account signs."""
    kinds = ["bytes32", "uint256", "address", *["uint256"] * 5]
    body = keccak(encode(kinds, [_PERMIT, *grant, nonce, deadline]))
    return keccak(b"\x19\x01" + domain("Plimsoll Operators", contract, chain_id) + body)


def sign(key: PrivateKey, digest: bytes) -> bytes:
    """Return r, s, v."""
    raw = key.sign_recoverable(digest, hasher=None)
    return raw[:64] + bytes([27 + raw[64]])
