"""C7: what it takes to liquidate the largest account that there can be, call by call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import boa
from rich.console import Console
from rich.table import Table

from bench.account import Account
from bench.scene import MeasuredScene
from tests.support import full_account as full
from tests.support.attack import equity
from tests.support.world import World, perp

MAX_CALLS = 8
TX_GAS = 21_000
UNDER, INSOLVENT = 0.95, -0.2  # E / MM when it begins
Way = Callable[[World, int], list[int]]


def measure(scene: MeasuredScene) -> None:
    """Note the dearest call of each way in the scene, and all of them for the table."""
    for key, (_, share, way) in WAYS.items():
        used = _played(share, way)
        scene.calls[key] = used
        spent = max(used)
        scene.figures[key] = {"execution": spent - TX_GAS, "whole": spent}
        scene.accounts[key] = Account(other=Counter({"every contract": spent - TX_GAS}))


def show(scene: MeasuredScene, console: Console) -> None:
    """Print the calls of each way."""
    title = f"C7: 16 legs and 8 collaterals, in at most {MAX_CALLS} calls of 10,000,000 gas"
    table = Table("way", "calls", "gas of each", "in all", title=title, title_justify="left")
    for key, (name, _, _) in WAYS.items():
        used = scene.calls[key]
        listed = ", ".join(f"{each:,}" for each in used)
        table.add_row(name, str(len(used)), listed, f"{sum(used):,}")
    console.print(table)


def _played(share: float, way: Way) -> list[int]:
    env, world, account = full.built()
    prices, roles, salt = dict(world.prices), dict(world.roles), world.salt
    with boa.swap_env(env), boa.env.anchor():
        into = full.buyer(world)
        full.fall_below(world, account, share)
        used = way(world, account) if way is _reduces else _taken(world, account, into, way)
    world.prices, world.roles, world.salt = prices, roles, salt
    return used


def _taken(world: World, account: int, into: int, way: Way) -> list[int]:
    return [*way(world, account), full.take(world, account, into)]


def _flag(world: World, account: int) -> list[int]:
    return [full.gas(world, world.liquidator, "keeper", "flag", account)]


def _nothing(world: World, account: int) -> list[int]:
    return []


def _reduces(world: World, account: int) -> list[int]:
    """Close leg by leg until nobody may go on."""
    used: list[int] = []
    while equity(world, account) < world.health(account).mm:
        used.append(full.reduce(world, account, perp(len(used) + 1)))
        world.wait(2)
    return used


WAYS: dict[str, tuple[str, float, Way]] = {
    "c7_take": ("a flag, and a take of a part", UNDER, _flag),
    "c7_reduce": ("reduces alone, until it is over MM", UNDER, _reduces),
    "c7_take_all": ("a take of all, below zero", INSOLVENT, _nothing),
}
