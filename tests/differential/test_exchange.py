"""The Exchange against its reference: any two orders, filled in any order, mostly such as may."""

from __future__ import annotations

from typing import Any

import boa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepers.domain import exchange_orders
from tests.reference.exchange import Book, Leg, Market, Order, Rates
from tests.reference.refused import Refused
from tests.reference.units import MAX_PRICE, WAD
from tests.support.chains import own_chain, put_back
from tests.support.examples import part
from tests.unit.exchange_support import (
    BAND,
    BTC,
    BTC_CALL,
    BTC_PERP,
    CURVE,
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
)

INSTRUMENTS = sorted([ETH_PERP, ETH_FUTURE, ETH_CALL, ETH_PUT, BTC_PERP, BTC_CALL])
OWNERS = {int(MAKER, 16): "maker", int(TAKER, 16): "taker"}
SIZES = st.one_of(st.integers(1, 10), st.integers(1, 10**12), st.just(2**63 - 1))

deployment = own_chain(Desk.deployed)
desk = put_back()


def middle(instrument: int) -> tuple[int, int]:
    """Return the mark and the band of an instrument in ticks."""
    price = PRICE[instrument >> 56]
    return MARK.get(instrument, price), price * BAND // WAD


def seldom(usual: Any, odd: Any) -> Any:
    """Return mostly the one, sometimes the other."""
    return st.sampled_from([True] * 19 + [False]).flatmap(
        lambda as_usual: usual if as_usual else odd
    )


@st.composite
def makers(draw: st.DrawFn, now: int) -> Order:
    """Return a resting order, mostly a sound one inside the band."""
    ids = sorted(draw(st.sets(st.sampled_from(INSTRUMENTS), min_size=1, max_size=4)))
    by_net = len(ids) > 1 and draw(st.booleans())
    legs = []
    for each in ids:
        mark, band = middle(each)
        near = st.integers(max(0, mark - band), mark + band)
        price = draw(seldom(near, st.sampled_from([0, mark + band + 1, MAX_PRICE])))
        size = draw(SIZES) * draw(st.sampled_from([1, -1]))
        legs.append(Leg(each, size, price))
    return Order(
        account=int(MAKER, 16) << 96 | draw(st.integers(0, 2)),
        counterparty=draw(seldom(st.sampled_from([0, int(TAKER, 16)]), st.just(int(MAKER, 16)))),
        takes=draw(seldom(st.just(False), st.just(True))),
        legs=tuple(legs),
        by_net=by_net,
        net=sum(leg.size * leg.price for leg in legs),
        fee_cap=draw(seldom(st.integers(500, 1_000), st.integers(0, 500))),
        nonce=draw(st.integers(0, 600)),
        deadline=now + draw(seldom(st.integers(0, 100), st.just(-1))),
        reduce_only=draw(st.booleans()),
    )


@st.composite
def pairs(draw: st.DrawFn, now: int) -> tuple[Order, Order, tuple[int, ...]]:
    """Return two orders that mostly match, and the prices that make a net price."""
    maker = draw(makers(now))
    prices = tuple(leg.price for leg in maker.legs) if maker.by_net else ()
    maker = maker._replace(net=maker.net + draw(seldom(st.just(0), st.integers(-5, 10**13))))
    legs = []
    for leg in maker.legs:
        better = draw(seldom(st.just(0), st.integers(-(10**9), 10**9)))
        limit = min(MAX_PRICE, max(0, leg.price + better))
        size = -leg.size
        if len(maker.legs) == 1:
            size = draw(SIZES) * (-1 if leg.size > 0 else 1)
        legs.append(Leg(leg.instrument, draw(seldom(st.just(size), st.just(leg.size))), limit))
    by_net = len(legs) > 1 and draw(st.booleans())
    cost = sum(-ours.size * ours.price for ours in maker.legs)
    taker = Order(
        account=draw(seldom(st.just(int(TAKER, 16)), st.just(int(MAKER, 16)))) << 96,
        counterparty=draw(seldom(st.just(0), st.sampled_from(list(OWNERS)))),
        takes=draw(seldom(st.just(True), st.just(False))),
        legs=tuple(legs),
        by_net=by_net,
        net=cost + draw(seldom(st.integers(0, 10**12), st.integers(-5, -1))),
        fee_cap=draw(seldom(st.integers(500, 1_000), st.integers(0, 500))),
        nonce=draw(st.integers(0, 600)),
        deadline=now + draw(seldom(st.integers(0, 100), st.just(-1))),
        reduce_only=draw(st.booleans()),
    )
    return maker, taker, draw(seldom(st.just(prices), st.just((1,))))


