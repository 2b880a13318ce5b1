"""Plans of orders: trade, close, cancel, refund."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keepers.chain import order_watch
from keepers.chain.desk import Desk, View
from keepers.chain.plans import Change, Plan
from keepers.chain.transactions import Draft
from keepers.domain import effects, instruments, tickets
from keepers.domain.amounts import share, written_lots, written_ticks, written_wad
from keepers.domain.effects import Fill
from keepers.domain.orders import Order
from keepers.domain.tickets import State
from keepers.domain.times import when
from keepers.domain.units import LOT, TICK
from keepers.domain.words import Account, account_id
from keepers.errors import BadInput, KeeperError, Reverted


async def trade(
    desk: Desk,
    account: int,
    instrument: int,
    size: int,
    salt: int,
    limit: int | None = None,
    *,
    reduce_only: bool = False,
    deadline: int | None = None,
) -> Plan:
    """Plan an order with the pool.

    Args:
        desk: where it is planned.
        account: that trades.
        instrument: a market's perpetual.
        size: lots, above 0 buys.
        salt: makes the order unlike every other one.
        limit: worst price [ticks]; from the expected price and the settings' slippage if left out.
        reduce_only: refuse whatever would open.
        deadline: last second [unix s] at which it may fill; the settings' lifetime if left out.
    """
    if instruments.decode(instrument).expiry:
        raise BadInput(
            f"the pool does not trade {naming(desk, instrument)}",
            "options and futures are traded by signed orders: see `plimsoll order --help`",
        )
    view = await desk.look(account, pool(desk))
    wanted, terms = [(instrument, size, limit)], await _terms(desk, view, deadline)
    return await _orders(desk, view, account, wanted, salt, terms, reduce_only=reduce_only)


async def close(
    desk: Desk,
    account: int,
    instruments: Sequence[int] | None,
    salt: int,
    deadline: int | None = None,
) -> Plan:
    """Plan reduce-only orders that close these legs whole, all of them where none is named."""
    view = await desk.look(account, pool(desk))
    legs = {leg.instrument: leg.size for leg in view.accounts[account].legs}
    for each in instruments or ():
        if each not in legs:
            raise BadInput(
                f"{desk.name(account)} holds no {naming(desk, each)}",
                f"look at `plimsoll account {desk.name(account)}`",
            )
    if not legs:
        raise BadInput(f"{desk.name(account)} holds no position", "there is nothing to close")
    wanted = [(each, -legs[each], None) for each in instruments or legs]
    terms = await _terms(desk, view, deadline)
    return await _orders(desk, view, account, wanted, salt, terms, "close", reduce_only=True)


async def _orders(
    desk: Desk,
    view: View,
    account: int,
    wanted: Sequence[tuple[int, int, int | None]],
    salt: int,
    terms: Terms,
    action: str = "trade",
    *,
    reduce_only: bool,
) -> Plan:
    """Plan orders for an account as it stands."""
    start = view.accounts[account]
    found = await judged(desk, view, start, wanted, salt, terms, reduce_only=reduce_only)
    what = ", ".join(said(desk, order) for order in found.orders)
    return await desk.plan(
        action,
        f"{action} {what} for {desk.name(account)}",
        view,
        _commits(desk, found.orders),
        changes=(found.change,),
        facts=found.facts,
        notes=found.notes,
        orders=found.orders,
    )


@dataclass(frozen=True, slots=True)
class Terms:
    """What orders have in common beside their account."""

    reserve: int  # wei that an executor must be paid
    venue: str
    deadline: int  # unix s


@dataclass(frozen=True, slots=True)
class Judged:
    """Orders that would fill now, and what they would leave of the account."""

    change: Change
    orders: tuple[Order, ...]
    facts: Mapping[str, str]
    notes: tuple[str, ...]


async def judged(
    desk: Desk,
    view: View,
    start: Account,
    wanted: Sequence[tuple[int, int, int | None]],
    salt: int,
    terms: Terms | None = None,
    *,
    reduce_only: bool = False,
) -> Judged:
    """Judge one order after the other, each on what the ones before would leave.

    Args:
        desk: where they are planned.
        view: the account as it is, and the pool.
        start: the account as it will be by then.
        wanted: instrument, lots, limit [ticks] or None for the settings' slippage.
        salt: of the first order.
        terms: of all of them; what the settings say if left out.
        reduce_only: of all of them.
    """
    after, at = start, view.at
    facts: dict[str, str] = {}
    notes: list[str] = []
    orders: list[Order] = []
    terms = terms or await _terms(desk, view, None)
    for place, (instrument, size, limit) in enumerate(wanted):
        fill, doubt = await _expected(desk, view, start, instrument, size, reduce_only)
        if limit is None:
            limit = tickets.limit_price(
                fill.price, size, share(f"{desk.settings.slippage_percent:f}")
            )
        notes += _notes(desk, fill, limit, doubt)
        want = (instrument, size, limit)
        orders.append(_order(start.id, want, salt + place, terms, reduce_only))
        at, after = effects.traded(after, fill, at), effects.filled(after, fill, at)
        prefix = f"{naming(desk, instrument).lower()}_" if len(wanted) > 1 else ""
        facts |= {f"{prefix}{name}": text for name, text in _facts(fill, limit).items()}
    (change,) = await desk.exact(view, [view.change(after, at)])
    _require_margin(change, reduce_only)
    made = await _identified(desk, orders)
    facts["reserve_native"] = written_wad(sum(order.reserve for order in made))
    return Judged(change, tuple(made), facts, tuple(notes))


# ---- the parts of an order


async def _expected(
    desk: Desk, view: View, start: Account, instrument: int, size: int, reduce_only: bool
) -> tuple[Fill, bool]:
    """Return the fill at the stored price, and whether that price is doubted; refuse what fails."""
    account = start.id
    asked = (account, instrument, size * LOT)
    preview = await desk.struct("Lens", "preview_order", *asked, block=view.head.number)
    code = preview["code"]
    paused = view.opening.get(instrument >> 56, 0)
    if paused and not tickets.shrinks(effects.size_of(start, instrument), size):
        raise KeeperError(
            f"{_size(size)} {naming(desk, instrument)} would not fill: opening is paused until "
            f"{when(paused)}",
            "trade again then; what only reduces is filled meanwhile",
        )
    if reduce_only and not tickets.shrinks(effects.size_of(start, instrument), size):
        raise Reverted("trading: reduce only")
    if code == tickets.MARGIN and start != view.accounts[account]:
        code = tickets.FILLS  # of an account that is not funded yet: judged on paper
    if code not in (tickets.FILLS, tickets.NOT_TRUSTED):
        what, do = tickets.WHY[code]
        if code in (tickets.MARGIN, tickets.POOL, tickets.NO_ROOM):
            do += await _at_most(desk, view, account, instrument, size > 0)
        raise KeeperError(f"{_size(size)} {naming(desk, instrument)} would not fill: {what}", do)
    held = effects.size_of(view.accounts[pool(desk)], instrument)
    fill = Fill(instrument, size, preview["price"] // TICK, preview["fee"], held)
    return fill, code != tickets.FILLS


async def _at_most(desk: Desk, view: View, account: int, instrument: int, is_buy: bool) -> str:
    asked = (account, instrument, is_buy)
    try:
        (most,) = await desk.reader.one("Lens", "max_open", *asked, block=view.head.number)
    except KeeperError:
        return ""  # a node that gives a view too little gas for the search
    return f" (at most {written_wad(int(most))} would fill now)"


def _require_margin(change: Change, reduce_only: bool) -> None:
    """Refuse an opening order that even the lens could not judge at so old a price."""
    found = change.health_after
    if not reduce_only and found.equity < found.im and found.im > change.health_before.im:
        raise KeeperError(
            f"the order would not fill: {tickets.WHY[tickets.MARGIN][0]}",
            tickets.WHY[tickets.MARGIN][1],
        )


def _facts(fill: Fill, limit: int) -> dict[str, str]:
    return {
        "size": written_lots(fill.size),
        "price_usd": written_ticks(fill.price),
        "fee_usd": written_wad(fill.fee),
        "limit_usd": written_ticks(limit),
    }


def _notes(desk: Desk, fill: Fill, limit: int, doubt: bool) -> list[str]:
    name, notes = naming(desk, fill.instrument), []
    if doubt:
        notes.append(f"the stored price of {name} is old or doubted: the next one may be far off")
    if tickets.beyond(fill.price, fill.size, limit):
        notes.append(f"the limit is better than the price of {name} now: it may well not fill")
    return notes


async def _terms(desk: Desk, view: View, deadline: int | None) -> Terms:
    (reserve,) = await desk.reader.one("Orders", "MIN_RESERVE")
    until = view.head.time + desk.settings.lifetime_s if deadline is None else deadline
    return Terms(int(reserve), desk.deployment.address("LiquidityPool"), until)


def _order(
    account: int, want: tuple[int, int, int], salt: int, terms: Terms, reduce_only: bool
) -> Order:
    instrument, size, limit = want
    return Order(
        id=b"",
        account=account,
        venue=terms.venue,
        instrument=instrument,
        size=size * LOT,
        limit_price=limit * TICK,
        deadline=terms.deadline,
        reduce_only=reduce_only,
        reserve=terms.reserve,
        salt=salt,
        commit_time=0,
    )


async def _identified(desk: Desk, orders: Sequence[Order]) -> list[Order]:
    """Return the orders with the ids that the contract gives them."""
    answers = await desk.reader.many([("Orders", "order_id", (each.struct,)) for each in orders])
    return [
        replace(order, id=bytes(answer[0])) for order, answer in zip(orders, answers, strict=True)
    ]


def _commits(desk: Desk, orders: Sequence[Order]) -> list[Draft]:
    """Return one transaction for all of them; as an operator through the contract of that name."""
    first = orders[0]
    what = f"commit {first.id.hex()[:16]}"
    if len(orders) == 1 and desk.owns(first.account):
        return [desk.draft(what, "Orders", "commit", first.struct, value=first.reserve)]
    if len(orders) > 1:
        what += f" and {len(orders) - 1} more"
    value = sum(order.reserve for order in orders)
    structs = [order.struct for order in orders]
    return [desk.draft(what, "Operators", "commit", structs, value=value)]


# ---- cancel and refund


async def take_back(desk: Desk, order_id: bytes, action: str | None = None) -> Plan:
    """Plan to end an order without a fill: `cancel` or `refund`, whichever is due if left out."""
    order = await order_watch.find(desk, order_id)
    view = await desk.look(order.account)
    if action is None:
        standing = await order_watch.standing(desk, order)
        dead = standing is not None and standing.state is State.DEAD
        action = "refund" if dead else "cancel"
    for_owner = action == "cancel" and not desk.owns(order.account)
    door = "Operators" if for_owner else "Orders"
    step = desk.draft(f"{action} {order.id.hex()[:16]}", door, action, order.struct)
    return await desk.plan(
        action,
        f"{action} the order to {said(desk, order)} for {desk.name(order.account)}",
        view,
        [step],
        changes=(view.change(view.accounts[order.account]),),
        facts={"order": f"0x{order.id.hex()}", "reserve_native": written_wad(order.reserve)},
    )


# ---- names


def naming(desk: Desk, instrument: int) -> str:
    """Return an instrument's name."""
    return instruments.name(instrument, desk.deployment.symbols)


def said(desk: Desk, order: Order) -> str:
    """Return what an order does."""
    lots = order.size // LOT
    return f"{_size(lots)} {naming(desk, order.instrument)}"


def _size(lots: int) -> str:
    return f"{'buy' if lots > 0 else 'sell'} {written_lots(abs(lots))}"


def pool(desk: Desk) -> int:
    """Return the pool's account."""
    return account_id(desk.deployment.address("LiquidityPool"))
