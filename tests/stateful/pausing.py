"""F2 and F3: what pauses may stop and for how long, and that the guardian only tightens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.reference import ledger
from tests.reference.ledger import Trade
from tests.reference.pauses import MAX_PAUSE, STOP_DEPOSITS, STOP_LIQUIDATION, pause_of
from tests.reference.refused import Refused
from tests.reference.state import SETTLEMENT, World, owner_of
from tests.reference.units import GRACE, GRACE_MAX, MAX_PRICE, OPENING
from tests.reference.words import market_of
from tests.stateful.guarding import GUARDIAN_OPS
from tests.stateful.house import OWNER
from tests.stateful.step import Step

# ---- F2 ------------------------------------------------------------------------------------------


def never_trapped(step: Step) -> None:
    """F2: pauses stop what they say, as long as they may, and nothing of what leaves."""
    _require_lengths(step)
    _require_stopped(step)
    world = step.after
    if any(world.now < until for _, until in world.pauses.values()):
        free = unpaused(world)
        for key in step.touched:
            for probe in probes(world, key):
                assert outcome(world, probe) == outcome(free, probe), probe


def unpaused(world: World) -> World:
    """Return the world as it would be had nobody paused anything."""
    free = world.copy()
    free.checked = {}
    free.pauses, free.pool_paused_until = {}, 0
    free.tokens[SETTLEMENT] = replace(free.tokens[SETTLEMENT], soft_cap=0)
    for key, market in free.markets.items():
        free.markets[key] = replace(market, flags=market.flags & ~OPENING)
    return free


def probes(world: World, key: int) -> Iterator[tuple[str, Any]]:
    """Yield what an owner may want to do to get out: leave, settle, reduce; or cure."""
    account, owner = world.account(key), owner_of(key)
    if account.house or key in (world.setup.insurance_account, world.setup.waiting_account):
        return
    for token in (SETTLEMENT, *(held.id for held in account.collateral)):
        yield "withdraw", (owner, key, token, 1, owner)
    yield "settle", (key,)
    if world.now >= world.pauses.get((STOP_DEPOSITS, 0), (0, 0))[1]:
        yield "deposit", (owner, key, SETTLEMENT, 1)
    for leg in account.legs[:1]:
        limit = 0 if leg.size > 0 else MAX_PRICE
        venue = owner_of(world.setup.pool_account)
        yield "trade", (Trade(key, venue, leg.instrument, -leg.size, limit, True),)


def outcome(world: World, probe: tuple[str, Any]) -> str:
    """Return why the reference refuses a probe, nothing where it does not."""
    name, args = probe
    try:
        getattr(ledger, name)(world.copy(), *args)
    except Refused as refused:
        return refused.reason
    return ""


def _require_lengths(step: Step) -> None:
    """Require that pauses end in time, and rest in between unless the owner says so."""
    before, world = step.before, step.after
    for scope, (start, until) in world.pauses.items():
        old_start, old_until, rested = pause_of(before, *scope)
        if (start, until) == (old_start, old_until):
            continue
        assert step.op.name == "pause" and scope[0] == step.op.args[0]
        assert world.now <= until <= world.now + MAX_PAUSE
        if step.op.caller != OWNER:
            assert until <= start + MAX_PAUSE
            assert world.now >= rested or (world.now < old_until and start == old_start)
    for key, market in world.markets.items():
        # the first price after a pause ends it
        if market.publish != before.markets[key].publish and world.now >= market.opening_until:
            assert market.flags & OPENING == 0
    if world.now < world.pauses.get((STOP_DEPOSITS, 0), (0, 0))[1]:
        ends = [market.grace_until for market in world.markets.values() if market.flags & GRACE]
        assert len(ends) == len(world.markets) and min(ends) > world.now


def _require_stopped(step: Step) -> None:
    """Require that nothing opened, nobody was liquidated and nothing came in where it is paused."""
    world, start = step.after, step.start
    for event in step.named("Filled"):
        size, change = event["account_size"], event["size"]
        grew = abs(size) > abs(size - change) or size * (size - change) < 0
        assert not grew or start.markets[market_of(event["instrument"])].flags & OPENING == 0
    paused = world.pauses.get((STOP_DEPOSITS, 0), (0, 0))[1]
    if step.op.name == "deposit" and step.op.args[1] == SETTLEMENT:
        assert world.now >= paused or world.tokens[SETTLEMENT].soft_cap == 0
    for name in ("Flagged", "Reduced", "Taken"):
        for event in step.named(name):
            held = feeds(start, event["account"])
            # who holds nothing has nothing to be taken
            assert not held or world.now >= paused + (GRACE_MAX if paused else 0)
            for feed in held:
                until = world.pauses.get((STOP_LIQUIDATION, feed), (0, 0))[1]
                assert world.now >= until + (GRACE_MAX if until else 0)


def feeds(world: World, key: int) -> set[int]:
    """Return the markets whose prices an account hangs on."""
    account = world.account(key)
    legs = {market_of(leg.instrument) for leg in account.legs}
    return legs | {world.collaterals[held.id].feed for held in account.collateral}


# ---- F3 ------------------------------------------------------------------------------------------


def only_tightens(step: Step) -> None:
    """F3, the guardian's part: caps never rise, nobody's E falls, nobody's LE or MM rises."""
    if step.op.name not in GUARDIAN_OPS:
        return
    start, world = step.start, step.after
    assert world.accounts == start.accounts
    for key, token in world.tokens.items():
        old = start.tokens[key]
        assert token.hard_cap <= old.hard_cap
        assert key == SETTLEMENT or token.soft_cap <= old.soft_cap
        assert token.tracked == old.tracked
    for key, market in world.markets.items():
        old_margin = start.markets[key].margin
        assert market.margin.oi_cap <= old_margin.oi_cap
        assert replace(market.margin, oi_cap=0) == replace(old_margin, oi_cap=0)
    for key in world.accounts:
        old_health, health = step.healths(key)
        assert health.equity == old_health.equity
        assert (health.le, health.mm) == (old_health.le, old_health.mm)
        assert health.im >= old_health.im
