"""What users live through, from deposit to withdrawal, with all contracts and shipped parameters.

Details are the unit tests' business; here the contracts must fit together and the books balance.
"""

import boa
import pytest

from tests.support.world import LOTS, TICKS, WAD, World, perp

USD = 10**6
DAY = 86_400


@pytest.fixture(autouse=True)
def books_balance(world: World):
    yield
    world.assert_books_balance()


def _weaken(world: World, account: int, symbol: str, numerator: int) -> None:
    """Move a price in steps inside the jump band until the account is below MM."""
    for _ in range(40):
        health = world.health(account)
        if health.equity < health.mm:
            return
        world.next_price(20, **{symbol: world.prices[symbol] * numerator // 1_000})
    raise AssertionError("the account stayed healthy")


def test_profit__trader_closes_after_a_rise__withdraws_more_than_he_brought(world):
    account = world.open_account("trader", USDC=50_000 * USD)
    world.open_position(account, "ETH", 10 * LOTS)
    world.next_price(30, ETH=3_060 * TICKS)
    world.open_position(account, "ETH", -10 * LOTS)
    pool = int(world.liquidity_pool.address, 16) << 96

    world.clearinghouse.settle_pair([pool], account, sender=world.role("keeper"))
    gained = world.cash(account) - 50_000 * WAD
    atoms = world.cash(account) // 10**12
    world.withdraw(account, "USDC", atoms)

    # 10 ETH x 60 USD, less spread and fee of about 9 bp on 60,600 USD twice, and the skew
    assert 480 * WAD < gained < 600 * WAD
    assert world.tokens["USDC"].balanceOf(world.role("trader")) == atoms


def test_loss__trader_in_debt_deposits__debt_is_repaid_and_collateral_leaves(world):
    account = world.open_account("trader", USDC=1_000 * USD, WETH=10 * 10**18)
    world.open_position(account, "ETH", 10 * LOTS)
    for price in (2_950, 2_900, 2_850):
        world.next_price(20, ETH=price * TICKS)
    world.open_position(account, "ETH", -10 * LOTS)
    world.clearinghouse.settle(account, sender=world.role("keeper"))
    assert world.cash(account) < 0
    with boa.reverts("custody: not enough cash"):
        world.withdraw(account, "USDC", 1)

    world.fund(account, "USDC", 1_000 * USD)
    world.withdraw(account, "WETH", 10 * 10**18)

    assert world.tokens["WETH"].balanceOf(world.role("trader")) == 10 * 10**18
    assert world.cash(account) > 0


def test_crash__weak_long__reduced_to_le_and_keeper_paid(world):
    account = world.open_account("trader", USDC=32_000 * USD)
    world.open_position(account, "ETH", 200 * LOTS)
    keeper = world.open_account("keeper", USDC=USD)
    _weaken(world, account, "ETH", 985)

    plan = world.liquidator.plan_reduce(account, perp(1))
    before = world.health(account)
    world.liquidator.reduce(
        account, perp(1), plan.size, 0, keeper, world.now + 60, sender=world.role("keeper")
    )

    after = world.health(account)
    assert before.equity < before.mm
    # one lot of ETH at LE's rate of at most 100 % is worth less than this
    assert after.le <= after.equity <= after.le + WAD
    assert 0 < world.size(account, "ETH") < 200 * LOTS
    assert world.quote(keeper) >= plan.pay


def test_crash__flagged_account__slice_taken_by_an_empty_account_of_the_buyer(world):
    account = world.open_account("trader", USDC=28_000 * USD, WETH=2 * 10**18)
    world.open_position(account, "ETH", 180 * LOTS)
    buyer = world.open_account("liquidator", USDC=400_000 * USD)
    _weaken(world, account, "ETH", 985)
    liquidator, caller = world.liquidator, world.role("liquidator")
    liquidator.flag(account, sender=caller)
    world.next_price(60)
    liquidator.flag(account, sender=caller)

    plan = liquidator.plan_take(account)
    liquidator.take(account, buyer, plan.fraction, 2**128, 0, world.now + 60, sender=caller)

    assert plan.reward > 0
    assert world.size(buyer, "ETH") > 0
    assert world.amounts(buyer)
    after = world.health(account)
    assert after.equity >= after.mm


def test_gap__insolvent_account__taken_whole_and_paid_by_insurance(world):
    account = world.open_account("trader", USDC=31_500 * USD)
    world.open_position(account, "ETH", 200 * LOTS)
    buyer = world.open_account("liquidator", USDC=1_000_000 * USD)
    fund = world.clearinghouse.insurance_account()
    # a jump outside the band is confirmed by a second report some seconds later
    for _ in range(2):
        world.next_price(10, ETH=2_700 * TICKS)
    before, held = world.health(account), world.cash(fund)
    assert before.equity < 0

    caller = world.role("liquidator")
    plan = world.liquidator.plan_take(account)
    world.liquidator.take(account, buyer, plan.fraction, 2**128, 0, world.now + 60, sender=caller)

    assert plan.fraction == WAD
    assert world.legs(account) == {}
    assert world.cash(account) == world.quote(account) == 0
    assert held - world.cash(fund) >= -before.equity
    assert world.clearinghouse.deficit() == 0


def test_pool__provider_redeems_after_the_cooldown__gets_his_deposit_and_the_fees(world):
    pool, provider = world.liquidity_pool, world.role("depositor")
    account = world.open_account("trader", USDC=100_000 * USD)
    world.open_position(account, "ETH", 20 * LOTS)
    world.next_price(10)
    world.open_position(account, "ETH", -20 * LOTS)
    shares = pool.balanceOf(provider)
    request = pool.request_redeem(shares // 2, sender=provider)

    world.wait(DAY)
    world.publish()
    pool.execute_redeem(request, sender=world.role("keeper"))

    assert world.tokens["USDC"].balanceOf(provider) >= 5_000_000 * USD
    assert pool.balanceOf(provider) == shares - shares // 2


def test_outage__nobody_is_liquidated_before_the_grace_is_over(world):
    account = world.open_account("trader", USDC=32_000 * USD)
    world.open_position(account, "ETH", 200 * LOTS)
    keeper = world.open_account("keeper", USDC=USD)
    world.wait(400)
    world.publish(ETH=2_900 * TICKS)
    world.next_price(10)
    assert world.health(account).equity < world.health(account).mm

    with boa.reverts("liquidator: closed"):
        world.liquidator.flag(account, sender=world.role("keeper"))
    for _ in range(8):
        world.next_price(60)
    plan = world.liquidator.plan_reduce(account, perp(1))
    world.liquidator.reduce(
        account, perp(1), plan.size, 0, keeper, world.now + 60, sender=world.role("keeper")
    )

    assert world.size(account, "ETH") < 200 * LOTS


def test_session_key__trades_an_isolated_account__owner_folds_what_is_left(world):
    parent = world.open_account("trader", USDC=20_000 * USD)
    child, owner, key = parent + 1, world.role("trader"), world.role("session key")
    first = world.order(child, "ETH", 5 * LOTS)
    usdc, operators = world.tokens["USDC"].address, world.operators
    operators.isolate(parent, usdc, 4_000 * USD, tuple(first), value=first.reserve, sender=owner)
    operators.grant((child, key, 1, world.now + DAY, 2), sender=owner)
    world.wait(3)
    world.execute(first, world.report_blob(world.prices))

    # the key halves the position and hedges it; the next order is one too many
    for symbol, lots in (("ETH", -2 * LOTS), ("BTC", -LOTS // 20)):
        order = world.order(child, symbol, lots)
        operators.commit([tuple(order)], value=order.reserve, sender=key)
        world.wait(3)
        world.execute(order, world.report_blob(world.prices))
    more = world.order(child, "ETH", LOTS)
    with boa.reverts("operators: not granted"):
        operators.commit([tuple(more)], value=more.reserve, sender=key)
    world.next_price(20, ETH=2_940 * TICKS)

    worth = world.health(child).equity
    operators.fold(child, parent, sender=owner)

    assert world.health(parent).equity == 16_000 * WAD + worth
    assert world.legs(parent) == {perp(1): 3 * LOTS, perp(2): -LOTS // 20}
    assert (world.legs(child), world.cash(child), world.quote(child)) == ({}, 0, 0)


def test_portability__owner_moves_to_a_new_address__with_its_consent(world):
    old = world.open_account("trader", USDC=8_000 * USD, WETH=10**18)
    world.open_position(old, "ETH", 4 * LOTS)
    new, owner = world.account("counterparty"), world.role("trader")
    world.fund(new, "USDC", 2_000 * USD)
    before = world.health(old).equity + world.health(new).equity
    world.operators.grant((new, owner, 4, world.now + 60, 1), sender=world.role("counterparty"))

    world.operators.move(old, new, [(perp(1), 4 * LOTS)], [(1, 10**18)], sender=owner)
    world.clearinghouse.settle(old, sender=owner)
    atoms = world.cash(old) // 10**12
    world.clearinghouse.transfer(old, new, world.tokens["USDC"].address, atoms, sender=owner)

    assert (world.legs(old), world.amounts(old)) == ({}, {})
    assert world.legs(new) == {perp(1): 4 * LOTS}
    assert 0 <= before - world.health(new).equity < 10**12
