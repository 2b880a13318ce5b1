"""The rules of a backtest are those of the contracts: parameters, prices, plans."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keepers.backtest import oracle, plans, rules
from keepers.backtest.logarithm import wad_ln
from keepers.backtest.oracle import Oracle
from keepers.backtest.rules import CONF, FeedRules
from keepers.chain.abi import interface
from keepers.chain.liquidations import capacity
from keepers.domain.liquidation import ReducePlan, TakePlan, plan_of
from keepers.domain.margin import Market, snapshot
from keepers.domain.planning import Pool, Terms
from keepers.domain.units import WAD
from keepers.domain.words import PriceWord, StateWord, account_id
from scripts.deployment import params
from tests.differential import random_facts
from tests.differential.markets_chain import LN_HARNESS, OWNER
from tests.keepers.anvil_world import TRADER, Node, World
from tests.keepers.bot_runs import world
from tests.keepers.liquidating import crash, indebted, weak_trader
from tests.reference import fixed
from tests.reference import oracle as reference
from tests.reference.facts import Market as Facts
from tests.stateful.evm import Contract, Evm, deploy

SHIPPED = params.load("local")


@pytest.mark.parametrize("symbol", ["ETH", "BTC", "LINK"])
def test_class_of__shipped_markets__are_the_shipped_parameters(symbol: str) -> None:
    shipped, ours = SHIPPED.markets[symbol], rules.class_of(symbol)
    assert shipped.pool is not None
    for name in ("base", "mm_ratio", "tier_start", "spread_rate", "oi_max", "oi_cap"):
        assert getattr(ours.margin, name) == getattr(shipped.margin, name), name
    for name in ("sigma_ref", "jump_0", "jump_rate", "confirm_delay", "stable_growth"):
        assert getattr(ours.feed, name) == getattr(shipped.feed, name), name
    for name in ("stable_tau", "v_max", "v_step"):
        assert getattr(ours.feed, name) == getattr(shipped.feed, name), name
    for name in Terms.__dataclass_fields__:
        assert getattr(ours.pool, name) == getattr(shipped.pool, name), name
    assert ours.max_skew == shipped.pool.max_skew
    assert shipped.pool.mu == rules.MU
    coin = next(each for each in SHIPPED.collaterals.values() if each.feed == shipped.id)
    assert (ours.haircut_im, ours.haircut_mm) == (coin.haircut_im, coin.haircut_mm)


@pytest.fixture(scope="module")
def logarithm() -> Contract:
    return deploy(Evm(), OWNER, LN_HARNESS)


@given(x=st.integers(1, 10**30) | st.integers(1, 2**255 - 1))
@example(x=WAD)
@example(x=2**255 - 1)
def test_wad_ln__any_number__is_the_contracts_own(logarithm: Contract, x: int) -> None:
    assert wad_ln(x) == logarithm.view("wad_ln", x)


@given(st.integers(0, 3_600), st.integers(18_000, 10**6))
def test_expm__any_time__equals_the_reference(dt: int, tau: int) -> None:
    assert oracle.expm(dt, tau) == fixed.expm(dt, tau)


def mirrored(facts: Facts) -> Oracle:
    word = PriceWord(
        facts.price,
        facts.stable,
        facts.conf,
        facts.gap,
        facts.publish,
        facts.v,
        facts.v_slow,
        facts.flags,
        facts.sample_time,
    )
    margin = rules.MAJOR.margin
    state = StateWord(
        facts.funding, facts.rate, facts.tilt, facts.time, facts.open_interest, margin
    )
    feed = facts.feed
    found = FeedRules(
        sigma_ref=feed.sigma_ref,
        jump_0=feed.jump_0,
        jump_rate=feed.jump_rate,
        confirm_delay=feed.confirm_delay,
        stable_growth=feed.stable_growth,
        stable_tau=feed.stable_tau,
        v_max=feed.v_max,
        v_step=feed.v_step,
    )
    until = (facts.grace_until, facts.opening_until)
    market = Market(1, word, state, facts.pending_publish, *until)
    samplers = (facts.price_a, facts.var_a, facts.price_b, facts.var_b, facts.time_b)
    return Oracle(market, found, *samplers, facts.pending_price)


@given(
    st.integers(0, 2**64 - 1).map(Random),
    st.lists(st.tuples(st.integers(1, 900), st.integers(-60, 60)), min_size=1, max_size=12),
)
def test_offer__any_prices__equal_the_reference(rng: Random, moves: list[tuple[int, int]]) -> None:
    theirs = random_facts.market(rng)
    lowest, highest = theirs.feed.min_price, theirs.feed.max_price
    theirs = replace(theirs, feed=replace(theirs.feed, conf_cap=WAD), flags=theirs.flags | 8)
    ours, terms = mirrored(theirs), rules_terms()
    now = max(theirs.publish, theirs.sample_time, theirs.time, theirs.time_b)
    for wait, percent in moves:
        now += wait
        price = theirs.price * (100 + percent) // 100
        if not lowest <= price <= highest or price < 1:
            continue
        theirs, _ = reference.offer(theirs, price, CONF, now, now)
        ours = oracle.offer(ours, price, now, now, terms)
        assert ours == replace(mirrored(theirs), rules=ours.rules)


def rules_terms() -> object:
    from keepers.domain.terms import Terms as Times

    return Times()


# ---- against the contracts -------------------------------------------------------------------


async def read(on: World) -> tuple[plans.Snapshot, Pool, dict[int, int]]:
    """Return prices, the pool and each market's capacity, from the chain."""
    head = await on.rpc.head()
    markets, terms = await on.reader.markets(), await on.reader.terms()
    at = snapshot(head.time, markets, await on.reader.collaterals(), terms)
    ids = [each.id for each in markets]
    answers = await on.reader.many([("LiquidityPool", "params", (id_,)) for id_ in ids])
    fields = interface("LiquidityPool").function("params").fields[0]["components"]
    names = [str(each["name"]) for each in fields]
    found = {
        id_: dict(zip(names, answer[0], strict=True))
        for id_, answer in zip(ids, answers, strict=True)
    }
    (pool,) = await on.reader.accounts([account_id(on.deployment.address("LiquidityPool"))])
    listed = {id_: plan_of(Terms, each) for id_, each in found.items() if each["scale"]}
    return at, Pool(pool, listed), {id_: capacity(each) for id_, each in found.items()}


