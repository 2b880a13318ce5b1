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
_REPORT = keccak(b"Report(uint256 publishTime,bytes quotes)")


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


def packed_quotes(quotes: Mapping[int, Quote]) -> bytes:
    """Return m x (feed 1, price 8, conf 2), feeds ascending."""
    return b"".join(
        feed.to_bytes(1, "big") + quote.price.to_bytes(8, "big") + quote.conf.to_bytes(2, "big")
        for feed, quote in sorted(quotes.items())
    )


def digest(domain: bytes, publish: int, quotes: bytes) -> bytes:
    """Return the hash that a signer signs."""
    body = keccak(encode(["bytes32", "uint256", "bytes32"], [_REPORT, publish, keccak(quotes)]))
    return keccak(b"\x19\x01" + domain + body)


def signed_report(signer: Signer, domain: bytes, publish: int, quotes: bytes) -> bytes:
    """Return signer 1, publish 4, quotes, r 32, s 32, v 1."""
    signature = signer.key.sign_recoverable(digest(domain, publish, quotes), hasher=None)
    return (
        signer.index.to_bytes(1, "big")
        + publish.to_bytes(4, "big")
        + quotes
        + signature[:64]
        + (27 + signature[64]).to_bytes(1, "big")
    )


def blob(reports: Sequence[bytes], feeds: int) -> bytes:
    """Return n 1, m 1 and the reports."""
    return len(reports).to_bytes(1, "big") + feeds.to_bytes(1, "big") + b"".join(reports)
