"""Signed blobs from the reference's reports: the bridge between tests/reference and a chain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from coincurve import PrivateKey
from eth_utils.crypto import keccak

from tests.reference.oracle import Report
from tests.support import reports as wire

SIGNERS = 4


def key_of(index: int) -> PrivateKey:
    """Return the key of a source that exists in tests alone."""
    return PrivateKey(keccak(text=f"source {index}"))


def address_of(key: PrivateKey) -> int:
    """Return the address of a key."""
    public = key.public_key.format(compressed=False)[1:]
    return int.from_bytes(keccak(public)[12:], "big")


def source_address(index: int) -> int:
    """Return the address of a source."""
    return address_of(key_of(index))


@dataclass(frozen=True)
class Desk:
    """All sources of one Markets contract."""

    chain_id: int
    markets: int

    @cached_property
    def _domain(self) -> bytes:
        return wire.domain_separator(self.chain_id, f"0x{self.markets:040x}")

    @cached_property
    def _keys(self) -> dict[int, PrivateKey]:
        return {index: key_of(index) for index in range(SIGNERS + 2)}

    def blob(self, reports: Sequence[Report], seated: Iterable[int] = range(SIGNERS)) -> bytes:
        """Return what the seated sources send; a report that is not valid a stranger signs."""
        if not reports:
            return b""
        seats = {index: f"0x{address_of(self._keys[index]):040x}" for index in seated}
        return wire.blob([self._signed(report) for report in reports], seats)

    def _signed(self, report: Report) -> wire.Signed:
        feeds = bytes(quote.feed for quote in report.quotes)
        quotes = b"".join(
            quote.price.to_bytes(8, "big") + quote.conf.to_bytes(2, "big")
            for quote in report.quotes
        )
        key = self._keys[report.signer if report.valid else SIGNERS + 1]
        signer = wire.Signer(report.signer, "", key)
        return wire.signed_report(signer, self._domain, report.publish, feeds, quotes)
