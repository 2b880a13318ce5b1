"""Collects what a proof of the books needs, from any node that knows the block."""

from __future__ import annotations

from typing import Final

from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment
from keepers.chain.reading import Reader
from keepers.chain.rpc import Block, Rpc
from keepers.domain import proof
from keepers.domain.margin import snapshot
from keepers.domain.proof import Custody, Ledger, Line
from keepers.domain.rebuild import Rebuilt
from keepers.errors import BrokenBooks

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
    accounts = await reader.accounts(await reader.account_ids(at), at)
    totals = await reader.totals(at)
    markets = await reader.markets(at)
    ledger = Ledger(totals.pot, totals.deficit, totals.scale)
    symbols = {id_: symbol for symbol, id_ in deployment.markets.items()}
    tokens = [
        Custody(_symbol(deployment, token.id), token.id, token.tracked, token.held)
        for token in await reader.tokens(at)
    ]
    prices = snapshot(head.time, markets, await reader.collaterals(at), await reader.terms(at))
    lines = list(proof.conservation(accounts, tokens, ledger))
    interest = {market.id: market.state.open_interest for market in markets}
    lines += proof.positions(accounts, interest, symbols)
    lines.append(proof.profits(accounts, prices, ledger))
    if logs:
        events = Rebuilt(
            {token.address.lower(): token.id for token in deployment.tokens.values()},
            totals.scale,
            totals.fee_account,
            totals.insurance_account,
        )
        await _replay(rpc, deployment, at, events)
        lines += proof.rebuilt(accounts, ledger, events)
    return at, lines


async def _replay(rpc: Rpc, deployment: Deployment, last: int, events: Rebuilt) -> None:
    """Feed every event of the Clearinghouse up to a block."""
    contract = interface("Clearinghouse")
    address = deployment.address("Clearinghouse")
    for first in range(deployment.block, last + 1, RANGE):
        for found in await rpc.logs([address], first, min(last, first + RANGE - 1)):
            event = contract.topics.get(found.topics[0])
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
