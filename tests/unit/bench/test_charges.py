"""Charges other than R5's leave out what they say; R5's own are those of the reference."""

from __future__ import annotations

import pytest
from rich.console import Console

from bench import charges, efficiency
from bench.charges import R5, Charges
from bench.efficiency import Structure, asked
from tests.support import books as b

STRUCTURES = efficiency.structures()
ALONE = [name for name in STRUCTURES if name != "straddles, BTC for ETH"]
CENT = efficiency.CENT


@pytest.mark.parametrize("name", STRUCTURES)
def test_required__charges_of_r5__is_what_the_reference_requires(name: str) -> None:
    im, mm = charges.required(STRUCTURES[name], R5)
    found = asked(STRUCTURES[name])
    assert im == pytest.approx(found.portfolio, abs=CENT)
    assert mm == pytest.approx(found.maintenance, abs=CENT)


def test_required__perp_alone_without_the_quarter_and_static__is_its_range() -> None:
    im, mm = charges.required(Structure(0, (b.perp(1),)), Charges(factor=1.0, delta=0))
    assert im == mm == pytest.approx(2_000 * 0.12)


def test_required__straddle_with_the_larger_of_naked__is_charged_once() -> None:
    sold = STRUCTURES[charges.SOLD]
    im, _ = charges.required(sold, R5)
    once, _ = charges.required(sold, Charges(naked_apart=False))
    assert im - once == pytest.approx(0.02 * 2_000)


def test_scan__box_with_puts_as_calls__loses_nothing() -> None:
    assert charges.scan(STRUCTURES["box"], False, False, True) == pytest.approx(0, abs=CENT)


@pytest.mark.parametrize("name", ALONE)
def test_scan__finer_and_netted__lies_between_the_worst_loss_and_the_scan(name: str) -> None:
    structure = STRUCTURES[name]
    finer = charges.scan(structure, True, True, True)
    assert (
        asked(structure).worst - CENT < finer < charges.scan(structure, False, False, False) + CENT
    )


def test_crash__perp_of_each_market__loses_its_fall() -> None:
    book = Structure(0, (b.perp(1), b.perp(2, b.BTC)))
    assert charges.crash(book) == pytest.approx(0.26 * 2_000 + 2 * 0.21 * 60_000)


def test_reach__perp_alone__is_the_first_percent_beyond_the_amount() -> None:
    assert charges.reach(Structure(0, (b.perp(1),)), 300) == 0.16


def test_find__charges_of_r5__cover_in_all_twelve_and_are_under_in_two() -> None:
    found = charges.find(R5)
    assert (found.under, found.im_covers, found.mm_covers) == (2, 12, 12)


def test_find__exact_scan__does_not_bind_where_the_minimum_does() -> None:
    # docs/adr/011-what-the-charges-of-r5-cost.md: the charges decide, not the rows
    exact = charges.find(Charges(strikes=True, fine=True, netted=True))
    assert exact.under == charges.find(R5).under


def test_find__without_the_quarter__im_is_mm() -> None:
    for structure in STRUCTURES.values():
        im, mm = charges.required(structure, Charges(factor=1.0))
        assert im == mm


def test_others__their_maintenance__covers_in_fewer_than_their_initial_margin() -> None:
    for found in charges.others().values():
        assert found.mm_covers < found.im_covers


def test_show__any_run__names_every_rule() -> None:
    console = Console(width=140, record=True)
    charges.show(console)
    text = console.export_text()
    for name in (*charges.RULES, "Paradex", "Deribit"):
        assert f" {name} " in text
