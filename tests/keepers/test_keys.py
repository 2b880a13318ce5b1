"""Keys, transactions and fees, checked against eth-account."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from keepers.chain.signer import PASSWORD_VARIABLE, Signer, address_in, load_signer, make_keystore
from keepers.chain.signer import test_secret as known_secret
from keepers.chain.transactions import Draft, Fees, bumped, fees_for, sign
from keepers.errors import BadInput

TARGET = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
FIRST_TEST_ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "key.json"
    path.write_text(json.dumps(Account.encrypt(b"\x07" * 32, "secret", kdf="pbkdf2", iterations=2)))
    return path


def test_load_signer__test_key_on_the_local_chain__is_the_known_address() -> None:
    assert load_signer("test:0", 31337).address == FIRST_TEST_ADDRESS


@pytest.mark.parametrize(
    ("source", "chain", "what"),
    [
        ("", 31337, "no key"),
        ("test:0", 1, "test keys are refused on chain 1"),
        ("test:x", 31337, "no test key"),
        ("nowhere.json", 31337, "no keystore"),
    ],
)
def test_load_signer__unusable__says_why(
    source: str, chain: int, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    with pytest.raises(BadInput, match=what):
        load_signer(source, chain)


def test_load_signer__keystore_and_environment__opens(
    keystore: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    assert load_signer(str(keystore), 1).address == Account.from_key(b"\x07" * 32).address


def test_load_signer__password_file__opens(keystore: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    assert load_signer(str(keystore), 1, tmp_path / "password").address.startswith("0x")


def test_load_signer__empty_password_file__says_so(keystore: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("")
    with pytest.raises(BadInput, match="is empty; write it in one line"):
        load_signer(str(keystore), 1, tmp_path / "password")


def test_load_signer__wrong_password__says_so(
    keystore: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "wrong")
    with pytest.raises(BadInput, match="does not open"):
        load_signer(str(keystore), 1)


def test_load_signer__no_password__says_where_it_comes_from(
    keystore: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    with pytest.raises(BadInput, match=PASSWORD_VARIABLE):
        load_signer(str(keystore), 1)


def test_load_signer__known_key_in_a_keystore__is_refused_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    path = tmp_path / "key.json"
    encrypted = Account.encrypt(known_secret(3), "secret", kdf="pbkdf2", iterations=2)
    path.write_text(json.dumps(encrypted))
    assert load_signer(str(path), 31337).address == Signer(known_secret(3)).address
    with pytest.raises(BadInput, match="well-known test key"):
        load_signer(str(path), 1)


def test_signer__shown__hides_the_key() -> None:
    signer = Signer(b"\x07" * 32)
    assert "07" * 8 not in repr(signer)
    assert repr(signer) == f"Signer({signer.address})"


@given(
    nonce=st.integers(0, 2**32),
    data=st.binary(max_size=300),
    value=st.integers(0, 2**80),
    tip=st.integers(0, 10**12),
    extra=st.integers(0, 10**12),
)
def test_sign__any_transaction__equals_eth_account(
    nonce: int, data: bytes, value: int, tip: int, extra: int
) -> None:
    draft = Draft("key", TARGET, data, gas=500_000, value=value)
    signed = sign(draft, nonce, Fees(tip + extra, tip), 31337, Signer(known_secret(0)))
    expected = Account.sign_transaction(
        {
            "type": 2,
            "chainId": 31337,
            "nonce": nonce,
            "maxFeePerGas": tip + extra,
            "maxPriorityFeePerGas": tip,
            "gas": 500_000,
            "to": TARGET,
            "value": value,
            "data": data,
        },
        known_secret(0),
    )
    assert signed.raw == bytes(expected.raw_transaction)
    assert signed.hash == "0x" + bytes(expected.hash).hex()


def test_fees_for__cap__binds_fee_and_tip() -> None:
    assert fees_for(100, 5, 1_000) == Fees(205, 5)
    assert fees_for(600, 5, 1_000) == Fees(1_000, 5)
    assert fees_for(1, 50, 20) == Fees(20, 20)


@given(st.integers(0, 10**15), st.integers(0, 10**13), st.integers(0, 10**15))
def test_bumped__any_fees__are_at_least_ten_percent_up(fee: int, tip: int, base: int) -> None:
    old = Fees(fee + tip, tip)
    new = bumped(old, fees_for(base, 1, 10**18))
    assert new.max_fee * 10 >= old.max_fee * 11
    assert new.tip * 10 >= old.tip * 11
    assert new.max_fee >= new.tip


# ---- new keystores


def test_make_keystore__fresh__opens_by_its_password_and_tells_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    path = tmp_path / "keystore" / "signer.json"
    address = make_keystore(path)
    assert address_in(path) == address == load_signer(str(path), 763_373).address
    assert path.stat().st_mode & 0o077 == 0
    assert "secret" not in path.read_text()


def test_make_keystore__file_stands_already__is_left_alone(
    keystore: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    kept = keystore.read_text()
    with pytest.raises(BadInput, match="no key is written over"):
        make_keystore(keystore)
    assert keystore.read_text() == kept


@pytest.mark.parametrize("password", [None, ""])
def test_make_keystore__no_password__writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str | None
) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    if password is not None:
        monkeypatch.setenv(PASSWORD_VARIABLE, password)
    with pytest.raises(BadInput, match=PASSWORD_VARIABLE):
        make_keystore(tmp_path / "key.json")
    assert not (tmp_path / "key.json").exists()


@pytest.mark.parametrize(
    ("text", "what"), [(None, "there is no keystore"), ("{}", "no address"), ("[", "no address")]
)
def test_address_in__unusable_file__says_why(tmp_path: Path, text: str | None, what: str) -> None:
    path = tmp_path / "key.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadInput, match=what):
        address_in(path)
