"""Plans of signed orders: what one would do, filling it, cancelling it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from keepers.chain.desk import Desk, View
from keepers.chain.marks import marks_and_bands
from keepers.chain.plans import Plan
from keepers.chain.signer import signer_of
from keepers.domain import effects, instruments
from keepers.domain import exchange_fills as fills
from keepers.domain import exchange_orders as orders
from keepers.domain.amounts import written_lots, written_ticks, written_wad
from keepers.domain.exchange_fills import Mark
from keepers.domain.exchange_orders import ANYONE, Leg, Order, Rates, SignedOrder
from keepers.domain.times import when
from keepers.errors import BadInput, KeeperError, Reverted

Sign = Callable[[bytes], bytes]  # digest to r | s | v
NONCE_BITS = 64
RATE_PERCENT = 10_000  # 1e-6 in a percent


def random_nonce() -> int:
    """Return a nonce that hardly anybody has used."""
    return secrets.randbits(NONCE_BITS)


@dataclass(frozen=True, slots=True)
class Wish:
    """What an order says beside its account and legs."""

    net: int | None = None  # WAD, of all legs together; None: each leg has its price
    counterparty: str = ANYONE
    takes: bool = False
    reduce_only: bool = False
    deadline: int | None = None  # unix s; by the settings' lifetime if left out
    nonce: int | None = None  # a random one if left out
    fee_cap: int | None = None  # 1e-6; what is paid now if left out


@dataclass(frozen=True, slots=True)
class Standing:
    """How a signed order stands."""

    id: bytes
    state: str  # open, partly filled, spent, over, not signed
    said: str
    remaining: int  # lots of the first leg


# ---- making one


async def order(desk: Desk, account: int, legs: Sequence[Leg], wish: Wish) -> Order:
    """Return an order as it would be signed."""
    head = await desk.rpc.head()
    until = head.time + desk.settings.lifetime_s if wish.deadline is None else wish.deadline
    if until <= head.time:
        raise BadInput(f"the deadline {when(until)} is over", "name a later one")
    made = orders.checked(
        Order(
            account=account,
            legs=tuple(legs),
            nonce=random_nonce() if wish.nonce is None else wish.nonce,
            deadline=until,
            fee_cap=0,
            counterparty=wish.counterparty,
            takes=wish.takes,
            by_net=wish.net is not None,
            net=wish.net or 0,
            reduce_only=wish.reduce_only,
        )
    )
    for leg in made.legs:
        _require_price(desk, leg, made.by_net)
    paid = fills.cap(await rates(desk), made.legs, made.takes)
    return replace(made, fee_cap=paid if wish.fee_cap is None else wish.fee_cap)


def _require_price(desk: Desk, leg: Leg, by_net: bool) -> None:
    name = orders.told(replace(leg, price=0), desk.deployment.symbols)
    if by_net and leg.price:
        raise BadInput(f"{name} has a price beside the net price", "leave one of them out")
    if not by_net and not leg.price:
        raise BadInput(f"{name} has no price", f"write {name}@PRICE, or --net for all legs")


def signed(desk: Desk, made: Order, sign: Sign) -> SignedOrder:
    """Return an order of an own account with the owner's signature."""
    if not desk.owns(made.account):
        raise BadInput(f"{desk.name(made.account)} is not yours", "only its owner signs")
    return SignedOrder(made, sign(_digest(desk, made)))


def _digest(desk: Desk, made: Order) -> bytes:
    exchange = desk.deployment.address("Exchange")
    return orders.order_digest(made, desk.deployment.chain_id, exchange)


async def outlook(desk: Desk, made: Order) -> Plan:
    """Plan nothing: show what an order would leave of its account if it were filled whole now."""
    view = await desk.look(made.account)
    marks = await _marks(desk, view, made)
    legs = fills.priced(made, made.size, marks)
    charge = fills.fee(await rates(desk), legs, marks, made.takes)
    change = view.change(fills.dealt(view.accounts[made.account], legs, charge, view.at))
    facts = {**terms(desk, made), "fee_usd": written_wad(charge)}
    said = f"order to {_what(desk, made.legs)} for {desk.name(made.account)}"
    notes = _far(desk, legs, marks)
    plan = await desk.plan("order", said, view, [], changes=(change,), facts=facts, notes=notes)
    (found,) = plan.changes
    short = found.health_after.im - found.health_after.equity
    if short > 0 and found.health_after.im > found.health_before.im:
        note = f"it would not fill now: {written_wad(short)} USD of initial margin are missing"
        return replace(plan, notes=(*plan.notes, note))
    return plan


