"""Feeds in every trouble at once, put through the Lens: each account its status, no revert."""

from __future__ import annotations

from tests.reference.units import (
    ALL_DEAD,
    COLLATERAL_INVALID,
    FRESH,
    LEG_INVALID,
    STATUS_GRACE,
    STATUS_PENDING,
)
from tests.support.attack import attempt
from tests.support.world import LOTS, TICKS, WAD, World

USDC = 10**6
HOUR = 3_600
STOP_LIQUIDATION = 2
# what the signers still bring while one market after the other falls silent
LIVE = ("ETH", "BTC", "LINK")


def test_health_many__feeds_stale_pending_refused_paused_and_dead__each_account_its_status(
    world: World,
) -> None:
    lens, core = world.lens, world.clearinghouse
    # WSTETH is collateral alone; it, ETH, BTC and LINK are in one kind of trouble each
    accounts = {
        "dead": world.open_account("trader", 1, wstETH=30 * WAD),
        "paused": world.open_account("trader", 2, USDC=20_000 * USDC),
        "pending": world.open_account("trader", 3, USDC=20_000 * USDC),
        "refused": world.open_account("trader", 4, USDC=20_000 * USDC),
        "stale": world.open_account("trader", 5, WBTC=10**8),
        "all": world.open_account("trader", 6, USDC=60_000 * USDC, wstETH=WAD, WBTC=10**8),
        "none": world.open_account("trader", 7, USDC=1_000 * USDC),
    }
    for name, symbol, size in (
        ("paused", "ETH", 8),
        ("pending", "LINK", 1_000),
        ("refused", "BTC", 1),
        ("all", "ETH", 8),
        ("all", "LINK", 1_000),
        ("all", "BTC", 1),
    ):
        world.open_position(accounts[name], symbol, size * LOTS)
    never = world.account("stranger", 3)
    for _ in range(HOUR // 60 + 3):
        world.wait(60)
        world.publish(**{symbol: world.prices[symbol] for symbol in LIVE})
    for _ in range(12):
        # the last price of BTC is older than 120 s from here on
        world.wait(15)
        world.publish(ETH=world.prices["ETH"], LINK=world.prices["LINK"])
    paused = (STOP_LIQUIDATION, 1 << world.market("ETH").id, HOUR)
    world.risk_configurator.pause(*paused, sender=world.role("owner"))
    world.wait(10)
    stood = dict(world.prices)
    world.publish(ETH=stood["ETH"], LINK=stood["LINK"] * 2)
    stale = told(world, [*accounts.values(), never])
    statuses = dict(zip((*accounts, "never"), (row[5] for row in stale), strict=True))

    # BTC comes back beyond its bound: refused, and its last price stands
    world.wait(10)
    blob = world.report_blob({"ETH": stood["ETH"], "BTC": 10**9 * TICKS})
    assert attempt(world.markets.update, blob, sender=world.role("keeper")) is None
    refused = told(world, [*accounts.values(), never])
    after = dict(zip((*accounts, "never"), (row[5] for row in refused), strict=True))

    assert statuses["never"] == statuses["none"] == ALL_DEAD
    assert statuses["dead"] == COLLATERAL_INVALID | ALL_DEAD
    assert statuses["stale"] == COLLATERAL_INVALID
    assert statuses["paused"] == STATUS_GRACE | FRESH
    assert statuses["pending"] & STATUS_PENDING and statuses["pending"] & LEG_INVALID
    assert after["refused"] & LEG_INVALID and not after["refused"] & STATUS_PENDING
    both = LEG_INVALID | COLLATERAL_INVALID | STATUS_PENDING | STATUS_GRACE | FRESH
    assert statuses["all"] == both
    # one by one they are told the same, and the walk over all accounts ends
    for account, row in zip([*accounts.values(), never], refused, strict=True):
        health = world.health(account)
        assert row == (*health[0:1], health.im, health.le, health.mm, health.unsettled, health[6])
    assert lens.unhealthy(0, 500)[4] == core.account_count()


def told(world: World, accounts: list[int]) -> list[tuple[int, ...]]:
    """Return what the Lens says of each account."""
    return list(zip(*world.lens.health_many(accounts), strict=True))


def test_unhealthy__feeds_in_trouble__finds_who_is_below_mm_with_his_status(world: World) -> None:
    weak = world.open_account("trader", USDC=13_000 * USDC)
    world.open_position(weak, "ETH", 60 * LOTS)
    sound = world.open_account("counterparty", USDC=20_000 * USDC)
    world.open_position(sound, "LINK", 1_000 * LOTS)
    price = world.prices["ETH"]
    while world.health(weak).equity >= world.health(weak).mm:
        price = price * 985 // 1_000
        world.next_price(10, ETH=price)
    world.wait(10)
    # a jump of LINK stands unconfirmed, ETH's bound is broken
    world.publish(LINK=world.prices["LINK"] * 2, ETH=price)
    world.wait(10)
    blob = world.report_blob({"ETH": 10**9 * TICKS})
    assert attempt(world.markets.update, blob, sender=world.role("keeper")) is None

    found, equities, mms, statuses, end = world.lens.unhealthy(0, 500)
    health = world.health(weak)
    assert (list(found), list(equities), list(mms)) == ([weak], [health.equity], [health.mm])
    assert list(statuses) == [health.status] and health.status & LEG_INVALID
    assert end == world.clearinghouse.account_count()
