"""R6's clock: live seconds of an auction, and nothing else, raise the reward (C6)."""

from __future__ import annotations

from fractions import Fraction

import boa
import pytest

from tests.support.world import WAD, World, deployer_of
from tests.unit import liquidator_support as desk
from tests.unit.liquidator_support import USDC

# seconds of live time -> share of MM: R13's curve, linear between its points, flat after
CURVE = [
    (0, Fraction(0)),
    (150, Fraction(1, 4)),
    (300, Fraction(1, 2)),
    (1_050, Fraction(1)),
    (1_800, Fraction(3, 2)),
    (2_400, Fraction(3, 2)),
]


def flag(world: World, account: int) -> int:
    """Flag as a keeper; return live seconds."""
    return int(world.liquidator.flag(account, sender=world.role("keeper")))


def live_for(world: World, account: int, seconds: int) -> None:
    """Let the auction live, with prices and flags every 100 s."""
    while seconds:
        step = min(seconds, 100)
        world.next_price(step)
        flag(world, account)
        seconds -= step


# ---- start -------------------------------------------------------------------------------------


def test_flag__below_mm__starts_the_auction_at_zero(world: World) -> None:
    account = desk.weak_account(world)
    health = world.health(account)

    live = flag(world, account)

    event = desk.event(world, "Flagged")
    assert live == event.live_time == 0
    assert (event.equity, event.mm) == (health.equity, health.mm)
    assert desk.in_auction(world, account)
    assert world.liquidator.clock(account) == (0, world.now)


@pytest.mark.parametrize("share", [Fraction(1_010, 1_000), Fraction(7, 5), Fraction(3)])
def test_flag__not_below_mm__reverts(world: World, share: Fraction) -> None:
    account = desk.long_account(world)
    if share < 2:
        desk.sink(world, account, "ETH", share)

    with boa.reverts("liquidator: not below mm"):
        flag(world, account)


def test_flag__jump_pending__reverts(world: World) -> None:
    account = desk.weak_account(world)
    world.next_price(10, ETH=world.prices["ETH"] * 9 // 10)

    with boa.reverts("liquidator: closed"):
        flag(world, account)


# ---- running -----------------------------------------------------------------------------------


def test_flag__again__adds_the_seconds_between(world: World) -> None:
    account = desk.weak_account(world)
    flag(world, account)
    world.next_price(40)
    assert flag(world, account) == 40
    world.next_price(60)

    assert flag(world, account) == 100


def test_flag__after_a_long_silence__adds_five_minutes_at_most(world: World) -> None:
    # prices went on, keepers slept
    account = desk.weak_account(world)
    flag(world, account)
    for _ in range(10):
        world.next_price(100)

    assert flag(world, account) == 300


def test_flag__twice_in_a_block__adds_nothing(world: World) -> None:
    account = desk.weak_account(world)
    flag(world, account)
    world.next_price(50)

    assert [flag(world, account) for _ in range(3)] == [50, 50, 50]


def test_flag__between_mm_and_le__counts_no_time(world: World) -> None:
    account = desk.weak_account(world)
    flag(world, account)
    world.next_price(30)
    desk.sink(world, account, "ETH", Fraction(11, 10))
    with boa.reverts("liquidator: not below mm"):
        flag(world, account)
    before = world.liquidator.clock(account)
    assert before[0] == 0

    world.next_price(10)
    desk.sink(world, account, "ETH", Fraction(9, 10))
    live = flag(world, account)

    # the last call that found E < MM was the first one
    assert live == min(300, world.now - before[1])


def test_flag__outage_during_the_auction__is_not_live_time(world: World) -> None:
    # 10 min without a price: grace of 10 min, then the clock goes on from its end
    account = desk.weak_account(world)
    flag(world, account)
    world.next_price(50)
    assert flag(world, account) == 50
    world.wait(600)
    world.publish()
    with boa.reverts("liquidator: closed"):
        flag(world, account)
    _, _, grace_until = world.markets.pending(1)
    assert grace_until == world.now + 600
    for _ in range(6):
        world.next_price(100)
    world.next_price(20)

    assert flag(world, account) == 50 + 20


# ---- end and memory ----------------------------------------------------------------------------


def test_flag__at_le__ends_the_auction(world: World) -> None:
    account = desk.weak_account(world)
    flag(world, account)
    desk.sink(world, account, "ETH", Fraction(2))
    health = world.health(account)
    assert health.equity >= health.le

    assert flag(world, account) == 0

    event = desk.event(world, "Cleared")
    assert (event.equity, event.le) == (health.equity, health.le)
    assert not desk.in_auction(world, account)
    with boa.reverts("liquidator: not below mm"):
        flag(world, account)


@pytest.mark.parametrize(("pause", "kept"), [(3_000, True), (3_700, False)])
def test_flag__below_mm_again__continues_the_old_clock_within_an_hour(
    world: World, pause: int, kept: bool
) -> None:
    # fault 22: a self-cure does not reset the auction
    account = desk.weak_account(world)
    flag(world, account)
    live_for(world, account, 200)
    world.fund(account, "USDC", 3_000 * USDC)
    assert not desk.in_auction(world, account)
    start = world.now
    while world.now - start < pause:
        world.next_price(100)
    owner_withdraws = world.health(account)
    desk.sink(world, account, "ETH", Fraction(9, 10))
    assert owner_withdraws.equity > owner_withdraws.le
    within = world.now - world.liquidator.clock(account)[1] <= 3_600

    live = flag(world, account)

    assert live == (200 if within else 0)
    assert within == kept or pause == 3_000


# ---- reward ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "share"), CURVE)
def test_plan_take__after_live_seconds__offers_the_curve(
    world: World, seconds: int, share: Fraction
) -> None:
    account = desk.weak_account(world)
    flag(world, account)
    live_for(world, account, seconds)

    plan = world.liquidator.plan_take(account)

    mm = world.health(account).mm
    assert plan.live_time == seconds
    assert plan.reward == share * WAD * mm // WAD


def test_plan_take__flag_pending__counts_what_the_call_would(world: World) -> None:
    # the view ticks as the call does, without a flag in between
    account = desk.weak_account(world)
    flag(world, account)
    world.next_price(90)

    assert world.liquidator.plan_take(account).live_time == 90


@pytest.mark.parametrize(
    "curve",
    [
        (59, WAD // 2, 1_800, WAD),
        (300, WAD // 2, 300, WAD),
        (300, WAD // 2, 21_601, WAD),
        (300, WAD // 2, 1_800, WAD // 2 - 1),
        (300, WAD // 2, 1_800, 2 * WAD + 1),
    ],
)
def test_deploy__curve_out_of_range__reverts(world: World, curve: tuple[int, ...]) -> None:
    with boa.reverts("clock: curve"):
        deploy(world, curve, 10 * WAD)


def test_deploy__dust_out_of_range__reverts(world: World) -> None:
    with boa.reverts("liquidator: dust range"):
        deploy(world, (300, WAD // 2, 1_800, 3 * WAD // 2), 1_000 * WAD + 1)


def deploy(world: World, curve: tuple[int, ...], dust: int) -> None:
    """Deploy another Liquidator beside the world's."""
    deployer_of("contracts/Liquidator.vy").deploy(
        world.clearinghouse.address,
        world.liquidity_pool.address,
        world.insurance_fund.address,
        "0x" + "00" * 20,
        list(curve),
        dust,
    )
