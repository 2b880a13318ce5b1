"""Keys: from an encrypted keystore, or the well-known test keys on chain 31337 only."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Final

from coincurve import PrivateKey, PublicKey
from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from keepers.domain.reports import Report, SignedReport, digest
from keepers.errors import BadInput

TEST_CHAIN: Final = 31337
TEST_PREFIX: Final = "test:"
TEST_MNEMONIC: Final = "test test test test test test test test test test test junk"
# What OWASP advises for SHA-256: half a second a command, where eth-account's own takes several.
KDF: Final = "pbkdf2"
ITERATIONS: Final = 600_000
COMPACT: Final = 64  # bytes of r and s, the parity in them
PASSWORD_VARIABLE: Final = "PLIMSOLL_PASSWORD"


def address_of(public: PublicKey) -> str:
    """Return the checksummed address of a public key."""
    return to_checksum_address(keccak(public.format(compressed=False)[1:])[-20:])


class Signer:
    """One private key; it signs digests and never shows itself."""

    def __init__(self, secret: bytes) -> None:
        """Hold the key in libsecp256k1's form."""
        self._key = PrivateKey(secret)
        self.address = address_of(self._key.public_key)

    def __repr__(self) -> str:
        """Name the address, never the key."""
        return f"Signer({self.address})"

    def sign(self, message_hash: bytes) -> tuple[int, int, int]:
        """Return r, s and the parity of a signature of 32 bytes."""
        raw = self._key.sign_recoverable(message_hash, hasher=None)
        return int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64]

    def sign_report(self, index: int, report: Report, separator: bytes) -> SignedReport:
        """Sign a report as the listed signer of this index."""
        return SignedReport(index, report, self.sign_compact(digest(report, separator)))

    def sign_compact(self, message_hash: bytes) -> bytes:
        """Return r and s of a signature, the parity in the top bit of s (EIP-2098)."""
        raw = self._key.sign_recoverable(message_hash, hasher=None)
        return raw[:32] + bytes((raw[32] | raw[64] << 7,)) + raw[33:64]


def recover(signed: SignedReport, separator: bytes) -> str | None:
    """Return the address that signed a report, None when the signature is malformed."""
    return recover_compact(signed.signature, digest(signed.report, separator))


def recover_compact(signature: bytes, message_hash: bytes) -> str | None:
    """Return who signed 32 bytes, None when the signature (EIP-2098) is malformed."""
    parity, top = divmod(signature[32], 128)
    raw = signature[:32] + bytes((top,)) + signature[33:] + bytes((parity,))
    try:
        public = PublicKey.from_signature_and_message(raw, message_hash, hasher=None)
    except Exception:  # coincurve raises a bare Exception for an unrecoverable signature
        return None
    return address_of(public)


def signer_of(signature: bytes, message_hash: bytes) -> int | None:
    """Return the address of the key that signed 32 bytes, as r, s, v or by EIP-2098.

    Returns:
        None where the bytes are of neither form: a contract wallet's, perhaps; 0 where the form is
        right and nobody's.
    """
    if len(signature) == COMPACT:
        return int(recover_compact(signature, message_hash) or "0", 16)
    if len(signature) != COMPACT + 1:
        return None
    raw = signature[:COMPACT] + bytes((signature[COMPACT] - 27 & 3,))
    try:
        public = PublicKey.from_signature_and_message(raw, message_hash, hasher=None)
    except Exception:  # coincurve raises a bare Exception for an unrecoverable signature
        return 0
    return int(address_of(public), 16)


@cache
def test_secret(number: int) -> bytes:
    """Return the well-known development key of this number."""
    Account.enable_unaudited_hdwallet_features()
    account = Account.from_mnemonic(TEST_MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}")
    return bytes(account.key)


def load_signer(source: str, chain_id: int, password_file: Path | None = None) -> Signer:
    """Return the signer named by a keystore path or `test:N`, as `load_secret` says."""
    return Signer(load_secret(source, chain_id, password_file))


def load_secret(source: str, chain_id: int, password_file: Path | None = None) -> bytes:
    """Return the key named by a keystore path or `test:N`.

    Args:
        source: path of an encrypted JSON keystore, or `test:N` on the local chain.
        chain_id: the chain that it will sign for.
        password_file: first line is the password; otherwise the environment's is taken.
    """
    if not source:
        raise BadInput("there is no key", "give --key KEYSTORE, or --key test:N on a local chain")
    if source.startswith(TEST_PREFIX):
        if chain_id != TEST_CHAIN:
            raise BadInput(
                f"test keys are refused on chain {chain_id}",
                "give an encrypted keystore with --key",
            )
        number = source.removeprefix(TEST_PREFIX)
        if not number.isdigit():
            raise BadInput(f"{source} is no test key", "write test:0, test:1 and so on")
        return test_secret(int(number))
    password, path = _password(password_file), Path(source)
    _require(path)
    secret = _decrypt(path, password)
    _refuse_known(Signer(secret), chain_id)
    return secret


def address_in(path: Path) -> str:
    """Return the address that a keystore says it is of; no password is needed."""
    _require(path)
    try:
        said = json.loads(path.read_text(encoding="utf-8"))["address"]
        return to_checksum_address("0x" + str(said).removeprefix("0x"))
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(
            f"the keystore {path.name} names no address", "make it anew with `plimsoll key new`"
        ) from error


def make_keystore(path: Path, password_file: Path | None = None) -> str:
    """Write a new key to an encrypted keystore that only its owner may read; return its address."""
    if path.exists():
        raise BadInput(f"there is a file {path} already", "name another; no key is written over")
    password = _password(password_file)
    if not password:
        raise BadInput("the password is empty", f"set {PASSWORD_VARIABLE} to a longer one")
    made = Account.create()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written ({error.strerror})", "name a file in a folder of yours"
        ) from error
    with os.fdopen(opened, "w") as file:
        json.dump(Account.encrypt(made.key, password, KDF, ITERATIONS), file)
    return str(made.address)


def _password(password_file: Path | None) -> str:
    if password_file is not None:
        if not password_file.is_file():
            raise BadInput(f"there is no password file {password_file}", "check --password-file")
        lines = password_file.read_text(encoding="utf-8").splitlines()
        if not lines:
            raise BadInput(f"the password file {password_file} is empty", "write it in one line")
        return lines[0]
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is None:
        raise BadInput(
            "the keystore needs a password", f"set {PASSWORD_VARIABLE} or give --password-file"
        )
    return password


def _require(path: Path) -> None:
    if not path.is_file():
        raise BadInput(
            f"there is no keystore {path}", "check --key, or make it with `plimsoll key new`"
        )


def _decrypt(path: Path, password: str) -> bytes:
    try:
        return bytes(Account.decrypt(json.loads(path.read_text(encoding="utf-8")), password))
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(
            f"the keystore {path.name} does not open", "check the password and the file"
        ) from error


def _refuse_known(signer: Signer, chain_id: int) -> None:
    """Refuse a keystore that holds a well-known key anywhere but on the local chain."""
    if chain_id == TEST_CHAIN:
        return
    if signer.address in {Signer(test_secret(number)).address for number in range(20)}:
        raise BadInput(
            f"the keystore holds a well-known test key, refused on chain {chain_id}",
            "make a key of your own",
        )
