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
from tests.support.attack import fresh_env
from tests.support.world import TICKS, World

POOL_ATOMS = 10_000_000 * 10**6
FUND_ATOMS = 1_000_000 * 10**6


@cache
def _house() -> tuple[boa.Env, World]:
    env = fresh_env()
    with boa.swap_env(env):
        world = World.deploy()
        world.seed_pool(POOL_ATOMS)
        world.seed_insurance(FUND_ATOMS)
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
        world.seed_pool(POOL_ATOMS)
        world.seed_insurance(FUND_ATOMS)
    return env, world


@contextmanager
def _visited(env: boa.Env, world: World) -> Iterator[World]:
    prices, salt = dict(world.prices), world.salt
    with boa.swap_env(env), boa.env.anchor():
        yield world
    world.prices, world.salt = prices, salt


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
