"""The guardian: pauses that expire and rest, caps that only fall (docs/spec/pauses.md)."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.reference.pauses import (
    GRACED,
    MAX_PAUSE,
    REST,
    STOP_DEPOSITS,
    STOP_LIQUIDATION,
    STOP_OPENING,
    STOP_POOL_DEPOSITS,
)
from tests.reference.units import ACTIVE, GRACE, GRACE_MAX, OPENING
from tests.support.attack import sink, weak_long
from tests.support.world import LOTS, WAD, World, dies, perp

USDC = 10**6
ETHER = 10**18
ETH, BTC = 1, 2
DAY = 86_400
HOUR = 3_600
ALL = 2**256 - 1
SCOPES = [(STOP_OPENING, ETH), (STOP_LIQUIDATION, ETH), (STOP_POOL_DEPOSITS, 0), (STOP_DEPOSITS, 0)]


@pytest.fixture
def guarded(world: World) -> World:
    """A house whose guardian is somebody else than its owner."""
    world.risk_configurator.set_guardian(world.role("guardian"), sender=world.role("owner"))
    return world


def pause(world: World, action: int, market: int, seconds: int, by: str = "guardian") -> None:
    """Pause one scope."""
    configurator = world.risk_configurator
    configurator.pause(action, 1 << market, seconds, sender=world.role(by))


def flags(world: World, market: int = ETH) -> int:
    """Return the flags of a market's price word."""
    return int(world.markets.market_words(market)[0]) >> 32 & 0xFF


def refresh(world: World) -> None:
    """Publish the prices that stand, a few seconds later."""
    world.next_price(3)


def keep(world: World, seconds: int) -> None:
    """Let time pass with prices coming in, the last one at its end: no outage."""
    while seconds > 0:
        world.next_price(min(seconds, 100))
        seconds -= 100


def status(world: World, account: int) -> int:
    """Return the status bits of an account."""
    return world.health(account).status


STATUS_GRACE = 8


# ---- who -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pause", "lower_cap", "lower_token_caps"])
def test_guardian__stranger__is_refused(guarded: World, name: str) -> None:
    calls: dict[str, tuple[Any, ...]] = {
        "pause": (STOP_OPENING, 2, HOUR),
        "lower_cap": (ETH, 0),
        "lower_token_caps": (guarded.tokens["WETH"].address, 0, 0),
    }
    with boa.reverts("guardian: not the guardian"):
        function = getattr(guarded.risk_configurator, name)
        function(*calls[name], sender=guarded.role("attacker"))


def test_set_guardian__owner__logs_both_and_the_old_one_is_out(guarded: World) -> None:
    configurator, owner = guarded.risk_configurator, guarded.role("owner")
    old, new = guarded.role("guardian"), guarded.role("keeper")
    configurator.set_guardian(new, sender=owner)
    event = next(e for e in configurator.get_logs() if type(e).__name__ == "GuardianSet")
    assert (event.old, event.new) == (old, new)
    assert configurator.guardian() == new
    with boa.reverts("guardian: not the guardian"):
        pause(guarded, STOP_OPENING, ETH, HOUR)


def test_set_guardian__not_the_owner__is_refused(guarded: World) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        guarded.risk_configurator.set_guardian(ZERO, sender=guarded.role("guardian"))


ZERO = "0x" + "00" * 20


# ---- how long ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "market"), SCOPES)
def test_pause__seven_days__last_second_is_taken_next_is_refused(
    guarded: World, action: int, market: int
) -> None:
    with boa.reverts("guardian: too long"):
        pause(guarded, action, market, MAX_PAUSE + 1)
    pause(guarded, action, market, MAX_PAUSE)
    logs = guarded.risk_configurator.get_logs()
    event = next(e for e in logs if type(e).__name__ == "Paused")
    start, until, rested = guarded.risk_configurator.pause_of(action, market)
    assert (start, until) == (guarded.now, guarded.now + MAX_PAUSE)
    grace = GRACE_MAX if action in GRACED else 0
    assert rested == until + grace + REST * (MAX_PAUSE + grace)
    assert (event.action, event.market, event.start, event.until) == (action, market, start, until)


