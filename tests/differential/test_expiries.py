"""Expiries against its reference: any sequence of prices, observations and doubts."""

from __future__ import annotations

from typing import NamedTuple

import boa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reference.expiries import Series, Stored
from tests.reference.refused import Refused
from tests.reference.units import DAY, HOUR
from tests.support.chains import own_chain, put_back
from tests.support.examples import part
from tests.unit.expiries_support import (
    ACTIVE,
    ETH,
    EXPIRY,
    FIRST,
    HOURS,
    MAX_PRICE,
    UNTRUSTED,
    Desk,
)

deployment = own_chain(Desk.deployed)
desk = put_back()


class Step(NamedTuple):
    """A price that Markets accepts, and how it is observed."""

    wait: int  # s since the one before
    price: int
    trusted: bool
    lag: int  # s from its publish time to the call
    seen: bool


def steps(waits: st.SearchStrategy[int]) -> st.SearchStrategy[Step]:
    """Return prices at such distances; most of them count."""
    often = st.sampled_from([True] * 19 + [False])
    return st.builds(
        Step,
        wait=waits,
        price=st.integers(1, MAX_PRICE),
        trusted=often,
        lag=st.sampled_from([0] * 16 + [5, 60, 61]),
        seen=often,
    )


PATHS = st.one_of(
    st.lists(steps(st.integers(30, 120)), min_size=30, max_size=45),
    st.lists(steps(st.integers(80, 300)), min_size=16, max_size=28),
    st.lists(steps(st.sampled_from([1, 299, 300, 301, 1_800, HOUR])), max_size=30),
)


def noted(desk: Desk) -> tuple[int, int, int, int, bool]:
    """Return settlement price, average and count of the contract."""
    window = desk.window
    return (desk.price(), *desk.average(), window.count, window.settled)


def expected(series: Series) -> tuple[int, int, int, int, bool]:
    """Return the same of the reference."""
    count = min(series.count, 255) if series.seen else 0
    return (series.settled, *series.average(), count, series.settled != 0)


@settings(part(2), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=PATHS, ahead=st.integers(-100, 400), dead=st.booleans())
def test_observe__any_path__is_the_reference_to_the_unit(
    desk: Desk, path: list[Step], ahead: int, dead: bool
) -> None:
    with boa.env.anchor():
        series, publish = Series(EXPIRY), FIRST - ahead
        for step in path:
            publish += step.wait
            desk.at(publish + step.lag)
            desk.store(step.price, publish, ACTIVE if step.trusted else ACTIVE | UNTRUSTED)
            stored = Stored(step.price, publish, step.trusted)
            if step.seen:
                assert desk.observe() == series.observe(stored, publish + step.lag)
                if series.settled:
                    break
        assert noted(desk) == expected(series)
        if dead and path:
            now = publish + DAY
            desk.at(now)
            try:
                series.settle_dead(stored, now)
            except Refused as refused:
                with boa.reverts(refused.reason):
                    desk.expiries.settle_dead(ETH, HOURS)
            else:
                desk.expiries.settle_dead(ETH, HOURS)
        assert desk.price() == series.settled
