"""What must hold of roundings and of pool shares; tests.stateful.invariants registers it."""

from __future__ import annotations

from fractions import Fraction

from tests.reference import liquidation, pool
from tests.reference.units import CONF_ONE, VIRTUAL, WAD
from tests.reference.words import instrument_of, market_of
from tests.stateful.step import Step, share_price


def round_trips(step: Step) -> None:
    """Shares bought and sold, legs opened and closed at one price never gain."""
    world = step.after
    worth, supply = (value - VIRTUAL for value in share_price(world))
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


def directed(step: Step) -> None:
    """Roundings favour the protocol, and by less than one unit: fills, fees, payments, pays."""
    for event in step.named("Filled"):
        key = market_of(event["instrument"])
        market, p = step.start.markets[key], step.after.pool_params[key]
        size = event["size"]
        spread = max(p.spread_min, market.conf * WAD // CONF_ONE)
        skew = Fraction(-2 * (event["venue_size"] + size) + size, 2 * p.scale) * market.price
        side = 1 if size > 0 else -1
        against = (event["price"] - market.price * (1 + skew + Fraction(side * spread, WAD))) * side
        # to 1e-18 first, then to the tick
        assert 0 <= against < 2
        _require_up(event["fee"], p.fee * abs(size) * event["price"])
    if step.op.name == "reduce":
        event = next(step.named("Reduced"))
        p = step.after.pool_params[market_of(event["instrument"])]
        value = abs(event["size"]) * event["price"]
        _require_up(event["fee"], p.fee * value)
        _require_up(event["liquidation_fee"], p.liquidation_fee * value)
    if step.op.name == "take":
        case = liquidation.case_of(step.start, step.subject)
        owed = step.op.args[2] * max(0, case.health.equity - case.reward)
        _require_up(next(step.named("Taken"))["payment"], owed)


def _require_up(amount: int, exact_wad: int) -> None:
    """Require that an amount is the exact one, rounded up."""
    assert amount * WAD >= exact_wad > (amount - 1) * WAD


def share_value(step: Step) -> None:
    """At constant prices no action lowers the price of a pool share, nor costs whoever enters."""
    if step.op.name == "set_pool":
        # another scale is another premium
        return
    old, new = share_price(step.start), share_price(step.after)
    assert new[0] * old[1] >= old[0] * new[1]
    if step.op.name == "execute_deposit" and step.answer:
        request = step.before.requests[step.op.args[0]]
        paid = request.assets * step.after.setup.scale
        got = step.answer * new[0] // new[1]
        # a deposit from a dollar on loses at most a millionth, whatever others gave before
        assert paid - got <= max(1, new[0] // new[1]) + 1
        assert paid < WAD or (paid - got) * 10**6 <= paid
