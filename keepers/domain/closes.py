"""What a close of an account under MM against a maker's signed order moves, and when it may.

docs/spec/exchange.md#close and docs/spec/engine.md#close, in the contracts' integers. A bid is a
maker's order that rests; the account is its other side, pays its price and no fee, and whoever
brings it is paid nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from keepers.domain import effects, instruments
from keepers.domain.exchange_fills import Mark, dealt, turned
from keepers.domain.exchange_orders import Leg, Order
from keepers.domain.instruments import Kind
from keepers.domain.margin import LEG_INVALID, Health, Snapshot
from keepers.domain.units import WAD, ceil_div
from keepers.domain.words import Account
from keepers.errors import BadInput

MOST_CONCEDED: Final = WAD // 2  # of the MM released: R6's bound
DUST: Final = 10 * WAD  # less of a leg cannot stay
CLOCK_MEMORY: Final = 3_600  # seconds for which a clock is remembered
MAX_PRICE: Final = 2**63 - 1  # ticks
MAX_SIZE: Final = 2**63 - 1  # lots
POINTS: Final = 6  # sizes of one question about how much is needed

Curve = Sequence[tuple[int, int]]  # live seconds, share of MM [WAD]; flat behind the last


# ---- what moves


def leg_of(order: Order, size: int) -> Leg:
    """Return the leg of a close as the account gets it, at the maker's price.

    Args:
        order: of one leg.
        size: lots.
    """
    (leg,) = order.legs
    return replace(leg, size=-size if leg.size > 0 else size)


def held(account: Account, instrument: int) -> int:
    """Return an account's leg in lots, whoever keeps it."""
    every = (*account.legs, *account.options)
    return next((leg.size for leg in every if leg.instrument == instrument), 0)


def closed(account: Account, leg: Leg, at: Snapshot) -> Account:
    """Return an account after a close of it: the premium or profit moves, no fee does."""
    return dealt(account, (leg,), 0, at)


def sides(
    account: Account, maker: Account, leg: Leg, fee: int, at: Snapshot
) -> tuple[Account, Account, Snapshot]:
    """Return account and maker after a close, and the prices after it.

    Args:
        account: under MM.
        maker: who gets the exact opposite, and pays the fee.
        leg: as the account gets it.
        fee: of the maker [WAD].
        at: prices before.
    """
    after = closed(account, leg, at), dealt(maker, turned((leg,)), fee, at)
    if instruments.kind_of(leg.instrument) == Kind.PERP:
        at = effects.exchanged(account, maker, leg.instrument, leg.size, at)
    return (*after, at)


def edge(leg: Leg, mark: int) -> int:
    """Return what a close gives its maker at the mark, the fee apart [USD WAD]."""
    return leg.size * (leg.price - mark)


# ---- how much it may cost


def concession(live: int, last: int, now: int, curve: Curve) -> int:
    """Return what an account's stored clock concedes of the MM released, down [WAD].

    Args:
        live: seconds of the clock.
        last: time of the last call that found E < MM.
        now: chain time.
        curve: of the reward of takes.
    """
    if now > last + CLOCK_MEMORY:
        return 0
    since, share = 0, 0
    for seconds, then in curve:
        if live < seconds:
            return share + (then - share) * (live - since) // (seconds - since)
        since, share = seconds, then
    return share


def most_cost(conceded: int, released: int) -> int:
    """Return the most that a close may cost an account, down, in its favour [WAD]."""
    return min(conceded, MOST_CONCEDED) * released // WAD


def share_of(cost: int, released: int) -> int:
    """Return what a cost is of the MM released, up [WAD]; a close that releases none is refused."""
    return ceil_div(cost * WAD, released) if released > 0 else 0


def worst_price(leg: Leg, mark: Mark, room: int) -> int:
    """Return the price furthest from the mark that costs the account no more, in the band [ticks].

    Args:
        leg: as the account gets it.
        mark: of its instrument.
        room: most that the close may cost beyond what it costs at the mark [WAD]; below 0 the
            maker has to do better than the mark.
    """
    away = room // abs(leg.size)  # down: in favour of the account
    price = mark.mark + away if leg.size > 0 else mark.mark - away
    return max(mark.low, min(price, mark.high, MAX_PRICE))


# ---- what the Exchange refuses


def unfit(order: Order, now: int) -> str | None:
    """Return why an order can close nothing at all, whatever account it is brought to."""
    sound = bool(order.legs) and not (order.by_net and len(order.legs) == 1)
    sound = sound and [leg.instrument for leg in order.legs] == sorted(
        {leg.instrument for leg in order.legs}
    )
    if not (sound and all(map(_is_sound, order.legs))):
        return "exchange: bad order"
    if order.takes:
        return "exchange: wrong roles"
    if now > order.deadline:
        return "exchange: expired"
    return "exchange: one leg" if len(order.legs) != 1 else None


def _is_sound(leg: Leg) -> bool:
    try:
        instruments.decode(leg.instrument)
    except BadInput:
        return False
    return 0 < abs(leg.size) <= MAX_SIZE and 0 <= leg.price <= MAX_PRICE


