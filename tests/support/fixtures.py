"""The whole protocol for a test: one deployment a module, put back after each test.

A conftest says `from tests.support.fixtures import *`.
"""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.support.world import World

__all__ = ["deployed_world", "world"]

POOL_ATOMS = 10_000_000 * 10**6
INSURANCE_ATOMS = 1_000_000 * 10**6


@pytest.fixture(scope="module")
def deployed_world() -> Iterator[World]:
    """The shipped parameters, a funded pool and a funded insurance fund."""
    with boa.swap_env(boa.Env()):
        world = World.deploy()
        world.seed_pool(POOL_ATOMS)
        world.seed_insurance(INSURANCE_ATOMS)
        yield world


@pytest.fixture
def world(deployed_world: World) -> Iterator[World]:
    """The deployed world, as it was before the test when the test is over."""
    prices, salt = dict(deployed_world.prices), deployed_world.salt
    # a role made by the test loses its coin when the chain is put back
    roles = dict(deployed_world.roles)
    with boa.env.anchor():
        yield deployed_world
    deployed_world.prices, deployed_world.salt = prices, salt
    deployed_world.roles = roles
