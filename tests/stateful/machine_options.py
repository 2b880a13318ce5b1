"""The machine on a deployment with options: the engine is compared with its reference too."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import Any

from tests.reference.facts import Account
from tests.reference.state import World
from tests.reference.units import WAD
from tests.stateful import invariants_options
from tests.stateful.evm import Reverted
from tests.stateful.house_options import ENGINE, MARKETS, EngineHouse
from tests.stateful.machine import Failure, Machine, Tally, without
from tests.stateful.mirror import Arguments, Mirror
from tests.stateful.ops import Op
from tests.stateful.ops_options import engine_of
from tests.stateful.rules_options import OptionsActors
from tests.stateful.step import Probe, Step

NUMBER = 100  # of the deployment, for what is told of a run


@cache
def house() -> EngineHouse:
    """Return the deployment, built once a process."""
    return EngineHouse()


_births: list[Any] = []


def newborn() -> EngineHouse:
    """Return the deployment as it was at its birth."""
    made = house()
    if _births:
        made.evm.restore(_births.pop())
    _births.append(made.evm.snapshot())
    return made


class OptionsMirror(Mirror):
    """Follows the engine's events as well (F7)."""

    def __init__(self, world: World, tokens: dict[int, int]) -> None:
        super().__init__(world, tokens)
        self.held: dict[int, dict[int, int]] = defaultdict(dict)
        self.modes: dict[int, bool] = {}
        # settlement prices as they were told first
        self.prices_written: dict[tuple[int, int], int] = {}

    def _hold(self, account: int, instrument: int, size: int) -> None:
        if instrument >> 54 & 3 == 0:
            self.books[account].set_leg(instrument, size)
            return
        self.held[account].pop(instrument, None)
        if size:
            self.held[account][instrument] = size

    def _on_LegTraded(self, e: Arguments) -> None:
        self._hold(e["taker"], e["instrument"], e["taker_size"])
        self._hold(e["maker"], e["instrument"], e["maker_size"])

    def _on_FillTraded(self, e: Arguments) -> None:
        taker, maker = self.books[e["taker"]], self.books[e["maker"]]
        taker.cash -= e["cash"]
        maker.cash += e["cash"]
        taker.quote -= e["quote"] + e["taker_fee"]
        maker.quote += e["quote"] - e["maker_fee"]
        self.books[self.setup.fee_account].quote += e["taker_fee"] + e["maker_fee"]

    def _on_LegCarried(self, e: Arguments) -> None:
        self._hold(e["account"], e["instrument"], e["account_size"])
        self._hold(e["receiver"], e["instrument"], e["receiver_size"])

    def _on_LegSettled(self, e: Arguments) -> None:
        self._hold(e["account"], e["instrument"], 0)
        self.books[e["account"]].quote += e["value"]
        self.books[ENGINE].quote -= e["value"]

    def _on_ModeSet(self, e: Arguments) -> None:
        self.modes[e["account"]] = e["portfolio"]

    def _on_Taken(self, e: Arguments) -> None:
        if e["fraction"] == WAD:
            self.modes[e["account"]] = False

    def _on_ExpiryPriceSet(self, e: Arguments) -> None:
        key = e["market"], e["expiry_hours"]
        assert key not in self.prices_written
        self.prices_written[key] = e["price"]

    def compare_account(self, key: int, account: Account) -> None:
        """Assert that the logs tell one account."""
        super().compare_account(key, account)
        told = self.held[key] or self.modes.get(key, False) or key == ENGINE
        assert bool(told) == account.engaged

    def compare_sums(self, world: World) -> None:
        """Assert that the logs tell pot, deficit, what is tracked, and every leg at the engine."""
        super().compare_sums(world)
        engine = engine_of(world)
        assert self.prices_written == engine.settled
        for key, legs in engine.books.items():
            assert self.held[key] == {leg.instrument: leg.size for leg in legs}
            assert self.modes.get(key, False) == engine.modes.get(key, False)


