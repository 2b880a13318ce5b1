"""Signed price reports, written from docs/spec/oracle.md alone; no code shared with keepers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coincurve import PrivateKey
from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak

MNEMONIC = "test test test test test test test test test test test junk"
# scripts/params/local.yaml lists these accounts of the test mnemonic as signers
SIGNER_INDEXES = (6, 7, 8, 9)

_DOMAIN = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_REPORT = keccak(b"Report(uint256 publishTime,bytes32 feeds,bytes quotes)")


@dataclass(frozen=True, slots=True)
class Signer:
    """A source of prices: its index in Markets, its address and its key."""

    index: int
    address: str
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class Quote:
    """One feed of a report."""

    price: int  # ticks
    conf: int = 0  # 1e-5 of the price


def local_key(position: int) -> bytes:
    """Return the private key of an account of the test mnemonic."""
    Account.enable_unaudited_hdwallet_features()
    path = f"m/44'/60'/0'/0/{position}"
    return bytes(Account.from_mnemonic(MNEMONIC, account_path=path).key)


def local_signers() -> tuple[Signer, ...]:
    """Return the signers of the local parameters."""
    keys = [local_key(position) for position in SIGNER_INDEXES]
    return tuple(
        Signer(index, Account.from_key(key).address, PrivateKey(key))
        for index, key in enumerate(keys)
    )


def domain_separator(chain_id: int, markets: str) -> bytes:
    """Return the EIP-712 domain of one Markets contract."""
    return keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [_DOMAIN, keccak(b"Plimsoll"), keccak(b"1"), chain_id, markets],
        )
    )


@dataclass(frozen=True, slots=True)
class Signed:
    """What one source says and its signature."""

    seat: int
    publish: int
    feeds: bytes
    quotes: bytes
    signature: bytes  # r 32, s 32 with the parity in its top bit (EIP-2098)


def feed_bytes(quotes: Mapping[int, Quote]) -> bytes:
    """Return m x (feed 1), ascending."""
    return bytes(sorted(quotes))


def packed_quotes(quotes: Mapping[int, Quote]) -> bytes:
    """Return m x (price 8, conf 2), feeds ascending."""
    return b"".join(
        quote.price.to_bytes(8, "big") + quote.conf.to_bytes(2, "big")
        for _, quote in sorted(quotes.items())
    )


def digest(domain: bytes, publish: int, feeds: bytes, quotes: bytes) -> bytes:
    """Return the hash that a signer signs; the feeds are one number, a byte each."""
    body = encode(
        ["bytes32", "uint256", "bytes32", "bytes32"],
        [_REPORT, publish, feeds.ljust(32, b"\0"), keccak(quotes)],
    )
    return keccak(b"\x19\x01" + domain + keccak(body))


def signed_report(
    signer: Signer, domain: bytes, publish: int, feeds: bytes, quotes: bytes
) -> Signed:
    """Return what a source signs about its feeds at one time."""
    raw = signer.key.sign_recoverable(digest(domain, publish, feeds, quotes), hasher=None)
    s = int.from_bytes(raw[32:64], "big") | raw[64] << 255
    return Signed(signer.index, publish, feeds, quotes, raw[:32] + s.to_bytes(32, "big"))


def blob(reports: Sequence[Signed], seats: Mapping[int, str]) -> bytes:
    """Return reports as an update takes them.

    Args:
        reports: at least one, all of the same feeds, in the order in which they stand.
        seats: the address of every listed signer.
    """
    feeds, newest = reports[0].feeds, max(report.publish for report in reports)
    here = {report.seat for report in reports}
    absent = [(seat, address) for seat, address in sorted(seats.items()) if seat not in here]
    counts = bytes((len(reports), len(feeds), len(absent)))
    entries = bytes(report.seat << 5 | newest - report.publish for report in reports)
    head = counts + newest.to_bytes(4, "big") + entries.ljust(8, b"\0") + feeds.ljust(16, b"\0")
    others = [bytes((seat << 5,)) + bytes.fromhex(address[2:]) for seat, address in absent]
    return b"".join((head, *others, *(each.quotes + each.signature for each in reports)))
