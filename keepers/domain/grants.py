"""Grants to operators, the permits of them, and those of tokens: what an owner signs.

docs/spec/operators.md fixes every byte of this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import encode
from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

from keepers.errors import BadInput

SCOPES: Final = {"trade": 1, "withdraw": 2, "receive": 4}
NO_LIMIT: Final = 2**32 - 1  # uses
FOREVER: Final = 2**64 - 1  # expiry

DOMAIN_TYPE: Final = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
PERMIT_TYPE: Final = keccak(
    b"Permit(uint256 account,address operator,uint256 scope,uint256 expiry,uint256 uses,"
    b"uint256 nonce,uint256 deadline)"
)
TOKEN_PERMIT_TYPE: Final = keccak(
    b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)


@dataclass(frozen=True, slots=True)
class Grant:
    """Whom an account's owner lets act for it, as `IOperators.Grant`."""

    account: int
    operator: str
    scope: int  # of SCOPES, added; 0 revokes
    expiry: int = FOREVER  # unix seconds, the last one that counts
    uses: int = NO_LIMIT

    @property
    def struct(self) -> tuple[int, str, int, int, int]:
        """Return the grant as the ABI takes it."""
        return self.account, self.operator, self.scope, self.expiry, self.uses

    @property
    def scopes(self) -> list[str]:
        """Return the names of what it allows."""
        return [name for name, bit in SCOPES.items() if self.scope & bit]


@dataclass(frozen=True, slots=True)
class Permit:
    """A grant that its owner has signed and anybody may bring, once."""

    grant: Grant
    nonce: int
    deadline: int
    signature: bytes  # r | s | v, or what a contract wallet takes


def scope_of(names: Iterable[str]) -> int:
    """Return the scope that these names allow together."""
    scope = 0
    for name in names:
        if name not in SCOPES:
            raise BadInput(f"{name} is no scope", f"choose among {', '.join(SCOPES)}")
        scope |= SCOPES[name]
    return scope


# ---- what is signed


def permit_digest(grant: Grant, nonce: int, deadline: int, chain_id: int, operators: str) -> bytes:
    """Return the 32 bytes that the account's owner signs for one deployment."""
    parts = [DOMAIN_TYPE, keccak(b"Plimsoll Operators"), keccak(b"1"), chain_id, operators]
    separator = keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], parts))
    kinds = ["bytes32", "uint256", "address", "uint256", "uint256", "uint256"]
    body = encode([*kinds, "uint256", "uint256"], [PERMIT_TYPE, *grant.struct, nonce, deadline])
    return keccak(b"\x19\x01" + separator + keccak(body))


def token_digest(
    separator: bytes, owner: str, spender: str, amount: int, nonce: int, deadline: int
) -> bytes:
    """Return the 32 bytes that a token's owner signs (ERC-2612)."""
    kinds = ["bytes32", "address", "address", "uint256", "uint256", "uint256"]
    body = encode(kinds, [TOKEN_PERMIT_TYPE, owner, spender, amount, nonce, deadline])
    return keccak(b"\x19\x01" + separator + keccak(body))


# ---- as text, to be handed over


def written(permit: Permit) -> str:
    """Return a permit as one line of JSON."""
    grant = permit.grant
    return json.dumps(
        {
            "account": hex(grant.account),
            "operator": grant.operator,
            "scopes": grant.scopes,
            "expiry": grant.expiry,
            "uses": grant.uses,
            "nonce": permit.nonce,
            "deadline": permit.deadline,
            "signature": "0x" + permit.signature.hex(),
        }
    )


def read(text: str) -> Permit:
    """Return the permit that a line of JSON holds; the inverse of `written`."""
    try:
        said = json.loads(text)
        return _parsed(said)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(
            f"that is no permit ({error!s:.60})", "pass on the line that was signed as it is"
        ) from error


def _parsed(said: Any) -> Permit:
    grant = Grant(
        account=int(said["account"], 16),
        operator=checked_address(said["operator"]),
        scope=scope_of(said["scopes"]),
        expiry=int(said["expiry"]),
        uses=int(said["uses"]),
    )
    signature = bytes.fromhex(said["signature"].removeprefix("0x"))
    return Permit(grant, int(said["nonce"]), int(said["deadline"]), signature)


def checked_address(text: str) -> str:
    """Return an address in its checksummed form."""
    if not is_address(text):
        raise BadInput(f"{text} is no address", "write 0x and 40 hexadecimal digits")
    return str(to_checksum_address(text))
