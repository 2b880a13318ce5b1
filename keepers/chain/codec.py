"""Decoding that takes nothing for a number: what a process has changed in eth_abi changes nothing.

Ape replaces eth_abi's decoder of unsigned integers, for the whole process, by one that pads what is
missing with zeros. Under `ape run` a contract that is not there would answer 0 to everything.
"""

from __future__ import annotations

from typing import Any, Final

from eth_abi.codec import ABICodec
from eth_abi.decoding import UnsignedIntegerDecoder
from eth_abi.encoding import UnsignedIntegerEncoder
from eth_abi.registry import BaseEquals
from eth_abi.registry import registry as shared

# the library leaves these without types
_uint: Any = BaseEquals("uint")  # type: ignore[no-untyped-call]
_own: Any = shared.copy()  # type: ignore[no-untyped-call]
_own.unregister("uint")
_own.register(_uint, UnsignedIntegerEncoder, UnsignedIntegerDecoder, label="uint")
_CODEC: Final = ABICodec(_own)
encode = _CODEC.encode
decode = _CODEC.decode
