"""Adapters: what an aggregator says as a price, and everything that is none.

Numbers in the names of tests are rows of docs/invariants.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.feeds import Round, chainlink_price
from tests.unit.feeds_support import (
    BAD,
    HOUR,
    NOBODY,
    NOTHING,
    Mode,
    Quote,
    Terms,
    aggregator,
    answer,
    chainlink,
    fixed,
    now,
    quoted,
)
from tests.unit.markets_support import GENESIS, WAD, refused, usd

ETH = 3_000 * 10**8
# three bounded calls, and what is around them
GAS = 220_000
DAY = 86_400


@pytest.fixture
def chain() -> Iterator[None]:
    with boa.swap_env(boa.Env()):
        boa.env.evm.patch.timestamp = GENESIS
        yield


@pytest.fixture
def source(chain: None) -> Any:
    mock = aggregator()
    answer(mock, ETH)
    return mock


@pytest.fixture
def feed(source: Any) -> Any:
    return chainlink(Terms(source.address))


@pytest.fixture
def uptime(chain: None) -> Any:
    mock = aggregator(0)
    answer(mock, 0, age=DAY)
    return mock


# ---- a good round --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decimals", "value", "price"),
    [
        (8, ETH, usd(3_000)),
        (8, ETH + 1, usd(3_000) + 100),
        (18, 3_000 * WAD + 10**8 - 1, usd(3_000)),  # rounded down to the tick
        (18, 3_000 * WAD + 10**8, usd(3_000) + 1),
        (0, 3_000, usd(3_000)),
    ],
)
def test_quote__finished_round__is_its_answer_in_ticks(
    chain: None, decimals: int, value: int, price: int
) -> None:
    source = aggregator(decimals)
    answer(source, value, age=60)
    feed = chainlink(Terms(source.address))
    assert quoted(feed) == Quote(price, 500, now() - 60, True)
    assert feed.decimals() == decimals


def test_terms__of_a_feed__are_those_of_its_deployment(source: Any, uptime: Any) -> None:
    terms = Terms(source.address, uptime=str(uptime.address), grace=HOUR)
    assert tuple(chainlink(terms).terms()) == terms.values


# ---- 32: staleness -------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "valid"), [(0, True), (HOUR, True), (HOUR + 1, False)])
def test_32_quote__age_of_the_round__counts_to_the_heartbeat(
    source: Any, feed: Any, age: int, valid: bool
) -> None:
    answer(source, ETH, age=age)
    assert quoted(feed).valid == valid
    assert valid or quoted(feed) == NOTHING


@pytest.mark.parametrize(
    "other",
    [
        {"started": 0},  # not begun
        {"updated": 0},  # not finished
        {"answered": 6},  # carried over from an earlier round
        {"updated": GENESIS + 1},  # in the future
        {"updated": 2**256 - 1},
        {"round_id": 0, "answered": 0},
    ],
)
def test_32_quote__round_is_not_complete__is_no_price(
    source: Any, feed: Any, other: dict[str, int]
) -> None:
    answer(source, ETH, **other)
    assert quoted(feed) == NOTHING


# ---- 31, 34: bounds ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        (10 * 10**8, False),  # stands at the bound, as a clamped aggregator does
        (10 * 10**8 + 1, True),
        (1_000_000 * 10**8 - 1, True),
        (1_000_000 * 10**8, False),
        (0, False),
        (-ETH, False),
        (ETH // 1_000, False),
        (ETH * 1_000, False),
        (2**127, False),
        (2**128, False),
        (2**255 - 1, False),
        (-(2**255), False),
        (-1, False),
    ],
)
def test_31_34_quote__answer_at_or_beyond_a_bound__is_no_price(
    source: Any, feed: Any, value: int, valid: bool
) -> None:
    answer(source, value)
    assert quoted(feed).valid == valid
    assert valid or quoted(feed) == NOTHING


# ---- 36: decimals --------------------------------------------------------------------------------


def test_36_quote__decimals_changed__is_no_price_until_they_are_back(
    source: Any, feed: Any
) -> None:
    source.set_decimals(18)
    answer(source, 3_000 * WAD)
    assert quoted(feed) == NOTHING
    source.set_decimals(8)
    answer(source, ETH)
    assert quoted(feed).price == usd(3_000)


# ---- 39: upgrades --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", BAD)
@pytest.mark.parametrize("view", ["decimals", "round"])
def test_39_quote__aggregator_misbehaves__is_no_price_and_no_revert(
    source: Any, feed: Any, mode: Mode, view: str
) -> None:
    source.set_modes(mode if view == "decimals" else 0, mode if view == "round" else 0, 0)
    assert quoted(feed, gas=GAS) == NOTHING


def test_39_quote__all_three_calls_eat_their_gas__ends_within_the_limit(
    source: Any, uptime: Any
) -> None:
    # one after the other: a feed that is up, then decimals, then the round
    feed = chainlink(Terms(source.address, uptime=str(uptime.address), grace=HOUR))
    for modes in ((Mode.HUNGRY, 0, 0), (0, Mode.HUNGRY, 0)):
        source.set_modes(*modes)
        assert quoted(feed, gas=GAS) == NOTHING
    source.set_modes(0, 0, 0)
    uptime.set_modes(0, Mode.HUNGRY, 0)
    assert quoted(feed, gas=GAS) == NOTHING


def test_39_quote__contract_is_gone__is_no_price(chain: None) -> None:
    source = aggregator()
    answer(source, ETH)
    feed = chainlink(Terms(source.address))
    boa.env.set_code(source.address, b"")
    assert quoted(feed) == NOTHING


@pytest.mark.parametrize("gas", [60_000, 68_000])  # before the first call, before the second
def test_quote__caller_brings_too_little_gas__is_refused_and_not_told_that_there_is_no_price(
    feed: Any, gas: int
) -> None:
    assert quoted(feed, gas=GAS).valid
    with boa.reverts("feed: too little gas"):
        feed.quote(gas=gas)


# ---- 43: the sequencer ---------------------------------------------------------------------------


def test_43_quote__sequencer_is_down_then_up__waits_for_the_grace(source: Any, uptime: Any) -> None:
    feed = chainlink(Terms(source.address, uptime=str(uptime.address), grace=HOUR))
    assert quoted(feed).valid
    answer(uptime, 1)
    assert quoted(feed) == NOTHING
    answer(uptime, 0)
    assert quoted(feed) == NOTHING
    boa.env.evm.patch.timestamp += HOUR
    answer(source, ETH)
    assert quoted(feed) == NOTHING
    boa.env.evm.patch.timestamp += 1
    assert quoted(feed).valid


@pytest.mark.parametrize("other", [{"started": 0}, {"started": GENESIS + 1}])
def test_43_quote__uptime_feed_has_no_start__is_no_price(
    source: Any, uptime: Any, other: dict[str, int]
) -> None:
    feed = chainlink(Terms(source.address, uptime=str(uptime.address), grace=HOUR))
    answer(uptime, 0, **other)
    assert quoted(feed) == NOTHING


@pytest.mark.parametrize("mode", BAD)
def test_43_quote__uptime_feed_misbehaves__is_no_price(
    source: Any, uptime: Any, mode: Mode
) -> None:
    feed = chainlink(Terms(source.address, uptime=str(uptime.address), grace=HOUR))
    uptime.set_modes(0, mode, 0)
    assert quoted(feed, gas=GAS) == NOTHING


# ---- terms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at_bound",
    [
        {"heartbeat": 60},
        {"heartbeat": 2 * DAY},
        {"conf": 65_535},
        {"conf": 0},
        {"low": 10**8, "high": 2 * 10**8},
        {"high": (2**63 - 1) * 10**8},
    ],
)
def test_deploy__terms_at_a_bound__are_taken(source: Any, at_bound: dict[str, int]) -> None:
    assert chainlink(Terms(source.address).but(**at_bound)).decimals() == 8


@pytest.mark.parametrize(
    "beyond",
    [
        {"heartbeat": 59},
        {"heartbeat": 2 * DAY + 1},
        {"conf": 65_536},
        {"low": 0},
        {"low": 10 * WAD + 1},
        {"high": 100 * WAD + 1},
        {"low": 20 * WAD, "high": 20 * WAD},
        {"high": 2**63 * 10**8},
        {"grace": 300},  # without an uptime feed
    ],
)
def test_deploy__terms_beyond_a_bound__are_refused(source: Any, beyond: dict[str, int]) -> None:
    with refused("feed: out of range"):
        chainlink(Terms(source.address).but(**beyond))


@pytest.mark.parametrize(
    ("grace", "taken"), [(299, False), (300, True), (DAY, True), (DAY + 1, False), (0, False)]
)
def test_deploy__grace__has_its_range_under_an_uptime_feed(
    source: Any, uptime: Any, grace: int, taken: bool
) -> None:
    terms = Terms(source.address, uptime=str(uptime.address), grace=grace)
    if taken:
        assert chainlink(terms).terms()[6] == grace
        return
    with refused("feed: out of range"):
        chainlink(terms)


@pytest.mark.parametrize("decimals", [19, 2**255])
def test_deploy__more_decimals_than_18__is_refused(chain: None, decimals: int) -> None:
    with refused("feed: no aggregator"):
        chainlink(Terms(aggregator(decimals).address))


def test_deploy__address_without_an_aggregator__is_refused(chain: None) -> None:
    with refused("feed: no aggregator"):
        chainlink(Terms(NOBODY))


# ---- any round -----------------------------------------------------------------------------------

WORDS = st.one_of(
    st.integers(0, 2**256 - 1),
    st.integers(0, 10),
    st.integers(GENESIS - 2 * HOUR, GENESIS + 10),
    st.integers(ETH // 1_000, ETH * 1_000),
)


@given(words=st.tuples(WORDS, WORDS, WORDS, WORDS, WORDS), decimals=st.integers(0, 18))
def test_quote__any_round__is_what_the_reference_says(
    words: tuple[int, ...], decimals: int
) -> None:
    with boa.swap_env(boa.Env()):
        boa.env.evm.patch.timestamp = GENESIS
        source = aggregator(decimals)
        source.set_round(words)
        feed = chainlink(Terms(source.address))
        latest = Round(*words)
        price = chainlink_price(latest, decimals, 10 * WAD, 1_000_000 * WAD, HOUR, GENESIS)
        assert quoted(feed) == (NOTHING if price is None else Quote(price, 500, words[3], True))


# ---- a price that its owner sets -----------------------------------------------------------------


@pytest.fixture
def owner(chain: None) -> str:
    return str(boa.env.generate_address("owner"))


@pytest.fixture
def peg(owner: str) -> Any:
    return fixed(WAD, WAD * 9 // 10, WAD * 11 // 10, owner)


def test_quote__fixed_price__is_of_this_second(peg: Any) -> None:
    assert quoted(peg) == Quote(usd(1), 0, now(), True)
    boa.env.evm.patch.timestamp += DAY
    assert quoted(peg).publish == GENESIS + DAY


@pytest.mark.parametrize("price", [WAD * 9 // 10, WAD * 11 // 10])
def test_set_price__at_a_bound__is_set_and_told(peg: Any, owner: str, price: int) -> None:
    peg.set_price(price, sender=owner)
    (event,) = peg.get_logs()
    assert (event.old, event.new) == (WAD, price)
    assert quoted(peg).price == price // 10**8
    assert peg.price_wad() == price
    assert tuple(peg.bounds()) == (WAD * 9 // 10, WAD * 11 // 10)


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        (WAD * 9 // 10 - 10**8, "feed: out of range"),
        (WAD * 11 // 10 + 10**8, "feed: out of range"),
        (WAD + 1, "feed: off the grid"),
    ],
)
def test_set_price__beyond_a_bound_or_off_the_grid__is_refused(
    peg: Any, owner: str, price: int, reason: str
) -> None:
    with boa.reverts(reason):
        peg.set_price(price, sender=owner)


def test_set_price__zero__is_no_price(peg: Any, owner: str) -> None:
    peg.set_price(0, sender=owner)
    assert quoted(peg) == NOTHING


def test_set_price__by_anyone_else__is_refused(peg: Any) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        peg.set_price(WAD, sender=boa.env.generate_address("stranger"))


@pytest.mark.parametrize(
    ("price", "low", "high", "reason"),
    [
        (0, 0, WAD, "feed: out of range"),
        (WAD, 2 * WAD, WAD, "feed: out of range"),
        (WAD, WAD, 2**63 * 10**8, "feed: out of range"),
        (2 * WAD, WAD // 2, WAD, "feed: out of range"),
        (WAD + 1, WAD, 2 * WAD, "feed: off the grid"),
    ],
)
def test_deploy__fixed_price_outside_its_bounds__is_refused(
    owner: str, price: int, low: int, high: int, reason: str
) -> None:
    with refused(reason):
        fixed(price, low, high, owner)
