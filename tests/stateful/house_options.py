"""A deployment with options: the core beside Options, OptionsMargin, Surfaces and Expiries.

Nothing is a stub: surfaces are signed by the sources of prices, settlement prices are observed from
the prices that Markets has stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.reference import options, surfaces
from tests.reference import portfolio as pm
from tests.reference.expiries import WINDOW, Series
from tests.reference.facts import Account, Health, Leg
from tests.reference.state import World
from tests.reference.units import DAY, LOTS_PER_UNIT, WAD
from tests.stateful.evm import CHAIN_ID, Contract, created, deploy
from tests.stateful.house import OWNER, QUORUM, ROLE_CURE, House
from tests.stateful.terms import DEPLOYMENTS
from tests.support import books, surface_reports
from tests.support import reports as wire
from tests.support.portfolio_engine import array_arguments
from tests.support.signing import SIGNERS, key_of, source_address

# deploys and owns the engine; fills for two accounts as a listed venue does
ENGINEER, VENUE = 0x0E0E, 0x0F0F
ETH, BTC = 1, 2
MARKETS = (ETH, BTC)
# what the engineer deploys: Surfaces, Expiries, the scan, OptionsMargin, Options
ENGINE_NONCE = 4
ENGINE = created(ENGINEER, ENGINE_NONCE) << 96
CAPS = {ETH: 500 * LOTS_PER_UNIT, BTC: 40 * LOTS_PER_UNIT}
FURTHEST, WIDEST, BAND = 365 * DAY, 10, WAD // 40
RISKS = {ETH: pm.Risk(), BTC: pm.Risk(range_vol=1_000, som=200)}


@dataclass(slots=True)
class Engine(options.Engine):
    """The reference's engine beside the real Surfaces and Expiries."""

    store: surfaces.Store = field(default_factory=surfaces.Store)
    series: dict[tuple[int, int], Series] = field(default_factory=dict)
    # answers by account, good as long as every fact is the same object; copies share it
    kept: dict[int, tuple[tuple[object, ...], Health]] = field(default_factory=dict)

    def copy(self) -> Engine:
        """Return one that may be changed without changing this one."""
        twin = options.Engine.copy(self)
        assert isinstance(twin, Engine)
        twin.surfaces = self.store.words
        twin.caps = self.caps.copy()
        twin.series = self.series.copy()
        return twin

    def trusted(self, key: tuple[int, int], now: int) -> bool:
        """Return whether what opens may rely on a surface."""
        return self.store.trusted(key, now)

    def update(self, told: Sequence[pm.Surface], now: int) -> int:
        """Take a report of surfaces; return how many were stored."""
        self.store = surfaces.Store(self.store.words.copy(), self.store.waiting.copy())
        self.surfaces = self.store.words
        return len(self.store.update(told, now).stored)

    def series_of(self, key: tuple[int, int]) -> Series:
        """Return a series to be changed."""
        kept = self.series.get(key, Series(key[1] * 3_600))
        self.series[key] = replace(kept, seen=list(kept.seen))
        return self.series[key]

    def note(self, key: tuple[int, int], series: Series) -> None:
        """Let a settlement price count that was written."""
        if series.settled:
            self.settled = {**self.settled, key: series.settled}

    def near(self, now: int) -> dict[tuple[int, int], tuple[int, int]]:
        """Return what has been seen of the expiries of the next half hour."""
        return {
            key: series.average()
            for key, series in self.series.items()
            if now < series.expiry < now + WINDOW
        }

    def check(self, world: World, account: int, facts: Account) -> Health:
        """Return the margin check of an account, worked out once."""
        self.averages = self.near(world.now)
        held, mode = self.books.get(account, ()), self.modes.get(account, False)
        written = tuple(sorted(self.settled.items()))
        key: tuple[object, ...] = (
            (world.now, facts, held, mode, written, tuple(self.averages.items())),
            self.store.words,
            *world.markets.values(),
            *world.collaterals.values(),
        )
        kept = self.kept.get(account)
        if kept is not None and kept[0][0] == key[0] and _same(kept[0][1:], key[1:]):
            return kept[1]
        health = options.Engine.check(self, world, account, facts)
        self.kept[account] = (key, health)
        return health


