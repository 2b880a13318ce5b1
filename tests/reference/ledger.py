"""R1, R2: custody, settlement, trades and forced moves, as docs/spec/ledger.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.reference import margin, oracle, pool
from tests.reference.facts import Account, Health, Leg, Market
from tests.reference.markets import accrue, funding_now, trusted
from tests.reference.refused import require
from tests.reference.state import (
    SETTLEMENT,
    World,
    credit,
    min_amount,
    owner_of,
    store,
    track,
    with_amount,
    with_flag,
    with_leg,
)
from tests.reference.units import (
    AGE_MM,
    AGE_OPEN,
    DUST,
    IN_AUCTION,
    LEG_INVALID,
    MAX_INT,
    MAX_SIZE,
    MIN_LEG,
    OPENING,
    OPTIONS,
    PENDING,
    SETTLE_PAY,
    SETTLE_THRESHOLD,
)
from tests.reference.words import instrument_of, market_of

# a venue's fee is at most 1 / FEE_SHARE of the fill's value
FEE_SHARE = 100
KEEP_TILT = MAX_INT
Reports = Sequence[oracle.Report]


def update(world: World, reports: Reports) -> int:
    """Take signed reports in; none given changes nothing."""
    if not reports:
        return 0
    after = oracle.update(world.markets, world.signer_times, world.setup.quorum, reports, world.now)
    world.markets = dict(after.markets)
    world.signer_times = dict(after.signer_times)
    return after.stored


# ---- custody -------------------------------------------------------------------------------------


def _require_listed(world: World, token: int, amount: int) -> None:
    require(token in world.tokens, "custody: unlisted token")
    require(0 < amount < 2**112, "custody: amount")


def _require_owner(caller: int, account_id: int) -> None:
    require(owner_of(account_id) == caller, "custody: not the owner")


def move_wallet(world: World, owner: int, token: int, change: int) -> None:
    """Change what an address holds of a token outside the protocol, as the token allows it."""
    habit, holder = world.habits.get(token, ("", 0))
    require(habit != "paused", "token: paused")
    require(habit != "blocked" or holder != owner, "token: blocked")
    require(habit != "denies", "custody: inexact transfer")
    if habit == "fee":
        require(change > 0, "custody: inexact transfer")
        change -= change * holder // 10_000
    held = world.wallets.get((owner, token), 0) + change
    require(held >= 0, "custody: transfer failed")
    world.wallets[owner, token] = held


def _require_no_dust(world: World, account: Account, token: int) -> None:
    held = account.amount(token)
    require(held == 0 or held >= min_amount(world.tokens[token]), "custody: dust")


def _credit_token(world: World, caller: int, account_id: int, token: int, amount: int) -> None:
    """Credit a token; strangers may add cash, or what the account already holds (C11)."""
    if token == SETTLEMENT:
        credit(world, account_id, cash=amount * world.setup.scale)
    else:
        account = with_amount(world.account(account_id), token, amount)
        _require_no_dust(world, account, token)
        held = account.amount(token) > amount
        require(held or owner_of(account_id) == caller, "custody: not held")
        store(world, account_id, account)
    end_auction(world, account_id)


def _debit_token(world: World, account_id: int, token: int, amount: int, alone: bool) -> None:
    """Take a token out of an account and settle it; alone it ends above IM, in a batch above 0."""
    if token == SETTLEMENT:
        credit(world, account_id, cash=-amount * world.setup.scale)
    else:
        account = with_amount(world.account(account_id), token, -amount)
        _require_no_dust(world, account, token)
        store(world, account_id, account)
    settle(world, account_id)
    require(token != SETTLEMENT or world.account(account_id).cash >= 0, "custody: not enough cash")
    if alone:
        require_initial(world.health(account_id))
    else:
        # an insolvent account's loss was not settled just now, and its cash looked larger by it
        require(world.health(account_id).equity >= 0, "ledger: margin")
    set_auction(world, account_id, False)


def require_initial(health: Health) -> None:
    """Refuse what ends below IM, or at a price of a leg that cannot say so."""
    require(health.status & LEG_INVALID == 0, "ledger: invalid feed")
    require(health.equity >= health.im, "ledger: margin")


def end_auction(world: World, account_id: int) -> None:
    """Clear the auction bit of an account that is back at MM."""
    account = world.account(account_id)
    if account.in_auction:
        health = world.health(account_id)
        if health.equity >= health.mm:
            store(world, account_id, with_flag(account, IN_AUCTION, False))


def take_in(world: World, payer: int, account_id: int, token: int, amount: int) -> None:
    """Book a deposit in the name of whoever pays it, without the tokens."""
    _require_listed(world, token, amount)
    facts = world.tokens[token]
    fits = facts.tracked + amount <= facts.hard_cap * facts.unit
    if token == SETTLEMENT:
        # what an account lacks to its IM comes in above the cap, and nothing does in a pause
        health = world.health(account_id)
        fits = fits or amount * world.setup.scale <= health.im - health.equity
        fits = fits and world.now >= facts.soft_cap
    require(fits, "custody: hard cap")

    track(world, token, amount)
    _credit_token(world, payer, account_id, token, amount)


def _pay_out(world: World, account_id: int, token: int, amount: int) -> None:
    """Book a withdrawal, without the tokens; it is checked at once."""
    _require_listed(world, token, amount)
    require(amount <= _free(world, account_id, token), "custody: not on hand")

    track(world, token, -amount)
    _debit_token(world, account_id, token, amount, alone=True)


def _shift(
    world: World, caller: int, sender: int, receiver: int, token: int, amount: int, alone: bool
) -> None:
    """Book a transfer."""
    _require_listed(world, token, amount)
    _debit_token(world, sender, token, amount, alone)
    _credit_token(world, caller, receiver, token, amount)


def deposit(world: World, caller: int, account_id: int, token: int, amount: int) -> None:
    """Credit exactly `amount` atoms that the caller pays."""
    take_in(world, caller, account_id, token, amount)
    move_wallet(world, caller, token, -amount)


def withdraw(world: World, caller: int, account_id: int, token: int, amount: int, to: int) -> None:
    """Pay `amount` atoms out of an account, settled before."""
    _require_owner(caller, account_id)
    _pay_out(world, account_id, token, amount)
    move_wallet(world, to, token, amount)


def on_hand(world: World) -> int:
    """Return the settlement token that backs neither insurance nor fees [WAD]."""
    setup = world.setup
    held_back = (setup.insurance_account, setup.fee_account)
    protected = sum(world.account(other).cash for other in held_back)
    return world.tokens[SETTLEMENT].tracked * setup.scale - protected


def _free(world: World, account_id: int, token: int) -> int:
    """Return what a withdrawal may take at most [atoms]."""
    setup = world.setup
    held_back = (setup.insurance_account, setup.fee_account)
    if token != SETTLEMENT or account_id in held_back:
        return world.tokens[token].tracked
    return max(0, on_hand(world) // setup.scale)


def transfer(
    world: World, caller: int, sender: int, receiver: int, token: int, amount: int
) -> None:
    """Move `amount` atoms between two accounts; a withdrawal and a deposit without the token."""
    _require_owner(caller, sender)
    _shift(world, caller, sender, receiver, token, amount, alone=True)


# ---- batch ---------------------------------------------------------------------------------------

DEPOSIT, WITHDRAW, TRANSFER = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Action:
    """One element of a batch, as IClearinghouse.Action; `other` is an account or an address."""

    kind: int
    account: int
    other: int
    token: int
    amount: int


def batch(
    world: World, owner: int, actions: Sequence[Action], agent: bool, reports: Reports
) -> None:
    """Run actions of one owner, in order, and check who gave something away at the end.

    An agent, a hand that acts for the owner, moves nothing to anybody else.
    """
    update(world, reports)
    for action in actions:
        _require_owner(owner, action.account)
        _act(world, owner, action, agent)
    for action in actions:
        if action.kind != DEPOSIT:
            require_initial(world.health(action.account))
    for action in actions:
        if action.kind == DEPOSIT:
            move_wallet(world, owner, action.token, -action.amount)
        elif action.kind == WITHDRAW:
            move_wallet(world, action.other, action.token, action.amount)


def _act(world: World, owner: int, action: Action, agent: bool) -> None:
    """Book one action."""
    account, token, amount = action.account, action.token, action.amount
    require(action.kind in (DEPOSIT, WITHDRAW, TRANSFER), "batch: unknown action")
    if action.kind == DEPOSIT:
        take_in(world, owner, account, token, amount)
    elif action.kind == WITHDRAW:
        require(not agent or action.other == owner, "batch: not to the owner")
        _pay_out(world, account, token, amount)
    else:
        if agent:
            _require_owner(owner, action.other)
        _shift(world, owner, account, action.other, token, amount, alone=False)


# ---- settlement ----------------------------------------------------------------------------------


def _collect(world: World, account_id: int, profit: int) -> int:
    """Move a loss from quote to cash, or a gain as far as the pot allows."""
    moved = min(profit, world.pot)
    if moved != 0:
        credit(world, account_id, cash=moved, quote=-moved)
        world.pot -= moved
    return moved


def settle(world: World, account_id: int) -> int:
    """Settle one account, whoever asks; a loss only while E >= 0. Return what moved [WAD]."""
    health = world.health(account_id)
    if health.unsettled < 0 and health.equity < 0:
        return 0
    return _collect(world, account_id, health.unsettled)


def settle_pair(world: World, losers: Sequence[int], winner: int, settler: int) -> int:
    """Settle losers, then the winner whom they pay; return what the winner got [WAD]."""
    for loser in losers:
        moved = settle(world, loser)
        if settler and moved < -SETTLE_THRESHOLD and owner_of(loser) != owner_of(settler):
            pay = min(SETTLE_PAY, -moved // 10_000)
            if world.health(loser).equity >= pay:
                credit(world, loser, cash=-pay)
                credit(world, settler, cash=pay)
    return settle(world, winner)


# ---- trades --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trade:
    """An order of an account with a venue, as IClearinghouse.Trade; lots and ticks."""

    account: int
    venue: int
    instrument: int
    size: int
    limit_price: int
    reduce_only: bool


@dataclass(frozen=True, slots=True)
class Traded:
    """What a trade cost."""

    price: int
    fee: int
    funding: int


def opens(before: int, after: int) -> bool:
    """Return whether a leg grew or changed its sign."""
    return abs(after) > abs(before) or after * before < 0


def oi_change(before: Sequence[int], after: Sequence[int]) -> int:
    """Return the change of the sum of long sizes [lots]."""
    return sum(max(size, 0) for size in after) - sum(max(size, 0) for size in before)


def record_trade(market: Market, oi_delta: int, tilt: int, now: int) -> Market:
    """Return a market with funding accrued, then open interest and tilt booked."""
    moved = accrue(market, now)
    open_interest = moved.open_interest + oi_delta
    require(0 <= open_interest < 2**56, "markets: open interest")
    within = open_interest * moved.price <= moved.margin.oi_cap
    require(oi_delta <= 0 or within, "markets: open interest cap")
    return replace(
        moved, open_interest=open_interest, tilt=moved.tilt if tilt == KEEP_TILT else tilt
    )


def improves(before: Health, after: Health) -> bool:
    """Return whether E / MM did not fall."""
    return after.equity * before.mm >= before.equity * after.mm


def no_worse(before: Health, after: Health) -> bool:
    """Return whether an action that opened nothing and took nothing may end below IM (R2)."""
    if after.equity - after.im < before.equity - before.im:
        return False
    if after.equity - after.mm < before.equity - before.mm:
        return False
    if before.equity < 0:
        return after.equity >= before.equity
    return improves(before, after)


def require_market(world: World, t: Trade, market: Market, before: int, after: int) -> None:
    """Refuse a fill at a price that does not allow it, or one that leaves a small leg."""
    least = DUST
    if opens(before, after):
        require(not t.reduce_only, "trading: reduce only")
        ready = trusted(market, world.now, AGE_OPEN) and market.flags & OPENING == 0
        least = world.min_legs.get(market_of(t.instrument), MIN_LEG)
    else:
        ready = world.now <= market.publish + AGE_MM and market.flags & PENDING == 0
    require(ready, "trading: price not trusted")
    require(after == 0 or abs(after) * market.price >= least, "trading: leg too small")


def _require_fill(t: Trade, fill: pool.Fill) -> None:
    within = fill.price <= t.limit_price if t.size > 0 else fill.price >= t.limit_price
    require(within, "trading: limit price")
    require(fill.fee * FEE_SHARE <= abs(t.size) * fill.price, "trading: fee")


def _require_taker(world: World, t: Trade, old: Account, opening: bool) -> None:
    """Refuse what leaves the taker below IM, unless it opened nothing and made nothing worse."""
    after = world.health(t.account)
    initial = opening
    if not initial and after.equity < after.im:
        before = world.health_of(t.account, old)
        initial = not no_worse(before, after)
    if initial:
        require_initial(after)


def trade(world: World, t: Trade) -> Traded:
    """Fill an order with the pool at the stored price; both sides are checked after it."""
    venue = world.setup.pool_account
    market_id = market_of(t.instrument)
    require(t.venue == owner_of(venue), "trading: unknown venue")
    perp = t.instrument == instrument_of(market_id)
    own = owner_of(t.account) == t.venue
    sized = 0 < abs(t.size) <= MAX_SIZE
    require(sized and perp and not own, "trading: bad order")
    require(market_id in world.markets, "markets: unknown market")
    market = world.markets[market_id]
    taker, maker = world.account(t.account), world.account(venue)
    before = (taker.size(t.instrument), maker.size(t.instrument))
    after = (before[0] + t.size, before[1] - t.size)
    require_market(world, t, market, before[0], after[0])
    require(market_id in world.pool_params, "pool: unknown market")
    fill = pool.quote(market, world.pool_params[market_id], before[1], t.size, liquidation=False)
    _require_fill(t, fill)

    funding = funding_now(market, world.now)
    value = t.size * (fill.price - funding)
    store(world, t.account, with_leg(taker, t.instrument, t.size))
    store(world, venue, with_leg(maker, t.instrument, -t.size))
    credit(world, t.account, quote=-value - fill.fee)
    credit(world, venue, quote=value)
    credit(world, world.setup.fee_account, quote=fill.fee)
    world.markets[market_id] = record_trade(market, oi_change(before, after), fill.tilt, world.now)
    _require_taker(world, t, taker, opens(before[0], after[0]))
    end_auction(world, t.account)
    confirm(world, pool.Ask(t.instrument, t.size, before[0], before[1], liquidation=False))
    return Traded(fill.price, fill.fee, funding)


def confirm(world: World, ask: pool.Ask) -> None:
    """Ask the pool whether it stands by a fill that has been applied."""
    venue = world.setup.pool_account
    pool.confirm(ask, world.account(venue), world.health(venue), world.markets, world.pool_params)


# ---- forced moves --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Post:
    """A forced move: what leaves `account`; as IClearinghouse.Post."""

    account: int
    counterparty: int
    keeper: int
    sizes: tuple[int, ...]
    amounts: tuple[int, ...]
    cash: int
    quote: int
    fee: int
    liquidation_fee: int
    pay: int
    insurance: int
    tilt: int
    auction: bool
    part: int = 0


@dataclass(frozen=True, slots=True)
class Deal:
    """What two accounts agreed at the engine, as IClearinghouse.Deal."""

    account: int
    counterparty: int
    instrument: int
    size: int
    cash: int
    quote: int
    fee: int
    books: tuple[bool, bool]


@dataclass(frozen=True, slots=True)
class Posted:
    """The healths after a forced move."""

    after: Health
    other: Health


def require_open(health: Health) -> None:
    """Refuse a liquidation of a healthy account or at prices that do not allow it."""
    require(health.equity < health.mm, "seizure: not below mm")
    require(margin.liquidation_open(health), "seizure: closed")


def _move_legs(world: World, p: Post) -> None:
    """Move lots, each toward zero, the last position first."""
    legs = world.account(p.account).legs
    for position in reversed(range(len(p.sizes))):
        lots = p.sizes[position]
        if lots == 0:
            continue
        leg = legs[position] if position < len(legs) else Leg(0, 0)
        require(lots * leg.size > 0 and abs(lots) <= abs(leg.size), "seizure: size")
        other = world.account(p.counterparty).size(leg.instrument)
        store(world, p.account, with_leg(world.account(p.account), leg.instrument, -lots))
        store(world, p.counterparty, with_leg(world.account(p.counterparty), leg.instrument, lots))
        delta = oi_change((leg.size, other), (leg.size - lots, other + lots))
        if delta != 0 or p.tilt != KEEP_TILT:
            market = market_of(leg.instrument)
            world.markets[market] = record_trade(world.markets[market], delta, p.tilt, world.now)


def _move_amounts(world: World, p: Post) -> None:
    """Move collateral atoms, the last position first."""
    held = world.account(p.account).collateral
    for position in reversed(range(len(p.amounts))):
        atoms = p.amounts[position]
        if atoms == 0:
            continue
        require(position < len(held), "ledger: not enough collateral")
        token = held[position].id
        store(world, p.account, with_amount(world.account(p.account), token, -atoms))
        store(world, p.counterparty, with_amount(world.account(p.counterparty), token, atoms))


def _draw(world: World, paid: int, earned: int) -> None:
    """Take cash out of insurance, which never goes below 0, and credit its fee."""
    credit(world, world.setup.insurance_account, cash=-paid, quote=earned)
    solvent = world.account(world.setup.insurance_account).cash >= 0
    require(paid == 0 or solvent, "seizure: insurance")


def post(world: World, p: Post) -> Posted:
    """Apply a forced move and verify what it may not do (ledger.md, post)."""
    require(p.account not in (p.counterparty, p.keeper), "seizure: parties")
    before = world.health(p.account)
    require_open(before)
    _apply(world, p)
    set_auction(world, p.account, p.auction)
    return _require_posted(world, p, before)


def post_agreed(world: World, p: Post) -> None:
    """Apply a move that both sides agree on: without fees, and both end above IM."""
    require(p.account not in (p.counterparty, p.keeper), "seizure: parties")
    require(max(p.fee, p.liquidation_fee, p.pay, p.insurance) == 0, "seizure: parties")
    _apply(world, p)
    for account in (p.account, p.counterparty):
        set_auction(world, account, False)
        require_initial(world.health(account))


def _apply(world: World, p: Post) -> None:
    """Move what a post says."""
    _move_legs(world, p)
    _move_amounts(world, p)
    paid = p.fee + p.liquidation_fee + p.pay
    credit(world, p.account, cash=-p.cash, quote=-p.quote - paid)
    credit(world, p.counterparty, cash=p.cash + p.insurance, quote=p.quote)
    for account, quote in ((world.setup.fee_account, p.fee), (p.keeper, p.pay)):
        credit(world, account, quote=quote)
    if p.insurance or p.liquidation_fee:
        _draw(world, p.insurance, p.liquidation_fee)
    if p.part:
        assert world.engine is not None
        books = world.engine.carry(p.account, p.counterparty, p.part)
        _set_books(world, p.account, p.counterparty, books)


def _set_books(world: World, account: int, counterparty: int, books: tuple[bool, bool]) -> None:
    """Note for whom of the two the engine answers from now on."""
    for key, engaged in zip((account, counterparty), books, strict=True):
        facts = world.account(key)
        if facts.engaged != engaged:
            store(world, key, with_flag(facts, OPTIONS, engaged))


def deal(world: World, d: Deal) -> None:
    """Move what two accounts agreed at the engine, which answers for consent and margin."""
    if d.size:
        market = market_of(d.instrument)
        held = world.account(d.account).size(d.instrument)
        store(world, d.account, with_leg(world.account(d.account), d.instrument, d.size))
        other = world.account(d.counterparty).size(d.instrument)
        facts = world.account(d.counterparty)
        store(world, d.counterparty, with_leg(facts, d.instrument, -d.size))
        delta = oi_change((held, other), (held + d.size, other - d.size))
        if delta:
            moved = record_trade(world.markets[market], delta, KEEP_TILT, world.now)
            world.markets[market] = moved
    credit(world, d.account, cash=-d.cash, quote=-d.quote - d.fee)
    credit(world, d.counterparty, cash=d.cash, quote=d.quote)
    credit(world, world.setup.fee_account, quote=d.fee)
    payer = d.account if d.cash > 0 else d.counterparty
    require(d.cash == 0 or world.account(payer).cash >= 0, "custody: not enough cash")
    _set_books(world, d.account, d.counterparty, d.books)


def _require_posted(world: World, p: Post, before: Health) -> Posted:
    """Refuse a move after which somebody stands worse than the rules allow."""
    after = world.health(p.account)
    other = world.health(p.counterparty)
    emptied = world.account(p.account).empty
    require(emptied or improves(before, after), "seizure: health fell")
    require(after.equity >= min(before.equity, 0), "seizure: made insolvent")
    house = world.account(p.counterparty).house
    bound = other.mm if house else other.im
    require(other.equity >= bound, "ledger: margin")
    return Posted(after, other)


def write_off(world: World, account_id: int, covered: int) -> int:
    """Bring an emptied account to E = 0 and settle it; return the deficit booked [WAD]."""
    account = world.account(account_id)
    debt = -account.cash - account.quote
    require(account.empty, "seizure: no such debt")
    require(debt > 0 and covered <= debt, "seizure: no such debt")
    world.deficit += debt - covered
    even = replace(account, cash=account.cash + debt)
    store(world, account_id, with_flag(even, IN_AUCTION, False))
    if covered:
        _draw(world, covered, 0)
    settle(world, account_id)
    return debt - covered


def set_auction(world: World, account_id: int, active: bool) -> None:
    """Set the auction bit on behalf of the hand that keeps the clock."""
    account = world.account(account_id)
    if account.in_auction != active:
        store(world, account_id, with_flag(account, IN_AUCTION, active))
