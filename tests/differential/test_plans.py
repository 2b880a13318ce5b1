"""Quotes, room and liquidation plans against the reference, over accounts in any state.

The words of two accounts (one under margin, the pool) and of all markets are written straight into
storage, so that sizes, prices and books are met that no sequence of trades would reach soon.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from tests.differential import random_facts
from tests.differential.markets_chain import slots
from tests.reference import closing, liquidation, margin, pool, words
from tests.reference.facts import Account, Holding, Leg, Market
from tests.reference.liquidation import AHEAD
from tests.reference.refused import Refused
from tests.reference.state import World, with_leg
from tests.reference.units import (
    AGE_MM,
    GRACE,
    HOUSE,
    IN_AUCTION,
    KAPPA_FLAT,
    LISTED,
    PENDING,
    T_DEAD,
    TICKS_PER_USD,
    UNTRUSTED,
    WAD,
)
from tests.reference.words import instrument_of
from tests.stateful.compiled import compiled
from tests.stateful.evm import Reverted
from tests.stateful.house import House
from tests.stateful.terms import DEPLOYMENTS

VICTIM = 0x7777 << 96
TRADED = (1, 2, 3)


def slot_of(base: int, key: int) -> int:
    """Return where a mapping keeps the value of a key."""
    return int.from_bytes(keccak(base.to_bytes(32, "big") + key.to_bytes(32, "big")), "big")


class Vault:
    """Writes account words into the Clearinghouse."""

    def __init__(self, house: House) -> None:
        self.house = house
        layout: dict[str, Any] = compiled("Clearinghouse").layout["storage_layout"]["accounts"]
        self._words = int(layout["words"]["slot"])
        self._entries = int(layout["entries"]["slot"])
        self._markets = {name: slots(name) for name in ("prices", "states", "pendings")}

    def write_account(self, key: int, account: Account) -> None:
        address = self.house.clearinghouse.address
        word, legs, amounts = words.encode_account(account)
        self.house.evm.store(address, slot_of(self._words, key), word)
        base = slot_of(self._entries, key)
        for index, entry in enumerate((*legs, *amounts)):
            self.house.evm.store(address, (base + index) % 2**256, entry)

    def write_market(self, key: int, m: Market) -> None:
        address = self.house.markets.address
        self.house.evm.store(address, self._markets["prices"] + key, words.price_word(m))
        self.house.evm.store(address, self._markets["states"] + key, words.state_word(m))
        self.house.evm.store(address, self._markets["pendings"] + key, words.pending_word(m))


@pytest.fixture(scope="module")
def vault() -> Vault:
    return Vault(House(DEPLOYMENTS[0]))


def market(rng: Random, listed: Market, now: int) -> Market:
    """Return a market of the deployment at another price, mostly fresh and trusted."""
    m = random_facts.market(rng, now)
    price = listed.price * rng.choice((1, rng.randint(500, 2_000), 1_000)) // 1_000
    calm = rng.random() < 0.9
    return replace(
        m,
        margin=listed.margin,
        feed=listed.feed,
        price=max(TICKS_PER_USD // 100, price),
        stable=random_facts.near(rng, max(TICKS_PER_USD // 100, price)),
        conf=rng.choice((0, 0, 30, 900)),
        publish=now - rng.choice((0, 1, 14, 119, 121)) if calm else m.publish,
        time=now - rng.randint(0, 400),
        funding=price * rng.randint(-100, 100) // 1_000,
        flags=m.flags & ~(PENDING | GRACE | UNTRUSTED) if calm else m.flags,
        open_interest=rng.randint(0, 10**13),
    )


def victim(rng: Random, world: World) -> Account:
    """Return an account near or below MM: legs first, then cash that leaves E where it hurts."""
    held = rng.sample(TRADED, rng.randint(0, len(TRADED)))
    legs = []
    for key in held:
        notional = 10 ** rng.randint(1, 7) * rng.randint(1, 9) * 10**18
        lots = max(1, notional // world.markets[key].price)
        legs.append(Leg(instrument_of(key), lots * rng.choice((1, -1))))
    tokens = rng.sample(sorted(world.collaterals), rng.randint(0, 4))
    account = Account(
        quote=rng.randint(-(10**21), 10**21),
        flags=LISTED,
        legs=tuple(legs),
        collateral=tuple(
            Holding(token, rng.randint(1, 10 ** world.tokens[token].decimals * 40))
            for token in tokens
        ),
    )
    world.accounts[VICTIM] = account
    health = world.health(VICTIM)
    wanted = health.mm * rng.choice((-30, 5, 50, 90, 99, 100, 101, 120)) // 100
    cash = wanted - health.equity + rng.randint(-5, 5)
    return replace(account, cash=max(-(2**94), min(2**94, cash)))


def pool_account(rng: Random, world: World) -> Account:
    legs = tuple(
        Leg(instrument_of(key), lots)
        for key in rng.sample(TRADED, rng.randint(0, 3))
        if (lots := rng.randint(-(10**6), 10**6) * 10**18 // world.markets[key].price)
    )
    cash = rng.choice((10**22, 10**24, 5 * 10**25))
    return Account(cash=cash, quote=rng.randint(-(10**22), 10**22), flags=HOUSE | LISTED, legs=legs)


def draw(rng: Random, vault: Vault) -> World:
    """Return a random world that the chain's storage agrees with."""
    world = vault.house.world()
    world.now, world.block = vault.house.evm.time, vault.house.evm.block
    for key, listed in list(world.markets.items()):
        world.markets[key] = market(rng, listed, world.now)
        vault.write_market(key, world.markets[key])
    venue = world.setup.pool_account
    world.accounts[venue] = pool_account(rng, world)
    world.accounts[VICTIM] = victim(rng, world)
    for key in (venue, VICTIM):
        vault.write_account(key, world.accounts[key])
    return world


