"""Signed price reports: their bytes, their digest, and the quorum among them.

docs/spec/oracle.md fixes every byte of this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from eth_utils.crypto import keccak

from keepers.domain.units import CONF_ONE, ceil_div
from keepers.errors import BadInput

QUORUM: Final = 3
WINDOW: Final = 3  # seconds between the oldest and the newest report of one update
MAX_BLOB: Final = 2048
QUOTE_BYTES: Final = 11
SIGNATURE_BYTES: Final = 65

DOMAIN_TYPE: Final = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
REPORT_TYPE: Final = keccak(b"Report(uint256 publishTime,bytes quotes)")


@dataclass(frozen=True, slots=True, order=True)
class Quote:
    """One feed's price in a report."""

    feed: int
    price: int  # ticks
    conf: int  # 1e-5 of the price


@dataclass(frozen=True, slots=True)
class Report:
    """What one source says about all its feeds at one time; quotes ascend by feed."""

    publish_time: int
    quotes: tuple[Quote, ...]

    @property
    def feeds(self) -> tuple[int, ...]:
        """Return the feeds in order."""
        return tuple(quote.feed for quote in self.quotes)


@dataclass(frozen=True, slots=True)
class SignedReport:
    """A report with the signature of the listed signer of this index."""

    signer: int
    report: Report
    signature: bytes  # r | s | v, v 27 or 28


def make_report(publish_time: int, quotes: Iterable[Quote]) -> Report:
    """Build a report after checking that every field fits its bytes."""
    ordered = tuple(sorted(quotes))
    feeds = [quote.feed for quote in ordered]
    if not feeds or len(set(feeds)) != len(feeds):
        raise BadInput("a report needs one quote for each of its feeds")
    for quote in ordered:
        if not (0 < quote.feed < 256 and 0 < quote.price < 2**63 and 0 <= quote.conf < 2**16):
            raise BadInput(f"the quote of feed {quote.feed} does not fit a report")
    if not 0 < publish_time < 2**32:
        raise BadInput(f"{publish_time} is no publish time in unix seconds")
    return Report(publish_time, ordered)


def quote_bytes(report: Report) -> bytes:
    """Return the m x 11 bytes that are signed."""
    return b"".join(
        quote.feed.to_bytes(1, "big")
        + quote.price.to_bytes(8, "big")
        + quote.conf.to_bytes(2, "big")
        for quote in report.quotes
    )


def domain_separator(chain_id: int, markets: str) -> bytes:
    """Return the EIP-712 domain of `Plimsoll` version 1 at this Markets contract."""
    return keccak(
        DOMAIN_TYPE
        + keccak(b"Plimsoll")
        + keccak(b"1")
        + chain_id.to_bytes(32, "big")
        + int(markets, 16).to_bytes(32, "big")
    )


def digest(report: Report, separator: bytes) -> bytes:
    """Return the 32 bytes that a signer signs."""
    struct = keccak(
        REPORT_TYPE + report.publish_time.to_bytes(32, "big") + keccak(quote_bytes(report))
    )
    return keccak(b"\x19\x01" + separator + struct)


def encode_blob(signed: Sequence[SignedReport]) -> bytes:
    """Pack reports as `Markets.update` takes them, signers ascending."""
    ordered = sorted(signed, key=lambda each: each.signer)
    if len({each.signer for each in ordered}) != len(ordered):
        raise BadInput("two reports of one signer cannot stand in one update")
    if len({each.report.feeds for each in ordered}) != 1:
        raise BadInput("the reports of one update must list the same feeds")
    parts = [bytes((len(ordered), len(ordered[0].report.quotes)))]
    for each in ordered:
        parts.append(each.signer.to_bytes(1, "big") + each.report.publish_time.to_bytes(4, "big"))
        parts.append(quote_bytes(each.report))
        parts.append(each.signature)
    blob = b"".join(parts)
    if len(blob) > MAX_BLOB:
        raise BadInput(f"{len(blob)} bytes of reports are more than an update takes ({MAX_BLOB})")
    return blob


def decode_blob(blob: bytes) -> list[SignedReport]:
    """Unpack an update; the inverse of `encode_blob`."""
    count, feeds = blob[0], blob[1]
    stride = 5 + feeds * QUOTE_BYTES + SIGNATURE_BYTES
    if len(blob) != 2 + count * stride:
        raise BadInput("the update's length does not fit its counts")
    return [_decode_one(blob[2 + i * stride : 2 + (i + 1) * stride], feeds) for i in range(count)]


def _decode_one(raw: bytes, feeds: int) -> SignedReport:
    quotes = []
    for i in range(feeds):
        part = raw[5 + i * QUOTE_BYTES : 5 + (i + 1) * QUOTE_BYTES]
        quotes.append(
            Quote(part[0], int.from_bytes(part[1:9], "big"), int.from_bytes(part[9:], "big"))
        )
    report = Report(int.from_bytes(raw[1:5], "big"), tuple(quotes))
    return SignedReport(raw[0], report, raw[5 + feeds * QUOTE_BYTES :])


def median_quote(quotes: Sequence[Quote]) -> Quote:
    """Return what Markets stores for one feed of these reports."""
    prices = sorted(quote.price for quote in quotes)
    confs = sorted(quote.conf for quote in quotes)
    middle = len(prices) // 2
    price = (prices[~middle] + prices[middle]) // 2
    spread = ceil_div((prices[-1] - prices[0]) * CONF_ONE, 2 * price)
    return Quote(quotes[0].feed, price, min(2**16 - 1, max(confs[middle], spread)))


def quorum(
    reports: Iterable[SignedReport], size: int = QUORUM, window: int = WINDOW
) -> list[SignedReport] | None:
    """Return the freshest set that an update accepts, or None.

    The oldest member decides the stored publish time, so the sets are tried from the youngest
    anchor down; within one, each signer gives its newest report inside the window.
    """
    pool = sorted(reports, key=lambda each: -each.report.publish_time)
    for anchor in pool:
        low = anchor.report.publish_time
        members: dict[int, SignedReport] = {}
        for each in pool:
            inside = low <= each.report.publish_time <= low + window
            if inside and each.report.feeds == anchor.report.feeds:
                members.setdefault(each.signer, each)
        if len(members) >= size:
            return sorted(members.values(), key=lambda each: each.signer)
    return None


def publish_time(signed: Sequence[SignedReport]) -> int:
    """Return the publish time that an update of these stores: the oldest."""
    return min(each.report.publish_time for each in signed)


def to_json(signed: SignedReport) -> dict[str, object]:
    """Return the report as the HTTP server gives it; prices are strings of ticks."""
    return {
        "signer": signed.signer,
        "publish_time": signed.report.publish_time,
        "quotes": [
            {"feed": quote.feed, "price": str(quote.price), "conf": quote.conf}
            for quote in signed.report.quotes
        ],
        "signature": "0x" + signed.signature.hex(),
    }


def from_json(raw: object) -> SignedReport:
    """Read a report that a peer sent; anything malformed is refused."""
    try:
        assert isinstance(raw, dict)
        quotes = [
            Quote(int(quote["feed"]), int(quote["price"]), int(quote["conf"]))
            for quote in raw["quotes"]
        ]
        signature = bytes.fromhex(str(raw["signature"]).removeprefix("0x"))
        report = make_report(int(raw["publish_time"]), quotes)
        signer = int(raw["signer"])
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise BadInput("a peer sent something that is no report") from error
    if len(signature) != SIGNATURE_BYTES or not 0 <= signer < 256:
        raise BadInput("a peer sent a report without a usable signature")
    return SignedReport(signer, report, signature)
