"""Rows 1 to 28 of the fault list: what a contract can be made to do."""

from __future__ import annotations

from tests.support.attack import (
    DAY,
    attempt,
    buy_shares,
    commons,
    equity,
    hedged,
    jump,
    no_gain,
    pool_account,
    redeem,
    take_all,
    walk,
    weak_long,
)
from tests.support.world import LOTS, TICKS, WAD, World
from tests.support.zoo import Actor, upgrade

USDC = 10**6
COALITION = ("attacker", "accomplice")


# ---- value that leaves without a check -------------------------------------------------------


def test_fault_001_donation__before_self_liquidation__is_refused(world: World) -> None:
    # Euler, 2023: give equity away unchecked, then take the bankrupt half over at the fund's cost
    long, short = hedged(world, "ETH", 50 * LOTS, 12_000)
    before = commons(world)
    usdc, core = world.tokens["USDC"].address, world.clearinghouse
    with no_gain(world, 1, *COALITION):
        gift = 11_800 * USDC
        refused = [
            attempt(core.transfer, long, receiver, usdc, gift, sender=world.role("attacker"))
            for receiver in (short, pool_account(world))
        ]
        refused.append(attempt(world.withdraw, long, "USDC", gift))
        walk(world, "ETH", 2_916 * TICKS)
        attempt(take_all, world, long, short)
    assert refused == ["ledger: margin"] * 3
    assert commons(world) >= before
    world.assert_books_balance()


# ---- calling back ------------------------------------------------------------------------------


def test_fault_004_token_hook__reenters_the_core__finds_it_locked(world: World) -> None:
    # Cream and Lendf.me, 2020-21: withdraw again from the hook of the token that is being paid out
    actor = Actor(world)
    core, weth, ether = world.clearinghouse, world.tokens["WETH"].address, 10**18
    account = actor.fund("WETH", 10 * ether)
    world.fund(world.account("trader"), "WETH", 10 * ether)
    world.mint("WETH", actor.address, 2 * ether)
    actor.act(world.tokens["WETH"], "approve", core.address, 2**200)
    upgrade(world, "WETH").set_hook(actor.address)
    again = (
        (core, "withdraw", account, weth, 4 * ether, actor.address),
        (core, "transfer", account, actor.account(1), weth, 4 * ether),
        (core, "deposit", account, weth, ether),
        (core, "settle", account),
    )
    actor.probe(*again)
    assert actor.outside() == [True] * 4

    actor.act(core, "withdraw", account, weth, 4 * ether, actor.address)
    assert actor.outcomes() == [False] * 4
    actor.probe(*again)
    actor.act(core, "deposit", account, weth, ether)
    assert actor.outcomes() == [False] * 4

    held = world.tokens["WETH"].balanceOf(actor.address)
    assert (held, world.amounts(account)[1]) == (5 * ether, 7 * ether)
    world.assert_books_balance()


def test_fault_005_withdrawal__hook_calls_other_contracts__their_ledger_is_locked(
    world: World,
) -> None:
    # GMX, 2025: call a second contract while the first one pays out
    actor, weak = Actor(world), weak_long(world)
    account = actor.fund("USDC", 50_000 * USDC)
    order = world.order(account, "ETH", LOTS)
    actor.act(world.orders, "commit", tuple(order), value=order.reserve)
    world.next_price(3)
    upgrade(world, "USDC").set_hook(actor.address)
    actor.probe(
        (world.orders, "execute", tuple(order)),
        (world.liquidator, "flag", weak),
        (world.clearinghouse, "settle_pair", [weak], account),
    )
    assert actor.outside() == [True] * 3

    usdc = world.tokens["USDC"].address
    actor.act(world.clearinghouse, "withdraw", account, usdc, 10_000 * USDC, actor.address)
    assert actor.outcomes() == [False] * 3
    assert world.size(account, "ETH") == 0
    world.assert_books_balance()


