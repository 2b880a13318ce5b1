"""Redemptions of pool shares, and when requests are executed: docs/spec/pool.md, shares."""

from __future__ import annotations

import boa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.reference import pool as reference
from tests.reference.facts import Account
from tests.reference.units import HOUSE, PUSH_WINDOW, WAD
from tests.reference.words import account_word, encode_account
from tests.unit.pool_chain import (
    ATOM,
    BTC,
    COOLDOWN,
    DELAY,
    DEPOSIT,
    ETH,
    FEW,
    IM_RATE,
    MILLION,
    USDC,
    PoolChain,
    anchored,
    at_mark,
    lots,
    market_at,
    share_price,
    the_event,
    usd,
)

ZERO = "0x" + "00" * 20


# ---- redemptions --------------------------------------------------------------------------------


def test_request_redeem__holder__shares_wait_in_the_pool(chain: PoolChain) -> None:
    shares = chain.deposit(DEPOSIT)
    request = chain.pool.request_redeem(shares // 4, sender=chain.depositor)
    event = the_event(chain.pool, "RedeemRequested")
    assert (event.request_id, event.owner) == (request, chain.depositor)
    assert (event.shares, event.time) == (shares // 4, chain.now)
    assert tuple(chain.pool.request(request)) == (chain.depositor, chain.now, shares // 4, True)
    assert chain.pool.balanceOf(chain.pool.address) == shares // 4
    assert chain.pool.totalSupply() == shares


def test_request_redeem__nothing_or_too_much__refused(chain: PoolChain) -> None:
    shares = chain.deposit(DEPOSIT)
    with boa.reverts("pool: zero amount"):
        chain.request_redeem(0)
    with boa.reverts("erc20: transfer amount exceeds balance"):
        chain.request_redeem(shares + 1)


def test_execute_redeem__all_free__paid_and_burnt(chain: PoolChain) -> None:
    shares = chain.deposit(DEPOSIT)
    request = chain.request_redeem(shares // 4)
    chain.wait(COOLDOWN)
    chain.refresh()
    paid = chain.pool.execute_redeem(request, sender=chain.keeper)
    event = the_event(chain.pool, "RequestExecuted")
    assert paid == DEPOSIT // 4 == chain.token.balanceOf(chain.depositor)
    assert chain.stub.withdrawn_to() == chain.depositor
    assert (event.owner, event.assets) == (chain.depositor, paid)
    assert (event.shares, event.remaining) == (shares // 4, 0)
    assert chain.pool.totalSupply() == shares - shares // 4
    assert tuple(chain.pool.request(request)) == (ZERO, 0, 0, False)
    with boa.reverts("pool: no request"):
        chain.pool.execute_redeem(request, sender=chain.keeper)


def test_execute_redeem__within_the_cooldown__refused(chain: PoolChain) -> None:
    request = chain.request_redeem(chain.deposit(DEPOSIT))
    chain.wait(COOLDOWN - 1)
    chain.refresh()
    with boa.reverts("pool: cooldown"):
        chain.pool.execute_redeem(request, sender=chain.keeper)


def test_execute_redeem__price_of_within_the_cooldown__refused(chain: PoolChain) -> None:
    request = chain.request_redeem(chain.deposit(DEPOSIT))
    chain.wait(COOLDOWN)
    chain.refresh(age=1)
    with boa.reverts("pool: price too early"):
        chain.pool.execute_redeem(request, sender=chain.keeper)
    chain.wait(100)
    with boa.reverts("pool: stale price"):
        chain.pool.execute_redeem(request, sender=chain.keeper)


def test_execute_redeem__a_deposits_id__refused(chain: PoolChain) -> None:
    request = chain.request_deposit(DEPOSIT)
    chain.wait(COOLDOWN)
    chain.refresh()
    with boa.reverts("pool: no request"):
        chain.pool.execute_redeem(request, sender=chain.keeper)


def test_execute_redeem__profit_not_settled_yet__settled_first(chain: PoolChain) -> None:
    shares = chain.deposit(DEPOSIT)
    # all equity stands in quote; the pot pays 600,000 of it at settlement
    chain.set_pool(Account(cash=0, quote=DEPOSIT * ATOM, flags=HOUSE))
    chain.stub.set_profit(chain.account, 600_000 * WAD)
    assert chain.execute_redeem(chain.request_redeem(shares)) == 600_000 * USDC


def test_execute_redeem__cash_short__pays_it_and_keeps_the_rest_queued(chain: PoolChain) -> None:
    shares = chain.deposit(DEPOSIT)
    chain.set_pool(Account(cash=100_000 * WAD, quote=900_000 * WAD, flags=HOUSE))
    request = chain.request_redeem(shares // 2)
    chain.wait(COOLDOWN)
    chain.refresh()
    nav, price_before = chain.pool.nav(), share_price(chain)
    paid = chain.pool.execute_redeem(request, sender=chain.keeper)
    event, timed = the_event(chain.pool, "RequestExecuted"), retimed(chain)
    burnt = reference.to_shares_up(100_000 * WAD, shares, nav)
    assert paid == 100_000 * USDC
    assert (event.shares, event.remaining) == (burnt, shares // 2 - burnt)
    # timed from now on: the same price does not execute it again
    assert timed == (request, chain.now + DELAY - COOLDOWN)
    queued = (chain.depositor, chain.now + DELAY - COOLDOWN, shares // 2 - burnt, True)
    assert tuple(chain.pool.request(request)) == queued
    assert chain.pool.totalSupply() == shares - burnt
    assert share_price(chain) >= price_before
    # the same id goes on when there is cash again
    chain.set_pool(Account(cash=900_000 * WAD, flags=HOUSE))
    with boa.reverts("pool: cooldown"):
        chain.pool.execute_redeem(request, sender=chain.keeper)
    chain.wait(DELAY)
    with boa.reverts("pool: price too early"):
        chain.pool.execute_redeem(request, sender=chain.keeper)
    chain.refresh()
    assert chain.pool.execute_redeem(request, sender=chain.keeper) > 0
    assert chain.pool.request(request)[0] == ZERO


def retimed(chain: PoolChain) -> tuple[int, int]:
    """Return what the one event says that the last call timed again."""
    event = the_event(chain.pool, "RequestRetimed")
    return event.request_id, event.time


def test_execute_redeem__margin_short__pays_down_to_im(chain: PoolChain) -> None:
    shares = chain.deposit(DEPOSIT)
    # 5,000 ETH: 15 M notional, IM 750,000 of 1 M (less premium)
    pool = at_mark(MILLION, chain.markets, ETH=lots(5_000))
    chain.set_pool(pool)
    request = chain.request_redeem(shares)
    free = MILLION - lots(5_000) * usd(3_000) * IM_RATE // WAD
    assert chain.execute_redeem(request) == free // ATOM
    assert chain.stub.cash(chain.account) == MILLION - free // ATOM * ATOM


def test_execute_redeem__cash_not_on_hand__pays_what_is(chain: PoolChain) -> None:
    # losers who stand on other collateral owe the cash; insurance and fees back their own
    shares = chain.deposit(DEPOSIT)
    request = chain.request_redeem(shares)
    _, legs, _ = encode_account(Account())
    chain.stub.set_account(1, account_word(Account(cash=100_000 * WAD)), legs)
    chain.stub.set_account(2, account_word(Account(cash=50_000 * WAD)), legs)
    chain.stub.set_tracked(400_000 * USDC)
    assert chain.execute_redeem(request) == 250_000 * USDC
    assert chain.pool.request(request)[0] == chain.depositor
    chain.stub.set_tracked(150_000 * USDC)
    chain.wait(DELAY)
    chain.refresh()
    with boa.reverts("pool: nothing payable"):
        chain.pool.execute_redeem(request, sender=chain.keeper)


def test_execute_redeem__nothing_free__refused_and_kept(chain: PoolChain) -> None:
    shares = chain.deposit(DEPOSIT)
    request = chain.request_redeem(shares)
    for pool in (
        Account(cash=0, quote=MILLION, flags=HOUSE),
        Account(cash=-MILLION, quote=2 * MILLION, flags=HOUSE),
        at_mark(MILLION, chain.markets, ETH=lots(10_000)),
        Account(cash=ATOM - 1, quote=MILLION, flags=HOUSE),
        Account(cash=0, flags=HOUSE),
    ):
        with anchored(chain):
            chain.set_pool(pool)
            with boa.reverts("pool: nothing payable"):
                chain.execute_redeem(request)
    assert chain.pool.request(request)[2] == shares


def test_execute_redeem__dust_of_a_share__never_burnt_for_nothing(chain: PoolChain) -> None:
    chain.deposit(DEPOSIT)
    request = chain.request_redeem(ATOM - 1)
    with boa.reverts("pool: nothing payable"):
        chain.execute_redeem(request)


@given(
    deposit=st.integers(1, 10**14),
    gain=st.integers(-(10**26), 10**26),
    cash=st.integers(0, 10**26),
    share=st.integers(1, 1_000),
)
@example(deposit=1, gain=0, cash=10**12, share=1_000)
@example(deposit=10**12, gain=1, cash=1, share=1)
@FEW
def test_execute_redeem__any_pool__equals_the_reference_and_price_never_falls(
    chain: PoolChain, deposit: int, gain: int, cash: int, share: int
) -> None:
    with boa.env.anchor():
        shares = chain.deposit(deposit)
        equity = deposit * ATOM + gain
        chain.set_pool(Account(cash=cash, quote=equity - cash, flags=HOUSE))
        queued = max(1, shares * share // 1_000)
        request = chain.request_redeem(queued)
        supply, nav = shares, max(0, equity)
        owed = reference.to_assets_down(queued, supply, nav)
        now = min(owed, max(0, min(cash, equity)))
        chain.wait(COOLDOWN)
        chain.refresh()
        if now < ATOM:
            with boa.reverts("pool: nothing payable"):
                chain.pool.execute_redeem(request, sender=chain.keeper)
            return
        before = share_price(chain)
        paid = chain.pool.execute_redeem(request, sender=chain.keeper)
        burnt = supply - chain.pool.totalSupply()
        assert paid == now // ATOM
        if now == owed:
            assert burnt == queued
        else:
            assert burnt == min(queued, reference.to_shares_up(paid * ATOM, supply, nav))
        assert share_price(chain) >= before


# ---- the first price, and timing again ----------------------------------------------------------


def publish(chain: PoolChain, market: int, time: int, gap: int) -> None:
    """Store a market's price of this time, `gap` after the one before."""
    chain.set_market(market, market_at(chain.markets[market].price, publish=time, gap=gap))


@pytest.mark.parametrize("redeem", [False, True], ids=["deposit", "redeem"])
@pytest.mark.parametrize("held", [False, True], ids=["market 1", "held market"])
@pytest.mark.parametrize(
    ("late", "gap", "open_"),
    [
        (0, 0, True),
        (PUSH_WINDOW, 0, True),
        (PUSH_WINDOW, 5, True),
        (PUSH_WINDOW + 1, 7, True),
        (PUSH_WINDOW + 1, 6, False),
        (PUSH_WINDOW + 1, 0, False),
        (300, 255, False),
    ],
)
def test_execute_request__each_price__only_the_first_or_within_the_window(
    chain: PoolChain, redeem: bool, held: bool, late: int, gap: int, open_: bool
) -> None:
    shares = chain.deposit(DEPOSIT)
    if held:
        chain.set_pool(at_mark(MILLION, chain.markets, BTC=lots(1)))
    # half of them: what is payable at once
    amount = shares // 2 if redeem else DEPOSIT
    request = chain.request_redeem(amount) if redeem else chain.request_deposit(amount)
    execute = chain.pool.execute_redeem if redeem else chain.pool.execute_deposit
    earliest = chain.now + (COOLDOWN if redeem else DELAY)
    chain.wait(earliest + late - chain.now)
    publish(chain, ETH, earliest + late, gap=255 if held else gap)
    publish(chain, BTC, earliest + late, gap=gap)
    if held and late == 300:
        publish(chain, ETH, earliest + late, gap=0)
    if open_:
        with boa.reverts("pool: still open"):
            chain.pool.retime(request, sender=chain.attacker)
        execute(request, sender=chain.keeper)
        assert chain.pool.request(request)[0] == ZERO
        return
    with boa.reverts("pool: price passed"):
        execute(request, sender=chain.keeper)
    chain.pool.retime(request, sender=chain.attacker)
    time = chain.now + DELAY - COOLDOWN if redeem else chain.now
    assert retimed(chain) == (request, time)
    assert tuple(chain.pool.request(request)) == (chain.depositor, time, amount, redeem)


@pytest.mark.parametrize("redeem", [False, True], ids=["deposit", "redeem"])
def test_retime__passed__runs_at_the_first_price_of_after_it(
    chain: PoolChain, redeem: bool
) -> None:
    shares = chain.deposit(DEPOSIT)
    request = chain.request_redeem(shares) if redeem else chain.request_deposit(DEPOSIT)
    execute = chain.pool.execute_redeem if redeem else chain.pool.execute_deposit
    chain.wait(2 * COOLDOWN)
    publish(chain, ETH, chain.now, gap=10)
    chain.pool.retime(request, sender=chain.attacker)
    with boa.reverts("pool: still open"):
        chain.pool.retime(request, sender=chain.attacker)
    with boa.reverts("pool: cooldown" if redeem else "pool: price too early"):
        execute(request, sender=chain.keeper)
    chain.wait(DELAY)
    publish(chain, ETH, chain.now - 1, gap=1)
    with boa.reverts("pool: price too early"):
        execute(request, sender=chain.keeper)
    publish(chain, ETH, chain.now, gap=1)
    execute(request, sender=chain.keeper)
    assert chain.pool.request(request)[0] == ZERO


def test_retime__unknown_or_executed_or_within_its_cooldown__refused(chain: PoolChain) -> None:
    shares = chain.deposit(DEPOSIT)
    redemption = chain.request_redeem(shares)
    chain.wait(COOLDOWN - 1)
    publish(chain, ETH, chain.now, gap=1)
    with boa.reverts("pool: still open"):
        chain.pool.retime(redemption, sender=chain.depositor)
    for request in (0, 1, redemption + 1):
        with boa.reverts("pool: no request"):
            chain.pool.retime(request, sender=chain.depositor)
