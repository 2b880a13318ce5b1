"""The invariants of docs/invariants.md, each coded once under its id, over one step.

A step is what one transaction did: the facts before it, the same facts at the time and prices of
its end, and the facts after it. The facts are the reference's; the machine compares them with the
chain's words before any invariant looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.reference import ledger, margin
from tests.reference.facts import Account, Collateral, Health, Market
from tests.reference.markets import funding_now
from tests.reference.state import SETTLEMENT, World, owner_of
from tests.reference.units import SETTLE_PAY, WAD
from tests.reference.words import instrument_of, market_of
from tests.stateful import invariants_access as access
from tests.stateful import invariants_accounts as several
from tests.stateful import invariants_liquidation as liquidations
from tests.stateful import invariants_shares as shares
from tests.stateful import invariants_time as times
from tests.stateful import pausing
from tests.stateful.powers import MODELS as OWNER_ACTIONS
from tests.stateful.step import Step

# a venue's fee is at most 1 %, the fee to insurance at most 3 % of a fill
FEE_CAP = WAD // 100
LIQUIDATION_FEE_CAP = 3 * WAD // 100
Invariant = Callable[[Step], None]
Register = Callable[[Invariant], Invariant]
INVARIANTS: dict[str, Invariant] = {}


def invariant(name: str) -> Register:
    """Register an invariant under its id."""

    def register(check: Invariant) -> Invariant:
        INVARIANTS[name] = check
        return check

    return register


# ---- A: conservation -----------------------------------------------------------------------------


@invariant("A1")
def custody(step: Step) -> None:
    """What is tracked is what accounts hold; the contract has that and what was sent to it."""
    world = step.after
    for key, token in world.tokens.items():
        assert step.balances[key] == token.tracked + world.wallets.get((step.core, key), 0)
        if key != SETTLEMENT:
            assert token.tracked == sum(each.amount(key) for each in world.accounts.values())


@invariant("A2")
def cash_ledger(step: Step) -> None:
    """Cash, pot and deficit are the tracked tokens; all unsettled profit is the pot."""
    world = step.after
    accounts = world.accounts.values()
    cash = sum(account.cash for account in accounts)
    tracked = world.tokens[SETTLEMENT].tracked * world.setup.scale
    assert tracked == cash + world.pot - world.deficit
    assert world.pot >= 0 and world.deficit >= 0
    assert sum(account.quote for account in accounts) == world.pot


@invariant("A3")
def sizes(step: Step) -> None:
    """Sizes sum to zero, longs to the open interest."""
    longs: dict[int, int] = dict.fromkeys(step.after.markets, 0)
    nets = dict(longs)
    for account in step.after.accounts.values():
        for leg in account.legs:
            longs[market_of(leg.instrument)] += max(leg.size, 0)
            nets[market_of(leg.instrument)] += leg.size
    for key, market in step.after.markets.items():
        assert nets[key] == 0
        assert longs[key] == market.open_interest


@invariant("A4")
def zero_sum_mark(step: Step) -> None:
    """At any prices the unsettled results of all accounts sum to the pot."""
    require_pot(step.after, _unsettled)


def require_pot(world: World, unsettled: Callable[[World, dict[int, Market]], int]) -> None:
    """Require that what is unsettled at any prices is the pot."""
    assert unsettled(world, world.markets) == world.pot
    elsewhere = {key: replace(m, price=3 * m.stable + key) for key, m in world.markets.items()}
    assert unsettled(world, elsewhere) == world.pot


def _unsettled(world: World, markets: dict[int, Market]) -> int:
    accounts = world.accounts.values()
    return sum(margin.unsettled(account, markets, world.now) for account in accounts)


@invariant("A5")
def zero_sum_funding(step: Step) -> None:
    """What an account pays by a move of F the others get; no update moves it in any account."""
    old, new = step.before, step.after
    for key, market in new.markets.items():
        moved = funding_now(market, new.now) - funding_now(old.markets[key], old.now)
        paid = [account.size(instrument_of(key)) * moved for account in old.accounts.values()]
        assert sum(paid) == 0
    if step.op.name == "update":
        assert new.accounts == old.accounts


@invariant("A8")
def fees(step: Step) -> None:
    """Fee events are the growth of the fee buckets, and below their caps."""
    fee_account, fund = step.after.setup.fee_account, step.after.setup.insurance_account
    fee = liquidation_fee = 0
    for event in step.named("Filled"):
        fee += event["fee"]
        assert event["fee"] * WAD <= FEE_CAP * abs(event["size"]) * event["price"] + WAD
    for event in step.named("Posting"):
        fee += event["fee"]
        liquidation_fee += event["liquidation_fee"]
    for event in step.named("Reduced"):
        value = abs(event["size"]) * event["price"]
        assert event["fee"] * WAD <= FEE_CAP * value + WAD
        assert event["liquidation_fee"] * WAD <= LIQUIDATION_FEE_CAP * value + WAD
    assert step.paid(fee_account) == fee + _settled_in(step, fee_account)
    drawn = sum(event["insurance"] for event in step.named("Posting"))
    drawn += sum(event["covered"] for event in step.named("WrittenOff"))
    assert step.paid(fund) == liquidation_fee - drawn + _settled_in(step, fund)


def _settled_in(step: Step, account: int) -> int:
    """Return what reached an account as an owner's or a stranger's payment."""
    world = step.after
    into = sum(event["amount"] for event in step.named("Deposited") if event["account"] == account)
    into += sum(
        event["amount"] * (1 if event["receiver"] == account else -1)
        for event in step.named("Transferred")
        if account in (event["receiver"], event["sender"])
    )
    into -= sum(event["amount"] for event in step.named("Withdrawn") if event["account"] == account)
    paid = sum(
        event["amount"] for event in step.named("SettlerPaid") if event["settler"] == account
    )
    return into * world.setup.scale + paid


@invariant("A12")
def donation(step: Step) -> None:
    """Tokens sent straight to a contract change nothing that anybody owns."""
    # the machine compares every word, every health and NAV with the chain's after it
    if step.op.name == "donate":
        old, new = step.start, step.after
        assert (new.accounts, new.tokens, new.pot) == (old.accounts, old.tokens, old.pot)
        assert (new.shares, new.supply) == (old.shares, old.supply)
        assert new.health(new.setup.pool_account) == old.health(old.setup.pool_account)


# ---- B: margin -----------------------------------------------------------------------------------

invariant("B2")(access.whatever_is_called)


@invariant("B1")
def self_action(step: Step) -> None:
    """An owner's action ends at IM, or opened nothing, took nothing and made nothing worse."""
    for key in several.acting_in(step):
        new = step.after.health(key)
        if new.equity >= new.im:
            continue
        assert step.op.name == "execute"
        facts, left = step.start.account(key), step.after.account(key)
        # oi_scale is global and not the owner's: both IM at the open interest after the fill
        old = margin.check(facts, step.after.markets, step.after.collaterals, step.after.now)
        assert all(abs(leg.size) <= abs(facts.size(leg.instrument)) for leg in left.legs)
        assert (left.collateral, left.cash) == (facts.collateral, facts.cash)
        assert new.equity - new.im >= old.equity - old.im
        assert new.equity - new.mm >= old.equity - old.mm
        assert ledger.improves(old, new) if old.equity >= 0 else new.equity >= old.equity


