"""Rows 34, 37, 40 and 41 of the fault list where the source is one of volatility."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import boa
import pytest

from tests.faults.abi_table import NOT_OWNER
from tests.reference.portfolio import MONEY_ONE, RHO_ONE, VARIANCE_ONE, Surface
from tests.reference.surfaces import Outcome, Why
from tests.reference.units import DAY, HOUR, WAD
from tests.support.attack import attempt
from tests.unit.markets_support import ETH
from tests.unit.surfaces_support import House, built, put_back
from tools.findings import ROOT

MONTH = 30 * 24
YEAR = 365 * 24


@pytest.fixture(scope="module")
def deployment() -> Iterator[House]:
    with built() as built_once:
        yield built_once


@pytest.fixture
def house(deployment: House) -> Iterator[House]:
    with put_back(deployment) as ready:
        # from a full hour on, so that a year is one
        ready.desk.wait(HOUR - ready.now % HOUR)
        yield ready


def scaled(surface: Surface, factor: int, publish: int) -> Surface:
    """Return a surface of so many times the volatility."""
    square = factor**2
    return replace(surface, publish=publish, a=surface.a * square, b=surface.b * square)


# ---- 34: a surface that cannot be, and one of another order of magnitude -------------------------


def test_fault_034_surface__of_negative_density__is_not_stored(house: House) -> None:
    # A. Vogt's smile: by every bound of its variance it is sound, and a butterfly five deviations
    # above the forward pays whoever buys it
    vogt = house.surface(
        YEAR,
        a=-41 * VARIANCE_ONE // 1_000,
        b=1_331 * VARIANCE_ONE // 10_000,
        rho=306 * RHO_ONE // 1_000,
        m=3_586 * MONEY_ONE // 10_000,
        sigma=4_153 * MONEY_ONE // 10_000,
    )
    assert house.send(vogt) == Outcome((), (), ((vogt, Why.ARBITRAGE),))
    assert house.live() == []


def test_fault_034_surface__steeper_than_lee__is_not_stored(house: House) -> None:
    steep = house.surface(YEAR, a=0, b=2 * VARIANCE_ONE + 1, rho=0, m=0, sigma=5 * MONEY_ONE)
    assert house.send(steep) == Outcome((), (), ((steep, Why.ARBITRAGE),))


def test_fault_034_surface__cheaper_than_an_earlier_expiry__is_not_stored(house: House) -> None:
    near = house.surface(MONTH, 80)
    house.send(near)
    # a calendar spread that is paid for being bought
    far = house.surface(2 * MONTH, 50)
    assert house.send(far) == Outcome((), (), ((far, Why.CALENDAR),))


def test_fault_034_surface__thrice_the_volatility__waits_for_a_second_quorum(
    house: House,
) -> None:
    first = house.surface(MONTH, 60)
    house.send(first)
    house.desk.wait(10)
    lie = scaled(first, 3, house.now)
    assert house.send(lie) == Outcome((), (lie,), ())
    assert house.stored(first.hours) == first
    assert not house.surfaces.surface_trusted(ETH, first.hours)


# ---- 37: less than a quorum ----------------------------------------------------------------------


def test_fault_037_surface__two_of_four_sign__is_not_stored(house: House) -> None:
    raw = house.raw([house.surface(MONTH)], (0, 3))
    assert attempt(house.surfaces.update, raw, sender=house.desk.anyone) == "surfaces: no quorum"


# ---- 40 and 41: out of order, replayed, ahead of time --------------------------------------------


def test_fault_040_surface__withheld_then_brought__changes_nothing(house: House) -> None:
    old = house.surface(MONTH, 70)
    withheld = house.raw([old])
    house.desk.wait(30)
    new = house.surface(MONTH, 80)
    house.send(new)
    assert house.send_raw(withheld) == 0
    assert house.live() == [new]


def test_fault_041_surface__from_the_future__is_not_stored(house: House) -> None:
    early = house.surface(MONTH, publish=house.now + 60)
    assert house.send(early) == Outcome((), (), ((early, Why.FUTURE),))
    # else nothing could be stored for a minute
    now = replace(early, publish=house.now)
    assert house.send(now).stored == (now,)


# ---- who may call what ---------------------------------------------------------------------------


def test_surfaces__everybody__writes_with_a_quorum_and_the_owner_bounds(house: House) -> None:
    abi = json.loads((ROOT / "abi" / "Surfaces.json").read_text(encoding="utf-8"))
    writes = {
        item["name"]
        for item in abi
        if item["type"] == "function" and item["stateMutability"] == "nonpayable"
    }
    assert writes == {"update", "set_bounds", "transfer_ownership", "accept_ownership"}
    bounds = (True, 90 * DAY, 5, WAD // 50)
    desk, stranger = house.desk, house.desk.anyone
    assert attempt(house.surfaces.set_bounds, ETH, bounds, sender=stranger) == NOT_OWNER
    assert attempt(house.surfaces.transfer_ownership, stranger, sender=stranger) == NOT_OWNER
    assert tuple(house.surfaces.bounds(ETH)) == (0, 0, 0)

    house.surfaces.transfer_ownership(stranger, sender=desk.owner)
    house.surfaces.accept_ownership(sender=stranger)
    house.surfaces.set_bounds(ETH, bounds, sender=stranger)
    assert tuple(house.surfaces.bounds(ETH)) == bounds[1:]


def test_surfaces__its_lock_is_taken__views_and_updates_go_on(house: House) -> None:
    # nobody is called who could come back, so these need no lock; the owner's has one
    first = house.surface(MONTH)
    raw = house.raw([first])
    address = bytes.fromhex(str(house.surfaces.address)[2:])
    bounds = (True, 90 * DAY, 5, WAD // 50)
    state = boa.env.evm.vm.state
    with boa.env.anchor():
        state.set_transient_storage(address, 0, (1).to_bytes(32, "big"))
        assert attempt(house.surfaces.set_bounds, ETH, bounds, sender=house.desk.owner) == ""
        assert house.send_raw(raw) == 1
        assert house.live() == [first]
        state.set_transient_storage(address, 0, (0).to_bytes(32, "big"))
