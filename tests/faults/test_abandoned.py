"""An insolvent account that nobody takes: flagged for days, and nobody notices but the Lens.

ADL comes with a later stage; until then such an account stays where it is.
"""

from __future__ import annotations

from tests.reference.words import decode_account
from tests.support.attack import (
    NOW_OR_LATER,
    attempt,
    buy_shares,
    equity,
    jump,
    pass_time,
    pool_account,
    redeem,
    sink,
    take_all,
    walk,
    weak_long,
    wealth,
)
from tests.support.bystanders import no_loss
from tests.support.world import LOTS, World, perp

USDC = 10**6
HOUR = 3_600
DAYS = 3


def in_auction(world: World, account: int) -> bool:
    """Return whether the account's word says so."""
    word, legs, amounts = world.clearinghouse.account_words(account)
    return decode_account(word, list(legs), list(amounts)).in_auction


def abandoned(world: World) -> int:
    """Return a long of 20 ETH that one jump made insolvent, flagged."""
    account = weak_long(world, 1.1)
    jump(world, ETH=world.prices["ETH"] * 85 // 100)
    assert equity(world, account) < 0
    world.liquidator.flag(account, sender=world.role("keeper"))
    return account


def live_through_a_day(world: World, day: int) -> None:
    """Do what users do: deposit, trade, settle, withdraw, lend, redeem, be liquidated."""
    core, keeper = world.clearinghouse, world.role("keeper")
    shares = buy_shares(world, "lender", 5_000 * USDC)
    user = world.open_account("user", day, USDC=20_000 * USDC, WETH=10**18)
    world.open_position(user, "ETH", 5 * LOTS)
    pass_time(world, 600)
    world.open_position(user, "ETH", -5 * LOTS)
    core.settle_pair([pool_account(world)], user, sender=keeper)
    core.settle(user, sender=keeper)
    world.withdraw(user, "WETH", 10**18)
    world.withdraw(user, "USDC", world.cash(user) // 10**12)
    assert world.tokens["WETH"].balanceOf(world.role("user")) == (day + 1) * 10**18

    weak, stood = world.open_account("counterparty", day, USDC=8_000 * USDC), world.prices["LINK"]
    world.open_position(weak, "LINK", 1_000 * LOTS)
    free = equity(world, weak) - world.health(weak).im
    world.withdraw(weak, "USDC", free // 10**12)
    sink(world, weak, "LINK", 0.9)
    leg = perp(world.market("LINK").id)
    size = world.liquidator.plan_reduce(weak, leg).size
    call = (weak, leg, size, 0, world.account("keeper"), NOW_OR_LATER)
    world.liquidator.reduce(*call, sender=keeper)
    assert world.health(weak).equity >= world.health(weak).mm
    walk(world, "LINK", stood)
    assert redeem(world, "lender", shares) > 0
    pass_time(world, 12 * HOUR, HOUR)
    pass_time(world, 700)


def test_insolvent_account__nobody_takes_it_for_days__stays_flagged_and_blocks_nobody(
    world: World,
) -> None:
    account = abandoned(world)
    core, liquidator = world.clearinghouse, world.liquidator
    books = (world.cash(account), world.quote(account), world.legs(account))
    began, paid = funding(world), wealth(world, "trader")
    at = equity(world, account), world.prices["ETH"]
    lives = [liquidator.clock(account)[0]]
    with no_loss(world, "ETH"):
        for day in range(DAYS):
            live_through_a_day(world, day)
            assert attempt(liquidator.flag, account, sender=world.role("keeper")) is None
            # who would settle it finds nothing: its loss is collected by a take
            attempt(core.settle, account, sender=world.role("keeper"))
            attempt(core.settle_pair, [account], account, sender=world.role("keeper"))
            assert (world.cash(account), world.quote(account), world.legs(account)) == books
            lives.append(liquidator.clock(account)[0])
            assert in_auction(world, account)
            assert account in world.lens.unhealthy(0, 500)[0]
    # live time goes on; it is due the funding of its leg at the standing price and no wei else
    assert lives == sorted(set(lives))
    assert world.prices["ETH"] == at[1]
    size = world.size(account, "ETH")
    assert equity(world, account) - at[0] == -size * (funding(world) - began)
    assert wealth(world, "trader") == paid
    refused = attempt(world.withdraw, account, "USDC", 1)
    assert refused is not None
    world.assert_books_balance()

    # whoever comes at last closes it whole, and the fund pays what it lacks
    buyer = world.open_account("liquidator", USDC=200_000 * USDC)
    before = equity(world, core.insurance_account())
    take_all(world, account, buyer)
    assert world.legs(account) == {} and not in_auction(world, account)
    assert equity(world, core.insurance_account()) < before
    world.assert_books_balance()


def funding(world: World) -> int:
    """Return the cumulative funding of an ETH [ticks]."""
    return int(world.markets.market_words(1)[2])
