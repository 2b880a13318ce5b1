"""Decimal strings are read exactly or refused; written ones are read back as they were."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.domain import amounts
from keepers.errors import BadInput

PLACES = st.integers(min_value=0, max_value=18)
NUMBERS = st.integers(min_value=0, max_value=2**112)


@given(NUMBERS, PLACES)
def test_units__what_was_written__is_read_back(number: int, places: int) -> None:
    text = amounts.written(number, places)
    assert amounts.units(text, places, "USDC") == number
    assert Decimal(text) * 10**places == number


@given(st.integers(min_value=-(2**112), max_value=2**112), PLACES)
def test_written__any_number__is_exact_and_short(number: int, places: int) -> None:
    text = amounts.written(number, places)
    assert Decimal(text).scaleb(places) == number
    assert not ("." in text and text.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("text", "places", "expected"),
    [
        ("1", 6, 10**6),
        ("1_000.25", 6, 1_000_250_000),
        (".5", 1, 5),
        ("2.", None, None),
        ("1.50", 1, 15),
        ("0", 6, 0),
        ("1.5", 0, None),
        ("1e3", 6, None),
        ("-1", 6, None),
        ("+1", 6, None),
        ("", 6, None),
        (".", 6, None),
        ("1,5", 6, None),
        ("NaN", 6, None),
        ("1" * 61, 6, None),
        ("٣", 6, None),
    ],
)
def test_units__any_text__is_exact_or_refused(
    text: str, places: int | None, expected: int | None
) -> None:
    if expected is None:
        with pytest.raises(BadInput, match=r"no amount|finer than"):
            amounts.units(text, places or 0, "USDC")
    else:
        assert amounts.units(text, places or 0, "USDC") == expected


@pytest.mark.parametrize("text", ["0.000000001", "1.123456789"])
def test_lots__odd_lot__is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        amounts.lots(text, "ETH-PERP")
    said = f"{text} ETH-PERP is no whole number of lots; write at most 8 decimals: "
    assert str(refused.value) == said + "a lot is 0.00000001."


def test_lots_ticks_share__their_own_units__are_used() -> None:
    assert amounts.lots("1.00000001", "ETH-PERP") == 10**8 + 1
    assert amounts.ticks("3000.0000000001") == 3_000 * 10**10 + 1
    assert amounts.share("0.5") == 5_000
    for nothing in (lambda: amounts.lots("0", "ETH-PERP"), lambda: amounts.ticks("0.0")):
        with pytest.raises(BadInput, match="above 0"):
            nothing()
