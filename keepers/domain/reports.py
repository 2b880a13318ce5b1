"""Signed price reports: their bytes, their digest, and the quorum among them.

docs/spec/oracle.md fixes every byte of this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from eth_utils.crypto import keccak

from keepers.domain.units import WAD
from keepers.errors import BadInput

QUORUM: Final = 3
WINDOW: Final = 3  # seconds between the oldest and the newest report of one update
MAX_FEEDS: Final = 16
SEATS: Final = 8
NOBODY: Final = "0x" + "00" * 20  # who sits in an empty seat
SIGNATURE_BYTES: Final = 64
MAX_EARLY: Final = 31  # seconds, the five bits of an entry

DOMAIN_TYPE: Final = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
REPORT_TYPE: Final = keccak(b"Report(uint256 publishTime,bytes32 feeds,bytes quotes)")


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
    signature: bytes  # r | s, the parity in the top bit of s (EIP-2098)


def make_report(publish_time: int, quotes: Iterable[Quote]) -> Report:
    """Build a report after checking that every field fits its bytes."""
    ordered = tuple(sorted(quotes))
    feeds = [quote.feed for quote in ordered]
    if not 0 < len(feeds) <= MAX_FEEDS or len(set(feeds)) != len(feeds):
        raise BadInput(f"a report needs one quote for each of its feeds, at most {MAX_FEEDS}")
    for quote in ordered:
        if not (0 < quote.feed < 256 and 0 < quote.price < 2**63 and 0 <= quote.conf < 2**16):
            raise BadInput(f"the quote of feed {quote.feed} does not fit a report")
    if not 0 < publish_time < 2**32:
        raise BadInput(f"{publish_time} is no publish time in unix seconds")
    return Report(publish_time, ordered)


def feed_bytes(report: Report) -> bytes:
    """Return the feeds as they are signed: a byte each, then zeros."""
    return bytes(report.feeds).ljust(32, b"\0")


def quote_bytes(report: Report) -> bytes:
    """Return the m x 10 bytes of prices and confidences that are signed."""
    return b"".join(
        quote.price.to_bytes(8, "big") + quote.conf.to_bytes(2, "big") for quote in report.quotes
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
        REPORT_TYPE
        + report.publish_time.to_bytes(32, "big")
        + feed_bytes(report)
        + keccak(quote_bytes(report))
    )
    return keccak(b"\x19\x01" + separator + struct)


def encode_blob(signed: Sequence[SignedReport], seats: Sequence[str]) -> bytes:
    """Pack reports as `Markets.update` takes them, signers ascending.

    Args:
        signed: reports of the same feeds, one of each signer.
        seats: the address in every seat; who sits there and does not report is named.
    """
    ordered = sorted(signed, key=lambda each: each.signer)
    here = {each.signer for each in ordered}
    if len(here) != len(ordered):
        raise BadInput("two reports of one signer cannot stand in one update")
    if len({each.report.feeds for each in ordered}) != 1:
        raise BadInput("the reports of one update must list the same feeds")
    newest = max(each.report.publish_time for each in ordered)
    entries = [_entry(each, newest) for each in ordered]
    absent = [(i, seat) for i, seat in enumerate(seats) if i not in here and seat != NOBODY]
    feeds = bytes(ordered[0].report.feeds)
    counts = bytes((len(ordered), len(feeds), len(absent)))
    head = counts + newest.to_bytes(4, "big")
    head += bytes(entries).ljust(SEATS, b"\0") + feeds.ljust(MAX_FEEDS, b"\0")
    parts = [bytes((i << 5,)) + bytes.fromhex(seat[2:]) for i, seat in absent]
    parts += [quote_bytes(each.report) + each.signature for each in ordered]
    return head + b"".join(parts)


def _entry(signed: SignedReport, newest: int) -> int:
    """Return the byte that says whose report it is and how long before the newest."""
    early = newest - signed.report.publish_time
    if not (0 <= signed.signer < SEATS and early <= MAX_EARLY):
        raise BadInput(f"a report of signer {signed.signer}, {early} s old, fits no update")
    return signed.signer << 5 | early


def quorum(
    reports: Iterable[SignedReport], size: int = QUORUM, window: int = WINDOW
) -> list[SignedReport] | None:
    """Return the freshest set that an update accepts, or None.

    The oldest member decides the stored publish time, so the sets are tried from the youngest
    anchor down; within one, each signer gives its newest report inside the window. A signature
    costs gas, so none is taken beyond the quorum: those stand that agree best, since half of what
    lies between them is the confidence that is stored, and one liar among them closes the market.
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
            return _agreeing(list(members.values()), size)
    return None


def _agreeing(reports: Sequence[SignedReport], size: int) -> list[SignedReport]:
    """Return as many reports as asked for, nearest to the medians of all, by signer."""
    columns = zip(*(each.report.quotes for each in reports), strict=True)
    medians = [sorted(quote.price for quote in column)[len(column) // 2] for column in columns]

    def distance(signed: SignedReport) -> tuple[int, int]:
        pairs = zip(signed.report.quotes, medians, strict=True)
        off = max(abs(quote.price - median) * WAD // median for quote, median in pairs)
        return off, signed.signer

    return sorted(sorted(reports, key=distance)[:size], key=lambda each: each.signer)


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
    except (AssertionError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadInput("a peer sent something that is no report") from error
    if len(signature) != SIGNATURE_BYTES or not 0 <= signer < SEATS:
        raise BadInput("a peer sent a report without a usable signature")
    return SignedReport(signer, report, signature)
