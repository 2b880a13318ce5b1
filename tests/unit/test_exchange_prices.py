"""Prices and fees of fills, docs/spec/exchange.md: band, the pool's bound under MM, rates, caps."""

from __future__ import annotations

from dataclasses import replace

import boa
import pytest

from tests.reference.units import WAD
from tests.support.chains import own_chain, put_back
from tests.unit.exchange_support import (
    BTC,
    BTC_CALL,
    BTC_PERP,
    CURVE,
    ETH,
    ETH_CALL,
    ETH_FUTURE,
    ETH_PERP,
    ETH_PUT,
    HOURS,
    MAKER,
    MARK,
    MAX_RATE,
    MAX_SHARE,
    PRICE,
    RATES,
    TAKER,
    Desk,
    Leg,
    account_of,
    deployer_of,
    limit,
    lots,
    spread,
    the_event,
    usd,
)

MAX_SIZE = 2**63 - 1

deployment = own_chain(Desk.deployed)
desk = put_back()


# ---- band ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("instrument", [ETH_PERP, ETH_FUTURE, ETH_CALL, ETH_PUT])
def test_fill__at_the_edge_of_the_band_and_a_tick_beyond__fills_and_reverts(
    desk: Desk, instrument: int, side: int
) -> None:
    # 2 % of the underlying either way
    edge = MARK.get(instrument, PRICE[ETH]) + side * usd(60)
    with boa.reverts("exchange: off the mark"):
        desk.fill(desk.rest(Leg(instrument, lots(1), edge + side)))
    desk.fill(desk.rest(Leg(instrument, lots(1), edge)))


def test_fill__second_market_of_a_package__is_held_to_its_own_band(desk: Desk) -> None:
    # 2 % of 60,000
    for price, fits in ((usd(2_500) + usd(1_200), True), (usd(2_500) + usd(1_200) + 1, False)):
        order = desk.rest(Leg(ETH_PERP, lots(1), usd(3_000)), Leg(BTC_CALL, lots(1), price))
        if fits:
            desk.fill(order)
            continue
        with boa.reverts("exchange: off the mark"):
            desk.fill(order)


def test_fill__net_price_with_a_leg_off_the_mark__reverts(desk: Desk) -> None:
    # the same net price, moved from one leg to the other
    maker = spread(desk, -510 * WAD)
    with boa.reverts("exchange: off the mark"):
        desk.fill(maker, prices=[usd(120) + usd(63), usd(90) - usd(42)])


def test_fill__market_that_opens_nothing__closes_within_the_least_band(desk: Desk) -> None:
    desk.surfaces.set_band(0)
    # 0.1 % of 3,000
    for off, fits in ((usd(3), True), (usd(3) + 1, False)):
        order = desk.rest(Leg(ETH_CALL, lots(1), usd(120) + off))
        if fits:
            desk.fill(order)
            continue
        with boa.reverts("exchange: off the mark"):
            desk.fill(order)


