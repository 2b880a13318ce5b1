"""One key's transactions: nonces, refusals, landing, replacement, drops, reorgs, restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
import rlp

from keepers.chain.sender import Policy, Sender
from keepers.chain.signer import Signer
from keepers.chain.signer import test_secret as known_secret
from keepers.chain.transactions import Draft
from keepers.errors import KeeperError, NodeRefused
from keepers.store.ledger import DROPPED, FAILED, INCLUDED, Store
from keepers.web.metrics import Metrics
from tests.keepers.fake_node import FakeNode

GWEI = 10**9
TARGET = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def draft(name: str = "reduce a") -> Draft:
    return Draft(name, TARGET, b"\x01\x02\x03\x04", 500_000)


def fees_of(raw: bytes) -> tuple[int, int, int]:
    """Return nonce, tip and max fee of a signed transaction."""
    fields = rlp.decode(raw[1:])
    return tuple(int.from_bytes(fields[i], "big") for i in (1, 2, 3))  # type: ignore[return-value]


def run(
    scenario: Callable[[FakeNode, Sender, Clock], Awaitable[None]],
    cap: int = 500 * GWEI,
    store: Store | None = None,
) -> None:
    async def whole() -> None:
        node, clock = FakeNode(), Clock()
        policy = Policy(tip=GWEI, fee_cap=cap, stuck_s=10.0, confirmations=2)
        signer = Signer(known_secret(0))
        sender = Sender(node, signer, 31337, policy, store or Store(), Metrics(), clock)
        await sender.start()
        await scenario(node, sender, clock)

    asyncio.run(whole())


def test_send__several__counts_nonces_up() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        await asyncio.gather(*(sender.send(draft(f"reduce {i}")) for i in range(3)))
        assert [fees_of(raw)[0] for raw in node.sent] == [0, 1, 2]
        # twice the base fee and the tip
        assert fees_of(node.sent[0])[1:] == (GWEI, 3 * GWEI)

    run(scenario)


def test_send__same_key_on_its_way__is_refused_once_only() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        flight = await sender.send(draft())
        assert sender.busy("reduce a")
        with pytest.raises(KeeperError, match="already on its way"):
            await sender.send(draft())
        node.include(flight.versions[0].hash)
        assert await sender.tend(node.blocks[-1])
        assert not sender.busy("reduce a")
        await sender.send(draft())
        assert len(node.sent) == 2

    run(scenario)


@pytest.mark.parametrize(
    ("message", "sent"),
    [("insufficient funds for gas", "cannot pay for gas"), ("exceeds block gas limit", "refused")],
)
def test_send__node_refuses__nonce_is_not_used_up(message: str, sent: str) -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        node.refuse = NodeRefused(-32000, message)
        with pytest.raises(KeeperError, match=sent):
            await sender.send(draft())
        await sender.send(draft())
        assert fees_of(node.sent[0])[0] == 0

    run(scenario)


def test_send__nonce_too_low__learns_the_right_one() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        node.mined_nonce = 5
        node.refuse = NodeRefused(-32003, "nonce too low")
        with pytest.raises(KeeperError):
            await sender.send(draft())
        await sender.send(draft())
        assert fees_of(node.sent[0])[0] == 5

    run(scenario)


def test_send__already_known__counts_as_sent() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        node.refuse = NodeRefused(-32000, "already known")
        await sender.send(draft())
        assert sender.busy("reduce a")

    run(scenario)


def test_send__gas_above_the_cap__is_not_sent() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        sender.base_fee = 3 * GWEI
        with pytest.raises(KeeperError, match="more than the cap"):
            await sender.send(draft())
        assert node.sent == []

    run(scenario, cap=2 * GWEI)


@pytest.mark.parametrize(("status", "state"), [(1, INCLUDED), (0, FAILED)])
def test_tend__included__books_gas_and_tells(status: int, state: str) -> None:
    store = Store()

    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        flight = await sender.send(draft())
        node.include(flight.versions[0].hash, status)
        await sender.tend(node.blocks[-1])
        outcome = flight.outcome.result()
        assert (outcome.state, outcome.gas_wei) == (state, 200_000 * GWEI)
        assert store.totals().gas_wei == 200_000 * GWEI
        assert sender.flights  # watched until it is deep enough
        for _ in range(2):
            node.extend()
        await sender.tend(node.blocks[-1])
        assert not sender.flights

    run(scenario, store=store)


def test_tend__stuck__replaces_at_the_same_nonce_ten_percent_up() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        flight = await sender.send(draft())
        node.pool[0] = flight.versions[0].hash
        clock.now = 9.0
        await sender.tend(node.extend())
        assert len(node.sent) == 1
        for time in (11.0, 22.0):
            clock.now = time
            await sender.tend(node.extend())
        fees = [fees_of(raw) for raw in node.sent]
        assert [nonce for nonce, _, _ in fees] == [0, 0, 0]
        for old, new in pairwise(fees):
            assert all(10 * new[i] >= 11 * old[i] for i in (1, 2))
        # whichever version is included, the flight has landed
        node.include(flight.versions[1].hash)
        await sender.tend(node.blocks[-1])
        assert flight.outcome.result().hash == flight.versions[1].hash

    run(scenario)


def test_tend__stuck_at_the_cap__is_not_replaced_beyond_it() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        flight = await sender.send(draft())
        node.pool[0] = flight.versions[0].hash
        clock.now = 11.0
        await sender.tend(node.extend())
        assert len(node.sent) == 1

    run(scenario, cap=3 * GWEI)


def test_tend__dropped_from_the_pool__hands_back_and_reuses_the_nonce() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        flight = await sender.send(draft())
        clock.now = 11.0
        assert await sender.tend(node.extend())  # the pool does not know nonce 0 any more
        assert flight.outcome.result().state == DROPPED
        assert not sender.busy("reduce a")
        await sender.send(draft())
        assert [fees_of(raw)[0] for raw in node.sent] == [0, 0]

    run(scenario)


def test_tend__nonce_used_by_someone_else__hands_back() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        flight = await sender.send(draft())
        node.mined_nonce = 1
        clock.now = 11.0
        await sender.tend(node.extend())
        assert flight.outcome.result().state == DROPPED
        assert sender.next_nonce == 1

    run(scenario)


def test_tend__reorg_drops_it__hands_back_at_once() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        flight = await sender.send(draft())
        node.include(flight.versions[0].hash)
        await sender.tend(node.blocks[-1])
        node.receipts.clear()
        node.mined_nonce = 0
        assert await sender.tend(node.extend("other"))
        assert not sender.flights
        assert sender.next_nonce == 0

    run(scenario)


def test_tend__reorg_but_still_in_the_pool__keeps_waiting() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        flight = await sender.send(draft())
        node.include(flight.versions[0].hash)
        await sender.tend(node.blocks[-1])
        node.receipts.clear()
        node.mined_nonce = 0
        node.pool[0] = flight.versions[0].hash
        await sender.tend(node.extend("other"))
        assert sender.busy("reduce a")
        node.include(flight.versions[0].hash)
        await sender.tend(node.blocks[-1])
        assert not sender.busy("reduce a")

    run(scenario)


def test_send__taken_without_an_answer__keeps_its_nonce_and_lands() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        node.silent = True
        flight = await sender.send(draft())
        assert sender.busy("reduce a")
        await sender.send(draft("reduce b"))
        assert [fees_of(raw)[0] for raw in node.sent] == [0, 1]
        node.include(flight.versions[0].hash)
        assert await sender.tend(node.blocks[-1])
        assert flight.outcome.result().state == INCLUDED

    run(scenario)


def test_send__neither_taken_nor_answered__is_dropped_and_the_nonce_used_again() -> None:
    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        node.silent = True
        flight = await sender.send(draft())
        clock.now = 11.0
        assert await sender.tend(node.extend())
        assert flight.outcome.result().state == DROPPED
        await sender.send(draft())
        assert [fees_of(raw)[0] for raw in node.sent] == [0, 0]

    run(scenario)


def test_tend__mined_after_its_receipt_was_asked_for__has_landed() -> None:
    store = Store()

    async def scenario(node: FakeNode, sender: Sender, clock: Clock) -> None:
        flight = await sender.send(draft())
        node.pool[0] = flight.versions[0].hash
        clock.now = 11.0
        node.mines = [flight.versions[0].hash]
        assert await sender.tend(node.extend())
        assert flight.outcome.result().state == INCLUDED
        assert len(node.sent) == 1

    run(scenario, store=store)
    assert store.totals().included == 1


def started(node: FakeNode, store: Store) -> Sender:
    policy = Policy(GWEI, 500 * GWEI, 10.0, 2)
    sender = Sender(node, Signer(known_secret(0)), 31337, policy, store, Metrics())
    asyncio.run(sender.start())
    return sender


def test_start__after_a_crash__settles_what_was_in_flight() -> None:
    store, node = Store(), FakeNode()
    store.sent("0x1", "reduce a", 0)
    store.sent("0x2", "reduce b", 0)  # replaced by 0x1
    node.include("0x1")
    assert started(node, store).next_nonce == 1
    assert store.pending() == []
    assert store.totals().included == 1


def test_start__after_a_crash__what_may_still_land_is_watched() -> None:
    store, node = Store(), FakeNode()
    store.sent("0x1", "reduce a", 0)
    node.pool[0] = "0x1"
    sender = started(node, store)
    assert sender.next_nonce == 1
    assert store.pending() == [("0x1", "reduce a", 0)]
    node.include("0x1")
    asyncio.run(sender.tend(node.extend()))
    assert store.pending() == []
    assert store.gas["0x1"] == 200_000 * GWEI
