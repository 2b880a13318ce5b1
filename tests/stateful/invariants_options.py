"""What must hold of accounts with options, each coded once under its id, over one step.

Those of tests.stateful.invariants that know nothing of margin hold here as they are; the others
ask for health, which is the engine's for accounts that it answers for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tests.reference import ledger, liquidation, margin, options
from tests.reference import options_margin as om
from tests.reference import portfolio as pm
from tests.reference.expiries import WINDOW, Stored
from tests.reference.facts import Health, Leg, Market
from tests.reference.instruments import CALL, FUTURE, PERP, PUT, parts
from tests.reference.markets import funding_now
from tests.reference.state import World, owner_of
from tests.reference.units import DAY, HOUR, LEG_INVALID, LOTS_PER_UNIT, SETTLE_PAY, WAD
from tests.reference.words import market_of
from tests.stateful import invariants as whole
from tests.stateful import invariants_accounts as several
from tests.stateful import invariants_liquidation as liquidations
from tests.stateful.ops_options import engine_of
from tests.stateful.step import Step, premium
from tests.support import exact_portfolio as exact

# of tests.stateful.invariants, as they are
SHARED = "A1 A2 A3 A5 A12 B9 B11 C1 C2 C3 C5 C6 C8 C11 D1 D2 D3 D4 E3"
# ids that only options bring
OF_OPTIONS = ("A6", "A7", "B6", "B8")
INVARIANTS: dict[str, whole.Invariant] = {name: whole.INVARIANTS[name] for name in SHARED.split()}
# of a row of the scan, relative to the sum of size (F + K): docs/spec/portfolio-margin.md
ERROR = 8e-9
# one step in so many is looked at by what takes long
SELDOM = 12
GRID = 1_001
# one leg of the scan counts in units of 2^16 WAD
COARSE = 2**18


def invariant(name: str) -> whole.Register:
    """Register an invariant under its id."""

    def register(check: whole.Invariant) -> whole.Invariant:
        INVARIANTS[name] = check
        return check

    return register


def check_all(step: Step) -> None:
    """Check every invariant; the assertion carries its id."""
    whole.check_each(INVARIANTS, step)


# ---- facts ---------------------------------------------------------------------------------------


def touched(step: Step) -> list[int]:
    """Return the accounts whose words, legs or mode changed."""
    old, new = engine_of(step.before), engine_of(step.after)
    keys = dict.fromkeys(step.touched)
    for mine, other in ((new.books, old.books), (new.modes, old.modes)):
        keys |= {key: None for key in mine if mine[key] != other.get(key, type(mine[key])())}
    return [key for key in keys if key != new.account]


def seldom(step: Step) -> bool:
    """Return whether a step is one of the few that get a closer look."""
    return (step.after.now + step.gas) % SELDOM == 0


def all_legs(world: World) -> Iterable[tuple[int, Leg]]:
    """Yield every leg at the engine with its account."""
    for key, legs in engine_of(world).books.items():
        for leg in legs:
            yield key, leg


def sizes(world: World) -> dict[int, int]:
    """Return the sum of all legs by instrument [lots]."""
    found: dict[int, int] = defaultdict(int)
    for _, leg in all_legs(world):
        found[leg.instrument] += leg.size
    return found


def written(world: World, instrument: int) -> int:
    """Return the settlement price of an instrument, 0 while there is none [ticks]."""
    said = parts(instrument)
    return engine_of(world).settled.get((said.market, said.hours), 0)


def with_facts(world: World, **changes: object) -> World:
    """Return a world with other markets or collaterals."""
    twin = world.copy()
    for name, value in changes.items():
        setattr(twin, name, value)
    twin.checked = {}
    return twin


def held_to(step: Step) -> list[int]:
    """Return the accounts for which their owner acted, or whom he let (R2)."""
    op = step.op
    if op.name == "fill":
        return [op.args[0].taker, op.args[0].maker]
    if op.name == "execute":
        return [op.args[0].account] if any(step.named("Executed")) else []
    if op.name == "take":
        return [op.args[1]]
    return [*several.acting(op), *(key for key in touched(step) if owner_of(key) == op.caller)]


# ---- A: conservation -----------------------------------------------------------------------------


@invariant("A4")
def zero_sum_mark(step: Step) -> None:
    """At any prices the unsettled results of all accounts but the engine's sum to the pot."""
    whole.require_pot(step.after, _unsettled)