def _far(desk: Desk, legs: Sequence[Leg], marks: dict[int, Mark]) -> tuple[str, ...]:
    """Return which prices the Exchange would not trade at now."""
    return tuple(
        f"{orders.told(leg, desk.deployment.symbols)} is outside "
        f"{written_ticks(mark.low)} … {written_ticks(mark.high)}, where it is traded now"
        for leg in legs
        if not (mark := marks[leg.instrument]).low <= leg.price <= mark.high
    )


# ---- looking


async def rates(desk: Desk) -> Rates:
    """Return what fills pay now."""
    head = await desk.rpc.head()
    return Rates(**await desk.struct("Exchange", "fees", block=head.number))


async def _marks(desk: Desk, view: View, made: Order) -> dict[int, Mark]:
    asked = [leg.instrument for leg in made.legs]
    return await marks_and_bands(desk.reader, asked, view.head.time, view.head.number)


async def standing(desk: Desk, given: SignedOrder) -> Standing:
    """Return how a signed order stands."""
    made = given.order
    id_ = _digest(desk, made)
    (left,) = await desk.reader.one("Exchange", "remaining", made.struct)
    head = await desk.rpc.head()
    if head.time > made.deadline:
        state, said = "over", f"its deadline was {when(made.deadline)}"
    elif not left:
        state, said = "spent", "it is filled or cancelled"
    elif signer_of(given.signature, id_) not in (None, made.account >> 96):
        state, said = "not signed", "its account's owner has not signed this order for this chain"
    elif left < made.size:
        state, said = "partly filled", f"{written_lots(made.size - left)} are filled"
    else:
        state, said = "open", f"it may be filled until {when(made.deadline)}"
    return Standing(id_, state, said, int(left))


def terms(desk: Desk, made: Order) -> dict[str, str]:
    """Return what an order says, by name."""
    symbols = desk.deployment.symbols
    said = {
        "account": desk.name(made.account),
        "legs": " ".join(orders.told(leg, symbols) for leg in made.legs),
        "role": "taker" if made.takes else "maker",
        "for": "anyone" if made.counterparty == ANYONE else made.counterparty,
        "nonce": str(made.nonce),
        "deadline": when(made.deadline),
        "fee_cap_percent": f"{made.fee_cap / RATE_PERCENT:g}",
    }
    if made.by_net:
        said["net_usd"] = written_wad(made.net)
    if made.reduce_only:
        said["reduce_only"] = "yes"
    return said


def _what(desk: Desk, legs: Sequence[Leg]) -> str:
    symbols = desk.deployment.symbols
    return ", ".join(
        f"{'buy' if leg.size > 0 else 'sell'} {written_lots(abs(leg.size))} "
        f"{orders.told(leg, symbols).partition(':')[0]}"
        for leg in legs
    )


# ---- filling


async def fill(
    desk: Desk,
    maker: SignedOrder,
    account: int,
    size: int | None = None,
    taker: SignedOrder | None = None,
) -> Plan:
    """Plan to fill a maker's order: with an own account, or with a taker's signed order.

    Args:
        desk: where it is planned.
        maker: that rests.
        account: own one that takes, where no taker's order is given.
        size: lots of the first leg; all that both have left if left out.
        taker: signed order that takes.
    """
    found = await _open(desk, maker)
    other = SignedOrder(await _own(desk, maker.order, account), b"") if taker is None else taker
    left = found.remaining
    if taker is not None:
        left = min(left, (await _open(desk, taker)).remaining)
    size = left if size is None else size
    if size > left:
        raise BadInput(f"{written_lots(left)} are left of the order", "fill that, or less")
    _require_sides(desk, maker.order, other.order)
    view = await desk.look(other.order.account, maker.order.account)
    marks = await _marks(desk, view, maker.order)
    legs = fills.priced(maker.order, size, marks)
    if taker is None:
        other = replace(other, order=fills.mirror(maker.order, legs, other.order))
    return await _fill(desk, view, (maker, other), legs, marks)


