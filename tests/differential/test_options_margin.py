"""OptionsMargin against its reference over words whose every field is random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.differential import random_facts
from tests.differential.markets_chain import OWNER, MarketsChain
from tests.reference import options_margin as om
from tests.reference import portfolio as pm
from tests.reference import words
from tests.reference.facts import Account, Leg, Market
from tests.reference.instruments import CALL, FUTURE, PUT, Instrument, lowest_terms, parts
from tests.reference.refused import Refused
from tests.reference.units import TICKS_PER_USD
from tests.stateful.evm import Contract, Reverted, deploy
from tests.support import books
from tests.support.portfolio_engine import array_arguments, leg_words

# twenty minutes before a full hour
NOW = random_facts.NOW + 2_400
HOURS = NOW // 3_600
MARKETS = range(1, random_facts.MARKETS + 1)
SHARES = 997
ACCOUNTS = 6


class Chain:
    """Markets, the scan, a stub of surfaces and the engine's margin."""

    def __init__(self) -> None:
        self.markets = MarketsChain()
        evm = self.markets.evm
        self.surfaces = deploy(evm, OWNER, "mocks/SurfacesStub")
        array = array_arguments(books.SIXTEEN, books.RHOS)
        self.scan = deploy(evm, OWNER, "PortfolioMargin", array)
        stub = self.surfaces.address
        self.margin: Contract = deploy(
            evm,
            OWNER,
            "OptionsMargin",
            self.markets.contract.address,
            stub,
            stub,
            self.scan.address,
        )
        for key in MARKETS:
            self.markets.list_market(key, random_facts.market(Random(key)))
        evm.advance(NOW - evm.time)

    def check(self, held: list[Leg], portfolio: bool, account: Account) -> tuple[int, ...]:
        asked = (leg_words(held), portfolio, *words.encode_account(account), True)
        return tuple(self.margin.view("check", *asked))


@pytest.fixture(scope="module")
def engine() -> Iterator[Chain]:
    yield Chain()


def market(rng: Random) -> Market:
    """Return a market at a price at which options make sense."""
    facts = random_facts.market(rng, NOW)
    price = rng.randint(TICKS_PER_USD // 10, 10**5 * TICKS_PER_USD)
    return replace(
        facts, price=price, stable=rng.choice([price, price * 9 // 10, price * 11 // 10])
    )


def instrument(rng: Random, key: int, price: int) -> int:
    hours = HOURS + rng.choice([-3, 0, 1, 1, 2, 24, 24 * 30, 24 * 90])
    kind = rng.choice([FUTURE, CALL, CALL, PUT, PUT])
    if kind == FUTURE:
        return Instrument(key, FUTURE, hours, 0, 0).id
    strike = int(f"{price * rng.randint(500, 2_000) // 1_000:.3e}".split("e")[0].replace(".", ""))
    exponent = max(0, len(str(price)) - 4)
    return Instrument(key, kind, hours, *lowest_terms(strike * 10**exponent)).id


def held_legs(rng: Random, world: dict[int, Market], keys: list[int]) -> list[Leg]:
    count = rng.choice([1, 2, 3, 8, 20])
    ids = {instrument(rng, key, world[key].price) for key in rng.choices(keys, k=count)}
    return [Leg(id_, rng.choice([-1, 1]) * rng.randint(1, 10**10)) for id_ in sorted(ids)]


def surface(rng: Random, key: int, hours: int) -> pm.Surface:
    publish = NOW - rng.choice([0, 1, 120, 121, 3_600, 3_601, rng.randint(0, 9_000)])
    return pm.Surface(
        key,
        hours,
        publish,
        ratio=rng.randint(pm.RATIO_ONE // 2, 3 * pm.RATIO_ONE // 2),
        a=pm.VARIANCE_ONE * rng.randint(20, 200) ** 2 // 10_000,
        b=rng.randint(0, pm.VARIANCE_ONE // 4),
        rho=rng.randint(-pm.RHO_ONE // 2, pm.RHO_ONE // 2),
        m=rng.randint(-pm.MONEY_ONE // 8, pm.MONEY_ONE // 8),
    )


def write(engine: Chain, rng: Random, world: dict[int, Market], legs: list[Leg]) -> om.Facts:
    """Write everything that a check reads, and return it."""
    keys = {(said.market, said.hours) for said in (parts(leg.instrument) for leg in legs)}
    surfaces, settled, averages = {}, {}, {}
    for market_id, hours in sorted(keys):
        found = surface(rng, market_id, hours) if rng.random() < 0.85 else None
        price = world[market_id].price * rng.randint(8, 12) // 10 if rng.random() < 0.5 else 0
        engine.surfaces.send(OWNER, "set_surface", market_id, hours, found.word if found else 0)
        engine.surfaces.send(OWNER, "settle", market_id, hours, price)
        settled[market_id, hours] = price
        # the next full hour is less than half an hour away
        observed = rng.choice([0, 1, 600, 1_799, 1_800, rng.randint(0, 1_800)])
        mean = world[market_id].price * rng.choice([1, 90, 99, 100, 101, 110, 300]) // 100
        averages[market_id, hours] = (observed, mean)
        engine.surfaces.send(OWNER, "set_average", market_id, hours, observed, mean)
        if found:
            surfaces[market_id, hours] = found
    risks = {}
    for key in MARKETS:
        group = rng.choice([0, 0, 1, 3])
        ranges = rng.randint(500, 6_000), rng.randint(500, 2_000)
        risks[key] = pm.Risk(*ranges, rng.randint(0, 500), rng.randint(0, 500), group)
        terms = (key, group, list(ranges), risks[key].som, risks[key].spread)
        engine.margin.send(OWNER, "set_risk", *terms)

    def mark(leg: Leg) -> int:
        said = parts(leg.instrument)
        price = world[said.market].price
        if said.kind == FUTURE:
            found = surfaces.get((said.market, said.hours))
            view = pm.Underlying(said.market, price, 0)
            return pm.expiry_of(books.SIXTEEN, found, view, said.hours, NOW).forward
        return price * (leg.instrument % SHARES) // SHARES

    return om.Facts(
        NOW, world, {}, surfaces, settled, risks, books.SIXTEEN, books.RHOS, mark, averages
    )


@given(seed=st.integers(0, 2**64))
def test_check__random_words__equals_reference(engine: Chain, seed: int) -> None:
    rng = Random(seed)
    world = {key: market(rng) for key in MARKETS}
    for key, facts in world.items():
        engine.markets.write(key, facts)
    terms = random_facts.terms(rng)
    engine.markets.write_collaterals(terms)
    keys = rng.sample(list(MARKETS), rng.randint(1, 3))
    held = held_legs(rng, world, keys)
    facts = replace(write(engine, rng, world, held), collaterals=terms)
    for _ in range(ACCOUNTS):
        account = random_facts.account(rng)
        legs = tuple(Leg(leg.instrument, leg.size % 10**11 - 5 * 10**10) for leg in account.legs)
        account = replace(account, flags=0, legs=legs)
        for portfolio in (False, True):
            try:
                health = om.check(facts, held, portfolio, account)
            except Refused as refused:
                with pytest.raises(Reverted, match=refused.reason):
                    engine.check(held, portfolio, account)
                continue
            assert engine.check(held, portfolio, account) == health.answer()
            assert health.im >= health.le >= health.mm >= 0