def _unsettled(world: World, markets: dict[int, Market]) -> int:
    engine = engine_of(world)
    moved = with_facts(world, markets=markets)
    total = sum(
        account.quote
        + sum(
            leg.size * (m.price - funding_now(m, world.now))
            for leg in account.legs
            for m in (markets[market_of(leg.instrument)],)
        )
        for key, account in world.accounts.items()
        if key != engine.account
    )
    for instrument, size in sizes(world).items():
        said = parts(instrument)
        if said.expiry <= world.now:
            price = written(world, instrument) or markets[said.market].price
            total += size * om.payoff(said, price)
        elif said.kind == FUTURE and size:
            total += size * engine.mark(moved, engine, Leg(instrument, size))
    return total


@invariant("A6")
def zero_sum_options(step: Step) -> None:
    """Contracts sum to zero, a premium is paid and received, a payoff is owed to the wei.

    Until a settlement price is written all legs of an instrument sum to zero; what has been paid at
    it to one side stands in the engine's own account against the other side's legs.
    """
    world = step.after
    engine = engine_of(world)
    open_, owed = 0, 0
    for instrument, size in sizes(world).items():
        price = written(world, instrument)
        assert size == 0 or price
        owed += size * om.payoff(parts(instrument), price) if price else 0
        open_ += price == 0
    assert world.account(engine.account).quote == owed
    assert world.account(engine.account).cash == 0
    longs: dict[int, int] = defaultdict(int)
    for _, leg in all_legs(world):
        if parts(leg.instrument).kind in (CALL, PUT):
            longs[market_of(leg.instrument)] += max(leg.size, 0)
    assert all(longs[key] == engine.interest.get(key, 0) for key in world.markets)
    if step.op.name == "fill":
        _require_paid(step)
    if step.op.name == "settle_expired":
        _require_settled(step)


def _require_paid(step: Step) -> None:
    """What a side pays the other gets, but for the fees."""
    fill = step.op.args[0]
    (told,) = step.named("FillTraded")
    premiums = sum(
        leg.size * leg.price for leg in fill.legs if parts(leg.instrument).kind in (CALL, PUT)
    )
    assert told["cash"] == premiums
    changes = {
        key: (
            step.after.account(key).cash - step.before.account(key).cash,
            step.after.account(key).quote - step.before.account(key).quote,
        )
        for key in (fill.taker, fill.maker, step.after.setup.fee_account)
    }
    assert changes[fill.taker] == (-premiums, -told["quote"] - fill.taker_fee)
    assert changes[fill.maker] == (premiums, told["quote"] - fill.maker_fee)
    fees = fill.taker_fee + fill.maker_fee
    assert changes[step.after.setup.fee_account] == (0, fees)
    worth = sum(
        abs(leg.size) * step.after.markets[market_of(leg.instrument)].price for leg in fill.legs
    )
    assert max(fill.taker_fee, fill.maker_fee) <= worth // options.FEE_SHARE


