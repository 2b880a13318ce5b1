"""The table of named structures says what the rules say, and what ours asks for covers the loss."""

from __future__ import annotations

import pytest
from rich.console import Console

from bench import efficiency
from bench.efficiency import Structure, asked
from tests.support import books as b

STRUCTURES = efficiency.structures()
# docs/spec/portfolio-margin.md#efficiency: what ours asks for beyond the lower one of theirs is a
# charge of R5, a quarter of the scan, the static or the least one
CHARGED = (
    "covered call",
    "collar",
    "vertical, sold",
    "straddle, sold",
    "strangle, sold",
    "condor, sold",
    "strangle, sold, hedged",
    "perp for a future",
)
# there the scan itself is above theirs, by the gap that bounds the loss between two rows
BOUNDED = ("butterfly, sold", "box")


# ---- each rule -----------------------------------------------------------------------------------


def test_standard__short_call_at_the_money__is_fifteen_percent() -> None:
    assert asked(Structure(0, (b.call(2_000, -1),))).standard == pytest.approx(300)


def test_standard__covered_call__adds_a_haircut_and_the_call() -> None:
    # 15 % of 2,000, and 15 % less the 10 % that 2,200 is away, but 10 % at least
    assert asked(STRUCTURES["covered call"]).standard == pytest.approx(300 + 200)


def test_standard__perp_for_a_future__nets_to_a_spread() -> None:
    # 5 % of either by itself; together 1 % for the spread
    found = asked(STRUCTURES["perp for a future"])
    assert found.isolated == pytest.approx(200)
    assert found.standard == pytest.approx(20)


def test_paradex__spot_alone__loses_sixteen_percent_or_more() -> None:
    # -16 % at full weight, -66 % at 24 % and -33 % at 48 % of 2,000
    worst = max(0.16, 0.66 * 0.24, 0.33 * 0.48) * 2_000
    assert asked(Structure(1, ())).paradex == pytest.approx(worst)


def test_paradex__perp_for_a_future__is_the_least_delta() -> None:
    # net -0.01, since the future's price moves by 1.01 of the perp's, and 1.00 of each hedged
    least = (0.02 * 0.01 + 0.01 * 1) * 2_000
    assert asked(STRUCTURES["perp for a future"]).paradex == pytest.approx(least, rel=1e-3)


def test_deribit__perp_alone__is_the_range_and_the_least_roll() -> None:
    # straight legs lose no more in the extended table than at the range's end
    assert asked(Structure(0, (b.perp(1),))).deribit == pytest.approx((0.16 + 0.01) * 2_000)


def test_deribit__future_of_ninety_days__rolls_at_ten_percent_a_year() -> None:
    future = asked(Structure(0, (b.future(1, 90 * 24),)))
    moved = 2_000 * 1.01 * 0.16
    assert future.deribit == pytest.approx(moved + 0.10 * 90 / 365 * 2_000 * 1.01, rel=1e-3)


def test_portfolio__perp_alone__is_a_range_and_more() -> None:
    # 12 % and a quarter of it, and 3 % for the delta-1 leg
    found = asked(Structure(0, (b.perp(1),)))
    assert found.portfolio == pytest.approx(2_000 * (0.12 * 1.25 + 0.03))
    assert found.worst == pytest.approx(2_000 * 0.12)


# ---- the twelve ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STRUCTURES)
def test_portfolio__every_structure__covers_the_worst_loss_and_maintenance_does(name: str) -> None:
    found = asked(STRUCTURES[name])
    assert found.worst <= found.maintenance <= found.portfolio


@pytest.mark.parametrize("name", [name for name in STRUCTURES if name not in CHARGED + BOUNDED])
def test_portfolio__structure__is_at_or_under_the_lower_of_theirs(name: str) -> None:
    found = asked(STRUCTURES[name])
    assert found.lower is not None
    assert found.portfolio <= found.lower


@pytest.mark.parametrize("name", CHARGED)
def test_portfolio__structure_above_theirs__is_so_by_charges_alone(name: str) -> None:
    found = asked(STRUCTURES[name])
    assert found.lower is not None
    assert found.scan <= found.lower < found.portfolio


@pytest.mark.parametrize("name", BOUNDED)
def test_portfolio__structure_whose_scan_is_above__theirs_just_covers(name: str) -> None:
    found = asked(STRUCTURES[name])
    assert found.lower is not None
    # the gap of long options is what a bound between rows costs; theirs looks at rows alone
    assert found.worst - efficiency.CENT < found.lower < found.scan < found.paradex


@pytest.mark.parametrize("name", STRUCTURES)
def test_portfolio__every_structure_of_options__asks_less_than_leg_by_leg(name: str) -> None:
    found = asked(STRUCTURES[name])
    assert found.portfolio < found.isolated


def test_show__any_run__names_all_twelve_and_says_what_is_above() -> None:
    console = Console(width=140, record=True)
    efficiency.show(console)
    lines = console.export_text().splitlines()
    assert len(STRUCTURES) == 12
    for name in STRUCTURES:
        (line,) = [line for line in lines if f" {name} " in line]
        assert (" above " in line) == (name in CHARGED + BOUNDED)
