"""Orders of the Exchange as people write them and hand them on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keepers.domain.exchange_orders import (
    ANYONE,
    Leg,
    Order,
    Rates,
    SignedOrder,
    cancel_places,
    checked,
    leg_of,
    line,
    net_cost,
    nonce_place,
    read,
    told,
)
from keepers.domain.instruments import parse
from keepers.errors import BadInput

MARKETS = {"ETH": 1, "BTC": 2}
SYMBOLS = {1: "ETH", 2: "BTC"}
CALL = parse("ETH-27MAR26-3000-C", MARKETS)
PUT = parse("ETH-27MAR26-2500-P", MARKETS)
PERP = parse("BTC-PERP", MARKETS)
LOT, USD, WAD = 10**8, 10**10, 10**18
ORDER = Order(
    account=7 << 96 | 1,
    legs=(Leg(CALL, -10 * LOT, 120 * USD), Leg(PUT, 10 * LOT, 90 * USD)),
    nonce=2**200 + 3,
    deadline=1_800_000_000,
    fee_cap=500,
    by_net=True,
    net=-300 * WAD,
    reduce_only=True,
)


@pytest.mark.parametrize(
    ("text", "leg"),
    [
        ("ETH-27MAR26-3000-C:-10@120.5", Leg(CALL, -10 * LOT, 1_205 * USD // 10)),
        ("ETH-27MAR26-2500-P:0.00000001@90", Leg(PUT, 1, 90 * USD)),
        ("BTC-PERP:2", Leg(PERP, 2 * LOT, 0)),
    ],
)
def test_leg_of__as_people_write_it__is_the_leg_and_back(text: str, leg: Leg) -> None:
    assert leg_of(text, MARKETS) == leg
    assert told(leg, SYMBOLS) == text


@pytest.mark.parametrize(
    "text", ["ETH-PERP", "ETH-PERP:", "ETH-PERP:0", "DOGE-PERP:1", "ETH-PERP:1@x", "ETH-PERP:1e3"]
)
def test_leg_of__what_is_no_leg__is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        leg_of(text, MARKETS)


def test_read__a_line_of_a_signed_order__is_the_order_again() -> None:
    signed = SignedOrder(ORDER, b"\x01" * 65)
    assert read(line(signed)) == signed


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"account": 5}', "null"])
def test_read__something_else__is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="that is no signed order"):
        read(text)


def test_checked__legs_in_any_order__are_sorted_by_id() -> None:
    turned = replace(ORDER, legs=ORDER.legs[::-1])
    assert checked(turned).legs == tuple(sorted(ORDER.legs, key=lambda leg: leg.instrument))


@pytest.mark.parametrize(
    "legs",
    [
        (),
        (Leg(CALL, 1), Leg(CALL, 2)),
        (Leg(CALL, 0), Leg(PUT, 1)),
        (Leg(CALL, 1),),
        (Leg(CALL | 31, 1), Leg(PUT, 1)),
        tuple(Leg(CALL + (i << 30), 1) for i in range(9)),
    ],
    ids=["none", "twice", "no size", "a net price for one", "no instrument", "nine"],
)
def test_checked__what_the_exchange_would_refuse__is_refused(legs: tuple[Leg, ...]) -> None:
    with pytest.raises(BadInput):
        checked(replace(ORDER, legs=legs))


def test_mirrored__an_order__takes_all_of_it_the_other_way_round() -> None:
    taker = ORDER.mirrored(9 << 96, nonce=4, deadline=5, fee_cap=6)
    assert taker.legs == (Leg(CALL, 10 * LOT, 120 * USD), Leg(PUT, -10 * LOT, 90 * USD))
    assert (taker.takes, taker.net, taker.counterparty) == (True, 300 * WAD, ANYONE)
    assert (taker.account, taker.nonce, taker.deadline, taker.fee_cap) == (9 << 96, 4, 5, 6)
    assert not taker.reduce_only


def test_net_cost__a_spread__is_what_the_signer_pays() -> None:
    # sells 10 at 120 and buys 10 at 90
    assert net_cost(ORDER.legs) == -300 * WAD


def test_cancel_places__several_nonces__one_mask_a_word() -> None:
    assert nonce_place(256) == (1, 1)
    assert cancel_places([0, 255, 256, 258]) == {0: 1 | 1 << 255, 1: 0b101}


def test_fee__perp_option_and_cheap_option__by_value_underlying_and_premium() -> None:
    rates = Rates(maker=200, taker=500, option_maker=300, option_taker=400, premium_share=100_000)
    price = 3_000 * USD
    assert rates.fee(Leg(PERP, -LOT, 60_000 * USD), 60_000 * USD, takes=True) == 30 * WAD
    assert rates.fee(Leg(CALL, LOT, 120 * USD), price, takes=False) == 9 * WAD // 10
    # 10 % of 2 USD
    assert rates.fee(Leg(CALL, LOT, 2 * USD), price, takes=True) == WAD // 5
    # up: 3 ticks at 0.02 % are less than one WAD unit
    assert rates.fee(Leg(PERP, 1, 3), price, takes=False) == 1
