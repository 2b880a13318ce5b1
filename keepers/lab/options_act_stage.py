"""What the options act stands on: a node whose time it moves, and what it reads and sends there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from keepers.chain.abi import interface
from keepers.chain.reading import Reader
from keepers.chain.signer import Signer, test_secret
from keepers.chain.transactions import Draft
from keepers.domain.economics import update_limit
from keepers.domain.margin import Health
from keepers.domain.surfaces import surface_of
from keepers.errors import ChainError, KeeperError
from keepers.lab.clock import Clock, Desk
from keepers.lab.options_act_market import Market
from keepers.lab.options_act_sources import Letter, Sources
from keepers.lab.world import EXECUTORS, World

CONFIRM_S: Final = 5  # a jump is confirmed by a report this long after it
GAS: Final = 400_000
RELAYER: Final = EXECUTORS[0]  # brings what others have signed


@dataclass(slots=True)
class Stage:
    """Everything that a running act holds."""

    world: World
    clock: Clock
    desk: Desk
    reader: Reader
    market: Market
    sources: Sources
    accounts: list[int] = field(default_factory=list)  # whose health is watched
    noted: int = 0  # the last block whose liquidations are booked
    waited: dict[str, int] = field(default_factory=lambda: {"prices": 0, "surfaces": 0})
    # leaves bids for accounts below maintenance
    leave: Callable[[Sequence[int]], Awaitable[None]] | None = None
    relayer: Signer = field(default_factory=lambda: Signer(test_secret(RELAYER)))

    # ---- time

    async def tick(self, at: int) -> None:
        """Bring prices and surfaces of a time in one block, and once more what jumped."""
        await self._bring(at)
        waits = await self._waiting()
        for what in waits:
            self.waited[what] += 1
        if waits:
            await self._bring(at + CONFIRM_S)
            still = await self._waiting()
            if still:
                raise ChainError(f"{' and '.join(still)} wait for a third report")

    async def _bring(self, at: int) -> None:
        gas = update_limit(len(self.world.deployment.markets), 0)
        prices = self.draft("Markets", "update", self.sources.prices(at), gas=gas)
        surfaces = await self.sources.surfaces(at)
        await self.act([(self.relayer, prices), *surfaces], at)

    async def _waiting(self) -> list[str]:
        """Return what of prices and surfaces waits for a confirmation.

        Raises:
            ChainError: a surface is neither stored nor waits.
        """
        found, now = set(), self.clock.now
        for view in await self.reader.markets_of(sorted(self.market.before)):
            if view.pending_publish > view.price.publish_time:
                found.add("prices")
        seen = [each for surfaces in self.market.surfaces(now).values() for each in surfaces]
        keys = [(each.market, each.hours) for each in seen]
        stored = await self.reader.many([("Surfaces", "surface", key) for key in keys])
        pending = await self.reader.many([("Surfaces", "pending", key) for key in keys])
        for (word,), (waits,) in zip(stored, pending, strict=True):
            if surface_of(word).publish == now:
                continue
            if surface_of(waits).publish != now:
                raise ChainError("the chain refused a surface of the options act")
            found.add("surfaces")
        return sorted(found)

    # ---- sending

    def draft(self, contract: str, name: str, *arguments: Any, gas: int = GAS) -> Draft:
        """Return a call of a contract of the deployment."""
        data = interface(contract).encode(name, *arguments)
        return Draft(name, self.world.deployment.address(contract), data, gas)

    async def act(self, letters: Sequence[Letter], at: int = 0) -> None:
        """Send, mine until nothing waits, and require that everything succeeded."""
        sent = await self.desk.send(letters)
        await self.clock.mine(max(at, self.clock.now))
        await self.clock.drain(self.clock.now)
        failed = await self.desk.failed(sent)
        if failed:
            (_, draft), tx = letters[sent.index(failed[0])], failed[0]
            why = await self._why(letters[sent.index(tx)])
            raise ChainError(f"{draft.key} failed in the options act ({why})")

    async def _why(self, letter: Letter) -> str:
        """Return what a call says now that failed in its block."""
        signer, draft = letter
        call = {"from": signer.address, "to": draft.to, "data": "0x" + draft.data.hex()}
        try:
            await self.reader.rpc.request("eth_call", call, "latest")
        except KeeperError as error:
            return str(error)
        return "it would succeed in the next block"

    # ---- reading

    async def healths(self, accounts: Sequence[int] = ()) -> dict[int, Health]:
        """Return the contracts' own health of accounts, of those watched if none is named."""
        found = await self.reader.healths(list(accounts or self.accounts))
        silent = [id_ for id_, told in found.items() if told is None]
        if silent:
            raise ChainError(f"account {silent[0]:#x} has no health")
        return {id_: told for id_, told in found.items() if told is not None}

    async def marks(self, market: int, ids: Iterable[int]) -> dict[int, int]:
        """Return what instruments of a market are worth on the chain [ticks]."""
        (view,) = await self.reader.markets_of([market])
        price, wanted = view.price.price, list(ids)
        words = [
            sum(id_ << 64 + 128 * half for half, id_ in enumerate(wanted[place : place + 2]))
            for place in range(0, len(wanted), 2)
        ]
        (answer,) = await self.reader.one("Surfaces", "marks", market, price, words)
        found = dict(zip(wanted, answer, strict=False))
        return {**found, market << 56: price}


def numbers(world: World, symbols: Iterable[str]) -> Mapping[str, int]:
    """Return the ids of markets."""
    return {symbol: world.deployment.market(symbol) for symbol in symbols}
