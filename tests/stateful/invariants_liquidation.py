"""What must hold of liquidations and auctions; tests.stateful.invariants registers it."""

from __future__ import annotations

from itertools import pairwise

from tests.reference import closing, ledger, liquidation, margin
from tests.reference.state import SETTLEMENT, min_amount
from tests.reference.units import AGE_MM, DUST, WAD
from tests.reference.words import market_of
from tests.stateful import invariants_accounts as several
from tests.stateful.step import LIQUIDATIONS, Step, premium


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


def fills_help(step: Step) -> None:
    """E / MM does not fall by a partial liquidation."""
    if step.op.name in LIQUIDATIONS and not step.after.account(step.subject).empty:
        old, new = step.healths(step.subject)
        assert ledger.improves(old, new)


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
        assert step.paid(step.after.setup.insurance_account) >= 0


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


def self_cure(step: Step) -> None:
    """An owner's deposit, transfer or trade that restores MM ends the auction at once."""
    if step.op.name in ("deposit", "withdraw", "transfer", "execute", *several.ACCOUNT_OPS):
        for key in step.touched:
            account = step.after.account(key)
            acted = key in several.acting_in(step) or step.op.name not in ("withdraw", "execute")
            if account.in_auction and acted and key != step.after.setup.fee_account:
                health = step.after.health(key)
                assert health.equity < health.mm
