"""The bench measures nothing on markets that are calmer than the design's."""

from __future__ import annotations

import pytest

from bench.conditions import WrongFixture, require, unmet

TICKS = 2_000 * 10**10
LOTS = 10**8
LARGE = 501 * LOTS  # 1,002,000 USD, above the tier of 1M


def words(stable: int = TICKS - 1, v: int = 10_001, interest: int = 7_501, funding: int = -1):
    """Return a market's words: tier 1M USD, cap 30M USD, its slope from a half of that."""
    price = TICKS << 192 | stable << 128 | v << 56
    # tier_start 10,000 USD each, oi_lo 1/16 each, oi_cap 3 x 10^7 USD
    margin = 100 << 23 | 8 << 8 | 3 << 4 | 7
    return price, interest * LOTS << 56 | margin, funding


def test_unmet__all_as_in_the_design__nothing() -> None:
    assert unmet(words(), LARGE) == unmet(words(), -LARGE) == []
    require("ETH", words(), LARGE)


@pytest.mark.parametrize(
    ("change", "lots", "said"),
    [
        ({"funding": 0}, LARGE, "funding is not zero"),
        ({"stable": TICKS}, LARGE, "the stable price is not the price"),
        ({"v": 10_000}, LARGE, "v is above 1"),
        ({}, 500 * LOTS, "the size is above the base tier"),
        ({"interest": 7_500}, LARGE, "open interest is on its slope"),
        ({"interest": 15_000}, LARGE, "open interest is on its slope"),
    ],
)
def test_require__one_condition_missing__is_named(
    change: dict[str, int], lots: int, said: str
) -> None:
    assert unmet(words(**change), lots) == [said]
    with pytest.raises(WrongFixture, match=f"ETH: it is not so that {said}; repair the fixture"):
        require("ETH", words(**change), lots)
