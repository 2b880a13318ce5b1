"""The invariants of docs/invariants.md, each coded once under its id, over one step.

A step is what one transaction did: the facts before it, the same facts at the time and prices of
its end, and the facts after it. The facts are the reference's; the machine compares them with the
chain's words before any invariant looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

from tests.reference import closing, ledger, liquidation, margin
from tests.reference.facts import Account, Collateral, Health, Market
from tests.reference.markets import accrue, funding_now
from tests.reference.state import SETTLEMENT, World, min_amount, owner_of
from tests.reference.units import (
    AGE_MM,
    AGE_OPEN,
    COMMIT_DELAY,
    COOLDOWN,
    DUST,
    FUTURE,
    LEG_INVALID,
    PENDING,
    PUSH_WINDOW,
    RATE_MAX,
    RATE_TO_WAD,
    REQUEST_DELAY,
    SETTLE_PAY,
    UNTRUSTED,
    WAD,
)
from tests.reference.words import instrument_of, market_of
from tests.stateful import invariants_access as access
from tests.stateful import invariants_accounts as several
from tests.stateful import invariants_shares as shares
from tests.stateful import pausing
from tests.stateful.powers import MODELS as OWNER_ACTIONS
from tests.stateful.step import LIQUIDATIONS, Step, premium

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
    world = step.after
    assert _unsettled(world, world.markets) == world.pot
    elsewhere = {key: replace(m, price=3 * m.stable + key) for key, m in world.markets.items()}
    assert _unsettled(world, elsewhere) == world.pot


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
    assert _worth(step, fee_account) == fee + _settled_in(step, fee_account)
    drawn = sum(event["insurance"] for event in step.named("Posting"))
    drawn += sum(event["covered"] for event in step.named("WrittenOff"))
    assert _worth(step, fund) == liquidation_fee - drawn + _settled_in(step, fund)


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
    # the machine compares every word, every health and NAV with the chain's after it
    if step.op.name == "donate":
        old, new = step.start, step.after
        assert (new.accounts, new.tokens, new.pot) == (old.accounts, old.tokens, old.pot)
        assert (new.shares, new.supply) == (old.shares, old.supply)
        assert new.health(new.setup.pool_account) == old.health(old.setup.pool_account)


# ---- B: margin -----------------------------------------------------------------------------------

invariant("B2")(access.whatever_is_called)


def _acting(step: Step) -> tuple[int, ...]:
    """Return the accounts for which their owner acted, the pool as the owner of its own."""
    if step.op.name in ("withdraw", "transfer"):
        return (step.op.args[0],)
    if step.op.name == "execute":
        # where the trade was refused, nothing was done for it (D3)
        return (step.op.args[0].account,) if any(step.named("Executed")) else ()
    if step.op.name == "execute_redeem":
        return (step.after.setup.pool_account,)
    return several.acting(step.op)


@invariant("B1")
def self_action(step: Step) -> None:
    """An owner's action ends at IM, or opened nothing, took nothing and made nothing worse."""
    for key in _acting(step):
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


@invariant("C1")
def healthy_untouchable(step: Step) -> None:
    """Nothing is taken from an account at or above MM, nor through a price in doubt."""
    if step.op.name in LIQUIDATIONS:
        health = step.start.health(step.subject)
        assert health.equity < health.mm
        assert margin.liquidation_open(health)
        assert not step.start.account(step.subject).house
    if step.op.name == "reduce":
        market = step.after.markets[market_of(step.op.args[1])]
        assert step.after.now - market.publish <= AGE_MM
    if step.op.name == "flag":
        key = step.op.args[0]
        health = step.start.health(key)
        if step.after.account(key).in_auction:
            assert health.equity < health.mm and margin.liquidation_open(health)
        else:
            assert step.start.account(key).in_auction and health.equity >= health.le
    if step.op.name == "write_off":
        assert step.start.account(step.subject).empty
        assert step.start.health(step.subject).equity < 0


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
        slack = market.price + 2 * lots
        if account.size(step.op.args[1]) or new.equity <= new.le + slack:
            assert new.equity <= new.le + slack
        else:
            _require_whole_leg(step)
    elif not account.empty:
        case = liquidation.case_of(step.start, step.subject)
        fraction = step.op.args[2]
        le = max(new.le, liquidation.deal_of(step.start, case, fraction).le)
        assert new.le <= new.equity <= le + liquidation.overshoot(case, fraction)
    else:
        _require_whole_account(step)


