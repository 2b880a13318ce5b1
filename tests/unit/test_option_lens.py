"""What the lenses of options say: Greeks in 50 digits, codes, full and empty accounts, batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import option_lens as lens
from tests.reference import options_margin as om
from tests.reference import portfolio as pm
from tests.reference.facts import Account, Leg, listed_market
from tests.reference.instruments import CALL, FUTURE, PUT, Instrument, lowest_terms
from tests.reference.option_lens import Code, Kind
from tests.reference.units import ACTIVE, DAY, HOUR, LOTS_PER_UNIT, TICKS_PER_USD, WAD, YEAR
from tests.reference.words import instrument_of
from tests.stateful.evm import Reverted
from tests.stateful.house import TRADERS
from tests.stateful.terms import DEPLOYMENTS
from tests.support.exact_options import DIGITS, Real, call
from tests.support.option_lens_house import OptionLensHouse
from tests.support.options_house import BTC, ETH, FIRST, SECOND, THIRD, future, option

NOW = 1_800_000_000
STRANGER = 0xBAD << 96
# of N of Surfaces' own table, and of the density's factors: ln, root and their quotient
DELTA_ERROR = 4e-9
SHARE_ERROR = 2e-8
# of a question about 64 legs; nodes answer ten times as much
FULL_GAS = 5_000_000


# ---- Greeks --------------------------------------------------------------------------------------


@given(st.integers(-12 * 2**64, 12 * 2**64))
def test_density__any_distance__is_the_densitys_to_the_last_bits(d: int) -> None:
    with mpmath.workdps(DIGITS):
        x = mpmath.mpf(d) / 2**64
        exact = mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)
        assert abs(mpmath.mpf(lens.density(d)) / 2**64 - exact) < 2e-19


def facts_at(price: int, surface: pm.Surface, now: int = NOW) -> om.Facts:
    """Return a world of one market and one expiry."""
    terms = DEPLOYMENTS[0].markets[0]
    market = listed_market(price, terms.margin, terms.feed, now, ACTIVE)
    array = pm.RiskArray((-WAD, 0, WAD), (), 0, 0)
    found = {(ETH, surface.hours): surface}
    return om.Facts(now, {ETH: market}, {}, found, {}, {}, array, (), lambda leg: 0)


def worth(
    kind: int, strike: Real, price: Real, vol: Real, seconds: Real, basis: Real, life: Real
) -> Real:
    """Return what a unit is worth where its forward runs to the price [USD]."""
    forward = price * (1 + basis * seconds / life)
    if kind == FUTURE:
        return forward
    bought = call(forward, strike, vol * mpmath.sqrt(seconds / YEAR))
    return bought if kind == CALL else bought + strike - forward


def slope(f: Callable[[Real], Real], at: Real, step: Real) -> Real:
    """Return a derivative by central differences of the fourth order."""
    near, far = f(at + step) - f(at - step), f(at + 2 * step) - f(at - 2 * step)
    return (8 * near - far) / (12 * step)


@given(
    kind=st.sampled_from([CALL, PUT, FUTURE]),
    percent=st.integers(60, 160),
    days=st.integers(1, 300),
    vol=st.integers(20, 200),
    basis=st.integers(-100, 100),
    lots=st.integers(-(10**11), 10**11).filter(bool),
)
def test_greeks__of_a_leg__are_differences_of_its_exact_worth(
    kind: int, percent: int, days: int, vol: int, basis: int, lots: int
) -> None:
    hours = NOW // HOUR + 24 * days
    ticks = 3_000 * TICKS_PER_USD
    flat = pm.VARIANCE_ONE * vol * vol // 10_000
    surface = pm.Surface(
        ETH, hours, NOW, a=flat, ratio=pm.RATIO_ONE + basis * pm.RATIO_ONE // 1_000
    )
    facts = facts_at(ticks, surface)
    terms = lowest_terms(ticks * percent // 100) if kind != FUTURE else (0, 0)
    said = Instrument(ETH, kind, hours, *terms)
    found = lens.greeks_of(facts, Leg(said.id, lots))

    with mpmath.workdps(DIGITS):
        seconds = mpmath.mpf(hours * HOUR - NOW)
        price, size = mpmath.mpf(3_000), mpmath.mpf(lots) / LOTS_PER_UNIT
        sigma = mpmath.sqrt(mpmath.mpf(flat) / pm.VARIANCE_ONE)
        ahead = mpmath.mpf(surface.ratio - pm.RATIO_ONE) / pm.RATIO_ONE
        strike = mpmath.mpf(said.strike) / TICKS_PER_USD

        def value(at: Real, volatility: Real, left: Real) -> Real:
            return size * worth(kind, strike, at, volatility, left, ahead, seconds)

        def delta(at: Real) -> Real:
            return slope(lambda p: value(p, sigma, seconds), at, at / 10**9)

        gamma = slope(delta, price, price / 10**6) * price / 100
        vega = slope(lambda v: value(price, v, seconds), sigma, sigma / 10**9) / 100
        theta = -slope(lambda t: value(price, sigma, t), seconds, seconds / 10**9) * DAY

        share = abs(size) * LOTS_PER_UNIT
        assert abs(found.delta - delta(price) * LOTS_PER_UNIT) <= 2 + DELTA_ERROR * share
        assert abs(found.gamma - gamma * LOTS_PER_UNIT) <= 2 + SHARE_ERROR * share
        money = share * 3_000 * TICKS_PER_USD
        assert abs(found.vega - vega * WAD) <= 2 + SHARE_ERROR * money
        assert abs(found.theta - theta * WAD) <= 2 + SHARE_ERROR * money


# ---- a deployment --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made() -> OptionLensHouse:
    """Two accounts of the engine's: the first under portfolio margin."""
    made = OptionLensHouse()
    for account in (FIRST, SECOND):
        made.deposit(account, 2_000_000)
        made.engage(account)
    made.hold(SECOND, [], False)
    return made


