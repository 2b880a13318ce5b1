"""The margin of accounts with options, and their surfaces: of what they hold or would hold.

The keepers have no mirror of the scan: OptionsMargin answers about any words and legs that are
passed to it, so a change is judged by one call of a view (docs/spec/engine.md#check).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from keepers.chain.reading import Reader
from keepers.chain.rpc import Block
from keepers.domain.instruments import Kind, kind_of, series_of
from keepers.domain.margin import Health, Snapshot, health
from keepers.domain.slices import portion, slice_leaving, slice_of, without
from keepers.domain.surfaces import MAX_EXPIRIES, Surface, surface_key, surface_of
from keepers.domain.units import WAD
from keepers.domain.words import Account, encode_account, encode_legs


async def answers(reader: Reader, accounts: Sequence[Account], block: Block) -> list[Health]:
    """Return what the engine's margin says of each account, whatever it holds there.

    Args:
        reader: of the deployment.
        accounts: as they are or would be; one may be there several times.
        block: whose prices count.
    """
    calls = [
        (
            "OptionsMargin",
            "check",
            (encode_legs(each.options), each.portfolio, *encode_account(each), True),
        )
        for each in accounts
    ]
    return [Health(*found) for (found,) in await reader.many(calls, block)]


async def healths(reader: Reader, accounts: Iterable[Account], block: Block) -> dict[int, Health]:
    """Return the health of those among the accounts for which Options answers, by id.

    Args:
        reader: of the deployment.
        accounts: as they are or would be, with their option and future legs.
        block: whose prices count.
    """
    asked = [each for each in accounts if each.engaged]
    told = await answers(reader, asked, block)
    return {each.id: found for each, found in zip(asked, told, strict=True)}


async def all_healths(
    reader: Reader, accounts: Sequence[Account], at: Snapshot, block: Block
) -> list[Health]:
    """Return the health of each account as it is or would be, at the prices of a block.

    Args:
        reader: of the deployment.
        accounts: one may be there several times.
        at: prices of the block.
        block: whose state counts.
    """
    told = iter(await answers(reader, [each for each in accounts if each.engaged], block))
    return [next(told) if each.engaged else health(each, at) for each in accounts]


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
    if not account.options or fraction >= WAD:
        return slice_of(account, exact, at, fraction)
    words = encode_account(without(account, portion(account, fraction)))
    (told,) = await reader.one("Options", "rest", account.id, fraction, *words, block=block)
    return slice_leaving(account, exact, Health(*told), fraction)


async def surfaces(reader: Reader, instruments: Iterable[int], block: Block) -> dict[int, Surface]:
    """Return the surface of each of these instruments that has one."""
    wanted = [each for each in dict.fromkeys(instruments) if kind_of(each) != Kind.PERP]
    places = {each: surface_key(*series_of(each)) for each in wanted}
    keys = list(dict.fromkeys(places.values()))
    groups = [keys[i : i + MAX_EXPIRIES] for i in range(0, len(keys), MAX_EXPIRIES)]
    answers = await reader.many([("Surfaces", "surfaces_at", (group,)) for group in groups], block)
    words = dict(zip(keys, (word for answer in answers for word in answer[0]), strict=True))
    return {each: surface_of(words[key]) for each, key in places.items() if words[key]}
