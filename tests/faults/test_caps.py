"""C7 and row 19: an account as large as any may be is liquidated in a few calls."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.support.attack import NOW_OR_LATER, attempt, equity
from tests.support.full_account import (
    COLLATERALS,
    EXTRA,
    LEGS,
    PRICE,
    USDC,
    built,
    buyer,
    fall_below,
    gas,
    reduce,
    take,
)
from tests.support.world import LOTS, World, perp

MAX_CALLS, MAX_GAS = 8, 10_000_000


@pytest.fixture
def full() -> Iterator[tuple[World, int]]:
    """A world, and an account with every leg and collateral that it may hold."""
    env, world, account = built()
    prices, roles, salt = dict(world.prices), dict(world.roles), world.salt
    with boa.swap_env(env), boa.env.anchor():
        yield world, account
    world.prices, world.roles, world.salt = prices, roles, salt


def show(name: str, used: list[int]) -> None:
    """Print what a liquidation took, and hold it to C7."""
    listed = ", ".join(f"{each:,}" for each in used)
    print(f"C7 {name}: {len(used)} calls of {listed} gas, {sum(used):,} in all")
    assert len(used) <= MAX_CALLS
    assert max(used) <= MAX_GAS


def test_c7_full_account__under_mm__is_restored_by_a_flag_and_a_take(
    full: tuple[World, int],
) -> None:
    world, account = full
    into = buyer(world)
    fall_below(world, account, 0.95)
    used = [gas(world, world.liquidator, "keeper", "flag", account), take(world, account, into)]
    show("take of a part", used)
    health = world.health(account)
    assert health.equity >= health.le
    world.assert_books_balance()


def test_c7_full_account__under_mm__is_lifted_over_it_by_reduces_alone(
    full: tuple[World, int],
) -> None:
    world, account = full
    fall_below(world, account, 0.95)
    used: list[int] = []
    while equity(world, account) < world.health(account).mm:
        used.append(reduce(world, account, perp(len(used) + 1)))
        world.wait(2)
    show("reduces", used)
    # each ends with its leg, before LE; and from MM on nobody may go on (docs/spec/liquidation.md)
    call = (account, perp(LEGS), 0, 0, world.account("keeper"), NOW_OR_LATER)
    refused = attempt(world.liquidator.reduce, *call, sender=world.role("keeper"))
    assert refused == "liquidator: not below mm"
    world.assert_books_balance()


def test_c7_full_account__under_mm__is_restored_to_le_by_reduces_and_a_take(
    full: tuple[World, int],
) -> None:
    world, account = full
    into = buyer(world)
    fall_below(world, account, 0.95)
    used = []
    for market in range(1, 4):
        used.append(reduce(world, account, perp(market)))
        world.wait(2)
    used.append(take(world, account, into))
    show("reduces and a take", used)
    health = world.health(account)
    assert health.equity >= health.le
    world.assert_books_balance()


def test_c7_full_account__insolvent__is_closed_by_one_take(full: tuple[World, int]) -> None:
    world, account = full
    into = buyer(world)
    fall_below(world, account, -0.2)
    used = [take(world, account, into)]
    show("take of all", used)
    word = world.clearinghouse.account_words(account)[0]
    assert (word >> 53 & 0x7FF, world.cash(account), world.quote(account)) == (0, 0, 0)
    world.assert_books_balance()


def test_fault_019_legs_and_collaterals__one_more_than_fits__is_refused(
    full: tuple[World, int],
) -> None:
    # Derive's test of the largest portfolio: an account too large to be liquidated in a block
    world, account = full
    more = world.open_account("trader", 1, USDC=1_000 * USDC)
    world.mint("USDC", world.role("trader"), 3_000_000 * USDC)
    usdc = world.tokens["USDC"].address
    deposit = (account, usdc, 3_000_000 * USDC)
    world.clearinghouse.deposit(*deposit, sender=world.role("trader"))
    world.commit(order := world.order(account, EXTRA, 2 * LOTS))
    world.wait(3)
    world.publish()
    world.markets.update(world.report_blob({EXTRA: PRICE}))
    assert attempt(world.execute, order) == "ledger: no room"
    another = f"T{COLLATERALS + 1}"
    assert attempt(world.fund, account, another, 10**18) == "ledger: no room"
    world.fund(more, another, 10**18)
    token = world.tokens[another].address
    call = (more, account, token, 10**18)
    refused = attempt(world.clearinghouse.transfer, *call, sender=world.role("trader"))
    assert refused == "ledger: no room"
    assert len(world.legs(account)) == LEGS
    assert len(world.amounts(account)) == COLLATERALS