@pytest.fixture
def house(made: OptionLensHouse) -> Iterator[OptionLensHouse]:
    with made.kept() as house:
        yield house


def strike_of(house: OptionLensHouse, percent: int = 100) -> int:
    """Return a share of ETH's price in whole USD."""
    return house.model.markets[ETH].price * percent // 100 // TICKS_PER_USD // 100 * 100


def test_marks__every_kind_and_state__have_their_code_and_none_reverts(
    house: OptionLensHouse,
) -> None:
    price = house.model.markets[ETH].price
    # two hours on, the first of these is over with a price, the second without one
    hours = house.evm.time // HOUR
    house.settle(ETH, hours + 1, 1_234)
    house.refresh(2 * HOUR + HOUR - house.evm.time % HOUR)
    names = {
        Code.MARKED: house.report(ETH, 30),
        Code.STALE: house.report(ETH, 31, publish=house.evm.time - 121),
        Code.DEAD: house.report(ETH, 32, publish=house.evm.time - 3_601),
        Code.NO_SURFACE: house.evm.time // HOUR + 24 * 33,
        Code.SETTLED: hours + 1,
        Code.AWAITED: hours + 2,
    }
    asked = [instrument_of(ETH), *(future(ETH, each) for each in names.values())]
    bad = [0, 2**256 - 1, instrument_of(99), instrument_of(ETH) + 1, future(77, hours + 90)]
    ticks, codes = house.option_lens.view("marks", [*asked, *bad])
    assert list(codes) == [Code.MARKED, *names, *[Code.NOT_LISTED] * len(bad)]
    settled = 1_234 * TICKS_PER_USD
    assert list(ticks) == [price] * 5 + [settled, price] + [0] * len(bad)
    (put,), _ = house.option_lens.view("marks", [option(ETH, PUT, hours + 1, 2_000)])
    assert put == (2_000 - 1_234) * TICKS_PER_USD


def test_greeks__dead_surface_and_expired_leg__only_what_still_moves(
    house: OptionLensHouse,
) -> None:
    strike = strike_of(house, 50)
    dead = house.report(ETH, 10)
    over = house.evm.time // HOUR + 1
    legs = [
        Leg(option(ETH, CALL, dead, strike), 3 * LOTS_PER_UNIT),
        Leg(option(ETH, PUT, dead, strike), 3 * LOTS_PER_UNIT),
        Leg(future(ETH, over), 5 * LOTS_PER_UNIT),
    ]
    house.hold(FIRST, legs, True)
    house.refresh(2 * HOUR)
    told = house.option_lens.view("greeks", FIRST)
    deep, away, expired = told[5]
    assert [leg[3] for leg in told[5]] == [Code.DEAD, Code.DEAD, Code.AWAITED]
    assert tuple(deep[4:]) == (3 * LOTS_PER_UNIT, 0, 0, 0)
    assert tuple(away[4:]) == tuple(expired[4:]) == (0, 0, 0, 0)
    house.compare_greeks(FIRST)
    house.compare_parts(FIRST)


