"""Stories that the actors begin now and then: ops that only make sense one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from tests.reference import liquidation
from tests.reference.state import World
from tests.stateful import fullest
from tests.stateful.hostile import Hostile
from tests.stateful.house import TRADERS
from tests.stateful.ops import Op
from tests.stateful.sinking import Limited, Sinking

# how often each is begun
STORIES = {
    "sink": 0.7,
    "hostile": 0.5,
    "limited": 0.3,
    "fill": 0.2,
}


class Stories:
    """The actors' stories; what else they do is in tests.stateful.rules."""

    rng: Random
    world: World
    story: Iterator[Op]
    telling: str
    _update: Callable[..., Op]

    def told(self, world: World) -> Op | None:
        """Return the next op of the story that was begun, None after its last."""
        self.world = world
        return next(self.story, None)

    def begin(self, name: str, story: Iterator[Op]) -> None:
        """Let the next ops be those of a story."""
        self.telling, self.story = name, story

    def sink(self) -> Op:
        """Begin the story of an account that goes under water."""
        return self._tell("sink", Sinking(self).story())

    def hostile(self) -> Op:
        """Begin the story of a collateral that turns hostile."""
        return self._tell("hostile", Hostile(self).story())

    def limited(self) -> Op:
        """Begin the story of a reward that the fund's limits cut."""
        return self._tell("limited", Limited(self).story())

    def fill(self) -> Op:
        """Begin to fill an account as far as this deployment goes, for any trader."""
        return self._tell("fill", fullest.fill(self, self.rng.choice(TRADERS)))

    def _tell(self, name: str, story: Iterator[Op]) -> Op:
        self.begin(name, story)
        return next(story)

    def make(self, name: str, caller: int, args: tuple[object, ...], wait: int) -> Op:
        """Return an op of a story."""
        return Op(name, caller, args, (), wait)

    def update_in(self, seconds: int) -> Op:
        """Return an update of prices after some seconds."""
        return self._update(seconds)

    def planned(self, key: int) -> int:
        """Return the fraction of an account to take now [WAD]."""
        return liquidation.planned_fraction(self.world, liquidation.case_of(self.world, key))
