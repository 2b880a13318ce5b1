"""Share holders of the pool: docs/spec/pool.md, shares."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.reference import pool as reference
from tests.reference.facts import Account
from tests.reference.units import HOUSE, WAD
from tests.reference.words import price_word
from tests.unit.pool_chain import (
    ATOM,
    BTC,
    COOLDOWN,
    DELAY,
    DEPOSIT,
    ETH,
    FEW,
    MILLION,
    USDC,
    PoolChain,
    at_mark,
    deployed,
    deployer_of,
    lots,
    market_at,
    share_price,
    stub_health,
    the_event,
    usd,
)

ZERO = "0x" + "00" * 20


def value(chain: PoolChain, holder: str) -> int:
    """Return what a holder's shares are worth [WAD], unrounded to atoms."""
    supply, nav = chain.pool.totalSupply(), chain.pool.nav()
    return reference.to_assets_down(chain.pool.balanceOf(holder), supply, nav)


# ---- the token ----------------------------------------------------------------------------------


def test_token__deployed__standard_metadata_and_no_minter(chain: PoolChain) -> None:
    pool = chain.pool
    assert (pool.name(), pool.symbol(), pool.decimals()) == ("Plimsoll Pool", "PLP", 18)
    assert pool.asset() == chain.token.address
    assert pool.owner() == chain.owner
    for name in ("mint", "burn", "burn_from", "set_minter", "renounce_ownership"):
        assert not hasattr(pool, name), name


def test_constructor__delay_or_cooldown_out_of_range__refused(chain: PoolChain) -> None:
    for delay, cooldown in ((1, 100), (61, 100), (2, 1), (2, 30 * COOLDOWN + 1)):
        with boa.reverts("pool: out of range"):
            deployer_of("LiquidityPool").deploy(chain.stub.address, "P", "P", delay, cooldown)
    for delay, cooldown in ((2, 2), (60, 30 * COOLDOWN)):
        deployer_of("LiquidityPool").deploy(chain.stub.address, "P", "P", delay, cooldown)


# ---- deposits -----------------------------------------------------------------------------------


def test_request_deposit__fresh__tokens_wait_in_the_ledger(chain: PoolChain) -> None:
    who = chain.depositor
    chain.token.mint(who, DEPOSIT)
    chain.token.approve(chain.pool.address, DEPOSIT, sender=who)
    request = chain.pool.request_deposit(DEPOSIT, chain.keeper, sender=who)
    event = the_event(chain.pool, "DepositRequested")
    assert (event.request_id, event.owner, event.assets) == (request, chain.keeper, DEPOSIT)
    assert event.time == chain.now
    assert tuple(chain.pool.request(request)) == (chain.keeper, chain.now, DEPOSIT, False)
    assert chain.pool.request_count() == request
    assert chain.stub.cash(chain.waiting) == DEPOSIT * ATOM
    assert chain.stub.cash(chain.account) == 0
    assert chain.token.balanceOf(chain.pool.address) == 0
    assert chain.token.allowance(chain.pool.address, chain.stub.address) == 0
    assert chain.pool.totalSupply() == 0


def test_request_deposit__nothing_or_nobody__refused(chain: PoolChain) -> None:
    with boa.reverts("pool: zero amount"):
        chain.pool.request_deposit(0, chain.depositor, sender=chain.depositor)
    for receiver in (ZERO, chain.pool.address):
        with boa.reverts("pool: bad receiver"):
            chain.pool.request_deposit(1, receiver, sender=chain.depositor)


def test_execute_deposit__first_price_after_the_delay__shares_by_nav(chain: PoolChain) -> None:
    request = chain.request_deposit(DEPOSIT)
    chain.wait(DELAY)
    chain.refresh()
    shares = chain.pool.execute_deposit(request, sender=chain.keeper)
    event = the_event(chain.pool, "RequestExecuted")
    # the first deposit: one share a USD
    assert shares == DEPOSIT * ATOM == chain.pool.balanceOf(chain.depositor)
    assert (event.request_id, event.owner) == (request, chain.depositor)
    assert (event.assets, event.shares, event.remaining) == (DEPOSIT, shares, 0)
    assert chain.stub.cash(chain.waiting) == 0
    assert chain.stub.cash(chain.account) == DEPOSIT * ATOM
    assert chain.pool.nav() == DEPOSIT * ATOM
    assert chain.pool.totalAssets() == DEPOSIT
    assert tuple(chain.pool.request(request)) == (ZERO, 0, 0, False)


