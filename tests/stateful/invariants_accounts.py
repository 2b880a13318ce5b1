"""What must hold of batches, operators and moves; tests.stateful.invariants registers it."""

from __future__ import annotations

from tests.reference import ledger, operators
from tests.reference.ledger import DEPOSIT, TRANSFER, WITHDRAW, Action
from tests.reference.refused import Refused
from tests.reference.state import SETTLEMENT, World, min_amount, owner_of
from tests.reference.units import DUST, MAX_COLLATERALS, MAX_LEGS
from tests.reference.words import market_of
from tests.stateful.ops import Op
from tests.stateful.step import LIQUIDATIONS, Step

PAYMENTS = ("deposit", "transfer", "batch", "operate", "isolate", "permit_deposit")
ACCOUNT_OPS = ("batch", "operate", "isolate", "fold", "move", "op_withdraw")
# what two worlds may differ in after the same actions
BOOKS = ("accounts", "tokens", "collaterals", "markets", "wallets", "grants", "pot", "deficit")


def actions_of(op: Op) -> tuple[Action, ...]:
    """Return what an op asks the Clearinghouse for as a batch."""
    if op.name == "batch":
        return tuple(op.args[1])
    if op.name == "operate":
        return tuple(op.args[0])
    if op.name == "isolate":
        parent, token, amount, order = op.args
        return (Action(TRANSFER, parent, order.account, token, amount),)
    if op.name == "op_withdraw":
        account, token, amount = op.args
        return (Action(WITHDRAW, account, account >> 96, token, amount),)
    return ()


def acting(op: Op) -> tuple[int, ...]:
    """Return the accounts for which their owner, or somebody he let, acted."""
    if op.name in ("fold", "move"):
        return tuple(op.args[:2])
    return tuple(each.account for each in actions_of(op) if each.kind != DEPOSIT)


def acting_in(step: Step) -> tuple[int, ...]:
    """Return the accounts for which their owner acted, the pool as the owner of its own."""
    if step.op.name in ("withdraw", "transfer"):
        return (step.op.args[0],)
    if step.op.name == "execute":
        # where the trade was refused, nothing was done for it (D3)
        return (step.op.args[0].account,) if any(step.named("Executed")) else ()
    if step.op.name == "execute_redeem":
        return (step.after.setup.pool_account,)
    return acting(step.op)


def same_books(a: World, b: World) -> bool:
    """Return whether two worlds hold the same."""
    return all(getattr(a, name) == getattr(b, name) for name in BOOKS)


def in_sequence(world: World, op: Op) -> World | None:
    """Return the world after an op's actions one after the other, None where one is refused."""
    alone = world.copy()
    owner = op.caller
    try:
        if op.name == "operate":
            for grant in op.args[1]:
                operators.grant(alone, owner, grant)
        for each in actions_of(op):
            _alone(alone, owner, each)
    except Refused:
        return None
    return alone


def _alone(world: World, owner: int, action: Action) -> None:
    account, token, amount = action.account, action.token, action.amount
    if action.kind == DEPOSIT:
        ledger.deposit(world, owner, account, token, amount)
    elif action.kind == WITHDRAW:
        ledger.withdraw(world, owner, account, token, amount, action.other)
    else:
        ledger.transfer(world, owner, account, action.other, token, amount)


# ---- what must hold ------------------------------------------------------------------------------


def sequence(step: Step) -> None:
    """A batch ends as its actions one after the other, whenever those pass."""
    if step.op.name in ("batch", "operate"):
        alone = in_sequence(step.start, step.op)
        assert alone is None or same_books(alone, step.after)


def cannot_block(step: Step) -> None:
    """Nothing an owner or a token can do stands in the way of a liquidation.

    Nothing leaves an account in auction by a fold or a move. A liquidation calls no token: nothing
    is paid outside the ledger, and nobody but our contracts logs. No account has more legs or
    collaterals than a take moves at once, and no stranger fills its places.
    """
    if step.op.name in ("fold", "move"):
        assert not step.start.account(step.op.args[0]).in_auction
    if step.op.name in ("flag", "write_off", *LIQUIDATIONS):
        assert step.foreign == 0
        assert step.after.wallets == step.start.wallets
    for key in step.touched:
        old, new = step.start.account(key), step.after.account(key)
        assert len(new.legs) <= MAX_LEGS and len(new.collateral) <= MAX_COLLATERALS
        if owner_of(key) != step.op.caller and step.op.name in PAYMENTS:
            assert {held.id for held in new.collateral} <= {held.id for held in old.collateral}


def require_no_debt(step: Step) -> None:
    """Assert that cash that was taken in a batch leaves none missing."""
    for action in actions_of(step.op):
        if action.kind != DEPOSIT and action.token == SETTLEMENT:
            assert step.after.account(action.account).cash >= 0


def require_no_dust(step: Step) -> None:
    """Assert that what an op moved left no leg and no amount under its minimum."""
    world, op = step.after, step.op
    for each in actions_of(op):
        keys = (each.account, each.other) if each.kind == TRANSFER else (each.account,)
        for key in keys:
            held = world.account(key).amount(each.token)
            least = min_amount(world.tokens[each.token])
            assert held == 0 or each.token == SETTLEMENT or held >= least
    if op.name in ("fold", "move"):
        for key in op.args[:2]:
            old = step.start.account(key)
            for leg in world.account(key).legs:
                if leg.size != old.size(leg.instrument):
                    price = world.markets[market_of(leg.instrument)].price
                    assert abs(leg.size) * price >= DUST
