"""Closes in the keepers' integers against the reference model: what moves, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.backtest.rules import CURVE
from keepers.domain import closes
from keepers.domain.exchange_orders import Leg
from keepers.domain.margin import Health
from keepers.domain.words import OPTIONS, Account
from keepers.domain.words import Leg as Held
from tests.keepers.facts import at
from tests.reference import facts as model
from tests.reference import ledger, liquidation, options
from tests.reference.instruments import CALL
from tests.reference.refused import Refused
from tests.reference.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from tests.support.options_house import ETH, FIRST, SECOND, THIRD, OptionsHouse, option
from tests.support.options_sinking import after_close, least_lots, sink

LOT = LOTS_PER_UNIT
HELD = 100 * LOT
ANSWERED = 8  # fields of a health that the contract answers


@pytest.fixture(scope="module")
def house() -> Iterator[OptionsHouse]:
    """Yield a house where FIRST is short 100 calls and stands at 0.9 MM."""
    made = OptionsHouse()
    for account, usd in ((FIRST, 100_000), (SECOND, 3_000_000), (THIRD, 3_000_000)):
        made.deposit(account, usd)
    made.report(ETH, 30)
    leg = options.FillLeg(call_of(made), -HELD, 100 * TICKS_PER_USD)
    fill = options.Fill(FIRST, SECOND, (leg,))
    made.trade(fill)
    options.trade(made.model, fill)
    sink(made, FIRST, 3_000, 9_000)
    yield made


def call_of(house: OptionsHouse) -> int:
    (hours,) = {hours for key, hours in house.engine.surfaces if key == ETH}
    return option(ETH, CALL, hours, 3_000)


def mark_of(house: OptionsHouse) -> int:
    engine = options.engine_of(house.model)
    return engine.mark(house.model, engine, model.Leg(call_of(house), 1))


def told(found: model.Health) -> Health:
    """Return a health of the model as the keepers have it."""
    return Health(*astuple(found)[:ANSWERED])


def account_of(house: OptionsHouse, id_: int) -> Account:
    """Return an account of the model as the keepers have it."""
    found, legs = house.model.account(id_), house.engine.books.get(id_, ())
    held = tuple(Held(leg.instrument, leg.size) for leg in legs)
    return Account(id_, found.cash, found.quote, (), (), OPTIONS if held else 0, held)


def closing(house: OptionsHouse, size: int, worse: int, fee: int = 0) -> options.Fill:
    leg = options.FillLeg(call_of(house), size, mark_of(house) + worse)
    return options.Fill(FIRST, THIRD, (leg,), 0, fee)


def reference(house: OptionsHouse, fill: options.Fill, conceded: int) -> str | None:
    """Return why the reference refuses a close."""
    try:
        options.close(house.model.copy(), fill, conceded)
    except Refused as error:
        return str(error)
    return None


def ours(house: OptionsHouse, fill: options.Fill, conceded: int) -> str | None:
    """Return why the keepers expect a refusal."""
    (asked,) = fill.legs
    leg, account = Leg(asked.instrument, asked.size, asked.price), account_of(house, FIRST)
    price = house.model.markets[ETH].price
    left = closes.held(account, leg.instrument) + leg.size
    made = closes.held(account_of(house, THIRD), leg.instrument) - leg.size
    if closes.too_small(left, price) or closes.too_small(made, price):
        return "options: leg too small"
    before = told(options.health_of(house.model, FIRST))
    due = closes.undue(account, before, leg)
    if due is not None:
        return due
    after = told(after_close(house, fill))
    spare = closes.spare_lots(left, price)
    return closes.refusal(before, after, abs(leg.size), spare, conceded)


@given(
    size=st.one_of(st.integers(1, HELD + 2), st.integers(1, 40 * LOT), st.integers(-5, -1)),
    worse=st.integers(-30 * TICKS_PER_USD, 130 * TICKS_PER_USD),
    conceded=st.one_of(st.integers(0, WAD // 10), st.integers(0, 3 * WAD // 2)),
)
def test_refusal__any_close__is_the_references(
    house: OptionsHouse, size: int, worse: int, conceded: int
) -> None:
    fill = closing(house, size, worse)
    assert ours(house, fill, conceded) == reference(house, fill, conceded)


def test_refusal__edges__are_the_references_to_a_tick_and_a_lot(house: OptionsHouse) -> None:
    before = options.health_of(house.model, FIRST)
    released = before.mm - after_close(house, closing(house, LOT, 0)).mm
    reasons = set()
    for conceded in (0, WAD // 10, WAD // 2, WAD):
        most = closes.most_cost(conceded, released) // LOT
        for worse in (most, most + 1):
            fill = closing(house, LOT, worse)
            said = ours(house, fill, conceded)
            assert said == reference(house, fill, conceded)
            assert said == (None if worse == most else "options: cost")
    least = least_lots(house, closing(house, HELD, 0))
    for size in (least - 1, least, least + 1, least + 2, HELD, HELD + LOT, HELD - 1):
        fill = closing(house, size, 0)
        assert ours(house, fill, 0) == reference(house, fill, 0)
        reasons.add(ours(house, fill, 0))
    expected = {"options: overshoot", "options: not reducing", "options: leg too small"}
    assert reasons == {None, *expected}


@given(
    size=st.integers(LOT, 10 * LOT),
    worse=st.integers(-20 * TICKS_PER_USD, 0),
    fee=st.integers(0, 10**18),
)
def test_sides__close_that_passes__moves_what_the_reference_moves(
    house: OptionsHouse, size: int, worse: int, fee: int
) -> None:
    fee = min(fee, size * house.model.markets[ETH].price // options.FEE_SHARE)
    fill, world = closing(house, size, worse, fee), house.model.copy()
    options.close(world, fill, 0)
    (asked,) = fill.legs
    leg = Leg(asked.instrument, asked.size, asked.price)
    pair = account_of(house, FIRST), account_of(house, THIRD)
    *after, _ = closes.sides(*pair, leg, fee, at())
    for mine in after:
        theirs = world.account(mine.id)
        assert (mine.cash, mine.quote) == (theirs.cash, theirs.quote)
        book = options.engine_of(world).books.get(mine.id, ())
        mine_too = [(held.instrument, held.size) for held in mine.options]
        assert mine_too == [tuple(held) for held in book]


@given(live=st.integers(0, 3_000), away=st.sampled_from((0, 59, 3_600, 3_601, 90_000)))
def test_concession__any_clock__is_the_references(
    house: OptionsHouse, live: int, away: int
) -> None:
    world = house.model.copy()
    world.clocks = {**world.clocks, FIRST: (live, world.now - away)}
    said = closes.concession(live, world.now - away, world.now, CURVE[1:])
    assert said == liquidation.concession(world, FIRST)


def test_no_worse__and_the_makers_side__are_the_references(house: OptionsHouse) -> None:
    base = options.health_of(house.model, THIRD)
    for moved in ((0, 0, 0), (-1, -1, -1), (5, 5, 5), (-1, 0, 0), (1, 2, 0), (0, -3, -3)):
        gained, im, mm = (each * WAD for each in moved)
        after = replace(base, equity=base.equity + gained, im=base.im + im, mm=base.mm + mm)
        said = closes.no_worse(told(base), told(after))
        assert said == ledger.no_worse(base, after)