def test_execute_deposit__price_of_before_the_delay__refused(chain: PoolChain) -> None:
    request = chain.request_deposit(DEPOSIT)
    chain.wait(DELAY)
    chain.refresh(age=1)
    with boa.reverts("pool: price too early"):
        chain.pool.execute_deposit(request, sender=chain.keeper)


def test_execute_deposit__one_held_market_of_before_the_delay__refused(chain: PoolChain) -> None:
    chain.set_pool(at_mark(MILLION, chain.markets, ETH=lots(1), BTC=lots(1)))
    request = chain.request_deposit(DEPOSIT)
    chain.wait(DELAY)
    chain.set_market(ETH, market_at(usd(3_000), publish=chain.now))
    with boa.reverts("pool: price too early"):
        chain.pool.execute_deposit(request, sender=chain.keeper)


def test_execute_deposit__market_not_held__its_price_does_not_matter(chain: PoolChain) -> None:
    request = chain.request_deposit(DEPOSIT)
    chain.wait(100)
    chain.set_market(ETH, market_at(usd(3_000), publish=chain.now, gap=100))
    chain.pool.execute_deposit(request, sender=chain.keeper)
    # the first deposit: one share a USD
    assert chain.pool.balanceOf(chain.depositor) == DEPOSIT * ATOM


@pytest.mark.parametrize("market", [ETH, BTC])
def test_execute_deposit__stale_or_distrusted_price__refused(chain: PoolChain, market: int) -> None:
    chain.set_pool(at_mark(MILLION, chain.markets, BTC=lots(1)))
    request = chain.request_deposit(DEPOSIT)
    chain.wait(100)
    chain.refresh()
    late = market_at(chain.markets[market].price, publish=chain.now - 16)
    chain.set_market(market, late)
    with boa.reverts("pool: stale price"):
        chain.pool.execute_deposit(request, sender=chain.keeper)
    chain.refresh(age=15, gap=100)
    chain.stub.set_untrusted(market, True)
    with boa.reverts("pool: stale price"):
        chain.pool.execute_deposit(request, sender=chain.keeper)
    chain.stub.set_untrusted(market, False)
    chain.pool.execute_deposit(request, sender=chain.keeper)


def test_execute_deposit__reports_passed_along__lead_the_execution(chain: PoolChain) -> None:
    request = chain.request_deposit(DEPOSIT)
    chain.wait(DELAY)
    fresh = market_at(usd(3_100), publish=chain.now)
    chain.stub.set_next_price(ETH, price_word(fresh))
    chain.pool.execute_deposit(request, b"\x01", sender=chain.keeper)
    assert chain.pool.balanceOf(chain.depositor) == DEPOSIT * ATOM


def test_execute_deposit__twice_or_unknown_or_redemption__refused(chain: PoolChain) -> None:
    shares = chain.deposit(DEPOSIT)
    redemption = chain.request_redeem(shares)
    chain.wait(DELAY)
    chain.refresh()
    for request in (0, 1, redemption, redemption + 1):
        with boa.reverts("pool: no request"):
            chain.pool.execute_deposit(request, sender=chain.keeper)


def test_execute_deposit__pool_without_equity__assets_go_back(chain: PoolChain) -> None:
    chain.deposit(DEPOSIT)
    request = chain.request_deposit(5 * USDC, chain.attacker)
    chain.set_pool(Account(cash=-1, flags=HOUSE))
    chain.wait(DELAY)
    chain.refresh()
    supply = chain.pool.totalSupply()
    assert chain.pool.execute_deposit(request, sender=chain.keeper) == 0
    event = the_event(chain.pool, "RequestExecuted")
    assert (event.assets, event.shares) == (5 * USDC, 0)
    assert chain.token.balanceOf(chain.attacker) == 5 * USDC
    assert chain.pool.totalSupply() == supply
    assert chain.stub.cash(chain.account) == -1


# ---- NAV ----------------------------------------------------------------------------------------


def test_nav__skewed_pool__equity_less_the_premium_rounded_up(chain: PoolChain) -> None:
    # 1,000 ETH short: 3 M USD, premium 9e12 / 4e9 = 2,250 USD
    chain.set_pool(at_mark(MILLION, chain.markets, ETH=-lots(1_000)))
    assert chain.pool.nav() == MILLION - 2_250 * WAD
    # one lot at one tick: (1e-18)^2 / 4e9 is not nothing
    chain.set_market(ETH, market_at(1, publish=chain.now))
    chain.set_pool(at_mark(MILLION, chain.markets, ETH=1))
    assert chain.pool.nav() == MILLION - 1


