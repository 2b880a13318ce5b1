"""The Lens says what the contracts then do."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.support.world import LOT, LOTS, TICK, TICKS, WAD, World, perp

USD = 10**6
ETH, BTC = 1, 2
FILLS, NO_MARKET, TOO_SMALL, MARGIN, POOL_REFUSES, ODD_LOT = 0, 1, 3, 5, 6, 7
MAX_INSTRUMENT = 2**64 - 1


@pytest.fixture
def trader(world: World) -> Iterator[int]:
    """An account with 20,000 USDC, 2 WETH and a fresh price."""
    account = world.open_account("trader", USDC=20_000 * USD, WETH=2 * WAD)
    world.next_price()
    yield account


def test_health__open_account__equals_the_clearinghouse(world: World, trader: int) -> None:
    world.open_position(trader, "ETH", 10 * LOTS)
    told = world.lens.health(trader)
    health = world.health(trader)
    assert (told[0], told[1], told[2], told[3]) == (health.equity, health.im, health.le, health.mm)
    assert (told[5], told[6]) == (health.unsettled, health.status)


def test_health__never_opened__answers_zeros(world: World) -> None:
    assert tuple(world.lens.health(world.account("attacker", 7)))[:4] == (0, 0, 0, 0)


def test_health_many__several_accounts__same_as_one_by_one(world: World, trader: int) -> None:
    world.open_position(trader, "ETH", 5 * LOTS)
    accounts = [trader, world.account("attacker", 9), *world.all_accounts()]
    columns = world.lens.health_many(accounts)
    for index, account in enumerate(accounts):
        health = world.health(account)
        found = tuple(column[index] for column in columns)
        assert found == (
            health.equity,
            health.im,
            health.le,
            health.mm,
            health.unsettled,
            health.status,
        )


def test_unhealthy__one_account_under_mm__finds_it_and_goes_on(world: World, trader: int) -> None:
    world.open_position(trader, "ETH", 80 * LOTS)
    start = world.prices["ETH"]
    world.next_price(ETH=start * 97 // 100)
    for step in range(1, 16):
        if world.health(trader).equity < world.health(trader).mm:
            break
        world.next_price(ETH=start * (97 - step) // 100)
    health = world.health(trader)
    assert health.equity < health.mm

    found, next_index = [], 0
    while next_index < world.clearinghouse.account_count():
        accounts, equities, mms, _, next_index = world.lens.unhealthy(next_index, 2)
        found += list(zip(accounts, equities, mms, strict=True))
    assert found == [(trader, health.equity, health.mm)]


def test_unhealthy__beyond_the_list__is_empty(world: World) -> None:
    count = world.clearinghouse.account_count()
    assert world.lens.unhealthy(count + 5, 10) == ([], [], [], [], count)


@pytest.mark.parametrize("lots", [3 * LOTS, -3 * LOTS, LOTS // 2])
def test_preview_order__would_fill__is_what_the_fill_leaves(
    world: World, trader: int, lots: int
) -> None:
    """The preview at the price of the fill equals health after it, but for the time between."""
    preview, health = world.previewed(trader, "ETH", lots)
    assert preview[0] == FILLS
    assert tuple(preview[3:]) == (health.equity, health.im, health.le, health.mm)


@pytest.mark.parametrize("lots", [200 * LOTS, -200 * LOTS])
def test_preview_order__open_interest_on_its_slope__im_is_that_after_the_fill(
    world: World, lots: int
) -> None:
    """Whales hold more than half of the cap of 30M USD; the order moves the charge further."""
    whales = [world.open_account("trader", 10 + side, USDC=9_000_000 * USD) for side in (0, 1)]
    taker = world.open_account("trader", 12, USDC=2_000_000 * USD)
    part = 4_000_000 * TICKS * LOTS // world.prices["ETH"]
    world.next_price()
    for _ in range(4):
        world.open_position(whales[0], "ETH", part)
        world.open_position(whales[1], "ETH", -part)
    order = world.order(taker, "ETH", lots)
    world.commit(order)
    world.next_price()
    before = world.lens.preview_order(taker, perp(ETH), lots // 2 * LOT)
    preview = world.lens.preview_order(taker, perp(ETH), lots * LOT)
    world.execute(order)
    assert preview[0] == FILLS
    assert preview[4] == world.health(taker).im
    assert preview[4] > 2 * before[4]


def test_preview_order__market_without_a_pool__names_it(world: World, trader: int) -> None:
    unpooled = world.market("WSTETH").id
    assert world.lens.preview_order(trader, perp(unpooled), WAD)[0] == NO_MARKET
    assert world.lens.max_open(trader, perp(unpooled), True) == 0


def test_preview_order__codes__name_what_is_wrong(world: World, trader: int) -> None:
    lens = world.lens
    assert lens.preview_order(trader, perp(ETH), 1)[0] == ODD_LOT
    assert lens.preview_order(trader, perp(ETH), 0)[0] == ODD_LOT
    assert lens.preview_order(trader, perp(9), WAD)[0] == NO_MARKET
    assert lens.preview_order(trader, MAX_INSTRUMENT, WAD)[0] == NO_MARKET
    assert lens.preview_order(trader, perp(ETH), LOT)[0] == TOO_SMALL
    assert lens.preview_order(trader, perp(ETH), 1_000 * WAD)[0] == MARGIN


def test_preview_order__richer_than_the_pool__is_refused_by_the_pool(world: World) -> None:
    rich = world.open_account("trader", 5, USDC=20_000_000 * USD)
    world.next_price()
    notional = 8_000_000 * TICKS  # over half of lambda of the pool's 10M
    lots = notional * LOTS // world.prices["ETH"]
    assert world.lens.preview_order(rich, perp(ETH), lots * LOT)[0] == POOL_REFUSES


@pytest.mark.parametrize("is_buy", [True, False])
def test_max_open__margin_bound__one_lot_more_does_not_fill(
    world: World, trader: int, is_buy: bool
) -> None:
    world.open_position(trader, "BTC", LOTS // 10)
    most = world.lens.max_open(trader, perp(ETH), is_buy)
    sign = 1 if is_buy else -1
    assert most > 0
    assert world.lens.preview_order(trader, perp(ETH), sign * most)[0] == FILLS
    assert world.lens.preview_order(trader, perp(ETH), sign * (most + LOT))[0] != FILLS


def test_max_open__no_collateral__is_zero(world: World) -> None:
    world.next_price()
    assert world.lens.max_open(world.account("attacker"), perp(ETH), True) == 0


def test_max_withdraw__with_a_position__leaves_at_the_limit_and_not_beyond(
    world: World, trader: int
) -> None:
    world.open_position(trader, "ETH", 60 * LOTS)
    world.next_price()
    most = world.lens.max_withdraw(trader, world.tokens["USDC"].address)
    assert 0 < most < 20_000 * USD
    with boa.env.anchor(), pytest.raises(boa.BoaError):
        world.withdraw(trader, "USDC", most + 1)
    world.withdraw(trader, "USDC", most)
    assert world.lens.max_withdraw(trader, world.tokens["USDC"].address) == 0


def test_max_withdraw__collateral__leaves_at_the_limit_and_not_beyond(
    world: World, trader: int
) -> None:
    world.open_position(trader, "ETH", 140 * LOTS)
    world.next_price()
    most = world.lens.max_withdraw(trader, world.tokens["WETH"].address)
    assert 0 < most < 2 * WAD
    with boa.env.anchor(), pytest.raises(boa.BoaError):
        world.withdraw(trader, "WETH", most + 10**6)
    world.withdraw(trader, "WETH", most)


def test_max_withdraw__no_legs__is_everything(world: World, trader: int) -> None:
    lens = world.lens
    assert lens.max_withdraw(trader, world.tokens["USDC"].address) == 20_000 * USD
    assert lens.max_withdraw(trader, world.tokens["WETH"].address) == 2 * WAD
    assert lens.max_withdraw(trader, world.tokens["WBTC"].address) == 0
    assert lens.max_withdraw(trader, world.markets.address) == 0


def test_liquidation_prices__long__health_crosses_there(world: World, trader: int) -> None:
    """Below the mark lie both; above it only IM, whose stable-price charge grows with a rise."""
    world.open_position(trader, "ETH", 60 * LOTS)
    prices = world.lens.liquidation_prices(trader, ETH)
    mark = world.prices["ETH"] * TICK
    im_below, im_above, mm_below, mm_above, told_mark = prices
    assert told_mark == mark
    assert 0 < mm_below < im_below < mark
    assert im_above > mark
    assert mm_above == 0


def test_liquidation_prices__stored_there__mm_is_met_or_not(world: World, trader: int) -> None:
    world.open_position(trader, "ETH", 60 * LOTS)
    below = world.lens.liquidation_prices(trader, ETH)[2] // TICK
    slots = world.markets.market_words(ETH)[0]
    for price, healthy in ((below, False), (below + 1, True)):
        word = (slots & (2**192 - 1)) | price << 192
        with boa.env.anchor():
            _store_price(world, ETH, word)
            health = world.health(trader)
            assert (health.equity >= health.mm) is healthy


def _store_price(world: World, market: int, word: int) -> None:
    """Write a market's price word where the layout has it."""
    markets = world.markets.address
    stored = world.markets.market_words(market)[0]
    slot = next(slot for slot in range(2_000) if boa.env.get_storage(markets, slot) == stored)
    boa.env.set_storage(markets, slot, word)


