"""Rows 30 and 50 of the fault list: what somebody could do to the price of a settlement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boa
import pytest
from eth_abi.abi import encode

from tests.support import sources
from tests.support.attack import attempt
from tests.support.world import TICKS, World, at_address

HOUR, DAY = 3_600, 86_400
WINDOW = 1_800
STEP = 100  # s between updates: nineteen in a window
ETH = 1


@dataclass
class Settling:
    """A series of ETH whose window begins now, on the whole protocol's Markets."""

    world: World
    expiries: Any
    hours: int

    @property
    def expiry(self) -> int:
        """When it expires."""
        return self.hours * HOUR

    def observe(self) -> bool:
        """Observe as anyone."""
        return bool(self.expiries.observe(ETH, self.hours, sender=self.world.role("keeper")))

    def see(self, price: int) -> None:
        """Publish a price now and observe it."""
        self.world.publish(ETH=price)
        self.observe()

    def observed(self, until: int) -> int:
        """Observe even prices from now to a time; return the average over the window."""
        price, prices = self.world.prices["ETH"], []
        while self.world.now < until:
            prices.append(price)
            self.see(price)
            self.world.wait(STEP)
            price += TICKS
        return sum(prices) // len(prices)

    @property
    def price(self) -> int:
        """What it settles at; 0 before it does."""
        return int(self.expiries.settlement_price(ETH, self.hours))


@pytest.fixture
def settling(world: World) -> Settling:
    made = sources.of("contracts/Expiries.vy")
    initcode = bytes.fromhex(made.initcode) + encode(["address"], [str(world.markets.address)])
    address, _ = boa.env.deploy_code(bytecode=initcode)
    hours = world.now // HOUR + 2
    world.wait(hours * HOUR - WINDOW - world.now)
    return Settling(world, at_address(made, str(address)), hours)


def test_fault_030_price__before_the_expiry__is_not_written(settling: Settling) -> None:
    # nobody settles at a price of his choice while the option lives
    settling.observed(settling.expiry - STEP)
    settling.world.wait(STEP - 1)
    settling.world.publish(ETH=settling.world.prices["ETH"])
    settling.observe()
    assert settling.world.now == settling.expiry - 1
    assert settling.price == 0


def test_fault_030_price__written__is_never_written_again(settling: Settling) -> None:
    due = settling.observed(settling.expiry)
    settling.see(settling.world.prices["ETH"])
    assert settling.price == due
    for _ in range(20):
        settling.world.wait(STEP)
        settling.see(settling.world.prices["ETH"] * 99 // 100)
    settling.world.wait(2 * DAY)
    settle_dead, keeper = settling.expiries.settle_dead, settling.world.role("keeper")
    assert attempt(settle_dead, ETH, settling.hours, sender=keeper) == "expiries: settled"
    assert settling.price == due


def test_fault_030_price__of_after_the_window__has_no_weight(settling: Settling) -> None:
    due = settling.observed(settling.expiry)
    # nobody called at the expiry; later prices are far lower
    settling.world.wait(250)
    settling.see(settling.world.prices["ETH"] * 98 // 100)
    settling.see(settling.world.prices["ETH"])
    assert settling.price == due


def test_fault_030_price__chosen_among_reports_held_back__does_not_count(
    settling: Settling,
) -> None:
    # whoever holds signed reports of the half hour brings those that suit him when it is over
    world = settling.world
    price, begun = world.prices["ETH"], world.now
    held = [
        world.report_blob({"ETH": price + 10 * TICKS}, times=begun + i * STEP) for i in range(19)
    ]
    world.wait(WINDOW)
    series, attacker = [(ETH, settling.hours)], world.role("attacker")
    for blob in held:
        settling.expiries.update_and_observe(blob, series, sender=attacker)
    assert settling.price == 0
    # only the newest one counts, and begins a new half hour
    assert settling.expiries.window(ETH, settling.hours).start == settling.expiry


def test_fault_050_pin__price_pushed_through_a_strike_in_the_last_second__hardly_counts(
    settling: Settling,
) -> None:
    # writers and holders of a strike fight for it at the very end
    due = settling.observed(settling.expiry - STEP)
    settling.world.wait(STEP - 1)
    push = settling.world.prices["ETH"] * 102 // 100
    settling.see(push)
    settling.world.wait(1)
    settling.see(push)
    # it stood for a second of half an hour
    assert abs(settling.price - due) <= push // 1_000
    assert push - due >= 15 * due // 1_000
