"""What must hold of who acts, of locks and of gas; tests.stateful.invariants registers it.

None of it looks at an action's own checks: B2 looks at what became of the accounts, F1 at who
asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.reference import ledger, margin
from tests.reference.facts import Account
from tests.reference.ledger import DEPOSIT, TRANSFER
from tests.reference.operators import RECEIVE_SCOPE, TRADE_SCOPE, WITHDRAW_SCOPE
from tests.reference.state import World, owner_of
from tests.reference.units import SETTLE_PAY
from tests.stateful.gas_bounds import BOUNDS
from tests.stateful.house import OWNER
from tests.stateful.ops import Op
from tests.stateful.powers import MODELS as OWNER_ACTIONS
from tests.stateful.step import LIQUIDATIONS, Step

# ---- B2: whatever is called ----------------------------------------------------------------------


def whatever_is_called(step: Step) -> None:
    """R2 holds of every account whose owner, or whom he let, had a hand in it, by any function."""
    for key in step.touched:
        if key != step.subject and _consents(step, key):
            _require_r2(step, key)


def _consents(step: Step, key: int) -> bool:
    """Return whether an account's owner asked for what happened, or let the one who did."""
    op = step.op
    if op.name == "execute" and key == op.args[0].account:
        return True
    return owner_of(key) == op.caller or granted(step.start, key, op.caller, ~0)


def granted(world: World, key: int, operator: int, scope: int) -> bool:
    """Return whether somebody may act for an account now."""
    held, expiry, uses = world.grants.get((key, operator), (0, 0, 0))
    return world.now <= expiry and uses > 0 and held & scope != 0


def _require_r2(step: Step, key: int) -> None:
    """Assert E >= IM, or that nothing grew, nothing left and nothing became worse."""
    new, after = step.after.health(key), step.after.account(key)
    if new.equity >= new.im:
        return
    before = step.start.account(key)
    # oi_scale and soft factors are global and not the owner's: both sides at those of after it
    old = margin.check(before, step.after.markets, step.after.collaterals, step.after.now)
    # the one who settles somebody else's loss may earn a dollar of it
    pay = SETTLE_PAY if step.op.name == "settle_pair" else 0
    assert all(abs(leg.size) <= abs(before.size(leg.instrument)) for leg in after.legs)
    assert all(after.amount(held.id) >= held.amount for held in before.collateral)
    assert after.cash >= before.cash + _settled(step, key) - pay
    assert new.equity - new.im >= old.equity - old.im - pay
    assert new.equity - new.mm >= old.equity - old.mm - pay
    if _books_alone(before, after):
        # more collateral may lower E / MM where its haircut is all that MM is: E - MM rose
        assert new.equity >= old.equity - pay
    else:
        assert ledger.improves(old, new) if old.equity >= 0 else new.equity >= old.equity


def _books_alone(before: Account, after: Account) -> bool:
    """Return whether an account's legs are what they were."""
    return sorted(before.legs) == sorted(after.legs)


def _settled(step: Step, key: int) -> int:
    return sum(event["amount"] for event in step.named("Settled") if event["account"] == key)


# ---- C5: who takes over --------------------------------------------------------------------------


def sound_buyer(step: Step) -> None:
    """A buyer ends at E >= IM and is neither of the subject's owner nor of the house.

    Nor is whoever is paid for a reduce.
    """
    if step.op.name not in LIQUIDATIONS:
        return
    position = 1 if step.op.name == "take" else 4
    other = step.op.args[position]
    assert owner_of(other) != owner_of(step.subject)
    assert not step.after.account(other).house
    if step.op.name == "take":
        health = step.after.health(other)
        assert health.equity >= health.im
        # what it had in auction is over with it
        assert not step.after.account(other).in_auction or health.equity < health.le


# ---- F1: who may ---------------------------------------------------------------------------------


def authorised(step: Step) -> None:
    """What went through was asked for by somebody who may: docs/roles.md, row by row."""
    op = step.op
    if op.name in OWNER_ACTIONS:
        assert op.caller == OWNER
    elif op.name in MAY:
        assert MAY[op.name](step.start, op)


def _own(position: int) -> Callable[[World, Op], bool]:
    return lambda _, op: owner_of(op.args[position]) == op.caller


def _own_order(world: World, op: Op) -> bool:
    return owner_of(op.args[0].account) == op.caller


def _orders(world: World, op: Op) -> bool:
    placed: Any = op.args[0] if op.name == "op_commit" else (op.args[0],)
    return all(_acts(world, op, order.account, TRADE_SCOPE) for order in placed)


def _acts(world: World, op: Op, key: int, scope: int) -> bool:
    return owner_of(key) == op.caller or granted(world, key, op.caller, scope)


def _batch(world: World, op: Op) -> bool:
    actions = op.args[1] if op.name == "batch" else op.args[0]
    kind = op.name == "operate"
    return all(owner_of(each.account) == op.caller for each in actions) and all(
        # through Operators nothing goes to anybody else
        each.kind == DEPOSIT or _receiver(each) == op.caller
        for each in actions
        if kind
    )


def _receiver(action: ledger.Action) -> int:
    return owner_of(action.other) if action.kind == TRANSFER else action.other


def _deposit(world: World, op: Op) -> bool:
    """A stranger brings cash, or what the account holds."""
    key, token, _ = op.args
    return owner_of(key) == op.caller or token == 0 or world.account(key).amount(token) > 0


def _isolate(world: World, op: Op) -> bool:
    return owner_of(op.args[0]) == op.caller == owner_of(op.args[3].account)


MAY: dict[str, Callable[[World, Op], bool]] = {
    "deposit": _deposit,
    "withdraw": _own(0),
    "transfer": _own(0),
    "commit": _own_order,
    "cancel": _own_order,
    "batch": _batch,
    "operate": _batch,
    "grant": _own_order,
    "isolate": _isolate,
    "fold": lambda w, op: _own(0)(w, op) and _own(1)(w, op),
    "move": lambda w, op: _own(0)(w, op) and _acts(w, op, op.args[1], RECEIVE_SCOPE),
    "op_commit": _orders,
    "op_cancel": _orders,
    "op_withdraw": lambda w, op: _acts(w, op, op.args[0], WITHDRAW_SCOPE),
    "take": _own(1),
    "share": lambda w, op: w.shares.get(op.caller, 0) >= op.args[1],
    "request_redeem": lambda w, op: w.shares.get(op.caller, 0) >= op.args[0],
}


# ---- F5: locks -----------------------------------------------------------------------------------


def locked(step: Step) -> None:
    """What a token calls in the middle of a transfer fails at a lock, and is told nothing."""
    for probe in step.probes:
        called = f"{probe.contract}.{probe.function}"
        assert not probe.passed, f"{called} can be entered"
        assert not probe.answer, f"{called} came as far as {probe.answer!r}"


# ---- F8: gas -------------------------------------------------------------------------------------


# calls of tokens, which are no entry points of ours
OF_TOKENS = ("donate", "habit")


def within_gas(step: Step) -> None:
    """No call uses more than its bound, and that of a price update that it brings along."""
    if step.op.name in OF_TOKENS:
        return
    bound = BOUNDS[step.op.name]
    if step.op.reports and step.op.name != "update":
        bound += BOUNDS["update"]
    assert step.gas <= bound
