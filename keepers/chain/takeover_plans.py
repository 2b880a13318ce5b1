"""Plans of keepers by hand: take a slice over, close against the pool, start the clock."""

from __future__ import annotations

from typing import Any, Final

from keepers.chain import option_books
from keepers.chain.desk import Desk, View
from keepers.chain.plans import Plan
from keepers.domain import effects, liquidation
from keepers.domain.amounts import written_lots, written_ticks, written_wad
from keepers.domain.effects import Fill
from keepers.domain.liquidation import (
    DRIFT,
    OK,
    ReducePlan,
    TakePlan,
    after_take,
    plan_of,
    take_profit,
)
from keepers.domain.margin import STATUS_GRACE, Health
from keepers.domain.slices import left_over
from keepers.domain.times import when
from keepers.domain.units import WAD, ceil_div
from keepers.domain.words import account_id
from keepers.errors import KeeperError, Reverted

DEADLINE_S: Final = 300
# docs/spec/liquidation.md#plan-status
REASONS: Final = {
    liquidation.NOT_BELOW: "liquidator: not below mm",
    liquidation.CLOSED: "liquidator: closed",
    liquidation.NO_CAPACITY: "liquidator: no capacity",
    liquidation.NO_ROOM: "pool: margin",
    liquidation.TOO_DEAR: "liquidator: cost",
}


async def take(
    desk: Desk,
    account: int,
    buyer: int,
    fraction: int | None = None,
    max_payment: int | None = None,
    deadline: int | None = None,
) -> Plan:
    """Plan to take a fraction of everything that an account under maintenance holds.

    Args:
        desk: where it is planned.
        account: under maintenance.
        buyer: the owner's account that receives the slice.
        fraction: WAD; the least that is due where none is given.
        max_payment: most that the buyer pays [USD WAD]; the plan's and what funding may move.
        deadline: last second [unix s]; the settings' lifetime from now.
    """
    view = await desk.look(account, buyer)
    plan = await _take_plan(desk, view, account)
    if fraction is not None:
        plan = _other_fraction(plan, view.health(account).equity, fraction)
    exact = view.health(account)
    moved = await option_books.share(
        desk.reader, view.accounts[account], exact, view.at, plan.fraction, view.head.number
    )
    after = after_take(view.accounts[buyer], view.accounts[account], exact, plan, view.at, moved)
    (change,) = await desk.exact(view, [view.change(after)])
    if change.health_after.equity < change.health_after.im:
        short = change.health_after.im - change.health_after.equity
        raise KeeperError(
            f"{desk.name(buyer)} would end {written_wad(short)} USD below its initial margin",
            "deposit more first, or take with another account",
        )
    what = f"take {desk.name(account)}"
    spare = ceil_div(exact.le, DRIFT)  # what funding moves before it is mined
    most = plan.payment + spare if max_payment is None else max_payment
    if plan.payment > most:
        raise KeeperError(
            f"{what} costs {written_wad(plan.payment)} USD now, above the {written_wad(most)} that "
            "you would pay",
            "wait, since the reward grows, or pay more",
        )
    until = view.head.time + desk.settings.lifetime_s if deadline is None else deadline
    bounds = (most, max(0, plan.insurance - spare), until)
    arguments = (account, buyer, plan.fraction, *bounds)
    left = left_over(view.accounts[account], view.at, plan.fraction, plan.payment, moved)
    return await desk.plan(
        "take",
        f"{what} over with {desk.name(buyer)}",
        view,
        [desk.draft(what, "Liquidator", "take", *arguments)],
        changes=(change, view.change(left)),
        facts={
            "fraction": written_wad(plan.fraction),
            "payment_usd": written_wad(plan.payment),
            "limit_usd": written_wad(most),
            "insurance_usd": written_wad(plan.insurance),
            "profit_usd": written_wad(take_profit(exact, plan)),
            "auction_s": str(plan.live_time),
        },
    )


async def reduce(desk: Desk, account: int, instrument: int, keeper: int) -> Plan:
    """Plan to close as much of a leg against the pool as brings an account to LE, for the pay."""
    pool = account_id(desk.deployment.address("LiquidityPool"))
    view = await desk.look(account, keeper, pool)
    asked = (account, instrument)
    said = await desk.struct("Lens", "preview_reduce", *asked, block=view.head.number)
    plan: ReducePlan = plan_of(ReducePlan, said)
    _require(plan.status, "liquidator: no such leg", view.health(account))
    held = effects.size_of(view.accounts[account], instrument)
    size = -plan.size if held > 0 else plan.size
    costs = said["fee"] + said["liquidation_fee"] + plan.pay
    fill = Fill(
        instrument, size, plan.price, costs, effects.size_of(view.accounts[pool], instrument)
    )
    at = effects.traded(view.accounts[account], fill, view.at)
    after = effects.filled(view.accounts[account], fill, view.at)
    what = f"reduce {desk.name(account)}"
    arguments = (account, instrument, plan.size, 0, keeper, view.head.time + DEADLINE_S)
    return await desk.plan(
        "reduce",
        f"{what} for {desk.name(keeper)}",
        view,
        [desk.draft(what, "Liquidator", "reduce", *arguments)],
        changes=(
            view.change(after, at),
            view.change(effects.paid(view.accounts[keeper], quote=plan.pay), at),
        ),
        facts={
            "size": written_lots(size),
            "price_usd": written_ticks(plan.price),
            "pay_usd": written_wad(plan.pay),
        },
    )


async def flag(desk: Desk, account: int) -> Plan:
    """Plan to start or continue the clock of an account under maintenance."""
    view = await desk.look(account)
    what = f"flag {desk.name(account)}"
    step = desk.draft(what, "Liquidator", "flag", account)
    changes = (view.change(view.accounts[account]),)
    return await desk.plan("flag", what, view, [step], changes=changes)


async def _take_plan(desk: Desk, view: View, account: int) -> TakePlan:
    said: Any = await desk.struct("Lens", "preview_take", account, block=view.head.number)
    plan: TakePlan = plan_of(TakePlan, said)
    _require(plan.status, "liquidator: nothing to take", view.health(account))
    return plan


def _require(status: int, nothing: str, found: Health) -> None:
    if status == liquidation.CLOSED and found.status & STATUS_GRACE:
        raise KeeperError(
            f"liquidations wait until {when(found.resume)}, after an outage or in a pause",
            "try again then",
        )
    if status != OK:
        raise Reverted(REASONS.get(status, nothing))


def _other_fraction(plan: TakePlan, equity: int, fraction: int) -> TakePlan:
    """Return the plan for a fraction of the buyer's own choice; the contract judges it."""
    payment = ceil_div(fraction * max(0, equity - plan.reward), WAD)
    whole = fraction == WAD
    return TakePlan(
        status=plan.status,
        fraction=fraction,
        reward=plan.reward,
        payment=payment,
        insurance=plan.insurance if whole and plan.fraction == WAD else 0,
        live_time=plan.live_time,
    )
