"""When a report is due, and who submits a quorum."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from keepers.domain.prices import HEADER, parse
from keepers.domain.publishing import Rhythm, Standing, due, submits, turn
from keepers.domain.reports import Quote
from keepers.domain.sources import Replay
from keepers.domain.units import TICKS_PER_USD

RHYTHM = Rhythm(heartbeat=10, deviation=0, confirm_delay=5)
HELD = Standing(publish_time=100, stored=90, submitted=90, held_for=0.0, blocks=0, claimed=False)


@pytest.mark.parametrize(
    ("now", "last", "pending", "expected"),
    [
        (109, 100, 0, None),
        (110, 100, 0, 110),
        (117, 100, 0, 110),  # late, but the beat is the beat
        (135, 100, 0, 130),  # beats that were missed are not made up for
        (114, 110, 110, None),
        (115, 110, 110, 115),  # a jump is confirmed as soon as it can be
        (116, 115, 110, None),
    ],
)
def test_due__beats_and_jumps__set_the_time(
    now: int, last: int, pending: int, expected: int | None
) -> None:
    assert due(RHYTHM, now, last, pending, {1: 5}, {1: 5}) == expected


@pytest.mark.parametrize(("price", "expected"), [(10_050, None), (10_051, 103), (9_949, 103)])
def test_due__deviation__reports_early_beyond_it(price: int, expected: int | None) -> None:
    rhythm = replace(RHYTHM, deviation=50)
    assert due(rhythm, 103, 100, 0, {1: price}, {1: 10_000}) == expected


def test_turn__beats_pass__goes_round() -> None:
    order = [[turn(signer, beat * 10, 10, 4) for signer in range(4)] for beat in range(4)]
    assert order[0] == [0, 1, 2, 3]
    assert order[1] == [3, 0, 1, 2]
    assert all(sorted(places) == [0, 1, 2, 3] for places in order)


@pytest.mark.parametrize(
    ("standing", "place", "expected"),
    [
        (HELD, 0, True),  # the first in line does not wait
        (HELD, 1, False),
        (replace(HELD, held_for=0.2), 1, True),  # nobody claimed it meanwhile
        (replace(HELD, held_for=0.2, claimed=True), 1, False),
        (replace(HELD, held_for=9.0, blocks=1, claimed=True), 1, True),  # not in that block
        (replace(HELD, held_for=9.0, blocks=0, claimed=True), 1, False),  # no block yet
        (replace(HELD, held_for=9.0, stored=100), 0, False),
        (replace(HELD, held_for=9.0, submitted=100), 0, False),
    ],
)
def test_submits__what_it_knows__decides(standing: Standing, place: int, expected: bool) -> None:
    assert submits(standing, place, stagger_s=0.15, patience_s=2.0) is expected


def replay(speed: str = "1") -> Replay:
    cells = [list(HEADER)]
    cells += [[str(t), str(p), str(p), str(p), str(p), "0"] for t, p in ((600, 5), (660, 6))]
    cells += [["780", "7", "7", "7", "7", "0"]]
    return Replay(
        series={1: parse("ETH", "file", cells)},
        still={2: 9 * TICKS_PER_USD},
        file_from=600,
        chain_from=10_000,
        speed=Fraction(speed),
        conf=3,
    )


def test_replay__speed__maps_chain_time_to_the_file() -> None:
    assert replay().file_time(10_060) == 660
    assert replay("60").file_time(10_002) == 720
    assert replay("1/2").file_time(10_100) == 650


def test_replay__markets_without_a_file__stand_still() -> None:
    assert replay().quotes(10_060) == [
        Quote(1, 6 * TICKS_PER_USD, 3),
        Quote(2, 9 * TICKS_PER_USD, 3),
    ]


def test_replay__gap_or_end__says_nothing() -> None:
    assert replay().quotes(10_130) == []
    assert replay().quotes(10_240) == []
    assert replay().over(10_240)
    assert not replay().over(10_130)
