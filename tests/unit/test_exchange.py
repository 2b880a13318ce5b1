"""Signed orders and their fills: docs/spec/exchange.md."""

from __future__ import annotations

from dataclasses import replace

import boa
import pytest

from tests.reference.units import WAD
from tests.support.chains import own_chain, put_back
from tests.unit.exchange_support import (
    ACT,
    BAND,
    BTC,
    BTC_PERP,
    CHAIN_ID,
    ETH,
    ETH_CALL,
    ETH_FUTURE,
    ETH_PERP,
    ETH_PUT,
    MAKER,
    MARK,
    PRICE,
    RATES,
    TAKER,
    Desk,
    Leg,
    account_of,
    address_of,
    limit,
    lots,
    order_digest,
    package,
    spread,
    the_event,
    usd,
)

MAX_SIZE = 2**63 - 1

deployment = own_chain(Desk.deployed)
desk = put_back()


# ---- a limit order ------------------------------------------------------------------------------


def test_fill__two_signed_orders__trade_at_the_makers_price(desk: Desk) -> None:
    maker = limit(desk)
    taker = desk.take(maker, legs=(Leg(ETH_CALL, lots(10), usd(125)),))
    order_id = desk.fill(maker, taker)
    event = the_event(desk, "Filled")
    spent = [e for e in desk.exchange.get_logs() if type(e).__name__ == "NoncesSpent"]
    # 10 units of 3,000 USD at 0.03 % and 0.04 %
    fees = 9 * WAD, 12 * WAD
    last = desk.options.last()
    assert (last.maker, last.taker) == (maker.account, taker.account)
    assert [tuple(leg) for leg in last.legs] == [(ETH_CALL, lots(10), usd(120))]
    assert (last.maker_fee, last.taker_fee) == fees
    assert (desk.held(MAKER, ETH_CALL), desk.held(TAKER, ETH_CALL)) == (-lots(10), lots(10))

    assert order_id == order_digest(maker, CHAIN_ID, str(desk.exchange.address))
    assert (event.maker, event.taker, event.size) == (maker.account, taker.account, lots(10))
    assert (event.maker_order, event.caller) == (order_id, desk.keeper)
    assert event.taker_order == order_digest(taker, CHAIN_ID, str(desk.exchange.address))
    assert [tuple(leg) for leg in event.legs] == [(ETH_CALL, lots(10), usd(120))]
    assert (event.maker_fee, event.taker_fee) == fees
    assert {str(e.owner) for e in spent} == {MAKER, TAKER}
    assert desk.spent(maker) and desk.spent(taker)


def test_fill__in_parts__what_is_left_shrinks_until_the_nonce_is_spent(desk: Desk) -> None:
    maker = limit(desk)
    for i, part in enumerate((lots(4), lots(5), lots(1))):
        assert not desk.spent(maker)
        taker = desk.take(maker, legs=(Leg(ETH_CALL, part, usd(120)),))
        desk.fill(maker, taker, size=part)
        left = (lots(6), lots(1), 0)[i]
        assert desk.exchange.remaining(maker.struct) == left
    assert desk.spent(maker)
    with boa.reverts("exchange: nonce used"):
        desk.fill(maker, desk.take(maker, legs=(Leg(ETH_CALL, 1, usd(120)),)), size=1)


def test_fill__more_than_is_left__reverts(desk: Desk) -> None:
    maker = limit(desk)
    desk.fill(maker, size=lots(4))
    with boa.reverts("exchange: too much"):
        desk.fill(maker, size=lots(6) + 1)
    desk.fill(maker, size=lots(6))
    assert desk.held(TAKER, ETH_CALL) == lots(10)


def test_fill__more_than_a_direct_taker_said__reverts(desk: Desk) -> None:
    maker = limit(desk)
    taker = desk.take(maker, legs=(Leg(ETH_CALL, lots(2), usd(120)),))
    with boa.reverts("exchange: too much"):
        desk.fill(maker, taker, size=lots(2) + 1, sender=TAKER)