def as_signed(order: Order) -> exchange_orders.Order:
    """Return a reference's order as keepers sign it."""
    return exchange_orders.Order(
        account=order.account,
        legs=tuple(exchange_orders.Leg(*leg) for leg in order.legs),
        nonce=order.nonce,
        deadline=order.deadline,
        fee_cap=order.fee_cap,
        counterparty=f"0x{order.counterparty:040x}",
        takes=order.takes,
        by_net=order.by_net,
        net=order.net,
        reduce_only=order.reduce_only,
    )


def book(desk: Desk) -> Book:
    """Return the reference of the desk as it was deployed."""
    markets = {key: Market(PRICE[key], desk.now, True, BAND) for key in (ETH, BTC)}
    curves = {ETH: CURVE}
    return Book(desk.now, Rates(*RATES), markets, MARK, curves)


@settings(
    part(2), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_fill__any_two_orders__end_as_the_reference_says(desk: Desk, data: st.DataObject) -> None:
    with boa.env.anchor():
        model = book(desk)
        maker, taker, prices = data.draw(pairs(desk.now))
        ours, theirs = as_signed(maker), as_signed(taker)
        for order in (maker, taker):
            held = {
                leg.instrument: data.draw(seldom(st.just(-leg.size), SIZES)) for leg in order.legs
            }
            desk.hold(order.account, held)
            model.held |= {(order.account, each): size for each, size in held.items()}
            if data.draw(st.booleans()):
                desk.core.set_weak(order.account, True)
                model.weak.add(order.account)
        by = [desk.signature(order, OWNERS[order.account >> 96]) for order in (ours, theirs)]
        whole = min(abs(maker.legs[0].size), abs(taker.legs[0].size))
        for _ in range(data.draw(st.integers(1, 3))):
            usual = st.integers(1, whole) if len(maker.legs) == 1 else st.just(whole)
            size = data.draw(seldom(usual, st.sampled_from([0, whole + 1])))
            direct = data.draw(st.booleans()) and taker.account >> 96 == int(TAKER, 16)
            caller = {"sender": TAKER} if direct else {}

            def send(size: int = size, caller: dict[str, Any] = caller) -> None:
                desk.fill(
                    ours,
                    theirs,
                    size,
                    prices,
                    maker_signature=by[0],
                    taker_signature=by[1],
                    **caller,
                )

            try:
                expected = model.fill(maker, taker, size, prices, direct)
            except Refused as refused:
                with boa.reverts(refused.reason):
                    send()
                continue
            send()
            last = desk.options.last()
            assert tuple(Leg(*leg) for leg in last.legs) == expected.legs
            assert (last.maker_fee, last.taker_fee) == (expected.maker_fee, expected.taker_fee)
            for order, signed in ((maker, ours), (taker, theirs)):
                assert desk.exchange.remaining(signed.struct) == model.remaining(order)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_close__any_order__ends_as_the_reference_says(desk: Desk, data: st.DataObject) -> None:
    with boa.env.anchor():
        model = book(desk)
        maker = data.draw(makers(desk.now))
        if data.draw(seldom(st.just(True), st.just(False))):
            maker = maker._replace(legs=maker.legs[:1], by_net=False)
        account = data.draw(seldom(st.just(int(TAKER, 16)), st.just(int(MAKER, 16)))) << 96
        held = {leg.instrument: data.draw(seldom(st.just(-leg.size), SIZES)) for leg in maker.legs}
        desk.hold(maker.account, held)
        model.held |= {(maker.account, each): size for each, size in held.items()}
        signed = as_signed(maker)
        by = desk.signature(signed, "maker")
        whole = abs(maker.legs[0].size)
        for _ in range(data.draw(st.integers(1, 3))):
            size = data.draw(seldom(st.integers(1, whole), st.sampled_from([0, whole + 1])))
            try:
                expected = model.close(account, maker, size)
            except Refused as refused:
                with boa.reverts(refused.reason):
                    desk.close(signed, account, size, maker_signature=by)
                continue
            desk.close(signed, account, size, maker_signature=by)
            last = desk.options.last()
            assert tuple(Leg(*leg) for leg in last.legs) == expected.legs
            assert (last.maker_fee, last.taker_fee) == (expected.maker_fee, 0)
            assert last.taker == account
            assert desk.exchange.remaining(signed.struct) == model.remaining(maker)
