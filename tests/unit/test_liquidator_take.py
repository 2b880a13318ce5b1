"""R6 stages 2 and 3: a slice of an account, or all of it, changes hands."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import boa
import pytest
from eth_utils.crypto import keccak

from tests.support.world import LOTS, WAD, World, deployer_of
from tests.unit import liquidator_support as desk
from tests.unit.liquidator_support import USD, USDC

CUSHION = 3 * WAD // 10_000
TOLERANCE = WAD // 1_000
T_SLOW = 1_800
Builder = Callable[[World], int]

# written while the contract was still moving; being brought in line (see CHANGELOG)
pytestmark = pytest.mark.campaign


def buyer_account(world: World, dollars: int = 1_000_000) -> int:
    """Return a rich account of the liquidator without legs."""
    return world.open_account("liquidator", USDC=dollars * USDC)


def mixed_account(world: World) -> int:
    """Return a long and a short, one collateral of a traded market, one of another; E under MM."""
    account = world.open_account("trader", USDC=7_000 * USDC, WETH=2 * 10**18, wstETH=10**18)
    world.open_position(account, "ETH", 30 * LOTS)
    world.open_position(account, "BTC", -LOTS)
    desk.sink(world, account, "ETH", Fraction(9, 10))
    return account


def debtor(world: World, share: Fraction = Fraction(9, 10)) -> int:
    """Return an account without legs: cash debt against ether, E at `share` of MM."""
    account = world.open_account("trader", USDC=1_000 * USDC, WETH=10**19)
    world.open_position(account, "BTC", LOTS)
    desk.walk(world, "BTC", world.prices["BTC"] * 7 // 10)
    world.open_position(account, "BTC", -LOTS)
    world.clearinghouse.settle(account, sender=world.role("keeper"))
    assert world.cash(account) < 0
    assert not world.legs(account)
    desk.sink(world, account, "ETH", share)
    return account


def start_auction(world: World, account: int, seconds: int) -> None:
    """Flag the account and let its auction live, with a price and a flag every 100 s."""
    keeper = world.role("keeper")
    world.liquidator.flag(account, sender=keeper)
    while seconds:
        step = min(100, seconds)
        world.next_price(step)
        world.liquidator.flag(account, sender=keeper)
        seconds -= step


def wealth(world: World, account: int) -> int:
    """Return an account's equity."""
    return world.health(account).equity