def test_fault_005_deposit_request__hook_before_the_second_ledger__finds_the_pool_locked(
    world: World,
) -> None:
    # the pool has noted the request, the Clearinghouse does not know of the money yet
    actor, pool = Actor(world), world.liquidity_pool
    shares, first = actor.shares(20_000 * USDC), actor.request(10_000 * USDC)
    world.next_price(3)
    world.mint("USDC", actor.address, 10_000 * USDC)
    actor.act(world.tokens["USDC"], "approve", pool.address, 2**200)
    upgrade(world, "USDC").set_hook(actor.address)
    actor.probe((pool, "execute_deposit", first), (pool, "request_redeem", shares))
    assert actor.outside() == [True] * 2

    actor.act(pool, "request_deposit", 10_000 * USDC, actor.address)
    assert actor.outcomes() == [False] * 2
    world.assert_books_balance()


def test_fault_006_getters__asked_in_the_middle_of_a_redemption__do_not_answer(
    world: World,
) -> None:
    # dForce, Sentiment, Conic, 2023: somebody reads a share price while it is half updated
    actor, pool, core = Actor(world), world.liquidity_pool, world.clearinghouse
    shares, account = actor.shares(20_000 * USDC), actor.fund("USDC", 1_000 * USDC)
    actor.act(pool, "request_redeem", shares)
    world.wait(DAY)
    world.publish()
    upgrade(world, "USDC").set_hook(actor.address)
    prices = [
        (pool, name, *args)
        for name, args in (
            ("nav", ()),
            ("totalAssets", ()),
            ("convertToShares", (USDC,)),
            ("convertToAssets", (WAD,)),
            ("previewDeposit", (USDC,)),
            ("previewRedeem", (WAD,)),
            ("request", (1,)),
        )
    ]
    books = [
        (core, "health", account),
        (core, "account_words", account),
        (core, "pot"),
        (core, "deficit"),
        (core, "token_info", world.tokens["USDC"].address),
        (world.lens, "health", account),
        (world.insurance_fund, "available", 1),
    ]
    actor.probe(*prices, *books)
    assert all(actor.outside())

    actor.act(pool, "execute_redeem", pool.request_count())
    assert actor.outcomes() == [False] * len(prices + books)


# ---- rounding ----------------------------------------------------------------------------------


def share_price(world: World, tenths: int) -> None:
    """Seed an empty pool, then raise the price of its shares to `tenths` / 10, exactly."""
    buy_shares(world, "depositor", 999 * WAD)
    gift = 1_000 * WAD * (tenths - 10) // 10
    world.mint("USDC", world.role("sponsor"), gift)
    usdc = world.tokens["USDC"].address
    world.clearinghouse.deposit(pool_account(world), usdc, gift, sender=world.role("sponsor"))


def _buy(world: World, atoms: int) -> int:
    """Deposit atoms that the attacker has; return the shares."""
    attacker, pool = world.role("attacker"), world.liquidity_pool
    world.tokens["USDC"].approve(pool.address, 2**200, sender=attacker)
    request = pool.request_deposit(atoms, attacker, sender=attacker)
    world.next_price(3)
    return int(pool.execute_deposit(request, sender=attacker))


def test_fault_008_wei_deposits__many_against_a_high_share_price__gain_nothing(
    wei_world: World,
) -> None:
    # Balancer, 2025: balances of a few wei, where one rounding in the wrong direction is a third
    world, pool, attacker = wei_world, wei_world.liquidity_pool, wei_world.role("attacker")
    share_price(world, 19)
    world.mint("USDC", attacker, 40 * 9)
    world.tokens["USDC"].approve(pool.address, 2**200, sender=attacker)
    with no_gain(world, 8, "attacker"):
        requests = [pool.request_deposit(9, attacker, sender=attacker) for _ in range(40)]
        world.next_price(3)
        for request in requests:
            pool.execute_deposit(request, sender=attacker)
        paid = redeem(world, "attacker", pool.balanceOf(attacker))
    # 9 wei buy 4.7 shares, so 4; 160 shares are worth 304 wei
    assert paid == 304
    world.assert_books_balance()


def test_fault_008_wei_redemptions__share_by_share__gain_nothing(wei_world: World) -> None:
    world, pool, attacker = wei_world, wei_world.liquidity_pool, wei_world.role("attacker")
    share_price(world, 15)
    world.mint("USDC", attacker, 60)
    with no_gain(world, 8, "attacker"):
        shares = _buy(world, 60)
        requests = [pool.request_redeem(1, sender=attacker) for _ in range(shares)]
        world.wait(DAY)
        world.publish()
        paid = sum(pool.execute_redeem(request, sender=attacker) for request in requests)
    assert shares == 40
    # a share of 1.5 wei pays 1
    assert paid == 40
    world.assert_books_balance()


