"""Words of accounts: what is encoded is what was decoded, whatever an account holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepers.domain.words import (
    Account,
    Holding,
    Leg,
    decode_account,
    decode_legs,
    encode_account,
    encode_legs,
)

half = st.integers(-(2**95), 2**95 - 1)
legs = st.builds(Leg, st.integers(1, 2**64 - 1), st.integers(-(2**63), 2**63 - 1))
holdings = st.builds(Holding, st.integers(1, 63), st.integers(1, 2**128 - 1))
accounts = st.builds(
    Account,
    id=st.just(7),
    cash=half,
    quote=half,
    legs=st.lists(legs, max_size=16).map(tuple),
    holdings=st.lists(holdings, max_size=8).map(tuple),
    flags=st.integers(0, 31),
)


@given(accounts)
def test_encode_account__any_account__decodes_to_itself(account: Account) -> None:
    word, leg_words, amounts = encode_account(account)
    assert (len(leg_words), len(amounts)) == (8, 4)
    assert decode_account(7, word, leg_words, amounts) == account


@given(st.lists(legs, max_size=64))
def test_encode_legs__any_legs__decode_to_themselves_two_a_word(held: list[Leg]) -> None:
    words = encode_legs(held)
    assert len(words) == (len(held) + 1) // 2
    assert decode_legs(words) == tuple(held)