async def view(on: World, name: str, *arguments: int) -> dict[str, int]:
    function = interface("Liquidator").function(name)
    data = function.encode(*arguments)
    answer = await on.rpc.call(on.deployment.address("Liquidator"), data)
    return dict(function.decode_named(answer))


@pytest.mark.anvil
def test_plan_reduce__weak_account__is_what_the_liquidator_plans(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            await crash(on)
            at, pool, left = await read(on)
            found, _ = await on.health(account)
            (leg,) = found.legs
            theirs = plan_of(ReducePlan, await view(on, "plan_reduce", account, leg.instrument))
            ours, close = plans.plan_reduce(found, leg, at, pool, left[leg.market])
            # their search may end a few lots apart, where the price is a tick apart
            assert abs(ours.target - theirs.target) <= 3
            assert close is not None
            same = plans.close_of(found, leg, theirs.size, at, pool)
            assert (ours.status, same.price, same.pay) == (0, theirs.price, theirs.pay)

    asyncio.run(scenario())


@pytest.mark.anvil
@pytest.mark.parametrize(
    ("price", "seconds"), [(1_310, 0), (1_310, 400), (1_200, 40), (1_000, 0), (1_000, 2_000)]
)
def test_plan_take__debt_against_collateral__is_what_the_liquidator_plans(
    node: Node, price: int, seconds: int
) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await indebted(on)
            await on.move("ETH", price)
            await on.act(TRADER, "Liquidator", "flag", account)
            for _ in range(seconds // 100):
                await on.pass_time(100)
                await on.publish()
                await on.act(TRADER, "Liquidator", "flag", account)
            await on.pass_time(seconds % 100 or 1)
            await on.publish()
            at, _, _ = await read(on)
            found, health = await on.health(account)
            theirs = plan_of(TakePlan, await view(on, "plan_take", account))
            case = plans.Case(found, health, at, theirs.live_time)
            fund = 500_000 * WAD
            ours = plans.plan_take(
                case, lambda each: (min(fund, plans.asked(each)[0]), plans.asked(each)[1])
            )
            assert ours == theirs

    asyncio.run(scenario())
