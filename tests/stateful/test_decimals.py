"""E4: three deployments that differ in nothing but their tokens' decimals, op after op."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from tests.reference.state import World
from tests.reference.units import WAD
from tests.stateful.alike import Slack, retold, same_result
from tests.stateful.machine import Machine, Tally
from tests.stateful.ops import Op
from tests.stateful.rules import Actors
from tests.stateful.runs import SEED, Record, told
from tests.stateful.terms import ALIKE, ALL

STEPS = int(os.environ.get("PLIMSOLL_ALIKE_STEPS", "1500"))
FIRST = len(ALL) - len(ALIKE)
# refused everywhere, some for a share more than somebody has: an atom apart, he may have it
LEFT_OUT = ("trespass",)
# where an atom more or less decides, once a part of an account was taken
EDGES = {"custody: dust", "ledger: not enough collateral", "operators: dust", "ledger: margin", ""}


class Triple:
    """Three machines side by side."""

    def __init__(self, seed: int) -> None:
        self.machines = [Machine(FIRST + number) for number in range(len(ALIKE))]
        coarse = self.machines[0]
        self.actors = Actors(seed, coarse.world)
        self.actors.core = coarse.house.clearinghouse.address
        self.slack = Slack()

    @property
    def worlds(self) -> list[World]:
        return [machine.world for machine in self.machines]

    def step(self, op: Op, rule: str) -> bool:
        """Do an op on each, in its own atoms; return whether they go on alike."""
        coarse = self.worlds[0]
        for machine in self.machines:
            machine.step(retold(op, coarse.setup.scale // machine.world.setup.scale), rule)
        said = {machine.refusal or machine.died for machine in self.machines}
        if len(said) > 1:
            assert self.slack.atoms and said <= EDGES, f"{op} goes through in some only: {said}"
            return False
        if said == {""}:
            self.slack = self.slack.after(op, coarse)
        if op.name == "reduce" and self.slack.atoms:
            # how much it closes, and what a small lack pays, hang on an account's last atom
            self._require_near()
            return False
        same_result(self.worlds, self.slack)
        return True

    def _require_near(self) -> None:
        """Require that a reduce closed as much in each, but for what atoms make."""
        apart = 0
        for market in self.worlds[0].markets:
            facts = [world.markets[market] for world in self.worlds]
            interest = [each.open_interest for each in facts]
            apart += (max(interest) - min(interest)) * facts[0].price
        # a close goes on until what it releases, a percent of it at the least, covers the lack
        assert apart <= 100 * self.slack.dollars

    def play(self, steps: int) -> int:
        """Do so many ops, or as many as go alike; return how many."""
        for op in self.actors.opening():
            self.step(op, "opening")
        for count in range(steps):
            rule, op = self.actors.next_op(self.worlds[0])
            if rule not in LEFT_OUT and not self.step(op, rule):
                return count
        return steps


@cache
def played(seed: int) -> tuple[Triple, ...]:
    """Return runs of so many steps together."""
    runs, left = [], STEPS
    while left > 0:
        runs.append(Triple(seed + len(runs)))
        left -= max(1, runs[-1].play(left))
        for machine in runs[-1].machines:
            machine.finish()
    return tuple(runs)


def test_e4_decimals__same_actions__same_dollars(record_property: Record) -> None:
    runs = played(SEED + 17)
    seen: Counter[str] = Counter()
    for number in range(len(ALIKE)):
        tally = Tally()
        for triple in runs:
            tally += triple.machines[number].tally
        record_property("machine", json.dumps(told(FIRST + number, tally)))
        seen += tally.seen

    assert all(seen[kind] for kind in ("RequestExecuted", "Taken part", "Taken whole", "Reduced"))
    # what roundings may have made of it stays below a dollar
    assert max(triple.slack.dollars for triple in runs) < WAD


def _richer(world: World) -> None:
    key = world.listed[-1]
    account = world.account(key)
    world.accounts[key] = replace(account, cash=account.cash + 10 * WAD)


def _fuller(world: World) -> None:
    key = next(key for key, account in world.accounts.items() if account.collateral)
    first, *others = world.account(key).collateral
    grown = first._replace(amount=first.amount + 10**17)
    world.accounts[key] = replace(world.account(key), collateral=(grown, *others))


def _longer(world: World) -> None:
    key = next(key for key, account in world.accounts.items() if account.legs)
    first, *others = world.account(key).legs
    world.accounts[key] = replace(
        world.account(key), legs=(first._replace(size=first.size + 1), *others)
    )


def _dearer(world: World) -> None:
    world.markets[1] = replace(world.markets[1], price=world.markets[1].price + 1)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("tamper", [_richer, _fuller, _longer, _dearer])
def test_e4__world_tampered_with__fails(tamper: Callable[[World], None], number: int) -> None:
    triple = played(SEED + 17)[-1]
    worlds = [world.copy() for world in triple.worlds]
    same_result(worlds, triple.slack)
    worlds[number].checked = {}
    tamper(worlds[number])

    with pytest.raises(AssertionError):
        same_result(worlds, triple.slack)
