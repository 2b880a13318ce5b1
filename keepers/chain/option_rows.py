"""The rows of the scan for a book that nobody has yet: PortfolioRows is passed the facts.

What takes part is docs/spec/engine.md#check; of a book that stands MarginLens says the same.
"""

from __future__ import annotations

from typing import Any, Final

from keepers.chain import option_books
from keepers.chain.option_reading import ScenarioTable, table_of
from keepers.chain.reading import Reader
from keepers.chain.rpc import Block
from keepers.domain import instruments
from keepers.domain.margin import Snapshot
from keepers.domain.units import LOTS_PER_UNIT
from keepers.domain.words import Account, encode_legs

ROWS: Final = "PortfolioRows"
MAX_SCANNED: Final = 8
GROUP_AT: Final = 64  # in a risk word


async def rows(
    reader: Reader, account: Account, at: Snapshot, block: Block
) -> ScenarioTable | None:
    """Return what a book under portfolio margin loses in each row, under the ranges of MM.

    Returns:
        None under standard margin, and where no PortfolioRows stands.
    """
    if not account.portfolio or ROWS not in reader.deployment.contracts:
        return None
    found = await _underlyings(reader, account, at, block)
    scanned = {each[0] for each in found}
    held = [
        leg
        for leg in account.options
        if instruments.decode(leg.instrument).expiry > at.now and leg.market in scanned
    ]
    legs = [*held, *(leg for leg in account.legs if leg.market in scanned)]
    surfaces = await option_books.surfaces(reader, [leg.instrument for leg in held], block)
    words = list(dict.fromkeys(each.word for each in surfaces.values()))
    (answer,) = await reader.one(ROWS, "rows", found, words, encode_legs(legs), False, block=block)
    return table_of(answer)


async def _underlyings(
    reader: Reader, account: Account, at: Snapshot, block: Block
) -> list[tuple[int, int, int, int, int, int]]:
    """Return the markets that take part, in the order of their groups.

    Open interest is left out: no row knows it.
    """
    legs = (*account.options, *account.legs)
    named = list(dict.fromkeys(leg.market for leg in legs))
    calls: list[tuple[str, str, tuple[Any, ...]]] = []
    for market in named:
        calls += [("OptionsMargin", "risk", (market,)), ("Markets", "market_words", (market,))]
    answers = await reader.many(calls, block) if calls else []
    spot = _spot(account, at)
    found = [
        (market, int(words[0]), int(risk[0]), int(words[2]), spot.get(market, 0), 0)
        for market, risk, words in zip(named, answers[::2], answers[1::2], strict=True)
        if risk[0]
    ]
    return sorted(found[:MAX_SCANNED], key=lambda each: each[2] >> GROUP_AT)


def _spot(account: Account, at: Snapshot) -> dict[int, int]:
    """Return the lots of collateral by the market that prices it, down."""
    sums: dict[int, int] = {}
    for held in account.holdings:
        terms = at.collaterals[held.collateral]
        lots = held.amount * LOTS_PER_UNIT // 10**terms.decimals
        sums[terms.feed] = sums.get(terms.feed, 0) + lots
    return sums
