"""The table of named structures says what the rules say."""

from __future__ import annotations

import pytest
from rich.console import Console

from bench import efficiency
from tests.support import books as b

STRUCTURES = efficiency.structures()
OFFSETTING = ("long straddle", "short straddle", "iron condor", "call spread, sold", "calendar")


def test_standard__short_call_at_the_money__is_fifteen_percent() -> None:
    standard, _, _ = efficiency.requirements(STRUCTURES["short call"])
    assert standard == pytest.approx(300)


def test_standard__covered_call__adds_a_haircut_and_the_call() -> None:
    # 15 % of 2,000, and 15 % less the 10 % that 2,200 is away, but 10 % at least
    standard, _, _ = efficiency.requirements(STRUCTURES["covered call"])
    assert standard == pytest.approx(300 + 200)


def test_paradex__spot_alone__loses_sixteen_percent_or_more() -> None:
    # -16 % at full weight, -66 % at 24 % and -33 % at 48 % of 2,000
    _, _, paradex = efficiency.requirements((1, []))
    assert paradex == pytest.approx(max(0.16, 0.66 * 0.24, 0.33 * 0.48) * 2_000)


@pytest.mark.parametrize("name", OFFSETTING)
def test_portfolio__what_offsets__asks_less_than_leg_by_leg(name: str) -> None:
    standard, portfolio, _ = efficiency.requirements(STRUCTURES[name])
    assert portfolio < standard


def test_portfolio__perp_alone__is_a_range_and_more() -> None:
    # 12 % and a quarter of it, and 3 % for the delta-1 leg
    _, portfolio, _ = efficiency.requirements((0, [b.perp(1)]))
    assert portfolio == pytest.approx(2_000 * (0.12 * 1.25 + 0.03))


def test_show__any_run__names_all_twelve() -> None:
    console = Console(width=120, record=True)
    efficiency.show(console)
    text = console.export_text()
    assert len(STRUCTURES) == 12
    assert all(name in text for name in STRUCTURES)
