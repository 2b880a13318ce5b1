"""What a take of a fraction moves and leaves: shares of E and U to the wei, with options too."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.domain.instruments import Instrument, Kind, encode
from keepers.domain.margin import Health, health
from keepers.domain.slices import left_over, portion, slice_leaving, slice_of, without
from keepers.domain.units import HOUR, TICKS_PER_USD, WAD
from keepers.domain.words import IN_AUCTION, OPTIONS, Account, Leg
from tests.keepers.facts import ETH, NOW, at, trader

EXPIRY = (NOW // HOUR + 48) * HOUR
CALL, PUT = (
    encode(Instrument(ETH, kind, EXPIRY, 2_000 * TICKS_PER_USD)) for kind in (Kind.CALL, Kind.PUT)
)
FUTURE = encode(Instrument(ETH, Kind.FUTURE, EXPIRY))
MARKS = {CALL: 61 * TICKS_PER_USD, PUT: 57 * TICKS_PER_USD, FUTURE: 2_004 * TICKS_PER_USD}

seeds = st.integers(0, 2**64 - 1).map(Random)
parts = st.integers(1, WAD - 1)


def with_options(rng: Random) -> Account:
    """Return an account with perps, ether, options and a future of any number of lots."""
    plain = trader(cash=rng.randint(-900, 5_000), units=rng.randint(1, 9), ether=rng.randint(0, 5))
    options = tuple(Leg(each, rng.choice((-1, 1)) * rng.randint(1, 10**9)) for each in MARKS)
    return replace(plain, options=options, flags=OPTIONS)


def told(account: Account) -> Health:
    """Return what the engine says of an account: of futures, not of options, U has the marks."""
    plain = health(account, at())
    worth = {leg.instrument: leg.size * MARKS[leg.instrument] for leg in account.options}
    return replace(
        plain,
        equity=plain.equity + sum(worth.values()),
        unsettled=plain.unsettled + worth.get(FUTURE, 0),
    )


@given(seeds, parts)
def test_slice_of__any_fraction__is_worth_that_part(rng: Random, fraction: int) -> None:
    account = trader(
        cash=rng.randint(-900, 5_000), units=rng.randint(1, 9), ether=rng.randint(0, 5)
    )
    whole = health(account, at())
    part = health(slice_of(account, whole, at(), fraction), at())
    assert part.equity == whole.equity * fraction // WAD
    assert part.unsettled == whole.unsettled * fraction // WAD


@given(seeds, parts)
def test_slice_leaving__with_options__is_worth_that_part(rng: Random, fraction: int) -> None:
    account = with_options(rng)
    whole = told(account)
    rest = told(without(account, portion(account, fraction)))
    found = told(slice_leaving(account, whole, rest, fraction))
    assert found.unsettled == whole.unsettled * fraction // WAD
    # ether that stays is valued down too, so that the part may be worth a wei less than it took
    assert whole.equity * fraction // WAD - found.equity in (0, 1)


def test_slice_of__all_of_it__moves_everything() -> None:
    account = with_options(Random(1))
    assert slice_of(account, told(account), at(), WAD) == account


def test_slice_of__a_part_with_options__is_not_guessed() -> None:
    account = with_options(Random(1))
    with pytest.raises(AssertionError, match="options have no worth here"):
        slice_of(account, told(account), at(), WAD // 2)


def test_portion__options__are_rounded_toward_zero() -> None:
    account = replace(trader(), options=(Leg(CALL, -5), Leg(PUT, 5)), flags=OPTIONS)
    part = portion(account, WAD * 3 // 10)
    assert part.options == (Leg(CALL, -1), Leg(PUT, 1))
    assert without(account, part).options == (Leg(CALL, -4), Leg(PUT, 4))


def test_left_over__all_of_it__leaves_the_payment() -> None:
    account = trader(cash=50, units=1, entry_usd=2_000, ether=1, flags=IN_AUCTION)
    rest = left_over(account, at(), WAD, 7 * WAD)
    assert (rest.cash, rest.quote, rest.legs, rest.holdings) == (7 * WAD, 0, (), ())
    assert not rest.in_auction
