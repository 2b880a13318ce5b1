"""Runs op after op against the reference and the chain, and compares them after every one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cache
from typing import Any

from tests.reference import closing, insurance, liquidation, words
from tests.reference import shares as pool_shares
from tests.reference.facts import Account
from tests.reference.orders import Order
from tests.reference.refused import Refused
from tests.reference.state import World
from tests.reference.units import WAD
from tests.stateful import fullest, liveness
from tests.stateful.closed import Window
from tests.stateful.evm import Contract, Log, Method, Reverted
from tests.stateful.house import ACTORS, House
from tests.stateful.invariants import check_all
from tests.stateful.mirror import Mirror
from tests.stateful.ops import Op, perform, send
from tests.stateful.probing import Prober
from tests.stateful.rules import Actors
from tests.stateful.step import Probe, Step
from tests.stateful.terms import ALL, WIDE

FULL_EVERY = 25


class Diverged(AssertionError):
    """Chain and reference differ, or an invariant broke."""


@dataclass(slots=True)
class Tally:
    """How often each rule was tried and succeeded; reasons of the refusals."""

    tried: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    # events that were seen, takes and closes by their kind
    seen: Counter[str] = field(default_factory=Counter)
    # functions that went through, by contract, name and number of arguments
    calls: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    # runs of ops of a coalition in one block
    windows: int = 0

    def __iadd__(self, other: Tally) -> Tally:
        self.tried += other.tried
        self.passed += other.passed
        self.reasons += other.reasons
        self.seen += other.seen
        self.calls += other.calls
        self.windows += other.windows
        return self


@cache
def house(number: int) -> House:
    """Return a deployment, built once a process."""
    made = House(ALL[number], zoo=True)
    # deployed before the first checkpoint
    assert made.prober.address
    return made


_births: dict[int, Any] = {}


def newborn(number: int) -> House:
    """Return a deployment as it was at its birth."""
    made = house(number)
    if number in _births:
        made.evm.restore(_births[number])
    # a checkpoint is spent by a restore: every run leaves one for the next
    _births[number] = made.evm.snapshot()
    return made


def join(values: Sequence[int]) -> bytes:
    return b"".join((value % 2**256).to_bytes(32, "big") for value in values)


class Machine:
    """One run: a house at its birth, the reference beside it."""

    def __init__(self, number: int) -> None:
        self._begin(newborn(number), Mirror)
        self.prober = Prober(self.house, number)

    def _begin(self, house: House, mirror: type[Mirror]) -> None:
        self.house = house
        self.world = self.house.world()
        for contract in self.house.contracts:
            contract.calls.clear()
        self.tally = Tally()
        self.history: list[Op] = []
        tokens = {token.address: key for key, token in enumerate(self.house.tokens)}
        self.mirror = mirror(self.world, tokens)
        self.window: Window | None = None
        # why the last op did not go through
        self.refusal = ""
        self.died = ""
        self.prober: Prober | None = None
        self._order_ids: dict[Order, bytes] = {}
        self._account_words = self.house.clearinghouse.method("account_words", 1)
        self._health = self.house.clearinghouse.method("health", 1)

    # ---- one step

    def step(self, op: Op, rule: str = "") -> bool:
        """Do an op on both sides and compare; return whether it succeeded."""
        self.history.append(op)
        self.house.evm.advance(op.wait, op.blocks)
        before = self.world
        clock = replace_time(before, self.house.evm.time, self.house.evm.block)
        told, after, answer = self._model(clock, op)
        probes = self.prober.probe(before, op) if self.prober and not told else ()
        said, result = self._chain(op)
        self.tally.tried[rule or op.name] += 1
        self.refusal = told
        # of an order that its price refused: the call went through
        self.died = answer if op.name == "execute" and not told and answer else ""
        if told != said:
            raise Diverged(f"{op}: reference says {told or answer!r}, chain {said or result!r}")
        if told:
            self.tally.reasons[rule or op.name, told] += 1
            self.world = clock
            self._stay_closed(op)
        else:
            self.tally.passed[rule or op.name] += 1
            self._same_answer(op, answer, result)
            self.world = after
            self._follow(op, before, clock, answer, probes)
        # what is refused or given away must have changed nothing that is not looked at otherwise
        self._compare(before, everyone=bool(told) or op.name == "donate")
        if len(self.history) % FULL_EVERY == 0 or op.name == "donate":
            self._compare_rest()
            self._rescue()
        return not told

    def _rescue(self) -> None:
        """Let a stranger close one of the accounts that are below MM (C7)."""
        found = liveness.subjects(self.world)
        if not found:
            return
        key = found[len(self.history) // FULL_EVERY % len(found)]
        try:
            rescue = liveness.Stranger(self.house, self.world, key).rescue()
            if rescue is not None:
                liveness.restored_or_closed(rescue)
                self.tally.seen["Rescued"] += 1
        except (AssertionError, Refused, Reverted) as broken:
            raise Diverged(f"C7 of {key:x}: {broken!r}") from broken

    def _model(self, clock: World, op: Op) -> tuple[str, World, Any]:
        try:
            after, answer = perform(clock, op)
        except Refused as refused:
            return refused.reason, clock, None
        return "", after, answer

    def _chain(self, op: Op) -> tuple[str, Any]:
        try:
            return "", send(self.house, op)
        except Reverted as reverted:
            return reverted.reason, None

    def _same_answer(self, op: Op, answer: Any, result: Any) -> None:
        if (answer is not None or op.name == "execute") and answer != result:
            raise Diverged(f"{op}: reference answers {answer}, chain {result}")

    def _follow(
        self, op: Op, before: World, clock: World, answer: Any, probes: tuple[Probe, ...]
    ) -> None:
        """Read the events, then check every invariant."""
        gas = self.house.evm.gas_used()
        logs = self.house.evm.logs()
        events = tuple(self._events(logs))
        for name, arguments in events:
            self.mirror.read(name, arguments)
            self.tally.seen[kind_of(name, arguments)] += 1
        self.tally.seen["Probed"] += len(probes)
        self._follow_books(before)
        start = clock
        if op.reports:
            start, _ = perform(clock, Op("update", op.caller, (), op.reports))
        self._count_kinds(op, start)
        core = self.house.clearinghouse.address
        step = Step(
            op=op,
            before=before,
            start=start,
            after=self.world,
            answer=answer,
            events=events,
            balances=self._balances(),
            core=core,
            gas=gas,
            foreign=len(logs) - len(events),
            probes=probes,
        )
        self._check(step)
        self._follow_window(step)

    def _check(self, step: Step) -> None:
        check_all(step)

    def _count_kinds(self, op: Op, start: World) -> None:
        """Count what no event tells: hostile tokens seized, rewards cut, full accounts."""
        full = (fullest.is_full(self.world, key) for key in self.world.accounts)
        self.tally.seen["Full account"] += any(full)
        if op.name == "take":
            case = liquidation.case_of(start, op.args[0])
            held = {holding.id for holding in case.account.collateral}
            self.tally.seen["Taken hostile"] += bool(held & set(start.habits))
            asked = liquidation.asked(start, case)
            cut = insurance.offer(start, asked).bonus < asked.bonus
            self.tally.seen["Taken limited"] += cut and op.args[2] == WAD

    def _follow_books(self, before: World) -> None:
        """Compare the books that the logs tell with what the op changed (F7)."""
        try:
            for key, account in self.world.accounts.items():
                if before.accounts.get(key) is not account:
                    self.mirror.compare_account(key, account)
            self.mirror.compare_sums(self.world)
        except AssertionError as broken:
            raise Diverged(f"F7 after {self.history[-1]}: {broken}") from broken

    def _follow_window(self, step: Step) -> None:
        """Hold a coalition to C4 from the first op of its window to the last."""
        if not step.op.closed:
            self.window = None
            return
        if self.window is None or not self.window.continues(step):
            self.window = Window(step.op.closed, step.start)
            self.tally.windows += 1
        try:
            self.window.follow(step)
        except AssertionError as broken:
            raise Diverged(f"C4 in the window of {step.op}: {broken}") from broken

    def _stay_closed(self, op: Op) -> None:
        """Close the window when an op that was refused let time pass or was somebody else's."""
        window = self.window
        if window is not None and (op.closed != window.owners or op.wait or op.blocks):
            self.window = None

    def _events(self, logs: Sequence[Log]) -> list[tuple[str, Any]]:
        found = []
        for log in logs:
            for contract in self.house.contracts:
                event = contract.read(log)
                if event is not None:
                    found.append(event)
        return found

    def _balances(self) -> dict[int, int]:
        core = self.house.clearinghouse.address
        return {key: self._balance(key, core) for key in range(len(self.house.tokens))}

    def _balance(self, token: int, holder: int) -> int:
        return int(self.house.tokens[token].view("balanceOf", holder))

    # ---- comparison

    def _compare(self, before: World, everyone: bool) -> None:
        """Compare the words of what changed, or of all accounts and markets."""
        old = before.accounts
        for key, account in self.world.accounts.items():
            touched = old.get(key) is not account
            if everyone or touched:
                self._compare_account(key, account)
            if touched:
                self._compare_health(key)
                self._compare_entries(key, account)
        for key in self.world.markets:
            if everyone or before.markets[key] is not self.world.markets[key]:
                self._compare_market(key)
        core = self.house.clearinghouse
        self._same("pot", self.world.pot, core.view("pot"))
        self._same("deficit", self.world.deficit, core.view("deficit"))

    def _same(self, what: str, expected: Any, found: Any) -> None:
        if expected != found:
            raise Diverged(f"{what}: reference {expected}, chain {found} after {self.history[-1]}")

    def _compare_account(self, key: int, account: Account) -> None:
        method: Method = self._account_words
        found = self.house.evm.view(
            self.house.clearinghouse.address, method.selector + key.to_bytes(32, "big")
        )
        word, legs, amounts = words.encode_account(account)
        if found != join([word, *legs, *amounts]):
            values = method.answer(found)
            told = words.decode_account(values[0], list(values[1]), list(values[2]))
            raise Diverged(
                f"account {key:x}: reference {account}, chain {told} after {self.history[-1]}"
            )

    def _compare_health(self, key: int) -> None:
        """Compare what an account is worth and needs (B7), as bytes: they are many."""
        core, method = self.house.clearinghouse.address, self._health
        told = self.world.health(key).answer()
        found = self.house.evm.view(core, method.selector + key.to_bytes(32, "big"))
        if found != join(told):
            raise Diverged(
                f"health {key:x}: reference {told}, chain {method.answer(found)} after "
                f"{self.history[-1]}"
            )

    def _compare_entries(self, key: int, account: Account) -> None:
        """Compare the slots themselves: a closed leg or collateral leaves none behind (C8)."""
        _, legs, amounts = words.encode_account(account)
        core, base = self.house.clearinghouse.address, self.house.entries_slot(key)
        for index, expected in enumerate((*legs, *amounts)):
            found = self.house.evm.storage(core, base + index)
            self._same(f"slot {index} of {key:x}", expected, found)

    def _compare_market(self, key: int) -> None:
        market = self.world.markets[key]
        found = self.house.markets.view("market_words", key)
        self._same(f"price word {key}", words.price_word(market), found[0])
        self._same(f"state word {key}", words.state_word(market), found[1])
        self._same(
            f"sampler {key}", words.sampler_word(market), self.house.markets.view("sampler", key)
        )
        pending = (market.pending_price, market.pending_publish, market.grace_until)
        self._same(f"pending {key}", pending, tuple(self.house.markets.view("pending", key)))

    def _compare_rest(self) -> None:
        """Compare everything that has no word of an account or a market."""
        world, core = self.world, self.house.clearinghouse
        self._same("accounts", len(world.listed), core.view("account_count"))
        for key, token in world.tokens.items():
            address = self.house.tokens[key].address
            self._same(f"token {key}", token.tracked, core.view("token_info", address)[2])
            if key:
                soft = self.house.markets.view("collateral_params", key)[4]
                self._same(f"soft {key}", world.collaterals[key].soft, soft)
        for actor in ACTORS:
            for key in world.tokens:
                purse = world.wallets[actor, key]
                self._same(f"purse of {actor:x}", purse, self._balance(key, actor))
        self._compare_pool()
        self._compare_hands()
        for key, account in world.accounts.items():
            self._compare_entries(key, account)
        for market in world.pool_params:
            covered = (insurance.cash_of(world), insurance.room_of(world, market))
            self._same("fund", covered, tuple(self.house.fund.view("available", market)))

    def _compare_pool(self) -> None:
        world, venue = self.world, self.house.pool
        self._same("supply", world.supply, venue.view("totalSupply"))
        for holder, shares in world.shares.items():
            self._same(f"shares of {holder:x}", shares, venue.view("balanceOf", holder))
        try:
            worth: Any = pool_shares.nav_at(world, 0)
        except Refused as refused:
            worth = refused.reason
        self._same("NAV", worth, self._asked(venue, "nav"))
        for key in range(1, world.next_request):
            request = world.requests.get(key)
            expected = (0, 0, 0, False)
            if request is not None:
                amount = request.assets or request.shares
                expected = (request.owner, request.time, amount, bool(request.shares))
            self._same(f"request {key}", expected, tuple(venue.view("request", key)))

    def _asked(self, contract: Contract, name: str, *args: int) -> Any:
        """Return what a view answers, or why it refuses."""
        try:
            return contract.view(name, *args)
        except Reverted as reverted:
            return reverted.reason

    def _compare_hands(self) -> None:
        world = self.world
        reserves = sum(order.reserve for order in world.commits)
        self._same("reserves", reserves, self.house.evm.ether(self.house.orders.address))
        for order, time in world.commits.items():
            self._same("commit", time, self.house.orders.view("commit_time", self._id(order)))
        for key, clock in world.clocks.items():
            self._same(f"clock {key:x}", clock, tuple(self.house.liquidator.view("clock", key)))
        for owner, nonce in world.nonces:
            self._same("nonce", True, self.house.operators.view("nonce_used", owner, nonce))
        self._compare_plans()
        self._same("coin of Operators", 0, self.house.evm.ether(self.house.operators.address))
        for (key, operator), grant in world.grants.items():
            told = self.house.operators.view("granted", key, operator)
            self._same(f"grant of {key:x} to {operator:x}", (key, operator, *grant), told)
        for key in world.accounts:
            self._compare_health(key)

    def _compare_plans(self) -> None:
        """Compare what the Liquidator's views plan for every account that is not healthy."""
        desk = self.house.liquidator
        for key, account in self.world.accounts.items():
            health = self.world.health(key)
            if health.equity >= health.mm and not account.in_auction:
                continue
            taken = liquidation.plan_take(self.world, key)
            self._same(f"take plan {key:x}", tuple(taken), desk.view("plan_take", key))
            for leg in account.legs:
                plan = closing.plan_reduce(self.world, key, leg.instrument)
                told = desk.view("plan_reduce", key, leg.instrument)
                self._same(f"reduce plan {key:x}", tuple(plan), told)

    def _id(self, order: Order) -> bytes:
        if order not in self._order_ids:
            self._order_ids[order] = self.house.orders.view("order_id", astuple(order))
        return self._order_ids[order]

    def finish(self) -> None:
        """Compare all words, then all books with what the logs told (F7)."""
        for contract in self.house.contracts:
            for call, count in contract.calls.items():
                self.tally.calls[contract.name, *call] += count
        self._compare(self.world, everyone=True)
        self._compare_rest()
        try:
            self.mirror.compare(self.world)
        except AssertionError as broken:
            raise Diverged(f"F7: {broken}") from broken


