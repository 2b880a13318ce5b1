"""The README's account is worked out right: rules R4 and R13, in exact fractions."""

import re
from collections.abc import Iterator
from fractions import Fraction

import pytest

from tools.findings import ROOT

CASH, COLLATERAL, SIZE, ENTRY = 10_000, 2, 50, 2_100
BASE, MM_RATIO = Fraction(5, 100), Fraction(1, 2)
HAIRCUT_IM, HAIRCUT_MM = Fraction(15, 100), Fraction(10, 100)
KAPPA = Fraction(1) + 2 * Fraction(25, 100)


def equity(price: Fraction) -> Fraction:
    return CASH + SIZE * (price - ENTRY) + COLLATERAL * price


def maintenance(price: Fraction) -> Fraction:
    return BASE * MM_RATIO * SIZE * price + HAIRCUT_MM * COLLATERAL * price + KAPPA


def initial(price: Fraction) -> Fraction:
    rest = BASE * (1 - MM_RATIO) * SIZE + (HAIRCUT_IM - HAIRCUT_MM) * COLLATERAL
    return maintenance(price) + rest * price


def liquidation_end(price: Fraction) -> Fraction:
    return (maintenance(price) + initial(price)) / 2


def root(slope_of_requirement: Fraction) -> Fraction:
    """Return the price at which E equals a requirement of this slope (all are linear here)."""
    return (SIZE * ENTRY - CASH + KAPPA) / (SIZE + COLLATERAL - slope_of_requirement)


def figures() -> Iterator[tuple[str, Fraction]]:
    now, low = Fraction(2_000), Fraction(1_860)
    yield "E", equity(now)
    yield "MM", maintenance(now)
    yield "IM", initial(now)
    yield "LE", liquidation_end(now)
    yield "free", equity(now) - initial(now)
    yield "E after the fall", equity(low)
    yield "MM after the fall", maintenance(low)
    yield "price at E = IM", root(initial(Fraction(1)) - KAPPA)
    yield "price at E = MM", root(maintenance(Fraction(1)) - KAPPA)


@pytest.mark.parametrize(("name", "value"), figures())
def test_worked_account__each_figure__stands_in_the_readme(name: str, value: Fraction) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = f"{float(value):,.2f}"
    assert re.search(rf"(?<![\d.,]){re.escape(shown)}(?!\d)", readme), f"{name} is {shown}"


def test_worked_account__size_tier__not_reached() -> None:
    # k makes f leave the base rate at a notional of 1,000,000 USD.
    assert SIZE * 2_000 < 1_000_000


def test_worked_account__both_roots__are_roots() -> None:
    at_im = root(initial(Fraction(1)) - KAPPA)
    at_mm = root(maintenance(Fraction(1)) - KAPPA)
    assert equity(at_im) == initial(at_im)
    assert equity(at_mm) == maintenance(at_mm)
