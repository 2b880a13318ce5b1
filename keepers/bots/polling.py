"""Adapters: bring what they say for the markets whose prices nobody signs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import structlog

from keepers.bots.runtime import Runtime
from keepers.chain.abi import interface
from keepers.chain.rpc import Block, Log
from keepers.chain.transactions import Draft
from keepers.domain.margin import Market
from keepers.domain.publishing import polls
from keepers.domain.words import CHECKED, POLLED, UNTRUSTED
from keepers.errors import Reverted

log = structlog.get_logger()

# an adapter and a cross-check may use 232,000 each, Markets up to 150,000
GAS = 700_000
NOBODY = "0x" + "00" * 20
VALID = slice(96, 128)  # of IFeed.Quote


class Polling:
    """The markets with an adapter, and those with a cross-check, as the owner names them."""

    def __init__(
        self, runtime: Runtime, survived: Callable[[str], AbstractContextManager[None]]
    ) -> None:
        """Know nothing yet; `survived` counts a failure and goes on."""
        self.runtime = runtime
        self._survived = survived
        self.adapters: dict[int, str] = {}
        self.checked: set[int] = set()
        self._configurator = interface("RiskConfigurator")
        self._address = runtime.deployment.address("RiskConfigurator")

    async def load(self, views: Sequence[Market], block: Block) -> None:
        """Read who prices the markets whose words say that somebody does."""
        self.checked = {view.id for view in views if view.price.flags & CHECKED}
        ids = [view.id for view in views if view.price.flags & POLLED]
        calls = [("RiskConfigurator", "sources", (id_,)) for id_ in ids]
        answers = await self.runtime.reader.many(calls, block) if calls else []
        self.adapters = {id_: answer[0][0] for id_, answer in zip(ids, answers, strict=True)}

    def take(self, message: Log) -> None:
        """Follow the owner."""
        event = self._configurator.topics.get(message.topics[0])
        if event is None or event.name != "SourcesSet":
            return
        said = event.decode(message.topics, message.data)
        market, new = said["market"], said["new"]
        self.adapters.pop(market, None)
        self.checked.discard(market)
        if new["primary"] != NOBODY:
            self.adapters[market] = new["primary"]
        if new["cross_check"] != NOBODY:
            self.checked.add(market)

    async def bring(self) -> None:
        """Poll the markets where that changes something; one that fails stops no other."""
        for market, adapter in sorted(self.adapters.items()):
            with self._survived("poll"):
                await self._poll(market, adapter)

    async def _poll(self, market: int, adapter: str) -> None:
        data = self._configurator.encode("poll", market)
        draft = Draft(f"poll {market}", self._address, data, GAS)
        if self.runtime.sender.busy(draft.key) or not await self._worth(market, adapter, data):
            return
        if self.adapters.get(market) != adapter:
            return  # the owner has named another one meanwhile
        await self.runtime.sender.send(draft)
        log.info("polled", market=market)

    async def _worth(self, market: int, adapter: str, data: bytes) -> bool:
        """Return whether a poll would store a price, or put a silent adapter's market in doubt."""
        stored = any(await self.runtime.rpc.call(self._address, data))
        if stored:
            return True
        (view,) = await self.runtime.reader.markets_of([market])
        sound = await self._sound(adapter)
        return polls(stored=stored, sound=sound, doubted=bool(view.price.flags & UNTRUSTED))

    async def _sound(self, adapter: str) -> bool:
        quote = interface("ChainlinkFeed").encode("quote")
        try:
            answer = await self.runtime.rpc.call(adapter, quote)
        except Reverted:
            return False
        return len(answer) == VALID.stop and any(answer[VALID])
