"""What to do about an account under maintenance: reduce, take, flag, settle, write off, or wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keepers.domain.economics import (
    GAS_FLAG,
    GAS_REDUCE,
    GAS_SETTLE,
    GAS_TAKE,
    GAS_TAKE_LEG,
    GAS_WRITE_OFF,
    GasMarket,
)
from keepers.domain.exchange_orders import SignedOrder
from keepers.domain.margin import Health, Snapshot, health, merged, value_of
from keepers.domain.scan import Candidate
from keepers.domain.slices import portion, slice_of
from keepers.domain.units import WAD, ceil_div
from keepers.domain.words import Account

OK, NOT_BELOW, CLOSED, NOTHING, NO_CAPACITY, NO_ROOM, TOO_DEAR = range(7)

# The planned size with room for what other closes in the block do to the price: the call itself
# finds the fewest lots, and refuses only a size that binds before them.
SIZE_ROOM_PERCENT = 5
# A flag counts at most 300 s of live time since the last one.
FLAG_AGAIN_S = 240
# Of LE: what funding moves E by while a plan of a take holds (liquidation.md#ahead).
DRIFT = 1_000


@dataclass(frozen=True, slots=True)
class ReducePlan:
    """What `plan_reduce` says of one leg."""

    status: int
    instrument: int
    size: int  # lots that the call closes
    target: int  # c*, before capacity and room
    limit: int  # what to pass as size
    price: int  # ticks
    pay: int  # USD WAD


@dataclass(frozen=True, slots=True)
class TakePlan:
    """What `plan_take` says of an account."""

    status: int
    fraction: int  # WAD
    reward: int  # r, USD WAD
    payment: int
    insurance: int
    live_time: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the keeper lets itself do [USD WAD]."""

    take: bool
    max_take: int
    max_inventory: int
    min_profit: int
    headroom: int = 0  # of IM, WAD: what the keeper's own equity keeps above it


@dataclass(frozen=True, slots=True)
class Reduce:
    """Close lots of a leg against the pool."""

    account: int
    instrument: int
    size: int  # lots
    notional: int  # USD WAD, what it uses of the block's capacity
    min_pay: int
    profit: int


@dataclass(frozen=True, slots=True)
class Take:
    """Take a slice of everything over."""

    account: int
    fraction: int
    max_payment: int
    min_insurance: int
    profit: int
    engaged: bool = False  # the engine answers for one of the two: the chain judges the margin
    legs: int = 0  # that the engine keeps of the two


@dataclass(frozen=True, slots=True)
class Close:
    """Fill a maker's signed order against the account."""

    account: int
    order: SignedOrder
    size: int  # lots
    cost: int  # what the account loses by it, below 0: gains [USD WAD]
    released: int  # of its MM [USD WAD]
    profit: int  # of who brings it [USD WAD]
    legs: int = 0  # that the engine keeps of the two

    @property
    def asked(self) -> int:
        """Return what it costs of the MM released, up [WAD]."""
        return ceil_div(self.cost * WAD, self.released) if self.released > 0 else 0


@dataclass(frozen=True, slots=True)
class Flag:
    """Start the clock, or count its time."""

    account: int
    profit: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Settle an account that holds nothing: its quote alone keeps it under maintenance."""

    account: int
    profit: int


@dataclass(frozen=True, slots=True)
class WriteOff:
    """Book the deficit of an account that holds nothing."""

    account: int
    profit: int


Action = Reduce | Take | Close | Flag | Settle | WriteOff


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that is known about one candidate."""

    candidate: Candidate
    reduces: Sequence[ReducePlan]
    take: TakePlan | None
    clock_last: int  # time of the last call that found E < MM


def plan_of(kind: type[Any], answer: Mapping[str, Any]) -> Any:
    """Return the plan of this kind from a view's struct, further fields left out."""
    return kind(**{name: answer[name] for name in kind.__dataclass_fields__})


def gross(account: Account, at: Snapshot) -> int:
    """Return the notional of the legs and the value of the collateral [USD WAD].

    Options and futures count with the price of their market, as in `Options.notional`.
    """
    held = (*account.legs, *account.options)
    total = sum(abs(leg.size) * at.feeds[leg.market].price for leg in held)
    for holding in account.holdings:
        collateral = at.collaterals[holding.collateral]
        total += value_of(collateral, holding.amount, at.feeds[collateral.feed].price)
    return total


def after_take(
    buyer: Account,
    account: Account,
    exact: Health,
    plan: TakePlan,
    at: Snapshot,
    moved: Account | None = None,
) -> Account:
    """Return the buyer's account after a take as planned.

    Args:
        buyer: who takes.
        account: that is taken.
        exact: its health.
        plan: of the take.
        at: prices.
        moved: what the chain says that it moves, where that is more than perps.
    """
    part = moved or slice_of(account, exact, at, plan.fraction)
    joined = merged(buyer, part)
    left = uncovered(exact, plan.insurance)
    return replace(joined, cash=joined.cash - plan.payment + plan.insurance + left)