@pytest.mark.parametrize("portfolio", [False, True])
def test_parts__stale_surface__the_scan_is_wider_and_the_parts_say_so(
    house: OptionLensHouse, portfolio: bool
) -> None:
    # sold at the money: what a shock of volatility costs is in the scan alone
    hours = house.report(ETH, 30)
    house.hold(FIRST, [Leg(option(ETH, CALL, hours, strike_of(house)), -(10**9))], portfolio)
    house.refresh()
    before = {part.kind: part.mm for part in house.decomposition(FIRST)[3]}
    house.refresh(2_000)
    after = {part.kind: part.mm for part in house.decomposition(FIRST)[3]}
    house.compare_parts(FIRST)
    if portfolio:
        assert after[Kind.SCAN] > before[Kind.SCAN]
        assert house.compare_scan(FIRST, False).total == after[Kind.SCAN]
    else:
        assert after == before and Kind.SCAN not in after


def test_parts__short_options_that_the_scan_finds_safe__the_minimum_is_named(
    house: OptionLensHouse,
) -> None:
    hours = house.report(ETH, 2)
    house.hold(FIRST, [Leg(option(ETH, PUT, hours, strike_of(house, 10) or 100), -(10**9))], True)
    house.refresh()
    kinds = {part.kind for part in house.decomposition(FIRST)[3]}
    assert Kind.MINIMUM in kinds and Kind.BUFFER in kinds
    house.compare_parts(FIRST)


@pytest.mark.parametrize("account", [STRANGER, THIRD, SECOND])
def test_lenses__nothing_is_held__nothing_is_told(house: OptionLensHouse, account: int) -> None:
    assert house.decomposition(account)[1:] == (0, 0, [])
    assert house.option_lens.view("greeks", account) == (0, 0, 0, 0, (), ())
    assert house.margin_lens.view("scenarios", account, False)[2:] == (0, (), ())


