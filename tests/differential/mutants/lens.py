"""Questions to the Lens over calm, round books: the mark rounds nothing, the answer does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.differential.mutants.books import TRADED, VICTIM, Books, Tipping
from tests.differential.mutants.hunt import Hunt
from tests.reference import ledger, margin, pool
from tests.reference.facts import Account, Health, Holding, Leg
from tests.reference.refused import Refused
from tests.reference.state import World, owner_of
from tests.reference.units import (
    ACTIVE,
    HOUSE,
    LEG_INVALID,
    LISTED,
    LOT_WAD,
    MAX_PRICE,
    TICK_WAD,
    TICKS_PER_USD,
    V_ONE,
    WAD,
)
from tests.reference.words import instrument_of

DOWN_STEPS, UP_STEPS = 40, 10
MARKET = 1
FILLS = 0
# docs/spec/lens.md#codes
CODES = {
    "trading: price not trusted": 2,
    "ledger: invalid feed": 2,
    "trading: leg too small": 3,
    "markets: open interest cap": 4,
    "ledger: margin": 5,
}
POOL_REFUSES = 6


def whole(price: int) -> int:
    """Return a price without its cents [ticks]."""
    return price // TICKS_PER_USD * TICKS_PER_USD


def calm(books: Books, rng: Random) -> World:
    """Return a drawn world with round, fresh prices and an account above its margins."""
    world = books.draw(rng)
    for key, listed in books.base.markets.items():
        price = max(TICKS_PER_USD, whole(listed.price * rng.randint(90, 110) // 100))
        world.markets[key] = replace(
            listed,
            price=price,
            stable=max(TICKS_PER_USD, whole(price * rng.choice((99, 100, 101)) // 100)),
            conf=rng.choice((0, 50)),
            publish=world.now,
            time=world.now,
            v=V_ONE,
            v_slow=V_ONE,
            flags=ACTIVE,
        )
        books.write_market(key, world.markets[key])
    legs = tuple(
        Leg(instrument_of(key), rng.choice((1, -1)) * rng.randint(1, 40) * 10**7)
        for key in rng.sample(TRADED, rng.randint(1, 3))
    )
    held = rng.sample(sorted(world.collaterals), rng.randint(0, 2))
    # odd atoms: worth whole WAD at the round mark, and not elsewhere
    collateral = tuple(Holding(t, rng.randint(1, 5 * world.tokens[t].unit)) for t in held)
    fund(books, world, Account(flags=LISTED, legs=legs, collateral=collateral), rng)
    return world


def fund(books: Books, world: World, account: Account, rng: Random) -> None:
    """Write an account with cash that lifts it above IM."""
    world.accounts[VICTIM] = account
    health = world.health(VICTIM)
    cash = health.im - health.equity + rng.randint(1, 5_000 * WAD)
    world.accounts[VICTIM] = replace(account, cash=cash)
    books.write_account(VICTIM, world.accounts[VICTIM])


# ---- prices --------------------------------------------------------------------------------------


def excess_at(world: World, price: int, of_im: bool) -> int:
    """Return E - IM or E - MM with another price of the market, everything else standing still."""
    moved = {**world.markets, MARKET: replace(world.markets[MARKET], price=price)}
    health = margin.check(world.account(VICTIM), moved, world.collaterals, world.now)
    return health.equity - (health.im if of_im else health.mm)


def crossing(excess: Callable[[int], int], mark: int, down: bool) -> int:
    """Return the nearest price of one side at which the excess is gone, 0 when there is none."""
    good = mark
    for _ in range(DOWN_STEPS if down else UP_STEPS):
        bad = max(good // 2, 1) if down else min(2 * good, MAX_PRICE)
        if excess(bad) < 0:
            break
        good = bad
    else:
        return 0
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        if excess(middle) < 0:
            bad = middle
        else:
            good = middle
    return bad


def price_of(world: World, place: int) -> int:
    """Return one price of liquidation_prices: IM below, above, MM below, above [ticks]."""
    mark = world.markets[MARKET].price
    of_im, down = place < 2, place % 2 == 0
    if excess_at(world, mark, of_im) < 0:
        return mark
    return crossing(lambda price: excess_at(world, price, of_im), mark, down)


def prices(world: World) -> tuple[int, ...]:
    """Return what liquidation_prices answers, in WAD."""
    found = [price_of(world, place) for place in range(4)]
    return tuple(price * TICK_WAD for price in (*found, world.markets[MARKET].price))


def ask_prices(books: Books, hunt: Hunt, rng: Random) -> None:
    """Ask for the prices of one market, and where a wei of cash moves one of them by a tick."""
    world = calm(books, rng)
    account = world.account(VICTIM)
    if not (account.size(instrument_of(MARKET)) or account.amount(MARKET)):
        return
    _ask_price(books, hunt, rng, world, rng.randrange(4))


def ask_lead(books: Books, hunt: Hunt, rng: Random) -> None:
    """Ask for IM above the mark where a collateral's lead over the stable price is charged."""
    world = calm(books, rng)
    m = world.markets[MARKET]
    world.markets[MARKET] = replace(m, stable=m.price, conf=0)
    books.write_market(MARKET, world.markets[MARKET])
    leg = Leg(instrument_of(MARKET), -rng.randint(1, 40) * 10**7)
    odd = Holding(MARKET, rng.randint(1, WAD) | 1)
    fund(books, world, Account(flags=LISTED, legs=(leg,), collateral=(odd,)), rng)
    _ask_price(books, hunt, rng, world, 1)