def test_fill__nothing__reverts(desk: Desk) -> None:
    with boa.reverts("exchange: no size"):
        desk.fill(limit(desk), size=0)


def test_fill__taken_in_parts_itself__by_two_makers(desk: Desk) -> None:
    first, second = limit(desk), limit(desk, owner=address_of("other"))
    taker = desk.take(first, legs=(Leg(ETH_CALL, lots(15), usd(120)),))
    desk.fill(first, taker)
    assert desk.exchange.remaining(taker.struct) == lots(5)
    desk.fill(second, taker, size=lots(5), maker_signature=desk.signature(second, "other"))
    assert desk.spent(taker) and not desk.spent(second)


def test_fill__a_bid__the_taker_sells(desk: Desk) -> None:
    maker = desk.rest(Leg(ETH_FUTURE, lots(2), usd(3_005)))
    desk.fill(maker, desk.take(maker, legs=(Leg(ETH_FUTURE, -lots(2), usd(3_000)),)))
    assert [tuple(leg) for leg in desk.options.last().legs] == [(ETH_FUTURE, -lots(2), usd(3_005))]


@pytest.mark.parametrize(("side", "worse"), [(1, usd(120) - 1), (-1, usd(120) + 1)])
def test_fill__taker_limit_not_met__reverts(desk: Desk, side: int, worse: int) -> None:
    maker = desk.rest(Leg(ETH_CALL, -side * lots(1), usd(120)))
    with boa.reverts("exchange: limit"):
        desk.fill(maker, desk.take(maker, legs=(Leg(ETH_CALL, side * lots(1), worse),)))
    desk.fill(maker)


# ---- who may ------------------------------------------------------------------------------------


def test_fill__by_the_taker_himself__needs_no_signature_and_no_nonce(desk: Desk) -> None:
    maker = limit(desk)
    taker = desk.take(maker)
    desk.fill(maker, taker, taker_signature=b"", sender=TAKER)
    assert desk.held(TAKER, ETH_CALL) == lots(10)
    assert not desk.spent(taker)


def test_fill__by_a_hand_that_answers_for_owners__acts_for_the_taker_alone(desk: Desk) -> None:
    hand = str(boa.env.generate_address("operators"))
    maker = limit(desk)
    taker = desk.take(maker)
    with boa.reverts("exchange: bad signature"):
        desk.fill(maker, taker, taker_signature=b"", sender=hand)
    desk.core.set_hand(hand, ACT)
    with boa.reverts("exchange: bad signature"):
        desk.fill(maker, taker, maker_signature=b"", taker_signature=b"", sender=hand)
    desk.fill(maker, taker, taker_signature=b"", sender=hand)
    assert desk.held(TAKER, ETH_CALL) == lots(10)


@pytest.mark.parametrize("role", [1, 2, 8])
def test_fill__by_a_hand_of_another_role__needs_the_takers_signature(desk: Desk, role: int) -> None:
    hand = str(boa.env.generate_address("hand"))
    desk.core.set_hand(hand, role)
    maker = limit(desk)
    with boa.reverts("exchange: bad signature"):
        desk.fill(maker, taker_signature=b"", sender=hand)


def test_fill__by_the_maker__does_not_replace_his_signature(desk: Desk) -> None:
    maker = limit(desk)
    with boa.reverts("exchange: bad signature"):
        desk.fill(maker, maker_signature=b"", sender=MAKER)


@pytest.mark.parametrize("who", ["maker", "taker"])
def test_fill__order_for_one_counterparty__is_filled_with_him_alone(desk: Desk, who: str) -> None:
    # an RFQ: the quote names who asked for it
    other = address_of("other")
    named = {"maker": TAKER, "taker": MAKER}[who]
    for counterparty in (other, named):
        maker = limit(desk, counterparty=counterparty if who == "maker" else "0x" + "00" * 20)
        taker = desk.take(maker)
        if who == "taker":
            taker = replace(taker, counterparty=counterparty)
        if counterparty == named:
            desk.fill(maker, taker)
            continue
        with boa.reverts("exchange: counterparty"):
            desk.fill(maker, taker)


