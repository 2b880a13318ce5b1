"""Rows 68 to 70: what a guardian can do in one transaction, and what it can not."""

from __future__ import annotations

from typing import Any

from tests.reference.pauses import (
    MAX_PAUSE,
    REST,
    STOP_DEPOSITS,
    STOP_LIQUIDATION,
    STOP_OPENING,
    STOP_POOL_DEPOSITS,
)
from tests.support.attack import DAY, attempt, no_gain, pass_time, sink, weak_long
from tests.support.world import LOTS, WAD, World, perp

USDC, LINK, ETHER = 10**6, 10**18, 10**18
ETH = 1
ALL = 2**256 - 1
KEEP_TILT = 2**255 - 1


def guarded(world: World) -> World:
    """Give the house a guardian who is not its owner."""
    world.risk_configurator.set_guardian(world.role("guardian"), sender=world.role("owner"))
    return world


def pause(world: World, action: int, duration: int) -> str | None:
    """Pause an action everywhere, as the guardian; return why not."""
    guardian = world.role("guardian")
    return attempt(world.risk_configurator.pause, action, ALL, duration, sender=guardian)


def fill(world: World, account: int, lots: int) -> str | None:
    """Commit an order in ETH and execute it at the next price; return why not."""
    order = world.order(account, "ETH", lots)
    world.commit(order)
    world.next_price(3)
    return attempt(world.execute, order)


# ---- 68: a wrong feed goes live through a correct vote -------------------------------------------


