"""The yardstick of a replay: it reads every block, asks nobody's opinion, and keeps the records.

It rebuilds each account from the chain after every block that touched it and computes health with
exact integers; who is under maintenance under a usable price and how long that lasts follows from
that alone, not from what the keepers say of themselves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment
from keepers.chain.reading import Reader
from keepers.chain.rpc import Head, Log, parse_head, parse_log
from keepers.domain.margin import (
    Collateral,
    Health,
    Market,
    Snapshot,
    health,
    snapshot,
)
from keepers.domain.scan import Book, Candidate
from keepers.domain.terms import Terms
from keepers.domain.units import TICKS_PER_USD, V_ONE, WAD, ceil_div
from keepers.domain.words import PENDING, Account, account_id
from keepers.errors import ChainError
from keepers.lab import debts
from keepers.lab.auctions import Auctions
from keepers.lab.panel import Panel
from keepers.lab.records import (
    FLAG,
    MISSED_BLOCKS,
    REDUCE,
    TAKE,
    WRITE_OFF,
    Breach,
    Frame,
    Liquidation,
    Move,
    Record,
    Spent,
)
from keepers.lab.seen import Seen, accounts_of, cost_of, markets_of
from keepers.reasons import reason_of


class Watch:
    """Follows the chain block by block."""

    def __init__(self, reader: Reader, record: Record) -> None:
        """Watch everything that appears."""
        self.reader = reader
        self.record = record
        self.panel = Panel([])
        self.book = Book()
        self.markets: dict[int, Market] = {}
        self.waiting: dict[int, Breach] = {}
        self.auctions = Auctions()
        self.fell: dict[int, int] = {}  # account under maintenance -> block since when it is
        self.keepers: dict[str, Spent] = {}
        self.measuring = False
        self.head: Head | None = None
        self._reverted: list[tuple[Spent, str]] = []  # who, tx
        self._moves: list[tuple[int, int, float]] = []  # block, market, step between two prices
        self._collaterals: list[Collateral] = []
        self._terms = Terms()
        self._scales: dict[int, int] = {}
        self._house: set[int] = set()
        self._symbols = {id_: name for name, id_ in self.deployment.markets.items()}

    @property
    def deployment(self) -> Deployment:
        """Return which contracts are watched."""
        return self.reader.deployment

    @property
    def pool(self) -> int:
        """Return the pool's account."""
        return account_id(self.deployment.address("LiquidityPool"))

    @property
    def insurance(self) -> int:
        """Return the fund's account."""
        return account_id(self.deployment.address("InsuranceFund"))

    async def start(self) -> None:
        """Read everything once, at the block from whose successor on blocks are followed."""
        self.head = await self.reader.rpc.head()
        at = self.head.number
        self._terms = await self.reader.terms(at)
        self._collaterals = await self.reader.collaterals(at)
        self.markets = {market.id: market for market in await self.reader.markets(at)}
        fee_account = (await self.reader.totals(at)).fee_account
        self._house = {self.pool, self.pool | 1, self.insurance, fee_account}
        for market in self.markets:
            (params,) = await self.reader.one("LiquidityPool", "params", market)
            self._scales[market] = int(params[0])
        ids = await self.reader.account_ids(at)
        self.book.replace(await self.reader.accounts([*ids, *(self._house - set(ids))], at))

    def introduce(self, economy: Sequence[int]) -> None:
        """Note whose health the charts show."""
        self.panel = Panel(economy)
        for account in economy:
            self.panel.put(self.book.accounts[account])

    def begin(self, record: Record) -> Record:
        """Measure on into another record, nobody waited for as yet."""
        self.record, self.measuring = record, True
        self.waiting.clear()
        self.keepers = {}
        self._moves.clear()
        return record

    def at(self, now: int) -> Snapshot:
        """Return every market at an instant."""
        return snapshot(now, self.markets.values(), self._collaterals, self._terms)

    def health_of(self, account: int, at: Snapshot) -> Health | None:
        """Return an account's health, None when the ledger does not know it."""
        known = self.book.accounts.get(account)
        return None if known is None else health(known, at)

    # ---- one block

    async def follow(self, last: int, wall_ms: float) -> list[Seen]:
        """Read the blocks not seen yet, bring the mirror to each, note what happened in them."""
        if self.head is None:
            raise ChainError("the yardstick was not started")
        found = await self._read(range(self.head.number + 1, last + 1))
        for seen in found:
            await self._take(seen, wall_ms)
        if self._reverted:
            await self._explain()
        return found

    async def _take(self, seen: Seen, wall_ms: float) -> None:
        block = seen.head.number
        touched, changed = self._touched(seen.logs)
        before = {market: self.markets[market].price.price for market in changed}
        if changed:
            for market in await self.reader.markets_of(sorted(changed), block):
                self.markets[market.id] = market
        if touched:
            for account in await self.reader.accounts(sorted(touched), block):
                self.book.put(account)
                self.panel.put(account)
        self.head = seen.head
        self._note_costs(seen)
        if self.measuring:
            self._note_moves(before, seen.head)
            self._note_events(seen, wall_ms)
            self._note_breaches(seen.head, wall_ms)

    async def _read(self, blocks: Sequence[int]) -> list[Seen]:
        answers = await self.reader.rpc.batch(
            [
                request
                for block in blocks
                for request in (
                    ("eth_getBlockByNumber", (hex(block), False)),
                    ("eth_getBlockReceipts", (hex(block),)),
                )
            ]
        )
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [
            Seen(
                head=parse_head(head),
                logs=tuple(parse_log(each) for receipt in receipts for each in receipt["logs"]),
                senders={str(r["transactionHash"]): str(r["from"]).lower() for r in receipts},
                costs=tuple(cost_of(receipt) for receipt in receipts),
            )
            for head, receipts in zip(answers[::2], answers[1::2], strict=True)
        ]

    def _touched(self, logs: Iterable[Log]) -> tuple[set[int], set[int]]:
        """Return the accounts and the markets that these events change."""
        accounts: set[int] = set()
        markets: set[int] = set()
        for _, contract, name, fields in self._decoded(logs):
            if contract == "Markets":
                markets |= markets_of(name, fields)
            elif contract == "Clearinghouse":
                accounts |= accounts_of(name, fields) | self._house
        return {each for each in accounts if each >> 96}, markets & set(self.markets)

    def _decoded(self, logs: Iterable[Log]) -> list[tuple[Log, str, str, dict[str, Any]]]:
        """Return the events of the contracts whose facts are followed."""
        known = {
            self.deployment.address(name).lower(): name
            for name in ("Clearinghouse", "Markets", "Liquidator")
        }
        found = []
        for log in logs:
            contract = known.get(log.address)
            event = interface(contract).topics.get(log.topics[0]) if contract else None
            if contract and event is not None:
                found.append((log, contract, event.name, event.decode(log.topics, log.data)))
        return found

    def _note_costs(self, seen: Seen) -> None:
        for cost in seen.costs:
            spent = self.keepers.get(cost.sender)
            if spent is not None:
                spent.transactions += 1
                spent.reverted += not cost.good
                spent.gas += cost.gas
                spent.wei += cost.wei
                if not cost.good:
                    self._reverted.append((spent, cost.tx))

    async def _explain(self) -> None:
        """Ask the node why keepers' transactions reverted; soon, since it forgets old blocks."""
        tracer = {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True}}
        asked = [("debug_traceTransaction", (tx, tracer)) for _, tx in self._reverted]
        answers = await self.reader.rpc.batch(asked)
        for (spent, _), answer in zip(self._reverted, answers, strict=True):
            output = answer.get("output") if isinstance(answer, dict) else None
            spent.reasons[reason_of(output, "unknown")] += 1
        self._reverted.clear()

    def _note_moves(self, before: Mapping[int, int], head: Head) -> None:
        for id_, old in before.items():
            new = self.markets[id_].price.price
            if new == old:
                continue
            size = abs(new / old - 1)
            self._moves.append((head.number, id_, size))
            symbol = self._symbols.get(id_, str(id_))
            known = self.record.moves.get(symbol)
            if known is None or size > known.size:
                self.record.moves[symbol] = Move(symbol, size, head.time)

    # ---- liquidations

    def _note_events(self, seen: Seen, wall_ms: float) -> None:
        for log, contract, name, fields in self._decoded(seen.logs):
            account = int(fields.get("account", 0))
            if contract == "Clearinghouse" and name == "WrittenOff":
                self._wrote_off(seen, log, account, fields)
            if contract != "Liquidator":
                continue
            if name == "Flagged":
                breach = self.waiting.get(account)
                self._answer(account, FLAG, seen.head, wall_ms)
                self.auctions.begin(account, seen.head.time, breach)
            elif name == "Reduced":
                self._keep(self._reduced(seen, log, fields), seen.head, wall_ms)
            elif name == "Taken":
                self._keep(self._taken(seen, log, fields), seen.head, wall_ms)

    def _keep(self, made: Liquidation, head: Head, wall_ms: float) -> None:
        self.record.liquidations.append(made)
        self._answer(made.account, made.kind, head, wall_ms)
        self.auctions.acted(made.account, head.time, head.number, wall_ms)
        if made.equity_before < 0 and (made.kind == TAKE and made.full):
            self._owe(made.account, -made.equity_before, head)

    def _reduced(self, seen: Seen, log: Log, fields: Mapping[str, Any]) -> Liquidation:
        account, market = int(fields["account"]), int(fields["instrument"]) >> 56
        left = self.book.accounts.get(account)
        open_legs = {leg.instrument for leg in left.legs} if left else set()
        return Liquidation(
            kind=REDUCE,
            account=account,
            time=seen.head.time,
            block=seen.head.number,
            tx=log.tx,
            by=seen.senders.get(log.tx, ""),
            equity_before=int(fields["equity_before"]),
            equity_after=int(fields["equity_after"]),
            mm_before=int(fields["mm_before"]),
            mm_after=int(fields["mm_after"]),
            full=int(fields["instrument"]) not in open_legs,
            notional=abs(int(fields["size"])) * int(fields["price"]),
            market=self._symbols.get(market, ""),
            pay=int(fields["pay"]),
            insurance=0,
            deficit=0,
        )

    def _taken(self, seen: Seen, log: Log, fields: Mapping[str, Any]) -> Liquidation:
        account, breach = int(fields["account"]), self.waiting.get(int(fields["account"]))
        return Liquidation(
            kind=TAKE,
            account=account,
            time=seen.head.time,
            block=seen.head.number,
            tx=log.tx,
            by=seen.senders.get(log.tx, ""),
            equity_before=int(fields["equity_before"]),
            equity_after=int(fields["equity_after"]),
            mm_before=breach.mm if breach else 0,
            mm_after=0,
            full=int(fields["fraction"]) == WAD,
            notional=0,
            market="",
            pay=int(fields["reward"]) * int(fields["fraction"]) // WAD,
            insurance=int(fields["insurance"]),
            deficit=int(fields["deficit"]),
        )

    def _wrote_off(self, seen: Seen, log: Log, account: int, fields: Mapping[str, Any]) -> None:
        """Keep a write-off that stands alone; one at the end of a take is counted with it."""
        lost = int(fields["covered"]) + int(fields["deficit"])
        in_take = any(
            name == "Taken" and int(each["account"]) == account and other.tx == log.tx
            for other, _, name, each in self._decoded(seen.logs)
        )
        if in_take:
            return
        self.record.liquidations.append(
            Liquidation(
                WRITE_OFF,
                account,
                seen.head.time,
                seen.head.number,
                log.tx,
                seen.senders.get(log.tx, ""),
                *(-lost, 0, 0, 0, True, 0, "", 0, int(fields["covered"]), int(fields["deficit"])),
            )
        )
        self._owe(account, lost, seen.head)

    def _owe(self, account: int, amount: int, head: Head) -> None:
        """Book a loss beyond an account's equity."""
        breach = debts.last_breach(self.record.breaches, account)
        since = self.fell.get(account, breach.block if breach else head.number)
        moves = debts.on_the_way(self._moves, breach, since, self._symbols)
        self.record.bad_debts.append(debts.owed(account, amount, head.time, moves))

    def left(self, at: Snapshot, head: Head) -> None:
        """Book what accounts that nobody took owe beyond their equity."""
        for candidate in self.candidates(at):
            if candidate.health.equity < 0:
                self._owe(candidate.account.id, -candidate.health.equity, head)

    # ---- breaches

    def _note_breaches(self, head: Head, wall_ms: float) -> None:
        at = self.at(head.time)
        under = {each.account.id: each for each in self.candidates(at)}
        self.fell = {account: self.fell.get(account, head.number) for account in under}
        for account in [each for each in self.waiting if each not in under]:
            self._close(account, "recovered", head, wall_ms)
        for account, auction in self.auctions.follow(under, head.time):
            self.waiting[account] = auction.breach or self._begin(under[account], at, head, wall_ms)
            self._close(account, "missed", head, wall_ms)
        self.record.longest_auction_s = self.auctions.longest_s
        for account, candidate in under.items():
            if candidate.account.in_auction:
                self.auctions.begin(account, head.time)
            breach = self.waiting.get(account)
            if breach is not None:
                breach.open = candidate.health.open
            if not candidate.health.open:
                continue
            if breach is None:
                if account not in self.auctions.open:
                    self._begin(candidate, at, head, wall_ms)
                continue
            # a replay mines the price in a block of the same second: no chance of its own
            if head.time > max(breach.seen_time, breach.time):
                breach.seen_time = head.time
                breach.seen_blocks += 1
            if breach.seen_blocks > MISSED_BLOCKS:
                self._close(account, "missed", head, wall_ms)

    def candidates(self, at: Snapshot) -> list[Candidate]:
        """Return who is under maintenance and may be liquidated, worst first.

        An account that holds nothing and owes nothing only waits for somebody to settle it.
        """
        return [
            each
            for each in self.book.scan(at)
            if each.account.id not in self._house
            and (each.account.legs or each.account.holdings or each.health.equity < 0)
        ]

    def urgent(self) -> set[int]:
        """Return who waits for a liquidation that neither a young auction nor a jump delays."""
        waiting = {account for account, breach in self.waiting.items() if breach.open}
        return waiting | self.auctions.late()

    def pending(self) -> bool:
        """Return whether a jump waits for its confirmation."""
        return any(market.price.flags & PENDING for market in self.markets.values())

    def _begin(self, candidate: Candidate, at: Snapshot, head: Head, wall_ms: float) -> Breach:
        account = candidate.account
        breach = Breach(
            account=account.id,
            block=head.number,
            time=head.time,
            wall_ms=wall_ms,
            equity=candidate.health.equity,
            mm=candidate.health.mm,
            rates=debts.mm_rates(account, at, self._symbols),
        )
        self.waiting[account.id] = breach
        self.record.breaches.append(breach)
        return breach

    def _answer(self, account: int, kind: str, head: Head, wall_ms: float) -> None:
        if account in self.waiting:
            self._close(account, kind, head, wall_ms)

    def _close(self, account: int, outcome: str, head: Head, wall_ms: float) -> None:
        breach = self.waiting.pop(account)
        breach.end_block, breach.end_time, breach.end_wall_ms = head.number, head.time, wall_ms
        if outcome in (REDUCE, TAKE, WRITE_OFF):
            breach.liquidated(head.number, wall_ms)
        # blocks in which a jump held liquidations up are not seen; this one is not counted yet
        late = breach.seen_blocks >= MISSED_BLOCKS and outcome != "recovered"
        breach.outcome = "missed" if late else outcome

    # ---- frames

    def nav(self, at: Snapshot) -> int:
        """Return the pool's equity without the premium of its skew [WAD]."""
        known = self.book.accounts[self.pool]
        premium = 0
        for leg in known.legs:
            value = abs(leg.size) * at.feeds[leg.market].price
            premium += ceil_div(value * value, 2 * self._scales[leg.market])
        return max(0, health(known, at).equity - premium)

    def frame(self, head: Head, wall_ms: float, deficit: int) -> Frame:
        """Return the state of the world for the charts."""
        at = self.at(head.time)
        equity, mm = self.panel.healths(at)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(mm > 0, equity / mm, np.nan)
        fund = self.health_of(self.insurance, at)
        return Frame(
            time=head.time,
            block=head.number,
            wall_ms=wall_ms,
            prices={self._symbols[m]: feed.price / TICKS_PER_USD for m, feed in at.feeds.items()},
            nav=self.nav(at) / WAD,
            insurance=(fund.equity if fund else 0) / WAD,
            deficit=deficit / WAD,
            equity=float(equity.sum()),
            under=int((ratios < 1).sum()),
            ratios=tuple(ratios.tolist()),
            vols={self._symbols[market]: feed.v_slow / V_ONE for market, feed in at.feeds.items()},
        )

    async def compare(self) -> list[str]:
        """Return where the mirror, built from events alone, differs from the chain's storage."""
        ids = await self.reader.account_ids()
        said = []
        for stored in await self.reader.accounts(ids):
            if self.book.accounts.get(stored.id) != stored:
                known = self.book.accounts.get(stored.id)
                parts = _differing(known, stored) if known else "everything: it was never named"
                said.append(f"account {stored.id:#x} differs from what the events said in {parts}")
        return said


def _differing(known: Account, stored: Account) -> str:
    names = (each.name for each in dataclasses.fields(stored))
    return ", ".join(name for name in names if getattr(known, name) != getattr(stored, name))
