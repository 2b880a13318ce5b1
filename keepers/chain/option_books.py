"""Marks, and the margin of accounts with options: of what they hold or would hold.

The keepers have no mirror of the scan: OptionsMargin answers about any words and legs that are
passed to it, so a change is judged by one call of a view (docs/spec/engine.md#check).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from keepers.chain.reading import Reader
from keepers.chain.rpc import Block
from keepers.domain.effects import with_collateral, with_leg
from keepers.domain.exchange_fills import Mark
from keepers.domain.liquidation import slice_of
from keepers.domain.margin import Health, Snapshot
from keepers.domain.surfaces import MAX_EXPIRIES, Surface, surface_of
from keepers.domain.units import WAD
from keepers.domain.words import (
    Account,
    Leg,
    decode_price,
    encode_account,
    encode_legs,
)

LEAST_BAND: Final = WAD // 1_000  # docs/spec/exchange.md#fill, where nothing opens


async def healths(reader: Reader, accounts: Iterable[Account], block: Block) -> dict[int, Health]:
    """Return the health of those among the accounts for which Options answers, by id.

    Args:
        reader: of the deployment.
        accounts: as they are or would be, with their option and future legs.
        block: whose prices count.
    """
    asked = [each for each in accounts if each.engaged]
    calls = [
        (
            "OptionsMargin",
            "check",
            (encode_legs(each.options), each.portfolio, *encode_account(each), True),
        )
        for each in asked
    ]
    answers = await reader.many(calls, block) if calls else []
    return {each.id: Health(*answer[0]) for each, answer in zip(asked, answers, strict=True)}


async def share(
    reader: Reader, account: Account, exact: Health, at: Snapshot, fraction: int, block: Block
) -> Account:
    """Return what a take of a fraction moves, options at their marks among it.

    docs/spec/liquidation.md#take: the account parts with exactly that share of its E and U.

    Args:
        reader: of the deployment.
        account: that is taken.
        exact: its health.
        at: prices.
        fraction: WAD.
        block: at which it happens.
    """
    part = slice_of(account, exact, at, fraction)
    if not account.options or fraction >= WAD:
        return part
    rest = account
    for leg in part.legs:
        rest = with_leg(rest, leg.instrument, -leg.size)
    for held in part.holdings:
        rest = with_collateral(rest, held.collateral, -held.amount)
    # with the cash and quote of the whole
    asked = (account.id, fraction, *encode_account(rest))
    (answer,) = await reader.one("Options", "rest", *asked, block=block)
    left = Health(*answer)
    profit, worth = exact.unsettled - left.unsettled, exact.equity - left.equity
    quote = exact.unsettled * fraction // WAD - profit
    cash = exact.equity * fraction // WAD - exact.unsettled * fraction // WAD - (worth - profit)
    return replace(part, cash=cash, quote=quote)


async def marks(reader: Reader, instruments: Iterable[int], block: Block) -> dict[int, Mark]:
    """Return prices, marks and bands of these instruments."""
    wanted = sorted(set(instruments))
    markets = sorted({each >> 56 for each in wanted})
    calls: list[tuple[str, str, tuple[Any, ...]]] = []
    for id_ in markets:
        calls += [("Markets", "market_words", (id_,)), ("Surfaces", "bounds", (id_,))]
    answers = await reader.many(calls, block)
    prices = {
        id_: decode_price(words[0]).price for id_, words in zip(markets, answers[::2], strict=True)
    }
    bands = {
        id_: prices[id_] * max(bounds[2], LEAST_BAND) // WAD
        for id_, bounds in zip(markets, answers[1::2], strict=True)
    }
    said = await _said(reader, wanted, prices, block)
    return {
        each: Mark(prices[each >> 56], said.get(each, prices[each >> 56]), bands[each >> 56])
        for each in wanted
    }


async def surfaces(reader: Reader, instruments: Iterable[int], block: Block) -> dict[int, Surface]:
    """Return the surface of each of these instruments that has one."""
    wanted = [each for each in dict.fromkeys(instruments) if not _is_perp(each)]
    keys = list(dict.fromkeys(_series(each) for each in wanted))
    groups = [keys[i : i + MAX_EXPIRIES] for i in range(0, len(keys), MAX_EXPIRIES)]
    calls = [("Surfaces", "surfaces_at", (group,)) for group in groups]
    answers = await reader.many(calls, block) if calls else []
    words = dict(zip(keys, (word for answer in answers for word in answer[0]), strict=True))
    return {each: surface_of(words[_series(each)]) for each in wanted if words[_series(each)]}


def _series(instrument: int) -> int:
    """Return market and hours of an instrument, as Surfaces takes them."""
    return instrument >> 56 << 24 | instrument >> 30 & (1 << 24) - 1


async def _said(
    reader: Reader, instruments: Sequence[int], prices: Mapping[int, int], block: Block
) -> dict[int, int]:
    """Return what Surfaces says of the dated ones among instruments [ticks]."""
    groups = {
        id_: [each for each in instruments if each >> 56 == id_ and not _is_perp(each)]
        for id_ in prices
    }
    groups = {id_: each for id_, each in groups.items() if each}
    calls = [
        ("Surfaces", "marks", (id_, prices[id_], encode_legs([Leg(i, 1) for i in group])))
        for id_, group in groups.items()
    ]
    answers = await reader.many(calls, block) if calls else []
    return {
        each: int(mark)
        for group, answer in zip(groups.values(), answers, strict=True)
        for each, mark in zip(group, answer[0], strict=False)  # an odd one has an empty neighbour
    }


def _is_perp(instrument: int) -> bool:
    return not instrument << 8 & (1 << 64) - 1