@invariant("B3")
def third_parties(step: Step) -> None:
    """Nobody lowers the equity of an account that is not his, outside the named formulas."""
    setup, name = step.after.setup, step.op.name
    allowed = {step.subject}
    # the pool trades, closes and redeems by its own formulas; E3 and C4 hold its share price
    if name in ("execute", "reduce", "execute_redeem"):
        allowed.add(setup.pool_account)
    if name == "execute":
        allowed.add(step.op.args[0].account)
    if name == "op_withdraw":
        allowed.add(step.op.args[0])
    if name == "execute_deposit":
        allowed.add(setup.waiting_account)
    if name in ("take", "write_off"):
        allowed.add(setup.insurance_account)
    for key in step.after.accounts:
        if owner_of(key) == step.op.caller or key in allowed:
            continue
        if name == "withdraw_surplus" and key == setup.insurance_account:
            continue
        settler_pay = SETTLE_PAY if name == "settle_pair" else 0
        assert _equity(step.after, key) >= _equity(step.start, key) - settler_pay


def _equity(world: World, key: int) -> int:
    account = world.account(key)
    value = margin.gross_value(account, world.markets, world.collaterals)
    return account.cash + margin.unsettled(account, world.markets, world.now) + value


@invariant("B4")
def ordered(step: Step) -> None:
    """IM >= IM0 >= IMs >= LE >= MM >= 0; nothing held and nothing owed requires nothing."""
    # a price moves every account
    keys = step.after.accounts if step.op.name == "update" else step.touched
    for key in keys:
        health = step.after.health(key)
        assert health.im >= health.im0 >= health.ims >= health.le >= health.mm >= 0
        account = step.after.account(key)
        if account.empty and account.cash >= 0 and account.quote >= 0:
            assert (health.im, health.mm) == (0, 0)


@invariant("B5")
def monotone(step: Step) -> None:
    """More collateral never lowers E - IM or E - MM.

    A higher v, base, mm_ratio, tier or haircut never lowers a requirement.
    """
    world = step.after
    for key in step.touched[:2]:
        account = world.account(key)
        health = world.health(key)
        if account.collateral:
            richer = _check(world, _more(account))
            assert richer.equity - richer.im >= health.equity - health.im
            assert richer.equity - richer.mm >= health.equity - health.mm
        for stricter in (wilder, larger_base, larger_ratio, sooner_tier):
            markets = {key: stricter(market) for key, market in world.markets.items()}
            require_no_less(health, margin.check(account, markets, world.collaterals, world.now))
        terms = {key: larger_haircut(c) for key, c in world.collaterals.items()}
        require_no_less(health, margin.check(account, world.markets, terms, world.now))