def full(house: OptionLensHouse, portfolio: bool) -> None:
    """Give an account 64 legs of two markets and four expiries."""
    found = {}
    for key in (ETH, BTC):
        price = house.model.markets[key].price // TICKS_PER_USD
        for days in (7, 30, 60, 90):
            hours = house.report(key, days)
            for i in range(8):
                strike = price * (70 + 10 * i) // 100 // 10 * 10
                kind = (CALL, PUT)[i % 2]
                found[option(key, kind, hours, strike)] = (-1) ** (i // 2) * 10**8
    house.hold(FIRST, [Leg(*each) for each in found.items()], portfolio)
    house.refresh()


@pytest.mark.parametrize("portfolio", [False, True])
def test_lenses__64_legs__are_all_answered_in_one_call(
    house: OptionLensHouse, portfolio: bool
) -> None:
    full(house, portfolio)
    house.compare_greeks(FIRST)
    house.compare_parts(FIRST)
    house.compare_scan(FIRST, True)
    for contract, name, args in (
        (house.option_lens, "greeks", (FIRST,)),
        (house.margin_lens, "decomposition", (FIRST,)),
        (house.margin_lens, "scenarios", (FIRST, False)),
        (house.batch_lens, "health_many", ([FIRST],)),
    ):
        contract.view(name, *args)
        spent = house.evm.gas_used()
        print(f"{name}, {'portfolio' if portfolio else 'standard'}: {spent:,} gas")
        assert spent < FULL_GAS


# ---- batches -------------------------------------------------------------------------------------


def test_health_many__an_account_that_cannot_be_checked__spoils_no_other(
    house: OptionLensHouse,
) -> None:
    hours = house.report(ETH, 30)
    house.hold(SECOND, [Leg(option(ETH, CALL, hours, strike_of(house)), 2**62)], True)
    house.refresh()
    with pytest.raises(Reverted):
        house.clearinghouse.view("health", SECOND)
    asked = [FIRST, SECOND, STRANGER, THIRD, FIRST]
    told = house.healths(asked)
    assert [answered for answered, _ in told] == [True, False, True, True, True]
    assert told[1][1] == (0,) * 8
    assert told[0][1] == told[4][1] == tuple(house.clearinghouse.view("health", FIRST))


def test_health_many__nobody_is_asked_about__answers_nothing(house: OptionLensHouse) -> None:
    assert house.healths([]) == []


@pytest.mark.parametrize("wider", [False, True])
def test_health_many__more_strikes_than_it_remembers__the_engine_is_asked(
    house: OptionLensHouse, wider: bool
) -> None:
    # 192 strikes, and a range of IM beside that of MM; the last account holds those of the first
    hours = house.report(ETH, 30)
    accounts = [trader << 96 for trader in TRADERS[:4]]
    for i, account in enumerate(accounts):
        house.deposit(account, 1_000_000)
        house.engage(account)
        strikes = [1_000 + 20 * (64 * (i % 3) + step) for step in range(64)]
        legs = [
            Leg(option(ETH, (CALL, PUT)[step % 2], hours, strike), (-1) ** (step // 3) * 10**7)
            for step, strike in enumerate(strikes)
        ]
        house.hold(account, legs, True)
    if wider:
        facts = house.model.markets[ETH]
        house.write(ETH, replace(facts, v=facts.v_slow + 5_000))
    else:
        house.refresh()
    house.compare_healths(accounts)
    house.compare_healths(accounts[::-1])


@pytest.mark.parametrize(("portfolio", "bound"), [(True, 13_000), (False, 7_000)])
def test_health_many__eight_accounts_of_32_positions__cost_so_much_a_position(
    house: OptionLensHouse, portfolio: bool, bound: int
) -> None:
    # docs/spec/option-lens.md#batch
    accounts = [trader << 96 for trader in TRADERS[:8]]
    hours = [house.report(ETH, days) for days in (7, 30, 60, 90)]
    for shift, account in enumerate(accounts):
        house.deposit(account, 1_000_000)
        house.engage(account)
        legs = [
            Leg(
                option(
                    ETH, (CALL, PUT)[(i + shift) % 2], hours[i // 2 % 4], strike_of(house, each)
                ),
                (-1) ** ((i + shift) // 3) * LOTS_PER_UNIT,
            )
            for i, each in enumerate(60 + 10 * (i // 4) for i in range(32))
        ]
        house.hold(account, legs, portfolio)
    house.refresh()
    assert {len(house.engine.books[account]) for account in accounts} == {32}
    told = house.healths(accounts)
    assert all(answered and health[4] for answered, health in told)
    per_position = house.evm.gas_used() // (8 * 32)
    assert bound * 4 // 5 < per_position < bound


# ---- rows ----------------------------------------------------------------------------------------


def test_scenarios__hedged_book__the_worst_rows_explain_the_requirement(
    house: OptionLensHouse,
) -> None:
    hours = house.report(ETH, 30)
    strike = strike_of(house)
    legs = [
        Leg(option(ETH, CALL, hours, strike), -5 * LOTS_PER_UNIT),
        Leg(future(ETH, hours), 3 * LOTS_PER_UNIT),
        Leg(option(BTC, PUT, house.report(BTC, 30), 40_000), -LOTS_PER_UNIT),
    ]
    house.hold(FIRST, legs, True)
    house.refresh()
    scan = house.compare_scan(FIRST, False)
    eth, btc = scan.markets
    assert (eth.view.market, btc.view.market) == (ETH, BTC)
    # one group: apart is the sum of the worst cells, which pair two rows or are an extreme
    ((_, apart, together, required),) = scan.groups
    assert apart == eth.worst + btc.worst > together
    assert together <= required <= apart
    part = next(each for each in house.decomposition(FIRST)[3] if each.kind == Kind.SCAN)
    assert part.mm == required


def test_rows__groups_out_of_order__are_refused_as_by_the_scan(house: OptionLensHouse) -> None:
    view = pm.Underlying(ETH, 3_000 * TICKS_PER_USD, 3_000 * TICKS_PER_USD)
    markets = [replace(view, risk=pm.Risk(group=1)), replace(view, market=BTC)]
    told = [(m.market, m.price_word, m.risk.word, 0, 0, 0) for m in markets]
    with pytest.raises(Reverted, match="portfolio: group order"):
        house.rows.view("rows", told, [], [], False)
    with pytest.raises(Reverted, match="portfolio: group order"):
        house.rows.view("rows", [(ETH, view.price_word, 4 << 64, 0, 0, 0)], [], [], False)


def test_seen__the_engines_own_account__holds_nothing(house: OptionLensHouse) -> None:
    own = house.engine.account
    assert lens.seen(house.model, own)[1:] == ((), False, Account())
    assert house.decomposition(own) == (False, 0, 0, [])