@pytest.mark.parametrize("instrument", [ETH_CALL, ETH_FUTURE, ETH_PERP])
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("maker_is_weak", [True, False])
def test_fill__account_under_mm__pays_no_more_than_the_pool_would_ask(
    desk: Desk, instrument: int, side: int, maker_is_weak: bool
) -> None:
    # R2: P (1 -+ (max_skew / scale + spread_min)), 0.54 % of 3,000 USD
    scale, max_skew, spread = CURVE
    worst = usd(3_000) * (max_skew * WAD // scale + spread) // WAD
    assert worst == usd(162) // 10
    weak = account_of(MAKER if maker_is_weak else TAKER)
    desk.core.set_weak(weak, True)
    mark = MARK.get(instrument, PRICE[ETH])
    # what is against who buys is for who sells
    against = side if maker_is_weak else -side
    for off, fits in ((worst, True), (worst + 1, False), (-worst - 1, True)):
        order = desk.rest(Leg(instrument, side * lots(1), mark + against * off))
        if fits:
            desk.fill(order)
            continue
        with boa.reverts("exchange: beyond the pool"):
            desk.fill(order)
        desk.core.set_weak(weak, False)
        desk.fill(order)
        desk.core.set_weak(weak, True)


def test_fill__account_under_mm_in_a_market_without_a_pool__pays_the_mark(desk: Desk) -> None:
    desk.core.set_weak(account_of(TAKER), True)
    desk.fill(desk.rest(Leg(BTC_PERP, lots(1), PRICE[BTC])))
    with boa.reverts("exchange: beyond the pool"):
        desk.fill(desk.rest(Leg(BTC_PERP, lots(1), PRICE[BTC] - 1)))


@pytest.mark.parametrize("flags", [8 | 1, 8 | 4, 0])
def test_fill__price_in_doubt__reverts(desk: Desk, flags: int) -> None:
    desk.publish(ETH, usd(3_000), flags=flags)
    with boa.reverts("exchange: price not trusted"):
        desk.fill(limit(desk))


def test_fill__price_of_a_minute_and_a_second_more__fills_and_reverts(desk: Desk) -> None:
    desk.wait(60)
    desk.fill(limit(desk))
    desk.wait(1)
    with boa.reverts("exchange: price not trusted"):
        desk.fill(limit(desk))


def test_fill__with_reports__is_judged_by_the_new_price(desk: Desk) -> None:
    from tests.reference.words import price_word
    from tests.unit.pool_chain import market_at

    desk.wait(100)
    word = price_word(market_at(usd(3_100), publish=desk.now))
    desk.core.set_next_price(ETH, word)
    order = desk.rest(Leg(ETH_PERP, lots(1), usd(3_100) + usd(62)))
    desk.fill(order, reports=(b"reports",))
    assert desk.spent(order)


@pytest.mark.parametrize("instrument", [ETH_FUTURE, ETH_CALL])
def test_fill__expired_instrument__reverts(desk: Desk, instrument: int) -> None:
    for left, fits in ((1, True), (0, False)):
        with boa.env.anchor():
            desk.wait(HOURS * 3_600 - left - desk.now)
            desk.publish(ETH, PRICE[ETH])
            order = desk.rest(Leg(instrument, lots(1), MARK[instrument]))
            if fits:
                desk.fill(order)
                continue
            with boa.reverts("exchange: expired instrument"):
                desk.fill(order)


# ---- fees ---------------------------------------------------------------------------------------


def test_fill__cheap_option__pays_a_share_of_its_premium(desk: Desk) -> None:
    desk.surfaces.set_mark(ETH_CALL, usd(1))
    desk.fill(desk.rest(Leg(ETH_CALL, lots(1), usd(2))))
    # 10 % of 2 USD, instead of 0.03 % or 0.04 % of 3,000
    last = desk.options.last()
    assert (last.maker_fee, last.taker_fee) == (WAD // 5, WAD // 5)


def test_fill__a_lot__its_fee_is_rounded_up(desk: Desk) -> None:
    desk.fill(desk.rest(Leg(ETH_PERP, 1, usd(3_000) + 1)))
    value = usd(3_000) + 1
    last = desk.options.last()
    assert (last.maker_fee, last.taker_fee) == (
        -(-value * 200 // 10**6),
        -(-value * 500 // 10**6),
    )


@pytest.mark.parametrize("which", ["maker", "taker"])
@pytest.mark.parametrize("instrument", [ETH_PERP, ETH_CALL])
def test_fill__fee_above_a_signers_cap__reverts(desk: Desk, which: str, instrument: int) -> None:
    option = instrument == ETH_CALL
    rate = RATES[(2 if option else 0) + (which == "taker")]
    for cap in (rate - 1, rate):
        maker = desk.rest(Leg(instrument, lots(1), MARK.get(instrument, PRICE[ETH])))
        taker = desk.take(maker)
        if which == "maker":
            maker = replace(maker, fee_cap=cap)
        else:
            taker = replace(taker, fee_cap=cap)
        if cap == rate:
            desk.fill(maker, taker)
            continue
        with boa.reverts("exchange: fee cap"):
            desk.fill(maker, taker)


def test_set_fees__at_and_past_each_bound__allowed_and_refused(desk: Desk) -> None:
    caps = (MAX_RATE,) * 4 + (MAX_SHARE,)
    desk.exchange.set_fees(caps, sender=desk.owner)
    event = the_event(desk, "FeesSet")
    assert (tuple(event.old), tuple(event.new)) == (RATES, caps)
    assert tuple(desk.exchange.fees()) == caps
    for i in range(5):
        past = tuple(cap + (i == j) for j, cap in enumerate(caps))
        with boa.reverts("exchange: out of range"):
            desk.exchange.set_fees(past, sender=desk.owner)
        with boa.reverts("exchange: out of range"):
            deployer_of("Exchange").deploy(
                desk.core, desk.options, desk.surfaces, desk.clocks, desk.curves, past
            )
    desk.exchange.set_fees((0,) * 5, sender=desk.owner)
    desk.fill(limit(desk))
    assert (desk.options.last().maker_fee, desk.options.last().taker_fee) == (0, 0)


def test_set_fees__by_somebody_else__reverts(desk: Desk) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        desk.exchange.set_fees(RATES, sender=MAKER)


def test_transfer_ownership__in_two_steps__moves_the_power(desk: Desk) -> None:
    desk.exchange.transfer_ownership(MAKER, sender=desk.owner)
    assert str(desk.exchange.owner()) == desk.owner
    desk.exchange.accept_ownership(sender=MAKER)
    desk.exchange.set_fees(RATES, sender=MAKER)
    with boa.reverts("ownable: caller is not the owner"):
        desk.exchange.set_fees(RATES, sender=desk.owner)
