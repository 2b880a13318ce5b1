"""How pauses are judged and said before anything is sent."""

from __future__ import annotations

import pytest

from keepers.domain import pauses
from keepers.domain.pauses import (
    ACTIONS,
    DEPOSITS,
    LIQUIDATION,
    MAX_PAUSE_S,
    OPENING,
    POOL_DEPOSITS,
    Pause,
)
from tests.reference import pauses as model
from tests.reference.facts import Token
from tests.reference.refused import Refused
from tests.reference.state import Setup, World

OWNER, GUARDIAN = 1, 2
NOW = 1_700_000_000
# of a pause of a minute: its end, its rest without a grace of 600 s and with it
EDGES = (0, 1, 59, 60, 239, 240, 2_639, 2_640)


def test_actions__by_name__are_those_of_the_contract() -> None:
    assert tuple(ACTIONS.values()) == model.ACTIONS
    assert (OPENING, LIQUIDATION) == model.MARKET_ACTIONS
    assert MAX_PAUSE_S == model.MAX_PAUSE
    for name, action in ACTIONS.items():
        assert pauses.named(action) == name


@pytest.mark.parametrize("owner", [True, False])
@pytest.mark.parametrize("action", [POOL_DEPOSITS, DEPOSITS])
@pytest.mark.parametrize("elapsed", [*EDGES, MAX_PAUSE_S, 5 * MAX_PAUSE_S])
@pytest.mark.parametrize("lasted", [60, MAX_PAUSE_S])
@pytest.mark.parametrize("duration", [1, 60, MAX_PAUSE_S - 1, MAX_PAUSE_S, MAX_PAUSE_S + 1])
def test_doubt__any_pause__is_what_the_reference_refuses(
    owner: bool, action: int, elapsed: int, lasted: int, duration: int
) -> None:
    world = World(Setup(1, 2, 3, 4), now=NOW + elapsed, owner=OWNER, guardian=GUARDIAN)
    world.tokens[0] = Token(0, 6, 0, 10**6, 0)
    world.pauses[action, 0] = (NOW, NOW + lasted)
    found = Pause(action, 0, *model.pause_of(world, action, 0))
    doubt = pauses.doubt(found, duration, world.now, owner=owner)
    caller = OWNER if owner else GUARDIAN
    refused = False
    try:
        model.pause(world, caller, action, 0, duration)
    except Refused:
        refused = True
    assert (doubt is not None) == refused


@pytest.mark.parametrize(
    ("action", "part"),
    [
        (OPENING, "opening in ETH is paused until 2023-11-14 22:13:20 UTC"),
        (LIQUIDATION, "liquidations of what holds ETH are paused until 2023-11-14 22:13:20 UTC"),
        (POOL_DEPOSITS, "deposits into the pool are paused until 2023-11-14 22:13:20 UTC"),
        (DEPOSITS, "deposits of USDC are paused until 2023-11-14 22:13:20 UTC, and all"),
    ],
)
def test_said__each_action__names_what_and_until_when(action: int, part: str) -> None:
    assert part in pauses.said(Pause(action, 1, NOW - 60, NOW, NOW + 180), "ETH", "USDC")


def test_bitmap__markets__have_their_bits() -> None:
    assert pauses.bitmap([1, 3, 3]) == 0b1010
    assert pauses.bitmap([]) == 0
