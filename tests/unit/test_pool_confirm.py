"""What the pool stands by, after a fill: docs/spec/pool.md, confirm and liquidation_room."""

from __future__ import annotations

from dataclasses import replace

import boa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.reference import pool as reference
from tests.reference import words
from tests.reference.facts import Account, Health, Leg
from tests.reference.refused import Refused
from tests.reference.units import HOUSE, WAD
from tests.unit.pool_chain import (
    BTC,
    ETH,
    FEW,
    MILLION,
    PARAMS,
    PoolChain,
    at_mark,
    lots,
    market_at,
    stub_health,
    usd,
)

PERP = ETH << 56
NAV = 10 * MILLION
# lots of ETH whose notional is the cap: lambda = 1, NAV 10 M, 3,000 USD
OPEN_CAP = 5 * MILLION // usd(3_000)
FULL_CAP = 10 * MILLION // usd(3_000)


def confirm(
    chain: PoolChain,
    after: Account,
    size: int,
    account_size: int = 0,
    liquidation: bool = False,
    health: Health | None = None,
) -> bool:
    """Ask the pool whether it stands by a fill of `size` lots of ETH that led to `after`."""
    venue_size = after.size(PERP) + size
    ask = (7, PERP, size, account_size, venue_size, False, liquidation)
    answer = (health or stub_health(after, chain.markets)).answer()
    _, legs, _ = words.encode_account(after)
    return bool(chain.pool.confirm(ask, answer, legs, len(after.legs)))