def _ask_price(books: Books, hunt: Hunt, rng: Random, world: World, place: int) -> None:
    about = Tipping(
        "liquidation_prices",
        lambda: books.lens.view("liquidation_prices", VICTIM, MARKET),
        prices,
        lambda there: price_of(there, place),
    )
    books.ask_tips(hunt, world, rng.randint(1, 20) * 10**9, about)


# ---- withdrawals and orders ----------------------------------------------------------------------


def ask_withdraw(books: Books, hunt: Hunt, rng: Random) -> None:
    """Ask for the most that may leave: cash once settled, above IM, on hand."""
    world = calm(books, rng)
    health = world.health(VICTIM)
    cash = world.account(VICTIM).cash + min(0, health.unsettled)
    free = 0 if health.status & LEG_INVALID else min(cash, health.equity - health.im)
    most = max(0, min(free, ledger.on_hand(world))) // world.setup.scale
    token = books.house.tokens[0].address
    hunt.question(
        books.house.evm,
        "max_withdraw",
        lambda: books.lens.view("max_withdraw", VICTIM, token),
        most,
    )


def preview(world: World, lots: int) -> tuple[int, ...]:
    """Return what preview_order answers for the first market."""
    instrument = instrument_of(MARKET)
    venue = world.setup.pool_account
    held = world.account(venue).size(instrument)
    fill = pool.quote(world.markets[MARKET], world.pool_params[MARKET], held, lots, False)
    limit = MAX_PRICE if lots > 0 else 0
    trade = ledger.Trade(VICTIM, owner_of(venue), instrument, lots, limit, False)
    after, code = world.copy(), FILLS
    try:
        ledger.trade(after, trade)
    except Refused as refused:
        code = CODES.get(refused.reason, POOL_REFUSES)
        assert code != POOL_REFUSES or refused.reason.startswith("pool: ")
    health = _after(world, lots, fill)
    return code, fill.price * TICK_WAD, fill.fee, health.equity, health.im, health.le, health.mm


def _after(world: World, lots: int, fill: pool.Fill) -> Health:
    """Return health on the words that a fill would leave."""
    account = world.account(VICTIM)
    market = world.markets[MARKET]
    paid = lots * (fill.price - margin.funding_now(market, world.now)) + fill.fee
    moved = ledger.with_leg(account, instrument_of(MARKET), lots)
    moved = replace(moved, quote=account.quote - paid)
    return margin.check(moved, world.markets, world.collaterals, world.now)


def ask_order(books: Books, hunt: Hunt, rng: Random) -> None:
    """Ask for an order that one wei of the pool's equity decides: lambda of NAV is its notional."""
    world = calm(books, rng)
    m, params = world.markets[MARKET], world.pool_params[MARKET]
    lots = rng.choice((1, -1)) * (rng.randint(10, 60) * 10**8 + rng.randint(0, 99))
    books.write_account(VICTIM, Account(cash=10**25, flags=LISTED))
    world.accounts[VICTIM] = Account(cash=10**25, flags=LISTED)
    venue = world.setup.pool_account
    held = rng.randint(1, 50) * 10**8 + 7
    leg = Leg(instrument_of(MARKET), -held if lots > 0 else held)
    bare = Account(flags=HOUSE | LISTED, legs=(leg,))
    fill = pool.quote(m, params, leg.size, lots, False)
    after = replace(
        ledger.with_leg(bare, leg.instrument, -lots),
        quote=lots * (fill.price - margin.funding_now(m, world.now)),
    )
    health = margin.check(after, world.markets, world.collaterals, world.now)
    exposed = pool.gross_notional(after, world.markets)
    # NAV without its floor at zero: equity of a rich pool less the premium
    lift = 10**30
    premium = lift - pool.nav(lift, after, world.markets, world.pool_params)
    wanted = -(-2 * exposed * WAD // params.lambda_)
    for worth in (wanted, wanted - 1):
        cash = worth + premium - health.equity
        world.accounts[venue] = replace(bare, cash=cash)
        books.write_account(venue, world.accounts[venue])
        hunt.question(
            books.house.evm,
            "preview_order",
            lambda: books.lens.view("preview_order", VICTIM, leg.instrument, lots * LOT_WAD),
            preview(world, lots),
        )