def test_fill__accounts_of_one_owner__reverts(desk: Desk) -> None:
    maker = limit(desk)
    taker = desk.take(maker, account=account_of(MAKER, 7))
    with boa.reverts("exchange: same owner"):
        desk.fill(maker, taker, taker_signature=desk.signature(taker, "maker"))


@pytest.mark.parametrize(("maker", "taker"), [(True, True), (False, False), (True, False)])
def test_fill__roles_that_were_not_signed__reverts(desk: Desk, maker: bool, taker: bool) -> None:
    # or whoever matches them would choose whose price it is
    order = limit(desk)
    with boa.reverts("exchange: wrong roles"):
        desk.fill(replace(order, takes=maker), replace(desk.take(order), takes=taker))


@pytest.mark.parametrize("which", ["maker", "taker"])
def test_fill__at_its_deadline_and_a_second_later__fills_and_reverts(
    desk: Desk, which: str
) -> None:
    deadline = desk.now + 10
    for late in (1, 0):
        maker = limit(desk)
        taker = desk.take(maker)
        if which == "maker":
            maker = replace(maker, deadline=deadline)
        else:
            taker = replace(taker, deadline=deadline)
        with boa.env.anchor():
            desk.wait(10 + late)
            if late:
                assert desk.exchange.remaining(replace(maker, deadline=deadline).struct) == 0
                with boa.reverts("exchange: expired"):
                    desk.fill(maker, taker)
            else:
                desk.fill(maker, taker)


# ---- packages -----------------------------------------------------------------------------------


