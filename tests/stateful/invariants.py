"""The invariants of docs/invariants.md, each coded once under its id, over one step.

A step is what one transaction did: the facts before it, the same facts at the time and prices of
its end, and the facts after it. The facts are the reference's; the machine compares them with the
chain's words before any invariant looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from tests.reference import ledger, liquidation, margin, pool
from tests.reference.facts import Account, Health, Market
from tests.reference.markets import accrue, funding_now
from tests.reference.state import SETTLEMENT, World, min_amount, owner_of
from tests.reference.units import (
    AGE_OPEN,
    COMMIT_DELAY,
    DUST,
    RATE_MAX,
    RATE_TO_WAD,
    SETTLE_PAY,
    VIRTUAL,
    WAD,
)
from tests.reference.words import instrument_of, market_of
from tests.stateful.ops import Op

# a venue's fee is at most 1 %, the fee to insurance at most 3 % of a fill
FEE_CAP = WAD // 100
LIQUIDATION_FEE_CAP = 3 * WAD // 100
LIQUIDATIONS = ("reduce", "take")


@dataclass(frozen=True)
class Step:
    """One transaction that succeeded."""

    op: Op
    before: World
    start: World
    after: World
    answer: Any
    events: tuple[tuple[str, Mapping[str, Any]], ...]
    balances: Mapping[int, int]

    @cached_property
    def touched(self) -> tuple[int, ...]:
        """Return the accounts whose words changed."""
        old, new = self.before.accounts, self.after.accounts
        return tuple(key for key, account in new.items() if old.get(key) is not account)

    @cached_property
    def subject(self) -> int:
        """Return the account under margin of a liquidation, 0 otherwise."""
        return int(self.op.args[0]) if self.op.name in (*LIQUIDATIONS, "write_off") else 0

    def named(self, name: str) -> Iterator[Mapping[str, Any]]:
        """Yield the arguments of the events of one name."""
        return (arguments for found, arguments in self.events if found == name)

    def healths(self, account: int) -> tuple[Health, Health]:
        """Return the health of an account before and after, at the prices of the end."""
        return self.start.health(account), self.after.health(account)


Invariant = Callable[[Step], None]
INVARIANTS: dict[str, Invariant] = {}


def invariant(name: str) -> Callable[[Invariant], Invariant]:
    """Register an invariant under its id."""

    def register(check: Invariant) -> Invariant:
        INVARIANTS[name] = check
        return check

    return register


# ---- A: conservation -----------------------------------------------------------------------------


@invariant("A1")
def custody(step: Step) -> None:
    """What is tracked is what accounts hold, and the contract has at least that."""
    world = step.after
    for key, token in world.tokens.items():
        assert step.balances[key] >= token.tracked
        if key != SETTLEMENT:
            held = sum(account.amount(key) for account in world.accounts.values())
            assert token.tracked == held


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


def _marks(world: World, markets: Mapping[int, Market], at: Callable[[Market], int]) -> int:
    return sum(
        leg.size * at(markets[market_of(leg.instrument)])
        for account in world.accounts.values()
        for leg in account.legs
    )


@invariant("A4")
def zero_sum_mark(step: Step) -> None:
    """At any price the profits of all accounts sum to nothing."""
    assert _marks(step.after, step.after.markets, lambda m: m.price) == 0
    assert _marks(step.after, step.after.markets, lambda m: m.stable * 3 + 1) == 0


@invariant("A5")
def zero_sum_funding(step: Step) -> None:
    """Funding moves equal and opposite amounts."""
    world = step.after
    indexes = {key: funding_now(market, world.now) for key, market in world.markets.items()}
    owed = sum(
        leg.size * indexes[market_of(leg.instrument)]
        for account in world.accounts.values()
        for leg in account.legs
    )
    assert owed == 0


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
    assert _worth(step, fee_account) == fee + _settled_in(step, fee_account)
    if step.op.name == "reduce":
        assert _worth(step, fund) == liquidation_fee


def _worth(step: Step, account: int) -> int:
    """Return how much cash and quote of an account grew together."""
    old, new = step.before.account(account), step.after.account(account)
    return new.cash + new.quote - old.cash - old.quote


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
    if step.op.name == "donate":
        old, new = step.start, step.after
        assert (new.accounts, new.tokens, new.pot) == (old.accounts, old.tokens, old.pot)
        assert (new.shares, new.supply) == (old.shares, old.supply)
        assert new.health(new.setup.pool_account) == old.health(old.setup.pool_account)


# ---- B: margin -----------------------------------------------------------------------------------


def _acting(step: Step) -> tuple[int, ...]:
    """Return the accounts for which their owner acted."""
    if step.op.name in ("withdraw", "transfer"):
        return (step.op.args[0],)
    if step.op.name == "execute":
        return (step.op.args[0].account,)
    return ()


@invariant("B1")
def self_action(step: Step) -> None:
    """An owner's action ends at IM, or opened nothing and made nothing worse."""
    for key in _acting(step):
        old, new = step.healths(key)
        if new.equity >= new.im:
            continue
        assert step.op.name == "execute"
        sizes_before = step.start.account(key)
        grew = any(
            abs(leg.size) > abs(sizes_before.size(leg.instrument))
            for leg in step.after.account(key).legs
        )
        # IM before with the open interest after: oi_scale is global and not the owner's
        assert not grew
        assert new.equity - new.mm >= old.equity - old.mm
        assert ledger.improves(old, new) if old.equity >= 0 else new.equity >= old.equity