def require_no_less(old: Health, new: Health) -> None:
    assert new.im >= old.im and new.le >= old.le and new.mm >= old.mm


def wilder(m: Market) -> Market:
    return replace(m, v=m.v + 500, v_slow=m.v_slow + 500)


def larger_base(m: Market) -> Market:
    return replace(m, margin=replace(m.margin, base=m.margin.base + WAD // 200))


def larger_ratio(m: Market) -> Market:
    return replace(m, margin=replace(m.margin, mm_ratio=m.margin.mm_ratio + WAD // 50))


def sooner_tier(m: Market) -> Market:
    return replace(m, margin=replace(m.margin, tier_start=m.margin.tier_start // 2))


def larger_haircut(c: Collateral) -> Collateral:
    step = WAD // 50
    return replace(c, haircut_im=c.haircut_im + step, haircut_mm=c.haircut_mm + step)


def _more(account: Account) -> Account:
    first, *others = account.collateral
    grown = first._replace(amount=first.amount + max(1, first.amount // 7))
    return replace(account, collateral=(grown, *others))


def _check(world: World, account: Account) -> Health:
    return margin.check(account, world.markets, world.collaterals, world.now)


@invariant("B9")
def settled_profit(step: Step) -> None:
    """Profit reaches cash only out of the pot; a withdrawal leaves cash at or above zero."""
    for event in step.named("Settled"):
        if event["amount"] > 0:
            assert event["amount"] <= step.before.pot + _collected(step)
    if step.op.name in ("withdraw", "transfer"):
        paid = step.op.args[1 if step.op.name == "withdraw" else 2]
        assert paid != SETTLEMENT or step.after.account(step.op.args[0]).cash >= 0
    if step.op.name == "execute_redeem":
        assert step.after.account(step.after.setup.pool_account).cash >= 0
    several.require_no_debt(step)


def _collected(step: Step) -> int:
    return sum(-event["amount"] for event in step.named("Settled") if event["amount"] < 0)


invariant("B11")(several.sequence)


@invariant("B10")
def conservative(step: Step) -> None:
    """The stable price only adds to IM; MM, LE and E know the spot price alone."""
    world = step.after
    at_spot = {key: replace(market, stable=market.price) for key, market in world.markets.items()}
    for key in step.touched[:3]:
        health = world.health(key)
        spot = margin.check(world.account(key), at_spot, world.collaterals, world.now)
        assert health.im >= spot.im
        assert (health.equity, health.mm, health.le) == (spot.equity, spot.mm, spot.le)


# ---- C: liquidation ------------------------------------------------------------------------------

invariant("C1")(liquidations.healthy_untouchable)
invariant("C2")(liquidations.fills_help)
invariant("C3")(liquidations.no_more_than_needed)
invariant("C4")(liquidations.closed_coalition)
invariant("C5")(access.sound_buyer)
invariant("C6")(liquidations.clock)
invariant("C8")(liquidations.no_dust)
invariant("C11")(several.cannot_block)
invariant("C10")(liquidations.self_cure)

# ---- D: oracle and time --------------------------------------------------------------------------

invariant("D1")(times.prices_used)
invariant("D2")(times.time_rises)
invariant("D3")(times.no_known_price)
invariant("D4")(times.accrual)

# ---- E: rounding and shares ----------------------------------------------------------------------

invariant("E1")(shares.round_trips)
invariant("E2")(shares.directed)
invariant("E3")(shares.share_value)

# ---- F: whole system -----------------------------------------------------------------------------

invariant("F1")(access.authorised)
invariant("F2")(pausing.never_trapped)
invariant("F3")(pausing.only_tightens)
invariant("F5")(access.locked)
invariant("F8")(access.within_gas)


@invariant("F4")
def powers(step: Step) -> None:
    """An owner's action moves nothing that anybody owns, but surplus out of the fund."""
    if step.op.name not in OWNER_ACTIONS:
        return
    old, new, fund = step.start, step.after, step.after.setup.insurance_account
    assert set(step.touched) <= {fund}
    assert (new.deficit, new.shares, new.supply) == (old.deficit, old.shares, old.supply)
    surplus = step.op.args[0] if step.op.name == "withdraw_surplus" else 0
    if surplus:
        assert step.paid(fund) == -surplus * new.setup.scale
    else:
        assert not step.touched and new.pot == old.pot
    for key, token in new.tokens.items():
        assert old.tokens[key].tracked - token.tracked == (surplus if key == SETTLEMENT else 0)


def check_all(step: Step) -> None:
    """Check every invariant; the assertion carries its id."""
    check_each(INVARIANTS, step)


def check_each(invariants: Mapping[str, Invariant], step: Step) -> None:
    """Check some invariants; the assertion carries the id."""
    for name, check in invariants.items():
        try:
            check(step)
        except AssertionError as broken:
            raise AssertionError(f"{name} after {step.op}: {broken}") from broken