def _same(a: Iterable[object], b: Iterable[object]) -> bool:
    return all(one is other for one, other in zip(a, b, strict=True))


def mark(world: World, engine: options.Engine, leg: Leg) -> int:
    """Return what Surfaces says of a leg [ticks]."""
    key = leg.instrument >> 56, leg.instrument >> 30 & 2**24 - 1
    price = world.markets[key[0]].price
    return surfaces.mark(engine.surfaces.get(key), price, leg.instrument, world.now)


class EngineHouse(House):
    """The contracts of a deployment with options, and the reference's state of them."""

    engine_address = created(ENGINEER, ENGINE_NONCE)

    def __init__(self) -> None:
        """Deploy it and open two markets for options."""
        super().__init__(DEPLOYMENTS[0])
        markets = self.markets.address
        self.surfaces: Contract = deploy(self.evm, ENGINEER, "Surfaces", markets)
        self.expiries: Contract = deploy(self.evm, ENGINEER, "Expiries", markets)
        array = array_arguments(books.SIXTEEN, books.RHOS)
        self.scan = deploy(self.evm, ENGINEER, "PortfolioMargin", array)
        marks, prices = self.surfaces.address, self.expiries.address
        self.margin: Contract = deploy(
            self.evm, ENGINEER, "OptionsMargin", markets, marks, prices, self.scan.address
        )
        core = self.clearinghouse.address
        places = (core, markets, marks, self.margin.address, prices)
        self.options: Contract = deploy(self.evm, ENGINEER, "Options", *places)
        assert self.options.address == self.engine_address
        self.clearinghouse.send(OWNER, "set_hand", self.options.address, ROLE_CURE)
        for key in MARKETS:
            risk = RISKS[key]
            terms = (risk.group, [risk.range_min, risk.range_vol], risk.som, risk.spread)
            self.margin.send(ENGINEER, "set_risk", key, *terms)
            self.options.send(ENGINEER, "set_cap", key, CAPS[key])
            self.surfaces.send(ENGINEER, "set_bounds", key, (True, FURTHEST, WIDEST, BAND))
        self.options.send(ENGINEER, "set_venue", VENUE, True)
        self._domain = wire.domain_separator(CHAIN_ID, f"0x{marks:040x}")

    def world(self) -> World:
        """Return the reference's state of this deployment before its first action."""
        world = super().world()
        bounds = (FURTHEST, WIDEST)
        engine = Engine({}, {}, books.SIXTEEN, books.RHOS, mark, bounds, ENGINE)
        engine.surfaces = engine.store.words
        engine.risks, engine.caps = dict(RISKS), dict(CAPS)
        world.engine = engine
        return world

    def surface_report(self, told: Sequence[pm.Surface]) -> bytes:
        """Return what the first sources sign together about surfaces."""
        words = [surface.word for surface in told]
        seats = {index: f"0x{source_address(index):040x}" for index in range(SIGNERS)}
        signed = [
            (index, surface_reports.signature(self._signer(index), self._domain, words))
            for index in range(QUORUM)
        ]
        return surface_reports.report(words, signed, seats)

    def _signer(self, index: int) -> wire.Signer:
        return wire.Signer(index, "", key_of(index))

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """Return the contracts whose events tell the story."""
        return (*super().contracts, self.options, self.surfaces, self.expiries)

    # ---- what the engine's contracts hold

    def legs(self, account: int) -> tuple[Leg, ...]:
        """Return what the engine holds of an account."""
        pairs: list[int] = self.options.view("account_legs", account)
        entries = [pair >> shift & 2**128 - 1 for pair in pairs for shift in (0, 128)]
        return tuple(
            Leg(entry >> 64, (entry & 2**64 - 1) - (entry >> 63 & 1) * 2**64)
            for entry in entries
            if entry
        )

    def window(self, key: tuple[int, int]) -> tuple[Any, ...]:
        """Return what Expiries has noted for a series."""
        return tuple(self.expiries.view("window", *key))
