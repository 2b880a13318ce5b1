"""EIP-1559 transactions: built, signed and hashed without a framework on the hot path."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from eth_hash.auto import keccak

from keepers.chain import rlp
from keepers.chain.signer import Signer

TYPE: Final = b"\x02"
BUMP_PERCENT: Final = 12  # nodes want 10; two more for their rounding


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers per gas, in wei."""

    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction before it has a nonce and fees.

    `key` says what it does ("reduce 0x… 7 @1234"): one key is never in flight twice.
    """

    key: str
    to: str
    data: bytes
    gas: int
    value: int = 0


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction ready for the node."""

    raw: bytes
    hash: str
    nonce: int
    fees: Fees


def sign(draft: Draft, nonce: int, fees: Fees, chain_id: int, signer: Signer) -> Signed:
    """Sign a draft as an EIP-1559 transaction."""
    fields = (
        rlp.number(chain_id),
        rlp.number(nonce),
        rlp.number(fees.tip),
        rlp.number(fees.max_fee),
        rlp.number(draft.gas),
        rlp.text(bytes.fromhex(draft.to[2:])),
        rlp.number(draft.value),
        rlp.text(draft.data),
        rlp.wrap(b""),  # no access list
    )
    body = b"".join(fields)
    r, s, parity = signer.sign(keccak(TYPE + rlp.wrap(body)))
    raw = TYPE + rlp.wrap(body + rlp.number(parity) + rlp.number(r) + rlp.number(s))
    return Signed(raw, "0x" + keccak(raw).hex(), nonce, fees)


def fees_for(base_fee: int, tip: int, cap: int) -> Fees:
    """Return fees that survive two doublings of a sixth each, bounded by the cap."""
    tip = min(tip, cap)
    return Fees(max_fee=max(tip, min(cap, 2 * base_fee + tip)), tip=tip)


def bumped(old: Fees, fresh: Fees) -> Fees:
    """Return fees that a node accepts as a replacement: both at least 10 % up."""
    return replace(
        fresh,
        max_fee=max(fresh.max_fee, old.max_fee * (100 + BUMP_PERCENT) // 100 + 1),
        tip=max(fresh.tip, old.tip * (100 + BUMP_PERCENT) // 100 + 1),
    )
