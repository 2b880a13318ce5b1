"""Standard margin by hand: what a leg, a collateral and an age do to IM, LE and MM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import margin as reference
from tests.reference.facts import Account, Collateral, Health, Holding, Leg, Market, listed_market
from tests.reference.units import (
    ACTIVE,
    ALL_DEAD,
    COLLATERAL_INVALID,
    DAY,
    FRESH,
    GRACE,
    HOUSE,
    LEG_INVALID,
    PENDING,
    STATUS_GRACE,
    STATUS_PENDING,
    T_DEAD,
    UNTRUSTED,
    WAD,
)
from tests.unit.markets_support import (
    BTC,
    ETH,
    GENESIS,
    LINK,
    MARGIN,
    Desk,
    anchored,
    built,
    feed_params,
    usd,
)

LOTS = 10**8
WETH, WBTC = 1, 2
PRICES = {ETH: 3_000, BTC: 60_000, LINK: 10}
HAIRCUTS = (15 * WAD // 100, 10 * WAD // 100)
TERMS = {WETH: Collateral(ETH, 18, *HAIRCUTS), WBTC: Collateral(BTC, 8, *HAIRCUTS)}


@pytest.fixture(scope="module")
def deployment() -> Iterator[Desk]:
    with built() as desk:
        for key, terms in TERMS.items():
            args = (key, terms.feed, terms.decimals, *HAIRCUTS)
            desk.markets.set_collateral(*args, sender=desk.clearinghouse)
        yield desk


@pytest.fixture
def desk(deployment: Desk) -> Iterator[Desk]:
    with anchored(deployment) as put_back:
        yield put_back


def dollars(amount: float) -> int:
    return round(amount * 10**6) * 10**12


def facts(market: int, **changes: Any) -> Market:
    price = PRICES[market]
    base = listed_market(usd(price), MARGIN, feed_params(price), GENESIS, ACTIVE)
    return replace(base, **changes)


def long(market: int, units: float) -> Leg:
    return Leg(market << 56, round(units * LOTS))


def account(
    *legs: Leg, cash: float = 0, held: tuple[Holding, ...] = (), quote: float = 0, flags: int = 0
) -> Account:
    return Account(
        cash=dollars(cash), quote=dollars(quote), legs=legs, collateral=held, flags=flags
    )


def health(desk: Desk, holder: Account) -> Health:
    return Health(*answer(desk, holder))


def answer(desk: Desk, holder: Account) -> tuple[int, ...]:
    return tuple(desk.check(holder))


# ---- legs ----------------------------------------------------------------------------------------


def test_check__empty_account__owns_and_owes_nothing(desk: Desk) -> None:
    assert answer(desk, account()) == (0, 0, 0, 0, 0, 0, ALL_DEAD, 0)


def test_check__cash_alone__requires_nothing(desk: Desk) -> None:
    assert answer(desk, account(cash=7, quote=2))[:6] == (dollars(9), dollars(2), 0, 0, 0, 0)


@pytest.mark.parametrize(("cash", "quote"), [(-1, 0), (5, -1)])
def test_check__debt_without_legs__reserves_the_keepers_pay(
    desk: Desk, cash: float, quote: float
) -> None:
    assert answer(desk, account(cash=cash, quote=quote))[2:6] == (WAD, WAD, WAD, WAD)


@pytest.mark.parametrize("units", [10, -10])
def test_check__small_leg__is_base_and_half_of_it(desk: Desk, units: float) -> None:
    # 10 ETH at 3,000 = 30,000 USD: IM 5 % = 1,500; MM half of it = 750; kappa 1 + 0.25
    got = answer(desk, account(long(ETH, units), cash=2_000, quote=-units * 3_000))
    assert got[:6] == (
        dollars(2_000),
        0,
        dollars(1_501.25),
        dollars(1_126.25),
        dollars(751.25),
        dollars(1.25),
    )
    assert got[6] == FRESH


def test_check__large_leg__rate_grows_with_the_square_root(desk: Desk) -> None:
    # 4M USD against a tier of 1M: twice the rate, 10 % = 400,000
    units = 4_000_000 / 3_000
    got = answer(desk, account(Leg(ETH << 56, round(units * LOTS))))
    assert abs(got[2] - dollars(400_001.25)) < dollars(0.01)


def test_check__house__has_no_tier_no_crowd_and_no_stable_charge(desk: Desk) -> None:
    desk.write(ETH, facts(ETH, open_interest=9_000 * LOTS, stable=usd(2_900)))
    leg = Leg(ETH << 56, 4_000 * LOTS)
    # 12M USD at 5 %
    assert answer(desk, account(leg, flags=HOUSE))[2] == dollars(600_001.25)
    assert answer(desk, account(leg))[2] > dollars(2_000_000)


@pytest.mark.parametrize(
    ("units", "scale"), [(4_999, 1.0), (5_000, 1.0), (7_500, 2.0), (10_000, 3.0), (12_000, 3.0)]
)
def test_check__open_interest_between_half_and_the_cap__raises_im_alone(
    desk: Desk, units: int, scale: float
) -> None:
    # 15M to 30M USD at 3,000: 5,000 to 10,000 ETH
    desk.write(ETH, facts(ETH, open_interest=units * LOTS))
    got = answer(desk, account(long(ETH, 10)))
    assert got[2] == dollars(1_500 * scale + 1.25)
    assert got[4] == dollars(751.25)


def test_check__fast_market__im_takes_v_and_mm_takes_v_slow(desk: Desk) -> None:
    desk.write(ETH, facts(ETH, v=20_000, v_slow=12_000))
    got = answer(desk, account(long(ETH, 10)))
    # IM 5 % x 2; MM 5 % x 0.5 x 1.2; LE half-way from MM to 5 % x 1.2
    assert got[2:5] == (dollars(3_001.25), dollars(1_351.25), dollars(901.25))


@pytest.mark.parametrize(("units", "charged"), [(10, 500), (-10, 0)])
def test_b10_check__gain_against_the_stable_price__counts_for_im_alone(
    desk: Desk, units: float, charged: float
) -> None:
    desk.write(ETH, facts(ETH, stable=usd(2_950)))
    got = answer(desk, account(long(ETH, units)))
    assert got[2:5] == (dollars(1_501.25 + charged), dollars(1_126.25), dollars(751.25))


def test_42_check__confidence__widens_im(desk: Desk) -> None:
    # 1 % of 30,000
    desk.write(ETH, facts(ETH, conf=1_000))
    assert answer(desk, account(long(ETH, 10)))[2:5] == (
        dollars(1_801.25),
        dollars(1_126.25),
        dollars(751.25),
    )


def test_check__funding_since_the_fill__is_unsettled(desk: Desk) -> None:
    desk.write(ETH, facts(ETH, funding=usd(2)))
    got = answer(desk, account(long(ETH, 10), quote=-30_000))
    assert got[1] == -dollars(20)


# ---- collateral ----------------------------------------------------------------------------------


def test_check__collateral__counts_whole_in_e_and_haircuts_are_required(desk: Desk) -> None:
    # 2 WETH = 6,000 USD beside a leg: 15 % and 10 %, and 0.25 of kappa
    got = answer(desk, account(long(LINK, 100), held=(Holding(WETH, 2 * 10**18),)))
    assert got[0] == dollars(6_000) + dollars(1_000)
    assert got[2] == dollars(50 + 900 + 1.50)
    assert got[4] == dollars(25 + 600 + 1.50)
    assert got[5] == dollars(1.50)


def test_b5_check__dust_of_collateral__never_costs_more_than_its_worth(desk: Desk) -> None:
    base = health(desk, account(long(LINK, 100)))
    for atoms in (1, 10**12, 10**14, 10**15):
        more = health(desk, account(long(LINK, 100), held=(Holding(WETH, atoms),)))
        assert more.equity - more.im >= base.equity - base.im
        assert more.equity - more.mm >= base.equity - base.mm


def test_check__soft_factor__takes_from_im_alone(desk: Desk) -> None:
    desk.markets.set_soft_factor(WETH, 5_000, sender=desk.clearinghouse)
    got = answer(desk, account(long(LINK, 100), held=(Holding(WETH, 2 * 10**18),)))
    # 85 % x 0.5 of 6,000 is credited: 57.5 % = 3,450 is required
    assert got[2] == dollars(50 + 3_450 + 1.50)
    assert got[4] == dollars(25 + 600 + 1.50)


def test_b10_check__collateral_above_its_stable_price__is_valued_there_for_im(desk: Desk) -> None:
    desk.write(ETH, facts(ETH, stable=usd(2_900), conf=100))
    got = answer(desk, account(long(LINK, 100), held=(Holding(WETH, 2 * 10**18),)))
    # 2 x 100 of distance, 2 x 3 of confidence
    assert got[2] == dollars(50 + 900 + 200 + 6 + 1.50)
    assert got[4] == dollars(25 + 600 + 1.50)


def test_28_check__value_beyond_2_128__is_refused(desk: Desk) -> None:
    with boa.reverts("margin: value too large"):
        desk.check(account(held=(Holding(WETH, 2**128 - 1),)))


# ---- 32: age -------------------------------------------------------------------------------------

IN_ETH = account(long(ETH, 10), cash=5_000, held=(Holding(WETH, 10**18),))
BAD = LEG_INVALID | COLLATERAL_INVALID


@pytest.mark.parametrize(
    ("age", "status"),
    [
        (0, FRESH),
        (60, FRESH),
        (61, FRESH | BAD),
        (120, FRESH | BAD),
        (121, BAD),
        (T_DEAD, BAD),
        (T_DEAD + 1, BAD | ALL_DEAD),
        (T_DEAD + 2 * DAY, BAD | ALL_DEAD),
    ],
)
def test_32_check__age__decides_the_status(desk: Desk, age: int, status: int) -> None:
    desk.wait(age)
    assert answer(desk, IN_ETH)[6] == status


def test_32_check__stale_collateral__counts_nothing_for_im_and_whole_for_mm(desk: Desk) -> None:
    fresh = health(desk, IN_ETH)
    desk.wait(61)
    stale = health(desk, IN_ETH)
    # 3,000 USD without its credit of 85 %, less the kappa that was within it
    assert stale.im - fresh.im == dollars(3_000 - 450.25)
    assert (stale.mm, stale.equity) == (fresh.mm, fresh.equity)


def test_32_check__dead_feed__ramps_over_a_day_to_all_of_the_value(desk: Desk) -> None:
    desk.wait(T_DEAD + DAY // 2)
    half = health(desk, IN_ETH)
    # leg: 5 % x 0.5 + 2 x 5 % x 0.5 = 7.5 % of 30,000; collateral: 10 % + 90 % x 0.5 of 3,000
    assert half.mm == dollars(2_250 + 1_650 + 1.50)
    desk.wait(DAY)
    whole = health(desk, IN_ETH)
    assert whole.mm == dollars(3_750 + 3_000 + 1.25)
    desk.wait(DAY)
    assert answer(desk, IN_ETH)[2:6] == (whole.im, whole.le, whole.mm, whole.kappa)


def test_32_check__one_dead_feed__leaves_liquidation_to_the_fresh_one(desk: Desk) -> None:
    desk.wait(T_DEAD + 100)
    desk.offer(usd(60_000), market=BTC)
    got = answer(desk, account(long(ETH, 1), long(BTC, 1)))
    assert got[6] & (FRESH | ALL_DEAD) == FRESH


@pytest.mark.parametrize(("waited", "held_up"), [(0, True), (60, True), (61, False)])
def test_34_check__pending_jump__holds_up_for_a_minute(
    desk: Desk, waited: int, held_up: bool
) -> None:
    desk.wait(10)
    desk.offer(usd(3_000))
    desk.wait(1)
    desk.offer(usd(3_300))
    desk.wait(waited)
    status = answer(desk, account(long(ETH, 1)))[6]
    assert bool(status & STATUS_PENDING) == held_up
    # after the minute the price is stale instead
    assert status & LEG_INVALID


def test_42_check__untrusted_feed__is_invalid_but_liquidates(desk: Desk) -> None:
    desk.write(ETH, facts(ETH, flags=ACTIVE | UNTRUSTED))
    assert answer(desk, IN_ETH)[6] == FRESH | BAD


@pytest.mark.parametrize("holder", [account(long(ETH, 1)), account(held=(Holding(WETH, 10**18),))])
def test_43_check__grace__says_when_liquidations_resume(desk: Desk, holder: Account) -> None:
    until = GENESIS + 50
    desk.write(ETH, facts(ETH, flags=ACTIVE | GRACE, grace_until=until))
    assert answer(desk, holder)[6:] == (FRESH | STATUS_GRACE, until)
    desk.wait(50)
    assert answer(desk, holder)[6:] == (FRESH, until)


def test_43_check__several_graces__resume_with_the_latest(desk: Desk) -> None:
    for market, after in ((ETH, 50), (BTC, 80), (LINK, 20)):
        desk.write(market, facts(market, flags=ACTIVE | GRACE, grace_until=GENESIS + after))
    holder = account(long(ETH, 1), long(LINK, 1), held=(Holding(WBTC, 10**8),))
    assert answer(desk, holder)[7] == GENESIS + 80


# ---- B4, B5: the order of the requirements -------------------------------------------------------

markets_facts = st.builds(
    facts,
    st.just(ETH),
    price=st.integers(usd(30), usd(300_000)),
    stable=st.integers(usd(30), usd(300_000)),
    conf=st.integers(0, 2**16 - 1),
    v_slow=st.integers(10_000, 30_000),
    v=st.integers(30_000, 45_000),
    open_interest=st.integers(0, 2**56 - 1),
    rate=st.integers(-(10**8), 10**8),
    tilt=st.integers(-30_000, 30_000),
    publish=st.integers(GENESIS - 2 * DAY, GENESIS + 1),
    flags=st.sampled_from([ACTIVE, ACTIVE | PENDING, ACTIVE | GRACE, ACTIVE | UNTRUSTED]),
    pending_publish=st.integers(GENESIS - 100, GENESIS),
    grace_until=st.integers(GENESIS - 100, GENESIS + 600),
)
holders = st.builds(
    account,
    st.builds(Leg, st.just(ETH << 56), st.integers(-(2**50), 2**50).filter(bool)),
    cash=st.integers(-(10**6), 10**6),
    held=st.builds(lambda n: (Holding(WETH, n),), st.integers(1, 10**24)),
    flags=st.sampled_from([0, HOUSE]),
)


@given(market=markets_facts, holder=holders)
def test_b4_check__any_words__im_le_mm_descend_and_equal_the_reference(
    deployment: Desk, market: Market, holder: Account
) -> None:
    with anchored(deployment) as desk:
        desk.write(ETH, market)
        got = answer(desk, holder)
        expected = reference.check(holder, {ETH: market}, TERMS, desk.now)
        assert got == expected.answer()
        _, _, im, le, mm, kappa, _, _ = got
        assert im >= expected.im0 >= expected.ims >= le >= mm >= kappa >= 0


@given(market=markets_facts, holder=holders, more=st.integers(1, 10**22))
def test_b5_check__more_collateral__never_lowers_what_is_free(
    deployment: Desk, market: Market, holder: Account, more: int
) -> None:
    with anchored(deployment) as desk:
        desk.write(ETH, market)
        before = answer(desk, holder)
        (held,) = holder.collateral
        richer = replace(holder, collateral=(Holding(held.id, held.amount + more),))
        after = answer(desk, richer)
        # two roundings, each of an atom of value
        assert after[0] - after[2] >= before[0] - before[2] - 4
        assert after[0] - after[4] >= before[0] - before[4] - 4
