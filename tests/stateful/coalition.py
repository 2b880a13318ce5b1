"""What a few owners of one mind try in one block: C4's windows, chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.reference import closing, liquidation, margin
from tests.reference.orders import Order, passed
from tests.reference.shares import earliest_of, has_passed
from tests.reference.state import SETTLEMENT, World, owner_of
from tests.reference.units import COMMIT_DELAY, LOT_WAD, TICK_WAD, WAD
from tests.reference.words import instrument_of, market_of
from tests.stateful.house import BUYERS, KEEPERS, MIN_RESERVE, PROVIDERS, TRADERS
from tests.stateful.ops import Op

Made = Op | None


class Coalition:
    """Traders, a share holder, a keeper and a rich buyer, and their next move in the same block."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.world = World.__new__(World)
        self.owners: tuple[int, ...] = ()
        self.moves: tuple[tuple[int, Callable[[], Made]], ...] = (
            (5, self._execute),
            (4, self._reduce),
            (5, self._take),
            (2, self._flag),
            (1, self._write_off),
            (3, self._settle_pair),
            (1, self._settle),
            (3, self._transfer),
            (2, self._deposit),
            (2, self._withdraw),
            (2, self._request),
            (2, self._executed_request),
            (1, self._fund),
            (1, self._gift),
        )

    def gather(self, world: World) -> None:
        """Choose who belongs to it: those under margin, or with an order that can be executed."""
        self.world = world
        below = [key for key, account in world.accounts.items() if self._under(key)]
        ready = [order.account for order in self._ready(TRADERS)]
        keen = {owner_of(key) for key in (*below, *ready)} & set(TRADERS)
        first = self.rng.choice(sorted(keen)) if keen else self.rng.choice(TRADERS)
        others = (*self.rng.sample(TRADERS, 2), *sorted(keen)[:2])
        few = (self.rng.choice(PROVIDERS), self.rng.choice(KEEPERS), self.rng.choice(BUYERS))
        self.owners = tuple(sorted({first, *others, *few}))

    def _under(self, key: int) -> bool:
        health = self.world.health(key)
        return health.equity < health.mm

    def next_op(self, world: World) -> Op:
        """Return a move; no time passes and no price comes in before it."""
        self.world = world
        weights = [weight for weight, _ in self.moves]
        while True:
            move = self.rng.choices(self.moves, weights)[0][1]
            op = move()
            if op is not None:
                return replace(op, wait=0, blocks=0, closed=self.owners)

    # ---- what they have

    def _accounts(self) -> list[int]:
        return [key for key in self.world.listed if owner_of(key) in self.owners]

    def _some(self) -> int:
        keys = self._accounts()
        return self.rng.choice(keys) if keys else self.owners[0] << 96

    def _rich(self) -> int:
        return next(owner for owner in self.owners if owner in BUYERS) << 96

    def _subjects(self) -> list[int]:
        return [key for key in self._accounts() if self._under(key)]

    def _ready(self, owners: tuple[int, ...]) -> list[Order]:
        found = []
        for order, time in self.world.commits.items():
            market = self.world.markets[market_of(order.instrument)]
            earliest = time + COMMIT_DELAY
            first = market.publish >= earliest and not passed(market, earliest)
            mine = owner_of(order.account) in owners
            if mine and first and order.deadline >= self.world.now:
                found.append(order)
        return found

    # ---- moves

    def _execute(self) -> Made:
        ready = self._ready(self.owners)
        if not ready:
            return self._commit() if self.rng.random() < 0.3 else None
        return Op("execute", self.rng.choice(self.owners), (self.rng.choice(ready),))

    def _commit(self) -> Made:
        """Commit for the next block: never executable in this one."""
        key = self._some()
        market = self.rng.choice(list(self.world.pool_params))
        price = self.world.markets[market].price
        held = self.world.account(key).size(instrument_of(market))
        lots = -held or 2_000 * WAD // price * self.rng.choice((1, -1))
        order = Order(
            account=key,
            venue=owner_of(self.world.setup.pool_account),
            instrument=instrument_of(market),
            size=lots * LOT_WAD,
            limit_price=price * (105 if lots > 0 else 95) // 100 * TICK_WAD,
            deadline=self.world.now + 600,
            reduce_only=False,
            reserve=MIN_RESERVE,
            salt=self.rng.getrandbits(60) | 1 << 62,
        )
        return Op("commit", owner_of(key), (order,))

    def _flag(self) -> Made:
        subjects = self._subjects()
        return Op("flag", self.owners[0], (self.rng.choice(subjects),)) if subjects else None

    def _reduce(self) -> Made:
        subjects = [key for key in self._subjects() if self.world.account(key).legs]
        if not subjects:
            return None
        key = self.rng.choice(subjects)
        leg = self.rng.choice(self.world.account(key).legs)
        plan = closing.plan_reduce(self.world, key, leg.instrument)
        size = self.rng.choice((plan.size or 1, plan.size or 1, abs(leg.size), 0))
        strangers = [owner for owner in self.owners if owner != owner_of(key)]
        keeper = self.rng.choice(strangers) << 96
        args = (key, leg.instrument, size, 0, keeper, self.world.now)
        return Op("reduce", owner_of(keeper), args)

    def _take(self) -> Made:
        subjects = [key for key in self._subjects() if not self.world.account(key).empty]
        if not subjects:
            return None
        key = self.rng.choice(subjects)
        case = liquidation.case_of(self.world, key)
        fraction = WAD
        if margin.liquidation_open(case.health) and self.rng.random() < 0.8:
            fraction = liquidation.planned_fraction(self.world, case)
        buyer = self._rich()
        if self.rng.random() < 0.2:
            buyer = self.rng.choice([o for o in self.owners if o != owner_of(key)]) << 96 | 1
        args = (key, buyer, fraction, 10**30, 0, self.world.now)
        return Op("take", owner_of(buyer), args)

    def _write_off(self) -> Made:
        broke = [
            key
            for key in self._accounts()
            if self.world.account(key).empty and self.world.health(key).equity < 0
        ]
        return Op("write_off", self.owners[0], (self.rng.choice(broke),)) if broke else None

    def _settle(self) -> Made:
        key = self.rng.choice((self._some(), self.world.setup.pool_account))
        return Op("settle", self.owners[0], (key,))

    def _settle_pair(self) -> Made:
        losers = tuple({self._some(), self._some(), self._some()})
        winner = self.rng.choice((self._some(), self.world.setup.pool_account))
        return Op("settle_pair", self.owners[0], (losers, winner, self._some()))

    def _transfer(self) -> Made:
        key = self._some()
        token, amount = self._part(key)
        if not amount:
            return None
        receiver = self._some() if token == SETTLEMENT else owner_of(key) << 96 | 1
        return Op("transfer", owner_of(key), (key, receiver, token, amount))

    def _part(self, key: int) -> tuple[int, int]:
        """Return a token of an account and the atoms of it that may leave, or a few less."""
        account, health = self.world.account(key), self.world.health(key)
        token = self.rng.choice((SETTLEMENT, *(held.id for held in account.collateral)))
        held = account.amount(token)
        if token == SETTLEMENT:
            free = min(account.cash + min(0, health.unsettled), health.equity - health.im)
            held = max(0, free) // self.world.setup.scale
        return token, held * self.rng.choice((50, 100, 100)) // 100

    def _withdraw(self) -> Made:
        key = self._some()
        token, amount = self._part(key)
        to = self.rng.choice(self.owners)
        return Op("withdraw", owner_of(key), (key, token, amount, to)) if amount else None

    def _deposit(self) -> Made:
        key = self._some()
        token = self.rng.choice((SETTLEMENT, SETTLEMENT, *self.world.collaterals))
        unit = self.world.tokens[token].unit
        amount = unit * self.rng.choice((1, 50, 500)) // self.rng.choice((1, 3))
        return Op("deposit", owner_of(key), (key, token, amount))

    def _request(self) -> Made:
        owner = next(owner for owner in self.owners if owner in PROVIDERS)
        held = self.world.shares.get(owner, 0)
        if self.rng.random() < 0.5 and held:
            return Op("request_redeem", owner, (held // 10 or 1,))
        amount = self.rng.randint(1, 9_000) * self.world.tokens[SETTLEMENT].unit + 1
        return Op("request_deposit", owner, (amount, owner))

    def _executed_request(self) -> Made:
        for key, request in self.world.requests.items():
            if has_passed(self.world, earliest_of(request)):
                if request.owner in self.owners:
                    return Op("retime", self.owners[0], (key,))
            elif request.owner in self.owners and earliest_of(request) <= self.world.now:
                name = "execute_deposit" if request.assets else "execute_redeem"
                return Op(name, self.owners[0], (key,))
        return None

    def _fund(self) -> Made:
        amount = self.rng.choice((1, 700, 30_000)) * self.world.tokens[SETTLEMENT].unit
        return Op("fund", self._rich() >> 96, (amount,))

    def _gift(self) -> Made:
        """Pay into an account of the house."""
        setup = self.world.setup
        to = self.rng.choice((setup.pool_account, setup.insurance_account, setup.waiting_account))
        amount = self.rng.randint(1, 900) * self.world.tokens[SETTLEMENT].unit
        return Op("deposit", self._rich() >> 96, (to, SETTLEMENT, amount))