def uncovered(exact: Health, insurance: int) -> int:
    """Return what of a deficit the fund does not pay: it stays behind, not with the buyer."""
    return max(0, -exact.equity - insurance)


def take_profit(exact: Health, plan: TakePlan) -> int:
    """Return what a take brings at the marks: the slice's worth, less its price [USD WAD]."""
    worth = exact.equity * plan.fraction // WAD + uncovered(exact, plan.insurance)
    return worth - plan.payment + plan.insurance


def decide(
    case: Case, buyer: Account | None, at: Snapshot, limits: Limits, gas: GasMarket
) -> Action | None:
    """Return the best thing to do about one account, None to leave it for now."""
    account = case.candidate.account
    if not account.legs and not account.holdings and not account.engaged:
        if case.candidate.health.equity < 0:
            return WriteOff(account.id, -gas.usd(GAS_WRITE_OFF))
        return Settle(account.id, -gas.usd(GAS_SETTLE))
    reduce = best_reduce(case, gas)
    if reduce is not None and reduce.profit >= limits.min_profit:
        return reduce
    take = best_take(case, buyer, at, limits, gas)
    if take is not None:
        return take
    waiting = any(plan.status == NO_CAPACITY for plan in case.reduces)
    return None if waiting else _flag(case, at, gas)


def best_reduce(case: Case, gas: GasMarket) -> Reduce | None:
    """Return the close that pays most."""
    usable = [plan for plan in case.reduces if plan.status == OK and plan.size > 0]
    if not usable:
        return None
    plan = max(usable, key=lambda each: each.pay)
    leg = next(leg for leg in case.candidate.account.legs if leg.instrument == plan.instrument)
    size = plan.limit
    if plan.size >= plan.target:
        size = max(size, plan.target * (100 + SIZE_ROOM_PERCENT) // 100)
    return Reduce(
        account=case.candidate.account.id,
        instrument=plan.instrument,
        size=min(abs(leg.size), size),
        notional=plan.size * plan.price,
        min_pay=0,
        profit=plan.pay - gas.usd(GAS_REDUCE),
    )


def best_take(
    case: Case, buyer: Account | None, at: Snapshot, limits: Limits, gas: GasMarket
) -> Take | None:
    """Return the take as planned if it pays and the buyer's own account carries it."""
    plan, target = case.take, case.candidate
    if not limits.take or buyer is None or plan is None or plan.status != OK:
        return None
    engaged = buyer.engaged or target.account.engaged
    legs = len(buyer.options) + len(target.account.options)
    profit = take_profit(target.health, plan) - gas.usd(GAS_TAKE + legs * GAS_TAKE_LEG)
    if profit < limits.min_profit or buyer.owner == target.account.owner:
        return None
    moved = gross(target.account, at) * plan.fraction // WAD
    joined = merged(buyer, portion(target.account, plan.fraction))
    if moved > limits.max_take or gross(joined, at) > limits.max_inventory:
        return None
    if not engaged:
        after = after_take(buyer, target.account, target.health, plan, at)
        if not has_headroom(health(after, at), limits.headroom):
            return None
    # Until the plan is too old the reward only rises: payment and insurance get worse by funding
    # alone, and so does what moves. Beyond that, what is earned above the least may go.
    spare = profit - limits.min_profit + ceil_div(target.health.le, DRIFT)
    return Take(
        account=target.account.id,
        fraction=plan.fraction,
        max_payment=plan.payment + spare,
        min_insurance=max(0, plan.insurance - spare),
        profit=profit,
        engaged=engaged,
        legs=legs,
    )


def has_headroom(found: Health, headroom: int) -> bool:
    """Return whether E stands above IM by a share of it [WAD]."""
    return found.equity * WAD >= found.im * (WAD + headroom)


def _flag(case: Case, at: Snapshot, gas: GasMarket) -> Flag | None:
    """Return a flag when the clock does not run, or is about to lose time."""
    running = case.candidate.account.in_auction
    if running and at.now - case.clock_last < FLAG_AGAIN_S:
        return None
    return Flag(case.candidate.account.id, -gas.usd(GAS_FLAG))


def one_take(actions: Iterable[Action]) -> list[Action]:
    """Return the actions with no second take where options are in one of them.

    What the buyer looks like after the first only the chain knows then.
    """
    kept: list[Action] = []
    for action in actions:
        taken = [each for each in kept if isinstance(each, Take)]
        if isinstance(action, Take) and taken and any(each.engaged for each in (*taken, action)):
            continue
        kept.append(action)
    return kept


def within_capacity(
    actions: Iterable[Action], capacity: Mapping[int, int], used: dict[int, int]
) -> list[Action]:
    """Return the actions that still fit into this block, market by market.

    Args:
        actions: best first.
        capacity: what a block takes per market [USD WAD].
        used: what this block has taken already; updated.
    """
    kept: list[Action] = []
    for action in actions:
        if isinstance(action, Reduce):
            market = action.instrument >> 56
            taken = used.get(market, 0)
            if taken and taken + action.notional > capacity.get(market, 0):
                continue
            used[market] = taken + action.notional
        kept.append(action)
    return kept