def unwelcome(order: Order, account: int, size: int) -> str | None:
    """Return why an order is not for an account's owner, or is for nothing."""
    if order.account >> 96 == account >> 96:
        return "exchange: same owner"
    if int(order.counterparty, 16) not in (0, account >> 96):
        return "exchange: counterparty"
    return None if size else "exchange: no size"


def misjudged(order: Order, mark: Mark, rate: int, now: int) -> str | None:
    """Return why the Exchange does not trade an order of one leg at its price now.

    Args:
        order: of the maker.
        mark: of its instrument.
        rate: of the maker's fee [1e-6].
        now: chain time.
    """
    (leg,) = order.legs
    expiry = instruments.decode(leg.instrument).expiry
    if expiry and expiry <= now:
        return "exchange: expired instrument"
    if abs(leg.price - mark.mark) > mark.band:
        return "exchange: off the mark"
    return "exchange: fee cap" if rate > order.fee_cap else None


# ---- what Options refuses


def undue(account: Account, before: Health, leg: Leg) -> str | None:
    """Return why nothing may be closed of an account now, or not this."""
    if before.equity >= before.mm:
        return "options: not below mm"
    if not before.open:
        return "options: closed"
    if account.house:
        return "options: house"
    return None if reduces(held(account, leg.instrument), leg.size) else "options: not reducing"


def reduces(size: int, change: int) -> bool:
    """Return whether a leg goes toward zero and not across it."""
    return min(size, 0) <= size + change <= max(size, 0)


def refusal(before: Health, after: Health, lots: int, spare: int, conceded: int) -> str | None:
    """Return why a close that is due does not pass, None where it does.

    Args:
        before: health of the account.
        after: the same after the close.
        lots: that it closes.
        spare: lots that may lift E past LE.
        conceded: what the clock says [WAD].
    """
    cost, released = before.equity - after.equity, before.mm - after.mm
    nearer = cost < before.le - after.le
    kept = after.equity * before.mm >= before.equity * after.mm
    if released <= 0 or not nearer or not kept:
        return "options: not better"
    if cost * WAD > released * min(conceded, MOST_CONCEDED):
        return "options: cost"
    over = after.equity - after.le
    if over > 0 and over * lots > (before.le - before.equity + over) * spare:
        return "options: overshoot"
    return None


def unpaid(leg: Leg, account: Account, maker: Account) -> bool:
    """Return whether a premium comes out of cash that is not there.

    Args:
        leg: as the account gets it.
        account: after the close.
        maker: after the close.
    """
    payer = account if leg.size > 0 else maker
    return instruments.is_option(leg.instrument) and leg.size * leg.price != 0 and payer.cash < 0


def spare_lots(left: int, price: int) -> int:
    """Return the lots that may lift E past LE.

    Args:
        left: lots of the leg after the close.
        price: of the market [ticks].
    """
    return 1 if left else ceil_div(DUST, price)


def too_small(size: int, price: int) -> bool:
    """Return whether a leg of this size may not stay."""
    return size != 0 and abs(size) * price < DUST


def side_refusal(opens: bool, before: Health, after: Health) -> str | None:
    """Return why the maker's account does not carry a fill, R2 (docs/spec/engine.md#trade)."""
    if not opens and (after.equity >= after.im or no_worse(before, after)):
        return None
    if after.status & LEG_INVALID:
        return "options: invalid feed"
    return "options: margin" if after.equity < after.im else None


def no_worse(before: Health, after: Health) -> bool:
    """Return whether E - IM, E - MM and E / MM did not fall (E itself when it is negative)."""
    gained = after.equity - before.equity
    if gained < after.im - before.im or gained < after.mm - before.mm:
        return False
    if before.equity < 0:
        return after.equity >= before.equity
    return after.equity * before.mm >= before.equity * after.mm


# ---- how much is needed


def affordable(account: Account, leg: Leg, lots: int) -> int:
    """Return the lots that the account's cash pays the premium of, at most `lots`."""
    buys = leg.size > 0 and instruments.is_option(leg.instrument) and leg.price > 0
    return min(lots, max(0, account.cash) // leg.price) if buys else lots


def surplus(found: Health) -> int:
    """Return E - LE: where a close ends, at the latest."""
    return found.equity - found.le


def between(low: int, high: int, count: int = POINTS) -> list[int]:
    """Return sizes to ask about, strictly between two."""
    found = {low + (high - low) * place // (count + 1) for place in range(1, count + 1)}
    return sorted(each for each in found if low < each < high)


def narrowed(low: int, high: int, told: Mapping[int, int]) -> tuple[int, int]:
    """Return the neighbours among these sizes between which E reaches LE.

    Args:
        low: a size that does not lift E to LE.
        high: one that does.
        told: surplus by size of what was asked about between them.
    """
    for size in sorted(told):
        if told[size] > 0:
            return low, size
        low = size
    return low, high


def trimmed(lots: int, size: int, price: int) -> int:
    """Return the most lots of a leg of this size, at most `lots`, that leave all or no dust.

    Args:
        lots: wanted.
        size: of the leg, in lots.
        price: of the market [ticks].
    """
    whole = abs(size)
    if not too_small(whole - lots, price):
        return lots
    return max(0, whole - ceil_div(DUST, price))
