"""A deployment with options: the core and its engine on one chain, and their reference.

Surfaces and settlement prices come from a stub that says marks which a test can say too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from typing import Any, Self

from tests.reference import ledger, options, words
from tests.reference import portfolio as pm
from tests.reference.facts import Account, Leg, Market
from tests.reference.instruments import FUTURE, Instrument, lowest_terms, parts
from tests.reference.state import World
from tests.reference.units import DAY, HOUR, LOTS_PER_UNIT, TICKS_PER_USD
from tests.stateful.evm import Contract, created, deploy
from tests.stateful.house import OWNER, ROLE_CURE, TRADERS, House
from tests.stateful.terms import DEPLOYMENTS
from tests.support import books
from tests.support.portfolio_engine import array_arguments

ENGINEER, VENUE = 0x0E0E, 0x0F0F
ETH, BTC = 1, 2
CAP = 1_000 * LOTS_PER_UNIT
BOUNDS = (365 * DAY, 10)
SHARES = 997
RISK = pm.Risk()
EXPIRY = created(ENGINEER, 3) << 96
FIRST, SECOND, THIRD = (trader << 96 for trader in TRADERS[:3])


def mark(world: World, engine: options.Engine, leg: Leg) -> int:
    """Return what the stub says of a leg [ticks]."""
    said = parts(leg.instrument)
    price = world.markets[said.market].price
    if said.kind == FUTURE:
        found = engine.surfaces.get((said.market, said.hours))
        view = pm.Underlying(said.market, price, 0)
        return pm.expiry_of(engine.array, found, view, said.hours, world.now).forward
    return price * (leg.instrument % SHARES) // SHARES


class OptionsHouse(House):
    """The contracts of a deployment with options, and the reference's state of them."""

    engine_address = created(ENGINEER, 3)

    def __init__(self) -> None:
        """Deploy it, list two markets for options and a venue."""
        super().__init__(DEPLOYMENTS[0])
        stub = deploy(self.evm, ENGINEER, "mocks/SurfacesStub")
        array = array_arguments(books.SIXTEEN, books.RHOS)
        scan = deploy(self.evm, ENGINEER, "PortfolioMargin", array)
        markets = self.markets.address
        self.surfaces = stub
        self.margin: Contract = deploy(
            self.evm, ENGINEER, "OptionsMargin", markets, stub.address, stub.address, scan.address
        )
        self.options: Contract = deploy(
            self.evm,
            ENGINEER,
            "Options",
            self.clearinghouse.address,
            markets,
            stub.address,
            self.margin.address,
            stub.address,
        )
        assert self.options.address == self.engine_address
        self.clearinghouse.send(OWNER, "set_hand", self.options.address, ROLE_CURE)
        engine = options.Engine({}, {}, books.SIXTEEN, books.RHOS, mark, BOUNDS, EXPIRY)
        self.model = self.world()
        self.model.engine = engine
        for key in (ETH, BTC):
            terms = (RISK.group, [RISK.range_min, RISK.range_vol], RISK.som, RISK.spread)
            self.margin.send(ENGINEER, "set_risk", key, *terms)
            self.options.send(ENGINEER, "set_cap", key, CAP)
            engine.risks[key], engine.caps[key] = RISK, CAP
        self.options.send(ENGINEER, "set_venue", VENUE, True)
        self.evm.advance(DAY)
        self.refresh()

    @classmethod
    def funded(cls, *usd: int, days: Sequence[int] = ()) -> Self:
        """Deploy it, with deposits of FIRST, SECOND and THIRD and surfaces so many days off."""
        made = cls()
        for account, amount in zip((FIRST, SECOND, THIRD), usd, strict=False):
            made.deposit(account, amount)
        for key in (ETH, BTC):
            for each in days:
                made.report(key, each)
        return made

    @contextmanager
    def kept(self) -> Iterator[Self]:
        """Yield this house; chain and reference are put back afterwards."""
        chain, model = self.evm.snapshot(), self.model
        self.model = model.copy()
        try:
            yield self
        finally:
            self.evm.restore(chain)
            self.model = model

    @property
    def engine(self) -> options.Engine:
        """Return the reference's engine."""
        return options.engine_of(self.model)

    # ---- facts

    def refresh(self, wait: int = 0, **prices: int) -> None:
        """Let time pass and publish every price now, in USD where it is another one."""
        self.evm.advance(wait)
        self.model.now = self.evm.time
        named = {"eth": ETH, "btc": BTC}
        ticks = {named[name]: price * TICKS_PER_USD for name, price in prices.items()}
        for key, facts in self.model.markets.items():
            price = ticks.get(key, facts.price)
            self.write(key, replace(facts, price=price, stable=price, publish=self.evm.time))

    def write(self, key: int, facts: Market) -> None:
        """Write the words of a market on both sides."""
        layout: dict[str, Any] = self._code("Markets").layout["storage_layout"]["market_state"]
        for name, word in (
            ("prices", words.price_word(facts)),
            ("states", words.state_word(facts)),
            ("pendings", words.pending_word(facts)),
        ):
            self.evm.store(self.markets.address, int(layout[name]["slot"]) + key, word)
        self.model.markets[key] = facts

    def report(self, key: int, days: int, **changes: int) -> int:
        """Report a surface; return the expiry's hours."""
        hours = self.evm.time // HOUR + 24 * days
        self.surface(pm.Surface(key, hours, **{"publish": self.evm.time, **changes}))
        return hours

    def surface(self, found: pm.Surface) -> None:
        """Store a surface."""
        self.surfaces.send(ENGINEER, "set_surface", found.market, found.hours, found.word)
        self.engine.surfaces[found.market, found.hours] = found

    def average(self, key: int, hours: int, observed: int, mean: int) -> None:
        """Say how long a window has been seen [s], and its mean [ticks]."""
        self.surfaces.send(ENGINEER, "set_average", key, hours, observed, mean)
        self.engine.averages[key, hours] = (observed, mean)

    def settle(self, key: int, hours: int, price: int) -> None:
        """Write a settlement price [USD]."""
        self.surfaces.send(ENGINEER, "settle", key, hours, price * TICKS_PER_USD)
        self.engine.settled[key, hours] = price * TICKS_PER_USD

    # ---- acts

    def deposit(self, account: int, usd: int) -> None:
        """Deposit settlement tokens."""
        self.deposit_token(account, 0, usd * 10 ** self.decimals[0])

    def deposit_token(self, account: int, token: int, atoms: int) -> None:
        """Deposit atoms of a token by the account's owner."""
        address = self.tokens[token].address
        self.clearinghouse.send(account >> 96, "deposit", account, address, atoms)
        ledger.deposit(self.model, account >> 96, account, token, atoms)

    def trade(self, fill: options.Fill, sender: int = VENUE) -> None:
        """Fill on the chain."""
        self.options.send(sender, "trade", astuple(fill))

    def agree(self, fill: options.Fill) -> None:
        """Fill on the chain and in the reference."""
        self.trade(fill)
        options.trade(self.model, fill)

    def close(self, fill: options.Fill, concession: int, sender: int = VENUE) -> None:
        """Close on the chain."""
        self.options.send(sender, "close", astuple(fill), concession)

    def account(self, account: int) -> Account:
        """Return what the core holds of an account."""
        return words.decode_account(*self.clearinghouse.view("account_words", account))

    def legs(self, account: int) -> tuple[Leg, ...]:
        """Return what the engine holds of an account."""
        pairs = self.options.view("account_legs", account)
        entries = [pair >> shift & 2**128 - 1 for pair in pairs for shift in (0, 128)]
        return tuple(
            Leg(entry >> 64, (entry & 2**64 - 1) - (entry >> 63 & 1) * 2**64)
            for entry in entries
            if entry
        )


def option(key: int, kind: int, hours: int, strike: int) -> int:
    """Return an option's instrument; the strike in USD."""
    return Instrument(key, kind, hours, *lowest_terms(strike * TICKS_PER_USD)).id


def future(key: int, hours: int) -> int:
    """Return a future's instrument."""
    return Instrument(key, FUTURE, hours, 0, 0).id


def deal(
    *legs: tuple[int, int, int],
    taker: int = FIRST,
    maker: int = SECOND,
    fees: tuple[int, int] = (0, 0),
) -> options.Fill:
    """Return a fill of legs of (instrument, lots of the taker, ticks), sorted as they have to be.

    Args:
        legs: what is traded.
        taker: who buys where a size is above 0.
        maker: the other one.
        fees: of the taker and the maker [WAD].
    """
    said = tuple(options.FillLeg(*leg) for leg in sorted(legs))
    return options.Fill(taker, maker, said, *fees)