def test_liquidation_prices__short__crosses_above(world: World, trader: int) -> None:
    world.open_position(trader, "BTC", -2 * LOTS)
    im_below, im_above, mm_below, mm_above, mark = world.lens.liquidation_prices(trader, BTC)
    assert mark < im_above < mm_above
    assert (im_below, mm_below) == (0, 0)


def test_liquidation_prices__hedged__has_none(world: World) -> None:
    """Two WETH held and two short: a fall gains what the collateral loses."""
    account = world.open_account("trader", 3, USDC=20_000 * USD, WETH=2 * WAD)
    world.open_position(account, "ETH", -2 * LOTS)
    prices = world.lens.liquidation_prices(account, ETH)
    assert prices[0] == prices[2] == 0


def test_liquidation_prices__nothing_held_there__has_none(world: World, trader: int) -> None:
    world.open_position(trader, "BTC", LOTS // 10)
    assert tuple(world.lens.liquidation_prices(trader, 3))[:4] == (0, 0, 0, 0)
    assert tuple(world.lens.liquidation_prices(trader, 99)) == (0, 0, 0, 0, 0)


def test_preview_reduce__healthy__says_not_below_mm(world: World, trader: int) -> None:
    world.open_position(trader, "ETH", 5 * LOTS)
    assert world.lens.preview_reduce(trader, perp(ETH))[0] == 1
    assert world.lens.preview_take(trader)[0] == 1
