"""What the machine's actors do next: mostly valid actions, steered to each account's thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Protocol

from tests.reference import closing, liquidation, margin
from tests.reference.facts import Account, Health
from tests.reference.oracle import Report
from tests.reference.orders import Order, passed
from tests.reference.refused import Refused
from tests.reference.state import SETTLEMENT, World, owner_of, with_leg
from tests.reference.units import COMMIT_DELAY, LOT_WAD, TICK_WAD, TICKS_PER_USD, WAD
from tests.reference.words import instrument_of, market_of
from tests.stateful import guarding, powers, trespass
from tests.stateful.coalition import Coalition
from tests.stateful.house import BUYERS, KEEPERS, MIN_RESERVE, OWNER, PROVIDERS, TRADERS
from tests.stateful.ops import Op
from tests.stateful.refusals import USD, Refusals, account_id
from tests.stateful.rules_accounts import ACCOUNT_RULES, AccountRules
from tests.stateful.rules_pool import PoolRules
from tests.stateful.rules_prices import PriceRules
from tests.stateful.rules_stories import STORIES, Stories

# how often each kind of action is tried
RULES = {
    "walk": 7,
    "steer": 13,
    "crash": 0.8,
    "outage": 0.4,
    "deposit": 5,
    "withdraw": 5,
    "transfer": 3,
    "settle": 4,
    "settle_pair": 3,
    "commit": 14,
    "execute": 30,
    "cancel": 6,
    "refund": 4,
    "request_deposit": 1.5,
    "execute_deposit": 2,
    "request_redeem": 1.5,
    "execute_redeem": 3,
    "retime": 1,
    "flag": 6,
    "reduce": 14,
    "take": 10,
    "write_off": 2,
    "donate": 1,
    "gift": 1,
    "fund": 1,
    "share": 1,
    "owner": 2,
    "guard": 1.5,
    "replay": 2,
    "closed": 0.8,
    **STORIES,
    "invalid": 6,
    "trespass": 3,
    **ACCOUNT_RULES,
}
# what follows a move of a price to somebody's threshold
HUNT = ("flag",) * 4 + ("reduce",) * 12 + ("take",) * 6 + ("closed", "commit", "execute")


class Played(Protocol):
    """A machine, as far as those who act on it know it."""

    world: World

    def step(self, op: Op, rule: str = "") -> object:
        """Do an op."""


class Actors(AccountRules, PriceRules, PoolRules, Stories, Refusals):
    """Chooses the next op from the facts alone; the same seed chooses the same ops."""

    def __init__(self, seed: int, world: World) -> None:
        self.rng = Random(seed)
        self.world = world
        # what the market thinks; reports follow it, guards or not
        self.truth = {key: market.price for key, market in world.markets.items()}
        self.salt = 0
        # how many of the next ops are likely to be liquidations, or a coalition's
        self.hunted = 0
        self.left = 0
        self.story: Iterator[Op] = iter(())
        self.telling = ""
        self.coalition = Coalition(self.rng)
        # what sources have signed, to be shown again
        self.signed: list[tuple[Report, ...]] = []
        self.venue = owner_of(world.setup.pool_account)

    def opening(self) -> list[Op]:
        """Return the first ops: a fund, a pool with money, accounts with collateral."""
        ops = [Op("fund", OWNER, (self.atoms(SETTLEMENT, 20_000),))]
        for owner in PROVIDERS:
            amount = self.atoms(SETTLEMENT, 700_000)
            ops.append(Op("request_deposit", owner, (amount, owner)))
        for number in range(1, len(PROVIDERS) + 1):
            wait = 3 if number == 1 else 0
            reports = self.reports(self.world.now + wait) if wait else ()
            ops.append(Op("execute_deposit", KEEPERS[0], (number,), reports, wait))
        for owner in TRADERS:
            amount = self.atoms(SETTLEMENT, self.rng.choice((2_000, 20_000, 60_000)))
            ops.append(Op("deposit", owner, (account_id(owner), SETTLEMENT, amount)))
        for owner in BUYERS:
            amount = self.atoms(SETTLEMENT, 4_000_000)
            ops.append(Op("deposit", owner, (account_id(owner), SETTLEMENT, amount)))
        return ops

    # ---- choosing

    def play(self, machine: Played, steps: int) -> None:
        """Let a machine do the first ops, and so many after them."""
        for op in self.opening():
            machine.step(op, "opening")
        for _ in range(steps):
            rule, op = self.next_op(machine.world)
            machine.step(op, rule)

    def next_op(self, world: World) -> tuple[str, Op]:
        """Return the next rule that applies, and its op."""
        told = self.told(world)
        if told is not None:
            return "write_off" if told.name == "write_off" else self.telling, told
        if self.left:
            self.left -= 1
            return "closed", self.coalition.next_op(world)
        return self._drawn(RULES, HUNT, 0.7)

    def _drawn(
        self, rules: Mapping[str, float], hunt: Sequence[str], eager: float
    ) -> tuple[str, Op]:
        """Return a rule that applies, drawn by weight, and its op.

        Args:
            rules: how often each is tried.
            hunt: what is tried instead after a price was moved to somebody's threshold.
            eager: how likely that is.
        """
        names, weights = list(rules), list(rules.values())
        while True:
            name = self.rng.choices(names, weights)[0]
            if self.hunted and self.rng.random() < eager:
                name = self.rng.choice(hunt)
            self.hunted = max(0, self.hunted - 1)
            op: Op | None = getattr(self, name)()
            if op is not None:
                return name, op

    def _wait(self) -> tuple[int, int]:
        """Return seconds and blocks before an op."""
        seconds = self.rng.choice((0, 0, 0, 1, 1, 2, 3, 5, 8, 12))
        return seconds, (1 if seconds else self.rng.choice((0, 1)))

    def _op(self, name: str, caller: int, *args: object, lead: float = 0.0) -> Op:
        """Return an op; with probability `lead` it brings a price update along."""
        seconds, blocks = self._wait()
        led = self.rng.random() < lead
        reports = self.reports(self.world.now + seconds) if led else ()
        return Op(name, caller, args, reports, seconds, blocks)

    def _users(self) -> list[int]:
        return [
            key for key in self.world.listed if owner_of(key) in TRADERS or owner_of(key) in BUYERS
        ]

    def _any_user(self) -> int:
        return self.rng.choice(self._users() or [account_id(TRADERS[0])])

    def _with_legs(self) -> list[int]:
        return [key for key in self._users() if self.world.account(key).legs]

    def _below(self) -> list[tuple[int, Health]]:
        """Return the accounts below MM, whatever the state of the prices."""
        healths = [(key, self.world.health(key)) for key in self._users()]
        return [(key, health) for key, health in healths if health.equity < health.mm]

    # ---- custody

    def deposit(self) -> Op:
        rng = self.rng
        own = rng.random() < 0.9
        owner = rng.choice((*TRADERS, *BUYERS))
        key = account_id(owner, rng.choice((0, 0, 1))) if own else self._any_user()
        caller = owner_of(key) if own else rng.choice(TRADERS)
        token = rng.choice((0, 0, 0, *self.world.collaterals))
        dollars = rng.choice((50, 1_000, 5_000, 20_000, 100_000)) * rng.randint(50, 150) // 100
        if owner in BUYERS and own:
            dollars *= 5
        return self._op("deposit", caller, key, token, self.atoms(token, dollars))

    def atoms(self, token: int, dollars: int) -> int:
        """Return an amount of a token worth about so many dollars, odd atoms included."""
        unit = self.world.tokens[token].unit
        price = TICKS_PER_USD
        if token != SETTLEMENT:
            price = self.world.markets[self.world.collaterals[token].feed].price
        amount = dollars * unit * TICKS_PER_USD // price
        return max(1, amount + self.rng.randint(0, 9))

    def _share_of(self, key: int, token: int) -> int:
        """Return atoms that the account could perhaps part with."""
        account = self.world.account(key)
        health = self.world.health(key)
        if token == SETTLEMENT:
            free = min(account.cash, health.equity - health.im)
            held = max(0, free) // self.world.setup.scale
        else:
            held = account.amount(token)
        part = self.rng.choice((10, 30, 60, 99, 100))
        if owner_of(key) in BUYERS:
            # they are to have room for what they take over
            part //= 10
        return held * part // 100 if part < 100 else held + self.rng.choice((0, 0, 0, 1))

    def _movable(self) -> tuple[int, int] | None:
        users = self._users()
        if not users:
            return None
        key = self.rng.choice(users)
        tokens = [held.id for held in self.world.account(key).collateral]
        return key, self.rng.choice((SETTLEMENT, SETTLEMENT, *tokens))

    def withdraw(self) -> Op | None:
        found = self._movable()
        if found is None:
            return None
        key, token = found
        amount = self._share_of(key, token)
        if amount == 0:
            return None
        to = self.rng.choice((owner_of(key), TRADERS[0]))
        return self._op("withdraw", owner_of(key), key, token, amount, to, lead=0.7)

    def transfer(self) -> Op | None:
        found = self._movable()
        if found is None:
            return None
        key, token = found
        amount = self._share_of(key, token)
        own = account_id(owner_of(key), self.rng.choice((0, 1)))
        other = self._any_user() if token == SETTLEMENT else own
        if amount == 0:
            return None
        receiver = self.rng.choice((own, other))
        return self._op("transfer", owner_of(key), key, receiver, token, amount, lead=0.7)

    def settle(self) -> Op:
        key = self.rng.choice((self._any_user(), self.world.setup.pool_account))
        return self._op("settle", self.rng.choice(KEEPERS), key)

    def settle_pair(self) -> Op:
        users = self._users() or [account_id(TRADERS[0])]
        losers = tuple(self.rng.sample(users, min(len(users), self.rng.randint(1, 4))))
        winner = self.rng.choice((*users, self.world.setup.pool_account))
        settler = self.rng.choice((0, account_id(KEEPERS[0]), self._any_user()))
        return self._op("settle_pair", KEEPERS[0], losers, winner, settler)

    # ---- orders

    def commit(self) -> Op | None:
        key = self._any_user()
        sunk = [k for k, h in self._below() if h.equity < 0 and self.world.account(k).legs]
        if sunk and self.rng.random() < 0.4:
            key = self.rng.choice(sunk)
        health = self.world.health(key)
        account = self.world.account(key)
        market = self.rng.choice(list(self.world.pool_params))
        closing = account.legs and (key in sunk or self.rng.random() < 0.45)
        if closing:
            leg = self.rng.choice(account.legs)
            market = market_of(leg.instrument)
            part = 100 if key in sunk else self.rng.choice((100, 100, 50, 20, 99))
            lots = -leg.size * part // 100 or -leg.size
        elif health.equity <= 100 * USD:
            return None
        else:
            lots = self.opening_lots(account, health, market)
        if lots == 0:
            return None
        reduce_only = bool(closing) and self.rng.random() < 0.5
        return self._op("commit", owner_of(key), self.order(key, market, lots, reduce_only))

    def opening_lots(self, account: Account, health: Health, market: int) -> int:
        """Return lots that use some part of the room to IM, sometimes too many."""
        m = self.world.markets[market]
        room = max(0, health.equity - health.im)
        most = WAD * 85 // 100 * WAD // m.margin.base // WAD
        leverage = self.rng.choice((2, most // 2, most, most))
        notional = min(room * leverage, 400_000 * USD) * self.rng.randint(50, 100) // 100
        lots = notional // m.price * self.rng.choice((1, -1))
        for _ in range(6):
            if self._fits(account, market, lots) or self.rng.random() < 0.05:
                break
            lots = lots * 7 // 10
        return lots

    def _fits(self, account: Account, market: int, lots: int) -> bool:
        """Return whether the account keeps E >= IM with these lots more, and a margin for fees."""
        m = self.world.markets[market]
        cost = abs(lots) * m.price // 500
        quote = account.quote - lots * (m.price - m.funding) - cost
        try:
            after = replace(with_leg(account, instrument_of(market), lots), quote=quote)
        except Refused:
            return False
        health = margin.check(after, self.world.markets, self.world.collaterals, self.world.now)
        return health.equity >= health.im

    def order(self, key: int, market: int, lots: int, reduce_only: bool) -> Order:
        price = self.truth[market]
        worst = price * (105 if lots > 0 else 95) // 100
        if self.rng.random() < 0.04:
            worst = price
        self.salt += 1
        return Order(
            account=key,
            venue=self.venue,
            instrument=instrument_of(market),
            size=lots * LOT_WAD,
            limit_price=worst * TICK_WAD,
            deadline=self.world.now + self.rng.choice((30, 60, 600, 3_600)),
            reduce_only=reduce_only,
            reserve=MIN_RESERVE + self.rng.randint(0, 5),
            salt=self.salt,
        )

    def _open_orders(self) -> list[tuple[Order, int]]:
        return list(self.world.commits.items())

    def execute(self) -> Op | None:
        orders = [
            (order, time)
            for order, time in self._open_orders()
            if order.deadline >= self.world.now and not self._passed(order, time)
        ]
        if not orders:
            return None
        sunk = [pair for pair in orders if self.world.health(pair[0].account).equity < 0]
        order, time = self.rng.choice(sunk if sunk and self.rng.random() < 0.8 else orders)
        market = self.world.markets[market_of(order.instrument)]
        earliest = time + COMMIT_DELAY
        op = self._op("execute", self.rng.choice(KEEPERS), order)
        if market.publish >= earliest:
            # another price would pass the order by
            late = self.world.now - market.publish > 12
            return None if late and self.rng.random() < 0.8 else replace(op, wait=min(2, op.wait))
        wait = max(op.wait, earliest + 2 - self.world.now)
        reports = self.reports(self.world.now + wait)
        return replace(op, wait=wait, blocks=1, reports=reports)

    def _passed(self, order: Order, time: int) -> bool:
        return passed(self.world.markets[market_of(order.instrument)], time + COMMIT_DELAY)

    def cancel(self) -> Op | None:
        young = [order for order, time in self._open_orders() if time == self.world.now]
        if young:
            order = self.rng.choice(young)
            return Op("cancel", owner_of(order.account), (order,), (), 0, 0)
        return None

    def refund(self) -> Op | None:
        orders = self._open_orders()
        dead = [
            order
            for order, time in orders
            if order.deadline < self.world.now or self._passed(order, time)
        ]
        if dead and self.rng.random() < 0.9:
            return self._op("refund", KEEPERS[0], self.rng.choice(dead))
        if len(orders) > 4:
            return self._op("refund", KEEPERS[0], self.rng.choice(orders)[0])
        return None

    # ---- liquidation

    def _victim(self) -> tuple[int, Health] | None:
        below = self._below()
        if self.rng.random() < 0.9:
            below = [(key, health) for key, health in below if margin.liquidation_open(health)]
        return self.rng.choice(below) if below else None

    def flag(self) -> Op | None:
        found = self._victim()
        cured = [key for key in self._users() if self._cured(key)]
        if cured and self.rng.random() < 0.6:
            key = self.rng.choice(cured)
        elif found is not None:
            key = found[0]
        else:
            return None
        return self._op("flag", self.rng.choice(KEEPERS), key, lead=0.2)

    def _cured(self, key: int) -> bool:
        health = self.world.health(key)
        return self.world.account(key).in_auction and health.equity >= health.le

    def reduce(self) -> Op | None:
        found = self._victim()
        if found is None or not self.world.account(found[0]).legs:
            return None
        key = found[0]
        leg = self.rng.choice(self.world.account(key).legs)
        held = abs(leg.size)
        planned = closing.plan_reduce(self.world, key, leg.instrument)
        if planned.status != 0 and self.rng.random() < 0.8:
            return None
        sizes = (held, held + 5, 0, planned.target, planned.size, planned.size, held // 20 + 1)
        size = self.rng.choice(sizes)
        keeper = account_id(self.rng.choice(KEEPERS))
        op = self._op(
            "reduce",
            owner_of(keeper),
            key,
            leg.instrument,
            size,
            self.rng.choice((0, 0, WAD // 10)),
            keeper,
            self.world.now + 20,
            lead=0.3,
        )
        return op

    def take(self) -> Op | None:
        found = self._victim()
        if found is None:
            return None
        key = found[0]
        seconds, blocks = self._wait()
        ahead = self.world.copy()
        ahead.now += seconds
        case = liquidation.case_of(ahead, key)
        if case.account.empty:
            return None
        fraction = WAD
        if case.health.equity < case.health.mm and self.rng.random() < 0.9:
            fraction = liquidation.planned_fraction(ahead, case)
        strangers = [account_id(owner) for owner in BUYERS if owner != owner_of(key)]
        buyer = max(strangers, key=self._room)
        if self.rng.random() < 0.15:
            buyer = account_id(self.rng.choice(BUYERS), self.rng.choice((0, 1)))
        generous = 10**30
        args = (key, buyer, fraction, generous, 0, self.world.now + 20)
        led = self.rng.random() < 0.15
        reports = self.reports(self.world.now + seconds) if led else ()
        return Op("take", owner_of(buyer), args, reports, seconds, blocks)

    def _room(self, key: int) -> int:
        health = self.world.health(key)
        return health.equity - health.im

    def write_off(self) -> Op | None:
        broke = [
            key
            for key, account in self.world.accounts.items()
            if account.empty and account.cash + account.quote < 0
        ]
        return self._op("write_off", KEEPERS[0], self.rng.choice(broke)) if broke else None

    # ---- money from outside

    def donate(self) -> Op:
        token = self.rng.choice(list(self.world.tokens))
        targets = (
            self.venue,
            owner_of(self.world.setup.insurance_account),
            self.core,
        )
        amount = self.atoms(token, 1_000)
        return self._op("donate", TRADERS[-1], token, self.rng.choice(targets), amount)

    core = 0

    def gift(self) -> Op:
        """Pay into an account of the house: what a first depositor's attacker would do."""
        setup = self.world.setup
        to = self.rng.choice((setup.pool_account, setup.waiting_account, setup.fee_account))
        amount = self.atoms(SETTLEMENT, self.rng.choice((1, 1_000, 40_000)))
        return self._op("deposit", TRADERS[-1], to, SETTLEMENT, amount)

    def share(self) -> Op | None:
        """Hand pool shares on."""
        giver, taker = self.rng.sample(PROVIDERS, 2)
        amount = self.world.shares.get(giver, 0) * self.rng.choice((1, 3)) // 50
        return self._op("share", giver, taker, amount) if amount else None

    def owner(self) -> Op:
        """Change a parameter."""
        name, args = powers.choose(self.rng, self.world)
        return self._op(name, OWNER, *args)

    def guard(self) -> Op:
        """Pause something, end a pause, or lower a cap."""
        name, caller, args = guarding.choose(self.rng, self.world)
        return self._op(name, caller, *args)

    def trespass(self) -> Op | None:
        """Call what is somebody else's."""
        found = trespass.choose(self.rng, self.world)
        if found is None:
            return None
        caller, *args = found
        return self._op("trespass", caller, *args)

    def closed(self) -> Op:
        """Begin a window of a coalition: a few ops in one block, nobody else between them."""
        self.coalition.gather(self.world)
        self.left = self.rng.randint(3, 6)
        return self.coalition.next_op(self.world)

    def fund(self) -> Op:
        return self._op("fund", OWNER, self.atoms(SETTLEMENT, self.rng.choice((100, 3_000))))
