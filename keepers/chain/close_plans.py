"""Plans of bids for liquidations: a maker's order that closes a leg, and orders that are brought.

docs/spec/exchange.md#close. A bid is a signed order like any other; what is special is its price,
which follows from what the account may lose by it, and that anyone brings it to `Exchange.close`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from keepers.chain import exchange_plans as plans
from keepers.chain.closing import Fit, Try, fit, taken
from keepers.chain.desk import Desk, View
from keepers.chain.exchange_plans import Wish
from keepers.chain.marks import marks_and_bands
from keepers.chain.option_books import all_healths
from keepers.chain.plans import Change, Plan
from keepers.chain.transactions import Draft
from keepers.domain import closes
from keepers.domain import exchange_fills as fills
from keepers.domain.amounts import written_lots, written_ticks, written_wad
from keepers.domain.exchange_fills import Mark
from keepers.domain.exchange_orders import Leg, Order, Rates, SignedOrder, told
from keepers.domain.margin import STATUS_GRACE, Health, Snapshot
from keepers.domain.times import when
from keepers.domain.units import WAD
from keepers.domain.words import Account
from keepers.errors import BadInput, KeeperError, Reverted

PERCENT: Final = WAD // 100
NO_WISH: Final = Wish()


@dataclass(frozen=True, slots=True)
class _Brought:
    """An order brought to an account, and what both are then."""

    leg: Leg
    account: Account
    maker: Account
    at: Snapshot
    found: Fit


# ---- a bid


async def bid(
    desk: Desk,
    target: int,
    wanted: Leg,
    maker: int,
    conceded: int | None = None,
    wish: Wish = NO_WISH,
) -> Order:
    """Return an order that closes a leg of an account, as it would be signed.

    Args:
        desk: where it is planned.
        target: account to close a leg of.
        wanted: instrument, lots to close (0: the whole leg) and price; 0: by `conceded`.
        maker: own account that takes the leg over.
        conceded: what the account may lose of the MM released [WAD]; what it concedes now if left
            out. The price is inside the band in any case.
        wish: as of any order.

    Raises:
        BadInput: the account does not hold so much of it.
    """
    view = await desk.look(target)
    account, block = view.accounts[target], view.head.number
    size = closes.held(account, wanted.instrument)
    lots = abs(wanted.size) or abs(size)
    name = told(replace(wanted, size=1, price=0), desk.deployment.symbols).partition(":")[0]
    if not size or lots > abs(size):
        raise BadInput(
            f"{desk.name(target)} holds {written_lots(abs(size))} {name}, not {written_lots(lots)}"
            if size
            else f"{desk.name(target)} holds no {name}",
            "`plimsoll account` shows what it holds",
        )
    marks = await marks_and_bands(desk.reader, [wanted.instrument], view.head.time, block)
    mine = Leg(wanted.instrument, lots if size > 0 else -lots, wanted.price)
    if not mine.price:
        share = await concession(desk, target, block) if conceded is None else conceded
        mine = await _priced(desk, view, account, mine, marks[mine.instrument], share)
    return await plans.order(desk, maker, [mine], wish)


async def _priced(
    desk: Desk, view: View, account: Account, mine: Leg, mark: Mark, share: int
) -> Leg:
    """Return a maker's leg at the price that costs an account a share of the MM released."""
    at_mark = replace(mine, price=mark.mark, size=-mine.size)
    after = closes.closed(account, at_mark, view.at)
    before, then = await all_healths(desk.reader, [account, after], view.at, view.head.number)
    room = closes.most_cost(share, before.mm - then.mm) - (before.equity - then.equity)
    return replace(mine, price=closes.worst_price(at_mark, mark, room))


async def concession(desk: Desk, target: int, block: int) -> int:
    """Return what the stored clock of an account concedes of the MM released [WAD]."""
    (found,) = await desk.reader.one("Liquidator", "concession", target, block=block)
    return int(found)