def test_fault_009_first_depositor__donates_before_the_victim__victim_keeps_his_money(
    wei_world: World,
) -> None:
    # Hundred, Onyx, Sonne: a wei of shares, a donation, and the victim's deposit rounds to nothing
    world, pool, attacker = wei_world, wei_world.liquidity_pool, wei_world.role("attacker")
    usdc, gift, deposit = world.tokens["USDC"], 10_000 * WAD, 9_000 * WAD
    world.mint("USDC", attacker, 1 + gift)
    with no_gain(world, 9, "attacker"):
        first = _buy(world, 1)
        world.clearinghouse.deposit(pool_account(world), usdc.address, gift, sender=attacker)
        shares = buy_shares(world, "victim", deposit)
        paid = redeem(world, "attacker", first)
    worth = pool.convertToAssets(shares)
    lost, cost = deposit - worth, 1 + gift - paid
    assert lost * 1_000_000 <= deposit
    assert cost >= lost
    world.assert_books_balance()


def test_fault_010_price_of_next_to_nothing__signed_and_confirmed__is_not_stored(
    world: World,
) -> None:
    # Resupply, 2025: a donation makes a rate round to 0, and 0 backs a debt of any size
    account = world.open_account("attacker", USDC=1_000 * USDC)
    with no_gain(world, 10, "attacker"):
        for price in (0, TICKS // 1_000_000):
            jump(world, LINK=price)
        order = world.order(account, "LINK", 600_000_000 * LOTS)
        attempt(world.commit_and_execute, order, LINK=TICKS // 1_000_000)
        jump(world, LINK=15 * TICKS)
    assert world.legs(account) == {}
    world.assert_books_balance()


def test_fault_010_tokens__sent_to_the_contracts__move_no_share_price_and_no_equity(
    world: World,
) -> None:
    account = world.open_account("attacker", USDC=1_000 * USDC)
    pool, core = world.liquidity_pool, world.clearinghouse
    rate = (pool.nav(), pool.convertToShares(USDC), equity(world, account), commons(world))
    attacker = world.role("attacker")
    for receiver in (pool, core, world.insurance_fund):
        world.mint("USDC", attacker, 10_000_000 * USDC)
        world.tokens["USDC"].transfer(receiver.address, 10_000_000 * USDC, sender=attacker)
    after = (pool.nav(), pool.convertToShares(USDC), equity(world, account), commons(world))
    assert after == rate


# ---- what is set up twice --------------------------------------------------------------------


def test_fault_026_funds_liquidator__named_again_by_its_owner__is_refused(world: World) -> None:
    # Ribbon, 2025: whoever had taken a proxy over set its parts up anew. Nothing here is behind a
    # proxy, and what is said once stays said, whoever the owner is
    fund, owner = world.insurance_fund, world.role("owner")
    before = fund.liquidator()
    attacker = world.role("attacker")
    named = attempt(fund.set_liquidator, attacker, sender=owner)
    assert named == "insurance: liquidator is set"
    assert fund.liquidator() == before == world.liquidator.address


def test_fault_026_token__listed_again__keeps_its_id_and_what_is_tracked(world: World) -> None:
    world.open_account("trader", USDC=1_000 * USDC, WETH=10**18)
    weth, core = world.tokens["WETH"].address, world.clearinghouse
    before = tuple(core.token_info(weth))
    terms = (weth, 1, WAD * 15 // 100, WAD // 10, 1_000, 1_000)
    listed = attempt(core.list_collateral, *terms, sender=world.role("owner"))
    assert listed == "custody: already listed"
    assert tuple(core.token_info(weth)) == before


def test_fault_026_market__listed_again__keeps_its_price(world: World) -> None:
    desk, before = world.risk_configurator, world.markets.market_words(1)[0]
    terms = (1, "ETH", desk.margin_params(1), desk.feed_params(1), 100 * WAD)
    listed = attempt(desk.list_market, *terms, sender=world.role("owner"))
    assert listed == "markets: wrong id"
    assert world.markets.market_words(1)[0] == before
    assert world.markets.market_count() == len(world.prices)
