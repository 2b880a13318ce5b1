"""What a token of the zoo turns into, on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reference.state import World

if TYPE_CHECKING:
    from tests.stateful.house import House
    from tests.stateful.ops import Op

# ZooToken.Answer
NO = 2


def learn(world: World, op: Op) -> None:
    """Remember what a token is from now on; no habit is the end of one."""
    token, habit, holder = op.args
    if habit:
        world.habits[token] = (habit, holder)
    else:
        world.habits.pop(token, None)


def teach(house: House, op: Op) -> None:
    """Tell a token what to be."""
    key, habit, holder = op.args
    token = house.tokens[key]
    if habit == "paused":
        token.send(op.caller, "set_paused", True)
    elif habit == "blocked":
        token.send(op.caller, "set_blocked", holder, True)
    elif habit == "denies":
        token.send(op.caller, "set_answer", NO)
    elif habit == "fee":
        token.send(op.caller, "set_fee", holder, 0)
    else:
        token.send(op.caller, "set_paused", False)
        token.send(op.caller, "set_answer", 0)
        token.send(op.caller, "set_fee", 0, 0)
        token.send(op.caller, "set_blocked", holder, False)