def _require_settled(step: Step) -> None:
    """Expired legs of which the price is written go at it, once; the others stay."""
    key = step.op.args[0]
    old, new = (engine_of(world).books.get(key, ()) for world in (step.before, step.after))
    due = {
        leg
        for leg in old
        if parts(leg.instrument).expiry <= step.after.now and written(step.before, leg.instrument)
    }
    assert due and set(new) == set(old) - due
    paid = sum(
        leg.size * om.payoff(parts(leg.instrument), written(step.before, leg.instrument))
        for leg in due
    )
    assert step.answer == paid
    told = [(said["instrument"], said["value"]) for said in step.named("LegSettled")]
    assert sorted(instrument for instrument, _ in told) == sorted(leg.instrument for leg in due)
    assert sum(value for _, value in told) == paid
    before, after = step.healths(key)
    # late or early, nobody gains or loses by it; spot that has left the scan counts to the atom
    spot = sum(
        step.after.markets[step.after.collaterals[held.id].feed].price
        for held in step.after.account(key).collateral
    )
    assert (
        0 <= after.equity - before.equity <= (spot if engine_of(step.before).modes.get(key) else 0)
    )
    assert before.unsettled == after.unsettled


@invariant("A7")
def settlement_price(step: Step) -> None:
    """A settlement price is written once, after its expiry, out of the prices of its window."""
    old, new = engine_of(step.before), engine_of(step.after)
    assert all(new.settled.get(key) == price for key, price in old.settled.items())
    for key in new.settled.keys() - old.settled.keys():
        market, hours = key
        assert step.after.now >= hours * HOUR
        (told,) = (
            said
            for said in step.named("ExpiryPriceSet")
            if (said["market"], said["expiry_hours"]) == key
        )
        assert told["price"] == new.settled[key]
        run = new.series[key].run
        if step.op.name == "settle_dead" and told["end"] == 0:
            assert step.after.now >= hours * HOUR + DAY
            assert told["price"] == step.after.markets[market].price
        else:
            _require_average(run, told["start"], told["end"], told["price"])
            assert told["start"] >= hours * HOUR - WINDOW


def _require_average(run: list[Stored], start: int, end: int, price: int) -> None:
    """The price is what stood, second by second."""
    assert end - start >= WINDOW
    seen = [each for each in run if each.publish >= start]
    assert len(seen) >= 15
    total, standing = 0, [each for each in run if each.publish <= start][-1:]
    changes = [*standing, *(each for each in seen if start < each.publish < end)]
    for i, each in enumerate(changes):
        until = changes[i + 1].publish if i + 1 < len(changes) else end
        total += each.price * (until - max(start, each.publish))
        assert until - each.publish <= 300
    assert price == total // (end - start)


@invariant("A8")
def fees(step: Step) -> None:
    """Fee events are the growth of the fee bucket; those of a fill: A6."""
    if step.op.name != "fill":
        whole.fees(step)


# ---- B: margin -----------------------------------------------------------------------------------


@invariant("B1")
def self_action(step: Step) -> None:
    """R2 of every account whose owner acted or consented, by whatever function (B2)."""
    for key in dict.fromkeys(held_to(step)):
        if key not in touched(step) or key == step.subject:
            continue
        new = step.after.health(key)
        if new.equity >= new.im:
            continue
        assert step.op.name not in ("set_mode", "take")
        _require_no_worse(step, key, new)
    if step.op.name == "fill":
        for key in (step.op.args[0].taker, step.op.args[0].maker):
            grew = any(abs(a) > abs(b) or a * b < 0 for a, b in _changes(step, key))
            if grew:
                assert step.after.health(key).status & LEG_INVALID == 0


def _changes(step: Step, key: int) -> list[tuple[int, int]]:
    """Return sizes of every leg after and before, here and in the core."""
    old, new = step.start, step.after
    held = [leg.instrument for world in (old, new) for leg in _legs(world, key)]
    return [(_size(new, key, each), _size(old, key, each)) for each in dict.fromkeys(held)]


def _legs(world: World, key: int) -> tuple[Leg, ...]:
    return (*world.account(key).legs, *engine_of(world).books.get(key, ()))


def _size(world: World, key: int, instrument: int) -> int:
    return sum(leg.size for leg in _legs(world, key) if leg.instrument == instrument)