@given(seed=st.integers(0, 2**64))
def test_plans__any_books__equal_reference(vault: Vault, seed: int) -> None:
    rng = Random(seed)
    world = draw(rng, vault)
    desk = vault.house.liquidator
    health = vault.house.clearinghouse.view("health", VICTIM)
    assert tuple(health) == world.health(VICTIM).answer()
    assert desk.view("plan_take", VICTIM) == tuple(liquidation.plan_take(world, VICTIM))
    for key in TRADED:
        plan = closing.plan_reduce(world, VICTIM, instrument_of(key))
        assert desk.view("plan_reduce", VICTIM, instrument_of(key)) == tuple(plan)


@given(seed=st.integers(0, 2**64))
def test_close_on_paper__any_books__is_what_a_check_of_the_words_says(
    vault: Vault, seed: int
) -> None:
    # the plans replace the leg's margin by arithmetic: exact for E and MM, a wei up at most for LE
    rng = Random(seed)
    world = draw(rng, vault)
    account, before = world.account(VICTIM), world.health(VICTIM)
    for leg in account.legs:
        if world.now > world.markets[words.market_of(leg.instrument)].publish + AGE_MM:
            continue
        desk = closing.desk_of(world, VICTIM, leg.instrument, before)
        for lots in {1, abs(leg.size) // 2, abs(leg.size)}:
            found = closing.close_of(desk, lots)
            paid = found.fee + found.liquidation_fee + KAPPA_FLAT + found.keeper_part
            after = replace(
                with_leg(account, leg.instrument, found.taker),
                quote=account.quote - found.quote - paid,
            )
            checked = margin.check(after, world.markets, world.collaterals, world.now)
            assert (found.equity, found.mm) == (checked.equity, checked.mm)
            assert 0 <= found.equity - found.gap - checked.le <= 1


@given(seed=st.integers(0, 2**64))
def test_take_plan__any_books_and_any_funding__holds_for_the_seconds_ahead(
    vault: Vault, seed: int
) -> None:
    # docs/spec/liquidation.md#ahead; a dead feed's haircut is no unchanged price
    rng = Random(seed)
    world = draw(rng, vault)
    flagged = rng.random() < 0.8
    if flagged:
        live = rng.choice((0, rng.randint(0, 300), rng.randint(0, 2_000)))
        world.clocks[VICTIM] = (live, world.now - rng.randint(0, 400))
        account = world.account(VICTIM)
        world.accounts[VICTIM] = replace(account, flags=account.flags | IN_AUCTION)
    held = {words.market_of(leg.instrument) for leg in world.account(VICTIM).legs}
    held |= {world.collaterals[each.id].feed for each in world.account(VICTIM).collateral}
    if any(world.now + AHEAD > world.markets[key].publish + T_DEAD for key in held):
        return
    plan = liquidation.plan_take(world, VICTIM)
    if plan.status != 0:
        return
    for seconds in (0, 1, 5, AHEAD):
        then = world.copy()
        then.now += seconds
        case = liquidation.case_of(then, VICTIM)
        if case.health.equity >= case.health.mm:
            continue
        liquidation.require_fraction(then, case, plan.fraction)
        if plan.fraction == WAD:
            continue
        deal = liquidation.deal_of(then, case, plan.fraction)
        rest = liquidation.after(case.account, deal, plan.fraction)
        after = margin.check(rest, then.markets, then.collaterals, then.now)
        assert after.le <= after.equity
        over = liquidation.overshoot(case, plan.fraction)
        assert after.equity <= max(deal.le, after.le) + over


@given(seed=st.integers(0, 2**64))
def test_quotes__any_books__equal_reference_and_round_against_the_taker(
    vault: Vault, seed: int
) -> None:
    rng = Random(seed)
    world = draw(rng, vault)
    venue = world.account(world.setup.pool_account)
    for key in TRADED:
        m, params = world.markets[key], world.pool_params[key]
        held = venue.size(instrument_of(key))
        lots = random_facts.log_uniform(rng, rng.choice((30, 45))) * rng.choice((1, -1))
        room = vault.house.pool.view("liquidation_room", key, lots)
        assert room == closing.liquidation_room(world, instrument_of(key), lots)
        asked = ("liquidation_quote", key, lots, held)
        try:
            fill = pool.quote(m, params, held, lots, liquidation=True)
        except Refused as refused:
            with pytest.raises(Reverted, match=refused.reason):
                vault.house.pool.view(*asked)
            continue
        assert vault.house.pool.view(*asked) == (fill.price, fill.fee, fill.tilt)
        exact = m.price * (10**18 + (lots - 2 * held) * m.price * 10**18 / (2 * params.scale))
        assert (fill.price - exact / 10**18) * lots >= -(abs(lots) * m.price * 2**-50)
