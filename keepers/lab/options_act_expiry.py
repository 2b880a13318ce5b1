"""How an expiry of the options act ends: the keeper of expiries observes, writes and settles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from keepers.chain.abi import interface
from keepers.domain.expiring import Series, Window, observes, series_held
from keepers.domain.instruments import Kind, decode
from keepers.domain.units import HOUR, LOT, TICK, WAD
from keepers.lab.options_act_record import Act, Expired
from keepers.lab.options_act_stage import Stage

BLOCK_S: Final = 2
OBSERVE_S: Final = 30  # the keeper's own default
PATIENCE_S: Final = 10.0  # on this machine, for the keeper to act on a block
ROUNDS: Final = 5  # blocks that an observation may take
SETTLING: Final = 20  # and everybody's settlement
GAS_SETTLE: Final = 6_000_000


async def observed(stage: Stage, series: Sequence[Series]) -> None:
    """Mine while the stored price is worth an observation, which somebody else makes."""
    for _ in range(ROUNDS):
        if not await _due(stage, series):
            return
        await stage.clock.arrival(PATIENCE_S)
        await stage.clock.mine(stage.clock.now + BLOCK_S)


async def _due(stage: Stage, series: Sequence[Series]) -> bool:
    answers = await stage.reader.many([("Expiries", "window", each) for each in series])
    views = await stage.reader.markets_of([market for market, _ in series])
    return any(
        observes(each, Window(*answer[0]), view.price, stage.clock.now, OBSERVE_S)
        for each, answer, view in zip(series, answers, views, strict=True)
    )


async def written(stage: Stage, series: Sequence[Series]) -> dict[int, int]:
    """Return the settlement prices [ticks] by market, nothing until all are there."""
    found = await stage.reader.settlement_prices(series)
    if len(found) < len(series):
        return {}
    return {market: found[market, hours] for market, hours in series}


async def settled(
    act: Act, stage: Stage, expiry: int, prices: Mapping[int, int], first: int
) -> None:
    """Wait until every expired leg is closed, then bring losses into the pot and pay winners.

    Args:
        act: which notes what is paid.
        stage: where it is played.
        expiry: unix seconds.
        prices: that were written, by market.
        first: a block before the first settlement.
    """
    for _ in range(SETTLING):
        accounts = await stage.reader.accounts(await stage.reader.account_ids())
        if expiry // HOUR not in {hour for _, hour in series_held(accounts)}:
            break
        await stage.clock.arrival(PATIENCE_S)
        await stage.clock.mine(stage.clock.now + BLOCK_S)
    else:
        act.missed.append("somebody's expired legs were not settled")
    await _note(act, stage, expiry, prices, first)
    await _collect(stage)


async def _collect(stage: Stage) -> None:
    """Settle losers first: what they lost is what the winners get."""
    found = await stage.healths()
    order = sorted(
        (each for each in found if found[each].unsettled),
        key=lambda each: (found[each].unsettled > 0, each),
    )
    await stage.act(
        [
            (stage.relayer, stage.draft("Clearinghouse", "settle", each, gas=GAS_SETTLE))
            for each in order
        ]
    )


async def _note(act: Act, stage: Stage, expiry: int, prices: Mapping[int, int], first: int) -> None:
    """Note what every expired leg was paid."""
    address = stage.world.deployment.address("Options")
    by_account = {book.account: book for book in act.books}
    paid = {market: 0 for market in prices}
    count = {market: 0 for market in prices}
    for log in await stage.reader.rpc.logs([address], first, stage.clock.block):
        event = interface("Options").topics.get(log.topics[0])
        if event is None or event.name != "LegSettled":
            continue
        said = event.decode(log.topics, log.data)
        market, future = said["instrument"] >> 56, decode(said["instrument"]).kind == Kind.FUTURE
        paid[market] += 0 if future else max(0, said["value"])
        count[market] += 1
        book = by_account.get(said["account"])
        if book is not None:
            # a future pays its whole price, against the one that it was bought at
            at = book.entries[said["instrument"]] * TICK if future else 0
            book.settled += said["value"] - said["size"] * at * LOT // WAD
    for market, price in prices.items():
        symbol = stage.world.deployment.symbol(market)
        act.expired.append(Expired(symbol, expiry, price, paid[market], count[market]))
