"""An account with every leg and collateral that it may hold, and what it takes to liquidate it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import boa

from scripts.deployment.models import Parameters
from scripts.deployment.params import load as load_parameters
from tests.support.attack import NOW_OR_LATER, call_data, equity, fresh_env
from tests.support.world import LOTS, TICKS, World

USDC = 10**6
LEGS, COLLATERALS = 16, 8
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
def built() -> tuple[boa.Env, World, int]:
    """Return a chain, its world, and the account; once for all, so anchor before a change."""
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
