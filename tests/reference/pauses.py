"""R11: what the guardian may pause and tighten, as docs/spec/pauses.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tests.reference.refused import require
from tests.reference.state import SETTLEMENT, World, cap
from tests.reference.units import DAY, GRACE, GRACE_MAX, OPENING

# IRiskConfigurator.Action
STOP_OPENING, STOP_LIQUIDATION, STOP_POOL_DEPOSITS, STOP_DEPOSITS = 1, 2, 4, 8
MARKET_ACTIONS = (STOP_OPENING, STOP_LIQUIDATION)
ACTIONS = (*MARKET_ACTIONS, STOP_POOL_DEPOSITS, STOP_DEPOSITS)
GRACED = (STOP_LIQUIDATION, STOP_DEPOSITS)
MAX_PAUSE = 7 * DAY
REST = 3


def pause_of(world: World, action: int, market: int) -> tuple[int, int, int]:
    """Return begin and end of a scope's last pause, and when the guardian may begin another."""
    start, until = world.pauses.get((action, market), (0, 0))
    # the grace that follows a pause of liquidations is part of it
    end = until + GRACE_MAX if action in GRACED and until else until
    return start, until, end + REST * (end - start)


def marked(world: World, markets: int) -> Iterable[int]:
    """Return the listed markets whose bit is set."""
    return [key for key in sorted(world.markets) if markets >> key & 1]


def require_guardian(world: World, caller: int) -> None:
    """Refuse everybody but guardian and owner."""
    require(caller in (world.guardian, world.owner), "guardian: not the guardian")


def pause(world: World, caller: int, action: int, markets: int, duration: int) -> None:
    """Pause an action from now on, make a running pause longer or shorter, or end it."""
    require_guardian(world, caller)
    if action in MARKET_ACTIONS:
        for market in marked(world, markets):
            if _note(world, caller, action, market, duration):
                _hold(world, market, action)
        return
    require(action in ACTIONS, "guardian: no action")
    if not _note(world, caller, action, 0, duration):
        return
    until = world.pauses[action, 0][1]
    if action == STOP_POOL_DEPOSITS:
        world.pool_paused_until = until
        return
    for market in world.markets:
        _hold(world, market, STOP_LIQUIDATION)
    cap(world, SETTLEMENT, world.tokens[SETTLEMENT].hard_cap, until)


def _note(world: World, caller: int, action: int, market: int, duration: int) -> bool:
    """Hold a pause to its length and its scope to its rest; return whether anything changes."""
    start, until, rested = pause_of(world, action, market)
    guarded = caller != world.owner
    if world.now >= until:
        if duration == 0:
            return False
        require(not guarded or world.now >= rested, "guardian: rests")
        start = world.now
        world.owners_pauses.discard((action, market))
    elif guarded and (action, market) in world.owners_pauses:
        require(world.now + duration >= until, "guardian: the owner's pause")
    until = world.now + duration
    within = duration <= MAX_PAUSE and (not guarded or until <= start + MAX_PAUSE)
    require(within, "guardian: too long")
    world.pauses[action, market] = (start, until)
    if not guarded:
        world.owners_pauses.add((action, market))
    return True


def _hold(world: World, market: int, action: int) -> None:
    """Bring a market's words to what is paused there."""
    facts = world.markets[market]
    if action == STOP_OPENING:
        until = world.pauses[action, market][1]
        world.markets[market] = replace(facts, flags=facts.flags | OPENING, opening_until=until)
        return
    ends = (pause_of(world, STOP_LIQUIDATION, market)[1], pause_of(world, STOP_DEPOSITS, 0)[1])
    resume = max(world.now, *ends) + GRACE_MAX
    world.markets[market] = replace(facts, flags=facts.flags | GRACE, grace_until=resume)


def lower_cap(world: World, caller: int, market: int, oi_cap: int) -> None:
    """Lower a market's cap of open interest [USD WAD]."""
    require_guardian(world, caller)
    require(market in world.markets, "markets: unknown market")
    facts = world.markets[market]
    require(oi_cap <= facts.margin.oi_cap, "guardian: only lowers")
    world.markets[market] = replace(facts, margin=replace(facts.margin, oi_cap=oi_cap))


def lower_token_caps(world: World, caller: int, token: int, hard: int, soft: int) -> None:
    """Lower the caps of a collateral [whole tokens]."""
    require_guardian(world, caller)
    facts = world.tokens[token]
    lower = token != SETTLEMENT and hard <= facts.hard_cap and soft <= facts.soft_cap
    require(lower, "guardian: only lowers")
    cap(world, token, hard, soft)
