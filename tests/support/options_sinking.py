"""How an account of the engine comes under MM, and what may then be closed of it."""

from __future__ import annotations

from dataclasses import replace

from tests.reference import options
from tests.reference.facts import Health
from tests.reference.units import TICKS_PER_USD
from tests.support.options_house import ETH, OptionsHouse

GRID = TICKS_PER_USD // 100


def health_at(house: OptionsHouse, account: int, price: int) -> Health:
    """Return a health, were ETH at another price [ticks]."""
    world = house.model.copy()
    world.markets[ETH] = replace(world.markets[ETH], price=price, stable=price, publish=world.now)
    return options.health_of(world, account)


def sink(house: OptionsHouse, account: int, low: int, high: int, share: int = 90) -> int:
    """Move ETH from `low` [USD], where E > MM, towards `high`, to E of `share` % of MM."""
    good, bad = low * TICKS_PER_USD // GRID, high * TICKS_PER_USD // GRID
    while abs(bad - good) > 1:
        middle = (good + bad) // 2
        health = health_at(house, account, middle * GRID)
        if 100 * health.equity > share * health.mm:
            good = middle
        else:
            bad = middle
    publish(house, bad * GRID)
    return bad * GRID


def publish(house: OptionsHouse, price: int) -> None:
    """Publish ETH [ticks] and every surface, now."""
    house.refresh()
    facts = house.model.markets[ETH]
    house.write(ETH, replace(facts, price=price, stable=price, publish=house.evm.time))
    for found in list(house.engine.surfaces.values()):
        house.surface(replace(found, publish=house.evm.time))


def least_lots(house: OptionsHouse, fill: options.Fill) -> int:
    """Return the fewest lots of a close at a price that lift E to LE."""
    (leg,) = fill.legs
    low, high, side = 0, abs(leg.size), 1 if leg.size > 0 else -1
    while high - low > 1:
        middle = (low + high) // 2
        after = after_close(house, sized(fill, side * middle))
        low, high = (low, middle) if after.equity >= after.le else (middle, high)
    return high


def sized(fill: options.Fill, size: int) -> options.Fill:
    """Return the same close of another size."""
    return replace(fill, legs=(replace(fill.legs[0], size=size),))


def after_close(house: OptionsHouse, fill: options.Fill) -> Health:
    """Return the health of the closed account, whatever the rules say."""
    world = house.model.copy()
    engine = options.engine_of(world)
    _, cash, quote = options._terms(world, engine, fill)
    options._apply(world, engine, fill, cash, quote)
    return options.health_of(world, fill.taker)
