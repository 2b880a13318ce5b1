"""What became of an order: found by its id in the events, waited for, said in a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from keepers.chain.abi import interface
from keepers.chain.desk import Desk
from keepers.chain.rpc import parse_log
from keepers.domain import tickets
from keepers.domain.orders import Order, from_event
from keepers.domain.tickets import State, Ticket
from keepers.errors import KeeperError, Reverted
from keepers.reasons import meaning

RANGE: Final = 5_000  # blocks of events asked for at once
HISTORY: Final = 50_000  # blocks: an order lives for a day at most
ENDS: Final = ("Executed", "Refused", "Closed")
UNKNOWN: Final = "orders: unknown order"


async def find(desk: Desk, order_id: bytes) -> Order:
    """Return an open order by its id, out of the event that committed it."""
    (time,) = await desk.reader.one("Orders", "commit_time", order_id)
    if not time:
        for _, said, _ in await _events(desk, ["Refused"], order_id):
            what, do = meaning(said["reason"])
            raise KeeperError(f"the order 0x{order_id.hex()} is dead: {what}", do)
    found = await _events(desk, ["Committed"], order_id) if time else []
    if not found:
        raise Reverted(UNKNOWN)
    return from_event(found[-1][1])


async def ticket(desk: Desk, order: Order, first: int | None = None) -> Ticket:
    """Return how an order stands now.

    Args:
        desk: where it is looked at.
        order: as committed.
        first: block of its commitment, if it is known.
    """
    for _ in range(2):  # it may be filled between the two questions
        for name, said, tx in await _events(desk, ENDS, order.id, first):
            if name == "Executed":
                return tickets.executed(order, said["price"], said["fee"], tx)
            if name == "Refused":
                return tickets.refused(order, said["reason"], tx)
            return tickets.closed(order, said["reason"], tx)
        found = await standing(desk, order)
        if found is not None:
            return found
    raise Reverted(UNKNOWN)


async def standing(desk: Desk, order: Order) -> Ticket | None:
    """Return how an order that is still committed stands, None when it is not."""
    head = await desk.rpc.head()
    (market,) = await desk.reader.markets_of([order.market], head.number)
    calls: list[tuple[str, str, tuple[Any, ...]]] = [
        ("Orders", "commit_delay", ()),
        ("Orders", "commit_time", (order.id,)),
    ]
    (delay,), (time,) = await desk.reader.many(calls, head.number)
    if not time:
        return None
    order = replace(order, commit_time=int(time))
    return tickets.waiting(order, market.price, int(delay), head.time)


async def wait(desk: Desk, order: Order, seconds: float, first: int | None = None) -> Ticket:
    """Return how an order stands once it is filled or closed, or when the time is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        found = await ticket(desk, order, first)
        if found.state is not State.OPEN or loop.time() >= until:
            return found
        await asyncio.sleep(desk.settings.poll_s)


async def _events(
    desk: Desk, names: Sequence[str], order_id: bytes, first: int | None = None
) -> list[tuple[str, dict[str, Any], str]]:
    """Return an order's events of these kinds, newest ranges first, as name, arguments, hash."""
    orders = interface("Orders")
    topics = [[orders.events[name].topic for name in names], ["0x" + order_id.hex()]]
    address = desk.deployment.address("Orders")
    last = (await desk.rpc.head()).number
    if first is None:
        first = max(desk.deployment.block, last - HISTORY)
    for top in range(last, first - 1, -RANGE):
        low = max(first, top - RANGE + 1)
        query = {
            "address": address,
            "fromBlock": hex(low),
            "toBlock": hex(top),
            "topics": topics,
        }
        found = [parse_log(raw) for raw in await desk.rpc.request("eth_getLogs", query)]
        if found:
            events = [(orders.topics[each.topics[0]], each) for each in found]
            return [(e.name, e.decode(log.topics, log.data), log.tx) for e, log in events]
    return []