def test_nav__funding_and_profit__counted_as_equity(chain: PoolChain) -> None:
    chain.set_market(ETH, market_at(usd(3_000), publish=chain.now, funding=usd(10)))
    pool = at_mark(MILLION, chain.markets, ETH=-lots(100))
    chain.set_pool(pool)
    # the mark falls by 100 USD, funding rises by 1: short 100 ETH earns 101 a unit
    chain.set_market(ETH, market_at(usd(2_900), publish=chain.now, funding=usd(11)))
    health = stub_health(pool, chain.markets)
    assert health.equity == MILLION + 10_100 * WAD
    assert chain.pool.nav() == reference.nav(health.equity, pool, chain.markets, chain.params)


def test_nav__equity_below_zero__zero(chain: PoolChain) -> None:
    chain.set_pool(Account(cash=-1, flags=HOUSE))
    assert chain.pool.nav() == 0


def test_nav_and_conversions__stale_price__refused(chain: PoolChain) -> None:
    pool = chain.pool
    chain.wait(16)
    calls = [pool.nav, pool.totalAssets]
    for call in calls:
        with boa.reverts("pool: stale price"):
            call()
    names = ("convertToShares", "convertToAssets", "previewDeposit", "previewRedeem")
    for name in names:
        with boa.reverts("pool: stale price"):
            getattr(pool, name)(1)


@given(
    nav=st.one_of(st.just(0), st.integers(0, 100 * MILLION)),
    assets=st.integers(0, 10**15),
    shares=st.integers(0, 10**27),
)
@example(nav=1, assets=1, shares=1)
@FEW
def test_conversions__any_nav__equal_the_reference_and_round_down(
    chain: PoolChain, nav: int, assets: int, shares: int
) -> None:
    if chain.pool.totalSupply() == 0:
        chain.deposit(DEPOSIT)
    supply = chain.pool.totalSupply()
    chain.set_pool(Account(cash=nav, flags=HOUSE))
    minted = reference.to_shares_down(assets * ATOM, supply, nav)
    paid = reference.to_assets_down(shares, supply, nav) // ATOM
    assert chain.pool.convertToShares(assets) == minted == chain.pool.previewDeposit(assets)
    assert chain.pool.convertToAssets(shares) == paid == chain.pool.previewRedeem(shares)
    # down: what was minted is worth no more than what was paid in, and the other way round
    assert minted * (nav + WAD) <= assets * ATOM * (supply + WAD)
    assert reference.to_assets_down(minted, supply + minted, nav + assets * ATOM) <= assets * ATOM