@pytest.mark.parametrize(("action", "market"), SCOPES)
def test_pause__same_scope_again__rests_three_times_as_long(
    guarded: World, action: int, market: int
) -> None:
    pause(guarded, action, market, HOUR)
    off = HOUR + (GRACE_MAX if action in GRACED else 0)
    guarded.wait(off + REST * off - 1)
    with boa.reverts("guardian: rests"):
        pause(guarded, action, market, HOUR)
    guarded.wait(1)
    pause(guarded, action, market, HOUR)
    assert guarded.risk_configurator.pause_of(action, market)[1] == guarded.now + HOUR


@pytest.mark.parametrize(("action", "market"), SCOPES)
def test_pause__owner__need_not_rest_and_is_held_to_seven_days(
    guarded: World, action: int, market: int
) -> None:
    pause(guarded, action, market, HOUR)
    guarded.wait(HOUR)
    pause(guarded, action, market, MAX_PAUSE, by="owner")
    guarded.wait(HOUR)
    pause(guarded, action, market, MAX_PAUSE, by="owner")
    assert guarded.risk_configurator.pause_of(action, market)[1] == guarded.now + MAX_PAUSE
    with boa.reverts("guardian: too long"):
        pause(guarded, action, market, MAX_PAUSE + 1, by="owner")


def test_pause__running__is_made_longer_within_seven_days_of_its_begin(guarded: World) -> None:
    pause(guarded, STOP_OPENING, ETH, HOUR)
    began = guarded.now
    guarded.wait(HOUR - 1)
    with boa.reverts("guardian: too long"):
        pause(guarded, STOP_OPENING, ETH, MAX_PAUSE - HOUR + 2)
    pause(guarded, STOP_OPENING, ETH, MAX_PAUSE - HOUR + 1)
    start, until, _ = guarded.risk_configurator.pause_of(STOP_OPENING, ETH)
    assert (start, until) == (began, began + MAX_PAUSE)


def test_pause__ended_early__rests_three_times_what_it_lasted(guarded: World) -> None:
    pause(guarded, STOP_OPENING, ETH, MAX_PAUSE)
    guarded.wait(60)
    pause(guarded, STOP_OPENING, ETH, 0)
    assert guarded.risk_configurator.pause_of(STOP_OPENING, ETH)[1:] == (
        guarded.now,
        guarded.now + 180,
    )
    guarded.wait(179)
    with boa.reverts("guardian: rests"):
        pause(guarded, STOP_OPENING, ETH, HOUR)
    guarded.wait(1)
    pause(guarded, STOP_OPENING, ETH, HOUR)


def test_pause__the_owners__guardian_makes_it_longer_and_not_shorter(guarded: World) -> None:
    # a stolen guardian's key must not reopen what the owner shut
    configurator = guarded.risk_configurator
    owner, guardian = guarded.role("owner"), guarded.role("guardian")
    configurator.pause(STOP_OPENING, 1 << ETH, DAY, sender=owner)
    guarded.wait(60)
    for shorter in (0, 3_600, DAY - 61):
        with boa.reverts("guardian: the owner's pause"):
            configurator.pause(STOP_OPENING, 1 << ETH, shorter, sender=guardian)
    configurator.pause(STOP_OPENING, 1 << ETH, DAY, sender=guardian)
    # longer by him it is still the owner's
    with boa.reverts("guardian: the owner's pause"):
        configurator.pause(STOP_OPENING, 1 << ETH, 0, sender=guardian)
    configurator.pause(STOP_OPENING, 1 << ETH, 0, sender=owner)
    assert configurator.pause_of(STOP_OPENING, ETH)[1] == guarded.now


