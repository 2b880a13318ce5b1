"""What is done at the engine, once against the reference and once against the chain."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from tests.reference import ledger, options
from tests.reference.expiries import Stored
from tests.reference.refused import require
from tests.reference.state import World, owner_of
from tests.reference.units import ACTIVE, PENDING, UNTRUSTED
from tests.stateful.house import House
from tests.stateful.house_options import ENGINEER, VENUE, Engine, EngineHouse
from tests.stateful.ops import ACTIONS, Action, Op

Key = tuple[int, int]  # market, hours


def engine_of(world: World) -> Engine:
    """Return the world's engine."""
    assert isinstance(world.engine, Engine)
    return world.engine


def _house(house: House) -> EngineHouse:
    assert isinstance(house, EngineHouse)
    return house


# ---- model side ----------------------------------------------------------------------------------


def _filled(world: World, op: Op) -> None:
    require(op.caller == VENUE, "options: not a venue")
    options.trade(world, op.args[0])


def _moded(world: World, op: Op) -> None:
    require(owner_of(op.args[0]) == op.caller, "options: not the owner")
    options.set_mode(world, *op.args)


def _capped(world: World, op: Op) -> None:
    market, cap = op.args
    engine_of(world).caps[market] = cap


def _stored(world: World, market: int) -> Stored:
    facts = world.markets[market]
    trusted = facts.flags & (ACTIVE | PENDING | UNTRUSTED) == ACTIVE
    return Stored(facts.price, facts.publish, trusted)


def observe(world: World, key: Key) -> bool:
    """Note the stored price of a market for a series."""
    engine = engine_of(world)
    series = engine.series_of(key)
    changed = series.observe(_stored(world, key[0]), world.now)
    engine.note(key, series)
    return changed


def _observed(world: World, op: Op) -> bool | int:
    if not op.reports:
        return observe(world, op.args)
    ledger.update(world, op.reports)
    return sum(observe(world, key) for key in op.args[0])


def _dead(world: World, op: Op) -> None:
    engine = engine_of(world)
    series = engine.series_of(op.args)
    series.settle_dead(_stored(world, op.args[0]), world.now)
    engine.note(op.args, series)


# ---- chain side ----------------------------------------------------------------------------------


def _fill(house: House, op: Op) -> None:
    _house(house).options.send(op.caller, "trade", astuple(op.args[0]))


def _surface(house: House, op: Op) -> Any:
    made = _house(house)
    return made.surfaces.send(op.caller, "update", made.surface_report(op.args))


def _observe(house: House, op: Op) -> Any:
    desk = _house(house).expiries
    if not op.reports:
        return desk.send(op.caller, "observe", *op.args)
    blob = house.blob(op.reports)
    return desk.send(op.caller, "update_and_observe", blob, list(op.args[0]))


ENGINE_ACTIONS = {
    "fill": Action(_filled, _fill),
    "set_mode": Action(
        _moded, lambda house, op: _house(house).options.send(op.caller, "set_mode", *op.args)
    ),
    "settle_expired": Action(
        lambda world, op: options.settle_expired(world, *op.args),
        lambda house, op: _house(house).options.send(op.caller, "settle_expired", *op.args),
    ),
    "surface": Action(lambda world, op: engine_of(world).update(op.args, world.now), _surface),
    "observe": Action(_observed, _observe),
    "settle_dead": Action(
        _dead, lambda house, op: _house(house).expiries.send(op.caller, "settle_dead", *op.args)
    ),
    "set_option_cap": Action(
        _capped, lambda house, op: _house(house).options.send(ENGINEER, "set_cap", *op.args)
    ),
}
ACTIONS.update(ENGINE_ACTIONS)
