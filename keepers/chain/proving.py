"""Collects what a proof of the books needs, from any node that knows the block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment
from keepers.chain.reading import Reader
from keepers.chain.rpc import Block, Rpc
from keepers.domain import proof
from keepers.domain.expiring import series_held
from keepers.domain.margin import Health
from keepers.domain.proof import Custody, Engine, Ledger, Line
from keepers.domain.rebuild import Rebuilt
from keepers.domain.words import Account
from keepers.errors import BrokenBooks, ChainError

RANGE: Final = 5_000  # blocks of events asked for at once


async def prove(
    rpc: Rpc, deployment: Deployment, block: Block = "latest", *, logs: bool = True
) -> tuple[int, list[Line]]:
    """Return the block and every equation of the books at it.

    Args:
        rpc: a node with the state of that block.
        deployment: what to prove.
        block: its number, or a name that the node knows.
        logs: also rebuild every account from its events.
    """
    reader = Reader(rpc, deployment)
    head = await rpc.head(block)
    at = head.number
    accounts = await reader.accounts(await _ids(reader, at), at)
    totals = await reader.totals(at)
    markets = await reader.markets(at)
    ledger = Ledger(totals.pot, totals.deficit, totals.scale)
    symbols = {id_: symbol for symbol, id_ in deployment.markets.items()}
    tokens = [
        Custody(_symbol(deployment, token.id), token.id, token.tracked, token.held)
        for token in await reader.tokens(at)
    ]
    prices = await reader.snapshot(head, markets)
    lines = list(proof.conservation(accounts, tokens, ledger))
    interest = {market.id: market.state.open_interest for market in markets}
    lines += proof.positions(accounts, interest, symbols)
    engine = await _engine(reader, accounts, [market.id for market in markets], at)
    exact = await _exact(reader, accounts, at)
    if engine is not None:
        lines += proof.dated(accounts, engine, symbols)
    lines.append(proof.profits(accounts, prices, ledger, exact))
    if logs:
        events = Rebuilt(
            {token.address.lower(): token.id for token in deployment.tokens.values()},
            totals.scale,
            totals.fee_account,
            totals.insurance_account,
            engine.account if engine else 0,
        )
        await _replay(rpc, deployment, at, events)
        if engine is not None:
            lines += proof.settled_lots(accounts, engine, events, symbols)
        lines += proof.rebuilt(accounts, ledger, events)
    return at, lines


async def _ids(reader: Reader, at: int) -> list[int]:
    """Return all accounts, the engine's own among them, which no deposit ever lists."""
    ids = await reader.account_ids(at)
    own = reader.engine_account
    return ids if own is None or own in ids else [*ids, own]


async def _engine(
    reader: Reader, accounts: Sequence[Account], markets: Sequence[int], at: int
) -> Engine | None:
    """Return what the engine keeps; None where there is none."""
    if reader.engine_account is None:
        return None
    terms = await reader.many([("Options", "market_terms", (each,)) for each in markets], at)
    return Engine(
        reader.engine_account,
        {market: int(found[1]) for market, found in zip(markets, terms, strict=True)},
        await reader.settlement_prices(series_held(accounts), at),
    )


async def _exact(reader: Reader, accounts: Sequence[Account], at: int) -> dict[int, Health]:
    """Return what the contracts say of the accounts that the engine answers for."""
    ids = [each.id for each in accounts if each.engaged]
    found = {id_: told for id_, told in (await reader.healths(ids, at)).items() if told}
    if len(found) < len(ids):
        raise ChainError(
            "the node does not answer for every account with options",
            "let it spend more gas on a call",
        )
    return found


async def _replay(rpc: Rpc, deployment: Deployment, last: int, events: Rebuilt) -> None:
    """Feed every event of the Clearinghouse and of Options up to a block."""
    names = [each for each in ("Clearinghouse", "Options") if each in deployment.contracts]
    known = {deployment.address(each).lower(): interface(each) for each in names}
    for first in range(deployment.block, last + 1, RANGE):
        for found in await rpc.logs(list(known), first, min(last, first + RANGE - 1)):
            event = known[found.address].topics.get(found.topics[0])
            if event is not None:
                events.apply(event.name, event.decode(found.topics, found.data))


def require(lines: list[Line]) -> None:
    """Raise when any equation does not hold."""
    broken = [line.name for line in lines if not line.holds]
    if broken:
        raise BrokenBooks(
            f"{len(broken)} of {len(lines)} equations do not hold, first: {broken[0]}",
            "stop trading and compare the events with the state",
        )


def _symbol(deployment: Deployment, id_: int) -> str:
    token = deployment.token_by_id(id_)
    return token.symbol if token else f"#{id_}"
