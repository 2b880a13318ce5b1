"""A chain inside the process and somebody who deploys on it."""

import boa
import pytest

from scripts.deployment import params
from tests.unit.deployment.fragile import FragileExecutor


@pytest.fixture(scope="module")
def local():
    return params.load("local")


@pytest.fixture
def executor():
    with boa.swap_env(boa.Env()):
        boa.env.evm.patch.timestamp = 1_700_000_000
        yield FragileExecutor(str(boa.env.generate_address("deployer")))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "31337.json"
