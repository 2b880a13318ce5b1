"""What the Liquidator's views answer, worked out here: docs/spec/liquidation.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from keepers.backtest.rules import BONUS_SHARE, DUST, T_SLOW, delta
from keepers.domain.liquidation import (
    NO_CAPACITY,
    NO_ROOM,
    OK,
    TOO_DEAR,
    ReducePlan,
    TakePlan,
    gross,
)
from keepers.domain.margin import Health, Snapshot, health
from keepers.domain.planning import Pool, closed, fill_price
from keepers.domain.slices import left_over
from keepers.domain.units import WAD, ceil_div, mul_up
from keepers.domain.words import Account, Leg

AHEAD: Final = 12
TOLERANCE: Final = WAD // 500
GRID: Final = WAD // 1_000_000
LEAST_REST: Final = WAD // 1_000


# ---- reduce ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Close:
    """A close of some lots of a leg: the account after it and the pay."""

    lots: int
    price: int
    pay: int
    after: Account
    covered: bool  # h >= 0


def close_of(account: Account, leg: Leg, lots: int, at: Snapshot, pool: Pool) -> Close:
    """Close lots of a leg against the pool, the keeper's pay as docs/spec says."""
    feed, terms = at.feeds[leg.market], pool.terms[leg.market]
    skew, flat = -pool.size(leg.instrument), at.terms.kappa_flat
    left = closed(account, leg, lots, skew, feed, terms)
    found, before = health(left, at), health(account, at)
    part = terms.keeper_rate * (lots * feed.price) // WAD
    covered = found.equity - flat >= found.le
    pay = flat
    if not covered:
        need = max(0, before.le - before.equity)
        # `found` bears the part that grows with the lots already
        missing = max(0, found.le - found.equity - part)
        pay = flat * (need - min(need, missing)) // need if need else 0
    size = lots if leg.size < 0 else -lots
    price = fill_price(feed.price, skew, size, terms)
    return Close(lots, price, pay + part, replace(left, quote=left.quote - pay), covered)


def _covers(account: Account, leg: Leg, lots: int, at: Snapshot, pool: Pool) -> bool:
    """Return whether E meets LE after a close and the whole pay: h >= 0."""
    terms, skew = pool.terms[leg.market], -pool.size(leg.instrument)
    found = health(closed(account, leg, lots, skew, at.feeds[leg.market], terms), at)
    return found.equity - at.terms.kappa_flat >= found.le


def fewest_lots(account: Account, leg: Leg, most: int, at: Snapshot, pool: Pool) -> Close:
    """Return c*: the fewest lots with which E meets LE, `most` if none do; no dust remains."""
    price, held = at.feeds[leg.market].price, abs(leg.size)
    lots = least(lambda each: _covers(account, leg, each, at, pool), most)
    if 0 < (held - lots) * price < DUST:
        lots = held if most == held else max(0, held - ceil_div(DUST, price))
    return close_of(account, leg, lots, at, pool)


