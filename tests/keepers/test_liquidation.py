"""What the liquidator decides: reduce, take, flag, write off, or leave alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keepers.domain.backoff import LONGEST, Backoff
from keepers.domain.economics import GAS_REDUCE, GasMarket
from keepers.domain.liquidation import (
    CLOSED,
    FLAG_AGAIN_S,
    NO_CAPACITY,
    NO_ROOM,
    OK,
    TOO_DEAR,
    Case,
    Flag,
    Limits,
    Reduce,
    ReducePlan,
    Settle,
    Take,
    TakePlan,
    WriteOff,
    after_take,
    decide,
    take_profit,
    within_capacity,
)
from keepers.domain.margin import health
from keepers.domain.scan import Candidate
from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.domain.words import IN_AUCTION, Account, perp
from tests.keepers.facts import BTC, ETH, NOW, at, trader

FREE = GasMarket(wei_per_gas=0, native_ticks=0)
LIMITS = Limits(take=True, max_take=10**6 * WAD, max_inventory=10**6 * WAD, min_profit=0)
BUYER = trader(9 << 96, cash=100_000)
# 10 ETH at 2,000 with 400 of equity: MM is 501.25
POOR = trader(cash=400, units=10)


def reduce_plan(status: int = OK, **changed: int) -> ReducePlan:
    lots = 4 * LOTS_PER_UNIT
    plan = ReducePlan(
        status=status,
        instrument=perp(ETH),
        size=lots,
        target=lots,
        limit=lots + lots // 1_000 + 1,
        price=2_000 * TICKS_PER_USD,
        pay=13 * WAD,
    )
    return replace(plan, **changed)


def take_plan(**changed: int) -> TakePlan:
    # half of everything for 150: worth 200, so 50 of profit
    plan = TakePlan(
        status=OK,
        fraction=WAD // 2,
        reward=100 * WAD,
        payment=150 * WAD,
        insurance=0,
        live_time=60,
    )
    return replace(plan, **changed)


def case(
    account: Account = POOR,
    reduces: tuple[ReducePlan, ...] = (),
    take: TakePlan | None = None,
    clock_last: int = 0,
) -> Case:
    return Case(Candidate(account, health(account, at())), reduces, take, clock_last)


def test_decide__leg_can_be_closed__reduces_with_room_for_the_block() -> None:
    action = decide(case(reduces=(reduce_plan(),)), BUYER, at(), LIMITS, FREE)
    assert isinstance(action, Reduce)
    # 5 % above the plan: the call itself finds the fewest lots
    assert action.size == 4 * LOTS_PER_UNIT * 105 // 100
    assert (action.profit, action.notional) == (13 * WAD, 8_000 * WAD)


def test_decide__capacity_binds_the_plan__keeps_its_limit() -> None:
    bound = reduce_plan(size=LOTS_PER_UNIT, limit=LOTS_PER_UNIT)
    action = decide(case(reduces=(bound,)), BUYER, at(), LIMITS, FREE)
    assert isinstance(action, Reduce)
    assert action.size == LOTS_PER_UNIT


def test_decide__whole_leg__never_asks_for_more_than_it() -> None:
    whole = 10 * LOTS_PER_UNIT
    action = decide(
        case(reduces=(reduce_plan(size=whole, target=whole, limit=whole),)),
        BUYER,
        at(),
        LIMITS,
        FREE,
    )
    assert isinstance(action, Reduce)
    assert action.size == whole


def test_decide__gas_eats_the_pay__leaves_it() -> None:
    # 220,000 gas at 100 gwei and 2,000 USD are 44 USD
    dear = GasMarket(100 * 10**9, 2_000 * TICKS_PER_USD)
    assert dear.usd(GAS_REDUCE) == 44 * WAD
    found = decide(case(reduces=(reduce_plan(),)), None, at(), LIMITS, dear)
    assert isinstance(found, Flag)


def test_decide__no_leg_can_be_closed__takes() -> None:
    action = decide(
        case(reduces=(reduce_plan(TOO_DEAR),), take=take_plan()), BUYER, at(), LIMITS, FREE
    )
    assert isinstance(action, Take)
    assert (action.account, action.fraction, action.profit) == (POOR.id, WAD // 2, 50 * WAD)


def test_decide__take__gives_up_what_it_earns_above_the_least_but_no_more() -> None:
    # LE is 751.25: funding moves E by 0.75125 at most until the plan is too old
    moved = 75_125 * WAD // 100_000
    assert health(POOR, at()).le == 751_250 * WAD // 1_000
    limits = replace(LIMITS, min_profit=20 * WAD)
    action = decide(case(take=take_plan()), BUYER, at(), limits, FREE)
    assert isinstance(action, Take)
    # 50 earned, 20 asked for
    assert action.max_payment == 180 * WAD + moved
    assert action.min_insurance == 0

    whole = take_plan(fraction=WAD, payment=0, insurance=100 * WAD)
    action = decide(case(take=whole), BUYER, at(), limits, FREE)
    assert isinstance(action, Take)
    # worth 400 and 100 of insurance: all of that could stay away, but the account is worth more
    assert (action.profit, action.min_insurance) == (500 * WAD, 0)


def test_decide__take_of_a_deficit__asks_for_what_makes_it_pay() -> None:
    # 10 ETH bought at 2,050 with 400 of cash: E is -100; insurance pays it and 90 of reward
    broke = trader(cash=400, units=10, entry_usd=2_050)
    plan = take_plan(fraction=WAD, reward=90 * WAD, payment=0, insurance=190 * WAD)
    limits = replace(LIMITS, min_profit=30 * WAD)
    action = decide(case(broke, take=plan), BUYER, at(), limits, FREE)
    assert isinstance(action, Take)
    assert action.profit == 90 * WAD
    assert action.min_insurance == 130 * WAD - 75_125 * WAD // 100_000


@pytest.mark.parametrize(
    "limits",
    [
        replace(LIMITS, take=False),
        replace(LIMITS, max_take=9_999 * WAD),  # half of 20,000 is 10,000
        replace(LIMITS, max_inventory=9_999 * WAD),
        replace(LIMITS, min_profit=51 * WAD),
    ],
)
def test_decide__outside_its_limits__flags_instead(limits: Limits) -> None:
    found = decide(
        case(reduces=(reduce_plan(NO_ROOM),), take=take_plan()), BUYER, at(), limits, FREE
    )
    assert isinstance(found, Flag)


def test_decide__buyer_could_not_carry_it__flags_instead() -> None:
    # 5 ETH need 500 of IM and more; the slice brings 200 for 150
    weak = trader(9 << 96, cash=100)
    assert isinstance(decide(case(take=take_plan()), weak, at(), LIMITS, FREE), Flag)


def test_decide__own_account__is_not_taken() -> None:
    own = replace(BUYER, id=POOR.id + 1)
    assert isinstance(decide(case(take=take_plan()), own, at(), LIMITS, FREE), Flag)


def test_decide__capacity_is_used_up__waits_for_the_next_block() -> None:
    assert decide(case(reduces=(reduce_plan(NO_CAPACITY),)), BUYER, at(), LIMITS, FREE) is None


@pytest.mark.parametrize(("since", "expected"), [(FLAG_AGAIN_S - 1, None), (FLAG_AGAIN_S, Flag)])
def test_decide__clock_runs__flags_again_before_time_is_lost(
    since: int, expected: type | None
) -> None:
    flagged = replace(POOR, flags=IN_AUCTION)
    found = decide(
        case(flagged, (reduce_plan(CLOSED),), clock_last=NOW - since), BUYER, at(), LIMITS, FREE
    )
    assert found is None if expected is None else isinstance(found, expected)


def test_decide__nothing_left_but_debt__writes_off() -> None:
    broke = trader(cash=-5)
    assert isinstance(decide(case(broke), BUYER, at(), LIMITS, FREE), WriteOff)


@pytest.mark.parametrize(
    ("cash", "quote"),
    [
        (100 * WAD, -100 * WAD),  # a closed loss, not collected yet
        (100 * WAD, -995 * WAD // 10),  # the same with half a dollar left: less than kappa
        (-100 * WAD, 100 * WAD),  # what a write-off leaves: a gain that the pot could not pay
    ],
)
def test_decide__nothing_left_but_an_unsettled_result__settles(cash: int, quote: int) -> None:
    even = replace(trader(), cash=cash, quote=quote)
    assert health(even, at()).under_mm
    assert isinstance(decide(case(even), BUYER, at(), LIMITS, FREE), Settle)


def test_after_take__half__buyer_holds_the_slice_for_its_price() -> None:
    exact = health(POOR, at())
    after = after_take(BUYER, POOR, exact, take_plan(), at())
    found = health(after, at())
    assert [leg.size for leg in after.legs] == [5 * LOTS_PER_UNIT]
    assert found.equity == 100_000 * WAD + exact.equity // 2 - 150 * WAD


@pytest.mark.parametrize(("insurance", "profit"), [(0, 0), (60, 0), (100, 0), (130, 30)])
def test_after_take__insolvent__what_the_fund_leaves_open_is_not_the_buyers(
    insurance: int, profit: int
) -> None:
    gone = trader(cash=-100, units=10)
    exact = health(gone, at())
    assert exact.equity == -100 * WAD
    plan = replace(take_plan(), fraction=WAD, payment=0, insurance=insurance * WAD)
    assert take_profit(exact, plan) == profit * WAD
    after = health(after_take(BUYER, gone, exact, plan, at()), at())
    assert after.equity == health(BUYER, at()).equity + profit * WAD


def test_within_capacity__two_in_one_market__postpones_what_does_not_fit() -> None:
    first = Reduce(1, perp(ETH), 1, notional=60, min_pay=0, profit=3)
    second = replace(first, account=2, notional=50)
    third = replace(first, account=3, notional=40)
    other = replace(first, account=4, instrument=perp(BTC))
    used: dict[int, int] = {}
    kept = within_capacity([first, second, third, other], {ETH: 100, BTC: 1}, used)
    assert [each.account for each in kept] == [1, 3, 4]
    assert used == {ETH: 100, BTC: 60}
    assert within_capacity([third], {ETH: 100}, used) == []


def test_backoff__failures__double_up_to_the_longest() -> None:
    away = Backoff(2)
    assert away.allows(7, 0)
    for wait in (2, 4, 4):
        away.failed(7, 100)
        assert not away.allows(7, 100 + wait - 1)
        assert away.allows(7, 100 + wait)
    for _ in range(10):
        away.failed(7, 100)
    assert away.allows(7, 100 + LONGEST)
    away.worked(7)
    assert away.allows(7, 0)
