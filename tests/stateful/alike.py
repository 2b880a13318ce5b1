"""E4: the same economics told in tokens of 6, 8 and 18 decimals come to the same dollars.

Three deployments do the same ops, chosen on the one with the coarsest tokens, whose amounts are
whole atoms of the others. They may differ by what is rounded to an atom and by nothing else: a
redemption is paid in whole atoms and its rest stays in the pool, a part of an account that is taken
is whole atoms of each collateral and its cash makes up for them. Each of these sets the deployments
apart by at most one atom of the coarsest token, and `Slack` adds up what those are worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.reference.ledger import Action
from tests.reference.state import World
from tests.reference.units import TICKS_PER_USD, WAD
from tests.stateful.ops import Op

# where an op's args name an amount of atoms
AMOUNTS = {
    "deposit": 2,
    "permit_deposit": 2,
    "withdraw": 2,
    "op_withdraw": 2,
    "isolate": 2,
    "transfer": 3,
    "donate": 2,
    "fund": 0,
    "request_deposit": 0,
    "withdraw_surplus": 0,
}
# and where it names actions
ACTIONS = {"batch": 1, "operate": 0}


def retold(op: Op, factor: int) -> Op:
    """Return an op whose amounts are told in atoms that are so many times finer."""
    if op.name in AMOUNTS:
        return _changed(op, AMOUNTS[op.name], lambda amount: amount * factor)
    if op.name in ACTIONS:
        return _changed(
            op,
            ACTIONS[op.name],
            lambda actions: tuple(_finer(each, factor) for each in actions),
        )
    if op.name == "move":
        return _changed(
            op, 3, lambda amounts: tuple((token, amount * factor) for token, amount in amounts)
        )
    return op


def _finer(action: Action, factor: int) -> Action:
    return replace(action, amount=action.amount * factor)


def _changed(op: Op, position: int, change: Callable[[Any], Any]) -> Op:
    args = list(op.args)
    args[position] = change(args[position])
    return replace(op, args=tuple(args))


@dataclass(frozen=True, slots=True)
class Slack:
    """How far apart roundings to an atom may have set two deployments."""

    dollars: int = 0  # WAD
    # of each collateral
    atoms: int = 0

    def after(self, op: Op, world: World) -> Slack:
        """Return the slack after an op of the coarsest world."""
        if op.name == "execute_redeem":
            return Slack(self.dollars + world.setup.scale, self.atoms)
        if op.name == "take" and op.args[2] != WAD:
            worth = sum(
                world.tokens[key].scale * world.markets[terms.feed].price // TICKS_PER_USD + 1
                for key, terms in world.collaterals.items()
            )
            return Slack(self.dollars + worth, self.atoms + 1)
        return self


def same_result(worlds: Sequence[World], slack: Slack) -> None:
    """Assert that the first world's dollars are the others', but for what atoms make."""
    coarse, *finer = worlds
    for fine in finer:
        factor = coarse.setup.scale // fine.setup.scale
        assert coarse.markets == fine.markets
        assert abs(coarse.pot - fine.pot) <= slack.dollars
        assert abs(coarse.deficit - fine.deficit) <= slack.dollars
        assert abs(coarse.supply - fine.supply) <= slack.dollars
        assert coarse.listed == fine.listed
        for key in coarse.listed:
            _same_account(coarse, fine, key, factor, slack)


def _same_account(coarse: World, fine: World, key: int, factor: int, slack: Slack) -> None:
    """Assert that an account has the same legs, the same tokens, and as many dollars."""
    ours, theirs = coarse.account(key), fine.account(key)
    assert (ours.legs, ours.flags) == (theirs.legs, theirs.flags)
    for token in coarse.collaterals:
        off = abs(ours.amount(token) * factor - theirs.amount(token))
        assert off <= slack.atoms * factor
    assert abs(ours.cash - theirs.cash) <= slack.dollars
    assert abs(ours.quote - theirs.quote) <= slack.dollars
    a, b = coarse.health(key), fine.health(key)
    for name in ("equity", "im", "le", "mm"):
        # what is required of an atom is at most what it is worth, and one wei more by rounding up
        assert abs(getattr(a, name) - getattr(b, name)) <= 2 * slack.dollars
