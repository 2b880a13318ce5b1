"""Which losses a margin of this size has to prevent."""

from __future__ import annotations

from keepers.lab import debts
from keepers.lab.records import Breach

ACCOUNT = 7 << 96
SYMBOLS = {1: "ETH", 2: "BTC"}
# a gap of 20 % in block 10, small steps before and after it, and a wild market that nobody held
MOVES = [(5, 1, 0.03), (10, 1, 0.2), (20, 1, 0.01), (21, 2, 0.5)]


def breach(block: int) -> Breach:
    return Breach(ACCOUNT, block, 100, 0.0, -1, 2, {"ETH": 0.05})


def test_owed__liquidations_waited_after_the_gap__it_was_outside_the_range() -> None:
    # after an outage the breach begins when the grace ends, ten blocks after the fall
    way = debts.on_the_way(MOVES, breach(20), 10, SYMBOLS)
    found = debts.owed(ACCOUNT, 5, 200, way)
    assert (found.market, found.move, found.rate, found.inside) == ("ETH", 0.2, 0.05, False)


def test_owed__only_small_steps_on_the_way__a_margin_has_to_prevent_it() -> None:
    way = debts.on_the_way(MOVES, breach(20), 20, SYMBOLS)
    found = debts.owed(ACCOUNT, 5, 200, way)
    assert (found.move, found.inside) == (0.01, True)


def test_owed__nothing_known_of_the_account__counts_as_inside() -> None:
    assert debts.owed(ACCOUNT, 5, 200, debts.on_the_way(MOVES, None, 0, SYMBOLS)).inside


def test_last_breach__two_of_one_account__the_one_that_began_its_time_below() -> None:
    first, second = breach(10), breach(15)
    first.end_block = 14
    assert debts.last_breach([first, second], ACCOUNT) is second
    first.end_block = 15
    assert debts.last_breach([first, second], ACCOUNT) is first
