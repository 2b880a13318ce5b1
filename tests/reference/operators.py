"""Who acts for an account, and moves by agreement, as docs/spec/operators.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.reference import ledger, orders
from tests.reference.facts import Account, Market
from tests.reference.ledger import KEEP_TILT, TRANSFER, WITHDRAW, Action, Post, Reports
from tests.reference.markets import funding_now, trusted
from tests.reference.orders import Order
from tests.reference.refused import require
from tests.reference.state import World, min_amount, owner_of
from tests.reference.units import AGE_OPEN, DUST
from tests.reference.words import market_of

TRADE_SCOPE, WITHDRAW_SCOPE, RECEIVE_SCOPE = 1, 2, 4
NO_LIMIT = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Grant:
    """As IOperators.Grant."""

    account: int
    operator: int
    scope: int
    expiry: int
    uses: int


# ---- grants --------------------------------------------------------------------------------------


def _require_owner(caller: int, account: int) -> None:
    require(owner_of(account) == caller, "operators: not the owner")


def _save(world: World, g: Grant) -> None:
    require(g.expiry < 2**64 and g.uses < 2**32, "operators: out of range")
    world.grants[g.account, g.operator] = (g.scope, g.expiry, g.uses)


def grant(world: World, caller: int, g: Grant) -> None:
    """Let an operator act for an account of the caller; an empty scope revokes."""
    _require_owner(caller, g.account)
    _save(world, g)


def cancel_nonce(world: World, caller: int, nonce: int) -> None:
    """Make a permit of the caller worthless."""
    require((caller, nonce) not in world.nonces, "operators: nonce used")
    world.nonces[caller, nonce] = True


def permit(world: World, g: Grant, nonce: int, deadline: int, signer: int) -> None:
    """Grant by the owner's signature; `signer` is whom it recovers to."""
    require(world.now <= deadline, "operators: expired")
    owner = owner_of(g.account)
    cancel_nonce(world, owner, nonce)
    require(signer == owner != 0, "operators: bad signature")
    _save(world, g)


def _use(world: World, caller: int, account: int, scope: int) -> None:
    """Require the owner, or an operator with a grant for this, and spend one use of it."""
    if owner_of(account) == caller:
        return
    granted, expiry, uses = world.grants.get((account, caller), (0, 0, 0))
    valid = world.now <= expiry and uses > 0 and granted & scope != 0
    require(valid, "operators: not granted")
    if uses != NO_LIMIT:
        world.grants[account, caller] = (granted, expiry, uses - 1)


# ---- batches -------------------------------------------------------------------------------------


def batch(
    world: World,
    caller: int,
    actions: Sequence[Action],
    given: Sequence[Grant],
    reports: Reports,
) -> None:
    """Run actions of the caller's accounts, with grants."""
    for g in given:
        grant(world, caller, g)
    ledger.batch(world, caller, actions, agent=True, reports=reports)


def isolate(
    world: World,
    caller: int,
    parent: int,
    token: int,
    amount: int,
    order: Order,
    reports: Reports,
) -> None:
    """Fund the order's account out of another one of the caller, and commit the order."""
    funding = Action(TRANSFER, parent, order.account, token, amount)
    ledger.batch(world, caller, (funding,), agent=True, reports=reports)
    orders.commit(world, owner_of(order.account), order)


def withdraw(
    world: World, caller: int, account: int, token: int, amount: int, reports: Reports
) -> None:
    """Withdraw to the account's owner."""
    _use(world, caller, account, WITHDRAW_SCOPE)
    owner = owner_of(account)
    action = Action(WITHDRAW, account, owner, token, amount)
    ledger.batch(world, owner, (action,), agent=True, reports=reports)


# ---- orders --------------------------------------------------------------------------------------


def commit(world: World, caller: int, placed: Sequence[Order]) -> None:
    """Commit orders for accounts of the caller, or of which he is an operator."""
    for order in placed:
        _use(world, caller, order.account, TRADE_SCOPE)
        orders.commit(world, owner_of(order.account), order)


