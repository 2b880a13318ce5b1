"""Batches and Operators, once against the reference and once against the chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from tests.reference import ledger, operators
from tests.reference.ledger import Action
from tests.reference.refused import require
from tests.reference.state import World, owner_of
from tests.stateful.evm import address_text
from tests.stateful.house import KEYS
from tests.support import permits

if TYPE_CHECKING:
    from tests.stateful.house import House
    from tests.stateful.ops import Op

# owns no account: in whose name Operators brings tokens of others
NOBODY = 0

Pair = tuple[Callable[[World, "Op"], Any], Callable[["House", "Op"], Any]]


def _batch_model(world: World, op: Op) -> None:
    owner, actions = op.args
    require(op.caller == owner, "clearinghouse: not a hand")
    ledger.batch(world, owner, actions, agent=False, reports=op.reports)


def _isolate_model(world: World, op: Op) -> None:
    operators.isolate(world, op.caller, *op.args, op.reports)


# ---- chain side ----------------------------------------------------------------------------------


def _reports(house: House, op: Op) -> bytes:
    return house.blob(op.reports)


def _led(house: House, op: Op) -> tuple[bytes, ...]:
    """Return the optional last argument: signed reports."""
    return (_reports(house, op),) if op.reports else ()


def _elements(house: House, actions: Sequence[Action]) -> list[tuple[int, ...]]:
    return [
        (each.kind, each.account, each.other, house.tokens[each.token].address, each.amount)
        for each in actions
    ]


def _batch(house: House, op: Op) -> None:
    owner, actions = op.args
    house.clearinghouse.send(
        op.caller, "batch", _reports(house, op), owner, _elements(house, actions)
    )


def _operate(house: House, op: Op) -> None:
    actions, grants = op.args
    given = [astuple(grant) for grant in grants]
    house.operators.send(op.caller, "batch", _reports(house, op), _elements(house, actions), given)


def _isolate(house: House, op: Op) -> None:
    parent, token, amount, order = op.args
    address = house.tokens[token].address
    arguments = (parent, address, amount, astuple(order), *_led(house, op))
    house.operators.send(op.caller, "isolate", *arguments, value=order.reserve)


def _op_commit(house: House, op: Op) -> None:
    orders = op.args[0]
    house.operators.send(
        op.caller,
        "commit",
        [astuple(order) for order in orders],
        value=sum(order.reserve for order in orders),
    )


def _op_withdraw(house: House, op: Op) -> None:
    account, token, amount = op.args
    address = house.tokens[token].address
    house.operators.send(op.caller, "withdraw", account, address, amount, *_led(house, op))


def _led_call(name: str) -> Callable[[House, Op], None]:
    def call(house: House, op: Op) -> None:
        house.operators.send(op.caller, name, *op.args, *_led(house, op))

    return call


def _permit(house: House, op: Op) -> None:
    grant, nonce, deadline, signer = op.args
    desk = house.operators.address
    signed = permits.Grant(grant.account, *_named(grant.operator), *astuple(grant)[2:])
    digest = permits.permit_digest(signed, nonce, deadline, *_named(desk))
    signature = permits.sign(KEYS[signer], digest)
    house.operators.send(op.caller, "permit", astuple(grant), nonce, deadline, signature)


def _named(address: int) -> tuple[str]:
    return (address_text(address),)


def _permit_deposit(house: House, op: Op) -> None:
    """Deposit as with a permit that was brought before: its allowance is there."""
    account, token, amount = op.args
    address = house.tokens[token].address
    nothing = (0, 0, bytes(32), bytes(32))
    house.operators.send(op.caller, "deposit_with_permit", account, address, amount, *nothing)


def _permit_deposit_model(world: World, op: Op) -> None:
    account, token, amount = op.args
    if owner_of(account) != op.caller:
        # the tokens pass through Operators, which is nobody's owner
        ledger.move_wallet(world, op.caller, token, -amount)
        ledger.take_in(world, NOBODY, account, token, amount)
        return
    action = Action(ledger.DEPOSIT, account, 0, token, amount)
    ledger.batch(world, op.caller, (action,), agent=True, reports=())


ACCOUNT_ACTIONS: dict[str, Pair] = {
    "batch": (_batch_model, _batch),
    "operate": (lambda w, op: operators.batch(w, op.caller, *op.args, op.reports), _operate),
    "grant": (
        lambda w, op: operators.grant(w, op.caller, *op.args),
        lambda house, op: house.operators.send(op.caller, "grant", astuple(op.args[0])),
    ),
    "isolate": (_isolate_model, _isolate),
    "fold": (lambda w, op: operators.fold(w, op.caller, *op.args, op.reports), _led_call("fold")),
    "move": (lambda w, op: operators.move(w, op.caller, *op.args, op.reports), _led_call("move")),
    "op_commit": (lambda w, op: operators.commit(w, op.caller, *op.args), _op_commit),
    "op_cancel": (
        lambda w, op: operators.cancel(w, op.caller, *op.args),
        lambda house, op: house.operators.send(op.caller, "cancel", astuple(op.args[0])),
    ),
    "permit": (lambda w, op: operators.permit(w, *op.args), _permit),
    "cancel_nonce": (
        lambda w, op: operators.cancel_nonce(w, op.caller, *op.args),
        lambda house, op: house.operators.send(op.caller, "cancel_nonce", *op.args),
    ),
    "permit_deposit": (_permit_deposit_model, _permit_deposit),
    "op_withdraw": (
        lambda w, op: operators.withdraw(w, op.caller, *op.args, op.reports),
        _op_withdraw,
    ),
}