class OptionsMachine(Machine):
    """One run on the deployment with options."""

    house: EngineHouse

    def __init__(self) -> None:
        self._begin(newborn(), OptionsMirror)

    def _check(self, step: Step) -> None:
        invariants_options.check_all(step)

    def _follow(
        self, op: Op, before: World, clock: World, answer: Any, probes: tuple[Probe, ...]
    ) -> None:
        if op.name == "fill":
            self.tally.seen[f"Fill of {min(len(op.args[0].legs), 3)}"] += 1
        super()._follow(op, before, clock, answer, probes)

    # ---- comparison

    def _compare(self, before: World, everyone: bool) -> None:
        super()._compare(before, everyone)
        old, new = engine_of(before), engine_of(self.world)
        for key in {**new.books, **new.modes}:
            changed = new.books.get(key) is not old.books.get(key)
            changed = changed or new.modes.get(key) != old.modes.get(key)
            if everyone or changed:
                self._compare_book(key)
            if changed:
                self._compare_health(key)
        for surface_key, surface in new.surfaces.items():
            if everyone or old.surfaces.get(surface_key) is not surface:
                told = self.house.surfaces.view("surface", *surface_key)
                self._same(f"surface {surface_key}", surface.word, told)
        for series_key, series in new.series.items():
            if everyone or old.series.get(series_key) is not series:
                told = self.house.expiries.view("settlement_price", *series_key)
                self._same(f"settlement price {series_key}", series.settled, told)
                told = tuple(self.house.expiries.view("average", *series_key))
                self._same(f"average {series_key}", series.average(), told)

    def _compare_book(self, key: int) -> None:
        engine = engine_of(self.world)
        self._same(f"legs of {key:x}", engine.books.get(key, ()), self.house.legs(key))
        mode = engine.modes.get(key, False) or key == ENGINE
        told = tuple(self.house.options.view("mode", key))
        self._same(f"mode of {key:x}", (len(engine.books.get(key, ())), mode), told)

    def _compare_rest(self) -> None:
        super()._compare_rest()
        engine = engine_of(self.world)
        for key in MARKETS:
            terms = (engine.caps[key], engine.interest.get(key, 0))
            self._same(
                f"terms of {key}", terms, tuple(self.house.options.view("market_terms", key))
            )
            live = [engine.surfaces[key, h].word for h in engine.store.live(key, self.world.now)]
            self._same(f"surfaces of {key}", live, list(self.house.surfaces.view("surfaces", key)))
        for surface_key in engine.store.waiting:
            waiting = engine.store.pending(surface_key)
            told = self.house.surfaces.view("pending", *surface_key)
            self._same(f"pending {surface_key}", waiting.word if waiting else 0, told)


# ---- runs ----------------------------------------------------------------------------------------


def run(seed: int, steps: int) -> Tally:
    """Run one seed; a broken run raises with its shrunk ops."""
    machine = OptionsMachine()
    actors = OptionsActors(seed, machine.world)
    actors.core = machine.house.clearinghouse.address
    try:
        actors.play(machine, steps)
        machine.finish()
    except AssertionError as broken:
        ops = shrink(tuple(machine.history))
        raise AssertionError(str(Failure(seed, NUMBER, str(broken), ops))) from None
    return machine.tally


def replay(ops: tuple[Op, ...]) -> str:
    """Return what breaks when ops are replayed, "" when nothing does."""
    machine = OptionsMachine()
    try:
        for op in ops:
            machine.step(op)
        machine.finish()
    except (AssertionError, Reverted) as broken:
        return str(broken)
    return ""


def shrink(ops: tuple[Op, ...], budget: int = 60) -> tuple[Op, ...]:
    """Drop ops in halves, quarters, … while the same kind of failure stays."""
    kind = replay(ops)[:12]
    size = len(ops) // 2
    while kind and size >= 1 and budget > 0:
        start = 0
        while start < len(ops) - 1 and budget > 0:
            fewer = without(ops, start, min(size, len(ops) - 1 - start))
            budget -= 1
            if replay(fewer)[:12] == kind:
                ops = fewer
            else:
                start += size
        size //= 2
    return ops
