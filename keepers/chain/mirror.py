"""All accounts and markets, kept up to date by events; the chain is asked again after any doubt.

An event says *which* accounts changed; what they are now is read from the chain. Price events are
taken as they come, so that a scan needs no round trip; the words are read again with the next head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from keepers.chain.abi import Event, Interface, interface
from keepers.chain.deployment import Deployment
from keepers.chain.marks import worths
from keepers.chain.reading import Reader
from keepers.chain.rpc import Head, Log
from keepers.domain.margin import Collateral, Market, Snapshot, snapshot
from keepers.domain.pauses import DEPOSITS, LIQUIDATION
from keepers.domain.scan import Book
from keepers.domain.terms import Terms
from keepers.domain.words import GRACE, OPENING_PAUSED, PENDING, Account, PriceWord, accepted

ACCOUNT_FIELDS: Final = frozenset(
    ("account", "venue", "counterparty", "sender", "receiver", "settler", "buyer", "taker", "maker")
)
PARAMETER_EVENTS: Final = frozenset(("CollateralSet", "SoftFactorSet"))
UNTOLD: Final = PENDING | GRACE | OPENING_PAUSED
UNKNOWN: Final = 2**32 - 1  # end of a grace that is not read yet: nobody is liquidated on it
CONTRACTS: Final = ("Clearinghouse", "Markets", "RiskConfigurator")  # whose events it takes
ENGINE: Final = ("Options", "Surfaces")  # and whose, where accounts with options are watched


class Mirror:
    """The keeper's copy of one deployment."""

    def __init__(self, reader: Reader, deployment: Deployment) -> None:
        """Start empty; `load` fills it."""
        self.reader = reader
        self.house = deployment.address("Clearinghouse").lower()
        self.oracle = deployment.address("Markets").lower()
        self.book = Book()
        self.markets: dict[int, Market] = {}
        self.collaterals: list[Collateral] = []
        self.terms = Terms()
        self.now = 0
        self.dirty: set[int] = set()  # accounts to read again
        self.changed: set[int] = set()  # markets to read again
        self.stale_parameters = False
        # whether what the engine says of its accounts may have changed since it was asked
        self.moved = True
        self.marks: dict[int, int] = {}
        self.engine, self.surfaces = (_where(deployment, name) for name in ENGINE)
        self.configurator = deployment.address("RiskConfigurator").lower()
        self._oracle = interface("Markets")
        self._configurator = interface("RiskConfigurator")
        self._account_topics = _account_positions(interface("Clearinghouse"))
        self._engine_topics = _account_positions(interface("Options"))

    async def load(self, head: Head) -> None:
        """Read everything at a block; what changes meanwhile stays noted. Repeat it if it fails."""
        self.dirty.clear()
        self.changed.clear()
        self.stale_parameters = False
        self.terms = await self.reader.terms(head.number)
        self.markets = {each.id: each for each in await self.reader.markets(head.number)}
        self.collaterals = await self.reader.collaterals(head.number)
        ids = await self.reader.account_ids(head.number)
        self.book.replace(await self.reader.accounts(ids, head.number))
        self.now = max(self.now, head.time)
        self.moved = True

    def on_head(self, head: Head) -> None:
        """Take the chain's time."""
        self.now = head.time

    def on_log(self, log: Log) -> bool:
        """Note what an event changed; return whether it is a new price."""
        if log.address == self.house:
            self._concerns(log, self._account_topics)
            return False
        if log.address in (self.engine, self.surfaces):
            self._concerns(log, self._engine_topics)
            self.moved = True
            return False
        event = self._market_event(log)
        if event is None:
            return False
        self.moved = True
        self.stale_parameters |= event.name in PARAMETER_EVENTS
        if event.name == "PricesAccepted":
            words = accepted(event.decode(log.topics, log.data))
            return any([self._price(market, word) for market, word in words])
        if event.name == "Paused":
            self._paused(int(log.topics[1], 16), int(log.topics[2], 16))
            return False
        if event.indexed and event.indexed[0][0] == "market":
            self.changed.add(int(log.topics[1], 16))
        return False

    def _concerns(self, log: Log, topics: Mapping[str, tuple[int, ...]]) -> None:
        """Note the accounts that an event is about."""
        for position in topics.get(log.topics[0], ()):
            account = int(log.topics[position], 16)
            self.dirty.add(account)
            self.moved |= account in self.book.engaged

    def _market_event(self, log: Log) -> Event | None:
        if log.address == self.oracle:
            return self._oracle.topics.get(log.topics[0])
        if log.address == self.configurator:
            return self._configurator.topics.get(log.topics[0])
        return None

    def _price(self, id_: int, word: PriceWord) -> bool:
        """Take an accepted price: the event holds the whole word as stored."""
        market = self.markets.get(id_)
        if market is None or (word.flags | market.price.flags) & UNTOLD:
            # What the word does not hold: the pending price, the ends of a grace and of a pause.
            self.changed.add(id_)
        if market is None or word.publish_time <= market.price.publish_time:
            return False
        begun = word.flags & GRACE and not market.price.flags & GRACE
        ends = UNKNOWN if begun else market.grace_until
        self.markets[market.id] = replace(market, price=word, grace_until=ends)
        self.now = max(self.now, word.publish_time)
        return True

    def _paused(self, action: int, market: int) -> None:
        """Take a pause: of liquidations nobody knows the end before the words are read again."""
        meant = {market} & set(self.markets) if market else set(self.markets)
        self.changed |= meant
        if action not in (LIQUIDATION, DEPOSITS):
            return
        for id_ in meant:
            found = self.markets[id_]
            word = replace(found.price, flags=found.price.flags | GRACE)
            self.markets[id_] = replace(found, price=word, grace_until=UNKNOWN)

    async def refresh(self) -> None:
        """Read again what events have changed."""
        await self.refresh_markets()
        dirty, stale = list(self.dirty), self.stale_parameters
        self.dirty.clear()
        self.stale_parameters = False
        try:
            if stale:
                self.collaterals = await self.reader.collaterals()
                stale = False
            for account in await self.reader.accounts(dirty):
                self.book.put(account)
        except BaseException:
            self.dirty.update(dirty)
            self.stale_parameters |= stale
            raise

    async def refresh_markets(self) -> None:
        """Read again the words of the markets that events have changed."""
        changed = sorted(self.changed)
        self.changed.clear()
        if not changed:
            return
        try:
            found = await self.reader.markets_of(changed)
        except BaseException:
            self.changed.update(changed)
            raise
        for market in found:
            known = self.markets.get(market.id)
            # A node that lags behind its own events must not take a price back.
            if known is None or market.price.publish_time >= known.price.publish_time:
                self.markets[market.id] = market

    def snapshot(self) -> Snapshot:
        """Return all prices and parameters at the chain's time."""
        found = snapshot(self.now, self.markets.values(), self.collaterals, self.terms)
        return replace(found, marks=self.marks) if self.marks else found

    async def mark(self, account: Account) -> None:
        """Bring the marks up to date of what an account holds; nothing is asked for without."""
        ids = [leg.instrument for leg in account.options]
        if ids:
            # marks of what it held before stay: they are what it left at
            prices = {each.id: each.price.price for each in self.markets.values()}
            self.marks |= await worths(self.reader, ids, prices, self.now)


def _where(deployment: Deployment, name: str) -> str:
    """Return a contract's address as events have it, nothing where it is not deployed."""
    return deployment.address(name).lower() if name in deployment.contracts else ""


def watched(deployment: Deployment) -> tuple[str, ...]:
    """Return the contracts whose events a mirror of all accounts takes."""
    return (*CONTRACTS, *(name for name in ENGINE if name in deployment.contracts))


def _account_positions(contract: Interface) -> dict[str, tuple[int, ...]]:
    """Return, by topic of an event, which of its topics are account ids."""
    positions = {}
    for event in contract.topics.values():
        found = tuple(
            position
            for position, (name, kind) in enumerate(event.indexed, 1)
            if kind == "uint256" and name in ACCOUNT_FIELDS
        )
        if found:
            positions[event.topic] = found
    return positions