def _require_no_worse(step: Step, key: int, new: Health) -> None:
    facts, left = step.start.account(key), step.after.account(key)
    # oi_scale and soft factors are global and not the owner's: both sides at those of after it
    world = with_facts(step.start, markets=step.after.markets, collaterals=step.after.collaterals)
    old = world.health(key)
    pay = SETTLE_PAY if step.op.name == "settle_pair" else 0
    assert all(abs(a) <= abs(b) and a * b >= 0 for a, b in _changes(step, key))
    assert all(left.amount(held.id) >= held.amount for held in facts.collateral)
    # spot of an invalid feed is no margin, and still part of what the scan may lose
    if not (engine_of(step.after).modes.get(key) and _doubtful(step.after, key)):
        assert new.equity - new.im >= old.equity - old.im - pay
    assert new.equity - new.mm >= old.equity - old.mm - pay
    if step.op.name in ("fill", "execute"):
        assert ledger.improves(old, new) if old.equity >= 0 else new.equity >= old.equity


def _doubtful(world: World, key: int) -> bool:
    """Return whether a collateral's feed is invalid."""
    feeds = (world.collaterals[held.id].feed for held in world.account(key).collateral)
    return any(not margin.valid(world.markets[feed], world.now) for feed in feeds)


@invariant("B3")
def third_parties(step: Step) -> None:
    """Nobody lowers the equity of an account that is not his, outside the named formulas."""
    setup, name = step.after.setup, step.op.name
    if name == "surface" or engine_of(step.after).settled != engine_of(step.before).settled:
        # what signed volatility and a settlement price make of marks, they make of everybody's
        return
    allowed = {step.subject, *held_to(step)}
    if name in ("execute", "reduce", "execute_redeem"):
        allowed.add(setup.pool_account)
    if name == "execute_deposit":
        allowed.add(setup.waiting_account)
    if name in ("take", "write_off"):
        allowed.add(setup.insurance_account)
    for key in touched(step):
        if owner_of(key) == step.op.caller or key in allowed:
            continue
        pay = SETTLE_PAY if name == "settle_pair" else 0
        before, after = step.healths(key)
        assert after.equity >= before.equity - pay


@invariant("B4")
def ordered(step: Step) -> None:
    """IM >= LE >= MM >= 0; under portfolio margin MM covers the worst row."""
    for key in touched(step):
        health = step.after.health(key)
        assert health.im >= health.le >= health.mm >= 0
        if engine_of(step.after).modes.get(key):
            scan = scan_of(step.after, key)
            assert health.mm >= scan.total >= scan.together()


@invariant("B5")
def monotone(step: Step) -> None:
    """A higher base, ratio, tier or haircut never lowers a requirement; nor v but in a scan.

    A wider range moves the extreme rows of a scan outward, where a long option may have caught up.
    """
    if not seldom(step):
        return
    world = step.after
    stricter = [whole.larger_base, whole.larger_ratio, whole.sooner_tier]
    for key in touched(step)[:1]:
        health = world.health(key)
        scanned = engine_of(world).modes.get(key)
        for change in stricter if scanned else [*stricter, whole.wilder]:
            markets = {market: change(facts) for market, facts in world.markets.items()}
            whole.require_no_less(health, with_facts(world, markets=markets).health(key))
        terms = {each: whole.larger_haircut(c) for each, c in world.collaterals.items()}
        whole.require_no_less(health, with_facts(world, collaterals=terms).health(key))


@invariant("B10")
def conservative(step: Step) -> None:
    """The stable price only adds to IM; MM, LE and E know the spot price alone."""
    if not seldom(step):
        return
    world = step.after
    at_spot = {key: replace(market, stable=market.price) for key, market in world.markets.items()}
    for key in touched(step)[:2]:
        health, spot = world.health(key), with_facts(world, markets=at_spot).health(key)
        assert health.im >= spot.im
        assert (health.equity, health.mm, health.le) == (spot.equity, spot.mm, spot.le)