def wrong_feed(world: World) -> Any:
    """List a token worth 15 USD with the feed of BTC; return it."""
    token = world.tokens["LINK"]
    listed = world.clearinghouse.token_info(token.address)
    # the vote's mistake: another id of the feed, through the core's own setter
    facts = (listed.id, world.market("BTC").id, listed.decimals, 3 * WAD // 10, 2 * WAD // 10)
    core = str(world.clearinghouse.address)
    world.markets.set_collateral(*facts, sender=core)
    return token


def test_fault_068_wrong_feed__one_call_of_the_guardian__nothing_leaves_against_it(
    world: World,
) -> None:
    guarded(world)
    honest = world.open_account("trader", USDC=20_000 * USDC, LINK=500 * LINK)
    world.open_position(honest, "ETH", LOTS)
    token = wrong_feed(world)
    account = world.open_account("attacker", LINK=10 * LINK, USDC=5_000 * USDC)
    world.open_position(account, "ETH", 10 * LOTS)
    # at the wrong price he has 600,000 USD of collateral, and could withdraw his cash
    mm = world.health(honest).mm

    world.risk_configurator.lower_token_caps(token.address, 0, 0, sender=world.role("guardian"))

    world.publish()
    asked = (account, world.tokens["USDC"].address, 4_500 * USDC, world.role("attacker"))
    with no_gain(world, 68, "attacker"):
        refused = attempt(world.clearinghouse.withdraw, *asked, sender=world.role("attacker"))
        opened = fill(world, account, 30 * LOTS)
    assert (refused, opened) == ("ledger: margin", "ledger: margin")
    world.mint("LINK", world.role("attacker"), LINK)
    more = (account, token.address, LINK)
    put = attempt(world.clearinghouse.deposit, *more, sender=world.role("attacker"))
    assert put == "custody: hard cap"
    # nobody else is nearer to a liquidation by it
    assert world.health(honest).mm == mm


def test_fault_068_guardian__would_loosen__cannot(world: World) -> None:
    guarded(world)
    token, guardian = world.tokens["WETH"].address, world.role("guardian")
    configurator, cap = world.risk_configurator, world.market("ETH").margin.oi_cap
    listed = world.clearinghouse.token_info(token)
    asked = (listed.hard_cap + 1, listed.soft_cap)
    refusals = [
        attempt(configurator.lower_token_caps, token, *asked, sender=guardian),
        attempt(configurator.lower_cap, ETH, 2 * cap, sender=guardian),
    ]
    assert refusals == ["guardian: only lowers"] * 2


# ---- 69: a guardian pauses for ever --------------------------------------------------------------


def test_fault_069_pause__again_and_again__a_quarter_of_the_time_at_most(world: World) -> None:
    guarded(world)
    paused, days = 0, 2 * (1 + REST) * 7
    for _ in range(days):
        # every day it asks for the longest pause that there is
        pause(world, STOP_OPENING, MAX_PAUSE)
        until = world.risk_configurator.pause_of(STOP_OPENING, ETH)[1]
        paused += until > world.now
        world.wait(DAY)
    assert paused * (1 + REST) <= days


def test_fault_069_pause__short_ones__keep_no_grace_for_ever(world: World) -> None:
    guarded(world)
    off, seconds = 0, 12 * 600
    for _ in range(seconds // 60):
        # a second of pause is followed by ten minutes of grace
        pause(world, STOP_LIQUIDATION, 1)
        off += world.markets.pending(ETH)[2] > world.now
        world.next_price(60)
    # a quarter, and the one that began last
    assert off * 60 <= seconds // (1 + REST) + 11 * 60


def test_fault_069_pause__is_over_and_nobody_calls__opening_goes_on(world: World) -> None:
    guarded(world)
    account = world.open_account("trader", USDC=20_000 * USDC)
    assert pause(world, STOP_OPENING, 600) is None
    assert fill(world, account, LOTS) == "trading: price not trusted"
    pass_time(world, 600)
    assert fill(world, account, LOTS) is None


def test_fault_069_pause__of_everything__exits_stay_open(world: World) -> None:
    guarded(world)
    idle = world.open_account("counterparty", USDC=1_000 * USDC, WETH=ETHER)
    account = world.open_account("trader", USDC=20_000 * USDC)
    world.open_position(account, "ETH", 2 * LOTS)
    pool, holder = world.liquidity_pool, world.role("depositor")
    for action in (STOP_OPENING, STOP_LIQUIDATION, STOP_POOL_DEPOSITS, STOP_DEPOSITS):
        assert pause(world, action, MAX_PAUSE) is None
    pass_time(world, 120)
    world.withdraw(idle, "USDC", 1_000 * USDC)
    world.withdraw(idle, "WETH", ETHER)
    world.withdraw(account, "USDC", 1_000 * USDC)
    order = world.order(account, "ETH", LOTS)
    world.commit(order)
    world.orders.cancel(tuple(order), sender=world.role("trader"))
    assert fill(world, account, -LOTS) is None
    assert fill(world, account, -LOTS) is None
    assert pool.request_redeem(pool.balanceOf(holder) // 2, sender=holder) > 0
    assert world.legs(account) == {}


def test_fault_069_deposits_are_paused__who_cannot_cure__is_not_liquidated(world: World) -> None:
    guarded(world)
    account = weak_long(world)
    sink(world, account, "ETH", 0.9)
    payer, keeper = world.role("trader"), world.role("keeper")
    world.mint("USDC", payer, 1_000 * USDC)
    cure = (account, world.tokens["USDC"].address, 1_000 * USDC)
    assert pause(world, STOP_DEPOSITS, 600) is None
    pass_time(world, 540)
    assert attempt(world.clearinghouse.deposit, *cure, sender=payer) == "custody: hard cap"
    assert attempt(world.liquidator.flag, account, sender=keeper) == "liquidator: closed"
    pass_time(world, 120)
    # he has the grace of ten minutes to cure before anybody else may act
    assert attempt(world.liquidator.flag, account, sender=keeper) == "liquidator: closed"
    assert attempt(world.clearinghouse.deposit, *cure, sender=payer) is None


def test_fault_069_hard_cap__is_zero__whoever_lacks_may_still_cure(world: World) -> None:
    account = weak_long(world)
    usdc, owner = world.tokens["USDC"].address, world.role("owner")
    world.clearinghouse.set_caps(usdc, 0, 0, sender=owner)
    payer = world.role("trader")
    world.mint("USDC", payer, 1_000 * USDC)
    assert attempt(world.clearinghouse.deposit, account, usdc, 1_000 * USDC, sender=payer) is None


# ---- 70: cannot pause at all ---------------------------------------------------------------------


def test_fault_070_pause_of_a_market__covers_hands_that_know_nothing_of_it(world: World) -> None:
    guarded(world)
    old, owner, core = world.role("old hand"), world.role("owner"), world.clearinghouse
    core.set_hand(old, 1 | 2, sender=owner)
    weak, buyer = weak_long(world), world.open_account("liquidator", USDC=200_000 * USDC)
    account = world.open_account("counterparty", USDC=20_000 * USDC)
    assert pause(world, STOP_OPENING, DAY) is None
    assert pause(world, STOP_LIQUIDATION, DAY) is None

    price = 2**63 - 1
    order = (account, world.liquidity_pool.address, perp(ETH), LOTS, price, False)
    post = (weak, buyer, buyer, 0, 0, [0] * 16, [0] * 8, 0, 0, 0, 0, 0, 0, KEEP_TILT, 0)
    assert attempt(core.trade, order, sender=old) == "trading: price not trusted"
    assert attempt(core.post, post, True, sender=old) == "seizure: closed"
