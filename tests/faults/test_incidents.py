"""Incidents that happened elsewhere, played against this house: no profit, and nobody else pays.

The figures in the comments are those of public reports.
"""

from __future__ import annotations

from random import Random

import boa
import pytest

from tests.support.attack import (
    DAY,
    NOW_OR_LATER,
    attempt,
    buy_shares,
    commons,
    equity,
    hedged,
    jump,
    no_gain,
    pool_account,
    same_block,
    take_all,
    walk,
    weak_long,
    wealth,
)
from tests.support.bystanders import no_loss
from tests.support.reports import Quote
from tests.support.world import LOTS, TICKS, WAD, World, perp

USDC = 10**6
COALITION = ("attacker", "accomplice")


def keep(world: World, symbol: str, *accounts: int) -> None:
    """Reduce whoever is below MM, as a keeper who is awake."""
    instrument = perp(world.market(symbol).id)
    for account in accounts:
        while equity(world, account) < world.health(account).mm:
            size = world.liquidator.plan_reduce(account, instrument).size
            call = (account, instrument, size, 0, world.account("keeper"), NOW_OR_LATER)
            if attempt(world.liquidator.reduce, *call, sender=world.role("keeper")) is not None:
                break
            world.next_price(2)


def test_euler__donation_then_self_liquidation_in_one_block__gains_nothing(world: World) -> None:
    # 2023-03, 197 M USD: borrow, donate the collateral, liquidate oneself at a fifth off
    account = world.open_account("attacker", USDC=30_000 * USDC)
    buyer = world.open_account("accomplice", USDC=100_000 * USDC)
    world.open_position(account, "ETH", 180 * LOTS)
    core, usdc = world.clearinghouse, world.tokens["USDC"].address
    reserves, attacker = core.insurance_account(), world.role("attacker")
    before = commons(world)
    with no_loss(world, "ETH"), no_gain(world, "Euler", *COALITION):
        outcomes = same_block(
            world,
            lambda: core.transfer(account, reserves, usdc, 29_000 * USDC, sender=attacker),
            lambda: world.liquidator.flag(account, sender=world.role("accomplice")),
            lambda: take_all(world, account, buyer),
        )
    assert outcomes == ["ledger: margin", *["liquidator: not below mm"] * 2]
    assert commons(world) >= before


def test_abracadabra__last_action_resets_the_check_of_those_before__gains_nothing(
    world: World,
) -> None:
    # 2025-10, 1.8 M USD from six accounts: "borrow" set the flag of a solvency check at the end of
    # the batch, and an action that did nothing reset it
    core, attacker = world.clearinghouse, world.role("attacker")
    debtors = [world.open_account("attacker", i, USDC=4_000 * USDC) for i in range(6)]
    parking, usdc, away = world.account("attacker", 7), str(world.tokens["USDC"].address), 3_900
    before = commons(world)
    outcomes: set[str | None] = set()
    with no_loss(world, "ETH"), no_gain(world, "Abracadabra", *COALITION):
        for debtor in debtors:
            world.open_position(debtor, "ETH", 15 * LOTS)
            for kind, to in ((2, debtor >> 96), (4, parking)):
                borrowed = (kind, debtor, to, usdc, away * USDC)
                for last in ((1, debtor, 0), (4, debtor, debtor), (7, debtor, 0)):
                    actions = [borrowed, (*last, usdc, 1)]
                    outcomes.add(attempt(core.batch, b"", attacker, actions, sender=attacker))
        # whatever he had drawn, he would walk away from what the legs lose
        walk(world, "ETH", 2_800 * TICKS)
        for debtor in debtors:
            keep(world, "ETH", debtor)
    assert outcomes == {"ledger: margin", "batch: unknown action"}
    assert core.deficit() == 0
    assert commons(world) >= before
    world.assert_books_balance()