# ---- attacks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("victim_usd", [1, 1_000, 10_000_000])
@pytest.mark.parametrize("donated_usd", [1, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize("first_atoms", [0, 1, USDC])
def test_first_depositor__donates_before_the_victim__loses_more_than_he_costs(
    chain: PoolChain, victim_usd: int, donated_usd: int, first_atoms: int
) -> None:
    # E3: a donation of D costs a victim of V at most 1e-6 V, and the attacker at least that
    victim, attacker, v = chain.depositor, chain.attacker, victim_usd * USDC
    if first_atoms:
        chain.deposit(first_atoms, attacker)
    request = chain.request_deposit(v, victim)
    chain.token.mint(attacker, donated_usd * USDC)
    chain.token.approve(chain.stub.address, donated_usd * USDC, sender=attacker)
    chain.stub.deposit(chain.account, chain.token.address, donated_usd * USDC, sender=attacker)
    chain.wait(DELAY)
    chain.refresh()
    chain.pool.execute_deposit(request, sender=attacker)
    loss = v * ATOM - value(chain, victim)
    assert 0 <= loss * 10**6 <= v * ATOM
    cost = (first_atoms + donated_usd * USDC) * ATOM - value(chain, attacker)
    assert cost >= loss


@given(assets=st.integers(1, 10**13), nav=st.integers(0, 10**26))
@FEW
def test_deposit_then_redeem__same_prices__never_gains(
    chain: PoolChain, assets: int, nav: int
) -> None:
    # E1: round trip, whatever the pool was worth
    with boa.env.anchor():
        chain.deposit(DEPOSIT)
        chain.set_pool(Account(cash=nav, flags=HOUSE))
        before = share_price(chain)
        shares = chain.deposit(assets, chain.attacker)
        assert share_price(chain) >= before
        if shares == 0:
            assert nav == 0
            return
        request = chain.request_redeem(shares, chain.attacker)
        chain.wait(COOLDOWN)
        chain.refresh()
        owed = chain.pool.previewRedeem(shares)
        if owed:
            assert chain.pool.execute_redeem(request, sender=chain.keeper) <= assets
        assert share_price(chain) >= before


def test_share_transfer__holder__moves(chain: PoolChain) -> None:
    shares = chain.deposit(DEPOSIT)
    chain.pool.transfer(chain.keeper, 5, sender=chain.depositor)
    chain.pool.approve(chain.attacker, 7, sender=chain.depositor)
    chain.pool.transferFrom(chain.depositor, chain.keeper, 7, sender=chain.attacker)
    assert chain.pool.balanceOf(chain.keeper) == 12
    assert chain.pool.balanceOf(chain.depositor) == shares - 12
    assert chain.pool.totalSupply() == shares


def test_ownership__two_steps__changes_hands(chain: PoolChain) -> None:
    chain.pool.transfer_ownership(chain.keeper, sender=chain.owner)
    assert (chain.pool.owner(), chain.pool.pending_owner()) == (chain.owner, chain.keeper)
    with boa.reverts("ownable_2step: caller is not the new owner"):
        chain.pool.accept_ownership(sender=chain.attacker)
    chain.pool.accept_ownership(sender=chain.keeper)
    assert chain.pool.owner() == chain.keeper


# ---- tokens -------------------------------------------------------------------------------------


@pytest.fixture
def hostile() -> Iterator[PoolChain]:
    """A pool whose settlement token misbehaves on demand."""
    with boa.swap_env(boa.Env()):
        token = deployer_of("mocks/PoolToken").deploy(6)
        yield PoolChain.deploy(6, token)


def test_request_deposit__fee_on_the_way__refused(hostile: PoolChain) -> None:
    hostile.token.set_fee(1)
    with boa.reverts("custody: inexact transfer"):
        hostile.request_deposit(DEPOSIT)


def test_request_deposit__approval_refused__refused(hostile: PoolChain) -> None:
    who = hostile.depositor
    hostile.token.mint(who, DEPOSIT)
    hostile.token.approve(hostile.pool.address, DEPOSIT, sender=who)
    hostile.token.set_approves(False)
    with boa.reverts("pool: approve failed"):
        hostile.pool.request_deposit(DEPOSIT, who, sender=who)


@pytest.mark.parametrize("entry", ["nav", "totalAssets", "request_count"])
def test_getters__while_a_token_is_called__locked(hostile: PoolChain, entry: str) -> None:
    # F5: no share price in the middle of a call
    calldata = getattr(hostile.pool, entry).prepare_calldata()
    hostile.token.set_hook(hostile.pool.address, calldata)
    hostile.request_deposit(DEPOSIT)
    assert hostile.token.hook_reached()
    assert not hostile.token.hook_allowed()


def test_redeem__executed_again_by_a_token_hook__locked(hostile: PoolChain) -> None:
    shares = hostile.deposit(DEPOSIT)
    request = hostile.request_redeem(shares // 2)
    again = hostile.pool.execute_redeem.prepare_calldata(request)
    hostile.token.set_hook(hostile.pool.address, again)
    assert hostile.execute_redeem(request) == DEPOSIT // 2
    assert hostile.token.hook_reached()
    assert not hostile.token.hook_allowed()


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_deposit_and_redeem__token_of_any_decimals__same_usd(decimals: int) -> None:
    with deployed(decimals) as chain:
        unit = 10**decimals
        shares = chain.deposit(1_000 * unit)
        assert shares == 1_000 * WAD
        assert chain.pool.nav() == 1_000 * WAD
        assert chain.pool.totalAssets() == 1_000 * unit
        chain.set_pool(Account(cash=1_500 * WAD, flags=HOUSE))
        # (1,500 + 1) / (1,000 + 1) USD a share
        assert chain.pool.convertToAssets(WAD) == 1_501 * unit // 1_001
        assert chain.execute_redeem(chain.request_redeem(shares)) == 1_000 * 1_501 * unit // 1_001
