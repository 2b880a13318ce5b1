"""C7 and row 19: an account as large as any may be is liquidated in a few calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import boa
import pytest

from scripts.deployment.models import Parameters
from scripts.deployment.params import load as load_parameters
from tests.support.attack import (
    NOW_OR_LATER,
    attempt,
    call_data,
    equity,
    fresh_env,
)
from tests.support.world import LOTS, TICKS, World, perp

USDC = 10**6
LEGS, COLLATERALS = 16, 8
MAX_CALLS, MAX_GAS = 8, 10_000_000
PRICE = 1_000 * TICKS
TX_GAS = 21_000
EXTRA = f"M{LEGS + 1}"
# sixteen legs of 900,000 USD: what a pool of 10 M USD takes on in all is 15 M
LEG = 900 * LOTS


def crowded() -> Parameters:
    """Return parameters with one market and one collateral more than an account may hold."""
    parameters = load_parameters("local")
    market, token = parameters.markets["ETH"], parameters.collaterals["WETH"]
    ids = range(1, LEGS + 2)
    return replace(
        parameters,
        markets={f"M{i}": replace(market, symbol=f"M{i}", id=i) for i in ids},
        collaterals={
            f"T{i}": replace(token, symbol=f"T{i}", id=i, feed=i) for i in ids[: COLLATERALS + 1]
        },
        prices={f"M{i}": PRICE for i in ids},
    )


@cache
def _built() -> tuple[boa.Env, World, int]:
    env = fresh_env()
    with boa.swap_env(env):
        world = World.build(crowded())
        # an update carries sixteen feeds: the seventeenth has updates of its own
        del world.prices[EXTRA]
        world.seed_pool(10_000_000 * USDC)
        world.seed_insurance(2_000_000 * USDC)
        collateral = {f"T{i}": 100 * 10**18 for i in range(1, COLLATERALS + 1)}
        account = world.open_account("trader", USDC=400_000 * USDC, **collateral)
        for i in range(1, LEGS + 1):
            world.open_position(account, f"M{i}", LEG)
        return env, world, account


@pytest.fixture
def full() -> Iterator[tuple[World, int]]:
    """A world, and an account with every leg and collateral that it may hold."""
    env, world, account = _built()
    prices, roles, salt = dict(world.prices), dict(world.roles), world.salt
    with boa.swap_env(env), boa.env.anchor():
        yield world, account
    world.prices, world.roles, world.salt = prices, roles, salt


def fall_below(world: World, account: int, share: float) -> None:
    """Let all prices fall together until E is below a share of MM."""
    while equity(world, account) >= int(share * world.health(account).mm):
        world.next_price(10, **{s: price * 985 // 1_000 for s, price in world.prices.items()})


def gas(world: World, contract: Any, sender: str, function: str, *args: Any) -> int:
    """Send a call that must go through, from cold; return the whole transaction's gas."""
    data = call_data(contract, function, *args)
    database = boa.env.evm.vm.state._account_db
    warm = database._journal_accessed_state
    boa.env.evm.reset_access_counters()
    made = boa.env.execute_code(to_address=contract.address, sender=world.role(sender), data=data)
    # what the test's anchors have noted is put back
    database._journal_accessed_state = warm
    assert not made.is_error, (function, made.output)
    zeros = data.count(0)
    return int(made.get_gas_used() + TX_GAS + 4 * zeros + 16 * (len(data) - zeros))


def buyer(world: World) -> int:
    """Return an account that can carry everything, with room for it."""
    return world.open_account("liquidator", USDC=8_000_000 * USDC)


def take(world: World, account: int, into: int) -> int:
    """Take what is planned; return the gas."""
    fraction = world.liquidator.plan_take(account).fraction
    deal = (account, into, fraction, NOW_OR_LATER, 0, NOW_OR_LATER)
    return gas(world, world.liquidator, "liquidator", "take", *deal)


def reduce(world: World, account: int, instrument: int) -> int:
    """Close what is planned of a leg; return the gas."""
    size = world.liquidator.plan_reduce(account, instrument).size
    call = (account, instrument, size, 0, world.account("keeper"), NOW_OR_LATER)
    return gas(world, world.liquidator, "keeper", "reduce", *call)


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
