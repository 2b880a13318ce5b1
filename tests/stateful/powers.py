"""What owners may change, on both sides: parameters of markets, pool, custody, fund and signers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, replace
from random import Random
from typing import Any

from tests.reference import insurance, ledger
from tests.reference.facts import FeedParams, MarginParams, PoolParams
from tests.reference.fixed import ceil_div
from tests.reference.refused import require
from tests.reference.state import SETTLEMENT, World, cap, owner_of
from tests.reference.units import TICK_WAD, WAD
from tests.stateful.house import OWNER, House
from tests.support.signing import source_address

BP = WAD // 10_000
# of 8 seats; emptied and filled again by the same source
LAST_SIGNER = 3


# ---- model ---------------------------------------------------------------------------------------


def _cost(p: PoolParams) -> int:
    """Return what a forced fill may cost at worst [WAD], up."""
    rates = p.spread_min + p.fee + p.liquidation_fee + p.keeper_rate
    return ceil_div(p.max_skew * WAD, p.scale) + rates


def set_margin(world: World, market: int, params: MarginParams) -> None:
    """Change a market's margin parameters, within what its pool may cost (R7)."""
    pool = world.pool_params.get(market)
    within = pool is None or 2 * _cost(pool) * WAD <= params.mm_ratio * params.base
    require(within, "markets: pool listing assert")
    world.markets[market] = replace(world.markets[market], margin=params)


def set_feed(world: World, market: int, params: FeedParams) -> None:
    """Change a market's feed parameters; v follows with the next sample."""
    world.markets[market] = replace(world.markets[market], feed=params)


def set_pool(world: World, market: int, params: PoolParams) -> None:
    """Change the pool's parameters of a market, within the market's margin (R7)."""
    margin = world.markets[market].margin
    within = 2 * _cost(params) * WAD <= margin.mm_ratio * margin.base
    require(within, "pool: listing assert")
    world.pool_params[market] = params


def set_caps(world: World, token: int, hard: int, soft: int) -> None:
    """Change what may be deposited of a token and what of it counts in full [whole tokens]."""
    cap(world, token, hard, soft if token != SETTLEMENT else 0)


def set_limits(world: World, market: int, day: int) -> None:
    """Change the fund's limits of rewards [WAD]."""
    world.setup = replace(world.setup, market_limit=market, day_limit=day)


def set_signer(world: World, index: int, seated: bool) -> None:
    """Empty a signer's seat, or fill it; then nobody may fall behind the newest publish time."""
    newest = max(world.signer_times.values())
    seats = world.signer_times.keys() - {index}
    world.signer_times = dict.fromkeys(seats | {index} if seated else seats, newest)


def withdraw_surplus(world: World, amount: int, to: int) -> None:
    """Take settlement tokens out of the fund [atoms]."""
    account = world.setup.insurance_account
    world.fund_epoch = insurance.today(world)
    ledger.withdraw(world, owner_of(account), account, SETTLEMENT, amount, to)


MODELS: Mapping[str, Callable[..., None]] = {
    "set_margin": set_margin,
    "set_feed": set_feed,
    "set_pool": set_pool,
    "set_caps": set_caps,
    "set_limits": set_limits,
    "set_signer": set_signer,
    "withdraw_surplus": withdraw_surplus,
}


# ---- chain ---------------------------------------------------------------------------------------


def send(house: House, name: str, args: tuple[Any, ...]) -> None:
    """Send an owner's action."""
    if name == "set_margin":
        house.configurator.send(OWNER, "set_margin_params", args[0], astuple(args[1]))
    elif name == "set_feed":
        values = list(astuple(args[1]))
        values[0], values[1] = values[0] * TICK_WAD, values[1] * TICK_WAD
        house.configurator.send(OWNER, "set_feed_params", args[0], tuple(values))
    elif name == "set_pool":
        house.pool.send(OWNER, "set_params", args[0], astuple(args[1]))
    elif name == "set_caps":
        house.clearinghouse.send(OWNER, "set_caps", house.tokens[args[0]].address, *args[1:])
    elif name == "set_signer":
        seat = source_address(args[0]) if args[1] else 0
        house.configurator.send(OWNER, "set_signer", args[0], seat)
    else:
        house.fund.send(OWNER, name, *args)


# ---- choice --------------------------------------------------------------------------------------


def choose(rng: Random, world: World) -> tuple[str, tuple[Any, ...]]:
    """Return an action of an owner: around what stands, now and then too far."""
    name = rng.choice(tuple(MODELS))
    market = rng.choice(list(world.pool_params))
    if name == "set_margin":
        return name, (market, _margin(rng, world.markets[market].margin))
    if name == "set_feed":
        return name, (market, _feed(rng, world.markets[market].feed))
    if name == "set_pool":
        return name, (market, _pool(rng, world.pool_params[market]))
    if name == "set_caps":
        token = rng.choice(list(world.collaterals))
        # so that some of what is held counts for less
        most = max(2, 2 * world.tokens[token].tracked // world.tokens[token].unit)
        return name, (token, max(1, world.tokens[token].hard_cap), rng.randint(1, most))
    if name == "set_limits":
        return name, (rng.randint(0, WAD), rng.randint(0, WAD))
    if name == "set_signer":
        return name, (LAST_SIGNER, LAST_SIGNER not in world.signer_times)
    cash = world.account(world.setup.insurance_account).cash
    atoms = max(0, cash) // world.setup.scale // rng.choice((3, 10, 100))
    return name, (max(1, atoms), OWNER)


def _margin(rng: Random, p: MarginParams) -> MarginParams:
    return replace(
        p,
        base=max(20 * BP, p.base + rng.choice((-5, 5, 5, 50)) * BP),
        mm_ratio=min(80, max(40, p.mm_ratio * 100 // WAD + rng.randint(-3, 3))) * WAD // 100,
        oi_max=rng.choice((3, 5, 6)) * WAD // 2,
        oi_lo=rng.choice((4, 8, 12)) * WAD // 16,
    )


def _feed(rng: Random, p: FeedParams) -> FeedParams:
    return replace(
        p,
        jump_0=rng.choice((2, 3, 5)) * WAD // 100,
        jump_rate=rng.choice((3, 5, 8)) * BP,
        confirm_delay=rng.choice((3, 5, 8)),
        conf_cap=rng.choice((5, 10, 20)) * WAD // 1_000,
        stable_growth=rng.choice((10, 20, 40)) * WAD // 100,
        stable_tau=rng.choice((900, 1_800, 3_600)),
        sigma_ref=rng.choice((6, 8, 11)) * WAD // 10,
        v_max=rng.choice((5, 6, 8)) * WAD // 2,
        v_step=rng.choice((4, 10, 20)) * WAD // 100,
    )


def _pool(rng: Random, p: PoolParams) -> PoolParams:
    return replace(
        p,
        scale=p.scale * rng.choice((9, 10, 11)) // 10 // WAD * WAD,
        spread_min=rng.choice((3, 4, 5, 6)) * BP,
        fee=rng.choice((0, 5, 8)) * BP,
        liquidation_fee=rng.choice((20, 30)) * BP,
        keeper_rate=rng.choice((10, 15)) * BP,
        mu=rng.choice((40, 80)) * WAD // 100,
    )
