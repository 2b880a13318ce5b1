"""RLP of what a transaction is made of: numbers, byte strings, and one list around them."""

from __future__ import annotations


def number(value: int) -> bytes:
    """Encode an unsigned integer without leading zeros."""
    return text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def text(value: bytes) -> bytes:
    """Encode a byte string."""
    if len(value) == 1 and value[0] < 0x80:
        return value
    return _head(len(value), 0x80) + value


def wrap(body: bytes) -> bytes:
    """Encode a list whose items are encoded already."""
    return _head(len(body), 0xC0) + body


def _head(length: int, kind: int) -> bytes:
    if length < 56:
        return bytes((kind + length,))
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((kind + 55 + len(size),)) + size
