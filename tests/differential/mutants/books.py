"""A whole deployment: accounts, markets, clocks and shares written straight into storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from random import Random
from typing import Any

from eth_utils.crypto import keccak

from tests.differential import random_facts
from tests.differential.mutants import targeted
from tests.differential.mutants.hunt import Hunt, trying
from tests.differential.mutants.vectors import expected
from tests.reference import closing, insurance, liquidation, pool, shares, words
from tests.reference.facts import Account, Holding, Leg, Market
from tests.reference.refused import Refused
from tests.reference.state import World
from tests.reference.units import (
    ACTIVE,
    COOLDOWN,
    GRACE,
    HOUSE,
    IN_AUCTION,
    LISTED,
    PENDING,
    TICKS_PER_USD,
    UNTRUSTED,
    V_ONE,
    WAD,
)
from tests.reference.words import instrument_of
from tests.stateful.compiled import Compiled
from tests.stateful.evm import deploy
from tests.stateful.house import BUYERS, KEEPERS, OWNER, PROVIDERS, TRADERS, House
from tests.stateful.ops import Op, perform, send
from tests.stateful.terms import DEPLOYMENTS

# its owner can pay a collateral in
VICTIM = TRADERS[5] << 96
BUYER = BUYERS[0] << 96
KEEPER = KEEPERS[0] << 96
TRADED = (1, 2, 3)
SHARES = 777_777 * WAD + 5
# of the fund, a market's and a day's: either of them binds
LIMITS = (
    (123_456_789_012_345_678, 98_765_432_109_876_543),
    (98_765_432_109_876_543, 123_456_789_012_345_678),
)


def slot_of(base: int, key: int) -> int:
    """Return where a mapping keeps the value of a key."""
    return int.from_bytes(keccak(base.to_bytes(32, "big") + key.to_bytes(32, "big")), "big")


@dataclass(frozen=True, slots=True)
class Tipping:
    """A view, its model, and the kind of its answer, which turns somewhere."""

    name: str
    view: Callable[[], Any]
    model: Callable[[World], Any]
    kind: Callable[[World], Any]


class Books:
    """One deployment, and random states of it that the reference shares."""

    def __init__(self, code: Callable[[str], Compiled], number: int) -> None:
        self.number = number
        self.house = House(DEPLOYMENTS[number], code)
        self.lens = deploy(
            self.house.evm,
            OWNER,
            "Lens",
            self.house.clearinghouse.address,
            self.house.pool.address,
            self.house.liquidator.address,
            self.house.engine_address,
            sum(1 << key for key, m in enumerate(DEPLOYMENTS[number].markets, 1) if m.small),
            code=code,
        )
        self._layouts = {
            name: code(name).layout["storage_layout"]
            for name in ("Clearinghouse", "Markets", "Liquidator", "LiquidityPool")
        }
        self.base = self._begun()
        self.extreme = False

    def _begun(self) -> World:
        """Return the world with money in it and one redemption that has waited long enough."""
        house, world = self.house, self.house.world()
        unit = 10 ** self.house.decimals[0]
        market, day = LIMITS[self.number % 2]
        house.fund.send(OWNER, "set_limits", market, day)
        world.setup = replace(world.setup, market_limit=market, day_limit=day)
        self._write_shares(PROVIDERS[0], SHARES)
        world.shares[PROVIDERS[0]] = world.supply = SHARES
        for op in (
            Op("fund", OWNER, (20_000 * unit + 7,)),
            Op("deposit", TRADERS[0], (TRADERS[0] << 96, 0, 40_000_000 * unit)),
            Op("request_redeem", PROVIDERS[0], (SHARES,)),
        ):
            send(house, op)
            world, _ = perform(world, op)
        house.evm.advance(COOLDOWN + 60)
        return world

    def _write_shares(self, holder: int, amount: int) -> None:
        slot = self._slot("LiquidityPool", "erc20", "balanceOf")
        self.house.evm.store(self.house.pool.address, slot_of(slot, holder), amount)
        self.write_supply(amount)

    def _slot(self, contract: str, module: str, name: str) -> int:
        return int(self._layouts[contract][module][name]["slot"])

    # ---- writing

    def write_account(self, key: int, account: Account) -> None:
        address = self.house.clearinghouse.address
        word, legs, amounts = words.encode_account(account)
        self.house.evm.store(
            address, slot_of(self._slot("Clearinghouse", "accounts", "words"), key), word
        )
        base = slot_of(self._slot("Clearinghouse", "accounts", "entries"), key)
        for index, entry in enumerate((*legs, *amounts)):
            self.house.evm.store(address, (base + index) % 2**256, entry)

    def write_market(self, key: int, m: Market) -> None:
        for name, word in (
            ("prices", words.price_word(m)),
            ("states", words.state_word(m)),
            ("pendings", words.pending_word(m)),
        ):
            slot = self._slot("Markets", "market_state", name) + key
            self.house.evm.store(self.house.markets.address, slot, word)

    def write_clock(self, key: int, live: int, last: int) -> None:
        self.house.evm.store(
            self.house.liquidator.address,
            slot_of(self._slot("Liquidator", "auction_clock", "words"), key),
            live << 32 | last,
        )

    def write_supply(self, supply: int) -> None:
        slot = self._slot("LiquidityPool", "erc20", "totalSupply")
        self.house.evm.store(self.house.pool.address, slot, supply)

    def fresh(self, world: World) -> None:
        """Publish every price of a world now."""
        for key, m in list(world.markets.items()):
            world.markets[key] = replace(m, publish=world.now, time=world.now)
            self.write_market(key, world.markets[key])

    # ---- drawing

    def _market(self, rng: Random, listed: Market, now: int) -> Market:
        """Return a market of the deployment at another price, mostly fresh and trusted."""
        m = random_facts.market(rng, now)
        price = listed.price * rng.choice((1, rng.randint(500, 2_000), 1_000)) // 1_000
        if self.extreme:
            # a tick is much of a penny, and a fraction of 1e-18 a tick of a dear one
            price = 10 ** rng.choice((3, 4, 5, 17, 18)) * rng.randint(1_000, 8_000) // 1_000
        price = max(1_000, price)
        calm = rng.random() < 0.9
        low = listed.margin.oi_lo * listed.margin.oi_cap // WAD
        return replace(
            m,
            margin=listed.margin,
            feed=listed.feed,
            price=price,
            stable=random_facts.near(rng, price),
            conf=rng.choice((0, 0, 30, 900)),
            publish=now - rng.choice((0, 1, 14, 14)) if calm else m.publish,
            time=now - rng.randint(0, 400),
            funding=price * rng.randint(-100, 100) // 1_000,
            flags=m.flags & ~(PENDING | GRACE | UNTRUSTED) if calm else m.flags,
            open_interest=min(2**56 - 1, rng.randint(low // 2, listed.margin.oi_cap + 1) // price),
        )

    def _victim(self, rng: Random, world: World) -> Account:
        """Return an account near or below MM: legs first, then cash that brings E there."""
        legs = []
        for key in rng.sample(TRADED, rng.randint(0, len(TRADED))):
            notional = 10 ** rng.randint(1, 6) * rng.randint(1, 9) * WAD
            if rng.random() < 0.2:
                # a little more than a block may close: dust would be left
                p = world.pool_params[key]
                notional = p.mu * (2 * p.spread_min + p.fee) // WAD * p.scale // WAD
                notional += rng.randint(0, 9 * WAD)
            lots = min(2**60, max(1, notional // world.markets[key].price))
            legs.append(Leg(instrument_of(key), lots * rng.choice((1, -1))))
        tokens = rng.sample(sorted(world.collaterals), rng.choice((0, 0, 1, 2, 4)))
        account = Account(
            quote=rng.randint(-(10**21), 10**21),
            flags=LISTED | rng.choice((0, IN_AUCTION)),
            legs=tuple(legs),
            collateral=tuple(
                Holding(token, rng.randint(1, 10 ** world.tokens[token].decimals * 40))
                for token in tokens
            ),
        )
        world.accounts[VICTIM] = account
        health = world.health(VICTIM)
        wanted = health.mm * rng.choice((-30, 5, 50, 90, 97, 99, 100, 110)) // 100
        cash = wanted - health.equity + rng.randint(-5, 5)
        return replace(account, cash=max(-(2**94), min(2**94, cash)))

    def _pool(self, rng: Random, world: World) -> Account:
        legs = tuple(
            Leg(instrument_of(key), max(-(2**60), min(2**60, lots)))
            for key in rng.sample(TRADED, rng.randint(0, 3))
            if (lots := rng.randint(-(10**6), 10**6) * WAD // world.markets[key].price)
        )
        cash = rng.choice((10**22, 3 * 10**23, 10**24, 5 * 10**25)) + rng.randint(0, WAD)
        quote = rng.randint(-(10**22), 10**22)
        return Account(cash=cash, quote=quote, flags=HOUSE | LISTED, legs=legs)

    def draw(self, rng: Random) -> World:
        """Return a random world that the chain's storage agrees with."""
        world = self.base.copy()
        world.now, world.block = self.house.evm.time, self.house.evm.block
        for key, listed in list(world.markets.items()):
            world.markets[key] = self._market(rng, listed, world.now)
            self.write_market(key, world.markets[key])
        venue = world.setup.pool_account
        world.accounts[venue] = self._pool(rng, world)
        world.accounts[VICTIM] = self._victim(rng, world)
        world.accounts[BUYER] = Account(cash=10**26, flags=LISTED)
        world.accounts[KEEPER] = Account(cash=1, flags=LISTED)
        for key in (venue, VICTIM, BUYER, KEEPER):
            self.write_account(key, world.accounts[key])
        live = rng.choice((0, rng.randint(0, 299), rng.randint(300, 1_799), 1_800, 4_000))
        world.clocks[VICTIM] = (live, world.now - rng.choice((0, 7, 290, 301, 3_700)))
        self.write_clock(VICTIM, *world.clocks[VICTIM])
        world.supply = SHARES + rng.choice((0, 1, rng.getrandbits(60), rng.getrandbits(85)))
        self.write_supply(world.supply)
        return world

    # ---- asking

    def ask(self, hunt: Hunt, rng: Random) -> None:
        """Ask every view about one random state."""
        world = self.draw(rng)
        for name, contract, args, model in self._views(world, rng):
            hunt.question(
                self.house.evm,
                name,
                lambda c=contract, n=name, a=args: plain(c.view(n, *a)),
                expected(lambda m=model: plain(m())),
            )

    def ask_edges(self, hunt: Hunt, rng: Random) -> None:
        """Ask where one wei of cash decides what a plan ends at."""
        world = self.draw(rng)
        before = world.account(VICTIM)
        held = world.health(VICTIM).mm + WAD
        desk = self.house.liquidator
        for leg in before.legs:
            asked = (VICTIM, leg.instrument)
            self.ask_tips(
                hunt,
                world,
                held * rng.randint(1, 40) // 100,
                Tipping(
                    "plan_reduce",
                    lambda a=asked: desk.view("plan_reduce", *a),
                    lambda w, a=asked: closing.plan_reduce(w, *a),
                    lambda w, a=asked: closing.plan_reduce(w, *a)[3:6],
                ),
            )
        self.ask_tips(
            hunt,
            world,
            held // rng.choice((1, 2, 10, 100)),
            Tipping(
                "plan_take",
                lambda: desk.view("plan_take", VICTIM),
                lambda w: liquidation.plan_take(w, VICTIM),
                lambda w: liquidation.plan_take(w, VICTIM).fraction,
            ),
        )

    def ask_tips(self, hunt: Hunt, world: World, width: int, about: Tipping) -> None:
        """Ask a view at both sides of the least change of cash that changes its kind of answer."""
        account = world.account(VICTIM)

        def at(shift: int) -> World:
            shifted = world.copy()
            shifted.accounts[VICTIM] = replace(account, cash=account.cash + shift)
            return shifted

        for shift in tip(lambda shift: about.kind(at(shift)), width):
            there = at(shift)
            self.write_account(VICTIM, there.account(VICTIM))
            told = plain(about.model(there))
            hunt.question(self.house.evm, about.name, lambda: plain(about.view()), told)
        self.write_account(VICTIM, account)

    def ask_largest_part(self, hunt: Hunt, rng: Random) -> None:
        """Ask for a part that leaves 10 USD, of which the share is a little over the grid's.

        10 / gross is m 1e-6 and less than 1e-18 more, so that the last wei of it costs a step.
        """
        world = self.draw(rng)
        steps = rng.randint(20_001, 30_000)
        amount = 10**25 // steps
        key = len(world.markets)
        m = replace(world.markets[key], price=TICKS_PER_USD, stable=TICKS_PER_USD, conf=0)
        m = replace(m, publish=world.now, time=world.now, flags=ACTIVE)
        world.markets[key] = m
        self.write_market(key, m)
        held = (Holding(len(world.collaterals), amount),)
        world.accounts[VICTIM] = Account(cash=-amount, flags=LISTED, collateral=held)
        world.clocks[VICTIM] = (0, world.now)
        self.write_clock(VICTIM, *world.clocks[VICTIM])
        self.ask_tips(
            hunt,
            world,
            amount // 5,
            Tipping(
                "plan_take",
                lambda: self.house.liquidator.view("plan_take", VICTIM),
                lambda w: liquidation.plan_take(w, VICTIM),
                lambda w: liquidation.plan_take(w, VICTIM).fraction == WAD,
            ),
        )

    def ask_tier(self, hunt: Hunt) -> None:
        """Ask for the close that leaves a leg whose rate turns with one division.

        h is 0 at it, by the cash of the account.
        """
        price, left, base, start = targeted.below_a_square()
        world = self.draw(Random(0))
        m = world.markets[1]
        margin = replace(m.margin, base=base, tier_start=start, mm_ratio=WAD // 2)
        world.markets[1] = replace(
            m,
            margin=margin,
            price=price,
            stable=price,
            conf=0,
            funding=0,
            rate=0,
            tilt=0,
            publish=world.now,
            time=world.now,
            v=V_ONE,
            v_slow=V_ONE,
            flags=ACTIVE,
            open_interest=0,
        )
        self.write_market(1, world.markets[1])
        venue = Account(cash=10**27, flags=HOUSE | LISTED)
        world.accounts[world.setup.pool_account] = venue
        self.write_account(world.setup.pool_account, venue)
        # so wide that a close of millions moves the price by little
        params = replace(world.pool_params[1], scale=10**12 * WAD)
        world.pool_params[1] = params
        before = self.house.evm.snapshot()
        self.house.pool.send(OWNER, "set_params", 1, astuple(params))
        instrument = instrument_of(1)
        for tenths in range(4, 10):
            closed = left * tenths // 10
            account = Account(flags=LISTED, legs=(Leg(instrument, left + closed),))
            world.accounts[VICTIM] = account
            desk = closing.desk_of(world, VICTIM, instrument, world.health(VICTIM))
            gap = closing.close_of(desk, closed).gap
            world.accounts[VICTIM] = replace(account, cash=-gap)
            self.write_account(VICTIM, world.accounts[VICTIM])
            # a call searches from its size on: no step leads there, and none on from it
            args = (VICTIM, instrument, closed, 0, KEEPER, world.now)
            self._ask_op(hunt, world, Op("reduce", KEEPERS[0], args), one_by_one=True)
        self.house.evm.restore(before)

    def ask_overshoot(self, hunt: Hunt, rng: Random) -> None:
        """Ask for a slice at the wei of cash at which it ends too far beyond LE."""
        world = self.draw(rng)
        plan = liquidation.plan_take(world, VICTIM)
        if plan.status or plan.fraction == WAD:
            return
        account = world.account(VICTIM)
        args = (VICTIM, BUYER, plan.fraction, 10**30, 0, world.now)
        op = Op("take", BUYERS[0], args)

        def at(shift: int) -> World:
            there = world.copy()
            there.accounts[VICTIM] = replace(account, cash=account.cash + shift)
            return there

        for shift in tip(lambda shift: refusal(at(shift), op), plan.payment // 50):
            self.write_account(VICTIM, at(shift).account(VICTIM))
            self._ask_op(hunt, at(shift), op)

    def ask_ops(self, hunt: Hunt, rng: Random) -> None:
        """Ask what actions leave of every account that they touch."""
        world = self.draw(rng)
        soon = world.now + 20
        held = world.account(VICTIM)
        token = rng.choice(sorted(world.collaterals))
        atoms = world.tokens[token].soft_cap * world.tokens[token].unit + rng.getrandbits(20)
        ops = [
            Op("execute_redeem", KEEPERS[0], (1,)),
            Op("settle_pair", KEEPERS[0], ((VICTIM,), BUYER, KEEPER)),
            Op("deposit", TRADERS[5], (VICTIM, token, atoms)),
        ]
        plan = liquidation.plan_take(world, VICTIM)
        fraction = plan.fraction if plan.status == 0 else WAD
        ops.append(Op("take", BUYERS[0], (VICTIM, BUYER, fraction, 10**30, 0, soon)))
        for leg in held.legs:
            sized = closing.plan_reduce(world, VICTIM, leg.instrument)
            # from the plan's size, or from the right of it
            size = (sized.size or 1) * rng.choice((10, 10, 11, 17)) // 10
            args = (VICTIM, leg.instrument, size, 0, KEEPER, soon)
            ops.append(Op("reduce", KEEPERS[0], args))
        for op in ops:
            self._ask_op(hunt, world, op)

    def _ask_op(self, hunt: Hunt, world: World, op: Op, *, one_by_one: bool = False) -> None:
        try:
            after, _ = perform(world, op)
        except Refused as refused:
            told: Any = f"refused: {refused.reason}"
            after = world
        else:
            told = [words.encode_account(account) for account in after.accounts.values()]
            told.append([c.soft for c in after.collaterals.values()])
            told.append(after.supply)

        def act() -> Any:
            send(self.house, op)
            core, markets = self.house.clearinghouse, self.house.markets
            found: list[Any] = [core.view("account_words", key) for key in after.accounts]
            found = [(word, list(legs), list(amounts)) for word, legs, amounts in found]
            found.append([markets.view("collateral_params", key)[4] for key in after.collaterals])
            found.append(self.house.pool.view("totalSupply"))
            return found

        evm = self.house.evm
        hunt.question(evm, op.name, trying(evm, act), told, one_by_one=one_by_one)

    def ask_listing(self, hunt: Hunt) -> None:
        """Ask for parameters that cost a part of 1e-18 too much, of the pool and of the market."""
        params, base, mm_ratio = targeted.just_over()
        house, evm = self.house, self.house.evm
        margin = replace(self.base.markets[1].margin, base=base, mm_ratio=mm_ratio)
        richer = replace(margin, base=base + targeted.BASE_GRID)
        before = evm.snapshot()
        house.configurator.send(OWNER, "set_margin_params", 1, astuple(margin))
        hunt.question(
            evm,
            "set_params",
            trying(evm, lambda: house.pool.send(OWNER, "set_params", 1, astuple(params))),
            "refused: pool: listing assert",
            one_by_one=True,
        )
        house.configurator.send(OWNER, "set_margin_params", 1, astuple(richer))
        house.pool.send(OWNER, "set_params", 1, astuple(params))
        house.configurator.send(OWNER, "set_pool", house.pool.address)
        setter = house.configurator.send
        hunt.question(
            evm,
            "set_margin_params",
            trying(evm, lambda: setter(OWNER, "set_margin_params", 1, astuple(margin))),
            "refused: markets: pool listing assert",
            one_by_one=True,
        )
        evm.restore(before)

    def _views(self, world: World, rng: Random) -> list[tuple[str, Any, tuple[int, ...], Any]]:
        house, venue = self.house, world.setup.pool_account
        amount, some = rng.getrandbits(50), rng.getrandbits(rng.choice((10, 60, 80)))
        scale = world.setup.scale
        market = rng.choice(TRADED)
        asked: list[tuple[str, Any, tuple[int, ...], Any]] = [
            ("health", house.clearinghouse, (VICTIM,), lambda: world.health(VICTIM).answer()),
            ("health", house.clearinghouse, (venue,), lambda: world.health(venue).answer()),
            (
                "plan_take",
                house.liquidator,
                (VICTIM,),
                lambda: liquidation.plan_take(world, VICTIM),
            ),
            ("nav", house.pool, (), lambda: shares.nav_at(world, 0)),
            ("totalAssets", house.pool, (), lambda: shares.nav_at(world, 0) // scale),
            ("convertToShares", house.pool, (amount,), lambda: minted(world, amount)),
            ("previewDeposit", house.pool, (amount,), lambda: minted(world, amount)),
            ("convertToAssets", house.pool, (some,), lambda: redeemed(world, some)),
            ("previewRedeem", house.pool, (some,), lambda: redeemed(world, some)),
            ("available", house.fund, (market,), lambda: available(world, market)),
        ]
        for key in TRADED:
            lots = random_facts.log_uniform(rng, rng.choice((30, 45))) * rng.choice((1, -1))
            asked += self._views_of(world, key, lots)
        return asked

    def _views_of(self, world: World, key: int, lots: int) -> list[Any]:
        house, instrument = self.house, instrument_of(key)
        held = world.account(world.setup.pool_account).size(instrument)
        m, params = world.markets[key], world.pool_params[key]

        def fill() -> tuple[int, ...]:
            made = pool.quote(m, params, held, lots, liquidation=True)
            return made.price, made.fee, made.tilt

        return [
            (
                "plan_reduce",
                house.liquidator,
                (VICTIM, instrument),
                lambda: closing.plan_reduce(world, VICTIM, instrument),
            ),
            (
                "liquidation_room",
                house.pool,
                (key, lots),
                lambda: closing.liquidation_room(world, instrument, lots),
            ),
            ("liquidation_quote", house.pool, (key, lots, held), fill),
        ]


def plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, (tuple, list)) else value


def minted(world: World, assets: int) -> int:
    worth = shares.nav_at(world, 0)
    return pool.to_shares_down(assets * world.setup.scale, world.supply, worth)


def redeemed(world: World, amount: int) -> int:
    worth = shares.nav_at(world, 0)
    return pool.to_assets_down(amount, world.supply, worth) // world.setup.scale


def available(world: World, market: int) -> tuple[int, int]:
    return insurance.cash_of(world), insurance.room_of(world, market)


def tip(kind: Callable[[int], Any], width: int) -> tuple[int, ...]:
    """Return the two neighbours in 0 .. width between which the kind of answer changes."""
    low, high = 0, width
    first = kind(low)
    if kind(high) == first:
        return ()
    while high - low > 1:
        middle = (low + high) // 2
        if kind(middle) == first:
            low = middle
        else:
            high = middle
    return low, high


def refusal(world: World, op: Op) -> str:
    """Return why the reference refuses an action, "" when it does not."""
    try:
        perform(world, op)
    except Refused as refused:
        return refused.reason
    return ""