def test_mango__pump_with_keepers_awake__gains_nothing(world: World) -> None:
    # 2022-10, 116 M USD: two own accounts, a thin perp pumped tenfold, the winner borrows it all
    before = commons(world)
    long, short = hedged(world, "LINK", 60_000 * LOTS, 120_000)
    with no_loss(world, "LINK"), no_gain(world, "Mango", *COALITION):
        for step in (*range(12), *range(11, -1, -1)):
            walk(world, "LINK", 15 * TICKS * (100 + 3 * step) // 100)
            keep(world, "LINK", short, long)
            attempt(world.clearinghouse.settle_pair, [short], long, sender=world.role("attacker"))
            for dollars in (300_000, 20_000, 1_000):
                attempt(world.withdraw, long, "USDC", dollars * USDC)
    assert commons(world) >= before
    world.assert_books_balance()


def test_dydx_yfi__eight_wallets_compound_their_gains__grow_no_larger_than_one(
    world: World,
) -> None:
    # 2023-11, 9 M USD of the insurance fund: over a hundred wallets, unrealised gains into new size
    wallets = [world.open_account("attacker", i, USDC=15_000 * USDC) for i in range(8)]
    before = commons(world)
    with no_loss(world, "LINK"), no_gain(world, "dYdX YFI", "attacker"):
        for wallet in wallets:
            attempt(world.open_position, wallet, "LINK", 9_500 * LOTS)
        refused: set[str | None] = set()
        opened = sum(world.size(wallet, "LINK") for wallet in wallets)
        for step in range(6):
            walk(world, "LINK", world.prices["LINK"] * 1_028 // 1_000)
            turn = wallets[step % 3 :: 3]
            refused |= {attempt(world.open_position, each, "LINK", 1_000 * LOTS) for each in turn}
        compounded = sum(world.size(wallet, "LINK") for wallet in wallets) - opened
        jump(world, LINK=world.prices["LINK"] * 57 // 100)
        buyer = world.open_account("liquidator", USDC=3_000_000 * USDC)
        for wallet in wallets:
            if equity(world, wallet) < world.health(wallet).mm:
                take_all(world, wallet, buyer)
        jump(world, LINK=15 * TICKS)
    cap = world.liquidity_pool.params(3)[6] * 10_000_000 // 2
    assert opened * 15 * TICKS <= cap
    assert (compounded, refused) == (0, {"ledger: margin"})
    assert world.clearinghouse.deficit() == 0
    assert commons(world) + wealth(world, "liquidator") >= before + 3_000_000 * WAD
    world.assert_books_balance()


def test_hyperliquid_whale__withdraws_until_the_pool_inherits_him__costs_the_pool_nothing(
    world: World,
) -> None:
    # 2025-03-12, 4 M USD: unrealised gains withdrawn, the liquidation dumped on the pool
    whale = world.open_account("attacker", USDC=700_000 * USDC)
    world.open_position(whale, "ETH", 1_600 * LOTS)
    before = commons(world)
    with no_loss(world, "ETH"), no_gain(world, "Hyperliquid", "attacker"):
        walk(world, "ETH", 3_300 * TICKS)
        for step in range(20):
            attempt(world.withdraw, whale, "USDC", 700_000 * USDC >> step)
        assert equity(world, whale) >= world.health(whale).im
        for price in range(3_250, 2_700, -50):
            walk(world, "ETH", price * TICKS)
            keep(world, "ETH", whale)
            assert equity(world, whale) >= 0
        walk(world, "ETH", 3_000 * TICKS)
    assert commons(world) >= before
    world.assert_books_balance()


@pytest.mark.parametrize("gift", [137 * WAD, 501 * WAD + 7, 941 * WAD])
def test_balancer__any_sequence_of_wei_sized_steps__takes_nothing_out(
    wei_world: World, gift: int
) -> None:
    # 2025-11, 128 M USD: balances of 8 and 9 wei, one division rounded the wrong way, sixty swaps
    world, pool, random = wei_world, wei_world.liquidity_pool, Random(gift)
    attacker, usdc = world.role("attacker"), world.tokens["USDC"]
    buy_shares(world, "depositor", 999 * WAD)
    world.mint("USDC", world.role("sponsor"), gift)
    gift_call = (pool_account(world), usdc.address, gift)
    world.clearinghouse.deposit(*gift_call, sender=world.role("sponsor"))
    world.mint("USDC", attacker, 600)
    usdc.approve(pool.address, 2**200, sender=attacker)
    with no_loss(world), no_gain(world, "Balancer", "attacker"):
        price = (pool.nav() + WAD, pool.totalSupply() + WAD)
        deposits = [
            pool.request_deposit(random.randrange(1, 10), attacker, sender=attacker)
            for _ in range(40)
        ]
        world.next_price(3)
        for request in deposits:
            pool.execute_deposit(request, sender=attacker)
        redemptions = []
        while shares := pool.balanceOf(attacker):
            part = min(shares, random.randrange(1, 10))
            redemptions.append(pool.request_redeem(part, sender=attacker))
        world.wait(DAY)
        world.publish()
        for request in redemptions:
            # a share may be worth less than a wei: nothing is burnt for nothing then
            attempt(pool.execute_redeem, request, sender=attacker)
            assert (pool.nav() + WAD) * price[1] >= price[0] * (pool.totalSupply() + WAD)
    print(f"Balancer: the attacker has {usdc.balanceOf(attacker) - 600} wei more")
    assert usdc.balanceOf(attacker) <= 600
    world.assert_books_balance()


def test_venus__collateral_bought_at_the_markets_price__opens_nothing_at_the_feeds_floor(
    floor_world: World,
) -> None:
    # 2022-05, 11 M USD: LUNA at a hundredth of a cent, counted at the feed's minimum of 10 cents
    world = floor_world
    with no_loss(world, "ETH"):
        long, short = world.account("attacker"), world.account("accomplice")
        world.next_price(3)
        world.wait(2)
        world.markets.update(world.report_blob({"LINK": TICKS // 10_000}))
        for account in (long, short):
            world.fund(account, "LINK", 200_000 * 10**18)
        refused = []
        with no_gain(world, "Venus", *COALITION):
            for account, size in ((long, 20 * LOTS), (short, -20 * LOTS)):
                world.commit(order := world.order(account, "ETH", size))
                world.wait(3)
                reports = world.report_blob({"ETH": world.prices["ETH"]})
                refused.append(attempt(world.execute, order, reports))
    assert refused == ["ledger: margin"] * 2
    world.assert_books_balance()


@pytest.mark.parametrize("factor", [1_000, 0, 2])
def test_skrw__an_even_number_of_feeds_one_of_them_mad__is_no_average_of_it(
    world: World, factor: int
) -> None:
    # 2019-06: the mean of two feeds, one wrong by a thousand; 37 M sETH minted
    long, short = hedged(world, "ETH", 50 * LOTS, 12_000)
    honest = world.prices["ETH"]
    with no_loss(world, "ETH"), no_gain(world, "sKRW", *COALITION):
        for _ in range(2):  # the second would confirm the first
            world.wait(6)
            prices = [honest, honest + TICKS, honest - TICKS, honest * factor]
            reports = [
                world.signed(signer, world.now, {1: Quote(price)})
                for price, signer in zip(prices, world.signers, strict=True)
            ]
            world.markets.update(world.packed(reports), sender=world.role("attacker"))
            assert abs((world.markets.market_words(1)[0] >> 192) - honest) <= TICKS
        for account in (long, short):
            flagged = attempt(world.liquidator.flag, account, sender=world.role("attacker"))
            assert flagged == "liquidator: not below mm"
        world.publish(ETH=honest)


# ---- KyberSwap: boundaries ---------------------------------------------------------------------

# a lot on either side of: the smallest leg, the tier's start, a side of the skew, the pool's half
EDGES = [LOTS // 3, 333 * LOTS + LOTS // 3, 500 * LOTS, 1_666 * LOTS]


@pytest.mark.parametrize("edge", EDGES)
def test_kyberswap__trades_that_end_one_lot_beside_a_boundary__gain_nothing(
    world: World, edge: int
) -> None:
    # 2023-11, 55 M USD: a swap that stopped one wei beyond a tick counted its liquidity twice
    account = world.open_account("attacker", USDC=2_000_000 * USDC)
    other = world.open_account("accomplice", USDC=2_000_000 * USDC)
    random = Random(edge)
    with no_loss(world, "ETH"), no_gain(world, "KyberSwap", *COALITION):
        for _ in range(6):
            size = random.choice([edge - 1, edge, edge + 1]) * random.choice([-1, 1])
            attempt(world.open_position, random.choice([account, other]), "ETH", size)
        for each in (account, other):
            if size := world.size(each, "ETH"):
                # in two parts that meet at the boundary again
                part = min(abs(size), edge + 1) * (1 if size > 0 else -1)
                attempt(world.open_position, each, "ETH", -part)
                if rest := world.size(each, "ETH"):
                    world.open_position(each, "ETH", -rest)
    assert world.legs(account) == world.legs(other) == {}
    world.assert_books_balance()


def test_kyberswap__equity_one_atom_above_mm__is_out_of_reach(world: World) -> None:
    account = weak_long(world, 0.99)
    health = world.health(account)
    missing = -(-(health.mm - health.equity) // 10**12)
    keeper = world.role("keeper")
    with boa.env.anchor():
        world.fund(account, "USDC", missing - 1)
        assert attempt(world.liquidator.flag, account, sender=keeper) is None
    world.fund(account, "USDC", missing)
    assert 0 <= equity(world, account) - health.mm < 10**12
    assert attempt(world.liquidator.flag, account, sender=keeper) == "liquidator: not below mm"
    call = (account, perp(1), 0, 0, world.account("keeper"), NOW_OR_LATER)
    refused = attempt(world.liquidator.reduce, *call, sender=keeper)
    assert refused == "liquidator: not below mm"
