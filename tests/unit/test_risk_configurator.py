"""The RiskConfigurator: ranges, grids, the owner, and what Markets then holds."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.world import WAD, World

ETH = 1
PERCENT = WAD // 100


def margin_with(world: World, **changes: int) -> tuple[int, ...]:
    """ETH's margin parameters with some of them changed."""
    names = ("base", "mm_ratio", "tier_start", "spread_rate", "oi_max", "oi_lo", "oi_cap")
    values = dict(zip(names, world.risk_configurator.margin_params(ETH), strict=True))
    return tuple((values | changes).values())


def feed_with(world: World, **changes: int) -> tuple[int, ...]:
    """ETH's feed parameters with some of them changed."""
    names = (
        "min_price",
        "max_price",
        "jump_0",
        "jump_rate",
        "confirm_delay",
        "conf_cap",
        "stable_growth",
        "stable_tau",
        "sigma_ref",
        "v_max",
        "v_step",
    )
    values = dict(zip(names, world.risk_configurator.feed_params(ETH), strict=True))
    return tuple((values | changes).values())


def as_owner(world: World, name: str, *args: Any) -> None:
    getattr(world.risk_configurator, name)(*args, sender=world.role("owner"))


def test_set_margin_params__in_range__markets_uses_them(world: World) -> None:
    wanted = margin_with(world, base=10 * PERCENT, oi_max=2 * WAD)
    as_owner(world, "set_margin_params", ETH, wanted)
    assert tuple(world.risk_configurator.margin_params(ETH)) == wanted


BOUNDS = [
    ("mm_ratio", 80 * PERCENT, 81 * PERCENT),
    ("base", WAD, WAD + WAD // 2_000),
    ("oi_max", 10 * WAD, 10 * WAD + WAD // 2),
    ("spread_rate", 15 * PERCENT, 15 * PERCENT + WAD // 400),
    ("oi_cap", 15 * 10**15 * WAD, 16 * 10**15 * WAD),
]


@pytest.mark.parametrize(("name", "last", "beyond"), BOUNDS)
def test_set_margin_params__upper_bound__last_is_taken_next_is_refused(
    world: World, name: str, last: int, beyond: int
) -> None:
    as_owner(world, "set_margin_params", ETH, margin_with(world, **{name: last}))
    before = tuple(world.risk_configurator.margin_params(ETH))
    with boa.reverts("markets: out of range"):
        as_owner(world, "set_margin_params", ETH, margin_with(world, **{name: beyond}))
    assert tuple(world.risk_configurator.margin_params(ETH)) == before


@pytest.mark.parametrize("name", ["base", "mm_ratio", "tier_start", "oi_max", "oi_lo", "oi_cap"])
def test_set_margin_params__off_the_grid__is_refused(world: World, name: str) -> None:
    off = margin_with(world)
    index = ("base", "mm_ratio", "tier_start", "spread_rate", "oi_max", "oi_lo", "oi_cap")
    values = list(off)
    values[index.index(name)] += 1
    with boa.reverts("markets: off the grid"):
        as_owner(world, "set_margin_params", ETH, tuple(values))


def test_set_margin_params__below_the_pools_costs__is_refused(world: World) -> None:
    """1.04 % of cost needs mm_ratio x base >= 2.08 %: 4 % x 50 % is less."""
    with boa.reverts("markets: pool listing assert"):
        as_owner(world, "set_margin_params", ETH, margin_with(world, base=4 * PERCENT))


def test_set_margin_params__no_pool_named__is_not_held_to_it(world: World) -> None:
    as_owner(world, "set_pool", "0x" + "00" * 20)
    wanted = margin_with(world, base=4 * PERCENT)
    as_owner(world, "set_margin_params", ETH, wanted)
    assert tuple(world.risk_configurator.margin_params(ETH)) == tuple(wanted)


def test_set_feed_params__in_range__markets_uses_them(world: World) -> None:
    wanted = feed_with(world, sigma_ref=120 * PERCENT, v_max=2 * WAD, stable_tau=600)
    as_owner(world, "set_feed_params", ETH, wanted)
    assert tuple(world.risk_configurator.feed_params(ETH)) == wanted


@pytest.mark.parametrize(
    ("name", "beyond"),
    [
        ("jump_0", 20 * PERCENT + WAD // 200),
        ("confirm_delay", 31),
        ("conf_cap", 3 * PERCENT + WAD // 1_000),
        ("stable_tau", 0),
        ("v_max", 5 * WAD),
    ],
)
def test_set_feed_params__out_of_range__is_refused(world: World, name: str, beyond: int) -> None:
    with boa.reverts("markets: out of range"):
        as_owner(world, "set_feed_params", ETH, feed_with(world, **{name: beyond}))


@pytest.mark.parametrize("name", ["set_margin_params", "set_feed_params"])
def test_set__unknown_market__is_refused(world: World, name: str) -> None:
    params = margin_with(world) if name == "set_margin_params" else feed_with(world)
    with boa.reverts("markets: unknown market"):
        as_owner(world, name, 99, params)


def test_list_market__wrong_id_or_price__is_refused(world: World) -> None:
    margin, feed = margin_with(world), feed_with(world)
    next_id = world.markets.market_count() + 1
    with boa.reverts("markets: wrong id"):
        as_owner(world, "list_market", next_id + 1, "X", margin, feed, 100 * WAD)
    with boa.reverts("markets: out of range"):
        as_owner(world, "list_market", next_id, "X", margin, feed, feed[1] + WAD)
    with boa.reverts("markets: off the grid"):
        as_owner(world, "list_market", next_id, "X", margin, feed, 100 * WAD + 1)
    as_owner(world, "list_market", next_id, "X", margin, feed, 100 * WAD)
    assert world.markets.market_count() == next_id


CALLS = ["list_market", "set_margin_params", "set_feed_params", "set_signer", "set_pool"]


@pytest.mark.parametrize("name", CALLS)
def test_owner_functions__attacker__is_refused(world: World, name: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "list_market": (5, "X", margin_with(world), feed_with(world), 100 * WAD),
        "set_margin_params": (ETH, margin_with(world)),
        "set_feed_params": (ETH, feed_with(world)),
        "set_signer": (0, world.role("attacker")),
        "set_pool": (world.role("attacker"),),
    }
    with boa.reverts("ownable: caller is not the owner"):
        getattr(world.risk_configurator, name)(*arguments[name], sender=world.role("attacker"))


@pytest.mark.parametrize(
    ("name", "args"),
    [("open_market", (0, 0, 1, 1)), ("set_margin", (1, 0)), ("set_tuning", (1, 0))],
)
def test_markets__not_the_configurator__is_refused(
    world: World, name: str, args: tuple[int, ...]
) -> None:
    with boa.reverts("markets: not the configurator"):
        getattr(world.markets, name)(*args, sender=world.role("owner"))
