"""Which markets a publisher polls, and when it pays for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from eth_abi.abi import encode

from keepers.bots.polling import NOBODY, Polling
from keepers.chain.abi import interface
from keepers.chain.transactions import Draft
from keepers.domain.publishing import polls
from keepers.domain.words import ACTIVE, CHECKED, POLLED, UNTRUSTED
from keepers.errors import KeeperError, NodeRefused, Reverted

CONFIGURATOR = "0x" + "c0" * 20
ADAPTER = "0x" + "ad" * 20
OTHER = "0x" + "0b" * 20
SOUND = encode(["(uint256,uint256,uint256,bool)"], [(1, 0, 1, True)])
SILENT = encode(["(uint256,uint256,uint256,bool)"], [(0, 0, 0, False)])


def market(id_: int, flags: int) -> Any:
    return SimpleNamespace(id=id_, price=SimpleNamespace(flags=ACTIVE | flags))


@dataclass
class Chain:
    """A node with one adapter, as much of it as polling asks."""

    stores: bool = False
    quote: bytes | Exception = SOUND
    flags: int = POLLED
    sent: list[Draft] = field(default_factory=list)

    async def many(self, calls: Sequence[Any], _block: Any) -> list[Any]:
        assert all(call[:2] == ("RiskConfigurator", "sources") for call in calls)
        return [((ADAPTER, NOBODY, 0),) for _ in calls]

    async def markets_of(self, ids: Sequence[int]) -> list[Any]:
        return [market(id_, self.flags) for id_ in ids]

    async def call(self, to: str, data: bytes) -> bytes:
        if to == CONFIGURATOR:
            assert data == interface("RiskConfigurator").encode("poll", 4)
            return int(self.stores).to_bytes(32, "big")
        assert to == ADAPTER
        if isinstance(self.quote, Exception):
            raise self.quote
        return self.quote

    def busy(self, key: str) -> bool:
        return any(draft.key == key for draft in self.sent)

    async def send(self, draft: Draft) -> None:
        self.sent.append(draft)


@contextmanager
def survived(where: str) -> Iterator[None]:
    assert where == "poll"
    with suppress(KeeperError):
        yield


def polling(chain: Chain) -> Polling:
    runtime: Any = SimpleNamespace(
        deployment=SimpleNamespace(address=lambda _: CONFIGURATOR),
        reader=chain,
        rpc=chain,
        sender=chain,
    )
    return Polling(runtime, survived)


def loaded(chain: Chain) -> Polling:
    made = polling(chain)
    views = [market(1, 0), market(2, CHECKED), market(4, POLLED)]
    asyncio.run(made.load(views, "latest"))
    return made


def test_load__words_of_the_markets__say_who_has_an_adapter_and_who_a_cross_check() -> None:
    made = loaded(Chain())
    assert (made.adapters, made.checked) == ({4: ADAPTER}, {2})


@pytest.mark.parametrize(
    ("primary", "cross", "adapters", "checked"),
    [
        (OTHER, NOBODY, {4: OTHER}, {2}),
        (NOBODY, OTHER, {}, {2, 4}),
        (NOBODY, NOBODY, {}, {2}),
    ],
)
def test_take__owner_names_others__are_followed(
    primary: str, cross: str, adapters: dict[int, str], checked: set[int]
) -> None:
    made = loaded(Chain())
    event = interface("RiskConfigurator").events["SourcesSet"]
    struct = "(address,address,uint256)"
    body = encode([struct, struct], [(ADAPTER, NOBODY, 0), (primary, cross, 0)])
    message: Any = SimpleNamespace(topics=[event.topic, hex(4)], data=body)
    made.take(message)
    assert (made.adapters, made.checked) == (adapters, checked)


@pytest.mark.parametrize(
    ("chain", "sends"),
    [
        (Chain(stores=True), True),
        (Chain(), False),  # the same round as before
        (Chain(quote=SILENT), True),  # the market is to be in doubt
        (Chain(quote=b""), True),
        (Chain(quote=Reverted("aggregator: no data present")), True),
        (Chain(quote=SILENT, flags=POLLED | UNTRUSTED), False),  # it is already
    ],
)
def test_bring__polls__where_that_changes_something(chain: Chain, sends: bool) -> None:
    asyncio.run(loaded(chain).bring())
    assert [draft.key for draft in chain.sent] == ["poll 4"] * sends


@dataclass
class Two(Chain):
    """Two markets with adapters; `meanwhile` runs while the first is asked about."""

    meanwhile: Callable[[], None] = lambda: None
    refused: str = ""

    async def call(self, to: str, data: bytes) -> bytes:
        self.meanwhile()
        return (1).to_bytes(32, "big")

    async def send(self, draft: Draft) -> None:
        if draft.key == self.refused:
            raise NodeRefused(-32000, "exceeds block gas limit")
        await super().send(draft)


def of_two(chain: Chain) -> Polling:
    made = polling(chain)
    asyncio.run(made.load([market(4, POLLED), market(5, POLLED)], "latest"))
    return made


def test_bring__owner_removes_an_adapter_meanwhile__the_other_is_polled() -> None:
    chain = Two()
    made = of_two(chain)
    chain.meanwhile = lambda: made.adapters.pop(4, None) and None
    asyncio.run(made.bring())
    assert [draft.key for draft in chain.sent] == ["poll 5"]


def test_bring__one_is_refused__the_other_is_polled() -> None:
    chain = Two(refused="poll 4")
    asyncio.run(of_two(chain).bring())
    assert [draft.key for draft in chain.sent] == ["poll 5"]


def test_bring__poll_on_its_way__is_not_sent_again() -> None:
    chain = Two()
    made = of_two(chain)
    for _ in range(2):
        asyncio.run(made.bring())
    assert [draft.key for draft in chain.sent] == ["poll 4", "poll 5"]


@pytest.mark.parametrize("sound", [False, True])
@pytest.mark.parametrize("doubted", [False, True])
def test_polls__a_new_price__always(sound: bool, doubted: bool) -> None:
    assert polls(stored=True, sound=sound, doubted=doubted)
    assert polls(stored=False, sound=sound, doubted=doubted) == (not sound and not doubted)
