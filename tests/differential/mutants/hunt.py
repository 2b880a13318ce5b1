"""Kills mutants: asks the same question with and without them, mostly in groups that are halved."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.stateful.evm import Evm, Reverted

Ask = Callable[[], Any]
# so few are asked one by one: two that cancel would hide each other in every group of both
FEW = 16
# Those that no question can tell are asked in this many groups, drawn anew for every question, so
# that two which cancel are apart in most of them.
EXEMPT_GROUPS = 3


@dataclass
class Hunt:
    """The mutants that nothing has told from the original yet, and what killed the others."""

    alive: set[int]
    exempt: frozenset[int] = frozenset()
    killed: dict[int, str] = field(default_factory=dict)
    rng: Random = field(default_factory=lambda: Random(0))

    def question(
        self, evm: Evm, name: str, ask: Ask, expected: Any, *, one_by_one: bool = False
    ) -> None:
        """Require the original to answer as the reference, and drop the mutants that do not.

        In a group one mutant may hide another; a question made for one asks them one by one.
        """
        evm.set_random(0)
        told = answer(ask)
        assert told == expected, f"{name}: reference {expected}, chain {told}"
        groups = self._groups(one_by_one)
        dead = [number for group in groups for number in self._differing(evm, ask, told, group)]
        evm.set_random(0)
        for number in dead:
            self.alive.discard(number)
            self.killed[number] = name

    def _groups(self, one_by_one: bool) -> list[list[int]]:
        alive = sorted(self.alive - self.exempt)
        apart = one_by_one or len(alive) <= FEW
        told = sorted(self.alive & self.exempt)
        self.rng.shuffle(told)
        parts = [told[i::EXEMPT_GROUPS] for i in range(EXEMPT_GROUPS)]
        return [*([number] for number in alive), *parts] if apart else [alive, *parts]

    def _differing(self, evm: Evm, ask: Ask, told: Any, group: list[int]) -> Iterable[int]:
        if not group:
            return
        evm.set_random(sum(1 << number for number in group))
        if answer(ask) == told:
            return
        if len(group) == 1:
            yield group[0]
            return
        half = len(group) // 2
        yield from self._differing(evm, ask, told, group[:half])
        yield from self._differing(evm, ask, told, group[half:])


def answer(ask: Ask) -> Any:
    """Return what a question is answered with, a refusal included."""
    try:
        return ask()
    except Reverted as reverted:
        return f"refused: {reverted.reason}"


def trying(evm: Evm, act: Ask) -> Ask:
    """Return a question of an action that leaves no trace."""

    def ask() -> Any:
        before = evm.snapshot()
        try:
            return act()
        finally:
            evm.restore(before)

    return ask