@invariant("B3")
def third_parties(step: Step) -> None:
    """Nobody lowers the equity of an account that is not his, outside the named formulas."""
    setup = step.after.setup
    allowed = {setup.pool_account, setup.insurance_account, setup.waiting_account, step.subject}
    if step.op.name == "execute":
        allowed.add(step.op.args[0].account)
    for key in step.touched:
        if owner_of(key) == step.op.caller or key in allowed:
            continue
        old, new = step.healths(key)
        settler_pay = SETTLE_PAY if step.op.name == "settle_pair" else 0
        assert new.equity >= old.equity - settler_pay


@invariant("B4")
def ordered(step: Step) -> None:
    """IM >= IM0 >= IMs >= LE >= MM >= 0; nothing held and nothing owed requires nothing."""
    for key in step.touched:
        health = step.after.health(key)
        assert health.im >= health.im0 >= health.ims >= health.le >= health.mm >= 0
        account = step.after.account(key)
        if account.empty and account.cash >= 0 and account.quote >= 0:
            assert (health.im, health.mm) == (0, 0)


@invariant("B5")
def monotone(step: Step) -> None:
    """More collateral never lowers E - IM or E - MM; a higher v never lowers a requirement."""
    world = step.after
    for key in step.touched[:2]:
        account = world.account(key)
        health = world.health(key)
        if account.collateral:
            richer = _check(world, _more(account))
            assert richer.equity - richer.im >= health.equity - health.im
            assert richer.equity - richer.mm >= health.equity - health.mm
        wilder = {k: replace(m, v=m.v + 500, v_slow=m.v_slow + 500) for k, m in _markets(world)}
        stressed = margin.check(account, wilder, world.collaterals, world.now)
        assert stressed.im >= health.im and stressed.mm >= health.mm


def _markets(world: World) -> list[tuple[int, Market]]:
    return list(world.markets.items())


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
    if step.op.name == "withdraw" and step.op.args[1] == SETTLEMENT:
        assert step.after.account(step.op.args[0]).cash >= 0


def _collected(step: Step) -> int:
    return sum(-event["amount"] for event in step.named("Settled") if event["amount"] < 0)


@invariant("B10")
def conservative(step: Step) -> None:
    """The stable price only adds to IM; MM, LE and E know the spot price alone."""
    world = step.after
    at_spot = {key: replace(market, stable=market.price) for key, market in _markets(world)}
    for key in step.touched[:3]:
        health = world.health(key)
        spot = margin.check(world.account(key), at_spot, world.collaterals, world.now)
        assert health.im >= spot.im
        assert (health.equity, health.mm, health.le) == (spot.equity, spot.mm, spot.le)


# ---- C: liquidation ------------------------------------------------------------------------------


@invariant("C1")
def healthy_untouchable(step: Step) -> None:
    """Nothing is taken from an account at or above MM, nor through a price in doubt."""
    if step.op.name in LIQUIDATIONS:
        health = step.start.health(step.subject)
        assert health.equity < health.mm
        assert margin.liquidation_open(health)


@invariant("C2")
def fills_help(step: Step) -> None:
    """E / MM does not fall by a partial liquidation."""
    if step.op.name in LIQUIDATIONS and not step.after.account(step.subject).empty:
        old, new = step.healths(step.subject)
        assert ledger.improves(old, new)


