"""When an auction that nobody ends counts as missed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from keepers.domain.scan import Candidate
from keepers.lab.auctions import LATE_S, Auctions
from keepers.lab.records import FLAG, MISSED_BLOCKS, Breach

BEGAN = 1_000
ACCOUNT = 7 << 96


class _Health:
    def __init__(self, open_: bool) -> None:
        self.open = open_


def under(open_: bool = True) -> dict[int, Candidate]:
    """Return one account under maintenance."""
    return {ACCOUNT: Candidate(cast(Any, None), cast(Any, _Health(open_)))}


def breach() -> Breach:
    return Breach(ACCOUNT, 5, BEGAN, 0.0, 1, 2, {}, outcome=FLAG)


def followed(auctions: Auctions, *times: int, open_: bool = True) -> int:
    """Return how often the account was missed in blocks of these times."""
    return sum(len(auctions.follow(under(open_), time)) for time in times)


def test_follow__reward_covers_the_cost__the_fourth_block_is_one_too_many() -> None:
    auctions = Auctions()
    auctions.begin(ACCOUNT, BEGAN, breach())
    late = BEGAN + LATE_S + 1
    assert followed(auctions, BEGAN + 10, BEGAN + LATE_S, late, late + 2, late + 4) == 0
    assert auctions.late() == {ACCOUNT}
    missed = auctions.follow(under(), late + 6)
    assert [account for account, _ in missed] == [ACCOUNT] and MISSED_BLOCKS == 3
    # once
    assert followed(auctions, late + 8, late + 10) == 0
    assert auctions.longest_s == LATE_S + 11


def test_follow__liquidations_are_shut__nobody_is_late() -> None:
    auctions = Auctions()
    auctions.begin(ACCOUNT, BEGAN, breach())
    times = range(BEGAN + LATE_S + 1, BEGAN + LATE_S + 60, 2)
    assert followed(auctions, *times, open_=False) == 0
    assert auctions.late() == set()


def test_follow__blocks_of_one_second__are_one_chance() -> None:
    auctions = Auctions()
    auctions.begin(ACCOUNT, BEGAN, breach())
    assert followed(auctions, *[BEGAN + LATE_S + 1] * 10) == 0


def test_acted__somebody_took_a_part__the_rest_has_time_again() -> None:
    auctions, found = Auctions(), breach()
    auctions.begin(ACCOUNT, BEGAN, found)
    late = BEGAN + LATE_S + 1
    followed(auctions, late, late + 2, late + 4)
    auctions.acted(ACCOUNT, late + 5, 42, 9.0)
    assert followed(auctions, late + 6, late + 8, late + 10, late + LATE_S) == 0
    assert (found.acted_block, found.acted_wall_ms) == (42, 9.0)
    auctions.acted(ACCOUNT, late + 7, 43, 11.0)
    assert found.acted_block == 42, "the first one counts"


def test_follow__above_maintenance__a_new_auction_has_a_new_clock() -> None:
    auctions = Auctions()
    auctions.begin(ACCOUNT, BEGAN, breach())
    assert auctions.follow({}, BEGAN + 5) == [] and auctions.open == {}
    auctions.begin(ACCOUNT, BEGAN + LATE_S)
    assert followed(auctions, *range(BEGAN + LATE_S, BEGAN + 2 * LATE_S, 2)) == 0


def test_begin__twice__the_first_one_stands() -> None:
    auctions, first = Auctions(), breach()
    auctions.begin(ACCOUNT, BEGAN, first)
    auctions.begin(ACCOUNT, BEGAN + 100, replace(first, block=9))
    assert auctions.open[ACCOUNT].began == BEGAN and auctions.open[ACCOUNT].breach is first