def _require_whole_leg(step: Step) -> None:
    """A leg goes whole beyond LE only where to leave 10 USD of it would not reach LE."""
    account, instrument = step.op.args[0], step.op.args[1]
    desk = closing.desk_of(step.start, account, instrument, step.start.health(account))
    left = -(-DUST // desk.market.price)
    assert left >= abs(desk.held) or closing.close_of(desk, abs(desk.held) - left).gap < 0


def _require_whole_account(step: Step) -> None:
    """Everything goes only for E, for the reward, for dust, or because a part would not do.

    It would, where one that leaves a thousandth, or 10 USD, brings the rest above LE by the
    tolerance at the reward of AHEAD seconds on.
    """
    case = liquidation.case_of(step.start, step.subject)
    health, slack = case.health, liquidation.slack(case, liquidation.TOLERANCE)
    gross = liquidation.gross(step.start, case.account)
    if liquidation.no_part_helps(health, health.equity - slack, case.later) or gross < DUST:
        return
    rest = max(WAD // 1_000, -(-DUST * WAD // gross)) + liquidation.GRID
    assert liquidation.gap(step.start, case, WAD - rest, case.later) < slack


@invariant("C4")
def closed_coalition(step: Step) -> None:
    """Liquidating oneself pays nobody: what a coalition gains is at most r - max(E, 0).

    Of one step; tests.stateful.closed holds runs of them in one block to it.
    """
    if step.op.name == "reduce":
        pool_gain = step.equity_change(step.after.setup.pool_account)
        # the pool's NAV does not fall: what the curve pays out was a premium, never the holders'
        assert pool_gain + premium(step.start) - premium(step.after) >= 0
        assert step.equity_change(step.after.setup.insurance_account) >= 0
    if step.op.name == "take":
        case = liquidation.case_of(step.start, step.subject)
        worth = max(case.health.equity, 0)
        kept = max(step.after.health(step.subject).equity, 0)
        gained = step.equity_change(step.op.args[1]) + kept - worth
        # joining two amounts of a collateral may lift one floor
        assert gained <= max(0, case.reward - worth) + len(case.account.collateral)
        assert step.after.deficit - step.before.deficit <= max(0, -case.health.equity)
    if step.op.name not in (*LIQUIDATIONS, "write_off", "withdraw_surplus"):
        assert _worth(step, step.after.setup.insurance_account) >= 0


invariant("C5")(access.sound_buyer)


@invariant("C6")
def clock(step: Step) -> None:
    """Live time never runs back while an auction runs, and starts at zero."""
    for key, (live, _) in step.after.clocks.items():
        old, last = step.before.clocks.get(key, (0, 0))
        # an hour without a call that found E < MM begins anew, whatever the bit says
        if live < old:
            assert live == 0 and step.after.now - last > 3_600
        else:
            assert live <= old + (300 if step.before.account(key).in_auction else 0)
    if step.op.name == "take" and liquidation.case_of(step.start, step.subject).live == 0:
        # nothing is given away at the start: the buyer pays for every wei of E
        event = next(step.named("Taken"))
        assert event["payment"] * WAD >= event["fraction"] * max(0, event["equity_before"])
    times = sorted({live for live, _ in step.after.clocks.values()})
    assert all(liquidation.delta(a) <= liquidation.delta(b) for a, b in pairwise(times))


@invariant("C8")
def no_dust(step: Step) -> None:
    """An owner leaves no leg and no collateral below the minimum."""
    if any(step.named("Executed")):
        order = step.op.args[0]
        notional = abs(step.after.account(order.account).size(order.instrument)) * (
            step.after.markets[market_of(order.instrument)].price
        )
        assert notional == 0 or notional >= DUST
    if step.op.name == "reduce":
        key, instrument = step.op.args[:2]
        price = step.after.markets[market_of(instrument)].price
        was, left = (abs(w.account(key).size(instrument)) for w in (step.start, step.after))
        assert left == 0 or left * price >= min(DUST, was * price)
    if step.op.name in ("deposit", "withdraw", "transfer"):
        token = step.op.args[-2 if step.op.name != "withdraw" else 1]
        for key in step.touched:
            held = step.after.account(key).amount(token)
            assert held == 0 or token == SETTLEMENT or held >= min_amount(step.after.tokens[token])
    several.require_no_dust(step)


invariant("C11")(several.cannot_block)


@invariant("C10")
def self_cure(step: Step) -> None:
    """An owner's deposit, transfer or trade that restores MM ends the auction at once."""
    if step.op.name in ("deposit", "withdraw", "transfer", "execute", *several.ACCOUNT_OPS):
        for key in step.touched:
            account = step.after.account(key)
            acted = key in _acting(step) or step.op.name not in ("withdraw", "execute")
            if account.in_auction and acted and key != step.after.setup.fee_account:
                health = step.after.health(key)
                assert health.equity < health.mm


# ---- D: oracle and time --------------------------------------------------------------------------


@invariant("D1")
def prices_used(step: Step) -> None:
    """Stored prices lie within their bounds; what opens uses a fresh, trusted one."""
    for market in step.after.markets.values():
        assert market.feed.min_price <= market.price <= market.feed.max_price
        assert market.publish <= step.after.now + 1
    if any(step.named("Executed")):
        order = step.op.args[0]
        old = step.start.account(order.account).size(order.instrument)
        new = step.after.account(order.account).size(order.instrument)
        if ledger.opens(old, new):
            market = step.after.markets[market_of(order.instrument)]
            assert step.after.now - market.publish <= AGE_OPEN
            assert market.flags & PENDING == 0
            assert market.conf * WAD <= market.feed.conf_cap * 10**5
        else:
            market = step.after.markets[market_of(order.instrument)]
            assert step.after.now - market.publish <= AGE_MM
            assert market.flags & PENDING == 0
    if step.op.name in ("withdraw", "transfer"):
        assert step.after.health(step.op.args[0]).status & LEG_INVALID == 0
    if step.op.name in ("execute_deposit", "execute_redeem"):
        _require_fresh_pool(step)


def _require_fresh_pool(step: Step) -> None:
    """A share is priced by trusted prices, at most 15 s old, the first of its request's time."""
    world, request = step.after, step.before.requests[step.op.args[0]]
    earliest = request.time + (REQUEST_DELAY if request.assets else COOLDOWN)
    legs = step.start.account(world.setup.pool_account).legs
    for key in {1, *(market_of(leg.instrument) for leg in legs)}:
        market = world.markets[key]
        assert world.now - market.publish <= AGE_OPEN
        assert market.flags & (PENDING | UNTRUSTED) == 0
        assert market.publish >= earliest
        assert _first(market, earliest)


def _first(market: Market, earliest: int) -> bool:
    """Return whether a price is the first from a time on, or of the seconds after it."""
    return market.publish - market.gap < earliest or market.publish <= earliest + PUSH_WINDOW


@invariant("D2")
def time_rises(step: Step) -> None:
    """Accepted publish times strictly rise; a price changes only with one."""
    for key, market in step.after.markets.items():
        old = step.before.markets[key]
        assert market.publish >= old.publish
        assert market.publish > old.publish or market.price == old.price
    for signer, time in step.after.signer_times.items():
        # a newcomer has none
        assert time >= step.before.signer_times.get(signer, 0)
    if step.op.name == "update":
        seen, clock = step.before.signer_times, step.before.markets[1].publish
        if any(report.publish < max(clock, seen[report.signer]) for report in step.op.reports):
            assert step.answer == 0 and step.after.markets == step.before.markets
        elif step.after.markets != step.before.markets:
            held, clock = step.after.signer_times, step.after.markets[1].publish
            assert all(each.publish <= max(clock, held[each.signer]) for each in step.op.reports)


@invariant("D3")
def no_known_price(step: Step) -> None:
    """A fill's price was published after the commitment, and is the first or of 5 s after it.

    At that price an order is filled or over; one that was refused changed nothing else.
    """
    if step.op.name == "execute":
        order = step.op.args[0]
        earliest = step.before.commits[order] + COMMIT_DELAY
        market = step.after.markets[market_of(order.instrument)]
        assert market.publish >= earliest and _first(market, earliest)
        assert order not in step.after.commits
        filled, refused = any(step.named("Filled")), any(step.named("Refused"))
        assert filled != refused
        assert not (refused and step.touched)
    if step.op.name == "retime":
        # nobody is put back to a price that is stored already
        request = step.after.requests[step.op.args[0]]
        wait = REQUEST_DELAY if request.assets else COOLDOWN
        assert request.time + wait == step.after.now + REQUEST_DELAY
        assert step.after.markets[1].publish < request.time + wait
    if step.op.name == "cancel":
        # no price that fills it can have been seen: it would be signed for a second from now on
        assert step.after.now + FUTURE < step.before.commits[step.op.args[0]] + COMMIT_DELAY


@invariant("D4")
def accrual(step: Step) -> None:
    """Accruing twice in a block is once; the rate stays within its cap and follows the tilt."""
    for key, market in step.after.markets.items():
        once = accrue(market, step.after.now)
        assert accrue(once, step.after.now) == once
        assert abs(market.rate) * RATE_TO_WAD <= RATE_MAX
        _require_drift(step, key)


def _require_drift(step: Step, key: int) -> None:
    """The rate drifts the way of the tilt that stood, and F by at most the largest rate."""
    old, new = step.before.markets[key], step.after.markets[key]
    if old.tilt >= 0:
        assert new.rate >= old.rate
    if old.tilt <= 0:
        assert new.rate <= old.rate
    before, after = (funding_now(m, step.after.now) for m in (step.start.markets[key], new))
    assert before == after
    if new.funding != old.funding:
        most = old.price * RATE_MAX * (step.after.now - old.time) // WAD + 1
        assert abs(new.funding - old.funding) <= most


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
        assert _worth(step, fund) == -surplus * new.setup.scale
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
