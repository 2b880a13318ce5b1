"""Asks every question until nothing but the exempt is alive."""

from __future__ import annotations

from random import Random

from tests.differential.markets_chain import MarketsChain
from tests.differential.mutants import lens, targeted
from tests.differential.mutants.books import Books
from tests.differential.mutants.hunt import Hunt
from tests.differential.mutants.schema import Schema
from tests.differential.mutants.sites import HARNESS
from tests.differential.mutants.vectors import Feeds, ask_harness, ask_median
from tests.stateful.evm import Evm, deploy
from tests.stateful.house import OWNER
from tests.stateful.terms import DEPLOYMENTS

MOST_ROUNDS = 40
# the seeds of rounds that kill what only few states tell go first; any order kills the same
KEEN = (0, 5, 6, 9, 11)


def hunt_all(schema: Schema, exempt: set[int]) -> Hunt:
    """Return what killed each mutant; rounds of random books go on while one is alive."""
    hunt = Hunt(set(range(len(schema.sites))), frozenset(exempt))
    _ask_feeds(hunt, schema)
    desks = [Books(schema.code, number) for number in range(len(DEPLOYMENTS))]
    desks[0].ask_listing(hunt)
    desks[0].ask_tier(hunt)
    for seed in range(8):
        desks[0].ask_largest_part(hunt, Random(seed))
        # its first collateral has 18 decimals and the feed of the first market
        lens.ask_lead(desks[0], hunt, Random(seed))
    for number in (*KEEN, *(n for n in range(MOST_ROUNDS) if n not in KEEN)):
        if hunt.alive <= exempt:
            break
        _ask_books(hunt, desks, number)
    return hunt


def _ask_feeds(hunt: Hunt, schema: Schema) -> None:
    """Ask Markets and the harness of fixed_point, which stand alone."""
    harness = deploy(Evm(), OWNER, HARNESS, code=schema.code)
    for seed in range(150):
        ask_harness(hunt, harness, Random(seed))
        ask_median(hunt, harness, Random(seed))
    feeds = Feeds(MarketsChain(schema.code))
    for seed in range(60):
        feeds.ask_checks(hunt, Random(seed))
        feeds.ask_update(hunt, Random(seed))
        feeds.ask_account(hunt, *targeted.on_the_slope(Random(seed)))
    feeds.ask_account(hunt, *targeted.in_the_tier())
    for market in (*targeted.variances(), *targeted.drifts()):
        feeds.ask_sample(hunt, market)


def _ask_books(hunt: Hunt, desks: list[Books], number: int) -> None:
    """Ask about a few random states of every deployment; every other round of strange prices."""
    for desk in desks:
        desk.extreme = number % 2 == 1
        rng = Random(f"{number} {desk.number}")
        for _ in range(8):
            desk.ask(hunt, rng)
            desk.ask_ops(hunt, rng)
        for _ in range(4):
            desk.ask_edges(hunt, rng)
            desk.ask_overshoot(hunt, rng)
        if not desk.extreme:
            lens.ask_withdraw(desk, hunt, rng)
            lens.ask_order(desk, hunt, rng)
            for _ in range(3):
                lens.ask_prices(desk, hunt, rng)
