"""Random facts inside the declared ranges, edges included, all from one seed."""

from __future__ import annotations

from random import Random

from tests.reference.facts import (
    Account,
    Collateral,
    FeedParams,
    Holding,
    Leg,
    MarginParams,
    Market,
)
from tests.reference.units import (
    ACTIVE,
    GRACE,
    HOUSE,
    OPENING,
    PENDING,
    TICKS_PER_USD,
    UNTRUSTED,
    WAD,
)
from tests.reference.words import instrument_of
from tests.stateful.evm import GENESIS_TIME

NOW = GENESIS_TIME + 10_000_000
MARKETS = 6
COLLATERALS = 10
EDGE_AGES = (0, 15, 16, 59, 60, 61, 119, 120, 121, 3_599, 3_600, 3_601, 89_999, 90_000, 90_001)


def log_uniform(rng: Random, bits: int) -> int:
    """Return a number of 1 to `bits` bits, every length alike."""
    return rng.getrandbits(rng.randint(1, bits)) | 1


def margin_params(rng: Random) -> MarginParams:
    """Return parameters on their grids; a lone cap of zero included."""
    mantissa = rng.randint(0, 15)
    return MarginParams(
        base=rng.randint(20, 800) * 5 * 10**14,
        mm_ratio=rng.randint(20, 80) * 10**16,
        tier_start=rng.choice([1, 100, rng.randint(1, 10_000)]) * 10_000 * WAD,
        spread_rate=rng.randint(0, 40) * 25 * 10**14,
        oi_max=rng.randint(2, 20) * WAD // 2,
        oi_lo=rng.randint(0, 15) * WAD // 16,
        oi_cap=mantissa * 10 ** (rng.randint(4, 9) if mantissa else 0) * WAD,
    )


def feed_params(rng: Random) -> FeedParams:
    return FeedParams(
        min_price=rng.randint(1, 9) * 10 ** rng.randint(0, 9),
        max_price=rng.randint(1, 9) * 10 ** rng.randint(16, 18),
        jump_0=rng.randint(2, 40) * 5 * 10**15,
        jump_rate=rng.randint(1, 20) * 10**14,
        confirm_delay=rng.randint(1, 30),
        conf_cap=rng.randint(1, 30) * 10**15,
        stable_growth=rng.randint(1, 60) * 10**16,
        stable_tau=rng.randint(1, 60) * 300,
        sigma_ref=rng.randint(1, 30) * 10**17,
        v_max=rng.randint(2, 9) * WAD // 2,
        v_step=rng.randint(1, 30) * 2 * 10**16,
    )


def price(rng: Random) -> int:
    """Return ticks: 1 wei of price, typical ones, the largest."""
    edge = rng.choice([rng.randint(1, 10), 2**63 - 1])
    typical = rng.randint(TICKS_PER_USD // 10, 10**6 * TICKS_PER_USD)
    return rng.choice([edge, typical, typical, typical, log_uniform(rng, 63)])


def near(rng: Random, value: int) -> int:
    return min(2**63 - 1, max(1, value * rng.randint(800, 1_200) // 1_000))


def age(rng: Random) -> int:
    return rng.choice([rng.randint(-1, 15), rng.choice(EDGE_AGES), rng.randint(0, 200_000)])


def market(rng: Random, now: int = NOW) -> Market:
    """Return a market in any state that its words can hold."""
    mark = price(rng)
    publish = now - age(rng)
    v = rng.randint(10_000, 45_000)
    flags = ACTIVE
    for flag, share in ((PENDING, 0.2), (GRACE, 0.2), (UNTRUSTED, 0.2), (OPENING, 0.05)):
        flags |= flag if rng.random() < share else 0
    sampled = publish - rng.choice([0, 299, 300, rng.randint(0, 5_000)])
    return Market(
        margin=margin_params(rng),
        feed=feed_params(rng),
        price=mark,
        stable=rng.choice([mark, near(rng, mark), price(rng)]),
        conf=rng.choice([0, rng.randint(0, 2_000), 2**16 - 1]),
        gap=rng.randint(0, 255),
        publish=publish,
        v=v,
        v_slow=rng.randint(10_000, v),
        flags=flags,
        sample_time=sampled,
        funding=rng.randint(-(2**45), 2**45),
        rate=rng.choice([0, rng.randint(-277_777_777, 277_777_777)]),
        tilt=rng.choice([0, rng.randint(-30_000, 30_000), -30_000, 30_000]),
        time=now - abs(age(rng)),
        open_interest=rng.choice([0, rng.randint(0, 2**56 - 1), log_uniform(rng, 56)]),
        price_a=near(rng, mark),
        var_a=rng.choice([rng.randint(0, 10**11), 2**48 - 1]),
        price_b=near(rng, mark),
        var_b=rng.randint(0, 10**11),
        time_b=sampled - rng.choice([0, 3_300, rng.randint(0, 10_000)]),
        pending_price=rng.choice([near(rng, mark), mark // 2, min(2**63 - 1, mark * 2)]),
        pending_publish=publish + rng.choice([0, rng.randint(0, 70), 60, 61]),
        grace_until=now + rng.choice([0, 1, -300, -301, rng.randint(-700, 700)]),
        opening_until=rng.choice([0, now + rng.choice([0, 1, -1, rng.randint(-700, 604_800)])]),
    )


def collateral(rng: Random) -> Collateral:
    haircut_im = rng.randint(0, 1_000)
    return Collateral(
        feed=rng.randint(1, MARKETS),
        decimals=rng.choice([6, 8, 18, 12]),
        haircut_im=haircut_im * 10**15,
        haircut_mm=rng.randint(0, haircut_im) * 10**15,
        soft=rng.choice([10_000, rng.randint(0, 10_000)]),
    )


def money(rng: Random) -> int:
    wide = rng.choice([2, 10**24, 2**95 - 1])
    return rng.randint(-wide, wide)


def size(rng: Random) -> int:
    """Return lots: one, typical, large."""
    return rng.choice([1, rng.randint(1, 10**11), log_uniform(rng, 56)]) * rng.choice([1, -1])


def account(rng: Random) -> Account:
    legs = rng.sample(range(1, MARKETS + 1), rng.randint(0, MARKETS))
    tokens = rng.sample(range(1, COLLATERALS + 1), rng.choice([0, 1, 2, 8]))
    return Account(
        cash=money(rng),
        quote=money(rng),
        flags=HOUSE if rng.random() < 0.25 else 0,
        legs=tuple(Leg(instrument_of(held), size(rng)) for held in legs),
        collateral=tuple(Holding(token, log_uniform(rng, 70)) for token in tokens),
    )


def world(rng: Random) -> dict[int, Market]:
    return {key: market(rng) for key in range(1, MARKETS + 1)}


def terms(rng: Random) -> dict[int, Collateral]:
    return {key: collateral(rng) for key in range(1, COLLATERALS + 1)}
