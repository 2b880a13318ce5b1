"""Every action, once against the reference and once against the chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

from tests.reference import insurance, ledger, liquidation, orders, shares
from tests.reference.orders import Order
from tests.reference.state import World
from tests.stateful import guarding, habits, powers, trespass
from tests.stateful.house import House
from tests.stateful.ops_accounts import ACCOUNT_ACTIONS

Reports = ledger.Reports


@dataclass(frozen=True, slots=True)
class Op:
    """One transaction: who, what, with which arguments; `wait` seconds pass before it."""

    name: str
    caller: int
    args: tuple[Any, ...] = ()
    reports: Reports = ()
    wait: int = 0
    blocks: int = 1
    # the owners among whom alone things happen, as long as no time passes (C4)
    closed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """How an op is done on both sides."""

    model: Callable[[World, Op], Any]
    chain: Callable[[House, Op], Any]


def perform(world: World, op: Op) -> tuple[World, Any]:
    """Return the world after an op, and its answer; the old world is untouched."""
    after = world.copy()
    return after, ACTIONS[op.name].model(after, op)


def send(house: House, op: Op) -> Any:
    """Send an op to the chain and return its answer."""
    return ACTIONS[op.name].chain(house, op)


# ---- chain side ----------------------------------------------------------------------------------


def _led(house: House, op: Op) -> tuple[bytes, ...]:
    """Return the optional last argument: signed reports."""
    return (house.blob(op.reports),) if op.reports else ()


def _core(name: str) -> Callable[[House, Op], Any]:
    return lambda house, op: house.clearinghouse.send(op.caller, name, *op.args, *_led(house, op))


def _pool(name: str) -> Callable[[House, Op], Any]:
    return lambda house, op: house.pool.send(op.caller, name, *op.args, *_led(house, op))


def _hammer(name: str) -> Callable[[House, Op], Any]:
    return lambda house, op: house.liquidator.send(op.caller, name, *op.args, *_led(house, op))


def _deposit(house: House, op: Op) -> Any:
    account, token, amount = op.args
    address = house.tokens[token].address
    return house.clearinghouse.send(op.caller, "deposit", account, address, amount)


def _withdraw(house: House, op: Op) -> Any:
    account, token, amount, to = op.args
    if op.reports:
        return _led_action(house, op, ledger.WITHDRAW, account, to, token, amount)
    address = house.tokens[token].address
    return house.clearinghouse.send(op.caller, "withdraw", account, address, amount, to)


def _transfer(house: House, op: Op) -> Any:
    sender, receiver, token, amount = op.args
    if op.reports:
        return _led_action(house, op, ledger.TRANSFER, sender, receiver, token, amount)
    address = house.tokens[token].address
    return house.clearinghouse.send(op.caller, "transfer", sender, receiver, address, amount)


def _led_action(
    house: House, op: Op, kind: int, account: int, other: int, token: int, amount: int
) -> Any:
    """Do one action after a price update: a batch of it."""
    action = (kind, account, other, house.tokens[token].address, amount)
    blob = house.blob(op.reports)
    return house.clearinghouse.send(op.caller, "batch", blob, op.caller, [action])


def _settle_pair(house: House, op: Op) -> Any:
    losers, winner, settler = op.args
    paid = (settler,) if settler else ()
    return house.clearinghouse.send(op.caller, "settle_pair", losers, winner, *paid)


def _commit(house: House, op: Op) -> None:
    order: Order = op.args[0]
    house.orders.send(op.caller, "commit", astuple(order), value=order.reserve)


def _order(name: str) -> Callable[[House, Op], Any]:
    return lambda house, op: house.orders.send(
        op.caller, name, astuple(op.args[0]), *_led(house, op)
    )


def _execute(house: House, op: Op) -> str | None:
    """Execute an order; return why its trade was refused, None when it was filled."""
    _order("execute")(house, op)
    events = [house.orders.read(log) for log in house.evm.logs()]
    return next((said["reason"] for name, said in filter(None, events) if name == "Refused"), None)


def _donate(house: House, op: Op) -> None:
    token, to, amount = op.args
    contract = house.tokens[token]
    # what a token answers is not of one kind
    house.evm.send(op.caller, contract.address, contract.method("transfer", 2).data(to, amount))


def _fund(house: House, op: Op) -> None:
    house.fund.send(op.caller, "fund", *op.args)


# ---- model side ----------------------------------------------------------------------------------


def _silent(_answer: object) -> None:
    """Drop what only the reference answers."""


def _why(outcome: ledger.Traded | str) -> str | None:
    """Return why a trade was refused, None for one that was not."""
    return outcome if isinstance(outcome, str) else None


def _withdrawn(world: World, op: Op) -> None:
    account, token, amount, to = op.args
    if op.reports:
        action = ledger.Action(ledger.WITHDRAW, account, to, token, amount)
        ledger.batch(world, op.caller, (action,), False, op.reports)
    else:
        ledger.withdraw(world, op.caller, *op.args)


def _transferred(world: World, op: Op) -> None:
    sender, receiver, token, amount = op.args
    if op.reports:
        action = ledger.Action(ledger.TRANSFER, sender, receiver, token, amount)
        ledger.batch(world, op.caller, (action,), False, op.reports)
    else:
        ledger.transfer(world, op.caller, *op.args)


def _donated(world: World, op: Op) -> None:
    token, to, amount = op.args
    ledger.move_wallet(world, op.caller, token, -amount)
    ledger.move_wallet(world, to, token, amount)


def _funded(world: World, op: Op) -> None:
    insurance.fund(world, op.caller, *op.args)


def _shared(world: World, op: Op) -> None:
    receiver, amount = op.args
    shares._move_shares(world, op.caller, -amount)
    shares._move_shares(world, receiver, amount)


def _of_owner(name: str) -> Action:
    return Action(
        lambda world, op: powers.MODELS[name](world, *op.args),
        lambda house, op: powers.send(house, name, op.args),
    )


def _of_guardian(name: str) -> Action:
    return Action(
        lambda world, op: guarding.model(world, name, op.caller, op.args),
        lambda house, op: guarding.send(house, name, op.caller, op.args),
    )


ACTIONS = {
    "update": Action(
        lambda w, op: ledger.update(w, op.reports),
        lambda house, op: house.markets.send(op.caller, "update", house.blob(op.reports)),
    ),
    "deposit": Action(lambda w, op: ledger.deposit(w, op.caller, *op.args), _deposit),
    "withdraw": Action(_withdrawn, _withdraw),
    "transfer": Action(_transferred, _transfer),
    "settle": Action(lambda w, op: ledger.settle(w, *op.args), _core("settle")),
    "settle_pair": Action(lambda w, op: ledger.settle_pair(w, *op.args), _settle_pair),
    "commit": Action(lambda w, op: orders.commit(w, op.caller, *op.args), _commit),
    "execute": Action(
        lambda w, op: _why(orders.execute(w, *op.args, op.reports)),
        _execute,
    ),
    "cancel": Action(lambda w, op: orders.cancel(w, op.caller, *op.args), _order("cancel")),
    "refund": Action(lambda w, op: orders.refund(w, *op.args), _order("refund")),
    "request_deposit": Action(
        lambda w, op: shares.request_deposit(w, op.caller, *op.args), _pool("request_deposit")
    ),
    "request_redeem": Action(
        lambda w, op: shares.request_redeem(w, op.caller, *op.args), _pool("request_redeem")
    ),
    "execute_deposit": Action(
        lambda w, op: shares.execute_deposit(w, *op.args, op.reports), _pool("execute_deposit")
    ),
    "execute_redeem": Action(
        lambda w, op: shares.execute_redeem(w, *op.args, op.reports), _pool("execute_redeem")
    ),
    "retime": Action(lambda w, op: shares.retime(w, *op.args), _pool("retime")),
    "flag": Action(lambda w, op: liquidation.flag(w, *op.args, op.reports), _hammer("flag")),
    "reduce": Action(
        lambda w, op: _silent(liquidation.reduce(w, *op.args, op.reports)),
        _hammer("reduce"),
    ),
    "take": Action(
        lambda w, op: _silent(liquidation.take(w, op.caller, *op.args, op.reports)),
        _hammer("take"),
    ),
    "write_off": Action(lambda w, op: liquidation.write_off(w, *op.args), _hammer("write_off")),
    "donate": Action(_donated, _donate),
    "fund": Action(_funded, _fund),
    "share": Action(_shared, lambda house, op: _silent(_pool("transfer")(house, op))),
    "trespass": Action(trespass.refused, trespass.send),
    "habit": Action(habits.learn, habits.teach),
    **{name: _of_owner(name) for name in powers.MODELS},
    **{name: _of_guardian(name) for name in guarding.GUARDIAN_OPS},
    **{name: Action(*pair) for name, pair in ACCOUNT_ACTIONS.items()},
}
