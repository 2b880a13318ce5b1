"""What the pool answers to an ask: docs/spec/pool.md, match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, replace

import boa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.reference import pool as reference
from tests.reference.facts import PoolParams
from tests.reference.fixed import mul_up
from tests.reference.refused import Refused
from tests.reference.units import MAX_PRICE, TILT_ONE, WAD
from tests.unit.pool_chain import (
    BP,
    ETH,
    FEW,
    MARGIN,
    MILLION,
    PARAMS,
    PoolChain,
    lots,
    market_at,
    usd,
)

PERP = ETH << 56


def ask(size: int, venue_size: int = 0, instrument: int = PERP, liquidation: bool = False) -> tuple:
    return (7, instrument, size, 0, venue_size, False, liquidation)


def match(chain: PoolChain, size: int, venue_size: int = 0, **changes: object) -> reference.Fill:
    return reference.Fill(*chain.pool.match(ask(size, venue_size, **changes)))


# ---- by hand ----------------------------------------------------------------------------------


def test_match__no_skew__mark_half_spread_and_half_of_the_own_impact(chain: PoolChain) -> None:
    # 100 ETH at 3,000 = 300,000 USD: own impact 300,000 / (2 x 2e9) = 0.75 bp; 4 bp of spread
    fill = match(chain, lots(100))
    assert fill.price == usd(3_000) * (1_000_000 + 75 + 400) // 1_000_000
    assert fill.fee == lots(100) * fill.price * 5 // 10_000
    # 300,000 of 10 M max_skew
    assert fill.tilt == TILT_ONE * 3 // 100


def test_match__traders_are_long__buyers_pay_and_sellers_earn_the_skew(chain: PoolChain) -> None:
    # the pool is short 1,000 ETH = 3 M USD: 3e6 / 2e9 = 15 bp of skew
    buy = match(chain, lots(100), venue_size=-lots(1_000))
    sell = match(chain, -lots(100), venue_size=-lots(1_000))
    assert buy.price == usd(3_000) * (1_000_000 + 1_500 + 75 + 400) // 1_000_000
    assert sell.price == usd(3_000) * (1_000_000 + 1_500 - 75 - 400) // 1_000_000


def test_match__uncertain_price__confidence_is_the_half_spread(chain: PoolChain) -> None:
    # 0.9 % of the price, above spread_min
    chain.set_market(ETH, market_at(usd(3_000), conf=900))
    assert match(chain, lots(100)).price == usd(3_000) * (1_000_000 + 75 + 9_000) // 1_000_000


def test_match__liquidation__spread_min_alone(chain: PoolChain) -> None:
    chain.set_market(ETH, market_at(usd(3_000), conf=900))
    forced = match(chain, -lots(100), liquidation=True)
    assert forced.price == usd(3_000) * (1_000_000 - 75 - 400) // 1_000_000
    quoted = chain.pool.liquidation_quote(ETH, -lots(100), 0)
    assert tuple(quoted) == (forced.price, forced.fee, forced.tilt)


def test_match__beyond_max_skew__tilt_is_full(chain: PoolChain) -> None:
    # 4,000 ETH = 12 M USD
    assert match(chain, lots(4_000)).tilt == TILT_ONE
    assert match(chain, -lots(4_000)).tilt == -TILT_ONE


def test_liquidation_capacity__shipped_parameters__unprofitable_sandwich(chain: PoolChain) -> None:
    # 0.8 x (2 x 4 bp + 5 bp) x 2,000 M = 2.08 M USD
    assert chain.pool.liquidation_capacity(ETH) == 2_080_000 * WAD
    assert chain.pool.liquidation_capacity(9) == 0


# ---- against the reference ----------------------------------------------------------------------

prices = st.one_of(
    st.just(1), st.integers(1, 10**6), st.integers(10**8, 10**16), st.just(MAX_PRICE)
)
sizes = st.one_of(
    st.sampled_from([1, -1, lots(1), -lots(1), 2**53, -(2**53)]),
    st.integers(-(2**53), 2**53).filter(bool),
)
legs = st.one_of(st.just(0), st.integers(-(2**53), 2**53))


@given(price=prices, size=sizes, venue_size=legs, conf=st.integers(0, 65_535), forced=st.booleans())
@example(price=1, size=1, venue_size=0, conf=0, forced=False)
@example(price=1, size=-1, venue_size=0, conf=0, forced=False)
@example(price=MAX_PRICE, size=2**53, venue_size=-(2**53), conf=0, forced=False)
@FEW
def test_match__any_ask__equals_the_reference(
    chain: PoolChain, price: int, size: int, venue_size: int, conf: int, forced: bool
) -> None:
    market = market_at(price, conf=conf)
    chain.set_market(ETH, market)
    try:
        expected = reference.quote(market, PARAMS, venue_size, size, forced)
    except Refused as refused:
        with boa.reverts(refused.reason):
            match(chain, size, venue_size, liquidation=forced)
        return
    assert match(chain, size, venue_size, liquidation=forced) == expected


@given(
    price=st.integers(10**8, 10**15),
    size=st.integers(-(2**45), 2**45).filter(bool),
    venue_size=st.integers(-(2**45), 2**45),
)
@FEW
def test_match__any_ask__rounds_against_the_taker_by_less_than_two_ticks(
    chain: PoolChain, price: int, size: int, venue_size: int
) -> None:
    chain.set_market(ETH, market_at(price))
    # exact: P (1 + (2u + q) P / (2 scale) +- spread), over one denominator
    sign = 1 if size > 0 else -1
    denominator = 2 * PARAMS.scale * WAD
    curve = (size - 2 * venue_size) * price * WAD
    exact = price * (denominator + curve + sign * PARAMS.spread_min * 2 * PARAMS.scale)
    try:
        fill = reference.quote(market_at(price), PARAMS, venue_size, size, False)
    except Refused as refused:
        # the curve has run out of price
        assert exact < 2 * denominator
        with boa.reverts(refused.reason):
            match(chain, size, venue_size)
        return
    assert match(chain, size, venue_size) == fill
    against = sign * (fill.price * denominator - exact)
    assert 0 <= against < 2 * denominator
    assert fill.fee * WAD >= PARAMS.fee * abs(size) * fill.price
    assert fill.fee == mul_up(PARAMS.fee, abs(size) * fill.price)


@given(
    size=st.integers(1, 2**40),
    venue_size=st.integers(-(2**40), 2**40),
    price=st.integers(10**8, 10**15),
)
@FEW
def test_match__round_trip__never_gains(
    chain: PoolChain, size: int, venue_size: int, price: int
) -> None:
    # E1: buy, then sell the same at the same mark, from any skew
    chain.set_market(ETH, market_at(price))
    bought = match(chain, size, venue_size)
    sold = match(chain, -size, venue_size - size)
    assert sold.price < bought.price


@given(
    first=st.integers(1, 2**40),
    second=st.integers(1, 2**40),
    venue_size=st.integers(-(2**40), 2**40),
)
@FEW
def test_match__split_order__costs_no_less_than_the_whole_but_for_two_ticks(
    chain: PoolChain, first: int, second: int, venue_size: int
) -> None:
    whole = match(chain, first + second, venue_size)
    parts = first * match(chain, first, venue_size).price
    parts += second * match(chain, second, venue_size - first).price
    # the curve is the integral of its own slope: parts cost at least its exact value, and the
    # whole's price lies less than two ticks above it
    assert (first + second) * whole.price - parts < 2 * (first + second)


# ---- refusals -----------------------------------------------------------------------------------


def test_match__option_or_future__refused(chain: PoolChain) -> None:
    with boa.reverts("pool: perps only"):
        chain.pool.match(ask(lots(1), instrument=PERP + 1))
    with boa.reverts("pool: perps only"):
        chain.pool.match(ask(lots(1), instrument=PERP | 1 << 54))


def test_match__market_without_parameters__refused(chain: PoolChain) -> None:
    chain.set_market(9, market_at(usd(10)))
    with boa.reverts("pool: unknown market"):
        chain.pool.match(ask(lots(1), instrument=9 << 56))
    with boa.reverts("pool: unknown market"):
        chain.pool.liquidation_quote(9, lots(1), 0)


def test_match__curve_falls_to_zero__refused(chain: PoolChain) -> None:
    # selling 4e9 USD moves the price by 4e9 / (2 x 2e9) = 100 %
    with boa.reverts("pool: no price"):
        chain.pool.match(ask(-lots(4_000_000_000 // 3_000 + 1)))


def test_match__price_beyond_its_field__refused(chain: PoolChain) -> None:
    chain.set_market(ETH, market_at(MAX_PRICE))
    with boa.reverts("pool: no price"):
        chain.pool.match(ask(1))


# ---- parameters ---------------------------------------------------------------------------------


def with_(**changes: int) -> tuple[int, ...]:
    return astuple(replace(PARAMS, **changes))


def test_set_params__owner__stored_and_told_with_the_old_ones(chain: PoolChain) -> None:
    new = with_(spread_min=5 * BP, lambda_=WAD // 2, mu=WAD // 2)
    chain.pool.set_params(ETH, new, sender=chain.owner)
    (event,) = chain.pool.get_logs()
    assert tuple(chain.pool.params(ETH)) == new
    assert event.market == ETH
    assert tuple(event.old) == with_()
    assert tuple(event.new) == new


def test_params__unlisted_market__zeros(chain: PoolChain) -> None:
    assert tuple(chain.pool.params(9)) == (0,) * 8


def test_set_params__anyone_else__refused(chain: PoolChain) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        chain.pool.set_params(ETH, with_(), sender=chain.attacker)


STEP = BP // 100
# parameter: lowest, highest, the step past either
BOUNDS = {
    "scale": (MILLION, 10**6 * MILLION, WAD),
    "max_skew": (WAD, None, WAD),
    "spread_min": (50 * STEP, 100 * BP, STEP),
    "fee": (0, 100 * BP, STEP),
    "liquidation_fee": (0, 300 * BP, STEP),
    "keeper_rate": (0, 100 * BP, STEP),
    "lambda_": (BP, 3 * WAD, BP),
    "mu": (WAD // 100, 80 * WAD // 100, WAD // 100),
}


def cases() -> Iterator[tuple[str, int, bool]]:
    """Each bound, and one step past it."""
    for name, (low, high, step) in BOUNDS.items():
        yield name, low, True
        if low >= step:
            yield name, low - step, False
        if high is not None:
            yield name, high, True
            yield name, high + step, False


@pytest.mark.parametrize(("name", "value", "allowed"), cases())
def test_set_params__at_and_past_each_bound__allowed_and_refused(
    chain: PoolChain, name: str, value: int, allowed: bool
) -> None:
    # a margin of 50 % x 80 % / 2 = 20 %, so that the listing assert stays out of the way
    chain.set_margin(ETH, replace(MARGIN, base=WAD // 2, mm_ratio=WAD * 8 // 10))
    new = with_(**({"max_skew": 100_000 * WAD} | {name: value}))
    if allowed:
        chain.pool.set_params(ETH, new, sender=chain.owner)
        assert tuple(chain.pool.params(ETH)) == new
        return
    with boa.reverts("pool: out of range"):
        chain.pool.set_params(ETH, new, sender=chain.owner)


def test_set_params__more_skew_than_scale__refused(chain: PoolChain) -> None:
    with boa.reverts("pool: out of range"):
        chain.pool.set_params(ETH, with_(max_skew=PARAMS.scale + WAD), sender=chain.owner)


@pytest.mark.parametrize("name", list(PoolParams.__dataclass_fields__))
def test_set_params__between_two_steps__refused(chain: PoolChain, name: str) -> None:
    off = getattr(PARAMS, name) + 1
    with boa.reverts("pool: off grid"):
        chain.pool.set_params(ETH, with_(**{name: off}), sender=chain.owner)


def test_set_params__worst_forced_fill_at_half_of_the_margin__allowed(chain: PoolChain) -> None:
    # mm_ratio base / 2 = 1.25 %; shipped: 50 + 4 + 5 + 30 + 15 = 104 bp; 21 bp are left
    edge = with_(keeper_rate=36 * BP)
    chain.pool.set_params(ETH, edge, sender=chain.owner)
    with boa.reverts("pool: listing assert"):
        chain.pool.set_params(ETH, with_(keeper_rate=36 * BP + BP // 100), sender=chain.owner)
    # max_skew / scale is rounded up: one USD of skew more is too much
    with boa.reverts("pool: listing assert"):
        chain.pool.set_params(
            ETH, with_(keeper_rate=36 * BP, max_skew=10 * MILLION + WAD), sender=chain.owner
        )


def test_set_params__market_without_margin_parameters__refused(chain: PoolChain) -> None:
    with boa.reverts("pool: listing assert"):
        chain.pool.set_params(9, with_(), sender=chain.owner)