async def outlook(desk: Desk, made: Order, target: int) -> Plan:
    """Plan nothing: show both accounts as if the order were brought now, and what forbids it."""
    view = await desk.look(target, made.account)
    conceded = await concession(desk, target, view.head.number)
    mark = await _mark(desk, made, view)
    rates = await plans.rates(desk)
    lots = min(made.size, abs(closes.held(view.accounts[target], made.legs[0].instrument)))
    brought = await _brought(desk, view, made, target, lots, mark, rates)
    facts = {**plans.terms(desk, made), **_facts(brought, mark, conceded)}
    said = f"bid to close {_what(desk, brought.leg)} of {desk.name(target)}"
    changes = _changes(view, {target: brought.account, made.account: brought.maker}, brought.at)
    plan = await desk.plan("bid", said, view, [], changes=changes, facts=facts)
    reason = _refused(view, made, target, brought, mark, rates, conceded)
    reason = reason or _makers(plan.changes[1], brought.leg, view.accounts[made.account])
    note = () if reason is None else (f"it would not close now: {Reverted(reason).what}",)
    return replace(plan, notes=(*plan.notes, *note))


# ---- bringing bids


async def bring(
    desk: Desk, target: int, given: Sequence[SignedOrder], size: int | None = None
) -> Plan:
    """Plan to close legs of an account under MM against makers' signed orders, in this order.

    Args:
        desk: where it is planned; anybody may bring orders, and is paid nothing.
        target: account under maintenance.
        given: orders of one leg each that rest.
        size: lots of each; as much as is left, held and needed if left out.

    Raises:
        Reverted: the contracts would refuse one of them, with their reason.
    """
    if not given:
        raise BadInput("no order was named", "name files with signed lines")
    view = start = await desk.look(target, *(each.order.account for each in given))
    known = await concession(desk, target, view.head.number), await plans.rates(desk)
    steps: list[Draft] = []
    facts: dict[str, str] = {}
    for place, each in enumerate(given, 1):
        view, leg, told_of = await _next(desk, view, target, each, size, known)
        what = f"close {_what(desk, leg)} of {desk.name(target)}"
        lots = abs(leg.size)
        steps.append(desk.draft(what, "Exchange", "close", target, each.struct, lots))
        tag = f"_{place}" if len(given) > 1 else ""
        facts |= {f"{name}{tag}": said for name, said in told_of.items()}
    ids = dict.fromkeys((target, *(each.order.account for each in given)))
    changes = _changes(start, {id_: view.accounts[id_] for id_ in ids}, view.at)
    said = "; ".join(step.key for step in steps)
    return await desk.plan("close-against", said, start, steps, changes=changes, facts=facts)


async def _next(
    desk: Desk,
    view: View,
    target: int,
    given: SignedOrder,
    size: int | None,
    known: tuple[int, Rates],
) -> tuple[View, Leg, dict[str, str]]:
    """Return what an order leaves of a view, the leg as the account gets it, and the facts."""
    order, (conceded, rates) = given.order, known
    reason = closes.unfit(order, view.head.time)
    reason = reason or closes.unwelcome(order, target, 1 if size is None else size)
    if reason is not None:
        raise Reverted(reason)
    left, mark = await _remaining(desk, given), await _mark(desk, order, view)
    lots = _lots(size, taken(order, view.accounts[target], left), left)
    asked = (order, target, lots, mark, rates)
    brought = await _brought(desk, view, *asked, exact=size is not None)
    reason = _refused(view, order, target, brought, mark, rates, conceded)
    if reason is not None:
        raise _said(reason, brought.found.before)
    pair = {target: brought.account, order.account: brought.maker}
    after = replace(view, accounts={**view.accounts, **pair}, at=brought.at)
    return after, brought.leg, _facts(brought, mark, conceded)


def _lots(size: int | None, there: int, left: int) -> int:
    if size is None:
        # nothing to close is refused with the contract's reason
        return there or min(left, 1)
    if size > left:
        raise BadInput(f"{written_lots(left)} are left of the order", "bring that, or less")
    return size


