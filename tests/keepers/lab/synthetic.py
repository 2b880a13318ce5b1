"""A record as a replay would leave it, made up: for charts and tables without a chain."""

from __future__ import annotations

import math
import random

from keepers.domain.units import WAD
from keepers.lab.records import (
    REDUCE,
    TAKE,
    Books,
    Breach,
    Frame,
    Liquidation,
    Move,
    Person,
    Record,
    Spent,
)
from keepers.lab.replay import crash

ACCOUNTS = 60
TWINS = 12
OWNER = 0xABCD << 140


def account(position: int) -> int:
    return (OWNER + position) << 96 | (1 if position >= ACCOUNTS - TWINS else 0)


def record(heartbeat: int = 60) -> Record:
    rng = random.Random(1)
    path = crash(heartbeat)
    made = Record(path.title, 7)
    made.people = [_person(position) for position in range(ACCOUNTS)]
    starts = [rng.uniform(1.5, 9) for _ in range(ACCOUNTS)]
    first = path.steps[0].prices
    for number, step in enumerate(path.steps):
        fall = step.prices["ETH"] / first["ETH"] - 1
        ratios = tuple(
            math.nan if position == 5 else start * (1 + fall * (1.5 if position % 3 else -0.5))
            for position, start in enumerate(starts)
        )
        made.frames.append(
            Frame(
                time=step.time,
                block=number * 2,
                wall_ms=number * 60.0,
                prices={symbol: ticks / 1e10 for symbol, ticks in step.prices.items()},
                nav=10_000_000 - 400_000 * fall,
                insurance=500_000 - 20_000 * fall,
                deficit=0.0,
                equity=5e6,
                under=sum(ratio < 1 for ratio in ratios),
                ratios=ratios,
                vols={symbol: 1.0 for symbol in step.prices},
            )
        )
    for position in (0, 3, 7, ACCOUNTS - 2, ACCOUNTS - 5):
        time = path.steps[100 + 7 * position % 100].time
        made.liquidations.append(liquidation(position, REDUCE, time))
        made.breaches.append(breach(position, REDUCE, 1 + position % 2))
    made.liquidations.append(liquidation(3, TAKE, path.steps[180].time, full=True))
    made.moves = {"ETH": Move("ETH", 0.021, path.start + 600)}
    made.spent = [Spent("publisher", "publisher-1", 100, 2, 9_000_000, 10**16)]
    made.proofs = [Books("after the crash", 400, True, "31 equations hold")]
    made.killed = [(path.steps[110].time, "publisher-2"), (path.steps[110].time, "liquidator-1")]
    made.pool_start, made.pool_end = 10_000_000 * WAD, 10_100_000 * WAD
    made.insurance_start, made.insurance_end = 500_000 * WAD, 505_000 * WAD
    made.steps, made.orders, made.replay_s, made.setup_s = len(path.steps), 90, 61.0, 12.0
    made.ack_ms = {"liquidator": [8.0, 9.0, 30.0]}
    return made


def _person(position: int) -> Person:
    twin = position >= ACCOUNTS - TWINS
    return Person(
        id=account(position),
        kind="basket" if twin or position % 2 else "directional",
        tight=position % 3 == 0,
        isolated=twin,
        family=(position - (ACCOUNTS - TWINS)) // 2 if twin else None,
        start_ratio=1.2,
        start_equity=(position + 1) * 1_000 * WAD,
        end_equity=(position + 1) * 900 * WAD,
    )


def liquidation(position: int, kind: str, time: int, *, full: bool = False) -> Liquidation:
    return Liquidation(
        kind=kind,
        account=account(position),
        time=time,
        block=time % 1_000,
        tx="0x",
        by="0x",
        equity_before=800 * WAD,
        equity_after=780 * WAD,
        mm_before=900 * WAD,
        mm_after=500 * WAD,
        full=full,
        notional=20_000 * WAD,
        market="ETH",
        pay=3 * WAD,
        insurance=0,
        deficit=0,
    )


def breach(position: int, outcome: str, blocks: int) -> Breach:
    return Breach(
        account=account(position),
        block=10,
        time=100,
        wall_ms=5.0,
        equity=800 * WAD,
        mm=900 * WAD,
        rates={"ETH": 0.025},
        end_block=10 + blocks,
        end_time=102,
        end_wall_ms=5.0 + 20 * blocks,
        outcome=outcome,
    )