def kind_of(name: str, arguments: Mapping[str, Any]) -> str:
    """Return an event's name, and which of its kinds it tells of."""
    if name == "Taken":
        return "Taken whole" if arguments["fraction"] == WAD else "Taken part"
    return f"Closed {arguments['reason']}" if name == "Closed" else name


def replace_time(world: World, now: int, block: int) -> World:
    """Return the world at a later time; facts are shared."""
    later = world.copy()
    later.now, later.block = now, block
    return later


# ---- runs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that broke: what broke, and the ops that led there."""

    seed: int
    number: int
    reason: str
    ops: tuple[Op, ...]

    def __str__(self) -> str:
        lines = "\n".join(f"    {op!r}," for op in self.ops)
        return f"seed {self.seed}, deployment {self.number}: {self.reason}\nops = [\n{lines}\n]"


def run(seed: int, number: int, steps: int) -> Tally:
    """Run one seed; a broken run raises with its shrunk ops."""
    machine = Machine(number)
    actors = Actors(seed, machine.world)
    actors.core = machine.house.clearinghouse.address
    try:
        for op in actors.opening():
            machine.step(op, "opening")
        if number == WIDE:
            actors.begin("fill", fullest.fill(actors))
        for _ in range(steps):
            rule, op = actors.next_op(machine.world)
            machine.step(op, rule)
        # what was begun is told to its end: a token behaves again
        while (op := actors.told(machine.world)) is not None:
            machine.step(op, actors.telling)
        machine.finish()
    except AssertionError as broken:
        ops = tuple(machine.history)
        raise AssertionError(str(Failure(seed, number, str(broken), shrink(number, ops)))) from None
    return machine.tally


