"""R6, stages 1 to 3: the clock, partial closes and takeovers, as docs/spec/liquidation.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from tests.reference import closing, insurance, ledger, margin, pool
from tests.reference.closing import Close
from tests.reference.facts import Account, Health, Holding, Leg
from tests.reference.fixed import ceil_div, floor_div, trunc_div
from tests.reference.refused import require
from tests.reference.state import World, owner_of
from tests.reference.units import (
    AGE_MM,
    CLOCK_MEMORY,
    CLOCK_STEP,
    DUST,
    T_SLOW,
    WAD,
)
from tests.reference.words import market_of

# the reward curve: seconds of live time, share of MM
CURVE = ((0, 0), (300, WAD // 2), (1_800, 3 * WAD // 2))
# how long a plan holds [s], and how far a part may end over LE beyond it, as a share of LE
AHEAD = 12
TOLERANCE = WAD // 500
GRID = WAD // 1_000_000
# a part leaves at least this share of everything
LEAST_REST = WAD // 1_000
BONUS_SHARE = 100


# ---- clock ---------------------------------------------------------------------------------------


def delta(live: int) -> int:
    """Return the share of MM that a buyer is offered after `live` seconds [WAD]."""
    for (t0, d0), (t1, d1) in pairwise(CURVE):
        if live < t1:
            return d0 + (d1 - d0) * (live - t0) // (t1 - t0)
    return CURVE[-1][1]


def live_at(world: World, account_id: int, health: Health) -> int:
    """Return the live seconds that a call finds now."""
    live, last = world.clocks.get(account_id, (0, 0))
    running = world.account(account_id).in_auction
    away = world.now - (max(last, health.resume) if running else last)
    if away > CLOCK_MEMORY:
        return 0
    return live + min(CLOCK_STEP, max(0, away)) if running else live


def concession(world: World, account_id: int) -> int:
    """Return how much of the MM released a close on the Exchange may cost an account [WAD]."""
    live, last = world.clocks.get(account_id, (0, 0))
    return 0 if world.now > last + CLOCK_MEMORY else delta(live)


def _require_liquidatable(world: World, account_id: int, health: Health) -> None:
    require(health.equity < health.mm, "liquidator: not below mm")
    require(margin.liquidation_open(health), "liquidator: closed")
    require(not _sheltered(world, account_id), "liquidator: house")


def _sheltered(world: World, account_id: int) -> bool:
    """Return whether an account is never liquidated."""
    return world.account(account_id).house


def flag(world: World, account_id: int, reports: ledger.Reports) -> int:
    """Start or continue the auction of an account under MM, end that of one above LE."""
    ledger.update(world, reports)
    health = world.health(account_id)
    running = world.account(account_id).in_auction
    if running and health.equity >= health.le:
        ledger.set_auction(world, account_id, False)
        return 0
    _require_liquidatable(world, account_id, health)
    live = live_at(world, account_id, health)
    world.clocks[account_id] = (live, world.now)
    ledger.set_auction(world, account_id, True)
    return live


# ---- reduce --------------------------------------------------------------------------------


def planned(world: World, account_id: int, instrument: int, before: Health, size: int) -> Close:
    """Return the close that a call with `size` makes."""
    _require_liquidatable(world, account_id, before)
    require(not world.account(account_id).engaged, "liquidator: take only")
    held = world.account(account_id).size(instrument)
    require(held != 0, "liquidator: no such leg")
    market = world.markets[market_of(instrument)]
    require(world.now <= market.publish + AGE_MM, "liquidator: stale price")
    most = min(abs(held), closing.capacity_left(world, market_of(instrument)))
    require(most != 0, "liquidator: no capacity")
    desk = closing.desk_of(world, account_id, instrument, before)
    found = closing.bounded(desk, min(size, most), most)
    require(found.lots != 0, "liquidator: too small")
    if found.gap < 0 and 0 < size < most:
        taker = -most if held > 0 else most
        room = closing.liquidation_room(world, instrument, taker)
        require(size >= room, "liquidator: too small")
    return found


def _post_of_close(
    world: World, account_id: int, keeper: int, instrument: int, found: Close, pay: int
) -> ledger.Post:
    legs = world.account(account_id).legs
    sizes = tuple(-found.taker if leg.instrument == instrument else 0 for leg in legs)
    return ledger.Post(
        account=account_id,
        counterparty=world.setup.pool_account,
        keeper=keeper,
        sizes=sizes,
        amounts=(),
        cash=0,
        quote=found.quote,
        fee=found.fee,
        liquidation_fee=found.liquidation_fee,
        pay=pay,
        insurance=0,
        tilt=found.tilt,
        auction=found.gap < 0,
    )


@dataclass(frozen=True, slots=True)
class Reduced:
    """What a reduce did."""

    close: Close
    pay: int
    posted: ledger.Posted


def reduce(
    world: World,
    account_id: int,
    instrument: int,
    size: int,
    min_pay: int,
    keeper: int,
    deadline: int,
    reports: ledger.Reports,
) -> Reduced:
    """Close just enough of a leg against the pool to bring the account up to LE."""
    venue = world.setup.pool_account
    require(world.now <= deadline, "liquidator: expired")
    own = owner_of(keeper) == owner_of(account_id) or keeper == venue
    require(not own, "liquidator: keeper")
    ledger.update(world, reports)
    account = world.account(account_id)
    before = world.health(account_id)
    found = planned(world, account_id, instrument, before, size)
    pay = closing.pay_of(before, found)
    require(pay >= min_pay, "liquidator: pay too low")

    held = account.size(instrument)
    venue_size = world.account(venue).size(instrument)
    live = live_at(world, account_id, before)
    post = _post_of_close(world, account_id, keeper, instrument, found, pay)
    posted = ledger.post(world, post)
    market = market_of(instrument)
    slack = world.markets[market].price + 2 * found.lots
    _require_reduced(before, posted.after, slack, closed=found.lots == abs(held))
    ledger.confirm(world, pool.Ask(instrument, found.taker, held, venue_size, liquidation=True))
    closing.use_capacity(world, market, found.lots)
    if account.in_auction or found.gap < 0:
        world.clocks[account_id] = (live, world.now)
    return Reduced(found, pay, posted)


def _require_reduced(before: Health, after: Health, slack: int, closed: bool) -> None:
    require(closed or after.equity <= after.le + slack, "liquidator: overshoot")
    cheap = 2 * (before.equity - after.equity) <= before.mm - after.mm
    require(cheap, "liquidator: cost")


# ---- take: slice ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deal:
    """A slice of an account: what moves, what is paid for it, LE of the rest as if in debt."""

    sizes: tuple[int, ...]
    amounts: tuple[int, ...]
    cash: int
    quote: int
    payment: int
    le: int


@dataclass(frozen=True, slots=True)
class Case:
    """An account below MM, the reward that its clock offers, and that AHEAD seconds on."""

    account: Account
    health: Health
    live: int
    reward: int
    later: int
    key: int = 0


def case_of(world: World, account_id: int) -> Case:
    """Return the case that a call finds now."""
    health = world.health(account_id)
    live = live_at(world, account_id, health)
    now, later = (delta(each) * health.mm // WAD for each in (live, live + AHEAD))
    return Case(world.account(account_id), health, live, now, later, account_id)


def payment_of(case: Case, fraction: int, reward: int) -> int:
    """Return what the buyer pays the account, rounded up [WAD]."""
    return ceil_div(fraction * max(0, case.health.equity - reward), WAD)


def cut(account: Account, fraction: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the lots and atoms that move, each toward zero."""
    sizes = tuple(trunc_div(leg.size * fraction, WAD) for leg in account.legs)
    amounts = tuple(held.amount * fraction // WAD for held in account.collateral)
    return sizes, amounts


def rest_of(account: Account, fraction: int) -> Account:
    """Return what a part leaves, with the cash and quote of the whole."""
    sizes, amounts = cut(account, fraction)
    legs = zip(account.legs, sizes, strict=True)
    held = zip(account.collateral, amounts, strict=True)
    return replace(
        account,
        legs=tuple(Leg(leg.instrument, leg.size - lots) for leg, lots in legs),
        collateral=tuple(Holding(each.id, each.amount - atoms) for each, atoms in held),
    )


def deal_of(world: World, case: Case, fraction: int) -> Deal:
    """Cut a fraction of everything, worth exactly floor(fraction E) to the account."""
    account, health = case.account, case.health
    payment = payment_of(case, fraction, case.reward)
    sizes, amounts = cut(account, fraction)
    if fraction == WAD:
        return Deal(sizes, amounts, account.cash, account.quote, payment, 0)
    left = rest_of(account, fraction)
    if account.engaged:
        return _engaged_deal(world, case, fraction, (sizes, amounts), left)
    marks = health.unsettled - margin.unsettled(left, world.markets, world.now)
    value = margin.gross_value(account, world.markets, world.collaterals) - margin.gross_value(
        left, world.markets, world.collaterals
    )
    profit = floor_div(health.unsettled * fraction, WAD)
    quote = profit - marks
    cash = floor_div(health.equity * fraction, WAD) - profit - value
    le = margin.check(left, world.markets, world.collaterals, world.now).le
    return Deal(sizes, amounts, cash, quote, payment, le)


def _engaged_deal(
    world: World,
    case: Case,
    fraction: int,
    moved: tuple[tuple[int, ...], tuple[int, ...]],
    left: Account,
) -> Deal:
    """Cut a part of an account of the engine: what stays behind is worth what a check says."""
    health, kept = case.health, world.rest_of(case.key, fraction, left)
    marks = health.unsettled - kept.unsettled
    value = health.equity - kept.equity - marks
    profit = floor_div(health.unsettled * fraction, WAD)
    cash = floor_div(health.equity * fraction, WAD) - profit - value
    payment = payment_of(case, fraction, case.reward)
    return Deal(*moved, cash, profit - marks, payment, kept.le)


def after(account: Account, deal: Deal, fraction: int) -> Account:
    """Return what a part leaves, the payment received."""
    cash = account.cash - deal.cash + deal.payment
    return replace(rest_of(account, fraction), cash=cash, quote=account.quote - deal.quote)


def gap(world: World, case: Case, fraction: int, reward: int) -> int:
    """Return how far above LE a part at a reward leaves the rest [WAD]."""
    deal = deal_of(world, replace(case, reward=reward), fraction)
    rest = after(case.account, deal, fraction)
    health = world.rest_of(case.key, fraction, rest)
    return health.equity - health.le


# ---- take: how much ------------------------------------------------------------------------------


def gross(world: World, account: Account, key: int = 0) -> int:
    """Return the gross notional of the legs and the value of the collateral [WAD]."""
    elsewhere = sum(value for _, value in world.held_elsewhere(key, account))
    return (
        elsewhere
        + pool.gross_notional(account, world.markets)
        + margin.gross_value(account, world.markets, world.collaterals)
    )


def largest_market(world: World, account: Account, key: int = 0) -> int:
    """Return the market of the largest leg, the first of equals, 0 without legs."""
    best, largest = 0, 0
    for leg in account.legs:
        notional = abs(leg.size) * world.markets[market_of(leg.instrument)].price
        if notional > largest:
            best, largest = market_of(leg.instrument), notional
    for market, notional in world.held_elsewhere(key, account):
        if notional > largest:
            best, largest = market, notional
    return best


def no_part_helps(health: Health, equity: int, reward: int) -> bool:
    """Return whether a part of the account could not leave the rest healthier."""
    return equity < 0 or reward * health.mm > equity * (health.mm - health.kappa)


def slack(case: Case, share: int) -> int:
    """Return a share of LE before the call [WAD]."""
    return case.health.le * share // WAD


def largest_part(world: World, case: Case, margin_wad: int) -> int:
    """Return the largest fraction below 1 if it ends by a margin above LE AHEAD seconds on, or 0.

    0: everything is due.
    """
    if no_part_helps(case.health, case.health.equity - margin_wad, case.later):
        return 0
    value = gross(world, case.account, case.key)
    if value < DUST:
        return 0
    rest = max(LEAST_REST, ceil_div(DUST * WAD, value))
    largest = (WAD - rest) // GRID * GRID
    return largest if gap(world, case, largest, case.later) >= margin_wad else 0


def planned_fraction(world: World, case: Case) -> int:
    """Return the fraction that a plan proposes [WAD]."""
    aim = slack(case, TOLERANCE // 2)
    low, high = 0, largest_part(world, case, aim) // GRID
    if high == 0:
        return WAD
    while high - low > 1:
        middle = (low + high) // 2
        if gap(world, case, middle * GRID, case.later) < aim:
            low = middle
        else:
            high = middle
    return high * GRID


class TakePlan(NamedTuple):
    """As ILiquidator.TakePlan."""

    status: int
    fraction: int = 0
    reward: int = 0
    payment: int = 0
    insurance: int = 0
    live_time: int = 0


def plan_take(world: World, account_id: int) -> TakePlan:
    """Return what the view plans for an account in this block."""
    case = case_of(world, account_id)
    if case.account.empty:
        return TakePlan(closing.NO_LEG)
    if case.health.equity >= case.health.mm:
        return TakePlan(closing.NOT_BELOW_MM)
    if case.account.house or not margin.liquidation_open(case.health):
        return TakePlan(closing.CLOSED)
    fraction = planned_fraction(world, case)
    covered = 0
    if fraction == WAD:
        offered = insurance.offer(world, asked(world, case))
        covered = offered.deficit + offered.bonus
    payment = payment_of(case, fraction, case.reward)
    return TakePlan(0, fraction, case.reward, payment, covered, case.live)


# ---- take: call ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """What a take did."""

    deal: Deal
    case: Case
    paid: int
    deficit: int
    posted: ledger.Posted


def require_fraction(world: World, case: Case, fraction: int) -> None:
    """Refuse a fraction of the wrong kind; whether a part fits is seen after the move."""
    require(0 < fraction <= WAD, "liquidator: fraction")
    if fraction == WAD:
        due = largest_part(world, case, slack(case, TOLERANCE)) == 0
        require(due, "liquidator: overshoot")
    else:
        due = no_part_helps(case.health, case.health.equity, case.reward)
        require(not due, "liquidator: take all")


def asked(world: World, case: Case) -> insurance.Cover:
    """Return what the taker of everything asks of the fund."""
    equity = case.health.equity
    bonus = max(0, case.reward - max(0, equity))
    if equity >= 0:
        late = case.live >= T_SLOW
        bonus = min(bonus, gross(world, case.account, case.key) // BONUS_SHARE) if late else 0
    return insurance.Cover(largest_market(world, case.account, case.key), max(0, -equity), bonus)


def overshoot(case: Case, fraction: int) -> int:
    """Return how far above LE a part may leave the rest [WAD]."""
    return fraction * (case.later - case.reward) // WAD + slack(case, TOLERANCE)


def _require_rest(world: World, account_id: int, le: int, over: int, after: Health) -> None:
    require(after.equity >= after.le, "liquidator: too small")
    require(after.equity <= max(le, after.le) + over, "liquidator: overshoot")
    left = gross(world, world.account(account_id), account_id)
    require(left >= DUST, "liquidator: dust")


def take(
    world: World,
    caller: int,
    account_id: int,
    buyer: int,
    fraction: int,
    max_payment: int,
    min_insurance: int,
    deadline: int,
    reports: ledger.Reports,
) -> Taken:
    """Take over a fraction of everything, at its equity less the reward of the clock."""
    require(world.now <= deadline, "liquidator: expired")
    stranger = owner_of(buyer) == caller and owner_of(buyer) != owner_of(account_id)
    require(stranger, "liquidator: buyer")
    ledger.update(world, reports)
    case = case_of(world, account_id)
    _require_liquidatable(world, account_id, case.health)
    require(not case.account.empty, "liquidator: nothing to take")
    require_fraction(world, case, fraction)
    deal = deal_of(world, case, fraction)
    require(deal.payment <= max_payment, "liquidator: payment too high")
    paid, short = (0, 0)
    if fraction == WAD:
        paid, short = _draw(world, asked(world, case))
    require(paid >= min_insurance, "liquidator: insurance too low")
    part = fraction if case.account.engaged else 0
    post = replace(_post_of_take(account_id, buyer, deal, paid, short), part=part)
    posted = ledger.post(world, post)
    if fraction != WAD:
        over = overshoot(case, fraction)
        _require_rest(world, account_id, deal.le, over, posted.after)
    if case.account.in_auction:
        world.clocks[account_id] = (case.live, world.now)
    deficit = ledger.write_off(world, account_id, 0) if short else 0
    return Taken(deal, case, paid, deficit, posted)


def _draw(world: World, cover: insurance.Cover) -> tuple[int, int]:
    """Return what the fund pays the buyer, and what of the deficit stays on the account."""
    if cover.deficit + cover.bonus == 0:
        return 0, 0
    drawn = insurance.draw(world, cover)
    return drawn.deficit + drawn.bonus, cover.deficit - drawn.deficit


def _post_of_take(account_id: int, buyer: int, deal: Deal, paid: int, short: int) -> ledger.Post:
    return ledger.Post(
        account=account_id,
        counterparty=buyer,
        keeper=buyer,
        sizes=deal.sizes,
        amounts=deal.amounts,
        cash=deal.cash - deal.payment + short,
        quote=deal.quote,
        fee=0,
        liquidation_fee=0,
        pay=0,
        insurance=paid,
        tilt=ledger.KEEP_TILT,
        auction=False,
    )


# ---- write off -----------------------------------------------------------------------------------


def write_off(world: World, account_id: int) -> int:
    """Clear the debt of an account with nothing left; return the deficit booked [WAD]."""
    account = world.account(account_id)
    owed = -account.cash - account.quote
    require(account.empty and owed > 0, "liquidator: not written off")
    drawn = insurance.draw(world, insurance.Cover(0, owed, 0))
    return ledger.write_off(world, account_id, drawn.deficit)
