"""Greeks against differences of prices, by a formula of the test's own."""

from __future__ import annotations

from math import log, sqrt
from statistics import NormalDist

import pytest

from keepers.domain import greeks
from keepers.domain.greeks import Greeks
from keepers.domain.instruments import parse
from keepers.domain.margin import Collateral
from keepers.domain.surfaces import Surface
from keepers.domain.units import DAY, HOUR, LOTS_PER_UNIT, TICKS_PER_USD, YEAR
from keepers.domain.words import Account, Holding, Leg
from tests.keepers.named_options import CALL, EXPIRY, FUTURE, MARKETS, PUT, expiry_of, id_of, smile

NOW = expiry_of(CALL) - 45 * DAY
SPOT = 3_000.0
STEP = 1e-3
SURFACE = smile(1, expiry_of(CALL) // HOUR, NOW)
N = NormalDist().cdf


def volatility(surface: Surface, strike: float, forward: float) -> float:
    """Return a strike's volatility where the forward is what it is now."""
    k = round(log(strike / forward) * 2**64)
    return surface.volatility(k) / 10**18


def forward_at(spot: float, seconds: float) -> float:
    """Return a forward that runs to the spot price."""
    life = expiry_of(CALL) - NOW
    return spot * (1 + (SURFACE.ratio / 2**30 - 1) * seconds / life)


def worth(name: str, spot: float, bump: float = 0.0, seconds: float = 45 * DAY) -> float:
    """Return what one unit is worth, its volatility held at the strike and bumped."""
    forward = forward_at(spot, seconds)
    if name == FUTURE:
        return forward
    strike = float(name.split("-")[2])
    sigma = volatility(SURFACE, strike, forward_at(SPOT, 45 * DAY)) + bump
    s = sigma * sqrt(seconds / YEAR)
    d1 = log(forward / strike) / s + s / 2
    call = forward * N(d1) - strike * N(d1 - s)
    return call if name.endswith("C") else call + strike - forward


@pytest.mark.parametrize("name", [CALL, PUT, FUTURE, f"ETH-{EXPIRY}-9000-C"])
@pytest.mark.parametrize("size", [3 * LOTS_PER_UNIT, -LOTS_PER_UNIT // 4])
def test_of__any_leg__is_what_prices_differ_by(name: str, size: int) -> None:
    found = greeks.of(Leg(id_of(name), size), round(SPOT * TICKS_PER_USD), SURFACE, NOW)
    units, h = size / LOTS_PER_UNIT, SPOT * STEP
    up, mid, down = (worth(name, SPOT + each) for each in (h, 0, -h))
    second = (worth(name, SPOT, seconds=45 * DAY - 1) - mid) * DAY
    points = (worth(name, SPOT, bump=1e-4) - worth(name, SPOT, bump=-1e-4)) / 2
    expected = Greeks(
        delta=units * (up - down) / (2 * h),
        gamma=units * (up - 2 * mid + down) / (h * h) * SPOT / 100,
        vega=units * points * 100,
        theta=units * second,
    )
    for field in ("delta", "gamma", "vega", "theta"):
        said, wanted = getattr(found, field), getattr(expected, field)
        assert said == pytest.approx(wanted, rel=2e-3, abs=1e-6), field


def test_of__perp_expired_and_dead_surface__have_what_is_left() -> None:
    perp = Leg(parse("ETH-PERP", MARKETS), -2 * LOTS_PER_UNIT)
    price = round(SPOT * TICKS_PER_USD)
    assert greeks.of(perp, price, None, NOW) == Greeks(delta=-2.0)
    call = Leg(id_of(f"ETH-{EXPIRY}-2800-C"), LOTS_PER_UNIT)
    assert greeks.of(call, price, SURFACE, expiry_of(CALL)) == Greeks()
    dead = greeks.of(call, price, SURFACE, NOW + 2 * HOUR)
    assert (dead.gamma, dead.vega) == (0.0, 0.0)
    assert dead.delta == pytest.approx(forward_at(SPOT, 45 * DAY - 2 * HOUR) / SPOT)
    put = Leg(id_of(f"ETH-{EXPIRY}-2800-P"), LOTS_PER_UNIT)
    assert greeks.of(put, price, None, NOW).delta == 0.0


def test_by_market__legs_of_two__are_added_up_apart() -> None:
    legs = [Leg(parse(each, MARKETS), LOTS_PER_UNIT) for each in ("ETH-PERP", "BTC-PERP", FUTURE)]
    prices = {1: 3_000 * TICKS_PER_USD, 2: 60_000 * TICKS_PER_USD}
    sums = greeks.by_market(greeks.of_legs(legs, prices, {}, NOW))
    assert (sums[1].delta, sums[2].delta) == (2.0, 1.0)


def test_of_collateral__tokens_of_one_feed__add_to_their_markets_delta() -> None:
    terms = {each: Collateral(each, 1, decimals, 0, 0, 0) for each, decimals in ((1, 18), (2, 8))}
    held = (Holding(1, 3 * 10**18), Holding(2, 5 * 10**7))
    found = greeks.of_collateral(Account(1, 0, 0, (), held, 0), terms)
    assert found == {1: Greeks(delta=3.5)}
    legs = {parse("ETH-PERP", MARKETS): Greeks(delta=-3.0, theta=1.0)}
    assert greeks.by_market(legs, found) == {1: Greeks(delta=0.5, theta=1.0)}
