"""Settling takes no price update along; docs/spec/ledger.md#settle-age says why it needs none."""

from __future__ import annotations

import boa
import pytest

from tests.reference.ledger import WITHDRAW
from tests.support.world import LOTS, WAD, World, account_of, owner_of

USDC = 10**6
AGES = (20, 150, 3_000, 7_200)  # of opening, of MM, under T_max of funding, beyond T_dead
RISEN = 3_100


def stage(world: World) -> tuple[int, int, int]:
    """Return a winner, a loser and the pool, at a price that has just risen."""
    world.seed_pool(1_000_000 * USDC)
    winner = world.open_account("winner", USDC=10_000 * USDC)
    loser = world.open_account("loser", USDC=10_000 * USDC)
    world.open_position(winner, "ETH", 10 * LOTS)
    world.open_position(loser, "ETH", -4 * LOTS)
    world.next_price(ETH=RISEN * 10**10)
    return winner, loser, account_of(str(world.liquidity_pool.address))


def settle_all(world: World, *accounts: int) -> None:
    """Settle until nothing is left to settle, whoever pays whom."""
    for _ in range(2):
        for account in accounts:
            world.clearinghouse.settle(account)


def stands(world: World, *accounts: int) -> list[tuple[int, int]]:
    return [(world.cash(account), world.quote(account)) for account in accounts]


@pytest.mark.parametrize("age", AGES)
def test_settle__price_of_any_age__ends_as_if_settled_when_it_came(world: World, age: int) -> None:
    accounts = stage(world)
    ends = []
    for settled_at_once in (True, False):
        with boa.env.anchor():
            if settled_at_once:
                settle_all(world, *accounts)
            world.wait(age)
            settle_all(world, *accounts)
            world.assert_books_balance()
            ends.append(stands(world, *accounts))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("age", AGES)
def test_settle__price_of_any_age__changes_nobodys_equity_and_requirements(
    world: World, age: int
) -> None:
    winner, *others = accounts = stage(world)
    world.wait(age)
    before = [world.health(account) for account in accounts]
    cash = world.cash(winner)

    settle_all(world, *others, winner)

    assert world.cash(winner) > cash
    for account, found in zip(accounts, before, strict=True):
        now = world.health(account)
        assert (now.equity, now.im, now.le, now.mm) == (found.equity, found.im, found.le, found.mm)


def test_settle__gain_of_an_old_price__cannot_leave_before_a_new_one(world: World) -> None:
    winner, *others = stage(world)
    world.wait(3_000)
    settle_all(world, *others, winner)
    assert world.cash(winner) > 10_900 * WAD
    most = 8_000 * USDC  # E is 10,972 USD at 3,100 and 9,472 at 2,950, IM 1,475 there at least

    with boa.reverts("ledger: invalid feed"):
        world.withdraw(winner, "USDC", most)

    # led by the price as it is now the withdrawal settles there first, and is held to it
    fallen = world.report_blob({**world.prices, "ETH": 2_950 * 10**10})
    usdc, owner = world.tokens["USDC"].address, owner_of(winner)
    leave = [(WITHDRAW, winner, int(owner, 16), usdc, most)]
    with boa.reverts("ledger: margin"):
        world.clearinghouse.batch(fallen, owner, leave, sender=owner)
    risen = world.report_blob(world.prices)
    world.clearinghouse.batch(risen, owner, leave, sender=owner)
    assert world.tokens["USDC"].balanceOf(owner) >= most