async def _remaining(desk: Desk, given: SignedOrder) -> int:
    found = await plans.standing(desk, given)
    if found.state not in ("open", "partly filled"):
        raise KeeperError(f"the order cannot be filled: {found.said}", "ask for another one")
    return found.remaining


async def _mark(desk: Desk, order: Order, view: View) -> Mark:
    instrument = order.legs[0].instrument
    head = view.head
    return (await marks_and_bands(desk.reader, [instrument], head.time, head.number))[instrument]


async def _brought(
    desk: Desk,
    view: View,
    order: Order,
    target: int,
    lots: int,
    mark: Mark,
    rates: Rates,
    exact: bool = True,
) -> _Brought:
    """Return what an order does: of exactly so many lots, or of no more than are needed."""
    account, maker = view.accounts[target], view.accounts[order.account]
    given = Try(account, order, lots, mark)
    if exact:
        states = [account, given.after(lots, view.at)]
        found = Fit(lots, *await all_healths(desk.reader, states, view.at, view.head.number))
    else:
        (found,) = await fit(desk.reader, [given], view.at, view.head.number)
    leg = closes.leg_of(order, found.lots)
    fee = fills.fee(rates, [leg], {leg.instrument: mark}, takes=False)
    return _Brought(leg, *closes.sides(account, maker, leg, fee, view.at), found)


def _refused(
    view: View,
    order: Order,
    target: int,
    brought: _Brought,
    mark: Mark,
    rates: Rates,
    conceded: int,
) -> str | None:
    """Return why the contracts would refuse a close, the maker's margin apart."""
    account, maker = view.accounts[target], view.accounts[order.account]
    leg, found = brought.leg, brought.found
    held = closes.held(maker, leg.instrument)
    if order.reduce_only and not closes.reduces(held, -leg.size):
        return "exchange: not reducing"
    left = closes.held(account, leg.instrument) + leg.size
    return (
        closes.misjudged(order, mark, rates.rate(leg, takes=False), view.head.time)
        or (
            "options: leg too small"
            if any(closes.too_small(each, mark.price) for each in (left, held - leg.size))
            else None
        )
        or closes.undue(account, found.before, leg)
        or (
            "custody: not enough cash"
            if closes.unpaid(leg, brought.account, brought.maker)
            else None
        )
        or closes.refusal(
            found.before,
            found.after,
            abs(leg.size),
            closes.spare_lots(left, mark.price),
            conceded,
        )
    )


def _makers(change: Change, leg: Leg, maker: Account) -> str | None:
    """Return why the maker's account would not carry it."""
    opens = not closes.reduces(closes.held(maker, leg.instrument), -leg.size)
    return closes.side_refusal(opens, change.health_before, change.health_after)


def _said(reason: str, found: Health) -> KeeperError:
    if reason == "options: closed" and found.status & STATUS_GRACE:
        return KeeperError(
            f"liquidations wait until {when(found.resume)}, after an outage or in a pause",
            "try again then",
        )
    return Reverted(reason)


# ---- words


def _changes(view: View, after: dict[int, Account], at: Snapshot) -> tuple[Change, ...]:
    return tuple(view.change(each, at) for each in after.values())


def _facts(brought: _Brought, mark: Mark, conceded: int) -> dict[str, str]:
    """Return what a close is about; the fee is the maker's, and who brings it is paid nothing."""
    leg, found = brought.leg, brought.found
    return {
        "size": written_lots(leg.size),
        "price_usd": written_ticks(leg.price),
        "mark_usd": written_ticks(mark.mark),
        "cost_usd": written_wad(found.cost),
        "mm_released_usd": written_wad(found.released),
        "concedes_percent": _percent(closes.share_of(found.cost, found.released)),
        "clock_concedes_percent": _percent(min(conceded, closes.MOST_CONCEDED)),
        "pay_usd": "0",
    }


def _percent(share: int) -> str:
    return f"{share / PERCENT:.4g}"


def _what(desk: Desk, leg: Leg) -> str:
    name = told(replace(leg, price=0), desk.deployment.symbols).partition(":")[0]
    return f"{written_lots(abs(leg.size))} {name}"
