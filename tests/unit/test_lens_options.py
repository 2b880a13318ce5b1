"""The Lens about accounts whose margin the engine says: as the core, or nothing."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.reference import portfolio as pm
from tests.reference.facts import Leg
from tests.reference.instruments import CALL, PUT
from tests.reference.option_lens import Kind
from tests.reference.units import HOUR, LOTS_PER_UNIT, TICKS_PER_USD
from tests.stateful.evm import Reverted
from tests.support import sources
from tests.support import surface_reports as wire
from tests.support.option_lens_house import PORTFOLIO_BIT, OptionLensHouse, slot_of
from tests.support.options_house import ETH, FIRST, SECOND, THIRD, future, option
from tests.support.portfolio_engine import leg_words
from tests.support.reports import domain_separator
from tests.support.world import LOT, LOTS, TICK, WAD, World, perp

USD = 10**6
FILLS, MARGIN = 0, 5
NO_ANSWER = 64
HUGE = 2**62


@pytest.fixture
def engaged(world: World) -> Iterator[int]:
    """An account under portfolio margin: cash, ether and a perp, which the scan nets."""
    account = world.open_account("trader", USDC=30_000 * USD, WETH=3 * WAD)
    world.next_price()
    world.open_position(account, "ETH", -3 * LOTS)
    world.next_price()
    world.options.set_mode(account, True, sender=world.role("trader"))
    assert world.clearinghouse.health(account) != world.markets.check(
        *world.clearinghouse.account_words(account)
    )
    yield account


def test_health__engines_account__is_the_clearinghouses(world: World, engaged: int) -> None:
    told, health = world.lens.health(engaged), world.health(engaged)
    assert tuple(told)[:4] == (health.equity, health.im, health.le, health.mm)
    assert tuple(told)[5:] == (health.unsettled, health.status)


def test_max_withdraw__engines_account__that_goes_and_a_unit_more_does_not(
    world: World, engaged: int
) -> None:
    most = world.lens.max_withdraw(engaged, world.tokens["USDC"].address)
    assert 0 < most <= 30_000 * USD
    with boa.reverts():
        world.withdraw(engaged, "USDC", most + 1)
    world.withdraw(engaged, "USDC", most)


def test_max_withdraw__spot_that_hedges__goes_as_far_as_the_scan_lets_it(
    world: World, engaged: int
) -> None:
    cash = world.lens.max_withdraw(engaged, world.tokens["USDC"].address)
    world.withdraw(engaged, "USDC", cash)
    most = world.lens.max_withdraw(engaged, world.tokens["WETH"].address)
    assert 0 < most < 3 * WAD
    with boa.reverts():
        world.withdraw(engaged, "WETH", most + 10**6)
    world.withdraw(engaged, "WETH", most)


@pytest.mark.parametrize("lots", [2 * LOTS, -2 * LOTS])
def test_preview_order__engines_account__is_what_the_fill_leaves(
    world: World, engaged: int, lots: int
) -> None:
    preview, health = world.previewed(engaged, "ETH", lots)
    assert preview[0] == FILLS
    assert tuple(preview[3:]) == (health.equity, health.im, health.le, health.mm)


def test_max_open__engines_account__a_lot_more_is_over_its_margin(
    world: World, engaged: int
) -> None:
    most = world.lens.max_open(engaged, perp(ETH), False)
    assert most > 0
    assert world.lens.preview_order(engaged, perp(ETH), -most)[0] == FILLS
    assert world.lens.preview_order(engaged, perp(ETH), -most - LOT)[0] == MARGIN


def test_liquidation_prices__engines_account__are_none_beside_the_mark(
    world: World, engaged: int
) -> None:
    mark = world.prices["ETH"] * TICK
    # what its options would be worth at another price is not in the words of the core
    assert tuple(world.lens.liquidation_prices(engaged, ETH)) == (0, 0, 0, 0, mark)


# ---- with the surfaces of a deployment -----------------------------------------------------------


def report(world: World, days: int) -> int:
    """Store a smile that three signers signed; return the expiry's hours."""
    now = world.now
    hours = now // HOUR + 24 * days
    word = pm.Surface(ETH, hours, now, b=pm.VARIANCE_ONE // 10, ratio=pm.RATIO_ONE * 1_004 // 1_000)
    domain = domain_separator(boa.env.evm.patch.chain_id, world.surfaces.address)
    chosen = world.signers[: world.parameters.quorum]
    signed = [(signer.index, wire.signature(signer, domain, [word.word])) for signer in chosen]
    seats = {signer.index: signer.address for signer in world.signers}
    raw = wire.report([word.word], signed, seats)
    assert world.surfaces.update(raw, sender=world.role("keeper")) == 1
    return hours


def hold(world: World, account: int, legs: list[Leg]) -> None:
    """Write legs of an account under portfolio margin."""
    layout = sources.of("contracts/Options.vy").layout["engine_books"]
    address = bytes.fromhex(str(world.options.address)[2:])
    state = boa.env.evm.vm.state
    for i, pair in enumerate(leg_words(legs)):
        state.set_storage(address, slot_of(layout["entries"], account) + i, pair)
    state.set_storage(address, slot_of(layout["books"], account), len(legs) | PORTFOLIO_BIT)


def test_lenses__surfaces_of_a_deployment__say_what_engine_and_surfaces_say(
    world: World, engaged: int
) -> None:
    hours = report(world, 30)
    legs = [Leg(option(ETH, kind, hours, 3_200), -LOTS_PER_UNIT) for kind in (CALL, PUT)]
    legs.append(Leg(future(ETH, hours), 2 * LOTS_PER_UNIT))
    hold(world, engaged, legs)
    ids = [leg.instrument for leg in legs]
    price = world.prices["ETH"]
    marks, codes = world.option_lens.marks([*ids, perp(ETH)])
    assert list(codes) == [0, 0, 0, 0]
    assert list(marks) == [*world.surfaces.marks(ETH, price, leg_words(legs))[:3], price]
    call, put, forward, _ = marks
    assert call - put == forward - 3_200 * TICKS_PER_USD

    told = world.margin_lens.decomposition(engaged)
    health = world.health(engaged)
    assert (told.portfolio, told.mm, told.im) == (True, health.mm, health.im)
    scan = next(part for part in told.parts if part.kind == Kind.SCAN)
    assert scan.mm == world.margin_lens.scenarios(engaged, False).scan > 0
    *_, markets, found = world.option_lens.greeks(engaged)
    # a call and a put of one strike sold: less than nothing of gamma and vega, time is earned
    (eth,) = [each for each in markets if each.market == ETH]
    assert eth.gamma < 0 and eth.vega < 0 < eth.theta
    assert [leg.size for leg in found] == [leg.size for leg in legs] + [-3 * LOTS]


# ---- an engine that does not answer --------------------------------------------------------------


@pytest.fixture(scope="module")
def house() -> OptionLensHouse:
    """Three accounts of the engine's; the second has a leg beyond what can be valued."""
    made = OptionLensHouse()
    for account in (FIRST, SECOND, THIRD):
        made.deposit(account, 100_000)
        made.engage(account)
    hours = made.report(ETH, 30)
    strike = made.model.markets[ETH].price // TICKS_PER_USD // 100 * 100
    made.hold(FIRST, [Leg(option(ETH, CALL, hours, strike), LOTS_PER_UNIT)], True)
    made.hold(SECOND, [Leg(option(ETH, CALL, hours, strike), HUGE)], True)
    made.hold(THIRD, [Leg(option(ETH, CALL, hours, strike), -1_000 * LOTS_PER_UNIT)], True)
    made.refresh()
    with pytest.raises(Reverted):
        made.clearinghouse.view("health", SECOND)
    return made


def test_health_many__an_engine_that_does_not_answer__is_a_status_of_one_account(
    house: OptionLensHouse,
) -> None:
    columns = house.lens.view("health_many", [FIRST, SECOND, THIRD])
    assert [column[1] for column in columns] == [0, 0, 0, 0, 0, NO_ANSWER]
    for place, account in ((0, FIRST), (2, THIRD)):
        health = house.clearinghouse.view("health", account)
        wanted = (health[0], health[2], health[3], health[4], health[1], health[6])
        assert tuple(column[place] for column in columns) == wanted


def test_unhealthy__an_engine_that_does_not_answer__hides_nobody_else(
    house: OptionLensHouse,
) -> None:
    found = house.lens.view("unhealthy", 0, 500)
    health = house.clearinghouse.view("health", THIRD)
    assert health[0] < health[4]
    assert [list(column) for column in found[:4]] == [
        [THIRD],
        [health[0]],
        [health[4]],
        [health[6]],
    ]
    assert found[4] == house.clearinghouse.view("account_count")
