"""What only options bring can fail: steps of a real run, tampered with, are caught under the id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.state import World
from tests.reference.units import DAY
from tests.stateful import invariants_options as options
from tests.stateful.machine_options import OptionsMachine
from tests.stateful.ops_options import engine_of
from tests.stateful.rules_options import OptionsActors
from tests.stateful.step import Step

SEED, STEPS = 1, 300
Tampered = Iterator[Step]


class Noting(OptionsMachine):
    """Keeps every step that the invariants saw."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []

    def _check(self, step: Step) -> None:
        super()._check(step)
        self.steps.append(step)


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    run = Noting()
    actors = OptionsActors(SEED, run.world)
    actors.core = run.house.clearinghouse.address
    actors.play(run, STEPS)
    return run.steps


def after(step: Step, change: Callable[[World], None]) -> Step:
    """Return the step with another end."""
    world = step.after.copy()
    world.checked = {}
    change(world)
    kept = {name: getattr(step, name) for name in Step.__dataclass_fields__}
    return Step(**{**kept, "after": world})


def owed(world: World) -> None:
    """Let the engine's own account have a wei too much."""
    key = engine_of(world).account
    account = world.account(key)
    world.accounts[key] = replace(account, quote=account.quote + 1)


def uneven(world: World) -> None:
    """Let somebody have a lot that nobody has sold."""
    engine = engine_of(world)
    key, legs = next((key, legs) for key, legs in engine.books.items() if legs)
    engine.books[key] = (Leg(legs[0].instrument, legs[0].size + 1), *legs[1:])


def repriced(world: World) -> None:
    """Let a settlement price be written again."""
    engine = engine_of(world)
    engine.settled = {key: price + 1 for key, price in engine.settled.items()}


def early(world: World) -> None:
    """Let a settlement price be written a day before its time."""
    world.now -= DAY


def test_a6__a_contract_or_a_payoff_too_much__is_noticed(steps: list[Step]) -> None:
    some = [step for step in steps if any(engine_of(step.after).books.values())]
    for change in (owed, uneven):
        with pytest.raises(AssertionError):
            options.zero_sum_options(after(some[-1], change))


def test_a6__a_premium_that_only_one_side_books__is_noticed(steps: list[Step]) -> None:
    fill = next(step for step in steps if step.op.name == "fill")

    def unpaid(world: World) -> None:
        key = fill.op.args[0].maker
        account = world.account(key)
        world.accounts[key] = replace(account, cash=account.cash - 1)

    with pytest.raises(AssertionError):
        options.zero_sum_options(after(fill, unpaid))


def test_a6__a_settled_leg_that_stays__is_noticed(steps: list[Step]) -> None:
    settled = next(step for step in steps if step.op.name == "settle_expired")
    key = settled.op.args[0]

    def kept(world: World) -> None:
        engine = engine_of(world)
        engine.books[key] = engine_of(settled.before).books[key]

    with pytest.raises(AssertionError):
        options.zero_sum_options(after(settled, kept))


def test_a7__a_price_written_again_early_or_of_no_average__is_noticed(steps: list[Step]) -> None:
    later = next(step for step in steps if engine_of(step.before).settled)
    with pytest.raises(AssertionError):
        options.settlement_price(after(later, repriced))
    written = next(
        step for step in steps if engine_of(step.after).settled != engine_of(step.before).settled
    )
    for change in (early, repriced):
        with pytest.raises(AssertionError):
            options.settlement_price(after(written, change))


def looked_at(step: Step) -> Step:
    """Return the step as one of the few that get a closer look."""
    kept = {name: getattr(step, name) for name in Step.__dataclass_fields__}
    gas = step.gas - (step.after.now + step.gas) % options.SELDOM
    return Step(**{**kept, "gas": gas})


def test_b6__a_scan_that_asks_more_of_two_books_together__is_noticed(
    steps: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_two(step: Step) -> bool:
        books = [key for key, legs in engine_of(step.after).books.items() if legs]
        return len(books) > 1 and any(key in books for key in options.touched(step))

    step = looked_at(next(step for step in steps if has_two(step)))
    options.subadditive(step)
    scan = options.scan_of

    def dearer(world: World, *keys: int) -> options.Scan:
        found = scan(world, *keys)
        more = tuple(loss + (len(keys) - 1) * 10**30 for loss in found.rows[0].losses)
        return found._replace(rows=[replace(found.rows[0], losses=more), *found.rows[1:]])

    monkeypatch.setattr(options, "scan_of", dearer)
    with pytest.raises(AssertionError):
        options.subadditive(step)


def test_b8__a_scan_that_sees_no_loss__is_noticed(
    steps: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    def risky(step: Step) -> bool:
        modes, keys = engine_of(step.after).modes, options.touched(step)
        first = [key for key in keys if modes.get(key)][:1]
        return any(options.scan_of(step.after, key).total for key in first)

    step = looked_at(next(step for step in steps if risky(step)))
    options.convex(step)
    monkeypatch.setattr(pm, "worst", lambda array, rows: 0)
    with pytest.raises(AssertionError):
        options.convex(step)
