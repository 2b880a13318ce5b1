"""The lenses of options against their reference: random books in random markets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, PUT
from tests.reference.portfolio import MONEY_ONE, RATIO_ONE, RHO_ONE, VARIANCE_ONE
from tests.reference.units import LOTS_PER_UNIT, TICKS_PER_USD
from tests.reference.words import instrument_of
from tests.support.option_lens_house import OptionLensHouse
from tests.support.options_house import BTC, ETH, EXPIRY, FIRST, SECOND, deal, future, option
from tests.support.options_trading import ACCOUNTS

KEYS = (ETH, BTC)
# of expiries: two are over when a book is looked at
HOURS = (1, 2, 4, 26, 24 * 7, 24 * 90)
OVER = 3 * 3_600
# s into an hour: the last half of it
LATE = 2_400
STRANGER = 0xBAD << 96


@pytest.fixture(scope="module")
def house() -> Iterator[OptionLensHouse]:
    """Three rich accounts with perps, all of them the engine's."""
    made = OptionLensHouse()
    for account in ACCOUNTS:
        made.deposit(account, 5_000_000)
        made.engage(account)
    made.deposit_token(FIRST, 1, 10 * 10 ** made.decimals[1])
    made.deposit_token(FIRST, 2, 10 ** made.decimals[2])
    made.deposit_token(SECOND, 3, 100 * 10 ** made.decimals[3])
    prices = {key: made.model.markets[key].price for key in KEYS}
    made.agree(deal(*((instrument_of(key), LOTS_PER_UNIT, prices[key]) for key in KEYS)))
    yield made


def book(house: OptionLensHouse, rng: Random, first: int) -> list[Leg]:
    """Return options, futures and what has expired, in up to two markets."""
    found = {}
    for _ in range(rng.choice([0, 1, 2, 4, 12])):
        key, hours = rng.choice(KEYS), first + rng.choice(HOURS)
        kind = rng.choice([None, CALL, CALL, PUT, PUT])
        price = house.model.markets[key].price // TICKS_PER_USD
        strike = price * rng.choice([40, 80, 90, 100, 105, 130]) // 100
        instrument = future(key, hours) if kind is None else option(key, kind, hours, strike)
        found[instrument] = rng.choice([-1, 1]) * rng.choice([1, 10**7, 3 * 10**8, 10**10])
    return [Leg(*each) for each in found.items()]


def report(house: OptionLensHouse, rng: Random, first: int) -> None:
    """Report most surfaces, some of them a while ago, and settle some of what will be over."""
    for key in KEYS:
        for hours in HOURS:
            if rng.random() < 0.85:
                publish = house.evm.time + OVER - rng.choice([0, 1, 120, 121, 3_600, 3_601])
                changes = {
                    "publish": publish,
                    "ratio": RATIO_ONE * rng.randint(900, 1_100) // 1_000,
                    "a": VARIANCE_ONE * rng.randint(20, 200) ** 2 // 10_000,
                    "b": rng.randint(0, VARIANCE_ONE // 4),
                    "rho": rng.randint(-RHO_ONE // 2, RHO_ONE // 2),
                    "m": rng.randint(-MONEY_ONE // 8, MONEY_ONE // 8),
                }
                house.surface(replace(NOTHING, market=key, hours=first + hours, **changes))
            if hours < OVER // 3_600 and rng.random() < 0.5:
                house.settle(key, first + hours, rng.randint(1_000, 90_000))


def average(house: OptionLensHouse, rng: Random) -> None:
    """Say what was seen of the hour that comes."""
    hours = house.evm.time // 3_600 + 1
    for key in KEYS:
        mean = house.model.markets[key].price * rng.randint(80, 120) // 100
        house.average(key, hours, rng.choice([0, 1, 600, 1_200]), mean)


NOTHING = pm.Surface(ETH, 1, 0)


@given(seed=st.integers(0, 2**64))
def test_lenses__whatever_is_held__equal_the_reference(house: OptionLensHouse, seed: int) -> None:
    rng = Random(seed)
    everyone = (*ACCOUNTS, EXPIRY, house.setup.pool_account, STRANGER)
    first = house.evm.time // 3_600
    with house.kept():
        report(house, rng, first)
        for account in ACCOUNTS:
            house.hold(account, book(house, rng, first), rng.random() < 0.6)
        house.refresh(OVER)
        if rng.random() < 0.5:
            house.refresh((LATE - house.evm.time) % 3_600)
            average(house, rng)
        if rng.random() < 0.8:
            house.stir(rng)
        for account in everyone:
            house.compare_parts(account)
            house.compare_greeks(account)
            slow, fast = (house.compare_scan(account, initial) for initial in (False, True))
            assert fast.total == slow.total or fast.markets != slow.markets
        house.compare_healths(everyone)
