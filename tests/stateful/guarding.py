"""The guardian in the machine: what it asks for, on both sides, and how it chooses."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.reference import pauses
from tests.reference.pauses import ACTIONS, MAX_PAUSE, STOP_OPENING, STOP_POOL_DEPOSITS
from tests.reference.state import World
from tests.reference.units import WAD
from tests.stateful.house import GUARDIAN, OWNER, House

GUARDIAN_OPS = ("pause", "lower_cap", "lower_token_caps")


# ---- both sides ----------------------------------------------------------------------------------


def model(world: World, name: str, caller: int, args: tuple[Any, ...]) -> None:
    """Do what the guardian asks for in the reference."""
    getattr(pauses, name)(world, caller, *args)


def send(house: House, name: str, caller: int, args: tuple[Any, ...]) -> None:
    """Send what the guardian asks for."""
    if name == "lower_token_caps":
        args = (house.tokens[args[0]].address, *args[1:])
    house.configurator.send(caller, name, *args)


# ---- choice --------------------------------------------------------------------------------------


def choose(rng: Random, world: World) -> tuple[str, int, tuple[Any, ...]]:
    """Return a call of the guardian or the owner: mostly short, now and then too long or early."""
    caller = rng.choice((GUARDIAN, GUARDIAN, GUARDIAN, OWNER))
    name = rng.choice(("pause",) * 8 + ("lower_cap", "lower_token_caps"))
    if name == "lower_cap":
        market = rng.choice(list(world.pool_params))
        cap = world.markets[market].margin.oi_cap
        # a whole number of its first digit, or one step too many
        step = 10 ** max(0, len(str(cap // WAD)) - 1) * WAD
        return name, caller, (market, max(0, cap - rng.choice((0, 1, 1, -1)) * step))
    if name == "lower_token_caps":
        token = rng.choice(list(world.collaterals))
        facts = world.tokens[token]
        soft = max(0, facts.soft_cap - rng.choice((0, 1, 2, -1)))
        return name, caller, (token, facts.hard_cap, soft)
    running = [scope for scope, (_, until) in world.pauses.items() if world.now < until]
    if running and rng.random() < 0.7:
        action, market = rng.choice(sorted(running))
        return name, caller, (action, 1 << market, rng.choice((0, 0, 0, 5, 60)))
    # what stops liquidations does so for the grace after it too, and the machine lives on them
    action = rng.choice((*[STOP_OPENING] * 3, STOP_POOL_DEPOSITS, *ACTIONS))
    chosen = rng.choice([(1 << key) for key in world.markets] + [2**256 - 1])
    longest = MAX_PAUSE if action == STOP_OPENING else 5
    duration = rng.choice((5, 20, 60, 60, longest, MAX_PAUSE + 1))
    return name, caller, (action, chosen, duration)
