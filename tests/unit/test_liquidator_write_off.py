"""R6 stage 5: the debt of an account with nothing left is paid by the fund, or booked."""

from __future__ import annotations

from fractions import Fraction

import boa
from eth_utils.crypto import keccak

from tests.support.world import WAD, World, deployer_of
from tests.unit import liquidator_support as desk
from tests.unit.liquidator_support import USD, USDC


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
        desk.take(world, account, desk.buyer_account(world), WAD)


def test_write_off__nothing_left__the_fund_pays(world: World) -> None:
    account = indebted(world)
    owed = -desk.wealth(world, account)
    assert owed > 0

    deficit = world.liquidator.write_off(account, sender=world.role("keeper"))

    assert deficit == world.clearinghouse.deficit() == 0
    assert desk.wealth(world, account) == 0
    world.assert_books_balance()


def test_write_off__fund_empty__books_the_deficit(world: World) -> None:
    account = indebted(world)
    owed = -desk.wealth(world, account)
    desk.empty_fund(world)
    covered = min(owed, world.insurance_fund.available(0)[0])

    deficit = world.liquidator.write_off(account, sender=world.role("keeper"))

    assert deficit == world.clearinghouse.deficit() == owed - covered
    assert desk.wealth(world, account) == 0
    world.assert_books_balance()


def test_write_off__gain_not_collected_yet__covers_the_deficit_and_leaves_the_claim(
    world: World,
) -> None:
    # 100 of cash less 320, and 190 of a gain that nobody has paid in: E is -30
    account = indebted(world, cash=-320 * USD, quote=190 * USD)
    fund = desk.wealth(world, world.clearinghouse.insurance_account())
    assert world.clearinghouse.pot() == 0
    assert world.cash(account) + world.quote(account) == -30 * USD

    deficit = world.liquidator.write_off(account, sender=world.role("keeper"))

    assert deficit == world.clearinghouse.deficit() == 0
    assert (world.cash(account), world.quote(account)) == (-190 * USD, 190 * USD)
    assert desk.wealth(world, world.clearinghouse.insurance_account()) == fund - 30 * USD
    world.assert_books_balance()
    with boa.reverts("liquidator: not written off"):
        world.liquidator.write_off(account, sender=world.role("keeper"))

    # whoever lost it settles: then the claim pays the debt
    world.clearinghouse.settle_pair(
        [desk.pool_account(world)], account, sender=world.role("keeper")
    )
    assert (world.cash(account), world.quote(account)) == (0, 0)
    world.assert_books_balance()


def indebted(world: World, cash: int = 0, quote: int = -150 * USD) -> int:
    """Return an account with a debt alone; by default a leg closed at a loss above its cash of 100.

    No door leads there: the pool closes nothing below LE. The words are written as a later
    stage (ADL) would leave them, and what the account lost stands on the pool's side.
    """
    account = world.open_account("trader", USDC=100 * USDC)
    pool = desk.pool_account(world)
    for each, sign in ((account, 1), (pool, -1)):
        words = desk.words_of(world, each)
        moved = words._replace(cash=words.cash + sign * cash, quote=words.quote + sign * quote)
        write_word(world, each, moved.encode()[0])
    return account


def write_word(world: World, account: int, word: int) -> None:
    """Write an account's word into the Clearinghouse's storage."""
    layout = deployer_of("contracts/Clearinghouse.vy").compiler_data.storage_layout
    slot = layout["storage_layout"]["accounts"]["words"]["slot"]
    key = keccak(slot.to_bytes(32, "big") + account.to_bytes(32, "big"))
    boa.env.set_storage(world.clearinghouse.address, int.from_bytes(key, "big"), word)
    assert world.clearinghouse.account_words(account)[0] == word