@invariant("C3")
def no_more_than_needed(step: Step) -> None:
    """A liquidation stops at LE, but for one lot, a tick a lot, the seconds ahead, or dust."""
    if step.op.name not in LIQUIDATIONS:
        return
    new = step.healths(step.subject)[1]
    account = step.after.account(step.subject)
    if step.op.name == "reduce":
        market = step.after.markets[market_of(step.op.args[1])]
        lots = abs(
            account.size(step.op.args[1]) - step.start.account(step.subject).size(step.op.args[1])
        )
        closed = account.size(step.op.args[1]) == 0
        assert closed or new.equity <= new.le + market.price + 2 * lots
    elif not account.empty:
        case = liquidation.case_of(step.start, step.subject)
        fraction = step.op.args[2]
        le = max(new.le, liquidation.deal_of(step.start, case, fraction).le)
        assert new.le <= new.equity <= le + liquidation.overshoot(case, fraction)


@invariant("C4")
def closed_coalition(step: Step) -> None:
    """Liquidating oneself pays nobody: what a coalition gains is at most r - max(E, 0)."""
    if step.op.name == "reduce":
        pool_gain = _equity_change(step, step.after.setup.pool_account)
        premium = _premium(step.start) - _premium(step.after)
        # the pool's NAV does not fall: what the curve pays out was a premium, never the holders'
        assert pool_gain + premium >= 0
        assert _equity_change(step, step.after.setup.insurance_account) >= 0
    if step.op.name == "take":
        case = liquidation.case_of(step.start, step.subject)
        worth = max(case.health.equity, 0)
        kept = max(step.after.health(step.subject).equity, 0)
        gained = _equity_change(step, step.op.args[1]) + kept - worth
        # joining two amounts of a collateral may lift one floor
        assert gained <= max(0, case.reward - worth) + len(case.account.collateral)
        assert step.after.deficit - step.before.deficit <= max(0, -case.health.equity)
    if step.op.name not in (*LIQUIDATIONS, "write_off"):
        assert _fund_spent(step) <= 0


def _equity_change(step: Step, account: int) -> int:
    old, new = step.healths(account)
    return new.equity - old.equity