def test_fill__package_at_a_price_a_leg__all_legs_at_once(desk: Desk) -> None:
    maker = package(desk)
    desk.fill(maker)
    last = desk.options.last()
    assert [tuple(leg) for leg in last.legs] == [
        (leg.instrument, -leg.size, leg.price) for leg in maker.legs
    ]
    assert desk.options.fills() == 1
    # perp 3 x 3,000 at 0.02 %, calls and puts 10 x 3,000 at 0.03 %, BTC 60,000 at 0.03 %
    assert last.maker_fee == (18 * WAD // 10) + 9 * WAD + 9 * WAD + 18 * WAD
    # 0.05 % and 0.04 %
    assert last.taker_fee == (45 * WAD // 10) + 12 * WAD + 12 * WAD + 24 * WAD


@pytest.mark.parametrize("size", [1, lots(3) - 1, lots(3) + 1, lots(10)])
def test_fill__part_of_a_package__reverts(desk: Desk, size: int) -> None:
    with boa.reverts("exchange: all or nothing"):
        desk.fill(package(desk), size=size)


def test_fill__package_of_other_sizes__reverts(desk: Desk) -> None:
    maker = package(desk)
    taker = desk.take(maker)
    last = taker.legs[-1]
    for legs in (
        taker.legs[:-1],
        (*taker.legs[:-1], replace(last, size=last.size + 1)),
        (*taker.legs[:-1], replace(last, size=-last.size)),
        (*taker.legs[:-1], replace(last, instrument=last.instrument + 2**30)),
    ):
        with boa.reverts("exchange: legs differ"):
            desk.fill(maker, replace(taker, legs=legs))


def test_fill__single_legs_of_one_side_or_two_instruments__reverts(desk: Desk) -> None:
    maker = limit(desk)
    for leg in (Leg(ETH_CALL, -lots(10), usd(120)), Leg(ETH_PUT, lots(10), usd(120))):
        with boa.reverts("exchange: legs differ"):
            desk.fill(maker, desk.take(maker, legs=(leg,)))


def test_fill__package_at_a_net_price__any_prices_that_make_it(desk: Desk) -> None:
    # 2 x 120 + 3 x 90
    net = -510 * WAD
    prices = [usd(118) + 1, usd(90) + usd(4) // 3]
    cost = -(lots(2) * prices[0] + lots(3) * prices[1])
    assert net - lots(2) < cost < net
    maker = spread(desk, net)
    desk.fill(maker, desk.take(maker, net=-cost), prices=prices)
    assert [leg.price for leg in desk.options.last().legs] == prices


@pytest.mark.parametrize("tick", [-1, 1])
def test_fill__net_price_missed__reverts(desk: Desk, tick: int) -> None:
    # a tick less is less than the maker signed; a tick more of the smallest leg is the taker's
    maker = spread(desk, -510 * WAD)
    taker = desk.take(maker, net=600 * WAD)
    with boa.reverts("exchange: net price"):
        desk.fill(maker, taker, prices=[usd(120) + tick, usd(90)])
    desk.fill(maker, taker, prices=[usd(120), usd(90)])


def test_fill__net_price_above_the_takers__reverts(desk: Desk) -> None:
    maker = spread(desk, -510 * WAD)
    with boa.reverts("exchange: net price"):
        desk.fill(maker, desk.take(maker, net=510 * WAD - 1), prices=[usd(120), usd(90)])


def test_fill__net_price_against_prices_a_leg__holds_both(desk: Desk) -> None:
    maker = spread(desk, -510 * WAD)
    legs = (Leg(ETH_CALL, lots(2), usd(119)), Leg(ETH_PUT, lots(3), usd(95)))
    taker = desk.take(maker, by_net=False, legs=legs)
    with boa.reverts("exchange: limit"):
        desk.fill(maker, taker, prices=[usd(120), usd(90)])
    # 2 less for the calls, 4/3 more for the puts, and a tick of the smallest leg
    desk.fill(maker, taker, prices=[usd(118) + 1, usd(90) + usd(4) // 3])
    assert desk.spent(maker)


@pytest.mark.parametrize("prices", [[], [1], [1, 2, 3], [2**63, 2**63], [2**256 - 1, 0]])
def test_fill__net_price_with_other_prices_than_its_legs__reverts(
    desk: Desk, prices: list[int]
) -> None:
    with boa.reverts("exchange: prices"):
        desk.fill(spread(desk, -510 * WAD), prices=prices)


def test_fill__prices_where_the_maker_named_his__reverts(desk: Desk) -> None:
    with boa.reverts("exchange: prices"):
        desk.fill(limit(desk), prices=[usd(120)])


# ---- shape --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "legs",
    [
        (),
        (Leg(ETH_CALL, 0, usd(120)),),
        (Leg(ETH_CALL, MAX_SIZE + 1, usd(120)),),
        (Leg(ETH_CALL, -(2**255), usd(120)),),
        (Leg(ETH_CALL, 1, 2**63),),
        (Leg(ETH_CALL | 31, 1, usd(120)),),
        (Leg(0, 1, usd(120)),),
        (Leg(ETH_CALL, 1, usd(120)), Leg(ETH_CALL, 1, usd(120))),
        (Leg(ETH_PUT, 1, usd(90)), Leg(ETH_CALL, 1, usd(120))),
    ],
)
def test_fill__order_of_a_wrong_shape__reverts(desk: Desk, legs: tuple[Leg, ...]) -> None:
    good = limit(desk)
    bad = replace(good, legs=legs)
    with boa.reverts("exchange: bad order"):
        desk.fill(bad, desk.take(good), size=1)
    with boa.reverts("exchange: bad order"):
        desk.fill(good, replace(desk.take(good), legs=legs), size=1)
    with boa.reverts("exchange: bad order"):
        desk.exchange.remaining(bad.struct)


def test_fill__net_price_of_one_leg__reverts(desk: Desk) -> None:
    with boa.reverts("exchange: bad order"):
        desk.fill(limit(desk, by_net=True))


def test_fill__eight_legs__fills(desk: Desk) -> None:
    legs = []
    for i in range(8):
        leg = ETH_CALL + ((i + 1) << 30)
        desk.surfaces.set_mark(leg, usd(100))
        legs.append(Leg(leg, lots(1), usd(100)))
    desk.fill(desk.rest(*legs))
    assert len(desk.options.last().legs) == 8


# ---- what Options is asked for ------------------------------------------------------------------


@pytest.mark.parametrize("which", ["maker", "taker"])
@pytest.mark.parametrize("instrument", [ETH_PERP, ETH_FUTURE, ETH_CALL])
@pytest.mark.parametrize(
    ("held", "reduces"),
    [(12, True), (10, True), (9, False), (0, False), (-10, False), (-1, False)],
)
def test_fill__reduce_only__goes_toward_zero_and_not_across_it(
    desk: Desk, which: str, instrument: int, held: int, reduces: bool
) -> None:
    maker = desk.rest(Leg(instrument, -lots(10), MARK.get(instrument, PRICE[ETH])))
    maker = replace(maker, reduce_only=which == "maker")
    taker = desk.take(maker, reduce_only=which == "taker")
    account, side = (maker.account, 1) if which == "maker" else (taker.account, -1)
    desk.hold(account, {BTC_PERP: lots(5), ETH_PUT: 7, instrument: side * lots(held)})
    if reduces:
        desk.fill(maker, taker)
        assert desk.options.fills() == 1
        return
    with boa.reverts("exchange: not reducing"):
        desk.fill(maker, taker)


def test_fill__reduce_only_package_with_one_leg_that_grows__reverts(desk: Desk) -> None:
    maker = package(desk, reduce_only=True)
    closing = {leg.instrument: -leg.size for leg in maker.legs}
    desk.hold(maker.account, closing | {ETH_PUT: 1})
    with boa.reverts("exchange: not reducing"):
        desk.fill(maker)
    desk.hold(maker.account, closing)
    desk.fill(maker)
    assert desk.options.fills() == 1


def test_fill__refused_by_options__nothing_is_spent(desk: Desk) -> None:
    maker = limit(desk)
    desk.options.set_refuses(True)
    with boa.reverts("stub: margin"):
        desk.fill(maker)
    assert not desk.spent(maker)
    assert desk.exchange.remaining(maker.struct) == lots(10)


def test_fill__entered_again_from_the_trade__is_locked(desk: Desk) -> None:
    maker = limit(desk)
    half = replace(desk.take(maker), legs=(Leg(ETH_CALL, lots(5), usd(120)),))
    for payload in (
        desk.exchange.fill.prepare_calldata(desk.signed(maker), desk.signed(half), lots(5), []),
        desk.exchange.cancel.prepare_calldata(MAKER, 0, 0),
        desk.exchange.order_hash.prepare_calldata(maker.struct),
    ):
        with boa.env.anchor():
            desk.options.aim(desk.exchange.address, payload)
            desk.fill(maker, half, size=lots(5))
            assert not desk.options.reached()
            assert desk.options.fills() == 1


def test_fill__market_of_a_perp_alone__reads_its_own_price(desk: Desk) -> None:
    desk.publish(BTC, usd(61_000))
    desk.fill(desk.rest(Leg(BTC_PERP, lots(1), usd(61_000) * (WAD + BAND) // WAD)))
    assert desk.held(MAKER, BTC_PERP) == lots(1)


def test_lock__taken__shuts_every_function_but_the_owners_slots(desk: Desk) -> None:
    address = bytes.fromhex(str(desk.exchange.address)[2:])
    maker = limit(desk)
    calls = (
        lambda: desk.fill(maker),
        lambda: desk.close(limit(desk), account_of(TAKER)),
        lambda: desk.exchange.cancel(MAKER, 0, 1, sender=MAKER),
        lambda: desk.exchange.set_fees(RATES, sender=desk.owner),
        lambda: desk.exchange.order_hash(maker.struct),
        lambda: desk.exchange.remaining(maker.struct),
        lambda: desk.exchange.nonces(MAKER, 0),
        lambda: desk.exchange.fees(),
    )
    for call in calls:
        boa.env.evm.vm.state.set_transient_storage(address, 0, (1).to_bytes(32, "big"))
        with pytest.raises(boa.BoaError) as caught:
            call()
        assert not caught.value.call_trace.output
        boa.env.evm.vm.state.set_transient_storage(address, 0, (0).to_bytes(32, "big"))
        call()
