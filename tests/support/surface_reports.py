"""Co-signed surfaces, written from docs/spec/surfaces.md alone; no code shared with keepers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.support.reports import Signer

_SURFACES = keccak(b"Surfaces(uint256[] words)")


def packed_words(words: Sequence[int]) -> bytes:
    """Return the words as they are signed and sent."""
    return b"".join(word.to_bytes(32, "big") for word in words)


def digest(domain: bytes, words: Sequence[int]) -> bytes:
    """Return the hash that every signer signs."""
    body = encode(["bytes32", "bytes32"], [_SURFACES, keccak(packed_words(words))])
    return keccak(b"\x19\x01" + domain + keccak(body))


def signature(signer: Signer, domain: bytes, words: Sequence[int]) -> bytes:
    """Return r 32 and s 32, the parity in its top bit (EIP-2098)."""
    raw = signer.key.sign_recoverable(digest(domain, words), hasher=None)
    s = int.from_bytes(raw[32:64], "big") | raw[64] << 255
    return raw[:32] + s.to_bytes(32, "big")


def report(
    words: Sequence[int], signed: Sequence[tuple[int, bytes]], seats: Mapping[int, str]
) -> bytes:
    """Return words and signatures as an update takes them.

    Args:
        words: keys ascending.
        signed: seat and signature, in the order in which they stand.
        seats: the address of every listed signer.
    """
    here = {seat for seat, _ in signed}
    absent = [(seat, address) for seat, address in sorted(seats.items()) if seat not in here]
    entries = bytes(seat << 5 for seat, _ in signed).ljust(8, b"\0")
    head = bytes((len(signed), len(words), len(absent))) + entries
    others = b"".join(bytes((seat << 5,)) + bytes.fromhex(a[2:]) for seat, a in absent)
    return head + others + packed_words(words) + b"".join(raw for _, raw in signed)