def _premium(world: World) -> int:
    account = world.account(world.setup.pool_account)
    equity = world.health(world.setup.pool_account).equity
    raw = 0
    for leg in account.legs:
        notional = leg.size * world.markets[market_of(leg.instrument)].price
        raw += -(-notional * notional // (2 * world.pool_params[market_of(leg.instrument)].scale))
    assert equity - raw <= equity
    return raw


def _fund_spent(step: Step) -> int:
    fund = step.after.setup.insurance_account
    if owner_of(fund) == step.op.caller:
        return 0
    return -_worth(step, fund) if step.op.name != "withdraw" else 0


@invariant("C6")
def clock(step: Step) -> None:
    """Live time never runs back while an auction runs, and starts at zero."""
    for key, (live, _) in step.after.clocks.items():
        old, last = step.before.clocks.get(key, (0, 0))
        if step.before.account(key).in_auction:
            assert old <= live <= old + 300
        else:
            assert live in (0, old)
        if live != old and not step.before.account(key).in_auction:
            assert step.after.now - last > 3_600
    times = sorted({live for live, _ in step.after.clocks.values()})
    assert all(liquidation.delta(a) <= liquidation.delta(b) for a, b in pairwise(times))


@invariant("C8")
def no_dust(step: Step) -> None:
    """An owner leaves no leg and no collateral below the minimum."""
    if step.op.name == "execute":
        order = step.op.args[0]
        notional = abs(step.after.account(order.account).size(order.instrument)) * (
            step.after.markets[market_of(order.instrument)].price
        )
        assert notional == 0 or notional >= DUST
    if step.op.name in ("deposit", "withdraw", "transfer"):
        token = step.op.args[-2 if step.op.name != "withdraw" else 1]
        for key in step.touched:
            held = step.after.account(key).amount(token)
            assert held == 0 or token == SETTLEMENT or held >= min_amount(step.after.tokens[token])


@invariant("C10")
def self_cure(step: Step) -> None:
    """An owner's deposit, transfer or trade that restores LE ends the auction at once."""
    if step.op.name in ("deposit", "withdraw", "transfer", "execute"):
        for key in step.touched:
            account = step.after.account(key)
            acted = key in _acting(step) or step.op.name in ("deposit", "transfer")
            if account.in_auction and acted and key != step.after.setup.fee_account:
                health = step.after.health(key)
                assert health.equity < health.le


# ---- D: oracle and time --------------------------------------------------------------------------


@invariant("D1")
def prices_used(step: Step) -> None:
    """Stored prices lie within their bounds; what opens uses a fresh, trusted one."""
    for market in step.after.markets.values():
        assert market.feed.min_price <= market.price <= market.feed.max_price
        assert market.publish <= step.after.now + 1
    if step.op.name == "execute":
        order = step.op.args[0]
        old = step.start.account(order.account).size(order.instrument)
        new = step.after.account(order.account).size(order.instrument)
        if ledger.opens(old, new):
            market = step.after.markets[market_of(order.instrument)]
            assert step.after.now - market.publish <= AGE_OPEN
            assert market.conf * WAD <= market.feed.conf_cap * 10**5


@invariant("D2")
def time_rises(step: Step) -> None:
    """Accepted publish times strictly rise; a price changes only with one."""
    for key, market in step.after.markets.items():
        old = step.before.markets[key]
        assert market.publish >= old.publish
        assert market.publish > old.publish or market.price == old.price
    for signer, time in step.after.signer_times.items():
        assert time >= step.before.signer_times[signer]


@invariant("D3")
def no_known_price(step: Step) -> None:
    """A fill's price was published after the commitment, and is the first such price."""
    if step.op.name == "execute":
        order = step.op.args[0]
        earliest = step.before.commits[order] + COMMIT_DELAY
        market = step.after.markets[market_of(order.instrument)]
        assert market.publish >= earliest > market.publish - market.gap


@invariant("D4")
def accrual(step: Step) -> None:
    """Accruing twice in a block is once; the rate stays within its cap."""
    for market in step.after.markets.values():
        once = accrue(market, step.after.now)
        assert accrue(once, step.after.now) == once
        assert abs(market.rate) * RATE_TO_WAD <= RATE_MAX


# ---- E: rounding and shares ----------------------------------------------------------------------


@invariant("E1")
def round_trips(step: Step) -> None:
    """Shares bought and sold, legs opened and closed at one price never gain."""
    world = step.after
    worth, supply = (value - VIRTUAL for value in _share_price(world))
    for assets in (1, 10**9 + 7, 12_345 * WAD + 1):
        minted = pool.to_shares_down(assets, supply, worth)
        assert pool.to_assets_down(minted, supply + minted, worth + assets) <= assets
    venue = world.account(world.setup.pool_account)
    for key, params in world.pool_params.items():
        market = world.markets[key]
        held = venue.size(instrument_of(key))
        for lots in (1, 10**8 + 1):
            bought = pool.quote(market, params, held, lots, liquidation=False)
            sold = pool.quote(market, params, held - lots, -lots, liquidation=False)
            assert sold.price <= bought.price


@invariant("E2")
def directed(step: Step) -> None:
    """Roundings favour the protocol: fills against the taker, slices and payments likewise."""
    for event in step.named("Filled"):
        market = market_of(event["instrument"])
        p = step.after.pool_params[market]
        skew = event["venue_size"] + event["size"]
        exact = pool.price_of(step.after.markets[market], p, -skew, event["size"], 0)
        assert (event["price"] - exact) * event["size"] >= 0
    if step.op.name == "take":
        case = liquidation.case_of(step.start, step.subject)
        owed = step.op.args[2] * max(0, case.health.equity - case.reward)
        payment = next(step.named("Taken"))["payment"]
        assert payment * WAD >= owed > (payment - 1) * WAD or payment == owed == 0


@invariant("E3")
def share_price(step: Step) -> None:
    """At constant prices no action lowers the price of a pool share."""
    old = _share_price(step.start)
    new = _share_price(step.after)
    assert new[0] * old[1] >= old[0] * new[1]


def _share_price(world: World) -> tuple[int, int]:
    account = world.account(world.setup.pool_account)
    equity = world.health(world.setup.pool_account).equity
    worth = pool.nav(equity, account, world.markets, world.pool_params)
    return worth + VIRTUAL, world.supply + VIRTUAL


def check_all(step: Step) -> None:
    """Check every invariant; the assertion carries its id."""
    for name, check in INVARIANTS.items():
        try:
            check(step)
        except AssertionError as broken:
            raise AssertionError(f"{name} after {step.op}: {broken}") from broken