class Scan(NamedTuple):
    """What the scan of an account is told, and its rows by market under MM."""

    array: pm.RiskArray
    markets: list[pm.Underlying]
    surfaces: list[pm.Surface]
    legs: list[Leg]
    books: list[pm.Book]
    rows: list[pm.Rows]
    now: int
    rhos: tuple[int, ...]

    @property
    def total(self) -> int:
        """Return the scan [WAD]."""
        return pm.scan_of(self.array, self.rhos, self.markets, self.rows)

    @property
    def risk(self) -> int:
        """Return the scan, at least what short options and the last day require [WAD]."""
        pairs = zip(self.markets, self.books, strict=True)
        return max(self.total, sum(pm.minimum(market, book) for market, book in pairs))

    def together(self) -> int:
        """Return the most that one row, all markets of a group moved alike, loses [WAD]."""
        members: dict[int, list[pm.Rows]] = defaultdict(list)
        for market, rows in zip(self.markets, self.rows, strict=True):
            members[market.risk.group].append(rows)
        return sum(pm.worst(self.array, pm.added(rows)) for rows in members.values())


def scan_of(world: World, *keys: int) -> Scan:
    """Return the scan of what some accounts have together."""
    engine = engine_of(world)
    sizes_of: dict[int, int] = defaultdict(int)
    spot: dict[int, int] = defaultdict(int)
    for key in keys:
        held = [leg for leg in _legs(world, key) if _scanned(world, leg)]
        for leg in held:
            sizes_of[leg.instrument] += leg.size
        for holding in world.account(key).collateral:
            terms = world.collaterals[holding.id]
            if any(market_of(leg.instrument) == terms.feed for leg in held):
                spot[terms.feed] += holding.amount * LOTS_PER_UNIT // 10**terms.decimals
    legs = [Leg(instrument, size) for instrument, size in sorted(sizes_of.items()) if size]
    ids = sorted({market_of(instrument) for instrument in sizes_of})
    facts = om.Facts(
        world.now,
        world.markets,
        world.collaterals,
        engine.surfaces,
        engine.settled,
        engine.risks,
        engine.array,
        engine.rhos,
        lambda leg: 0,
    )
    markets = [om.underlying(facts, om.Line(key, spot=spot[key])) for key in ids]
    surfaces = list(engine.surfaces.values())
    widths = [pm.range_of(market, market.v_slow) for market in markets]
    books = [
        pm.book_of(engine.array, market, surfaces, legs, world.now, width)
        for market, width in zip(markets, widths, strict=True)
    ]
    pairs = zip(books, widths, strict=True)
    rows = [pm.rows_of(engine.array, book, width) for book, width in pairs]
    rhos = tuple(engine.rhos)
    return Scan(engine.array, markets, surfaces, legs, books, rows, world.now, rhos)


def _scanned(world: World, leg: Leg) -> bool:
    said = parts(leg.instrument)
    alive = said.kind == PERP or said.expiry > world.now
    return alive and said.market in engine_of(world).risks


@invariant("B6")
def subadditive(step: Step) -> None:
    """Two books together are scanned at no more than apart."""
    if not seldom(step):
        return
    world = step.after
    books = [key for key, legs in engine_of(world).books.items() if legs]
    for key in [each for each in touched(step) if each in books][:1]:
        for other in [each for each in books if each != key][-1:]:
            one, two = scan_of(world, key), scan_of(world, other)
            both = scan_of(world, key, other)
            dust = COARSE * (len(one.legs) + len(two.legs) + 8)
            assert both.total <= one.total + two.total + dust
            assert both.risk <= one.risk + two.risk + dust


@invariant("B8")
def convex(step: Step) -> None:
    """Between the rows, at a thousand prices of the range, nothing is lost beyond the scan."""
    if not seldom(step):
        return
    for key in [each for each in touched(step) if engine_of(step.after).modes.get(each)][:1]:
        _require_covered(scan_of(step.after, key))