def replay(number: int, ops: Sequence[Op]) -> str:
    """Return what breaks when ops are replayed, "" when nothing does."""
    machine = Machine(number)
    try:
        for op in ops:
            machine.step(op)
        machine.finish()
    except AssertionError as broken:
        return str(broken)
    return ""


def shrink(number: int, ops: tuple[Op, ...], budget: int = 120) -> tuple[Op, ...]:
    """Drop ops in halves, quarters, … while the same kind of failure stays."""
    kind = replay(number, ops)[:12]
    size = len(ops) // 2
    while kind and size >= 1 and budget > 0:
        start = 0
        while start < len(ops) - 1 and budget > 0:
            fewer = without(ops, start, min(size, len(ops) - 1 - start))
            budget -= 1
            if replay(number, fewer)[:12] == kind:
                ops = fewer
            else:
                start += size
        size //= 2
    return ops


def without(ops: tuple[Op, ...], start: int, count: int) -> tuple[Op, ...]:
    """Drop some ops; the time that they took passes before the next one."""
    dropped = ops[start : start + count]
    following = ops[start + count]
    waited = replace(
        following,
        wait=following.wait + sum(op.wait for op in dropped),
        blocks=following.blocks + sum(op.blocks for op in dropped),
    )
    return (*ops[:start], waited, *ops[start + count + 1 :])
