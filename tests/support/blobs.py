"""An update's bytes taken apart again, from docs/spec/oracle.md: what keepers encode."""

from __future__ import annotations

from keepers.domain.reports import MAX_FEEDS, SEATS, SIGNATURE_BYTES, Quote, Report, SignedReport

HEAD_BYTES = 31
ABSENT_BYTES = 21
QUOTE_BYTES = 10


def decode_blob(blob: bytes) -> list[SignedReport]:
    """Unpack the reports of an update; what keepers must have encoded."""
    count, feeds, absent = blob[:3]
    stride = feeds * QUOTE_BYTES + SIGNATURE_BYTES
    first = HEAD_BYTES + absent * ABSENT_BYTES
    assert len(blob) == first + count * stride and count <= SEATS and feeds <= MAX_FEEDS
    newest = int.from_bytes(blob[3:7], "big")
    ids = blob[15 : 15 + feeds]
    return [
        _decode_one(blob[7 + i], newest, ids, blob[first + i * stride : first + (i + 1) * stride])
        for i in range(count)
    ]


def _decode_one(entry: int, newest: int, feeds: bytes, raw: bytes) -> SignedReport:
    parts = [raw[i * QUOTE_BYTES : (i + 1) * QUOTE_BYTES] for i in range(len(feeds))]
    quotes = tuple(
        Quote(feed, int.from_bytes(part[:8], "big"), int.from_bytes(part[8:], "big"))
        for feed, part in zip(feeds, parts, strict=True)
    )
    report = Report(newest - entry % 32, quotes)
    return SignedReport(entry >> 5, report, raw[len(feeds) * QUOTE_BYTES :])
