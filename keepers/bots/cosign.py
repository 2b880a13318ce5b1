"""Co-signing surfaces: propose in one's turn, sign what is like one's own, submit a quorum."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from keepers.bots.runtime import Runtime
from keepers.chain.abi import interface
from keepers.chain.transactions import Draft
from keepers.domain.publishing import turn
from keepers.domain.surfaces import (
    AHEAD,
    MAX_WORDS,
    Surface,
    disagreement,
    encode_report,
    faults,
    surface_of,
)
from keepers.settings import PublishSettings
from keepers.web.cosigned import Proposal, Proposals

log = structlog.get_logger()

# what this source sees at a chain time, by market, expiries ascending
Smiles = Callable[[int], Awaitable[Mapping[int, Sequence[Surface]]]]
# of an update, and of each word of it: twice what the bench measures
GAS = 200_000
GAS_OF_WORD = 150_000
LIFE = 4  # beats after which nobody looks at a proposal any more


class CoSigner:
    """Speaks for one listed signer about surfaces."""

    def __init__(
        self,
        runtime: Runtime,
        settings: PublishSettings,
        smiles: Smiles,
        proposals: Proposals,
        index: int,
    ) -> None:
        """Sign for the seat `index` what `smiles` agrees with."""
        self.runtime = runtime
        self.settings = settings
        self.smiles = smiles
        self.proposals = proposals
        self.index = index
        self.last = 0  # beat of the last own proposal
        self._judged: dict[tuple[int, ...], int] = {}  # proposals, and their publish times
        self._sent: dict[tuple[int, ...], int] = {}
        self._surfaces = interface("Surfaces")
        self._address = runtime.deployment.address("Surfaces")

    async def step(self, now: int, seats: Sequence[str], signers: int) -> None:
        """Do what is due at a chain time: propose, sign what peers propose, submit."""
        heartbeat = self.settings.surface_heartbeat_s
        beat = now - now % heartbeat
        if beat > self.last and turn(self.index, beat, heartbeat, signers) == 0:
            self.last = beat
            await self._propose(beat)
        # what is from the future waits: a peer may have seen the next head already
        oldest = now - LIFE * heartbeat
        recent = [each for each in self.proposals if oldest <= each.publish <= now + AHEAD]
        for proposal in recent:
            if proposal.words not in self._judged:
                self._judged[proposal.words] = proposal.publish
                if self.index not in proposal.signatures:
                    await self._judge(proposal, now)
        for proposal in recent:
            if proposal.proposer == self.index and proposal.words not in self._sent:
                await self._submit(proposal, seats)
        for book in (self._judged, self._sent):
            for words in [each for each, time in book.items() if time < oldest]:
                del book[words]

    async def _propose(self, beat: int) -> None:
        """Sign the own surfaces of every market, those that the chain would take."""
        for market, surfaces in sorted((await self.smiles(beat)).items()):
            told = faults(surfaces, beat)
            for surface, why in zip(surfaces, told, strict=True):
                if why:
                    log.warning("surface left out", market=market, hours=surface.hours, why=why)
            good = [each for each, why in zip(surfaces, told, strict=True) if not why]
            words = tuple(surface.word for surface in good[:MAX_WORDS])
            if words:
                self._sign(self.index, words)

    def _sign(self, proposer: int, words: tuple[int, ...]) -> None:
        signature = self.runtime.signer.sign_compact(self.proposals.message(words))
        self.proposals.offer(proposer, words, self.index, signature)

    async def _judge(self, proposal: Proposal, now: int) -> None:
        """Sign a peer's words if every one of them is like what this source sees."""
        own = {
            (market, surface.hours): surface
            for market, surfaces in (await self.smiles(now)).items()
            for surface in surfaces
        }
        for word in proposal.words:
            why = self._objection(surface_of(word), own, now)
            if why:
                log.warning("surface not signed", proposer=proposal.proposer, word=word, why=why)
                return
        self._sign(proposal.proposer, proposal.words)

    def _objection(self, said: Surface, own: Mapping[tuple[int, int], Surface], now: int) -> str:
        seen = own.get((said.market, said.hours))
        if seen is None:
            return "this source knows no such expiry"
        if not now - self.settings.surface_heartbeat_s <= said.publish <= now + AHEAD:
            return "it is not of this time"
        bounds = (self.settings.surface_volatility_bp, self.settings.surface_ratio_bp)
        return faults([said], now)[0] or disagreement(said, seen, *bounds, now)

    async def _submit(self, proposal: Proposal, seats: Sequence[str]) -> None:
        """Bring an own proposal to the chain once it has its quorum."""
        signed = self.proposals.signed(proposal)
        if len(signed) < self.settings.quorum:
            return
        # a signature costs gas, so none is taken beyond the quorum
        chosen = {seat: signed[seat] for seat in sorted(signed)[: self.settings.quorum]}
        self._sent[proposal.words] = proposal.publish
        data = self._surfaces.encode("update", encode_report(proposal.words, chosen, seats))
        gas = GAS + GAS_OF_WORD * len(proposal.words)
        name = f"surfaces {proposal.publish} {proposal.words[0] >> 248}"
        await self.runtime.sender.send(Draft(name, self._address, data, gas))
        log.info("surfaces submitted", publish=proposal.publish, words=len(proposal.words))

    async def pause(self) -> None:
        """Wait until there may be something to do again."""
        await asyncio.sleep(self.settings.surface_poll_s)