# ---- a part ------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [desk.weak_account, mixed_account, debtor])
def test_take__part_at_the_start__reaches_le_and_moves_no_wealth(
    world: World, build: Builder
) -> None:
    # r(0) = 0: the buyer pays what the slice is worth, C4
    account = build(world)
    buyer = buyer_account(world)
    before, buyer_before = world.health(account), wealth(world, buyer)
    plan = world.liquidator.plan_take(account)
    assert plan.status == desk.OK
    assert 0 < plan.smallest < WAD

    event = desk.take(world, account, buyer, plan.fraction, max_payment=plan.payment)

    after = world.health(account)
    assert after.le <= after.equity <= after.le + TOLERANCE * before.le // WAD
    worth = before.equity * plan.fraction // WAD
    assert event.payment == plan.payment == -(-before.equity * plan.fraction // WAD)
    assert after.equity == before.equity - worth + event.payment
    # each amount moved is valued down on both sides: a wei a collateral at most
    gain = wealth(world, buyer) - buyer_before - (worth - event.payment)
    assert -8 <= gain <= 8
    assert after.equity * before.mm >= before.equity * after.mm
    assert not desk.in_auction(world, account)
    assert (event.insurance, event.deficit, event.reward) == (0, 0, 0)
    world.assert_books_balance()


@pytest.mark.parametrize("build", [desk.weak_account, mixed_account, debtor])
def test_plan_take__smallest__is_the_least_on_its_grid(world: World, build: Builder) -> None:
    # C3: one millionth less does not reach LE
    account = build(world)
    buyer = buyer_account(world)
    smallest = world.liquidator.plan_take(account).smallest

    with boa.reverts("liquidator: too small"):
        desk.take(world, account, buyer, smallest - WAD // 10**6)
    desk.take(world, account, buyer, smallest)

    assert world.health(account).equity >= world.health(account).le


def test_take__part__moves_every_leg_and_amount_toward_zero(world: World) -> None:
    account = mixed_account(world)
    buyer = buyer_account(world)
    fraction = world.liquidator.plan_take(account).fraction
    words = desk.words_of(world, account)

    desk.take(world, account, buyer, fraction)

    for instrument, size in words.legs:
        moved = abs(size) * fraction // WAD * (1 if size > 0 else -1)
        assert world.legs(buyer)[instrument] == moved
        assert world.legs(account)[instrument] == size - moved
    for token, atoms in words.amounts:
        assert world.amounts(buyer)[token] == atoms * fraction // WAD
        assert world.amounts(account)[token] == atoms - atoms * fraction // WAD


def test_take__part_after_live_time__pays_the_reward(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(19, 20))
    start_auction(world, account, 120)
    buyer = buyer_account(world)
    before, buyer_before = world.health(account), wealth(world, buyer)
    plan = world.liquidator.plan_take(account)
    # 120 s of the way to 50 % at 300 s
    assert plan.reward == before.mm // 5
    assert plan.smallest < WAD

    event = desk.take(world, account, buyer, plan.fraction)

    paid = -(-plan.fraction * (before.equity - plan.reward) // WAD)
    worth = before.equity * plan.fraction // WAD
    assert event.payment == plan.payment == paid
    assert wealth(world, buyer) - buyer_before == worth - paid
    assert event.live_time == 120
    assert world.liquidator.clock(account) == (120, world.now)
    after = world.health(account)
    assert after.equity * before.mm >= before.equity * after.mm


def test_take__seconds_of_funding_since_the_plan__still_fits(world: World) -> None:
    account = desk.weak_account(world, 600 * LOTS)
    buyer = buyer_account(world)
    fraction = world.liquidator.plan_take(account).fraction
    world.wait(12)

    desk.take(world, account, buyer, fraction)

    assert world.health(account).equity >= world.health(account).le


def test_take__buyer_empty_but_for_margin__receives_the_legs(world: World) -> None:
    account = desk.weak_account(world)
    buyer = buyer_account(world, 20_000)
    assert not world.legs(buyer)
    fraction = world.liquidator.plan_take(account).fraction

    desk.take(world, account, buyer, fraction)

    health = world.health(buyer)
    assert health.equity >= health.im
    assert list(world.legs(buyer)) == list(world.legs(account))


# ---- all of it ---------------------------------------------------------------------------------


def test_take__reward_beyond_a_part__takes_all(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(1, 5))
    start_auction(world, account, 200)
    buyer = buyer_account(world)
    before, buyer_before = world.health(account), wealth(world, buyer)
    assert before.equity * (before.mm - before.kappa) < before.mm * before.mm // 3
    plan = world.liquidator.plan_take(account)
    assert (plan.fraction, plan.smallest) == (WAD, WAD)
    with boa.reverts("liquidator: take all"):
        desk.take(world, account, buyer, WAD // 2)

    event = desk.take(world, account, buyer, WAD)

    # r > E: nothing is paid, and before T_SLOW insurance adds nothing
    assert plan.reward > before.equity > 0
    assert (event.payment, event.insurance) == (0, 0)
    assert wealth(world, buyer) - buyer_before == before.equity
    assert wealth(world, account) == 0
    assert not world.legs(account)
    assert not desk.in_auction(world, account)
    world.assert_books_balance()


def test_take__solvent_and_slow__insurance_adds_one_percent_of_what_moves(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(1, 10))
    start_auction(world, account, T_SLOW - 100)
    buyer = buyer_account(world)
    assert world.liquidator.plan_take(account).insurance == 0
    world.next_price(100)
    before = world.health(account)
    gross = abs(world.size(account, "ETH")) * world.prices["ETH"]
    plan = world.liquidator.plan_take(account)
    assert plan.reward == 3 * before.mm // 2
    due = min(plan.reward - before.equity, gross // 100)
    assert plan.insurance == due == gross // 100

    event = desk.take(world, account, buyer, WAD, min_insurance=due)

    assert event.insurance == due
    assert wealth(world, account) == 0
    world.assert_books_balance()


@pytest.mark.parametrize("build", ["leg", "collateral"])
def test_take__insolvent__insurance_pays_the_deficit(world: World, build: str) -> None:
    share = Fraction(-1, 4)
    account = desk.weak_account(world, share=share) if build == "leg" else debtor(world, share)
    buyer = buyer_account(world)
    before, buyer_before = world.health(account), wealth(world, buyer)
    fund = world.cash(world.clearinghouse.insurance_account())
    assert before.equity < 0
    plan = world.liquidator.plan_take(account)
    assert (plan.fraction, plan.reward, plan.payment) == (WAD, 0, 0)
    assert plan.insurance == -before.equity

    event = desk.take(world, account, buyer, WAD, min_insurance=-before.equity)

    assert event.insurance == -before.equity
    assert world.cash(world.clearinghouse.insurance_account()) <= fund + before.equity + USD * 1_000
    assert wealth(world, buyer) == buyer_before
    assert wealth(world, account) == 0
    assert event.deficit == world.clearinghouse.deficit() == 0
    world.assert_books_balance()


def test_take__insolvent_later__insurance_adds_the_reward(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(-1, 10))
    start_auction(world, account, 150)
    buyer = buyer_account(world)
    before, buyer_before = world.health(account), wealth(world, buyer)
    plan = world.liquidator.plan_take(account)
    # a quarter of MM after half of the five minutes
    assert plan.reward == before.mm // 4

    event = desk.take(world, account, buyer, WAD)

    assert event.insurance == plan.insurance == plan.reward - before.equity
    assert wealth(world, buyer) - buyer_before == plan.reward


def empty_fund(world: World) -> None:
    """Take every dollar out of the insurance fund."""
    fund, owner = world.insurance_fund, world.role("owner")
    world.clearinghouse.settle(world.clearinghouse.insurance_account(), sender=owner)
    cash = world.cash(world.clearinghouse.insurance_account())
    fund.withdraw_surplus(cash // 10**12, owner, sender=owner)


def test_take__insurance_empty__books_the_deficit(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(-1, 4))
    buyer = buyer_account(world)
    empty_fund(world)
    before, buyer_before = world.health(account), wealth(world, buyer)
    covered = world.insurance_fund.available(1)[0]

    event = desk.take(world, account, buyer, WAD)

    assert event.insurance == covered
    assert event.deficit == world.clearinghouse.deficit() == -before.equity - covered
    assert wealth(world, buyer) == buyer_before
    assert wealth(world, account) == 0
    assert not world.legs(account)
    world.assert_books_balance()


def test_take__dust__takes_all(world: World) -> None:
    # 0.002 ETH of a closed leg's remnant, worth less than 10 USD
    account = world.open_account("trader", USDC=200 * USDC)
    world.open_position(account, "ETH", 40 * LOTS // 100)
    world.open_position(account, "ETH", -3_966 * LOTS // 10_000)
    world.withdraw(account, "USDC", world.cash(account) // 10**12 - 2 * USDC)
    desk.sink(world, account, "ETH", Fraction(9, 10))
    plan = world.liquidator.plan_take(account)
    assert plan.fraction == WAD
    buyer = buyer_account(world)

    desk.take(world, account, buyer, WAD)

    assert not world.legs(account)


def test_take__part_that_leaves_dust__reverts(world: World) -> None:
    # what is left reaches LE but is worth less than 10 USD: only all of it may go
    account = world.open_account("trader", USDC=200 * USDC)
    world.open_position(account, "ETH", 40 * LOTS // 100)
    world.open_position(account, "ETH", -39 * LOTS // 100)
    world.withdraw(account, "USDC", world.cash(account) // 10**12 - 5 * USDC // 2)
    desk.sink(world, account, "ETH", Fraction(4, 5))
    buyer = buyer_account(world)
    plan = world.liquidator.plan_take(account)

    assert plan.fraction == WAD
    with boa.reverts():
        desk.take(world, account, buyer, WAD * 9 // 10)
    desk.take(world, account, buyer, WAD)


# ---- refused -----------------------------------------------------------------------------------


def test_take__more_than_is_due__reverts(world: World) -> None:
    account = desk.weak_account(world)
    buyer = buyer_account(world)
    smallest = world.liquidator.plan_take(account).smallest

    for fraction in (smallest + WAD // 100, WAD):
        with boa.reverts("liquidator: overshoot"):
            desk.take(world, account, buyer, fraction)


@pytest.mark.parametrize("fraction", [0, WAD + 1])
def test_take__no_fraction__reverts(world: World, fraction: int) -> None:
    account = desk.weak_account(world)

    with boa.reverts("liquidator: fraction"):
        desk.take(world, account, buyer_account(world), fraction)


def test_take__not_below_mm__reverts(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(11, 10))
    assert world.liquidator.plan_take(account).status == desk.NOT_BELOW_MM

    with boa.reverts("liquidator: not below mm"):
        desk.take(world, account, buyer_account(world), WAD // 2)


def test_take__jump_pending__reverts(world: World) -> None:
    account = desk.weak_account(world)
    world.next_price(10, ETH=world.prices["ETH"] * 9 // 10)
    assert world.liquidator.plan_take(account).status == desk.CLOSED

    with boa.reverts("liquidator: closed"):
        desk.take(world, account, buyer_account(world), WAD // 2)


def test_take__into_an_account_of_another__reverts(world: World) -> None:
    account = desk.weak_account(world)

    with boa.reverts("liquidator: buyer"):
        desk.take(world, account, world.account("depositor"), WAD // 2)


def test_take__by_the_owner__reverts(world: World) -> None:
    # C5: not into another account of the same owner
    account = desk.weak_account(world)
    twin = world.open_account("trader", 1, USDC=100_000 * USDC)

    with boa.reverts("liquidator: buyer"):
        desk.take(world, account, twin, WAD // 2, sender="trader")


def test_take__buyer_below_im__reverts(world: World) -> None:
    account = desk.weak_account(world, 100 * LOTS)
    poor = buyer_account(world, 100)
    fraction = world.liquidator.plan_take(account).fraction

    with boa.reverts("seizure: counterparty margin"):
        desk.take(world, account, poor, fraction)


def test_take__after_the_deadline__reverts(world: World) -> None:
    account = desk.weak_account(world)

    with boa.reverts("liquidator: expired"):
        desk.take(world, account, buyer_account(world), WAD // 2, deadline=world.now - 1)


def test_take__dearer_than_allowed__reverts(world: World) -> None:
    account = desk.weak_account(world)
    plan = world.liquidator.plan_take(account)

    with boa.reverts("liquidator: payment too high"):
        desk.take(world, account, buyer_account(world), plan.fraction, max_payment=plan.payment - 1)


def test_take__less_insurance_than_asked__reverts(world: World) -> None:
    account = desk.weak_account(world, share=Fraction(-1, 4))
    plan = world.liquidator.plan_take(account)

    with boa.reverts("liquidator: insurance too low"):
        desk.take(world, account, buyer_account(world), WAD, min_insurance=plan.insurance + 1)


def test_take__price_moves_back_above_mm__reverts_and_clears_by_flag(world: World) -> None:
    account = desk.weak_account(world)
    start_auction(world, account, 100)
    desk.sink(world, account, "ETH", Fraction(2))

    with boa.reverts("liquidator: not below mm"):
        desk.take(world, account, buyer_account(world), WAD)
    world.liquidator.flag(account, sender=world.role("keeper"))

    assert not desk.in_auction(world, account)


# ---- write off ---------------------------------------------------------------------------------


def test_write_off__holds_something_or_owes_nothing__reverts(world: World) -> None:
    insolvent = desk.weak_account(world, share=Fraction(-1, 4))
    rich = world.open_account("counterparty", USDC=100 * USDC)

    for account in (insolvent, rich, world.account("attacker")):
        with boa.reverts("liquidator: not written off"):
            world.liquidator.write_off(account, sender=world.role("keeper"))


def test_take__nothing_held__reverts(world: World) -> None:
    account = indebted(world)
    assert world.liquidator.plan_take(account).status == desk.NO_LEG

    with boa.reverts("liquidator: nothing to take"):
        desk.take(world, account, buyer_account(world), WAD)


def test_write_off__nothing_left__the_fund_pays(world: World) -> None:
    account = indebted(world)
    owed = -wealth(world, account)
    assert owed > 0

    deficit = world.liquidator.write_off(account, sender=world.role("keeper"))

    assert deficit == world.clearinghouse.deficit() == 0
    assert wealth(world, account) == 0
    world.assert_books_balance()


def test_write_off__fund_empty__books_the_deficit(world: World) -> None:
    account = indebted(world)
    owed = -wealth(world, account)
    empty_fund(world)
    covered = min(owed, world.insurance_fund.available(0)[0])

    deficit = world.liquidator.write_off(account, sender=world.role("keeper"))

    assert deficit == world.clearinghouse.deficit() == owed - covered
    assert wealth(world, account) == 0
    world.assert_books_balance()


def indebted(world: World) -> int:
    """Return an account with a debt alone: its leg closed at a loss above its cash.

    No door leads there: the pool closes nothing below LE. The words are written as a later
    stage (ADL) would leave them, and the same loss stands on the pool's side.
    """
    account = world.open_account("trader", USDC=100 * USDC)
    pool = desk.pool_account(world)
    moved = 150 * USD
    for each, change in ((account, -moved), (pool, moved)):
        words = desk.words_of(world, each)
        word = words._replace(quote=words.quote + change).encode()[0]
        write_word(world, each, word)
    return account


def write_word(world: World, account: int, word: int) -> None:
    """Write an account's word into the Clearinghouse's storage."""
    layout = deployer_of("contracts/Clearinghouse.vy").compiler_data.storage_layout
    slot = layout["storage_layout"]["accounts"]["words"]["slot"]
    key = keccak(slot.to_bytes(32, "big") + account.to_bytes(32, "big"))
    boa.env.set_storage(world.clearinghouse.address, int.from_bytes(key, "big"), word)
    assert world.clearinghouse.account_words(account)[0] == word