def worth(chain: PoolChain, nav: int, **legs: int) -> Account:
    """Return a pool whose NAV is exactly `nav`: its equity holds the premium besides."""
    account = at_mark(0, chain.markets, **legs)
    premium = 0
    for leg in account.legs:
        notional = abs(leg.size) * chain.markets[words.market_of(leg.instrument)].price
        premium += -(-(notional**2) // (2 * PARAMS.scale))
    return replace(account, cash=nav + premium)


# ---- openings -----------------------------------------------------------------------------------


def test_confirm__opening_at_half_of_lambda__stood_by(chain: PoolChain) -> None:
    assert confirm(chain, worth(chain, NAV, ETH=-OPEN_CAP), lots(1))
    assert confirm(chain, worth(chain, NAV, ETH=OPEN_CAP), -lots(1))


def test_confirm__opening_one_lot_past_half_of_lambda__refused(chain: PoolChain) -> None:
    with boa.reverts("pool: market cap"):
        confirm(chain, worth(chain, NAV, ETH=-OPEN_CAP - 1), lots(1))


def test_confirm__opening_past_max_skew__refused(chain: PoolChain) -> None:
    cap = 10 * MILLION // usd(3_000)
    assert confirm(chain, worth(chain, 10 * NAV, ETH=-cap), lots(1))
    with boa.reverts("pool: max skew"):
        confirm(chain, worth(chain, 10 * NAV, ETH=-cap - 1), lots(1))


def test_confirm__all_legs_past_one_and_a_half_nav__refused(chain: PoolChain) -> None:
    chain.list_market(BTC, replace(PARAMS, lambda_=3 * WAD))
    # 5 M in ETH; 10 M in BTC makes 15 M = 1.5 NAV
    edge = 10 * MILLION // usd(60_000)
    assert confirm(chain, worth(chain, NAV, ETH=-OPEN_CAP, BTC=edge), lots(1))
    with boa.reverts("pool: total cap"):
        confirm(chain, worth(chain, NAV, ETH=-OPEN_CAP, BTC=edge + lots(1)), lots(1))


def test_confirm__opening_below_im__refused_if_the_leg_grew_alone(chain: PoolChain) -> None:
    after = worth(chain, NAV, ETH=-lots(100))
    needs = Health(NAV, 0, NAV, NAV // 2, NAV // 4, 0, 0, 0)
    assert confirm(chain, after, lots(1), health=needs)
    below = replace(needs, im=NAV + 1)
    with boa.reverts("pool: margin"):
        confirm(chain, after, lots(1), health=below)
    # the pool was short 101 and is short 100: the fill takes risk off it
    assert confirm(chain, after, -lots(1), health=below)


def test_confirm__opening_that_shrinks_the_leg_below_le__refused(chain: PoolChain) -> None:
    after = worth(chain, NAV, ETH=-lots(100))
    with boa.reverts("pool: margin"):
        confirm(chain, after, -lots(1), health=Health(NAV, 0, NAV + 9, NAV + 1, NAV, 0, 0, 0))


def test_confirm__opening_that_flips_the_leg_to_the_same_size__not_grown(chain: PoolChain) -> None:
    # far past every cap, but |leg| is what it was
    assert confirm(chain, worth(chain, NAV, ETH=10 * FULL_CAP), -20 * FULL_CAP)
    with boa.reverts("pool: max skew"):
        confirm(chain, worth(chain, NAV, ETH=10 * FULL_CAP + 1), -20 * FULL_CAP - 1)


# ---- closing trades and liquidations go first ---------------------------------------------------


@pytest.mark.parametrize("liquidation", [False, True])
def test_confirm__closing_or_forced_fill__may_use_all_of_lambda(
    chain: PoolChain, liquidation: bool
) -> None:
    short = -lots(5)
    edge = worth(chain, NAV, ETH=-FULL_CAP)
    assert confirm(chain, edge, lots(5), account_size=short, liquidation=liquidation)
    past = worth(chain, NAV, ETH=-FULL_CAP - 1)
    with boa.reverts("pool: market cap"):
        confirm(chain, past, lots(5), account_size=short, liquidation=liquidation)


def test_confirm__closing_and_one_lot_more__is_an_opening(chain: PoolChain) -> None:
    edge = worth(chain, NAV, ETH=-FULL_CAP)
    assert confirm(chain, edge, lots(5), account_size=-lots(5))
    with boa.reverts("pool: market cap"):
        confirm(chain, edge, lots(5) + 1, account_size=-lots(5))


def test_confirm__closing_trade__needs_le_alone(chain: PoolChain) -> None:
    after = worth(chain, NAV, ETH=-lots(100))
    needs = Health(NAV, 0, 9 * NAV, NAV, NAV // 4, 0, 0, 0)
    assert confirm(chain, after, lots(1), account_size=-lots(1), health=needs)
    with boa.reverts("pool: margin"):
        short = replace(needs, le=NAV + 1)
        confirm(chain, after, lots(1), account_size=-lots(1), health=short)


def test_confirm__liquidation__needs_mm_alone(chain: PoolChain) -> None:
    after = worth(chain, NAV, ETH=-lots(100))
    needs = Health(NAV, 0, 9 * NAV, 8 * NAV, NAV, 0, 0, 0)
    assert confirm(chain, after, lots(1), account_size=-lots(1), liquidation=True, health=needs)
    with boa.reverts("pool: margin"):
        short = replace(needs, mm=NAV + 1)
        confirm(chain, after, lots(1), account_size=-lots(1), liquidation=True, health=short)


def test_confirm__insolvent_pool__grows_no_leg(chain: PoolChain) -> None:
    # NAV is floored at 0; the requirements are waived to reach the caps
    after = at_mark(-NAV, chain.markets, ETH=-lots(1))
    free = Health(0, 0, 0, 0, 0, 0, 0, 0)
    with boa.reverts("pool: market cap"):
        confirm(chain, after, lots(1), account_size=-lots(1), health=free)


# ---- against the reference ----------------------------------------------------------------------

legs = st.integers(-(2**40), 2**40).filter(bool)


@given(
    size=legs,
    account_size=st.one_of(st.just(0), legs),
    eth=legs,
    btc=st.one_of(st.just(0), st.integers(-(2**33), 2**33)),
    equity=st.integers(-MILLION, 60 * MILLION),
    liquidation=st.booleans(),
)
@example(size=1, account_size=-1, eth=-1, btc=0, equity=0, liquidation=False)
@FEW
def test_confirm__any_fill__equals_the_reference(
    chain: PoolChain,
    size: int,
    account_size: int,
    eth: int,
    btc: int,
    equity: int,
    liquidation: bool,
) -> None:
    held = {"ETH": eth} | ({"BTC": btc} if btc else {})
    after = at_mark(equity, chain.markets, **held)
    health = stub_health(after, chain.markets)
    assert health.equity == equity
    ask = reference.Ask(PERP, size, account_size, eth + size, liquidation)
    try:
        reference.confirm(ask, after, health, chain.markets, chain.params)
    except Refused as refused:
        with boa.reverts(refused.reason):
            confirm(chain, after, size, account_size, liquidation)
        return
    assert confirm(chain, after, size, account_size, liquidation)


# ---- room for liquidations ----------------------------------------------------------------------


def fill_forced(chain: PoolChain, before: Account, size: int) -> tuple[Account, Health]:
    """Return the pool and its health after a forced fill of `size` lots of ETH."""
    market, held = chain.markets[ETH], before.size(PERP)
    fill = reference.quote(market, PARAMS, held, size, True)
    rest = tuple(leg for leg in before.legs if leg.instrument != PERP)
    after = replace(
        before,
        quote=before.quote + size * (fill.price - market.funding),
        legs=(Leg(PERP, held - size), *rest) if held != size else rest,
    )
    return after, stub_health(after, chain.markets)


def stands(chain: PoolChain, before: Account, size: int) -> bool:
    """Whether the reference confirms a forced fill."""
    after, health = fill_forced(chain, before, size)
    ask = reference.Ask(PERP, size, -size, before.size(PERP), True)
    try:
        reference.confirm(ask, after, health, chain.markets, chain.params)
    except Refused:
        return False
    return True


def test_liquidation_room__empty_pool__none(chain: PoolChain) -> None:
    chain.set_pool(Account(flags=HOUSE))
    assert chain.pool.liquidation_room(ETH, lots(1)) == 0


def test_liquidation_room__no_leg_yet__lambda_of_nav(chain: PoolChain) -> None:
    chain.set_pool(Account(cash=NAV, flags=HOUSE))
    assert chain.pool.liquidation_room(ETH, lots(10**6)) == FULL_CAP
    assert chain.pool.liquidation_room(ETH, -lots(10**6)) == FULL_CAP
    assert chain.pool.liquidation_room(ETH, -lots(7)) == lots(7)


def test_liquidation_room__leg_past_the_cap__down_to_the_other_side(chain: PoolChain) -> None:
    # pool long 2 caps: buys may flip it to -2 caps, sells find nothing
    chain.set_pool(worth(chain, NAV, ETH=2 * FULL_CAP))
    assert chain.pool.liquidation_room(ETH, lots(10**6)) == 4 * FULL_CAP
    assert chain.pool.liquidation_room(ETH, -lots(10**6)) == 0


def test_liquidation_room__worth_of_a_leg_next_to_nothing__ends_where_sizes_do(
    chain: PoolChain,
) -> None:
    # at 100 ticks lambda allows more lots than a leg can hold
    held, most = 2**62, 2**63 - 1
    chain.set_market(ETH, market_at(100))
    chain.set_pool(Account(cash=NAV, flags=HOUSE, legs=(Leg(PERP, held),)))
    assert chain.pool.liquidation_room(ETH, -most) == most - held
    assert chain.pool.liquidation_room(ETH, most) == most


def test_liquidation_room__sixteen_legs_elsewhere__none(chain: PoolChain) -> None:
    others = tuple(Leg(market << 56, lots(1)) for market in range(20, 36))
    for market in range(20, 36):
        chain.set_market(market, market_at(usd(1)))
    chain.set_pool(Account(cash=NAV, flags=HOUSE, legs=others))
    assert chain.pool.liquidation_room(ETH, lots(1)) == 0


def test_liquidation_room__market_without_parameters__refused(chain: PoolChain) -> None:
    chain.set_market(9, market_at(usd(10)))
    chain.set_pool(Account(cash=NAV, flags=HOUSE))
    with boa.reverts("pool: unknown market"):
        chain.pool.liquidation_room(9, lots(1))


def test_liquidation_room__margin_binds__the_largest_that_keeps_mm(chain: PoolChain) -> None:
    # MM of 60 %: 10 M of equity carries 16.67 M less what the fill earns, the cap allows 30 M
    chain.list_market(ETH, replace(PARAMS, lambda_=3 * WAD))
    chain.stub.set_rates(WAD, 60 * WAD // 100)
    chain.set_pool(Account(cash=NAV, flags=HOUSE))
    room = chain.pool.liquidation_room(ETH, lots(10**6))
    assert 10 * MILLION // (6 * usd(300)) < room < 10 * MILLION // (6 * usd(300)) * 102 // 100

    def keeps_mm(size: int) -> bool:
        fill = reference.quote(chain.markets[ETH], PARAMS, 0, size, True)
        equity = NAV + size * (fill.price - usd(3_000))
        return equity >= size * usd(3_000) * 60 // 100

    step = lots(10**6) // 2**24 + 1
    assert keeps_mm(room)
    assert not keeps_mm(room + step)


@given(
    eth=st.one_of(st.just(0), st.integers(-(2**39), 2**39)),
    btc=st.one_of(st.just(0), st.integers(-(2**34), 2**34)),
    size=legs,
    equity=st.integers(0, 30 * MILLION),
    share=st.integers(1, 1_000),
)
@FEW
def test_liquidation_room__any_pool__what_it_promises_is_confirmed(
    chain: PoolChain, eth: int, btc: int, size: int, equity: int, share: int
) -> None:
    held = {name: leg for name, leg in {"ETH": eth, "BTC": btc}.items() if leg}
    before = at_mark(equity, chain.markets, **held)
    chain.set_pool(before)
    room = int(chain.pool.liquidation_room(ETH, size))
    sign = 1 if size > 0 else -1
    assert 0 <= room <= abs(size)
    if room == 0:
        return
    assert stands(chain, before, sign * room)
    health = stub_health(before, chain.markets)
    if health.equity >= health.mm:
        assert stands(chain, before, sign * max(1, room * share // 1_000))