def cancel(world: World, caller: int, order: Order) -> None:
    """Cancel an order as its owner would."""
    _use(world, caller, order.account, TRADE_SCOPE)
    orders.cancel(world, owner_of(order.account), order)


# ---- moves ---------------------------------------------------------------------------------------


def fold(world: World, caller: int, child: int, parent: int, reports: Reports) -> None:
    """Move everything that an account has to another one of the same owner."""
    _require_owner(caller, child)
    _require_owner(caller, parent)
    ledger.update(world, reports)
    before = world.account(child)
    sizes = tuple(leg.size for leg in before.legs)
    amounts = tuple(held.amount for held in before.collateral)
    _post(world, child, parent, sizes, amounts, cash=before.cash, quote=before.quote)
    _require_legs(world, parent, before, sizes)


def move(
    world: World,
    caller: int,
    sender: int,
    receiver: int,
    legs: Sequence[tuple[int, int]],
    amounts: Sequence[tuple[int, int]],
    reports: Reports,
) -> None:
    """Move legs (instrument, lots) at the mark, and collateral (id, atoms), by agreement."""
    _require_owner(caller, sender)
    _use(world, caller, receiver, RECEIVE_SCOPE)
    ledger.update(world, reports)
    before = world.account(sender)
    require(not before.in_auction, "operators: in auction")
    quote = 0
    for instrument, lots in legs:
        require(before.size(instrument) != 0, "operators: not held")
        quote -= lots * _fresh_value(world, instrument)
    for token, _ in amounts:
        require(before.amount(token) != 0, "operators: not held")
    sizes = tuple(_named(legs, leg.instrument) for leg in before.legs)
    parts = tuple(_named(amounts, held.id) for held in before.collateral)
    _post(world, sender, receiver, sizes, parts, cash=0, quote=quote)
    _require_legs(world, receiver, before, sizes)
    _require_amounts(world, receiver, before, parts)


def _named(wanted: Sequence[tuple[int, int]], name: int) -> int:
    return sum(much for each, much in wanted if each == name)


def _fresh_value(world: World, instrument: int) -> int:
    """Return price less funding of a leg, at a price that opens [ticks]."""
    market = _market(world, instrument)
    require(trusted(market, world.now, AGE_OPEN), "operators: price not trusted")
    return market.price - funding_now(market, world.now)


def _market(world: World, instrument: int) -> Market:
    return world.markets[market_of(instrument)]


def _post(
    world: World,
    sender: int,
    receiver: int,
    sizes: tuple[int, ...],
    amounts: tuple[int, ...],
    cash: int,
    quote: int,
) -> None:
    """Move between two accounts that agree; nothing moves out of an auction (C11)."""
    require(not world.account(sender).in_auction, "operators: in auction")
    agreed = Post(
        account=sender,
        counterparty=receiver,
        keeper=receiver,
        sizes=sizes,
        amounts=amounts,
        cash=cash,
        quote=quote,
        fee=0,
        liquidation_fee=0,
        pay=0,
        insurance=0,
        tilt=KEEP_TILT,
        auction=False,
    )
    ledger.post_agreed(world, agreed)


def _require_legs(world: World, receiver: int, before: Account, moved: Sequence[int]) -> None:
    """Refuse a move that leaves a leg under 10 USD on either side."""
    for position, lots in enumerate(moved):
        if lots != 0:
            leg = before.legs[position]
            price = _market(world, leg.instrument).price
            for left in (world.account(receiver).size(leg.instrument), leg.size - lots):
                require(left == 0 or abs(left) * price >= DUST, "operators: leg too small")


def _require_amounts(world: World, receiver: int, before: Account, moved: Sequence[int]) -> None:
    """Refuse a move that leaves dust of a token on either side."""
    for position, atoms in enumerate(moved):
        if atoms != 0:
            held = before.collateral[position]
            least = min_amount(world.tokens[held.id])
            for left in (held.amount - atoms, world.account(receiver).amount(held.id)):
                require(left == 0 or left >= least, "operators: dust")
