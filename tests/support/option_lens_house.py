"""A deployment with options and its lenses, and what the reference says that they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from eth_utils.crypto import keccak

from tests.reference import option_lens as lens
from tests.reference import options, words
from tests.reference.facts import Collateral, Leg
from tests.reference.units import OPENING, PENDING, UNTRUSTED
from tests.stateful.evm import Contract, deploy
from tests.support import books
from tests.support.options_house import ENGINEER, OptionsHouse
from tests.support.portfolio_engine import array_arguments, leg_words

# where the rows of a scan stand
NODES, SIDES = 9, 18
PORTFOLIO_BIT = 2**8


class OptionLensHouse(OptionsHouse):
    """A house with options and the lenses that explain them."""

    def __init__(self) -> None:
        """Deploy the house, then what asks it."""
        super().__init__()
        array = array_arguments(books.SIXTEEN, books.RHOS)
        self.rows: Contract = deploy(self.evm, ENGINEER, "PortfolioRows", array)
        core, engine = self.clearinghouse.address, self.options.address
        stub, margin = self.surfaces.address, self.margin.address
        self.option_lens: Contract = deploy(
            self.evm, ENGINEER, "OptionLens", core, engine, stub, stub
        )
        rows = self.rows.address
        self.margin_lens: Contract = deploy(
            self.evm, ENGINEER, "MarginLens", core, engine, margin, stub, stub, rows
        )
        self.batch_lens: Contract = deploy(
            self.evm, ENGINEER, "BatchLens", core, engine, margin, rows, array
        )

        pool, liquidator = self.pool.address, self.liquidator.address
        small = sum(1 << key for key, terms in self._numbered() if terms.small)
        self.lens: Contract = deploy(
            self.evm, ENGINEER, "Lens", core, pool, liquidator, engine, small
        )

    # ---- facts

    def stir(self, rng: Random) -> None:
        """Write markets and collaterals in any state."""
        for key, facts in self.model.markets.items():
            v_slow = rng.choice([10_000, rng.randint(10_000, 25_000)])
            changes = {
                "stable": facts.price * rng.choice([100, 95, 104]) // 100,
                "conf": rng.choice([0, 70]),
                "v": v_slow + rng.choice([0, rng.randint(0, 9_000)]),
                "v_slow": v_slow,
                "flags": facts.flags & ~(PENDING | OPENING) | rng.choice([0, 0, UNTRUSTED]),
                "publish": self.evm.time - rng.choice([0, 0, 61, 130, 3_700, 50_000]),
                "open_interest": rng.choice([0, 10**12, 2 * 10**12]),
            }
            self.write(key, replace(facts, **changes))
        for key, terms in self.model.collaterals.items():
            self.soft(key, replace(terms, soft=rng.choice([10_000, 7_000])))

    def soft(self, key: int, terms: Collateral) -> None:
        """Write the terms of a collateral on both sides."""
        layout: dict[str, Any] = self._code("Markets").layout["storage_layout"]["market_state"]
        self.model.collaterals = {**self.model.collaterals, key: terms}
        packed = 0
        first = (key - 1) // 4 * 4 + 1
        for each in range(first, first + 4):
            if each in self.model.collaterals:
                bits = words.collateral_bits(self.model.collaterals[each])
                packed |= bits << 64 * ((each - 1) % 4)
        slot = int(layout["collaterals"]["slot"]) + (key - 1) // 4
        self.evm.store(self.markets.address, slot, packed)

    def engage(self, account: int) -> None:
        """Put a sound account under portfolio margin: the core asks the engine about it."""
        self.options.send(account >> 96, "set_mode", account, True)
        options.set_mode(self.model, account, True)

    def hold(self, account: int, legs: Sequence[Leg], portfolio: bool) -> None:
        """Write the engine's legs and the mode of an account that is the engine's."""
        layout: dict[str, Any] = self._code("Options").layout["storage_layout"]["engine_books"]
        pairs = leg_words(legs)
        first = slot_of(layout["entries"], account)
        for i, pair in enumerate((*pairs, *[0] * (32 - len(pairs)))):
            self.evm.store(self.options.address, first + i, pair)
        book = slot_of(layout["books"], account)
        self.evm.store(self.options.address, book, len(legs) | PORTFOLIO_BIT * portfolio)
        self.engine.books[account] = tuple(legs)
        self.engine.modes[account] = portfolio

    # ---- answers

    def healths(self, accounts: Sequence[int]) -> list[Any]:
        """Return what the batch says of each: whether it answers, and the health."""
        answers = self.batch_lens.view("health_many", list(accounts))
        return [(answered, tuple(health)) for answered, health in answers]

    def compare_healths(self, accounts: Sequence[int]) -> None:
        """The batch says of each account what the core does."""
        assert self.healths(accounts) == [
            (True, tuple(self.clearinghouse.view("health", account))) for account in accounts
        ]

    def decomposition(self, account: int) -> tuple[bool, int, int, list[lens.Part]]:
        """Return the mode, MM, IM and the parts of an account."""
        mode, mm, im, told = self.margin_lens.view("decomposition", account)
        return mode, mm, im, [lens.Part(lens.Kind(part[0]), *part[1:]) for part in told]

    def compare_parts(self, account: int) -> None:
        """The parts are the reference's, and add up to what the core requires."""
        facts, held, mode, account_words = lens.seen(self.model, account)
        told_mode, mm, im, parts = self.decomposition(account)
        assert (told_mode, parts) == (mode, lens.parts_of(facts, held, mode, account_words))
        health = self.clearinghouse.view("health", account)
        assert (mm, im) == (health[4], health[2])

    def compare_scan(self, account: int, initial: bool) -> lens.Scan:
        """The rows are the reference's; return them."""
        facts, held, mode, account_words = lens.seen(self.model, account)
        scan = lens.scan_of(facts, held, mode, account_words, initial)
        nodes, extremes, total, markets, groups = self.margin_lens.view(
            "scenarios", account, initial
        )
        array = facts.array
        assert (nodes, extremes) == (len(array.nodes), len(array.extremes))
        assert total == scan.total
        assert tuple(tuple(group) for group in groups) == scan.groups
        assert [compact(each, nodes, extremes) for each in markets] == [
            (
                row.view.market,
                row.view.risk.group,
                row.width,
                lens.pm.moves(array, row.width),
                row.rows.losses,
                row.rows.gaps,
                (row.worst, *lens.market_charges(array, row)),
            )
            for row in scan.markets
        ]
        return scan

    def compare_greeks(self, account: int) -> None:
        """Greeks by leg, by market and in all are the reference's."""
        facts = lens.seen(self.model, account)[0]
        *total, markets, legs = self.option_lens.view("greeks", account)
        assert [tuple(leg) for leg in legs] == [
            (
                leg.instrument,
                leg.size,
                lens.mark_of(facts, leg.instrument),
                lens.code_of(facts, leg.instrument),
                *values(greeks),
            )
            for leg, greeks in lens.greek_legs(self.model, account)
        ]
        found = lens.greek_markets(self.model, account)
        prices = {key: self.model.markets[key].price for key in found}
        assert [tuple(each) for each in markets] == [
            (key, prices[key], spot, *values(greeks)) for key, (spot, greeks) in found.items()
        ]
        sums = [values(greeks) for _, greeks in found.values()]
        worth = [
            sum(each[i] * prices[key] for key, each in zip(found, sums, strict=True))
            for i in (0, 1)
        ]
        assert total == [*worth, sum(each[2] for each in sums), sum(each[3] for each in sums)]


def slot_of(layout: Any, key: int) -> int:
    """Return the slot of a mapping's value."""
    place = int(layout["slot"]).to_bytes(32, "big")
    return int.from_bytes(keccak(place + key.to_bytes(32, "big")), "big")


def values(greeks: lens.Greeks) -> tuple[int, int, int, int]:
    """Return what a lens tells of Greeks."""
    return greeks.delta, greeks.gamma, greeks.vega, greeks.theta


def compact(told: Any, nodes: int, extremes: int) -> tuple[Any, ...]:
    """Return a market's rows without the room of larger arrays, as the reference has them."""
    market, group, width, moves, losses, gaps, *charges = told
    sides = [losses[at : at + nodes] for at in (0, NODES)]
    return (
        market,
        group,
        width,
        (*moves[:nodes], *moves[NODES : NODES + extremes]),
        (*sides[0], *sides[1], *losses[SIDES : SIDES + extremes]),
        (*gaps[: nodes - 1], *gaps[NODES : NODES + nodes - 1]),
        tuple(charges),
    )
