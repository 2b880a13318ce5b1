"""The pool inside the whole protocol: its NAV, its caps and its queue, with real margins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, replace
from typing import Any

import boa
import pytest

from tests.reference import words
from tests.support.world import LOTS, TICKS, World, account_of, dies, perp

WAD = 10**18
USDC = 10**6
ATOM = 10**12
DAY = 86_400


@pytest.fixture
def pool(world: World) -> Iterator[Any]:
    yield world.liquidity_pool


def rich(world: World, role: str, index: int = 0) -> int:
    """Return an account that can carry what the pool can."""
    settlement = world.parameters.settlement.symbol
    return world.open_account(role, index, **{settlement: 5_000_000 * USDC})


def pool_account(world: World) -> int:
    return account_of(str(world.liquidity_pool.address))


def premium(world: World) -> int:
    """Return the skew premium of the pool's legs, each rounded up."""
    total = 0
    for instrument, size in world.legs(pool_account(world)).items():
        market = words.market_of(instrument)
        symbol = next(s for s, m in world.parameters.markets.items() if m.id == market)
        scale = world.liquidity_pool.params(market)[0]
        total += -(-((size * world.prices[symbol]) ** 2) // (2 * scale))
    return total


def redeem(world: World, shares: int, role: str = "depositor") -> int:
    """Redeem through the queue; return the atoms paid."""
    pool = world.liquidity_pool
    request = pool.request_redeem(shares, sender=world.role(role))
    world.wait(DAY)
    world.publish()
    return int(pool.execute_redeem(request, sender=world.role("keeper")))


# ---- NAV ----------------------------------------------------------------------------------------


def test_trades__constant_mark__nav_moves_by_the_spread_alone(world: World, pool: Any) -> None:
    # R7: at constant P a trade changes NAV by the spread (the fee goes to the treasury)
    trader = rich(world, "trader")
    mark = world.prices["ETH"]
    spread = world.market("ETH").pool.spread_min  # type: ignore[union-attr]
    for size in (1_000 * LOTS, -300 * LOTS - 7, -900 * LOTS, 100 * LOTS + 1):
        order = world.order(trader, "ETH", size)
        world.commit(order)
        world.next_price(3)
        before = pool.nav()
        world.execute(order)
        # against the taker by less than two ticks a lot; the premium's own rounding costs a wei
        gained = pool.nav() - before - abs(size) * mark * spread // WAD
        assert -1 <= gained <= 2 * abs(size)
        world.assert_books_balance()
    equity = world.health(pool_account(world)).equity
    assert pool.nav() == equity - premium(world)


def test_share_price__pumped_by_skew_and_redeemed__nothing_gained(world: World, pool: Any) -> None:
    # row 93: an LP pushes the skew from another account, redeems at it, unwinds
    attacker = world.role("attacker")
    settlement = world.parameters.settlement.symbol
    world.mint(settlement, attacker, 2_000_000 * USDC)
    world.tokens[settlement].approve(pool.address, 2**256 - 1, sender=attacker)
    request = pool.request_deposit(1_000_000 * USDC, attacker, sender=attacker)
    world.next_price(3)
    shares = pool.execute_deposit(request, sender=attacker)
    worth = pool.convertToAssets(shares)
    account = rich(world, "attacker", 1)
    world.open_position(account, "ETH", 1_000 * LOTS)
    # 3 M of skew carries a premium of 2,250 USD; of the share price only the spread is left
    assert premium(world) > 2_000 * WAD
    spread = 1_000 * LOTS * world.prices["ETH"] * 4 // 10_000
    assert pool.convertToAssets(shares) - worth <= spread // ATOM // 10


def test_nav__waiting_deposit__not_in_it(world: World, pool: Any) -> None:
    before = pool.nav()
    depositor = world.role("depositor")
    settlement = world.parameters.settlement.symbol
    world.mint(settlement, depositor, 500_000 * USDC)
    request = pool.request_deposit(500_000 * USDC, depositor, sender=depositor)
    waiting = account_of(str(pool.address), 1)
    assert pool.nav() == before
    assert world.cash(waiting) == 500_000 * WAD
    assert world.tokens[settlement].balanceOf(pool.address) == 0
    world.next_price(3)
    pool.execute_deposit(request, sender=world.role("keeper"))
    assert world.cash(waiting) == 0
    assert pool.nav() == before + 500_000 * WAD
    world.assert_books_balance()


def test_nav__a_held_market_goes_stale__refused(world: World, pool: Any) -> None:
    world.open_position(rich(world, "trader"), "BTC", 2 * LOTS)
    world.wait(10)
    world.publish(ETH=world.prices["ETH"])
    world.wait(6)
    with boa.reverts("pool: stale price"):
        pool.nav()


# ---- redemptions --------------------------------------------------------------------------------


def test_redeem__whole_pool_without_legs__everything_but_the_virtual_share(
    world: World, pool: Any
) -> None:
    depositor = world.role("depositor")
    shares = pool.balanceOf(depositor)
    assert redeem(world, shares) == 10_000_000 * USDC
    assert pool.totalSupply() == 0
    assert world.cash(pool_account(world)) == 0
    world.assert_books_balance()


def test_redeem__legs_open__down_to_im_and_the_rest_queued(world: World, pool: Any) -> None:
    world.open_position(rich(world, "trader"), "ETH", 1_500 * LOTS)
    depositor = world.role("depositor")
    shares = pool.balanceOf(depositor)
    request = pool.request_redeem(shares, sender=depositor)
    world.wait(DAY)
    world.publish()
    paid = pool.execute_redeem(request, sender=world.role("keeper"))
    health = world.health(pool_account(world))
    assert 0 < paid < 10_000_000 * USDC
    assert 0 <= health.equity - health.im < ATOM
    assert 0 < pool.request(request)[2] < shares
    assert pool.balanceOf(pool.address) == pool.request(request)[2] == pool.totalSupply()
    world.assert_books_balance()
    # the rest waits for the next price
    with boa.reverts("pool: cooldown"):
        pool.execute_redeem(request, sender=world.role("keeper"))


def test_redeem__profit_of_the_pool_not_collected_yet__only_what_the_pot_holds(
    world: World, pool: Any
) -> None:
    # B9: the trader has lost, but nobody has settled him: his loss is no cash of the pool's
    trader = rich(world, "trader")
    world.open_position(trader, "ETH", 1_000 * LOTS)
    lower = world.prices["ETH"] * 98 // 100
    world.next_price(ETH=lower)
    depositor = world.role("depositor")
    nav = pool.nav()
    assert nav > 10_050_000 * WAD
    request = pool.request_redeem(pool.balanceOf(depositor), sender=depositor)
    world.wait(DAY)
    world.publish()
    paid = pool.execute_redeem(request, sender=world.role("keeper"))
    assert paid <= 10_000_000 * USDC
    world.clearinghouse.settle(trader, sender=depositor)
    world.assert_books_balance()


# ---- caps ---------------------------------------------------------------------------------------


def test_openings__half_of_lambda__the_other_half_is_for_closing(world: World, pool: Any) -> None:
    # A long, B short the same: the pool's leg is 0. A closes: the pool's leg grows past half
    mark = world.prices["ETH"]
    half = 5_000_000 * TICKS // mark * LOTS
    first, second = rich(world, "trader"), rich(world, "counterparty")
    third = rich(world, "liquidator")
    world.open_position(first, "ETH", half * 9 // 10)
    world.open_position(second, "ETH", -half * 9 // 10)
    world.open_position(third, "ETH", half * 9 // 10)
    order = world.order(third, "ETH", half * 2 // 10)
    with dies("pool: market cap"):
        world.commit_and_execute(order)
    world.open_position(second, "ETH", half * 9 // 10)
    assert -world.size(pool_account(world), "ETH") == half * 18 // 10
    assert world.size(second, "ETH") == 0
    world.assert_books_balance()


def test_opening__that_shrinks_the_pools_leg__welcome_at_the_cap(world: World, pool: Any) -> None:
    half = 5_000_000 * TICKS // world.prices["ETH"] * LOTS
    world.open_position(rich(world, "trader"), "ETH", half * 98 // 100)
    other = rich(world, "counterparty")
    world.open_position(other, "ETH", -half // 2)
    assert world.size(other, "ETH") == -half // 2


# ---- room for liquidations ----------------------------------------------------------------------


def test_liquidation_room__real_margins__lambda_of_nav(world: World, pool: Any) -> None:
    mark = world.prices["ETH"]
    size = 500 * LOTS
    world.open_position(rich(world, "trader"), "ETH", size)
    cap = pool.nav() // mark
    # forced sells first undo the pool's short, forced buys add to it
    assert pool.liquidation_room(1, -(10**15)) == cap + size
    assert pool.liquidation_room(1, 10**15) == cap - size
    assert pool.liquidation_room(1, 10) == 10


def test_liquidation_room__base_so_high_that_mm_binds__less_than_the_cap(
    world: World, pool: Any
) -> None:
    market = world.market("ETH")
    assert market.pool is not None
    # lambda 3, base 100 %, mm_ratio 0.8: MM is 80 % of the notional
    steep = replace(market.margin, base=WAD, mm_ratio=80 * WAD // 100)
    owner = world.role("owner")
    world.risk_configurator.set_margin_params(1, astuple(steep), sender=owner)
    loose = replace(market.pool, lambda_=3 * WAD)
    pool.set_params(1, astuple(loose), sender=owner)
    room = pool.liquidation_room(1, 10**15)
    assert room * world.prices["ETH"] * 80 // 100 <= 10_200_000 * WAD
    assert room * world.prices["ETH"] * 80 // 100 >= 10_000_000 * WAD


# ---- orders -------------------------------------------------------------------------------------


def test_execute__price_known_at_commitment__impossible(world: World) -> None:
    # rows 33 and 100: neither the stored price nor one of within the delay fills an order
    trader = rich(world, "trader")
    order = world.order(trader, "ETH", LOTS)
    world.commit(order)
    with boa.reverts("orders: price too early"):
        world.execute(order)
    world.wait(1)
    world.publish()
    with boa.reverts("orders: price too early"):
        world.execute(order)
    world.wait(1)
    world.execute(order, world.report_blob(world.prices))
    assert world.size(trader, "ETH") == LOTS


def test_execute__second_price__refused_and_refunded(world: World) -> None:
    trader = rich(world, "trader")
    order = world.order(trader, "ETH", LOTS)
    world.commit(order)
    world.next_price(3)
    world.next_price(10)
    with boa.reverts("orders: price passed"):
        world.execute(order)
    before = boa.env.get_balance(world.role("trader"))
    world.orders.refund(tuple(order), sender=world.role("keeper"))
    assert boa.env.get_balance(world.role("trader")) == before + order.reserve


def test_execute__unknown_venue_or_market__dead_or_refunded(world: World) -> None:
    trader = rich(world, "trader")
    strange = world.order(trader, "ETH", LOTS, venue=world.role("attacker"))
    unlisted = world.order(trader, "ETH", LOTS, instrument=perp(200))
    for order in (strange, unlisted):
        world.commit(order)
    world.next_price(3)
    with dies("trading: unknown venue"):
        world.execute(strange)
    # a market that has no price has no first one
    with boa.reverts("markets: unknown market"):
        world.execute(unlisted)
    world.wait(3_601)
    world.orders.refund(tuple(unlisted), sender=world.role("keeper"))
    assert boa.env.get_balance(str(world.orders.address)) == 0


def test_execute__reduce_only__never_opens(world: World) -> None:
    trader = rich(world, "trader")
    world.open_position(trader, "ETH", 10 * LOTS)
    with dies("trading: reduce only"):
        world.commit_and_execute(world.order(trader, "ETH", -11 * LOTS, reduce_only=True))
    world.next_price(300)
    world.commit_and_execute(world.order(trader, "ETH", -10 * LOTS, reduce_only=True))
    assert world.size(trader, "ETH") == 0
