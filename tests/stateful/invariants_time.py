"""What must hold of prices, time and accrual; tests.stateful.invariants registers it."""

from __future__ import annotations

from tests.reference import ledger
from tests.reference.facts import Market
from tests.reference.markets import accrue, funding_now
from tests.reference.units import (
    AGE_MM,
    AGE_OPEN,
    COMMIT_DELAY,
    COOLDOWN,
    FUTURE,
    LEG_INVALID,
    PENDING,
    PUSH_WINDOW,
    RATE_MAX,
    RATE_TO_WAD,
    REQUEST_DELAY,
    UNTRUSTED,
    WAD,
)
from tests.reference.words import market_of
from tests.stateful.step import Step


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