def least(holds: Callable[[int], bool], most: int) -> int:
    """Return the least number from 1 on for which this holds, `most` if it does for none."""
    low, high = 0, most
    if not holds(most):
        return most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def plan_reduce(
    account: Account, leg: Leg, at: Snapshot, pool: Pool, left: int
) -> tuple[ReducePlan, Close | None]:
    """Return what `plan_reduce` says of a leg, and the close.

    Args:
        account: under MM.
        leg: of it.
        at: prices.
        pool: the other side.
        left: of the block's capacity in this market [USD WAD].
    """
    price = at.feeds[leg.market].price
    most = min(abs(leg.size), left // price)
    if not most:
        return ReducePlan(NO_CAPACITY, leg.instrument, 0, 0, 0, price, 0), None
    found = fewest_lots(account, leg, most, at, pool)
    status = _verdict(account, leg, found, at, pool) if found.lots else NO_CAPACITY
    room = found.lots + found.lots // 1_000 + 1
    plan = ReducePlan(status, leg.instrument, found.lots, found.lots, room, found.price, found.pay)
    return plan, found if status == OK else None


def _verdict(account: Account, leg: Leg, found: Close, at: Snapshot, pool: Pool) -> int:
    before, after = health(account, at), health(found.after, at)
    cheap = 2 * (before.equity - after.equity) <= before.mm - after.mm
    if not cheap or after.equity * before.mm < before.equity * after.mm:
        return TOO_DEAR
    return OK if stands(pool_after(leg, found, at, pool), leg, at, pool) else NO_ROOM


def pool_after(leg: Leg, found: Close, at: Snapshot, pool: Pool) -> Account:
    """Return the pool's account after a close."""
    size = found.lots if leg.size < 0 else -found.lots
    return met(pool.account, leg.instrument, size, found.price, at)


def met(venue: Account, instrument: int, size: int, price: int, at: Snapshot) -> Account:
    """Return the pool's account after a fill of the taker's `size` at a price."""
    before = next((leg.size for leg in venue.legs if leg.instrument == instrument), 0)
    rest = tuple(leg for leg in venue.legs if leg.instrument != instrument)
    legs = (*rest, Leg(instrument, before - size)) if before != size else rest
    gained = size * (price - at.feeds[instrument >> 56].funding)
    return replace(venue, legs=legs, quote=venue.quote + gained)


def stands(after: Account, leg: Leg, at: Snapshot, pool: Pool) -> bool:
    """Return whether the pool stands by a forced fill: E >= MM, and its leg falls or has room."""
    found = health(after, at)
    size = next((each.size for each in after.legs if each.instrument == leg.instrument), 0)
    if found.equity < found.mm:
        return False
    if abs(size) <= abs(pool.size(leg.instrument)):
        return True
    premium = 0
    for each in after.legs:
        value = each.size * at.feeds[each.market].price
        premium += ceil_div(value * value, 2 * pool.terms[each.market].scale)
    worth = max(0, found.equity - premium)
    value = abs(size) * at.feeds[leg.market].price
    return value * WAD <= pool.terms[leg.market].lambda_ * worth


# ---- take ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """An account under MM, the reward that its clock offers now and AHEAD seconds on."""

    account: Account
    health: Health
    at: Snapshot
    live: int

    def reward(self, ahead: int = 0) -> int:
        """Return r, now or later [USD WAD]."""
        return delta(self.live + ahead) * self.health.mm // WAD

    def payment(self, fraction: int, reward: int) -> int:
        """Return what the buyer pays the account, rounded up [USD WAD]."""
        return mul_up(fraction, max(0, self.health.equity - reward))

    def gap(self, fraction: int, reward: int) -> int:
        """Return how far above LE a part at a reward leaves the rest [USD WAD]."""
        paid = self.payment(fraction, reward)
        found = health(left_over(self.account, self.at, fraction, paid), self.at)
        return found.equity - found.le


def fraction_of(case: Case) -> int:
    """Return the fraction that a plan proposes [WAD]."""
    aim = case.health.le * (TOLERANCE // 2) // WAD
    later = case.reward(AHEAD)
    high = _largest(case, aim, later) // GRID
    if not high:
        return WAD
    return least(lambda each: case.gap(each * GRID, later) >= aim, high) * GRID


def _largest(case: Case, aim: int, later: int) -> int:
    """Return the largest part that ends by `aim` above LE, 0 where everything is due."""
    found = case.health
    equity = found.equity - aim
    if equity < 0 or later * found.mm > equity * (found.mm - found.kappa):
        return 0
    value = gross(case.account, case.at)
    if value < DUST:
        return 0
    rest = max(LEAST_REST, ceil_div(DUST * WAD, value))
    largest = (WAD - rest) // GRID * GRID
    return largest if case.gap(largest, later) >= aim else 0


def asked(case: Case) -> tuple[int, int]:
    """Return what the taker of everything asks of the fund: deficit and bonus [USD WAD]."""
    equity, reward = case.health.equity, case.reward()
    bonus = max(0, reward - max(0, equity))
    if equity >= 0:
        late = case.live >= T_SLOW
        bonus = min(bonus, gross(case.account, case.at) // BONUS_SHARE) if late else 0
    return max(0, -equity), bonus


def plan_take(case: Case, offered: Callable[[Case], tuple[int, int]]) -> TakePlan:
    """Return what `plan_take` says; `offered` is the fund's answer to a case."""
    fraction, insurance = fraction_of(case), 0
    if fraction == WAD:
        insurance = sum(offered(case))
    payment = case.payment(fraction, case.reward())
    return TakePlan(OK, fraction, case.reward(), payment, insurance, case.live)
