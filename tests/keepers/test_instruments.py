"""Names of instruments: one name for each id, one id for each name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.domain.instruments import Instrument, Kind, decode, encode, name, parse
from keepers.domain.units import HOUR, TICKS_PER_USD
from keepers.errors import BadInput
from tests.reference import instruments as reference

MARKETS = {"ETH": 1, "BTC": 2}
SYMBOLS = {1: "ETH", 2: "BTC"}
# 2026-03-27 08:00 UTC
EXPIRY = 1_774_598_400
NAMES = {
    "ETH-PERP": Instrument(1),
    "BTC-27MAR26": Instrument(2, Kind.FUTURE, EXPIRY),
    "ETH-27MAR26-3000-C": Instrument(1, Kind.CALL, EXPIRY, 3_000 * TICKS_PER_USD),
    "ETH-27MAR26-3000-P": Instrument(1, Kind.PUT, EXPIRY, 3_000 * TICKS_PER_USD),
    "ETH-27MAR26H14-0.625-C": Instrument(1, Kind.CALL, EXPIRY + 6 * HOUR, 6_250_000_000),
    "BTC-1JAN2100H0": Instrument(2, Kind.FUTURE, 4_102_444_800),
    "BTC-27MAR26-0.0000000001-P": Instrument(2, Kind.PUT, EXPIRY, 1),
}

strikes = st.builds(lambda m, e: m * 10**e, st.integers(1, 2**25 - 1), st.integers(0, 11))
instruments = st.one_of(
    st.builds(Instrument, st.sampled_from([1, 2])),
    st.builds(
        lambda market, hours: Instrument(market, Kind.FUTURE, hours * HOUR),
        st.sampled_from([1, 2]),
        st.integers(1, 2**24 - 1),
    ),
    st.builds(
        lambda market, kind, hours, strike: Instrument(market, kind, hours * HOUR, strike),
        st.sampled_from([1, 2]),
        st.sampled_from([Kind.CALL, Kind.PUT]),
        st.integers(1, 2**24 - 1),
        strikes,
    ),
)


@pytest.mark.parametrize("text", NAMES)
def test_parse__examples__are_read_and_written(text: str) -> None:
    word = parse(text, MARKETS)
    assert decode(word) == NAMES[text]
    assert name(word, SYMBOLS) == text


@given(instrument=instruments)
def test_name__any_instrument__comes_back(instrument: Instrument) -> None:
    word = encode(instrument)
    assert decode(word) == instrument
    assert parse(name(word, SYMBOLS), MARKETS) == word


@given(instrument=instruments)
def test_encode__any_instrument__is_the_reference_and_canonical(instrument: Instrument) -> None:
    word = encode(instrument)
    strike = reference.lowest_terms(instrument.strike) if instrument.strike else (0, 0)
    hours = instrument.expiry // HOUR
    assert word == reference.Instrument(instrument.market, instrument.kind, hours, *strike).id
    assert reference.is_canonical(word)


@given(word=st.integers(0, 2**64 - 1) | st.integers(0, 2**70))
def test_decode__any_word__refuses_what_the_reference_does_not_call_canonical(word: int) -> None:
    if reference.is_canonical(word):
        assert encode(decode(word)) == word
    else:
        with pytest.raises(BadInput):
            decode(word)


def test_name__unlisted_market__is_named_by_its_number() -> None:
    assert name(7 << 56, SYMBOLS) == "MARKET7-PERP"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("ETH-27MAR2026", "ETH-27MAR26"),
        ("ETH-07MAR26", "ETH-7MAR26"),
        ("ETH-27MAR26H8", "ETH-27MAR26"),
        ("ETH-27MAR26-3000.0-C", "ETH-27MAR26-3000-C"),
        ("ETH-27MAR26-3_000-C", "ETH-27MAR26-3000-C"),
    ],
)
def test_parse__another_way_of_writing__says_the_one_name(text: str, written: str) -> None:
    with pytest.raises(BadInput, match=f"write {written}"):
        parse(text, MARKETS)


@pytest.mark.parametrize(
    "text",
    [
        "ETH",
        "SOL-PERP",
        "ETH-PERPS",
        "ETH-30FEB26",
        "ETH-27MRZ26",
        "ETH-27MAR26H24",
        "ETH-27MAR26-3000",
        "ETH-27MAR26-3000-X",
        "ETH-27MAR26-0-C",
        "ETH-27MAR26-33554433-C",
        "ETH-27MAR26-1000000000-C",
        "ETH-27MAR9999",
        "ETH-27MAR1969",
        "",
    ],
)
def test_parse__no_instrument__is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse(text, MARKETS)


@pytest.mark.parametrize(
    "instrument",
    [
        Instrument(0),
        Instrument(256),
        Instrument(1, Kind.PERP, EXPIRY),
        Instrument(1, Kind.PERP, 0, 1),
        Instrument(1, Kind.FUTURE),
        Instrument(1, Kind.FUTURE, EXPIRY + 1),
        Instrument(1, Kind.FUTURE, EXPIRY, 1),
        Instrument(1, Kind.CALL, EXPIRY),
        Instrument(1, Kind.CALL, EXPIRY, 2**63),
        Instrument(1, Kind.CALL, EXPIRY, -10),
        Instrument(1, Kind.PUT, 2**24 * HOUR, 10),
    ],
)
def test_encode__not_an_instrument__is_refused(instrument: Instrument) -> None:
    with pytest.raises(BadInput):
        encode(instrument)
