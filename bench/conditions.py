"""What has to hold of the markets of a measured account: the conditions of the design's fixtures.

A figure of a calm market would be cheaper than what users pay, and the number would not show it.
"""

from __future__ import annotations

from collections.abc import Sequence

from keepers.domain.words import decode_price, decode_state

V_ONE = 10**4
OI_PARTS = 16  # MarginWord.oi_lo counts in these of the cap


class WrongFixture(Exception):
    """A fixture is not what its figures are said to be of."""


def unmet(words: Sequence[int], lots: int) -> list[str]:
    """Return the conditions that do not hold of one leg's market.

    Args:
        words: what `Markets.market_words` answers: price word, state word, funding [ticks].
        lots: size of the leg, of either sign.
    """
    price, state, funding = decode_price(words[0]), decode_state(words[1]), words[2]
    margin, value = state.margin, state.open_interest * price.price
    slope = margin.oi_lo * margin.oi_cap // OI_PARTS
    holds = {
        "funding is not zero": funding != 0,
        "the stable price is not the price": price.stable != price.price,
        "v is above 1": price.v > V_ONE,
        "the size is above the base tier": abs(lots) * price.price > margin.tier_start,
        "open interest is on its slope": slope < value < margin.oi_cap,
    }
    return [condition for condition, held in holds.items() if not held]


def require(symbol: str, words: Sequence[int], lots: int) -> None:
    """Refuse a leg's market that is too calm.

    Raises:
        WrongFixture: names the market and the conditions that do not hold.
    """
    missing = unmet(words, lots)
    if missing:
        raise WrongFixture(f"{symbol}: it is not so that {', '.join(missing)}; repair the fixture")
