"""One deployment a process, put back after each test.

Deployed at first use, so that `python -m tools.guards` decides before which contracts it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import boa
import pytest

from scripts.deployment.params import load as load_parameters
from tests.support.attack import DAY, fresh_env, pass_time
from tests.support.world import TICKS, World

POOL_ATOMS = 10_000_000 * 10**6
FUND_ATOMS = 1_000_000 * 10**6


@cache
def _house() -> tuple[boa.Env, World]:
    env = fresh_env()
    with boa.swap_env(env):
        world = World.deploy()
        _fill(world)
    return env, world


@cache
def _house_in_wei() -> tuple[boa.Env, World]:
    env, parameters = fresh_env(), load_parameters("local")
    with boa.swap_env(env):
        return env, World.build(
            replace(parameters, settlement=replace(parameters.settlement, decimals=18))
        )


@cache
def _house_near_the_floor() -> tuple[boa.Env, World]:
    env = fresh_env()
    with boa.swap_env(env):
        # LINK's lowest accepted price is 0.1 USD
        world = World.deploy(prices={"LINK": TICKS * 102 // 1_000})
        _fill(world)
    return env, world


def _fill(world: World) -> None:
    """Seed pool and fund; a day later the fund's limits are shares of its cash."""
    world.seed_pool(POOL_ATOMS)
    world.seed_insurance(FUND_ATOMS)
    world.wait(DAY)
    pass_time(world, 1_000)  # and the grace after it


@contextmanager
def _visited(env: boa.Env, world: World) -> Iterator[World]:
    prices, roles, salt = dict(world.prices), dict(world.roles), world.salt
    with boa.swap_env(env), boa.env.anchor():
        yield world
    world.prices, world.roles, world.salt = prices, roles, salt


@pytest.fixture
def world() -> Iterator[World]:
    """The shipped parameters, a pool of 10 M USD and a fund of 1 M USD."""
    with _visited(*_house()) as visited:
        yield visited


@pytest.fixture
def wei_world() -> Iterator[World]:
    """A settlement token of 18 decimals, so that an atom is a wei; nobody is in the pool yet."""
    with _visited(*_house_in_wei()) as visited:
        yield visited


@pytest.fixture
def floor_world() -> Iterator[World]:
    """LINK 2 % above its lowest accepted price."""
    with _visited(*_house_near_the_floor()) as visited:
        yield visited