def _require_covered(scan: Scan) -> None:
    """Each market alone, and those of a group in step, lose at most what is scanned for them."""
    together: dict[tuple[int, int], float] = defaultdict(float)
    error = 0.0
    for market, rows in zip(scan.markets, scan.rows, strict=True):
        width = pm.range_of(market, market.v_slow) / pm.RATE_ONE
        live = [leg for leg in scan.legs if _alive(scan, leg)]
        dead = [leg for leg in scan.legs if market_of(leg.instrument) == market.market]
        if len([leg for leg in live if market_of(leg.instrument) == market.market]) != len(dead):
            # a dead surface has no volatility to be shocked: tests/unit/test_portfolio_rules.py
            return
        terms = exact.terms_of(market, scan.surfaces, live, scan.now)
        off = ERROR * exact.gross(market, terms)
        error += off
        moves = np.linspace(-width, width, GRID)
        for shock in (scan.array.up, -scan.array.down):
            lost = exact.losses(scan.array, market, terms, moves, shock)
            assert float(lost.max()) <= pm.worst(scan.array, rows) / WAD + off
            together[market.risk.group, shock] = together[market.risk.group, shock] + lost
    if together:
        groups = {group for group, _ in together}
        most = sum(
            max(0.0, *(float(np.max(lost)) for (g, _), lost in together.items() if g == group))
            for group in groups
        )
        assert most <= scan.total / WAD + error


def _alive(scan: Scan, leg: Leg) -> bool:
    said = parts(leg.instrument)
    if said.kind == PERP:
        return True
    found = [s for s in scan.surfaces if (s.market, s.hours) == (said.market, said.hours)]
    return bool(found) and scan.now - found[0].publish <= pm.SURFACE_DEAD


# ---- C: liquidation ------------------------------------------------------------------------------


@invariant("C10")
def self_cure(step: Step) -> None:
    """Whatever an owner does that restores MM ends the auction at once."""
    liquidations.self_cure(step)
    if step.op.name in ("fill", "set_mode"):
        for key in touched(step):
            if step.after.account(key).in_auction:
                health = step.after.health(key)
                assert health.equity < health.mm


@invariant("C4")
def closed_coalition(step: Step) -> None:
    """Whoever takes and whoever is taken gain together at most r - max(E, 0).

    A part of a book is worth its share of the whole but for the table's error, where the two
    accounts are under different margins; and a short option without volatility counts a tenth of
    the price less, which is free once a long one meets it.
    """
    if step.op.name == "reduce":
        pool_gain = step.equity_change(step.after.setup.pool_account)
        assert pool_gain + premium(step.start) - premium(step.after) >= 0
    if step.op.name == "take":
        case = liquidation.case_of(step.start, step.subject)
        worth = max(case.health.equity, 0)
        kept = max(step.after.health(step.subject).equity, 0)
        gained = step.equity_change(step.op.args[1]) + kept - worth
        slack = len(case.account.collateral) + int(2 * ERROR * _gross(step)) + _doubted(step)
        assert gained <= max(0, case.reward - worth) + slack
        assert step.after.deficit - step.before.deficit <= max(0, -case.health.equity)


def _doubted(step: Step) -> int:
    """Return what shorts of dead surfaces count less in the two accounts of a take [WAD]."""
    total = 0
    for key in (step.subject, step.op.args[1]):
        for leg in engine_of(step.start).books.get(key, ()):
            said = parts(leg.instrument)
            found = engine_of(step.start).surfaces.get((said.market, said.hours))
            dead = found is None or step.after.now - found.publish > pm.SURFACE_DEAD
            if dead and leg.size < 0 and said.kind in (CALL, PUT):
                total -= leg.size * step.after.markets[said.market].price * pm.DEAD_SHORT // 100
    return total


def _gross(step: Step) -> int:
    """Return the sum of size (F + K) of what the two accounts of a take have [WAD]."""
    total = 0
    for key in (step.subject, step.op.args[1]):
        for leg in _legs(step.start, key):
            said = parts(leg.instrument)
            strike = said.strike if said.kind in (CALL, PUT) else 0
            price = step.after.markets[said.market].price
            total += abs(leg.size) * (price * 5 // 4 + strike)
    return total
