"""From a record to the figures that the table, the page and the exit code show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from keepers.domain.units import WAD
from keepers.lab.records import (
    FLAG,
    REDUCE,
    TAKE,
    WRITE_OFF,
    BadDebt,
    Breach,
    Liquidation,
    Record,
    usd,
)

GWEI: Final = 10**9


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle, the slow end and the slowest of some measurements."""

    count: int
    p50: float
    p95: float
    most: float


@dataclass(frozen=True, slots=True)
class Group:
    """What became of one kind of account."""

    name: str
    accounts: int
    liquidated: int
    start_equity: float
    end_equity: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What one role of keepers spent."""

    role: str
    transactions: int
    reverted: int
    gas: int
    native: float
    reasons: tuple[tuple[str, int], ...]  # why they reverted, the most frequent first


@dataclass(frozen=True, slots=True)
class Swing:
    """The largest step between two accepted prices of a market."""

    market: str
    size: float
    time: int
    fall: float  # deepest fall from a high in the whole replay


@dataclass(frozen=True, slots=True)
class Debt:
    """One loss beyond an account's equity."""

    account: str
    time: int
    amount: float
    market: str
    move: float
    rate: float
    inside: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that is printed; dollars."""

    title: str
    seed: int
    passed: bool
    failures: tuple[str, ...]
    accounts: int
    tight: int
    tight_in_band: int
    orders: int
    steps: int
    skipped_steps: int
    thinned: int
    blocks: int
    setup_s: float
    replay_s: float
    reduces_full: int
    reduces_partial: int
    takes_full: int
    takes_partial: int
    write_offs: int
    flags: int
    liquidated: int
    notional_closed: float
    breaches: int
    recovered: int
    missed: int
    response_blocks: Spread
    response_ms: Spread
    closing_blocks: Spread
    ack_ms: Spread
    equity_at_risk: float
    equity_kept: float
    liquidation_cost: float
    keeper_pay: float
    pool_start: float
    pool_end: float
    insurance_start: float
    insurance_end: float
    insurance_paid: float
    deficit: float
    bad_inside: float
    bad_outside: float
    largest_bad_move: float
    debts: tuple[Debt, ...]
    families: int
    avoided: int
    cross_in_families: int
    isolated_in_families: int
    groups: tuple[Group, ...]
    costs: tuple[Cost, ...]
    swings: tuple[Swing, ...]
    killed: tuple[tuple[int, str], ...]
    longest_auction_s: int
    still_in_auction: int
    proofs: tuple[tuple[str, int, bool, str], ...]

    @property
    def kept_share(self) -> float:
        """Return how much of the equity at the moment of liquidation its owners kept."""
        return self.equity_kept / self.equity_at_risk if self.equity_at_risk else 1.0

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {**asdict(self), "kept_share": self.kept_share}


def summarise(record: Record) -> Summary:
    """Return the figures of a replay."""
    done = record.liquidations
    liquidated = {each.account for each in done}
    tight = [each for each in record.people if each.tight and not each.isolated]
    first, last = record.frames[0], record.frames[-1]
    return Summary(
        title=record.title,
        seed=record.seed,
        passed=not record.failures,
        failures=tuple(record.failures),
        accounts=len(record.people),
        tight=len(tight),
        tight_in_band=sum(1.0 <= each.start_ratio <= 1.3 for each in tight),
        orders=record.orders,
        steps=record.steps,
        skipped_steps=record.skipped_steps,
        thinned=record.thinned,
        blocks=last.block - first.block + 1,
        setup_s=record.setup_s,
        replay_s=record.replay_s,
        liquidated=len(liquidated),
        **_counts(done),
        **_closed(done),
        **_breaches(record),
        pool_start=usd(record.pool_start),
        pool_end=usd(record.pool_end),
        insurance_start=usd(record.insurance_start),
        insurance_end=usd(record.insurance_end),
        insurance_paid=usd(sum(each.insurance for each in done)),
        deficit=usd(record.deficit),
        bad_inside=usd(sum(each.amount for each in record.bad_inside)),
        bad_outside=usd(sum(each.amount for each in record.bad_debts if not each.inside)),
        largest_bad_move=max((each.move for each in record.bad_debts), default=0.0),
        debts=tuple(map(_debt, record.bad_debts)),
        **_families(record, liquidated),
        groups=tuple(_groups(record, liquidated)),
        costs=tuple(_costs(record)),
        swings=tuple(_swings(record)),
        killed=tuple(record.killed),
        longest_auction_s=record.longest_auction_s,
        still_in_auction=record.still_in_auction,
        proofs=tuple((each.when, each.block, each.ok, each.said) for each in record.proofs),
    )


def _counts(done: Iterable[Liquidation]) -> dict[str, Any]:
    kinds = Counter((each.kind, each.full) for each in done)
    return {
        "reduces_full": kinds[REDUCE, True],
        "reduces_partial": kinds[REDUCE, False],
        "takes_full": kinds[TAKE, True],
        "takes_partial": kinds[TAKE, False],
        "write_offs": kinds[WRITE_OFF, True],
    }


def _closed(done: Sequence[Liquidation]) -> dict[str, Any]:
    risk, cost = at_risk(done)
    return {
        "notional_closed": usd(sum(each.notional for each in done)),
        "equity_at_risk": usd(risk),
        "equity_kept": usd(risk - cost),
        "liquidation_cost": usd(cost),
        "keeper_pay": usd(sum(each.pay for each in done)),
    }


def _breaches(record: Record) -> dict[str, Any]:
    ended = answered(record.breaches)
    return {
        "flags": sum(each.outcome == FLAG for each in record.breaches),
        "breaches": len(record.breaches),
        "recovered": sum(each.outcome == "recovered" for each in record.breaches),
        "missed": len(record.missed),
        "response_blocks": spread(each.blocks for each in ended),
        "response_ms": spread(each.milliseconds for each in ended),
        "closing_blocks": spread(
            each.acted_block - each.block for each in record.breaches if each.acted_block
        ),
        "ack_ms": spread(record.ack_ms.get("liquidator", [])),
    }


def _debt(bad: BadDebt) -> Debt:
    account, amount = hex(bad.account), usd(bad.amount)
    return Debt(account, bad.time, amount, bad.market, bad.move, bad.rate, bad.inside)


def answered(breaches: Iterable[Breach]) -> list[Breach]:
    """Return the breaches that a liquidation ended."""
    return [each for each in breaches if each.answered]


def spread(values: Iterable[float]) -> Spread:
    """Return median, 95th percentile and maximum, by nearest rank."""
    ordered = sorted(values)
    if not ordered:
        return Spread(0, 0.0, 0.0, 0.0)
    return Spread(len(ordered), rank(ordered, 0.5), rank(ordered, 0.95), ordered[-1])


def rank(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def at_risk(done: Iterable[Liquidation]) -> tuple[int, int]:
    """Return equity before the first liquidation of each account, and what all of them cost it.

    An account below zero had nothing to keep: it counts with nothing in both.
    """
    risk: dict[int, int] = {}
    cost: dict[int, int] = {}
    for each in done:
        before, after = max(0, each.equity_before), max(0, each.equity_after)
        risk.setdefault(each.account, before)
        cost[each.account] = cost.get(each.account, 0) + max(0, before - after)
    return sum(risk.values()), sum(min(risk[name], cost[name]) for name in risk)


def _families(record: Record, liquidated: set[int]) -> dict[str, Any]:
    """Return how often one margin saved what separate ones lost."""
    twins: dict[int, list[int]] = {}
    for person in record.people:
        if person.family is not None:
            twins.setdefault(person.family, []).append(person.id)
    fell = {
        cross: (record.people[cross].id in liquidated, sum(twin in liquidated for twin in members))
        for cross, members in twins.items()
    }
    return {
        "families": len(fell),
        "avoided": sum(not cross and twins_hit > 0 for cross, twins_hit in fell.values()),
        "cross_in_families": sum(cross for cross, _ in fell.values()),
        "isolated_in_families": sum(twins_hit for _, twins_hit in fell.values()),
    }


def _groups(record: Record, liquidated: set[int]) -> Iterable[Group]:
    names = sorted({each.kind for each in record.people if not each.isolated})
    for name in [*names, "isolated twins"]:
        members = [
            each
            for each in record.people
            if (each.isolated if name == "isolated twins" else each.kind == name)
            and each.isolated == (name == "isolated twins")
        ]
        if members:
            yield Group(
                name,
                len(members),
                sum(each.id in liquidated for each in members),
                usd(sum(each.start_equity for each in members)),
                usd(sum(each.end_equity for each in members)),
            )


def _costs(record: Record) -> Iterable[Cost]:
    for role in ("publisher", "executor", "liquidator"):
        members = [each for each in record.spent if each.role == role]
        yield Cost(
            role,
            sum(each.transactions for each in members),
            sum(each.reverted for each in members),
            sum(each.gas for each in members),
            sum(each.wei for each in members) / WAD,
            tuple(sum((each.reasons for each in members), Counter()).most_common()),
        )


def _swings(record: Record) -> Iterable[Swing]:
    for symbol, move in sorted(record.moves.items()):
        yield Swing(symbol, move.size, move.time, _fall(record, symbol))


def _fall(record: Record, symbol: str) -> float:
    high, worst = 0.0, 0.0
    for frame in record.frames:
        price = frame.prices.get(symbol, 0.0)
        high = max(high, price)
        worst = max(worst, 1 - price / high if high else 0.0)
    return worst
