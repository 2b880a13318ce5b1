"""What actors of a deployment with options do next: fills, modes, surfaces, expiries, takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

from tests.reference import options
from tests.reference import portfolio as pm
from tests.reference import surfaces as stored
from tests.reference.facts import Health
from tests.reference.instruments import CALL, FUTURE, PERP, PUT, Instrument, lowest_terms, parts
from tests.reference.refused import Refused
from tests.reference.state import World, owner_of
from tests.reference.units import DAY, DUST, HOUR, LOTS_PER_UNIT, TICKS_PER_USD, WAD
from tests.reference.words import instrument_of, market_of
from tests.stateful.house import KEEPERS, TRADERS
from tests.stateful.house_options import CAPS, MARKETS, VENUE
from tests.stateful.ops import Op
from tests.stateful.ops_options import engine_of
from tests.stateful.refusals import account_id
from tests.stateful.rules import Actors

RULES = {
    "walk": 8,
    "steer": 9,
    "crash": 0.6,
    "outage": 0.3,
    "deposit": 4,
    "withdraw": 4,
    "transfer": 3,
    "settle": 4,
    "settle_pair": 3,
    "commit": 6,
    "execute": 12,
    "refund": 3,
    "flag": 5,
    "reduce": 2,
    "take": 8,
    "write_off": 2,
    "batch": 2,
    "shift": 1.5,
    "fill": 26,
    "close": 12,
    "package": 8,
    "set_mode": 5,
    "surface": 5,
    "observe": 1.5,
    "expire": 0.9,
    "settle_expired": 6,
    "settle_dead": 0.3,
    "set_option_cap": 0.7,
    "odd": 4,
}
# hours to the expiries that are quoted, rounded up to the hour
TERMS = (2, 5, 26, 24 * 7, 24 * 30)
# of what an actor opens, in percent of what it has room for
LEVERAGE = (10, 40, 100, 200, 300)
# seconds between two observations of a window
OBSERVED = 100
# a price and a surface that are older do not open
PRICE_AGE, SURFACE_AGE = 13, 105
HUNT = ("flag", "flag", "take", "take", "take", "fill", "close", "settle")


class OptionsActors(Actors):
    """Chooses the next op from the facts alone; the same seed chooses the same ops."""

    def __init__(self, seed: int, world: World) -> None:
        super().__init__(seed, world)
        self.rng = Random(seed)
        # annual volatility of each market, in percent
        self.volatility = dict.fromkeys(MARKETS, 80)
        # whom the last price was steered to
        self.prey = account_id(TRADERS[0])

    def next_op(self, world: World) -> tuple[str, Op]:
        """Return the next rule that applies, and its op."""
        told = self.told(world)
        if told is not None:
            return told.name, told
        name, op = self._drawn(RULES, HUNT, 0.6)
        # what had to come first counts as itself
        return (op.name if op.name in ("update", "surface") else name), op

    # ---- surfaces

    def _hours(self, market: int) -> list[int]:
        """Return the expiries that are quoted of a market."""
        now = self.world.now
        live = engine_of(self.world).store.live(market, now)
        for term in TERMS:
            near = now // HOUR + term
            if not any(abs(hours - near) <= term // 3 for hours in live):
                live.append(near)
        return sorted(live)[:8]

    def _surfaces(self, now: int) -> tuple[pm.Surface, ...]:
        """Return smiles around the volatility of each market."""
        rng, made = self.rng, []
        for market in MARKETS:
            level = self.volatility[market] * rng.randint(99, 101) // 100
            tilt = rng.choice((-4, -2, -8))
            ratio = pm.RATIO_ONE * rng.randint(9_995, 10_060) // 10_000
            made += [
                pm.Surface(
                    market,
                    hours,
                    now,
                    ratio=ratio,
                    a=pm.VARIANCE_ONE * level**2 * 95 // 1_000_000,
                    b=pm.VARIANCE_ONE * level**2 // 200_000,
                    rho=pm.RHO_ONE // tilt,
                    m=pm.MONEY_ONE // 100,
                )
                for hours in self._hours(market)
                if hours * HOUR > now
            ]
        return tuple(made[:16])

    def surface(self, wait: int | None = None) -> Op:
        """Report every expiry; now and then a jump, nonsense, or the same again."""
        rng = self.rng
        seconds = rng.choice((0, 0, 1, 3, 6)) if wait is None else wait
        for market in MARKETS:
            moved = self.volatility[market] * rng.randint(97, 103) // 100
            if rng.random() < 0.03:
                moved = moved * rng.choice((60, 170, 300)) // 100
            self.volatility[market] = min(250, max(25, moved))
        found = self._surfaces(self.world.now + seconds)
        if wait is None and rng.random() < 0.1:
            odd = rng.randrange(len(found))
            nonsense = rng.choice(
                (
                    {"a": -pm.VARIANCE_ONE},
                    {"b": pm.VARIANCE_ONE, "a": pm.VARIANCE_ONE // 1_000},
                    {"ratio": 2 * pm.RATIO_ONE},
                    {"publish": self.world.now + 500},
                    {"publish": self.world.now - 1_000},
                )
            )
            changed: dict[str, Any] = dict(nonsense)
            found = tuple(replace(s, **changed) if i == odd else s for i, s in enumerate(found))
        return Op("surface", rng.choice(KEEPERS), found, (), seconds, 1 if seconds else 0)

    def _first(self, *instruments: int) -> Op | None:
        """Return what has to come before something opens: a price, or surfaces."""
        world = self.world
        for instrument in instruments:
            said = parts(instrument)
            if world.now - world.markets[said.market].publish > PRICE_AGE - 5:
                return self._update(self.rng.choice((1, 2)))
            found = engine_of(world).surfaces.get((said.market, said.hours))
            late = found is None or world.now - found.publish > SURFACE_AGE
            if said.kind != PERP and late:
                return self.surface(1)
        return None

    # ---- fills

    def _fair(self, instrument: int) -> int:
        """Return what an instrument is worth [ticks]."""
        said = parts(instrument)
        price = self.world.markets[said.market].price
        if said.kind == PERP:
            return price
        found = engine_of(self.world).surfaces.get((said.market, said.hours))
        return stored.mark(found, price, instrument, self.world.now)

    def _instrument(self) -> int:
        rng, world = self.rng, self.world
        market = rng.choice((1, 1, 2))
        live = engine_of(world).store.live(market, world.now)
        kind = rng.choice((PERP, FUTURE, CALL, CALL, CALL, PUT, PUT, PUT))
        if kind == PERP or not live:
            return instrument_of(market)
        hours = rng.choice(live)
        if kind == FUTURE:
            return Instrument(market, FUTURE, hours, 0, 0).id
        dollars = world.markets[market].price // TICKS_PER_USD
        step = 50 if market == 1 else 1_000
        strike = max(step, dollars * rng.choice((60, 85, 95, 100, 105, 115, 150)) // 100)
        strike = strike // step * step
        return Instrument(market, kind, hours, *lowest_terms(strike * TICKS_PER_USD)).id

    def _price(self, instrument: int) -> int:
        """Return a price near what it is worth; rarely far from it."""
        fair = self._fair(instrument)
        if self.rng.random() < 0.03:
            return fair * self.rng.choice((50, 150)) // 100
        return fair * self.rng.randint(9_950, 10_050) // 10_000

    def _parties(self) -> tuple[int, int] | None:
        taker, maker = self.rng.sample(self._users(), 2)
        return (taker, maker) if min(self._room(taker), self._room(maker)) > 0 else None

    def _below(self) -> list[tuple[int, Health]]:
        """Return some of the accounts below MM: the health of all would take long."""
        users = self._users()
        running = [key for key in users if self.world.account(key).in_auction]
        some = dict.fromkeys([self.prey, *running, *self.rng.sample(users, min(len(users), 5))])
        healths = [(key, self.world.health(key)) for key in some]
        return [(key, health) for key, health in healths if health.equity < health.mm]

    def _sizes(self, ids: list[int], room: int) -> list[int]:
        """Return lots that use some part of the room that a side has."""
        rng, found = self.rng, []
        for instrument in ids:
            price = self.world.markets[market_of(instrument)].price
            percent = rng.choice(LEVERAGE)
            lots = room * percent // 100 // len(ids) // price + rng.randint(0, 9)
            least = DUST // price + 1
            if rng.random() < 0.1:
                lots = least
            found.append(max(lots, least) * rng.choice((-1, 1)))
        return found

    def _opened(self, ids: list[int]) -> Op | None:
        """Return a fill that opens these, or what has to come before it."""
        first = self._first(*ids)
        parties = self._parties()
        if first is not None or parties is None:
            return first
        room = min(self._room(key) for key in parties)
        sizes = self._sizes(ids, min(room, 300_000 * WAD))
        for _ in range(2):
            fill = self._told(parties, ids, sizes)
            if self._refusal(fill) not in ("options: margin", "custody: not enough cash"):
                break
            sizes = [size // 3 or size for size in sizes]
        return self._filled(fill)

    def _told(self, parties: tuple[int, int], ids: list[int], sizes: list[int]) -> options.Fill:
        pairs = sorted(zip(ids, sizes, strict=True))
        legs = tuple(options.FillLeg(each, size, self._price(each)) for each, size in pairs)
        worth = sum(
            abs(leg.size) * self.world.markets[market_of(leg.instrument)].price for leg in legs
        )
        fees = [worth * self.rng.choice((0, 3, 30)) // 10_000 for _ in range(2)]
        return options.Fill(*parties, legs, *fees)

    def _refusal(self, fill: options.Fill) -> str:
        try:
            options.trade(self.world.copy(), fill)
        except Refused as refused:
            return refused.reason
        return ""

    def _filled(self, fill: options.Fill) -> Op:
        return Op("fill", VENUE, (fill,), (), 0, self.rng.choice((0, 1)))

    def fill(self) -> Op | None:
        """Open one leg or two."""
        ids = {self._instrument() for _ in range(self.rng.choice((1, 1, 2)))}
        return self._opened(sorted(ids))

    def package(self) -> Op | None:
        """Open perps, futures and options together, or hedge what is held."""
        ids = {self._instrument() for _ in range(self.rng.randint(3, 10))}
        return self._opened(sorted(ids)[:8])

    def close(self) -> Op | None:
        """Reduce legs that one account holds against the opposite of another, or a new one."""
        rng, engine = self.rng, engine_of(self.world)
        holders = [key for key in self._users() if engine.books.get(key)]
        if not holders:
            return None
        key = rng.choice(holders)
        now = self.world.now
        live = [leg for leg in engine.books[key] if parts(leg.instrument).expiry > now]
        if not live:
            return None
        legs = rng.sample(live, min(len(live), rng.choice((1, 1, 2, 8))))
        instrument = legs[0].instrument
        others = [
            other
            for other in holders
            if other != key and engine.size(other, instrument) * legs[0].size < 0
        ]
        other = rng.choice(others) if others else rng.choice(self._users())
        if other == key:
            return None
        ids = sorted(leg.instrument for leg in legs)
        first = self._first(*ids)
        if first is not None and rng.random() < 0.9:
            return first
        part = rng.choice((100, 100, 50, 10))
        held = {leg.instrument: leg.size for leg in legs}
        sizes = [-held[each] * part // 100 or -held[each] for each in ids]
        parties = (key, other)
        if rng.random() < 0.5:
            parties, sizes = (other, key), [-size for size in sizes]
        return self._filled(self._told(parties, ids, sizes))

    def odd(self) -> Op | None:
        """Tell a fill that is malformed, somebody else's, or of what may not be opened."""
        rng = self.rng
        parties = self._parties()
        if parties is None:
            return None
        ids = sorted({self._instrument() for _ in range(3)})
        fill = self._told(parties, ids, [LOTS_PER_UNIT // 10] * len(ids))
        legs = list(fill.legs)
        kind = rng.randrange(8)
        if kind == 0:
            fill = replace(fill, maker=fill.taker)
        elif kind == 1:
            legs = [*legs, legs[0]]
        elif kind == 2:
            legs[0] = replace(legs[0], size=rng.choice((0, 1, 2**63, -(2**63) + 1)))
        elif kind == 3:
            legs[0] = replace(legs[0], instrument=legs[0].instrument | 1)
        elif kind == 4:
            fill = replace(fill, taker_fee=10**30)
        elif kind == 5:
            past = Instrument(1, FUTURE, self.world.now // HOUR, 0, 0).id
            legs = [options.FillLeg(past, LOTS_PER_UNIT, legs[0].price)]
        elif kind == 6:
            far = Instrument(1, CALL, self.world.now // HOUR + 30, *lowest_terms(10**15)).id
            legs = [options.FillLeg(far, LOTS_PER_UNIT, legs[0].price)]
        caller = rng.choice(TRADERS) if kind == 7 else VENUE
        return Op("fill", caller, (replace(fill, legs=tuple(legs)),), (), 0, 0)

    # ---- modes, caps

    def set_mode(self) -> Op | None:
        """Put an account under the other margin; a stranger tries in vain."""
        engine, key = engine_of(self.world), self._any_user()
        legs = (*self.world.account(key).legs, *engine.books.get(key, ()))
        first = self._first(*(leg.instrument for leg in legs if market_of(leg.instrument) < 3))
        if first is not None and first.name == "update":
            return first
        mode = not engine.modes.get(key, False)
        caller = owner_of(key) if self.rng.random() < 0.95 else TRADERS[0]
        return self._op("set_mode", caller, key, mode)

    def set_option_cap(self) -> Op:
        """Close a market for openings, or open it again."""
        market = self.rng.choice(MARKETS)
        low = engine_of(self.world).caps[market] < CAPS[market]
        cap = CAPS[market] if low else self.rng.choice((0, CAPS[market] // 10))
        return self._op("set_option_cap", VENUE, market, cap)

    # ---- expiry

    def _due(self) -> list[tuple[int, int]]:
        """Return series that somebody holds, the nearest first."""
        said = [
            parts(leg.instrument) for legs in engine_of(self.world).books.values() for leg in legs
        ]
        keys = {(each.market, each.hours) for each in said}
        settled = engine_of(self.world).settled
        return sorted((key for key in keys if key not in settled), key=lambda key: key[1])

    def observe(self) -> Op | None:
        due = self._due()
        if not due:
            return None
        return self._op("observe", self.rng.choice(KEEPERS), *self.rng.choice(due[:3]))

    def expire(self) -> Op | None:
        """Begin the story of the nearest expiry: its window, its price, its settlement."""
        due = self._due()
        if not due or due[0][1] * HOUR > self.world.now + 8 * DAY:
            return None
        return self._tell("expire", self._expiry(due[0][1]))

    def _expiry(self, hours: int) -> Iterator[Op]:
        rng, series = self.rng, tuple(key for key in self._due() if key[1] == hours)
        keeper = rng.choice(KEEPERS)
        begin = hours * HOUR - 1_900
        if self.world.now < begin:
            yield self._update(begin - self.world.now)
        gap_at = rng.choice((-1, -1, -1, 7))
        for i in range(26):
            self._steer_to_strike(series, i)
            seconds = rng.randint(OBSERVED - 20, OBSERVED)
            if i == gap_at:
                # the window begins anew
                seconds = 400
            reports = self.reports(self.world.now + seconds)
            yield Op("observe", keeper, (series,), reports, seconds)
            if all(key in engine_of(self.world).settled for key in series):
                break
            if i % 5 == 4 and self.world.now < hours * HOUR - 60:
                yield self.surface(0)

    def _steer_to_strike(self, series: tuple[tuple[int, int], ...], i: int) -> None:
        """Move prices a little; at the end toward a strike that is held: pin risk."""
        for market, hours in series:
            price = self.truth[market] * self.rng.randint(9_985, 10_015) // 10_000
            strikes = [
                parts(leg.instrument).strike
                for legs in engine_of(self.world).books.values()
                for leg in legs
                if parts(leg.instrument).hours == hours
                and parts(leg.instrument).market == market
                and parts(leg.instrument).kind in (CALL, PUT)
            ]
            near = [k for k in strikes if abs(k - price) * 100 < 3 * price]
            if near and i > 2:
                price += max(-price // 100, min(price // 100, near[0] - price))
            self.move(market, price)

    def settle_expired(self) -> Op | None:
        engine, now = engine_of(self.world), self.world.now
        ready = [
            key
            for key, legs in engine.books.items()
            if any(
                parts(leg.instrument).expiry <= now
                and (parts(leg.instrument).market, parts(leg.instrument).hours) in engine.settled
                for leg in legs
            )
        ]
        if not ready and self.rng.random() < 0.9:
            return None
        key = self.rng.choice(ready or self._users())
        return self._op("settle_expired", self.rng.choice((*KEEPERS, owner_of(key))), key)

    def settle_dead(self) -> Op | None:
        """Settle what nobody observed: after a day, of which the last hour is silent."""
        due = [key for key in self._due() if key[1] * HOUR <= self.world.now]
        if not due:
            return None
        op = self._op("settle_dead", self.rng.choice(KEEPERS), *due[0])
        wait = max(0, due[0][1] * HOUR + DAY - self.world.now, 3_700)
        return replace(op, wait=wait, blocks=1) if self.rng.random() < 0.7 else op

    # ---- prices

    def steer(self) -> Op | None:
        """Move one price to where an account with options crosses MM or LE."""
        self.hunted = 6
        if any(market.flags & 1 for market in self.world.markets.values()):
            return self._update(self.rng.choice((6, 8, 31)))
        engine = engine_of(self.world)
        holders = [key for key in self._users() if engine.books.get(key)]
        if not holders or self.rng.random() < 0.2:
            return super().steer()
        for _ in range(3):
            key = self.rng.choice(holders)
            market = market_of(self.rng.choice(engine.books[key]).instrument)
            price = self._crossing(key, market)
            if price is not None:
                break
        else:
            return None
        self.prey = key
        self.move(market, price * self.rng.randint(9_985, 10_015) // 10_000)
        return self._update(self.rng.choice((5, 8, 12, 20)))

    def _crossing(self, key: int, market: int) -> int | None:
        """Return a price near which E crosses a requirement, between two that were tried."""
        bound = self.rng.choice(("mm", "mm", "mm", "mm", "le", "zero"))
        last = self.world.markets[market].price
        here = self._excess(key, market, last, bound)
        for percent in self.rng.sample((92, 108, 80, 120), 3):
            there = self._excess(key, market, last * percent // 100, bound)
            if (here > 0) != (there > 0):
                moved = last * percent // 100 - last
                return last + moved * here // (here - there) * 101 // 100
        return None

    def _excess(self, key: int, market: int, price: int, bound: str) -> int:
        moved = self.world.copy()
        moved.markets[market] = replace(moved.markets[market], price=price)
        moved.checked = {}
        health = moved.health(key)
        return health.equity - (0 if bound == "zero" else int(getattr(health, bound)))

    def opening(self) -> list[Op]:
        """Return the first ops: money for everybody, and surfaces."""
        ops = super().opening()
        for owner in TRADERS:
            amount = self.atoms(0, self.rng.choice((20_000, 60_000, 150_000)))
            ops.append(Op("deposit", owner, (account_id(owner), 0, amount)))
        for owner in TRADERS[:3]:
            ops.append(Op("deposit", owner, (account_id(owner), 1, self.atoms(1, 30_000))))
        last = sum(op.wait for op in ops)
        ops.append(Op("surface", KEEPERS[0], self._surfaces(self.world.now + last), (), 0))
        return ops
