"""Reports: bytes, digest, signature, quorum; against eth-account and docs/spec/oracle.md."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from coincurve import PrivateKey
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from keepers.chain.signer import Signer, recover
from keepers.chain.signer import test_secret as known_secret
from keepers.domain.reports import (
    NOBODY,
    Quote,
    Report,
    SignedReport,
    domain_separator,
    encode_blob,
    from_json,
    make_report,
    publish_time,
    quorum,
    quote_bytes,
    to_json,
)
from keepers.errors import BadInput
from tests.support import reports as wire
from tests.support.blobs import decode_blob

MARKETS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
SEPARATOR = domain_separator(31337, MARKETS)
TIME = 1_700_000_000
SEATS = [Signer(known_secret(index)).address for index in range(4)] + [NOBODY] * 4

quotes = st.builds(
    Quote,
    st.integers(1, 255),
    st.integers(1, 2**63 - 1),
    st.integers(0, 2**16 - 1),
)


def signed(index: int, time: int = TIME, price: int = 100, feeds: tuple[int, ...] = (1,)):  # type: ignore[no-untyped-def]
    report = make_report(time, [Quote(feed, price, 0) for feed in feeds])
    return Signer(known_secret(index)).sign_report(index, report, SEPARATOR)


def test_sign_report__any_report__is_eip712() -> None:
    report = make_report(TIME, [Quote(2, 5, 6), Quote(1, 3, 4)])
    typed = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Report": [
                {"name": "publishTime", "type": "uint256"},
                {"name": "feeds", "type": "bytes32"},
                {"name": "quotes", "type": "bytes"},
            ],
        },
        "primaryType": "Report",
        "domain": {
            "name": "Plimsoll",
            "version": "1",
            "chainId": 31337,
            "verifyingContract": MARKETS,
        },
        "message": {
            "publishTime": TIME,
            "feeds": bytes((1, 2)).ljust(32, b"\0"),
            "quotes": quote_bytes(report),
        },
    }
    expected = Account.sign_message(encode_typed_data(full_message=typed), known_secret(0))
    # EIP-2098: the parity in the top bit of s
    s = expected.s | (expected.v - 27) << 255
    assert Signer(known_secret(0)).sign_report(0, report, SEPARATOR).signature == (
        expected.r.to_bytes(32, "big") + s.to_bytes(32, "big")
    )


def test_quote_bytes__two_feeds__are_ten_bytes_each_ascending() -> None:
    report = make_report(TIME, [Quote(2, 5, 6), Quote(1, 3, 4)])
    assert quote_bytes(report).hex() == f"{3:016x}" + "0004" + f"{5:016x}" + "0006"


@given(
    st.lists(quotes, min_size=1, max_size=16, unique_by=lambda quote: quote.feed),
    st.integers(0, 31),
)
def test_blob__any_reports__round_trips(drawn: list[Quote], early: int) -> None:
    times = {0: TIME, 3: TIME - early, 7: TIME - early // 2}
    blob = [
        SignedReport(index, make_report(time, drawn), bytes([index] * 64))
        for index, time in times.items()
    ]
    raw = encode_blob(blob, SEATS)
    assert decode_blob(raw) == blob
    # seats 1 and 2 are left out and named, the others are empty
    assert len(raw) == 31 + 2 * 21 + 3 * (10 * len(drawn) + 64)
    assert raw[31:73] == b"".join(
        bytes((seat << 5,)) + bytes.fromhex(SEATS[seat][2:]) for seat in (1, 2)
    )


def test_blob__any_reports__is_what_the_tests_own_encoder_builds() -> None:
    reports = [signed(index, TIME - index, feeds=(1, 5)) for index in (0, 1, 2)]
    own = [
        wire.signed_report(
            wire.Signer(each.signer, "", PrivateKey(known_secret(each.signer))),
            SEPARATOR,
            each.report.publish_time,
            bytes((1, 5)),
            quote_bytes(each.report),
        )
        for each in reports
    ]
    assert encode_blob(reports, SEATS) == wire.blob(own, dict(enumerate(SEATS[:4])))


def test_encode_blob__unordered__ascends_by_signer() -> None:
    raw = encode_blob([signed(2), signed(0)], SEATS)
    assert [each.signer for each in decode_blob(raw)] == [0, 2]


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (lambda: encode_blob([signed(0), signed(0, TIME + 1)], SEATS), "two reports of one signer"),
        (lambda: encode_blob([signed(0), signed(1, feeds=(1, 2))], SEATS), "same feeds"),
        (lambda: encode_blob([signed(0), signed(1, TIME + 32)], SEATS), "32 s old, fits no update"),
        (lambda: encode_blob([signed(8)], SEATS), "signer 8"),
        (lambda: make_report(TIME, [Quote(feed, 1, 0) for feed in range(1, 18)]), "at most 16"),
        (lambda: make_report(TIME, []), "one quote"),
        (lambda: make_report(TIME, [Quote(1, 1, 0), Quote(1, 2, 0)]), "one quote"),
        (lambda: make_report(TIME, [Quote(0, 1, 0)]), "does not fit"),
        (lambda: make_report(TIME, [Quote(1, 0, 0)]), "does not fit"),
        (lambda: make_report(TIME, [Quote(1, 1, 2**16)]), "does not fit"),
        (lambda: make_report(2**32, [Quote(1, 1, 0)]), "publish time"),
        (lambda: from_json({"signer": 1}), "no report"),
        (lambda: from_json([]), "no report"),
        (lambda: from_json({**to_json(signed(0)), "signature": "0x00"}), "signature"),
    ],
)
def test_reports__malformed__are_refused(bad, what: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput, match=what):
        bad()


def test_json__signed_report__round_trips() -> None:
    assert from_json(to_json(signed(1))) == signed(1)


def test_recover__tampered__is_another_address() -> None:
    honest = signed(1)
    assert recover(honest, SEPARATOR) == Signer(known_secret(1)).address
    forged = replace(honest, report=Report(TIME + 1, honest.report.quotes))
    assert recover(forged, SEPARATOR) != Signer(known_secret(1)).address
    assert recover(replace(honest, signature=bytes(64)), SEPARATOR) is None
    assert recover(replace(honest, signature=b"\xff" * 64), SEPARATOR) is None


def test_quorum__three_of_four_in_the_window__takes_them() -> None:
    chosen = quorum([signed(0), signed(1, TIME + 1), signed(2, TIME + 3), signed(3, TIME - 1)])
    assert chosen is not None
    assert [each.signer for each in chosen] == [0, 1, 2]
    assert publish_time(chosen) == TIME


def test_quorum__newer_set_exists__prefers_it() -> None:
    old = [signed(index, TIME) for index in range(4)]
    new = [signed(index, TIME + 10) for index in range(3)]
    chosen = quorum(old + new)
    assert chosen is not None
    assert publish_time(chosen) == TIME + 10
    assert len(chosen) == 3


def test_quorum__four_of_one_second__takes_three() -> None:
    chosen = quorum([signed(index) for index in range(4)])
    assert chosen is not None
    assert [each.signer for each in chosen] == [0, 1, 2]


@pytest.mark.parametrize("liar", range(4))
@pytest.mark.parametrize("factor", [Fraction(1, 10**6), Fraction(97, 100), Fraction(6, 5)])
def test_quorum__one_of_four_lies__is_left_out(liar: int, factor: Fraction) -> None:
    reports = [signed(index) for index in range(4)]
    *others, last = reports[liar].report.quotes
    lie = replace(last, price=int(last.price * factor))
    reports[liar] = replace(reports[liar], report=Report(TIME, (*others, lie)))
    chosen = quorum(reports)
    assert chosen is not None
    assert [each.signer for each in chosen] == [index for index in range(4) if index != liar]


def test_quorum__one_signer_twice__counts_once() -> None:
    assert quorum([signed(0), signed(0, TIME + 1), signed(1)]) is None


def test_quorum__outside_the_window__is_none() -> None:
    assert quorum([signed(0), signed(1), signed(2, TIME + 4)]) is None


def test_quorum__other_feeds__is_none() -> None:
    assert quorum([signed(0), signed(1), signed(2, feeds=(1, 2))]) is None
