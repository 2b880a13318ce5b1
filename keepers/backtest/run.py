"""The liquidator on a price path: the bot's own decisions, what each came to, what it cost.

One keeper and no rival. It sees a block, decides with `keepers.domain.liquidation.decide`, and its
calls land so many blocks later at the prices of then, where the rules judge them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from keepers.backtest import plans
from keepers.backtest.book import Listing, draw
from keepers.backtest.market import KEEPER, POOL, Protocol
from keepers.backtest.plans import Case, Close
from keepers.backtest.rules import ORDER_DELAY, RESERVE
from keepers.domain.economics import (
    GAS_FLAG,
    GAS_REDUCE,
    GAS_SETTLE,
    GAS_TAKE,
    GAS_WRITE_OFF,
    GasMarket,
)
from keepers.domain.liquidation import (
    OK,
    Action,
    Flag,
    Limits,
    Reduce,
    ReducePlan,
    Settle,
    Take,
    TakePlan,
    WriteOff,
    after_take,
    decide,
    gross,
    within_capacity,
)
from keepers.domain.liquidation import Case as Facts
from keepers.domain.margin import Snapshot, health
from keepers.domain.profits import OWN, Deal, Entry, Journal, Result, gas_of
from keepers.domain.scan import Candidate
from keepers.domain.slices import slice_of
from keepers.domain.units import LOT, TICK, WAD
from keepers.domain.unwind import Closing, closings
from keepers.domain.words import Account

BLOCK_S: Final = 2
GAS_COMMIT: Final = 130_000
FAILED_PERCENT: Final = 40  # of the gas of a call, what its revert burns: measured in the demo
GAS: Final = {
    Reduce: GAS_REDUCE,
    Take: GAS_TAKE,
    Flag: GAS_FLAG,
    Settle: GAS_SETTLE,
    WriteOff: GAS_WRITE_OFF,
}


@dataclass(frozen=True, slots=True)
class Options:
    """What a backtest is asked; amounts USD WAD."""

    seed: int
    accounts: int
    limits: Limits
    capital: int
    pool: int
    fund: int
    wei_per_gas: int
    native_ticks: int  # price of the native coin where no file has it
    latency: int  # blocks from a decision to its inclusion
    slip: int  # of the orders that unwind, WAD
    heartbeat: int
    fee: int | None = None  # the pool's trade fee, WAD


@dataclass(frozen=True, slots=True)
class Point:
    """The keeper after one price, USD WAD."""

    time: int
    equity: int
    net: int  # equity less all that was spent, since the start
    inventory: int  # gross value held
    deficit: int
    under: int  # accounts under MM


@dataclass(slots=True)
class Outcome:
    """What a backtest found."""

    points: list[Point] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    costs: list[int] = field(default_factory=list)  # by result, gas and reserves [USD WAD]
    times: dict[int, int] = field(default_factory=dict)  # block -> time
    counts: dict[str, int] = field(default_factory=dict)
    liquidated: set[int] = field(default_factory=set)
    refused: dict[str, int] = field(default_factory=dict)
    spent_wei: int = 0
    deficit: int = 0
    fund_start: int = 0
    fund_end: int = 0
    most_im: int = 0
    skipped: int = 0  # prices that no market stored
    off: list[str] = field(default_factory=list)  # what does not add up


class Run:
    """One keeper on one path."""

    def __init__(self, listings: Sequence[Listing], start: int, options: Options) -> None:
        """Open the book at the first prices."""
        self.options = options
        money = {"pool": options.pool, "fund": options.fund, "keeper": options.capital}
        self.chain = Protocol(listings, start, money, options.fee)
        accounts, skew = draw(options.seed, options.accounts, listings, self.chain.at())
        self.chain.open(accounts, skew)
        self.symbols = {each.symbol: each.id for each in listings}
        self.journal = Journal(KEEPER, {}, 1)
        self.outcome = Outcome(fund_start=options.fund)
        self.begun = self.chain.money()
        self.sent: list[tuple[int, Action]] = []  # block of inclusion, call
        self.committing: list[tuple[int, Closing]] = []
        self.orders: list[tuple[int, str, Closing]] = []  # commit time, id, order
        self.waiting: dict[int, int] = {}
        self.gas: dict[str, int] = {}
        self.spent_usd = 0
        self._count = 0
        said = {"cash": options.capital, "quote": 0, "legs": [], "holdings": []}
        self._tell("Opened", said, "")

    # ---- time

    def step(self, time: int, prices: Mapping[str, int], until: int) -> None:
        """Bring the prices of a moment, then let blocks pass until the next one."""
        chain = self.chain
        chain.mine(max(time, chain.now))
        self._publish(prices)
        if chain.pending:
            later = time + chain.oracles[1].rules.confirm_delay
            self._blocks(later)
            chain.mine(max(later, chain.now))
            self._publish(prices)
        self._blocks(until)
        self._note()

    def _publish(self, prices: Mapping[str, int]) -> None:
        chain = self.chain
        before = [each.market.price.publish_time for each in chain.oracles.values()]
        chain.publish({self.symbols[name]: price for name, price in prices.items()})
        after = [each.market.price.publish_time for each in chain.oracles.values()]
        self.outcome.skipped += before == after
        self._execute()
        self._act()

    def _blocks(self, until: int) -> None:
        """Mine while anything is on its way or anybody is under maintenance."""
        chain = self.chain
        while chain.now + BLOCK_S < until and (self.sent or self.committing or self._under):
            chain.mine(chain.now + BLOCK_S)
            self._land()
            self._act()

    @property
    def _under(self) -> bool:
        return bool(self.outcome.points and self.outcome.points[-1].under) or bool(self.waiting)

    # ---- deciding

    def _act(self) -> None:
        """Scan, plan, decide, send: what `plimsoll liquidate` does with a block."""
        chain, options = self.chain, self.options
        at = chain.at()
        busy = {action.account for _, action in self.sent}
        found = [
            each
            for each in chain.book.scan(at)
            if each.health.open and each.account.id not in busy | {KEEPER}
        ]
        gas = self._market(at)
        cases = [self._facts(each, at) for each in found]
        decided = [decide(case, chain.keeper, at, options.limits, gas) for case in cases]
        actions = [action for action in decided if action is not None]
        capacity = {market: chain.capacity(market) for market in chain.oracles}
        due = chain.block + options.latency
        for action in within_capacity(actions, capacity, {}):
            self.sent.append((due, action))
        for closing in closings(chain.keeper, at, self.waiting, options.slip, chain.pool):
            self.committing.append((due, closing))
            self.waiting[closing.instrument] = closing.deadline
        if not options.latency:
            self._land()

    def _facts(self, each: Candidate, at: Snapshot) -> Facts:
        """Return what the Liquidator's views would answer."""
        account = each.account
        reduces = [self._close(account, leg.instrument, at)[0] for leg in account.legs]
        take = None
        stuck = all(plan.status != OK for plan in reduces)
        if self.options.limits.take and stuck and (account.legs or account.holdings):
            case = self.chain.case(account, each.health, at)
            take = plans.plan_take(case, self.chain.offered)
        return Facts(each, reduces, take, self.chain.clocks.get(account.id, (0, 0))[1])

    def _close(
        self, account: Account, instrument: int, at: Snapshot
    ) -> tuple[ReducePlan, Close | None]:
        leg = next(leg for leg in account.legs if leg.instrument == instrument)
        left = self.chain.capacity(leg.market)
        return plans.plan_reduce(account, leg, at, self.chain.pool, left)

    # ---- landing

    def _land(self) -> None:
        """Include what is due in this block; the rules judge it at the prices of now."""
        chain = self.chain
        due = [action for block, action in self.sent if block <= chain.block]
        self.sent = [(block, action) for block, action in self.sent if block > chain.block]
        for action in due:
            at = chain.at()
            account = chain.book.accounts[action.account]
            found = health(account, at)
            tx = self._tx()
            why = "not below mm" if not found.under_mm else "" if found.open else "closed"
            why = why or self._carry_out(action, Case(account, found, at, 0), tx)
            used = GAS[type(action)]
            self._spend(tx, used * FAILED_PERCENT // 100 if why else used, at)
            name = type(action).__name__.lower()
            table = self.outcome.refused if why else self.outcome.counts
            table[why or name] = table.get(why or name, 0) + 1
        orders = [closing for block, closing in self.committing if block <= chain.block]
        self.committing = [each for each in self.committing if each[0] > chain.block]
        for closing in orders:
            self._commit(closing)

    def _carry_out(self, action: Action, case: Case, tx: str) -> str:
        """Do what a call does; return why it reverts."""
        chain, account, at = self.chain, case.account, case.at
        if isinstance(action, Reduce):
            return self._reduce(action, account, at, tx)
        if isinstance(action, Take):
            return self._take(action, chain.case(account, case.health, at), tx)
        if isinstance(action, Flag):
            chain.flag(account, case.health)
        elif isinstance(action, Settle):
            chain.settle(account, at)
        else:
            chain.write_off(account)
        return ""

    def _reduce(self, action: Reduce, account: Account, at: Snapshot, tx: str) -> str:
        if all(leg.instrument != action.instrument for leg in account.legs):
            return "no such leg"
        plan, found = self._close(account, action.instrument, at)
        if found is None:
            return f"status {plan.status}"
        if found.lots > action.size + action.size // 1_000 + 1:
            return "too small"  # c* has moved beyond what the call allows
        leg = next(leg for leg in account.legs if leg.instrument == action.instrument)
        self.chain.reduce(account, leg, found, at)
        self.outcome.liquidated.add(account.id)
        said = {"account": account.id, "counterparty": POOL, "keeper": KEEPER, "pay": found.pay}
        nothing = {"cash": 0, "quote": 0, "fee": 0, "liquidation_fee": 0, "insurance": 0}
        self._tell("Posting", {**said, **nothing}, tx)
        return ""

    def _take(self, action: Take, case: Case, tx: str) -> str:
        chain, account, at = self.chain, case.account, case.at
        plan = plans.plan_take(case, chain.offered)
        # a plan holds for AHEAD seconds: what the call takes is the fraction of then
        plan = replace(plan, fraction=action.fraction) if plan.fraction < WAD else plan
        plan = replace(plan, payment=case.payment(plan.fraction, plan.reward))
        if (plan.fraction < WAD) != (action.fraction < WAD):
            return "overshoot"
        if plan.payment > action.max_payment or plan.insurance < action.min_insurance:
            return "payment too high"
        part = slice_of(account, case.health, at, plan.fraction)
        before = chain.keeper
        carried = health(after_take(before, account, case.health, plan, at), at)
        if carried.equity < carried.im:
            return "margin"
        short = chain.take(case, plan)
        self.outcome.liquidated.add(account.id)
        self._tell_take(account, case, plan, part, before, tx, short)
        return ""

    def _tell_take(
        self,
        account: Account,
        case: Case,
        plan: TakePlan,
        part: Account,
        before: Account,
        tx: str,
        short: int,
    ) -> None:
        parties = {"account": account.id, "counterparty": KEEPER}
        for leg in part.legs:
            feed = case.at.feeds[leg.market]
            said = {**parties, "instrument": leg.instrument, "size": leg.size}
            self._tell("LegMoved", said, tx, feed.price - feed.funding)
        for held in part.holdings:
            said = {**parties, "collateral": held.collateral, "amount": held.amount}
            self._tell("CollateralMoved", said, tx)
        after = self.chain.keeper
        cash = after.cash - before.cash - plan.insurance
        money = {"cash": cash, "quote": after.quote - before.quote, "insurance": plan.insurance}
        free = {"fee": 0, "liquidation_fee": 0, "pay": 0, "keeper": 0}
        self._tell("Posting", {**parties, **money, **free}, tx)
        said = {"fraction": plan.fraction, "payment": plan.payment, "insurance": plan.insurance}
        equity = {"equity_before": case.health.equity, "deficit": short}
        self._tell("Taken", {**said, **equity}, tx)

    # ---- unwinding

    def _commit(self, closing: Closing) -> None:
        tx = self._tx()
        order = {"instrument": closing.instrument, "size": closing.size, "reserve": RESERVE}
        self._tell("Committed", {"order_id": tx, "order": order}, tx)
        at = self.chain.at()
        self._spend(tx, GAS_COMMIT, at)
        self.orders.append((self.chain.now, tx, closing))
        self.outcome.spent_wei += RESERVE
        self.spent_usd += GasMarket(RESERVE, self._native(at)).usd(1)

    def _execute(self) -> None:
        """Fill the orders that this price may fill, or end them; give those too old back."""
        chain, kept = self.chain, []
        for since, id_, closing in self.orders:
            market = closing.instrument >> 56
            publish = chain.oracles[market].market.price.publish_time
            at = chain.at()
            if publish < since + ORDER_DELAY:
                kept.append((since, id_, closing))
                continue
            self.waiting.pop(closing.instrument, None)
            if chain.now <= closing.deadline:
                if not at.feeds[market].valid or not self._fill(closing, id_, at):
                    self._tell("Refused", {"order_id": id_}, self._tx())
            else:
                self._tell("Closed", {"order_id": id_}, self._tx())
                self.outcome.spent_wei -= RESERVE
                self.spent_usd -= GasMarket(RESERVE, self._native(at)).usd(1)
        self.orders = kept

    def _fill(self, closing: Closing, id_: str, at: Snapshot) -> bool:
        size, limit = closing.size // LOT, closing.limit_price // TICK
        held = next(
            (leg.size for leg in self.chain.keeper.legs if leg.instrument == closing.instrument), 0
        )
        if (held < 0) == (size < 0) or not held:
            return False  # reduce-only
        size = max(size, -held) if size < 0 else min(size, -held)
        made = self.chain.fill(closing.instrument, size, limit, at)
        if made is None:
            return False
        feed = at.feeds[closing.instrument >> 56]
        said = {"account": KEEPER, "instrument": closing.instrument, "size": size}
        prices = {"price": made[0], "fee": made[1], "funding": feed.funding, "mark": feed.price}
        tx = self._tx()
        self._tell("Filled", {**said, **prices}, tx)
        self._tell("Executed", {"order_id": id_}, tx)
        return True

    # ---- books

    def _tell(self, name: str, said: Mapping[str, Any], tx: str, mark: int = 0) -> None:
        self._count += 1
        chain = self.chain
        self.outcome.times[chain.block] = chain.now
        native = self._native(chain.at())
        self.journal.apply(Entry(chain.block, self._count, tx, name, said, mark, native))

    def _tx(self) -> str:
        self._count += 1
        return f"{self._count}"

    def _native(self, at: Snapshot) -> int:
        market = self.symbols.get("ETH")
        return at.feeds[market].price if market else self.options.native_ticks

    def _market(self, at: Snapshot) -> GasMarket:
        return GasMarket(self.options.wei_per_gas, self._native(at))

    def _spend(self, tx: str, gas: int, at: Snapshot) -> None:
        wei = gas * self.options.wei_per_gas
        self.gas[tx] = self.gas.get(tx, 0) + wei
        self.outcome.spent_wei += wei
        self.spent_usd += self._market(at).usd(gas)

    def _note(self) -> None:
        chain = self.chain
        at = chain.at()
        found = health(chain.keeper, at)
        net = found.equity - self.options.capital - self.spent_usd
        under = sum(each.account.id != KEEPER for each in chain.book.scan(at))
        held = gross(chain.keeper, at)
        self.outcome.most_im = max(self.outcome.most_im, found.im)
        self.outcome.points.append(Point(chain.now, found.equity, net, held, chain.deficit, under))

    def finish(self) -> Outcome:
        """Close the books and hold them against each other."""
        chain, out = self.chain, self.outcome
        at = chain.at()
        out.results = self.journal.results(at)
        out.costs = [self._cost(each.deal, self._native(at)) for each in out.results]
        out.fund_end, out.deficit = chain.fund.cash, chain.deficit
        if sum(each.profit for each in out.results) != health(chain.keeper, at).equity:
            out.off.append("the liquidations do not add up to the keeper's equity")
        if chain.money() != self.begun:
            out.off.append(f"the books are off by {chain.money() - self.begun} wei")
        if any(chain.sizes().values()):
            out.off.append("the legs do not sum to nothing")
        return out

    def _cost(self, deal: Deal, now: int) -> int:
        """Return what gas and reserves were worth when a deal was made, rounded up [USD WAD].

        Args:
            deal: of the journal.
            now: price of the native coin [ticks], for what is no liquidation.
        """
        wei = gas_of(deal, self.gas) + deal.reserve
        return GasMarket(wei, deal.native or now).usd(1)


def deals(out: Outcome) -> list[tuple[Result, int]]:
    """Return the liquidations, each with what it cost."""
    pairs = zip(out.results, out.costs, strict=True)
    return [(each, cost) for each, cost in pairs if each.deal.kind != OWN]