def test_pause__the_guardians_and_changed_by_the_owner__is_the_owners(guarded: World) -> None:
    configurator = guarded.risk_configurator
    owner, guardian = guarded.role("owner"), guarded.role("guardian")
    configurator.pause(STOP_OPENING, 1 << ETH, DAY, sender=guardian)
    configurator.pause(STOP_OPENING, 1 << ETH, DAY // 2, sender=owner)
    with boa.reverts("guardian: the owner's pause"):
        configurator.pause(STOP_OPENING, 1 << ETH, 60, sender=guardian)
    # once it is over the next one is his own
    guarded.wait(4 * DAY)
    configurator.pause(STOP_OPENING, 1 << ETH, DAY, sender=guardian)
    configurator.pause(STOP_OPENING, 1 << ETH, 60, sender=guardian)


def test_pause__nothing_runs_and_is_ended__changes_nothing(guarded: World) -> None:
    before = guarded.markets.market_words(ETH), guarded.markets.pending(ETH)
    for action, market in SCOPES:
        pause(guarded, action, market, 0)
        assert tuple(guarded.risk_configurator.pause_of(action, market)) == (0, 0, 0)
    assert (guarded.markets.market_words(ETH), guarded.markets.pending(ETH)) == before


@pytest.mark.parametrize("action", [0, STOP_OPENING | STOP_LIQUIDATION, STOP_DEPOSITS | 4])
def test_pause__not_one_action__is_refused(guarded: World, action: int) -> None:
    with boa.reverts("guardian: no action"):
        pause(guarded, action, ETH, HOUR)


def test_pause__no_pool_named__is_refused(guarded: World) -> None:
    guarded.risk_configurator.set_pool(ZERO, sender=guarded.role("owner"))
    with boa.reverts("guardian: no pool"):
        pause(guarded, STOP_POOL_DEPOSITS, 0, HOUR)


def test_pause__all_bits__every_market_and_nothing_else(guarded: World) -> None:
    configurator = guarded.risk_configurator
    configurator.pause(STOP_OPENING, ALL, HOUR, sender=guarded.role("guardian"))
    count = guarded.markets.market_count()
    for market in range(1, count + 1):
        assert flags(guarded, market) & OPENING
        assert configurator.pause_of(STOP_OPENING, market)[1] == guarded.now + HOUR
    assert tuple(configurator.pause_of(STOP_OPENING, count + 1)) == (0, 0, 0)
    assert tuple(configurator.pause_of(STOP_OPENING, 0)) == (0, 0, 0)


# ---- opening -------------------------------------------------------------------------------------


def trader(world: World) -> int:
    """Return an account with a leg of 2 ETH and room for more."""
    account = world.open_account("trader", USDC=20_000 * USDC)
    world.open_position(account, "ETH", 2 * LOTS)
    return account


def try_open(world: World, account: int, lots: int, symbol: str = "ETH") -> None:
    """Commit an order and execute it at the next price."""
    order = world.order(account, symbol, lots)
    world.commit(order)
    world.next_price(3)
    world.execute(order)


@pytest.fixture
def seeded(guarded: World) -> World:
    """The same with a pool to trade against."""
    guarded.seed_pool(5_000_000 * USDC)
    refresh(guarded)
    return guarded


def test_pause_opening__opens__is_refused_and_other_markets_trade(seeded: World) -> None:
    account = trader(seeded)
    pause(seeded, STOP_OPENING, ETH, HOUR)
    with dies("trading: price not trusted"):
        try_open(seeded, account, LOTS)
    try_open(seeded, account, LOTS // 10, "BTC")
    assert seeded.size(account, "BTC") == LOTS // 10


def test_pause_opening__reduces__is_filled(seeded: World) -> None:
    account = trader(seeded)
    pause(seeded, STOP_OPENING, ETH, HOUR)
    try_open(seeded, account, -LOTS)
    assert seeded.size(account, "ETH") == LOTS


def test_pause_opening__flips_the_leg__is_refused(seeded: World) -> None:
    account = trader(seeded)
    pause(seeded, STOP_OPENING, ETH, HOUR)
    with dies("trading: price not trusted"):
        try_open(seeded, account, -3 * LOTS)


def test_pause_opening__is_over__the_next_price_opens_without_a_call(seeded: World) -> None:
    account = trader(seeded)
    pause(seeded, STOP_OPENING, ETH, HOUR)
    seeded.wait(HOUR - 4)
    refresh(seeded)
    assert flags(seeded) & OPENING
    try_open(seeded, account, LOTS)
    assert flags(seeded) & OPENING == 0
    assert seeded.size(account, "ETH") == 3 * LOTS


def test_pause_opening__ended__opens_with_the_next_price(seeded: World) -> None:
    account = trader(seeded)
    pause(seeded, STOP_OPENING, ETH, HOUR)
    pause(seeded, STOP_OPENING, ETH, 0)
    try_open(seeded, account, LOTS)
    assert seeded.size(account, "ETH") == 3 * LOTS


def test_pause_opening__liquidation__goes_on(seeded: World) -> None:
    account = weak_long(seeded)
    configurator = seeded.risk_configurator
    configurator.pause(STOP_OPENING, ALL, MAX_PAUSE, sender=seeded.role("guardian"))
    sink(seeded, account, "ETH", 0.9)
    seeded.liquidator.flag(account, sender=seeded.role("keeper"))
    assert seeded.liquidator.clock(account)[1] == seeded.now


def test_pause_opening__previewed__is_not_trusted(seeded: World) -> None:
    account = trader(seeded)
    assert seeded.lens.preview_order(account, perp(ETH), WAD).code == 0
    pause(seeded, STOP_OPENING, ETH, HOUR)
    assert seeded.lens.preview_order(account, perp(ETH), WAD).code == 2
    assert seeded.lens.preview_order(account, perp(ETH), -WAD).code == 0
    assert seeded.lens.max_open(account, perp(ETH), True) == 0


# ---- liquidation ---------------------------------------------------------------------------------


def test_pause_liquidation__below_mm__nobody_is_touched_until_the_grace_after_it(
    seeded: World,
) -> None:
    account = weak_long(seeded)
    sink(seeded, account, "ETH", 0.9)
    pause(seeded, STOP_LIQUIDATION, ETH, HOUR)
    assert flags(seeded) == ACTIVE | GRACE
    assert seeded.health(account).resume == seeded.now + HOUR + GRACE_MAX
    keep(seeded, HOUR + GRACE_MAX - 1)
    with boa.reverts("liquidator: closed"):
        seeded.liquidator.flag(account, sender=seeded.role("keeper"))
    seeded.wait(1)
    seeded.liquidator.flag(account, sender=seeded.role("keeper"))


def test_pause_liquidation__auction_runs__its_clock_stands(seeded: World) -> None:
    account = weak_long(seeded)
    sink(seeded, account, "ETH", 0.9)
    seeded.liquidator.flag(account, sender=seeded.role("keeper"))
    pause(seeded, STOP_LIQUIDATION, ETH, HOUR)
    keep(seeded, HOUR + GRACE_MAX + 7)
    seeded.liquidator.flag(account, sender=seeded.role("keeper"))
    assert seeded.liquidator.clock(account)[0] == 7


def test_pause_liquidation__outage_meanwhile__does_not_shorten_it(seeded: World) -> None:
    account = weak_long(seeded)
    pause(seeded, STOP_LIQUIDATION, ETH, HOUR)
    until = seeded.health(account).resume
    seeded.wait(1_000)
    refresh(seeded)
    assert seeded.health(account).resume == until


def test_pause_liquidation__jump_waits_meanwhile__does_not_shorten_either(seeded: World) -> None:
    pause(seeded, STOP_LIQUIDATION, ETH, HOUR)
    pause(seeded, STOP_OPENING, ETH, HOUR)
    grace = seeded.markets.pending(ETH)[2]
    seeded.next_price(3, ETH=seeded.prices["ETH"] * 12 // 10)
    price, _, kept = seeded.markets.pending(ETH)
    assert price != 0
    assert kept == grace
    seeded.next_price(6, ETH=seeded.prices["ETH"])
    assert flags(seeded) & (OPENING | GRACE) == OPENING | GRACE


def test_pause_liquidation__ended_early__the_grace_follows(seeded: World) -> None:
    account = weak_long(seeded)
    pause(seeded, STOP_LIQUIDATION, ETH, HOUR)
    seeded.wait(60)
    pause(seeded, STOP_LIQUIDATION, ETH, 0)
    assert seeded.health(account).resume == seeded.now + GRACE_MAX


def test_pause_liquidation__collateral_alone__is_not_taken_either(seeded: World) -> None:
    """An account without legs hangs on the feeds of its collaterals."""
    account = seeded.open_account("trader", USDC=3_000 * USDC, WETH=3 * ETHER)
    pause(seeded, STOP_LIQUIDATION, ETH, HOUR)
    assert status(seeded, account) & STATUS_GRACE
    seeded.clearinghouse.withdraw(
        account,
        seeded.tokens["WETH"].address,
        ETHER,
        seeded.role("trader"),
        sender=seeded.role("trader"),
    )


def test_pause_liquidation__other_market__is_open(seeded: World) -> None:
    account = weak_long(seeded)
    pause(seeded, STOP_LIQUIDATION, BTC, HOUR)
    sink(seeded, account, "ETH", 0.9)
    seeded.liquidator.flag(account, sender=seeded.role("keeper"))
    assert seeded.liquidator.clock(account)[1] == seeded.now


# ---- deposits of the settlement token ------------------------------------------------------------


def test_pause_deposits__deposit__is_refused_to_the_last_second(seeded: World) -> None:
    account = trader(seeded)
    seeded.mint("USDC", seeded.role("trader"), 10 * USDC)
    token, core = seeded.tokens["USDC"], seeded.clearinghouse
    token.approve(core.address, 10 * USDC, sender=seeded.role("trader"))
    pause(seeded, STOP_DEPOSITS, 0, HOUR)
    assert core.token_info(token.address).soft_cap == seeded.now + HOUR
    seeded.wait(HOUR - 1)
    with boa.reverts("custody: hard cap"):
        core.deposit(account, token.address, 10 * USDC, sender=seeded.role("trader"))
    seeded.wait(1)
    core.deposit(account, token.address, 10 * USDC, sender=seeded.role("trader"))
    assert token.balanceOf(seeded.role("trader")) == 0


def test_pause_deposits__below_mm__no_liquidation_in_any_market_until_the_grace_after_it(
    seeded: World,
) -> None:
    account = weak_long(seeded)
    sink(seeded, account, "ETH", 0.9)
    pause(seeded, STOP_DEPOSITS, 0, HOUR)
    for market in range(1, seeded.markets.market_count() + 1):
        assert flags(seeded, market) & GRACE
        assert seeded.markets.pending(market)[2] == seeded.now + HOUR + GRACE_MAX
    keep(seeded, HOUR + GRACE_MAX - 1)
    with boa.reverts("liquidator: closed"):
        seeded.liquidator.flag(account, sender=seeded.role("keeper"))
    seeded.wait(1)
    seeded.liquidator.flag(account, sender=seeded.role("keeper"))


def test_pause_deposits__liquidation_is_ended__stays_off_with_the_deposits(seeded: World) -> None:
    account = weak_long(seeded)
    pause(seeded, STOP_LIQUIDATION, ETH, 2 * HOUR)
    pause(seeded, STOP_DEPOSITS, 0, HOUR)
    resume = seeded.now + HOUR + GRACE_MAX
    pause(seeded, STOP_LIQUIDATION, ETH, 0)
    assert seeded.health(account).resume == resume


def test_pause_deposits__ended__longer_pause_of_a_market_stays(seeded: World) -> None:
    account = weak_long(seeded)
    pause(seeded, STOP_LIQUIDATION, ETH, 2 * HOUR)
    resume = seeded.now + 2 * HOUR + GRACE_MAX
    pause(seeded, STOP_DEPOSITS, 0, HOUR)
    pause(seeded, STOP_DEPOSITS, 0, 0)
    assert seeded.health(account).resume == resume
    assert seeded.markets.pending(BTC)[2] == seeded.now + GRACE_MAX


def test_pause_deposits__market_listed_meanwhile__begins_without_liquidations(
    seeded: World,
) -> None:
    pause(seeded, STOP_DEPOSITS, 0, HOUR)
    until = seeded.now + HOUR + GRACE_MAX
    configurator, next_id = seeded.risk_configurator, seeded.markets.market_count() + 1
    facts = (configurator.margin_params(ETH), configurator.feed_params(ETH), 99 * WAD)
    configurator.list_market(next_id, "NEW", *facts, sender=seeded.role("owner"))
    assert flags(seeded, next_id) == ACTIVE | GRACE
    assert seeded.markets.pending(next_id)[2] == until
    seeded.wait(HOUR)
    configurator.list_market(next_id + 1, "NEWER", *facts, sender=seeded.role("owner"))
    assert flags(seeded, next_id + 1) == ACTIVE


def test_pause_deposits__owner_changes_the_cap__they_are_open_again(seeded: World) -> None:
    core, token = seeded.clearinghouse, seeded.tokens["USDC"].address
    pause(seeded, STOP_DEPOSITS, 0, HOUR)
    core.set_caps(token, 10**8, 2**40, sender=seeded.role("owner"))
    assert core.token_info(token).soft_cap == 0


def test_deposit__above_the_hard_cap__as_much_as_takes_the_account_to_im(seeded: World) -> None:
    account = weak_long(seeded)
    sink(seeded, account, "ETH", 0.9)
    core, token = seeded.clearinghouse, seeded.tokens["USDC"]
    core.set_caps(token.address, 0, 0, sender=seeded.role("owner"))
    health = seeded.health(account)
    lacks = (health.im - health.equity) // 10**12
    payer = seeded.role("depositor")
    seeded.mint("USDC", payer, lacks + 1)
    token.approve(core.address, lacks + 1, sender=payer)
    with boa.reverts("custody: hard cap"):
        core.deposit(account, token.address, lacks + 1, sender=payer)
    core.deposit(account, token.address, lacks, sender=payer)
    after = seeded.health(account)
    assert 0 <= after.im - after.equity < 10**12
    assert token.balanceOf(payer) == 1
    with boa.reverts("custody: hard cap"):
        core.deposit(account, token.address, 1, sender=payer)


# ---- pool ----------------------------------------------------------------------------------------


def test_pause_pool_deposits__asks__is_refused_and_what_was_asked_for_is_served(
    seeded: World,
) -> None:
    pool, holder = seeded.liquidity_pool, seeded.role("depositor")
    seeded.mint("USDC", holder, 2_000 * USDC)
    seeded.tokens["USDC"].approve(pool.address, 2_000 * USDC, sender=holder)
    request = pool.request_deposit(1_000 * USDC, holder, sender=holder)
    count = pool.request_count()
    pause(seeded, STOP_POOL_DEPOSITS, 0, HOUR)
    assert pool.request_count() == count
    refresh(seeded)
    assert pool.execute_deposit(request, sender=holder) > 0
    seeded.wait(HOUR - 4)
    with boa.reverts("pool: deposits paused"):
        pool.request_deposit(1_000 * USDC, holder, sender=holder)
    seeded.wait(1)
    assert pool.request_deposit(1_000 * USDC, holder, sender=holder) == count + 1


def test_pause_pool_deposits__redeems__is_asked_for(seeded: World) -> None:
    pool, holder = seeded.liquidity_pool, seeded.role("depositor")
    pause(seeded, STOP_POOL_DEPOSITS, 0, HOUR)
    count = pool.request_count()
    shares = pool.balanceOf(holder)
    assert pool.request_redeem(shares // 2, sender=holder) == count + 1


def test_pause_deposits_of_the_pool__stranger__is_refused(seeded: World) -> None:
    for role in ("attacker", "owner", "guardian"):
        with boa.reverts("pool: not the configurator"):
            seeded.liquidity_pool.pause_deposits(2**40, sender=seeded.role(role))


# ---- caps ----------------------------------------------------------------------------------------


def test_lower_cap__to_zero__nothing_opens_and_mm_stays(seeded: World) -> None:
    account = trader(seeded)
    before = seeded.health(account)
    params = tuple(seeded.risk_configurator.margin_params(ETH))
    seeded.risk_configurator.lower_cap(ETH, 0, sender=seeded.role("guardian"))
    after = seeded.health(account)
    assert (after.equity, after.mm, after.le) == (before.equity, before.mm, before.le)
    assert after.im > before.im
    assert tuple(seeded.risk_configurator.margin_params(ETH)) == (*params[:6], 0)
    with dies("markets: open interest cap"):
        try_open(seeded, account, LOTS)
    try_open(seeded, account, -LOTS)


def test_lower_cap__higher_or_off_the_grid__is_refused(seeded: World) -> None:
    configurator, guardian = seeded.risk_configurator, seeded.role("guardian")
    cap = configurator.margin_params(ETH)[6]
    with boa.reverts("guardian: only lowers"):
        configurator.lower_cap(ETH, cap + 1, sender=guardian)
    with boa.reverts("markets: off the grid"):
        configurator.lower_cap(ETH, cap - WAD, sender=guardian)
    with boa.reverts("markets: unknown market"):
        configurator.lower_cap(99, 0, sender=guardian)
    configurator.lower_cap(ETH, cap, sender=guardian)
    assert configurator.margin_params(ETH)[6] == cap


def test_lower_token_caps__to_zero__counts_for_nothing_but_mm(seeded: World) -> None:
    account = seeded.open_account("trader", USDC=5_000 * USDC, WETH=5 * ETHER)
    seeded.open_position(account, "ETH", LOTS)
    before = seeded.health(account)
    weth = seeded.tokens["WETH"]
    seeded.risk_configurator.lower_token_caps(weth.address, 0, 0, sender=seeded.role("guardian"))
    after = seeded.health(account)
    assert (after.equity, after.mm) == (before.equity, before.mm)
    # 5 ETH at 3,000 USD count for nothing where something leaves
    assert after.im - before.im >= 12_000 * WAD
    info = seeded.clearinghouse.token_info(weth.address)
    assert (info.hard_cap, info.soft_cap) == (0, 0)
    seeded.mint("WETH", seeded.role("trader"), ETHER)
    weth.approve(seeded.clearinghouse.address, ETHER, sender=seeded.role("trader"))
    with boa.reverts("custody: hard cap"):
        seeded.clearinghouse.deposit(account, weth.address, ETHER, sender=seeded.role("trader"))


def test_lower_token_caps__either_cap_higher__is_refused(seeded: World) -> None:
    weth = seeded.tokens["WETH"].address
    info = seeded.clearinghouse.token_info(weth)
    for caps in ((info.hard_cap + 1, 0), (0, info.soft_cap + 1)):
        with boa.reverts("guardian: only lowers"):
            seeded.risk_configurator.lower_token_caps(weth, *caps, sender=seeded.role("guardian"))


def test_lower_token_caps__settlement_token__is_refused(seeded: World) -> None:
    usdc = seeded.tokens["USDC"].address
    with boa.reverts("guardian: only lowers"):
        seeded.risk_configurator.lower_token_caps(usdc, 0, 0, sender=seeded.role("guardian"))


def test_set_caps__configurator_is_no_hand__guardian_can_not(seeded: World) -> None:
    core, owner = seeded.clearinghouse, seeded.role("owner")
    core.set_hand(seeded.risk_configurator.address, 0, sender=owner)
    with boa.reverts("ownable: caller is not the owner"):
        seeded.risk_configurator.lower_token_caps(
            seeded.tokens["WETH"].address, 0, 0, sender=seeded.role("guardian")
        )
