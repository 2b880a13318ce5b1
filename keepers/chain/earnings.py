"""What a keeper's liquidations earn: events into the journal, deals into the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment
from keepers.chain.reading import Reader
from keepers.chain.rpc import Head, Log
from keepers.domain.margin import Snapshot, value_of
from keepers.domain.profits import Entry, Journal, Result, gas_of
from keepers.domain.units import WAD
from keepers.domain.words import Account
from keepers.store.journal import PARTS, Line
from keepers.store.ledger import Store
from keepers.web.metrics import Metrics

log = structlog.get_logger()

CONTRACTS: Final = ("Clearinghouse", "Liquidator", "Orders", "Options", "Exchange")
# events of one name that mean other things; nothing where the journal needs none
RENAMED: Final[Mapping[tuple[str, str], str]] = {
    ("Exchange", "Closed"): "Brought",
    ("Exchange", "Filled"): "",
    ("Options", "Closed"): "",
}
# Which fields of which events name an account that they concern.
PARTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "Deposited": ("account",),
    "Withdrawn": ("account",),
    "Transferred": ("sender", "receiver"),
    "SettlerPaid": ("account", "settler"),
    "Filled": ("account",),
    "Posting": ("account", "counterparty", "keeper"),
    "LegMoved": ("account", "counterparty"),
    "CollateralMoved": ("account", "counterparty"),
    "Taken": ("buyer",),
    "Committed": ("account",),
    "Executed": ("account",),
    "Refused": ("account",),
    "Closed": ("account",),
    "LegCarried": ("account", "receiver"),
    "LegTraded": ("taker", "maker"),
    "FillTraded": ("taker", "maker"),
    "LegSettled": ("account",),
    "Brought": (),  # by whom, not for whom
}
HASHES: Final = ("order_id", "maker_order")
RANGE: Final = 2_000  # blocks asked for at once after a rest


class Earnings:
    """The journal of one account, kept in the store and told to the metrics."""

    def __init__(
        self, reader: Reader, deployment: Deployment, account: int, store: Store, metrics: Metrics
    ) -> None:
        """Keep the books of this account."""
        self._reader = reader
        self._account = account
        self._store = store
        self._metrics = metrics
        self._deployed = deployment
        names = [name for name in CONTRACTS if name in deployment.contracts]
        self._names = {deployment.address(name).lower(): name for name in names}
        self._tokens = {each.address.lower(): each.id for each in deployment.tokens.values()}
        self._scale = 0
        self._topic = f"0x{account:064x}"
        self._word = account.to_bytes(32, "big")
        self._owner = account >> 96
        self._caller = self._owner.to_bytes(32, "big")
        self._since = -1  # the block at whose end the journal was opened
        self._burned = 0
        self._stale = True
        self._seen: set[tuple[str, int]] = set()
        self._written: dict[tuple[str, int], Line] = {}
        self.journal = self._fresh()

    def _fresh(self) -> Journal:
        return Journal(self._account, self._tokens, self._scale)

    async def load(self, head: Head, at: Snapshot, native: int) -> None:
        """Fold what the store knows; fetch what has happened since, or begin here."""
        rested = not self._scale
        if rested:
            self._scale = (await self._reader.totals()).scale
        self.fold()
        known = self._store.entries(self._account)
        if rested and known:
            await self._catch_up(known[-1].block, head, at, native)
        if not self._seen:
            (account,) = await self._reader.accounts([self._account], head.number)
            self._take(_opening(account, head.number, native))

    async def _catch_up(self, first: int, head: Head, at: Snapshot, native: int) -> None:
        addresses = list(self._names)
        for start in range(first, head.number + 1, RANGE):
            last = min(head.number, start + RANGE - 1)
            for found in await self._reader.rpc.logs(addresses, start, last):
                self.on_log(found, lambda: at, native)

    def fold(self) -> None:
        """Start again from what the store holds: after a restart or a reorganisation."""
        self.journal, self._seen, self._since = self._fresh(), set(), -1
        self._written = {}
        for entry in self._store.entries(self._account):
            self._apply(entry)

    def on_log(self, found: Log, at: Callable[[], Snapshot], native: int) -> None:
        """Take an event if it concerns the account."""
        entry = self._entry(found, at, native)
        if entry is not None:
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        if (entry.tx, entry.index) in self._seen:
            return
        self._apply(entry)
        self._store.happened(self._account, entry)  # what cannot be applied is asked for again

    def _apply(self, entry: Entry) -> None:
        self._since = entry.block if entry.name == "Opened" else self._since
        self._stale = True
        self._seen.add((entry.tx, entry.index))
        self.journal.apply(entry)

    def _entry(self, found: Log, at: Callable[[], Snapshot], native: int) -> Entry | None:
        if self._topic not in found.topics and not (
            self._word in found.data or self._caller in found.data
        ):
            return None
        contract = self._names.get(found.address)
        event = interface(contract).topics.get(found.topics[0]) if contract else None
        if event is None or contract is None or found.block <= self._since:
            return None
        name = RENAMED.get((contract, event.name), event.name)
        if name not in PARTIES:
            return None
        said = dict(event.decode(found.topics, found.data))
        if not self._is_about(name, said):
            return None
        for each in HASHES:
            if each in said:
                said[each] = bytes(said[each]).hex()
        mark = self._mark(name, said, at)
        return Entry(found.block, found.index, found.tx, name, said, mark, native)

    def _is_about(self, name: str, said: Mapping[str, Any]) -> bool:
        """Return whether an event is about the account; a close, whether its owner brought it."""
        if name == "Brought":
            return int(said["caller"], 16) == self._owner
        return any(said[each] == self._account for each in PARTIES[name])

    def _mark(self, name: str, said: Mapping[str, Any], at: Callable[[], Snapshot]) -> int:
        """Return what the event leaves out: P - F of a moved leg, the worth of what leaves.

        Of an option it is the mark that was asked last, which divides money between liquidations
        that net each other and moves none of it.
        """
        if name in ("LegCarried", "LegTraded"):
            return at().marks.get(said["instrument"], 0)
        if name == "LegMoved":
            feed = at().feeds[said["instrument"] >> 56]
            return feed.price - feed.funding
        gone = self._tokens.get(str(said.get("token", "")).lower(), 0)
        if name == "CollateralMoved":
            gone = said["collateral"]
        if not gone:
            return 0
        now = at()
        collateral = now.collaterals[gone]
        return value_of(collateral, said["amount"], now.feeds[collateral.feed].price)

    # ---- results

    def lines(self, at: Snapshot) -> list[Line]:
        """Return every deal at these prices; profits sum to the equity, gas to all that was burned.

        The last line is the account's own: what is no liquidation, and gas that none is due.
        """
        gas = self._store.gas
        made: list[Line] = []
        for result in self.journal.results(at):
            own = result.deal is self.journal.own
            rest = sum(gas.values()) - sum(line.gas_wei for line in made)
            burned = rest if own else gas_of(result.deal, gas)
            made.append(_line(self._account, result, burned))
        return made

    def write(self, at: Snapshot) -> None:
        """Bring store and metrics up to date; rows that did not change are left alone."""
        burned = sum(self._store.gas.values())
        if not self._stale and burned == self._burned and not self.journal.holding:
            return
        self._stale, self._burned = False, burned
        lines = self.lines(at)
        fresh = [line for line in lines if self._written.get((line.tx, line.log)) != line]
        if not fresh:
            return
        self._store.write_lines(fresh)
        self._written |= {(line.tx, line.log): line for line in fresh}
        deals = lines[:-1]
        for name in PARTS:
            total = sum(getattr(line, name) for line in deals)
            self._metrics.earnings_usd.labels(name).set(total / WAD)
        spent = sum(line.spent_wei for line in lines)
        self._metrics.spent_wei.set(spent)
        self._metrics.deals.set(len(deals))


def _opening(account: Account, block: int, native: int) -> Entry:
    said = {
        "cash": account.cash,
        "quote": account.quote,
        "legs": [[leg.instrument, leg.size] for leg in (*account.legs, *account.options)],
        "holdings": [[held.collateral, held.amount] for held in account.holdings],
    }
    return Entry(block, -1, "", "Opened", said, 0, native)


def _line(account: int, result: Result, gas_wei: int) -> Line:
    deal = result.deal
    return Line(
        account=account,
        tx=deal.tx,
        log=deal.index,
        kind=deal.kind,
        target=deal.account,
        block=deal.block,
        native=deal.native,
        pay=deal.pay,
        reward=deal.reward,
        fee=deal.fee,
        slippage=deal.slippage,
        drift=result.drift,
        held=result.open,
        profit=result.profit,
        gas_wei=gas_wei,
        reserve_wei=deal.reserve,
    )
