"""Signed orders filled against accounts under MM: docs/spec/exchange.md, close."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import boa
import pytest

from tests.reference.units import WAD
from tests.support.chains import own_chain
from tests.unit.exchange_support import (
    BAND,
    CHAIN_ID,
    ETH,
    ETH_CALL,
    ETH_PERP,
    MAKER,
    MAX_RATE,
    PRICE,
    RATES,
    TAKER,
    Desk,
    Leg,
    account_of,
    address_of,
    deployer_of,
    limit,
    lots,
    order_digest,
    package,
    the_event,
    usd,
)

VICTIM = account_of(TAKER)
CONCESSION = WAD // 7

deployment = own_chain(Desk.deployed)


@pytest.fixture
def desk(deployment: Desk) -> Iterator[Desk]:
    with boa.env.anchor():
        deployment.clocks.set_concession(VICTIM, CONCESSION)
        yield deployment


def test_close__a_resting_order__is_filled_at_its_price(desk: Desk) -> None:
    maker = limit(desk)
    order_id = desk.close(maker, VICTIM)
    event = the_event(desk, "Closed")
    # 10 units of 3,000 USD at 0.03 %; the account pays none
    fee = 9 * WAD
    last = desk.options.last()
    assert (last.maker, last.taker) == (maker.account, VICTIM)
    assert [tuple(leg) for leg in last.legs] == [(ETH_CALL, lots(10), usd(120))]
    assert (last.maker_fee, last.taker_fee) == (fee, 0)
    assert desk.options.conceded() == CONCESSION
    assert (desk.held(MAKER, ETH_CALL), desk.held(TAKER, ETH_CALL)) == (-lots(10), lots(10))
    assert desk.spent(maker)

    assert order_id == order_digest(maker, CHAIN_ID, str(desk.exchange.address))
    assert (event.account, event.maker, event.maker_order) == (VICTIM, maker.account, order_id)
    assert (event.instrument, event.size, event.price) == (ETH_CALL, lots(10), usd(120))
    assert (event.maker_fee, event.concession) == (fee, CONCESSION)
    assert event.caller == desk.keeper


def test_close__in_parts_between_fills__what_is_left_is_one_count(desk: Desk) -> None:
    maker = limit(desk)
    desk.close(maker, VICTIM, lots(3))
    assert desk.exchange.remaining(maker.struct) == lots(7)
    desk.fill(maker, size=lots(2))
    with boa.reverts("exchange: too much"):
        desk.close(maker, VICTIM, lots(5) + 1)
    desk.close(maker, VICTIM, lots(5))
    assert desk.spent(maker)
    with boa.reverts("exchange: nonce used"):
        desk.close(maker, VICTIM, 1)


def test_close__by_the_maker_himself__needs_his_signature_too(desk: Desk) -> None:
    maker = limit(desk)
    with boa.reverts("exchange: bad signature"):
        desk.close(maker, VICTIM, maker_signature=b"", sender=MAKER)
    desk.close(maker, VICTIM, sender=MAKER)
    assert desk.options.fills() == 1


def test_close__account_of_the_makers_owner__reverts(desk: Desk) -> None:
    maker = limit(desk)
    for account in (maker.account, maker.account + 1):
        with boa.reverts("exchange: same owner"):
            desk.close(maker, account)


def test_close__order_for_somebody_else__reverts(desk: Desk) -> None:
    with boa.reverts("exchange: counterparty"):
        desk.close(limit(desk, counterparty=address_of("other")), VICTIM)
    desk.close(limit(desk, counterparty=TAKER), VICTIM)


def test_close__order_that_takes_is_late_or_unsound__reverts(desk: Desk) -> None:
    maker = limit(desk)
    for changes, reason in (
        ({"takes": True}, "exchange: wrong roles"),
        ({"deadline": desk.now - 1}, "exchange: expired"),
        ({"legs": ()}, "exchange: bad order"),
    ):
        order = replace(maker, **changes)
        with boa.reverts(reason):
            desk.close(
                order,
                VICTIM,
                lots(1),
                maker_signature=desk.signature(order, "maker") if order.legs else b"",
            )
    with boa.reverts("exchange: no size"):
        desk.close(maker, VICTIM, 0)


def test_close__several_legs__revert(desk: Desk) -> None:
    for order in (package(desk), package(desk, by_net=True, net=WAD)):
        with boa.reverts("exchange: one leg"):
            desk.close(order, VICTIM, lots(3))


def test_close__edge_of_the_band_and_a_tick_past_it(desk: Desk) -> None:
    edge = usd(120) + PRICE[ETH] * BAND // WAD
    desk.close(desk.rest(Leg(ETH_CALL, -lots(1), edge)), VICTIM)
    with boa.reverts("exchange: off the mark"):
        desk.close(desk.rest(Leg(ETH_CALL, -lots(1), edge + 1)), VICTIM)


def test_close__old_price__reverts_until_reports_come_along(desk: Desk) -> None:
    desk.wait(61)
    maker = desk.rest(Leg(ETH_PERP, -lots(1), PRICE[ETH]))
    with boa.reverts("exchange: price not trusted"):
        desk.close(maker, VICTIM)
    desk.publish(ETH, PRICE[ETH])
    desk.close(maker, VICTIM)


def test_close__makers_reduce_only__holds(desk: Desk) -> None:
    maker = limit(desk, reduce_only=True)
    desk.hold(maker.account, {ETH_CALL: lots(9)})
    with boa.reverts("exchange: not reducing"):
        desk.close(maker, VICTIM)
    desk.close(maker, VICTIM, lots(9))


def test_close__fee_above_the_makers_cap__reverts_and_the_takers_rate_does_not_count(
    desk: Desk,
) -> None:
    # the maker's rate is 300, the taker's 400
    with boa.reverts("exchange: fee cap"):
        desk.close(limit(desk, fee_cap=RATES[2] - 1), VICTIM)
    desk.exchange.set_fees((200, 500, 300, MAX_RATE, 100_000), sender=desk.owner)
    desk.close(limit(desk, fee_cap=RATES[2]), VICTIM)


def test_close__refused_by_options__nothing_is_spent(desk: Desk) -> None:
    maker = limit(desk)
    desk.options.set_refuses(True)
    with boa.reverts("stub: margin"):
        desk.close(maker, VICTIM)
    assert not desk.spent(maker)
    assert desk.exchange.remaining(maker.struct) == lots(10)


def test_close__wallet_that_writes_when_it_is_asked__has_not_signed(desk: Desk) -> None:
    wallet = deployer_of("mocks/OddWallet").deploy()
    maker = limit(desk, account=account_of(str(wallet.address)))
    desk.close(maker, VICTIM, lots(1), maker_signature=b"")
    # a static call: it can neither enter nor note that it was asked
    wallet.set_mode(6)
    with boa.reverts("exchange: bad signature"):
        desk.close(maker, VICTIM, lots(1), maker_signature=b"")
    assert desk.exchange.remaining(maker.struct) == lots(9)


def test_close__entered_again_from_the_trade__is_locked(desk: Desk) -> None:
    maker = limit(desk)
    half = replace(desk.take(maker), legs=(Leg(ETH_CALL, lots(5), usd(120)),))
    signed = desk.signed(maker)
    for payload in (
        desk.exchange.close.prepare_calldata(VICTIM, signed, lots(5)),
        desk.exchange.fill.prepare_calldata(signed, desk.signed(half), lots(5), []),
    ):
        with boa.env.anchor():
            desk.options.aim(desk.exchange.address, payload)
            desk.close(maker, VICTIM, lots(5))
            assert not desk.options.reached()
            assert desk.options.fills() == 1