async def _fill(
    desk: Desk,
    view: View,
    pair: tuple[SignedOrder, SignedOrder],
    legs: Sequence[Leg],
    marks: dict[int, Mark],
) -> Plan:
    """Plan a fill of two orders whose legs, of the maker, are known."""
    maker, taker = pair
    paid = await rates(desk)
    taken, charges = (
        fills.turned(legs),
        [fills.fee(paid, legs, marks, each) for each in (False, True)],
    )
    prices = [leg.price for leg in legs] if maker.order.by_net else []
    step = desk.draft(
        f"fill {_digest(desk, maker.order).hex()[:16]}",
        "Exchange",
        "fill",
        maker.struct,
        taker.struct,
        abs(legs[0].size),
        prices,
    )
    buyer, seller = (view.accounts[each.order.account] for each in (taker, maker))
    after = (
        fills.dealt(buyer, taken, charges[1], view.at),
        fills.dealt(seller, legs, charges[0], view.at),
    )
    at = view.at
    for leg in taken:
        if not instruments.decode(leg.instrument).expiry:
            at = effects.exchanged(buyer, seller, leg.instrument, leg.size, at)
    facts = {
        "size": written_lots(abs(legs[0].size)),
        "price_usd": ", ".join(written_ticks(leg.price) for leg in taken),
        "mark_usd": ", ".join(written_ticks(marks[leg.instrument].mark) for leg in taken),
        "pays_usd": written_wad(orders.net_cost(taken)),
        "fee_usd": written_wad(charges[1]),
        "order": f"0x{_digest(desk, maker.order).hex()}",
    }
    said = f"{_what(desk, taken)} for {desk.name(taker.order.account)}"
    return await desk.plan(
        "fill",
        said,
        view,
        [step],
        changes=tuple(view.change(each, at) for each in after),
        facts=facts,
        notes=_far(desk, taken, marks),
    )


async def _open(desk: Desk, given: SignedOrder) -> Standing:
    found = await standing(desk, given)
    if found.state not in ("open", "partly filled"):
        raise KeeperError(f"the order cannot be filled: {found.said}", "ask for another one")
    return found


async def _own(desk: Desk, maker: Order, account: int) -> Order:
    """Return an own order that takes a maker's; it needs no signature."""
    if not desk.owns(account):
        raise BadInput(
            f"{desk.name(account)} is not yours", "give its owner's signed order with --with"
        )
    paid = fills.cap(await rates(desk), maker.legs, True)
    return maker.mirrored(account, random_nonce(), maker.deadline, paid)


def _require_sides(desk: Desk, maker: Order, taker: Order) -> None:
    """Refuse what two orders say of each other, before anybody is asked."""
    if maker.takes or not taker.takes:
        raise Reverted("exchange: wrong roles")
    for one, other in ((maker, taker), (taker, maker)):
        if int(one.counterparty, 16) not in (0, other.account >> 96):
            raise KeeperError(
                f"the order of {desk.name(one.account)} is for {one.counterparty} alone",
                "fill one that is for anyone, or ask for a quote of your own",
            )
    if maker.account >> 96 == taker.account >> 96:
        raise Reverted("exchange: same owner")


# ---- cancelling


async def cancel(desk: Desk, nonces: Sequence[int]) -> Plan:
    """Plan to spend nonces of the owner's, so that orders with them are never filled."""
    if not nonces:
        raise BadInput("no order was named", "name orders or nonces")
    view = await desk.look()
    steps = [
        desk.draft(f"cancel nonces of word {word}", "Exchange", "cancel", desk.owner, word, mask)
        for word, mask in orders.cancel_places(nonces).items()
    ]
    facts = {"nonces": " ".join(str(each) for each in nonces)}
    said = f"cancel {len(nonces)} signed order" + ("s" if len(nonces) > 1 else "")
    return await desk.plan("cancel", said, view, steps, facts=facts)


def own_nonce(desk: Desk, given: SignedOrder) -> int:
    """Return the nonce of an own order."""
    if not desk.owns(given.order.account):
        raise BadInput(
            f"the order is of {desk.name(given.order.account)}, not yours",
            "only its owner cancels it; without a fill it ends at its deadline",
        )
    return given.order.nonce
