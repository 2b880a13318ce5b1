"""Black-76 in gas: the mean over a grid of moneyness, volatility and time.

`black76` takes what a strike and an expiry need once, the logarithm and the root, from its caller,
as the scan of a portfolio does; `black76_terms` computes them too. Both answer call, put and delta.
Nothing is stored, so an EVM in this process measures the same as a node.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import boa

from bench.account import TX_GAS, Account, calldata_gas
from bench.scene import MeasuredScene
from scripts.deployment import artifacts
from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import calldata, find
from tests.reference.binary import sqrt_wad
from tests.reference.black76 import log_moneyness, variance
from tests.reference.units import DAY, HOUR, WAD

HARNESS = "Black76Harness"
FORWARD = 2_000 * WAD
# forward over strike: ten years of a volatile asset either way
MONEYNESS = tuple(map(Fraction, ("0.1", "0.25", "0.5", "0.8", "1", "1.25", "2", "4", "10")))
VOLATILITIES = tuple(percent * WAD // 100 for percent in (1, 10, 40, 80, 150, 300, 500))
# EIP-7623: a zero byte is one token and any other four
GAS_PER_TOKEN = 4
FLOOR_PER_TOKEN = 10
SECONDS = (60, HOUR, DAY, 7 * DAY, 30 * DAY, 180 * DAY, 730 * DAY)


def measure(scene: MeasuredScene) -> None:
    """Note both means, rounded up, in the scene."""
    calls = {"black76": ("prices", _prepared()), "black76_terms": ("prices_of_terms", _terms())}
    made = artifacts.load(HARNESS)[HARNESS]
    env = boa.Env()
    with boa.swap_env(env):
        address, _ = env.deploy_code(bytecode=bytes.fromhex(made.initcode))
        for key, (function, grid) in calls.items():
            entry = find(made.abi, function, 4)
            spent = [_gas(env, address, calldata(entry, arguments)) for arguments in grid]
            mean = (math.ceil(sum(column) / len(spent)) for column in zip(*spent, strict=True))
            scene.figures[key] = dict(zip(("execution", "whole"), mean, strict=True))
            work = Counter({f"{HARNESS} work": scene.figures[key]["execution"]})
            scene.accounts[key] = Account(other=work)


def _gas(env: Any, address: Any, data: bytes) -> tuple[int, int]:
    """Return what the call costs alone, and what a transaction of it pays at the least.

    A transaction of so little work pays the floor of its calldata (EIP-7623), which would hide it.
    """
    done = env.execute_code(to_address=address, data=data, is_modifying=False)
    if done.is_error:
        raise DeploymentError(f"{HARNESS} reverted on the grid")
    used = int(done.get_gas_used())
    floor = FLOOR_PER_TOKEN * (calldata_gas(data) // GAS_PER_TOKEN)
    return used, TX_GAS + max(used + calldata_gas(data), floor)


def _terms() -> Iterator[tuple[int, int, int, int]]:
    for moneyness in MONEYNESS:
        strike = FORWARD * moneyness.denominator // moneyness.numerator
        for volatility in VOLATILITIES:
            for seconds in SECONDS:
                yield FORWARD, strike, volatility, seconds


def _prepared() -> Iterator[tuple[int, int, int, int]]:
    for forward, strike, volatility, seconds in _terms():
        root = sqrt_wad(variance(volatility, seconds))
        yield forward, strike, log_moneyness(forward, strike), root
